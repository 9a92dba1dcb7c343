//! Scenarios of the cycle: a plant by hand, time by hand, faults at will.

use super::cycle::{Chain, ControlState, CycleDecision, ExchangeLimits};
use super::explain::explain;
use super::fault::Fault;
use super::journal::Header;
use super::mode::Mode;
use super::replay::{ReplayError, replay};
use super::restore::restore;
use super::rig::{Rig, journaled, reason};
use memg_core::command::{CommandBody, Outcome, Role};
use memg_core::forecast::Persistence;
use memg_core::guard::{Guarded, TariffRange};
use memg_core::measurement::{Measurement, Quality};
use memg_core::planner::{Plan, PlanSettings};
use memg_core::plant_state::Signal;
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::rules::{GoodRule, SeedRule};
use memg_core::setpoints::Setpoints;
use memg_core::units::{Kilowatts, Watts};

#[test]
fn a_real_plant_is_watched_but_not_written_until_armed() {
    let mut rig = Rig::new(false);
    let decision = rig.run(100);
    assert_eq!((decision.mode, decision.written), (Mode::Shadow, false));
    assert!(decision.safe.is_some(), "shadow shows what it would write");
}

#[test]
fn entering_auto_is_bumpless() {
    let mut rig = Rig::new(false);
    rig.run(5);
    rig.command(CommandBody::Arm);
    let first = rig.cycle();
    let safe = first.safe.unwrap();
    assert_eq!((first.mode, first.written), (Mode::Auto, true));
    assert_eq!((safe.battery().get(), safe.chp_on()), (-7_000, false), "equals the measured power");
    let next = rig.cycle().safe.unwrap().battery().get();
    assert!((next + 7_000).abs() <= 10_000, "and moves within its ramp from there: {next}");
}

#[test]
fn a_stale_measurement_holds_then_stops() {
    let mut rig = Rig::new(false).in_auto();
    rig.set(Signal::ElectricLoadKw, Measurement { value: Some(40.0), quality: Quality::Stale, age_ms: 16_000 });
    let hold = rig.cycle();
    assert_eq!((hold.mode, hold.written), (Mode::Hold, true));
    assert!(hold.fault.unwrap().cause.contains("electric_load_kw"));
    assert_eq!(rig.run(59).mode, Mode::Hold);
    let stop = rig.run(2);
    assert_eq!(stop.mode, Mode::SafeStop);
    assert_eq!(rig.run(2000).safe.unwrap().battery().get(), 0, "battery to zero");
}

#[test]
fn a_safe_stop_unloads_the_chp_step_by_step_and_switches_it_off_after_its_minimum_time() {
    let mut rig = Rig::new(false);
    rig.set(Signal::ChpKw, Measurement::good(22.0));
    rig.set(Signal::ChpOn, Measurement::good(1.0));
    let mut rig = rig.in_auto();
    rig.command(CommandBody::SafeStop);
    let mut seen = vec![22_000];
    for _ in 0..4 * 900 {
        let safe = rig.cycle().safe.unwrap();
        assert_eq!((safe.battery().get(), safe.renewable_limit().map(Watts::get)), (0, Some(0)));
        if seen.last() != Some(&safe.chp().get()) {
            seen.push(safe.chp().get());
        }
    }
    assert_eq!(seen, [22_000, 17_000, 12_000, 10_000, 0]);
}

#[test]
fn a_measurement_that_comes_back_resumes_after_three_cycles() {
    let mut rig = Rig::new(false).in_auto();
    rig.set(Signal::ElectricLoadKw, Measurement { value: Some(40.0), quality: Quality::CommLost, age_ms: 4_000 });
    assert_eq!(rig.cycle().mode, Mode::Hold);
    rig.set(Signal::ElectricLoadKw, Measurement::good(40.0));
    assert_eq!(rig.run(2).mode, Mode::Hold);
    assert_eq!(rig.cycle().mode, Mode::Auto);
}

