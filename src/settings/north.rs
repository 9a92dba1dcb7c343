//! `[north.…]`: servers for the plant's SCADA. Beyond this machine they need TLS with certificates of their clients, or the list of those
//! that may look on, stop safely and narrow limits.

use super::{Loader, files};
use memg_core::command::Role;
use memg_listener::{Tls, tls};
use memg_north::settings::{Clients, HomeAssistantSettings, ModbusSettings, NorthSettings, SparkplugSettings};
use memg_plant_io::mqtt::settings::MqttSettings;
use memg_plant_io::problem::{Problem, read as typed, words};
use memg_plant_io::tls::{certificates, private_key};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Tables that `[north]` may have.
const TABLES: [&str; 4] = ["modbus", "sunspec", "home_assistant", "sparkplug"];

/// `[north.modbus]`, `[north.sunspec]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawServer {
    /// Address and port, such as 127.0.0.1:1502; port 0: the system chooses. Required.
    listen: Option<String>,
    /// What clients on this machine may do where there is no TLS: `viewer`, `guard`, `operator` or `engineer`.
    #[serde(default = "loopback_role")]
    loopback_role: String,
    /// Addresses of clients beyond this machine that may connect without TLS. They may look on, stop safely and narrow
    /// limits, never arm, acknowledge or widen: an address authenticates nobody.
    #[serde(default)]
    plain_clients: Vec<String>,
    /// Chain of certificates (PEM), relative to this file.
    tls_cert_file: Option<PathBuf>,
    /// Its private key (PEM), relative to this file.
    tls_key_file: Option<PathBuf>,
    /// Authorities (PEM) that clients' certificates must come from, relative to this file. A client's role is the one in its
    /// certificate (extension 1.3.6.1.4.1.50316.802.1), else `viewer`.
    client_ca_file: Option<PathBuf>,
}

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

fn loopback_role() -> String {
    Role::Viewer.name().to_owned()
}

