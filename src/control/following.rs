//! Whether devices do what they are told, as their own meters show it.
//!
//! A deviation beyond tolerance for longer than the response time is a fault, and the filter then counts with what the
//! device does. It ends when the device is where it was told to be.

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
}

impl Following {
    /// Compares what is measured with what was told.
    pub fn observe(&mut self, config: &ControlConfig, state: &PlantState, now_ms: u64) {
        // A substitute agrees with every order: it neither accuses nor acquits.
        if state.battery.quality == Quality::Substituted {
            return;
        }
        let Some((told, measured)) = self.told.zip(state.battery.usable().map(Watts::nearest)) else {
            (self.off_since_ms, self.fixed) = (None, None);
            return;
        };
        if (measured - told).abs() <= tolerance(config) {
            (self.off_since_ms, self.fixed) = (None, None);
            return;
        }
        let since = *self.off_since_ms.get_or_insert(now_ms);
        self.fixed = (now_ms.saturating_sub(since) >= config.response_ms).then_some(measured);
    }

    /// What the battery does whatever it is told; `None` while it follows.
    #[must_use]
    pub const fn battery_fixed(&self) -> Option<Watts> {
        self.fixed
    }

    /// The fault, if there is one.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let (told, does) = self.told.zip(self.fixed)?;
        let cause = format!("the battery does not follow: told {} kW, does {} kW", kw(told), kw(does));
        Some(Fault::unfollowed(cause))
    }

    /// Remembers what is written. While the battery does not follow, the order that it did not follow stands.
    pub fn written(&mut self, verdict: Option<&Verdict>, stopping: bool) {
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

fn tolerance(config: &ControlConfig) -> Watts {
    let plant = config.filter.plant();
    let rating = plant.charge_max().max(plant.discharge_max()).kilowatts();
    let margin = plant.parameters().margins.power_kw;
    Watts::ceil(Kilowatts::new((rating.get() * TOLERANCE).max(0.5) + margin))
}
