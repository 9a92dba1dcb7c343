//! Leaves a step to the good rule where the tariff is not one that a network was trained for.
//!
//! The ten-number observation holds the import price alone. Its actor has learned what that price means at its own
//! site: how far below it the export price lies, and that prices swing. With a fixed feed-in price, or none worth
//! having, the same import price asks for something else, and the network cannot see it. The gateway can: it reads the
//! export price and the day-ahead prices, and it remembers the last day. A fixed feed-in price comes near the site's own
//! distance twice a day, when the import price passes: that is why a whole day is judged and not the step alone.

use crate::extended::{PRICE_HOURS, spread_seen};
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::rules::GoodRule;
use crate::series::hourly_price;
use serde::{Deserialize, Serialize};

/// Tariffs that a network was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffRange {
    /// Least and largest distance of the export price below the import price, EUR/kWh.
    pub spread_eur_per_kwh: [f64; 2],
    /// Largest change of that distance within a day, EUR/kWh. Models of before this was judged have no such limit.
    #[serde(default = "any_change")]
    pub spread_change_eur_per_kwh_max: f64,
    /// Least difference between the dearest and the cheapest of the next 24 hours, EUR/kWh; not judged while fewer than
    /// [`HOURS_KNOWN_MIN`] of them are known.
    pub swing_eur_per_kwh_min: f64,
}

/// More than any tariff changes, and a number that every file format can hold.
const fn any_change() -> f64 {
    1e6
}

/// So many of the next hours have to be known before the swing is judged.
pub const HOURS_KNOWN_MIN: usize = 12;

impl TariffRange {
    /// Whether a network with this range may decide this step. Prices that are not numbers are outside.
    #[must_use]
    pub fn holds(&self, input: &PolicyInput<'_>) -> bool {
        let spread = input.situation.import_price.get() - input.situation.export_price.get();
        let per_hour = input.plant.steps_per_hour();
        let mut hours = [None; PRICE_HOURS];
        for (hour, slot) in hours.iter_mut().enumerate() {
            *slot = hourly_price(input.known, hour, per_hour);
        }
        self.follows(spread, spread_seen(input.known, per_hour)) && self.swings(&hours)
    }

    /// Whether the export price follows the import price as in training, now and over what is remembered of a day.
    #[must_use]
    pub fn follows(&self, spread: f64, seen: Option<[f64; 2]>) -> bool {
        let [low, high] = self.spread_eur_per_kwh;
        let [least, largest] = seen.map_or([spread, spread], |[a, b]| [a.min(spread), b.max(spread)]);
        // A spread that is not a number fails the first.
        (low..=high).contains(&spread)
            && least >= low
            && largest <= high
            && largest - least <= self.spread_change_eur_per_kwh_max
    }

    /// Whether these prices of the hours ahead swing enough, or too few of them are known to tell.
    #[must_use]
    pub fn swings(&self, hours: &[Option<f64>]) -> bool {
        let known = || hours.iter().flatten().copied();
        let dearest = known().fold(f64::NEG_INFINITY, f64::max);
        let cheapest = known().fold(f64::INFINITY, f64::min);
        known().count() < HOURS_KNOWN_MIN || dearest - cheapest >= self.swing_eur_per_kwh_min
    }
}

/// A policy within its tariffs, the good rule outside.
#[derive(Debug)]
pub struct Guarded<P> {
    /// Decides within the range.
    pub policy: P,
    /// The range; without one the policy always decides.
    pub range: Option<TariffRange>,
}

impl<P: Policy> Policy for Guarded<P> {
    fn name(&self) -> &str {
        self.policy.name()
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        if self.range.is_none_or(|range| range.holds(input)) {
            return self.policy.act(input);
        }
        Ok(Request { outside_tariff: true, ..GoodRule.act(input)? })
    }
}
