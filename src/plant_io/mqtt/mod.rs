//! MQTT: values in, commands in, state and events out.
//!
//! [`spawn`] starts one task that owns the connection to the broker and gives back a [`MqttHandle`]:
//!
//! - Values go straight into the process image (see [`settings::Input`]); the caller assigns the points.
//! - Prices and forecasts ([`settings::OutlookInput`]) go there, too, as a message told them.
//! - `commands` receives what operators want, checked and in time; each [`CommandRequest`] is answered through its
//!   `answer`. Nothing here decides about modes or limits.
//! - `publisher` takes what the gateway has to say and never waits ([`Publisher::set`], [`Publisher::event`]).
//! - What an operator should hear goes to the same [`DriverEvent`]s as from every driver, under the device name `mqtt`.
//! - `link` says whether the broker is there; `counters` are for metrics.
//!
//! ```toml
//! [mqtt]
//! host = "127.0.0.1"
//! client_id = "memg-harbour"
//! prefix = "memg/harbour"
//! [[mqtt.inputs]]
//! topic = "plant/battery"
//! signal = "battery_kw"
//! pointer = "/power"
//! unit = "W"
//! sign = -1              # the sender counts discharging as positive
//! time_pointer = "/time"
//! time_format = "rfc3339"
//! range = [-55, 55]
//! [[mqtt.outlook]]
//! topic = "market/day-ahead"   # retained: {"data":[{"start_timestamp":1700000000000,"marketprice":83.2}]}
//! quantity = "import_price_eur_per_kwh"
//! pointer = "/data"
//! start_key = "start_timestamp"
//! value_key = "marketprice"
//! unit = "EUR/MWh"
//! [mqtt.commands]
//! ttl_max_s = 30
//! ```
//!
//! What a fault leads to:
//!
//! | fault | reaction | recovers |
//! |---|---|---|
//! | broker down, flapping, restarted, half-open | `Disconnected`, back-off 0.5 s to 10 s with jitter; values go stale by age, then `CommLost`; 5 losses in 5 min: `ReconnectStorm` | by itself: new client, subscriptions, birth, all values |
//! | payload above the limit, also retained | cut off on the wire, alarm with its topic, connection stays ([`trim`]) | by itself |
//! | binary, nested, wrong type, NaN, out of range | point `OutOfRange`, last value kept, alarm | next good message |
//! | duplicated, reordered, replayed value | ignored by time stamp | - |
//! | time stamp in the future | ignored, alarm; the value goes stale | when the clocks agree |
//! | retained value without time stamp | ignored, alarm | next live message |
//! | outlook that cannot be believed, or is older than its `age_max_s` | dropped, alarm; what was known before stays until it is too old | next good message |
//! | unsigned, badly signed, retained, expired, early, repeated command | nothing is done, answered, alarmed (not the repeated one) | - |
//! | a flood of commands | bounded by principal and in all; a safe stop has a way of its own | - |
//! | slow broker | newest values replace waiting ones; 512 events wait, then the oldest is dropped and counted | by itself |

pub mod alarm;
mod answer;
pub mod arming;
mod backoff;
pub mod clock;
pub mod command;
mod envelope;
pub mod gate;
mod inbound;
mod inputs;
mod link;
pub mod listener;
pub mod operator;
mod outbox;
mod outlooks;
pub mod payload;
mod prompt;
mod queue;
mod receive;
pub mod report;
pub mod seal;
pub mod secret;
mod series;
mod session;
pub mod settings;
pub mod station;
mod task;
pub mod timestamp;
mod trim;
pub mod visitor;

pub use answer::{Answer, CommandRequest};
pub use link::beside;
pub use outbox::Publisher;
pub use queue::Waiting;
pub use receive::{Body, Delivery, Guarantee, Message, Receive};
pub use session::LinkState;

