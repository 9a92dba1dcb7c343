//! Restarts: what a new run knows of the one before.

use crate::mode::Mode;
use crate::rig::Rig;
use crate::state::ControlState;
use memg_core::command::{CommandBody, ExchangeLimits, Outcome};
use memg_core::forecast::Persistence;
use memg_core::measurement::Measurement;
use memg_core::planner::{Plan, PlanSettings};
use memg_core::plant_state::Signal;
use memg_core::rules::Idle;
use memg_core::series::Quantity;

/// The same site after a restart: the same measurements, what the journal has kept, and a new run.
fn restarted(rig: &mut Rig, rotations: usize) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let state = rig.after_a_kill(&folder.path().join("journal"), rotations);
    Rig { state, values: rig.values.clone(), ..Rig::new(false) }
}

#[test]
fn a_restart_does_not_forget_a_stop_that_nobody_has_acknowledged() {
    let stops: [fn(&mut Rig); 2] = [
        |rig| drop(rig.order(CommandBody::SafeStop)),
        |rig| {
            rig.set(Signal::BatteryFault, Measurement::good(1.0));
            rig.run(2);
            rig.set(Signal::BatteryFault, Measurement::good(0.0));
        },
    ];
    for (stop, rotations) in stops.into_iter().flat_map(|stop| [(stop, 0), (stop, 2)]) {
        let mut rig = Rig::new(false).in_auto();
        stop(&mut rig);
        let mut rig = restarted(&mut rig, rotations);
        assert_eq!(rig.run(5).mode, Mode::Shadow);
        let (decision, outcome) = rig.order(CommandBody::Arm);
        assert_eq!(decision.mode, Mode::Shadow);
        assert!(matches!(outcome, Outcome::Rejected { reason } if reason.contains("acknowledgement")));
        assert_eq!(rig.order(CommandBody::Acknowledge).1, Outcome::Done);
        assert_eq!(rig.order(CommandBody::Arm).0.mode, Mode::Auto);
    }
}

#[test]
fn a_restart_does_not_lift_a_cap_because_it_works() {
    for rotations in [0, 2] {
        let mut rig = Rig::new(false);
        rig.chain.policy = Some(Box::new(Idle));
        for (signal, kw) in [(Signal::PvKw, 60.0), (Signal::WindKw, 40.0), (Signal::BatteryKw, 0.0)] {
            rig.set(signal, Measurement::good(kw));
        }
        let mut rig = rig.in_auto();
        rig.order(CommandBody::Limits(ExchangeLimits { import_kw_max: None, export_kw_max: Some(40.0) }));
        let mut rig = restarted(&mut rig, rotations);
        rig.chain.policy = Some(Box::new(Idle));
        // The plant obeys: production is at the cap.
        let at_cap = rig.state.cap.unwrap().kilowatts().get();
        assert!((80.0..81.0).contains(&at_cap), "40 kW of export, 30.74 kW of load, 10 kW into the battery: {at_cap}");
        rig.set(Signal::PvKw, Measurement::good(at_cap - 40.0));
        let mut rig = rig.in_auto();
        assert!(rig.cycle().safe.unwrap().renewable_limit().is_some(), "{rotations} rotations");
    }
}

#[test]
fn errors_of_forecasts_are_known_an_hour_later_and_survive_a_restart() {
    let mut rig = Rig::new(true);
    rig.chain.policy = Some(Box::new(Plan::new(Persistence, PlanSettings { hours: 6, soc_levels: 9 })));
    let load_1h = |state: &ControlState| {
        let mae = state.forecast_errors.mae();
        let load = mae.by_quantity().find(|(quantity, _)| *quantity == Quantity::ElectricLoad);
        load.and_then(|(_, errors)| errors[0])
    };
    rig.run(4);
    for step in 1..=5 {
        assert_eq!(load_1h(&rig.state), None, "an hour ahead of step 0 is step 4, which step 5 closes: {step}");
        rig.set(Signal::ElectricLoadKw, Measurement::good(40.0 + 4.0 * f64::from(step)));
        rig.skip(899_000);
        rig.cycle();
    }
    let error = load_1h(&rig.state).unwrap();
    assert!(error > 1.0, "nobody told it that the load would grow: {error} kW");
    let before = rig.state.forecast_errors.clone();
    let restarted = restarted(&mut rig, 0);
    assert_eq!(restarted.state.forecast_errors, before);
}
