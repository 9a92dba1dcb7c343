//! One connection to the broker, from CONNECT to its end.
//!
//! Four things run beside each other in one task: reading, subscribing, sending values, sending events. The first one
//! that fails ends the connection. Reading never waits for the others, so acknowledgements and pings keep flowing; only
//! sending waits when the broker is slow, and then newer values replace the waiting ones.

use super::alarm::{Alarms, Counters};
use super::backoff::{Ended, GOOD_AFTER};
use super::clock::Clock;
use super::inbound::Inbound;
use super::inputs::Delivery;
use super::link::{self, CONNECT_TIMEOUT};
use super::outbox::Outbox;
use super::settings::MqttSettings;
use crate::plant_io::event::EventKind;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS, SubscribeFilterInput, SubscribeReasonCode};
use serde_json::json;
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout, timeout_at};
use tracing::debug;

/// Topics in one SUBSCRIBE packet.
const TOPICS_PER_SUBSCRIBE: usize = 50;
/// A confirmation that takes longer is a broker that lost track; a fresh connection sorts it out.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to say good-bye when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(2);

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

/// What ended one of the four parts.
type Cause = String;

/// Runs one connection. `link` tells the rest of the gateway about it.
pub(super) async fn run(
    settings: &MqttSettings,
    inbound: &mut Inbound,
    link: &watch::Sender<LinkState>,
    stop: &mut watch::Receiver<bool>,
) -> End {
    let (client, mut eventloop) = link::open(settings, inbound.clock.now().unix_ms);
    tokio::select! {
        connected = connect(&mut eventloop) => if let Err(cause) = connected {
            return End::Failed(Ended::NeverUp, cause);
        },
        () = stopped(stop) => return End::Stopped,
    }
    let up_since = inbound.clock.now().mono;
    Counters::add(&inbound.alarms.counters.connections);
    let cause = serve(settings, inbound, link, (&client, &mut eventloop), stop).await;
    link.send_replace(LinkState::Down);
    match cause {
        None => {
            say_goodbye(settings, inbound, &client, &mut eventloop).await;
            End::Stopped
        }
        Some(cause) => End::Failed(Ended::UpFor(inbound.clock.now().mono - up_since), cause),
    }
}

/// Ready when the gateway stops, or when nobody is left who could say so.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
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
async fn serve(
    settings: &MqttSettings,
    inbound: &mut Inbound,
    link: &watch::Sender<LinkState>,
    (client, eventloop): (&AsyncClient, &mut EventLoop),
    stop: &mut watch::Receiver<bool>,
) -> Option<Cause> {
    let birth = json!({
        "status": "online",
        "version": env!("CARGO_PKG_VERSION"),
        "time_unix_ms": inbound.clock.now().unix_ms,
    });
    let publisher = inbound.publisher.clone();
    publisher.outbox.resend_all();
    let subscriber = Subscriber::new(inbound, link);
    tokio::select! {
        cause = read(eventloop, inbound, settings.broker.keep_alive * 2) => Some(cause),
        cause = subscriber.run(client) => Some(cause),
        cause = send_values(settings, client, birth.to_string(), &publisher.outbox) => Some(cause),
        cause = send_events(settings, client, &publisher.outbox) => Some(cause),
        () = stopped_and_flushed(stop, &publisher.outbox) => None,
    }
}

/// Reads until the connection breaks or is silent for too long. A broker that is alive answers at least the pings and
/// confirms at least the values, so silence means that it is gone, even if the network has not noticed.
async fn read(eventloop: &mut EventLoop, inbound: &mut Inbound, silence: Duration) -> Cause {
    let mut heard = inbound.clock.now().mono;
    loop {
        match timeout_at(heard + silence, eventloop.poll()).await {
            Ok(Ok(Event::Incoming(packet))) => {
                heard = inbound.clock.now().mono;
                if let Packet::Publish(publish) = packet {
                    let delivery = if publish.retain { Delivery::Retained } else { Delivery::Live };
                    match std::str::from_utf8(&publish.topic) {
                        Ok(topic) => inbound.message(topic, &publish.payload, delivery),
                        Err(_) => return "the broker sent a topic that is not UTF-8".into(),
                    }
                }
            }
            Ok(Ok(Event::Outgoing(_))) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("the broker was silent for {} s", silence.as_secs()),
        }
    }
}

