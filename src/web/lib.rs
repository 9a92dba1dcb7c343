//! The operator's station: the page, its API and its live stream, over HTTP.
//!
//! Responsible for: who may look and who may command (log-in, roles, Origin and Host), limits on everything that comes from
//! outside, and serving what the gateway tells. It knows no driver, no control and no one else's settings: what it shows
//! comes ready-made through [`wires::Wires`], what is wished goes out as a [`wires::Ask`] and is judged at control's door.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | where it listens, users, TLS |
//! | [`wires`] | what it is connected to |
//! | `server` | connections: limits, time-outs, TLS |
//! | `guard` | what every request has to pass: Host, Origin, size, headers of the answer |
//! | `sessions`, [`password`], `arming` | log-in, and arming in two steps |
//! | `routes` | one file for each group of addresses |
//! | `page` | files of the page, built in |

#![forbid(unsafe_code)]

mod arming;
mod guard;
mod page;
pub mod password;
mod refused;
mod routes;
mod server;
mod sessions;
pub mod settings;
pub mod wires;

pub use routes::{PATHS, openapi};
pub use server::Server;
