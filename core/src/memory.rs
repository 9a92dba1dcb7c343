//! What control remembers from one step to the next: last set-points and how long the CHP has been in its state.
//!
//! Time is an argument: whoever owns the clock calls [`ControlMemory::elapse`].

use crate::constraint::Anchor;
use crate::equipment::{Plant, UNITS_MAX};
use crate::plant_state::PlantState;
use crate::safety::Verdict;
use crate::units::Watts;
use serde::{Deserialize, Serialize};

/// Long enough in its state to switch freely, whatever the minimum times are.
const FREE_MS: i64 = i64::MAX / 4;

/// What is remembered of a battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BatteryMemory {
    /// Set-point at the end of the last step: ramps count from here.
    pub anchor: Watts,
    /// Latest set-point, without droop.
    pub now: Watts,
}

/// What is remembered of a CHP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChpMemory {
    /// Set-point at the end of the last step; 0 if it was off.
    pub anchor: Watts,
    /// Latest set-point.
    pub now: Watts,
    /// It is on.
    pub on: bool,
    /// Time since it was switched, ms.
    pub in_state_ms: i64,
}

impl Default for ChpMemory {
    fn default() -> Self {
        Self { anchor: Watts::ZERO, now: Watts::ZERO, on: false, in_state_ms: FREE_MS }
    }
}

/// Past of the set-points, unit by unit. Survives a restart in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlMemory {
    /// Of each battery; those that a plant does not have stay at rest.
    #[serde(with = "rest_left_out")]
    pub batteries: [BatteryMemory; UNITS_MAX],
    /// Of each CHP.
    #[serde(with = "rest_left_out")]
    pub chps: [ChpMemory; UNITS_MAX],
}

/// Lists of units without those at the end that are at rest.
pub(crate) mod rest_left_out {
    use super::UNITS_MAX;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<T: Serialize + Default + PartialEq, S: Serializer>(
        units: &[T; UNITS_MAX],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let used = units.iter().rposition(|unit| *unit != T::default()).map_or(1, |last| last + 1);
        serializer.collect_seq(units.iter().take(used))
    }

    pub fn deserialize<'de, T: Deserialize<'de> + Default + Copy, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[T; UNITS_MAX], D::Error> {
        let read = Vec::<T>::deserialize(deserializer)?;
        let mut units = [T::default(); UNITS_MAX];
        let slots = units.get_mut(..read.len());
        slots.ok_or_else(|| de::Error::invalid_length(read.len(), &"at most four units"))?.copy_from_slice(&read);
        Ok(units)
    }
}

impl ControlMemory {
    /// Batteries at zero, CHPs off and free to start.
    #[must_use]
    pub fn at_rest() -> Self {
        Self::default()
    }

    /// One battery and one CHP at these powers, the CHP in its state since `chp_in_state_ms`.
    #[must_use]
    pub fn from_measured(battery: Watts, chp: Watts, chp_on: bool, chp_in_state_ms: i64) -> Self {
        let (battery, chp) = (
            BatteryMemory { anchor: battery, now: battery },
            ChpMemory { anchor: chp, now: chp, on: chp_on, in_state_ms: chp_in_state_ms },
        );
        let (no_battery, no_chp) = (BatteryMemory::default(), ChpMemory::default());
        Self { batteries: [battery, no_battery, no_battery, no_battery], chps: [chp, no_chp, no_chp, no_chp] }
    }

    /// Latest set-point of all batteries, without droop.
    #[must_use]
    pub fn battery(&self) -> Watts {
        self.batteries.iter().map(|battery| battery.now).sum()
    }
    /// Latest set-point of all CHPs.
    #[must_use]
    pub fn chp(&self) -> Watts {
        self.chps.iter().map(|chp| chp.now).sum()
    }
    /// Any CHP is on.
    #[must_use]
    pub fn chp_on(&self) -> bool {
        self.chps.iter().any(|chp| chp.on)
    }
    /// How long any CHP has been on, or all have been off, ms.
    #[must_use]
    pub fn chp_in_state_ms(&self) -> i64 {
        let on = self.chps.iter().filter(|chp| chp.on).map(|chp| chp.in_state_ms).max();
        on.or(self.chps.iter().map(|chp| chp.in_state_ms).min()).unwrap_or(FREE_MS)
    }

