//! model.toml: what a model is, where it comes from, and the hashes of its files.

use super::ModelError;
use crate::ACTION_MAP;
use crate::plan_folder::COEFFICIENTS;
use crate::weights::ACTIONS;
use memg_core::equipment::{Margins, Plant, PlantParameters};
use memg_core::forecast::REGRESSORS_NAME;
use memg_core::guard::TariffRange;
use memg_core::observation::{Divisors, Schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Version of the folder's format.
pub const FORMAT: u32 = 1;

/// The contents of model.toml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Short name, as in journals and tables.
    pub name: String,
    /// What the network sees.
    pub schema: SchemaVersion,
    /// What its outputs mean.
    pub action_map: String,
    /// Hash of the plant's parameters in training, see [`plant_hash`].
    pub plant_hash: String,
    /// Widths of the layers.
    pub shapes: Shapes,
    /// What powers and prices are divided by before the network sees them; recorded from version 2 of the schemas on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divisors: Option<Divisors>,
    /// What a network that sees forecasts sees the hours ahead through; without it persistence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecaster: Option<ForecasterRecord>,
    /// Tariffs that it was trained for; elsewhere the good rule decides. Without it the network always decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<TariffRange>,
    /// How it was made.
    pub training: TrainingRecord,
    /// What it was worth, beside its baselines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluation: Vec<EvaluationRow>,
    /// SHA-256 of every file, hex, by file name.
    pub sha256: BTreeMap<String, String>,
}

/// What a model folder holds; the key `kind` of model.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A network; its model.toml has no such key.
    Actor,
    /// A planner's forecaster.
    Planner,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Actor => "nothing (a network)",
            Self::Planner => "\"planner\"",
        }
    }

    /// What the text of a model.toml says.
    ///
    /// # Errors
    /// It is not TOML, or names a kind that nobody here knows.
    pub fn of(text: &str) -> Result<Self, ModelError> {
        match table(text)?.get("kind") {
            None => Ok(Self::Actor),
            Some(toml::Value::String(kind)) if kind == "planner" => Ok(Self::Planner),
            Some(other) => Err(wrong_key("kind", "nothing (a network) or \"planner\"", &other.to_string())),
        }
    }
}

fn manifest_error(error: &dyn ToString) -> ModelError {
    ModelError::Manifest { reason: error.to_string() }
}

fn table(text: &str) -> Result<toml::Table, ModelError> {
    text.parse().map_err(|e: toml::de::Error| manifest_error(&e))
}

/// Parses a model.toml that has to be of this format and kind: other keys than theirs say less.
pub(crate) fn parse_of_kind<T: serde::de::DeserializeOwned>(text: &str, kind: Kind) -> Result<T, ModelError> {
    let format = table(text)?.get("format").map_or_else(|| "nothing".to_owned(), ToString::to_string);
    check_key("format", &FORMAT.to_string(), &format)?;
    check_key("kind", kind.name(), Kind::of(text)?.name())?;
    toml::from_str(text).map_err(|e| manifest_error(&e))
}

/// Refuses names that lead out of the folder, and what is no hash.
pub(crate) fn check_hashes(sha256: &BTreeMap<String, String>) -> Result<(), ModelError> {
    for (file, hash) in sha256 {
        let plain = !file.is_empty() && !file.contains(['/', '\\']) && !file.starts_with('.');
        if !plain || hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong_key(&format!("sha256.{file:?}"), "a plain file name and 64 hex digits", hash));
        }
    }
    Ok(())
}

/// The forecaster that a network was trained with; its coefficients are a file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecasterRecord {
    /// Length of the steps that coefficients belong to, ms.
    pub step_ms: i64,
    /// What they are multiplied with, see [`memg_core::forecast::Regressors`].
    pub regressors: String,
}

/// A schema with its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaVersion {
    /// Ten numbers over the reference plant's divisors.
    #[serde(rename = "memg-10d/1")]
    TenD1,
    /// Ten numbers over recorded divisors.
    #[serde(rename = "memg-10d/2")]
    TenD2,
    /// The extended list over the reference plant's divisors.
    #[serde(rename = "memg-extended/1")]
    Extended1,
    /// The extended list over recorded divisors.
    #[serde(rename = "memg-extended/2")]
    Extended2,
    /// The list with forecasts over recorded divisors.
    #[serde(rename = "memg-forecast/1")]
    Forecast1,
}

impl SchemaVersion {
    /// The version of models that record their divisors.
    #[must_use]
    pub const fn with_divisors(schema: Schema) -> Self {
        match schema {
            Schema::TenD => Self::TenD2,
            Schema::Extended => Self::Extended2,
            Schema::Forecast => Self::Forecast1,
        }
    }

    /// The version of models over the reference plant's divisors, where the list was once published so.
    #[must_use]
    pub const fn without_divisors(schema: Schema) -> Self {
        match schema {
            Schema::TenD => Self::TenD1,
            Schema::Extended => Self::Extended1,
            Schema::Forecast => Self::Forecast1,
        }
    }

