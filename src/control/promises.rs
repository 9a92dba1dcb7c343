//! What the loop promises when measurements, devices and operators do not behave: one test per row of the table in
//! `docs/loop.md`.

use super::cycle::CycleDecision;
use super::explain::explain;
use super::mode::Mode;
use super::rig::{Rig, Unbalanced, battery, by_hand, journaled, reason};
use memg_core::command::{CommandBody, ExchangeLimits, Outcome};
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::Signal;

fn lost(value: f64, age_ms: u64) -> Measurement<f64> {
    Measurement { value: Some(value), quality: Quality::CommLost, age_ms }
}

#[test]
fn each_signal_that_is_configured_and_lost_leads_to_hold_and_names_itself() {
    let extra = [
        (Signal::GridVoltagePu, 1.0),
        (Signal::FrequencyHz, 50.0),
        (Signal::BatteryFault, 0.0),
        (Signal::ChpRemote, 1.0),
    ];
    let signals = [Signal::GridKw, Signal::BatteryKw, Signal::ChpKw, Signal::ChpOn, Signal::Soc, Signal::PvKw];
    for signal in signals.into_iter().chain(extra.map(|(signal, _)| signal)) {
        let mut rig = Rig::new(false);
        extra.into_iter().for_each(|(signal, value)| rig.set(signal, Measurement::good(value)));
        let mut rig = rig.in_auto();
        rig.set(signal, lost(1.0, 500));
        let decision = rig.cycle();
        assert_eq!(decision.mode, Mode::Hold, "{signal:?}");
        assert!(decision.fault.is_some_and(|fault| fault.cause.contains(signal.name())), "{signal:?}");
    }
}

#[test]
fn a_value_that_is_no_number_is_lost_whoever_says_good() {
    for value in [f64::NAN, f64::INFINITY] {
        let mut rig = Rig::new(false).in_auto();
        rig.set(Signal::Soc, Measurement::good(value));
        assert_eq!(rig.cycle().mode, Mode::Hold);
    }
}

#[test]
fn a_lost_load_narrows_the_set_points_with_its_age_before_and_in_hold() {
    // Import 100 kW allowed; the battery may charge while the load is known to be 40 kW, and less and less without news.
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(45.0, 0.0));
    for _ in 0..4 {
        rig.skip(900_000);
        rig.run(2);
    }
    let drawn = |d: CycleDecision| d.safe.map_or(0, |safe| (safe.battery() - safe.chp()).get());
    let charging = drawn(rig.cycle());
    rig.set(Signal::ElectricLoadKw, lost(40.0, 500));
    let powers: Vec<i64> = (0..60).map(|_| drawn(rig.cycle())).collect();
    assert!(powers[0] == charging && powers.windows(2).all(|pair| pair[1] <= pair[0]), "{powers:?}");
    assert!(powers[45] < charging - 20_000, "{powers:?}");
}

#[test]
fn a_lost_heat_meter_leaves_control_to_the_rule_with_the_chp_held_and_latches_nothing() {
    let mut rig = Rig::new(false);
    rig.set(Signal::ChpKw, Measurement::good(22.0));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    let held = rig.run(3).safe.unwrap().chp().get();
    rig.set(Signal::HeatLoadKw, lost(60.0, 20_000));
    let decision = rig.cycle();
    assert_eq!((decision.mode, decision.decided_by.as_str()), (Mode::Fallback, "rule"));
    for _ in 0..10 {
        rig.skip(900_000);
        let decision = rig.run(2);
        assert_eq!((decision.mode, decision.safe.unwrap().chp().get()), (Mode::Fallback, held), "the CHP is held");
        assert!(decision.safe.unwrap().renewable_limit().is_none());
    }
    rig.set(Signal::HeatLoadKw, Measurement::good(60.0));
    assert_eq!(rig.run(62).mode, Mode::Auto, "by itself");
}

