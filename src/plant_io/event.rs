//! What drivers tell an operator: a bounded stream of events.
//!
//! Responsible for: the closed list of things worth telling, and sending them without ever blocking a driver. It does not
//! log, it does not decide: the daemon has the one place that turns an event into a log line, an alarm and a mode.

use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Something that happened at a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverEvent {
    /// Name of the device (or broker) as in the site file.
    pub device: String,
    /// What happened.
    pub kind: EventKind,
    /// One sentence with the numbers.
    pub detail: String,
}

/// The kinds of [`DriverEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A connection was made.
    Connected,
    /// A connection was lost or could not be made; said once until the next [`EventKind::Connected`].
    Disconnected,
    /// A unit stopped answering while its connection works.
    UnitSilent,
    /// A silent unit answers again.
    UnitBack,
    /// An answer that does not belong to its request: desynchronised, foreign, too short or too long.
    ForeignAnswer,
    /// The device refuses a request that the point table makes (exceptions 1, 2, 3): correct the table.
    ConfigurationFault,
    /// The device reports that it is broken (exception 4).
    DeviceFault,
    /// A set-point reached the device and was read back.
    Applied,
    /// The device acknowledged a write, yet reads back another value.
    NotApplied,
    /// A confirmed set-point changed at the device without us.
    Reverted,
    /// A write was not answered: nobody knows whether it was applied until the device was read.
    WriteUnknown,
    /// After reconnecting, the device's state was read and compared.
    Reconciled,
    /// A write was refused before it left: out of range, not encodable, budget used up.
    WriteRefused,
    /// The device refused a write with an exception.
    WriteRejected,
    /// Somebody took the device into local control: nothing is written.
    LocalControl,
    /// The device is back under remote control.
    RemoteControl,
    /// A message could not be used (MQTT): malformed, too large, out of range, from the future, replayed.
    BadMessage,
    /// A command was ignored or refused before control saw it (MQTT): retained, expired, malformed, wrong proof.
    CommandRefused,
    /// The connection keeps breaking; said once until [`EventKind::ConnectionStable`].
    ReconnectStorm,
    /// A connection that kept breaking has lasted.
    ConnectionStable,
    /// Measurements have not fitted each other for long: powers, heat, gas or counters do not balance.
    BalanceOff,
    /// They fit again.
    BalanceHolds,
}

impl EventKind {
    /// Whether an operator has to look.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        match self {
            Self::Connected
            | Self::UnitBack
            | Self::Applied
            | Self::Reconciled
            | Self::RemoteControl
            | Self::ConnectionStable
            | Self::BalanceHolds => false,
            Self::Disconnected
            | Self::UnitSilent
            | Self::ForeignAnswer
            | Self::ConfigurationFault
            | Self::DeviceFault
            | Self::NotApplied
            | Self::Reverted
            | Self::WriteUnknown
            | Self::WriteRefused
            | Self::WriteRejected
            | Self::LocalControl
            | Self::BadMessage
            | Self::CommandRefused
            | Self::ReconnectStorm
            | Self::BalanceOff => true,
        }
    }
}

/// Sends events of one device. A full channel never holds up a driver: the event is dropped and counted.
#[derive(Debug, Clone)]
pub struct EventSink {
    device: Arc<str>,
    sender: mpsc::Sender<DriverEvent>,
    dropped: Arc<AtomicU64>,
}

impl EventSink {
    /// A sink for the device of that name.
    #[must_use]
    pub fn new(device: &str, sender: mpsc::Sender<DriverEvent>) -> Self {
        Self { device: device.into(), sender, dropped: Arc::default() }
    }

    /// Tells, or counts the loss.
    pub fn tell(&self, kind: EventKind, detail: impl Into<String>) {
        let event = DriverEvent { device: self.device.to_string(), kind, detail: detail.into() };
        if self.sender.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events lost because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
