//! Home Assistant: one device that announces itself, with a sensor for every point, and controls where the broker's permissions are
//! declared to protect them (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).

use crate::{Out, Speaker, Wish};
use memg_core::command::{Means, Role};
use memg_north::desk::Principal;
use memg_north::points::{Point, PointList, Shape, Use};
use memg_north::wires::{Reading, Snapshot, Wires};
use memg_plant_io::mqtt::settings::Connection;
use rumqttc::QoS;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// Longest time that set-points of a page of buttons are kept: nobody's heart beats there, s.
const REVERSION_S: f64 = 3600.0;

/// What it is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Home Assistant listens; `homeassistant` unless it was told otherwise.
    pub discovery_prefix: String,
    /// Name of the site.
    pub site: String,
    /// The role that the broker's permissions stand for, if controls are to be shown.
    pub controls: Option<Role>,
    /// Largest powers of battery and CHP, kW, for the controls.
    pub battery_kw_max: f64,
    /// As above.
    pub chp_kw_max: f64,
}

/// Announces the gateway until `stop` is true.
pub async fn serve(settings: Settings, connection: Connection, wires: Wires, stop: watch::Receiver<bool>) {
    let speaker = HomeAssistant::new(settings, &connection.prefix, Arc::clone(&wires.list));
    crate::run(speaker, connection, wires, stop).await;
}

struct HomeAssistant {
    settings: Settings,
    /// Of the gateway's own topics.
    prefix: String,
    list: Arc<PointList>,
    principal: Option<Principal>,
    told: Vec<u8>,
}

impl HomeAssistant {
    fn new(settings: Settings, prefix: &str, list: Arc<PointList>) -> Self {
        let principal = settings.controls.map(|role| Principal {
            name: "home_assistant".to_owned(),
            role,
            means: Means::Mqtt,
            authenticated: true,
        });
        Self { settings, prefix: prefix.to_owned(), list, principal, told: Vec::new() }
    }

    fn id(&self) -> String {
        format!("memg_{}", slug(&self.settings.site))
    }

    fn state_topic(&self) -> String {
        format!("{}/home_assistant", self.prefix)
    }

    fn set_topic(&self, what: &str) -> String {
        format!("{}/home_assistant/set/{what}", self.prefix)
    }

    fn announcement(&self) -> Out {
        let topic = format!("{}/device/{}/config", self.settings.discovery_prefix, self.id());
        Out { topic, payload: self.device().to_string().into_bytes(), retained: true, qos: QoS::AtLeastOnce }
    }

    /// The device with its components.
    fn device(&self) -> Value {
        let version = env!("CARGO_PKG_VERSION");
        let mut components = Map::new();
        for point in self.list.points().iter().filter(|point| point.usage == Use::Read) {
            if let Some(component) = self.component(point) {
                components.insert(slug(&point.name), component);
            }
        }
        if self.principal.is_some() {
            components.extend(self.controls());
        }
        json!({
            "dev": { "ids": [self.id()], "name": self.settings.site, "mf": "memg-gateway", "mdl": "energy management gateway", "sw": version },
            "o": { "name": "memg-gateway", "sw": version },
            "cmps": components,
            "state_topic": self.state_topic(),
            "availability": [{ "topic": format!("{}/status", self.prefix), "value_template": "{{ value_json.status }}",
                "payload_available": "online", "payload_not_available": "offline" }],
            "qos": 0,
        })
    }

    fn component(&self, point: &Point) -> Option<Value> {
        let name = slug(&point.name);
        let mut told = json!({ "unique_id": format!("{}_{name}", self.id()), "name": words(&point.name) });
        let template = format!("{{{{ value_json.{name} }}}}");
        let platform = match point.shape {
            Shape::Flag => {
                told["payload_on"] = json!("1");
                told["payload_off"] = json!("0");
                if point.name.starts_with("alarm.") {
                    told["device_class"] = json!("problem");
                }
                "binary_sensor"
            }
            Shape::State(states) => {
                told["device_class"] = json!("enum");
                told["options"] = states.iter().map(|(_, name)| *name).collect();
                "sensor"
            }
            Shape::Number if point.name.starts_with("soc") => {
                told["device_class"] = json!("battery");
                told["unit_of_measurement"] = json!("%");
                told["state_class"] = json!("measurement");
                "sensor"
            }
            Shape::Number => {
                if !point.unit.is_empty() {
                    told["unit_of_measurement"] = json!(point.unit);
                }
                let (class, state) = classes(point.unit);
                told["state_class"] = json!(state);
                if let Some(class) = class {
                    told["device_class"] = json!(class);
                }
                "sensor"
            }
            Shape::Text(_) => "sensor",
            // Words of bits and counters of the loop are for machines.
            Shape::Count if point.name.starts_with("alarms") => "sensor",
            Shape::Count => return None,
        };
        told["p"] = json!(platform);
        told["value_template"] = json!(template);
        Some(told)
    }

