//! A guest at the broker: comes beside the gateway under a client id of its own and says nothing when it leaves.

use super::arming::{random_name, system_random};
use super::link;
use super::receive::{Body, Delivery, Message};
use super::settings::Connection;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS, SubscribeFilterInput, SubscribeReasonCode};
use std::time::Duration;
use tokio::time::timeout;

/// Time to say good-bye.
const GOODBYE: Duration = Duration::from_secs(2);
/// Topics in one SUBSCRIBE packet.
const TOPICS_PER_SUBSCRIBE: usize = 50;

/// A connection to the broker. Every wait is the caller's to bound.
#[expect(missing_debug_implementations, reason = "the event loop has none")]
pub struct Visitor {
    pub(super) client: AsyncClient,
    eventloop: EventLoop,
}

/// A message that a visitor heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Exact topic.
    pub topic: String,
    /// Content.
    pub payload: Vec<u8>,
    /// The broker kept it since an unknown time.
    pub retained: bool,
}

impl Heard {
    pub(super) fn message(&self) -> Message<'_> {
        let delivery = if self.retained { Delivery::Retained } else { Delivery::Live };
        Message { topic: &self.topic, body: Body::new(&self.payload), delivery }
    }
}

impl Visitor {
    /// Connects under the gateway's client id with `-<errand>-` and a random end.
    ///
    /// # Errors
    /// Why there is no connection, for a person.
    pub async fn visit(connection: &Connection, errand: &str) -> Result<Self, String> {
        let random = random_name(system_random).ok_or("no random numbers are available")?;
        let random: String = random.chars().take(8).collect();
        let client_id = format!("{}-{errand}-{random}", connection.broker.client_id);
        let (client, eventloop) = link::visit(connection, &client_id);
        let mut visitor = Self { client, eventloop };
        let broker = &connection.broker;
        let place = |error| format!("no connection to the broker at {}:{}: {error}", broker.host, broker.port);
        visitor.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await.map_err(place)?;
        Ok(visitor)
    }

    /// Subscribes; those that the broker does not let be read. Wildcards are allowed.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn subscribe(&mut self, topics: &[String]) -> Result<Vec<String>, String> {
        let mut refused = Vec::new();
        for topics in topics.chunks(TOPICS_PER_SUBSCRIBE) {
            let filters = topics.iter().map(|topic| SubscribeFilterInput::new(topic.clone(), QoS::AtLeastOnce));
            self.client.subscribe_many(filters).await.map_err(|error| error.to_string())?;
            let codes = self.until(|packet| match packet {
                Packet::SubAck(answer) => Some(answer.return_codes.clone()),
                _ => None,
            });
            let codes = codes.await?;
            let failed = topics.iter().zip(codes).filter(|(_, code)| *code == SubscribeReasonCode::Failure);
            refused.extend(failed.map(|(topic, _)| topic.clone()));
        }
        Ok(refused)
    }

    /// The next message.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Heard, String> {
        let heard = |packet: &Packet| {
            let Packet::Publish(publish) = packet else { return None };
            let topic = String::from_utf8_lossy(&publish.topic).into_owned();
            Some(Heard { topic, payload: publish.payload.to_vec(), retained: publish.retain })
        };
        self.until(heard).await
    }

    /// Says good-bye to the broker.
    pub async fn leave(mut self) {
        if self.client.try_disconnect().is_ok() {
            let _ = timeout(GOODBYE, async { while self.eventloop.poll().await.is_ok() {} }).await;
        }
    }

    pub(super) async fn until<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> Result<T, String> {
        loop {
            if let Event::Incoming(packet) = self.eventloop.poll().await.map_err(|error| error.to_string())?
                && let Some(found) = wanted(&packet)
            {
                return Ok(found);
            }
        }
    }
}
