//! The controller and the plant of memg-gateway as co-simulation units of FMI 2.0 and FMI 3.0.
//!
//! One table of variables per model ([`ems`], [`plant`]) makes both model descriptions ([`describe`]), get, set and
//! reset. [`instance`] holds what both standards share; `abi` is the C interface, and the only place in the project with
//! `unsafe`. One binary serves both models and both standards: the instantiation token tells which model is meant.
//!
//! No thread, global, environment variable or file beyond the FMU's own resources.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")
)]

#[cfg(any(test, feature = "abi"))]
pub mod abi;
pub mod clock;
pub mod describe;
pub mod ems;
pub mod fault;
pub mod instance;
pub mod limits;
pub mod log;
pub mod model;
pub mod plant;
pub mod price_ahead;
pub mod resources;
pub mod series_text;
#[cfg(test)]
mod tests;
pub mod units;
pub mod variable;
