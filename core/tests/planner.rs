//! The policy `plan` on synthetic days: what it is worth, on every kind of plant, and that it keeps nothing to itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests stop at the first surprise"
)]

use memg_core::decide;
use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::{Each, Plant, PlantParameters};
use memg_core::forecast::Persistence;
use memg_core::planner::{Foresight, Plan, PlanSettings};
use memg_core::policy::Policy;
use memg_core::profile::{Profile, ProfileRow};
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::safety::Relaxation;
use memg_core::synthetic;
use std::ops::Range;
use std::sync::Arc;

fn planner() -> Plan<Persistence> {
    Plan::new(Persistence, PlanSettings::default())
}

/// Steps of a plant through rows of a profile, of which those before are history.
fn live(plant: Plant, profile: &Arc<Profile>, rows: Range<usize>, policy: &mut dyn Policy) -> Vec<EnvStep> {
    let mut env = MemgEnv::new(plant, Arc::clone(profile), RewardWeights::default());
    env.reset(Start::block(rows).knowing(0..profile.rows().len()));
    std::iter::from_fn(|| env.step_policy(policy).unwrap()).collect()
}

/// EUR, with what is left in the battery at the mean price.
fn cost(steps: &[EnvStep]) -> f64 {
    let stored = (steps.last().unwrap().soc_after.get() - 0.5) * 100.0;
    steps.iter().map(|step| step.cost.get()).sum::<f64>() - 0.12 * stored
}

#[test]
fn planning_is_worth_more_than_the_rule_and_foresight_more_than_planning() {
    let profile = Arc::new(synthetic::profile(10, 7));
    let rows = 7 * 96..10 * 96;
    let of = |policy: &mut dyn Policy| cost(&live(Plant::reference(), &profile, rows.clone(), policy));
    let (rule, planned) = (of(&mut GoodRule), of(&mut planner()));
    let foreseen = of(&mut Foresight::new(Arc::clone(&profile), vec![rows.clone()], PlanSettings::default()));
    assert!(planned < 0.98 * rule && foreseen < planned, "rule {rule}, plan {planned}, foresight {foreseen}");
}

#[test]
fn a_planner_without_history_or_prices_still_beats_the_rule() {
    let profile = Arc::new(synthetic::profile(3, 4));
    let of = |policy: &mut dyn Policy| {
        let mut env = MemgEnv::new(Plant::reference(), Arc::clone(&profile), RewardWeights::default());
        env.reset(Start::block(0..288));
        cost(&std::iter::from_fn(|| env.step_policy(policy).unwrap()).collect::<Vec<_>>())
    };
    let (rule, planned) = (of(&mut GoodRule), of(&mut planner()));
    assert!(planned < rule, "rule {rule}, plan {planned}");
}

/// Plants that a site file may state, by name.
fn plants() -> Vec<(&'static str, PlantParameters)> {
    let reference = PlantParameters::reference();
    let with = |change: &dyn Fn(&mut PlantParameters)| {
        let mut plant = reference;
        change(&mut plant);
        plant
    };
    let (battery, chp) = (*reference.battery.get(0).unwrap(), *reference.chp.get(0).unwrap());
    vec![
        ("no CHP", with(&|p| p.chp = Each::default())),
        ("no battery", with(&|p| p.battery = Each::default())),
        ("neither", with(&|p| (p.battery, p.chp) = (Each::default(), Each::default()))),
        ("battery of no power", with(&|p| p.battery.edit(|b| (b.charge_kw_max, b.discharge_kw_max) = (0.0, 0.0)))),
        ("small fast battery", with(&|p| p.battery.edit(|b| (b.capacity_kwh, b.ramp_kw_per_step) = (5.0, 500.0)))),
        ("slow battery", with(&|p| p.battery.edit(|b| b.ramp_kw_per_step = 0.7))),
        ("free CHP", with(&|p| p.chp.edit(|c| (c.ramp_kw_per_step, c.min_up_steps, c.min_down_steps) = (500.0, 0, 0)))),
        ("patient CHP", with(&|p| p.chp.edit(|c| (c.min_up_steps, c.min_down_steps) = (12, 30)))),
        ("CHP of one power", with(&|p| p.chp.edit(|c| (c.p_kw_min, c.p_kw_max) = (30.0, 30.001)))),
        ("weak connection", with(&|p| (p.grid.resistance_pu, p.grid.voltage_pu_max) = (0.08, 1.03))),
        (
            "two of each",
            with(&|p| {
                let half = |kw: f64| 0.5 * kw;
                let mut small = battery;
                (small.capacity_kwh, small.charge_kw_max) = (half(battery.capacity_kwh), half(battery.charge_kw_max));
                let mut unit = chp;
                (unit.p_kw_min, unit.p_kw_max) = (half(chp.p_kw_min), half(chp.p_kw_max));
                (p.battery, p.chp) = (Each::new(&[small, small]).unwrap(), Each::new(&[unit, unit]).unwrap());
            }),
        ),
    ]
}