    /// The list of numbers.
    #[must_use]
    pub const fn list(self) -> Schema {
        match self {
            Self::TenD1 | Self::TenD2 => Schema::TenD,
            Self::Extended1 | Self::Extended2 => Schema::Extended,
            Self::Forecast1 => Schema::Forecast,
        }
    }

    /// Name and version.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TenD1 | Self::Extended1 => self.list().name(),
            Self::TenD2 | Self::Extended2 | Self::Forecast1 => self.list().name_with_divisors(),
        }
    }

    const fn records_divisors(self) -> bool {
        matches!(self, Self::TenD2 | Self::Extended2 | Self::Forecast1)
    }
}

/// Widths of the layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shapes {
    /// Numbers in.
    pub input: usize,
    /// Widths between; empty if unknown (a foreign ONNX graph).
    pub hidden: Vec<usize>,
    /// Numbers out.
    pub output: usize,
}

/// How a model was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecord {
    /// In plain words, such as "imitation of the good rule".
    pub description: String,
    /// Algorithm, such as "behaviour cloning" or "TD3".
    pub algorithm: String,
    /// Data that it was trained on, with the days used.
    pub data: String,
    /// Seed of all random numbers; below 2^63.
    pub seed: u64,
    /// Environment steps (or states) that it saw.
    pub steps: u64,
    /// Gradient steps.
    pub updates: u64,
    /// The command that makes it again.
    pub command: String,
}

/// One line of the evaluation table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRow {
    /// Policy: the model itself or a baseline.
    pub policy: String,
    /// Data, with the days used.
    pub data: String,
    /// Days.
    pub days: usize,
    /// Mean cost of a day, EUR, corrected for stored energy.
    pub cost_eur_per_day: f64,
    /// Mean of the worst 5 % of daily costs, EUR.
    pub cvar95_eur_per_day: f64,
    /// Hard limits violated by what was written.
    pub violations: u64,
    /// CHP starts.
    pub chp_starts: u64,
}

impl Manifest {
    /// Parses and checks all that can be said without the other files.
    ///
    /// # Errors
    /// Names the key, what was expected and what was found.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let parsed: Self = parse_of_kind(text, Kind::Actor)?;
        parsed.check()?;
        Ok(parsed)
    }

    fn check(&self) -> Result<(), ModelError> {
        check_key("action_map", ACTION_MAP, &self.action_map)?;
        let divisors = match (&self.divisors, self.schema.records_divisors()) {
            (Some(divisors), true) if divisors.are_valid() => "given",
            (Some(_), true) => "a number that is negative or not finite",
            (Some(_), false) => "a table, which this version of the schema does not have",
            (None, true) => "nothing",
            (None, false) => "given",
        };
        check_key("divisors", "given", divisors)?;
        let foreseeing = self.schema.list() == Schema::Forecast && self.sha256.contains_key(COEFFICIENTS);
        if let Some(forecaster) = &self.forecaster {
            check_key("forecaster", "a model with forecasts and a file of coefficients", found_if(foreseeing))?;
            check_key("forecaster.regressors", REGRESSORS_NAME, &forecaster.regressors)?;
        }
        check_key("shapes.input", &self.schema.list().len().to_string(), &self.shapes.input.to_string())?;
        check_key("shapes.output", &ACTIONS.to_string(), &self.shapes.output.to_string())?;
        check_hashes(&self.sha256)
    }

    /// What the network's inputs are divided by.
    #[must_use]
    pub fn divisors(&self) -> Divisors {
        self.divisors.unwrap_or(Divisors::VERSION_1)
    }

    /// Whether the model was trained for a plant with these parameters, see [`plant_hash`]. If not, its requests are still safe (the
    /// filter sees to that) but their worth is unknown.
    #[must_use]
    pub fn is_for(&self, plant: &Plant) -> bool {
        self.plant_hash == plant_hash(plant)
    }
}

/// What a check of [`check_key`] has found, in words.
const fn found_if(holds: bool) -> &'static str {
    if holds { "a model with forecasts and a file of coefficients" } else { "another schema, or no such file" }
}

/// SHA-256 of the plant's parameters as JSON, hex; without the margins of meters and the prices that stand in for lost ones,
/// which belong to live control and have no part in training and evaluation.
#[must_use]
pub fn plant_hash(plant: &Plant) -> String {
    let mut trained = PlantParameters { margins: Margins::NONE, ..*plant.parameters() };
    (trained.costs.fixed_import_eur_per_kwh, trained.costs.fixed_export_eur_per_kwh) = (None, None);
    // Only finite numbers are in a validated plant: JSON can hold them all.
    let json = serde_json::to_vec(&trained).unwrap_or_default();
    sha256_hex(&json)
}

/// SHA-256, hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error unless the two texts are the same.
pub(crate) fn check_key(key: &str, expected: &str, found: &str) -> Result<(), ModelError> {
    if expected == found { Ok(()) } else { Err(wrong_key(key, expected, found)) }
}

pub(crate) fn wrong_key(key: &str, expected: &str, found: &str) -> ModelError {
    ModelError::Key { key: key.to_owned(), expected: expected.to_owned(), found: found.to_owned() }
}
