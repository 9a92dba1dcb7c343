//! Modes, and the one place that makes all transitions between them.
//!
//! ```text
//! Init -> Shadow -> Auto <-> Hold -> Fallback -> SafeStop        Manual beside Auto, through the same filter
//! ```
//!
//! | mode | writes | left when |
//! |---|---|---|
//! | Init | nothing | required points good for some cycles -> Shadow |
//! | Shadow | nothing; tracks the devices and computes what it would write | armed, or the plant is simulated -> Auto; a SafeStop ordered here is remembered: no arming before it is acknowledged |
//! | Auto | the policy's request, filtered | soft fault -> Hold; hard fault -> SafeStop; policy fault -> Fallback; operator -> Manual, Shadow |
//! | Manual | the operator's set-points, filtered | operator; time limit -> Auto, Fallback where the rule stood in; faults as in Auto |
//! | Hold | the last request of whoever was in charge, filtered afresh with the worst case | recovered -> where it came from; hold time over -> Fallback if the fault is gone or only the policy's, else SafeStop; frequent returns: only after the observation time |
//! | Fallback | the good rule, filtered | good for the observation time -> Auto; soft fault -> Hold and back here; operator -> Manual |
//! | SafeStop | battery to 0, CHP down, renewables off; nothing once the CHP is off and some time has passed | of missing measurements: good for the observation time -> Hold; else acknowledged after the cause is gone, and the CHP off -> Init |
//!
//! In a cycle faults are evaluated first, then commands (the door hands them over, SafeStop first), then time and faults
//! move the mode.

use super::fault::{Fault, Severity};
pub use super::mode_times::ModeTimes;
use memg_core::command::CommandBody;
use serde::{Deserialize, Serialize};

/// Who decides what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Waits for good measurements; writes nothing.
    Init,
    /// Computes and journals; writes nothing.
    Shadow,
    /// The policy's request, filtered.
    Auto,
    /// The last request, filtered afresh every cycle.
    Hold,
    /// The good rule, filtered.
    Fallback,
    /// The operator's set-points, filtered.
    Manual,
    /// Battery to 0, CHP down, renewables off, then silence.
    SafeStop,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 7] =
        [Self::Init, Self::Shadow, Self::Auto, Self::Hold, Self::Fallback, Self::Manual, Self::SafeStop];

    /// As in journals and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Shadow => "shadow",
            Self::Auto => "auto",
            Self::Hold => "hold",
            Self::Fallback => "fallback",
            Self::Manual => "manual",
            Self::SafeStop => "safe_stop",
        }
    }

    /// Set-points may be written in this mode.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Init | Self::Shadow)
    }
}

/// Holds that begin within this many hold times of each other belong together.
const BURST: u64 = 10;
/// From the next hold of a burst on, Hold is left only after the observation time.
const HOLDS_MAX: u32 = 4;

/// Mode with what its transitions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModeState {
    /// Where the machine stands.
    pub mode: Mode,
    /// When it was entered, ms.
    pub since_ms: u64,
    /// Cycles without fault in a row.
    pub good_cycles: u32,
    /// Since when there has been no fault, ms.
    pub good_since_ms: u64,
    /// What Hold returns to.
    pub resume: Mode,
    /// When an operator last took over, ms: the time limit of Manual counts from here, whatever holds lie between.
    #[serde(default)]
    pub manual_ms: u64,
    /// An operator must acknowledge: before a SafeStop ends, or before Shadow can be armed.
    pub latched: bool,
    /// Somebody gave the gateway control of the plant, and nobody took it back.
    #[serde(default)]
    pub armed: bool,
    /// Holds in a row that came soon after each other.
    #[serde(default)]
    pub holds: u32,
    /// When the last of them began, ms.
    #[serde(default)]
    pub held_ms: u64,
    /// The policy failed and was not good for the observation time since: to Auto only through Fallback, whoever came between.
    #[serde(default)]
    pub rule_first: bool,
}

/// A transition and its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChange {
    /// The mode that was left.
    pub from: Mode,
    /// The mode that was entered.
    pub to: Mode,
    /// What led to it, for a person: a fault, a command, a time that is over.
    pub cause: String,
}

