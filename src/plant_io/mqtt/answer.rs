//! Commands on their way to control, and the answers on their way back.

use super::clock::Clock;
use super::command::CommandKind;
use super::envelope::Sender;
use super::gate::Refusal;
use super::outbox::Publisher;
use memg_core::command::{Command, Outcome};
use serde::Serialize;
use std::time::Duration;

/// A command for control. Every one must be answered; one that is dropped answers "rejected" by itself.
#[derive(Debug)]
pub struct CommandRequest {
    /// What is wanted, and by whom.
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
    pub(super) to: Sender,
}

/// The first step of arming was made; the second is awaited.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename = "challenge")]
struct Challenge<'a> {
    nonce: &'a str,
    nonce_valid_s: u64,
}

#[derive(Debug, Serialize)]
struct Acknowledgement<'a, O> {
    id: Option<&'a str>,
    principal: Option<&'a str>,
    #[serde(flatten)]
    outcome: &'a O,
    time_unix_ms: u64,
}

impl Answer {
    pub(super) fn new(to: Return) -> Self {
        Self { to: Some(to) }
    }

    /// What became of the command.
    pub fn send(mut self, outcome: &Outcome) {
        if let Some(to) = self.to.take() {
            to.send(outcome);
        }
    }

    /// Control never saw the command.
    pub(super) fn refuse(mut self, refusal: &Refusal) {
        if let Some(to) = self.to.take() {
            to.refuse(refusal);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(to) = self.to.take() {
            to.send(&rejected("control did not take the command"));
        }
    }
}

impl Return {
    /// Anybody may provoke refusals, so their answers give way to all others.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        let rejected = rejected(&refusal.to_string());
        self.publisher.lesser_event(&self.topic(), &self.acknowledgement(&rejected));
    }

    pub(super) fn challenge(&self, nonce: &str, valid: Duration) {
        self.send(&Challenge { nonce, nonce_valid_s: valid.as_secs() });
    }

    fn send(&self, outcome: &impl Serialize) {
        self.publisher.event(&self.topic(), &self.acknowledgement(outcome));
    }

    /// Below the prefix.
    fn topic(&self) -> String {
        format!("ack/{}", self.kind.name())
    }

    fn acknowledgement<'a, O: Serialize>(&'a self, outcome: &'a O) -> Acknowledgement<'a, O> {
        let (id, principal) = (self.to.id.as_deref(), self.to.principal.as_deref());
        Acknowledgement { id, principal, outcome, time_unix_ms: self.clock.now().unix_ms }
    }
}

fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected { reason: reason.to_owned() }
}
