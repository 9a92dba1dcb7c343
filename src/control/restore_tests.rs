//! Restarts: what a new run knows of the one before.

use crate::mode::Mode;
use crate::rig::Rig;
use memg_core::command::{CommandBody, ExchangeLimits, Outcome};
use memg_core::measurement::Measurement;
use memg_core::plant_state::Signal;
use memg_core::rules::Idle;

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
