//! A real plant as far as the gateway can tell, without a single register: everything is measured over MQTT, nothing is
//! written. For whatever happens between an operator and the gateway.

use crate::gateway::Gateway;
use crate::mosquitto::{Keep, Listener, Mosquitto, Seen};
use memg_core::command::Role;
use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_gateway::plant_io::mqtt::operator::Operator;
use memg_gateway::plant_io::mqtt::secret::Secret;
use memg_gateway::plant_io::mqtt::station::{Signed, Stamp};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Topics of the gateway.
pub const PREFIX: &str = "memg/topics";
/// Longest wait for a mode.
const PATIENCE: Duration = Duration::from_secs(30);
/// Name, role and key of everybody who may command.
pub const OPERATORS: [(&str, Role, &str); 3] = [
    ("anna", Role::Operator, "anna's key of the tests"),
    ("grid", Role::Guard, "the grid operator's key"),
    ("eve", Role::Viewer, "eve's key of the tests.."),
];

/// Broker, configuration and measurements.
pub struct Site {
    pub broker: Arc<Mosquitto>,
    folder: TempDir,
    weather: tokio::task::JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.weather.abort();
    }
}

/// This machine's clock, ms since 1970.
///
/// # Panics
/// If it stands before 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the end of time")
}

/// The environment variable of an operator's key.
pub fn variable(name: &str) -> String {
    format!("KEY_OF_{}", name.to_uppercase())
}

/// Who that is, with their key.
///
/// # Panics
/// If nobody is called so.
pub fn operator(name: &str) -> Operator {
    let (name, role, key) = OPERATORS.into_iter().find(|(known, ..)| *known == name).expect("somebody known");
    Operator { name: name.into(), role, key: Secret::new(key) }
}

/// A command of now, signed.
pub fn signed(name: &str, kind: CommandKind, id: &str, body: &Value) -> Signed {
    let stamp = Stamp { id: id.into(), time_unix_ms: now_ms(), ttl_s: 30 };
    Signed::new(PREFIX, kind, &operator(name), body, stamp)
}

impl Site {
    /// `None` where mosquitto is missing. `commands` are lines of `[mqtt.commands]`.
    pub async fn start(commands: &str) -> Option<Self> {
        let broker = Arc::new(Mosquitto::start().await?);
        let folder = tempfile::tempdir().expect("a folder");
        let site = Self { folder, weather: tokio::spawn(weather(broker.clone())), broker };
        let text = format!("{}[mqtt.commands]\n{commands}\n{}", site.plant(), operators());
        std::fs::write(site.path("gateway.toml"), text).expect("the configuration");
        Some(site)
    }

    /// A file of this site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plant(&self) -> String {
        let plant = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/sites/site-a.toml");
        let inputs =
            [("pv_kw", "kW"), ("wind_kw", "kW"), ("electric_load_kw", "kW"), ("heat_load_kw", "kW"), ("soc", "1")];
        let input = |(signal, unit)| {
            format!(
                "[[mqtt.inputs]]\ntopic = 'plant/all'\nsignal = '{signal}'\npointer = '/{signal}'\nunit = '{unit}'\n\
                 range = [0, 200]\nage_max_s = 60\n"
            )
        };
        format!(
            "[site]\nname = 'topics'\ntime_zone = '+00:00'\nplant_file = '{plant}'\n\
             [control]\ncycle_s = 0.2\nrecover_cycles = 1\n[policy]\ndecide_with = 'rule'\n[journal]\npath = '{}'\n\
             [mqtt]\nhost = '127.0.0.1'\nport = {}\nclient_id = 'topics'\nprefix = '{PREFIX}'\n{}",
            self.path("journal").display(),
            self.broker.port,
            inputs.map(input).concat()
        )
    }

    /// Starts the gateway, with everybody's key in its environment.
    pub fn gateway(&self) -> Gateway {
        let keys = OPERATORS.map(|(name, _, key)| (variable(name), key));
        let keys: Vec<(&str, &str)> = keys.iter().map(|(name, key)| (name.as_str(), *key)).collect();
        Gateway::run(&self.path("gateway.toml"), &[], &keys)
    }

    /// Starts the gateway and waits until it is in shadow.
    ///
    /// # Panics
    /// If it does not come there.
    pub async fn in_shadow(&self) -> (Gateway, Listener) {
        let mut state = self.broker.listen(&format!("{PREFIX}/state")).await;
        let gateway = self.gateway();
        until_mode(&mut state, "shadow").await;
        (gateway, state)
    }

    /// Publishes a payload as a command.
    pub async fn publish(&self, kind: CommandKind, payload: &str) {
        self.broker.publish(&kind.topic(PREFIX), payload, Keep::No).await;
    }
}

/// Waits until the gateway tells that it is in a mode.
///
/// # Panics
/// If it does not come there.
pub async fn until_mode(state: &mut Listener, mode: &str) -> Seen {
    let seen = timeout(PATIENCE, state.until(|seen| seen.json()["mode"] == mode)).await;
    seen.unwrap_or_else(|_| panic!("the gateway never came to {mode}"))
}

fn operators() -> String {
    let table = |(name, role, _): (&str, Role, &str)| {
        let role = role.name();
        format!("[[operator]]\nname = '{name}'\nrole = '{role}'\nkey_env = '{}'\n", variable(name))
    };
    OPERATORS.map(table).concat()
}

/// Measurements, several times a second.
async fn weather(broker: Arc<Mosquitto>) {
    let all = json!({ "pv_kw": 20, "wind_kw": 5, "electric_load_kw": 30, "heat_load_kw": 20, "soc": 0.5 }).to_string();
    loop {
        broker.publish("plant/all", &all, Keep::No).await;
        sleep(Duration::from_millis(300)).await;
    }
}