/// Rows of `step_min` minutes made of quarter-hours.
fn in_steps_of(quarters: &Profile, step_min: i64) -> Arc<Profile> {
    let rows = quarters.rows();
    let count = rows.len() as i64 * 15 / step_min;
    let row = |i: i64| {
        let time = rows[0].time.plus_minutes(i * step_min);
        ProfileRow { time, ..rows[(i * step_min / 15) as usize] }
    };
    Arc::new(Profile::from_rows((0..count).map(row).collect()))
}

#[test]
fn every_kind_of_plant_is_planned_and_what_is_asked_for_is_what_is_written() {
    let profile = Arc::new(synthetic::profile(2, 9));
    for (name, parameters) in plants() {
        let plant = parameters.validate().unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        for step in live(plant, &profile, 96..192, &mut planner()) {
            let (asked, safe) = (step.request.setpoints, step.verdict.safe);
            let written = (safe.battery().kilowatts(), safe.chp().kilowatts());
            assert_eq!((asked.battery, asked.chp), written, "{name} {}", step.row.time);
            // Where even the best point needs curtailment, the request alone does not keep the connection's limits.
            let fine = step.violations_requested == 0 && step.verdict.relaxation == Relaxation::None;
            let curtailed = name == "weak connection" && step.verdict.relaxation == Relaxation::Curtailment;
            assert!(fine || curtailed, "{name} {}: {:?}", step.row.time, step.verdict);
        }
    }
}

#[test]
fn steps_of_other_lengths_are_planned_as_well() {
    let quarters = synthetic::profile(3, 9);
    for step_min in [5, 60] {
        let mut parameters = PlantParameters::reference();
        parameters.step_h = step_min as f64 / 60.0;
        let (plant, profile) = (parameters.validate().unwrap(), in_steps_of(&quarters, step_min));
        let (end, day) = (profile.rows().len(), plant.steps_per_day());
        let rows = end - day..end;
        let rule = cost(&live(plant, &profile, rows.clone(), &mut GoodRule));
        let planned = live(plant, &profile, rows, &mut planner());
        assert!(planned.iter().all(|step| step.violations_requested == 0), "{step_min} min");
        assert!(cost(&planned) < rule, "{step_min} min: rule {rule}, plan {}", cost(&planned));
    }
}

#[test]
fn a_decision_depends_on_nothing_that_the_planner_has_lived_through() {
    let profile = Arc::new(synthetic::profile(2, 5));
    let mut env = MemgEnv::new(Plant::reference(), Arc::clone(&profile), RewardWeights::default());
    env.reset(Start::block(96..130).knowing(0..192));
    let mut old = planner();
    while !env.is_over() {
        let (situation, mut memory) = (env.situation(), *env.memory());
        let fresh = decide::step(env.filter(), &situation, &mut memory, &env.known(), &mut planner()).unwrap();
        assert_eq!(env.step_policy(&mut old).unwrap().unwrap().request, fresh.request);
    }
}

#[test]
fn numbers_that_are_none_give_an_error_and_no_request() {
    let profile = Arc::new(synthetic::profile(1, 5));
    let env = MemgEnv::new(Plant::reference(), profile, RewardWeights::default());
    let mut situation = env.situation();
    situation.import_price = memg_core::units::EurPerKwh::new(f64::NAN);
    let mut memory = *env.memory();
    assert!(decide::step(env.filter(), &situation, &mut memory, &env.known(), &mut planner()).is_err());
}
