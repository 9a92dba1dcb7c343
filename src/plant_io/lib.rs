//! The plant's edge: drivers that turn registers and messages into measurements and safe set-points into writes.
//!
//! Responsible for: the process image, the points, the drivers. It knows no policy and takes no decision; the only
//! thing it will write are [`memg_core::setpoints::SafeSetpoints`] wrapped in a [`WriteOrder`].
//!
//! How the daemon uses Modbus devices:
//! 1. [`device::load`] each device file; [`device::Device::new`] each `[[device]]` of the site, all with one
//!    [`image::ImageBuilder`] (MQTT inputs take their places from the same one); then `build()` the image.
//! 2. `device.signals()` tells which place of the image is which signal, `device.written()` what can be written.
//! 3. [`modbus::spawn`] starts everything and returns tasks and counters; [`event::DriverEvent`]s come by a channel.
//! 4. A [`WriteOrder`] per completed cycle goes into a `watch` slot. `None` stops writing and refreshing.
//! 5. [`modbus::probe::probe`] reads a device once, without a running driver.

#![forbid(unsafe_code)]

#[cfg(feature = "demo-broker")]
pub mod broker;
pub mod device;
pub mod event;
pub mod forecast;
pub mod formula;
pub mod image;
pub mod library;
pub mod modbus;
pub mod mqtt;
mod output;
pub mod point;
pub mod quantity;
pub mod secret_file;
pub mod sources;
pub mod tls;

pub use memg_site::problem;
pub use output::{Output, OutputTag, Share};

use memg_core::setpoints::SafeSetpoints;

/// What a completed cycle wants written: travels in a latest-value slot (`tokio::sync::watch`), never in a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteOrder {
    /// The cycle that decided it.
    pub cycle: u64,
    /// Made by the safety filter, by nobody else.
    pub setpoints: SafeSetpoints,
    /// How many batteries the plant has.
    pub batteries: usize,
    /// How many CHPs the plant has.
    pub chps: usize,
    /// Share of the renewable cap for PV, kW (rated power when there is no cap).
    pub pv_limit_kw: f64,
    /// Share of the renewable cap for wind, kW (rated power when there is no cap).
    pub wind_limit_kw: f64,
    /// Counter of completed cycles.
    pub heartbeat: u16,
    /// When it was decided: an order older than its time to live is not written.
    pub decided: tokio::time::Instant,
}
