//! Whoever decides in the gateway: the rules, the planner, a model folder with its guard.

use super::errors::{model, wrong};
use super::site::PySite;
use memg_core::policy::Policy;
use memg_policy::{PolicySpec, Runtime, load_policy};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A policy for a site, named as in a configuration.
#[pyclass(name = "Policy", module = "memg_gym")]
pub(crate) struct PyPolicy {
    policy: Mutex<Box<dyn Policy>>,
}

#[pymethods]
impl PyPolicy {
    #[new]
    fn new(policy: &str, site: &PySite) -> PyResult<Self> {
        Ok(Self { policy: Mutex::new(load(policy, site)?) })
    }

    #[getter]
    fn name(&mut self) -> PyResult<String> {
        Ok(self.inner()?.name().to_owned())
    }

    /// The plan behind the last decision, by the hour, if the policy plans.
    #[getter]
    fn plan<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(plan) = self.inner()?.plan().map(memg_core::planner::PlanSummary::by_hour) else { return Ok(None) };
        let told = PyDict::new(py);
        told.set_item("reason", plan.reason)?;
        told.set_item("entry_min", plan.entry_min)?;
        told.set_item("battery_kw", plan.battery_kw)?;
        told.set_item("chp_kw", plan.chp_kw)?;
        told.set_item("soc", plan.soc)?;
        told.set_item("import_price_eur_per_kwh", plan.import_price_eur_per_kwh)?;
        Ok(Some(told))
    }
}

impl PyPolicy {
    pub(crate) fn inner(&mut self) -> PyResult<&mut dyn Policy> {
        Ok(self.policy.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}

/// The policy of a name or folder; the plain loops run a network, as in `gateway evaluate`.
pub(crate) fn load(policy: &str, site: &PySite) -> PyResult<Box<dyn Policy>> {
    let spec = PolicySpec::parse(policy, Runtime::Rust).map_err(wrong)?;
    let dir = match &spec {
        PolicySpec::Model { dir, .. } => dir.as_path(),
        PolicySpec::Rule(name) => Path::new(name),
    };
    load_policy(&spec, &site.plant).map_err(|error| model(dir, &error))
}
