use super::{FailSafe, GridLimit};
use crate::cycle::CycleDecision;
use crate::explain::{Subject, describe};
use crate::replay::replay;
use crate::rig::{Rig, journaled};
use memg_core::command::{CommandBody, ExchangeLimits, GridOrder, Outcome, Role};
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::Signal;
use memg_core::rules::Idle;

/// In Auto with a policy that moves nothing; a signal says what may be imported: 60 kW while it is silent for 30 s.
fn fed(kw: Option<f64>) -> Rig {
    let mut rig = Rig::new(true);
    rig.chain.policy = Some(Box::new(Idle));
    rig.config.grid_limit = FailSafe { import_kw: Some(60.0), export_kw: None, silent_after_ms: 30_000 };
    // 75 kW of net load, which the connection alone would carry.
    rig.set(Signal::ElectricLoadKw, Measurement::good(90.0));
    rig.set(Signal::BatteryKw, Measurement::good(0.0));
    say(&mut rig, kw.map_or(Measurement::never(), Measurement::good));
    rig.in_auto()
}

fn say(rig: &mut Rig, said: Measurement<f64>) {
    rig.grid_limits = vec![(Signal::GridImportLimitKw.into(), said)];
}

/// Import and export limits in force, and whether the import's source is silent.
fn in_force(decision: &CycleDecision) -> (Option<f64>, Option<f64>, bool) {
    let grid = decision.grid_limit.unwrap();
    (grid.limits.import_kw_max, grid.limits.export_kw_max, grid.import_silent)
}

/// What the set-points leave to the connection, kW.
fn import(decision: &CycleDecision) -> f64 {
    let safe = decision.safe.unwrap();
    75.0 + (safe.battery() - safe.chp()).kilowatts().get()
}

#[test]
fn what_a_source_says_narrows_the_connection_from_the_next_cycle_on() {
    let mut rig = fed(Some(80.0));
    let wide = rig.cycle();
    assert_eq!((in_force(&wide), import(&wide)), ((Some(80.0), None, false), 75.0));
    say(&mut rig, Measurement::good(70.0));
    let narrow = rig.cycle();
    assert_eq!(in_force(&narrow), (Some(70.0), None, false));
    assert!(import(&narrow) <= 70.0, "{}", import(&narrow));
    say(&mut rig, Measurement::good(500.0));
    assert!(rig.config.filter.plant().parameters().grid.import_kw_max < 500.0);
    let wide = rig.run(2);
    assert_eq!(import(&wide), 75.0, "it only narrows: the plant's own limit stands");
}

#[test]
fn a_silent_source_keeps_its_value_for_its_time_and_then_the_fail_safe_one_until_it_is_heard() {
    let bad = [
        Measurement { quality: Quality::CommLost, ..Measurement::good(70.0) },
        Measurement::good(f64::NAN),
        Measurement::good(-1.0),
        Measurement { age_ms: 30_001, ..Measurement::good(70.0) },
        Measurement { quality: Quality::Stale, age_ms: 3_000_000, ..Measurement::good(70.0) },
    ];
    for silence in bad {
        let mut rig = fed(Some(70.0));
        rig.cycle();
        say(&mut rig, silence);
        assert_eq!(in_force(&rig.run(30)), (Some(70.0), None, false), "{silence:?}");
        let silent = rig.run(2);
        assert_eq!(in_force(&silent), (Some(60.0), None, true), "{silence:?}");
        assert!(import(&silent) <= 65.1, "the battery's ramp of 10 kW: {}", import(&silent));
        say(&mut rig, Measurement::good(90.0));
        assert_eq!(in_force(&rig.cycle()), (Some(90.0), None, false), "{silence:?}");
    }
}

#[test]
fn a_source_that_was_never_heard_is_silent_from_the_start() {
    assert_eq!(in_force(&fed(None).cycle()), (Some(60.0), None, true));
}

