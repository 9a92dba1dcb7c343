//! Documents that lead nowhere: every relative link of README, the book and the other documents points to a file, and to a
//! heading of it where it names one; every page stands in the book's summary; README stays short. Keys, tables, topics and
//! commands in code font are those that the pages of the reference know, which are made from the sources (`tests/reference.rs`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "documents/code.rs"]
mod code;
#[path = "documents/known.rs"]
mod known;

use code::{blocks, calls, spans};
use known::Known;
use std::fs;
use std::path::{Path, PathBuf};

const README_LINES_MAX: usize = 120;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Folders with documents; of `examples/` each has one.
fn folders() -> Vec<PathBuf> {
    let examples = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["", "docs", "fmu", "core", "integration-tests", "examples", "config/profiles", "python"]
        .map(|folder| root().join(folder));
    top.into_iter().chain(examples.filter(|path| path.is_dir())).collect()
}

/// Documents at the top, in `docs/`, and READMEs of folders.
fn documents() -> Vec<PathBuf> {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let of = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = folders().into_iter().flat_map(of).filter(is_document).collect();
    assert!(found.len() > 40, "{found:?}");
    found
}

/// Pages that people write, with their text; what is made from the sources, and what tells of the past, is not judged.
fn pages() -> Vec<(String, String)> {
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    let is_written = |name: &str| !name.contains("reference") && !["CHANGELOG.md", "docs/alarms.md"].contains(&name);
    let read = |path: PathBuf| (name(&path), fs::read_to_string(&path).unwrap());
    documents().into_iter().map(read).filter(|(name, _)| is_written(name)).collect()
}

fn known() -> Known {
    Known::read(&root().join("docs"))
}

/// Targets of links, without those that lead out of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://"))
}

/// A heading as code hosts and mdBook write it in a link.
fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(page).unwrap();
    text.lines().filter_map(|line| line.strip_prefix('#')).any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_of_it() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let page = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let leads = page.exists() && heading.is_none_or(|heading| has_heading(&page, heading));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_page_stands_in_the_summary() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let listed: Vec<&str> = links(&summary).collect();
    for page in documents().into_iter().filter(|path| path.parent().unwrap().ends_with("docs")) {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name == "SUMMARY.md" || listed.contains(&name.as_str()), "{name} is not in docs/SUMMARY.md");
    }
}

#[test]
fn the_readme_stays_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES_MAX, "{lines} lines; details belong into docs/");
}

/// Endings of file names, which look like dotted keys.
const ENDINGS: [&str; 14] =
    ["md", "rs", "toml", "py", "csv", "json", "conf", "sh", "history", "journal", "key", "hash", "fmu", "service"];

