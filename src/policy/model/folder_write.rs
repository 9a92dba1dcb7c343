//! Writes a model folder in one move: a reader sees the old model or the new one, never half of one.

use super::manifest::{
    EvaluationRow, FORMAT, ForecasterRecord, Manifest, SchemaVersion, Shapes, TrainingRecord, sha256_hex,
};
use super::{GOLDEN, Golden, MANIFEST, ModelError, ModelFolder, ONNX, SAFETENSORS, file_error};
use crate::ACTION_MAP;
use crate::onnx::to_onnx;
use crate::plan_folder::{COEFFICIENTS, coefficients_file};
use crate::weights::{ACTIONS, Weights};
use memg_core::forecast::{REGRESSORS_NAME, Ridge};
use memg_core::guard::TariffRange;
use memg_core::observation::Divisors;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a model's maker knows and its weights do not say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelRecord {
    /// Short name, as in journals and tables.
    pub name: String,
    /// Hash of the plant's parameters, see [`super::plant_hash`].
    pub plant_hash: String,
    /// What its inputs are divided by.
    pub divisors: Divisors,
    /// What it sees the hours ahead through, if it does.
    pub forecaster: Option<Ridge>,
    /// Tariffs that it was trained for, if it cannot see them all.
    pub tariff: Option<TariffRange>,
    /// How it was made.
    pub training: TrainingRecord,
    /// What it was worth.
    pub evaluation: Vec<EvaluationRow>,
}

/// Writes actor.safetensors, actor.onnx, golden.csv and model.toml into `<dir>.tmp`, loads that again with all checks, and
/// moves it to `dir`. A folder that is already there is first moved to `<dir>.old` and removed last: after a power cut
/// between the two moves the old model is found there.
///
/// # Errors
/// The disk's, or the written model does not load; `dir` is then unchanged.
pub fn write_model(dir: &Path, weights: &Weights, record: &ModelRecord) -> Result<(), ModelError> {
    replace_folder(dir, &contents(weights, record)?, |written| ModelFolder::load(written).map(drop))
}

/// A file of a folder by its name.
pub(crate) type FolderFile = (&'static str, Vec<u8>);

/// Writes files as [`write_model`] does, `check` being what the written folder has to stand.
pub(crate) fn replace_folder(
    dir: &Path,
    files: &[FolderFile],
    check: impl Fn(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let temporary = beside(dir, ".tmp");
    remove_if_there(&temporary)?;
    fs::create_dir_all(&temporary).map_err(|e| file_error(&temporary, &e))?;
    for (file, bytes) in files {
        write_synced(&temporary.join(file), bytes)?;
    }
    check(&temporary)?;
    exchange(&temporary, dir)
}

/// SHA-256 of files by their name, as model.toml has them.
pub(crate) fn hashes(files: &[FolderFile]) -> BTreeMap<String, String> {
    files.iter().map(|(file, bytes)| ((*file).to_owned(), sha256_hex(bytes))).collect()
}

/// All files, model.toml last.
fn contents(weights: &Weights, record: &ModelRecord) -> Result<Vec<FolderFile>, ModelError> {
    let safetensors = weights.to_safetensors()?;
    let golden = Golden::exact(weights).to_csv(weights.schema()).into_bytes();
    let mut files = vec![(SAFETENSORS, safetensors), (ONNX, to_onnx(weights)), (GOLDEN, golden)];
    if let Some(ridge) = &record.forecaster {
        files.push((COEFFICIENTS, coefficients_file(ridge.coefficients())?));
    }
    let manifest = manifest(weights, record, &files);
    let text = toml::to_string(&manifest).map_err(|e| ModelError::Manifest { reason: e.to_string() })?;
    files.push((MANIFEST, text.into_bytes()));
    Ok(files)
}

fn manifest(weights: &Weights, record: &ModelRecord, files: &[FolderFile]) -> Manifest {
    Manifest {
        format: FORMAT,
        name: record.name.clone(),
        schema: SchemaVersion::with_divisors(weights.schema()),
        action_map: ACTION_MAP.to_owned(),
        plant_hash: record.plant_hash.clone(),
        shapes: Shapes { input: weights.schema().len(), hidden: vec![weights.hidden(); 2], output: ACTIONS },
        divisors: Some(record.divisors),
        forecaster: record
            .forecaster
            .as_ref()
            .map(|ridge| ForecasterRecord { step_ms: ridge.step_ms(), regressors: REGRESSORS_NAME.to_owned() }),
        tariff: record.tariff,
        training: record.training.clone(),
        evaluation: record.evaluation.clone(),
        sha256: hashes(files),
    }
}

/// `models/x` and `models/x/` both give `models/x<suffix>`.
fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = dir.components().as_path().as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> Result<(), ModelError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(file_error(path, &e)),
        _ => Ok(()),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let write = || {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e: std::io::Error| file_error(path, &e))
}

fn exchange(new: &Path, dir: &Path) -> Result<(), ModelError> {
    let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| file_error(to, &e));
    let old = beside(dir, ".old");
    if !dir.exists() {
        return rename(new, dir);
    }
    remove_if_there(&old)?;
    rename(dir, &old)?;
    if let Err(error) = rename(new, dir) {
        rename(&old, dir)?;
        return Err(error);
    }
    remove_if_there(&old)
}
