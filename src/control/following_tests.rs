//! A running CHP whose power is not what it was told.

use super::cycle::CycleDecision;
use super::mode::Mode;
use super::rig::Rig;
use memg_core::command::CommandBody;
use memg_core::measurement::Measurement;
use memg_core::plant_state::Signal;
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;

/// Told 30 kW in Manual; runs at `does_kw`. Response time 300 s.
fn running(does_kw: f64) -> Rig {
    let mut rig = Rig::new(false);
    rig.config.chp_response_ms = 300_000;
    rig.set(Signal::ChpKw, Measurement::good(30.0));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    let kw = Kilowatts::new;
    rig.order(CommandBody::Setpoints(Setpoints { battery: kw(-7.0), chp: kw(30.0), grid: None }));
    rig.run(3);
    rig.set(Signal::ChpKw, Measurement::good(does_kw));
    rig
}

fn cause(decision: &CycleDecision) -> &str {
    decision.fault.as_ref().map_or("", |fault| fault.cause.as_str())
}

#[test]
fn a_chp_that_does_not_give_what_it_is_told_is_a_fault_that_waits_for_an_operator() {
    let mut rig = running(18.0);
    assert_eq!(rig.run(290).mode, Mode::Manual, "it is given its response time");
    let decision = rig.run(20);
    assert_eq!(decision.mode, Mode::Hold);
    assert_eq!(cause(&decision), "the CHP does not follow: told 30 kW, does 18 kW");
    assert_eq!(rig.run(70).mode, Mode::SafeStop);
    rig.set(Signal::ChpKw, Measurement::good(10.0));
    assert_eq!(rig.run(300).mode, Mode::SafeStop);
}

#[test]
fn a_chp_within_tolerance_or_back_in_time_is_no_fault() {
    // 5 % of 80 kW
    assert_eq!(running(26.5).run(700).mode, Mode::Manual);
    let mut rig = running(18.0);
    rig.run(290);
    rig.set(Signal::ChpKw, Measurement::good(30.0));
    rig.run(3);
    rig.set(Signal::ChpKw, Measurement::good(18.0));
    assert_eq!(rig.run(290).mode, Mode::Manual, "the time counts anew");
}

#[test]
fn limits_count_with_what_the_chp_gives_too_little() {
    // 100 kW of import allowed, 95 kW of load, 15 kW of renewables, 30 kW of CHP: the battery may charge 50 kW.
    let charging = |does_kw: f64| {
        let mut rig = running(does_kw);
        rig.set(Signal::ElectricLoadKw, Measurement::good(95.0));
        rig.config.times.hold_ms = 1_000_000_000;
        let kw = Kilowatts::new;
        for _ in 0..7 {
            rig.order(CommandBody::Setpoints(Setpoints { battery: kw(50.0), chp: kw(30.0), grid: None }));
            rig.set(Signal::BatteryKw, Measurement::absent());
            rig.skip(900_000);
            rig.run(2);
        }
        let decision = rig.run(2);
        (decision.safe.unwrap().battery().get(), decision.fault.is_some())
    };
    let (follows, faulty) = charging(30.0);
    let (lacks, lacking) = charging(10.0);
    assert!(!faulty && lacking);
    assert!(lacks < follows, "{lacks} W of {follows} W");
}

#[test]
fn a_chp_that_is_told_to_be_off_is_not_judged_by_its_power() {
    let mut rig = running(30.0);
    rig.order(CommandBody::SafeStop);
    let decision = rig.run(2_000);
    assert!(!cause(&decision).contains("told 0 kW"), "{}", cause(&decision));
}

/// Seen: in local while its set-point moved on, and blamed ever after for what nobody had told it.
#[test]
fn a_battery_in_local_is_not_blamed_and_control_goes_on_from_where_it_was_left() {
    let kw = Kilowatts::new;
    let mut rig = Rig::new(false);
    (rig.config.times.hold_ms, rig.config.response_ms) = (1_000_000, 20_000);
    rig.set(Signal::BatteryRemote, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(CommandBody::Setpoints(Setpoints { battery: kw(-7.0), chp: kw(0.0), grid: None }));
    rig.set(Signal::BatteryKw, Measurement::good(-7.0));
    rig.run(5);
    rig.set(Signal::BatteryRemote, Measurement::good(0.0));
    rig.set(Signal::BatteryKw, Measurement::good(3.0));
    let held = rig.run(40);
    assert_eq!((held.mode, cause(&held)), (Mode::Hold, "a device is switched to local"));
    assert_eq!(held.safe.unwrap().battery(), memg_core::units::Watts::nearest(kw(3.0)), "what it does counts");
    rig.set(Signal::BatteryRemote, Measurement::good(1.0));
    assert_eq!(rig.run(10).mode, Mode::Manual);
}

/// Seen: a line silent for five seconds while the set-point moved, and the battery blamed with the first value that came back.
#[test]
fn a_battery_that_nothing_was_heard_of_gets_its_response_time_once_more() {
    let kw = Kilowatts::new;
    let mut rig = Rig::new(false);
    (rig.config.times.hold_ms, rig.config.response_ms) = (1_000_000, 20_000);
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(CommandBody::Setpoints(Setpoints { battery: kw(-7.0), chp: kw(0.0), grid: None }));
    rig.run(5);
    rig.order(CommandBody::Setpoints(Setpoints { battery: kw(2.0), chp: kw(0.0), grid: None }));
    let mut silent = |seconds: u64| {
        for second in 1..=seconds {
            rig.set(Signal::BatteryKw, Measurement { age_ms: 1000 * second, ..Measurement::good(-7.0) });
            assert_eq!(rig.cycle().mode, Mode::Manual, "an old value accuses nobody");
        }
        rig.set(Signal::BatteryKw, Measurement::good(-7.0));
        (rig.run(18).mode, rig.run(5).mode)
    };
    assert_eq!(silent(25), (Mode::Manual, Mode::Hold), "once more, and no more");
}