pub(super) fn north(loader: &mut Loader, site: Option<&str>) -> NorthSettings {
    let mut settings = NorthSettings::default();
    let Some(table) = loader.layers.take("north") else { return settings };
    let toml::Value::Table(mut tables) = table else {
        loader.problems.push(Problem::new("north", "expected tables such as [north.modbus]"));
        return settings;
    };
    settings.modbus = tables.remove("modbus").and_then(|table| server(loader, "north.modbus", table));
    settings.sunspec = tables.remove("sunspec").and_then(|table| server(loader, "north.sunspec", table));
    settings.home_assistant = tables.remove("home_assistant").and_then(|table| home_assistant(loader, table));
    settings.sparkplug = tables.remove("sparkplug").and_then(|table| sparkplug(loader, table, site));
    for key in tables.keys() {
        let message = format!("unknown table; {}", words::instead(key, TABLES));
        loader.problems.push(Problem::new(format!("north.{key}"), message));
    }
    settings
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

fn home_assistant(loader: &mut Loader, table: toml::Value) -> Option<HomeAssistantSettings> {
    let raw: RawHomeAssistant = typed("north.home_assistant", table, &mut loader.problems)?;
    let prefix = topic_part(loader, "north.home_assistant.discovery_prefix", raw.discovery_prefix)?;
    Some(HomeAssistantSettings { discovery_prefix: prefix, controls: raw.controls })
}

fn sparkplug(loader: &mut Loader, table: toml::Value, site: Option<&str>) -> Option<SparkplugSettings> {
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

fn server(loader: &mut Loader, key: &str, mut table: toml::Value) -> Option<ModbusSettings> {
    files::put(&mut table, &loader.folder, std::env::var(files::CREDENTIALS).ok().as_deref());
    let raw: RawServer = typed(key, table, &mut loader.problems)?;
    let before = loader.problems.len();
    let mut wrong = |part: &str, message: String| loader.problems.push(Problem::new(format!("{key}.{part}"), message));
    let listen = listen(raw.listen.as_deref()).map_err(|message| wrong("listen", message)).ok();
    let loopback = Role::read(Some(&raw.loopback_role)).map_err(|message| wrong("loopback_role", message)).ok();
    let (plain, strange) = addresses(&raw.plain_clients);
    strange
        .into_iter()
        .for_each(|text| wrong("plain_clients", format!("expected addresses such as 10.0.0.7, found {text:?}")));
    let tls = encryption(&raw).map_err(|(part, message)| wrong(part, message)).ok()?;
    if tls.is_some() && !plain.is_empty() {
        wrong(
            "plain_clients",
            "nobody connects without TLS here: leave it out, or leave out the certificates".to_owned(),
        );
    }
    let listen = listen?;
    if !listen.ip().is_loopback() && tls.is_none() && plain.is_empty() {
        wrong(
            "listen",
            format!(
                "is {listen}, beyond this machine: expected tls_cert_file, tls_key_file and client_ca_file, or plain_clients, the addresses that may look on, stop safely and narrow limits; or 127.0.0.1"
            ),
        );
    }
    let clients = Clients { loopback: loopback?, plain };
    (loader.problems.len() == before).then_some(ModbusSettings { listen, tls, clients })
}

fn listen(text: Option<&str>) -> Result<SocketAddr, String> {
    let found = || text.map_or("nothing".to_owned(), |text| format!("{text:?}"));
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("expected an address and a port such as \"127.0.0.1:1502\", found {}", found()))
}

/// Addresses, and what is none.
fn addresses(texts: &[String]) -> (Vec<IpAddr>, Vec<&str>) {
    let strange = texts.iter().filter(|text| text.parse::<IpAddr>().is_err()).map(String::as_str).collect();
    (texts.iter().filter_map(|text| text.parse().ok()).collect(), strange)
}

/// Of a server's files; all three or none.
fn encryption(raw: &RawServer) -> Result<Option<Tls>, (&'static str, String)> {
    let files = (&raw.tls_cert_file, &raw.tls_key_file, &raw.client_ca_file);
    let missing = || "missing: TLS takes tls_cert_file, tls_key_file and client_ca_file".to_owned();
    let (cert, key, authority) = match files {
        (None, None, None) => return Ok(None),
        (None, _, _) => return Err(("tls_cert_file", missing())),
        (_, None, _) => return Err(("tls_key_file", missing())),
        (_, _, None) => return Err(("client_ca_file", missing())),
        (Some(cert), Some(key), Some(authority)) => (cert, key, authority),
    };
    let chain = certificates(cert).map_err(|message| ("tls_cert_file", message))?;
    let private = private_key(key).map_err(|message| ("tls_key_file", message))?;
    let authorities = certificates(authority).map_err(|message| ("client_ca_file", message))?;
    tls(chain, private, Some(authorities)).map(Some).map_err(|message| ("tls_key_file", message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::super::layers::Layers;
    use super::*;
    use std::collections::HashMap;

    fn read(text: &str) -> (NorthSettings, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        let layers = Layers::read_in(&file, "", &[], HashMap::new()).unwrap();
        let folder = folder.path().to_owned();
        let mut loader = Loader { layers, folder, problems: Vec::new(), warnings: Vec::new() };
        let settings = north(&mut loader, Some("harbour"));
        (settings, loader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn on_this_machine_an_address_suffices_and_beyond_it_clients_are_listed() {
        let (settings, problems) = read("[north.modbus]\nlisten = '127.0.0.1:0'\nloopback_role = 'operator'");
        assert_eq!((problems.len(), settings.modbus.unwrap().clients.loopback), (0, Role::Operator));
        let (settings, problems) = read("[north.modbus]\nlisten = '0.0.0.0:502'\nplain_clients = ['10.0.0.7']");
        assert_eq!((problems.len(), settings.modbus.unwrap().clients.plain.len()), (0, 1));
        let (settings, problems) = read("");
        assert!(problems.is_empty() && settings.modbus.is_none());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        let rows = [
            ("[north]\nmodbus = 1", "north.modbus: "),
            ("[north.modbos]\nlisten = '127.0.0.1:0'", "north.modbos: unknown table; did you mean"),
            ("[north.modbus]", "north.modbus.listen: expected an address"),
            ("[north.modbus]\nlisten = '127.0.0.1:0'\nlissen = 1", "north.modbus.lissen: unknown key"),
            (
                "[north.modbus]\nlisten = '127.0.0.1:0'\nloopback_role = 'boss'",
                "north.modbus.loopback_role: expected one of",
            ),
            ("[north.modbus]\nlisten = '0.0.0.0:502'", "north.modbus.listen: is 0.0.0.0:502, beyond this machine"),
            (
                "[north.modbus]\nlisten = '0.0.0.0:502'\nplain_clients = ['scada']",
                "north.modbus.plain_clients: expected addresses",
            ),
            ("[north.modbus]\nlisten = '0.0.0.0:502'\ntls_cert_file = 'none'", "north.modbus.tls_key_file: missing"),
        ];
        for (text, start) in rows {
            let (_, problems) = read(text);
            assert!(problems.iter().any(|problem| problem.starts_with(start)), "{text}: {problems:#?}");
        }
    }
}
