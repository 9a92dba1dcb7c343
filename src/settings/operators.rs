//! `[[operator]]`: who may command the gateway, as what, and where their keys are.
//!
//! A key stands in a file or in the environment, never in the configuration. Whoever only signs commands
//! ([`station`], for `gateway command`) needs no key but its own.

use super::files;
use super::layers::Layers;
use memg_core::command::Role;
use memg_plant_io::mqtt::operator::{BROKER, Operator, is_plain};
use memg_plant_io::mqtt::seal::KEY_BYTES_MIN;
use memg_plant_io::mqtt::secret::{self, Environment, Secret};
use memg_plant_io::mqtt::settings::{Connection, validate_connection};
use memg_plant_io::problem::{Problem, read};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `[[operator]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOperator {
    /// Name in envelopes, journals and answers. Required.
    name: Option<String>,
    /// `viewer`, `guard`, `operator` or `engineer`. Required.
    role: Option<String>,
    /// File with the key, relative to the configuration; one trailing line break is not part of it. Either this or
    /// `key_env`.
    key_file: Option<PathBuf>,
    /// Environment variable with the key. Either this or `key_file`.
    key_env: Option<String>,
}

/// What reading `[[operator]]` tables has brought.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub operators: Vec<Operator>,
    pub problems: Vec<Problem>,
}

struct Reader<'a> {
    folder: &'a Path,
    environment: Environment<'a>,
    read: Read,
}

/// Reads all of them.
pub(super) fn operators(value: Option<toml::Value>, folder: &Path, environment: Environment<'_>) -> Read {
    let mut reader = Reader { folder, environment, read: Read::default() };
    let raw = reader.tables(value);
    let mut names: Vec<&str> = Vec::new();
    for (key, raw) in &raw {
        if let Some(name) = raw.name.as_deref() {
            if names.contains(&name) {
                reader.problem(format!("{key}.name"), format!("{name:?} is used twice"));
            }
            names.push(name);
        }
        let operator = reader.operator(key, raw);
        reader.read.operators.extend(operator);
    }
    reader.read
}

impl Reader<'_> {
    fn problem(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.read.problems.push(Problem::new(key, message));
    }

    fn tables(&mut self, value: Option<toml::Value>) -> Vec<(String, RawOperator)> {
        let list = match value {
            None => Vec::new(),
            Some(toml::Value::Array(list)) => list,
            Some(_) => {
                self.problem("operator", "expected [[operator]] tables");
                Vec::new()
            }
        };
        let keyed = list.into_iter().enumerate().map(|(index, value)| (format!("operator[{index}]"), value));
        keyed.filter_map(|(key, value)| Some((key.clone(), read(&key, value, &mut self.read.problems)?))).collect()
    }

    /// `None` only after a problem was added; looks at everything before it gives up.
    fn operator(&mut self, key: &str, raw: &RawOperator) -> Option<Operator> {
        let name = self.name(key, raw);
        let role = self.role(key, raw);
        let secret = self.key(key, raw);
        Some(Operator { name: name?, role: role?, key: secret? })
    }

    /// The operator of that name; the others' tables are left alone.
    fn only(&mut self, value: Option<toml::Value>, name: &str) -> Option<Operator> {
        let list = value.and_then(|value| value.as_array().cloned()).unwrap_or_default();
        let named = |(_, table): &(usize, toml::Value)| table.get("name").and_then(toml::Value::as_str) == Some(name);
        let Some((index, table)) = list.into_iter().enumerate().find(named) else {
            self.problem("operator", format!("nobody is called {name:?}: expected an [[operator]] of that name"));
            return None;
        };
        let key = format!("operator[{index}]");
        let raw: RawOperator = read(&key, table, &mut self.read.problems)?;
        self.operator(&key, &raw)
    }

    fn name(&mut self, key: &str, raw: &RawOperator) -> Option<String> {
        let key = format!("{key}.name");
        let wrong = match raw.name.as_deref() {
            None => "is missing".to_owned(),
            Some(BROKER) => format!("{BROKER:?} is what unsigned commands are called: expected another name"),
            Some(name) if is_plain(name) => return Some(name.to_owned()),
            Some(name) => format!("expected 1 to 64 characters of A-Z a-z 0-9 . _ : -, found {name:?}"),
        };
        self.problem(key, wrong);
        None
    }

    fn role(&mut self, key: &str, raw: &RawOperator) -> Option<Role> {
        Role::read(raw.role.as_deref()).map_err(|message| self.problem(format!("{key}.role"), message)).ok()
    }

    fn key(&mut self, key: &str, raw: &RawOperator) -> Option<Secret> {
        let credentials = (self.environment)(files::CREDENTIALS);
        let file = raw.key_file.as_deref().map(|file| files::place(self.folder, file, credentials.as_deref()));
        let named = secret::named(&format!("{key}.key"), (file.as_deref(), raw.key_env.as_deref()), self.environment);
        let nowhere = || (key.to_owned(), Err("expected key_file or key_env: where the key is".to_owned()));
        let (key, secret) = named.unwrap_or_else(nowhere);
        let long = |secret: Secret| match secret.expose().len() {
            KEY_BYTES_MIN.. => Ok(secret),
            bytes => Err(format!("holds a key of {bytes} bytes; expected at least {KEY_BYTES_MIN}")),
        };
        secret.and_then(long).map_err(|message| self.problem(key, message)).ok()
    }
}

/// What signs commands and where they go.
#[derive(Debug)]
pub struct Station {
    /// The broker and the gateway's prefix.
    pub connection: Connection,
    /// Who signs.
    pub operator: Operator,
}

/// Reads of a configuration only `[mqtt]` (host, port, log-in, prefix) and one `[[operator]]`. The rest may be missing or
/// belong to another machine.
///
/// # Errors
/// Every problem of these parts; nobody of that name.
pub fn station(path: &Path, name: &str) -> Result<Station, Vec<Problem>> {
    let mut layers = Layers::read(path, "", &[])?;
    let environment = |name: &str| std::env::var(name).ok();
    let mut problems = Vec::new();
    let folder = path.parent().unwrap_or(Path::new("."));
    let connection = match layers.take("mqtt") {
        Some(mut table) => {
            files::put(&mut table, folder, environment(files::CREDENTIALS).as_deref());
            validate_connection(table, &environment).map_err(|found| problems.extend(found)).ok()
        }
        None => {
            problems.push(Problem::new("mqtt", "missing: expected [mqtt] with host, client_id and prefix"));
            None
        }
    };
    let mut reader = Reader { folder, environment: &environment, read: Read::default() };
    let operator = reader.only(layers.take("operator"), name);
    problems.append(&mut reader.read.problems);
    let located = |problems: Vec<Problem>| problems.into_iter().map(|problem| layers.locate(problem)).collect();
    match (connection, operator) {
        (Some(connection), Some(operator)) if problems.is_empty() => Ok(Station { connection, operator }),
        _ => Err(located(problems)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        (name == "KEY").then(|| "0123456789abcdef".to_owned())
    }

    fn read_in(folder: &Path, text: &str) -> Read {
        let mut table: toml::Table = toml::from_str(text).unwrap();
        operators(table.remove("operator"), folder, &environment)
    }

    fn key_file(folder: &Path, name: &str, mode: u32) {
        let path = folder.join(name);
        std::fs::write(&path, "a key of sixteen\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    fn found(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_come_from_files_beside_the_configuration_or_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        key_file(folder.path(), "grid.key", 0o600);
        let read = read_in(
            folder.path(),
            "[[operator]]\nname = 'anna'\nrole = 'operator'\nkey_env = 'KEY'\n
             [[operator]]\nname = 'grid'\nrole = 'guard'\nkey_file = 'grid.key'",
        );
        assert!(read.problems.is_empty(), "{:#?}", read.problems);
        let [anna, grid] = &read.operators[..] else { panic!("two operators") };
        assert_eq!((anna.role, anna.key.expose()), (Role::Operator, "0123456789abcdef"));
        assert_eq!((grid.role, grid.key.expose()), (Role::Guard, "a key of sixteen"));
        assert!(!format!("{read:?}").contains("sixteen"));
    }

    #[test]
    fn a_key_that_everybody_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[operator]]\nname = 'anna'\nrole = 'operator'\nkey_file = 'key'";
        for (mode, problems) in [(0o600, 0), (0o400, 0), (0o640, 0), (0o604, 1), (0o644, 1)] {
            key_file(folder.path(), "key", mode);
            assert_eq!(read_in(folder.path(), text).problems.len(), problems, "{mode:o}");
        }
        let refused = found(&read_in(folder.path(), text).problems);
        assert!(refused[0].contains("open to everybody on this machine (mode 644)"), "{refused:?}");
    }

    #[test]
    fn every_problem_is_told_with_its_key_and_what_was_expected() {
        let read = read_in(
            Path::new("/nowhere"),
            "[[operator]]\nname = 'anna'\nrole = 'boss'\nkey_env = 'NONE'\n
             [[operator]]\nname = 'anna'\nrole = 'guard'\nkey_file = 'absent'\n
             [[operator]]\nname = 'an na'\nkey_env = 'KEY'\nkey_file = 'x'\ncolour = 'red'\n
             [[operator]]\nname = 'broker'\nrole = 'viewer'\n
             [[operator]]\nrole = 'viewer'\nkey_env = 'KEY'",
        );
        let expected = [
            "operator[2].colour: unknown key",
            "operator[0].role: expected one of viewer, guard, operator, engineer, found \"boss\"",
            "operator[0].key_env: names the variable NONE, which is not set in the environment",
            "operator[1].name: \"anna\" is used twice",
            "operator[1].key_file: /nowhere/absent cannot be read",
            "operator[2].name: expected 1 to 64 characters",
            "operator[2].role: expected one of",
            "operator[2].key_env: and the file exclude each other",
            "operator[3].name: \"broker\" is what unsigned commands are called",
            "operator[3]: expected key_file or key_env",
            "operator[4].name: is missing",
        ];
        let found = found(&read.problems);
        for part in expected {
            assert!(found.iter().any(|problem| problem.starts_with(part)), "{part} is not in {found:#?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
    }

    #[test]
    fn a_short_key_is_refused_without_being_told() {
        let short = |_: &str| Some("fifteen letters".to_owned());
        let mut table: toml::Table =
            toml::from_str("[[operator]]\nname = 'anna'\nrole = 'operator'\nkey_env = 'KEY'").unwrap();
        let read = operators(table.remove("operator"), Path::new("."), &short);
        assert_eq!(found(&read.problems), ["operator[0].key_env: holds a key of 15 bytes; expected at least 16"]);
    }

    #[test]
    fn a_station_needs_nothing_but_the_broker_and_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("station.toml");
        key_file(folder.path(), "anna.key", 0o600);
        let text =
            "[mqtt]\nhost = '127.0.0.1'\nclient_id = 'x'\nprefix = 'memg/x'\ncommands = { arm_secret_env = 'NONE' }\n
                    [[operator]]\nname = 'bert'\nrole = 'operator'\nkey_env = 'NONE'\n
                    [[operator]]\nname = 'anna'\nrole = 'operator'\nkey_file = 'anna.key'\n";
        std::fs::write(&path, text).unwrap();
        let here = station(&path, "anna").unwrap();
        assert_eq!((here.connection.prefix.as_str(), here.operator.name.as_str()), ("memg/x", "anna"));
        let wrong = found(&station(&path, "bert").unwrap_err());
        assert!(wrong[0].contains("station.toml:10: operator[0].key_env: names the variable NONE"), "{wrong:?}");
        let nobody = found(&station(&path, "carl").unwrap_err());
        assert!(nobody[0].contains("operator: nobody is called \"carl\""), "{nobody:?}");
    }
}
