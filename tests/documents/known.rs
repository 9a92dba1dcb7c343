//! What there is, as the pages of the reference say: tables and keys, alarms, topics, subcommands and their flags.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Names that pages may use in code font.
pub struct Known {
    /// Dotted: `mqtt.inputs`, `mqtt.inputs.topic`.
    keys: BTreeSet<String>,
    alarms: BTreeSet<String>,
    /// Below the prefix.
    topics: BTreeSet<String>,
    kinds: BTreeSet<String>,
    /// Help of each subcommand: `fmu build`.
    commands: BTreeMap<String, String>,
}

impl Known {
    pub fn read(docs: &Path) -> Self {
        let page = |name: &str| fs::read_to_string(docs.join(name)).unwrap();
        let tables = ["reference.md", "reference-devices.md", "reference-training.md"].map(page);
        let names = page("reference-names.md");
        let topics = section(&names, "Topics of the gateway")
            .into_iter()
            .chain(section(&names, "Topics in lock-step").into_iter().map(|t| format!("cosim/{t}")));
        let known = Self {
            keys: tables.iter().flat_map(|page| keys(page)).collect(),
            alarms: first_cells(&page("alarms.md")).into_iter().collect(),
            topics: topics.collect(),
            kinds: section(&names, "Kinds of commands").into_iter().collect(),
            commands: commands(&page("reference-commands.md")),
        };
        assert!(known.keys.len() > 200 && known.alarms.len() > 20 && known.topics.len() > 12);
        assert!(known.kinds.len() == 7 && known.commands.len() > 25, "{:?}", known.kinds);
        known
    }

    /// Whether the first part of a dotted name is one of a table.
    pub fn is_table(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key == name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// A key or table, written whole or below `[plant]`; the name of a signal stands for any.
    pub fn is_key(&self, name: &str) -> bool {
        let name = match name.strip_prefix("signals.").map(|rest| rest.split_once('.')) {
            Some(Some((_, key))) => format!("signals.<name>.{key}"),
            Some(None) => "signals.<name>".to_owned(),
            None => name.to_owned(),
        };
        self.keys.contains(&name) || self.is_table(&name) || self.keys.contains(&format!("plant.{name}"))
    }

    /// `battery_2.follow` is `<name>.follow`.
    pub fn is_alarm(&self, name: &str) -> bool {
        let any = name.split_once('.').map(|(_, rest)| format!("<name>.{rest}"));
        self.alarms.contains(name) || any.is_some_and(|any| self.alarms.contains(&any))
    }

    /// A topic below the prefix; `<kind>` and `<name>` stand for any.
    pub fn is_topic(&self, topic: &str) -> bool {
        let kind = topic.strip_prefix("command/").or_else(|| topic.strip_prefix("ack/"));
        if let Some(kind) = kind {
            return self.kinds.contains(kind) || ["<kind>", "+", "#", "", "…"].contains(&kind);
        }
        let value = topic.strip_prefix("state/").is_some_and(|rest| !rest.contains('/'));
        self.topics.contains(topic)
            || value
            || ["cosim", "cosim/", "cosim/villas/in", "cosim/villas/out"].contains(&topic)
    }

    /// Help of a subcommand and of those below it, whose names may stand behind its arguments.
    pub fn help(&self, command: &str) -> Option<String> {
        let below = format!("{command} ");
        let of = self.commands.iter().filter(|(name, _)| *name == command || name.starts_with(&below));
        let help: Vec<&str> = of.map(|(_, help)| help.as_str()).collect();
        (!help.is_empty()).then(|| help.join("\n"))
    }
}

/// The first code span of each row of tables.
fn first_cells(text: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(name, _)| name.to_owned()).collect()
}

fn section(page: &str, heading: &str) -> Vec<String> {
    let text = page.split("\n## ").find(|part| part.starts_with(&format!("{heading}\n")));
    first_cells(text.unwrap_or_else(|| panic!("no section {heading}")))
}

/// Tables and keys of a page: headings with tables in code font, rows with keys.
fn keys(page: &str) -> BTreeSet<String> {
    let (mut keys, mut tables): (BTreeSet<String>, Vec<String>) = Default::default();
    for line in page.lines() {
        if line.starts_with('#') {
            tables = line.split('`').skip(1).step_by(2).map(|head| head.trim_matches(['[', ']']).to_owned()).collect();
            keys.extend(tables.iter().cloned());
        } else if let Some((key, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) {
            keys.extend(tables.iter().map(|table| format!("{table}.{key}")));
        }
    }
    keys
}

fn commands(page: &str) -> BTreeMap<String, String> {
    let sections =
        page.split("\n##").filter_map(|part| part.trim_start_matches('#').trim_start().strip_prefix("gateway "));
    sections.filter_map(|part| part.split_once('\n')).map(|(name, help)| (name.to_owned(), help.to_owned())).collect()
}