#[test]
fn prices_are_substituted_by_yesterdays_then_the_fixed_tariff_else_the_rule_decides() {
    let mut rig = Rig::new(false).in_auto();
    rig.set(Signal::ImportPriceEurPerKwh, lost(0.15, 99_000));
    let decision = rig.cycle();
    assert_eq!(decision.mode, Mode::Fallback);
    assert!(decision.fault.unwrap().cause.contains("import_price_eur_per_kwh"));

    let mut rig = Rig::new(false).in_auto();
    for _ in 0..97 {
        rig.skip(900_000);
        rig.cycle();
    }
    rig.set(Signal::ImportPriceEurPerKwh, lost(0.15, 99_000));
    let decision = rig.cycle();
    assert_eq!((decision.mode, decision.price_is_substituted), (Mode::Auto, true), "the same hour of yesterday");

    let mut rig = Rig::new(false);
    rig.plant(|plant| plant.costs.fixed_import_eur_per_kwh = Some(0.2));
    let mut rig = rig.in_auto();
    rig.set(Signal::ImportPriceEurPerKwh, lost(0.15, 99_000));
    assert_eq!(rig.cycle().mode, Mode::Auto);
}

#[test]
fn a_battery_that_does_not_follow_is_a_fault_and_the_filter_counts_with_what_it_does() {
    let mut rig = Rig::new(false);
    rig.config.response_ms = 20_000;
    rig.set(Signal::BatteryKw, Measurement::good(0.0));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(10.0, 0.0));
    assert_eq!(rig.run(10).mode, Mode::Manual, "it is given its response time");
    let decision = rig.run(15);
    assert_eq!((decision.mode, battery(&decision)), (Mode::Hold, 0), "it counts as what it is");
    assert!(decision.fault.unwrap().cause.contains("told 10 kW, does 0 kW"));
    assert_eq!(rig.run(70).mode, Mode::SafeStop);
    rig.set(Signal::BatteryKw, Measurement::good(0.0));
    assert_eq!(rig.run(200).mode, Mode::SafeStop, "and waits for an operator");
}

#[test]
fn an_export_that_a_battery_should_have_taken_is_curtailed_once_it_is_seen_not_to() {
    let mut rig = Rig::new(false);
    rig.config.response_ms = 20_000;
    for (signal, kw) in
        [(Signal::PvKw, 60.0), (Signal::WindKw, 40.0), (Signal::ElectricLoadKw, 5.0), (Signal::BatteryKw, 0.0)]
    {
        rig.set(signal, Measurement::good(kw));
    }
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(10.0, 0.0));
    let decision = rig.run(30);
    let cap = decision.safe.unwrap().renewable_limit().map(|w| w.get());
    assert_eq!(
        (decision.mode, cap),
        (Mode::Hold, Some(85_000)),
        "80 kW of export, 5 kW of load, nothing into the battery"
    );
}

#[test]
fn a_chp_that_stopped_by_itself_is_not_started_before_its_minimum_time() {
    let mut rig = Rig::new(false);
    rig.config.chp_response_ms = 10_000;
    rig.set(Signal::ChpKw, Measurement::good(11.467));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.run(20);
    rig.set(Signal::ChpKw, Measurement::good(0.0));
    rig.set(Signal::ChpOn, Measurement::good(0.0));
    let decision = rig.cycle();
    assert_eq!(decision.mode, Mode::Hold);
    assert!(decision.fault.unwrap().cause.contains("the CHP is off although it was told to be on"));
    rig.order(CommandBody::Manual);
    rig.run(5);
    rig.order(by_hand(0.0, 30.0));
    for second in 0..1790 {
        assert!(!rig.cycle().safe.unwrap().chp_on(), "on again after {second} s");
    }
    let starts = (0..20).any(|_| rig.cycle().safe.unwrap().chp_on());
    assert!(starts, "half an hour after its stop");
}

#[test]
fn in_shadow_the_chps_timers_run_by_what_it_is_seen_to_do() {
    let mut rig = Rig::new(false);
    rig.set(Signal::ChpKw, Measurement::good(30.0));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    rig.run(10);
    rig.set(Signal::ChpKw, Measurement::good(0.0));
    rig.set(Signal::ChpOn, Measurement::good(0.0));
    rig.run(100);
    assert!(!rig.state.memory.chp_on());
    assert_eq!(rig.state.memory.chp_in_state_ms(), 99_000);
}

