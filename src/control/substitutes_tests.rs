//! What happens when an optional signal is lost: control goes on, with its substitute's worst.

use super::mode::Mode;
use super::rig::Rig;
use super::substitutes::{Substitute, Substitutes};
use memg_core::command::CommandBody;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::{Signal, Tag};
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;

fn lost(value: f64, age_ms: u64) -> Measurement<f64> {
    Measurement { value: Some(value), quality: Quality::CommLost, age_ms }
}

/// In Auto, with that signal measured and optional.
fn optional(signal: Signal, substitute: Substitute, value: f64) -> Rig {
    let mut rig = Rig::new(false);
    rig.config.substitutes = Substitutes::from([(signal.into(), substitute)]);
    rig.set(signal, Measurement::good(value));
    rig.in_auto()
}

fn by_hand(rig: &mut Rig, battery_kw: f64, chp_kw: f64) {
    rig.order(CommandBody::Manual);
    let kw = Kilowatts::new;
    rig.order(CommandBody::Setpoints(Setpoints { battery: kw(battery_kw), chp: kw(chp_kw), grid: None }));
}

#[test]
fn every_substitute_stands_in_for_its_signal_and_without_it_the_same_loss_leads_to_hold() {
    let rows = [
        (Signal::GridVoltagePu, 1.0),
        (Signal::FrequencyHz, 50.0),
        (Signal::GridKw, 18.0),
        (Signal::BatteryKw, -7.0),
        (Signal::ChpKw, 0.0),
    ];
    for (signal, value) in rows {
        let mut rig = optional(signal, Substitute::of(signal)[0], value);
        rig.set(signal, lost(value, 30_000));
        let decision = rig.run(100);
        assert_eq!(
            (decision.mode, decision.substituted.as_slice()),
            (Mode::Auto, &[Tag::first(signal)][..]),
            "{signal:?}"
        );
        rig.config.substitutes.clear();
        assert_eq!(rig.cycle().mode, Mode::Hold, "{signal:?}");
    }
}

#[test]
fn with_an_optional_frequency_lost_while_low_neither_battery_nor_chp_moves_against_it() {
    let mut rig = optional(Signal::FrequencyHz, Substitute::WorstCase, 50.0);
    by_hand(&mut rig, 2.0, 0.0);
    let before = rig.run(3).safe.unwrap().battery();
    rig.set(Signal::FrequencyHz, lost(49.0, 30_000));
    for battery_kw in [10.0, -20.0] {
        by_hand(&mut rig, battery_kw, 40.0);
        let decision = rig.run(3);
        let safe = decision.safe.unwrap();
        assert_eq!((decision.mode, safe.battery(), safe.chp_on()), (Mode::Manual, before, false));
    }
}

#[test]
fn with_an_optional_voltage_lost_the_last_one_stands_and_nothing_moves_further_out() {
    // 1.04 pu: little may be exported before the voltage is too high.
    let mut rig = optional(Signal::GridVoltagePu, Substitute::WorstCase, 1.04);
    rig.set(Signal::GridKw, Measurement::good(0.0));
    for (signal, kw) in [(Signal::PvKw, 30.0), (Signal::WindKw, 10.0)] {
        rig.set(signal, Measurement::good(kw));
    }
    by_hand(&mut rig, 2.0, 0.0);
    let before = rig.run(3).safe.unwrap().battery();
    by_hand(&mut rig, -5.0, 0.0);
    assert!(rig.run(2).safe.unwrap().battery() < before, "while it is known there is room");
    let before = rig.cycle().safe.unwrap().battery();
    rig.set(Signal::GridVoltagePu, lost(1.04, 62_000));
    // After a minute it may be anywhere in its band: neither more export nor more import is sure to be borne.
    for battery_kw in [-8.0, 1.0] {
        by_hand(&mut rig, battery_kw, 0.0);
        let decision = rig.run(3);
        assert_eq!((decision.mode, decision.safe.unwrap().battery()), (Mode::Manual, before));
    }
    rig.set(Signal::GridVoltagePu, lost(1.04, 4_000));
    assert!(rig.run(3).safe.unwrap().battery() > before, "soon after, only a little is forbidden");
}

#[test]
fn an_exchange_that_is_lost_follows_from_the_balance_and_only_while_that_is_measured() {
    let mut rig = optional(Signal::GridKw, Substitute::Balance, 18.0);
    rig.set(Signal::GridKw, lost(18.0, 30_000));
    assert_eq!(rig.run(5).mode, Mode::Auto);
    rig.set(Signal::BatteryKw, lost(-7.0, 30_000));
    assert_eq!(rig.cycle().mode, Mode::Hold, "nothing to make a balance of");
}

#[test]
fn a_set_point_stands_in_only_while_set_points_are_written() {
    let mut rig = Rig::new(false);
    rig.config.substitutes = Substitutes::from([(Signal::BatteryKw.into(), Substitute::Setpoint)]);
    rig.set(Signal::BatteryKw, lost(-7.0, 30_000));
    assert_eq!(rig.run(10).mode, Mode::Init, "what nobody told the battery says nothing of its power");
}

#[test]
fn a_meter_that_is_lost_does_not_acquit_a_battery_that_did_not_follow() {
    let mut rig = Rig::new(false);
    rig.config.response_ms = 5_000;
    rig.config.substitutes = Substitutes::from([(Signal::BatteryKw.into(), Substitute::Setpoint)]);
    rig.set(Signal::BatteryKw, Measurement::good(0.0));
    let mut rig = rig.in_auto();
    by_hand(&mut rig, 10.0, 0.0);
    assert_eq!(rig.run(8).mode, Mode::Hold);
    rig.set(Signal::BatteryKw, lost(0.0, 30_000));
    let decision = rig.run(3);
    assert_eq!(decision.mode, Mode::Hold);
    assert!(decision.fault.unwrap().cause.contains("does not follow"));
}

#[test]
fn a_price_declared_fixed_does_not_wait_for_yesterday() {
    let signal = Signal::ImportPriceEurPerKwh;
    for (substitute, expected) in [(Substitute::Yesterday, 0.15), (Substitute::Fixed, 0.2)] {
        let mut rig = Rig::new(false);
        rig.config.substitutes = Substitutes::from([(signal.into(), substitute)]);
        rig.plant(|plant| plant.costs.fixed_import_eur_per_kwh = Some(0.2));
        let mut rig = rig.in_auto();
        for _ in 0..97 {
            rig.skip(900_000);
            rig.cycle();
        }
        rig.set(signal, lost(0.4, 99_000));
        let decision = rig.cycle();
        assert_eq!((decision.mode, decision.price_is_substituted), (Mode::Auto, true));
        let (situation, _) = rig.state.situation.unwrap();
        assert!((situation.import_price.get() - expected).abs() < 1e-9, "{substitute:?}: {situation:?}");
    }
}

#[test]
fn a_run_with_substitutes_replays() {
    let mut rig = optional(Signal::GridVoltagePu, Substitute::WorstCase, 1.0);
    rig.set(Signal::GridVoltagePu, lost(1.0, 30_000));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    super::rig::journaled(&mut rig, &path, 5);
    let told = super::explain::explain(&path, rig.cycle).unwrap().unwrap();
    assert!(told.contains("Lost, with its substitute in its place: grid_voltage_pu."), "{told}");
    let seed = |_: &super::journal::Header| Ok(Rig::new(false).chain);
    assert_eq!(super::replay::replay(&path, seed).unwrap().cycles, 5);
}
