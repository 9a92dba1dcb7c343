//! The layers of the configuration, merged by the `config` crate, and the way back from a key to a line of the file.

use config::{Config, Environment, File, FileFormat};
use memg_plant_io::problem::{Problem, has_key, parse_table, words};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::Path;

/// A command-line flag that stands for a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Dotted key.
    pub key: &'static str,
    /// The value as text, read like a TOML value.
    pub value: String,
}

/// The merged tables, where each key comes from, and the text that they mainly come from.
#[derive(Debug)]
pub struct Layers {
    tables: toml::Table,
    text: String,
    file: String,
    beside: Beside,
}

/// What stands beside the file: dotted keys in small letters, and who sets them.
#[derive(Debug, Clone, Default)]
struct Beside {
    keys: BTreeMap<String, String>,
    /// Variables that look as if they were meant for us.
    ignored: Vec<String>,
}

/// Prefix of environment variables.
const PREFIX: &str = "MEMG";
/// Between the prefix and the parts of a key.
const SEPARATOR: &str = "__";

impl Beside {
    fn new(environment: &HashMap<String, String>, overrides: &[Override]) -> Self {
        let mut beside = Self::default();
        for name in environment.keys() {
            match name.strip_prefix(PREFIX).map(|rest| (rest.strip_prefix(SEPARATOR), rest)) {
                Some((Some(key), _)) => {
                    let key = key.to_lowercase().replace(SEPARATOR, ".");
                    beside.keys.insert(key, format!("environment variable {name}"));
                }
                // Others, such as those of the tests, have no double underscore.
                Some((None, rest)) if rest.starts_with('_') && rest.contains(SEPARATOR) => {
                    beside.ignored.push(name.clone());
                }
                Some((None, _)) | None => {}
            }
        }
        for Override { key, value } in overrides {
            beside.keys.insert((*key).to_owned(), format!("command line ({value})"));
        }
        beside.ignored.sort();
        beside
    }

    /// Who set what a problem is about: the key itself, or something below a key that the file does not have.
    fn blamed(&self, key: &str, in_file: bool) -> Option<&str> {
        let below = |known: &str| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        let above = |known: &str| key.strip_prefix(known).is_some_and(|rest| rest.starts_with(['.', '[']));
        let is_it = |known: &str| known == key || above(known) || (!in_file && !key.is_empty() && below(known));
        self.keys.iter().find(|(known, _)| is_it(known)).map(|(_, who)| who.as_str())
    }
}

impl Layers {
    /// Reads a file and merges the other layers over it.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML (with the line), or the layers do not fit each other.
    pub fn read(path: &Path, extra: &str, overrides: &[Override]) -> Result<Self, Vec<Problem>> {
        // A variable that is no text is none of ours.
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::read_in(path, extra, overrides, std::env::vars_os().filter_map(text).collect())
    }

    /// The same with this environment.
    pub(super) fn read_in(
        path: &Path,
        extra: &str,
        overrides: &[Override],
        environment: HashMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let file = path.display().to_string();
        let whole = |message: String| vec![Problem { file: file.clone(), ..Problem::new("", message) }];
        let text = std::fs::read_to_string(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
        let text = format!("{text}\n{extra}");
        // Parsed once for itself: its syntax errors know their line.
        parse_table(&text).map_err(|problem| vec![Problem { file: file.clone(), ..problem }])?;
        let beside = Beside::new(&environment, overrides);
        let merged = merge(&text, overrides, environment).map_err(|error| whole(error.to_string()))?;
        Ok(Self { tables: merged, text, file, beside })
    }

    /// Removes and returns a top-level table.
    pub fn take(&mut self, key: &str) -> Option<toml::Value> {
        self.tables.remove(key)
    }

    /// Whether a top-level table is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.tables.contains_key(key)
    }

    /// Whether a top-level table has this key, or one that may have been meant for it.
    #[must_use]
    pub fn holds(&self, table: &str, key: &str) -> bool {
        let meant = |found: &String| words::nearest(found, &[key]).is_some();
        self.tables.get(table).and_then(toml::Value::as_table).is_some_and(|table| table.keys().any(meant))
    }

    /// Top-level keys that are not among `known`.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Vec<String> {
        self.tables.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect()
    }

    /// Variables of the environment that are not read although they look like ours.
    #[must_use]
    pub fn ignored(&self) -> Vec<Problem> {
        let warning = |name: &String| {
            let key = name.strip_prefix(PREFIX).unwrap_or(name).trim_start_matches('_');
            let message = format!("is not read: expected two underscores, {PREFIX}{SEPARATOR}{key}");
            Problem { file: format!("environment variable {name}"), ..Problem::new("", message) }
        };
        self.beside.ignored.iter().map(warning).collect()
    }

    /// Adds to a problem that has none yet where it comes from: file and line, the environment, or the command line.
    #[must_use]
    pub fn locate(&self, problem: Problem) -> Problem {
        if !problem.file.is_empty() {
            return problem;
        }
        let in_file = has_key(&self.text, &problem.key);
        match self.beside.blamed(&problem.key, in_file) {
            Some(who) => Problem { file: who.to_owned(), ..problem },
            None => problem.located(&self.file, &self.text),
        }
    }
}

fn merge(
    text: &str,
    overrides: &[Override],
    variables: HashMap<String, String>,
) -> Result<toml::Table, config::ConfigError> {
    let environment = Environment::with_prefix(PREFIX).prefix_separator(SEPARATOR).separator(SEPARATOR);
    let environment = environment.try_parsing(true).source(Some(variables.into_iter().collect()));
    let mut builder = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).add_source(environment);
    for Override { key, value } in overrides {
        builder = builder.set_override(*key, parsed(value))?;
    }
    builder.build()?.try_deserialize()
}

/// Flags are text; what looks like a number or a truth value is one.
fn parsed(text: &str) -> config::Value {
    if let Ok(flag) = text.parse::<bool>() {
        flag.into()
    } else if let Ok(number) = text.parse::<f64>() {
        number.into()
    } else {
        text.into()
    }
}
