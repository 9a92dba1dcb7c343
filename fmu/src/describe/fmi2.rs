//! The model description of FMI 2.0.

use super::{HEAD, TOOL, default_experiment, escape, log_categories, outputs, range, roles, start, units};
use crate::model::Kind;
use crate::variable::{Value, Variable};

pub(super) fn write(kind: Kind, token: &str, rows: &[Variable]) -> String {
    let (name, description) = (kind.identifier(), escape(kind.description()));
    let mut text = format!(
        "{HEAD}<fmiModelDescription fmiVersion=\"2.0\" modelName=\"{name}\" guid=\"{token}\" \
         description=\"{description}\" generationTool=\"{TOOL}\" variableNamingConvention=\"structured\">\n  \
         <CoSimulation modelIdentifier=\"{name}\" canHandleVariableCommunicationStepSize=\"true\" \
         canGetAndSetFMUstate=\"true\" canSerializeFMUstate=\"true\"/>\n"
    );
    text += &units(rows);
    text += &log_categories();
    text += &default_experiment(rows);
    text += "  <ModelVariables>\n";
    text.extend(rows.iter().map(|row| variable(kind, row)));
    text += "  </ModelVariables>\n";
    text += &structure(rows);
    text + "</fmiModelDescription>\n"
}

fn variable(kind: Kind, row: &Variable) -> String {
    let range = range(kind, row);
    let data_type = match row.start {
        Value::Real(_) => "Real",
        Value::Integer(_) => "Integer",
        Value::Boolean(_) => "Boolean",
        Value::Text(_) => "String",
    };
    let unit = row.unit.map_or(String::new(), |unit| format!(" unit=\"{}\"", unit.name()));
    let start = start(row).map_or(String::new(), |value| format!(" start=\"{value}\""));
    format!(
        "    <ScalarVariable name=\"{}\" valueReference=\"{}\" {} description=\"{}\"><{data_type}{unit}{range}{start}/></ScalarVariable>\n",
        row.name,
        row.reference,
        roles(row),
        escape(&row.description),
    )
}

/// Indices count from 1.
fn structure(rows: &[Variable]) -> String {
    let unknowns: String = outputs(rows)
        .map(|(index, _)| format!("      <Unknown index=\"{}\" dependencies=\"\"/>\n", index + 1))
        .collect();
    format!(
        "  <ModelStructure>\n    <Outputs>\n{unknowns}    </Outputs>\n    <InitialUnknowns>\n{unknowns}    \
         </InitialUnknowns>\n  </ModelStructure>\n"
    )
}
