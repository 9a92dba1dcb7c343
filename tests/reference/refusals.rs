//! What a key takes, as the program itself says it: each key is set to what cannot be, and `gateway check` answers.

use super::tables::{Key, Table};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use toml::Value;

const CONFIGURATION: &str = include_str!("base.toml");
const SITE: &str = include_str!("../../config/sites/site-a.toml");
/// A device file with everything that one may have.
const DEVICE: &str = include_str!("../../config/devices/sunspec-der-battery.toml");
const HOLE: &str = "\n[[device.unreadable]]\ntable = \"holding\"\nfrom = 1\nto = 2\n";

/// The files that a table may stand in, by what its comment calls them.
fn files() -> BTreeMap<&'static str, (&'static str, String)> {
    let device = DEVICE.replacen("\n[[point]]", &format!("{HOLE}\n[[point]]"), 1);
    [
        ("", ("gateway.toml", CONFIGURATION.to_owned())),
        ("site file", ("site.toml", SITE.to_owned())),
        ("device file", ("devices/battery.toml", device)),
    ]
    .into()
}

/// What the program says of a key.
#[derive(Default)]
pub struct Answer {
    /// What it expects instead of what cannot be.
    pub expected: Option<String>,
    /// Without the key the configuration is refused; unknown where no file of this test has it.
    pub required: Option<bool>,
}

/// Of each key of a table.
pub fn answers(table: &Table) -> Vec<Answer> {
    let known = files();
    let Some((file, text)) = known.get(table.of.as_str()) else {
        return table.keys.iter().map(|_| Answer::default()).collect();
    };
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("devices")).unwrap();
    known.values().for_each(|(file, text)| fs::write(folder.path().join(file), text).unwrap());
    let right: toml::Table = toml::from_str(text).unwrap();
    let path = path(&table.head);
    let ask = |key: &Key, value: Option<Value>| {
        let mut wrong = right.clone();
        put(&mut wrong, &path, &key.name, value)?;
        fs::write(folder.path().join(file), toml::to_string(&wrong).unwrap()).unwrap();
        told(&check(folder.path()), &format!("{}.{}", path.join("."), key.name))
    };
    let answer = |key: &Key| Answer {
        expected: impossible(key).into_iter().find_map(|value| expected(&ask(key, Some(value))?)),
        required: has(&right, &path, &key.name).then(|| ask(key, None).is_some()),
    };
    table.keys.iter().map(answer).collect()
}

/// `[[point.write.before]]`, the first of several: point, write, before.
pub fn path(head: &str) -> Vec<String> {
    let first = head.split(", ").next().unwrap_or_default();
    first.trim_matches(['[', ']']).split('.').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
}

/// Values that no key of this kind takes, or hardly one.
fn impossible(key: &Key) -> Vec<Value> {
    match key.kind.as_str() {
        "number" => vec![Value::Float(-1e12), Value::Float(1e12)],
        "whole number" => vec![Value::Integer(0), Value::Integer(1_000_000_000_000), Value::Integer(-1)],
        "text" => vec![Value::String("?!".to_owned()), Value::String(String::new())],
        "[lowest, highest]" => vec![Value::Array(vec![Value::Float(2.0), Value::Float(1.0)])],
        _ => Vec::new(),
    }
}

/// Sets or removes a key of the table at a path; of a list of tables the first that leads on.
fn put(table: &mut toml::Table, path: &[String], key: &str, value: Option<Value>) -> Option<()> {
    let Some((first, rest)) = path.split_first() else {
        match value {
            Some(value) => drop(table.insert(key.to_owned(), value)),
            None => drop(table.remove(key)),
        }
        return Some(());
    };
    let name = if first == "<name>" { table.keys().next()?.clone() } else { first.clone() };
    match table.entry(name).or_insert_with(|| Value::Table(toml::Table::new())) {
        Value::Table(inner) => put(inner, rest, key, value),
        Value::Array(list) => {
            let leads = |inner: &&mut Value| rest.first().is_none_or(|next| inner.get(next).is_some());
            put(list.iter_mut().find(leads)?.as_table_mut()?, rest, key, value)
        }
        _ => None,
    }
}

/// Whether the table at a path has a key.
fn has(table: &toml::Table, path: &[String], key: &str) -> bool {
    let Some((first, rest)) = path.split_first() else { return table.contains_key(key) };
    match table.get(first) {
        Some(Value::Table(inner)) => has(inner, rest, key),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_table).any(|inner| has(inner, rest, key)),
        _ => false,
    }
}

fn check(folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(["check", "gateway.toml"]).current_dir(folder).stdin(Stdio::null()).env_remove("RUST_LOG");
    String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned()
}

/// What is said of a key: `error: FILE:LINE: KEY: MESSAGE`.
fn told(answer: &str, key: &str) -> Option<String> {
    answer.lines().find_map(|line| {
        let mut parts = line.splitn(4, ": ").skip(2);
        (plain(parts.next()?) == plain(key)).then(|| parts.next()).flatten().map(ToOwned::to_owned)
    })
}

/// What is expected, without what was found; nothing where that is a name of this test's own files.
fn expected(message: &str) -> Option<String> {
    if let Some((_, range)) = message.split_once("is not within ") {
        return Some(range.replace("..", " to "));
    }
    let message = message.split(", found").next().unwrap_or(message);
    let from = ["expected ", "must be "].iter().find_map(|word| message.split_once(word)).map(|(_, expected)| expected);
    let text = from.or_else(|| message.find("must ").map(|at| &message[at..]))?.trim_end_matches('.');
    match () {
        () if text.contains("pv_available_kw") => Some("a [signal](reference-names.md#signals)".to_owned()),
        () if text.contains("EUR/MWh, ct/kWh") => Some("a [unit](reference-names.md#units)".to_owned()),
        () if text.contains("set_power_sf") || text.contains("battery.toml") => None,
        () => Some(text.to_owned()),
    }
}

/// A key without the places in lists: `device[0].poll_s` is `device.poll_s`.
fn plain(key: &str) -> String {
    let parts = key.split('.').map(|part| part.split('[').next().unwrap_or(part));
    // The name of a signal stands for any.
    parts.map(|part| if part == "<name>" { "frequency_hz" } else { part }).collect::<Vec<_>>().join(".")
}
