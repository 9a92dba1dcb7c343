//! Settings of the MQTT side: the `[mqtt]` table of the site file, checked and typed.
//!
//! [`RawMqtt`] is what TOML says, [`MqttSettings`] is what the rest of the module works with; [`validate`] leads from
//! one to the other and reports every problem with its key path. Nothing here opens a port.

mod inputs;
mod outlooks;
mod raw;
mod validate;

pub use raw::{RawCommands, RawInput, RawMqtt, RawOutlook, RawOutputs};
pub use validate::{validate, validate_connection};

use super::operator::Operator;
use super::secret::Secret;
use super::timestamp::TimeFormat;
use crate::tls::TlsFiles;
use memg_core::command::Role;
use memg_core::plant_state::Tag;
use memg_core::series::Quantity;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything the MQTT side needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttSettings {
    /// The connection to the broker.
    pub connection: Connection,
    /// Values taken from messages, in the order of the file.
    pub inputs: Vec<Input>,
    /// Prices and forecasts, in the order of the file; every quantity at most once.
    pub outlook: Vec<OutlookInput>,
    /// `[mqtt.commands]`; `None` = not there, so that only operators may command.
    pub commands: Option<Commands>,
    /// Who signs commands; filled in by whoever reads `[[operator]]`.
    pub operators: Vec<Operator>,
    /// The gateway's own messages.
    pub outputs: Outputs,
}

/// The connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// How the broker is reached.
    pub broker: Broker,
    /// Topics of the gateway's own messages start with this and a slash.
    pub prefix: String,
    /// What is believed of messages from outside.
    pub trust: Trust,
}

/// How the broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Files of the encryption; `None` = in the clear.
    pub tls: Option<TlsFiles>,
    /// Client identifier, unique at the broker.
    pub client_id: String,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// Idle time after which a ping is sent; whole seconds.
    pub keep_alive: Duration,
}

/// Bounds on what comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// Larger payloads are cut off on the wire, before they take memory.
    pub payload_bytes_max: usize,
    /// How far ahead of this machine's clock a time stamp may be.
    pub future_max: Duration,
}

/// One value taken from messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Exact topic.
    pub topic: String,
    /// What the value means.
    pub target: Target,
    /// Where in the payload it is.
    pub source: ValueSource,
    /// Where its time stamp is; without one, age counts from arrival and retained messages are ignored.
    pub time: Option<TimeSource>,
    /// Words that stand for numbers, such as `"ON"` = 1.
    pub words: BTreeMap<String, f64>,
    /// `value = number * factor + offset`, in the unit of the target.
    pub factor: f64,
    /// See `factor`.
    pub offset: f64,
    /// Valid range after conversion, ends included.
    pub range: (f64, f64),
    /// The value may be used for this long.
    pub age_max: Duration,
    /// The same number for longer than this means that its source is stuck; `None`: it may rest.
    pub frozen: Option<Duration>,
}

/// Prices or forecasts taken from messages.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlookInput {
    /// Exact topic.
    pub topic: String,
    /// What the values mean.
    pub quantity: Quantity,
    /// JSON pointer (RFC 6901) to the list or object.
    pub pointer: String,
    /// Name of the start.
    pub start_key: String,
    /// Name of a listed value.
    pub value_key: String,
    /// Where the time of making is; without it, age counts from arrival.
    pub time: Option<TimeSource>,
    /// `value = number * factor + offset`, in the unit of the quantity.
    pub factor: f64,
    /// See `factor`.
    pub offset: f64,
    /// Valid range after conversion, ends included.
    pub range: (f64, f64),
    /// Length of a value where the message does not say it, ms.
    pub step_ms: Option<i64>,
    /// The message may be used for this long.
    pub age_max: Duration,
}

/// What a value means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A signal that control knows.
    Signal(Tag),
    /// Only shown and recorded, under this name.
    Named(String),
}

impl Target {
    /// The name in messages and journals.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Signal(signal) => signal.to_string().into(),
            Self::Named(name) => name.into(),
        }
    }
}

/// Where in the payload a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// The whole payload is the number, as text.
    Raw,
    /// The payload is JSON; the value is at this pointer (RFC 6901).
    Pointer(String),
}

/// Where in the payload the time stamp is, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSource {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// Notation.
    pub format: TimeFormat,
}

/// Commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Longest time to live a command may ask for.
    pub ttl_max: Duration,
    /// Unsigned commands are taken, with this role: the broker's own permissions say who may publish them. `None` = they
    /// are rejected.
    pub trust_broker_as: Option<Role>,
    /// Shared secret with which unsigned commands arm Auto; `None` = they cannot.
    pub arm_secret: Option<Secret>,
}

impl Default for Commands {
    fn default() -> Self {
        Self { ttl_max: Duration::from_secs(60), trust_broker_as: None, arm_secret: None }
    }
}

/// The gateway's own messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outputs {
    /// Least time between two state messages.
    pub state_interval: Duration,
    /// Also one topic per value, for receivers that cannot take JSON apart.
    pub per_value: PerValue,
}

/// Whether every value gets a topic of its own besides the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerValue {
    /// `<prefix>/state/<name>` for every value.
    Enabled,
    /// The batch `<prefix>/state` alone.
    Disabled,
}
