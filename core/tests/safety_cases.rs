//! Cases of the safety filter that were wrong once, one sentence each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

use memg_core::constraint::{Anchor, Rule, droop_power};
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::memory::ControlMemory;
use memg_core::profile::ProfileRow;
use memg_core::reward::requested_violations;
use memg_core::safety::{Intervention, Quantity, Relaxation, SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::situation::Situation;
use memg_core::units::{Hertz, Kilowatts, PerUnit, Soc, Watts};

const STEP_MS: i64 = 900_000;

fn situation(load: f64, pv: f64) -> Situation {
    ProfileRow { electric_load_kw: load, pv_kw: pv, ..ProfileRow::default() }.situation(Soc::new(0.5))
}

/// A source voltage at which the voltage band starts (or ends) at `kw` of import.
fn voltage_for(limit_pu: f64, kw: f64) -> PerUnit {
    // Vs^2 - V Vs - R P = 0
    let drop = 0.025 * kw / 100.0;
    PerUnit::new(0.5 * (limit_pu + (limit_pu * limit_pu + 4.0 * drop).sqrt()))
}

fn anchor(battery_kw: f64, chp_kw: f64) -> Anchor {
    ControlMemory::from_measured(watts(battery_kw), watts(chp_kw), chp_kw > 0.0, 100 * STEP_MS).anchor(STEP_MS)
}

fn watts(kw: f64) -> Watts {
    Watts::nearest(Kilowatts::new(kw))
}

fn request(battery: f64, chp: f64) -> Setpoints {
    Setpoints { battery: Kilowatts::new(battery), chp: Kilowatts::new(chp), grid: None }
}

fn filter(situation: &Situation, anchor: &Anchor, request: &Setpoints) -> Verdict {
    SafetyFilter::new(Plant::reference()).filter(situation, anchor, request)
}

/// Import that results, kW.
fn exchange(situation: &Situation, verdict: &Verdict) -> f64 {
    let renewables = situation.renewables().get();
    let produced = verdict.safe.renewable_limit().map_or(renewables, |limit| renewables.min(limit.kilowatts().get()));
    situation.electric_load.get() - produced + verdict.safe.battery().kilowatts().get()
        - verdict.safe.chp().kilowatts().get()
}

fn found(verdict: &Verdict, quantity: Quantity) -> Vec<Intervention> {
    verdict.interventions.iter().filter(|i| i.quantity == quantity).copied().collect()
}

#[test]
fn curtailing_at_a_negative_price_keeps_the_voltage() {
    let mut low_voltage = situation(10.0, 60.0);
    low_voltage.source_voltage = voltage_for(0.95, -20.0);
    low_voltage.export_price = memg_core::units::EurPerKwh::new(-0.1);
    let verdict = filter(&low_voltage, &anchor(0.0, 0.0), &request(0.0, 0.0));
    assert!(exchange(&low_voltage, &verdict) <= -20.0, "{} kW", exchange(&low_voltage, &verdict));
    assert!(exchange(&low_voltage, &verdict) > -20.1, "what the voltage does not need is curtailed");
}

#[test]
fn a_negative_price_does_not_curtail_while_the_frequency_is_too_low() {
    let mut sinking = situation(10.0, 60.0);
    sinking.export_price = memg_core::units::EurPerKwh::new(-0.1);
    sinking.frequency = Hertz::new(49.4);
    assert_eq!(filter(&sinking, &anchor(0.0, 0.0), &request(0.0, 0.0)).safe.renewable_limit(), None);
    sinking.frequency = Hertz::new(49.6);
    assert!(filter(&sinking, &anchor(0.0, 0.0), &request(0.0, 0.0)).safe.renewable_limit().is_some());
}

#[test]
fn the_chp_is_never_asked_to_load_faster_than_it_can() {
    let mut low_voltage = situation(50.0, 0.0);
    low_voltage.source_voltage = voltage_for(0.95, -20.0);
    let verdict = filter(&low_voltage, &anchor(0.0, 30.0), &request(0.0, 30.0));
    assert_eq!(verdict.safe.chp(), watts(35.0));
    let beyond = -35_000 - verdict.safe.battery().get();
    assert!((0..=3).contains(&beyond), "the battery goes beyond its ramp instead, as far as needed: {beyond} W");
    assert_eq!(verdict.relaxation, Relaxation::BatteryRamp);
    let verdict = filter(&low_voltage, &anchor(0.0, 10.0), &request(0.0, 10.0));
    assert_eq!((verdict.safe.chp(), verdict.safe.battery()), (watts(15.0), watts(-50.0)));
    assert_eq!(verdict.relaxation, Relaxation::Shedding);
}

#[test]
fn a_chp_restarted_within_a_step_stays_at_minimum_power_until_the_next() {
    let mut p = PlantParameters::reference();
    p.chp.edit(|chp| (chp.min_up_steps, chp.min_down_steps) = (0, 0));
    let filter = SafetyFilter::new(p.validate().unwrap());
    let mut memory = ControlMemory::from_measured(Watts::ZERO, watts(12.0), true, STEP_MS);
    memory.begin_step();
    let idle = situation(50.0, 0.0);
    let mut write = |chp: f64, situation: &Situation| {
        let verdict = filter.filter(situation, &memory.anchor(STEP_MS / 2), &request(0.0, chp));
        memory.record(&verdict);
        verdict.safe.chp()
    };
    let mut overvoltage = idle;
    overvoltage.source_voltage = voltage_for(1.05, 45.0);
    (overvoltage.soc_low, overvoltage.soc_high) = (Soc::new(0.9), Soc::new(0.9));
    assert_eq!(write(12.0, &overvoltage), Watts::ZERO, "stopped by the voltage");
    assert_eq!(write(17.0, &idle), watts(10.0));
    assert_eq!(write(17.0, &idle), watts(10.0));
}

#[test]
fn a_voltage_out_of_reach_is_reported_even_if_a_ramp_yields_too() {
    let mut dead = situation(50.0, 0.0);
    dead.source_voltage = PerUnit::new(0.6);
    (dead.soc_low, dead.soc_high) = (Soc::new(0.1), Soc::new(0.1));
    let verdict = filter(&dead, &anchor(-40.0, 0.0), &request(0.0, 0.0));
    assert_eq!(verdict.relaxation, Relaxation::Shedding);
}

#[test]
fn a_chp_entered_while_it_starts_lands_at_minimum_power() {
    let verdict = filter(&situation(50.0, 0.0), &anchor(0.0, 3.0), &request(0.0, 10.0));
    assert_eq!((verdict.safe.chp(), verdict.relaxation), (watts(10.0), Relaxation::None));
    let verdict = filter(&situation(50.0, 0.0), &anchor(0.0, 90.0), &request(0.0, 90.0));
    assert_eq!((verdict.safe.chp(), verdict.relaxation), (watts(80.0), Relaxation::ChpRamp), "above its rating");
}

#[test]
fn a_voltage_band_of_less_than_a_watt_is_still_met() {
    let mut p = PlantParameters::reference();
    (p.grid.voltage_pu_min, p.grid.voltage_pu_max) = (1.0 - 1e-9, 1.0);
    let filter = SafetyFilter::new(p.validate().unwrap());
    let now = situation(3.0, 0.0);
    let mut now = Situation { electric_load: Kilowatts::new(8.000_4), ..now };
    now.source_voltage = PerUnit::new(1.0);
    let verdict = filter.filter(&now, &anchor(0.0, 0.0), &request(0.0, 0.0));
    assert!(exchange(&now, &verdict).abs() < 0.002, "{} kW", exchange(&now, &verdict));
    assert_eq!(verdict.relaxation, Relaxation::None);
}

#[test]
fn the_export_limit_is_exact_for_loads_between_watts() {
    let mut low_voltage = situation(10.000_4, 60.0);
    low_voltage.source_voltage = PerUnit::new(0.6);
    let verdict = filter(&low_voltage, &anchor(-40.0, 0.0), &request(0.0, 0.0));
    assert!(exchange(&low_voltage, &verdict) >= -80.0, "{} kW", exchange(&low_voltage, &verdict));
    assert!(exchange(&low_voltage, &verdict) < -79.998);
}

#[test]
fn the_import_limit_is_exact_when_a_cap_cuts_a_fraction_of_a_watt() {
    let mut p = PlantParameters::reference();
    p.exogenous.electric_load_kw_max = 100.0;
    let filter = SafetyFilter::new(p.validate().unwrap());
    // Too high a voltage asks for more import than there is room for.
    let mut high_voltage = situation(70.000_9, 0.0);
    high_voltage.pv = Kilowatts::new(20.000_9);
    high_voltage.source_voltage = voltage_for(1.05, 99.997);
    let verdict = filter.filter(&high_voltage, &anchor(20.0, 0.0), &request(20.0, 0.0));
    assert!(verdict.safe.renewable_limit().is_some() || verdict.safe.battery() > watts(20.0));
    assert!(exchange(&high_voltage, &verdict) <= 100.0, "{} kW", exchange(&high_voltage, &verdict));
}

#[test]
fn an_impossible_request_is_logged_as_such() {
    let wish = Setpoints {
        battery: Kilowatts::new(f64::NAN),
        chp: Kilowatts::new(f64::INFINITY),
        grid: Some(Kilowatts::new(-500.0)),
    };
    let verdict = filter(&situation(50.0, 0.0), &anchor(5.0, 30.0), &wish);
    for quantity in [Quantity::Battery, Quantity::Chp, Quantity::Grid] {
        let first = found(&verdict, quantity).first().map(|i| i.rule);
        assert_eq!(first, Some(Rule::NotANumber), "{quantity:?} of {:?}", verdict.interventions);
    }
    let chp = found(&verdict, Quantity::Chp);
    assert_eq!(chp.iter().map(|i| i.rule).collect::<Vec<_>>(), [Rule::NotANumber, Rule::ChpRamp]);
    assert_eq!(chp.iter().map(|i| i.after_w).collect::<Vec<_>>(), [watts(80.0), watts(35.0)]);
}

#[test]
fn a_chp_kept_from_stopping_by_the_import_limit_names_it() {
    let mut tight = situation(50.0, 0.0);
    tight.source_voltage = voltage_for(0.95, 35.0);
    let verdict = filter(&tight, &anchor(0.0, 10.0), &request(0.0, 0.0));
    assert!(verdict.safe.chp_on());
    assert_eq!(found(&verdict, Quantity::Chp).first().map(|i| i.rule), Some(Rule::Voltage));
}

#[test]
fn curtailment_stays_partial_when_the_chp_has_to_stop_as_well() {
    // Export must be between 19 and 20 kW; a CHP of 40 kW that can only stop early is too much, no renewables too little.
    let mut p = PlantParameters::reference();
    p.chp.edit(|chp| chp.p_kw_min = 40.0);
    p.battery.edit(|battery| (battery.charge_kw_max, battery.discharge_kw_max) = (1.0, 1.0));
    p.grid.export_kw_max = 75.0;
    p.grid.voltage_pu_max = 1.0;
    p.grid.voltage_pu_min = 0.999;
    let filter = SafetyFilter::new(p.validate().unwrap());
    let mut now = situation(5.0, 30.0);
    now.source_voltage = PerUnit::new(0.995);
    let mut young = anchor(0.0, 40.0);
    young.memory.chps[0].in_state_ms = 0;
    let verdict = filter.filter(&now, &young, &request(0.0, 40.0));
    let voltage = filter.plant().voltage(now.source_voltage, Kilowatts::new(exchange(&now, &verdict)), Kilowatts::ZERO);
    assert_eq!(verdict.relaxation, Relaxation::ChpTimes);
    assert!(voltage.get() <= 1.0 && voltage.get() >= 0.999, "{voltage:?}");
}

#[test]
fn limits_that_cross_in_whole_watts_are_refused() {
    let refused = |change: fn(&mut PlantParameters)| {
        let mut p = PlantParameters::reference();
        change(&mut p);
        p.problems().first().map(|problem| problem.key)
    };
    assert_eq!(
        refused(|p| p.chp.edit(|chp| (chp.p_kw_min, chp.p_kw_max) = (10.000_1, 10.000_4))),
        Some("chp.p_kw_max")
    );
    assert_eq!(
        refused(|p| (p.grid.import_kw_max, p.exogenous.electric_load_kw_max) = (100.000_4, 100.000_4)),
        Some("grid.import_kw_max")
    );
    assert_eq!(refused(|p| p.exogenous.electric_load_kw_min = 4.999_9).map(|_| ()), None);
    assert_eq!(
        refused(|p| (p.grid.export_kw_max, p.exogenous.electric_load_kw_min) = (75.000_4, 4.999_7)),
        Some("grid.export_kw_max")
    );
}

#[test]
fn droop_is_zero_at_nominal_frequency_without_a_dead_band() {
    let mut p = PlantParameters::reference();
    p.frequency = memg_core::equipment::Frequency {
        droop_pu: Some(0.04),
        dead_band_hz: 0.0,
        full_response_hz: 0.0,
        ..p.frequency
    };
    let power = p.validate().map(|plant| droop_power(&plant, Hertz::new(50.0)));
    assert!(power.is_err() || power == Ok(Watts::ZERO));
}

#[test]
fn a_step_lasts_whole_milliseconds() {
    let mut p = PlantParameters::reference();
    p.step_h = 0.000_277_9;
    let plant = p.validate().unwrap();
    assert_eq!(plant.step().get() * 3_600_000.0, 1000.0);
}

#[test]
fn a_request_that_is_not_a_number_counts_as_a_violation() {
    let plant = Plant::reference();
    let count = |wish: &Setpoints| requested_violations(&plant, &situation(50.0, 0.0), &anchor(0.0, 0.0), wish);
    assert_eq!(count(&request(0.0, 0.0)), 0);
    assert!(count(&request(f64::NAN, 0.0)) > 0);
    assert!(count(&request(0.0, f64::NAN)) > 0);
}

#[test]
fn a_load_at_its_declared_maximum_needs_no_relaxation() {
    let mut full = situation(100.0, 0.0);
    full.electric_load = Kilowatts::new(100.0 + 9e-10);
    let verdict = filter(&full, &anchor(0.0, 0.0), &request(0.0, 0.0));
    assert_ne!(verdict.relaxation, Relaxation::Shedding);
}

#[test]
fn a_voltage_out_of_reach_never_leads_beyond_the_export_limit() {
    let mut p = PlantParameters::reference();
    p.battery.edit(|battery| (battery.charge_kw_max, battery.discharge_kw_max) = (0.0, 0.001));
    p.chp.edit(|chp| chp.p_kw_min = 20.0);
    let filter = SafetyFilter::new(p.validate().unwrap());
    let mut now = situation(5.0, 60.0);
    (now.soc_low, now.soc_high) = (Soc::new(0.1), Soc::new(0.1));
    now.source_voltage = PerUnit::new(0.6);
    // A start exports a fraction of a watt too much; without it 20 kW are missing to the edge.
    for (wind, load) in [(5.000_6, 5.000_3), (5.0, 5.000_3), (5.000_6, 5.0), (5.000_9, 5.000_1)] {
        now.wind = Kilowatts::new(wind);
        now.electric_load = Kilowatts::new(load);
        let verdict = filter.filter(&now, &anchor(0.0, 0.0), &request(0.0, 0.0));
        assert!(exchange(&now, &verdict) >= -80.0 - 1e-9, "{} kW, {verdict:?}", exchange(&now, &verdict));
    }
}

#[test]
fn a_chp_that_rose_within_the_step_is_not_stopped_from_above_minimum_power() {
    let filter = SafetyFilter::new(Plant::reference());
    let mut memory = ControlMemory::from_measured(Watts::ZERO, watts(10.0), true, 10 * STEP_MS);
    memory.begin_step();
    let now = situation(50.0, 0.0);
    let mut chp = |wish: f64| {
        let verdict = filter.filter(&now, &memory.anchor(STEP_MS / 2), &request(0.0, wish));
        memory.record(&verdict);
        verdict.safe.chp()
    };
    assert_eq!([chp(15.0), chp(0.0), chp(0.0)], [watts(15.0), watts(10.0), watts(0.0)]);
}

#[test]
fn a_safe_stop_within_the_step_holds_the_chp_where_it_is() {
    let filter = SafetyFilter::new(Plant::reference());
    let mut memory = ControlMemory::from_measured(Watts::ZERO, watts(40.0), true, 10 * STEP_MS);
    memory.begin_step();
    memory.record(&filter.filter(&situation(50.0, 0.0), &memory.anchor(STEP_MS), &request(0.0, 44.0)));
    assert_eq!(filter.safe_stop(&memory.anchor(STEP_MS)).safe.chp(), watts(44.0));
    let unknown = situation(f64::NAN, 0.0);
    assert_eq!(filter.filter(&unknown, &memory.anchor(STEP_MS), &request(0.0, 0.0)).safe.chp(), watts(44.0));
}

#[test]
fn sources_may_draw_a_little_at_night_and_exceed_their_rating_in_cold_sun() {
    for (pv, stage) in
        [(-0.5, Relaxation::None), (66.0, Relaxation::None), (-5.0, Relaxation::SafeStop), (80.0, Relaxation::SafeStop)]
    {
        let verdict = filter(&situation(50.0, pv), &anchor(0.0, 0.0), &request(0.0, 0.0));
        assert_eq!(verdict.relaxation, stage, "{pv} kW");
    }
    // A cap is never negative, and what the source draws is served like a load.
    let mut night = situation(50.0, -0.5);
    night.export_price = memg_core::units::EurPerKwh::new(-0.1);
    let verdict = filter(&night, &anchor(-50.0, 30.0), &request(-50.0, 30.0));
    assert!(verdict.safe.renewable_limit().is_none_or(|limit| limit >= Watts::ZERO), "{verdict:?}");
}

#[test]
fn a_shut_down_keeps_the_grid_limits_for_every_load_from_every_chp_state_and_ends_with_the_chp_off() {
    let plant = Plant::reference();
    let bounds = plant.parameters().exogenous;
    let worst = [bounds.electric_load_kw_min, bounds.electric_load_kw_max].map(watts);
    for start in 10_000..=80_000 {
        let mut memory = ControlMemory::from_measured(watts(30.0), Watts::new(start), true, 0);
        for step in 0.. {
            memory.begin_step();
            let anchor = memory.anchor(STEP_MS);
            let verdict = SafetyFilter::new(plant).shut_down(&anchor);
            let (chp, on) = (verdict.safe.chp(), verdict.safe.chp_on());
            let (past, unit) = (anchor.memory.chps[0], plant.chps().get(0).unwrap());
            assert!(worst.iter().all(|load| (-plant.export_max()..=plant.import_max()).contains(&(*load - chp))));
            assert!(on || past.in_state_ms >= unit.min_up_ms && past.anchor <= unit.min);
            assert!(!on || past.anchor - chp <= unit.ramp);
            memory.record(&verdict);
            memory.elapse(STEP_MS);
            if !on {
                break;
            }
            assert!(step < 20, "{start}");
        }
    }
}
