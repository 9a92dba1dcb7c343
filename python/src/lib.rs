//! `memg_gym`: what the gateway decides with, for Python. Environments, filter, planner, forecasts and model folders are those of
//! `memg-core`, `memg-policy` and `memg-evaluate`; nothing of them is written again here.
//!
//! This module is what the Python files beside it (`memg_gym/`) stand on: Gymnasium's and `PettingZoo`'s classes, shapes and checks of
//! arrays are theirs. Numbers cross as bytes of little-endian f32 and f64, so that numpy is no dependency of the Rust side.

#![forbid(unsafe_code)]

mod actor;
mod batch;
mod community;
mod days;
mod environment;
mod errors;
mod evaluation;
mod eyes;
mod filter;
mod forecaster;
mod model;
mod policy;
mod profile;
mod site;
mod step;
mod weights;

use pyo3::prelude::*;

#[pymodule]
#[pyo3(name = "_core")]
fn core_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<site::PySite>()?;
    module.add_class::<profile::PyProfile>()?;
    module.add_class::<forecaster::PyForecaster>()?;
    module.add_class::<eyes::PyView>()?;
    module.add_class::<environment::Environment>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<community::PyCommunity>()?;
    module.add_class::<model::Model>()?;
    module.add_class::<policy::PyPolicy>()?;
    module.add_class::<actor::PyActor>()?;
    module.add_class::<filter::Filter>()?;
    module.add_function(wrap_pyfunction!(evaluation::evaluate, module)?)
}
