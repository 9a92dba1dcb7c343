//! The MQTT side of the gateway against mosquitto: restarts, retained and expired commands, oversized messages, half-open
//! links, birth and last will.

use memg_core::command::{CommandBody, Outcome};
use memg_core::measurement::{Measurement, Quality};
use memg_gateway::plant_io::event::{DriverEvent, EventKind};
use memg_gateway::plant_io::image::{PointId, ProcessImage};
use memg_gateway::plant_io::mqtt::arming::proof_for;
use memg_gateway::plant_io::mqtt::clock::Clock;
use memg_gateway::plant_io::mqtt::{self, CommandRequest, LinkState, MqttHandle, settings};
use memg_gateway::plant_io::problem::parse_table;
use memg_integration_tests::mosquitto::{Keep, Listener, Mosquitto, PATIENCE};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

const SECRET: &str = "correct horse battery";
const PV: PointId = PointId(0);
const LOAD: PointId = PointId(1);

/// The MQTT side with a process image, as the daemon would hold it.
struct Gateway {
    mqtt: MqttHandle,
    image: ProcessImage,
    events: mpsc::Receiver<DriverEvent>,
    clock: Clock,
    stop: watch::Sender<bool>,
}

impl Gateway {
    /// Connects to the broker as `client_id`; `pv_kw` with time stamps on `plant/pv`, `electric_load_kw` on `plant/load`.
    fn start(broker: &Mosquitto, client_id: &str) -> Self {
        let text = format!(
            r#"[mqtt]
            host = "127.0.0.1"
            port = {}
            client_id = "{client_id}"
            prefix = "memg/test"
            keep_alive_s = 1
            payload_bytes_max = 4096
            inputs = [
                {{ topic = "plant/pv", signal = "pv_kw", pointer = "/w", unit = "W", range = [0, 100], age_max_s = 2,
                  time_pointer = "/t", time_format = "unix_ms" }},
                {{ topic = "plant/load", signal = "electric_load_kw", raw = true, unit = "kW", range = [0, 100] }},
            ]
            commands = {{ arm_secret_env = "ARM", trust_broker_as = "operator" }}"#,
            broker.port
        );
        let table = parse_table(&text).unwrap().remove("mqtt").unwrap();
        let settings = settings::validate(table, &|_| Some(SECRET.into())).unwrap();
        let image = ProcessImage::new(settings.inputs.iter().map(|input| input.age_max));
        let (sender, events) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let clock = Clock::system();
        let places = mqtt::Places { points: &[PV, LOAD], series: &[] };
        let mqtt = mqtt::spawn(settings, image.clone(), places, sender, clock.clone(), stopped);
        Self { mqtt, image, events, clock, stop }
    }

    async fn link_is(&mut self, state: LinkState) {
        timeout(PATIENCE, self.mqtt.link.wait_for(|now| *now == state)).await.expect("the link changes").unwrap();
    }

    fn measured(&self, point: PointId) -> Measurement<f64> {
        self.image.freeze(self.clock.now().mono, &[point])[0]
    }

    async fn measures(&self, point: PointId, value: f64, quality: Quality) {
        let there = async {
            while (self.measured(point).value, self.measured(point).quality) != (Some(value), quality) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(PATIENCE, there).await;
        assert!(waited.is_ok(), "{point:?} is {:?}, not {value} {quality:?}", self.measured(point));
    }

    async fn told(&mut self, kind: EventKind) -> DriverEvent {
        let wanted = async {
            loop {
                let event = self.events.recv().await.expect("the MQTT side lives");
                if event.kind == kind {
                    return event;
                }
            }
        };
        timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("{kind:?} is told"))
    }

    async fn command(&mut self) -> CommandRequest {
        timeout(PATIENCE, self.mqtt.commands.next()).await.expect("a command arrives").expect("the MQTT side lives")
    }

    /// `{"w":watts,"t":now}`
    fn pv(&self, watts: f64) -> String {
        json!({ "w": watts, "t": self.clock.now().unix_ms }).to_string()
    }

