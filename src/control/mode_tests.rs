//! Every reachable state of the mode machine, explored.

use super::*;
use std::collections::{HashSet, VecDeque};

const OPERATORS: [Option<Operator>; 6] = [
    None,
    Some(Operator::Arm),
    Some(Operator::Shadow),
    Some(Operator::Manual),
    Some(Operator::SafeStop),
    Some(Operator::Acknowledge),
];

fn fault(severity: Severity) -> Fault {
    Fault { severity, cause: format!("{severity:?}") }
}

/// Visits every reachable state under every fault, operator wish and elapsed time.
fn explore(simulated: bool, mut each: impl FnMut(&ModeState, &Facts<'_>, &ModeState, Option<&ModeChange>)) {
    let times = ModeTimes { hold_ms: 2, observe_ms: 2, recover_cycles: 2, stop_write_ms: 10 };
    let normal = |s: &ModeState, now: u64| {
        (
            s.mode,
            now.saturating_sub(s.since_ms).min(3),
            s.good_cycles.min(3),
            now.saturating_sub(s.good_since_ms).min(3),
            s.resume,
            s.latched,
        )
    };
    let mut queue = VecDeque::from([(ModeState::start(0), 0_u64)]);
    let mut seen = HashSet::new();
    while let Some((state, now)) = queue.pop_front() {
        if !seen.insert(normal(&state, now)) {
            continue;
        }
        for severity in [Severity::None, Severity::Policy, Severity::Soft, Severity::Hard] {
            for operator in OPERATORS {
                let fault = fault(severity);
                let facts = Facts { fault: &fault, operator, simulated, early: false, now_ms: now + 1 };
                let mut next = state;
                let change = next.advance(&times, &facts);
                each(&state, &facts, &next, change.as_ref());
                queue.push_back((next, now + 1));
            }
        }
    }
    assert!(seen.len() > 30, "explored {} states", seen.len());
}

#[test]
fn a_real_plant_is_never_controlled_without_an_operator() {
    explore(false, |before, facts, after, _| {
        if !before.mode.writes() && after.mode.writes() {
            assert!(matches!(facts.operator, Some(Operator::Arm | Operator::Manual)), "{before:?} {facts:?}");
            assert_eq!(before.mode, Mode::Shadow);
            assert!(facts.fault.severity < Severity::Soft);
        }
    });
}

#[test]
fn a_hard_fault_stops_every_writing_mode_at_once() {
    explore(true, |before, facts, after, _| {
        if before.mode.writes() && facts.fault.severity == Severity::Hard {
            assert_eq!(after.mode, Mode::SafeStop, "{before:?}");
        }
    });
}

#[test]
fn a_soft_fault_never_leaves_the_policy_in_control() {
    explore(true, |before, facts, after, _| {
        if facts.fault.severity >= Severity::Soft {
            assert!(
                !matches!(after.mode, Mode::Auto | Mode::Manual | Mode::Fallback),
                "{before:?} {facts:?} {after:?}"
            );
        }
    });
}

#[test]
fn safe_stop_is_left_only_after_an_acknowledgement_and_only_to_init() {
    explore(true, |before, facts, after, change| {
        if before.mode == Mode::SafeStop && after.mode != Mode::SafeStop {
            assert_eq!(after.mode, Mode::Init);
            assert!(!before.latched || facts.operator == Some(Operator::Acknowledge));
            assert!(facts.fault.severity < Severity::Soft);
        }
        assert_eq!(change.is_some(), before.mode != after.mode);
    });
}

#[test]
fn every_mode_is_reachable_and_every_change_has_a_cause() {
    let mut reached = HashSet::new();
    explore(false, |_, _, after, change| {
        reached.insert(after.mode);
        assert!(change.is_none_or(|c| !c.cause.is_empty()));
    });
    assert_eq!(reached.len(), Mode::ALL.len());
}
