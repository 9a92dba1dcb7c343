//! Site files: the `[plant]` tables that state a plant's limits, alone in a file or inside a configuration.
//!
//! `[plant.battery]` and `[plant.chp]` are a table for one, `[[plant.battery]]` lists for up to four, or not there.
//! `exogenous.pv_kw_nom` and `wind_kw_nom` are a number, a list of the ratings of several, or not there; so may be
//! `[plant.boiler]` and `exogenous.heat_load_kw_max`. What is not there is no part of the plant; everything else has no
//! default. A single battery, CHP, PV or wind turbine of size zero is not there either.
//!
//! Also responsible for [`problem`]: how anything that is wrong with a text is told. Knows no driver and no gateway.

#![forbid(unsafe_code)]

pub mod problem;

use memg_core::equipment::{Plant, PlantParameters, UNITS_MAX};
use problem::{Problem, parse_table, read, words};
use std::path::Path;
use toml::Value;

/// Keys that may be left out: they switch an optional function on.
const OPTIONAL: [&str; 4] = ["droop_pu", "margins", "fixed_import_eur_per_kwh", "fixed_export_eur_per_kwh"];
/// Units that may be several, with the number that is zero if there is none.
const UNITS: [(&str, &str); 2] = [("battery", "capacity_kwh"), ("chp", "p_kw_max")];
/// Ratings that may be several.
const RATINGS: [&str; 2] = ["pv_kw_nom", "wind_kw_nom"];
/// More PV or wind turbines than a site has numbers for.
const RATINGS_MAX: usize = 999;

/// Parts that a plant may be without.
fn may_be_absent(name: &str) -> bool {
    UNITS.iter().any(|(unit, _)| *unit == name)
        || RATINGS.contains(&name)
        || ["boiler", "heat_load_kw_max"].contains(&name)
}

/// What a site file states.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Ratings and limits, checked.
    pub plant: Plant,
    /// Rated power of each PV, kW; empty: there is none.
    pub pv_kw: Vec<f64>,
    /// The same of each wind turbine.
    pub wind_kw: Vec<f64>,
}

/// Reads a site file: the `[plant]` tables alone.
///
/// # Errors
/// Every problem, with the site file's name and lines.
pub fn read_site(path: &Path) -> Result<Site, Vec<Problem>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Problem::new("", format!("cannot read {name}: {error}"))])?;
    parse_site(&name, &text)
}

