//! From [`RawMqtt`] to [`MqttSettings`]: reports every problem, not only the first.

use super::super::secret::{self, Environment, Secret};
use super::inputs::validate_inputs;
use super::outlooks::validate_outlooks;
use super::raw::{RawCommands, RawMqtt, RawOutputs};
use super::{Broker, Commands, Connection, MqttSettings, Outputs, PerValue, Trust};
use crate::problem::{self, Problem};
use crate::tls::TlsFiles;
use memg_core::command::Role;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;

/// Least length of the secret that arms Auto, characters.
const ARM_SECRET_CHARS_MIN: usize = 16;
/// Longest topic, bytes; MQTT would allow 65535.
const TOPIC_BYTES_MAX: usize = 256;

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(key, message));
    }

    /// A table below `key`, its unknown keys reported.
    pub(super) fn read<T: DeserializeOwned>(&mut self, key: &str, value: toml::Value) -> Option<T> {
        problem::read(key, value, &mut self.0)
    }

    /// The value, or a problem if there is none.
    pub(super) fn require<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(key, "is missing");
        }
        value
    }

    /// The value if it holds the condition, otherwise a problem.
    pub(super) fn check<T>(&mut self, key: &str, value: T, ok: impl Fn(&T) -> bool, message: &str) -> Option<T> {
        if ok(&value) {
            return Some(value);
        }
        self.add(key, message);
        None
    }

    /// A duration in seconds within bounds.
    pub(super) fn seconds(&mut self, key: &str, value: f64, (min, max): (f64, f64)) -> Option<Duration> {
        let message = format!("must be between {min} and {max} s");
        self.check(key, value, |s| (min..=max).contains(s), &message).map(Duration::from_secs_f64)
    }

    /// An exact topic: no wildcards, no NUL, not empty, not too long, not the broker's own.
    pub(super) fn topic(&mut self, key: &str, topic: String) -> Option<String> {
        let exact = |topic: &String| {
            !topic.is_empty()
                && topic.len() <= TOPIC_BYTES_MAX
                && !topic.starts_with('$')
                && !topic.chars().any(|c| matches!(c, '+' | '#') || c.is_control())
        };
        self.check(
            key,
            topic,
            exact,
            "must be an exact topic of 1 to 256 bytes: no wildcard, no control character, no $",
        )
    }
}

/// Checks the `[mqtt]` table of a site file and reads the secrets it names.
///
/// # Errors
/// Every problem, with its key path from `mqtt` on; the caller knows file and line.
pub fn validate(table: toml::Value, environment: Environment<'_>) -> Result<MqttSettings, Vec<Problem>> {
    let mut problems = Problems::default();
    let raw: Option<RawMqtt> = problems.read("mqtt", table);
    let settings = raw.and_then(|raw| typed(raw, environment, &mut problems));
    match settings {
        Some(settings) if problems.0.is_empty() => Ok(settings),
        Some(_) | None => Err(problems.0),
    }
}

/// Checks of an `[mqtt]` table only what a visitor to the broker needs: host, port, login, prefix.
///
/// # Errors
/// As [`validate`].
pub fn validate_connection(mut table: toml::Value, environment: Environment<'_>) -> Result<Connection, Vec<Problem>> {
    if let Some(table) = table.as_table_mut() {
        ["inputs", "outlook", "commands", "outputs"].iter().for_each(|key| drop(table.remove(*key)));
    }
    validate(table, environment).map(|settings| settings.connection)
}

/// `None` only after a problem was added; looks at everything before it gives up.
fn typed(mut raw: RawMqtt, environment: Environment<'_>, problems: &mut Problems) -> Option<MqttSettings> {
    let prefix = problems.require("mqtt.prefix", raw.prefix.take());
    let prefix = prefix.and_then(|text| problems.topic("mqtt.prefix", text));
    if prefix.as_ref().is_some_and(|text| text.ends_with('/')) {
        problems.add("mqtt.prefix", "must not end with a slash");
    }
    let inputs = validate_inputs(std::mem::take(&mut raw.inputs), prefix.as_deref(), problems);
    let outlook = validate_outlooks(std::mem::take(&mut raw.outlook), prefix.as_deref(), problems);
    let commands = raw.commands.take().map(|commands| typed_commands(commands, environment, problems));
    let outputs = typed_outputs(raw.outputs.take(), problems);
    let trust = typed_trust(&raw, problems);
    let broker = typed_broker(raw, environment, problems);
    Some(MqttSettings {
        connection: Connection { broker: broker?, prefix: prefix?, trust: trust? },
        inputs: inputs?,
        outlook: outlook?,
        commands: match commands {
            Some(commands) => Some(commands?),
            None => None,
        },
        operators: Vec::new(),
        outputs: outputs?,
    })
}

fn typed_trust(raw: &RawMqtt, problems: &mut Problems) -> Option<Trust> {
    let bytes = raw.payload_bytes_max.unwrap_or(65_536);
    let payload_bytes_max = problems.check(
        "mqtt.payload_bytes_max",
        bytes,
        |bytes| (1_024..=1_048_576).contains(bytes),
        "must be between 1024 and 1048576",
    );
    let future_max = problems.seconds("mqtt.future_max_s", raw.future_max_s.unwrap_or(2.0), (0.0, 3600.0));
    Some(Trust { payload_bytes_max: payload_bytes_max?, future_max: future_max? })
}