#[test]
fn without_a_model_the_good_rule_takes_over_and_the_reason_is_told() {
    let mut rig = Rig::new(true);
    rig.chain = Chain { policy: None, model: "none: actor.safetensors: wrong hash".into(), rule: GoodRule };
    let decision = rig.run(8);
    assert_eq!((decision.mode, decision.decided_by.as_str()), (Mode::Fallback, GoodRule.name()));
    assert_eq!(decision.fault.unwrap().cause, "no model is loaded: actor.safetensors: wrong hash");
}

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
fn cycles_before_their_time_see_faults_at_once_but_do_not_count_as_recovery() {
    let mut rig = Rig::new(false).in_auto();
    rig.early = true;
    rig.set(Signal::ElectricLoadKw, Measurement { value: Some(40.0), quality: Quality::CommLost, age_ms: 4_000 });
    assert_eq!(rig.cycle().mode, Mode::Hold);
    rig.set(Signal::ElectricLoadKw, Measurement::good(40.0));
    assert_eq!(rig.run(50).mode, Mode::Hold);
    rig.early = false;
    assert_eq!(rig.run(3).mode, Mode::Auto);
}

#[test]
fn a_policy_that_returns_nonsense_is_replaced_by_the_good_rule() {
    let mut rig = Rig::new(false).in_auto();
    rig.chain.policy = Some(Box::new(Broken));
    rig.skip(900_000);
    let decision = rig.cycle();
    assert_eq!((decision.mode, decision.decided_by.as_str(), decision.written), (Mode::Fallback, "rule", true));
    rig.chain.policy = Some(Box::new(SeedRule));
    rig.skip(900_000);
    rig.cycle();
    assert_eq!(rig.run(61).mode, Mode::Auto, "back after the observation time");
}

#[test]
fn a_reported_fault_stops_until_it_is_gone_and_acknowledged() {
    let mut rig = Rig::new(false).in_auto();
    rig.set(Signal::BatteryFault, Measurement::good(1.0));
    assert_eq!(rig.cycle().mode, Mode::SafeStop);
    let (decision, outcome) = rig.order(CommandBody::Acknowledge);
    let reason = "the cause still stands: the battery reports a fault".to_owned();
    assert_eq!((decision.mode, outcome), (Mode::SafeStop, Outcome::Rejected { reason }));
    rig.set(Signal::BatteryFault, Measurement::good(0.0));
    assert_eq!(rig.run(100).mode, Mode::SafeStop, "nobody has acknowledged yet");
    let (decision, outcome) = rig.order(CommandBody::Acknowledge);
    assert_eq!((decision.mode, outcome), (Mode::Init, Outcome::Done));
    assert_eq!(rig.run(100).mode, Mode::Shadow, "and it has to be armed again");
}

#[test]
fn safe_stop_falls_silent_so_that_devices_revert() {
    let mut rig = Rig::new(false).in_auto();
    rig.command(CommandBody::SafeStop);
    assert!(rig.cycle().written);
    rig.skip(3_600_000);
    assert!(!rig.cycle().written);
}

#[test]
fn manual_set_points_go_through_the_filter() {
    let mut rig = Rig::new(false).in_auto();
    rig.command(CommandBody::Manual);
    rig.cycle();
    rig.command(CommandBody::Setpoints(Setpoints {
        battery: Kilowatts::new(1000.0),
        chp: Kilowatts::ZERO,
        grid: None,
    }));
    let decision = rig.cycle();
    assert_eq!(decision.mode, Mode::Manual);
    assert!(decision.safe.unwrap().battery().get() <= 10_000 && !decision.interventions.is_empty());
}

#[test]
fn a_limit_from_outside_narrows_the_exchange_until_it_is_lifted() {
    let mut rig = Rig::new(false).in_auto();
    let free = rig.run(2).safe.unwrap().battery().get();
    rig.command(CommandBody::Limits(ExchangeLimits { import_kw_max: Some(10.0), export_kw_max: None }));
    let limited = rig.run(2).safe.unwrap();
    // net load 25 kW: at most 10 kW of it from the grid
    assert!(25_000 + limited.battery().get() - limited.chp().get() <= 10_000, "{limited:?}, before {free}");
    rig.command_as("ute", Role::Engineer, CommandBody::Limits(ExchangeLimits::default()));
    assert_eq!(rig.run(2).safe.unwrap().battery().get(), free);
}