#[test]
fn an_order_ends_after_its_time_and_the_narrowest_of_all_is_in_force() {
    let mut rig = fed(Some(80.0));
    let own = rig.cycle();
    let limits = ExchangeLimits { import_kw_max: Some(70.0), export_kw_max: Some(5.0) };
    let (decision, outcome) = rig.order(CommandBody::GridLimit(GridOrder { limits, for_s: 10.0 }));
    assert_eq!((outcome, in_force(&decision)), (Outcome::Done, (Some(70.0), Some(5.0), false)));
    assert!(import(&decision) <= 70.0);
    // An operator's limit beside it; the narrower counts, and the one outlives the other.
    rig.order(CommandBody::Limits(ExchangeLimits { import_kw_max: Some(72.0), export_kw_max: None }));
    assert!(import(&rig.run(8)) <= 70.0);
    let ended = rig.run(3);
    assert_eq!(in_force(&ended), in_force(&own));
    assert!(import(&ended) > 70.0 && import(&ended) <= 72.0, "{}", import(&ended));
}

#[test]
fn orders_that_are_none_are_rejected_and_a_viewer_gives_none() {
    let mut rig = fed(Some(80.0));
    let order = |import: f64, for_s| {
        let limits = ExchangeLimits { import_kw_max: Some(import), export_kw_max: None };
        CommandBody::GridLimit(GridOrder { limits, for_s })
    };
    for body in [order(-1.0, 60.0), order(f64::NAN, 60.0), order(5.0, 0.0), order(5.0, f64::NAN), order(5.0, 1e9)] {
        assert!(matches!(rig.order(body).1, Outcome::Rejected { .. }), "{body:?}");
        assert_eq!(rig.state.grid_limit.order, None);
    }
    assert_eq!(order(5.0, 60.0).role_min(), Role::Guard);
}

#[test]
fn a_restart_keeps_orders_and_the_narrower_of_what_was_said_and_the_fail_safe_value() {
    for (said, expected) in [(70.0, 60.0), (20.0, 20.0)] {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = fed(Some(said));
        rig.cycle();
        let limits = ExchangeLimits { import_kw_max: None, export_kw_max: Some(3.0) };
        rig.order(CommandBody::GridLimit(GridOrder { limits, for_s: 600.0 }));
        let state = rig.after_a_kill(&folder.path().join("journal"), 0);
        let config = rig.config.clone();
        let mut rig = Rig { state, config, ..Rig::new(true) };
        say(&mut rig, Measurement::never());
        assert_eq!(in_force(&rig.run(2)), (Some(expected), Some(3.0), false), "said {said}");
        assert_eq!(in_force(&rig.run(40)).0, Some(60.0), "silent for too long");
        say(&mut rig, Measurement::good(said));
        assert_eq!(in_force(&rig.cycle()).0, Some(said));
    }
}

#[test]
fn a_run_with_limits_from_outside_replays_and_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut rig = fed(Some(70.0));
    journaled(&mut rig, &path, 5);
    let found = replay(&path, |_| {
        let mut chain = fed(None).chain;
        chain.policy = Some(Box::new(Idle));
        Ok(chain)
    });
    assert_eq!(found.unwrap().cycles, 5);
    say(&mut rig, Measurement::never());
    let decision = serde_json::to_value(rig.run(40)).unwrap();
    let subject = Subject { site: "s".into(), batteries: 1, chps: 1, model: "idle".into() };
    let told = describe(&subject, &rig.input(), &decision, None);
    assert!(told.contains("The grid's limit: import at most 60 kW (fail-safe, its source is silent)."), "{told}");
}

#[test]
fn an_order_of_somebody_else_is_narrowed_and_only_an_engineer_widens_it() {
    let limits = |export| ExchangeLimits { import_kw_max: None, export_kw_max: export };
    let order = |export, for_s| GridOrder { limits: limits(export), for_s };
    let mut grid = GridLimit::default();
    grid.order(&order(Some(25.0), 900.0), "grid operator", Role::Guard).unwrap();
    grid.order(&order(None, 1.0), "screen", Role::Operator).unwrap();
    assert_eq!(grid.order, Some((limits(Some(25.0)), 900_000)), "nothing is lifted");
    grid.order(&order(Some(10.0), 1000.0), "screen", Role::Operator).unwrap();
    assert_eq!(grid.order, Some((limits(Some(10.0)), 1_000_000)), "narrower and longer counts");
    grid.order(&order(Some(30.0), 60.0), "grid operator", Role::Guard).unwrap();
    assert_eq!(grid.order, Some((limits(Some(30.0)), 60_000)), "one's own order is replaced");
    grid.order(&order(None, 1.0), "owner", Role::Engineer).unwrap();
    assert_eq!(grid.order, Some((limits(None), 1000)));
}
