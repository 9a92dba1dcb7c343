//! What an independent review of the loop found, one test a finding.

use super::cycle::CycleDecision;
use super::fault::Fault;
use super::mode::Mode;
use super::rig::Rig;
use memg_core::command::{CommandBody, Outcome};
use memg_core::equipment::PlantParameters;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::Signal;
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::Setpoints;
use memg_core::units::{Kilowatts, Watts};

fn by_hand(battery_kw: f64, chp_kw: f64) -> CommandBody {
    let kw = Kilowatts::new;
    CommandBody::Setpoints(Setpoints { battery: kw(battery_kw), chp: kw(chp_kw), grid: None })
}

fn lost(value: f64) -> Measurement<f64> {
    Measurement { quality: Quality::CommLost, age_ms: 16_000, ..Measurement::good(value) }
}

fn battery_kw(decision: &CycleDecision) -> f64 {
    decision.safe.map_or(f64::NAN, |safe| safe.battery().kilowatts().get())
}

/// In Manual at a battery power that took several steps to reach, the battery following.
fn charging(kw: f64) -> Rig {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(kw, 0.0));
    for _ in 0..6 {
        rig.skip(900_000);
        let now = battery_kw(&rig.run(2));
        rig.set(Signal::BatteryKw, Measurement::good(now));
    }
    rig
}

#[test]
fn in_hold_a_load_that_is_still_measured_counts_at_once() {
    let mut rig = charging(45.0);
    rig.set(Signal::ChpRemote, lost(1.0));
    assert_eq!(rig.run(3).mode, Mode::Hold);
    rig.set(Signal::ElectricLoadKw, Measurement::good(95.0));
    let safe = rig.cycle().safe.unwrap();
    let import = 95.0 - 15.0 + (safe.battery() - safe.chp()).kilowatts().get();
    assert!(import <= 100.0, "{import}");
}

#[test]
fn a_hold_neither_aborts_the_start_of_a_chp_nor_locks_it() {
    let mut rig = Rig::new(false).in_auto();
    rig.config.chp_response_ms = 300_000;
    rig.order(CommandBody::Manual);
    rig.order(by_hand(0.0, 10.0));
    assert!(rig.run(2).safe.unwrap().chp_on());
    rig.set(Signal::HeatLoadKw, Measurement::good(60.0));
    rig.set(Signal::GridKw, lost(18.0));
    assert_eq!(rig.run(2).mode, Mode::Hold);
    rig.set(Signal::GridKw, Measurement::good(18.0));
    for _ in 0..10 {
        assert!(rig.cycle().safe.unwrap().chp_on(), "it is still starting");
    }
    assert_eq!(rig.state.mode.mode, Mode::Manual);
}

#[test]
fn a_battery_that_follows_late_is_never_ordered_out_of_its_band() {
    let mut rig = Rig::new(false).in_auto();
    rig.config.response_ms = 20_000;
    rig.order(CommandBody::Manual);
    rig.order(by_hand(0.0, 0.0));
    rig.skip(900_000);
    rig.set(Signal::Soc, Measurement::good(0.1));
    rig.set(Signal::BatteryKw, Measurement::good(-12.0));
    for _ in 0..50 {
        let decision = rig.cycle();
        assert!(battery_kw(&decision) >= 0.0, "{decision:?}");
    }
    assert!(rig.state.following.battery_fixed()[0].is_some());
}

#[test]
fn a_device_fault_during_a_safe_stop_waits_for_an_operator() {
    let mut rig = Rig::new(false).in_auto();
    rig.set(Signal::Soc, lost(0.5));
    rig.run(70);
    assert_eq!((rig.state.mode.mode, rig.state.mode.latched), (Mode::SafeStop, false));
    rig.set(Signal::BatteryFault, Measurement::good(1.0));
    rig.run(5);
    rig.set(Signal::BatteryFault, Measurement::good(0.0));
    rig.set(Signal::Soc, Measurement::good(0.5));
    rig.run(300);
    assert_eq!((rig.state.mode.mode, rig.state.mode.latched), (Mode::SafeStop, true));
}

#[test]
fn nobody_undoes_a_safe_stop_in_its_own_cycle() {
    let mut rig = Rig::new(false).in_auto();
    for body in [CommandBody::Acknowledge, CommandBody::Arm, CommandBody::SafeStop] {
        rig.command(body);
    }
    let answers = rig.cycle().answers;
    assert_eq!(answers.iter().filter(|answer| answer.outcome == Outcome::Done).count(), 1, "{answers:?}");
    assert!(rig.state.mode.latched && rig.state.mode.mode == Mode::SafeStop);
}