    /// What can be wished: a mode, powers in manual mode, a limit of the export.
    fn controls(&self) -> Vec<(String, Value)> {
        let id = |what: &str| format!("{}_set_{what}", self.id());
        let number = |what: &str, name: &str, least: f64, most: f64| {
            let told = json!({ "p": "number", "unique_id": id(what), "name": name, "command_topic": self.set_topic(what),
                "min": least, "max": most, "step": 0.1, "mode": "box", "unit_of_measurement": "kW", "device_class": "power" });
            (format!("set_{what}"), told)
        };
        let (battery, chp) = (self.settings.battery_kw_max, self.settings.chp_kw_max);
        vec![
            (
                "set_mode".to_owned(),
                json!({ "p": "select", "unique_id": id("mode"), "name": "Set mode", "command_topic": self.set_topic("mode"),
                    "options": ["shadow", "manual", "auto", "safe_stop"], "value_template": "{{ value_json.mode }}" }),
            ),
            number("battery_kw", "Set battery", -battery, battery),
            number("chp_kw", "Set CHP", 0.0, chp),
        ]
    }

    /// Values of all points.
    fn state(&self, now: &Snapshot) -> Vec<u8> {
        let mut values = Map::new();
        for (point, reading) in
            self.list.points().iter().zip(&now.readings).filter(|(point, _)| point.usage == Use::Read)
        {
            values.insert(slug(&point.name), value(point, reading));
        }
        Value::Object(values).to_string().into_bytes()
    }
}

/// A value as templates take it; what is unknown is null, which Home Assistant shows as unknown.
fn value(point: &Point, reading: &Reading) -> Value {
    if let Some(text) = &reading.text {
        // Longer states are refused there.
        return text.chars().take(250).collect::<String>().into();
    }
    let Some(value) = reading.value else { return Value::Null };
    match point.shape {
        Shape::State(states) => {
            states.iter().find(|(number, _)| f64::from(*number) == value).map_or(Value::Null, |(_, name)| json!(name))
        }
        Shape::Number if point.name.starts_with("soc") => json!((value * 1000.0).round() / 10.0),
        Shape::Number => json!((value * 1000.0).round() / 1000.0),
        Shape::Flag | Shape::Count | Shape::Text(_) => json!(value as i64),
    }
}

/// Class and kind of statistics by unit.
fn classes(unit: &str) -> (Option<&'static str>, &'static str) {
    match unit {
        "kW" => (Some("power"), "measurement"),
        "kWh" => (Some("energy"), "total_increasing"),
        "Hz" => (Some("frequency"), "measurement"),
        "kvar" => (None, "measurement"),
        _ => (None, "measurement"),
    }
}

/// Letters, digits and underscores.
fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

fn words(name: &str) -> String {
    name.replace(['_', '.'], " ")
}

impl Speaker for HomeAssistant {
    fn name(&self) -> &'static str {
        "home-assistant"
    }

    fn will(&mut self) -> Option<Out> {
        // Availability is the gateway's own status.
        None
    }

    fn topics(&self) -> Vec<String> {
        let mut topics = vec![format!("{}/status", self.settings.discovery_prefix)];
        if self.principal.is_some() {
            topics.extend(["mode", "battery_kw", "chp_kw"].map(|what| self.set_topic(what)));
        }
        topics
    }

    fn connected(&mut self, now: &Snapshot) -> Vec<Out> {
        self.told.clear();
        let mut out = vec![self.announcement()];
        out.extend(self.tick(now));
        out
    }

    fn tick(&mut self, now: &Snapshot) -> Vec<Out> {
        let state = self.state(now);
        if state == self.told {
            return Vec::new();
        }
        self.told.clone_from(&state);
        vec![Out { topic: self.state_topic(), payload: state, retained: true, qos: QoS::AtMostOnce }]
    }

    fn message(&mut self, now: &Snapshot, topic: &str, payload: &[u8], retained: bool) -> Wish {
        let text = std::str::from_utf8(payload).unwrap_or_default().trim();
        if topic.starts_with(&self.settings.discovery_prefix) {
            // Home Assistant has started and has forgotten the values.
            let out = if text == "online" { self.connected(now) } else { Vec::new() };
            return Wish { out, writes: Vec::new() };
        }
        // A command that the broker kept is nobody's wish now.
        let writes = if retained { Vec::new() } else { self.wished(topic, text) };
        Wish { out: Vec::new(), writes }
    }

    fn goodbye(&mut self) -> Vec<Out> {
        Vec::new()
    }

    fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }
}

