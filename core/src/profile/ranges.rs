//! Which values of a profile are plausible, for any plant and for a certain one.

use super::{COLUMNS, Profile, ProfileRow};
use crate::equipment::Plant;
use core::fmt;

/// Least and largest value of each numeric column.
pub(super) type Ranges = [(f64, f64); 8];

/// Plausible at any plant; a value outside is an error, not data.
pub(super) const RANGES: Ranges =
    [(0.0, 1e6), (0.0, 1e6), (0.0, 1e6), (0.0, 1e6), (-10.0, 10.0), (-10.0, 10.0), (0.5, 1.5), (40.0, 70.0)];

/// A column of powers, kW.
type Power = fn(&ProfileRow) -> f64;

/// A power of more than so many times the plant's rating is one in another unit (W for kW), and no data. One between is
/// taken, and told: see [`Profile::exceeding`].
pub const WRONG_UNIT: f64 = 10.0;

/// Ratings of the first four columns: PV, wind, electric and heat load. What a plant does not have has none.
fn ratings(plant: &Plant) -> [Option<f64>; 4] {
    let x = plant.parameters().exogenous;
    [x.pv_kw_nom, x.wind_kw_nom, x.electric_load_kw_max, x.heat_load_kw_max].map(|kw| Some(kw).filter(|kw| *kw > 0.0))
}

/// Plausible at a plant.
pub(super) fn of(plant: &Plant) -> Ranges {
    let mut ranges = RANGES;
    for ((_, high), rating) in ranges.iter_mut().zip(ratings(plant)) {
        *high = rating.map_or(*high, |rating| high.min(WRONG_UNIT * rating));
    }
    ranges
}

/// Rows whose power exceeds what the plant's parameters say there can be. The filter's promise holds within them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exceeding {
    /// The column.
    pub column: &'static str,
    /// How many rows.
    pub rows: usize,
    /// The largest value, kW.
    pub largest_kw: f64,
    /// The plant's rating, kW.
    pub rating_kw: f64,
}

impl fmt::Display for Exceeding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, rows, largest_kw, rating_kw } = self;
        write!(f, "{column}: {rows} rows are above the plant's largest of {rating_kw} kW, up to {largest_kw} kW")
    }
}

impl Profile {
    /// Columns with rows above the plant's ratings.
    #[must_use]
    pub fn exceeding(&self, plant: &Plant) -> Vec<Exceeding> {
        let powers: [Power; 4] =
            [|row| row.pv_kw, |row| row.wind_kw, |row| row.electric_load_kw, |row| row.heat_load_kw];
        let columns = COLUMNS.into_iter().skip(1).zip(powers).zip(ratings(plant));
        columns.filter_map(|((column, power), rating)| self.above(column, power, rating?)).collect()
    }

    fn above(&self, column: &'static str, power: Power, rating_kw: f64) -> Option<Exceeding> {
        let values = || self.rows.iter().map(power).filter(|kw| *kw > rating_kw);
        let rows = values().count();
        (rows > 0).then(|| Exceeding { column, rows, largest_kw: values().fold(0.0, f64::max), rating_kw })
    }
}
