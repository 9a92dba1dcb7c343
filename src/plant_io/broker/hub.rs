//! Who is connected, who wants what, and what is kept for those to come.

use rumqttc::{Packet, Publish, QoS, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, matches, valid_filter};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Packets that wait for a client; one that is slower is disconnected and may come back.
const WAITING_MAX: usize = 4096;
/// Retained messages; further topics are delivered and not kept.
const RETAINED_MAX: usize = 2048;
/// Subscriptions of a client; more are refused.
const FILTERS_MAX: usize = 64;

/// Number of a connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seat(u64);

#[derive(Debug)]
struct Client {
    id: String,
    filters: HashMap<String, QoS>,
    outbox: mpsc::Sender<Packet>,
    /// Last packet identifier of a delivery.
    pkid: u16,
}

#[derive(Debug, Default)]
struct Inner {
    clients: HashMap<Seat, Client>,
    retained: BTreeMap<String, Publish>,
    seats: u64,
}

/// All sessions of a broker.
#[derive(Debug, Default)]
pub(super) struct Hub(Mutex<Inner>);

impl Client {
    /// Queues a packet; `false` where the client is too slow.
    fn push(&self, packet: Packet) -> bool {
        self.outbox.try_send(packet).is_ok()
    }

    /// The best quality at which it wants a topic.
    fn wants(&self, topic: &str) -> Option<QoS> {
        let wanted = self.filters.iter().filter(|(filter, _)| matches(topic, filter));
        wanted.map(|(_, qos)| *qos).max_by_key(|qos| *qos as u8)
    }

    fn deliver(&mut self, publish: &Publish, wanted: QoS, retain: bool) -> bool {
        let mut copy = Publish { dup: false, retain, pkid: 0, ..publish.clone() };
        copy.qos = at_most_once_acknowledged(if (wanted as u8) < publish.qos as u8 { wanted } else { publish.qos });
        if copy.qos != QoS::AtMostOnce {
            self.pkid = self.pkid.checked_add(1).unwrap_or(1);
            copy.pkid = self.pkid;
        }
        self.push(Packet::Publish(copy))
    }
}

/// Exactly-once deliveries would need a session that outlives its connection.
const fn at_most_once_acknowledged(qos: QoS) -> QoS {
    match qos {
        QoS::AtMostOnce => QoS::AtMostOnce,
        QoS::AtLeastOnce | QoS::ExactlyOnce => QoS::AtLeastOnce,
    }
}

fn topic(publish: &Publish) -> Option<&str> {
    std::str::from_utf8(&publish.topic).ok()
}

impl Inner {
    fn keep(&mut self, topic: &str, publish: &Publish) {
        if publish.payload.is_empty() {
            self.retained.remove(topic);
        } else if self.retained.len() < RETAINED_MAX || self.retained.contains_key(topic) {
            self.retained.insert(topic.to_owned(), publish.clone());
        }
    }

    fn kept_for(&self, filter: &str) -> Vec<Publish> {
        self.retained.iter().filter(|(topic, _)| matches(topic, filter)).map(|(_, kept)| kept.clone()).collect()
    }

    /// Subscribes; the answer to one filter, and what is retained for it.
    fn subscribe(&mut self, seat: Seat, asked: &SubscribeFilter) -> (SubscribeReasonCode, Vec<Publish>) {
        let Some(client) = self.clients.get_mut(&seat) else { return (SubscribeReasonCode::Failure, Vec::new()) };
        let full = client.filters.len() >= FILTERS_MAX && !client.filters.contains_key(&asked.path);
        if full || !valid_filter(&asked.path) {
            return (SubscribeReasonCode::Failure, Vec::new());
        }
        let granted = at_most_once_acknowledged(asked.qos);
        client.filters.insert(asked.path.clone(), granted);
        (SubscribeReasonCode::Success(granted), self.kept_for(&asked.path))
    }
}

impl Hub {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client comes in. Whoever is there under the same name has to go: its packets end.
    pub(super) fn enter(&self, id: &str) -> (Seat, mpsc::Receiver<Packet>) {
        let (outbox, packets) = mpsc::channel(WAITING_MAX);
        let mut inner = self.inner();
        inner.seats += 1;
        let seat = Seat(inner.seats);
        inner.clients.retain(|_, other| id.is_empty() || other.id != id);
        inner.clients.insert(seat, Client { id: id.to_owned(), filters: HashMap::new(), outbox, pkid: 0 });
        (seat, packets)
    }

    /// A client has gone.
    pub(super) fn leave(&self, seat: Seat) {
        self.inner().clients.remove(&seat);
    }

    /// Queues an answer.
    pub(super) fn answer(&self, seat: Seat, packet: Packet) {
        let mut inner = self.inner();
        if inner.clients.get(&seat).is_some_and(|client| !client.push(packet)) {
            inner.clients.remove(&seat);
        }
    }

    /// Gives a message to all who want it; who cannot keep up is disconnected. A message without a text as topic goes nowhere.
    pub(super) fn publish(&self, publish: &Publish) {
        let Some(topic) = topic(publish) else { return };
        let mut inner = self.inner();
        if publish.retain {
            inner.keep(topic, publish);
        }
        inner.clients.retain(|_, client| client.wants(topic).is_none_or(|qos| client.deliver(publish, qos, false)));
    }

    /// Answers first, then what is retained.
    pub(super) fn subscribe(&self, seat: Seat, subscribe: &Subscribe) {
        let mut inner = self.inner();
        let granted: Vec<_> = subscribe.filters.iter().map(|asked| inner.subscribe(seat, asked)).collect();
        let codes = granted.iter().map(|(code, _)| *code).collect();
        let Some(client) = inner.clients.get_mut(&seat) else { return };
        let mut well = client.push(Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
        for (code, kept) in granted {
            let SubscribeReasonCode::Success(qos) = code else { continue };
            well &= kept.iter().all(|publish| client.deliver(publish, qos, true));
        }
        if !well {
            inner.clients.remove(&seat);
        }
    }

    /// Ends subscriptions.
    pub(super) fn unsubscribe(&self, seat: Seat, filters: &[String]) {
        if let Some(client) = self.inner().clients.get_mut(&seat) {
            client.filters.retain(|filter, _| !filters.contains(filter));
        }
    }
}
