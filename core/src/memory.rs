//! What control remembers from one step to the next: last set-points and how long the CHP has been in its state.
//!
//! Time is an argument: whoever owns the clock calls [`ControlMemory::elapse`].

use crate::constraint::Anchor;
use crate::equipment::Plant;
use crate::plant_state::PlantState;
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

    /// Bumpless entry: ramps count from what the plant measures, within ratings; what is not measured stays as it was.
    /// The CHP's time in its state is kept while that state agrees, else it starts anew.
    #[must_use]
    pub fn bumpless(plant: &Plant, state: &PlantState, past: &Self) -> Self {
        let battery = state.battery.usable().map_or(past.battery, Watts::nearest);
        let (power, on) = state.observed_chp(plant.chp_min()).unwrap_or((past.chp, past.chp_on));
        let chp = if on { power.within(plant.chp_min(), plant.chp_max()) } else { Watts::ZERO };
        let in_state = if on == past.chp_on { past.chp_in_state_ms } else { 0 };
        Self::from_measured(battery.within(-plant.discharge_max(), plant.charge_max()), chp, on, in_state)
    }

    /// The same memory with a CHP that may switch at once, as at the start of a simulation.
    #[must_use]
    pub const fn free_to_switch(self) -> Self {
        Self { chp_in_state_ms: FREE_MS, ..self }
    }

    /// What the CHP is seen to do runs its timers: a unit that stopped or started by itself, or did not do what it was
    /// told within `response_ms` of the last switch, is taken as it is, from now on. The incident: a unit that a network
    /// outage had stopped was started again 40 s after its own stop.
    pub fn observe_chp(&mut self, plant: &Plant, state: &PlantState, response_ms: i64) {
        let Some((power, on)) = state.observed_chp(plant.chp_min()) else { return };
        if on == self.chp_on || self.chp_in_state_ms < response_ms {
            return;
        }
        let chp = if on { power.within(plant.chp_min(), plant.chp_max()) } else { Watts::ZERO };
        (self.chp_on, self.chp_in_state_ms) = (on, 0);
        (self.chp, self.anchor_chp) = (chp, chp);
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
            battery_now: self.battery,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Measurement;
    use crate::plant_state::Signal;

    fn seen(battery_kw: Option<f64>, chp: Option<(f64, bool)>) -> PlantState {
        let image = |signal| match signal {
            Signal::BatteryKw => battery_kw.map_or(Measurement::absent(), Measurement::good),
            Signal::ChpKw => chp.map_or(Measurement::absent(), |(kw, _)| Measurement::good(kw)),
            Signal::ChpOn => chp.map_or(Measurement::absent(), |(_, on)| Measurement::good(f64::from(u8::from(on)))),
            _ => Measurement::absent(),
        };
        PlantState::from_image(image, 0.0)
    }

    #[test]
    fn an_entry_starts_from_what_is_measured_within_ratings() {
        let plant = Plant::reference();
        let past = ControlMemory::from_measured(Watts::new(5_000), Watts::new(20_000), true, 77);
        let cases = [
            (Some(-7.0), Some((30.0, true)), (-7_000, 30_000, true, 77)),
            (Some(-70.0), Some((0.0, false)), (-50_000, 0, false, 0)),
            (None, Some((4.0, true)), (5_000, 10_000, true, 77)),
            (None, None, (5_000, 20_000, true, 77)),
        ];
        for (battery, chp, expected) in cases {
            let m = ControlMemory::bumpless(&plant, &seen(battery, chp), &past);
            assert_eq!((m.battery.get(), m.chp.get(), m.chp_on, m.chp_in_state_ms), expected);
            assert_eq!((m.anchor_battery, m.anchor_chp), (m.battery, m.chp));
        }
    }

    #[test]
    fn a_chp_that_stopped_by_itself_has_to_stay_off_for_its_minimum_time_from_then_on() {
        let plant = Plant::reference();
        let mut memory = ControlMemory::from_measured(Watts::ZERO, Watts::new(11_467), true, 5_000_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert_eq!((memory.chp_on, memory.chp_in_state_ms, memory.chp), (false, 0, Watts::ZERO));
        memory.elapse(40_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert_eq!(memory.chp_in_state_ms, 40_000, "the timer runs on");
    }

    #[test]
    fn a_chp_that_is_still_starting_is_given_its_time() {
        let plant = Plant::reference();
        let mut memory = ControlMemory::from_measured(Watts::ZERO, Watts::new(10_000), true, 59_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert!(memory.chp_on);
        memory.elapse(1_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert!(!memory.chp_on);
    }
}
