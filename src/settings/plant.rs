//! The `[plant]` tables: a site's limits, from the configuration itself or from a site file.

use super::Loader;
use memg_core::equipment::{Plant, PlantParameters};
use memg_plant_io::problem::{Problem, parse_table, read};
use std::path::Path;

/// Keys that may be left out: they switch an optional function on.
const OPTIONAL: [&str; 4] = ["droop_pu", "margins", "fixed_import_eur_per_kwh", "fixed_export_eur_per_kwh"];

/// The validated plant; problems are added to the loader's with the file they are in.
pub(super) fn plant(loader: &mut Loader, file: Option<String>) -> Option<Plant> {
    let mut problems = Vec::new();
    let inline = loader.layers.take("plant");
    let plant = match (inline, file) {
        (Some(_), Some(_)) => {
            problems.push(Problem::new("plant", "stands beside site.plant_file: expected one of the two"));
            None
        }
        (Some(table), None) => parameters(table, &mut problems),
        (None, Some(file)) => return from_file(loader, &file),
        (None, None) => {
            problems.push(Problem::new(
                "plant",
                "missing: a plant's limits have no defaults. Expected [plant.battery], [plant.chp], … here, or \
                 site.plant_file = \"sites/<site>.toml\"",
            ));
            None
        }
    };
    loader.problems.extend(problems);
    plant
}

fn from_file(loader: &mut Loader, file: &str) -> Option<Plant> {
    let path = loader.folder.join(file);
    read_site(&path)
        .map_err(|problems| {
            let here = |p: Problem| if p.file.is_empty() { Problem { key: "site.plant_file".into(), ..p } } else { p };
            loader.problems.extend(problems.into_iter().map(here));
        })
        .ok()
}

/// Reads a site file: the `[plant]` tables alone.
///
/// # Errors
/// Every problem, with the site file's name and lines.
pub fn read_site(path: &Path) -> Result<Plant, Vec<Problem>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Problem::new("", format!("cannot read {name}: {error}"))])?;
    let mut problems = Vec::new();
    let plant = match parse_table(&text) {
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
        _ => Err(problems.into_iter().map(|problem| problem.located(&name, &text)).collect()),
    }
}

/// Missing and unknown keys of every section first, all at once; then the values.
fn parameters(table: toml::Value, problems: &mut Vec<Problem>) -> Option<Plant> {
    let expected = toml::Value::try_from(PlantParameters::reference()).ok()?;
    let before = problems.len();
    compare("plant", &expected, &table, problems);
    if problems.len() > before {
        return None;
    }
    let parameters: PlantParameters = read("plant", table, problems)?;
    parameters
        .validate()
        .map_err(|list| {
            let of = |p: memg_core::equipment::Problem| {
                Problem::new(format!("plant.{}", p.key), format!("expected {}", p.expected))
            };
            problems.extend(list.into_iter().map(of));
        })
        .ok()
}

fn compare(key: &str, expected: &toml::Value, found: &toml::Value, problems: &mut Vec<Problem>) {
    let Some(expected) = expected.as_table() else {
        if !(found.is_float() || found.is_integer()) {
            problems.push(Problem::new(key, format!("expected a number, found {found}")));
        }
        return;
    };
    let Some(table) = found.as_table() else {
        problems.push(Problem::new(key, "expected a table"));
        return;
    };
    let optional = |name: &str| OPTIONAL.contains(&name);
    for (name, value) in expected {
        match table.get(name) {
            Some(found) => compare(&format!("{key}.{name}"), value, found, problems),
            None if optional(name) => {}
            None => problems.push(Problem::new(format!("{key}.{name}"), "missing; a plant's limits have no defaults")),
        }
    }
    let unknown = table.keys().filter(|name| !expected.contains_key(*name) && !optional(name));
    let known: Vec<&str> = expected.keys().map(String::as_str).collect();
    problems.extend(unknown.map(|name| {
        Problem::new(format!("{key}.{name}"), format!("unknown key; expected one of {}", known.join(", ")))
    }));
}
