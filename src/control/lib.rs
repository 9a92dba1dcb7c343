//! The supervision cycle: from frozen measurements to set-points, the mode that allows them to be written, the journal
//! of every cycle, its replay and its explanation.
//!
//! [`cycle::decide`] is a pure function of configuration, state, input and policy; time is an argument. It knows no
//! protocol: package `memg-daemon` wires it to drivers.

#![forbid(unsafe_code)]

pub mod account;
mod apply;
pub mod assumed;
pub mod books;
pub mod chain;
pub mod cycle;
pub mod differences;
mod door;
mod exceeding;
pub mod explain;
pub mod fault;
pub mod following;
pub mod grid_limit;
mod header;
pub mod input;
pub mod journal;
pub mod mode;
mod mode_number;
mod mode_times;
pub mod recorder;
pub mod replay;
pub mod restore;
mod seen;
pub mod source_voltage;
pub mod state;
mod steady;
pub mod substitutes;
pub mod verify;
pub mod words;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod following_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod loop_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]
mod masters_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod promises;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod rig;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod scenarios;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod substitutes_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod units_tests;
