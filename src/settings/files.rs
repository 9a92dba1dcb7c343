//! Where files that a configuration names are: beside it, or among the credentials that systemd hands over.

use std::path::{Path, PathBuf};

/// Before the name of a credential: `password_file = "credential:broker"` with `LoadCredential=broker:…` in the unit.
const CREDENTIAL: &str = "credential:";

/// Variable with the folder of the credentials.
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The path of a file that a configuration in `folder` names.
pub(super) fn place(folder: &Path, named: &Path, credentials: Option<&str>) -> PathBuf {
    let credential = named.to_str().and_then(|text| text.strip_prefix(CREDENTIAL));
    match (credential, credentials) {
        (Some(name), Some(credentials)) => Path::new(credentials).join(name),
        // It is not there, and the message names it as the configuration does.
        (Some(_), None) => named.to_owned(),
        (None, _) => folder.join(named),
    }
}

/// Puts every `…_file` of a table and of what is below it in its place.
pub(super) fn put(value: &mut toml::Value, folder: &Path, credentials: Option<&str>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                match value {
                    toml::Value::String(path) if key.ends_with("_file") => {
                        *path = place(folder, Path::new(path), credentials).display().to_string();
                    }
                    value => put(value, folder, credentials),
                }
            }
        }
        toml::Value::Array(list) => list.iter_mut().for_each(|value| put(value, folder, credentials)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_beside_the_configuration_or_among_the_credentials() {
        let text = "a_file = 'x'\nfile = 'kept'\n[tls]\nca_file = '/etc/ca.pem'\nkey_file = 'credential:key'\nlist = [{ b_file = 'y' }]";
        let mut value: toml::Value = toml::Value::Table(toml::from_str(text).unwrap());
        put(&mut value, Path::new("/site"), Some("/run/credentials/unit"));
        let expected = "a_file = '/site/x'\nfile = 'kept'\n[tls]\nca_file = '/etc/ca.pem'\nkey_file = '/run/credentials/unit/key'\nlist = [{ b_file = '/site/y' }]";
        assert_eq!(value, toml::Value::Table(toml::from_str(expected).unwrap()));
        let without = place(Path::new("/site"), Path::new("credential:key"), None);
        assert_eq!(without, Path::new("credential:key"), "the error names it as it stands there");
    }
}
