//! `[web]`: where the operator's station listens and who may use it. Beyond loopback it needs TLS and users.

use super::Loader;
use super::files;
use memg_core::command::Role;
use memg_listener::{Tls, User, tls};
use memg_plant_io::mqtt::operator::is_plain;
use memg_plant_io::mqtt::secret::{self, Secret};
use memg_plant_io::problem::{Problem, read as typed};
use memg_plant_io::tls::{certificates, private_key};
use memg_web::password;
use memg_web::settings::WebSettings;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[web]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWeb {
    /// Address and port, such as 127.0.0.1:8470; port 0: the system chooses. Required.
    listen: Option<String>,
    /// Names under which browsers ask for it, besides addresses and localhost.
    #[serde(default)]
    hosts: Vec<String>,
    /// Chain of certificates (PEM), relative to this file.
    tls_cert_file: Option<PathBuf>,
    /// Its private key (PEM), relative to this file.
    tls_key_file: Option<PathBuf>,
    /// How long a log-in lasts, s.
    #[serde(default = "session_s")]
    session_s: f64,
    /// Who may log in.
    #[serde(default)]
    user: Vec<RawUser>,
}

const fn session_s() -> f64 {
    12.0 * 3600.0
}

/// `[[web.user]]`, `[[north.opcua.user]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    /// Name at log-in, in journals and answers. Required.
    name: Option<String>,
    /// `viewer`, `guard`, `operator` or `engineer`. Required.
    role: Option<String>,
    /// File with the hash that `gateway web-password` makes, relative to this file. Either this or `password_env`.
    password_file: Option<PathBuf>,
    /// Environment variable with the hash. Either this or `password_file`.
    password_env: Option<String>,
}

pub(super) fn web(loader: &mut Loader) -> Option<WebSettings> {
    let mut table = loader.layers.take("web")?;
    files::put(&mut table, &loader.folder, std::env::var(files::CREDENTIALS).ok().as_deref());
    let raw: RawWeb = typed("web", table, &mut loader.problems)?;
    let before = loader.problems.len();
    let listen = listen(loader, raw.listen.as_deref());
    let tls = certificate(loader, &raw);
    let users = users(loader, "web", raw.user);
    if !(raw.session_s >= 1.0 && raw.session_s <= 30.0 * 86_400.0) {
        let message = format!("expected a number from 1 to {}, found {}", 30 * 86_400, raw.session_s);
        loader.problems.push(Problem::new("web.session_s", message));
    }
    let listen = listen?;
    if !listen.ip().is_loopback() && loader.problems.len() == before {
        loader.problems.extend(beyond_loopback(listen, tls.is_some(), users.is_empty()));
    }
    let session = Duration::from_secs_f64(raw.session_s.clamp(1.0, 30.0 * 86_400.0));
    Some(WebSettings { listen, hosts: raw.hosts, users, tls, session })
}

/// Whoever can reach it from elsewhere must be known, and nobody must be able to listen.
fn beyond_loopback(listen: SocketAddr, has_tls: bool, nobody: bool) -> Vec<Problem> {
    let missing = |key: &str, expected: &str| {
        Problem::new(key, format!("missing: web.listen is {listen}, beyond this machine; expected {expected}"))
    };
    let tls = (!has_tls).then(|| missing("web.tls_cert_file", "tls_cert_file and tls_key_file, or 127.0.0.1"));
    let users = nobody.then(|| missing("web.user", "[[web.user]] tables: who may log in, or 127.0.0.1"));
    tls.into_iter().chain(users).collect()
}

fn listen(loader: &mut Loader, text: Option<&str>) -> Option<SocketAddr> {
    let listen = text.and_then(|text| text.parse().ok());
    if listen.is_none() {
        let found = text.map_or("nothing".to_owned(), |text| format!("{text:?}"));
        let message = format!("expected an address and a port such as \"127.0.0.1:8470\", found {found}");
        loader.problems.push(Problem::new("web.listen", message));
    }
    listen
}

fn certificate(loader: &mut Loader, raw: &RawWeb) -> Option<Tls> {
    let (certificate, key) = match (&raw.tls_cert_file, &raw.tls_key_file) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            loader.problems.push(Problem::new("web.tls_key_file", "missing: tls_cert_file needs its private key"));
            return None;
        }
        (None, Some(_)) => {
            loader.problems.push(Problem::new("web.tls_cert_file", "missing: tls_key_file needs its certificate"));
            return None;
        }
    };
    let mut wrong = |key: &str, message: String| loader.problems.push(Problem::new(key, message));
    let chain = certificates(certificate).map_err(|message| wrong("web.tls_cert_file", message)).ok();
    let private = private_key(key).map_err(|message| wrong("web.tls_key_file", message)).ok();
    tls(chain?, private?, None).map_err(|message| wrong("web.tls_key_file", message)).ok()
}

/// Who may log in, as `[[KEY.user]]` tables say.
pub(super) fn users(loader: &mut Loader, key: &str, raw: Vec<RawUser>) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("{key}.user[{index}]");
        let name = name(loader, &key, raw.name.as_deref());
        if let Some(name) = name.as_ref().filter(|name| users.iter().any(|user| user.name == **name)) {
            loader.problems.push(Problem::new(format!("{key}.name"), format!("{name:?} is used twice")));
        }
        let role = Role::read(raw.role.as_deref());
        let role = role.map_err(|message| loader.problems.push(Problem::new(format!("{key}.role"), message))).ok();
        let hash = hash(loader, &key, &raw);
        let user = name.zip(role).zip(hash).map(|((name, role), hash)| User { name, role, hash });
        users.extend(user);
    }
    users
}

