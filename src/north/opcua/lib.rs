//! The north side over OPC UA: a folder for the site with a node for each point.
//!
//! The library `async-opcua` (MPL-2.0, which is why this package stands behind a feature) does the protocol. Ours are the rights, because
//! by itself it lets anybody write what is writable; the trust in certificates, which it would store without end; and the number of
//! connections, which it does not bound.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | where it listens, who may log in, certificates |
//! | `server` | the gate in front of the library, its limits |
//! | `who` | log-ins and rights |
//! | `pki` | trusted certificates |
//! | `nodes`, `values` | the address space; values, status, times |
//! | `manager` | reading, subscribing, writing |

#![forbid(unsafe_code)]

mod manager;
mod nodes;
mod pki;
mod server;
pub mod settings;
mod values;
mod who;

pub use server::Server;
pub use who::Verify;