/// Subscribes to exact topics on every connect.
struct Subscriber<'a> {
    topics: Vec<(String, QoS)>,
    alarms: Alarms,
    clock: Clock,
    link: &'a watch::Sender<LinkState>,
}

impl<'a> Subscriber<'a> {
    fn new(inbound: &Inbound, link: &'a watch::Sender<LinkState>) -> Self {
        // Values: the next one replaces a lost one. Commands: must arrive, and repeated ids do nothing.
        let inputs = inbound.inputs.topics().map(|topic| (topic.to_owned(), QoS::AtMostOnce));
        let commands = inbound.command_topics().into_iter().map(|topic| (topic, QoS::AtLeastOnce));
        let topics = inputs.chain(commands).collect();
        Self { topics, alarms: inbound.alarms.clone(), clock: inbound.clock.clone(), link }
    }

    async fn run(self, client: &AsyncClient) -> Cause {
        for topics in self.topics.chunks(TOPICS_PER_SUBSCRIBE) {
            if let Err(cause) = self.subscribe(client, topics).await {
                return cause;
            }
        }
        self.alarms.over(EventKind::Disconnected, EventKind::Connected, "The broker is there; topics are subscribed.");
        self.link.send_replace(LinkState::Up);
        sleep(GOOD_AFTER).await;
        self.alarms.over(
            EventKind::ReconnectStorm,
            EventKind::ConnectionStable,
            "The connection to the broker is stable.",
        );
        pending().await
    }

    async fn subscribe(&self, client: &AsyncClient, topics: &[(String, QoS)]) -> Result<(), Cause> {
        let filters = topics.iter().map(|(topic, qos)| SubscribeFilterInput::new(topic.as_str(), *qos));
        let request = client.subscribe_many_tracked(filters);
        let confirmed = async { request.await.ok()?.wait_async().await.ok() };
        let answer =
            timeout(CONFIRM_TIMEOUT, confirmed).await.map_err(|_| "the broker did not confirm a subscription")?;
        let answer = answer.ok_or("the connection ended before a subscription was confirmed")?;
        for ((topic, _), code) in topics.iter().zip(&answer.return_codes) {
            if *code == SubscribeReasonCode::Failure {
                let detail = "the broker refuses this subscription; look at its access list.";
                self.alarms.occurred(self.clock.now(), EventKind::ConfigurationFault, topic, detail);
            }
        }
        Ok(())
    }
}

/// Sends the birth message, then every value that changes; waits where the broker is slow.
async fn send_values(settings: &MqttSettings, client: &AsyncClient, birth: String, outbox: &Outbox) -> Cause {
    let retained = PublishOptions::at_least_once().retained();
    let mut message = (link::status_topic(settings), birth);
    loop {
        if let Err(error) = client.publish(message.0, message.1, retained).await {
            return error.to_string();
        }
        let next = outbox.next_value().await;
        message = (format!("{}/{}", settings.prefix, next.topic), next.payload.to_string());
    }
}

/// Sends events one by one; each leaves the queue when the broker has confirmed it.
async fn send_events(settings: &MqttSettings, client: &AsyncClient, outbox: &Outbox) -> Cause {
    loop {
        let (number, event) = outbox.first_event().await;
        let topic = format!("{}/{}", settings.prefix, event.topic);
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

async fn say_goodbye(settings: &MqttSettings, inbound: &Inbound, client: &AsyncClient, eventloop: &mut EventLoop) {
    let time_unix_ms = inbound.clock.now().unix_ms;
    let offline = json!({ "status": "offline", "reason": "stopped", "time_unix_ms": time_unix_ms }).to_string();
    let retained = PublishOptions::at_least_once().retained();
    let sent = client.try_publish(link::status_topic(settings), offline, retained).is_ok();
    let disconnecting = client.try_disconnect_with_timeout(GOODBYE).is_ok();
    let drained = timeout(GOODBYE, async { while eventloop.poll().await.is_ok() {} }).await.is_ok();
    debug!(sent, disconnecting, drained, "Said good-bye to the broker.");
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