/// Everything that a transition may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The cycle's worst fault.
    pub fault: &'a Fault,
    /// The plant is simulated: Auto needs no arming.
    pub simulated: bool,
    /// The cycle comes before its time: a good one proves no more than the one before it.
    pub early: bool,
    /// The CHP runs: a safe stop still has work to do.
    pub chp_runs: bool,
    /// Monotonic time, ms.
    pub now_ms: u64,
}

/// What became of a command about modes: a change or none, or why it is not taken.
pub type Taken = Result<Option<ModeChange>, String>;

impl ModeState {
    /// The state after a start: always Init.
    #[must_use]
    pub const fn start(now_ms: u64) -> Self {
        Self {
            mode: Mode::Init,
            since_ms: now_ms,
            good_cycles: 0,
            good_since_ms: now_ms,
            resume: Mode::Auto,
            manual_ms: now_ms,
            latched: false,
            armed: false,
            holds: 0,
            held_ms: 0,
            rule_first: false,
        }
    }

    /// In control from the first cycle on, as in a co-simulation.
    #[must_use]
    pub const fn in_control(now_ms: u64) -> Self {
        let start = Self::start(now_ms);
        Self { mode: Mode::Auto, armed: true, ..start }
    }

    /// Whose set-points count in Hold: the operator's.
    #[must_use]
    pub fn operator_is_in_charge(&self) -> bool {
        self.mode == Mode::Manual || (self.mode == Mode::Hold && self.resume == Mode::Manual)
    }

    /// Safe-stop set-points have been written for long enough and the CHP is off: the refresh ends, devices revert.
    #[must_use]
    pub fn is_silent(&self, times: &ModeTimes, facts: &Facts<'_>) -> bool {
        let written_ms = facts.now_ms.saturating_sub(self.since_ms);
        self.mode == Mode::SafeStop && written_ms >= times.stop_write_ms && !facts.chp_runs
    }

    /// A command about modes. Commands that do not concern the mode change nothing here.
    ///
    /// # Errors
    /// Why it is not taken; nothing has changed then.
    pub fn command(&mut self, body: &CommandBody, by: &str, times: &ModeTimes, facts: &Facts<'_>) -> Taken {
        match body {
            CommandBody::SafeStop => Ok(self.order_stop(by, times, facts)),
            CommandBody::Acknowledge => self.acknowledge(facts),
            CommandBody::Arm => self.arm(by, times, facts),
            CommandBody::Shadow => self.give_up_control(by, times, facts),
            CommandBody::Manual => self.take_over(Mode::Manual, by, times, facts),
            CommandBody::Auto => self.take_over(Mode::Auto, by, times, facts),
            CommandBody::Setpoints(_) | CommandBody::Limits(_) | CommandBody::GridLimit(_) => Ok(None),
        }
    }

    /// Where nothing is written there is nothing to stop, but nobody may arm before it is acknowledged.
    fn order_stop(&mut self, by: &str, times: &ModeTimes, facts: &Facts<'_>) -> Option<ModeChange> {
        self.latched = true;
        let running = self.mode.writes() && self.mode != Mode::SafeStop;
        running.then(|| self.go(Mode::SafeStop, format!("ordered by {by}"), times, facts))
    }

    fn acknowledge(&mut self, facts: &Facts<'_>) -> Taken {
        if !self.latched {
            return Err("nothing waits for an acknowledgement".into());
        }
        if facts.fault.severity >= Severity::Soft {
            return Err(format!("the cause still stands: {}", facts.fault.cause));
        }
        self.latched = false;
        // Whoever stopped the plant gives control back by arming it again.
        self.armed = false;
        Ok(None)
    }

    fn arm(&mut self, by: &str, times: &ModeTimes, facts: &Facts<'_>) -> Taken {
        if self.latched {
            return Err("a safe stop waits for its acknowledgement".into());
        }
        match self.mode {
            Mode::Shadow if facts.fault.severity >= Severity::Soft => {
                Err(format!("not while something is wrong: {}", facts.fault.cause))
            }
            Mode::Shadow => {
                self.armed = true;
                Ok(Some(self.go(Mode::Auto, format!("armed by {by}"), times, facts)))
            }
            Mode::Init => Err("not before all required points are good".into()),
            Mode::SafeStop => Err("the safe stop is still going on".into()),
            Mode::Auto | Mode::Manual | Mode::Hold | Mode::Fallback => self.take_over(Mode::Auto, by, times, facts),
        }
    }