/// `mqtt.inputs` in a sentence: all parts small letters, digits and underscores, none of them the ending of a file.
fn is_dotted(span: &str) -> bool {
    let parts: Vec<&str> = span.split('.').collect();
    let plain = |part: &&str| {
        let is_number = part.parse::<u32>().is_ok();
        !is_number && !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    parts.len() > 1 && parts.iter().all(plain) && !parts.last().is_some_and(|end| ENDINGS.contains(end))
}

#[test]
fn keys_and_tables_in_code_font_are_those_of_the_reference() {
    let (known, mut wrong) = (known(), Vec::new());
    for (page, text) in pages() {
        for span in spans(&text) {
            let table = span
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .map(|rest| rest.trim_matches(['[', ']']));
            let table = table
                .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || "._<>".contains(c)) && !name.is_empty());
            let first = span.split('.').next().unwrap_or_default();
            let is_wrong = match table {
                Some(name) => {
                    !known.is_key(name) && !OTHER_TABLES.contains(&name.split('.').next().unwrap_or_default())
                }
                None => is_dotted(span) && known.is_table(first) && !known.is_key(span) && !known.is_alarm(span),
            };
            if is_wrong {
                wrong.push(format!("{page}: `{span}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "not in docs/reference*.md:\n{}", wrong.join("\n"));
}

/// Tables of files that the reference does not describe: maps of foreign FMUs, manifests of models.
const OTHER_TABLES: [&str; 6] = ["measurements", "set_points", "parameters", "tariff", "divisors", "forecast"];

/// Dotted keys of a TOML text.
fn keys_of(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => keys_of(&key, inner, found),
            toml::Value::Array(list) => {
                found.push(key.clone());
                list.iter().filter_map(toml::Value::as_table).for_each(|inner| keys_of(&key, inner, found));
            }
            _ => found.push(key),
        }
    }
}

#[test]
fn keys_of_configurations_in_the_book_are_those_of_the_reference() {
    let (known, mut wrong, mut count) = (known(), Vec::new(), 0);
    for (page, text) in pages() {
        for block in blocks(&text).iter().filter(|block| block.info.split(' ').next() == Some("toml")) {
            let table: toml::Table = toml::from_str(block.text).unwrap_or_else(|error| panic!("{page}: {error}"));
            let mut keys = Vec::new();
            keys_of("", &table, &mut keys);
            // Words of a key whose value is a table of names, and forms of a transport, are no keys of the reference.
            let free = ["point.enum.", "mqtt.inputs.words.", "device.transport."];
            let judged = keys.iter().filter(|key| !free.iter().any(|free| key.starts_with(free)));
            let judged = judged.filter(|key| !OTHER_TABLES.contains(&key.split('.').next().unwrap_or_default()));
            for key in judged {
                count += 1;
                if !known.is_key(key) {
                    wrong.push(format!("{page}: {key}"));
                }
            }
        }
    }
    assert!(count > 150, "{count}");
    assert!(wrong.is_empty(), "not in docs/reference*.md:\n{}", wrong.join("\n"));
}

#[test]
fn topics_in_code_font_are_those_of_the_reference() {
    let (known, mut wrong, mut count) = (known(), Vec::new(), 0);
    for (page, text) in pages() {
        for topic in spans(&text).into_iter().filter_map(|span| span.split_once("<prefix>/").map(|(_, topic)| topic)) {
            count += 1;
            // Several may stand in one span: `<prefix>/cosim/villas/in`, `…/out`.
            if !known.is_topic(topic.split([',', ' ']).next().unwrap_or_default()) {
                wrong.push(format!("{page}: {topic}"));
            }
        }
    }
    assert!(count > 7, "{count}");
    assert!(wrong.is_empty(), "not in docs/reference-names.md:\n{}", wrong.join("\n"));
}

/// Commands that a page says are not there yet.
const PLANNED: [&str; 1] = ["commission"];

/// What is wrong with a call of the program, by its help.
fn wrong_call(known: &Known, words: &[&str]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(|word| word.trim_matches(['`', ',', ')', '"', '\'', '}'])).collect();
    let first = words.first()?;
    if first.starts_with("--") || *first == "…" || first.is_empty() {
        return None;
    }
    if PLANNED.contains(first) {
        return None;
    }
    let Some(help) = known.help(first) else { return Some(format!("there is no gateway {first}")) };
    let flags = words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap_or(word));
    let unknown: Vec<&str> = flags.filter(|flag| !help.split([' ', ',', '\n']).any(|word| word == *flag)).collect();
    (!unknown.is_empty()).then(|| format!("gateway {first} has no {}", unknown.join(", ")))
}

#[test]
fn commands_in_the_book_are_those_of_the_program() {
    let (known, mut wrong, mut count) = (known(), Vec::new(), 0);
    for (page, text) in pages() {
        let shell: Vec<String> = blocks(&text)
            .iter()
            .filter(|block| ["sh", "console", ""].contains(&block.info))
            .map(|block| block.text.replace("\\\n", " "))
            .collect();
        let code = spans(&text).into_iter().map(|span| span.replace('\n', " ")).chain(shell);
        for code in code.collect::<Vec<_>>() {
            for words in calls(&code) {
                count += 1;
                wrong.extend(wrong_call(&known, &words).map(|what| format!("{page}: {what}")));
            }
        }
    }
    assert!(count > 80, "{count}");
    assert!(wrong.is_empty(), "not in docs/reference-commands.md:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_no_key_topic_or_command_is_found() {
    let known = known();
    assert!(
        known.is_key("control.cycle_s") && known.is_key("signals.grid_kw.sum_of") && !known.is_key("control.cycle")
    );
    assert!(is_dotted("control.cycle") && known.is_table("control") && !is_dotted("gateway.toml"));
    assert!(known.is_topic("ack/arm") && known.is_topic("state/pv_kw") && !known.is_topic("alarm"));
    assert_eq!(calls("sudo gateway run x | gateway replay y # gateway z").len(), 2);
    let wrong = |text: &str| wrong_call(&known, &calls(text)[0]);
    assert_eq!(wrong("gateway run FILE --for 24h"), None);
    assert_eq!(wrong("gateway run FILE --fore 24h").as_deref(), Some("gateway run has no --fore"));
    assert_eq!(wrong("gateway walk").as_deref(), Some("there is no gateway walk"));
}
