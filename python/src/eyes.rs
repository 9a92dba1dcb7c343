//! What is observed: a schema, its divisors and, for forecasts, who guesses.

use super::errors::wrong;
use super::forecaster::{Guess, PyForecaster};
use super::model::Model;
use super::site::PySite;
use memg_core::env::MemgEnv;
use memg_core::forecast::Forecast;
use memg_core::foreseen;
use memg_core::observation::{Divisors, Schema};
use memg_core::policy::PolicyInput;
use pyo3::prelude::*;

/// A schema by its name on the command line.
pub(crate) fn schema(name: &str) -> PyResult<Schema> {
    match name {
        "10d" => Ok(Schema::TenD),
        "extended" => Ok(Schema::Extended),
        "forecast" => Ok(Schema::Forecast),
        _ => Err(wrong(format!("observation: expected 10d, extended, forecast or a model, found {name:?}"))),
    }
}

/// What an environment shows. Of a schema with the site's divisors, or what a model was trained to see.
#[pyclass(frozen, name = "View", module = "memg_gym")]
#[derive(Clone)]
pub(crate) struct PyView {
    pub schema: Schema,
    pub divisors: Divisors,
    pub guess: Guess,
}

#[pymethods]
impl PyView {
    #[new]
    #[pyo3(signature = (observation, site, forecaster = None))]
    fn new(observation: &str, site: &PySite, forecaster: Option<&PyForecaster>) -> PyResult<Self> {
        let guess = forecaster.map_or(Guess::PERSISTENCE, |forecaster| forecaster.guess.clone());
        forecaster.map_or(Ok(()), |forecaster| forecaster.suits(site))?;
        Ok(Self { schema: schema(observation)?, divisors: Divisors::of(&site.plant), guess })
    }

    /// What a model was trained to see, with its own divisors and forecaster.
    #[staticmethod]
    fn of_model(model: &Model, site: &PySite) -> PyResult<Self> {
        let view = model.view()?;
        PyForecaster { guess: view.guess.clone() }.suits(site)?;
        Ok(view)
    }

    /// How many numbers.
    fn __len__(&self) -> usize {
        self.schema.len()
    }
}

/// A view in use.
pub(crate) struct Eyes {
    view: PyView,
    room: Forecast,
    last: Vec<f32>,
}

impl Eyes {
    pub(crate) fn new(view: &PyView) -> Self {
        Self { view: view.clone(), room: Forecast::of_steps(0), last: vec![0.0; view.schema.len()] }
    }

    /// The observation at the start of the present step. Behind a profile's very last row there is none: the last one stands.
    pub(crate) fn observe(&mut self, env: &MemgEnv) -> &[f32] {
        if env.row().is_some() {
            let seen = self.look(env);
            self.last.copy_from_slice(seen.values());
        }
        &self.last
    }

    fn look(&mut self, env: &MemgEnv) -> memg_core::observation::Observation {
        let Self { view: PyView { schema, divisors, guess }, room, .. } = self;
        match schema {
            Schema::TenD | Schema::Extended => env.observe(*schema, divisors),
            Schema::Forecast => {
                let (situation, known) = (env.situation(), env.known());
                let input = PolicyInput {
                    plant: env.filter().plant(),
                    situation: &situation,
                    memory: env.memory(),
                    known: &known,
                };
                foreseen::observe(&input, guess, room, divisors)
            }
        }
    }
}

/// As bytes for numpy.
pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