    fn give_up_control(&mut self, by: &str, times: &ModeTimes, facts: &Facts<'_>) -> Taken {
        match self.mode {
            Mode::Init | Mode::Shadow => Ok(None),
            Mode::SafeStop => Err("a safe stop ends with its acknowledgement".into()),
            Mode::Auto | Mode::Manual | Mode::Hold | Mode::Fallback => {
                self.armed = false;
                Ok(Some(self.go(Mode::Shadow, by.to_owned(), times, facts)))
            }
        }
    }

    /// The operator (Manual) or the policy (Auto) is in charge from now on. Nobody gets here unarmed.
    fn take_over(&mut self, wanted: Mode, by: &str, times: &ModeTimes, facts: &Facts<'_>) -> Taken {
        let in_charge = if self.mode == Mode::Hold { self.resume } else { self.mode };
        let by_hand = wanted == Mode::Manual;
        let change = match (self.mode, in_charge) {
            (Mode::Init | Mode::Shadow, _) => return Err("the gateway is not armed".into()),
            (Mode::SafeStop, _) => return Err("not during a safe stop".into()),
            (_, Mode::Fallback) if wanted == Mode::Auto => {
                return Err("the rule stands in for the policy until it has been good for the observation time".into());
            }
            (Mode::Hold, _) => {
                self.resume = if by_hand { wanted } else { self.automatic() };
                None
            }
            (Mode::Auto | Mode::Manual | Mode::Fallback, _) => {
                let to = if by_hand { wanted } else { self.automatic() };
                (self.mode != to).then(|| self.go(to, by.to_owned(), times, facts))
            }
        };
        self.manual_ms = if by_hand { facts.now_ms } else { self.manual_ms };
        Ok(change)
    }

    /// What follows on an operator: the policy, or the rule as long as it stands in.
    const fn automatic(&self) -> Mode {
        if self.rule_first { Mode::Fallback } else { Mode::Auto }
    }

    /// One cycle: counts good cycles, then time and faults move at most one edge of the diagram.
    pub fn advance(&mut self, times: &ModeTimes, facts: &Facts<'_>) -> Option<ModeChange> {
        self.count(facts);
        if self.mode == Mode::SafeStop {
            self.latched |= facts.fault.latches;
        }
        let (to, cause) = self.next(times, facts)?;
        if to == Mode::SafeStop {
            self.latched |= facts.fault.latches;
        }
        if to == Mode::Init {
            self.armed = false;
        }
        self.armed |= to == Mode::Auto && facts.simulated;
        Some(self.go(to, cause, times, facts))
    }

    fn go(&mut self, to: Mode, cause: String, times: &ModeTimes, facts: &Facts<'_>) -> ModeChange {
        let change = ModeChange { from: self.mode, to, cause };
        if to == Mode::Hold {
            self.begin_hold(times, facts.now_ms);
        }
        self.rule_first = match to {
            Mode::Fallback => true,
            Mode::Auto | Mode::Init | Mode::Shadow | Mode::SafeStop => false,
            Mode::Hold | Mode::Manual => self.rule_first,
        };
        (self.mode, self.since_ms) = (to, facts.now_ms);
        (self.good_cycles, self.good_since_ms) = (0, facts.now_ms);
        change
    }

    fn begin_hold(&mut self, times: &ModeTimes, now_ms: u64) {
        let soon = now_ms.saturating_sub(self.held_ms) < times.hold_ms.saturating_mul(BURST);
        self.holds = if soon && self.holds > 0 { self.holds.saturating_add(1) } else { 1 };
        self.held_ms = now_ms;
        self.resume = if self.mode == Mode::SafeStop { Mode::Auto } else { self.mode };
    }

