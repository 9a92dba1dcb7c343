//! What control remembers from one step to the next: last set-points and how long the CHP has been in its state.
//!
//! Time is an argument: whoever owns the clock calls [`ControlMemory::elapse`].

use crate::constraint::Anchor;
use crate::safety::Verdict;
use crate::units::Watts;
use serde::{Deserialize, Serialize};

/// Long enough in its state to switch freely, whatever the minimum times are.
const FREE_MS: i64 = i64::MAX / 4;

/// Past of the set-points. Survives a restart in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlMemory {
    /// Set-points at the end of the last step.
    pub anchor_battery: Watts,
    /// CHP set-point at the end of the last step; 0 if it was off.
    pub anchor_chp: Watts,
    /// Latest battery set-point, without droop.
    pub battery: Watts,
    /// Latest CHP set-point.
    pub chp: Watts,
    /// The CHP is on.
    pub chp_on: bool,
    /// Time since the CHP was switched, ms.
    pub chp_in_state_ms: i64,
}

impl ControlMemory {
    /// Battery at zero, CHP off and free to start.
    #[must_use]
    pub const fn at_rest() -> Self {
        Self {
            anchor_battery: Watts::ZERO,
            anchor_chp: Watts::ZERO,
            battery: Watts::ZERO,
            chp: Watts::ZERO,
            chp_on: false,
            chp_in_state_ms: FREE_MS,
        }
    }

    /// Bumpless entry: from measured powers, with the CHP in its measured state since `chp_in_state_ms`.
    #[must_use]
    pub const fn from_measured(battery: Watts, chp: Watts, chp_on: bool, chp_in_state_ms: i64) -> Self {
        Self { anchor_battery: battery, anchor_chp: chp, battery, chp, chp_on, chp_in_state_ms }
    }

    /// A new step begins: ramps count from the latest set-points.
    pub const fn begin_step(&mut self) {
        self.anchor_battery = self.battery;
        self.anchor_chp = self.chp;
    }

    /// What the filter needs to know, for set-points that hold for `hold_ms`.
    #[must_use]
    pub const fn anchor(&self, hold_ms: i64) -> Anchor {
        Anchor {
            battery: self.anchor_battery,
            chp: self.anchor_chp,
            chp_now: self.chp,
            chp_on: self.chp_on,
            chp_in_state_ms: self.chp_in_state_ms,
            hold_ms,
        }
    }

    /// Remembers what was decided.
    pub fn record(&mut self, verdict: &Verdict) {
        if verdict.safe.chp_on() != self.chp_on {
            self.chp_in_state_ms = 0;
            // A unit that has just been switched has no power to ramp from: it stays at minimum power until the next step.
            self.anchor_chp = Watts::ZERO;
            self.chp_on = verdict.safe.chp_on();
        }
        self.battery = verdict.battery_base;
        self.chp = verdict.safe.chp();
    }

    /// Time passes.
    pub const fn elapse(&mut self, ms: i64) {
        self.chp_in_state_ms = self.chp_in_state_ms.saturating_add(ms);
    }
}
