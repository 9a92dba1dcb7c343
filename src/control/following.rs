//! Whether devices do what they are told, as their own meters show it.
//!
//! A deviation beyond tolerance for longer than the response time is a fault, and the filter then counts with what the
//! device does: it holds the battery where it is, and adds to the doubt about the net load what the CHP gives too little
//! or too much. It ends when the device is where it was told to be.

use super::cycle::ControlConfig;
use super::fault::Fault;
use memg_core::equipment::{BatteryUnit, ChpUnit, Plant, UNITS_MAX};
use memg_core::measurement::Quality;
use memg_core::plant_state::{BatteryState, ChpState, PlantState};
use memg_core::safety::Verdict;
use memg_core::units::{Kilowatts, Watts};
use serde::{Deserialize, Serialize};

/// Share of its rated power by which a device may be off.
const TOLERANCE: f64 = 0.05;

/// What batteries and CHPs were told, and since when they do something else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Following {
    batteries: [BatteryFollowing; UNITS_MAX],
    chps: [ChpFollowing; UNITS_MAX],
}

/// What a battery was told and since when it does something else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct BatteryFollowing {
    /// Its latest written set-point that counts, droop included; `None` = none was written.
    told: Option<Watts>,
    /// Since when the measured power is beyond tolerance, ms monotonic.
    off_since_ms: Option<u64>,
    /// What it does instead, once that has lasted.
    fixed: Option<Watts>,
    /// When it was seen last, ms monotonic.
    #[serde(default)]
    seen_ms: Option<u64>,
    /// It got its time anew since it was last where it was told to be.
    #[serde(default)]
    excused: bool,
}

/// What a CHP was told and since when it runs at another power. Whether it runs at all is
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
    fn observe(&mut self, config: &ControlConfig, unit: &ChpUnit, seen: &ChpState, uptime_ms: i64) {
        if seen.power.quality == Quality::Substituted {
            return;
        }
        let runs = seen.observed(unit.min).is_some_and(|(_, on)| on);
        let power = seen.power.usable().map(Watts::nearest).filter(|_| runs);
        let told = self.told.filter(|told| *told > Watts::ZERO);
        let tolerance = tolerance(config, unit.max);
        let off = told.zip(power).filter(|(told, power)| (*power - *told).abs() > tolerance);
        let Some((_, power)) = off else {
            (self.off_since_ms, self.does) = (None, None);
            return;
        };
        let since = *self.off_since_ms.get_or_insert(uptime_ms);
        self.does = (uptime_ms - since >= config.chp_response_ms).then_some(power);
    }

    fn shortfall(&self) -> Kilowatts {
        self.told.zip(self.does).map_or(Kilowatts::ZERO, |(told, does)| (told - does).kilowatts())
    }
}

impl BatteryFollowing {
    fn observe(&mut self, config: &ControlConfig, unit: &BatteryUnit, seen: &BatteryState, now_ms: u64) {
        // A substitute agrees with every order: it neither accuses nor acquits.
        if seen.power.quality == Quality::Substituted {
            return;
        }
        // Nobody tells it anything while somebody works at it: what it does counts at once, and it is not blamed for it.
        if seen.remote.usable() == Some(false) {
            let does = seen.power.usable().map(Watts::nearest);
            (self.told, self.off_since_ms, self.fixed) = (does, None, does);
            return;
        }
        let Some((told, measured)) = self.told.zip(seen.power.usable().map(Watts::nearest)) else {
            (self.off_since_ms, self.fixed) = (None, None);
            return;
        };
        // What was measured before its time was over says nothing about it.
        let seen_ms = now_ms.saturating_sub(seen.power.age_ms);
        let pause_ms = seen_ms.saturating_sub(self.seen_ms.replace(seen_ms).unwrap_or(seen_ms));
        if (measured - told).abs() <= battery_tolerance(config, unit) {
            (self.off_since_ms, self.fixed, self.excused) = (None, None, false);
            return;
        }
        if pause_ms > config.response_ms / 2 && !self.excused {
            // Where nothing was heard of it for so long, nothing may have reached it either: it gets its time anew, once.
            (self.off_since_ms, self.excused) = (Some(seen_ms), true);
        }
        let since = *self.off_since_ms.get_or_insert(now_ms);
        self.fixed = (seen_ms.saturating_sub(since) >= config.response_ms).then_some(measured);
    }
}

