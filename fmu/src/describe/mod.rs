//! `modelDescription.xml` of both standards, from the table.
//!
//! Deterministic: no date, no random identifier. What an output depends on is stated as "nothing": inputs act on outputs
//! through a communication step only, so that a loop of controller and plant has no algebraic cycle.

mod fmi2;
mod fmi3;

use crate::log::CATEGORIES;
use crate::model::Kind;
use crate::variable::{Causality, Unit, Value, Variable};

/// Reference of the independent variable of FMI 3.0.
pub const TIME_REFERENCE: u32 = 1000;

/// The version of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fmi {
    /// FMI 2.0.
    Two,
    /// FMI 3.0.
    Three,
}

/// The text of `modelDescription.xml`.
#[must_use]
pub fn model_description(fmi: Fmi, kind: Kind, variables: &[Variable]) -> String {
    let token = kind.token(variables);
    let mut rows: Vec<Variable> = variables.to_vec();
    rows.sort_by_key(|row| row.reference);
    match fmi {
        Fmi::Two => fmi2::write(kind, &token, &rows),
        Fmi::Three => fmi3::write(kind, &token, &rows),
    }
}

/// What a host may set it to, as both standards write it.
fn range(kind: Kind, row: &Variable) -> String {
    kind.possible(row).map_or(String::new(), |range| format!(" min=\"{}\" max=\"{}\"", range.low, range.high))
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const TOOL: &str = concat!("memg-gateway ", env!("CARGO_PKG_VERSION"));

fn units(rows: &[Variable]) -> String {
    let mut text = String::from("  <UnitDefinitions>\n");
    let used = |unit: &Unit| *unit == Unit::Second || rows.iter().any(|row| row.unit == Some(*unit));
    for unit in Unit::ALL.into_iter().filter(used) {
        let name = unit.name();
        text += &unit.base_unit().map_or_else(
            || format!("    <Unit name=\"{name}\"/>\n"),
            |base| format!("    <Unit name=\"{name}\"><BaseUnit {base}/></Unit>\n"),
        );
    }
    text + "  </UnitDefinitions>\n"
}

fn log_categories() -> String {
    let rows: String = CATEGORIES.iter().map(|name| format!("    <Category name=\"{name}\"/>\n")).collect();
    format!("  <LogCategories>\n{rows}  </LogCategories>\n")
}

fn default_experiment(rows: &[Variable]) -> String {
    let sample = rows.iter().find(|row| row.name == "sample_time").map(|row| row.start.clone());
    let step = if let Some(Value::Real(step)) = sample { step } else { 900.0 };
    format!("  <DefaultExperiment startTime=\"0\" stopTime=\"86400\" stepSize=\"{step}\"/>\n")
}

/// `causality`, `variability`, `initial`. Real inputs are continuous; everything else changes at communication points.
fn roles(row: &Variable) -> String {
    let real = matches!(row.start, Value::Real(_));
    match row.causality {
        Causality::Input => {
            format!("causality=\"input\" variability=\"{}\"", if real { "continuous" } else { "discrete" })
        }
        Causality::Output => "causality=\"output\" variability=\"discrete\" initial=\"calculated\"".to_owned(),
        Causality::Parameter => "causality=\"parameter\" variability=\"fixed\" initial=\"exact\"".to_owned(),
    }
}

fn start(row: &Variable) -> Option<String> {
    if row.causality == Causality::Output {
        return None;
    }
    Some(match &row.start {
        Value::Real(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Text(value) => escape(value),
    })
}

fn outputs(rows: &[Variable]) -> impl Iterator<Item = (usize, &Variable)> {
    rows.iter().enumerate().filter(|(_, row)| row.causality == Causality::Output)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