impl HomeAssistant {
    fn wished(&self, topic: &str, text: &str) -> Vec<(String, f64)> {
        let named = |name: &str, value: f64| (name.to_owned(), value);
        match topic.rsplit('/').next() {
            Some("mode") => {
                let wished = memg_north::points::WISHED_MODES.iter().find(|(_, name)| *name == text);
                let mode = wished.map(|(number, _)| named("command.mode", f64::from(*number)));
                // A button is pressed again on purpose, where a master repeats itself.
                let again = mode.as_ref().map(|_| named("command.mode", 0.0));
                again.into_iter().chain([named("command.reversion_s", REVERSION_S)]).chain(mode).collect()
            }
            Some(what @ ("battery_kw" | "chp_kw")) => {
                let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
                value.map(|value| named(&format!("command.{what}"), value)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use memg_core::plant_state::{Signal, Tag};
    use memg_north::points::Extent;
    use memg_north::wires::Trust;

    fn speaker(controls: Option<Role>) -> HomeAssistant {
        let signals = vec![(Tag::first(Signal::PvKw), "kW"), (Tag::first(Signal::Soc), "")];
        let alarms = vec![("plant.stop".to_owned(), String::new())];
        let list = PointList::of(&Extent { signals, batteries: 1, chps: 0, alarms });
        let settings = Settings {
            discovery_prefix: "homeassistant".into(),
            site: "Harbour 1".into(),
            controls,
            battery_kw_max: 50.0,
            chp_kw_max: 0.0,
        };
        HomeAssistant::new(settings, "memg/harbour", Arc::new(list))
    }

    #[test]
    fn the_announcement_has_what_the_schema_demands() {
        let speaker = speaker(None);
        let announced = speaker.announcement();
        assert_eq!((&*announced.topic, announced.retained), ("homeassistant/device/memg_harbour_1/config", true));
        let device: Value = serde_json::from_slice(&announced.payload).unwrap();
        assert_eq!(device["dev"]["ids"][0], "memg_harbour_1");
        assert!(device["o"]["name"].is_string());
        let components = device["cmps"].as_object().unwrap();
        let mut ids: Vec<&str> = components.values().map(|c| c["unique_id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), components.len(), "each has an id of its own");
        for (name, component) in components {
            assert!(matches!(component["p"].as_str(), Some("sensor" | "binary_sensor")), "{name}");
            assert!(component["value_template"].as_str().unwrap().contains(name.as_str()));
        }
        assert_eq!(
            components["pv_kw"],
            json!({ "p": "sensor", "unique_id": "memg_harbour_1_pv_kw", "name": "pv kw", "device_class": "power",
                "unit_of_measurement": "kW", "state_class": "measurement", "value_template": "{{ value_json.pv_kw }}" })
        );
        assert_eq!(components["soc"]["device_class"], "battery");
        assert_eq!(components["mode"]["options"][2], "auto");
        assert_eq!(components["alarm_plant_stop"]["device_class"], "problem");
    }

    #[test]
    fn values_are_told_when_they_change_and_what_is_unknown_is_null() {
        let mut speaker = speaker(None);
        let mut readings = vec![Reading::default(); speaker.list.points().len()];
        let soc = speaker.list.named("soc").unwrap();
        let mode = speaker.list.named("mode").unwrap();
        readings[soc] = Reading { value: Some(0.5037), trust: Trust::Good, ..Reading::default() };
        readings[mode] = Reading::own(2.0);
        let now = Snapshot { readings, ..Snapshot::default() };
        let out = speaker.tick(&now);
        let state: Value = serde_json::from_slice(&out[0].payload).unwrap();
        assert_eq!((&state["soc"], &state["mode"], &state["pv_kw"]), (&json!(50.4), &json!("auto"), &Value::Null));
        assert!(speaker.tick(&now).is_empty());
        let again = speaker.message(&now, "homeassistant/status", b"online", false).out;
        assert_eq!(again.len(), 2, "announcement and values");
    }

    #[test]
    fn controls_are_there_only_with_a_declared_role_and_kept_commands_are_none() {
        assert!(speaker(None).device()["cmps"]["set_mode"].is_null());
        let mut speaker = speaker(Some(Role::Operator));
        assert_eq!(speaker.device()["cmps"]["set_battery_kw"]["max"], 50.0);
        let now = Snapshot::default();
        let mut wished = |topic: &str, payload: &[u8], retained| {
            speaker.message(&now, &format!("memg/harbour/home_assistant/set/{topic}"), payload, retained).writes
        };
        assert_eq!(wished("battery_kw", b"-5.5", false), [("command.battery_kw".to_owned(), -5.5)]);
        assert!(wished("battery_kw", b"-5.5", true).is_empty() && wished("battery_kw", b"nan", false).is_empty());
        assert_eq!(wished("mode", b"manual", false).last(), Some(&("command.mode".to_owned(), 2.0)));
    }
}
