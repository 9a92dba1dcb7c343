//! A planner's folder: the coefficients of its forecaster, and what they are worth.
//!
//! | file | holds |
//! |---|---|
//! | model.toml | [`PlanManifest`]: kind `planner`, step length, quantities, forecast errors, SHA-256 of the other file |
//! | forecast.safetensors | a tensor for each quantity, see [`Coefficients::from_safetensors`] |
//!
//! Coefficients belong to a step length and to quantities, not to a plant's limits: forecasts grow with what is measured.

use super::model::{
    FORMAT, FolderFile, Kind, MANIFEST, ModelError, check_hashes, check_key, hashes, parse_of_kind, read_hashed,
    read_manifest, replace_folder, wrong_key,
};
use super::weights::little_endian;
use memg_core::actor::WeightsError;
use memg_core::equipment::Plant;
use memg_core::forecast::{Coefficients, FITTED, REGRESSORS, REGRESSORS_NAME, Ridge};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The coefficients' file name.
pub const COEFFICIENTS: &str = "forecast.safetensors";

/// The contents of a planner's model.toml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanManifest {
    /// Version of this format.
    pub format: u32,
    /// `planner`.
    pub kind: String,
    /// Short name, as in journals and tables.
    pub name: String,
    /// Length of the steps that coefficients belong to, ms.
    pub step_ms: i64,
    /// Steps ahead that are fitted.
    pub steps: usize,
    /// What they are multiplied with, see [`memg_core::forecast::Regressors`].
    pub regressors: String,
    /// What is forecast, in the order of [`FITTED`].
    pub quantities: Vec<String>,
    /// How it was made.
    pub fit: FitRecord,
    /// What forecasts are worth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecast_error: Vec<ForecastError>,
    /// SHA-256 of every file, hex, by file name.
    pub sha256: BTreeMap<String, String>,
}

/// How a forecaster was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitRecord {
    /// Data that it was fitted to, with the days used.
    pub data: String,
    /// Steps of the present that it saw.
    pub rows: u64,
    /// The command that makes it again.
    pub command: String,
}

/// Mean absolute errors of one forecaster and quantity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastError {
    /// The forecaster.
    pub forecaster: String,
    /// Data, with the days that were forecast.
    pub data: String,
    /// What was forecast.
    pub quantity: String,
    /// Forecasts compared.
    pub forecasts: u64,
    /// One hour ahead, in the quantity's unit.
    pub mae_1h: f64,
    /// 24 hours ahead, in the quantity's unit.
    pub mae_24h: f64,
}

impl PlanManifest {
    /// Parses and checks all that can be said without the other file.
    ///
    /// # Errors
    /// Names the key, what was expected and what was found.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let parsed: Self = parse_of_kind(text, Kind::Planner)?;
        check_key("regressors", REGRESSORS_NAME, &parsed.regressors)?;
        check_key("quantities", &FITTED.map(|quantity| quantity.name()).join(", "), &parsed.quantities.join(", "))?;
        if parsed.step_ms < 1 {
            return Err(wrong_key("step_ms", "at least 1", &parsed.step_ms.to_string()));
        }
        check_hashes(&parsed.sha256)?;
        Ok(parsed)
    }
}

/// A planner's folder whose files are whole.
#[derive(Debug, Clone)]
pub struct PlanFolder {
    manifest: PlanManifest,
    coefficients: Coefficients,
}

