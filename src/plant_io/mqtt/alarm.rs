//! How often an operator hears about the MQTT side.
//!
//! Responsible for: counting, and passing events on to the daemon (which logs and alarms them). The same kind about the
//! same subject is told once a minute with a count, so that a publisher gone mad cannot flood the log.

use super::clock::Now;
use crate::event::{EventKind, EventSink};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The same alarm about the same subject is told once in this time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Subjects are configured topics and fixed names; this bounds the table all the same.
const SUBJECTS_MAX: usize = 4096;

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

/// The one place where events leave the MQTT side. Clones share their memory.
#[derive(Debug, Clone)]
pub(super) struct Alarms {
    events: EventSink,
    memory: Arc<Mutex<AlarmMemory>>,
    pub(super) counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct AlarmMemory {
    recent: HashMap<(EventKind, String), Recent>,
    lasting: HashSet<EventKind>,
}

#[derive(Debug)]
struct Recent {
    told: Instant,
    held_back: u64,
}

impl Alarms {
    pub(super) fn new(events: EventSink, counters: Arc<Counters>) -> Self {
        Self { events, memory: Arc::default(), counters }
    }

    /// Something happened; told at most once a minute per kind and subject.
    pub(super) fn occurred(&self, now: Now, kind: EventKind, subject: &str, detail: &str) {
        match self.memory().count_if_due(now.mono, (kind, subject.to_owned())) {
            Some(1) => self.events.tell(kind, format!("{subject}: {detail}")),
            Some(count) => self.events.tell(kind, format!("{subject}: {detail} {count} times in the last minute.")),
            None => {}
        }
    }

    /// Something that lasts has begun; told once until it is [`Self::over`].
    pub(super) fn begun(&self, kind: EventKind, detail: impl Into<String>) {
        if self.memory().lasting.insert(kind) {
            self.events.tell(kind, detail);
        }
    }

    /// What lasted is over; told as `told` if it had begun.
    pub(super) fn over(&self, kind: EventKind, told: EventKind, detail: &str) {
        if self.memory().lasting.remove(&kind) {
            self.events.tell(told, detail);
        }
    }

    fn memory(&self) -> MutexGuard<'_, AlarmMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlarmMemory {
    /// How often it happened since it was last told, if it is to be told now.
    fn count_if_due(&mut self, now: Instant, key: (EventKind, String)) -> Option<u64> {
        if let Some(recent) = self.recent.get_mut(&key) {
            recent.held_back += 1;
            if now.saturating_duration_since(recent.told) < REPEAT_AFTER {
                return None;
            }
            recent.told = now;
            return Some(std::mem::take(&mut recent.held_back));
        }
        if self.recent.len() < SUBJECTS_MAX {
            self.recent.insert(key, Recent { told: now, held_back: 0 });
        }
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Clock;
    use super::*;
    use crate::event::DriverEvent;
    use tokio::sync::mpsc;

    fn bench() -> (Alarms, mpsc::Receiver<DriverEvent>) {
        let (sender, events) = mpsc::channel(64);
        (Alarms::new(EventSink::new("mqtt", sender), Arc::default()), events)
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_event_is_told_once_a_minute_with_its_count() {
        let (alarms, mut events) = bench();
        let clock = Clock::starting_at(0);
        let reject = |topic| alarms.occurred(clock.now(), EventKind::BadMessage, topic, "Not a number.");
        for _ in 0..10 {
            reject("a");
        }
        reject("b");
        tokio::time::advance(Duration::from_secs(61)).await;
        reject("a");
        let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.detail).collect();
        assert_eq!(told, ["a: Not a number.", "b: Not a number.", "a: Not a number. 10 times in the last minute."]);
    }

    #[test]
    fn what_lasts_is_told_when_it_begins_and_when_it_ends() {
        let (alarms, mut events) = bench();
        let over = || alarms.over(EventKind::Disconnected, EventKind::Connected, "up");
        over();
        alarms.begun(EventKind::Disconnected, "down");
        alarms.begun(EventKind::Disconnected, "down");
        over();
        let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.kind).collect();
        assert_eq!(told, [EventKind::Disconnected, EventKind::Connected]);
    }
}
