//! The `[mqtt]` table as TOML says it. The field comments are the manual.
//!
//! Tables below it are kept as TOML values at first, so that each can report its unknown keys under its own key path.

use super::super::timestamp::TimeFormat;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[mqtt]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMqtt {
    /// Broker's host name or address. Required.
    pub host: Option<String>,
    /// TCP port. Default 1883, with `tls` 8883.
    pub port: Option<u16>,
    /// Client identifier, unique at the broker: a second client of that name throws the first one out. Required.
    pub client_id: Option<String>,
    /// User name; needs a password.
    pub username: Option<String>,
    /// File with the password; one trailing line break is not part of it.
    pub password_file: Option<PathBuf>,
    /// Environment variable with the password.
    pub password_env: Option<String>,
    /// Encrypts the connection, and proves to the broker who connects: see [`TlsFiles`](crate::tls::TlsFiles). Files are beside the configuration.
    pub tls: Option<toml::Value>,
    /// Without `tls` connections are not encrypted. Beyond this machine that must be accepted explicitly. Default false.
    pub allow_plaintext: Option<bool>,
    /// The gateway's own topics start with this and a slash, such as `memg/harbour`. Required.
    pub prefix: Option<String>,
    /// A connection that is silent for twice this long is given up, s. Default 5.
    pub keep_alive_s: Option<u16>,
    /// Larger payloads are dropped and alarmed, bytes. Default 65536.
    pub payload_bytes_max: Option<usize>,
    /// Time stamps further ahead of this machine's clock are rejected, s. Default 2.
    pub future_max_s: Option<f64>,
    /// Values taken from messages: see [`RawInput`].
    #[serde(default)]
    pub inputs: Vec<toml::Value>,
    /// Prices and forecasts of the hours ahead: see [`RawOutlook`].
    #[serde(default)]
    pub outlook: Vec<toml::Value>,
    /// Commands: see [`RawCommands`]. Who signs them stands in `[[operator]]`.
    pub commands: Option<toml::Value>,
    /// The gateway's own messages: see [`RawOutputs`].
    pub outputs: Option<toml::Value>,
}

/// `[[mqtt.inputs]]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawInput {
    /// Exact topic, no wildcards. Several inputs may share one. Required.
    pub topic: Option<String>,
    /// What the value means to control, such as `pv_kw`, or `battery_2_kw` of the second battery. Either this or `name`.
    pub signal: Option<String>,
    /// A name for a value that is only shown and recorded. Either this or `signal`.
    pub name: Option<String>,
    /// JSON pointer to the value, such as `/power/value`. Either this or `raw = true`.
    pub pointer: Option<String>,
    /// The payload is the number itself, as text.
    pub raw: Option<bool>,
    /// JSON pointer to the time stamp. Without it, age counts from arrival and retained messages are ignored.
    pub time_pointer: Option<String>,
    /// `unix_s`, `unix_ms` or `rfc3339`. Required with `time_pointer`.
    pub time_format: Option<TimeFormat>,
    /// Unit in the message; converted to the unit in the signal's name. Required with a signal that has one.
    pub unit: Option<String>,
    /// Factor besides the unit's. Default 1.
    pub scale: Option<f64>,
    /// 1 or -1; -1 for senders that count the other way round (battery: ours is + = charging, grid: + = importing).
    pub sign: Option<f64>,
    /// Added after scaling, in the unit of the signal. Default 0.
    pub offset: Option<f64>,
    /// Words that stand for numbers before scaling, such as `{ ON = 1, OFF = 0 }`.
    #[serde(default)]
    pub words: BTreeMap<String, f64>,
    /// Lowest and highest believable value after conversion. Required.
    pub range: Option<[f64; 2]>,
    /// The value may be used for this long, s. Default 15.
    pub age_max_s: Option<f64>,
    /// The same number for this long means that its source is stuck, s. Default: it may rest.
    pub frozen_s: Option<f64>,
}

/// `[[mqtt.outlook]]`: the payload is JSON, either `{"start": …, "step_s": 900, "values": […]}` or a list of objects with
/// a start and a value each. Starts are texts with an offset, such as `2026-03-01T12:00:00+01:00`, or Unix time in seconds
/// or milliseconds. Any raster is brought to the plant's step; `null` and what is left out stay unknown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOutlook {
    /// Exact topic, no wildcards. Retained messages count. Required.
    pub topic: Option<String>,
    /// `pv_kw`, `wind_kw`, `electric_load_kw`, `heat_load_kw`, `import_price_eur_per_kwh` or `export_price_eur_per_kwh`;
    /// each once. Required.
    pub quantity: Option<String>,
    /// JSON pointer to the list or object, such as `/data`. Default: the whole payload.
    pub pointer: Option<String>,
    /// Name of the start. Default `start`.
    pub start_key: Option<String>,
    /// Name of a listed value. Default `value`.
    pub value_key: Option<String>,
    /// Length of a value, s. Default: `step_s` of the message, or the shortest distance between two starts of a list.
    pub step_s: Option<f64>,
    /// JSON pointer to the time at which the message was made. Without it, age counts from arrival.
    pub time_pointer: Option<String>,
    /// `unix_s`, `unix_ms` or `rfc3339`. Required with `time_pointer`.
    pub time_format: Option<TimeFormat>,
    /// Unit in the message, such as `EUR/MWh`; converted to that in the quantity's name. Required.
    pub unit: Option<String>,
    /// Factor besides the unit's. Default 1.
    pub scale: Option<f64>,
    /// 1 or -1. Default 1.
    pub sign: Option<f64>,
    /// Added after scaling, in the unit of the quantity, such as a grid fee. Default 0.
    pub offset: Option<f64>,
    /// Lowest and highest believable value after conversion. Default: what is physically possible.
    pub range: Option<[f64; 2]>,
    /// The message may be used for this long, s. Default 129600, the 36 hours that an outlook reaches.
    pub age_max_s: Option<f64>,
}

/// `[mqtt.commands]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCommands {
    /// Longest time to live a command may ask for, s. Default 60.
    pub ttl_max_s: Option<f64>,
    /// Role of unsigned commands: `viewer`, `guard`, `operator` or `engineer`. It declares that the broker's own
    /// permissions (log-in, access list) let nobody publish below `<prefix>/command/` who may not do what the role may.
    /// Default: unsigned commands are rejected.
    pub trust_broker_as: Option<String>,
    /// File with the shared secret with which unsigned commands arm Auto, at least 16 characters.
    pub arm_secret_file: Option<PathBuf>,
    /// Environment variable with that secret.
    pub arm_secret_env: Option<String>,
}

/// `[mqtt.outputs]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOutputs {
    /// Least time between two state messages, s. Default 1.
    pub state_interval_s: Option<f64>,
    /// Also one topic per value: `<prefix>/state/<name>`. Default false.
    pub per_value_topics: Option<bool>,
}
