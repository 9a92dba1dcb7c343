//! Tariffs that training makes of a site's own: other levels, swings and distances between import and export price.
//!
//! What is varied is what the actor can see. The ten-number observation holds the import price alone: its actor is
//! trained around the site's own distance between the two prices and must not be used far from it ([`spread_factors`]).
//! The extended observation holds both, so its actor also learns fixed feed-in prices and tariffs without any swing.

use memg_core::extended::extent;
use memg_core::foreseen::Ahead;
use memg_core::observation::Schema;
use memg_core::profile::ProfileRow;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::ops::RangeInclusive;

/// What becomes of the prices of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tariff {
    /// Factor on the mean import price.
    level: f64,
    /// Added to the import price, EUR/kWh.
    shift: f64,
    /// Factor on the import price's distance from its mean.
    swing: f64,
    export: Export,
}

/// How the export price follows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Export {
    /// Below the import price by the site's own distance times this; a fixed price stays fixed, and is multiplied.
    Spread(f64),
    /// The same at all times, EUR/kWh.
    Fixed(f64),
}

/// Distances between import and export price, in units of the site's own, that an actor meets in training.
#[must_use]
pub const fn spread_factors(schema: Schema) -> RangeInclusive<f64> {
    match schema {
        Schema::TenD => 0.6..=1.5,
        Schema::Extended | Schema::Forecast => 0.1..=3.0,
    }
}

impl Tariff {
    /// The site's own, a little varied.
    pub fn usual(rng: &mut Pcg64Mcg, width: f64) -> Self {
        let mut around_one = |width: f64| 1.0 + rng.random_range(-width..=width);
        let (level, swing, spread) = (around_one(width), around_one(0.15), around_one(0.15));
        Self { level, shift: 0.0, swing, export: Export::Spread(spread) }
    }

    /// Another site's: from no swing at all to half as much again; taxes and fees differ more than markets.
    pub fn wide(rng: &mut Pcg64Mcg, schema: Schema) -> Self {
        let level = rng.random_range(0.7..=1.3);
        let (any_swing, no_swing) = (rng.random_range(0.2..=1.6), rng.random_bool(0.15));
        let spread = Export::Spread(rng.random_range(spread_factors(schema)));
        let fixed = Export::Fixed(rng.random_range(0.0..=0.13));
        let (shift, is_fixed) = (rng.random_range(-0.04..=0.16), rng.random_bool(0.3));
        match schema {
            Schema::TenD => Self { level, shift: 0.0, swing: any_swing, export: spread },
            Schema::Extended | Schema::Forecast => {
                let swing = if no_swing { 0.0 } else { any_swing };
                Self { level, shift, swing, export: if is_fixed { fixed } else { spread } }
            }
        }
    }

    /// Made for the prices of a window.
    #[must_use]
    pub fn fitted(self, rows: &[ProfileRow]) -> FittedTariff {
        let mean = rows.iter().map(|row| row.import_price).sum::<f64>() / rows.len().max(1) as f64;
        FittedTariff { tariff: self, mean, stays_fixed: is_fixed(rows) }
    }
}

/// A tariff with what it needs to know of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedTariff {
    tariff: Tariff,
    /// Import price, EUR/kWh.
    mean: f64,
    stays_fixed: bool,
}

impl FittedTariff {
    /// What becomes of an import and an export price, or of means of them, EUR/kWh.
    #[must_use]
    pub fn prices(&self, import: f64, export: f64) -> (f64, f64) {
        let Self { tariff, mean, stays_fixed } = *self;
        let changed = mean * tariff.level + tariff.shift + (import - mean) * tariff.swing;
        let export = match tariff.export {
            Export::Spread(factor) if stays_fixed => (export * factor).min(changed),
            Export::Spread(factor) => changed - (import - export) * factor,
            // Nobody sells dearer than buying: storing would become a money machine.
            Export::Fixed(price) => price.min(changed),
        };
        (changed, export)
    }

    /// Changes the prices of a window.
    pub fn apply(&self, rows: &mut [ProfileRow]) {
        for row in rows {
            (row.import_price, row.export_price) = self.prices(row.import_price, row.export_price);
        }
    }

    /// Changes what is expected of the prices.
    pub fn apply_ahead(&self, ahead: &mut Ahead) {
        let import = ahead.import_of_export_hours();
        for (export, import) in ahead.export.iter_mut().zip(import) {
            *export = self.prices(import, *export).1;
        }
        for price in ahead.import.iter_mut().chain(&mut ahead.late_import) {
            *price = self.prices(*price, *price).0;
        }
    }
}

/// A feed-in price that stays while the import price moves, by more than a tenth of a cent each.
fn is_fixed(rows: &[ProfileRow]) -> bool {
    let moves = |price: fn(&ProfileRow) -> f64| extent(rows.iter().map(price)).is_some_and(|[a, b]| b - a > 1e-3);
    moves(|row| row.import_price) && !moves(|row| row.export_price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::forecast::Forecast;

    #[test]
    fn a_fixed_feed_in_price_stays_fixed_and_a_market_price_follows() {
        let tariff = Tariff { level: 1.0, shift: 0.0, swing: 1.0, export: Export::Spread(0.5) };
        let changed = |export: [f64; 2]| {
            let row = |(import_price, export_price)| ProfileRow { import_price, export_price, ..ProfileRow::default() };
            let mut rows = [(0.2, export[0]), (0.3, export[1])].map(row);
            tariff.fitted(&rows).apply(&mut rows);
            rows.map(|row| (row.export_price * 1e6).round() / 1e6)
        };
        assert_eq!(changed([0.08, 0.08]), [0.04, 0.04]);
        assert_eq!(changed([0.1, 0.2]), [0.15, 0.25]);
    }

    #[test]
    fn what_is_expected_of_prices_changes_as_they_do() {
        let tariff = Tariff { level: 0.8, shift: 0.05, swing: 1.4, export: Export::Spread(0.5) };
        let row = |hour: usize| {
            let import_price = 0.2 + 0.003 * ((hour * 7) % 24) as f64;
            ProfileRow { import_price, export_price: import_price - 0.02, ..ProfileRow::default() }
        };
        let mut rows: Vec<ProfileRow> = (0..36).map(row).collect();
        let fitted = tariff.fitted(&rows);
        let mut ahead = Ahead::of(&Forecast::of_rows(&rows), 1);
        fitted.apply_ahead(&mut ahead);
        fitted.apply(&mut rows);
        let expected = Ahead::of(&Forecast::of_rows(&rows), 1);
        let prices = |of: &Ahead| [&of.import[..], &of.late_import[..], &of.export[..]].concat();
        for (found, expected) in prices(&ahead).into_iter().zip(prices(&expected)) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
