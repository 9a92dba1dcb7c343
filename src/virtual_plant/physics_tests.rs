//! Energy, balance, curtailment and cost of the simulated plant.

use super::super::noise::Noise;
use super::super::source::{AtEnd, Interpolation, Reading};
use super::*;
use memg_core::env::MemgEnv;
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::synthetic;
use std::sync::Arc;

fn physics(rows: Vec<ProfileRow>, soc: f64) -> Physics {
    let reading = Reading {
        start_row: 0,
        interpolation: Interpolation::Hold,
        at_end: AtEnd::Wrap,
        fluctuation: 0.0,
        noise: Noise::new(0),
    };
    let source = ProfileSource::new(Plant::reference(), Arc::new(Profile::from_rows(rows)), reading);
    Physics::new(Plant::reference(), source, Dynamics::default(), soc)
}

const HOUR_MS: i64 = 3_600_000;

#[test]
fn the_state_of_charge_integrates_with_the_efficiencies() {
    for (order_kw, hours, soc) in [(20.0, 1, 0.3 + 0.95 * 0.2), (-20.0, 1, 0.5 - 0.2 / 0.95), (50.0, 3, 1.0)] {
        let mut plant = physics(vec![ProfileRow::default()], if order_kw > 0.0 { 0.3 } else { 0.5 });
        plant.advance_to(hours * HOUR_MS, &Commands::REST.battery(order_kw));
        // The lag of 1 s costs a second's energy: 6e-5 of the capacity.
        assert!((plant.soc() - soc).abs() < 1e-4, "{order_kw}: {} instead of {soc}", plant.soc());
    }
}

#[test]
fn stored_energy_is_what_went_in_less_losses() {
    let mut plant = physics(vec![ProfileRow::default()], 0.5);
    for (hour, order_kw) in [35.0, -42.0, 12.5, -5.0].into_iter().enumerate() {
        plant.advance_to((hour as i64 + 1) * HOUR_MS, &Commands::REST.battery(order_kw));
    }
    let t = plant.totals();
    let stored_kwh = 0.95 * t.charged_kwh - t.discharged_kwh / 0.95;
    assert!((plant.soc() - 0.5 - stored_kwh / 100.0).abs() < 1e-9);
}

#[test]
fn a_full_or_empty_battery_takes_or_gives_nothing() {
    for (soc, order_kw) in [(1.0, 50.0), (0.0, -50.0)] {
        let mut plant = physics(vec![ProfileRow::default()], soc);
        plant.advance_to(HOUR_MS, &Commands::REST.battery(order_kw));
        assert_eq!((plant.soc(), plant.flows().battery_kw), (soc, 0.0));
    }
}

#[test]
fn production_obeys_its_limit_and_the_rest_counts_as_curtailed() {
    let row = ProfileRow { pv_kw: 50.0, wind_kw: 30.0, electric_load_kw: 20.0, ..ProfileRow::default() };
    let mut plant = physics(vec![row], 0.5);
    plant.advance_to(HOUR_MS, &Commands { pv_limits_kw: vec![15.0], wind_limits_kw: vec![40.0], ..Commands::REST });
    let f = plant.flows();
    assert_eq!((f.pv_kw, f.pv_available_kw, f.wind_kw, f.grid_kw), (15.0, 50.0, 30.0, -25.0));
    assert!((plant.totals().curtailed_kwh - 35.0).abs() < 1e-9);
}

#[test]
fn both_balances_hold_at_every_moment() {
    let mut plant = physics(synthetic::profile(1, 3).rows().to_vec(), 0.5);
    for second in 0..86_400_i64 {
        let battery_kw = if second % 600 < 300 { 30.0 } else { -30.0 };
        let chp = ChpOrder { run: second % 7200 < 3600, setpoint_kw: 55.0, trip: false };
        plant.advance_to(second * 1000, &Commands::REST.battery(battery_kw).chp(chp));
        let f = plant.flows();
        let residual = f.pv_kw + f.wind_kw + f.chp_kw + f.grid_kw - f.electric_load_kw - f.battery_kw;
        assert!(residual.abs() < 1e-9);
        let heat = f.chp_heat_kw + f.boiler_kw + f.heat_unserved_kw - f.heat_load_kw;
        assert!(heat > -1e-9, "heat may be dumped, not missing");
    }
}

