//! Plants of several batteries and CHPs, and of none: each unit is judged by its own measurements.

use super::cycle::CycleDecision;
use super::mode::Mode;
use super::rig::Rig;
use super::substitutes::{Substitute, Substitutes};
use memg_core::command::CommandBody;
use memg_core::equipment::{Each, PlantParameters};
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::{Signal, Tag};
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;

fn tag(name: &str) -> Tag {
    Tag::from_name(name).unwrap()
}

fn stale(value: f64) -> Measurement<f64> {
    Measurement { quality: Quality::Stale, age_ms: 16_000, ..Measurement::good(value) }
}

/// Two batteries of 100 and 40 kWh and two CHPs of 80 and 20 kW, in Auto unless changed.
fn two_of_each(change: impl FnOnce(&mut Rig)) -> Rig {
    let mut rig = Rig::new(false);
    rig.plant(|p| {
        let (mut battery, mut chp) = (*p.battery.get(0).unwrap(), *p.chp.get(0).unwrap());
        (battery.capacity_kwh, battery.charge_kw_max, battery.discharge_kw_max) = (40.0, 20.0, 20.0);
        (chp.p_kw_min, chp.p_kw_max) = (20.0, 20.0);
        p.battery = Each::new(&[*p.battery.get(0).unwrap(), battery]).unwrap();
        p.chp = Each::new(&[*p.chp.get(0).unwrap(), chp]).unwrap();
        p.grid.export_kw_max = 100.0;
    });
    for (name, value) in [("soc_2", 0.3), ("battery_2_kw", 0.0), ("chp_2_kw", 0.0), ("chp_2_on", 0.0)] {
        rig.set(tag(name), Measurement::good(value));
    }
    rig.set(Signal::BatteryKw, Measurement::good(0.0));
    (rig.config.response_ms, rig.config.chp_response_ms) = (20_000, 300_000);
    change(&mut rig);
    rig.in_auto()
}

/// The devices do what they are told.
fn follow(rig: &mut Rig, decision: &CycleDecision) {
    let safe = decision.safe.unwrap();
    let [first, second, ..] = safe.batteries();
    rig.set(Signal::BatteryKw, Measurement::good(first.kilowatts().get()));
    rig.set(tag("battery_2_kw"), Measurement::good(second.kilowatts().get()));
    for (chp, (power, on)) in safe.chps().iter().zip([("chp_kw", "chp_on"), ("chp_2_kw", "chp_2_on")]) {
        rig.set(tag(power), Measurement::good(chp.power.kilowatts().get()));
        rig.set(tag(on), Measurement::good(f64::from(u8::from(chp.on))));
    }
}

fn by_hand(rig: &mut Rig, battery: f64, chp: f64) -> CycleDecision {
    rig.order(CommandBody::Manual);
    let kw = Kilowatts::new;
    rig.order(CommandBody::Setpoints(Setpoints { battery: kw(battery), chp: kw(chp), grid: None })).0
}

fn cause(decision: &CycleDecision) -> String {
    decision.fault.as_ref().map_or(String::new(), |fault| fault.cause.clone())
}

#[test]
fn one_lost_state_of_charge_of_two_is_hold_with_its_name() {
    let mut rig = two_of_each(|_| {});
    assert_eq!(rig.cycle().mode, Mode::Auto);
    rig.set(tag("soc_2"), stale(0.3));
    let held = rig.cycle();
    assert_eq!((held.mode, cause(&held).as_str()), (Mode::Hold, "soc_2 is not usable: Stale"));
    rig.set(tag("soc_2"), Measurement::absent());
    assert_eq!(cause(&rig.cycle()), "soc_2 is not usable: NotRequired", "unknown is never nominal");
    assert_eq!(rig.run(70).mode, Mode::SafeStop);
}

#[test]
fn each_battery_is_compared_with_its_own_set_point() {
    let mut rig = two_of_each(|_| {});
    let decision = by_hand(&mut rig, 12.0, 0.0);
    let [first, second, ..] = decision.safe.unwrap().batteries();
    assert!(first.get() > 0 && second.get() > 0 && (first + second).get() == 12_000, "{first} {second}");
    follow(&mut rig, &decision);
    assert_eq!(rig.run(30).mode, Mode::Manual);
    // The sum stays right; the second battery does not.
    rig.set(Signal::BatteryKw, Measurement::good(12.0));
    rig.set(tag("battery_2_kw"), Measurement::good(0.0));
    let decision = rig.run(25);
    assert_eq!(decision.mode, Mode::Hold);
    let found = cause(&decision);
    assert!(found.starts_with("battery 1 does not follow"), "{found}");
    assert!(rig.state.following.battery_fixed()[1].is_some(), "nor does the second");
}

#[test]
fn each_chp_has_its_own_state_and_timers() {
    let mut rig = two_of_each(|_| {});
    by_hand(&mut rig, 0.0, 30.0);
    let decision = rig.cycle();
    let on = decision.safe.unwrap().chps().map(|chp| chp.on);
    assert!(on[0] || on[1], "{on:?}");
    follow(&mut rig, &decision);
    rig.run(3);
    let running = on.iter().position(|on| *on).unwrap();
    let names = [["chp_kw", "chp_on"], ["chp_2_kw", "chp_2_on"]][running];
    rig.skip(400_000);
    rig.run(2);
    names.iter().for_each(|name| rig.set(tag(name), Measurement::good(0.0)));
    let decision = rig.cycle();
    let expected = format!("CHP {} is off although it was told to be on", running + 1);
    assert_eq!((decision.mode, cause(&decision)), (Mode::Hold, expected));
    assert!(rig.state.memory.chps[running].in_state_ms < 2_000);
    assert!(rig.state.memory.chps[1 - running].in_state_ms > 400_000, "the other one goes on counting");
}