#[test]
fn everybody_tightens_a_limit_and_an_engineer_alone_widens_it() {
    let mut rig = Rig::new(false).in_auto();
    let limits =
        |import: Option<f64>, export: Option<f64>| ExchangeLimits { import_kw_max: import, export_kw_max: export };
    let (open, both) = (limits(None, None), limits(Some(30.0), Some(20.0)));
    for (role, wanted, expected, refused) in [
        (Role::Operator, both, both, None),
        (Role::Operator, limits(Some(31.0), Some(20.0)), both, Some("import")),
        (Role::Operator, limits(Some(30.0), None), both, Some("export")),
        (Role::Guard, open, both, Some("import")),
        (Role::Operator, both, both, None),
        (Role::Guard, limits(Some(5.0), Some(20.0)), limits(Some(5.0), Some(20.0)), None),
        (Role::Engineer, limits(Some(500.0), Some(20.0)), limits(Some(500.0), Some(20.0)), None),
        (Role::Engineer, open, open, None),
        (Role::Guard, open, open, None),
    ] {
        rig.command_as("somebody", role, CommandBody::Limits(wanted));
        let decision = rig.cycle();
        assert_eq!(decision.limits, expected, "{role:?} wants {wanted:?}");
        let outcome = decision.answers[0].outcome.clone();
        match refused {
            None => assert_eq!(outcome, Outcome::Done, "{role:?} wants {wanted:?}"),
            Some(side) => {
                let reason = reason(outcome);
                assert!(reason.contains(&format!("the {side} limit would be wider")), "{reason}");
            }
        }
    }
    let safe = rig.cycle().safe.unwrap();
    let exchange = 25_000 + safe.battery().get() - safe.chp().get();
    assert!(exchange.abs() <= 100_000, "the plant's own limits hold whatever an engineer said: {exchange} W");
}

#[test]
fn a_cap_that_works_is_not_lifted_because_it_works() {
    let mut rig = Rig::new(true);
    for (signal, kw) in
        [(Signal::PvKw, 60.0), (Signal::WindKw, 40.0), (Signal::ElectricLoadKw, 5.0), (Signal::Soc, 0.9)]
    {
        rig.set(signal, Measurement::good(kw));
    }
    rig.chain.policy = Some(Box::new(memg_core::rules::Idle));
    rig.set(Signal::BatteryKw, Measurement::good(0.0));
    let cap = |decision: CycleDecision| decision.safe.unwrap().renewable_limit().map(|w| w.get());
    assert_eq!(cap(rig.run(6)), Some(85_000), "80 kW of export and 5 kW of load");
    // the plant obeys: production is now at the cap
    rig.set(Signal::PvKw, Measurement::good(45.0));
    assert_eq!(cap(rig.run(5)), Some(85_000));
    rig.set(Signal::PvKw, Measurement::good(20.0));
    assert_eq!(cap(rig.run(2)), None, "a cloud: production is well below the cap");
}

#[test]
fn a_driver_fault_takes_the_policy_out_of_control() {
    let mut rig = Rig::new(false).in_auto();
    rig.fault = Some(Fault::unfollowed("battery does not apply set-points"));
    assert_eq!(rig.cycle().mode, Mode::Hold);
}

#[test]
fn every_measurement_lost_at_once_is_survived() {
    let mut rig = Rig::new(true);
    rig.run(10);
    rig.values.clear();
    for _ in 0..200 {
        rig.cycle();
    }
    assert_eq!(rig.cycle().mode, Mode::SafeStop);
}

fn seed_chain(_: &Header) -> Result<Chain, String> {
    Ok(Chain { policy: Some(Box::new(SeedRule)), model: "seed".into(), rule: GoodRule })
}

