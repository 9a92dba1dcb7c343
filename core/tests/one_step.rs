//! The environment and a controller beside it decide and remember the same, step by step.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests stop at the first surprise"
)]

use memg_core::builtin;
use memg_core::decide::{self, StepMemory};
use memg_core::env::MemgEnv;
use memg_core::equipment::Plant;
use memg_core::extended::spread_seen;
use memg_core::history::{History, Live};
use memg_core::measurement::Measurement;
use memg_core::memory::ControlMemory;
use memg_core::outlook::Outlook;
use memg_core::plant_state::{PlantState, Signal};
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::profile::{Profile, ProfileRow};
use memg_core::reward::RewardWeights;
use memg_core::rules::{GoodRule, Idle};
use memg_core::safety::SafetyFilter;
use memg_core::series::{Known, Quantity, hourly_price};
use memg_core::situation::KnownValues;
use memg_core::synthetic;
use memg_core::units::Soc;
use std::sync::Arc;

#[test]
fn rules_decide_the_same_inside_and_outside_the_environment() {
    for name in builtin::NAMES {
        let mut env = MemgEnv::new(Plant::reference(), Arc::new(synthetic::profile(3, 7)), RewardWeights::default());
        let (mut inside, mut outside) = (builtin::by_name(name).unwrap(), builtin::by_name(name).unwrap());
        let mut memory = ControlMemory::at_rest();
        loop {
            let (situation, filter) = (env.situation(), *env.filter());
            let decision = decide::step(&filter, &situation, &mut memory, &env.known(), outside.as_mut()).unwrap();
            let Some(step) = env.step_policy(inside.as_mut()).unwrap() else { break };
            memory.elapse(filter.plant().step_ms());
            assert_eq!((decision.request, decision.verdict), (step.request, step.verdict), "{name} {}", step.row.time);
        }
    }
}

/// Measurements of a row as a process image holds them; `missing` is lost.
fn measured(row: &ProfileRow, soc: Soc, missing: Option<Signal>) -> PlantState {
    let value = |signal| match signal {
        Signal::PvAvailableKw => row.pv_kw,
        Signal::WindAvailableKw => row.wind_kw,
        Signal::ElectricLoadKw => row.electric_load_kw,
        Signal::HeatLoadKw => row.heat_load_kw,
        Signal::Soc => soc.get(),
        Signal::ImportPriceEurPerKwh => row.import_price,
        Signal::ExportPriceEurPerKwh => row.export_price,
        Signal::GridVoltagePu => row.grid_voltage_pu,
        Signal::FrequencyHz => row.frequency_hz,
        _ => f64::NAN,
    };
    let image = |signal| match value(signal) {
        _ if missing == Some(signal) => Measurement::never(),
        value if value.is_finite() => Measurement::good(value),
        _ => Measurement::absent(),
    };
    PlantState::from_image(image, row.time.hour())
}

#[test]
fn whole_steps_from_measurements_are_those_of_the_environment() {
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(synthetic::profile(2, 7)), RewardWeights::default());
    let mut memory = StepMemory::at_rest();
    while let Some(row) = env.row().copied().filter(|_| !env.is_over()) {
        let (filter, known, state) = (*env.filter(), env.known(), measured(&row, env.soc(), None));
        let prices = Outlook::of_hourly_prices((0..24).map(|hour| hourly_price(&known, hour, 4)), 4);
        let done = decide::whole_step(&filter, &state, &prices, &mut memory, &mut GoodRule).unwrap();
        let step = env.step_policy(&mut GoodRule).unwrap().unwrap();
        assert_eq!((done.decision.request, done.decision.verdict), (step.request, step.verdict), "{}", row.time);
        assert_eq!(done.stood_in, None);
    }
}

/// Fails whenever it is asked.
struct Broken;

impl Policy for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn act(&mut self, _: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        Err(PolicyError::NotFinite)
    }
}