fn typed_broker(mut raw: RawMqtt, environment: Environment<'_>, problems: &mut Problems) -> Option<Broker> {
    let tls = typed_tls(raw.tls.take(), raw.host.as_deref().unwrap_or("broker"), problems);
    let encrypted = !matches!(tls, Some(None));
    let host = problems.require("mqtt.host", raw.host);
    let host = host.and_then(|host| problems.check("mqtt.host", host, |host| !host.is_empty(), "is empty"));
    let plaintext = encrypted || raw.allow_plaintext.unwrap_or(false) || host.as_deref().is_none_or(is_this_machine);
    if !plaintext {
        problems.add(
            "mqtt.host",
            "is another machine and the connection is not encrypted: expected [mqtt.tls], or allow_plaintext = true to accept that",
        );
    }
    let client_id = problems.require("mqtt.client_id", raw.client_id);
    let fits = |id: &String| (1..=64).contains(&id.len()) && !id.chars().any(char::is_control);
    let client_id = client_id.and_then(|id| problems.check("mqtt.client_id", id, fits, "must have 1 to 64 characters"));
    let password = secret("mqtt.password", (raw.password_file, raw.password_env), environment, problems);
    let keep_alive_s = problems.check(
        "mqtt.keep_alive_s",
        raw.keep_alive_s.unwrap_or(5),
        |s| (1..=300).contains(s),
        "must be between 1 and 300",
    );
    let login = login(raw.username, password, problems);
    let port = problems.check(
        "mqtt.port",
        raw.port.unwrap_or(if encrypted { 8883 } else { 1883 }),
        |port| *port != 0,
        "must not be 0",
    );
    Some(Broker {
        host: host?,
        port: port?,
        tls: tls?,
        client_id: client_id?,
        login: login?,
        keep_alive: Duration::from_secs(u64::from(keep_alive_s?)),
    })
}

/// The outer `None` follows a problem; the inner one is a connection in the clear.
fn typed_tls(table: Option<toml::Value>, host: &str, problems: &mut Problems) -> Option<Option<TlsFiles>> {
    let Some(table) = table else { return Some(None) };
    let files: TlsFiles = problems.read("mqtt.tls", table)?;
    let before = problems.0.len();
    files.check("mqtt.tls", host, &mut problems.0);
    (problems.0.len() == before).then_some(Some(files))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The outer `None` follows a problem; the inner one is a broker without login.
fn login(
    username: Option<String>,
    password: Option<Option<Secret>>,
    problems: &mut Problems,
) -> Option<Option<(String, Secret)>> {
    match (username, password?) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => Some(Some((username, password))),
        (Some(_), None) => {
            problems.add("mqtt.username", "needs password_file or password_env");
            None
        }
        (None, Some(_)) => {
            problems.add("mqtt.username", "is missing, although there is a password");
            None
        }
    }
}

/// A secret from `<key>_file` or `<key>_env`.
fn secret(
    key: &str,
    (file, variable): (Option<PathBuf>, Option<String>),
    environment: Environment<'_>,
    problems: &mut Problems,
) -> Option<Option<Secret>> {
    let Some((key, read)) = secret::named(key, (file.as_deref(), variable.as_deref()), environment) else {
        return Some(None);
    };
    read.map(Some).map_err(|message| problems.add(key, message)).ok()
}

fn typed_commands(table: toml::Value, environment: Environment<'_>, problems: &mut Problems) -> Option<Commands> {
    let raw: RawCommands = problems.read("mqtt.commands", table)?;
    let ttl_max = problems.seconds("mqtt.commands.ttl_max_s", raw.ttl_max_s.unwrap_or(60.0), (1.0, 600.0));
    let key = "mqtt.commands.arm_secret";
    let arm_secret = secret(key, (raw.arm_secret_file, raw.arm_secret_env), environment, problems)?;
    if arm_secret.as_ref().is_some_and(|secret| secret.expose().chars().count() < ARM_SECRET_CHARS_MIN) {
        problems.add(key, format!("must have at least {ARM_SECRET_CHARS_MIN} characters"));
    }
    let trust_broker_as = match raw.trust_broker_as {
        Some(name) => Some(role("mqtt.commands.trust_broker_as", &name, problems)?),
        None => None,
    };
    if arm_secret.is_some() && trust_broker_as.is_none() {
        let message = "arms by unsigned commands, which are rejected: declare trust_broker_as, or remove it (signed \
                       commands need none)";
        problems.add(key, message);
    }
    Some(Commands { ttl_max: ttl_max?, trust_broker_as, arm_secret })
}

fn role(key: &str, name: &str, problems: &mut Problems) -> Option<Role> {
    Role::read(Some(name)).map_err(|message| problems.add(key, message)).ok()
}

fn typed_outputs(table: Option<toml::Value>, problems: &mut Problems) -> Option<Outputs> {
    let raw: RawOutputs = match table {
        Some(table) => problems.read("mqtt.outputs", table)?,
        None => RawOutputs::default(),
    };
    let interval = raw.state_interval_s.unwrap_or(1.0);
    let per_value = match raw.per_value_topics {
        Some(true) => PerValue::Enabled,
        Some(false) | None => PerValue::Disabled,
    };
    Some(Outputs {
        state_interval: problems.seconds("mqtt.outputs.state_interval_s", interval, (0.0, 3600.0))?,
        per_value,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
