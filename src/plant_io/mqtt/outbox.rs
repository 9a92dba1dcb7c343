//! What waits to be published: the newest value of every topic, and a bounded queue of events.
//!
//! Nothing here waits: control calls [`Publisher::set`] and [`Publisher::event`] and goes on, broker or no broker.
//! - A value replaces the one before it on its topic. On every connect all values are sent again, so a broker that lost
//!   its memory has them back.
//! - An event (alarm, intervention, acknowledgement) is sent once, in order, and leaves the queue when the broker has
//!   confirmed it. When the queue is full the oldest one is dropped and counted: the newest tell more.

use super::alarm::Counters;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Topics that hold a value; more than a site has.
const TOPICS_MAX: usize = 2048;
/// Events waiting for the broker.
const EVENTS_MAX: usize = 512;
/// Largest message of our own, bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 262_144;

/// A message for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// Below the prefix.
    pub(super) topic: Arc<str>,
    pub(super) payload: Arc<str>,
}

#[derive(Debug)]
struct Value {
    payload: Arc<str>,
    sent: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
}

#[derive(Debug, Default)]
struct State {
    latest: BTreeMap<Arc<str>, Value>,
    /// Topics whose value is unsent, each once, longest waiting first.
    unsent: VecDeque<Arc<str>>,
    /// Events and their running number.
    events: VecDeque<(u64, Outgoing)>,
    next_event: u64,
}

/// The two stores, shared between control and the connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    values: Notify,
    events: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every value is to be sent again.
    pub(super) fn resend_all(&self) {
        let state = &mut *self.lock();
        state.latest.values_mut().for_each(|value| value.sent = Sent::No);
        state.unsent = state.latest.keys().cloned().collect();
        self.values.notify_one();
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.unsent.is_empty() && state.events.is_empty()
    }

    /// The next unsent value; waits for one. For one caller at a time.
    pub(super) async fn next_value(&self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.take_unsent() {
                return outgoing;
            }
            self.values.notified().await;
        }
    }

    fn take_unsent(&self) -> Option<Outgoing> {
        let mut state = self.lock();
        let topic = state.unsent.pop_front()?;
        let value = state.latest.get_mut(&topic)?;
        value.sent = Sent::Yes;
        let payload = Arc::clone(&value.payload);
        Some(Outgoing { topic, payload })
    }

    /// The oldest event and its number, which stays queued; waits for one. For one caller at a time.
    pub(super) async fn first_event(&self) -> (u64, Outgoing) {
        loop {
            if let Some(event) = self.lock().events.front().cloned() {
                return event;
            }
            self.events.notified().await;
        }
    }

    /// The broker has this event. It may have been dropped meanwhile to make room.
    pub(super) fn confirmed(&self, number: u64) {
        let mut state = self.lock();
        if state.events.front().is_some_and(|(first, _)| *first == number) {
            state.events.pop_front();
        }
    }

    fn set(&self, topic: &str, payload: Arc<str>) -> bool {
        let state = &mut *self.lock();
        if !state.latest.contains_key(topic) {
            if state.latest.len() >= TOPICS_MAX {
                return false;
            }
            state.latest.insert(topic.into(), Value { payload: Arc::clone(&payload), sent: Sent::Yes });
        }
        let Some(value) = state.latest.get_mut(topic) else { return false };
        value.payload = payload;
        if std::mem::replace(&mut value.sent, Sent::No) == Sent::Yes {
            state.unsent.push_back(topic.into());
        }
        self.values.notify_one();
        true
    }

    fn is_half_full(&self) -> bool {
        self.lock().events.len() >= EVENTS_MAX / 2
    }

    fn push_event(&self, topic: &str, payload: Arc<str>) -> bool {
        let mut state = self.lock();
        let full = state.events.len() >= EVENTS_MAX;
        if full {
            state.events.pop_front();
        }
        let number = state.next_event;
        state.next_event += 1;
        state.events.push_back((number, Outgoing { topic: topic.into(), payload }));
        drop(state);
        self.events.notify_one();
        !full
    }
}

/// Handle for control and daemon: publishes below the prefix, never waits, never fails.
#[derive(Debug, Clone)]
pub struct Publisher {
    pub(super) outbox: Arc<Outbox>,
    pub(super) counters: Arc<Counters>,
}

