//! What supervisory systems expect of a broker: Home Assistant's discovery and Sparkplug B, each on a connection of its own, because
//! each has its own topics and last will.

#![forbid(unsafe_code)]

pub mod home_assistant;
mod payload;
pub mod sparkplug;

use memg_north::desk::Principal;
use memg_north::wires::{Snapshot, Wires};
use memg_plant_io::mqtt::beside;
use memg_plant_io::mqtt::settings::Connection;
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, Packet, PublishOptions, QoS};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, sleep, timeout};

/// How often values are told.
const TICK: Duration = Duration::from_secs(1);
/// Between two attempts to connect; doubles up to the second.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Time to say good-bye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A message for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
    pub qos: QoS,
}

/// What somebody's message asks for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// To be said in answer.
    pub out: Vec<Out>,
    /// To be written: points by name.
    pub writes: Vec<(String, f64)>,
}

/// Somebody who speaks through a broker.
pub(crate) trait Speaker: Send + 'static {
    /// What log lines call it, and the end of its client id.
    fn name(&self) -> &'static str;
    /// The last will of the next connection.
    fn will(&mut self) -> Option<Out>;
    /// Topics to hear.
    fn topics(&self) -> Vec<String>;
    /// What is said first.
    fn connected(&mut self, now: &Snapshot) -> Vec<Out>;
    /// What is said every second.
    fn tick(&mut self, now: &Snapshot) -> Vec<Out>;
    /// What follows from a message.
    fn message(&mut self, now: &Snapshot, topic: &str, payload: &[u8], retained: bool) -> Wish;
    /// What is said last.
    fn goodbye(&mut self) -> Vec<Out>;
    /// On whose behalf it writes; `None`: it does not.
    fn principal(&self) -> Option<&Principal>;
}

enum End {
    Stopped,
    /// Whether the broker had been there, and why it is not.
    Failed(bool, String),
}

/// Speaks until `stop` is true or its sender is gone.
pub(crate) async fn run(
    mut speaker: impl Speaker,
    connection: Connection,
    wires: Wires,
    mut stop: watch::Receiver<bool>,
) {
    let mut first = wires.live.clone();
    tokio::select! {
        () = stopped(&mut stop) => return,
        () = known(&mut first) => {}
    }
    let mut pause = PAUSE;
    loop {
        let client_id = format!("{}-{}", connection.broker.client_id, speaker.name());
        let will = speaker.will().map(|will| LastWill::new(will.topic, will.payload, will.qos, will.retained));
        let (client, eventloop) = beside(&connection, &client_id, will);
        let session = Session { speaker: &mut speaker, wires: &wires, client };
        match session.run(eventloop, &mut stop).await {
            End::Stopped => return,
            End::Failed(was_up, why) => {
                if was_up || pause == PAUSE {
                    tracing::warn!(speaker = speaker.name(), why, "The broker is away; trying again.");
                }
                pause = if was_up { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = sleep(pause) => {}
        }
    }
}

/// Ready when the gateway stops, or when nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ready when there was a cycle; never, when there will be none.
async fn known(live: &mut watch::Receiver<std::sync::Arc<Snapshot>>) {
    if live.wait_for(|snapshot| !snapshot.readings.is_empty()).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// One connection.
struct Session<'a, S> {
    speaker: &'a mut S,
    wires: &'a Wires,
    client: AsyncClient,
}

impl<S: Speaker> Session<'_, S> {
    async fn run(mut self, mut eventloop: EventLoop, stop: &mut watch::Receiver<bool>) -> End {
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        let mut up = false;
        loop {
            // Polling is never cancelled half-way, lest a part of a packet be lost with it.
            let mut poll = Box::pin(eventloop.poll());
            let event = loop {
                tokio::select! {
                    biased;
                    () = stopped(stop) => {
                        drop(poll);
                        return self.goodbye(eventloop).await;
                    }
                    event = &mut poll => break event,
                    _ = tick.tick(), if up => {
                        let out = self.speaker.tick(&self.now());
                        self.say(out);
                    }
                }
            };
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    up = true;
                    self.begin();
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    self.hear(&topic, &publish.payload, publish.retain);
                }
                Ok(_) => {}
                Err(error) => return End::Failed(up, error.to_string()),
            }
        }
    }

    fn now(&self) -> std::sync::Arc<Snapshot> {
        self.wires.live.borrow().clone()
    }

    fn begin(&mut self) {
        for topic in self.speaker.topics() {
            let _ = self.client.try_subscribe(topic, QoS::AtLeastOnce);
        }
        let out = self.speaker.connected(&self.now());
        self.say(out);
    }

    /// What does not fit into the queue belongs to a broker that does not read: the next second has newer values.
    fn say(&self, out: Vec<Out>) {
        for Out { topic, payload, retained, qos } in out {
            let options = PublishOptions::new(qos);
            let options = if retained { options.retained() } else { options };
            let _ = self.client.try_publish(topic, payload, options);
        }
    }

    fn hear(&mut self, topic: &str, payload: &[u8], retained: bool) {
        let wish = self.speaker.message(&self.now(), topic, payload, retained);
        self.say(wish.out);
        if wish.writes.is_empty() {
            return;
        }
        let Some(by) = self.speaker.principal().cloned() else {
            tracing::info!(topic, "A command was ignored: mqtt.commands.trust_broker_as declares no role for it.");
            return;
        };
        let (desk, list) = (self.wires.desk.clone(), self.wires.list.clone());
        let topic = topic.to_owned();
        tokio::spawn(async move {
            let values = wish.writes.iter().map(|(name, value)| Some((list.named(name)?, *value)));
            let Some(values) = values.collect::<Option<Vec<_>>>() else { return };
            if let Err(refusal) = desk.write(&by, &values).await {
                tracing::info!(principal = by.name, topic, %refusal, "A command was refused.");
            }
        });
    }

    async fn goodbye(&mut self, mut eventloop: EventLoop) -> End {
        let out = self.speaker.goodbye();
        self.say(out);
        let _ = self.client.try_disconnect_with_timeout(GOODBYE);
        let _ = timeout(GOODBYE, async { while eventloop.poll().await.is_ok() {} }).await;
        End::Stopped
    }
}