fn name(loader: &mut Loader, key: &str, name: Option<&str>) -> Option<String> {
    let plain = name.filter(|name| is_plain(name));
    if plain.is_none() {
        let found = name.map_or("nothing".to_owned(), |name| format!("{name:?}"));
        let message = format!("expected 1 to 64 characters of A-Z a-z 0-9 . _ : -, found {found}");
        loader.problems.push(Problem::new(format!("{key}.name"), message));
    }
    plain.map(ToOwned::to_owned)
}

/// The hash of a password, wherever it is.
fn hash(loader: &mut Loader, key: &str, raw: &RawUser) -> Option<String> {
    let environment = |name: &str| std::env::var(name).ok();
    let named = secret::named(
        &format!("{key}.password"),
        (raw.password_file.as_deref(), raw.password_env.as_deref()),
        &environment,
    );
    let nowhere = || (key.to_owned(), Err("expected password_file or password_env: where the hash is".to_owned()));
    let (key, found) = named.unwrap_or_else(nowhere);
    let usable = |secret: Secret| match password::check(secret.expose()) {
        Ok(()) => Ok(secret.expose().to_owned()),
        Err(_) => Err("holds no argon2 hash; expected one that `gateway web-password` makes".to_owned()),
    };
    found.and_then(usable).map_err(|message| loader.problems.push(Problem::new(key, message))).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]
mod tests {
    use super::super::layers::Layers;
    use super::*;
    use std::collections::HashMap;

    /// What a `[web]` table gives, with a user's hash in `hash` beside it, and what is wrong with it.
    fn read(table: &str) -> (Option<WebSettings>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        for (name, text) in [("hash", password::hash("correct horse").unwrap()), ("plain", "correct horse".to_owned())]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        std::fs::write(&file, table).unwrap();
        let layers = Layers::read_in(&file, "", &[], HashMap::new()).unwrap();
        let folder = folder.path().to_owned();
        let mut loader = Loader { layers, folder, problems: Vec::new(), warnings: Vec::new() };
        let web = web(&mut loader);
        (web, loader.problems.iter().map(ToString::to_string).collect())
    }

    const ANNA: &str = "[[web.user]]\nname = 'anna'\nrole = 'operator'\npassword_file = 'hash'\n";

    #[test]
    fn on_this_machine_an_address_suffices_and_users_have_their_roles() {
        let (web, problems) = read("[web]\nlisten = '127.0.0.1:0'");
        assert!(problems.is_empty() && web.is_some_and(|web| web.users.is_empty() && web.anonymous_may_look()));
        let (web, problems) = read(&format!("[web]\nlisten = '[::1]:8470'\nhosts = ['x.example']\n{ANNA}"));
        let web = web.unwrap();
        assert_eq!((problems.len(), web.users[0].role, web.hosts.len()), (0, Role::Operator, 1));
        assert!(!format!("{web:?}").contains("argon2"), "a hash is not printed");
        assert!(read("").0.is_none());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        let beyond = "[web]\nlisten = '0.0.0.0:8443'\n";
        let rows = [
            ("[web]\n".to_owned(), vec!["web.listen: expected an address and a port"]),
            ("[web]\nlisten = 'localhost'".to_owned(), vec!["web.listen: expected an address and a port"]),
            ("[web]\nlisten = '127.0.0.1:0'\nlissen = 1".to_owned(), vec!["web.lissen: unknown key"]),
            (beyond.to_owned(), vec!["web.tls_cert_file: missing: web.listen is 0.0.0.0:8443", "web.user: missing"]),
            (format!("{beyond}{ANNA}"), vec!["web.tls_cert_file: missing"]),
            (format!("{beyond}tls_cert_file = 'none'\n{ANNA}"), vec!["web.tls_key_file: missing"]),
            (
                format!("{beyond}tls_cert_file = 'plain'\ntls_key_file = 'plain'\n{ANNA}"),
                vec!["web.tls_cert_file: ", "web.tls_key_file: "],
            ),
            (format!("[web]\nlisten = '127.0.0.1:0'\n{ANNA}{ANNA}"), vec!["web.user[1].name: \"anna\" is used twice"]),
            (
                "[web]\nlisten = '127.0.0.1:0'\n[[web.user]]\nname = 'a b'\nrole = 'boss'\npassword_file = 'plain'"
                    .to_owned(),
                vec![
                    "web.user[0].name: expected 1 to 64 characters",
                    "web.user[0].role: expected one of viewer, guard, operator, engineer, found \"boss\"",
                    "web.user[0].password_file: holds no argon2 hash",
                ],
            ),
            (
                "[web]\nlisten = '127.0.0.1:0'\n[[web.user]]\nname = 'a'\nrole = 'viewer'".to_owned(),
                vec!["web.user[0]: expected password_file or password_env"],
            ),
            ("[web]\nlisten = '127.0.0.1:0'\nsession_s = 0".to_owned(), vec!["web.session_s: expected a number"]),
        ];
        for (table, expected) in rows {
            let (_, found) = read(&table);
            assert_eq!(found.len(), expected.len(), "{table}: {found:#?}");
            for (problem, start) in found.iter().zip(expected) {
                assert!(problem.starts_with(start), "{problem:?} does not begin with {start:?}");
            }
        }
    }
}