    /// A command `age_s` seconds old that lives for 10 s.
    fn order(&self, id: &str, age_s: u64, fields: serde_json::Value) -> String {
        let mut order = json!({ "id": id, "time_unix_ms": self.clock.now().unix_ms - 1000 * age_s, "ttl_s": 10 });
        order.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        order.to_string()
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.mqtt.task).await.expect("it stops").unwrap();
    }
}

/// Waits until the status, the set-points and the alarm that were told while the broker was down have come.
async fn everything(listener: &mut Listener) {
    let (mut birth, mut setpoints, mut alarm) = (false, false, false);
    while !(birth && setpoints && alarm) {
        let seen = listener.next().await;
        birth |= seen.topic == "memg/test/status" && seen.json()["status"] == "online";
        setpoints |= seen.topic == "memg/test/setpoints" && seen.json()["battery_kw"] == -10;
        alarm |= seen.topic == "memg/test/alarms";
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_and_restarted_broker_gets_everything_back_and_values_recover() {
    let Some(mut broker) = Mosquitto::start().await else { return };
    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    gateway.mqtt.publisher.set("setpoints", &json!({ "battery_kw": -10 }));
    broker.publish("plant/pv", gateway.pv(42_000.0), Keep::No).await;
    gateway.measures(PV, 42.0, Quality::Good).await;

    // An event is sent once: where the gateway is back before the listener, it is lost on the listener, and the broker is killed again.
    let mut heard = false;
    for _ in 0..10 {
        broker.kill();
        gateway.link_is(LinkState::Down).await;
        gateway.told(EventKind::Disconnected).await;
        gateway.measures(PV, 42.0, Quality::CommLost).await;
        gateway.mqtt.publisher.event("alarms", &"while the broker was down");
        broker.restart().await;
        let mut listener = broker.listen("memg/test/#").await;
        heard = timeout(Duration::from_secs(5), everything(&mut listener)).await.is_ok();
        gateway.told(EventKind::Connected).await;
        if heard {
            break;
        }
    }
    assert!(heard, "birth, set-points and the alarm of the time between come back");
    broker.publish("plant/pv", gateway.pv(43_000.0), Keep::No).await;
    gateway.measures(PV, 43.0, Quality::Good).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_and_expired_commands_do_nothing_and_are_answered() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut answers = broker.listen("memg/test/ack/#").await;
    let unix_ms = Clock::system().now().unix_ms + 500;
    let stored = json!({ "id": "stored", "time_unix_ms": unix_ms, "ttl_s": 60, "mode": "manual" }).to_string();
    broker.publish("memg/test/command/mode", stored, Keep::Retained).await;

    let mut gateway = Gateway::start(&broker, "gateway");
    let refused = answers.next().await;
    assert_eq!((refused.topic.as_str(), &refused.json()["id"]), ("memg/test/ack/mode", &json!("stored")));
    assert_eq!(refused.json()["reason"], "retained commands are ignored");
    assert!(gateway.told(EventKind::CommandRefused).await.detail.contains("retained"));

    let expired = gateway.order("late", 11, json!({ "battery_kw": 5, "chp_kw": 0 }));
    broker.publish("memg/test/command/setpoint", expired, Keep::No).await;
    let expired = answers.next().await.json()["reason"].to_string();
    assert!(expired.contains("the command has expired: given at"), "{expired}");

    let good = gateway.order("good", 0, json!({ "mode": "safe_stop" }));
    broker.publish("memg/test/command/mode", good, Keep::No).await;
    let request = gateway.command().await;
    assert_eq!((request.command.id.as_str(), request.command.body), ("good", CommandBody::SafeStop));
    request.answer.send(&Outcome::Done);
    let done = answers.next().await.json();
    assert_eq!((&done["id"], &done["outcome"]), (&json!("good"), &json!("done")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_id_is_answered_and_not_carried_out_again() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut answers = broker.listen("memg/test/ack/#").await;
    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    let order = gateway.order("twice", 0, json!({ "import_kw_max": 40, "export_kw_max": null }));
    broker.publish("memg/test/command/limit", &order, Keep::No).await;
    broker.publish("memg/test/command/limit", &order, Keep::No).await;
    let reason = "not in this mode".to_owned();
    gateway.command().await.answer.send(&Outcome::Rejected { reason });
    // The second one is refused while the first one waits for control, so the order of the answers is open.
    let reasons = [answers.next().await.json()["reason"].clone(), answers.next().await.json()["reason"].clone()];
    assert!(reasons.contains(&json!("not in this mode")), "{reasons:?}");
    assert!(reasons.contains(&json!("this id was seen before")), "{reasons:?}");
    assert!(gateway.mqtt.commands.try_next().is_none());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_is_armed_with_a_nonce_and_a_proof() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut answers = broker.listen("memg/test/ack/#").await;
    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    broker.publish("memg/test/command/arm", gateway.order("a", 0, json!({})), Keep::No).await;
    let nonce = answers.next().await.json()["nonce"].as_str().expect("a nonce").to_owned();
    let proof = proof_for(&nonce, SECRET);
    let confirm = gateway.order("b", 0, json!({ "nonce": nonce, "proof": proof }));
    broker.publish("memg/test/command/confirm", confirm, Keep::No).await;
    assert_eq!(gateway.command().await.command.body, CommandBody::Arm);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_retained_message_is_named_and_does_not_break_the_connection() {
    let Some(broker) = Mosquitto::start().await else { return };
    broker.publish("plant/load", vec![b'7'; 5_000_000], Keep::Retained).await;
    let huge_command = format!("{{\"id\":\"{}\"}}", "x".repeat(100_000));
    broker.publish("memg/test/command/mode", huge_command, Keep::Retained).await;
    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    assert!(gateway.told(EventKind::BadMessage).await.detail.starts_with("plant/load: The payload is larger"));
    broker.publish("plant/load", "55.5", Keep::No).await;
    gateway.measures(LOAD, 55.5, Quality::Good).await;
    // Longer than the silence that ends a connection: it must still be the first one.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(*gateway.mqtt.link.borrow(), LinkState::Up);
    assert_eq!(gateway.mqtt.counters.connections.load(Ordering::Relaxed), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_link_is_noticed_and_never_holds_up_the_publisher() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    broker.freeze();
    // Control goes on publishing: many more messages than any buffer between here and the broker holds.
    for n in 0..100_000 {
        gateway.mqtt.publisher.set("state", &json!({ "n": n }));
    }
    gateway.link_is(LinkState::Down).await;
    assert!(gateway.told(EventKind::Disconnected).await.detail.contains("silent"));
    broker.thaw();
    gateway.link_is(LinkState::Up).await;
    let mut listener = broker.listen("memg/test/state").await;
    listener.until(|seen| seen.json()["n"] == 99_999).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn birth_last_will_and_good_bye_are_retained() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    let mut listener = broker.listen("memg/test/status").await;
    let birth = listener.next().await;
    assert_eq!((birth.keep, &birth.json()["status"]), (Keep::Retained, &json!("online")));

    gateway.mqtt.task.abort();
    let will = listener.next().await.json();
    assert_eq!((&will["status"], &will["reason"]), (&json!("offline"), &json!("lost")));

    let mut gateway = Gateway::start(&broker, "gateway");
    gateway.link_is(LinkState::Up).await;
    gateway.stop().await;
    listener.until(|seen| seen.json()["status"] == "online").await;
    let good_bye = listener.next().await.json();
    assert_eq!((&good_bye["status"], &good_bye["reason"]), (&json!("offline"), &json!("stopped")));
    let mut late = broker.listen("memg/test/status").await;
    assert_eq!(late.next().await.json()["reason"], "stopped", "and no last will after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_under_one_name_are_a_reconnect_storm() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut first = Gateway::start(&broker, "twin");
    first.link_is(LinkState::Up).await;
    let second = Gateway::start(&broker, "twin");
    let storm = first.told(EventKind::ReconnectStorm).await;
    assert!(storm.detail.contains("Probably the client_id \"twin\" is used twice"), "{}", storm.detail);
    second.stop().await;
    first.stop().await;
}
