//! Commissioning: looks at a plant before control begins, and says what is wrong and what would be right.
//!
//! Responsible for reading every point beside what would be plausible ([`reading`]), other orders of words and addresses
//! that would be ([`other`]), the balance of powers ([`balance`]), and the findings of `gateway doctor` ([`doctor`]); and for
//! what `gateway commission` tries ([`trial`]) and reports ([`protocol`]). It writes nothing: devices are looked at as
//! [`memg_plant_io::device::Device::read_only`] leaves them, the broker as a visitor; what commissioning writes a gateway does.

#![forbid(unsafe_code)]

pub mod balance;
pub mod doctor;
pub mod init;
pub mod live;
pub mod other;
pub mod paper;
pub mod plausible;
pub mod protocol;
pub mod reading;
pub mod scan;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]
mod tests;
pub mod trial;
