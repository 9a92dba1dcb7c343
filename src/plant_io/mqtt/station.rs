//! An operator's station: signs commands, publishes them and waits for the answer.
//!
//! It visits the broker beside the gateway, under a client id of its own, and says nothing when it leaves. Every wait is
//! the caller's to bound.

use super::arming::{random_name, system_random};
use super::command::CommandKind;
use super::link;
use super::operator::Operator;
use super::seal::{Key, Sealed};
use super::settings::Connection;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS, SubscribeReasonCode};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Time to say good-bye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Identity and life time of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Unique while the command lives.
    pub id: String,
    /// The station's clock, ms since 1970 UTC.
    pub time_unix_ms: u64,
    /// Time to live, s.
    pub ttl_s: u64,
}

impl Stamp {
    /// A stamp with a random id; `None` if the operating system gives no random numbers.
    #[must_use]
    pub fn random(time_unix_ms: u64, ttl_s: u64) -> Option<Self> {
        Some(Self { id: random_name(system_random)?, time_unix_ms, ttl_s })
    }
}

/// A signed command, ready to be published by whoever can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Where to.
    pub topic: String,
    /// The envelope with body and MAC, JSON.
    pub payload: String,
    kind: CommandKind,
    id: String,
    principal: String,
}

impl Signed {
    /// Signs a body with an operator's key for the gateway below `prefix`.
    #[must_use]
    pub fn new(prefix: &str, kind: CommandKind, operator: &Operator, body: &Value, stamp: Stamp) -> Self {
        let (topic, principal, body) = (kind.topic(prefix), operator.name.clone(), body.to_string());
        let Stamp { id, time_unix_ms, ttl_s } = stamp;
        let sealed = Sealed { topic: &topic, principal: &principal, id: &id, time_unix_ms, ttl_s, body: &body };
        let mac = Key::new(&operator.key).seal(&sealed.text());
        let envelope = json!({
            "principal": principal, "id": id, "time_unix_ms": time_unix_ms, "ttl_s": ttl_s, "body": body, "mac": mac,
        });
        Self { payload: envelope.to_string(), topic, kind, id, principal }
    }

    fn is_answered_by(&self, answer: &Value) -> bool {
        answer["id"] == self.id.as_str() && answer["principal"] == self.principal.as_str()
    }
}

/// A connection to the broker.
#[expect(missing_debug_implementations, reason = "the event loop has none")]
pub struct Station {
    client: AsyncClient,
    eventloop: EventLoop,
    prefix: String,
}

impl Station {
    /// Connects.
    ///
    /// # Errors
    /// Why there is no connection, for a person.
    pub async fn visit(connection: &Connection) -> Result<Self, String> {
        let random = random_name(system_random).ok_or("no random numbers are available")?;
        let random: String = random.chars().take(8).collect();
        let client_id = format!("{}-command-{random}", connection.broker.client_id);
        let (client, eventloop) = link::visit(connection, &client_id);
        let mut station = Self { client, eventloop, prefix: connection.prefix.clone() };
        let broker = &connection.broker;
        let place = |error| format!("no connection to the broker at {}:{}: {error}", broker.host, broker.port);
        station.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await.map_err(place)?;
        Ok(station)
    }

    /// Publishes a command and waits for its answer, the JSON of `<prefix>/ack/<kind>`; as long as that takes.
    ///
    /// # Errors
    /// The connection broke, or the broker does not let answers be read.
    pub async fn ask(&mut self, signed: &Signed) -> Result<Value, String> {
        let answers = signed.kind.answer_topic(&self.prefix);
        let said = |error: rumqttc::ClientError| error.to_string();
        self.client.subscribe(answers.clone(), QoS::AtLeastOnce).await.map_err(said)?;
        let refused = self.until(|packet| match packet {
            Packet::SubAck(answer) => Some(answer.return_codes.contains(&SubscribeReasonCode::Failure)),
            _ => None,
        });
        if refused.await? {
            return Err(format!("the broker does not let {answers} be read; look at its access list"));
        }
        let sent = self.client.publish(signed.topic.clone(), signed.payload.clone(), PublishOptions::at_least_once());
        sent.await.map_err(said)?;
        let answer = self.until(|packet| {
            let Packet::Publish(publish) = packet else { return None };
            serde_json::from_slice(&publish.payload).ok().filter(|answer| signed.is_answered_by(answer))
        });
        answer.await
    }

    /// Says good-bye to the broker.
    pub async fn leave(mut self) {
        if self.client.try_disconnect().is_ok() {
            let _ = timeout(GOODBYE, async { while self.eventloop.poll().await.is_ok() {} }).await;
        }
    }

    async fn until<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> Result<T, String> {
        loop {
            if let Event::Incoming(packet) = self.eventloop.poll().await.map_err(|error| error.to_string())?
                && let Some(found) = wanted(&packet)
            {
                return Ok(found);
            }
        }
    }
}
