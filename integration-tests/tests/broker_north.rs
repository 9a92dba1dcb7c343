//! What supervisory systems see at a broker, through the gateway's program: Home Assistant's discovery, and Sparkplug B with pysparkplug as
//! host. Commands are judged at the device.

use memg_integration_tests::gateway::Gateway;
use memg_integration_tests::mosquitto::{Keep, Listener};
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::promise_plant::{PromisePlant, until_mode};
use memg_integration_tests::rig::until;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

async fn plant(north: &str) -> Option<PromisePlant> {
    let plant = PromisePlant::start("react_s = 0.02", "").await?;
    plant.edit("gateway.toml", "[mqtt]", &format!("{north}\n[mqtt]"));
    Some(plant)
}

async fn asked(host: &mut Peer, what: &str, expected: impl Fn(&str) -> bool) -> String {
    let found = async {
        loop {
            let answer = host.say(what).await;
            if expected(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what} never became what was expected"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparkplug_host_sees_birth_data_commands_and_death() {
    let (Some(python), Some(plant)) = (python(), plant("[north.sparkplug]").await) else { return };
    let port = plant.broker.port.to_string();
    let mut host = Peer::start(&python, "sparkplug_host.py", &[&port]).await;
    let (gateway, mut state) = plant.in_auto().await;
    asked(&mut host, "seen", |seen| seen.contains("NBIRTH/promises") && seen.contains("DBIRTH/promises/soc")).await;
    let born: u8 = host.say("value bdSeq").await.parse().expect("a number");
    asked(&mut host, "value soc", |value| value == "0.5").await;
    asked(&mut host, "value mode", |value| value == "2").await;
    plant.show("electric_load_kw", 44.0);
    asked(&mut host, "value electric_load_kw", |value| value == "44.0").await;
    plant.lose("soc");
    asked(&mut host, "seen", |seen| seen.contains("DDEATH/promises/soc")).await;
    plant.restore("soc");
    asked(&mut host, "seen", |seen| seen.matches("DBIRTH/promises/soc").count() == 2).await;
    assert_eq!(host.say("row").await, "yes", "no number is missing");
    until_mode(&mut state, "auto").await;
    host.say("rebirth").await;
    asked(&mut host, "seen", |seen| seen.matches("NBIRTH/promises").count() == 2).await;
    // The broker's permissions are declared in this configuration: commands are taken.
    host.say("write command.mode 2").await;
    until_mode(&mut state, "manual").await;
    host.say("write command.battery_kw -8").await;
    until("the battery is told", || (plant.battery_setpoint() + 8.0).abs() < 0.01).await;
    gateway.kill().await;
    asked(&mut host, "seen", |seen| seen.contains("NDEATH/promises")).await;
    let died: u8 = host.say("value death bdSeq").await.parse().expect("a number");
    assert_eq!(died, born, "the death of that birth");
}

/// The announcement and the values.
async fn announced(plant: &PromisePlant) -> (Gateway, Listener, Value, Value) {
    let mut discovery = plant.broker.listen("homeassistant/device/+/config").await;
    let mut values = plant.broker.listen("memg/promises/home_assistant").await;
    let (gateway, state) = plant.in_auto().await;
    let device = timeout(PATIENCE, discovery.until(|_| true)).await.expect("an announcement").json();
    let now = timeout(PATIENCE, values.until(|seen| seen.json()["mode"] == "auto")).await.expect("values").json();
    (gateway, state, device, now)
}

#[tokio::test(flavor = "multi_thread")]
async fn home_assistant_finds_the_gateway_and_its_controls_only_where_the_broker_is_trusted() {
    let Some(plant) = plant("[north.home_assistant]\ncontrols = true").await else { return };
    let (gateway, mut state, device, now) = announced(&plant).await;
    assert_eq!(device["dev"]["ids"][0], "memg_promises");
    assert_eq!((&now["soc"], &now["electric_load_kw"]), (&50.0.into(), &40.0.into()));
    for (name, component) in device["cmps"].as_object().expect("components") {
        let platform = component["p"].as_str().unwrap_or_default();
        let known = ["sensor", "binary_sensor", "select", "number"].contains(&platform);
        assert!(known && component["unique_id"].is_string(), "{name}");
    }
    let topic = device["cmps"]["set_mode"]["command_topic"].as_str().expect("a control").to_owned();
    plant.broker.publish(&topic, "manual", Keep::No).await;
    until_mode(&mut state, "manual").await;
    let topic = device["cmps"]["set_battery_kw"]["command_topic"].as_str().expect("a control").to_owned();
    plant.broker.publish(&topic, "-7.5", Keep::No).await;
    until("the battery is told", || (plant.battery_setpoint() + 7.5).abs() < 0.01).await;
    // Home Assistant starts again.
    let mut again = plant.broker.listen("homeassistant/device/+/config").await;
    timeout(PATIENCE, again.until(|seen| seen.keep != Keep::No)).await.expect("kept");
    plant.broker.publish("homeassistant/status", "online", Keep::No).await;
    timeout(PATIENCE, again.until(|seen| seen.keep == Keep::No)).await.expect("announced again");
    gateway.stop().await;
}
