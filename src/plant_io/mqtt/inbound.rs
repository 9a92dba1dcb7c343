//! Every message from the plant's side of the broker ends here: as a measurement, as a command, or as an alarm.

use super::alarm::Counters;
use super::answer::{Answer, CommandRequest, Return};
use super::clock::Now;
use super::command::CommandKind;
use super::envelope::Sender;
use super::gate::{Admission, CommandGate, Refusal};
use super::inputs::{Inputs, Timed};
use super::outlooks::Outlooks;
use super::queue::Entry;
use super::receive::{Common, Guarantee, Message, Receive};
use super::session::LinkState;
use crate::event::EventKind;
use crate::image::ProcessImage;
use std::collections::BTreeSet;

/// What messages are turned into.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) prefix: String,
    pub(super) inputs: Inputs,
    pub(super) outlooks: Outlooks,
    pub(super) gate: CommandGate,
    pub(super) image: ProcessImage,
    pub(super) commands: Entry,
    pub(super) common: Common,
}

impl Receive for Inbound {
    fn topics(&self) -> Vec<(String, Guarantee)> {
        // An outlook comes once a day: it must arrive.
        let outlooks: BTreeSet<&str> = self.outlooks.topics().collect();
        let inputs = self.inputs.topics().filter(|topic| !outlooks.contains(topic));
        let inputs = inputs.map(|topic| (topic.to_owned(), Guarantee::NewestCounts));
        let outlooks = outlooks.iter().map(|topic| ((*topic).to_owned(), Guarantee::EveryOne));
        // Repeated ids do nothing, so a command may well arrive twice, but it must arrive. Also where nobody may command:
        // whoever tries is told so.
        let commands = CommandKind::ALL.into_iter().map(|kind| (kind.topic(&self.prefix), Guarantee::EveryOne));
        inputs.chain(outlooks).chain(commands).collect()
    }

    fn message(&mut self, message: Message<'_>, now: Now) {
        for rejection in self.outlooks.receive(message, now, &self.image) {
            self.rejected(message.topic, &rejection.to_string(), now);
        }
        if self.inputs.knows(message.topic) {
            self.measurement(message, now);
        } else if let Some(kind) = self.command_kind(message.topic) {
            self.command(kind, message, now);
        }
    }

    /// Without a broker, marks what became too old; forecasts are dropped with and without one.
    fn tick(&mut self, link: LinkState, now: Now) {
        if link == LinkState::Down {
            publish(&self.image, &self.inputs.lost(now));
        }
        for topic in self.outlooks.expired(now, &self.image) {
            self.rejected(topic, "The outlook has become older than age_max_s and is used no longer.", now);
        }
    }
}

impl Inbound {
    fn measurement(&mut self, message: Message<'_>, now: Now) {
        let received = self.inputs.receive(message, now);
        publish(&self.image, &received.updates);
        if let Some(rejection) = received.rejection {
            self.rejected(message.topic, &rejection.to_string(), now);
        }
    }

    fn rejected(&self, topic: &str, why: &str, now: Now) {
        Counters::add(&self.common.alarms.counters.rejected);
        self.common.alarms.occurred(now, EventKind::BadMessage, topic, why);
    }

    fn command_kind(&self, topic: &str) -> Option<CommandKind> {
        let name = topic.strip_prefix(&self.prefix)?.strip_prefix("/command/")?;
        CommandKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn command(&mut self, kind: CommandKind, message: Message<'_>, now: Now) {
        let common = self.common.clone();
        let back = |to| Return { publisher: common.publisher, clock: common.clock, kind, to };
        match self.gate.admit(kind, message.body, message.delivery, now) {
            Admission::Deliver(command) => {
                let to = Sender { id: Some(command.id.clone()), principal: Some(command.principal.clone()) };
                self.deliver(kind, CommandRequest { command, answer: Answer::new(back(to)) }, now);
            }
            Admission::Challenge { to, nonce, valid } => back(to).challenge(&nonce, valid),
            Admission::Refuse { to, refusal } => {
                back(to).refuse(&refusal);
                self.refused(kind, &refusal, now);
            }
        }
    }

    fn deliver(&mut self, kind: CommandKind, request: CommandRequest, now: Now) {
        let Err(request) = self.commands.hand_over(request) else {
            return Counters::add(&self.common.alarms.counters.commands);
        };
        self.gate.forget(&request.command);
        request.answer.refuse(&Refusal::Busy);
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
