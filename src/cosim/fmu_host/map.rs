//! Which variable of the plant FMU is which measurement or set-point of the controller.
//!
//! Variables of equal name are connected without being mentioned; measurements may have either of their names (`p_load`,
//! `electric_load_kw`). The map adds what differs:
//!
//! ```toml
//! [measurements]                                  # controller input <- plant output
//! p_load = { from = "Load.P", scale = 0.001 }     # value = scale * from + offset
//! p_wind = { value = 0.0 }                        # not there: a constant
//! [set_points]                                    # controller output -> plant input
//! p_battery_set = { to = "Battery.P", scale = -1000.0 }
//! [parameters]                                    # of the plant FMU, set before initialization
//! "Battery.capacity" = 3.6e8
//! ```

use super::super::error::CosimError;
use super::super::reading::{alias_of, is_required};
use super::description::{Content, ModelDescription, PlantVariable};
use memg_fmu::variable::{Causality, Variable};
use memg_fmu_host::Type;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A map as written.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapFile {
    /// By controller input.
    #[serde(default)]
    pub measurements: BTreeMap<String, From>,
    /// By controller output.
    #[serde(default)]
    pub set_points: BTreeMap<String, To>,
    /// By plant variable.
    #[serde(default)]
    pub parameters: BTreeMap<String, toml::Value>,
}

/// Where a measurement comes from: `from`, or a constant `value`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// Plant variable that is read; exactly one of this and `value` is stated.
    pub from: Option<String>,
    /// In the controller's unit, for what the plant does not have.
    pub value: Option<f64>,
    /// `controller = scale * plant + offset`; its sign turns a convention around.
    #[serde(default = "one")]
    pub scale: f64,
    /// Added after the factor.
    #[serde(default)]
    pub offset: f64,
}

/// Where a set-point goes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct To {
    /// Plant input that is written.
    pub to: String,
    /// `plant = scale * controller + offset`.
    #[serde(default = "one")]
    pub scale: f64,
    /// Added after the factor.
    #[serde(default)]
    pub offset: f64,
}

const fn one() -> f64 {
    1.0
}

/// A number of the plant, linearly related to one of the controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The controller's variable.
    pub controller: String,
    /// The plant's variable.
    pub plant: String,
    /// Type of the plant's variable.
    pub kind: Type,
    /// Value reference of the plant's variable.
    pub reference: u32,
    /// Of the direction in which the link carries: `target = scale * source + offset`.
    pub scale: f64,
    /// Added after the factor.
    pub offset: f64,
}

/// A value for a plant parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A number or boolean (0 or 1), by type and value reference.
    Number(Type, u32, f64),
    /// A text, by value reference.
    Text(u32, String),
}

/// The map after it has been checked against the model description.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wiring {
    /// Plant outputs to controller inputs.
    pub measurements: Vec<Link>,
    /// Constants for controller inputs.
    pub constants: Vec<(String, f64)>,
    /// Controller outputs to plant inputs.
    pub set_points: Vec<Link>,
    /// Plant parameters by name, set before initialization.
    pub settings: Vec<(String, Setting)>,
}

impl Wiring {
    /// Connects controller and plant.
    ///
    /// # Errors
    /// All problems at once: unknown names, wrong types, required measurements without a source, no set-point connected.
    pub fn new(map: &MapFile, plant: &ModelDescription, controller: &[Variable]) -> Result<Self, CosimError> {
        let mut wiring = Self::default();
        let mut problems = unknown_names(map, controller);
        for row in controller.iter().filter(|row| row.is_number()) {
            match row.causality {
                Causality::Input => wiring.measurement(&row.name, map, plant, &mut problems),
                Causality::Output => wiring.set_point(&row.name, map, plant, &mut problems),
                Causality::Parameter => {}
            }
        }
        for (name, value) in &map.parameters {
            match setting(name, value, plant) {
                Ok(setting) => wiring.settings.push((name.clone(), setting)),
                Err(problem) => problems.push(problem),
            }
        }
        if wiring.set_points.is_empty() {
            problems.push("no set-point reaches the plant: connect at least one, such as p_battery_set".to_owned());
        }
        if problems.is_empty() { Ok(wiring) } else { Err(CosimError::Map { problems }) }
    }

