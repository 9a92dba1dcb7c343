//! The keys of `[north.opcua]`, where the program has it.

use super::north::listen;
use super::opcua::{KEY, OpcUa};
use super::web::{RawUser, users};
use super::{Loader, files};
use memg_opcua::settings::Certificates;
use memg_plant_io::problem::{Problem, read as typed};
use memg_plant_io::tls::private_key;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[north.opcua]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOpcUa {
    /// Address and port, such as 127.0.0.1:4840; port 0: the system chooses. Required.
    listen: Option<String>,
    /// Host in the addresses that clients are told. Default: the address that it listens at.
    host: Option<String>,
    /// Application URI of the gateway; clients may compare it with the one in the certificate.
    #[serde(default = "application_uri")]
    application_uri: String,
    /// The gateway's own application instance certificate (PEM, or DER in a file that ends in .der), relative to this file.
    cert_file: Option<PathBuf>,
    /// Its private key (PEM), relative to this file.
    key_file: Option<PathBuf>,
    /// Folder with the certificates of trusted clients (.pem or .der), relative to this file; read again while the gateway runs.
    trusted_dir: Option<PathBuf>,
    /// Who may log in.
    #[serde(default)]
    user: Vec<RawUser>,
}

fn application_uri() -> String {
    "urn:memg-gateway".to_owned()
}

/// Reads the table, if there is one; `site` names the folder of the points.
pub(super) fn server(loader: &mut Loader, table: Option<toml::Value>, site: Option<&str>) -> Option<OpcUa> {
    let mut table = table?;
    files::put(&mut table, &loader.folder, std::env::var(files::CREDENTIALS).ok().as_deref());
    let raw: RawOpcUa = typed(KEY, table, &mut loader.problems)?;
    let before = loader.problems.len();
    let wrong = |part: &str, message: String| Problem::new(format!("{KEY}.{part}"), message);
    let listen = listen(raw.listen.as_deref(), 4840);
    let listen = listen.map_err(|message| loader.problems.push(wrong("listen", message))).ok();
    let certificates = certificates(loader, &raw);
    let users = users(loader, KEY, raw.user);
    let listen = listen?;
    if !listen.ip().is_loopback() && loader.problems.len() == before {
        let missing = beyond_loopback(listen, certificates.is_some(), users.is_empty());
        loader.problems.extend(missing.into_iter().map(|(part, message)| wrong(part, message)));
    }
    let host = raw.host.unwrap_or_else(|| listen.ip().to_string());
    let site = site.unwrap_or("site").to_owned();
    let settings = OpcUa { listen, host, application_uri: raw.application_uri, site, users, certificates };
    (loader.problems.len() == before).then_some(settings)
}

fn beyond_loopback(listen: SocketAddr, sealed: bool, nobody: bool) -> Vec<(&'static str, String)> {
    let missing =
        |expected: &str| format!("missing: {KEY}.listen is {listen}, beyond this machine; expected {expected}");
    let files = (!sealed).then(|| ("cert_file", missing("cert_file, key_file and trusted_dir, or 127.0.0.1")));
    let users = nobody.then(|| ("user", missing("[[north.opcua.user]] tables: who may log in, or 127.0.0.1")));
    files.into_iter().chain(users).collect()
}

/// All three or none.
fn certificates(loader: &mut Loader, raw: &RawOpcUa) -> Option<Certificates> {
    let mut wrong = |part: &str, message: String| {
        loader.problems.push(Problem::new(format!("{KEY}.{part}"), message));
        None
    };
    let missing = || "missing: encryption takes cert_file, key_file and trusted_dir".to_owned();
    let (cert, key, trusted) = match (&raw.cert_file, &raw.key_file, &raw.trusted_dir) {
        (None, None, None) => return None,
        (None, _, _) => return wrong("cert_file", missing()),
        (_, None, _) => return wrong("key_file", missing()),
        (_, _, None) => return wrong("trusted_dir", missing()),
        (Some(cert), Some(key), Some(trusted)) => (cert, key, trusted),
    };
    if let Err(error) = std::fs::metadata(cert) {
        return wrong("cert_file", format!("{} cannot be read: {error}", cert.display()));
    }
    if let Err(message) = private_key(key) {
        return wrong("key_file", message);
    }
    let trusted_dir = loader.folder.join(trusted);
    if !trusted_dir.is_dir() {
        let message =
            format!("{} is no folder; expected one with the certificates of trusted clients", trusted_dir.display());
        loader.problems.push(Problem::new(format!("{KEY}.trusted_dir"), message));
        return None;
    }
    Some(Certificates { cert_file: cert.clone(), key_file: key.clone(), trusted_dir })
}
