//! Leaves a step to the good rule where the tariff is not one that a network was trained for.
//!
//! The ten-number observation holds the import price alone. Its actor has learned what that price means at its own
//! site: how far below it the export price lies, and that prices swing. With a fixed feed-in price, or none worth
//! having, the same import price asks for something else, and the network cannot see it. The gateway can: it reads the
//! export price and the day-ahead prices. The guard looks at the present inputs alone, so a replayed step decides alike.

use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::rules::GoodRule;
use serde::{Deserialize, Serialize};

/// Tariffs that a network was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffRange {
    /// Least and largest distance of the export price below the import price, EUR/kWh.
    pub spread_eur_per_kwh: [f64; 2],
    /// Least difference between the dearest and the cheapest of the next 24 hours, EUR/kWh; not judged while fewer than
    /// [`HOURS_KNOWN_MIN`] of them are known.
    pub swing_eur_per_kwh_min: f64,
}

/// So many of the next hours have to be known before the swing is judged.
pub const HOURS_KNOWN_MIN: usize = 12;

impl TariffRange {
    /// Whether a network with this range may decide this step. Prices that are not numbers are outside.
    #[must_use]
    pub fn holds(&self, input: &PolicyInput<'_>) -> bool {
        let spread = input.situation.import_price.get() - input.situation.export_price.get();
        let [low, high] = self.spread_eur_per_kwh;
        (low..=high).contains(&spread) && self.swings(&input.outlook.import_price)
    }

    fn swings(&self, hours: &[Option<f64>]) -> bool {
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
        if self.range.is_none_or(|range| range.holds(input)) { self.policy.act(input) } else { GoodRule.act(input) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use memg_core::equipment::Plant;
    use memg_core::profile::{Profile, ProfileRow};
    use memg_core::rules::Idle;
    use std::sync::Arc;

    const RANGE: TariffRange = TariffRange { spread_eur_per_kwh: [0.05, 0.09], swing_eur_per_kwh_min: 0.01 };

    /// What a day of a synthetic site costs with its prices changed.
    fn cost(policy: &mut dyn Policy, prices: fn(&mut ProfileRow)) -> f64 {
        let mut rows = memg_core::synthetic::profile(2, 4).rows().to_vec();
        rows.iter_mut().for_each(prices);
        let found = evaluate(Plant::reference(), &Arc::new(Profile::from_rows(rows)), None, policy, |_| {});
        found.map_or(f64::NAN, |found| found.cost_eur_per_day)
    }

    #[test]
    fn the_policy_decides_within_its_tariffs_and_the_rule_outside() {
        let guarded = |range| Guarded { policy: Idle, range };
        let own: fn(&mut ProfileRow) = |row| row.export_price = row.import_price - 0.07;
        assert_eq!(cost(&mut guarded(Some(RANGE)), own), cost(&mut Idle, own));
        let others: [fn(&mut ProfileRow); 2] = [
            |row| row.export_price = row.import_price - 0.2,
            |row| row.export_price = f64::min(row.import_price, -1.0),
        ];
        for other in others {
            assert_eq!(cost(&mut guarded(None), other), cost(&mut Idle, other));
            assert_eq!(cost(&mut guarded(Some(RANGE)), other), cost(&mut GoodRule, other));
        }
    }

    #[test]
    fn a_flat_day_ahead_is_outside_and_an_unknown_one_is_not_judged() {
        assert!(RANGE.swings(&[None; 24]));
        assert!(RANGE.swings(&[Some(0.15); HOURS_KNOWN_MIN - 1]));
        assert!(!RANGE.swings(&[Some(0.15); HOURS_KNOWN_MIN]));
        let mut swinging = [Some(0.15); 24];
        swinging[20] = Some(0.161);
        assert!(RANGE.swings(&swinging));
    }
}
