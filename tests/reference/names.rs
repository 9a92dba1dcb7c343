//! Closed lists: signals, set-points, modes, commands, units, topics, as the sources have them.

use super::source::{Source, doc, enums, snake_case};
use super::tables::variants;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use syn::visit::{self, Visit};
use syn::{Expr, ExprMethodCall, Item, Lit};

/// Lists of the page: heading, what is said before, and file and name of the enumeration.
const LISTS: [(&str, &str, &str, &str); 9] = [
    (
        "Signals",
        "What control knows of a plant: names in `signal`, in `state`, in journals and in the history. Where there are several of a \
         kind the number stands behind the part: `battery_2_kw`, `soc_2`, `chp_2_on`, `pv_3_available_kw`, `electric_load_2_kw`; up to 4 \
         batteries and CHPs. What a connection has one of (grid, frequency, prices) takes no number.",
        "core/src/plant_state/signal.rs",
        "Signal",
    ),
    (
        "Set-points",
        "What control decides, as `output` in device files. Numbered as signals: `battery_2_setpoint_kw`, `chp_2_run`.",
        "src/plant_io/output.rs",
        "Output",
    ),
    ("Qualities", "Of each value in `state`.", "core/src/measurement.rs", "Quality"),
    (
        "Substitutes",
        "What may stand in for a signal that is optional ([which for which](loop.md#required-lost-substituted)).",
        "src/control/substitutes.rs",
        "Substitute",
    ),
    ("Modes", "[What leads where](loop.md#modes).", "src/control/mode.rs", "Mode"),
    ("Roles", "Each may do what the one before may ([commands](commands.md)).", "core/src/command.rs", "Role"),
    (
        "Kinds of commands",
        "Last level of the topics `<prefix>/command/<kind>` and `<prefix>/ack/<kind>`; bodies: [commands](commands.md#kinds).",
        "src/plant_io/mqtt/command.rs",
        "CommandKind",
    ),
    (
        "Commands",
        "As they are journaled; the topics and bodies are in [commands](commands.md).",
        "core/src/command.rs",
        "CommandBody",
    ),
    ("Events", "`kind` of a message on `<prefix>/events`.", "src/plant_io/event.rs", "EventKind"),
];

/// Tables of topics: heading, what is said before, and the file with the table in its head.
const TOPICS: [(&str, &str, &str); 2] = [
    (
        "Topics of the gateway",
        "Below `mqtt.prefix`; messages are JSON. Commands arrive on `command/<kind>`, each with a kind of [commands](commands.md).",
        "src/plant_io/mqtt/report.rs",
    ),
    (
        "Topics in lock-step",
        "Below `<prefix>/cosim`; [the messages](simulation-interfaces.md#a-simulator-over-mqtt-in-lock-step).",
        "src/cosim/lockstep/mod.rs",
    ),
];

const UNITS: &str = "src/plant_io/quantity.rs";
/// Where the gateway publishes.
const PUBLISHERS: [&str; 2] = ["src/plant_io/mqtt/", "src/daemon/"];

pub fn page(sources: &[Source]) -> String {
    let mut text = String::new();
    for (heading, before, path, name) in LISTS {
        let _ = write!(text, "\n## {heading}\n\n{before}\n\n| name | what it is |\n|---|---|\n");
        for (name, what) in list(sources, path, name) {
            let _ = writeln!(text, "| `{name}` | {} |", plain(&what));
        }
    }
    for (heading, before, path) in TOPICS {
        let _ = writeln!(text, "\n## {heading}\n\n{before}\n\n{}", topic_table(sources, path).join("\n"));
    }
    let units: Vec<String> = units(sources).iter().map(|unit| format!("`{unit}`")).collect();
    let _ = write!(
        text,
        "\n## Units\n\nIn device files and of MQTT inputs; they convert to the unit in the signal's name. {}.\n",
        units.join(", ")
    );
    text
}

/// A comment without links: [`EventKind::UnitBack`] is the name that people see.
fn plain(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("`]").unwrap_or((part, ""));
        let _ = write!(plain, "`{}`{rest}", snake_case(name.rsplit("::").next().unwrap_or(name)));
    }
    plain
}

fn list(sources: &[Source], path: &str, name: &str) -> Vec<(String, String)> {
    let found = enums(sources).find(|(source, found)| source.path == path && found.ident == name);
    variants(found.unwrap_or_else(|| panic!("{path} has no {name}")).1)
}

/// The lines of the table in a file's head.
fn topic_table(sources: &[Source], path: &str) -> Vec<String> {
    let source = sources.iter().find(|source| source.path == path).unwrap_or_else(|| panic!("there is no {path}"));
    let lines: Vec<String> = doc(&source.file.attrs).lines().map(ToOwned::to_owned).collect();
    let table: Vec<String> = lines.into_iter().filter(|line| line.starts_with('|')).collect();
    assert!(table.len() > 5, "{path} has no table of topics in its head");
    table
}

/// The first cell of each row: names of topics.
pub fn topics(sources: &[Source]) -> BTreeSet<String> {
    let cell = |line: String| line.split('`').nth(1).map(ToOwned::to_owned);
    TOPICS.iter().flat_map(|(_, _, path)| topic_table(sources, path).into_iter().filter_map(cell)).collect()
}

/// Topics that the sources publish on, as far as they stand there as texts.
pub fn published(sources: &[Source]) -> BTreeSet<String> {
    let mut search = Published::default();
    for source in sources.iter().filter(|source| PUBLISHERS.iter().any(|folder| source.path.starts_with(folder))) {
        let live = source.file.items.iter().filter(|item| !matches!(item, Item::Mod(_)));
        live.for_each(|item| search.visit_item(item));
    }
    search.0
}

#[derive(Default)]
struct Published(BTreeSet<String>);

impl<'ast> Visit<'ast> for Published {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let is_one = ["set", "event", "lesser_event"].contains(&call.method.to_string().as_str());
        if let (true, Some(Expr::Lit(literal))) = (is_one && call.args.len() == 2, call.args.first())
            && let Lit::Str(topic) = &literal.lit
        {
            self.0.insert(topic.value());
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Names of units: the texts of the constant table in their file.
fn units(sources: &[Source]) -> Vec<String> {
    let source = sources.iter().find(|source| source.path == UNITS).unwrap_or_else(|| panic!("there is no {UNITS}"));
    let mut search = Texts::default();
    let tables = source.file.items.iter().filter(|item| matches!(item, Item::Const(_)));
    tables.for_each(|item| search.visit_item(item));
    search.0
}

#[derive(Default)]
struct Texts(Vec<String>);

impl<'ast> Visit<'ast> for Texts {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.push(text.value());
    }
}
