//! Whether devices do what they are told, as their own meters show it.
//!
//! A deviation beyond tolerance for longer than the response time is a fault, and the filter then counts with what the
//! device does: it holds the battery where it is, and adds to the doubt about the net load what the CHP gives too little
//! or too much. It ends when the device is where it was told to be.

use super::cycle::ControlConfig;
use super::fault::Fault;
use memg_core::measurement::Quality;
use memg_core::plant_state::PlantState;
use memg_core::safety::Verdict;
use memg_core::units::{Kilowatts, Watts};
use serde::{Deserialize, Serialize};

/// Share of its rated power by which a device may be off.
const TOLERANCE: f64 = 0.05;

/// What the battery was told and since when it does something else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Following {
    /// The battery's latest written set-point that counts, droop included; `None` = none was written.
    told: Option<Watts>,
    /// Since when the measured power is beyond tolerance, ms monotonic.
    off_since_ms: Option<u64>,
    /// What it does instead, once that has lasted.
    fixed: Option<Watts>,
    /// The same of a running CHP.
    #[serde(default)]
    chp: ChpFollowing,
}

/// What the CHP was told and since when it runs at another power. Whether it runs at all is
/// [`memg_core::memory::ControlMemory::observe_chp`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct ChpFollowing {
    /// The latest written set-point; zero: off. `None` = none was written.
    told: Option<Watts>,
    /// Since when its power is beyond tolerance, ms of plant time.
    off_since_ms: Option<i64>,
    /// What it does instead, once that has lasted.
    does: Option<Watts>,
}

impl ChpFollowing {
    fn observe(&mut self, config: &ControlConfig, state: &PlantState, uptime_ms: i64) {
        if state.chp.quality == Quality::Substituted {
            return;
        }
        let plant = config.filter.plant();
        let runs = state.observed_chp(plant.chp_min()).is_some_and(|(_, on)| on);
        let power = state.chp.usable().map(Watts::nearest).filter(|_| runs);
        let told = self.told.filter(|told| *told > Watts::ZERO);
        let tolerance = tolerance(config, plant.chp_max());
        let off = told.zip(power).filter(|(told, power)| (*power - *told).abs() > tolerance);
        let Some((_, power)) = off else {
            (self.off_since_ms, self.does) = (None, None);
            return;
        };
        let since = *self.off_since_ms.get_or_insert(uptime_ms);
        self.does = (uptime_ms - since >= config.chp_response_ms).then_some(power);
    }
}

impl Following {
    /// Compares what is measured with what was told.
    pub fn observe(&mut self, config: &ControlConfig, state: &PlantState, now_ms: u64, uptime_ms: i64) {
        self.chp.observe(config, state, uptime_ms);
        // A substitute agrees with every order: it neither accuses nor acquits.
        if state.battery.quality == Quality::Substituted {
            return;
        }
        let Some((told, measured)) = self.told.zip(state.battery.usable().map(Watts::nearest)) else {
            (self.off_since_ms, self.fixed) = (None, None);
            return;
        };
        if (measured - told).abs() <= battery_tolerance(config) {
            (self.off_since_ms, self.fixed) = (None, None);
            return;
        }
        let since = *self.off_since_ms.get_or_insert(now_ms);
        self.fixed = (now_ms.saturating_sub(since) >= config.response_ms).then_some(measured);
    }

    /// Whether the battery, as far as it is measured, is where it was told to be.
    #[must_use]
    pub fn is_near(&self, config: &ControlConfig, state: &PlantState, told: Watts) -> bool {
        state.battery.usable().map(Watts::nearest).is_none_or(|is| (is - told).abs() <= battery_tolerance(config))
    }

    /// What the battery does whatever it is told; `None` while it follows.
    #[must_use]
    pub const fn battery_fixed(&self) -> Option<Watts> {
        self.fixed
    }

    /// By how much the CHP gives less than it was told, kW; negative: more. Zero while it follows.
    #[must_use]
    pub fn chp_shortfall(&self) -> Kilowatts {
        self.chp.told.zip(self.chp.does).map_or(Kilowatts::ZERO, |(told, does)| (told - does).kilowatts())
    }

    /// The fault, if there is one.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let unfollowed = |who, told, does| {
            Fault::unfollowed(format!("the {who} does not follow: told {} kW, does {} kW", kw(told), kw(does)))
        };
        let battery = self.told.zip(self.fixed).map(|(told, does)| unfollowed("battery", told, does));
        battery.or_else(|| self.chp.told.zip(self.chp.does).map(|(told, does)| unfollowed("CHP", told, does)))
    }

    /// Remembers what is written. While the battery does not follow, the order that it did not follow stands.
    pub fn written(&mut self, verdict: Option<&Verdict>, stopping: bool) {
        self.chp.told = verdict.map(|verdict| verdict.safe.chp());
        match verdict {
            None => *self = Self::default(),
            Some(verdict) if self.fixed.is_none() || stopping => self.told = Some(verdict.safe.battery()),
            Some(_) => {}
        }
    }
}

fn kw(watts: Watts) -> f64 {
    watts.kilowatts().get()
}

fn battery_tolerance(config: &ControlConfig) -> Watts {
    let plant = config.filter.plant();
    tolerance(config, plant.charge_max().max(plant.discharge_max()))
}

fn tolerance(config: &ControlConfig, rating: Watts) -> Watts {
    let margin = config.filter.plant().parameters().margins.power_kw;
    Watts::ceil(Kilowatts::new((rating.kilowatts().get() * TOLERANCE).max(0.5) + margin))
}
