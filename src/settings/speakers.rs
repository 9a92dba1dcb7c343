//! `[north.home_assistant]`, `[north.sparkplug]`: what speaks to supervisory systems through the broker.

use super::Loader;
use memg_north::settings::{HomeAssistantSettings, NorthSettings, SparkplugSettings};
use memg_plant_io::mqtt::settings::MqttSettings;
use memg_plant_io::problem::{Problem, read as typed};
use serde::Deserialize;

/// `[north.home_assistant]`: needs `[mqtt]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHomeAssistant {
    /// Where Home Assistant listens for devices.
    #[serde(default = "discovery_prefix")]
    discovery_prefix: String,
    /// Show controls for mode and powers. Whoever may publish below the gateway's prefix commands the plant then, with the role
    /// that `mqtt.commands.trust_broker_as` declares.
    #[serde(default)]
    controls: bool,
}

fn discovery_prefix() -> String {
    "homeassistant".to_owned()
}

/// `[north.sparkplug]`: needs `[mqtt]`. Commands are taken with the role that `mqtt.commands.trust_broker_as` declares, without it none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSparkplug {
    /// Sparkplug's group.
    #[serde(default = "group")]
    group: String,
    /// Name of the node in it. Default: the site's.
    node: Option<String>,
}

fn group() -> String {
    "memg".to_owned()
}

/// What is a part of a topic.
fn topic_part(loader: &mut Loader, key: &str, text: String) -> Option<String> {
    let is_part = !text.is_empty() && !text.contains(['/', '+', '#', '\0']);
    if !is_part {
        let message = format!("expected a part of a topic, without / + and #, found {text:?}");
        loader.problems.push(Problem::new(key, message));
    }
    is_part.then_some(text)
}

pub(super) fn home_assistant(loader: &mut Loader, table: toml::Value) -> Option<HomeAssistantSettings> {
    let raw: RawHomeAssistant = typed("north.home_assistant", table, &mut loader.problems)?;
    let prefix = topic_part(loader, "north.home_assistant.discovery_prefix", raw.discovery_prefix)?;
    Some(HomeAssistantSettings { discovery_prefix: prefix, controls: raw.controls })
}

pub(super) fn sparkplug(loader: &mut Loader, table: toml::Value, site: Option<&str>) -> Option<SparkplugSettings> {
    let raw: RawSparkplug = typed("north.sparkplug", table, &mut loader.problems)?;
    let group = topic_part(loader, "north.sparkplug.group", raw.group);
    let node = raw.node.or_else(|| site.map(ToOwned::to_owned)).unwrap_or_else(|| "site".to_owned());
    let node = topic_part(loader, "north.sparkplug.node", node);
    Some(SparkplugSettings { group: group?, node: node? })
}

/// What speaks through the broker needs one, and controls a role that its permissions stand for.
pub(super) fn beside(north: &NorthSettings, mqtt: Option<&MqttSettings>) -> Vec<Problem> {
    let wanted =
        [("north.home_assistant", north.home_assistant.is_some()), ("north.sparkplug", north.sparkplug.is_some())];
    let without = |(key, _): &(&str, bool)| Problem::new(*key, "speaks through a broker: expected [mqtt]".to_owned());
    let mut problems = Vec::new();
    if mqtt.is_none() {
        problems.extend(wanted.iter().filter(|(_, is_there)| *is_there).map(without));
    }
    let controls = north.home_assistant.as_ref().is_some_and(|settings| settings.controls);
    let role = mqtt.and_then(|mqtt| mqtt.commands.as_ref()).and_then(|commands| commands.trust_broker_as);
    if controls && mqtt.is_some() && role.is_none() {
        let message = "anybody at the broker would command the plant: expected mqtt.commands.trust_broker_as, which declares that the broker's permissions protect its topics";
        problems.push(Problem::new("north.home_assistant.controls", message.to_owned()));
    }
    problems
}