    fn count(&mut self, facts: &Facts<'_>) {
        // These wait for measurements, not for the policy: without one the good rule takes over later.
        let waits_for_measurements = matches!(self.mode, Mode::Init | Mode::Hold | Mode::SafeStop);
        let policy_may_fail = waits_for_measurements && facts.fault.severity == Severity::Policy;
        if facts.fault.severity == Severity::None || policy_may_fail {
            self.good_cycles = self.good_cycles.saturating_add(u32::from(!facts.early));
        } else {
            (self.good_cycles, self.good_since_ms) = (0, facts.now_ms);
        }
    }

    fn next(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        let fault = facts.fault;
        if self.mode.writes() && self.mode != Mode::SafeStop && fault.severity == Severity::Hard {
            return Some((Mode::SafeStop, fault.cause.clone()));
        }
        match self.mode {
            Mode::Init => self.leave_init(times),
            Mode::Shadow => self.leave_shadow(facts),
            Mode::Auto | Mode::Manual => self.leave_control(times, facts),
            Mode::Hold => self.leave_hold(times, facts),
            Mode::Fallback => self.leave_fallback(times, facts),
            Mode::SafeStop => self.leave_safe_stop(times, facts),
        }
    }

    fn leave_init(&self, times: &ModeTimes) -> Option<(Mode, String)> {
        (self.good_cycles >= times.recover_cycles).then(|| (Mode::Shadow, "all required points are good".into()))
    }

    fn leave_shadow(&self, facts: &Facts<'_>) -> Option<(Mode, String)> {
        // A cycle that is not clean cannot be the one that takes control.
        let free = facts.simulated && !self.latched && facts.fault.severity < Severity::Soft;
        free.then(|| (Mode::Auto, "the plant is simulated".into()))
    }

    fn leave_control(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        let fault = facts.fault;
        let by_hand_ms = facts.now_ms.saturating_sub(self.manual_ms);
        let manual_over = self.mode == Mode::Manual && by_hand_ms >= times.manual_ms;
        match fault.severity {
            Severity::Soft | Severity::Hard => Some((Mode::Hold, fault.cause.clone())),
            Severity::Policy if self.mode == Mode::Auto => Some((Mode::Fallback, fault.cause.clone())),
            Severity::None | Severity::Policy if manual_over => {
                Some((self.automatic(), "the time limit of manual operation".into()))
            }
            Severity::None | Severity::Policy => None,
        }
    }

    fn leave_hold(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        let good_ms = facts.now_ms.saturating_sub(self.good_since_ms);
        let often = self.holds > HOLDS_MAX && good_ms < times.observe_ms;
        if self.good_cycles >= times.recover_cycles && !often {
            return Some((self.resume, "recovered".into()));
        }
        match facts.fault.severity {
            _ if self.lasted(facts) < times.hold_ms => None,
            Severity::Soft | Severity::Hard => Some((Mode::SafeStop, format!("hold time over: {}", facts.fault.cause))),
            Severity::None | Severity::Policy => Some((Mode::Fallback, "hold time over".into())),
        }
    }

    fn leave_fallback(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        match facts.fault.severity {
            Severity::Soft | Severity::Hard => Some((Mode::Hold, facts.fault.cause.clone())),
            Severity::None if facts.now_ms.saturating_sub(self.good_since_ms) >= times.observe_ms => {
                Some((Mode::Auto, "good for the observation time".into()))
            }
            Severity::None | Severity::Policy => None,
        }
    }

    fn leave_safe_stop(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        if self.latched || facts.fault.severity >= Severity::Soft {
            return None;
        }
        if !self.armed {
            // Acknowledged. Init writes nothing: the CHP is unloaded first.
            return (!facts.chp_runs).then(|| (Mode::Init, "acknowledged, cause gone".into()));
        }
        let good_ms = facts.now_ms.saturating_sub(self.good_since_ms);
        (good_ms >= times.observe_ms).then(|| (Mode::Hold, "measurements are back".into()))
    }

    const fn lasted(&self, facts: &Facts<'_>) -> u64 {
        facts.now_ms.saturating_sub(self.since_ms)
    }
}

#[cfg(test)]
#[path = "mode_tests.rs"]
mod tests;
