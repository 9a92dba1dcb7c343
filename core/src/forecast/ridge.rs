//! Ridge regression: a linear forecast of its own for every quantity and every step ahead.
//!
//! `value(t) = Σ c_k x_k(t)` with the numbers of [`super::regressors`], at least 0; PV in the dark (an envelope of 0) is 0.
//! Prices, a quantity whose past is not known enough and steps beyond the last fitted one are those of
//! [`Persistence`]. How coefficients are found is not known here.

use super::regressors::{REGRESSORS, Regressors};
use super::{Forecaster, Persistence};
use crate::actor::WeightsError;
use crate::equipment::Plant;
use crate::outlook::OUTLOOK_HOURS;
use crate::policy::{PolicyError, PolicyInput};
use crate::series::Quantity;
use safetensors::{Dtype, SafeTensors};

/// The quantities that are fitted, in the order of their tensors.
pub const FITTED: [Quantity; 4] = [Quantity::Pv, Quantity::Wind, Quantity::ElectricLoad, Quantity::HeatLoad];

/// Coefficients of every fitted quantity: a row of [`REGRESSORS`] for each step ahead, the first for the next step.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficients {
    rows: [Vec<[f32; REGRESSORS]>; 4],
}

impl Coefficients {
    /// Coefficients in the order of [`FITTED`].
    ///
    /// # Errors
    /// Quantities differ in their number of steps, there are none, or a number is not finite.
    pub fn new(rows: [Vec<[f32; REGRESSORS]>; 4]) -> Result<Self, WeightsError> {
        let leads = rows.first().map_or(0, Vec::len).max(1);
        for (quantity, rows) in FITTED.into_iter().zip(&rows) {
            let name = || quantity.name().to_owned();
            if rows.len() != leads {
                let found = format!("[{}, {REGRESSORS}]", rows.len());
                return Err(WeightsError::Shape { name: name(), expected: vec![leads, REGRESSORS], found });
            }
            if !rows.iter().flatten().all(|value| value.is_finite()) {
                return Err(WeightsError::NotFinite { name: name() });
            }
        }
        Ok(Self { rows })
    }

    /// Reads the bytes of a safetensors file: a tensor for each quantity by its name, f32, `[steps, numbers]`.
    ///
    /// # Errors
    /// The file is damaged, a tensor is missing or of another type or shape, or a number is not finite.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(e.to_string()))?;
        let [pv, wind, load, heat] = FITTED.map(|quantity| tensor(&file, quantity.name()));
        Self::new([pv?, wind?, load?, heat?])
    }

    /// Steps ahead that are fitted.
    #[must_use]
    pub fn leads(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Length of the steps that they are for, ms, if they reach as far as an [`OUTLOOK_HOURS`] outlook does.
    #[must_use]
    pub fn step_ms(&self) -> i64 {
        let reach_ms = i64::try_from(OUTLOOK_HOURS * 3_600_000).unwrap_or(i64::MAX);
        i64::try_from(self.leads().max(1)).map_or(1, |leads| reach_ms / leads)
    }

    /// The rows of a quantity; none for a price.
    #[must_use]
    pub fn of(&self, quantity: Quantity) -> &[[f32; REGRESSORS]] {
        FITTED.into_iter().zip(&self.rows).find(|(of, _)| *of == quantity).map_or(&[], |(_, rows)| rows)
    }
}

fn tensor(file: &SafeTensors<'_>, name: &str) -> Result<Vec<[f32; REGRESSORS]>, WeightsError> {
    let shape = |found: String| WeightsError::Shape { name: name.to_owned(), expected: vec![0, REGRESSORS], found };
    let view = file.tensor(name).map_err(|_| shape("nothing".to_owned()))?;
    match (view.dtype(), view.shape()) {
        (Dtype::F32, [_, REGRESSORS]) => {}
        (dtype, found) => return Err(shape(format!("{dtype:?} {found:?}"))),
    }
    let (quads, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = quads.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let (rows, _) = values.as_chunks::<REGRESSORS>();
    Ok(rows.to_vec())
}

/// The forecaster. A plant of another step length is refused by [`Forecaster::suits`]; who asks it all the same hears what
/// persistence says.
#[derive(Debug, Clone, PartialEq)]
pub struct Ridge {
    coefficients: Coefficients,
    regressors: Regressors,
}

impl Ridge {
    /// From coefficients that were fitted for steps of `step_ms` milliseconds.
    #[must_use]
    pub fn new(coefficients: Coefficients, step_ms: i64) -> Self {
        let regressors = Regressors::new(step_ms, coefficients.leads());
        Self { coefficients, regressors }
    }

    /// What it was fitted to.
    #[must_use]
    pub const fn coefficients(&self) -> &Coefficients {
        &self.coefficients
    }

    /// Length of the steps that it was fitted for, ms.
    #[must_use]
    pub const fn step_ms(&self) -> i64 {
        self.regressors.step_ms()
    }
}

impl Forecaster for Ridge {
    fn name(&self) -> &'static str {
        "ridge"
    }

    fn suits(&self, plant: &Plant) -> Result<(), PolicyError> {
        let (fitted_ms, plant_ms) = (self.step_ms(), plant.step_ms());
        if fitted_ms == plant_ms { Ok(()) } else { Err(PolicyError::StepLength { fitted_ms, plant_ms }) }
    }

    fn guess(&mut self, input: &PolicyInput<'_>, quantity: Quantity, out: &mut [f64]) {
        let Self { coefficients, regressors } = self;
        let rows = coefficients.of(quantity);
        let usable = !rows.is_empty()
            && regressors.step_ms() == input.plant.step_ms()
            && input.situation.quantity(quantity).is_finite()
            && regressors.look(input, quantity);
        if !usable || out.len() > rows.len() + 1 {
            Persistence.guess(input, quantity, out);
        }
        if !usable {
            return;
        }
        if let Some(first) = out.first_mut() {
            *first = input.situation.quantity(quantity);
        }
        for ((steps, value), row) in out.iter_mut().enumerate().skip(1).zip(rows) {
            *value = regressors.forecast(steps, row);
        }
    }
}

#[cfg(test)]
#[path = "ridge_tests.rs"]
mod tests;
