//! Measurements from outside: read as what they say, or refused. Nothing is dropped: a fault flag that nobody reads
//! counted as no fault.
//!
//! The one place where names of signals (`battery_kw`, as over MQTT) and names of the controller FMU's inputs
//! (`p_battery`) meet; lock-step, mosaik and maps take both. Flags are booleans or 0 and 1; `null` (and what Python and
//! JavaScript write for "not a number") is missing.

use super::lockstep::Values;
use memg_core::equipment::{Each, PlantParameters, UNITS_MAX};
use memg_core::plant_state::{Signal, Tag};
use memg_fmu::ems::signal_of;
use memg_fmu::model::Kind;
use memg_fmu::series_text;
use memg_fmu::variable::Variable;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Name of the list of import prices among the values.
const PRICES: &str = "import_price_ahead";
/// Name of prices and forecasts at step length among the values.
const OUTLOOK: &str = "outlook";

/// Measurements without which the controller FMU cannot decide, of every unit; its other inputs have neutral start values.
const REQUIRED: [Signal; 5] =
    [Signal::PvAvailableKw, Signal::WindAvailableKw, Signal::ElectricLoadKw, Signal::HeatLoadKw, Signal::Soc];

/// An input of the controller FMU that is a signal.
struct Input {
    tag: Tag,
    /// The signal's name.
    alias: String,
}

/// The inputs of the controller FMU that are signals, by name: those of the largest plant. Which of them a controller has
/// its own table says.
static FMU_NAMES: LazyLock<BTreeMap<String, Input>> = LazyLock::new(|| {
    let mut plant = PlantParameters::reference();
    plant.battery = Each::new(&[plant.battery_of_all(); UNITS_MAX]).unwrap_or_default();
    plant.chp = Each::new(&[plant.chp_of_all(); UNITS_MAX]).unwrap_or_default();
    let input = |tag: Tag| Input { tag, alias: tag.to_string() };
    let rows = Kind::Ems.variables(&plant, "rule").into_iter();
    rows.filter_map(|row| Some((row.name.into_owned(), input(signal_of(row.reference)?)))).collect()
});

/// The signal of either name.
pub(crate) fn signal_named(name: &str) -> Option<Tag> {
    // Nobody narrows the connection of a simulation from outside.
    let known = Tag::from_name(name).filter(|tag| !tag.signal().is_grid_limit());
    known.or_else(|| FMU_NAMES.get(name).map(|input| input.tag))
}

/// The controller FMU's input for a signal; `None` for signals that the FMU does not know, such as a device's fault flag
/// or a part of a sum.
pub(crate) fn input_of(tag: Tag) -> Option<&'static str> {
    FMU_NAMES.iter().find(|(_, input)| input.tag == tag).map(|(name, _)| name.as_str())
}

/// The other name of a controller input: that of its signal.
pub(crate) fn alias_of(input: &str) -> Option<&'static str> {
    FMU_NAMES.get(input).map(|known| known.alias.as_str()).filter(|alias| *alias != input)
}

/// Without this input nothing can be decided.
pub(crate) fn is_required(name: &str) -> bool {
    FMU_NAMES.get(name).is_some_and(|input| REQUIRED.contains(&input.tag.signal()))
}

/// The inputs of a controller without which nothing can be decided.
pub(crate) fn required(rows: &[Variable]) -> BTreeSet<&'static str> {
    let names = FMU_NAMES.keys().map(String::as_str);
    names.filter(|name| is_required(name) && rows.iter().any(|row| row.name == *name)).collect()
}

/// Reads the values of a `meas`.
///
/// # Errors
/// The first name that nobody knows, or value that is none of its kind or physically impossible; in words.
pub(crate) fn read(object: &Map<String, Value>) -> Result<Values, String> {
    let mut found = BTreeMap::new();
    for (name, value) in object.iter().filter(|(name, _)| *name != PRICES && *name != OUTLOOK) {
        let signal =
            signal_named(name).ok_or_else(|| format!("v.{name} is no signal and no input of the controller"))?;
        let Some(value) = number(&format!("v.{name}"), signal.signal(), value)? else { continue };
        if found.insert(signal, value).is_some() {
            return Err(format!("v.{name} is there twice, under two names"));
        }
    }
    let prices = object.get(PRICES).map(prices).transpose()?;
    let outlook = object.get(OUTLOOK).map(|value| series_text::read("v.outlook", value)).transpose()?;
    Ok(Values::new(found).with_prices(prices.unwrap_or_default()).with_outlook(outlook.unwrap_or_default()))
}

/// A signal's value in its unit, a flag as 0 or 1; `None` if it is missing (`null`). `at` is where it stands, for messages.
///
/// # Errors
/// It is none of its kind, or physically impossible; in words.
pub(crate) fn number(at: &str, signal: Signal, value: &Value) -> Result<Option<f64>, String> {
    let value = match value {
        Value::Null => return Ok(None),
        Value::Bool(flag) if signal.is_flag() => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64().ok_or_else(|| format!("{at}: expected a number"))?,
        found => return Err(format!("{at}: expected a number, found {found}")),
    };
    if signal.is_flag() && value != 0.0 && value != 1.0 {
        return Err(format!("{at}: expected 0 or 1, found {value}"));
    }
    signal.possible().check(value).map(Some).map_err(|words| format!("{at}: {words}"))
}

