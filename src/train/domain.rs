//! Which tariffs an actor is good for: those it was trained around and can see.

use super::model_based::tariff::spread_factors;
use crate::policy::guard::TariffRange;
use memg_core::observation::Schema;
use memg_core::profile::Profile;

/// A tariff that swings less within a day counts as flat, EUR/kWh. The days of a dynamic tariff swing by some cents.
const FLAT_BELOW: f64 = 0.01;

/// The range of tariffs of an actor trained on these days; `None` if its observation holds both prices and the day ahead.
#[must_use]
pub fn tariff_range(schema: Schema, training: &Profile) -> Option<TariffRange> {
    match schema {
        Schema::Extended => None,
        Schema::TenD => {
            let spreads = || training.rows().iter().map(|row| row.import_price - row.export_price);
            let factors = spread_factors(schema);
            let either = |spread: f64| [spread * factors.start(), spread * factors.end()];
            let low = spreads().flat_map(either).fold(f64::INFINITY, f64::min);
            let high = spreads().flat_map(either).fold(f64::NEG_INFINITY, f64::max);
            let swing = FLAT_BELOW.min(0.5 * least_daily_swing(training));
            Some(TariffRange { spread_eur_per_kwh: [low, high], swing_eur_per_kwh_min: swing })
        }
    }
}

/// Of the day's import prices, EUR/kWh.
fn least_daily_swing(profile: &Profile) -> f64 {
    let day = |range: std::ops::Range<usize>| {
        let prices = || profile.rows()[range.clone()].iter().map(|row| row.import_price);
        prices().fold(f64::NEG_INFINITY, f64::max) - prices().fold(f64::INFINITY, f64::min)
    };
    profile.blocks(Some(1)).into_iter().map(day).fold(f64::INFINITY, f64::min).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::profile::ProfileRow;

    #[test]
    fn the_range_lies_around_the_sites_own_tariff() {
        let site = memg_core::synthetic::profile(3, 1);
        let Some(range) = tariff_range(Schema::TenD, &site) else { panic!("a range") };
        let [low, high] = range.spread_eur_per_kwh;
        assert!(low < 0.07 && 0.07 < high && low > 0.0 && range.swing_eur_per_kwh_min == FLAT_BELOW);
        assert_eq!(tariff_range(Schema::Extended, &site), None);
    }

    #[test]
    fn an_actor_of_a_site_with_a_flat_tariff_may_decide_there() {
        let flat = |row: &ProfileRow| ProfileRow { import_price: 0.2, export_price: 0.1, ..*row };
        let site = Profile::from_rows(memg_core::synthetic::profile(2, 1).rows().iter().map(flat).collect());
        let range = tariff_range(Schema::TenD, &site);
        assert!(range.is_some_and(|range| range.swing_eur_per_kwh_min == 0.0));
    }
}
