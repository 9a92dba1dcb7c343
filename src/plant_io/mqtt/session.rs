//! One connection to the broker, from CONNECT to its end.
//!
//! Four things run beside each other in one task: reading, subscribing, sending values, sending events. The first one
//! that fails ends the connection. Reading never waits for the others, so acknowledgements and pings keep flowing; only
//! sending waits when the broker is slow, and then newer values replace the waiting ones.

use super::alarm::Counters;
use super::backoff::{Ended, GOOD_AFTER};
use super::link::{self, CONNECT_TIMEOUT};
use super::outbox::Outbox;
use super::receive::{Body, Common, Delivery, Guarantee, Message, Receive};
use super::settings::Connection;
use super::task::Task;
use crate::event::EventKind;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS, SubscribeFilterInput, SubscribeReasonCode};
use serde_json::json;
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::debug;

/// Topics in one SUBSCRIBE packet.
const TOPICS_PER_SUBSCRIBE: usize = 50;
/// A confirmation that takes longer is a broker that lost track; a fresh connection sorts it out.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to say good-bye when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(2);
/// How often a receiver is told that time passes.
const TICK: Duration = Duration::from_secs(1);

/// Whether the broker is there; for health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// No connection.
    Down,
    /// Connected and subscribed.
    Up,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The gateway stops.
    Stopped,
    /// For the back-off, and for the operator.
    Failed(Ended, String),
}

/// How a wait between two connections ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// It is over.
    Over,
    /// The gateway stops.
    Stopped,
}

/// What ended one of the four parts.
type Cause = String;

/// Runs one connection.
pub(super) async fn run<R: Receive>(task: &mut Task<R>) -> End {
    let (client, mut eventloop) = link::open(&task.connection, task.common.clock.now().unix_ms);
    tokio::select! {
        connected = connect(&mut eventloop) => if let Err(cause) = connected {
            return End::Failed(Ended::NeverUp, cause);
        },
        () = stopped(&mut task.stop) => return End::Stopped,
        () = ticking(&mut task.receiver, &task.common) => {}
    }
    let up_since = task.common.clock.now().mono;
    Counters::add(&task.common.alarms.counters.connections);
    let cause = serve(task, &client, &mut eventloop).await;
    task.link.send_replace(LinkState::Down);
    match cause {
        None => {
            say_goodbye(&task.connection, task.common.clock.now().unix_ms, &client, &mut eventloop).await;
            End::Stopped
        }
        Some(cause) => End::Failed(Ended::UpFor(task.common.clock.now().mono - up_since), cause),
    }
}

/// Waits between two connections.
pub(super) async fn pause<R: Receive>(task: &mut Task<R>, wait: Duration) -> Pause {
    tokio::select! {
        () = sleep(wait) => Pause::Over,
        () = stopped(&mut task.stop) => Pause::Stopped,
        () = ticking(&mut task.receiver, &task.common) => Pause::Over,
    }
}

/// Tells the receiver that time passes without a connection; never ends.
async fn ticking(receiver: &mut impl Receive, common: &Common) {
    loop {
        receiver.tick(LinkState::Down, common.clock.now());
        sleep(TICK).await;
    }
}

/// Ready when the gateway stops, or when nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the daemon.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connect(eventloop: &mut EventLoop) -> Result<(), Cause> {
    // The client has a time-out of its own; this one covers what it may have forgotten.
    match timeout(CONNECT_TIMEOUT * 2, eventloop.poll()).await {
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => Ok(()),
        Ok(Ok(event)) => Err(format!("the broker began with {event:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the broker did not answer".into()),
    }
}

/// `None` if the gateway stops, otherwise why the connection is over.
async fn serve<R: Receive>(task: &mut Task<R>, client: &AsyncClient, eventloop: &mut EventLoop) -> Option<Cause> {
    let Task { connection, common, receiver, link, stop } = task;
    let now = common.clock.now();
    let time_unix_ms = now.unix_ms;
    let version = env!("CARGO_PKG_VERSION");
    let birth = json!({ "status": "online", "version": version, "time_unix_ms": time_unix_ms }).to_string();
    let outbox = &common.publisher.outbox;
    outbox.resend_all();
    let subscriber = Subscriber { topics: receiver.topics(), common, link };
    let silence = connection.broker.keep_alive * 2;
    let reader = Reader { receiver, common, link, silence, tick_at: now.mono + TICK };
    tokio::select! {
        cause = reader.run(eventloop) => Some(cause),
        cause = subscriber.run(client) => Some(cause),
        cause = send_values(connection, client, birth, outbox) => Some(cause),
        cause = send_events(connection, client, outbox) => Some(cause),
        () = stopped_and_flushed(stop, outbox) => None,
    }
}

/// Reads until the connection breaks or is silent for too long. A broker that is alive answers at least the pings and
/// confirms at least the values, so silence means that it is gone, even if the network has not noticed.
struct Reader<'a, R> {
    receiver: &'a mut R,
    common: &'a Common,
    link: &'a watch::Sender<LinkState>,
    silence: Duration,
    tick_at: Instant,
}

