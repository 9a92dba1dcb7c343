//! Balances that are off for long are told once, and that they hold again once.

use super::{Books, Finding};
use crate::input::CycleInput;
use memg_core::equipment::Plant;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::{PlantState, Tag};

const GOOD: [(&str, f64); 8] = [
    ("pv_kw", 30.0),
    ("wind_kw", 7.0),
    ("chp_kw", 20.0),
    ("grid_kw", -10.0),
    ("battery_kw", 17.0),
    ("electric_load_kw", 30.0),
    ("heat_load_kw", 54.0),
    ("soc", 0.5),
];
const BESIDE: [(&str, f64); 3] =
    [("chp_heat_kw", 24.0), ("boiler_heat_kw", 30.0), ("gas_kw", 20.0 / 0.33 + 30.0 / 0.9)];

fn tagged(list: &[(&str, f64)]) -> Vec<(Tag, Measurement<f64>)> {
    list.iter().map(|(name, value)| (Tag::from_name(name).unwrap(), Measurement::good(*value))).collect()
}

/// Cycles of 10 s from a moment on, and what is told in them.
fn told(books: &mut Books, from_s: i64, seconds: i64, change: impl Fn(i64, &mut CycleInput)) -> Vec<Finding> {
    let cycle = |second: i64| {
        let mut input = CycleInput {
            cycle: 1,
            early: false,
            now_ms: 0,
            uptime_ms: second * 1000,
            plant_ms: 0,
            state: PlantState::from_measured(&tagged(&GOOD), 12.0),
            witnesses: tagged(&BESIDE),
            grid_limits: Vec::new(),
            outlook: None,
            commands: Vec::new(),
            fault: None,
        };
        change(second, &mut input);
        input
    };
    let plant = Plant::reference();
    (0..seconds / 10).flat_map(|n| books.observe(&cycle(from_s + 10 * n), &plant)).collect()
}

fn with(input: &mut CycleInput, name: &str, measured: Measurement<f64>) {
    let tag = Tag::from_name(name).unwrap();
    let mut all: Vec<_> = tagged(&GOOD);
    match input.witnesses.iter_mut().find(|(known, _)| *known == tag) {
        Some((_, witness)) => *witness = measured,
        None => {
            all.iter_mut().filter(|(known, _)| *known == tag).for_each(|(_, known)| *known = measured);
            input.state = PlantState::from_measured(&all, 12.0);
        }
    }
}

#[test]
fn measurements_that_fit_say_nothing_for_a_day() {
    assert_eq!(told(&mut Books::default(), 0, 86_400, |_, _| {}), []);
}

#[test]
fn a_power_that_does_not_fit_is_told_once_after_ten_minutes_and_once_when_it_fits_again() {
    let mut books = Books::default();
    let off = |_: i64, input: &mut CycleInput| with(input, "grid_kw", Measurement::good(10.0));
    assert_eq!(told(&mut books, 0, 580, off), [], "not yet");
    let found = told(&mut books, 580, 7200, off);
    assert!(found.len() == 1 && found[0].off && found[0].detail.contains("balance of powers: 19"), "{found:?}");
    let found = told(&mut books, 7780, 7200, |_, _| {});
    assert!(found.len() == 1 && !found[0].off, "{found:?}");
}

#[test]
fn heat_and_gas_that_do_not_fit_are_told_by_their_names() {
    for (name, value, expected) in
        [("chp_heat_kw", 60.0, "heat of the CHP"), ("boiler_heat_kw", 10.0, "balance of heat"), ("gas_kw", 40.0, "gas")]
    {
        let change = |_: i64, input: &mut CycleInput| with(input, name, Measurement::good(value));
        let found = told(&mut Books::default(), 0, 7200, change);
        assert!(found.iter().any(|f| f.off && f.detail.starts_with(expected)), "{name}: {found:?}");
    }
}

#[test]
fn heat_that_is_dumped_is_no_fault() {
    let change = |_: i64, input: &mut CycleInput| with(input, "heat_load_kw", Measurement::good(20.0));
    assert_eq!(told(&mut Books::default(), 0, 7200, change), []);
}

#[test]
fn counters_that_run_the_other_way_round_are_told() {
    let counters = |scale: f64| {
        move |second: i64, input: &mut CycleInput| {
            let export = scale * 10.0 * second as f64 / 3600.0;
            input.witnesses.extend(tagged(&[("grid_import_kwh", 5.0), ("grid_export_kwh", export)]));
        }
    };
    assert_eq!(told(&mut Books::default(), 0, 7200, counters(1.0)), []);
    let found = told(&mut Books::default(), 0, 7200, counters(-1.0));
    assert!(found.iter().any(|f| f.off && f.detail.starts_with("counters of the connection")), "{found:?}");
}

#[test]
fn a_measurement_that_is_lost_leaves_its_balance_unjudged() {
    let lost = Measurement { quality: Quality::Stale, ..Measurement::good(90.0) };
    for name in ["grid_kw", "chp_heat_kw", "boiler_heat_kw", "gas_kw"] {
        assert_eq!(told(&mut Books::default(), 0, 7200, |_, input| with(input, name, lost)), [], "{name}");
    }
}
