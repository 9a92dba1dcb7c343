//! One list of alarms for page, messages and terminal, after the states of ISA-18.2.
//!
//! Responsible for: which alarms there are ([`TABLE`]), what they say, and the life of each: delay, hysteresis, latching,
//! acknowledgement, shelving, being out of service, count. It does not find out what is wrong: whoever watches the plant tells it every cycle what
//! stands ([`Raised`]), with consequences attached to their cause. Time is an argument, nothing here changes the plant.
//!
//! ```text
//!            delay                     gone for the hysteresis
//! (normal) ───────► unacknowledged ──────────────────────────► returned ──acknowledge──► (normal)
//!                     │ acknowledge                                ▲
//!                     ▼                                            │ latching ones
//!                  acknowledged ───────── gone for the hysteresis ─┴──────────────────► (normal)
//! ```
//!
//! Shelved (by an operator) and out of service (by an engineer) is any of them while it calls nobody, until its time is over.

#![forbid(unsafe_code)]

mod aside;
mod kind;
mod list;
mod table;

pub use aside::Aside;
pub use kind::{Definition, Kind, Priority};
pub use list::{Alarm, Change, List, Now, Raised, Refusal, Remembered, State};
pub use table::{TABLE, markdown};
