//! The pages of the reference, as text.

use super::refusals::{Answer, answers, path};
use super::tables::{Key, Table};
use std::fmt::Write as _;

/// How a page says that it is made.
pub const MADE: &str = "Made from the sources by a test; a stale page fails it (`MEMG_BLESS=1 cargo test --features iec104,opcua --test reference` writes it anew).";

const CONFIGURATION: &str = "What a configuration and a site file may say. Names carry their units; battery + = charging, grid + = importing. \
    An unknown key is an error, and `gateway check FILE` names file, line and key. \
    Any key can be set from the environment: `MEMG__CONTROL__CYCLE_S=2` is `control.cycle_s`. Paths are relative to the configuration, \
    those of journal and history to the working folder. The column \"takes\" is what `gateway check` itself answers to a value that cannot be; \
    **required** is what it does not do without. Limits of a plant have no defaults.";
const DEVICES: &str = "What a device file says, one for each kind of device ([how to write one](commissioning.md#1-a-file-for-each-device)). \
    Then the registers of the library, which is part of the program: `gateway devices` lists it, `gateway devices FILE` explains one.";
const TRAINING: &str = "What `gateway train FILE` reads ([training](training.md)). Every key may be left out.";

/// A page: its file in `docs/` and its text.
pub struct Page {
    pub file: &'static str,
    pub text: String,
}

pub fn page(file: &'static str, title: &str, before: &str, body: &str) -> Page {
    let body = body.trim_end();
    Page {
        file,
        text: format!("# {title}\n\n{before}\n\n{MADE}\n{}{body}\n", if body.starts_with('\n') { "" } else { "\n" }),
    }
}

/// Tables of the files that people write, one page for each kind of file.
pub fn of_tables(tables: &[Table], registers: &str) -> Vec<Page> {
    let of = |kind: &str| {
        let mut chosen: Vec<&Table> = tables.iter().filter(|table| table.of == kind).collect();
        chosen.sort_by_key(|table| path(&table.head));
        chosen.into_iter().map(|table| section(table, tables)).collect::<String>()
    };
    let site =
        format!("# The site file\n{}", of("site file")).replace("\n## ", "\n### ").replacen("# The", "\n## The", 1);
    vec![
        page("reference.md", "Reference: configuration and site file", CONFIGURATION, &format!("{}{site}", of(""))),
        page(
            "reference-devices.md",
            "Reference: device files and registers",
            DEVICES,
            &format!("{}{registers}", of("device file")),
        ),
        page("reference-training.md", "Reference: training", TRAINING, &of("training configuration")),
    ]
}

fn section(table: &Table, tables: &[Table]) -> String {
    let heading = if table.head == "[]" {
        "Before the first table".to_owned()
    } else {
        format!("`{}`", table.head.replace(", ", "`, `"))
    };
    let mut text = format!("\n## {heading}\n\n");
    if !table.doc.is_empty() {
        let _ = writeln!(text, "{}.\n", capital(&linked(&table.doc.replace('\n', " "), tables)).trim_end_matches('.'));
    }
    let answers = answers(table);
    let judged = answers.iter().any(|answer| answer.expected.is_some());
    text += if judged {
        "| key | type | default | takes | what it is |\n|---|---|---|---|---|\n"
    } else {
        "| key | type | default | what it is |\n|---|---|---|---|\n"
    };
    for (key, answer) in table.keys.iter().zip(answers) {
        let takes =
            if judged { format!(" {} |", cell(&answer.expected.clone().unwrap_or_default())) } else { String::new() };
        let what = cell(&linked(&key.doc, tables));
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |{takes} {what} |",
            key.name,
            cell(&key.kind),
            cell(&default(key, &answer))
        );
    }
    text
}

fn default(key: &Key, answer: &Answer) -> String {
    // What is required of some points alone is told by its comment.
    match (key.required && answer.required.unwrap_or(true), key.default.as_str()) {
        (true, _) => "**required**".to_owned(),
        (false, value) if value.parse::<f64>().is_ok() || ["true", "false"].contains(&value) => format!("`{value}`"),
        (false, value) => value.to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Links of comments to other structs, as names of their tables.
fn linked(text: &str, tables: &[Table]) -> String {
    let mut parts = text.split("[`");
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, mut rest) = part.split_once("`]").unwrap_or((part, ""));
        if let Some((_, behind)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            rest = behind;
        }
        let table = tables.iter().find(|table| table.name == name);
        let head = table.map_or(name, |table| table.head.split(", ").next().unwrap_or(name));
        let _ = write!(linked, "`{head}`{rest}");
    }
    linked
}
