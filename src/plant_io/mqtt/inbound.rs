//! Every message from the broker ends here: as a measurement, as a command, or as an alarm.

use super::alarm::{Alarms, Counters};
use super::answer::{Answer, CommandRequest, Return};
use super::clock::{Clock, Now};
use super::command::CommandKind;
use super::gate::{Admission, CommandGate, Refusal};
use super::inputs::{Delivery, Inputs, Timed};
use super::outbox::Publisher;
use crate::plant_io::event::EventKind;
use crate::plant_io::image::ProcessImage;
use tokio::sync::mpsc;

/// What messages are turned into.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) prefix: String,
    pub(super) inputs: Inputs,
    /// `None` = no commands are listened to.
    pub(super) gate: Option<CommandGate>,
    pub(super) image: ProcessImage,
    pub(super) commands: mpsc::Sender<CommandRequest>,
    pub(super) publisher: Publisher,
    pub(super) alarms: Alarms,
    pub(super) clock: Clock,
}

impl Inbound {
    /// The topics of all commands, if any are listened to.
    pub(super) fn command_topics(&self) -> Vec<String> {
        let topic = |kind: CommandKind| format!("{}/command/{}", self.prefix, kind.name());
        self.gate.iter().flat_map(|_| CommandKind::ALL).map(topic).collect()
    }

    /// Takes one message. Never waits.
    pub(super) fn message(&mut self, topic: &str, payload: &[u8], delivery: Delivery) {
        Counters::add(&self.alarms.counters.messages);
        let now = self.clock.now();
        if self.inputs.knows(topic) {
            self.measurement(topic, payload, delivery, now);
        } else if let Some(kind) = self.command_kind(topic) {
            self.command(kind, payload, delivery, now);
        }
    }

    /// Marks what became too old while there is no broker.
    pub(super) fn lost(&self) {
        publish(&self.image, &self.inputs.lost(self.clock.now()));
    }

    fn measurement(&mut self, topic: &str, payload: &[u8], delivery: Delivery, now: Now) {
        let received = self.inputs.receive(topic, payload, delivery, now);
        publish(&self.image, &received.updates);
        if let Some(rejection) = received.rejection {
            Counters::add(&self.alarms.counters.rejected);
            self.alarms.occurred(now, EventKind::BadMessage, topic, &rejection.to_string());
        }
    }

    fn command_kind(&self, topic: &str) -> Option<CommandKind> {
        let name = topic.strip_prefix(&self.prefix)?.strip_prefix("/command/")?;
        CommandKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn command(&mut self, kind: CommandKind, payload: &[u8], delivery: Delivery, now: Now) {
        let Some(gate) = &mut self.gate else { return };
        let (publisher, clock) = (self.publisher.clone(), self.clock.clone());
        let back = |id| Return { publisher, clock, kind, id };
        match gate.admit(kind, payload, delivery, now) {
            Admission::Deliver { id, command } => {
                let answer = Answer::new(back(Some(id.clone())));
                self.deliver(kind, CommandRequest { id, command, answer }, now);
            }
            Admission::Challenge { id, nonce, valid } => back(Some(id)).challenge(&nonce, valid),
            Admission::Refuse { id, refusal } => {
                back(id).refuse(&refusal);
                self.refused(kind, &refusal, now);
            }
        }
    }

    fn deliver(&mut self, kind: CommandKind, request: CommandRequest, now: Now) {
        let Err(error) = self.commands.try_send(request) else {
            return Counters::add(&self.alarms.counters.commands);
        };
        let request = error.into_inner();
        if let Some(gate) = &mut self.gate {
            gate.forget(&request.id);
        }
        request.answer.refused(&Refusal::Busy.to_string());
        self.refused(kind, &Refusal::Busy, now);
    }

    fn refused(&self, kind: CommandKind, refusal: &Refusal, now: Now) {
        Counters::add(&self.alarms.counters.commands_refused);
        // A repeated id is what delivery "at least once" looks like; it is answered, not alarmed.
        if *refusal != Refusal::Repeated {
            self.alarms.occurred(now, EventKind::CommandRefused, kind.name(), &format!("{refusal}."));
        }
    }
}

fn publish(image: &ProcessImage, updates: &[Timed]) {
    updates.iter().for_each(|timed| image.publish(timed.at, &[(timed.id, timed.update)]));
}
