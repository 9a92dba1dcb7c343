//! Forecasters: persistence, or the ridge regressions of a model's or planner's folder.

use super::errors::{model, wrong};
use super::site::PySite;
use memg_core::equipment::Plant;
use memg_core::forecast::{Forecast, Forecaster, Persistence, Ridge};
use memg_core::policy::{PolicyError, PolicyInput};
use memg_core::series::Quantity;
use memg_policy::model::{Kind, kind};
use memg_policy::{ModelFolder, load_forecaster};
use pyo3::prelude::*;
use std::path::Path;

/// Guesses what nobody outside has said.
#[derive(Debug, Clone)]
pub(crate) enum Guess {
    Persistence(Persistence),
    Ridge(Box<Ridge>),
}

impl Guess {
    pub(crate) const PERSISTENCE: Self = Self::Persistence(Persistence);

    fn inner(&mut self) -> &mut dyn Forecaster {
        match self {
            Self::Persistence(persistence) => persistence,
            Self::Ridge(ridge) => ridge.as_mut(),
        }
    }
}

impl Forecaster for Guess {
    fn name(&self) -> &str {
        match self {
            Self::Persistence(persistence) => persistence.name(),
            Self::Ridge(ridge) => ridge.name(),
        }
    }
    fn suits(&self, plant: &Plant) -> Result<(), PolicyError> {
        match self {
            Self::Persistence(persistence) => persistence.suits(plant),
            Self::Ridge(ridge) => ridge.suits(plant),
        }
    }
    fn guess(&mut self, input: &PolicyInput<'_>, quantity: Quantity, out: &mut [f64]) {
        self.inner().guess(input, quantity, out);
    }
}

const EXPECTED: &str = "\"persistence\", a planner's folder, or that of an actor that sees forecasts";

/// `"persistence"`, or a folder that holds a forecaster.
#[pyclass(frozen, name = "Forecaster", module = "memg_gym")]
#[derive(Clone)]
pub(crate) struct PyForecaster {
    pub guess: Guess,
}

#[pymethods]
impl PyForecaster {
    #[new]
    fn new(source: &str, site: &PySite) -> PyResult<Self> {
        if source == Persistence.name() {
            return Ok(Self { guess: Guess::PERSISTENCE });
        }
        let dir = Path::new(source);
        let told = |error| model(dir, &error);
        let ridge = match kind(dir).map_err(told)? {
            Kind::Planner => Some(load_forecaster(dir, &site.plant).map_err(told)?),
            Kind::Actor => ModelFolder::load(dir).map_err(told)?.forecaster().map_err(told)?,
        };
        let ridge = ridge.ok_or_else(|| wrong(format!("{source} holds no forecaster: expected {EXPECTED}")))?;
        let found = Self { guess: Guess::Ridge(Box::new(ridge)) };
        found.suits(site)?;
        Ok(found)
    }

    #[getter]
    fn name(&self) -> &str {
        self.guess.name()
    }
}

impl PyForecaster {
    /// Its steps are those of the site.
    pub(crate) fn suits(&self, site: &PySite) -> PyResult<()> {
        self.guess.suits(&site.plant).map_err(wrong)
    }
}

/// The hours ahead by quantity, a value a step, the present one first.
pub(crate) fn ahead(guess: &mut Guess, input: &PolicyInput<'_>, steps: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut forecast = Forecast::of_steps(steps);
    forecast.fill(input, guess);
    Quantity::ALL.into_iter().map(|quantity| (quantity.name(), forecast.column(quantity).to_vec())).collect()
}
