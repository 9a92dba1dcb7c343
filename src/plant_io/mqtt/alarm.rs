//! What an operator should hear about the MQTT side, and how often.
//!
//! Responsible for: one place that logs, counts and forwards each kind of event. The same alarm about the same subject
//! is forwarded once a minute with a count; a publisher gone mad cannot flood the log or the queue.

use super::clock::Now;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

/// The same alarm about the same subject is forwarded once in this time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Alarms waiting for the daemon; more are counted and dropped.
pub(super) const QUEUE: usize = 64;
/// Subjects are configured topics and fixed names; this bounds the table all the same.
const SUBJECTS_MAX: usize = 4096;

/// Kinds of alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// No connection to the broker. Raised and cleared.
    LinkDown,
    /// The connection keeps breaking. Raised and cleared.
    ReconnectStorm,
    /// The broker refused a subscription: its access list lacks the topic.
    SubscriptionRefused,
    /// A message was not believed or not understood.
    MessageRejected,
    /// A command was ignored or refused.
    CommandRefused,
    /// Messages for the broker were dropped because their queue was full or they were too large.
    OutputDropped,
}

/// Where an alarm is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// Holds from now on.
    Raised,
    /// No longer holds.
    Cleared,
    /// Happened; does not last.
    Occurred,
}

/// An alarm for the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Kind.
    pub kind: AlarmKind,
    /// Where in its life.
    pub state: AlarmState,
    /// What it is about: a topic, a command kind, the broker.
    pub subject: String,
    /// A sentence for the operator.
    pub detail: String,
    /// How often it happened since it was last forwarded, this time included.
    pub count: u64,
}

/// Totals since the start, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were accepted by the broker: `memg_mqtt_connections_total`.
    pub connections: AtomicU64,
    /// Messages received: `memg_mqtt_messages_total`.
    pub messages: AtomicU64,
    /// Messages or parts of them that were not believed: `memg_mqtt_rejected_total`.
    pub rejected: AtomicU64,
    /// Commands handed to control: `memg_mqtt_commands_total`.
    pub commands: AtomicU64,
    /// Commands ignored or refused before control saw them: `memg_mqtt_commands_refused_total`.
    pub commands_refused: AtomicU64,
    /// Own messages dropped: `memg_mqtt_dropped_total`.
    pub dropped: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The one place where alarms leave the MQTT side. Clones share their memory.
#[derive(Debug, Clone)]
pub(super) struct Alarms {
    out: mpsc::Sender<Alarm>,
    memory: Arc<Mutex<Memory>>,
    pub(super) counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Memory {
    recent: HashMap<(AlarmKind, String), Recent>,
    lasting: HashSet<AlarmKind>,
}

#[derive(Debug)]
struct Recent {
    forwarded: Instant,
    held_back: u64,
}

impl Alarms {
    pub(super) fn new(out: mpsc::Sender<Alarm>, counters: Arc<Counters>) -> Self {
        Self { out, memory: Arc::default(), counters }
    }

    /// Something happened; forwarded at most once a minute per kind and subject.
    pub(super) fn occurred(&self, now: Now, kind: AlarmKind, subject: &str, detail: &str) {
        let Some(count) = self.memory().count_if_due(now.mono, (kind, subject.to_owned())) else { return };
        warn!(?kind, subject, count, "{detail}");
        self.forward(kind, AlarmState::Occurred, (subject, detail), count);
    }

    /// A lasting alarm about the connection holds; forwarded when it begins.
    pub(super) fn raised(&self, kind: AlarmKind, subject: &str, detail: &str) {
        if self.memory().lasting.insert(kind) {
            warn!(?kind, subject, "{detail}");
            self.forward(kind, AlarmState::Raised, (subject, detail), 1);
        }
    }

    /// A lasting alarm about the connection does not hold; forwarded when it ends.
    pub(super) fn cleared(&self, kind: AlarmKind, subject: &str, detail: &str) {
        if self.memory().lasting.remove(&kind) {
            info!(?kind, subject, "{detail}");
            self.forward(kind, AlarmState::Cleared, (subject, detail), 1);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forward(&self, kind: AlarmKind, state: AlarmState, (subject, detail): (&str, &str), count: u64) {
        let alarm = Alarm { kind, state, subject: subject.into(), detail: detail.into(), count };
        if self.out.try_send(alarm).is_err() {
            Counters::add(&self.counters.dropped);
        }
    }
}

impl Memory {
    /// How often it happened since it was last forwarded, if it is to be forwarded now.
    fn count_if_due(&mut self, now: Instant, key: (AlarmKind, String)) -> Option<u64> {
        if let Some(recent) = self.recent.get_mut(&key) {
            recent.held_back += 1;
            if now.saturating_duration_since(recent.forwarded) < REPEAT_AFTER {
                return None;
            }
            recent.forwarded = now;
            return Some(std::mem::take(&mut recent.held_back));
        }
        if self.recent.len() < SUBJECTS_MAX {
            self.recent.insert(key, Recent { forwarded: now, held_back: 0 });
        }
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Clock;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_alarm_is_forwarded_once_a_minute_with_its_count() {
        let (out, mut alarms) = mpsc::channel(QUEUE);
        let clock = Clock::starting_at(0);
        let sink = Alarms::new(out, Arc::default());
        let reject = |topic| sink.occurred(clock.now(), AlarmKind::MessageRejected, topic, "not a number");
        for _ in 0..10 {
            reject("a");
        }
        reject("b");
        tokio::time::advance(Duration::from_secs(61)).await;
        reject("a");
        let counts: Vec<_> = std::iter::from_fn(|| alarms.try_recv().ok()).map(|a| (a.subject, a.count)).collect();
        assert_eq!(counts, [("a".into(), 1), ("b".into(), 1), ("a".into(), 10)]);
    }

    #[test]
    fn a_lasting_alarm_is_forwarded_when_it_begins_and_when_it_ends() {
        let (out, mut alarms) = mpsc::channel(QUEUE);
        let sink = Alarms::new(out, Arc::default());
        sink.cleared(AlarmKind::LinkDown, "broker", "up");
        sink.raised(AlarmKind::LinkDown, "broker", "down");
        sink.raised(AlarmKind::LinkDown, "broker", "down");
        sink.cleared(AlarmKind::LinkDown, "broker", "up");
        let states: Vec<_> = std::iter::from_fn(|| alarms.try_recv().ok()).map(|alarm| alarm.state).collect();
        assert_eq!(states, [AlarmState::Raised, AlarmState::Cleared]);
    }
}
