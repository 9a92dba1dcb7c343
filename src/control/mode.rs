//! Modes, and the one function that makes all transitions between them.
//!
//! ```text
//! Init -> Shadow -> Auto <-> Hold -> Fallback -> SafeStop        Manual beside Auto, through the same filter
//! ```
//!
//! | mode | writes | left when |
//! |---|---|---|
//! | Init | nothing | required points good for some cycles -> Shadow |
//! | Shadow | nothing; computes what it would write | an operator arms it, or the plant is simulated -> Auto |
//! | Auto | the policy's request, filtered | soft fault -> Hold; hard fault -> SafeStop; operator -> Manual, Shadow |
//! | Hold | the last request, filtered afresh | recovered for some cycles -> Auto or Manual; hold time over -> Fallback |
//! | Fallback | the good rule, filtered | good for the observation time -> Auto; measurements lost -> SafeStop |
//! | Manual | the operator's set-points, filtered | as Auto |
//! | SafeStop | battery to 0, CHP down, renewables off; then nothing | acknowledged and the cause gone -> Init |
//!
//! Faults are evaluated before anything else, so that an error later in a cycle cannot skip the fallback.

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
        matches!(self, Self::Auto | Self::Hold | Self::Fallback | Self::Manual | Self::SafeStop)
    }
}

/// Times and counts of transitions, ms on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeTimes {
    /// Longest stay in Hold.
    pub hold_ms: u64,
    /// Time without fault that leads from Fallback back to Auto.
    pub observe_ms: u64,
    /// Good cycles that lead out of Init and Hold.
    pub recover_cycles: u32,
    /// How long safe-stop set-points are written before the gateway falls silent and devices revert.
    pub stop_write_ms: u64,
}

impl Default for ModeTimes {
    fn default() -> Self {
        Self { hold_ms: 60_000, observe_ms: 60_000, recover_cycles: 3, stop_write_ms: 3_600_000 }
    }
}

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Enter Auto (authenticated before it gets here).
    Arm,
    /// Compute, write nothing.
    Shadow,
    /// Follow manual set-points.
    Manual,
    /// Stop safely.
    SafeStop,
    /// Latched faults were seen.
    Acknowledge,
}

/// How bad the worst fault of a cycle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing wrong.
    None,
    /// The policy or its model failed; measurements are fine.
    Policy,
    /// A measurement is missing or stale, a device is in local mode, the journal cannot be written.
    Soft,
    /// A device reports a fault: stop, and wait for an operator.
    Hard,
}

/// The worst fault of a cycle, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// How bad.
    pub severity: Severity,
    /// What, for journal and alarm.
    pub cause: String,
}

impl Fault {
    /// No fault.
    #[must_use]
    pub const fn none() -> Self {
        Self { severity: Severity::None, cause: String::new() }
    }
}

/// Mode with what its transitions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeState {
    /// The mode.
    pub mode: Mode,
    /// When it was entered, ms.
    pub since_ms: u64,
    /// Cycles without fault in a row.
    pub good_cycles: u32,
    /// Since when there has been no fault, ms.
    pub good_since_ms: u64,
    /// What Hold returns to.
    pub resume: Mode,
    /// An operator must acknowledge before Init.
    pub latched: bool,
}

/// A transition and its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChange {
    /// Before.
    pub from: Mode,
    /// After.
    pub to: Mode,
    /// Why.
    pub cause: String,
}

