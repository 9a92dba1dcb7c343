//! Secrets: read from a file or the environment, never printed, never serialised.

use crate::secret_file;
use std::fmt;
use std::path::Path;

/// Files larger than this hold something else than a password.
const SECRET_BYTES_MAX: u64 = 4096;

/// A password or shared secret. `Debug` hides it and there is no `Display`, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The secret itself: for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Looks a variable of the environment up; an argument, so that tests need no global state.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads a secret from a file; one trailing line break is not part of it.
///
/// # Errors
/// A sentence for the operator, without the content: unreadable, open to everybody on this machine, too large, not text,
/// empty.
pub fn from_file(path: &Path) -> Result<Secret, String> {
    read_file(path).map_err(|message| format!("{} {message}", path.display()))
}

fn read_file(path: &Path) -> Result<Secret, String> {
    secret_file::check(path)?;
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > SECRET_BYTES_MAX {
        return Err(format!("is {size} bytes long; a secret has at most {SECRET_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    not_empty(text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)))
}

/// Reads a secret from the environment.
///
/// # Errors
/// A sentence for the operator: not set, empty.
pub fn from_environment(name: &str, environment: Environment<'_>) -> Result<Secret, String> {
    let text = environment(name);
    not_empty(&text.ok_or_else(|| format!("names the variable {name}, which is not set in the environment"))?)
}

/// The secret of `<name>_file` or `<name>_env` below `key`, and the key that is to blame if it cannot be had. `None`: neither is
/// there.
///
/// # Errors
/// Both are there, or as [`from_file`] and [`from_environment`].
pub fn named(
    key: &str,
    (file, variable): (Option<&Path>, Option<&str>),
    environment: Environment<'_>,
) -> Option<(String, Result<Secret, String>)> {
    match (file, variable) {
        (None, None) => None,
        (Some(_), Some(_)) => Some((format!("{key}_env"), Err("and the file exclude each other".to_owned()))),
        (Some(path), None) => Some((format!("{key}_file"), from_file(path))),
        (None, Some(name)) => Some((format!("{key}_env"), from_environment(name, environment))),
    }
}

fn not_empty(text: &str) -> Result<Secret, String> {
    if text.is_empty() { Err("is empty".into()) } else { Ok(Secret::new(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_secret() {
        assert_eq!(format!("{:?}", Some(Secret::new("swordfish"))), "Some(Secret(hidden))");
    }

    fn write(path: &Path, content: &str) {
        std::fs::write(path, content).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_file_loses_one_line_break_and_an_empty_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (content, expected) in
            [("a b\n", Ok("a b")), ("a\r\n", Ok("a")), ("a\n\n", Ok("a\n")), ("\n", Err("is empty"))]
        {
            write(&path, content);
            let secret = read_file(&path);
            assert_eq!(secret.as_ref().map(Secret::expose), expected.map_err(|text| text.to_owned()).as_ref().copied());
        }
        write(&path, &"x".repeat(5000));
        assert!(from_file(&path).unwrap_err().contains("5000 bytes"));
        assert!(from_file(&folder.path().join("none")).unwrap_err().contains("cannot be read"));
    }
}
