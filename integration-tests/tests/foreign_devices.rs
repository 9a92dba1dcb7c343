//! The whole gateway at a plant made by others: pymodbus over serial RTU, TCP and RTU over TCP, mosquitto, mbpoll, on a
//! configuration and device files that the repository does not ship.

use memg_gateway::plant_io::mqtt::arming::proof_for;
use memg_integration_tests::foreign_bench::{BATTERY, Bench, CHP, METER};
use memg_integration_tests::gateway::Gateway;
use memg_integration_tests::gateway_process;
use memg_integration_tests::mosquitto::{Keep, Listener, Mosquitto};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const SECRET: &str = "correct horse battery";
const PATIENCE: Duration = Duration::from_secs(30);

/// A plant of others, with everything a gateway needs to run there.
struct Plant {
    folder: TempDir,
    bench: Bench,
    broker: Arc<Mosquitto>,
    weather: tokio::task::JoinHandle<()>,
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.weather.abort();
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the end of time")
}

impl Plant {
    /// `None` where a foreign program is missing.
    async fn start() -> Option<Self> {
        let broker = Arc::new(Mosquitto::start().await?);
        let bench = Bench::start().await?;
        let folder = tempfile::tempdir().expect("a folder");
        let plant = Self { folder, bench, weather: tokio::spawn(weather(broker.clone())), broker };
        plant.configure();
        Some(plant)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) {
        std::fs::create_dir(self.path("devices")).expect("a folder");
        for (name, text) in [("b.toml", BATTERY), ("c.toml", CHP), ("m.toml", METER)] {
            std::fs::write(self.path("devices").join(name), text).expect("a device file");
        }
        let site = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/sites/site-a.toml");
        std::fs::copy(site, self.path("site.toml")).expect("the site file");
        std::fs::write(self.path("gateway.toml"), self.text()).expect("the configuration");
    }

    fn text(&self) -> String {
        let (chp, meter) = (self.bench.port("chp"), self.bench.port("meter"));
        let serial = self.bench.wire.end("b");
        let broker = self.broker.port;
        let journal = text(&self.path("journal"));
        format!(
            r#"
[site]
name = "elsewhere"
time_zone = "Europe/Berlin"
plant_file = "site.toml"

[policy]
decide_with = "rule"

[journal]
path = {journal:?}

[[device]]
name = "store"
file = "b.toml"
transport = {{ serial = {{ path = {serial:?}, baud = 19200, parity = "none" }} }}
unit_id = 7
write = [{{ point = "setpoint", range = [-50, 50] }}, {{ point = "heartbeat", range = [0, 65535] }}]

[[device]]
name = "engine"
file = "c.toml"
transport = {{ tcp = "127.0.0.1:{chp}" }}
unit_id = 3
write = [{{ point = "setpoint", range = [0, 80] }}, {{ point = "run", range = [0, 1] }}]

[[device]]
name = "meter"
file = "m.toml"
transport = {{ rtu_over_tcp = "127.0.0.1:{meter}" }}
unit_id = 12

[mqtt]
host = "127.0.0.1"
port = {broker}
client_id = "elsewhere"
prefix = "memg/elsewhere"
commands = {{ arm_secret_env = "ARM_SECRET", trust_broker_as = "operator" }}
inputs = [
  {{ topic = "weather/wind", signal = "wind_kw", pointer = "/power/w", unit = "W", range = [0, 100], age_max_s = 5,
    time_pointer = "/t", time_format = "unix_ms" }},
  {{ topic = "weather/pv", signal = "pv_kw", raw = true, unit = "kW", range = [0, 100], age_max_s = 5 }},
  {{ topic = "heat/demand", signal = "heat_load_kw", raw = true, unit = "kW", range = [0, 200], age_max_s = 5 }},
  {{ topic = "market/now", signal = "import_price_eur_per_kwh", pointer = "/buy", unit = "EUR/MWh", range = [-1, 2] }},
]
"#
        )
    }

