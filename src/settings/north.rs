//! `[north.…]`: servers for the plant's SCADA. Beyond this machine they need TLS with certificates of their clients, or the list of those
//! that may look on, stop safely and narrow limits.

use super::{Iec104, Loader, OpcUa, files, iec104, opcua, speakers};
use memg_core::command::Role;
use memg_core::series::Quantity;
use memg_listener::{Tls, tls};
use memg_north::settings::{Clients, ForecastSettings, ModbusSettings, NorthSettings};
use memg_plant_io::problem::{Problem, read as typed, words};
use memg_plant_io::tls::{certificates, private_key};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Tables that `[north]` may have.
const TABLES: [&str; 6] = ["modbus", "sunspec", "iec104", "opcua", "home_assistant", "sparkplug"];

/// `[north.modbus]`, `[north.sunspec]`, `[north.iec104]`
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
    /// Of `[north.iec104]` alone: common address of the station, 1 to 65534. Default: 1.
    common_address: Option<i64>,
    /// Of `[north.modbus]` alone: quantities whose forecasts a service may write, each as a block of registers (docs/scada.md);
    /// names as in `[[mqtt.outlook]]`. It takes the role `operator`.
    #[serde(default)]
    forecasts: Vec<String>,
    /// Of `[north.modbus]` alone: after this time without another one a written forecast is forgotten, s. Default: 129600.
    forecast_age_max_s: Option<f64>,
}

/// Keys of a server's table that belong to one protocol.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub common_address: Option<i64>,
    forecasts: Vec<String>,
    forecast_age_max_s: Option<f64>,
}

impl Own {
    /// Says which of these keys stand in a table that they do not belong to.
    pub(super) fn strange(&self, loader: &mut Loader, key: &str) {
        let rows = [
            ("common_address", self.common_address.is_some(), "north.iec104"),
            ("forecasts", !self.forecasts.is_empty(), "north.modbus"),
            ("forecast_age_max_s", self.forecast_age_max_s.is_some(), "north.modbus"),
        ];
        for (name, stated, table) in rows.into_iter().filter(|(_, _, table)| *table != key) {
            if stated {
                loader.problems.push(Problem::new(format!("{key}.{name}"), format!("belongs to [{table}]")));
            }
        }
    }
}

fn loopback_role() -> String {
    Role::Viewer.name().to_owned()
}

/// All servers: those that every build has, and those that stand behind features.
pub(super) type All = (NorthSettings, Option<Iec104>, Option<OpcUa>);

pub(super) fn north(loader: &mut Loader, site: Option<&str>) -> All {
    let mut settings = NorthSettings::default();
    let Some(table) = loader.layers.take("north") else { return (settings, None, None) };
    let toml::Value::Table(mut tables) = table else {
        loader.problems.push(Problem::new("north", "expected tables such as [north.modbus]"));
        return (settings, None, None);
    };
    if let Some((server, own)) = tables.remove("modbus").and_then(|table| modbus(loader, "north.modbus", table)) {
        settings.modbus = Some(server);
        settings.forecasts = forecasts(loader, &own);
    }
    let sunspec = tables.remove("sunspec").and_then(|table| modbus(loader, "north.sunspec", table));
    settings.sunspec = sunspec.map(|(server, _)| server);
    settings.home_assistant = tables.remove("home_assistant").and_then(|table| speakers::home_assistant(loader, table));
    settings.sparkplug = tables.remove("sparkplug").and_then(|table| speakers::sparkplug(loader, table, site));
    let iec104 = iec104::station(loader, tables.remove("iec104"));
    let opcua = opcua::server(loader, tables.remove("opcua"), site);
    for key in tables.keys() {
        let message = format!("unknown table; {}", words::instead(key, TABLES));
        loader.problems.push(Problem::new(format!("north.{key}"), message));
    }
    (settings, iec104, opcua)
}

/// A table that this program cannot serve; never something.
#[cfg(not(all(feature = "iec104", feature = "opcua")))]
pub(super) fn not_built<T>(loader: &mut Loader, key: &str, feature: &str) -> Option<T> {
    let message =
        format!("this program was built without it; expected one with the feature {feature} (packages have it)");
    loader.problems.push(Problem::new(key, message));
    None
}

fn modbus(loader: &mut Loader, key: &str, table: toml::Value) -> Option<(ModbusSettings, Own)> {
    let (settings, own) = server(loader, key, 1502, table)?;
    own.strange(loader, key);
    Some((settings, own))
}