impl<R: Receive> Reader<'_, R> {
    async fn run(mut self, eventloop: &mut EventLoop) -> Cause {
        let mut heard = self.common.clock.now().mono;
        loop {
            match self.poll(eventloop, heard + self.silence).await {
                Err(cause) => return cause,
                Ok(Event::Outgoing(_)) => {}
                Ok(Event::Incoming(packet)) => {
                    heard = self.common.clock.now().mono;
                    if let Err(cause) = self.packet(&packet) {
                        return cause;
                    }
                }
            }
        }
    }

    /// The next event; the poll itself is never cancelled by a tick, lest half a packet be lost with it.
    async fn poll(&mut self, eventloop: &mut EventLoop, deadline: Instant) -> Result<Event, Cause> {
        let silent = format!("the broker was silent for {} s", self.silence.as_secs());
        let mut event = std::pin::pin!(timeout_at(deadline, eventloop.poll()));
        loop {
            tokio::select! {
                event = &mut event => return event.map_err(|_| silent)?.map_err(|error| error.to_string()),
                () = sleep_until(self.tick_at) => {
                    let now = self.common.clock.now();
                    self.receiver.tick(*self.link.borrow(), now);
                    self.tick_at = now.mono + TICK;
                }
            }
        }
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), Cause> {
        let Packet::Publish(publish) = packet else { return Ok(()) };
        Counters::add(&self.common.alarms.counters.messages);
        let topic = std::str::from_utf8(&publish.topic).map_err(|_| "the broker sent a topic that is not UTF-8")?;
        let delivery = if publish.retain { Delivery::Retained } else { Delivery::Live };
        let message = Message { topic, body: Body::new(&publish.payload), delivery };
        self.receiver.message(message, self.common.clock.now());
        Ok(())
    }
}

/// Subscribes to exact topics on every connect.
struct Subscriber<'a> {
    topics: Vec<(String, Guarantee)>,
    common: &'a Common,
    link: &'a watch::Sender<LinkState>,
}

impl Subscriber<'_> {
    async fn run(self, client: &AsyncClient) -> Cause {
        for topics in self.topics.chunks(TOPICS_PER_SUBSCRIBE) {
            if let Err(cause) = self.subscribe(client, topics).await {
                return cause;
            }
        }
        let alarms = &self.common.alarms;
        alarms.over(EventKind::Disconnected, EventKind::Connected, "The broker is there; topics are subscribed.");
        self.link.send_replace(LinkState::Up);
        sleep(GOOD_AFTER).await;
        alarms.over(EventKind::ReconnectStorm, EventKind::ConnectionStable, "The connection to the broker is stable.");
        pending().await
    }

    async fn subscribe(&self, client: &AsyncClient, topics: &[(String, Guarantee)]) -> Result<(), Cause> {
        let filter =
            |(topic, guarantee): &(String, Guarantee)| SubscribeFilterInput::new(topic.as_str(), qos(*guarantee));
        let request = client.subscribe_many_tracked(topics.iter().map(filter));
        let confirmed = async { request.await.ok()?.wait_async().await.ok() };
        let answer =
            timeout(CONFIRM_TIMEOUT, confirmed).await.map_err(|_| "the broker did not confirm a subscription")?;
        let answer = answer.ok_or("the connection ended before a subscription was confirmed")?;
        for ((topic, _), code) in topics.iter().zip(&answer.return_codes) {
            if *code == SubscribeReasonCode::Failure {
                let detail = "the broker refuses this subscription; look at its access list.";
                let now = self.common.clock.now();
                self.common.alarms.occurred(now, EventKind::ConfigurationFault, topic, detail);
            }
        }
        Ok(())
    }
}

const fn qos(guarantee: Guarantee) -> QoS {
    match guarantee {
        Guarantee::NewestCounts => QoS::AtMostOnce,
        Guarantee::EveryOne => QoS::AtLeastOnce,
    }
}

/// Sends the birth message, then every value that changes; waits where the broker is slow.
async fn send_values(connection: &Connection, client: &AsyncClient, birth: String, outbox: &Outbox) -> Cause {
    let retained = PublishOptions::at_least_once().retained();
    let mut message = (link::status_topic(connection), birth);
    loop {
        if let Err(error) = client.publish(message.0, message.1, retained).await {
            return error.to_string();
        }
        let next = outbox.next_value().await;
        message = (format!("{}/{}", connection.prefix, next.topic), next.payload.to_string());
    }
}

/// Sends events one by one; each leaves the queue when the broker has confirmed it.
async fn send_events(connection: &Connection, client: &AsyncClient, outbox: &Outbox) -> Cause {
    loop {
        let (number, event) = outbox.first_event().await;
        let topic = format!("{}/{}", connection.prefix, event.topic);
        let request = client.publish_tracked(topic, event.payload.to_string(), PublishOptions::at_least_once());
        let confirmed = async { request.await.ok()?.wait_async().await.ok() };
        match timeout(CONFIRM_TIMEOUT, confirmed).await {
            Ok(Some(_)) => outbox.confirmed(number),
            Ok(None) => return "the connection ended before an event was confirmed".into(),
            Err(_) => return "the broker did not confirm an event".into(),
        }
    }
}

/// Ready when the gateway stops and has nothing left to say, or no time left to say it.
async fn stopped_and_flushed(stop: &mut watch::Receiver<bool>, outbox: &Outbox) {
    stopped(stop).await;
    let flushed = async {
        while !outbox.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = timeout(GOODBYE, flushed).await;
}

async fn say_goodbye(connection: &Connection, time_unix_ms: u64, client: &AsyncClient, eventloop: &mut EventLoop) {
    let offline = json!({ "status": "offline", "reason": "stopped", "time_unix_ms": time_unix_ms }).to_string();
    let retained = PublishOptions::at_least_once().retained();
    let sent = client.try_publish(link::status_topic(connection), offline, retained).is_ok();
    let disconnecting = client.try_disconnect_with_timeout(GOODBYE).is_ok();
    let drained = timeout(GOODBYE, async { while eventloop.poll().await.is_ok() {} }).await.is_ok();
    debug!(sent, disconnecting, drained, "Said good-bye to the broker.");
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
