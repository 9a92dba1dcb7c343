//! What is wrong with a configuration text, told with file, line and key.
//!
//! Responsible for: the [`Problem`] every loader reports, finding the line of a key path, and turning a TOML table into a
//! struct while collecting *all* unknown keys instead of stopping at the first. It does not print and does not exit.

use serde::de::DeserializeOwned;
use std::fmt;
use toml::de::{DeTable, DeValue};

/// One thing to correct in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name as the user gave it; empty when unknown.
    pub file: String,
    /// Line, counted from 1, when the text was at hand.
    pub line: Option<usize>,
    /// Key path such as `point[3].scale`; empty for the whole file.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem at a key path, file and line still unknown.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: String::new(), line: None, key: key.into(), message: message.into() }
    }

    /// The same problem with the file's name and the line of its key.
    #[must_use]
    pub fn located(mut self, file: &str, text: &str) -> Self {
        self.line = self.line.or_else(|| locate(text, &self.key));
        file.clone_into(&mut self.file);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.file.is_empty() {
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Line (from 1) of a key path such as `point[3].write.range`. A missing key gives the line of what should hold it; a
/// text that is not TOML, or in which nothing of the path exists, gives `None`.
#[must_use]
pub fn locate(text: &str, key_path: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut value = DeValue::Table(table.into_inner());
    let mut offset = None;
    for step in steps(key_path) {
        let Some((start, next)) = descend(&value, &step) else { break };
        (offset, value) = (Some(start), next);
    }
    Some(line_of(text, offset?))
}

/// Line (from 1) of a byte offset.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

enum KeyStep {
    Key(String),
    Index(usize),
}

fn steps(key_path: &str) -> Vec<KeyStep> {
    let mut steps = Vec::new();
    for part in key_path.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        steps.extend(pieces.next().filter(|key| !key.is_empty()).map(|key| KeyStep::Key(key.to_owned())));
        let index = |piece: &str| piece.trim_end_matches(']').parse().ok().map(KeyStep::Index);
        steps.extend(pieces.filter_map(index));
    }
    steps
}

fn descend<'i>(value: &DeValue<'i>, step: &KeyStep) -> Option<(usize, DeValue<'i>)> {
    match step {
        KeyStep::Key(key) => {
            let (name, inner) = value.as_table()?.iter().find(|(name, _)| name.get_ref() == key)?;
            Some((name.span().start, inner.get_ref().clone()))
        }
        KeyStep::Index(index) => {
            let inner = value.as_array()?.get(*index)?;
            Some((inner.span().start, inner.get_ref().clone()))
        }
    }
}

/// Parses a whole text as TOML.
///
/// # Errors
/// One problem with the line of the syntax error.
pub fn parse_table(text: &str) -> Result<toml::Table, Problem> {
    toml::from_str(text).map_err(|error| Problem {
        line: error.span().map(|span| line_of(text, span.start)),
        ..Problem::new("", error.message())
    })
}

/// Turns a TOML value into `T`. `T` denies unknown fields; all of them are reported here, each at its key, because serde
/// alone would stop at the first. What is left without them is returned, so that it can be checked further; the caller
/// refuses the file because of the problems. Nested tables report their first unknown key at the outer key.
pub fn read<T: DeserializeOwned>(key: &str, value: toml::Value, problems: &mut Vec<Problem>) -> Option<T> {
    let mut value = value;
    loop {
        let error = match value.clone().try_into::<T>() {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let name = unknown_field(error.message());
        let removed = name.and_then(|name| value.as_table_mut()?.remove(name).map(|_| name));
        problems.push(Problem::new(removed.map_or(key.to_owned(), |name| join(key, name)), tidy(error.message())));
        removed?;
    }
}

/// `key` and `name` joined by a dot unless `key` is empty.
#[must_use]
pub fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

fn unknown_field(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

fn tidy(message: &str) -> String {
    message.trim().replace('\n', ", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[device]\nmaker = \"x\"\n\n[[point]]\nname = \"a\"\n\n[[point]]\nname = \"b\"\nscale = 2\n";

    #[test]
    fn a_key_path_is_found_at_its_line() {
        for (path, line) in [
            ("device.maker", Some(2)),
            ("point[0].name", Some(5)),
            ("point[1].scale", Some(9)),
            ("point[1].missing", Some(7)),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(locate(TEXT, path), line, "{path}");
        }
    }

    #[test]
    fn every_unknown_key_is_reported_at_its_own_path() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            #[serde(rename = "a")]
            _a: i64,
        }
        let mut problems = Vec::new();
        let value = toml::Value::Table(parse_table("a = 1\nb = 2\nc = 3\n").unwrap_or_default());
        assert!(read::<Known>("point[7]", value, &mut problems).is_some());
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["point[7].b", "point[7].c"]);
    }

    #[test]
    fn a_syntax_error_has_its_line() {
        let problem = parse_table("a = 1\nb = = 2\n").err();
        assert_eq!(problem.and_then(|problem| problem.line), Some(2));
    }
}