use crate::event::{DriverEvent, EventSink};
use crate::image::{PointId, ProcessImage, SeriesId};
use alarm::{Alarms, Counters};
use arming::Arming;
use clock::Clock;
use gate::CommandGate;
use inbound::Inbound;
use inputs::Inputs;
use outlooks::Outlooks;
use receive::Common;
use settings::{Connection, MqttSettings};
use std::sync::Arc;
use task::Task;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What the daemon holds of the MQTT side.
#[derive(Debug)]
pub struct MqttHandle {
    /// Takes what is to be published. Clone it freely.
    pub publisher: Publisher,
    /// Commands for control.
    pub commands: Waiting,
    /// Whether the broker is there.
    pub link: watch::Receiver<LinkState>,
    /// Totals for metrics.
    pub counters: Arc<Counters>,
    /// Ends after good-bye, at most 4 s after the stop; a panic shows here.
    pub task: JoinHandle<()>,
}

/// Where in the image messages go.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Of `settings.inputs`.
    pub points: &'a [PointId],
    /// Of `settings.outlook`.
    pub series: &'a [SeriesId],
}

/// Starts the MQTT side.
///
/// `places` are the places of the image that the inputs feed, in the order of `settings.inputs` and `settings.outlook`;
/// inputs beyond its length feed nothing. The task stops when `stop` becomes true or its sender is dropped. Needs a tokio runtime.
#[must_use]
pub fn spawn(
    settings: MqttSettings,
    image: ProcessImage,
    places: Places<'_>,
    events: mpsc::Sender<DriverEvent>,
    clock: Clock,
    stop: watch::Receiver<bool>,
) -> MqttHandle {
    let (commands_in, commands) = queue::queue();
    let wanted = settings.commands.unwrap_or_default();
    let arming = Arming::new(wanted.arm_secret.clone(), arming::system_random);
    let gate = CommandGate::new(&settings.connection.prefix, &wanted, settings.operators, (clock.now(), arming));
    let trust = settings.connection.trust;
    let inputs = Inputs::new(trust, settings.inputs.into_iter().zip(places.points.iter().copied()));
    let outlooks = Outlooks::new(trust, settings.outlook.into_iter().zip(places.series.iter().copied()));
    let prefix = settings.connection.prefix.clone();
    let receiver = |common| Inbound { prefix, inputs, outlooks, gate, image, commands: commands_in, common };
    let service = start(settings.connection, receiver, events, clock, stop);
    let Service { publisher, link, counters, task } = service;
    MqttHandle { publisher, commands, link, counters, task }
}

/// A connection with a receiver of its own, such as the co-simulation's.
#[derive(Debug)]
pub struct Service {
    /// Takes what is to be published.
    pub publisher: Publisher,
    /// Whether the broker is there.
    pub link: watch::Receiver<LinkState>,
    /// Totals for metrics.
    pub counters: Arc<Counters>,
    /// Ends after good-bye, at most 4 s after the stop; a panic shows here.
    pub task: JoinHandle<()>,
}

/// Starts a connection whose messages go to the receiver that `make` builds around the publisher. Stops like [`spawn`].
#[must_use]
pub fn serve<R: Receive>(
    connection: Connection,
    make: impl FnOnce(Publisher) -> R,
    events: mpsc::Sender<DriverEvent>,
    clock: Clock,
    stop: watch::Receiver<bool>,
) -> Service {
    start(connection, |common| make(common.publisher), events, clock, stop)
}

fn start<R: Receive>(
    connection: Connection,
    make: impl FnOnce(Common) -> R,
    events: mpsc::Sender<DriverEvent>,
    clock: Clock,
    stop: watch::Receiver<bool>,
) -> Service {
    let counters: Arc<Counters> = Arc::default();
    let publisher = Publisher { outbox: Arc::default(), counters: Arc::clone(&counters) };
    let alarms = Alarms::new(EventSink::new("mqtt", events), Arc::clone(&counters));
    let common = Common { publisher: publisher.clone(), alarms, clock };
    let (link_in, link) = watch::channel(LinkState::Down);
    let receiver = make(common.clone());
    let task = tokio::spawn(Task { connection, common, receiver, link: link_in, stop }.run());
    Service { publisher, link, counters, task }
}