/// Everything that a transition may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The cycle's worst fault.
    pub fault: &'a Fault,
    /// Latest wish of an operator in this cycle.
    pub operator: Option<Operator>,
    /// The plant is simulated: Auto needs no arming.
    pub simulated: bool,
    /// The cycle comes before its time: a good one proves no more than the one before it.
    pub early: bool,
    /// Monotonic time, ms.
    pub now_ms: u64,
}

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
            latched: false,
        }
    }

    /// One cycle: counts good cycles, moves at most one edge of the diagram.
    pub fn advance(&mut self, times: &ModeTimes, facts: &Facts<'_>) -> Option<ModeChange> {
        self.count(facts);
        if facts.operator == Some(Operator::Acknowledge) {
            self.latched = false;
        }
        let (to, cause) = self.next(times, facts)?;
        let change = ModeChange { from: self.mode, to, cause };
        if to == Mode::Hold {
            self.resume = self.mode;
        }
        if to == Mode::SafeStop {
            self.latched = true;
        }
        (self.mode, self.since_ms) = (to, facts.now_ms);
        (self.good_cycles, self.good_since_ms) = (0, facts.now_ms);
        Some(change)
    }

    fn count(&mut self, facts: &Facts<'_>) {
        // Init waits for measurements, not for the policy: without one the good rule takes over later.
        let policy_may_fail = self.mode == Mode::Init && facts.fault.severity == Severity::Policy;
        if facts.fault.severity == Severity::None || policy_may_fail {
            self.good_cycles = self.good_cycles.saturating_add(u32::from(!facts.early));
        } else {
            (self.good_cycles, self.good_since_ms) = (0, facts.now_ms);
        }
    }

    fn next(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        let fault = facts.fault;
        if self.mode.writes() && self.mode != Mode::SafeStop {
            if fault.severity == Severity::Hard {
                return Some((Mode::SafeStop, fault.cause.clone()));
            }
            match facts.operator {
                Some(Operator::SafeStop) => return Some((Mode::SafeStop, "operator".into())),
                Some(Operator::Shadow) => return Some((Mode::Shadow, "operator".into())),
                _ => {}
            }
        }
        match self.mode {
            Mode::Init => self.leave_init(times),
            Mode::Shadow => self.leave_shadow(facts),
            Mode::Auto | Mode::Manual => self.leave_control(facts),
            Mode::Hold => self.leave_hold(times, facts),
            Mode::Fallback => self.leave_fallback(times, facts),
            Mode::SafeStop => self.leave_safe_stop(facts),
        }
    }

    fn leave_init(&self, times: &ModeTimes) -> Option<(Mode, String)> {
        (self.good_cycles >= times.recover_cycles).then(|| (Mode::Shadow, "all required points are good".into()))
    }

    fn leave_shadow(&self, facts: &Facts<'_>) -> Option<(Mode, String)> {
        // A cycle that is not clean cannot be the one that takes control.
        if facts.fault.severity >= Severity::Soft {
            return None;
        }
        match facts.operator {
            Some(Operator::Arm) => Some((Mode::Auto, "armed by an operator".into())),
            Some(Operator::Manual) => Some((Mode::Manual, "operator".into())),
            _ if facts.simulated => Some((Mode::Auto, "the plant is simulated".into())),
            _ => None,
        }
    }

    fn leave_control(&self, facts: &Facts<'_>) -> Option<(Mode, String)> {
        let fault = facts.fault;
        match (fault.severity, facts.operator) {
            (Severity::Soft, _) => Some((Mode::Hold, fault.cause.clone())),
            (Severity::Policy, _) if self.mode == Mode::Auto => Some((Mode::Fallback, fault.cause.clone())),
            (_, Some(Operator::Manual)) if self.mode == Mode::Auto => Some((Mode::Manual, "operator".into())),
            (_, Some(Operator::Arm)) if self.mode == Mode::Manual => Some((Mode::Auto, "armed by an operator".into())),
            _ => None,
        }
    }

    fn leave_hold(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        if self.good_cycles >= times.recover_cycles {
            let back = if self.resume == Mode::Manual { Mode::Manual } else { Mode::Auto };
            return Some((back, "recovered".into()));
        }
        let over = facts.now_ms.saturating_sub(self.since_ms) >= times.hold_ms;
        match facts.fault.severity {
            _ if !over => None,
            Severity::Soft | Severity::Hard => Some((Mode::SafeStop, format!("hold time over: {}", facts.fault.cause))),
            Severity::None | Severity::Policy => Some((Mode::Fallback, "hold time over".into())),
        }
    }

    fn leave_fallback(&self, times: &ModeTimes, facts: &Facts<'_>) -> Option<(Mode, String)> {
        match facts.fault.severity {
            Severity::Soft => Some((Mode::Hold, facts.fault.cause.clone())),
            Severity::None if facts.now_ms.saturating_sub(self.good_since_ms) >= times.observe_ms => {
                Some((Mode::Auto, "good for the observation time".into()))
            }
            _ => None,
        }
    }

    fn leave_safe_stop(&self, facts: &Facts<'_>) -> Option<(Mode, String)> {
        let clean = facts.fault.severity < Severity::Soft;
        (!self.latched && clean).then(|| (Mode::Init, "acknowledged, cause gone".into()))
    }
}

#[cfg(test)]
#[path = "mode_tests.rs"]
mod tests;
