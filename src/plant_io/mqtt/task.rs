//! The task that owns the connection: connects, serves, waits, connects again, until the gateway stops.

use super::arming::system_random;
use super::backoff::{Backoff, Ended, GOOD_AFTER};
use super::receive::{Common, Receive};
use super::session::{self, End, LinkState};
use super::settings::Connection;
use crate::event::EventKind;
use std::time::Duration;
use tokio::sync::watch;

/// What the task owns.
#[derive(Debug)]
pub(super) struct Task<R> {
    pub(super) connection: Connection,
    pub(super) common: Common,
    pub(super) receiver: R,
    pub(super) link: watch::Sender<LinkState>,
    pub(super) stop: watch::Receiver<bool>,
}

impl<R: Receive> Task<R> {
    /// Ends when the gateway stops.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            match session::run(&mut self).await {
                End::Stopped => return,
                End::Failed(ended, cause) => {
                    let wait = self.after_failure(&mut backoff, ended, &cause);
                    if session::pause(&mut self, wait).await == session::Pause::Stopped {
                        return;
                    }
                }
            }
        }
    }

    /// Alarms what happened and says how long to wait.
    fn after_failure(&self, backoff: &mut Backoff, ended: Ended, cause: &str) -> Duration {
        let now = self.common.clock.now().mono;
        let wait = backoff.wait(ended, now, random());
        let alarms = &self.common.alarms;
        let broker = &self.connection.broker;
        let detail = format!("No connection to the broker at {}:{}: {cause}.", broker.host, broker.port);
        alarms.begun(EventKind::Disconnected, detail);
        if backoff.is_storm(now) {
            let why = probable_cause(ended, &broker.client_id);
            let detail = format!("The connection to the broker keeps breaking: {cause}. {why}");
            alarms.begun(EventKind::ReconnectStorm, detail);
        }
        wait
    }
}

/// A broker that accepts a client and throws it out soon after, again and again, has usually been asked by two.
fn probable_cause(ended: Ended, client_id: &str) -> String {
    match ended {
        Ended::UpFor(time) if time < GOOD_AFTER => format!(
            "Probably the client_id {client_id:?} is used twice, by a second gateway or another program: the broker then \
             closes the older connection."
        ),
        Ended::UpFor(_) | Ended::NeverUp => {
            format!("Look at the network and the broker's log; is the client_id {client_id:?} used twice?")
        }
    }
}

/// A random number in [0, 1); without randomness 0, which only means no jitter.
fn random() -> f64 {
    let mut bytes = [0; 4];
    let _ = system_random(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}