    fn gateway(&self) -> Gateway {
        let journal = self.path("journal");
        Gateway::run(
            &self.path("gateway.toml"),
            &["--journal", &journal.display().to_string()],
            &[("ARM_SECRET", SECRET)],
        )
    }

    /// Two steps, as an operator's station does them.
    async fn arm(&self) {
        let mut answers = self.broker.listen("memg/elsewhere/ack/#").await;
        self.command("arm", "a", json!({})).await;
        let nonce = answers.until(|seen| seen.json()["nonce"].is_string()).await.json()["nonce"].clone();
        let proof = proof_for(nonce.as_str().expect("text"), SECRET);
        self.command("confirm", "b", json!({ "nonce": nonce, "proof": proof })).await;
    }

    async fn command(&self, kind: &str, id: &str, mut fields: Value) {
        fields["id"] = json!(id);
        fields["time_unix_ms"] = json!(now_ms());
        fields["ttl_s"] = json!(10);
        self.broker.publish(&format!("memg/elsewhere/command/{kind}"), fields.to_string(), Keep::No).await;
    }

    async fn until_mode(&self, state: &mut Listener, mode: &str) {
        let seen = tokio::time::timeout(PATIENCE, state.until(|seen| seen.json()["mode"] == mode)).await;
        assert!(seen.is_ok(), "the gateway never came to {mode}");
    }

