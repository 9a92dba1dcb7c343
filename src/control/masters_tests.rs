//! Several who command, and what they may wish in manual mode.

use super::rig::{Rig, battery, by_hand, reason};
use memg_core::command::{CommandBody, Outcome};
use memg_core::measurement::Measurement;
use memg_core::plant_state::Signal;
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;

#[test]
fn set_points_are_those_of_whoever_took_control_last() {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    assert_eq!(rig.order(by_hand(-7.0, 0.0)).1, Outcome::Done);
    rig.command_of("scada", by_hand(2.0, 0.0));
    let refused = rig.cycle().answers.remove(0).outcome;
    assert!(reason(refused).contains("anna has control (terminal)"));
    rig.command_of("scada", CommandBody::Manual);
    rig.command_of("scada", by_hand(-6.0, 0.0));
    rig.command(by_hand(3.0, 0.0));
    let decision = rig.cycle();
    assert_eq!(decision.answers[1].outcome, Outcome::Done);
    assert!(reason(decision.answers[2].outcome.clone()).contains("scada has control"));
    assert_eq!(battery(&decision), -6_000);
    rig.order(CommandBody::Auto);
    assert_eq!(rig.state.in_charge, None, "the gateway itself");
}

#[test]
fn a_power_at_the_connection_is_kept_by_the_battery_while_the_load_moves() {
    let mut rig = Rig::new(false).in_auto();
    rig.order(CommandBody::Manual);
    let net = |rig: &Rig| rig.state.situation.as_ref().unwrap().0.net_load().get();
    let wished = net(&rig) - 5.0;
    let powers = Setpoints { grid: Some(Kilowatts::new(wished)), ..Setpoints::IDLE };
    assert_eq!(rig.order(CommandBody::Setpoints(powers)).1, Outcome::Done);
    let is_load = |(tag, _): &&(memg_core::plant_state::Tag, _)| tag.signal() == Signal::ElectricLoadKw;
    let load = rig.values.iter().find(is_load).and_then(|(_, measured)| measured.value).unwrap();
    for more in [3.0, -2.0, 0.0] {
        rig.set(Signal::ElectricLoadKw, Measurement::good(load + more));
        let decision = rig.run(3);
        let grid = net(&rig) + battery(&decision) as f64 / 1000.0;
        assert!((grid - wished).abs() < 0.01, "{grid} where {wished} was wished");
    }
}
