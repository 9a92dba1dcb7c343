//! The folder of what was learned: `learned.toml` with every value, its interval, what it was learned from, and what was not
//! identifiable and why.

use super::fit::Identified;
use super::{Finding, Outcome, Parameter};
use memg_core::calendar::LocalTime;
use memg_core::equipment::{Learned, Plant, PlantParameters};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// The file inside.
pub const FILE: &str = "learned.toml";
/// Version of the format; others are refused.
pub const FORMAT: u32 = 1;

/// A folder of what was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedFile {
    /// See [`FORMAT`].
    pub memg_learned: u32,
    /// Name of the site in the journals.
    pub site: String,
    /// See [`equipment_hash`].
    pub equipment_sha256: String,
    /// Days without gaps that it was learned from.
    pub days: f64,
    /// Local time of the first and last cycle.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// What it was learned from.
    #[serde(default)]
    pub journals: Vec<JournalUsed>,
    /// What was identified.
    #[serde(default)]
    pub parameters: Vec<Row>,
    /// What was not.
    #[serde(default)]
    pub not_identifiable: Vec<Unknown>,
}

/// A journal that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalUsed {
    /// Name of the file.
    pub file: String,
    /// Cycles in it.
    pub cycles: u64,
    /// Digest of its last line: `gateway journal verify FILE --holds DIGEST` asks for it, and by the chain for all before it.
    pub last_line: String,
}

/// A number that was identified.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which.
    pub name: Parameter,
    /// Of which battery or CHP, from 1.
    pub unit: usize,
    /// Most likely.
    pub value: f64,
    /// Ends of the 95 % interval.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// What the site file states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<f64>,
    /// Equations and plans count with it; otherwise it is told alone.
    pub used: bool,
}

/// A number that was not identified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// Which.
    pub name: Parameter,
    /// Of which battery or CHP, from 1.
    pub unit: usize,
    /// Why not.
    pub reason: String,
}

/// Why a folder cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system's own.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// What stands in it is wrong.
    #[error("{path}: {message}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What was expected.
        message: String,
    },
}

impl LearnedFile {
    pub(crate) fn of(
        site: &str,
        plant: &PlantParameters,
        days: f64,
        [first_ms, last_ms]: [i64; 2],
        journals: Vec<JournalUsed>,
        findings: &[Finding],
    ) -> Self {
        let (mut parameters, mut not_identifiable) = (Vec::new(), Vec::new());
        for Finding { parameter, unit, outcome } in findings {
            let (name, unit) = (*parameter, *unit);
            match outcome {
                Outcome::Identified(found) => {
                    let used = name.teach(unit - 1, *found, &mut Learned::default());
                    let Identified { value, low, high } = *found;
                    parameters.push(Row { name, unit, value, low, high, stated: name.stated(plant, unit - 1), used });
                }
                Outcome::NotIdentifiable(reason) => {
                    not_identifiable.push(Unknown { name, unit, reason: reason.clone() });
                }
            }
        }
        Self {
            memg_learned: FORMAT,
            site: site.to_owned(),
            equipment_sha256: equipment_hash(plant),
            days: (days * 100.0).round() / 100.0,
            from: local(first_ms),
            to: local(last_ms),
            journals,
            parameters,
            not_identifiable,
        }
    }

    /// Writes it into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// The file system's own.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, FolderError> {
        let path = dir.join(FILE);
        let io = |source| FolderError::Io { path: path.clone(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let wrong = |error: toml::ser::Error| FolderError::Wrong { path: path.clone(), message: error.to_string() };
        let text = toml::to_string(self).map_err(wrong)?;
        let head = "# What `gateway learn` found in journals: docs/learned-plant.md. Intervals are of 95 %.\n\n";
        std::fs::write(&path, format!("{head}{text}")).map_err(io)?;
        Ok(path)
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn read(dir: &Path) -> Result<Self, FolderError> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| FolderError::Io { path: path.clone(), source })?;
        let wrong = |message: String| FolderError::Wrong { path: path.clone(), message };
        let file: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if file.memg_learned != FORMAT {
            return Err(wrong(format!("memg_learned: expected {FORMAT}, found {}", file.memg_learned)));
        }
        for row in &file.parameters {
            let numbers = [row.low, row.value, row.high];
            if !(numbers.iter().all(|number| number.is_finite()) && row.low <= row.value && row.value <= row.high) {
                return Err(wrong(format!("{}: expected low <= value <= high, found {numbers:?}", row.name.name())));
            }
        }
        Ok(file)
    }

    /// What equations and plans can count with.
    #[must_use]
    pub fn learned(&self) -> Learned {
        let mut learned = Learned::default();
        for row in self.parameters.iter().filter(|row| row.used && row.unit > 0) {
            let Row { value, low, high, .. } = *row;
            row.name.teach(row.unit - 1, Identified { value, low, high }, &mut learned);
        }
        learned
    }

    /// Where a site file states a number outside of what was found: name, unit, stated number, what was found. The round trip
    /// speaks where the efficiencies that it is made of do not.
    #[must_use]
    pub fn off(&self, stated: &PlantParameters) -> Vec<(Parameter, usize, f64, Identified)> {
        let is_known = |name, unit| self.parameters.iter().any(|row| row.name == name && row.unit == unit);
        let is_said = |row: &&Row| row.name != Parameter::RoundTrip || !is_known(Parameter::EfficiencyStore, row.unit);
        let off = |row: &Row| {
            let Row { name, unit, value, low, high, .. } = *row;
            let (number, found) = (name.stated(stated, unit.checked_sub(1)?)?, Identified { value, low, high });
            (!found.holds(number)).then_some((name, unit, number, found))
        };
        self.parameters.iter().filter(is_said).filter_map(off).collect()
    }
}

/// A plant with what was learned of it.
///
/// # Errors
/// The folder cannot be read, is of another plant, or says what no plant can have.
pub fn believing(plant: &Plant, dir: &Path) -> Result<(Plant, LearnedFile), FolderError> {
    let file = LearnedFile::read(dir)?;
    let wrong = |message: String| FolderError::Wrong { path: dir.join(FILE), message };
    if file.equipment_sha256 != equipment_hash(plant.stated()) {
        return Err(wrong(format!(
            "it was learned from journals of a plant with other batteries, CHPs or boiler (site {:?}): learn again from journals \
             of this one",
            file.site
        )));
    }
    let believed = plant.believing(&file.learned()).map_err(|problems| {
        let all: Vec<String> =
            problems.iter().map(|problem| format!("{}: expected {}", problem.path(), problem.expected)).collect();
        wrong(all.join("; "))
    })?;
    Ok((believed, file))
}

/// SHA-256 of what learned numbers belong to: batteries, CHPs, boiler and the length of a step as a site file states them. Prices,
/// limits of the connection and margins of meters may change without the equipment becoming another.
#[must_use]
pub fn equipment_hash(stated: &PlantParameters) -> String {
    let PlantParameters { step_h, battery, chp, boiler, .. } = stated;
    // Only finite numbers are in a validated plant: JSON can hold them all.
    let json = serde_json::to_vec(&(step_h, battery, chp, boiler)).unwrap_or_default();
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Local time to the minute.
fn local(ms: i64) -> String {
    let time = LocalTime { minute: ms.div_euclid(60_000), offset_min: 0 }.to_string();
    time.get(..16).unwrap_or(&time).to_owned()
}
