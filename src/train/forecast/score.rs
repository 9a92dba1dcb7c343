//! How far a forecaster is off.

use super::days::Days;
use memg_core::equipment::Plant;
use memg_core::forecast::{FITTED, Forecaster};
use memg_core::profile::ProfileRow;
use memg_core::series::Quantity;
use memg_policy::plan_folder::ForecastError;

/// Sum and number of absolute errors.
#[derive(Debug, Clone, Copy, Default)]
struct Absolute {
    sum: f64,
    count: u64,
}

impl Absolute {
    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

/// Errors of every quantity where rows are forecast that `is_wanted`; none without such rows. The past of each forecast
/// are the rows of `days` before it, whatever they are used for.
pub(super) fn errors(
    plant: &Plant,
    days: &Days,
    is_wanted: &dyn Fn(&ProfileRow) -> bool,
    forecaster: &mut dyn Forecaster,
    data: &str,
) -> Vec<ForecastError> {
    let all = FITTED.map(|quantity| error(plant, days, is_wanted, forecaster, quantity));
    let named = FITTED.into_iter().zip(all).filter(|(_, [hour, day])| hour.count > 0 && day.count > 0);
    let rows = named.map(|(quantity, [hour, day])| ForecastError {
        forecaster: forecaster.name().to_owned(),
        data: data.to_owned(),
        quantity: quantity.name().to_owned(),
        forecasts: day.count,
        mae_1h: hour.mean(),
        mae_24h: day.mean(),
    });
    rows.collect()
}

/// Errors one hour and 24 hours ahead.
fn error(
    plant: &Plant,
    days: &Days,
    is_wanted: &dyn Fn(&ProfileRow) -> bool,
    forecaster: &mut dyn Forecaster,
    quantity: Quantity,
) -> [Absolute; 2] {
    let leads = [plant.steps_per_hour(), plant.steps_per_day()];
    let (mut found, mut out) = ([Absolute::default(); 2], vec![0.0; leads[1] + 1]);
    days.live_through(plant, |index, input| {
        let targets = leads.map(|steps| days.row(index + steps).filter(|row| is_wanted(row)));
        if targets == [None; 2] {
            return;
        }
        forecaster.guess(input, quantity, &mut out);
        for ((absolute, target), steps) in found.iter_mut().zip(targets).zip(leads) {
            if let Some(row) = target {
                absolute.sum += (out[steps] - row.quantity(quantity)).abs();
                absolute.count += 1;
            }
        }
    });
    found
}
