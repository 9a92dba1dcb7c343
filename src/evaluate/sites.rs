//! Other sites than the one an actor was trained for: what a plant owner elsewhere would put it on.
//!
//! Each is made of the home profile or of the synthetic generators ([`memg_core::synthetic`]); the plant is the same. Not
//! responsible for judging: [`super::compare`] does.

use memg_core::profile::{COLUMNS, Profile, ProfileRow};
use memg_core::synthetic;

/// A site to be tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// How it differs from home, as in the table of docs/policies.md.
    pub name: &'static str,
    /// Whole days, in the home profile's columns and step.
    pub profile: Profile,
}

impl Site {
    /// Its days as a CSV file that training and evaluation read.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = COLUMNS.join(",");
        for row in self.profile.rows() {
            text.push('\n');
            text.push_str(&row.to_csv());
        }
        text.push('\n');
        text
    }
}

/// Days of the synthetic site: through all seasons.
const SYNTHETIC_DAYS: u32 = 365;
const DAY: usize = 96;

/// The other sites. Prices in EUR/kWh; powers stay within the plant's ratings.
#[must_use]
pub fn other_sites(home: &Profile) -> Vec<Site> {
    let mean = mean_prices(home);
    let changed =
        |name: &'static str, change: &dyn Fn(&mut ProfileRow)| Site { name, profile: change_rows(home, change) };
    vec![
        Site { name: "synthetic", profile: synthetic::profile(SYNTHETIC_DAYS, 2) },
        changed("flat tariff", &|row| (row.import_price, row.export_price) = mean),
        changed("export 5 ct lower", &|row| row.export_price -= 0.05),
        changed("export 3 ct higher", &|row| row.export_price += 0.03),
        changed("fixed feed-in 6 ct", &|row| row.export_price = row.import_price.min(0.06)),
        changed("household tariff", &|row| {
            row.import_price += 0.10;
            row.export_price = row.import_price.min(0.08);
        }),
        changed("volatile market", &|row| swing(row, mean.0, 1.6)),
        changed("calm market", &|row| swing(row, mean.0, 0.5)),
        changed("market 5 ct lower", &|row| {
            row.import_price -= 0.05;
            row.export_price -= 0.05;
        }),
        changed("no wind", &|row| row.wind_kw = 0.0),
        changed("half the load, more sun", &|row| {
            row.electric_load_kw = (0.5 * row.electric_load_kw).max(5.0);
            row.pv_kw = (1.5 * row.pv_kw).min(60.0);
        }),
        changed("larger load", &|row| row.electric_load_kw = (1.4 * row.electric_load_kw).min(100.0)),
        changed("little heat", &|row| row.heat_load_kw *= 0.4),
        changed("much heat", &|row| row.heat_load_kw = (1.5 * row.heat_load_kw).min(150.0)),
        Site { name: "night shift", profile: later_load(home, DAY / 3) },
    ]
}

fn mean_prices(profile: &Profile) -> (f64, f64) {
    let count = profile.rows().len().max(1) as f64;
    let mean = |price: fn(&ProfileRow) -> f64| profile.rows().iter().map(price).sum::<f64>() / count;
    (mean(|row| row.import_price), mean(|row| row.export_price))
}

fn change_rows(home: &Profile, change: &dyn Fn(&mut ProfileRow)) -> Profile {
    let mut rows = home.rows().to_vec();
    rows.iter_mut().for_each(change);
    Profile::from_rows(rows)
}

/// The import price's distance from `mean` times `factor`; the export price keeps its distance below.
fn swing(row: &mut ProfileRow, mean: f64, factor: f64) {
    let spread = row.import_price - row.export_price;
    row.import_price = mean + factor * (row.import_price - mean);
    row.export_price = row.import_price - spread;
}

/// Each day's electric load so many steps later, around midnight back to its morning.
fn later_load(home: &Profile, steps: usize) -> Profile {
    let rows = home.rows();
    let moved = rows.iter().enumerate().map(|(i, row)| {
        let day = i / DAY * DAY;
        let from = day + (i - day + DAY - steps) % DAY;
        ProfileRow { electric_load_kw: rows.get(from).unwrap_or(row).electric_load_kw, ..*row }
    });
    Profile::from_rows(moved.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_sites_are_whole_profiles_within_the_plants_ratings() {
        let home = synthetic::profile(2, 1);
        for site in other_sites(&home) {
            let (name, profile) = (site.name, &site.profile);
            assert_ne!(*profile, home, "{name}");
            let fine = |row: &ProfileRow| {
                row.pv_kw <= 60.0
                    && (5.0..=100.0).contains(&row.electric_load_kw)
                    && row.heat_load_kw <= 150.0
                    && row.export_price <= row.import_price
            };
            assert!(profile.rows().iter().all(fine), "{name}");
            // what a gateway can read back
            assert!(Profile::parse_csv(&site.to_csv(), 0.25).is_ok(), "{name}");
        }
    }
}
