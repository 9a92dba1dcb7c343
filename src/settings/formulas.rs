//! `[signals.<name>]` with `constant`, `sum_of` or `difference_of`: signals that no meter shows by itself.
//!
//! ```toml
//! [signals.electric_load_kw]         # what remains
//! sum_of = ["grid_kw", "pv_kw", "-battery_kw"]
//! [signals.grid_kw]                  # three phases of one device
//! sum_of = ["gx.grid_l1", "gx.grid_l2", "gx.grid_l3"]
//! [signals.import_price_eur_per_kwh]
//! constant = 0.28
//! ```
//! Quality and age follow from the parts ([`memg_plant_io::formula`]). A constant is a declaration, so it may stand only for
//! what no limit depends on, or where the meter at the connection shows what is really exchanged: nothing unknown becomes
//! nominal here.

use super::Found;
use super::points::{Known, PointMap, insert};
use super::signals::Declaration;
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::formula::{Formula, Term};
use memg_plant_io::mqtt::settings::Target;
use memg_plant_io::problem::{Problem, words};
use memg_plant_io::quantity::{mismatch, signal_dimension, unit};
use std::time::Duration;

/// Adds what is made of others to what is measured. `unknown`: nobody knows yet all that is measured.
pub(super) fn add(list: &[Declaration], found: &Found, unknown: bool, map: &mut PointMap, problems: &mut Vec<Problem>) {
    let grid = Tag::first(Signal::GridKw);
    let is_grid = |d: &Declaration| d.tag == grid && (d.raw.sum_of.is_some() || d.raw.difference_of.is_some());
    let beside = Beside { grid: unknown || map.signals.contains_key(&grid) || list.iter().any(is_grid), unknown };
    let made: Vec<(Tag, Known)> = list.iter().filter_map(|d| made(d, found, map, beside, problems)).collect();
    for (tag, known) in made {
        insert(map, tag, known, problems);
    }
}

/// What is known of the rest.
#[derive(Debug, Clone, Copy)]
struct Beside {
    /// The exchange at the connection is measured.
    grid: bool,
    /// Nobody knows yet all that is measured.
    unknown: bool,
}

fn made(
    declaration: &Declaration,
    found: &Found,
    map: &PointMap,
    beside: Beside,
    problems: &mut Vec<Problem>,
) -> Option<(Tag, Known)> {
    let Declaration { tag, key, raw } = declaration;
    let stated = [raw.constant.is_some(), raw.sum_of.is_some(), raw.difference_of.is_some()];
    match stated.iter().filter(|stated| **stated).count() {
        0 => return None,
        1 => {}
        _ => {
            problems.push(Problem::new(key.clone(), "expected one of constant, sum_of and difference_of"));
            return None;
        }
    }
    if let Some(value) = raw.constant {
        return constant(*tag, value, key, beside, problems).map(|known| (*tag, known));
    }
    let parts = Parts { tag: *tag, found, map, unknown: beside.unknown };
    let (field, list) = match (&raw.sum_of, &raw.difference_of) {
        (Some(list), _) => ("sum_of", list.clone()),
        (None, Some(list)) => ("difference_of", differences(list, key, problems)?),
        (None, None) => return None,
    };
    parts.sum(&format!("{key}.{field}"), &list, problems).map(|known| (*tag, known))
}

/// A difference as a sum.
fn differences(list: &[String], key: &str, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    let [from, less] = list else {
        let message = format!("expected two, the second of which is subtracted, found {}", list.len());
        problems.push(Problem::new(format!("{key}.difference_of"), message));
        return None;
    };
    let less = less.strip_prefix('-').map_or_else(|| format!("-{less}"), ToOwned::to_owned);
    Some(vec![from.clone(), less])
}

/// What a constant may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declarable {
    /// No limit depends on it.
    Freely,
    /// Where the exchange is measured.
    BesideGrid,
    /// It has to be measured.
    Never,
}

const fn declarable(signal: Signal) -> Declarable {
    match signal {
        Signal::ImportPriceEurPerKwh | Signal::ExportPriceEurPerKwh | Signal::HeatLoadKw => Declarable::Freely,
        Signal::PvKw | Signal::WindKw | Signal::ElectricLoadKw | Signal::GridKvar => Declarable::BesideGrid,
        Signal::PvAvailableKw
        | Signal::WindAvailableKw
        | Signal::Soc
        | Signal::BatteryKw
        | Signal::ChpKw
        | Signal::ChpOn
        | Signal::GridKw
        | Signal::GridVoltagePu
        | Signal::FrequencyHz
        | Signal::BatteryRemote
        | Signal::ChpRemote
        | Signal::ChpFault
        | Signal::BatteryFault
        | Signal::GasKw
        | Signal::ChpHeatKw
        | Signal::BoilerHeatKw
        | Signal::GridImportKwh
        | Signal::GridExportKwh
        | Signal::GridImportLimitKw
        | Signal::GridExportLimitKw => Declarable::Never,
    }
}

