//! The reference in the book: made from comments of the sources, from what the program answers, and from the library of
//! device files. A page that is not what they say today fails, and `MEMG_BLESS=1 cargo test --features iec104,opcua --test reference` writes it.
//!
//! A table of a configuration is a struct whose comment begins with its name in code font (`[control]`, or `[[point]]` and
//! "of a device file"). It needs no entry here: a struct named `Raw…` without such a beginning fails. Where its table has
//! keys that are required, it stands in `tests/reference/base.toml`, so that `gateway check` judges the others.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "reference/command_line.rs"]
mod command_line;
#[path = "reference/defaults.rs"]
mod defaults;
#[path = "reference/names.rs"]
mod names;
#[path = "reference/pages.rs"]
mod pages;
#[path = "reference/refusals.rs"]
mod refusals;
#[path = "reference/registers.rs"]
mod registers;
#[path = "reference/source.rs"]
mod source;
#[path = "reference/tables.rs"]
mod tables;

use pages::Page;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(pages: &[Page]) {
    let mut stale = Vec::new();
    for Page { file, text } in pages {
        let path = root().join("docs").join(file);
        if std::env::var_os("MEMG_BLESS").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let line = found.lines().zip(text.lines()).find(|(found, now)| found != now);
        if found != *text {
            stale.push(format!("docs/{file}: {line:#?}"));
        }
    }
    assert!(
        stale.is_empty(),
        "stale: MEMG_BLESS=1 cargo test --features iec104,opcua --test reference\n{}",
        stale.join("\n")
    );
}

#[test]
fn the_pages_of_tables_say_what_the_sources_and_the_program_say() {
    let sources = source::sources(root());
    let (tables, problems) = tables::tables(&sources);
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
    assert!(tables.len() > 30, "{}", tables.len());
    check(&pages::of_tables(&tables, &registers::page(root())));
}

#[test]
fn the_page_of_names_says_what_the_sources_say() {
    let sources = source::sources(root());
    let before = "Names in configurations, messages, journals and logs. Alarms have [a page of their own](alarms.md), made from their table.";
    check(&[pages::page(
        "reference-names.md",
        "Reference: signals, commands, topics, units",
        before,
        &names::page(&sources),
    )]);
}

#[test]
fn every_topic_that_is_published_stands_in_the_table_of_topics() {
    let sources = source::sources(root());
    let (published, listed) = (names::published(&sources), names::topics(&sources));
    assert!(published.len() > 5, "{published:?}");
    let missing: Vec<&String> = published.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the table of src/plant_io/mqtt/report.rs: {missing:?}");
}

#[test]
fn the_page_of_the_command_line_is_what_the_program_says() {
    check(&[pages::page(
        "reference-commands.md",
        "Reference: command line",
        command_line::BEFORE,
        &command_line::page(),
    )]);
}

#[test]
fn the_page_of_points_is_what_the_program_says() {
    let mut gateway = std::process::Command::new(env!("CARGO_BIN_EXE_gateway"));
    gateway.current_dir(root()).args(["points", "--format", "md"]);
    let output = gateway.output().unwrap();
    assert!(output.status.success());
    check(&[Page { file: "points.md", text: String::from_utf8(output.stdout).unwrap() }]);
}
