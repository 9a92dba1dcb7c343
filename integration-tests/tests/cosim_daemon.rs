//! `gateway run` with a simulator as the plant, through mosquitto: what a simulator may do wrong, how a run ends, and the
//! free-running way.

use memg_integration_tests::gateway_process::{Gateway, gateway, lockstep_configuration, text};
use memg_integration_tests::mosquitto::{Keep, Listener, Mosquitto};
use memg_integration_tests::python_has;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// A simulator made of mosquitto's own clients, and the gateway that it drives.
struct Lab {
    broker: Mosquitto,
    answers: Listener,
    gateway: Gateway,
    folder: tempfile::TempDir,
}

impl Lab {
    /// Connected: the gateway has said that it is online.
    async fn start(more: &[&str]) -> Option<Self> {
        Self::configured("", more).await
    }

    /// With more lines in `[cosim]`.
    async fn configured(lines: &str, more: &[&str]) -> Option<Self> {
        let broker = Mosquitto::start_with("set_tcp_nodelay true").await?;
        let folder = tempfile::tempdir().expect("a folder");
        let config = lockstep_configuration(folder.path(), broker.port, "rule");
        let text = std::fs::read_to_string(&config).expect("read").replace("[cosim]\n", &format!("[cosim]\n{lines}\n"));
        std::fs::write(&config, text).expect("written");
        let answers = broker.listen("memg/lab/cosim/#").await;
        let gateway = Gateway::start(&[&["run", &config, "--json"], more].concat());
        Some(Self { broker, answers, gateway, folder })
    }

    /// The answer on a topic; the start is repeated, because the gateway may not have subscribed yet.
    async fn begin(&mut self, sid: &str) -> Value {
        let start = json!({ "sid": sid, "t0": 0, "dt_s": 900 }).to_string();
        for _ in 0..100 {
            self.broker.publish("memg/lab/cosim/start", &start, Keep::No).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let seen = tokio::time::timeout(std::time::Duration::from_millis(300), self.seen("ready")).await;
            if let Ok(ready) = seen {
                return ready;
            }
        }
        panic!("the gateway does not answer");
    }

    async fn seen(&mut self, topic: &str) -> Value {
        self.answers.until(|seen| seen.topic == format!("memg/lab/cosim/{topic}")).await.json()
    }

    async fn raw(&mut self, topic: &str, payload: &str, answer: &str) -> String {
        self.broker.publish(&format!("memg/lab/cosim/{topic}"), payload, Keep::No).await;
        self.answers.until(|seen| seen.topic == format!("memg/lab/cosim/{answer}")).await.payload
    }

    async fn meas(&mut self, sid: &str, k: u64, v: &Value) -> String {
        let message = json!({ "sid": sid, "k": k, "t": 900 * k, "v": v }).to_string();
        self.raw("meas", &message, "setp").await
    }

    fn journal(&self) -> String {
        self.folder.path().join("journal").display().to_string()
    }
}