#[test]
fn a_fault_or_local_control_of_any_unit_counts_and_is_named() {
    for (name, value, mode, words) in [
        ("battery_2_fault", 1.0, Mode::SafeStop, "battery 2 reports a fault"),
        ("chp_2_fault", 1.0, Mode::SafeStop, "CHP 2 reports a fault"),
        ("battery_2_remote", 0.0, Mode::Hold, "a device is switched to local"),
        ("chp_2_remote", 0.0, Mode::Hold, "a device is switched to local"),
    ] {
        let mut rig = two_of_each(|_| {});
        rig.set(tag(name), Measurement::good(value));
        let decision = rig.cycle();
        assert_eq!((decision.mode, cause(&decision).as_str()), (mode, words), "{name}");
    }
}

#[test]
fn a_substitute_stands_in_for_one_battery_alone() {
    let mut rig = two_of_each(|rig| {
        rig.config.substitutes = Substitutes::from([(tag("battery_2_kw"), Substitute::Setpoint)]);
    });
    rig.set(tag("battery_2_kw"), stale(0.0));
    let decision = rig.cycle();
    assert_eq!((decision.mode, decision.substituted), (Mode::Auto, vec![tag("battery_2_kw")]));
    rig.set(Signal::BatteryKw, stale(0.0));
    assert_eq!(cause(&rig.cycle()), "battery_kw is not usable: Stale");
}

#[test]
fn a_safe_stop_stops_every_unit() {
    let mut rig = two_of_each(|_| {});
    let decision = by_hand(&mut rig, 12.0, 40.0);
    follow(&mut rig, &decision);
    rig.order(CommandBody::SafeStop);
    let mut decision = rig.cycle();
    for _ in 0..200 {
        follow(&mut rig, &decision);
        rig.skip(60_000);
        decision = rig.cycle();
    }
    let safe = decision.safe.unwrap();
    assert_eq!(decision.mode, Mode::SafeStop);
    assert!(safe.batteries().iter().all(|power| power.get() == 0) && !safe.chp_on(), "{safe:?}");
}

/// A plant without these parts, of which nothing is measured either.
fn without(change: impl FnOnce(&mut PlantParameters), signals: &[Signal]) -> Rig {
    let mut rig = Rig::new(false);
    let mut parameters = PlantParameters::reference();
    change(&mut parameters);
    rig.config.filter = SafetyFilter::new(parameters.validate().unwrap());
    signals.iter().for_each(|signal| rig.set(*signal, Measurement::absent()));
    rig
}

#[test]
fn a_plant_without_a_part_works_in_every_mode() {
    use Signal as S;
    let no_battery: fn(&mut PlantParameters) = |p| p.battery = Each::default();
    let no_chp: fn(&mut PlantParameters) = |p| p.chp = Each::default();
    let no_heat: fn(&mut PlantParameters) = |p| (p.exogenous.heat_load_kw_max, p.boiler.q_kw_max) = (0.0, 0.0);
    let no_sources: fn(&mut PlantParameters) = |p| (p.exogenous.pv_kw_nom, p.exogenous.wind_kw_nom) = (0.0, 0.0);
    let nothing: fn(&mut PlantParameters) = |p| {
        (p.battery, p.chp) = (Each::default(), Each::default());
        (p.exogenous.pv_kw_nom, p.exogenous.wind_kw_nom, p.exogenous.heat_load_kw_max) = (0.0, 0.0, 0.0);
        p.grid.export_kw_max = 0.0;
    };
    let all = [S::Soc, S::BatteryKw, S::ChpKw, S::ChpOn, S::HeatLoadKw, S::PvKw, S::WindKw];
    for (change, signals) in [
        (no_battery, &all[..2]),
        (no_chp, &all[2..4]),
        (no_heat, &all[4..5]),
        (no_sources, &all[5..]),
        (nothing, &all[..]),
    ] {
        let mut rig = without(change, signals).in_auto();
        assert!(cause(&rig.cycle()).is_empty(), "{signals:?}: {}", cause(&rig.cycle()));
        rig.set(S::ElectricLoadKw, stale(40.0));
        assert_eq!(rig.cycle().mode, Mode::Hold, "{signals:?}");
        rig.set(S::ElectricLoadKw, Measurement::good(40.0));
        assert_eq!(rig.run(5).mode, Mode::Auto, "{signals:?}");
        rig.chain.policy = None;
        rig.skip(900_000);
        assert_eq!(rig.run(3).mode, Mode::Fallback, "{signals:?}");
        let fallen_back = rig.cycle();
        assert!(fallen_back.written && fallen_back.safe.is_some(), "{signals:?}");
        rig.order(CommandBody::SafeStop);
        let stopped = rig.run(3);
        assert_eq!((stopped.mode, stopped.safe.unwrap().battery().get()), (Mode::SafeStop, 0), "{signals:?}");
    }
}

#[test]
fn what_a_plant_has_and_nobody_measures_is_no_situation() {
    let rig = &mut without(|_| {}, &[Signal::PvKw]);
    assert_eq!(cause(&rig.cycle()), "pv_kw is not usable: NotRequired");
}