#[test]
fn the_rule_stands_in_for_a_policy_that_fails_or_cannot_be_asked_and_a_lost_measurement_moves_nothing() {
    let filter = SafetyFilter::new(Plant::reference());
    let row = ProfileRow { pv_kw: 20.0, electric_load_kw: 60.0, heat_load_kw: 80.0, ..ProfileRow::default() };
    let step = |memory: &mut StepMemory, missing, policy: &mut dyn Policy| {
        decide::whole_step(&filter, &measured(&row, Soc::new(0.5), missing), &Outlook::default(), memory, policy)
    };
    let rule = step(&mut StepMemory::at_rest(), None, &mut GoodRule).unwrap();
    let failed = step(&mut StepMemory::at_rest(), None, &mut Broken).unwrap();
    assert_eq!(failed.decision, rule.decision);
    assert!(failed.stood_in.unwrap().contains("not finite"));
    let blind = step(&mut StepMemory::at_rest(), Some(Signal::HeatLoadKw), &mut Idle).unwrap();
    assert!(blind.stood_in.unwrap().contains("heat_load_kw"));
    assert_eq!(blind.decision.request.setpoints.chp.get(), 0.0, "the CHP stays as it is");
    let mut memory = StepMemory::at_rest();
    let lost = step(&mut memory, Some(Signal::Soc), &mut GoodRule).unwrap_err();
    assert_eq!((lost.signal, memory), (Signal::Soc.into(), StepMemory::at_rest()));
}

#[test]
fn what_control_remembers_of_days_is_what_the_environment_knows_of_them() {
    let profile = synthetic::profile(17, 7);
    let (rows, plant) = (profile.rows(), Plant::reference());
    let (mut history, outlook) = (History::default(), Outlook::default());
    for (index, row) in rows.iter().enumerate() {
        let expected = profile.view(&(0..rows.len()), index, 4);
        history.begin_step(row.time.minute / 15, plant.steps_per_day());
        let live = Live::new(&plant, &history, &outlook);
        for quantity in Quantity::ALL {
            for ago in [1, 2, 95, 96, 97, 672, 1440].into_iter().filter(|ago| *ago <= 15 * 96) {
                assert_eq!(live.ago(quantity, ago), expected.ago(quantity, ago), "{} {ago}", row.time);
            }
        }
        assert_eq!(live.minute(), expected.minute());
        assert_eq!(spread_seen(&live, 4), spread_seen(&expected, 4));
        assert_eq!(spread_seen(&live, 4).is_some(), index >= 4);
        history.observe(&row.situation(Soc::new(0.5)), KnownValues::ALL);
    }
}

#[test]
fn a_profile_knows_what_was_before_a_gap_and_only_prices_of_what_comes() {
    let days = synthetic::profile(4, 7);
    let kept: Vec<_> = days.rows().iter().filter(|row| row.time.day_and_minute().0 != 16_802).copied().collect();
    assert_eq!(kept.len(), 288, "the second day is missing");
    let profile = Profile::from_rows(kept.clone());
    let view = profile.view(&(0..288), 100, 4);
    assert_eq!(view.ago(Quantity::Pv, 4), Some(kept[96].pv_kw));
    assert_eq!(view.ago(Quantity::Pv, 96), None);
    assert_eq!(view.ago(Quantity::ElectricLoad, 192), Some(kept[4].electric_load_kw));
    assert_eq!((view.ahead(Quantity::Pv, 0), view.ahead(Quantity::ImportPrice, 92)), (None, None));
    assert_eq!(view.ahead(Quantity::ExportPrice, 91), Some(kept[191].export_price));
    assert_eq!(view.with_prices_of(3).ahead(Quantity::ImportPrice, 3), None);
}

#[test]
fn steps_without_a_price_are_no_part_of_the_spread_that_was_seen() {
    let mut history = History::default();
    for (step, (import, export)) in [(0.2, 0.13), (0.0, 0.0), (0.3, 0.21)].into_iter().enumerate() {
        let row = ProfileRow { import_price: import, export_price: export, ..ProfileRow::default() };
        for quarter in 0..4 {
            history.begin_step(step as i64 * 4 + quarter, 96);
            let is_known = import != 0.0;
            let known = KnownValues { import_price: is_known, export_price: is_known, heat: true };
            history.observe(&row.situation(Soc::new(0.5)), known);
        }
    }
    history.begin_step(12, 96);
    let seen = spread_seen(&Live::new(&Plant::reference(), &history, &Outlook::default()), 4).unwrap();
    assert!((seen[0] - 0.07).abs() < 1e-12 && (seen[1] - 0.09).abs() < 1e-12, "{seen:?}");
}
