//! Modbus: devices on TCP, RTU over TCP and serial lines.
//!
//! Responsible for: reading every point of a device on time, and writing safe set-points so that it is known whether they
//! were applied. It does not decide what to write and never guesses a value.

pub mod codec;
pub mod plan;
