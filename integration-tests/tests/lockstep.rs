//! Lock-step co-simulation through mosquitto: against a foreign simulator in Python, across a broker restart, and how
//! long a tick takes.
//!
//! The figure: `cargo test --release -p memg-integration-tests --test lockstep tick -- --nocapture`

use memg_core::plant_state::{Signal, Tag};
use memg_gateway::cosim::lockstep::settings::LockstepSettings;
use memg_gateway::cosim::lockstep::{self, Start, StepAnswer, Stepper, Values};
use memg_gateway::plant_io::mqtt::clock::{Clock, Now};
use memg_gateway::plant_io::mqtt::settings::{self, Connection};
use memg_gateway::plant_io::mqtt::{Body, Guarantee, LinkState, Message, Receive, Service, serve};
use memg_gateway::plant_io::problem::parse_table;
use memg_integration_tests::gateway_process::{Gateway, lockstep_configuration};
use memg_integration_tests::mosquitto::{Keep, Mosquitto, PATIENCE};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

/// Charges what PV gives beyond the load.
struct Surplus;

impl Stepper for Surplus {
    fn required(&self) -> &[Tag] {
        const { &[Tag::first(Signal::PvKw), Tag::first(Signal::ElectricLoadKw)] }
    }
    fn begin(&mut self, _start: &Start) -> Result<(), String> {
        Ok(())
    }
    fn step(&mut self, _t_s: f64, values: &Values) -> Result<StepAnswer, String> {
        let kw = |signal| values.measurement(signal).value.unwrap_or(0.0);
        let surplus_kw = kw(Signal::PvKw) - kw(Signal::ElectricLoadKw);
        Ok(StepAnswer { setpoints: BTreeMap::from([("battery_kw".into(), surplus_kw)]), ..StepAnswer::default() })
    }
}

fn connection(broker: &Mosquitto, client_id: &str) -> Connection {
    let text = format!(
        "[mqtt]\nhost = '127.0.0.1'\nport = {}\nclient_id = '{client_id}'\nprefix = 'memg/site'\nkeep_alive_s = 1",
        broker.port
    );
    let table = parse_table(&text).unwrap().remove("mqtt").unwrap();
    settings::validate(table, &|_| None).unwrap().connection
}

/// The controller's side; stops with the sender.
async fn controller(broker: &Mosquitto) -> (Service, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    let site = lockstep::connection(&connection(broker, "gateway"));
    let mut service =
        lockstep::spawn(site, LockstepSettings::default(), Surplus, mpsc::channel(1).0, Clock::system(), stopped);
    let up = service.link.wait_for(|link| *link == LinkState::Up);
    timeout(PATIENCE, up).await.expect("the controller connects").unwrap();
    (service, stop)
}

/// A simulator on the gateway's own MQTT connection, below a prefix; answers arrive in a channel.
struct Answers(String, mpsc::Sender<String>);

impl Receive for Answers {
    fn topics(&self) -> Vec<(String, Guarantee)> {
        ["ready", "setp", "summary"].map(|name| (format!("{}/cosim/{name}", self.0), Guarantee::EveryOne)).into()
    }
    fn message(&mut self, message: Message<'_>, _now: Now) {
        if let Body::Bytes(bytes) = message.body {
            self.1.try_send(String::from_utf8_lossy(bytes).into_owned()).expect("room for an answer");
        }
    }
    fn tick(&mut self, _link: LinkState, _now: Now) {}
}

struct Simulator {
    service: Service,
    answers: mpsc::Receiver<String>,
    _stop: watch::Sender<bool>,
}

impl Simulator {
    async fn start(broker: &Mosquitto, prefix: &str) -> Self {
        let (sender, answers) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let mut connection = connection(broker, "simulator");
        connection.prefix = format!("{prefix}/cosim");
        let prefix = prefix.to_owned();
        let mut service = serve(connection, |_| Answers(prefix, sender), mpsc::channel(1).0, Clock::system(), stopped);
        let up = service.link.wait_for(|link| *link == LinkState::Up);
        timeout(PATIENCE, up).await.expect("the simulator connects").unwrap();
        Self { service, answers, _stop: stop }
    }

    async fn ask(&mut self, topic: &str, message: serde_json::Value) -> serde_json::Value {
        self.service.publisher.event(topic, &message);
        let answer = timeout(PATIENCE, self.answers.recv()).await.expect("an answer").expect("the simulator lives");
        serde_json::from_str(&answer).unwrap()
    }

    /// Repeated, because the gateway may not have subscribed yet.
    async fn begin(&mut self) {
        for _ in 0..100 {
            self.service.publisher.event("start", &json!({ "sid": "s", "t0": 0, "dt_s": 900 }));
            if timeout(Duration::from_millis(300), self.answers.recv()).await.is_ok() {
                return;
            }
        }
        panic!("the gateway does not answer");
    }

