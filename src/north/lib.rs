//! The north side: what the plant's SCADA reads and commands, over whatever it speaks.
//!
//! Protocols see a list of points ([`points`]), a snapshot a cycle ([`wires`]) and one desk that takes writes ([`desk`]). They know
//! neither control nor drivers; what they write becomes a command with its principal, which control's door judges.

#![forbid(unsafe_code)]

pub mod desk;
pub mod forecasts;
mod hold;
pub mod modbus;
pub mod points;
pub mod settings;
pub mod sunspec;
pub mod wires;
