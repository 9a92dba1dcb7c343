//! The Modbus TCP server for SCADA: functions 3, 4 (the same map), 6, 16 and 43/14.

pub mod forecasts;
mod pdu;
mod registers;
mod server;

pub use pdu::Registers;
pub use registers::{BLOCKS, width};
pub use server::Server;