/// As long as an outlook reaches, s.
const FORECAST_AGE_MAX_S: f64 = 129_600.0;

fn forecasts(loader: &mut Loader, own: &Own) -> ForecastSettings {
    let mut wrong = |name: &str, message: String| {
        loader.problems.push(Problem::new(format!("north.modbus.{name}"), message));
    };
    let mut quantities = Vec::new();
    for name in &own.forecasts {
        match Quantity::from_name(name) {
            Some(quantity) if quantities.contains(&quantity) => wrong("forecasts", format!("{name} is there twice")),
            Some(quantity) => quantities.push(quantity),
            None => {
                let known = words::instead(name, Quantity::ALL.map(Quantity::name));
                wrong("forecasts", format!("{name:?} cannot be forecast; {known}"));
            }
        }
    }
    let age_s = own.forecast_age_max_s.unwrap_or(FORECAST_AGE_MAX_S);
    if !(1.0..=864_000.0).contains(&age_s) {
        wrong("forecast_age_max_s", format!("expected 1 to 864000 s, found {age_s}"));
        return ForecastSettings::default();
    }
    ForecastSettings { quantities, age_max: Duration::from_secs_f64(age_s) }
}

/// A server's settings, which are of one kind for all protocols, and the keys of its own; `port` is the usual one.
pub(super) fn server(
    loader: &mut Loader,
    key: &str,
    port: u16,
    mut table: toml::Value,
) -> Option<(ModbusSettings, Own)> {
    files::put(&mut table, &loader.folder, std::env::var(files::CREDENTIALS).ok().as_deref());
    let raw: RawServer = typed(key, table, &mut loader.problems)?;
    let before = loader.problems.len();
    let mut wrong = |part: &str, message: String| loader.problems.push(Problem::new(format!("{key}.{part}"), message));
    let listen = listen(raw.listen.as_deref(), port).map_err(|message| wrong("listen", message)).ok();
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
    let settings = ModbusSettings { listen, tls, clients };
    let RawServer { common_address, forecasts, forecast_age_max_s, .. } = raw;
    (loader.problems.len() == before).then_some((settings, Own { common_address, forecasts, forecast_age_max_s }))
}

pub(super) fn listen(text: Option<&str>, port: u16) -> Result<SocketAddr, String> {
    let found = || text.map_or("nothing".to_owned(), |text| format!("{text:?}"));
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("expected an address and a port such as \"127.0.0.1:{port}\", found {}", found()))
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
pub(super) mod tests {
    use super::super::layers::Layers;
    use super::*;
    use std::collections::HashMap;

    fn read(text: &str) -> (NorthSettings, Vec<String>) {
        let ((settings, ..), problems) = read_all(text);
        (settings, problems)
    }

    /// Everything that a configuration says about the north side, and what is wrong with it.
    pub(in super::super) fn read_all(text: &str) -> (All, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        let layers = Layers::read_in(&file, "", &[], HashMap::new()).unwrap();
        let folder = folder.path().to_owned();
        let mut loader = Loader { layers, folder, problems: Vec::new(), warnings: Vec::new() };
        let all = north(&mut loader, Some("harbour"));
        (all, loader.problems.iter().map(ToString::to_string).collect())
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
            (
                "[north.modbus]\nlisten = '127.0.0.1:0'\nforecasts = ['soc']",
                "north.modbus.forecasts: \"soc\" cannot be forecast; ",
            ),
            (
                "[north.modbus]\nlisten = '127.0.0.1:0'\nforecasts = ['pv_kw', 'pv_kw']",
                "north.modbus.forecasts: pv_kw is there twice",
            ),
            (
                "[north.modbus]\nlisten = '127.0.0.1:0'\nforecast_age_max_s = 0",
                "north.modbus.forecast_age_max_s: expected 1 to",
            ),
            (
                "[north.sunspec]\nlisten = '127.0.0.1:0'\nforecasts = ['pv_kw']",
                "north.sunspec.forecasts: belongs to [north.modbus]",
            ),
            (
                "[north.modbus]\nlisten = '127.0.0.1:0'\ncommon_address = 3",
                "north.modbus.common_address: belongs to [north.iec104]",
            ),
            ("[north.modbus]\nlisten = '0.0.0.0:502'\ntls_cert_file = 'none'", "north.modbus.tls_key_file: missing"),
        ];
        for (text, start) in rows {
            let (_, problems) = read(text);
            assert!(problems.iter().any(|problem| problem.starts_with(start)), "{text}: {problems:#?}");
        }
    }
}