impl Publisher {
    /// Replaces the value of `<prefix>/<topic>`; retained at the broker. `topic` is one of the gateway's own fixed
    /// names. A message above 256 KiB or beyond 2048 topics is dropped and counted.
    pub fn set(&self, topic: &str, message: &impl Serialize) {
        let stored = encode(message).is_some_and(|payload| self.outbox.set(topic, payload));
        self.count_unless(stored);
    }

    /// Queues an event for `<prefix>/<topic>`; not retained, delivered at least once. When 512 wait for the broker the
    /// oldest is dropped and counted.
    pub fn event(&self, topic: &str, message: &impl Serialize) {
        let stored = encode(message).is_some_and(|payload| self.outbox.push_event(topic, payload));
        self.count_unless(stored);
    }

    /// Like [`Publisher::event`], but dropped and counted itself when half of the queue is taken: what anybody can provoke
    /// pushes out nothing else.
    pub(super) fn lesser_event(&self, topic: &str, message: &impl Serialize) {
        if self.outbox.is_half_full() {
            return self.count_unless(false);
        }
        self.event(topic, message);
    }

    /// Like [`Publisher::event`], for a message that is JSON already.
    pub fn event_json(&self, topic: &str, json: Arc<str>) {
        let stored = json.len() <= MESSAGE_BYTES_MAX && self.outbox.push_event(topic, json);
        self.count_unless(stored);
    }

    fn count_unless(&self, stored: bool) {
        if !stored {
            Counters::add(&self.counters.dropped);
        }
    }
}

fn encode(message: &impl Serialize) -> Option<Arc<str>> {
    let text = serde_json::to_string(message).ok()?;
    (text.len() <= MESSAGE_BYTES_MAX).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    fn publisher() -> Publisher {
        Publisher { outbox: Arc::default(), counters: Arc::default() }
    }

    fn taken(publisher: &Publisher) -> Vec<(String, String)> {
        let next = || publisher.outbox.take_unsent();
        std::iter::from_fn(next).map(|o| (o.topic.to_string(), o.payload.to_string())).collect()
    }

    fn pair(topic: &str, payload: &str) -> (String, String) {
        (topic.into(), payload.into())
    }

    #[test]
    fn only_the_newest_value_of_a_topic_waits_and_topics_take_turns() {
        let publisher = publisher();
        for n in 0..3 {
            publisher.set("a", &n);
            publisher.set("b", &n);
        }
        assert_eq!(taken(&publisher), [pair("a", "2"), pair("b", "2")]);
        assert_eq!(taken(&publisher), []);
        publisher.set("b", &9);
        publisher.outbox.resend_all();
        assert_eq!(taken(&publisher), [pair("a", "2"), pair("b", "9")]);
    }

    #[tokio::test]
    async fn an_event_stays_until_it_is_confirmed_and_the_oldest_gives_way() {
        let publisher = publisher();
        publisher.event("alarm", &"first");
        let (number, outgoing) = publisher.outbox.first_event().await;
        assert_eq!(&*outgoing.payload, "\"first\"");
        assert_eq!(publisher.outbox.first_event().await.0, number, "not confirmed, so not gone");
        for n in 0..EVENTS_MAX {
            publisher.event("alarm", &n);
        }
        assert_eq!(publisher.counters.dropped.load(Ordering::Relaxed), 1);
        publisher.outbox.confirmed(number);
        assert_eq!(&*publisher.outbox.first_event().await.1.payload, "0", "a dropped event confirms nothing else");
        let (number, _) = publisher.outbox.first_event().await;
        publisher.outbox.confirmed(number);
        assert_eq!(&*publisher.outbox.first_event().await.1.payload, "1");
    }

    #[tokio::test]
    async fn a_flood_of_lesser_events_pushes_no_other_out() {
        let publisher = publisher();
        publisher.event("alarm", &"first");
        for n in 0..2 * EVENTS_MAX {
            publisher.lesser_event("ack", &n);
        }
        assert_eq!(&*publisher.outbox.first_event().await.1.payload, "\"first\"");
        assert_eq!(
            publisher.counters.dropped.load(Ordering::Relaxed),
            2 * EVENTS_MAX as u64 - EVENTS_MAX as u64 / 2 + 1
        );
    }

    #[test]
    fn what_is_too_large_or_too_many_is_dropped_and_counted() {
        let publisher = publisher();
        publisher.set("large", &"x".repeat(MESSAGE_BYTES_MAX));
        (0..=TOPICS_MAX).for_each(|n| publisher.set(&n.to_string(), &n));
        assert_eq!(publisher.counters.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(taken(&publisher).len(), TOPICS_MAX);
    }
}
