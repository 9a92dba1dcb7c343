//! What a driver counted: cheap to write, read by metrics and the live view.

use super::confirm::Confirmations;
use super::glimpse::Glimpses;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one device since the start.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub(crate) $name: AtomicU64,)* state: AtomicU8 }

        /// The counters at one instant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        pub struct CounterValues { $($(#[$doc])* pub $name: u64,)* /// State of the device.
            pub state: DeviceState }

        impl Counters {
            /// All counters now.
            #[must_use]
            pub fn values(&self) -> CounterValues {
                CounterValues { $($name: self.$name.load(Ordering::Relaxed),)* state: self.state() }
            }
        }
    };
}

counters! {
    /// Read requests answered.
    polls,
    /// Places on the poll grid that passed without a read.
    polls_missed,
    /// Requests without an answer in time.
    timeouts,
    /// Requests answered by an exception.
    exceptions,
    /// Answers that did not belong to the request; each cost the connection.
    foreign_answers,
    /// Values that were read but could not be used: range, sentinel, not a number.
    values_refused,
    /// Connections made.
    connects,
    /// Connections lost, and attempts that failed.
    disconnects,
    /// Set-points written because they changed or had to be sent again.
    writes,
    /// Set-points written only to keep the device's watchdog content.
    refreshes,
    /// Heartbeats written.
    heartbeats,
    /// Writes of registers in non-volatile memory.
    non_volatile_writes,
    /// Writes that were not acknowledged.
    writes_failed,
    /// Writes refused before they left: range, encoding, budget.
    writes_refused,
    /// Set-points read back as written.
    applied,
    /// Set-points acknowledged, yet read back differently.
    not_applied,
    /// Set-points that changed at the device after they had been confirmed.
    reverted,
    /// Set-points that came too late to be written.
    orders_expired,
    /// Length of the last exchange, microseconds.
    exchange_us,
    /// Longest exchange, microseconds.
    exchange_us_max,
    /// Turns of the driver's loop: the answer to the question whether it lives.
    turns,
}

/// State of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Never reached.
    #[default]
    Starting,
    /// Not reached.
    Offline,
    /// Read; under local control, or nothing to write.
    Reading,
    /// Read and written.
    Controlled,
    /// Under local control: nothing is written.
    Local,
}

impl Counters {
    pub(crate) fn add(&self, counter: impl Fn(&Self) -> &AtomicU64, count: u64) {
        counter(self).fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn exchange(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.exchange_us.store(us, Ordering::Relaxed);
        self.exchange_us_max.fetch_max(us, Ordering::Relaxed);
    }

    pub(crate) fn set_state(&self, state: DeviceState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// State of the device.
    #[must_use]
    pub fn state(&self) -> DeviceState {
        match self.state.load(Ordering::Relaxed) {
            0 => DeviceState::Starting,
            1 => DeviceState::Offline,
            2 => DeviceState::Reading,
            3 => DeviceState::Controlled,
            _ => DeviceState::Local,
        }
    }
}

/// A device's name and counters.
#[derive(Debug, Clone)]
pub struct DeviceHealth {
    /// Name in the site file.
    pub name: Arc<str>,
    /// Its counters.
    pub counters: Arc<Counters>,
    /// Which of its set-points are not in force.
    pub confirmations: Arc<Confirmations>,
    /// Registers and last writes, for people.
    pub glimpses: Arc<Glimpses>,
}

impl DeviceHealth {
    /// The set-point that has been ordered for longest without being confirmed, if it is beyond its time: which, what is
    /// wanted, what stands against it. Clears when it is confirmed or no longer ordered. The text stays the same while the
    /// cause does.
    #[must_use]
    pub fn unconfirmed(&self, now: Instant) -> Option<String> {
        Some(format!("{}: {}", self.name, self.confirmations.unconfirmed(now)?))
    }
}
