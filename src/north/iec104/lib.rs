//! The north side over IEC 60870-5-104: the gateway as a controlled station.
//!
//! A point's number is its information object address; commands are written at theirs and become orders for the desk. Octets of
//! ASDUs are the crate `iec104`'s; the link is our own, because that crate's server takes any number of connections, closes on what
//! the standard wants answered, and does not say who a certificate belongs to.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | where it listens, who may do what |
//! | `server` | the port, and as whom somebody is connected |
//! | `session` | one connection: octets, clock, orders under way |
//! | `link` | numbers of frames, windows, time-outs; no I/O |
//! | `station` | what is answered; commands with selection |
//! | `asdu`, `objects`, `time` | heads, points as objects, time tags |
//! | `shown` | dead bands |

#![forbid(unsafe_code)]

mod asdu;
mod link;
mod objects;
mod server;
mod session;
pub mod settings;
mod shown;
mod station;
mod time;

pub use server::Server;
