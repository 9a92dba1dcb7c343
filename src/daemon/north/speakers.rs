//! What speaks through the broker: Home Assistant's discovery and Sparkplug B.

use memg_north::wires::Wires;
use memg_north_mqtt::{home_assistant, sparkplug};
use memg_settings::Settings;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Starts those that the configuration names.
pub(super) fn speakers(settings: &Settings, wires: &Wires, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let Some(mqtt) = &settings.mqtt else { return Vec::new() };
    let role = mqtt.commands.as_ref().and_then(|commands| commands.trust_broker_as);
    let plant = settings.plant.parameters();
    let has_battery = !settings.plant.batteries().is_empty();
    let has_chp = !settings.plant.chps().is_empty();
    let battery_kw_max = if has_battery { plant.battery_of_all().charge_kw_max } else { 0.0 };
    let chp_kw_max = if has_chp { plant.chp_of_all().p_kw_max } else { 0.0 };
    let connection = || mqtt.connection.clone();
    let announce = settings.north.home_assistant.as_ref().map(|wanted| {
        let told = home_assistant::Settings {
            discovery_prefix: wanted.discovery_prefix.clone(),
            site: settings.site.clone(),
            controls: role.filter(|_| wanted.controls),
            battery_kw_max,
            chp_kw_max,
        };
        tokio::spawn(home_assistant::serve(told, connection(), wires.clone(), stop.clone()))
    });
    let node = settings.north.sparkplug.as_ref().map(|wanted| {
        let told = sparkplug::Settings { group: wanted.group.clone(), node: wanted.node.clone(), commands: role };
        tokio::spawn(sparkplug::serve(told, connection(), wires.clone(), stop.clone()))
    });
    announce.into_iter().chain(node).collect()
}
