//! The model description of FMI 3.0.

use super::{
    HEAD, TIME_REFERENCE, TOOL, default_experiment, escape, log_categories, outputs, range, roles, start, units,
};
use crate::model::Kind;
use crate::variable::{Value, Variable};

pub(super) fn write(kind: Kind, token: &str, rows: &[Variable]) -> String {
    let (name, description) = (kind.identifier(), escape(kind.description()));
    let mut text = format!(
        "{HEAD}<fmiModelDescription fmiVersion=\"3.0\" modelName=\"{name}\" instantiationToken=\"{token}\" \
         description=\"{description}\" generationTool=\"{TOOL}\" variableNamingConvention=\"structured\">\n  \
         <CoSimulation modelIdentifier=\"{name}\" canHandleVariableCommunicationStepSize=\"true\" \
         canGetAndSetFMUState=\"true\" canSerializeFMUState=\"true\"/>\n"
    );
    text += &units(rows);
    text += &log_categories();
    text += &default_experiment(rows);
    text += "  <ModelVariables>\n";
    text.extend(rows.iter().map(|row| variable(kind, row)));
    text += &format!(
        "    <Float64 name=\"time\" valueReference=\"{TIME_REFERENCE}\" causality=\"independent\" \
         variability=\"continuous\" unit=\"s\" description=\"Simulated time\"/>\n  </ModelVariables>\n"
    );
    text += &structure(rows);
    text + "</fmiModelDescription>\n"
}

fn variable(kind: Kind, row: &Variable) -> String {
    let range = range(kind, row);
    let unit = row.unit.map_or(String::new(), |unit| format!(" unit=\"{}\"", unit.name()));
    let start = start(row);
    let attribute = start.as_ref().map_or(String::new(), |value| format!(" start=\"{value}\""));
    let common = format!(
        "name=\"{}\" valueReference=\"{}\" {} description=\"{}\"",
        row.name,
        row.reference,
        roles(row),
        escape(&row.description)
    );
    match row.start {
        Value::Real(_) => format!("    <Float64 {common}{unit}{range}{attribute}/>\n"),
        Value::Integer(_) => format!("    <Int32 {common}{attribute}/>\n"),
        Value::Boolean(_) => format!("    <Boolean {common}{attribute}/>\n"),
        // What is calculated has no start value, whatever its type.
        Value::Text(_) => start.map_or_else(
            || format!("    <String {common}/>\n"),
            |value| format!("    <String {common}><Start value=\"{value}\"/></String>\n"),
        ),
    }
}

fn structure(rows: &[Variable]) -> String {
    let lines = |element: &str| -> String {
        let line = |(_, row): (usize, &Variable)| {
            format!("    <{element} valueReference=\"{}\" dependencies=\"\"/>\n", row.reference)
        };
        outputs(rows).map(line).collect()
    };
    format!("  <ModelStructure>\n{}{}  </ModelStructure>\n", lines("Output"), lines("InitialUnknown"))
}
