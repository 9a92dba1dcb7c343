//! Modbus: devices on TCP, RTU over TCP and serial lines.
//!
//! Responsible for: reading every point of a device on time, and writing safe set-points so that it is known whether they
//! were applied. It does not decide what to write and never guesses a value.
//!
//! Terms: a *line* is a connection or serial port, owned by one task; a *unit* is one unit id of one device on it.
//!
//! | file | what |
//! |---|---|
//! | `codec` | registers to numbers and back |
//! | `plan` | which registers are read together |
//! | `schedule` | when: an absolute grid |
//! | `guard` | a stream that lets only the expected answer through |
//! | `link` | an open connection, one call at a time |
//! | `unit`, `unit_writes`, `unit_confirm` | what was seen of a unit, what is due |
//! | `writer` | when a set-point is written and when it counts as applied |
//! | `confirm` | which ordered set-points are not in force |
//! | `connection` | the task |
//! | `glimpse` | registers and last writes for people |
//! | `probe` | reads everything once, for `gateway check --probe` |

pub mod codec;
pub mod confirm;
pub mod counters;
pub mod link;
pub mod plan;
pub mod probe;

mod backoff;
mod connection;
mod device_units;
pub mod glimpse;
mod guard;
mod schedule;
mod unit;
mod unit_confirm;
mod unit_writes;
mod writer;

use super::WriteOrder;
use super::device::Device;
use super::event::DriverEvent;
use super::image::ProcessImage;
use connection::Connection;
pub use counters::{CounterValues, Counters, DeviceHealth, DeviceState};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What the driver needs from the daemon.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where measurements go. It must have been built by the builder that the devices took their places from.
    pub image: ProcessImage,
    /// Where set-points come from: the latest only. `None`, and an order older than a device's time to live, stop all
    /// writing, refreshes included, so that the devices fall back by themselves.
    pub orders: watch::Receiver<Option<WriteOrder>>,
    /// Where events go; a full channel loses events and never holds up a driver.
    pub events: mpsc::Sender<DriverEvent>,
    /// True ends all tasks after the request in flight.
    pub shutdown: watch::Receiver<bool>,
}

/// Running tasks, one per line, and the counters of all devices.
#[derive(Debug)]
pub struct Running {
    /// A name for each task and its handle. A task ends on shutdown only; if one ends otherwise it panicked.
    pub tasks: Vec<(String, JoinHandle<()>)>,
    /// Counters by device.
    pub devices: Vec<DeviceHealth>,
}

/// Starts driving these devices. Devices with the same transport share a connection. Must be called within a tokio
/// runtime.
#[must_use]
pub fn spawn(devices: Vec<Device>, around: &Surroundings) -> Running {
    let mut running = Running { tasks: Vec::new(), devices: Vec::new() };
    for (line, devices) in device_units::by_line(devices) {
        let (units, health) = device_units::units(&devices, &around.image, &around.events);
        let name = line.transport.to_string();
        let connection = Connection::new(line, units, around.orders.clone(), around.shutdown.clone());
        running.tasks.push((name, tokio::spawn(connection.run())));
        running.devices.extend(health);
    }
    running
}