    /// Waits until a register of a device holds a value; how long it took.
    async fn until_register(&mut self, place: &str, wanted: impl Fn(u16) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            let value = self.bench.peer.ask(&format!("get {place} 1")).await[0];
            if wanted(value) {
                return start.elapsed();
            }
            assert!(start.elapsed() < PATIENCE, "{place} stays at {value}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn load(&mut self, kw: f32) {
        let bits = kw.to_bits();
        self.bench.peer.ask(&format!("set meter 4 100 {} {}", bits >> 16, bits & 0xFFFF)).await;
    }
}

/// Values that come over MQTT, every half second.
async fn weather(broker: Arc<Mosquitto>) {
    loop {
        let wind = json!({ "power": { "w": 2000 }, "t": now_ms() }).to_string();
        for (topic, payload) in [("weather/wind", wind.as_str()), ("weather/pv", "3.5"), ("heat/demand", "40")] {
            broker.publish(topic, payload, Keep::No).await;
        }
        broker.publish("market/now", r#"{"buy": 95.0}"#, Keep::No).await;
        sleep(Duration::from_millis(500)).await;
    }
}

fn gateway(arguments: &[&str]) -> Output {
    Command::new(gateway_process::gateway())
        .args(arguments)
        .env("ARM_SECRET", SECRET)
        .output()
        .expect("the gateway runs")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plant_of_others_is_checked_watched_armed_controlled_and_explained() {
    let Some(mut plant) = Plant::start().await else { return };
    let config = text(&plant.path("gateway.toml"));
    let probed = gateway(&["check", &config, "--probe"]);
    let shown = String::from_utf8_lossy(&probed.stdout).into_owned();
    assert!(probed.status.success() && shown.contains("0.512"), "{shown}{}", String::from_utf8_lossy(&probed.stderr));

    let mut state = plant.broker.listen("memg/elsewhere/state").await;
    let running = plant.gateway();
    plant.until_mode(&mut state, "shadow").await;
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(plant.bench.peer.ask("get battery 1 5 1").await, [0], "nothing is written before it is armed");
    plant.arm().await;
    plant.until_mode(&mut state, "auto").await;
    plant.until_register("battery 1 5", |enabled| enabled == 1).await;

    plant.command("mode", "m", json!({ "mode": "manual" })).await;
    plant.until_mode(&mut state, "manual").await;
    plant.command("setpoint", "s", json!({ "battery_kw": 8.0, "chp_kw": 0.0 })).await;
    plant.until_register("battery 3 300", |tenths| tenths == 80).await;

    // The connection takes 100 kW, renewables give 5.5: with 104.5 kW of load nothing is left to charge with.
    plant.load(99.0).await;
    let reacted = plant.until_register("battery 3 300", |tenths| tenths <= 65).await;
    println!("a load step reached the serial battery's register after {reacted:?}");

    let summary = running.stop().await;
    // How many polls come late is a matter of the machine; nobody may notice.
    assert_eq!(summary["alarms"].as_object().map(|alarms| alarms.len()), Some(0), "{summary}");
    let journal = text(&plant.path("journal"));
    let replayed = gateway(&["replay", &journal]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stdout));
    let cycle = summary["cycles"].to_string();
    let explained = gateway(&["explain", &journal, &cycle]);
    let words = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.status.success() && words.contains("operator"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_acknowledges_without_applying_takes_the_policy_out_of_control() {
    let Some(mut plant) = Plant::start().await else { return };
    let mut state = plant.broker.listen("memg/elsewhere/state").await;
    let running = plant.gateway();
    plant.until_mode(&mut state, "shadow").await;
    plant.arm().await;
    plant.until_mode(&mut state, "auto").await;
    plant.command("mode", "m", json!({ "mode": "manual" })).await;
    plant.until_mode(&mut state, "manual").await;
    plant.bench.peer.ask("deaf battery 300").await;
    plant.command("setpoint", "s", json!({ "battery_kw": 8.0, "chp_kw": 0.0 })).await;
    plant.until_mode(&mut state, "hold").await;
    plant.bench.peer.ask("hear battery").await;
    plant.until_mode(&mut state, "manual").await;
    plant.until_register("battery 3 300", |tenths| tenths == 80).await;
    let summary = running.stop().await;
    assert!(summary["alarms"]["not_applied"].as_u64().is_some_and(|count| count > 0), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_plant_is_refused() {
    let Some(plant) = Plant::start().await else { return };
    let mut state = plant.broker.listen("memg/elsewhere/state").await;
    let first = plant.gateway();
    plant.until_mode(&mut state, "shadow").await;
    let (config, journal) = (text(&plant.path("gateway.toml")), text(&plant.path("journal")));
    let second = gateway(&["run", &config, "--journal", &journal, "--for", "1s"]);
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && words.contains("another gateway"), "{words}");
    first.stop().await;
}

/// Age of the state of charge in a message of state, s.
fn soc_age_s(state: &Value) -> Option<f64> {
    state["values"]["soc"]["age_s"].as_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_line_that_was_silent_for_seconds_is_asked_again_at_once_and_late_answers_mislead_nobody() {
    let Some(mut plant) = Plant::start().await else { return };
    let mut state = plant.broker.listen("memg/elsewhere/state").await;
    let running = plant.gateway();
    plant.until_mode(&mut state, "shadow").await;
    plant.arm().await;
    plant.until_mode(&mut state, "auto").await;
    let silent = Instant::now();
    plant.bench.wire.hold().await;
    let old = tokio::time::timeout(PATIENCE, state.until(|seen| soc_age_s(&seen.json()).is_some_and(|age| age > 2.5)));
    assert!(old.await.is_ok(), "the state of charge ages while its line is silent");
    plant.bench.peer.ask("set battery 3 200 400").await;
    let silence = silent.elapsed();
    let released = Instant::now();
    plant.bench.wire.release().await;
    let fresh = |seen: &Value| soc_age_s(seen).is_some_and(|age| age < 1.0) && seen["values"]["soc"]["value"] == 0.4;
    let back = tokio::time::timeout(PATIENCE, state.until(|seen| fresh(&seen.json()))).await;
    let took = released.elapsed();
    println!("read again {took:?} after the line was back, silent for {silence:?}");
    // A pause is a third of the silence at most; once it was fifteen times as long (39 s after 2.5 s).
    assert!(back.is_ok() && took < 3 * silence, "{took:?} after {silence:?}");
    plant.until_mode(&mut state, "auto").await;
    running.stop().await;
}