#[test]
fn a_frequency_lost_while_low_moves_the_battery_nowhere() {
    let mut rig = Rig::new(false);
    rig.set(Signal::FrequencyHz, Measurement::good(49.0));
    rig.set(Signal::BatteryKw, Measurement::good(-7.0));
    let mut rig = rig.in_auto();
    let before = battery(&rig.run(3));
    rig.set(Signal::FrequencyHz, lost(49.0, 500));
    for _ in 0..59 {
        assert!(battery(&rig.cycle()) <= before);
    }
}

#[test]
fn hold_entered_from_manual_keeps_the_operators_set_points() {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    let (_, outcome) = rig.order(by_hand(2.0, 0.0));
    assert_eq!(outcome, Outcome::Done);
    let told = battery(&rig.run(3));
    rig.set(Signal::GridKw, lost(18.0, 500));
    let hold = rig.run(2);
    assert_eq!((hold.mode, hold.decided_by.as_str(), battery(&hold)), (Mode::Hold, "operator", told));
    rig.set(Signal::GridKw, Measurement::good(18.0));
    assert_eq!(rig.run(3).mode, Mode::Manual);
}

#[test]
fn back_from_hold_ramps_start_from_measured_power() {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(2.0, 0.0));
    rig.run(3);
    rig.set(Signal::GridKw, lost(18.0, 500));
    rig.run(2);
    rig.set(Signal::BatteryKw, Measurement::good(-30.0));
    rig.set(Signal::GridKw, Measurement::good(18.0));
    let back = rig.run(3);
    assert_eq!(back.mode, Mode::Manual);
    assert!(battery(&back) <= -20_000, "within a ramp of -30 kW: {}", battery(&back));
}

#[test]
fn nothing_that_leads_to_a_write_works_without_arming() {
    let mut rig = Rig::new(false);
    rig.run(5);
    for body in [CommandBody::Manual, CommandBody::Auto, by_hand(5.0, 0.0)] {
        let (decision, outcome) = rig.order(body);
        assert_eq!((decision.mode, decision.written), (Mode::Shadow, false));
        assert!(!reason(outcome).is_empty());
    }
}

#[test]
fn of_two_commands_in_a_cycle_none_is_swallowed_and_a_stop_comes_first() {
    let mut rig = Rig::new(false).in_auto();
    rig.command(CommandBody::Manual);
    rig.command(CommandBody::SafeStop);
    let decision = rig.cycle();
    assert_eq!(decision.mode, Mode::SafeStop);
    let outcomes: Vec<_> = decision.answers.iter().map(|answer| (answer.id.as_str(), answer.outcome.clone())).collect();
    assert_eq!(outcomes[0], ("c1", Outcome::Done));
    assert_eq!(outcomes[1], ("c0", Outcome::Rejected { reason: "not during a safe stop".into() }));
    let mut rig = Rig::new(false).in_auto();
    rig.command(CommandBody::Manual);
    rig.command(by_hand(1.0, 0.0));
    let decision = rig.cycle();
    assert_eq!((decision.mode, battery(&decision)), (Mode::Manual, 1_000), "in their order");
}

#[test]
fn an_answer_says_what_happened() {
    let mut rig = Rig::new(false).in_auto();
    assert!(reason(rig.order(by_hand(1.0, 0.0)).1).contains("manual mode"));
    assert!(reason(rig.order(CommandBody::Acknowledge).1).contains("nothing waits"));
    rig.order(CommandBody::Manual);
    let (decision, outcome) = rig.order(by_hand(500.0, 0.0));
    let battery_kw = battery(&decision) as f64 / 1000.0;
    assert_eq!(outcome, Outcome::Clamped { battery_kw, chp_kw: 0.0 });
    assert!(battery_kw < 50.0, "its ramp from -7 kW");
    rig.order(CommandBody::SafeStop);
    assert!(reason(rig.order(CommandBody::Arm).1).contains("acknowledgement"));
}

#[test]
fn a_stop_ordered_in_shadow_is_remembered() {
    let mut rig = Rig::new(false);
    rig.run(5);
    assert_eq!(rig.order(CommandBody::SafeStop).1, Outcome::Done);
    rig.run(10);
    assert!(reason(rig.order(CommandBody::Arm).1).contains("acknowledgement"));
    assert_eq!(rig.order(CommandBody::Acknowledge).1, Outcome::Done);
    assert_eq!(rig.order(CommandBody::Arm).0.mode, Mode::Auto);
}

