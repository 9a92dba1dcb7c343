//! `[signals.<name>]`: which signals are optional, and what stands in for them.
//!
//! A signal that is measured and has no table here is required. An optional one names its substitute; that substitute
//! has to exist for the signal, and what it is made from has to be there. What a signal is made of, where no meter shows
//! it: [`super::formulas`].

use super::Loader;
use super::points::PointMap;
use memg_control::substitutes::{Substitute, Substitutes};
use memg_core::equipment::Plant;
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::problem::{Problem, read, words};
use serde::Deserialize;

/// `[signals.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignal {
    /// The gateway goes on without it. Without this table a signal is required.
    optional: Option<bool>,
    /// What stands in for it while it is lost.
    substitute: Option<String>,
    /// It is this number, in the unit of its name: nobody measures it.
    pub(super) constant: Option<f64>,
    /// It is the sum of these: signals, `<device>.<point>` or `mqtt.<name>`; what has a minus in front is subtracted.
    pub(super) sum_of: Option<Vec<String>>,
    /// It is the first of these two less the second.
    pub(super) difference_of: Option<Vec<String>>,
}

/// A declaration and its key.
#[derive(Debug)]
pub(super) struct Declaration {
    pub tag: Tag,
    pub key: String,
    pub raw: RawSignal,
}

/// What the declarations are checked against.
pub(super) struct Beside<'a> {
    pub points: &'a PointMap,
    pub plant: Option<&'a Plant>,
    /// Nobody knows yet what is measured: the devices come later (demonstration), or one is wrong.
    pub unknown: bool,
}

/// The tables, as far as they are readable.
pub(super) fn declarations(loader: &mut Loader, lockstep: bool) -> Vec<Declaration> {
    let Some(value) = loader.layers.take("signals") else { return Vec::new() };
    match value {
        _ if lockstep => loader.problems.push(Problem::new(
            "signals",
            "cannot stand beside [cosim]: in lock-step nothing stands in for a missing measurement",
        )),
        toml::Value::Table(table) => {
            let read = |(name, value): (String, toml::Value)| declaration(&name, value, &mut loader.problems);
            return table.into_iter().filter_map(read).collect();
        }
        _ => loader.problems.push(Problem::new("signals", "expected tables [signals.<name>]")),
    }
    Vec::new()
}

fn declaration(name: &str, value: toml::Value, problems: &mut Vec<Problem>) -> Option<Declaration> {
    let key = format!("signals.{name}");
    let raw: RawSignal = read(&key, value, problems)?;
    let tag = Tag::from_name(name);
    if tag.is_none() {
        let known = words::instead(name, Signal::ALL.map(Signal::name));
        problems.push(Problem::new(key.clone(), format!("is no signal; {known}")));
    }
    Some(Declaration { tag: tag?, key, raw })
}

/// Which signals are optional.
pub(super) fn substitutes(list: &[Declaration], beside: &Beside<'_>, problems: &mut Vec<Problem>) -> Substitutes {
    let of = |d: &Declaration| signal(d, beside).map_err(|problem| problems.push(problem)).ok().flatten();
    list.iter().filter_map(of).collect()
}

fn signal(declaration: &Declaration, beside: &Beside<'_>) -> Result<Option<(Tag, Substitute)>, Problem> {
    let Declaration { tag, key, raw } = declaration;
    let is_made = raw.constant.is_some() || raw.sum_of.is_some() || raw.difference_of.is_some();
    if is_made && raw.optional.is_none() && raw.substitute.is_none() {
        return Ok(None);
    }
    let substitute = chosen(*tag, raw, key)?;
    possible(*tag, substitute, beside).map_err(|message| Problem::new(format!("{key}.substitute"), message))?;
    Ok(Some((*tag, substitute)))
}

