//! What a mode means and what comes next, in plain words: for page, alarms and terminal. It decides nothing; the transitions
//! that it tells of are those of [`super::mode`].

use super::fault::{Fault, Severity};
use super::mode::{Mode, ModeState, ModeTimes};

/// What comes next if nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What, without time: "the gateway stops safely".
    pub what: String,
    /// When, on the clock of the modes, ms; `None` = it does not depend on time alone.
    pub at_ms: Option<u64>,
}

/// Why the gateway does what it does. `cause` is that of the last change of mode.
#[must_use]
pub fn why(mode: &ModeState, fault: Option<&Fault>, cause: &str) -> String {
    let because = fault.map_or(cause, |fault| fault.cause.as_str());
    let because = if because.is_empty() { "it was told to" } else { because };
    match mode.mode {
        Mode::Init => fault.map_or_else(
            || "It waits until all required points are good; nothing is written.".into(),
            |fault| format!("It waits for good measurements, nothing is written: {}.", fault.cause),
        ),
        Mode::Shadow if mode.latched => {
            "It computes and writes nothing; a safe stop waits for its acknowledgement.".into()
        }
        Mode::Shadow => "It computes what it would write, and writes nothing.".into(),
        Mode::Auto => "The policy decides, and the safety filter keeps it within limits.".into(),
        Mode::Manual => format!("The set-points are given by hand, and filtered: {cause}."),
        Mode::Hold => format!("It holds the last request, filtered afresh: {because}."),
        Mode::Fallback => format!("The good rule decides in place of the policy: {because}."),
        Mode::SafeStop => format!("It stops safely, battery at 0, CHP off, renewables off: {cause}."),
    }
}

/// What comes next, if nothing changes.
#[must_use]
pub fn next(mode: &ModeState, times: &ModeTimes, fault: Option<&Fault>, simulated: bool) -> Option<Next> {
    let severity = fault.map_or(Severity::None, |fault| fault.severity);
    let say = |what: &str, at_ms: Option<u64>| Some(Next { what: what.to_owned(), at_ms });
    let held = mode.since_ms.saturating_add(times.hold_ms);
    match mode.mode {
        Mode::Init => say("it computes without writing (Shadow) as soon as all required points are good", None),
        Mode::Shadow if mode.latched => say("it can be armed once the safe stop is acknowledged", None),
        Mode::Shadow if simulated => {
            say("it takes control (Auto) with the next good cycle: the plant is simulated", None)
        }
        Mode::Shadow => say("it takes control (Auto) when an operator arms it", None),
        Mode::Auto => None,
        Mode::Manual => say("the automatic takes over again", Some(mode.manual_ms.saturating_add(times.manual_ms))),
        Mode::Hold if severity >= Severity::Soft => say("the gateway stops safely", Some(held)),
        Mode::Hold => {
            let what = format!("it goes back to {} as soon as it has been good for some cycles", mode.resume.name());
            Some(Next { what, at_ms: None })
        }
        Mode::Fallback if severity == Severity::None => {
            say("the policy decides again", Some(mode.good_since_ms.saturating_add(times.observe_ms)))
        }
        Mode::Fallback => say("the policy decides again once it has been good for the observation time", None),
        Mode::SafeStop if mode.latched => say("nothing moves before an operator acknowledges", None),
        Mode::SafeStop if mode.armed => say("it goes on by itself once measurements have been good for a while", None),
        Mode::SafeStop => say("it starts anew (Init) when the CHP is off", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_come_next_is_what_the_modes_do() {
        let times = ModeTimes::default();
        let fault = Fault::soft("chp_kw is lost");
        let at = |mode| ModeState { mode, since_ms: 1000, good_since_ms: 1000, ..ModeState::start(0) };
        let hold = at(Mode::Hold);
        assert_eq!(
            next(&hold, &times, Some(&fault), false),
            Some(Next { what: "the gateway stops safely".into(), at_ms: Some(1000 + times.hold_ms) })
        );
        let facts = super::super::mode::Facts {
            fault: &fault,
            simulated: false,
            early: false,
            chp_runs: false,
            now_ms: 1000 + times.hold_ms,
        };
        let mut moved = hold;
        let change = moved.advance(&times, &facts);
        assert_eq!(change.map(|change| change.to), Some(Mode::SafeStop));
        assert!(why(&hold, Some(&fault), "").contains("chp_kw is lost"));
        assert_eq!(next(&at(Mode::Auto), &times, None, false), None);
    }

    #[test]
    fn every_mode_has_its_sentence() {
        for mode in Mode::ALL {
            let state = ModeState { mode, ..ModeState::start(0) };
            let said = why(&state, None, "anna");
            assert!(said.ends_with('.') && said.len() > 20, "{mode:?}: {said}");
        }
    }
}
