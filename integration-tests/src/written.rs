//! Pages whose commands are run as they are written: files, commands in one shell, lines of output.
//!
//! A block `toml NAME` is the file of that name, a block `sh` is run, and each line of a block `text` has to be printed by
//! the block of commands before it, in that order; `…` stands for anything.

use crate::gateway_process::gateway;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Before the output of each block of commands.
const MARK: &str = "=== block ";
/// A wait that does not end has failed.
const SECONDS_MAX: &str = "300";

/// The repository's folder.
///
/// # Panics
/// If it is not there.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// A fenced block of a page: its first line behind the fence, and what it holds.
struct Block<'a> {
    info: &'a str,
    text: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let parts: Vec<&str> = page.split("\n```").collect();
    let fenced = parts.iter().skip(1).step_by(2);
    fenced
        .map(|part| part.split_once('\n').expect("a fence has a line"))
        .map(|(info, text)| Block { info, text })
        .collect()
}

/// A fresh folder with the tutorial's files, and `gateway` and `python3` on its path.
fn workplace(blocks: &[Block<'_>], python: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    for folder in ["bin", "devices"] {
        fs::create_dir(home.path().join(folder)).expect("a folder");
    }
    let python = repository().join(python);
    for (name, program) in [("gateway", gateway()), ("python3", &python)] {
        let file = home.path().join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\nexec '{}' \"$@\"\n", program.display())).expect("written");
        fs::set_permissions(file, PermissionsExt::from_mode(0o755)).expect("executable");
    }
    for block in blocks {
        if let Some(name) = block.info.strip_prefix("toml ") {
            fs::write(home.path().join(name), block.text).expect("written");
        }
    }
    home
}

/// All commands as one script that stops at the first failure and leaves nothing running.
fn script(blocks: &[Block<'_>]) -> String {
    let mut script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.info == "sh") {
        let _ = write!(script, "echo '{MARK}{index}'\n{}\n", block.text);
    }
    script + &format!("echo '{MARK}end'\n")
}

fn run(home: &Path, script: &str) -> String {
    fs::write(home.join("script"), script).expect("written");
    let said = fs::File::create(home.join("said")).expect("a file");
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("timeout");
    command.args([SECONDS_MAX, "bash", "script"]).current_dir(home).stdin(Stdio::null());
    command.env("PATH", path).env("EXAMPLES", repository().join("examples")).env("MQTT_PORT", free_port());
    command.stdout(said.try_clone().expect("a file")).stderr(said);
    let status = command.status().expect("bash");
    let said = fs::read_to_string(home.join("said")).expect("text");
    assert!(status.success() && said.contains(&format!("{MARK}end")), "{status}\n{said}");
    said
}

/// A port that nobody has at this moment, for pages that take one from a variable.
fn free_port() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    socket.expect("a port").port().to_string()
}

/// Whether a printed line is the expected one; `…` stands for anything.
fn fits(expected: &str, printed: &str) -> bool {
    let mut rest = printed.trim();
    let parts: Vec<&str> = expected.trim().split('…').collect();
    for (index, part) in parts.iter().enumerate() {
        let is_first = index == 0;
        let found = if is_first { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || parts.last().is_some_and(|last| last.is_empty())
}

/// Expected lines that the commands before them have not printed, in their order.
fn missing(blocks: &[Block<'_>], said: &str) -> Vec<String> {
    let (mut missing, mut printed) = (Vec::new(), "");
    for (index, block) in blocks.iter().enumerate() {
        if block.info == "sh" {
            let mark = format!("{MARK}{index}\n");
            printed = said.split_once(&mark).and_then(|(_, rest)| rest.split(MARK).next()).unwrap_or_default();
        } else if block.info == "text" {
            let mut lines = printed.lines();
            let absent = block.text.lines().filter(|expected| !lines.any(|line| fits(expected, line)));
            missing.extend(absent.map(ToOwned::to_owned));
        }
    }
    missing
}

/// Runs a page of the repository; `python` is the one with the peers' packages.
///
/// # Panics
/// If a command fails, or an expected line is not printed.
pub fn run_page(page: &str, python: &str) {
    let text = fs::read_to_string(repository().join(page)).expect("the page");
    let blocks = blocks(&text);
    assert!(blocks.iter().any(|block| block.info == "text"), "{page}: no expected output");
    let home = workplace(&blocks, python);
    let said = run(home.path(), &script(&blocks));
    let missing = missing(&blocks, &said);
    assert!(missing.is_empty(), "{page}: not printed: {missing:#?}\n{said}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_lines_leave_out_what_changes_and_nothing_else() {
        for (expected, printed, whether) in [
            ("listens on 127.0.0.1:…", "  listens on 127.0.0.1:4711 ", true),
            ("{\"id\": \"…\", \"outcome\": \"done\"}", "{\"id\": \"a1\", \"outcome\": \"done\"}", true),
            ("{\"id\": \"…\", \"outcome\": \"done\"}", "{\"id\": \"a1\", \"outcome\": \"rejected\"}", false),
            ("mode.now=auto", "mode.now=auto, soon", false),
            ("auto", "not auto", false),
        ] {
            assert_eq!(fits(expected, printed), whether, "{expected} {printed}");
        }
        let page = "a\n```sh\necho one\n```\nb\n```text\none\ntwo\n```\n";
        let blocks = blocks(page);
        assert_eq!(missing(&blocks, "=== block 0\none\n=== block end\n"), ["two"]);
    }
}
