//! A function of Python as a network: judged as the gateway would run it, whatever framework computes it.

use super::eyes::PyView;
use super::forecaster::Guess;
use memg_core::action::Action;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::policy::{Actor, ForeseeingPolicy, Policy, PolicyError};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// A name, what it sees, and a function from the bytes of an observation to three numbers.
#[pyclass(frozen, name = "Actor", module = "memg_gym")]
pub(crate) struct PyActor {
    name: String,
    view: PyView,
    function: Py<PyAny>,
}

#[pymethods]
impl PyActor {
    #[new]
    fn new(name: String, view: &PyView, function: Py<PyAny>) -> Self {
        Self { name, view: view.clone(), function }
    }
}

impl PyActor {
    pub(crate) fn policy(&self, py: Python<'_>) -> Box<dyn Policy> {
        let PyView { schema, divisors, guess } = self.view.clone();
        let function = self.function.clone_ref(py);
        let actor = Called { name: self.name.clone(), schema, divisors, function };
        Box::new(ForeseeingPolicy::<Called, Guess>::new(actor, guess))
    }
}

struct Called {
    name: String,
    schema: Schema,
    divisors: Divisors,
    function: Py<PyAny>,
}

impl Actor for Called {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> Schema {
        self.schema
    }
    fn divisors(&self) -> Divisors {
        self.divisors
    }
    fn infer(&mut self, observation: &Observation) -> Result<Action, PolicyError> {
        let called = |py: Python<'_>| {
            let bytes = PyByteArray::new(py, &super::eyes::bytes(observation.values()));
            self.function.bind(py).call1((bytes,))?.extract()
        };
        Python::attach(called).map(Action).map_err(|error: PyErr| PolicyError::Runtime(error.to_string()))
    }
}
