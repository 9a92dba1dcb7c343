//! Co-simulation: this gateway's controller inside other people's simulations, and their plants in its loop.
//!
//! Every master calls the same controller step, so that one day gives the same set-points through all of them. Simulated
//! time is the only time here; wall clock serves time-outs alone.

#![forbid(unsafe_code)]

mod error;
mod fmu_check;
pub mod fmu_host;
mod fmu_pack;
pub mod lockstep;
pub mod mosaik;
mod platform;
mod reading;
mod unit;

pub use error::CosimError;
pub use fmu_check::{CheckReport, fmu_check};
pub use fmu_host::{CosimOptions, PATIENCE, PlantRun, cosim};
pub use fmu_pack::{BuildOptions, checked_weights, file_name, fmu_build};
pub use mosaik::{Direction, MosaikOptions, mosaik};
pub use unit::{Unit, UnitOptions};
