//! Fitting the planner's forecaster: a ridge regression for every quantity and step ahead, and what it is worth.
//!
//! Rows of test days are never seen, neither as what is forecast nor as its past: there they are a gap like the days that a
//! profile lacks. A pair of present and future row belongs to the part of the days that the future one lies in: those of
//! training days are fitted, those of validation days choose the ridge strength. Nothing is random.

mod ahead;
mod days;
mod fit;
mod normal;
mod score;
#[cfg(test)]
mod tests;

use crate::split::{Part, Split};
use crate::{PLAN, TrainError, TrainOptions};
pub use ahead::aheads;
use days::Days;
use memg_core::equipment::Plant;
use memg_core::forecast::{Coefficients, Persistence, Ridge};
use memg_core::profile::{Profile, ProfileRow};
use memg_policy::plan_folder::{FitRecord, ForecastError, PlanRecord, write_plan};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// A forecaster and what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The coefficients, up to 36 hours ahead.
    pub coefficients: Coefficients,
    /// Steps of the present that were fitted.
    pub rows: u64,
    /// Errors of persistence and of the ridge on validation days, and on test days if there are any: each with all rows
    /// before as history, those of test days for test days alone.
    pub errors: Vec<ForecastError>,
}

/// Fits a forecaster to the training days of a profile in rows of the plant's step.
///
/// # Errors
/// There are too few days, see [`TrainError::Data`].
pub fn fit(plant: &Plant, profile: &Profile, split: &Split) -> Result<Fitted, TrainError> {
    let (coefficients, rows) = fit_coefficients(plant, profile, split)?;
    let Known { seen, all, parts } = Known::of(plant, profile, split);
    let is = |row: &ProfileRow, wanted: Part| parts[all.index(row)] == Some(wanted);
    let mut errors = Vec::new();
    for (part, known, data) in [
        (Part::Validation, &seen, format!("validation, {}", split.validation_days)),
        (Part::Test, &all, "test days".to_owned()),
    ] {
        let mut ridge = Ridge::new(coefficients.clone(), plant.step_ms());
        errors.extend(score::errors(plant, known, &|row| is(row, part), &mut Persistence, &data));
        errors.extend(score::errors(plant, known, &|row| is(row, part), &mut ridge, &data));
    }
    Ok(Fitted { coefficients, rows, errors })
}

/// The coefficients alone, and the steps of the present that were fitted.
///
/// # Errors
/// There are too few days, see [`TrainError::Data`].
pub fn fit_coefficients(plant: &Plant, profile: &Profile, split: &Split) -> Result<(Coefficients, u64), TrainError> {
    let Known { seen, all, parts } = Known::of(plant, profile, split);
    fit::fit(plant, &seen, &|row| parts[all.index(row)] == Some(Part::Training))
}

/// Rows by their time, and the part of each.
struct Known {
    /// Without test days.
    seen: Days,
    all: Days,
    /// By the places of `all`.
    parts: Vec<Option<Part>>,
}

impl Known {
    fn of(plant: &Plant, profile: &Profile, split: &Split) -> Self {
        let step_min = (plant.step_ms() / 60_000).max(1);
        let rows = profile.rows().iter().zip(&split.parts);
        let seen: Vec<ProfileRow> = rows.filter(|(_, part)| **part != Part::Test).map(|(row, _)| *row).collect();
        let (seen, all) = (Days::new(&seen, step_min), Days::new(profile.rows(), step_min));
        let mut parts = vec![None; all.len()];
        for (row, part) in profile.rows().iter().zip(&split.parts) {
            parts[all.index(row)] = Some(*part);
        }
        Self { seen, all, parts }
    }
}

/// What writing a planner's folder came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanSummary {
    /// The folder.
    pub plan: PathBuf,
    /// Steps of the present that were fitted.
    pub rows: u64,
    /// Wall-clock seconds, errors and writing included.
    pub seconds: f64,
    /// What forecasts are worth, see [`Fitted::errors`].
    pub errors: Vec<ForecastError>,
}

/// Fits a forecaster, and writes the planner's folder `plan` in the output folder.
///
/// # Errors
/// There are too few days, or the folder cannot be written; one that was there is unchanged.
pub fn write(options: &TrainOptions) -> Result<PlanSummary, TrainError> {
    let started = Instant::now();
    let (plant, data) = (&options.plant, &options.config.data);
    let split = Split::of(&options.profile, data, plant.steps_per_day());
    let Fitted { coefficients, rows, errors } = fit(plant, &options.profile, &split)?;
    let ([first, last], validation) = (data.test_days, &split.validation_days);
    let fit = FitRecord {
        data: format!("{}; {validation} validate, days {first}..{last} test, all others are fitted", options.data),
        rows,
        command: options.command.clone(),
    };
    let record = PlanRecord { name: PLAN.to_owned(), step_ms: plant.step_ms(), fit, forecast_error: errors.clone() };
    let plan = options.out.join(PLAN);
    write_plan(&plan, &coefficients, &record)?;
    Ok(PlanSummary { plan, rows, seconds: started.elapsed().as_secs_f64(), errors })
}
