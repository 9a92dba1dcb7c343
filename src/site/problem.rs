//! What is wrong with a configuration text, told with file, line and key.
//!
//! Responsible for: the [`Problem`] every loader reports, finding the line of a key path, and turning a TOML table into a
//! struct while collecting *all* unknown keys instead of stopping at the first. It does not print and does not exit.

pub mod words;

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
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

/// Whether a text has the whole of a key path.
#[must_use]
pub fn has_key(text: &str, key_path: &str) -> bool {
    let Ok(table) = DeTable::parse(text) else { return false };
    let whole = DeValue::Table(table.into_inner());
    steps(key_path).iter().try_fold(whole, |value, step| descend(&value, step).map(|(_, next)| next)).is_some()
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

/// Turns a TOML value into `T`. `T` denies unknown fields; all that is wrong is reported here, each at its own key, because
/// serde alone would stop at the first. Unknown keys alone leave a `T` that can be checked further (the caller refuses the
/// file because of the problems); after a wrong type there is none, because what followed from it would be no cause.
pub fn read<T: DeserializeOwned>(key: &str, value: toml::Value, problems: &mut Vec<Problem>) -> Option<T> {
    let mut value = value;
    // What was told already: wrong types, and what misspelt keys were meant to be.
    let (mut wrong, mut meant): (Vec<String>, Vec<String>) = Default::default();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(read) => return wrong.is_empty().then_some(read),
            Err(error) => error,
        };
        let message = error.inner().message().trim();
        let at = under(key, error.path());
        if let Some(field) = words::missing_field(message) {
            let at = join(&at, field);
            if !wrong.contains(&at) && !meant.contains(&at) {
                problems.push(Problem::new(at, "missing"));
            }
            return None;
        }
        problems.push(Problem::new(&*at, words::told(&at, message)));
        match words::meant(message) {
            Some(name) => meant.push(sibling(&at, name)),
            None if words::is_unknown_field(message) => {}
            None => wrong.push(at),
        }
        remove(&mut value, error.path())?;
    }
}

/// The key path of a place below `key`.
fn under(key: &str, path: &Path) -> String {
    path.iter().fold(key.to_owned(), |key, segment| match segment {
        Segment::Seq { index } => format!("{key}[{index}]"),
        Segment::Map { key: name } | Segment::Enum { variant: name } => join(&key, name),
        Segment::Unknown => key,
    })
}

/// The key beside another one.
fn sibling(key: &str, name: &str) -> String {
    key.rsplit_once('.').map_or_else(|| name.to_owned(), |(table, _)| join(table, name))
}

/// Takes a value out of its table; `None` where that is impossible.
fn remove(value: &mut toml::Value, path: &Path) -> Option<toml::Value> {
    let mut segments: Vec<&Segment> = path.iter().collect();
    let last = segments.pop()?;
    let mut place = value;
    for segment in segments {
        place = match segment {
            Segment::Seq { index } => place.get_mut(*index)?,
            Segment::Map { key } | Segment::Enum { variant: key } => place.get_mut(key)?,
            Segment::Unknown => return None,
        };
    }
    match last {
        Segment::Map { key } | Segment::Enum { variant: key } => place.as_table_mut()?.remove(key),
        Segment::Seq { .. } | Segment::Unknown => None,
    }
}

/// `key` and `name` joined by a dot unless `key` is empty.
#[must_use]
pub fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
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

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Typed {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "hold_s", default)]
        _hold_s: f64,
        #[serde(rename = "range", default)]
        _range: Option<[f64; 2]>,
        #[serde(rename = "parts", default)]
        _parts: Vec<Part>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[serde(rename = "import_kw_max")]
        _import_kw_max: f64,
        #[serde(rename = "unit_id", default)]
        _unit_id: u8,
    }

    fn told(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let value = toml::Value::Table(parse_table(text).unwrap_or_default());
        let _: Option<Typed> = read("control", value, &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wrong_type_has_its_own_key_and_says_what_was_expected() {
        for (text, expected) in [
            ("name = 'x'\nhold_s = '60'", "control.hold_s: \"60\" is text, expected seconds as a number"),
            ("name = 5", "control.name: 5 is a number, expected text in quotes"),
            ("name = 'x'\nhold_s = true", "control.hold_s: true stands here, expected seconds as a number"),
            ("name = 'x'\nrange = [1]", "control.range: expected a list of 2, found 1"),
            ("name = 'x'\nrange = 5", "control.range: 5 is a number, expected a list of 2"),
            (
                "name = 'x'\n[[parts]]\nimport_kw_max = '7 kW'",
                "control.parts[0].import_kw_max: \"7 kW\" is text, expected kW as a number",
            ),
            (
                "name = 'x'\n[[parts]]\nimport_kw_max = 7\nunit_id = 300",
                "control.parts[0].unit_id: 300 is out of range, expected a whole number up to 255",
            ),
            ("name = 'x'\nparts = 5", "control.parts: 5 is a number, expected a list"),
            ("name = 'x'\nparts = [5]", "control.parts[0]: 5 is a number, expected a table"),
        ] {
            assert_eq!(told(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_wrong_types_are_told_and_none_of_what_follows_from_them() {
        assert_eq!(
            told("name = 1\nhold_s = 'a'\ncolour = 3"),
            [
                "control.colour: unknown key; expected one of name, hold_s, range, parts",
                "control.hold_s: \"a\" is text, expected seconds as a number",
                "control.name: 1 is a number, expected text in quotes",
            ]
        );
        assert_eq!(
            told("nme = 'x'"),
            ["control.nme: unknown key; did you mean \"name\"? Known are name, hold_s, range, parts"]
        );
        assert_eq!(
            told("hold_z = 1"),
            [
                "control.hold_z: unknown key; did you mean \"hold_s\"? Known are name, hold_s, range, parts",
                "control.name: missing",
            ]
        );
    }

    #[test]
    fn a_syntax_error_has_its_line() {
        let problem = parse_table("a = 1\nb = = 2\n").err();
        assert_eq!(problem.and_then(|problem| problem.line), Some(2));
    }
}
