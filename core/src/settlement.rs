//! What energy that was taken from a battery or left in it is worth: days and blocks are compared as if they began and ended
//! alike. One rule for evaluation, ledger, bound and training.

use crate::equipment::{Battery, Plant};
use crate::profile::ProfileRow;
use crate::units::{Soc, to_float};

/// What a kWh that is missing from the battery costs, and what one that is left in it earns, EUR/kWh: the mean import price over the
/// storing efficiency, the mean export price times the dispatch efficiency.
#[must_use]
pub fn stored_kwh_worth(battery: &Battery, rows: &[ProfileRow]) -> (f64, f64) {
    let count = to_float(i64::try_from(rows.len().max(1)).unwrap_or(1));
    let mean = |price: fn(&ProfileRow) -> f64| rows.iter().map(price).sum::<f64>() / count;
    (
        mean(|row| row.import_price) / battery.efficiency_store,
        mean(|row| row.export_price) * battery.efficiency_dispatch,
    )
}

/// Value of the energy that a stretch of time took from the battery or left in it, EUR (positive = cost), see
/// [`stored_kwh_worth`].
#[must_use]
pub fn stored_energy_correction(plant: &Plant, rows: &[ProfileRow], start: Soc, end: Soc) -> f64 {
    let battery = plant.battery();
    let missing_kwh = (start - end).get() * battery.capacity_kwh;
    let (bought, earned) = stored_kwh_worth(battery, rows);
    missing_kwh * if missing_kwh > 0.0 { bought } else { earned }
}