impl PlanFolder {
    /// Reads and checks a folder.
    ///
    /// # Errors
    /// Names file and key with what was expected and found.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        Self::of(dir, &read_manifest(dir)?)
    }

    /// The folder that this text of a model.toml belongs to.
    pub(crate) fn of(dir: &Path, manifest: &str) -> Result<Self, ModelError> {
        let manifest = PlanManifest::parse(manifest)?;
        let hash = manifest.sha256.get(COEFFICIENTS);
        let hash = hash.ok_or_else(|| wrong_key(&format!("sha256.{COEFFICIENTS:?}"), "a hash", "nothing"))?;
        let bytes = read_hashed(dir, COEFFICIENTS, hash)?;
        let coefficients = Coefficients::from_safetensors(&bytes).map_err(ModelError::Coefficients)?;
        let fitted = format!("{} as in {COEFFICIENTS}", coefficients.leads());
        if coefficients.leads() != manifest.steps {
            return Err(wrong_key("steps", &fitted, &manifest.steps.to_string()));
        }
        Ok(Self { manifest, coefficients })
    }

    /// What model.toml says.
    #[must_use]
    pub const fn manifest(&self) -> &PlanManifest {
        &self.manifest
    }

    /// The forecaster for a plant.
    ///
    /// # Errors
    /// The plant's steps have another length than those that were fitted.
    pub fn forecaster(self, plant: &Plant) -> Result<Ridge, ModelError> {
        let (own, fitted) = (plant.step_ms(), self.manifest.step_ms);
        if own != fitted {
            return Err(wrong_key("step_ms", &format!("{own} as the plant's"), &fitted.to_string()));
        }
        Ok(self.ridge())
    }

    /// The forecaster, whatever the plant; [`memg_core::forecast::Forecaster::suits`] tells one for another.
    #[must_use]
    pub fn ridge(self) -> Ridge {
        Ridge::new(self.coefficients, self.manifest.step_ms)
    }
}

/// The forecaster of a planner's folder for a plant.
///
/// # Errors
/// The folder is damaged, is none of a planner, or is for steps of another length.
pub fn load_forecaster(dir: &Path, plant: &Plant) -> Result<Ridge, ModelError> {
    PlanFolder::load(dir)?.forecaster(plant)
}

/// What a forecaster's maker knows and its coefficients do not say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanRecord {
    /// Short name, as in journals and tables.
    pub name: String,
    /// Length of a step, ms.
    pub step_ms: i64,
    /// How it was made.
    pub fit: FitRecord,
    /// What its forecasts are worth.
    pub forecast_error: Vec<ForecastError>,
}

/// Writes a planner's folder in one move, as [`super::model::write_model`] does.
///
/// # Errors
/// The disk's, or the written folder does not load; `dir` is then unchanged.
pub fn write_plan(dir: &Path, coefficients: &Coefficients, record: &PlanRecord) -> Result<(), ModelError> {
    let mut files: Vec<FolderFile> = vec![(COEFFICIENTS, coefficients_file(coefficients)?)];
    let manifest = PlanManifest {
        format: FORMAT,
        kind: "planner".to_owned(),
        name: record.name.clone(),
        step_ms: record.step_ms,
        steps: coefficients.leads(),
        regressors: REGRESSORS_NAME.to_owned(),
        quantities: FITTED.map(|quantity| quantity.name().to_owned()).into(),
        fit: record.fit.clone(),
        forecast_error: record.forecast_error.clone(),
        sha256: hashes(&files),
    };
    let text = toml::to_string(&manifest).map_err(|e| ModelError::Manifest { reason: e.to_string() })?;
    files.push((MANIFEST, text.into_bytes()));
    replace_folder(dir, &files, |written| PlanFolder::load(written).map(drop))
}

/// The bytes of the coefficients' file; the same coefficients give the same bytes.
pub(crate) fn coefficients_file(coefficients: &Coefficients) -> Result<Vec<u8>, ModelError> {
    let format = |e: safetensors::SafeTensorError| ModelError::Coefficients(WeightsError::Format(e.to_string()));
    let bytes = FITTED.map(|quantity| little_endian(coefficients.of(quantity).as_flattened()));
    let mut views = Vec::new();
    for (quantity, bytes) in FITTED.into_iter().zip(&bytes) {
        let shape = vec![coefficients.leads(), REGRESSORS];
        views.push((quantity.name(), TensorView::new(Dtype::F32, shape, bytes).map_err(format)?));
    }
    safetensors::serialize(views, None).map_err(format)
}

#[cfg(test)]
#[path = "plan_folder_tests.rs"]
mod tests;