#[test]
fn an_hour_costs_what_the_equations_say() {
    let row = ProfileRow { electric_load_kw: 40.0, heat_load_kw: 45.0, import_price: 0.2, ..ProfileRow::default() };
    let mut plant = physics(vec![row], 0.5);
    plant.advance_to(HOUR_MS, &Commands::REST);
    assert!((plant.totals().cost_eur - (40.0 * 0.2 + 45.0 / 0.9 * 0.05)).abs() < 1e-9);
    assert!((plant.flows().gas_kw - 50.0).abs() < 1e-9);
}

/// The environment that policies are trained in knows no lag, no start sequence and no instants within a step; the plant
/// behind the registers must tell the same story up to these.
#[test]
fn a_day_costs_the_same_as_in_the_training_environment() {
    let days = Arc::new(synthetic::profile(2, 11));
    let mut env = MemgEnv::new(Plant::reference(), Arc::clone(&days), RewardWeights::default());
    let mut plant = physics(days.rows().to_vec(), 0.5);
    let (mut cost_eur, mut soc) = (0.0, 0.5);
    for step in 1..=96 {
        let Ok(Some(lived)) = env.step_policy(&mut GoodRule) else { panic!("the profile has two days") };
        let safe = &lived.verdict.safe;
        let chp = ChpOrder { run: safe.chp_on(), setpoint_kw: safe.chp().kilowatts().get(), trip: false };
        let available = lived.row.pv_kw + lived.row.wind_kw;
        let curtailed = safe.renewable_limit().map_or(0.0, |limit| (available - limit.kilowatts().get()).max(0.0));
        let commands = Commands {
            pv_limits_kw: vec![lived.row.pv_kw - curtailed.min(lived.row.pv_kw)],
            ..Commands::REST.battery(safe.battery().kilowatts().get()).chp(chp)
        };
        plant.advance_to(step * Plant::reference().step_ms(), &commands);
        cost_eur += lived.cost.get();
        soc = lived.soc_after.get();
    }
    let relative = plant.totals().cost_eur / cost_eur - 1.0;
    assert!(relative.abs() < 0.01, "{} instead of {cost_eur} EUR", plant.totals().cost_eur);
    assert!((plant.soc() - soc).abs() < 0.005, "{} instead of {soc}", plant.soc());
    assert_eq!(plant.totals().soc_violation_h + plant.totals().grid_violation_h, 0.0);
}

#[test]
fn import_lowers_the_voltage_and_broken_limits_are_counted() {
    let row = ProfileRow { electric_load_kw: 100.0, ..ProfileRow::default() };
    let mut plant = physics(vec![row], 0.5);
    plant.advance_to(HOUR_MS, &Commands::REST.battery(50.0));
    // V = 1 - (0.025 * 1.5 + 0.024 * 0.2)
    assert!((plant.flows().voltage_pu - (1.0 - 0.0375 - 0.0048)).abs() < 1e-6);
    assert!(plant.totals().grid_violation_h > 0.99);
    assert_eq!(plant.totals().voltage_violation_h, 0.0);
}

#[test]
fn the_size_of_time_steps_hardly_matters() {
    let rows = synthetic::profile(1, 9).rows().to_vec();
    let order = Commands::REST.battery(8.0).chp(ChpOrder { run: true, setpoint_kw: 30.0, trip: false });
    let (mut fine, mut coarse) = (physics(rows.clone(), 0.2), physics(rows, 0.2));
    for step in 1..=36_000 {
        fine.advance_to(step * 100, &order);
    }
    coarse.advance_to(HOUR_MS, &order);
    assert!((fine.soc() - coarse.soc()).abs() < 1e-5);
    assert!((fine.totals().cost_eur - coarse.totals().cost_eur).abs() < 0.02);
}
