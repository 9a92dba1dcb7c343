//! What energy that was taken from a battery or left in it is worth: days and blocks are compared as if they began and ended
//! alike. One rule for evaluation and ledger.

use crate::equipment::Plant;
use crate::profile::ProfileRow;
use crate::units::{Soc, to_float};

/// Value of the energy that a stretch of time took from the battery or left in it, EUR (positive = cost): a deficit is bought
/// at the mean import price over the storing efficiency, a surplus earns the mean export price times the dispatch efficiency.
#[must_use]
pub fn stored_energy_correction(plant: &Plant, rows: &[ProfileRow], start: Soc, end: Soc) -> f64 {
    let battery = plant.battery();
    let count = to_float(i64::try_from(rows.len().max(1)).unwrap_or(1));
    let mean = |price: fn(&ProfileRow) -> f64| rows.iter().map(price).sum::<f64>() / count;
    let missing_kwh = (start - end).get() * battery.capacity_kwh;
    if missing_kwh > 0.0 {
        missing_kwh * mean(|row| row.import_price) / battery.efficiency_store
    } else {
        missing_kwh * mean(|row| row.export_price) * battery.efficiency_dispatch
    }
}
