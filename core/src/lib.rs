//! The domain of memg-gateway: a multi-energy microgrid, its limits, and the filter that keeps them.
//!
//! No I/O, no clock, no async, no ML framework, no protocol: time and randomness come in as arguments.

pub mod equipment;
pub mod measurement;
pub mod plant_state;
pub mod setpoints;
pub mod units;
