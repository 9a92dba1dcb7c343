//! The part of `gateway check` about who decides, what is said over MQTT, and what happens when somebody falls silent.

use memg_control::substitutes::Substitute;
use memg_plant_io::device::Device;
use memg_plant_io::mqtt::settings::{MqttSettings, Target};
use memg_policy::{PolicySpec, signature};
use memg_settings::Settings;
use std::path::Path;

/// Who decides, and who in its stead.
pub(super) fn decides(settings: &Settings) {
    let by = match &settings.policy.spec {
        PolicySpec::Rule(name) => format!("{name} (built in)"),
        PolicySpec::Model { dir, runtime } => format!("the model in {} ({runtime}), {}", dir.display(), signed(dir)),
    };
    println!("\nDecides: {by}");
    let journal = settings.journal.path.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
    println!("Journal: {journal}");
}

fn signed(dir: &Path) -> String {
    match signature::signer(dir) {
        Ok(Some(key)) => format!("signed by {key}"),
        Ok(None) => "not signed".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What happens when something is lost, from the gateway's side and from the devices'.
pub(super) fn fall_backs(settings: &Settings) {
    let modes = settings.control.modes;
    let seconds = |ms: u64| ms as f64 / 1e3;
    println!("\nFall-backs");
    println!("  a required signal is lost      Hold for at most {} s, then a safe stop", seconds(modes.hold_ms));
    println!("  the policy fails, heat is lost the good rule, until {} s without fault", seconds(modes.observe_ms));
    let optional =
        settings.substitutes.iter().map(|(tag, substitute)| format!("{tag} ({})", Substitute::name(*substitute)));
    let optional: Vec<String> = optional.collect();
    if !optional.is_empty() {
        println!("  optional signals               {}", optional.join(", "));
    }
    println!("  the gateway dies");
    let written: Vec<&Device> = settings.devices.iter().filter(|device| device.writable().next().is_some()).collect();
    for device in &written {
        println!("    {:<28} {}", device.name, reverts(device));
    }
    if written.is_empty() {
        println!("    nothing is written, so nothing has to fall back");
    }
}

fn reverts(device: &Device) -> String {
    let watched = device.points.iter().filter_map(|point| Some((&point.name, point.write.as_ref()?.watchdog?)));
    let watched: Vec<String> = watched
        .map(|(name, watchdog)| {
            let seconds = watchdog.as_secs_f64();
            format!("falls back {seconds} s after the last {name} (refreshed every {} s)", seconds / 2.0)
        })
        .collect();
    if watched.is_empty() {
        return "its file states no watchdog_s: it keeps the last set-point for ever".to_owned();
    }
    watched.join(", ")
}

/// Topics that are read and written.
pub(super) fn topics(settings: &Settings) {
    let Some(mqtt) = settings.mqtt.as_ref().filter(|_| settings.cosim.is_none()) else { return };
    let broker = &mqtt.connection.broker;
    println!("\nMQTT at {}:{} as {}", broker.host, broker.port, broker.client_id);
    for input in &mqtt.inputs {
        let (low, high) = input.range;
        println!(
            "  reads   {:<30} {} from {low} to {high}, at most {} s old",
            input.topic,
            meaning(&input.target),
            input.age_max.as_secs_f64()
        );
    }
    for entry in &mqtt.outlook {
        println!("  reads   {:<30} {} of the hours ahead", entry.topic, entry.quantity.name());
    }
    let prefix = &mqtt.connection.prefix;
    for (topic, what) in OWN {
        println!("  writes  {:<30} {what}", format!("{prefix}/{topic}"));
    }
    commands(mqtt);
}

/// The gateway's own topics.
const OWN: [(&str, &str); 8] = [
    ("status", "birth, last will, good-bye"),
    ("state", "mode, limits and every value"),
    ("setpoints", "what was written last"),
    ("alarms/active", "the list of alarms"),
    ("alarms", "each change of an alarm"),
    ("events", "what drivers tell, one message each"),
    ("interventions", "one message each"),
    ("modes", "one message each"),
];

fn meaning(target: &Target) -> String {
    match target {
        Target::Signal(tag) => tag.to_string(),
        Target::Named(name) => format!("{name} (shown alone)"),
    }
}

fn commands(mqtt: &MqttSettings) {
    println!("  reads   {:<30} commands", format!("{}/command/#", mqtt.connection.prefix));
}
