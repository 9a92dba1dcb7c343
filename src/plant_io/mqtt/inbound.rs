//! Every message from the plant's side of the broker ends here: as a measurement, as a command, or as an alarm.

use super::alarm::Counters;
use super::answer::{Answer, CommandRequest, Return};
use super::clock::Now;
use super::command::CommandKind;
use super::gate::{Admission, CommandGate, Refusal};
use super::inputs::{Inputs, Timed};
use super::receive::{Common, Guarantee, Message, Receive};
use super::session::LinkState;
use crate::event::EventKind;
use crate::image::ProcessImage;
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
    pub(super) common: Common,
}

impl Receive for Inbound {
    fn topics(&self) -> Vec<(String, Guarantee)> {
        let inputs = self.inputs.topics().map(|topic| (topic.to_owned(), Guarantee::NewestCounts));
        let command = |kind: CommandKind| format!("{}/command/{}", self.prefix, kind.name());
        // Repeated ids do nothing, so a command may well arrive twice, but it must arrive.
        let commands = self.gate.iter().flat_map(|_| CommandKind::ALL).map(|kind| (command(kind), Guarantee::EveryOne));
        inputs.chain(commands).collect()
    }

    fn message(&mut self, message: Message<'_>, now: Now) {
        if self.inputs.knows(message.topic) {
            self.measurement(message, now);
        } else if let Some(kind) = self.command_kind(message.topic) {
            self.command(kind, message, now);
        }
    }

    /// Without a broker, marks what became too old.
    fn tick(&mut self, link: LinkState, now: Now) {
        if link == LinkState::Down {
            publish(&self.image, &self.inputs.lost(now));
        }
    }
}

impl Inbound {
    fn measurement(&mut self, message: Message<'_>, now: Now) {
        let received = self.inputs.receive(message, now);
        publish(&self.image, &received.updates);
        if let Some(rejection) = received.rejection {
            Counters::add(&self.common.alarms.counters.rejected);
            self.common.alarms.occurred(now, EventKind::BadMessage, message.topic, &rejection.to_string());
        }
    }

    fn command_kind(&self, topic: &str) -> Option<CommandKind> {
        let name = topic.strip_prefix(&self.prefix)?.strip_prefix("/command/")?;
        CommandKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn command(&mut self, kind: CommandKind, message: Message<'_>, now: Now) {
        let Some(gate) = &mut self.gate else { return };
        let common = self.common.clone();
        let back = |id| Return { publisher: common.publisher, clock: common.clock, kind, id };
        match gate.admit(kind, message.body, message.delivery, now) {
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
            return Counters::add(&self.common.alarms.counters.commands);
        };
        let request = error.into_inner();
        if let Some(gate) = &mut self.gate {
            gate.forget(&request.id);
        }
        request.answer.refused(&Refusal::Busy.to_string());
        self.refused(kind, &Refusal::Busy, now);
    }

    fn refused(&self, kind: CommandKind, refusal: &Refusal, now: Now) {
        Counters::add(&self.common.alarms.counters.commands_refused);
        // A repeated id is what delivery "at least once" looks like; it is answered, not alarmed.
        if *refusal != Refusal::Repeated {
            self.common.alarms.occurred(now, EventKind::CommandRefused, kind.name(), &format!("{refusal}."));
        }
    }
}

fn publish(image: &ProcessImage, updates: &[Timed]) {
    updates.iter().for_each(|timed| image.publish(timed.at, &[(timed.id, timed.update)]));
}
