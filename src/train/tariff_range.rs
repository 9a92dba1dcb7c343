//! Which tariffs an actor is good for: those it was trained around and can see.

use super::gradient::tariff::spread_factors;
use memg_core::extended::extent;
use memg_core::guard::TariffRange;
use memg_core::observation::Schema;
use memg_core::profile::{Profile, ProfileRow};

/// A tariff that swings less within a day counts as flat, EUR/kWh. The days of a dynamic tariff swing by some cents.
const FLAT_BELOW: f64 = 0.01;

/// An export price follows the import price if their distance changes by no more within a day than at home, and this,
/// EUR/kWh.
const FOLLOWS_WITHIN: f64 = 0.02;

/// The range of tariffs of an actor trained on these days; `None` if its observation holds both prices and the day ahead.
#[must_use]
pub fn tariff_range(schema: Schema, training: &Profile) -> Option<TariffRange> {
    match schema {
        Schema::Extended | Schema::Forecast => None,
        Schema::TenD => {
            let spreads = || training.rows().iter().map(|row| row.import_price - row.export_price);
            let factors = spread_factors(schema);
            let either = |spread: f64| [spread * factors.start(), spread * factors.end()];
            let low = spreads().flat_map(either).fold(f64::INFINITY, f64::min);
            let high = spreads().flat_map(either).fold(f64::NEG_INFINITY, f64::max);
            let swing = FLAT_BELOW.min(0.5 * least_daily_swing(training));
            let change = FOLLOWS_WITHIN + factors.end() * largest_daily_change(training);
            Some(TariffRange {
                spread_eur_per_kwh: [low, high],
                spread_change_eur_per_kwh_max: change,
                swing_eur_per_kwh_min: swing,
            })
        }
    }
}

/// Of the day's import prices, EUR/kWh.
fn least_daily_swing(profile: &Profile) -> f64 {
    daily_widths(profile, |row| row.import_price).fold(f64::INFINITY, f64::min)
}

/// Of the distance between import and export price, EUR/kWh.
fn largest_daily_change(profile: &Profile) -> f64 {
    daily_widths(profile, |row| row.import_price - row.export_price).fold(0.0, f64::max)
}

/// Largest less least value of each day.
fn daily_widths(profile: &Profile, value: fn(&ProfileRow) -> f64) -> impl Iterator<Item = f64> {
    let width = move |day: std::ops::Range<usize>| {
        extent(profile.rows()[day].iter().map(value)).map_or(0.0, |[low, high]| high - low)
    };
    profile.blocks(Some(1)).into_iter().map(width)
}

#[cfg(test)]
mod tests {
    use super::*;

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
