//! What systemd is told of the loop (`Type=notify`, `WatchdogSec=`): nothing but completed cycles keep it content.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::Instant;

/// Shortest time between two signs of life; watchdogs count in many seconds.
const LIFE: Duration = Duration::from_secs(1);

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Service {
    told: Option<Instant>,
}

impl Service {
    /// A cycle is completed: the first one means that the gateway is ready.
    pub fn cycle_completed(&mut self) {
        if self.told.is_some_and(|told| told.elapsed() < LIFE) {
            return;
        }
        if self.told.is_none() {
            tell(&[NotifyState::Ready]);
        }
        tell(&[NotifyState::Watchdog]);
        self.told = Some(Instant::now());
    }

    /// The loop has ended.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// Without a service manager there is no socket, and nothing is sent. One that does not listen is not worth a fault: what it
/// misses is its own watchdog.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "The service manager was not told.");
    }
}