/// The same of a text that is at hand; `name` is what problems call it.
///
/// # Errors
/// Every problem, with that name and lines.
pub fn parse_site(name: &str, text: &str) -> Result<Site, Vec<Problem>> {
    let mut problems = Vec::new();
    let plant = match parse_table(text) {
        Ok(mut table) => {
            let plant = table.remove("plant");
            problems
                .extend(table.keys().map(|key| Problem::new(key, "unknown table; a site file has [plant.…] alone")));
            if plant.is_none() {
                problems.push(Problem::new("", "missing: [plant.battery], [plant.chp], …"));
            }
            plant.and_then(|plant| parameters(plant, &mut problems))
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    match plant {
        Some(plant) if problems.is_empty() => Ok(plant),
        _ => Err(problems.into_iter().map(|problem| problem.located(name, text)).collect()),
    }
}

/// Missing and unknown keys of every section first, all at once; then the values.
///
/// What is wrong is added to `problems`, without file and line; there is no plant then.
pub fn parameters(mut table: Value, problems: &mut Vec<Problem>) -> Option<Site> {
    let expected = Value::try_from(PlantParameters::reference()).ok()?;
    let before = problems.len();
    compare("plant", &expected, &table, problems);
    if problems.len() > before {
        return None;
    }
    let [pv_kw, wind_kw] = RATINGS.map(|name| ratings(&table, name));
    complete(table.as_table_mut()?, [&pv_kw, &wind_kw]);
    let parameters: PlantParameters = read("plant", table, problems)?;
    let plant = parameters.validate().map_err(|list| {
        let of = |p: memg_core::equipment::Problem| {
            Problem::new(format!("plant.{}", p.path()), format!("expected {}", p.expected))
        };
        problems.extend(list.into_iter().map(of));
    });
    plant.ok().map(|plant| Site { plant, pv_kw, wind_kw })
}

/// Ratings one by one; none where there is no such key, or where it is zero.
fn ratings(plant: &Value, name: &str) -> Vec<f64> {
    match plant.get("exogenous").and_then(|table| table.get(name)) {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().filter_map(number).collect(),
        Some(one) => number(one).filter(|kw| *kw != 0.0).into_iter().collect(),
    }
}

/// Puts zeros and empty lists where a part is not there, and sums where there are several ratings.
fn complete(plant: &mut toml::Table, rated: [&[f64]; 2]) {
    for (unit, size) in UNITS {
        let is_nothing = plant.get(unit).is_none_or(|table| table.get(size).and_then(number) == Some(0.0));
        if is_nothing {
            plant.insert(unit.to_owned(), Value::Array(Vec::new()));
        }
    }
    let boiler = [("q_kw_max".to_owned(), Value::Float(0.0)), ("efficiency".to_owned(), Value::Float(1.0))];
    plant.entry("boiler").or_insert_with(|| Value::Table(boiler.into_iter().collect()));
    let Some(exogenous) = plant.get_mut("exogenous").and_then(Value::as_table_mut) else { return };
    for (name, ratings) in RATINGS.into_iter().zip(rated) {
        exogenous.insert(name.to_owned(), Value::Float(ratings.iter().sum::<f64>() + 0.0));
    }
    exogenous.entry("heat_load_kw_max").or_insert(Value::Float(0.0));
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

fn compare(key: &str, expected: &Value, found: &Value, problems: &mut Vec<Problem>) {
    let Some(expected) = expected.as_table() else {
        if number(found).is_none() {
            problems.push(Problem::new(key, words::wrong(key, found)));
        }
        return;
    };
    let Some(table) = found.as_table() else {
        problems.push(Problem::new(key, "expected a table"));
        return;
    };
    let optional = |name: &str| OPTIONAL.contains(&name);
    let known: Vec<&str> = expected.keys().map(String::as_str).collect();
    let is_unknown = |name: &&String| !expected.contains_key(*name) && !optional(name);
    // A misspelt key stands for the one that it was meant to be.
    let meant: Vec<&str> = table.keys().filter(is_unknown).filter_map(|name| words::nearest(name, &known)).collect();
    for (name, value) in expected {
        let key = format!("{key}.{name}");
        match table.get(name) {
            Some(Value::Array(list)) if UNITS.iter().any(|(unit, _)| unit == name) => {
                units(&key, value, list, problems)
            }
            Some(Value::Array(list)) if RATINGS.contains(&name.as_str()) => rated(&key, list, problems),
            Some(found) => compare(&key, value, found, problems),
            None if optional(name) || may_be_absent(name) || meant.contains(&name.as_str()) => {}
            None => problems.push(Problem::new(key, "missing; a plant's limits have no defaults")),
        }
    }
    problems.extend(table.keys().filter(is_unknown).map(|name| {
        let message = format!("unknown key; {}", words::instead(name, known.iter().copied()));
        Problem::new(format!("{key}.{name}"), message)
    }));
}

/// A list of batteries or CHPs.
fn units(key: &str, expected: &Value, list: &[Value], problems: &mut Vec<Problem>) {
    if list.len() > UNITS_MAX {
        let message = format!("is one too many: expected up to {UNITS_MAX}, found {}", list.len());
        problems.push(Problem::new(format!("{key}[{UNITS_MAX}]"), message));
    }
    for (index, unit) in list.iter().enumerate() {
        compare(&format!("{key}[{index}]"), expected, unit, problems);
    }
}

/// A list of ratings.
fn rated(key: &str, list: &[Value], problems: &mut Vec<Problem>) {
    if list.len() > RATINGS_MAX {
        problems.push(Problem::new(key, format!("expected up to {RATINGS_MAX}, found {}", list.len())));
    }
    for (index, rating) in list.iter().enumerate() {
        if !number(rating).is_some_and(|kw| kw > 0.0 && kw <= 1e6) {
            let message = format!("expected a number above 0 and up to 1000000, found {rating}");
            problems.push(Problem::new(format!("{key}[{index}]"), message));
        }
    }
}