impl Following {
    /// Compares what is measured with what was told, unit by unit.
    pub fn observe(&mut self, config: &ControlConfig, state: &PlantState, now_ms: u64, uptime_ms: i64) {
        let plant = config.filter.plant();
        for ((chp, unit), seen) in self.chps.iter_mut().zip(plant.chps().iter()).zip(&state.chps) {
            chp.observe(config, unit, seen, uptime_ms);
        }
        for ((battery, unit), seen) in self.batteries.iter_mut().zip(plant.batteries().iter()).zip(&state.batteries) {
            battery.observe(config, unit, seen, now_ms);
        }
    }

    /// What each battery does whatever it is told; `None` while it follows.
    #[must_use]
    pub fn battery_fixed(&self) -> [Option<Watts>; UNITS_MAX] {
        self.batteries.map(|battery| battery.fixed)
    }

    /// By how much CHPs give less, and by how much others give more than they were told, kW, both >= 0. Zero while they
    /// follow.
    #[must_use]
    pub fn chp_shortfall(&self) -> (Kilowatts, Kilowatts) {
        let sum = |of: fn(Kilowatts) -> Kilowatts| {
            self.chps.iter().map(|chp| of(chp.shortfall()).max(Kilowatts::ZERO)).fold(Kilowatts::ZERO, |a, b| a + b)
        };
        (sum(|shortfall| shortfall), sum(|shortfall| -shortfall))
    }

    /// The fault, if there is one.
    #[must_use]
    pub fn fault(&self, plant: &Plant) -> Option<Fault> {
        let unfollowed = |((who, id), told, does): ((String, String), Watts, Watts)| {
            let cause = format!("{who} does not follow: told {} kW, does {} kW", kw(told), kw(does));
            Fault::unfollowed(cause).named(id)
        };
        let battery = self.batteries.iter().enumerate().find_map(|(index, battery)| {
            let who = named("battery", index, plant.batteries().len());
            let (told, does) = battery.told.zip(battery.fixed).filter(|(told, does)| told != does)?;
            Some(((who, id("battery", index, "follow")), told, does))
        });
        let chp = || {
            let mut chps = self.chps.iter().enumerate();
            chps.find_map(|(index, chp)| {
                let who = named("CHP", index, plant.chps().len());
                Some(((who, id("chp", index, "follow")), chp.told?, chp.does?))
            })
        };
        battery.or_else(chp).map(unfollowed)
    }

    /// Remembers what is written. While a battery does not follow, the order that it did not follow stands.
    pub fn written(&mut self, verdict: Option<&Verdict>, stopping: bool) {
        let Some(verdict) = verdict else {
            *self = Self::default();
            return;
        };
        for (chp, safe) in self.chps.iter_mut().zip(verdict.safe.chps()) {
            chp.told = Some(safe.power);
        }
        for (battery, power) in self.batteries.iter_mut().zip(verdict.safe.batteries()) {
            if battery.fixed.is_none() || stopping {
                battery.told = Some(power);
            }
        }
    }
}

/// Whether a battery, as far as it is measured, is where it was told to be.
pub(super) fn is_near(config: &ControlConfig, unit: &BatteryUnit, seen: &BatteryState, told: Watts) -> bool {
    seen.power.usable().map(Watts::nearest).is_none_or(|is| (is - told).abs() <= battery_tolerance(config, unit))
}

/// A unit in words: with its number, from 1, where there are several.
pub(super) fn named(kind: &str, index: usize, count: usize) -> String {
    if count > 1 { format!("{kind} {}", index + 1) } else { format!("the {kind}") }
}

/// Stable name of what is wrong with a unit: `chp.fault`, `battery_2.follow`.
pub(super) fn id(kind: &str, index: usize, what: &str) -> String {
    if index == 0 { format!("{kind}.{what}") } else { format!("{kind}_{}.{what}", index + 1) }
}

fn kw(watts: Watts) -> f64 {
    watts.kilowatts().get()
}

fn battery_tolerance(config: &ControlConfig, unit: &BatteryUnit) -> Watts {
    tolerance(config, unit.charge_max.max(unit.discharge_max))
}

fn tolerance(config: &ControlConfig, rating: Watts) -> Watts {
    let margin = config.filter.plant().parameters().margins.power_kw;
    Watts::ceil(Kilowatts::new((rating.kilowatts().get() * TOLERANCE).max(0.5) + margin))
}