fn values() -> Value {
    json!({ "pv_kw": 50, "wind_kw": 10, "electric_load_kw": 20, "heat_load_kw": 5, "soc": 0.5,
            "import_price_eur_per_kwh": 0.3, "export_price_eur_per_kwh": 0.05 })
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulator_that_repeats_skips_or_sends_garbage_moves_nothing_and_stop_ends_the_gateway() {
    let Some(mut lab) = Lab::start(&[]).await else { return };
    assert_eq!(lab.begin("a").await["status"], "ok");
    let good = values();
    let first = lab.meas("a", 0, &good).await;
    assert!(parsed(&first)["v"]["battery_kw"].as_f64().expect("kW") > 0.0, "a surplus is stored: {first}");
    assert_eq!(lab.meas("a", 0, &json!({})).await, first, "the cached answer, byte for byte");
    for (answer, words) in [
        (lab.meas("a", 5, &good).await, "k = 5 is out of turn; 1 is expected"),
        (lab.meas("b", 1, &good).await, "another run is going on"),
        (lab.raw("meas", "{not JSON", "setp").await, "the payload is not JSON"),
        (lab.raw("meas", r#"{"sid":"a","k":1,"t":900,"v":7}"#, "setp").await, "v is missing or not an object"),
        (lab.raw("meas", r#"{"sid":"a","k":1,"t":7,"v":{}}"#, "setp").await, "t does not fit"),
    ] {
        let answer = parsed(&answer);
        assert_eq!((&answer["status"], answer.get("v")), (&json!("error"), None), "{answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{words:?}: {answer}");
    }
    let mut bad = good.clone();
    bad["soc"] = Value::Null;
    let held = parsed(&lab.meas("a", 1, &bad).await);
    assert_eq!((&held["status"], &held["v"]["battery_kw"]), (&json!("hold"), &json!(0.0)), "{held}");
    assert!(held["fault"].as_str().is_some_and(|fault| fault.contains("soc")), "{held}");
    assert_eq!(parsed(&lab.meas("a", 2, &good).await)["status"], "ok");
    let summary = parsed(&lab.raw("stop", r#"{"sid":"a"}"#, "summary").await);
    assert_eq!((&summary["steps"], &summary["hold_steps"], &summary["errors"]), (&json!(3), &json!(1), &json!(5)));
    let journal = lab.journal();
    let ended = lab.gateway.output();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(parsed(&text(&ended.stdout))["cycles"], 3);
    let replay = Gateway::start(&["replay", &journal]).output();
    assert_eq!(text(&replay.stdout), "3 cycles in 1 runs decided again: identical.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_ends_on_interrupt_and_when_its_simulated_time_is_used_up() {
    let Some(mut lab) = Lab::start(&[]).await else { return };
    lab.begin("a").await;
    lab.meas("a", 0, &values()).await;
    lab.gateway.interrupt();
    let ended = lab.gateway.output();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(parsed(&text(&ended.stdout))["cycles"], 1);

    let Some(mut lab) = Lab::start(&["--for", "30m"]).await else { return };
    lab.begin("a").await;
    lab.meas("a", 0, &values()).await;
    lab.meas("a", 1, &values()).await;
    assert_eq!(lab.seen("summary").await["status"], "time_over");
    let ended = lab.gateway.output();
    assert_eq!(parsed(&text(&ended.stdout))["plant_hours"], 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulator_that_falls_silent_ends_its_run_and_the_next_one_is_served() {
    let Some(mut lab) = Lab::configured("idle_max_s = 1\nafter_stop = 'wait'", &[]).await else { return };
    lab.begin("a").await;
    lab.meas("a", 0, &values()).await;
    assert_eq!(lab.seen("summary").await["status"], "timed_out");
    assert_eq!(parsed(&lab.meas("a", 1, &values()).await)["error"], "no run is going on; send start");
    lab.begin("b").await;
    assert_eq!(parsed(&lab.meas("b", 0, &values()).await)["status"], "ok");
    assert_eq!(parsed(&lab.raw("stop", r#"{"sid":"b"}"#, "summary").await)["status"], "stopped");
    lab.begin("c").await;
    lab.gateway.interrupt();
    let journal = lab.journal();
    assert_eq!(parsed(&text(&lab.gateway.output().stdout))["cycles"], 2);
    let replay = Gateway::start(&["replay", &journal]).output();
    assert_eq!(text(&replay.stdout), "2 cycles in 2 runs decided again: identical.\n");
}

#[test]
fn check_explains_a_co_simulation_and_refuses_a_wrong_one_with_file_line_and_key() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/cosim.toml");
    let checked = Gateway::start(&["check", shipped]).output();
    let said = text(&checked.stdout);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    for words in ["in lock-step over MQTT", "below memg/lab/cosim/", "electric_load_kw", "villas/in"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let config = lockstep_configuration(folder.path(), 1, "rule");
    let wrong = std::fs::read_to_string(&config).expect("read").replace("[cosim]\n", "[cosim]\nidle_s = 3\n");
    std::fs::write(&config, wrong).expect("written");
    let refused = Gateway::start(&["run", &config]).output();
    assert_eq!(refused.status.code(), Some(64));
    assert!(text(&refused.stderr).contains("gateway.toml:16: cosim.idle_s"), "{}", text(&refused.stderr));
}

/// A copy of the shipped network with one bit of its weights flipped.
fn damaged_model(folder: &Path) -> String {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/actor-10d");
    for entry in std::fs::read_dir(model).expect("a model").flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
    }
    let weights = folder.join("actor.safetensors");
    let mut bytes = std::fs::read(&weights).expect("read");
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(&weights, bytes).expect("written");
    folder.display().to_string()
}

#[test]
fn a_model_that_is_not_whole_is_refused_by_every_command() {
    let (folder, copy) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let model = damaged_model(copy.path());
    let config = lockstep_configuration(folder.path(), 1, &model);
    let out = folder.path().join("fmus").display().to_string();
    for command in [
        &["run", &config][..],
        &["cosim", "--plant", "none.fmu", "--for", "1h", "--model", &model],
        &["mosaik", "127.0.0.1:1", "--model", &model],
        &["fmu", "build", "--model", &model, "-o", &out],
    ] {
        let refused = Gateway::start(command).output();
        let said = text(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("actor.safetensors: expected SHA-256"),
            "{command:?}: {said}"
        );
    }
}

/// The shipped example, with the port of this test's broker and the rule.
#[tokio::test(flavor = "multi_thread")]
async fn a_free_running_simulator_is_a_plant_like_any_other() {
    if !python_has("paho.mqtt.client") {
        return;
    }
    let Some(broker) = Mosquitto::start_with("set_tcp_nodelay true").await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal").display().to_string();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/cosim-free.toml");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/free_running.py");
    let port = broker.port.to_string();
    let simulator = Command::new(memg_integration_tests::python())
        .args([script, "--port", &port, "--speed", "60", "--for", "12"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let daemon = Command::new(gateway())
        .args(["run", config, "--for", "10m", "--json", "--journal", &journal])
        .env("MEMG__MQTT__PORT", &port)
        .env("MEMG__POLICY__DECIDE_WITH", "rule")
        .output();
    let said = simulator.wait_with_output();
    let daemon = daemon.expect("the gateway runs");
    assert!(daemon.status.success(), "{}", text(&daemon.stderr));
    let summary = parsed(&text(&daemon.stdout));
    assert_eq!(summary["mode"], "auto", "{summary}");
    let said = text(&said.expect("it ends").stdout);
    let charged = said.lines().any(|line| line.split(' ').nth(2).and_then(|kw| kw.parse().ok()).unwrap_or(0.0) > 1.0);
    assert!(charged, "at noon the rule stores the surplus, and the simulator follows: {said}");
    let replay = Gateway::start(&["replay", &journal]).output();
    assert!(replay.status.success(), "{}", text(&replay.stderr));
}
