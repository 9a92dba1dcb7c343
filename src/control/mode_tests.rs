//! Every reachable state of the mode machine, explored.

use super::*;
use std::collections::{HashSet, VecDeque};

const TIMES: ModeTimes = ModeTimes { hold_ms: 2, observe_ms: 2, recover_cycles: 2, stop_write_ms: 10, manual_ms: 3 };

const COMMANDS: [Option<CommandBody>; 7] = [
    None,
    Some(CommandBody::Arm),
    Some(CommandBody::Shadow),
    Some(CommandBody::Manual),
    Some(CommandBody::Auto),
    Some(CommandBody::SafeStop),
    Some(CommandBody::Acknowledge),
];

fn faults() -> [Fault; 5] {
    [Fault::none(), Fault::policy("p"), Fault::soft("s"), Fault::unfollowed("u"), Fault::hard("h")]
}

/// What happened in one cycle of the exploration.
struct Seen<'a> {
    before: ModeState,
    /// After the command, before time and faults.
    between: ModeState,
    after: ModeState,
    command: Option<CommandBody>,
    taken: bool,
    facts: Facts<'a>,
    changes: Vec<ModeChange>,
}

/// Ages beyond what any time asks for are all the same.
fn normal(s: &ModeState, now: u64) -> ModeState {
    let since = |at: u64| 100 - now.saturating_sub(at).min(25);
    ModeState {
        since_ms: since(s.since_ms),
        good_since_ms: since(s.good_since_ms),
        held_ms: since(s.held_ms),
        // It is looked at while an operator is in charge, and set anew when one comes to be.
        manual_ms: if s.operator_is_in_charge() {
            100 - now.saturating_sub(s.manual_ms).min(TIMES.manual_ms)
        } else {
            0
        },
        good_cycles: s.good_cycles.min(3),
        holds: s.holds.min(HOLDS_MAX + 1),
        ..*s
    }
}

