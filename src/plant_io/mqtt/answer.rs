//! Commands on their way to control, and the answers on their way back.

use super::clock::Clock;
use super::command::{Command, CommandKind};
use super::gate::Refusal;
use super::outbox::Publisher;
use serde::Serialize;
use std::time::Duration;

/// A command for control. Every one must be answered; one that is dropped answers "refused" by itself.
#[derive(Debug)]
pub struct CommandRequest {
    /// The sender's id, unique while the command lives; for the journal.
    pub id: String,
    /// What is wanted.
    pub command: Command,
    /// The way back.
    pub answer: Answer,
}

/// Answers one command on `<prefix>/ack/<kind>`. Never waits.
#[derive(Debug)]
pub struct Answer {
    to: Option<Return>,
}

#[derive(Debug, Clone)]
pub(super) struct Return {
    pub(super) publisher: Publisher,
    pub(super) clock: Clock,
    pub(super) kind: CommandKind,
    pub(super) id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Carried out.
    Done,
    /// First step of two was made; the second is awaited.
    Challenge,
    /// Understood, and not carried out.
    Refused,
}

#[derive(Debug, Serialize)]
struct Acknowledgement<'a> {
    id: Option<&'a str>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce_valid_s: Option<u64>,
    time_unix_ms: u64,
}

impl Answer {
    pub(super) fn new(to: Return) -> Self {
        Self { to: Some(to) }
    }

    /// The command was carried out.
    pub fn done(mut self) {
        if let Some(to) = self.to.take() {
            to.send(Status::Done, None, None);
        }
    }

    /// The command was understood and not carried out; `reason` is for the operator.
    pub fn refused(mut self, reason: &str) {
        if let Some(to) = self.to.take() {
            to.send(Status::Refused, Some(reason), None);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(to) = self.to.take() {
            to.send(Status::Refused, Some("control did not take the command"), None);
        }
    }
}

impl Return {
    pub(super) fn refuse(&self, refusal: &Refusal) {
        self.send(Status::Refused, Some(&refusal.to_string()), None);
    }

    pub(super) fn challenge(&self, nonce: &str, valid: Duration) {
        self.send(Status::Challenge, None, Some((nonce, valid)));
    }

    fn send(&self, status: Status, reason: Option<&str>, nonce: Option<(&str, Duration)>) {
        let acknowledgement = Acknowledgement {
            id: self.id.as_deref(),
            status,
            reason,
            nonce: nonce.map(|(nonce, _)| nonce),
            nonce_valid_s: nonce.map(|(_, valid)| valid.as_secs()),
            time_unix_ms: self.clock.now().unix_ms,
        };
        self.publisher.event(&format!("ack/{}", self.kind.name()), &acknowledgement);
    }
}