/// The substitute, if it exists for the signal.
fn chosen(signal: Tag, raw: &RawSignal, key: &str) -> Result<Substitute, Problem> {
    let existing = Substitute::of(signal.signal());
    let names: Vec<&str> = existing.iter().map(|substitute| substitute.name()).collect();
    if existing.is_empty() {
        return Err(Problem::new(key, format!("{signal} has no substitute: it is required, remove the table")));
    }
    if raw.optional != Some(true) {
        let message = "expected true with a substitute, or constant, sum_of or difference_of; a signal without such a \
                       table is required";
        return Err(Problem::new(format!("{key}.optional"), message));
    }
    let expected = format!("expected one of {}", names.join(", "));
    let at = format!("{key}.substitute");
    let Some(name) = &raw.substitute else {
        return Err(Problem::new(at, format!("missing: an optional signal names what stands in for it; {expected}")));
    };
    let found = Substitute::from_name(name).filter(|substitute| existing.contains(substitute));
    found.ok_or_else(|| Problem::new(at, format!("{name:?} does not exist for {signal}; {expected}")))
}

/// What the substitute is made from is there.
fn possible(signal: Tag, substitute: Substitute, beside: &Beside<'_>) -> Result<(), String> {
    let measured = |signal| beside.points.signals.contains_key(&signal) || beside.unknown;
    if !measured(signal) {
        return Err(format!("nobody measures {signal}: there is nothing to stand in for"));
    }
    match substitute {
        Substitute::Balance => balance(beside),
        Substitute::Fixed => fixed(signal.signal(), beside.plant),
        Substitute::WorstCase if signal.signal() == Signal::FrequencyHz => without_droop(beside.plant),
        Substitute::WorstCase | Substitute::Setpoint | Substitute::Yesterday => Ok(()),
    }
}

fn balance(beside: &Beside<'_>) -> Result<(), String> {
    use Signal as S;
    let measured = |tag: &Tag| beside.points.signals.contains_key(tag);
    if let Some(missing) = balanced(beside.plant).into_iter().find(|tag| !measured(tag) && !beside.unknown) {
        return Err(format!("\"balance\" needs {missing}, which nobody measures"));
    }
    // What could be produced says nothing of the exchange while a cap is in force.
    let available = |tag: &&Tag| matches!(tag.signal(), S::PvAvailableKw | S::WindAvailableKw);
    match beside.points.signals.keys().find(available) {
        Some(available) => Err(format!("\"balance\" counts with what is produced, but {available} is used")),
        None => Ok(()),
    }
}

/// What the exchange is the balance of, at this plant.
fn balanced(plant: Option<&Plant>) -> Vec<Tag> {
    use Signal as S;
    let Some(plant) = plant else { return Vec::new() };
    let x = &plant.parameters().exogenous;
    let sums = [(S::ElectricLoadKw, x.electric_load_kw_max), (S::PvKw, x.pv_kw_nom), (S::WindKw, x.wind_kw_nom)];
    let sums = sums.into_iter().filter(|(_, kw)| *kw > 0.0).map(|(signal, _)| Tag::first(signal));
    let each = |signal, count: usize| (1..).take(count).filter_map(move |number| Tag::new(signal, number));
    sums.chain(each(S::BatteryKw, plant.batteries().len())).chain(each(S::ChpKw, plant.chps().len())).collect()
}

fn fixed(signal: Signal, plant: Option<&Plant>) -> Result<(), String> {
    let Some(costs) = plant.map(|plant| plant.parameters().costs) else { return Ok(()) };
    let (price, key) = match signal {
        Signal::ExportPriceEurPerKwh => (costs.fixed_export_eur_per_kwh, "fixed_export_eur_per_kwh"),
        _ => (costs.fixed_import_eur_per_kwh, "fixed_import_eur_per_kwh"),
    };
    price.map(|_| ()).ok_or_else(|| format!("\"fixed\" needs plant.costs.{key}, which is not declared"))
}

/// A droop cannot do without the frequency that it follows.
fn without_droop(plant: Option<&Plant>) -> Result<(), String> {
    let droop = plant.and_then(|plant| plant.parameters().frequency.droop_pu);
    droop.map_or(Ok(()), |_| {
        Err("\"worst_case\" cannot stand beside plant.frequency.droop_pu: the battery follows the frequency".to_owned())
    })
}