    async fn meas(&mut self, k: u64) -> serde_json::Value {
        let hour = (k % 96) as f64 / 4.0;
        let v = json!({ "pv_kw": 2.0 * hour, "electric_load_kw": 50.0 - hour, "wind_kw": 5, "heat_load_kw": 20, "soc": 0.5,
            "import_price_eur_per_kwh": 0.2, "export_price_eur_per_kwh": 0.1 });
        let meas = json!({ "sid": "s", "k": k, "t": 900 * k, "v": v });
        let mut answer = self.ask("meas", meas).await;
        // A start that came twice was answered twice, and what a broker did not confirm before it died comes again.
        while answer["status"] == "ok" && answer["k"].as_u64().is_none_or(|answered| answered < k) {
            let next = timeout(PATIENCE, self.answers.recv()).await.expect("an answer").expect("the simulator lives");
            answer = serde_json::from_str(&next).unwrap();
        }
        answer
    }
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}

/// Simulator, mosquitto, the gateway's program with the shipped network and its journal, and back: judged against a
/// message to oneself through the same broker in the same run. Two hops and a decision cost a few of these; a delayed
/// acknowledgement or a queue would cost hundreds.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_through_the_broker_costs_a_few_messages_to_oneself() {
    let Some(broker) = Mosquitto::start().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let model = concat!("rust:", env!("CARGO_MANIFEST_DIR"), "/../models/actor-10d");
    let config = lockstep_configuration(folder.path(), broker.port, model);
    let gateway = Gateway::start(&["run", &config, "--json"]);
    let mut simulator = Simulator::start(&broker, "memg/lab").await;
    simulator.begin().await;
    let (mut ticks_ms, mut echoes_ms) = (Vec::new(), Vec::new());
    for k in 0..2000 {
        let begin = Instant::now();
        let answer = simulator.meas(k).await;
        ticks_ms.push(begin.elapsed().as_secs_f64() * 1e3);
        assert_eq!((&answer["k"], &answer["status"]), (&json!(k), &json!("ok")), "{answer}");
        let begin = Instant::now();
        // Nobody but the simulator itself listens to summaries.
        assert_eq!(simulator.ask("summary", json!({ "echo": k })).await["echo"], json!(k));
        echoes_ms.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    simulator.ask("stop", json!({ "sid": "s" })).await;
    assert!(gateway.output().status.success());
    let [p50, p99, worst] = [50, 99, 100].map(|percent| percentile(&mut ticks_ms, percent));
    let echo = percentile(&mut echoes_ms, 50);
    println!(
        "lock-step tick through mosquitto, {} ticks: p50 {p50:.3} ms, p99 {p99:.3} ms, worst {worst:.3} ms; \
         a message to oneself: p50 {echo:.3} ms",
        ticks_ms.len()
    );
    assert!(p50 <= 20.0 * echo, "a tick takes {p50} ms, a message to oneself {echo} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_a_restart_of_the_broker_and_a_stored_message_starts_nothing() {
    let Some(mut broker) = Mosquitto::start().await else { return };
    let stored = json!({ "sid": "old", "t0": 0, "dt_s": 900 }).to_string();
    broker.publish("memg/site/cosim/start", stored, Keep::Retained).await;
    let (mut service, _stop) = controller(&broker).await;
    let mut simulator = Simulator::start(&broker, "memg/site").await;
    let foreign = simulator.ask("meas", json!({ "sid": "old", "k": 0, "t": 0, "v": {} })).await;
    assert_eq!(foreign["error"], "no run is going on; send start");
    simulator.ask("start", json!({ "sid": "s", "t0": 0, "dt_s": 900 })).await;
    let first = simulator.meas(0).await;

    broker.kill();
    timeout(PATIENCE, service.link.wait_for(|link| *link == LinkState::Down)).await.expect("it is noticed").unwrap();
    broker.restart().await;
    timeout(PATIENCE, service.link.wait_for(|link| *link == LinkState::Up)).await.expect("it recovers").unwrap();
    let link = &mut simulator.service.link;
    timeout(PATIENCE, link.wait_for(|link| *link == LinkState::Up)).await.expect("it recovers").unwrap();
    assert_eq!(simulator.meas(0).await, first, "the cached answer");
    assert_eq!(simulator.meas(1).await["k"], 1);
    let summary = simulator.ask("stop", json!({ "sid": "s" })).await;
    assert_eq!((&summary["steps"], &summary["repeated"]), (&json!(2), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_simulator_runs_a_day() {
    if !memg_integration_tests::python_has("paho.mqtt.client") {
        return;
    }
    // The controller acknowledges at once; a simulator in Python does not, so the broker must not wait for it.
    let Some(broker) = Mosquitto::start_with("set_tcp_nodelay true").await else { return };
    let _controller = controller(&broker).await;
    let simulator = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/lockstep_sim.py");
    let run = tokio::process::Command::new(memg_integration_tests::python())
        .args([simulator, "--port", &broker.port.to_string(), "--prefix", "memg/site/cosim", "--steps", "96"])
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), run).await.expect("the day ends").expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    let last = text.lines().last().unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_str(last).expect("the last line is the summary");
    assert_eq!((&summary["steps"], &summary["hold_steps"], &summary["repeated"]), (&json!(96), &json!(1), &json!(1)));
}