#[test]
fn a_lost_voltage_moves_nothing_by_itself() {
    let mut rig = Rig::new(false);
    rig.set(Signal::GridVoltagePu, Measurement::good(1.03));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(0.0, 0.0));
    rig.skip(900_000);
    let before = battery_kw(&rig.run(2));
    rig.set(Signal::GridVoltagePu, lost(1.03));
    for _ in 0..50 {
        let decision = rig.cycle();
        assert_eq!((decision.mode, battery_kw(&decision)), (Mode::Hold, before));
        assert!(!decision.safe.unwrap().chp_on());
    }
}

/// At a meter of the connection that may be 0.003 pu off, with the operator's battery at 2 kW.
fn charging_with_a_voltmeter() -> Rig {
    let mut rig = Rig::new(false);
    rig.plant(|plant| (plant.margins.voltage_pu, plant.margins.filter_s) = (0.003, 60.0));
    rig.set(Signal::GridVoltagePu, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(2.0, 0.0));
    assert_eq!(battery_kw(&rig.run(10)), 2.0);
    rig
}

#[test]
fn one_sample_of_the_voltage_moves_nothing_and_the_next_is_believed() {
    let mut rig = charging_with_a_voltmeter();
    // The same reading for several cycles is one sample; so is a spike that another follows on the other side.
    for (voltage, age_ms) in [(0.90, 0), (0.90, 999), (0.90, 1_998), (1.0, 0), (0.90, 0), (1.10, 0), (1.0, 0)] {
        rig.set(Signal::GridVoltagePu, Measurement { age_ms, ..Measurement::good(voltage) });
        let decision = rig.cycle();
        assert_eq!((battery_kw(&decision), decision.safe.unwrap().chp_on()), (2.0, false), "{voltage} pu");
    }
    rig.set(Signal::GridVoltagePu, Measurement::good(0.90));
    assert_eq!(battery_kw(&rig.cycle()), 2.0);
    assert!(battery_kw(&rig.cycle()) < 0.0, "a second one is no accident");
}

#[test]
fn while_a_sample_waits_nothing_moves_where_it_would_forbid_it() {
    let mut rig = charging_with_a_voltmeter();
    rig.set(Signal::GridVoltagePu, Measurement::good(0.952));
    let (decision, _) = rig.order(by_hand(10.0, 0.0));
    assert!(battery_kw(&decision) <= 2.0, "more import would lower it: {}", battery_kw(&decision));
}

#[test]
fn faults_that_come_and_go_add_up_no_ramps() {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(50.0, 0.0));
    let first = battery_kw(&rig.run(2));
    for _ in 0..4 {
        rig.fault = Some(Fault::soft("a meter is lost"));
        rig.run(1);
        rig.fault = None;
        let now = battery_kw(&rig.run(4));
        rig.set(Signal::BatteryKw, Measurement::good(now));
        assert!(now <= first + 0.001, "{now} after {first} within one step");
    }
}

#[test]
fn an_import_beyond_the_limit_is_a_fault_whoever_causes_it() {
    let mut rig = Rig::new(false);
    rig.set(Signal::BatteryKw, Measurement::absent());
    let mut rig = rig.in_auto();
    rig.config.response_ms = 20_000;
    rig.set(Signal::GridKw, Measurement::good(130.0));
    assert_eq!(rig.run(19).mode, Mode::Auto);
    let decision = rig.run(3);
    assert_eq!(decision.mode, Mode::Hold);
    assert!(decision.fault.unwrap().cause.contains("import 130.0 kW where 100.0 kW are allowed"));
}

#[test]
fn a_set_point_of_an_operator_is_left_as_soon_as_the_policy_is_in_charge_again() {
    let mut parameters = PlantParameters::reference();
    parameters.margins.dead_band_kw = 0.5;
    let mut rig = Rig::new(false);
    rig.config.filter = SafetyFilter::new(parameters.validate().unwrap());
    let mut rig = rig.in_auto();
    rig.run(3);
    let before = rig.state.memory.battery();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(before.kilowatts().get() + 3.0, 0.0));
    rig.run(3);
    assert_eq!(rig.state.memory.battery(), before + Watts::new(3_000));
    rig.order(CommandBody::Auto);
    rig.run(3);
    let left = (rig.state.memory.battery() - before).abs();
    assert!(left <= Watts::new(500), "{left} of 3 kW are still the operator's");
}