/// Visits every reachable state under every fault, command and state of the CHP.
fn explore(simulated: bool, mut each: impl FnMut(&Seen<'_>)) {
    let mut queue = VecDeque::from([normal(&ModeState::start(0), 0)]);
    let mut known = HashSet::new();
    while let Some(before) = queue.pop_front() {
        if !known.insert(before) {
            continue;
        }
        for fault in faults() {
            for (command, chp_runs) in COMMANDS.into_iter().flat_map(|c| [(c, false), (c, true)]) {
                let facts = Facts { fault: &fault, simulated, early: false, chp_runs, now_ms: 101 };
                let mut state = before;
                let taken = command.map(|body| state.command(&body, "anna", &TIMES, &facts));
                let between = state;
                let mut changes: Vec<ModeChange> = taken.iter().flatten().flatten().cloned().collect();
                changes.extend(state.advance(&TIMES, &facts));
                let taken = taken.is_some_and(|taken| taken.is_ok());
                each(&Seen { before, between, after: state, command, taken, facts, changes });
                queue.push_back(normal(&state, 101));
            }
        }
    }
    assert!(known.len() > 100, "explored {} states", known.len());
}

#[test]
fn a_real_plant_is_never_written_before_somebody_armed_it_in_shadow() {
    explore(false, |seen| {
        if !seen.before.mode.writes() && seen.after.mode.writes() {
            assert_eq!((seen.command, seen.before.mode), (Some(CommandBody::Arm), Mode::Shadow));
            assert!(seen.facts.fault.severity < Severity::Soft && !seen.before.latched);
        }
        assert!(!seen.after.mode.writes() || seen.after.armed || seen.after.mode == Mode::SafeStop, "{:?}", seen.after);
    });
}

#[test]
fn a_hard_fault_stops_every_writing_mode_at_once_and_waits_for_an_operator() {
    explore(true, |seen| {
        if seen.between.mode.writes() && seen.facts.fault.severity == Severity::Hard {
            assert_eq!(seen.after.mode, Mode::SafeStop, "{:?}", seen.before);
            assert!(seen.after.latched);
        }
    });
}

#[test]
fn a_soft_fault_never_leaves_policy_rule_or_operator_in_control() {
    explore(true, |seen| {
        if seen.facts.fault.severity >= Severity::Soft {
            let in_control = matches!(seen.after.mode, Mode::Auto | Mode::Manual | Mode::Fallback);
            assert!(!in_control, "{:?} {:?}", seen.before, seen.after);
        }
    });
}

#[test]
fn a_latched_stop_is_left_only_when_acknowledged_after_its_cause_and_with_the_chp_off() {
    explore(true, |seen| {
        if seen.before.mode == Mode::SafeStop && seen.after.mode == Mode::Init {
            assert!(!seen.facts.chp_runs && seen.facts.fault.severity < Severity::Soft);
            assert!(!seen.before.latched || seen.command == Some(CommandBody::Acknowledge));
        }
        if seen.before.latched && !seen.after.latched {
            assert!(seen.command == Some(CommandBody::Acknowledge) && seen.taken);
            assert!(seen.facts.fault.severity < Severity::Soft, "not while the cause stands");
        }
        if seen.before.mode == Mode::SafeStop && seen.before.latched && seen.command != Some(CommandBody::Acknowledge) {
            assert_eq!(seen.after.mode, Mode::SafeStop);
        }
    });
}

#[test]
fn control_begins_in_shadow_alone_and_init_leads_nowhere_else() {
    for simulated in [false, true] {
        explore(simulated, |seen| {
            for change in &seen.changes {
                assert!(change.from != Mode::Init || change.to == Mode::Shadow, "{change:?}");
                let begins = change.to.writes() && !change.from.writes();
                assert!(!begins || (change.from, change.to) == (Mode::Shadow, Mode::Auto), "{change:?}");
            }
            let latched = seen.before.latched && seen.command != Some(CommandBody::Acknowledge);
            assert!(!latched || !seen.after.mode.writes() || seen.before.mode.writes(), "{:?}", seen.before);
        });
    }
}

/// The states that can be reached, each once.
fn reachable(simulated: bool) -> HashSet<ModeState> {
    let mut states = HashSet::new();
    explore(simulated, |seen| {
        states.insert(normal(&seen.after, 101));
    });
    states
}

/// Where a state comes to rest while this fault stands and nobody commands.
fn rest(state: &ModeState, fault: &Fault, simulated: bool) -> (Mode, bool) {
    let (mut state, mut modes) = (*state, Vec::new());
    for now_ms in 102..202 {
        state.advance(&TIMES, &Facts { fault, simulated, early: false, chp_runs: false, now_ms });
        modes.push(state.mode);
    }
    (state.mode, modes[50..].iter().all(|mode| *mode == state.mode))
}

#[test]
fn whatever_stands_every_state_comes_to_rest_by_its_timers_in_a_mode_that_is_safe_for_it() {
    for (state, simulated) in
        [false, true].into_iter().flat_map(|s| reachable(s).into_iter().map(move |state| (state, s)))
    {
        for fault in faults() {
            let (mode, rests) = rest(&state, &fault, simulated);
            let safe = match fault.severity {
                Severity::None => mode != Mode::Hold && mode != Mode::Fallback && mode != Mode::Manual,
                Severity::Policy => !matches!(mode, Mode::Hold | Mode::Auto | Mode::Manual),
                // Nothing is written, or the safe stop is.
                Severity::Soft | Severity::Hard => matches!(mode, Mode::SafeStop | Mode::Init | Mode::Shadow),
            };
            assert!(rests && safe, "{state:?} under {fault:?} comes to {mode:?}");
        }
    }
}

/// How careful a mode is: where nothing is written, as careful as a safe stop.
const fn care(mode: Mode) -> u8 {
    match mode {
        Mode::Auto | Mode::Manual => 0,
        Mode::Fallback => 1,
        Mode::Hold => 2,
        Mode::Init | Mode::Shadow | Mode::SafeStop => 3,
    }
}

#[test]
fn what_comes_together_is_never_milder_than_each_alone_whatever_is_commanded() {
    let after = |state: &ModeState, fault: &Fault, command: Option<CommandBody>| {
        let mut state = *state;
        let facts = Facts { fault, simulated: false, early: false, chp_runs: false, now_ms: 101 };
        let _ = command.map(|body| state.command(&body, "anna", &TIMES, &facts));
        state.advance(&TIMES, &facts);
        (care(state.mode), state.latched)
    };
    for state in reachable(false) {
        for command in COMMANDS {
            for (one, other) in faults().into_iter().flat_map(|one| faults().map(|other| (one.clone(), other))) {
                let both = after(&state, &one.clone().worse(other.clone()), command);
                for alone in [one, other].map(|fault| after(&state, &fault, command)) {
                    assert!(
                        both.0 >= alone.0 && both.1 >= alone.1,
                        "{state:?} {command:?}: {alone:?}, together {both:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_acknowledgement_in_advance_is_rejected_and_clears_nothing() {
    explore(true, |seen| {
        if seen.command == Some(CommandBody::Acknowledge) && !seen.before.latched {
            assert!(!seen.taken && seen.between == seen.before);
        }
    });
}

#[test]
fn a_rejected_command_changes_nothing_and_a_stop_is_never_rejected() {
    explore(false, |seen| {
        assert!(seen.taken || seen.between == seen.before);
        if seen.command == Some(CommandBody::SafeStop) {
            assert!(seen.taken && seen.after.latched);
            assert!(!seen.after.mode.writes() || seen.after.mode == Mode::SafeStop);
        }
    });
}

#[test]
fn hold_returns_to_where_it_came_from_or_where_an_operator_wants_it() {
    explore(true, |seen| {
        for change in seen.changes.iter().filter(|change| change.from == Mode::Hold && change.cause == "recovered") {
            assert_eq!(change.to, seen.between.resume);
            assert!(matches!(change.to, Mode::Auto | Mode::Manual | Mode::Fallback));
        }
    });
}

#[test]
fn from_the_rule_to_the_policy_leads_the_observation_time_alone_hold_or_not() {
    let mut by_hand = false;
    explore(false, |seen| {
        let (s, between) = (seen.before, seen.between);
        let ruled = s.mode == Mode::Fallback || (s.mode == Mode::Hold && s.resume == Mode::Fallback);
        if ruled && matches!(seen.command, Some(CommandBody::Auto | CommandBody::Arm)) {
            assert!(!seen.taken && between == s, "{s:?}");
        }
        assert!(!ruled || s.rule_first, "{s:?}");
        // An operator in between shortens nothing: neither by a command nor by the end of the time limit.
        by_hand |= s.mode == Mode::Manual && s.rule_first && seen.after.mode == Mode::Fallback;
        if s.rule_first && seen.after.mode == Mode::Auto {
            assert!(s.mode == Mode::Fallback && seen.facts.now_ms - s.good_since_ms >= TIMES.observe_ms, "{s:?}");
        }
    });
    assert!(by_hand);
}

#[test]
fn manual_ends_with_its_time_and_works_from_hold_and_fallback() {
    let mut reached = HashSet::new();
    explore(true, |seen| {
        for change in seen.changes.iter().filter(|change| change.to == Mode::Manual) {
            reached.insert(change.from);
        }
        let lasted = seen.facts.now_ms - seen.before.manual_ms;
        if seen.before.mode == Mode::Manual && seen.command.is_none() && lasted >= TIMES.manual_ms {
            assert_ne!(seen.after.mode, Mode::Manual);
        }
    });
    assert_eq!(reached, HashSet::from([Mode::Auto, Mode::Hold, Mode::Fallback]));
}

#[test]
fn every_mode_is_reachable_and_every_change_has_a_cause() {
    let mut reached = HashSet::new();
    explore(false, |seen| {
        reached.insert(seen.after.mode);
        assert!(seen.changes.iter().all(|c| !c.cause.is_empty()));
        if seen.changes.len() < 2 {
            assert_eq!(seen.changes.is_empty(), seen.before.mode == seen.after.mode);
        }
    });
    assert_eq!(reached.len(), Mode::ALL.len());
}

/// Lives through cycles of one second with these faults; the modes at their ends.
fn live(state: &mut ModeState, from_s: u64, faults: impl IntoIterator<Item = Fault>) -> Vec<Mode> {
    let times = ModeTimes::default();
    let mut modes = Vec::new();
    for (n, fault) in faults.into_iter().enumerate() {
        let now_ms = 1000 * (from_s + n as u64);
        let facts = Facts { fault: &fault, simulated: false, early: false, chp_runs: false, now_ms };
        state.advance(&times, &facts);
        modes.push(state.mode);
    }
    modes
}

#[test]
fn a_fault_every_five_seconds_does_not_go_on_for_ever_between_auto_and_hold() {
    let mut state = ModeState::in_control(0);
    let flapping = (0..600).map(|s| if s % 5 == 0 { Fault::soft("flaps") } else { Fault::none() });
    let modes = live(&mut state, 0, flapping);
    let returns = modes.windows(2).filter(|pair| pair[0] == Mode::Hold && pair[1] == Mode::Auto).count();
    assert_eq!(returns, HOLDS_MAX as usize);
    assert!(modes[100..].iter().all(|mode| *mode != Mode::Auto), "it is left to the rule, or stopped");
}

#[test]
fn holds_in_between_do_not_prolong_manual_operation_but_the_operator_can() {
    let ends = |again: bool| {
        let mut state = ModeState::in_control(0);
        let none = Fault::none();
        let facts = |s: u64| Facts { fault: &none, simulated: false, early: false, chp_runs: false, now_ms: 1000 * s };
        let times = ModeTimes::default();
        state.command(&CommandBody::Manual, "anna", &times, &facts(0)).expect("it is taken");
        for hour in 0..6 {
            if again && hour == 3 {
                state.command(&CommandBody::Manual, "anna", &times, &facts(3 * 3600)).expect("it is taken");
            }
            let faults = (0..3600).map(|s| if s == 1800 { Fault::soft("blip") } else { Fault::none() });
            let modes = live(&mut state, hour * 3600, faults);
            if let Some(at) = modes.iter().position(|mode| *mode == Mode::Auto) {
                return Some(hour * 3600 + at as u64);
            }
        }
        None
    };
    assert_eq!((ends(false), ends(true)), (Some(4 * 3600), None), "four hours after the operator's last word");
}

#[test]
fn a_blip_in_fallback_does_not_shorten_the_observation_time() {
    let mut state = ModeState { mode: Mode::Fallback, ..ModeState::in_control(0) };
    let faults = (0..120).map(|s| if s == 30 { Fault::soft("blip") } else { Fault::none() });
    let modes = live(&mut state, 0, faults);
    let back = modes.iter().position(|mode| *mode == Mode::Auto).expect("it comes back");
    assert!(back >= 30 + 60, "at {back} s");
}

#[test]
fn a_stop_that_missing_measurements_caused_ends_by_itself_through_hold() {
    let mut state = ModeState::in_control(0);
    let faults = (0..300).map(|s| if s < 100 { Fault::soft("soc is not usable") } else { Fault::none() });
    let modes = live(&mut state, 0, faults);
    let steps: Vec<Mode> = modes.iter().copied().fold(Vec::new(), |mut list, mode| {
        if list.last() != Some(&mode) {
            list.push(mode);
        }
        list
    });
    assert_eq!(steps, [Mode::Hold, Mode::SafeStop, Mode::Hold, Mode::Auto]);
    let mut state = ModeState::in_control(0);
    let unfollowed = (0..300).map(|s| if s < 100 { Fault::unfollowed("told 50, does 0") } else { Fault::none() });
    assert_eq!(live(&mut state, 0, unfollowed).last(), Some(&Mode::SafeStop), "a device that did not follow latches");
}
