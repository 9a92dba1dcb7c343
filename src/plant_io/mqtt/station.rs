//! An operator's station: signs commands, publishes them and waits for the answer.
//!
//! It visits the broker beside the gateway, under a client id of its own, and says nothing when it leaves. Every wait is
//! the caller's to bound.

use super::arming::{random_name, system_random};
use super::command::CommandKind;
use super::operator::Operator;
use super::seal::{Key, Sealed};
use super::settings::Connection;
use super::visitor::Visitor;
use rumqttc::{Packet, PublishOptions};
use serde_json::{Value, json};

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
    visitor: Visitor,
    prefix: String,
}

impl Station {
    /// Connects.
    ///
    /// # Errors
    /// Why there is no connection, for a person.
    pub async fn visit(connection: &Connection) -> Result<Self, String> {
        let visitor = Visitor::visit(connection, "command").await?;
        Ok(Self { visitor, prefix: connection.prefix.clone() })
    }

    /// Publishes a command and waits for its answer, the JSON of `<prefix>/ack/<kind>`; as long as that takes.
    ///
    /// # Errors
    /// The connection broke, or the broker does not let answers be read.
    pub async fn ask(&mut self, signed: &Signed) -> Result<Value, String> {
        let answers = signed.kind.answer_topic(&self.prefix);
        if !self.visitor.subscribe(std::slice::from_ref(&answers)).await?.is_empty() {
            return Err(format!("the broker does not let {answers} be read; look at its access list"));
        }
        let sent = PublishOptions::at_least_once();
        let sent = self.visitor.client.publish(signed.topic.clone(), signed.payload.clone(), sent);
        sent.await.map_err(|error| error.to_string())?;
        let answer = self.visitor.until(|packet| {
            let Packet::Publish(publish) = packet else { return None };
            serde_json::from_slice(&publish.payload).ok().filter(|answer| signed.is_answered_by(answer))
        });
        answer.await
    }

    /// Says good-bye to the broker.
    pub async fn leave(self) {
        self.visitor.leave().await;
    }
}
