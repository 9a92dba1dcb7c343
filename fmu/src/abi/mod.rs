//! The C interface: both standards' functions around [`Instance`](crate::instance::Instance).
//!
//! Every entry point catches panics: they become a fatal status and a log line, and the instance answers nothing but
//! "fatal" from then on. The host lives.
#![allow(unsafe_code, reason = "a C interface")]
#![allow(non_snake_case, reason = "the names of the standards")]
#![allow(clippy::missing_safety_doc, reason = "the contract is the standard's: see `raw`")]

mod fmi2;
mod fmi2_state;
mod fmi3;
mod fmi3_state;
mod fmi3_unsupported;
mod raw;

pub use fmi2::*;
pub use fmi2_state::*;
pub use fmi3::*;
pub use fmi3_state::*;
pub use fmi3_unsupported::*;