fn prices(value: &Value) -> Result<Vec<Option<f64>>, String> {
    let list = value.as_array().ok_or_else(|| format!("v.{PRICES}: expected a list of numbers and nulls"))?;
    let price = |(hour, value)| price_ahead(&format!("v.{PRICES}[{hour}]"), value);
    list.iter().enumerate().map(price).collect()
}

/// A price of an hour ahead, EUR/kWh; `None` if it is not known.
///
/// # Errors
/// As [`number`].
pub(crate) fn price_ahead(at: &str, value: &Value) -> Result<Option<f64>, String> {
    number(at, Signal::ImportPriceEurPerKwh, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_fmu::ems::MEASUREMENTS;
    use serde_json::json;

    fn values(v: &Value) -> Result<Values, String> {
        read(v.as_object().unwrap())
    }

    #[test]
    fn values_are_read_as_what_they_say_under_either_name() {
        let v = json!({ "p_pv": 1, "soc": null, "battery_fault": true, "chp_on": 0, "import_price_ahead": [0.1, null, -1] });
        let expected = Values::new([(Signal::PvAvailableKw, 1.0), (Signal::BatteryFault, 1.0), (Signal::ChpOn, 0.0)]);
        assert_eq!(values(&v), Ok(expected.with_prices([Some(0.1), None, Some(-1.0)])));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name_and_never_dropped() {
        for (v, words) in [
            (json!({ "colour": 3 }), "v.colour is no signal"),
            (json!({ "wind_kw": "2" }), "v.wind_kw: expected a number, found \"2\""),
            (json!({ "wind_kw": true }), "v.wind_kw: expected a number, found true"),
            (json!({ "battery_fault": "yes" }), "v.battery_fault: expected a number"),
            (json!({ "battery_fault": 0.5 }), "v.battery_fault: expected 0 or 1, found 0.5"),
            (json!({ "soc": 1.4 }), "v.soc: expected 0 to 1, found 1.4"),
            (json!({ "import_price_eur_per_kwh": 200 }), "found 200"),
            (json!({ "heat_load_kw": -1 }), "v.heat_load_kw"),
            (json!({ "pv_available_kw": 1, "p_pv": 1 }), "twice"),
            (json!({ "import_price_ahead": 0.1 }), "expected a list"),
            (json!({ "import_price_ahead": [0.1, "x"] }), "v.import_price_ahead[1]"),
            (json!({ "outlook": { "pv_kw": [1, true] } }), "v.outlook.pv_kw[1]: expected a number or null"),
            (json!({ "outlook": { "soc": [1] } }), "v.outlook.soc is none of pv_kw"),
        ] {
            let refused = values(&v).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn what_rounding_adds_to_a_bound_is_taken_away() {
        let full = json!({ "soc": 1.0 + f64::EPSILON });
        assert_eq!(values(&full), Ok(Values::new([(Signal::Soc, 1.0)])));
    }

    #[test]
    fn the_page_of_interfaces_names_every_pair() {
        let text = include_str!("../../docs/simulation-interfaces.md");
        let first = FMU_NAMES.iter().filter(|(_, known)| known.tag.unit().get() == 1).map(|(input, _)| input);
        for (input, alias) in first.filter_map(|input| Some((input, alias_of(input)?))) {
            assert!(
                text.contains(&format!("`{input}` = `{alias}`")),
                "`{input}` = `{alias}` is not in docs/simulation-interfaces.md"
            );
        }
    }

    #[test]
    fn every_input_that_is_a_signal_has_one_name_in_either_table() {
        for (reference, signal) in MEASUREMENTS {
            for tag in (1..=UNITS_MAX).filter_map(|number| Tag::new(signal, u16::try_from(number).unwrap())) {
                let Some(input) = input_of(tag) else {
                    assert!(
                        tag.unit().get() > 1 && !signal.is_of_battery() && !signal.is_of_chp(),
                        "{reference}: {tag}"
                    );
                    continue;
                };
                let name = tag.to_string();
                assert_eq!((signal_named(input), signal_named(&name)), (Some(tag), Some(tag)), "{reference}");
                assert_eq!(alias_of(input).unwrap_or(input), name);
            }
        }
        assert!(REQUIRED.iter().all(|signal| input_of(Tag::first(*signal)).is_some_and(is_required)));
    }

    #[test]
    fn the_number_of_a_unit_stands_in_either_name() {
        let v = json!({ "soc_2": 0.5, "p_battery_2": 3, "chp_2_on": true, "p_chp_4": 7 });
        let tags = ["soc_2", "battery_2_kw", "chp_2_on", "chp_4_kw"].map(|name| Tag::from_name(name).unwrap());
        assert_eq!(values(&v), Ok(Values::new(tags.into_iter().zip([0.5, 3.0, 1.0, 7.0]))));
        for (v, words) in [
            (json!({ "p_battery_5": 1 }), "v.p_battery_5 is no signal"),
            (json!({ "p_pv_2": 1 }), "v.p_pv_2 is no signal"),
            (json!({ "p_battery_2": 1, "battery_2_kw": 1 }), "twice"),
        ] {
            assert!(values(&v).unwrap_err().contains(words), "{v}");
        }
    }
}
