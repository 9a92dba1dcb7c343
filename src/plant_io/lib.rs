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
pub mod image;
pub mod modbus;
pub mod mqtt;
pub mod point;
pub mod problem;
pub mod quantity;

use memg_core::setpoints::SafeSetpoints;
use serde::{Deserialize, Serialize};

/// What a writable point of a device can take from the controller. Names carry unit and sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Battery set-point, kW, + = charging.
    BatterySetpointKw,
    /// CHP electric set-point, kW; 0 when off.
    ChpSetpointKw,
    /// CHP run command, 0/1.
    ChpRun,
    /// Cap on PV production, kW.
    PvLimitKw,
    /// Cap on wind production, kW.
    WindLimitKw,
    /// Stroked once per completed control cycle: a counter that wraps at 65536.
    Heartbeat,
}

impl Output {
    /// The name in configuration files; it carries the unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BatterySetpointKw => "battery_setpoint_kw",
            Self::ChpSetpointKw => "chp_setpoint_kw",
            Self::ChpRun => "chp_run",
            Self::PvLimitKw => "pv_limit_kw",
            Self::WindLimitKw => "wind_limit_kw",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// The value of this output in an order, in the unit of its name.
    #[must_use]
    pub fn value(self, order: &WriteOrder) -> f64 {
        let safe = &order.setpoints;
        match self {
            Self::BatterySetpointKw => safe.battery().kilowatts().get(),
            Self::ChpSetpointKw => safe.chp().kilowatts().get(),
            Self::ChpRun => f64::from(u8::from(safe.chp_on())),
            Self::PvLimitKw => order.pv_limit_kw,
            Self::WindLimitKw => order.wind_limit_kw,
            Self::Heartbeat => f64::from(order.heartbeat),
        }
    }
}

/// What a completed cycle wants written: travels in a latest-value slot (`tokio::sync::watch`), never in a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteOrder {
    /// The cycle that decided it.
    pub cycle: u64,
    /// Made by the safety filter, by nobody else.
    pub setpoints: SafeSetpoints,
    /// Share of the renewable cap for PV, kW (rated power when there is no cap).
    pub pv_limit_kw: f64,
    /// Share of the renewable cap for wind, kW (rated power when there is no cap).
    pub wind_limit_kw: f64,
    /// Counter of completed cycles.
    pub heartbeat: u16,
    /// When it was decided: an order older than its time to live is not written.
    pub decided: tokio::time::Instant,
}