    fn measurement(&mut self, name: &str, map: &MapFile, plant: &ModelDescription, problems: &mut Vec<String>) {
        let alias = alias_of(name);
        let entry = map.measurements.get(name).or_else(|| map.measurements.get(alias?));
        if let Some(From { value: Some(value), from: None, .. }) = entry {
            self.constants.push((name.to_owned(), *value));
            return;
        }
        let source = entry.and_then(|entry| entry.from.as_deref()).unwrap_or(name);
        let (scale, offset) = entry.map_or((1.0, 0.0), |entry| (entry.scale, entry.offset));
        // Without an entry only outputs are meant: an input of the same name measures nothing.
        let found = plant.find(source).or_else(|| plant.find(alias.filter(|_| entry.is_none())?));
        let variable = found.filter(|variable| entry.is_some() || variable.causality != "input");
        match variable {
            Some(variable) => match link(name, variable, scale, offset) {
                Ok(link) => self.measurements.push(link),
                Err(problem) => problems.push(problem),
            },
            None if entry.is_some() => problems.push(format!("{name}: the plant has no variable {source:?}")),
            None if is_required(name) => {
                problems.push(format!("{name}: the plant has no such output; map it or give a value"))
            }
            None => {}
        }
    }

    fn set_point(&mut self, name: &str, map: &MapFile, plant: &ModelDescription, problems: &mut Vec<String>) {
        let entry = map.set_points.get(name);
        let target = entry.map_or(name, |entry| entry.to.as_str());
        let (scale, offset) = entry.map_or((1.0, 0.0), |entry| (entry.scale, entry.offset));
        let variable = plant.find(target);
        // Without an entry only inputs are meant: a plant may well have an output of the same name.
        let variable = if entry.is_some() { variable } else { variable.filter(|v| v.causality == "input") };
        match variable {
            Some(variable) if variable.causality != "input" => {
                problems.push(format!("{name}: {target} is not an input of the plant but {}", variable.causality));
            }
            Some(variable) => match link(name, variable, scale, offset) {
                Ok(link) => self.set_points.push(link),
                Err(problem) => problems.push(problem),
            },
            None if entry.is_some() => problems.push(format!("{name}: the plant has no variable {target:?}")),
            None => {}
        }
    }
}

fn unknown_names(map: &MapFile, controller: &[Variable]) -> Vec<String> {
    let named = |row: &Variable, name: &str| row.name == name || alias_of(&row.name) == Some(name);
    let is = |name: &str, causality| {
        controller.iter().any(|row| row.is_number() && row.causality == causality && named(row, name))
    };
    let mut problems = Vec::new();
    for (name, entry) in &map.measurements {
        if !is(name, Causality::Input) {
            problems.push(format!("{name} is not an input of the controller, or a text"));
        }
        if alias_of(name).is_some_and(|alias| map.measurements.contains_key(alias)) {
            problems.push(format!("{name} is there twice, under two names"));
        }
        if entry.from.is_some() == entry.value.is_some() {
            problems.push(format!("{name}: expected either from or value"));
        }
    }
    let outputs = map.set_points.keys().filter(|name| !is(name, Causality::Output));
    problems.extend(outputs.map(|name| format!("{name} is not an output of the controller")));
    problems
}

fn link(controller: &str, variable: &PlantVariable, scale: f64, offset: f64) -> Result<Link, String> {
    let Content::Number(kind) = variable.content else {
        return Err(format!("{controller}: {} is not a single number", variable.name));
    };
    let (controller, plant) = (controller.to_owned(), variable.name.clone());
    Ok(Link { controller, plant, kind, reference: variable.reference, scale, offset })
}

fn setting(name: &str, value: &toml::Value, plant: &ModelDescription) -> Result<Setting, String> {
    let variable = plant.find(name).ok_or_else(|| format!("the plant has no parameter {name:?}"))?;
    let number = match value {
        toml::Value::Float(value) => Some(*value),
        // A parameter of more than 2^53 is not a number that somebody writes by hand.
        toml::Value::Integer(value) => Some(*value as f64),
        toml::Value::Boolean(value) => Some(f64::from(u8::from(*value))),
        _ => None,
    };
    match (variable.content, number, value) {
        (Content::Number(kind), Some(number), _) => Ok(Setting::Number(kind, variable.reference, number)),
        (Content::Text, _, toml::Value::String(text)) => Ok(Setting::Text(variable.reference, text.clone())),
        _ => Err(format!("{name}: {value} does not fit its type")),
    }
}