#[test]
fn a_journal_replays_bit_for_bit_and_a_different_decision_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    journaled(&mut Rig::new(true), &path, 120);
    assert_eq!(replay(&path, seed_chain).unwrap().cycles, 120);
    let other = |_: &Header| Ok(Chain { policy: Some(Box::new(GoodRule) as _), model: "seed".into(), rule: GoodRule });
    assert!(matches!(replay(&path, other), Err(ReplayError::Differs { .. })));
    let renamed = |_: &Header| Ok(Chain { policy: None, model: "another".into(), rule: GoodRule });
    assert!(matches!(replay(&path, renamed), Err(ReplayError::Model(_))));
}

#[test]
fn a_restart_restores_set_points_and_timers_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut rig = Rig::new(true);
    journaled(&mut rig, &path, 50);
    let mut state = ControlState::start(0);
    assert!(restore(&path, &mut state, 96).unwrap());
    assert_eq!(state.memory, rig.state.memory);
    assert_eq!(state.mode.mode, Mode::Init);
}

#[test]
fn an_explanation_names_measurement_request_rule_and_result() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    journaled(&mut Rig::new(true), &path, 20);
    let text = explain(&path, 12).unwrap().unwrap();
    for part in ["Cycle 12", "mode auto", "load", "Requested by seed", "Sent: battery"] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    assert_eq!(explain(&path, 999).unwrap(), None);
}

#[test]
fn a_tariff_that_the_network_was_not_trained_for_is_told_with_the_rules_decision() {
    let mut rig = Rig::new(true).in_auto();
    let range = TariffRange {
        spread_eur_per_kwh: [0.04, 0.1],
        spread_change_eur_per_kwh_max: 0.02,
        swing_eur_per_kwh_min: 0.0,
    };
    rig.chain.policy = Some(Box::new(Guarded { policy: SeedRule, range: Some(range) }));
    let asked = |rig: &mut Rig| loop {
        let decision = rig.cycle();
        if decision.policy_step {
            return decision;
        }
    };
    assert!(!asked(&mut rig).outside_tariff);
    rig.set(Signal::ExportPriceEurPerKwh, Measurement::good(0.0));
    let told = asked(&mut rig);
    assert!(told.outside_tariff && told.action.is_none());
    assert!(serde_json::to_string(&told).unwrap().contains("\"outside_tariff\":true"));
}

#[test]
fn a_plan_stands_in_the_journal_replays_bit_for_bit_and_is_explained_until_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let planner = || Box::new(Plan::new(Persistence, PlanSettings { hours: 6, soc_levels: 9 })) as Box<dyn Policy>;
    let mut rig = Rig::new(true);
    rig.chain = Chain { policy: Some(planner()), model: "seed".into(), rule: GoodRule };
    journaled(&mut rig, &path, 7);
    let chain = |_: &Header| Ok(Chain { policy: Some(planner()), model: "seed".into(), rule: GoodRule });
    assert_eq!(replay(&path, chain).unwrap().cycles, 7);
    let reason = rig.state.reason.clone().unwrap();
    for cycle in [1, 7] {
        let text = explain(&path, cycle).unwrap().unwrap();
        let told = text.contains(&format!("The plan: {reason}."));
        assert_eq!(told, cycle == 7, "it begins in Init, then the plan counts:\n{text}");
    }
    let lines = std::fs::read_to_string(&path).unwrap();
    assert_eq!(lines.matches("\"plan\":{").count(), 1, "once a policy step");
}

/// Asks for as much import as it is told may flow.
struct UpToTheLimit;
impl Policy for UpToTheLimit {
    fn name(&self) -> &'static str {
        "up to the limit"
    }
    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let setpoints = Setpoints { battery: input.plant.import_max().kilowatts(), chp: Kilowatts::ZERO, grid: None };
        Ok(Request { observation: None, action: None, setpoints, outside_tariff: false })
    }
}

#[test]
fn a_policy_knows_the_limits_from_outside_that_it_will_be_held_to() {
    let mut rig = Rig::new(true).in_auto();
    rig.chain.policy = Some(Box::new(UpToTheLimit));
    rig.order(CommandBody::Limits(ExchangeLimits { import_kw_max: Some(33.0), export_kw_max: None }));
    rig.skip(900_000);
    assert_eq!(rig.cycle().request.map(|request| request.battery.get()), Some(33.0));
}