    /// Bumpless entry: ramps count from what the plant measures, within ratings; what is not measured stays as it was.
    /// The CHP's time in its state is kept while that state agrees, else it starts anew.
    #[must_use]
    pub fn bumpless(plant: &Plant, state: &PlantState, past: &Self) -> Self {
        let mut memory = *past;
        let batteries = memory.batteries.iter_mut().zip(plant.batteries().iter()).zip(&state.batteries);
        for ((battery, unit), seen) in batteries {
            let power = seen.power.usable().map_or(battery.now, Watts::nearest);
            let power = power.within(-unit.discharge_max, unit.charge_max);
            *battery = BatteryMemory { anchor: power, now: power };
        }
        for ((chp, unit), seen) in memory.chps.iter_mut().zip(plant.chps().iter()).zip(&state.chps) {
            let (power, on) = seen.observed(unit.min).unwrap_or((chp.now, chp.on));
            let power = if on { power.within(unit.min, unit.max) } else { Watts::ZERO };
            let in_state_ms = if on == chp.on { chp.in_state_ms } else { 0 };
            *chp = ChpMemory { anchor: power, now: power, on, in_state_ms };
        }
        memory
    }

    /// The same memory with CHPs that may switch at once, as at the start of a simulation.
    #[must_use]
    pub fn free_to_switch(mut self) -> Self {
        self.chps.iter_mut().for_each(|chp| chp.in_state_ms = FREE_MS);
        self
    }

    /// What a CHP is seen to do runs its timers: a unit that stopped or started by itself, or did not do what it was
    /// told within `response_ms` of the last switch, is taken as it is, from now on. The incident: a unit that a network
    /// outage had stopped was started again 40 s after its own stop.
    pub fn observe_chp(&mut self, plant: &Plant, state: &PlantState, response_ms: i64) {
        for ((chp, unit), seen) in self.chps.iter_mut().zip(plant.chps().iter()).zip(&state.chps) {
            let Some((power, on)) = seen.observed(unit.min) else { continue };
            if on == chp.on || chp.in_state_ms < response_ms {
                continue;
            }
            let power = if on { power.within(unit.min, unit.max) } else { Watts::ZERO };
            *chp = ChpMemory { anchor: power, now: power, on, in_state_ms: 0 };
        }
    }

    /// A new step begins: ramps count from the latest set-points.
    pub fn begin_step(&mut self) {
        self.batteries.iter_mut().for_each(|battery| battery.anchor = battery.now);
        self.chps.iter_mut().for_each(|chp| chp.anchor = chp.now);
    }

    /// What the filter needs to know, for set-points that hold for `hold_ms`.
    #[must_use]
    pub const fn anchor(&self, hold_ms: i64) -> Anchor {
        Anchor { memory: *self, hold_ms }
    }

    /// Remembers what was decided.
    pub fn record(&mut self, verdict: &Verdict) {
        for (battery, base) in self.batteries.iter_mut().zip(verdict.battery_base) {
            battery.now = base;
        }
        for (chp, safe) in self.chps.iter_mut().zip(verdict.safe.chps()) {
            if safe.on != chp.on {
                // A unit that has just been switched has no power to ramp from: it stays at minimum power until the next step.
                (chp.on, chp.in_state_ms, chp.anchor) = (safe.on, 0, Watts::ZERO);
            }
            chp.now = safe.power;
        }
    }

    /// Time passes.
    pub fn elapse(&mut self, ms: i64) {
        self.chps.iter_mut().for_each(|chp| chp.in_state_ms = chp.in_state_ms.saturating_add(ms));
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
            assert_eq!((m.battery().get(), m.chp().get(), m.chp_on(), m.chp_in_state_ms()), expected);
            assert_eq!((m.batteries[0].anchor, m.chps[0].anchor), (m.battery(), m.chp()));
        }
    }

    #[test]
    fn a_chp_that_stopped_by_itself_has_to_stay_off_for_its_minimum_time_from_then_on() {
        let plant = Plant::reference();
        let mut memory = ControlMemory::from_measured(Watts::ZERO, Watts::new(11_467), true, 5_000_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert_eq!((memory.chp_on(), memory.chp_in_state_ms(), memory.chp()), (false, 0, Watts::ZERO));
        memory.elapse(40_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert_eq!(memory.chp_in_state_ms(), 40_000, "the timer runs on");
    }

    #[test]
    fn a_chp_that_is_still_starting_is_given_its_time() {
        let plant = Plant::reference();
        let mut memory = ControlMemory::from_measured(Watts::ZERO, Watts::new(10_000), true, 59_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert!(memory.chp_on());
        memory.elapse(1_000);
        memory.observe_chp(&plant, &seen(None, Some((0.0, false))), 60_000);
        assert!(!memory.chp_on());
    }
}
