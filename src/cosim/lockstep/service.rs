//! The lock-step protocol on an MQTT connection.

use super::Stepper;
use super::machine::{Machine, Reply, Request};
use super::settings::LockstepSettings;
use memg_plant_io::event::DriverEvent;
use memg_plant_io::mqtt::clock::{Clock, Now};
use memg_plant_io::mqtt::settings::Connection;
use memg_plant_io::mqtt::{Body, Delivery, Guarantee, LinkState, Message, Publisher, Receive, Service, serve};
use tokio::sync::{mpsc, watch};

/// The connection of the protocol: that of the site, with prefix and client identifier of its own, so that both can run
/// beside each other.
#[must_use]
pub fn connection(site: &Connection) -> Connection {
    let mut connection = site.clone();
    connection.prefix.push_str("/cosim");
    connection.broker.client_id.push_str("-cosim");
    connection
}

/// Serves simulators until `stop`. The prefix of `connection` is used as it is: see [`connection`].
#[must_use]
pub fn spawn<S: Stepper + 'static>(
    connection: Connection,
    settings: LockstepSettings,
    step: S,
    events: mpsc::Sender<DriverEvent>,
    clock: Clock,
    stop: watch::Receiver<bool>,
) -> Service {
    let prefix = format!("{}/", connection.prefix);
    let machine = Machine::new(step, settings);
    serve(connection, |publisher| Simulator { prefix, machine, publisher }, events, clock, stop)
}

/// Carries messages between broker and state machine.
struct Simulator<S> {
    prefix: String,
    machine: Machine<S>,
    publisher: Publisher,
}

impl<S> Simulator<S> {
    fn send(&self, replies: impl IntoIterator<Item = Reply>) {
        replies.into_iter().for_each(|reply| self.publisher.event_json(reply.topic, reply.payload));
    }
}

impl<S: Stepper + 'static> Receive for Simulator<S> {
    fn topics(&self) -> Vec<(String, Guarantee)> {
        Request::ALL.map(|request| (format!("{}{}", self.prefix, request.topic()), Guarantee::EveryOne)).into()
    }

    /// A retained message is left over from another run: nobody waits for an answer.
    fn message(&mut self, message: Message<'_>, now: Now) {
        let name = message.topic.strip_prefix(&self.prefix);
        let request = Request::ALL.into_iter().find(|request| name == Some(request.topic()));
        let Some(request) = request.filter(|_| message.delivery == Delivery::Live) else { return };
        let replies = match message.body {
            Body::Bytes(bytes) => self.machine.receive(request, bytes, now.mono),
            Body::Oversize => vec![self.machine.oversize(request, now.mono)],
        };
        self.send(replies);
    }

    fn tick(&mut self, _link: LinkState, now: Now) {
        let ended = self.machine.tick(now.mono);
        self.send(ended);
    }
}
