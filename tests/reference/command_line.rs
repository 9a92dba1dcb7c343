//! The command line, as the program explains it.

use std::fmt::Write as _;
use std::process::Command;

pub const BEFORE: &str = "What the program says with `--help`. Status: 0 it is done or right, 1 something is wrong or differs, 64 the configuration is wrong.";

fn help(words: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_gateway")).args(words).arg("--help").env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Names of subcommands in a help text.
fn commands(help: &str) -> Vec<String> {
    let list =
        help.split_once("Commands:\n").map_or("", |(_, rest)| rest.split_once("\n\n").map_or(rest, |(list, _)| list));
    let name = |line: &str| {
        line.strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
            .and_then(|rest| rest.split(' ').next().map(ToOwned::to_owned))
    };
    list.lines().filter_map(name).filter(|name| name != "help").collect()
}

pub fn page() -> String {
    let mut text = String::new();
    for command in commands(&help(&[])) {
        section(&mut text, &[&command]);
        for inner in commands(&help(&[&command])) {
            section(&mut text, &[&command, &inner]);
        }
    }
    text
}

fn section(text: &mut String, words: &[&str]) {
    let help = help(words);
    let trimmed: Vec<&str> = help.lines().map(str::trim_end).collect();
    let level = "#".repeat(words.len() + 1);
    let _ = write!(text, "\n{level} gateway {}\n\n```text\n{}\n```\n", words.join(" "), trimmed.join("\n").trim_end());
}
