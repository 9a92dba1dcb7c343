//! From messages to the process image.
//!
//! The rules, per input:
//! - With a time stamp: the value's age counts from it. Newer than the value in use, or equal (a repetition, which
//!   changes nothing): accepted. Older: ignored. In the future: ignored and alarmed, so that a wrong clock lets the value
//!   go stale instead of keeping it fresh for ever.
//! - Without one: age counts from arrival, and a retained message is ignored, for nobody knows how old it is.
//! - A live message that cannot be understood, or whose value is out of range, marks the point `OutOfRange` at once; a
//!   retained one that fails is ignored (it may be older than the value in use).
//! - Losing the broker does not spoil a value within its maximum age; after that it is `CommLost`.

use super::clock::Now;
use super::payload::{Payload, Rejection};
use super::receive::{Delivery, Message};
use super::settings::{Input, Trust};
use crate::image::{PointId, Update};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// An update for the process image and the instant it was read at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timed {
    pub(super) at: Instant,
    pub(super) id: PointId,
    pub(super) update: Update,
}

/// What a message led to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Received {
    pub(super) updates: Vec<Timed>,
    /// The first reason why a part of the message was not believed.
    pub(super) rejection: Option<Rejection>,
}

/// The inputs and what is known about each.
#[derive(Debug)]
pub(super) struct Inputs {
    trust: Trust,
    points: Vec<InputPoint>,
    by_topic: BTreeMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct InputPoint {
    input: Input,
    id: PointId,
    /// Time stamp of the value in use, ms since 1970.
    stamp_ms: Option<u64>,
    /// When the value in use was read.
    read_at: Option<Instant>,
}

/// What one input makes of a message.
enum Verdict {
    Accept {
        value: f64,
        stamp_ms: Option<u64>,
        age: Duration,
    },
    /// The device says something unusable.
    Unusable(Rejection),
    /// Says nothing about the device.
    Ignore(Rejection),
}

impl Inputs {
    /// Inputs and the points they feed, pairwise.
    pub(super) fn new(trust: Trust, inputs: impl IntoIterator<Item = (Input, PointId)>) -> Self {
        let mut by_topic: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut points = Vec::new();
        for (n, (input, id)) in inputs.into_iter().enumerate() {
            by_topic.entry(input.topic.clone()).or_default().push(n);
            points.push(InputPoint { input, id, stamp_ms: None, read_at: None });
        }
        Self { trust, points, by_topic }
    }

    /// The topics to subscribe to, each once.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.by_topic.keys().map(String::as_str)
    }

    /// Whether an input listens to this topic.
    pub(super) fn knows(&self, topic: &str) -> bool {
        self.by_topic.contains_key(topic)
    }

    /// Judges a message for every input on its topic.
    pub(super) fn receive(&mut self, message: Message<'_>, now: Now) -> Received {
        let mut received = Received::default();
        let Some(indices) = self.by_topic.get(message.topic) else { return received };
        let payload = Payload::new(message.body, indices.iter().map(|n| &self.points[*n].input.source));
        for n in indices {
            let point = &mut self.points[*n];
            let verdict = point.judge(&payload, message.delivery, now.unix_ms, self.trust);
            point.apply(verdict, now, &mut received);
        }
        received
    }

    /// Marks the points whose value is too old while there is no broker.
    pub(super) fn lost(&self, now: Now) -> Vec<Timed> {
        let too_old = |point: &&InputPoint| {
            point.read_at.is_none_or(|at| now.mono.saturating_duration_since(at) > point.input.age_max)
        };
        let lost = |point: &InputPoint| Timed { at: now.mono, id: point.id, update: Update::CommLost };
        self.points.iter().filter(too_old).map(lost).collect()
    }
}

impl InputPoint {
    fn judge(&self, payload: &Payload<'_>, delivery: Delivery, unix_ms: u64, trust: Trust) -> Verdict {
        match self.evaluate(payload, delivery, unix_ms, trust) {
            Ok((value, stamp_ms)) => {
                let age = stamp_ms.map_or(0, |stamp| unix_ms.saturating_sub(stamp));
                Verdict::Accept { value, stamp_ms, age: Duration::from_millis(age) }
            }
            Err(rejection) => match (rejection, delivery) {
                (Rejection::InFuture | Rejection::Reordered | Rejection::RetainedWithoutTime, _)
                | (_, Delivery::Retained) => Verdict::Ignore(rejection),
                (_, Delivery::Live) => Verdict::Unusable(rejection),
            },
        }
    }

    /// Time first: what is late, replayed or from the future says nothing, whatever its value.
    fn evaluate(
        &self,
        payload: &Payload<'_>,
        delivery: Delivery,
        unix_ms: u64,
        trust: Trust,
    ) -> Result<(f64, Option<u64>), Rejection> {
        let stamp_ms = match &self.input.time {
            _ if matches!(payload, Payload::Oversize) => return Err(Rejection::Oversize),
            Some(source) => Some(payload.time(source)?),
            None if delivery == Delivery::Retained => return Err(Rejection::RetainedWithoutTime),
            None => None,
        };
        let latest = unix_ms.saturating_add(super::clock::millis(trust.future_max));
        if stamp_ms.is_some_and(|stamp| stamp > latest) {
            return Err(Rejection::InFuture);
        }
        if stamp_ms.zip(self.stamp_ms).is_some_and(|(new, used)| new < used) {
            return Err(Rejection::Reordered);
        }
        Ok((payload.value(&self.input)?, stamp_ms))
    }

    fn apply(&mut self, verdict: Verdict, now: Now, received: &mut Received) {
        let (at, update, rejection) = match verdict {
            Verdict::Accept { value, stamp_ms, age } => {
                // Older than the monotonic clock itself: too old to be dated, and for any use.
                let Some(at) = now.mono.checked_sub(age) else { return };
                self.stamp_ms = stamp_ms.or(self.stamp_ms);
                self.read_at = Some(at);
                (at, Some(Update::Value(value)), None)
            }
            Verdict::Unusable(rejection) => (now.mono, Some(Update::OutOfRange), Some(rejection)),
            Verdict::Ignore(rejection) => (now.mono, None, Some(rejection)),
        };
        received.updates.extend(update.map(|update| Timed { at, id: self.id, update }));
        received.rejection = received.rejection.or(rejection);
    }
}

#[cfg(test)]
#[path = "inputs_tests.rs"]
mod tests;