fn constant(tag: Tag, value: f64, key: &str, beside: Beside, problems: &mut Vec<Problem>) -> Option<Known> {
    let refused = match declarable(tag.signal()) {
        _ if !value.is_finite() => Some(format!("expected a finite number, found {value}")),
        Declarable::Freely => None,
        Declarable::BesideGrid if beside.grid => None,
        Declarable::BesideGrid => {
            Some(format!("limits at the connection would be kept against a guess: {tag} needs grid_kw to be measured"))
        }
        Declarable::Never => Some(format!("a constant would be an assumption: {tag} has to be measured or left out")),
    };
    if let Some(message) = refused {
        problems.push(Problem::new(format!("{key}.constant"), message));
        return None;
    }
    let origin = format!("the constant {value}");
    Some(Known { formula: Formula::Constant(value), origin, key: key.to_owned(), range: None, age_max: None })
}

/// Where parts are looked for.
struct Parts<'a> {
    tag: Tag,
    found: &'a Found,
    map: &'a PointMap,
    unknown: bool,
}

impl Parts<'_> {
    fn sum(&self, key: &str, list: &[String], problems: &mut Vec<Problem>) -> Option<Known> {
        if list.is_empty() {
            problems.push(Problem::new(key, "expected at least one part"));
        }
        let mut part = |(n, text): (usize, &String)| {
            let found = self.part(text).map_err(|message| problems.push(Problem::new(format!("{key}[{n}]"), message)));
            found.ok().flatten()
        };
        let parts: Vec<Option<(Term, Duration)>> = list.iter().enumerate().map(&mut part).collect();
        let parts: Vec<(Term, Duration)> = parts.into_iter().collect::<Option<_>>()?;
        let age_max = parts.iter().map(|(_, age)| *age).min()?;
        let terms = parts.into_iter().map(|(term, _)| term).collect();
        let origin = list.join(" + ").replace("+ -", "- ");
        let key = key.rsplit_once('.').map_or(key, |(table, _)| table).to_owned();
        Some(Known { formula: Formula::Sum(terms), origin, key, range: None, age_max: Some(age_max) })
    }

    /// A part and how old it may become; `None` if nobody can know yet.
    fn part(&self, text: &str) -> Result<Option<(Term, Duration)>, String> {
        let (sign, name) = text.strip_prefix('-').map_or((1.0, text), |name| (-1.0, name.trim_start()));
        let place = match (Tag::from_name(name), name.strip_prefix("mqtt.")) {
            (Some(tag), _) => self.signal(tag),
            (None, Some(input)) => self.input(input),
            (None, None) => self.point(name),
        };
        match place {
            Ok((term, age)) => Ok(Some((Term { factor: sign * term.factor, ..term }, age))),
            Err(_) if self.unknown => Ok(None),
            Err(message) => Err(message),
        }
    }

    fn signal(&self, tag: Tag) -> Result<(Term, Duration), String> {
        let (own, other) = (signal_dimension(self.tag.signal()), signal_dimension(tag.signal()));
        if own != other {
            return Err(format!("{tag} is in {}, not in {}", other.unit_name(), own.unit_name()));
        }
        let known = self.map.signals.get(&tag).ok_or_else(|| format!("nobody measures {tag}"))?;
        match (known.formula.terms(), known.age_max) {
            ([term], Some(age)) => Ok((*term, age)),
            _ => Err(format!("{tag} is itself made of others: name what is measured")),
        }
    }

    fn input(&self, name: &str) -> Result<(Term, Duration), String> {
        let inputs = || self.found.mqtt.iter().flat_map(|mqtt| &mqtt.inputs).zip(&self.map.mqtt);
        let named = |target: &Target| matches!(target, Target::Named(known) if known == name);
        let found = inputs().find(|(input, _)| named(&input.target));
        let (input, point) = found.ok_or_else(|| format!("no [[mqtt.inputs]] has name = {name:?}"))?;
        Ok((Term { point: *point, factor: 1.0 }, input.age_max))
    }

    /// `<device>.<point>`; names of devices may have dots.
    fn point(&self, name: &str) -> Result<(Term, Duration), String> {
        let devices = &self.found.devices;
        let rest =
            devices.iter().find_map(|device| Some((device, name.strip_prefix(&*device.name)?.strip_prefix('.')?)));
        let Some((device, point)) = rest else {
            let known = words::instead(name, self.map.signals.keys().map(|tag| tag.signal().name()));
            return Err(format!("{name:?} is no signal, <device>.<point> or mqtt.<name>; {known}"));
        };
        let index = device.points.iter().position(|known| known.name == point);
        let (index, point) = index.and_then(|index| Some((index, device.points.get(index)?))).ok_or_else(|| {
            let known = words::unknown(point, device.points.iter().map(|known| known.name.as_str()));
            format!("device {}: point {known}", device.name)
        })?;
        let wanted = signal_dimension(self.tag.signal());
        let (dimension, factor) = unit(&point.unit).ok_or_else(|| format!("{name} has no unit"))?;
        if dimension != wanted {
            return Err(mismatch(&point.unit, dimension, wanted));
        }
        Ok((Term { point: device.id(index), factor }, point.age_max))
    }
}
