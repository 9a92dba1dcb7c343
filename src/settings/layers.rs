//! The layers of the configuration, merged by the `config` crate, and the way back from a key to a line of the file.

use config::{Config, Environment, File, FileFormat};
use memg_plant_io::problem::{Problem, parse_table};
use std::path::Path;

/// A command-line flag that stands for a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Dotted key.
    pub key: &'static str,
    /// The value as text, read like a TOML value.
    pub value: String,
}

/// The merged tables and the text that they mainly come from.
#[derive(Debug)]
pub struct Layers {
    tables: toml::Table,
    text: String,
    file: String,
}

/// Prefix of environment variables.
const PREFIX: &str = "MEMG";

impl Layers {
    /// Reads a file and merges the other layers over it.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML (with the line), or the layers do not fit each other.
    pub fn read(path: &Path, extra: &str, overrides: &[Override]) -> Result<Self, Vec<Problem>> {
        let file = path.display().to_string();
        let whole = |message: String| vec![Problem { file: file.clone(), ..Problem::new("", message) }];
        let text = std::fs::read_to_string(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
        let text = format!("{text}\n{extra}");
        // Parsed once for itself: its syntax errors know their line.
        parse_table(&text).map_err(|problem| vec![Problem { file: file.clone(), ..problem }])?;
        let merged = merge(&text, overrides).map_err(|error| whole(error.to_string()))?;
        Ok(Self { tables: merged, text, file })
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

    /// Top-level keys that are not among `known`.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Vec<String> {
        self.tables.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect()
    }

    /// Adds file and line to a problem that has none yet.
    #[must_use]
    pub fn locate(&self, problem: Problem) -> Problem {
        if problem.file.is_empty() { problem.located(&self.file, &self.text) } else { problem }
    }
}

fn merge(text: &str, overrides: &[Override]) -> Result<toml::Table, config::ConfigError> {
    let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").try_parsing(true);
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