#[test]
fn manual_operation_ends_with_its_time_and_its_set_points_do_not_return() {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(2.0, 0.0));
    rig.skip(14_400_000);
    assert_eq!(rig.run(2).mode, Mode::Auto);
    rig.order(CommandBody::Manual);
    assert_eq!(rig.state.manual, None);
}

#[test]
fn a_safe_stop_does_not_fall_silent_while_the_chp_runs_nor_stops_unloading_when_acknowledged() {
    let mut rig = Rig::new(false);
    rig.config.times.stop_write_ms = 1_000;
    rig.set(Signal::ChpKw, Measurement::good(30.0));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::SafeStop);
    assert_eq!(rig.order(CommandBody::Acknowledge).1, Outcome::Done);
    let mut cycles = 0;
    while rig.state.memory.chp_on() {
        let decision = rig.cycle();
        assert!(decision.written && decision.mode == Mode::SafeStop);
        cycles += 1;
        assert!(cycles < 10_000);
    }
    assert!(cycles > 900, "it unloads with its ramp");
    // Told to stop is not stopped: the order goes on as long as the unit is seen to run, and it is not started again.
    for _ in 0..1_000 {
        let decision = rig.cycle();
        assert!(decision.written && decision.mode == Mode::SafeStop && !decision.safe.unwrap().chp_on());
    }
    rig.set(Signal::ChpKw, Measurement::good(0.0));
    rig.set(Signal::ChpOn, Measurement::good(0.0));
    assert_eq!(rig.run(2).mode, Mode::Init);
}

#[test]
fn jumps_of_local_time_neither_stop_a_chp_early_nor_add_up_ramps() {
    let mut rig = Rig::new(false);
    rig.set(Signal::ChpKw, Measurement::good(10.0));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.order(CommandBody::Manual);
    rig.order(by_hand(50.0, 0.0));
    rig.plant_ms += 3_600_000;
    assert!(rig.run(3).safe.unwrap().chp_on(), "an hour of daylight saving is no hour on");
    let start = battery(&rig.cycle());
    for hop in 0..20 {
        rig.plant_ms = 1_000_000_000 + if hop % 2 == 0 { 900_000 } else { 899_000 };
        rig.cycle();
    }
    let moved = battery(&rig.cycle()) - start;
    assert!(moved.abs() <= 10_000, "moved by {moved} W in 20 s");
}

#[test]
fn limits_from_outside_stand_in_the_decision_and_survive_a_restart() {
    let mut rig = Rig::new(false).in_auto();
    let limits = ExchangeLimits { import_kw_max: Some(12.0), export_kw_max: None };
    let (decision, outcome) = rig.order(CommandBody::Limits(limits));
    assert_eq!((decision.limits, outcome), (limits, Outcome::Done));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for rotations in 0..2 {
        let state = rig.after_a_kill(&path, rotations);
        assert_eq!((state.limits, state.memory), (limits, rig.state.memory), "{rotations} rotations");
    }
}

#[test]
fn a_request_that_does_not_balance_is_told_once_per_policy_step() {
    use memg_core::constraint::Rule;
    let mut rig = Rig::new(false);
    rig.chain.policy = Some(Box::new(Unbalanced));
    let mut rig = rig.in_auto();
    rig.skip(900_000);
    let told: usize = (0..800)
        .map(|_| {
            rig.cycle().interventions.iter().filter(|i| i.rule == Rule::Balance && i.after_w != i.before_w).count()
        })
        .sum();
    assert!((1..=2).contains(&told), "told {told} times in a step");
}

#[test]
fn an_explanation_between_policy_steps_does_not_say_that_nothing_was_changed() {
    let mut rig = Rig::new(false);
    rig.chain.policy = Some(Box::new(Unbalanced));
    let mut rig = rig.in_auto();
    rig.skip(900_000);
    rig.run(2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    journaled(&mut rig, &path, 3);
    let told = explain(&path, rig.cycle).unwrap().expect("the last cycle of the journal");
    assert!(told.contains("Sent differs from the request"), "{told}");
}
