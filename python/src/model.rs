//! Networks from model folders, which prove themselves when they are loaded as in the gateway.

use super::errors::{failed, model as told, wrong};
use super::eyes::{PyView, bytes};
use super::forecaster::Guess;
use memg_core::observation::Observation;
use memg_core::policy::Actor;
use memg_policy::model::{Kind, kind};
use memg_policy::{ModelFolder, PolicySpec, Runtime};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A network and what it was trained to see.
#[pyclass(frozen, name = "Model", module = "memg_gym")]
pub(crate) struct Model {
    dir: PathBuf,
    folder: ModelFolder,
    actor: Mutex<Box<dyn Actor>>,
}

#[pymethods]
impl Model {
    #[new]
    fn new(path: &str) -> PyResult<Self> {
        let PolicySpec::Model { dir, runtime } = PolicySpec::model(path, Runtime::Rust) else {
            return Err(wrong(format!("{path:?} is no folder")));
        };
        if kind(&dir).map_err(|error| told(&dir, &error))? == Kind::Planner {
            return Err(wrong(format!(
                "{path} holds a planner's forecaster and no network: load_policy({path:?}, site) plans with it"
            )));
        }
        let folder = ModelFolder::load(&dir).map_err(|error| told(&dir, &error))?;
        let actor = folder.actor(runtime).map_err(|error| told(&dir, &error))?;
        Ok(Self { dir, folder, actor: Mutex::new(actor) })
    }

    /// Short name.
    #[getter]
    fn name(&self) -> &str {
        &self.folder.manifest().name
    }

    /// Schema and version, such as memg-extended/2.
    #[getter]
    fn schema(&self) -> &'static str {
        self.folder.manifest().schema.name()
    }

    /// Length of an observation.
    #[getter]
    fn length(&self) -> usize {
        self.folder.manifest().schema.list().len()
    }

    /// The text of model.toml.
    #[getter]
    fn manifest(&self) -> PyResult<String> {
        super::errors::read(&self.dir.join("model.toml").display().to_string())
    }

    /// Actions for observations that follow each other in one list of numbers, as bytes.
    fn act<'py>(&self, py: Python<'py>, observations: Vec<f32>) -> PyResult<Bound<'py, PyByteArray>> {
        let mut actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = actor.schema();
        let mut actions = Vec::new();
        for numbers in observations.chunks(schema.len()) {
            let expected =
                || wrong(format!("expected observations of {} numbers, found {}", schema.len(), numbers.len()));
            let observation = Observation::from_values(schema, numbers).ok_or_else(expected)?;
            actions.extend(bytes(&actor.infer(&observation).map_err(failed)?.0));
        }
        Ok(PyByteArray::new(py, &actions))
    }
}

impl Model {
    /// What it was trained to see.
    pub(crate) fn view(&self) -> PyResult<PyView> {
        let actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        let ridge = self.folder.forecaster().map_err(|error| told(Path::new(&self.dir), &error))?;
        let guess = ridge.map_or(Guess::PERSISTENCE, |ridge| Guess::Ridge(Box::new(ridge)));
        Ok(PyView { schema: actor.schema(), divisors: actor.divisors(), guess })
    }
}
