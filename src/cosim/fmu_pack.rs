//! Packing FMUs: model description, binary and resources into one file.
//!
//! Deterministic: the same inputs give the same bytes (fixed time stamps, fixed order), so that an FMU can be told by its
//! hash. The binary is a library of this project, built beside the gateway; it is not built here.

use super::error::CosimError;
use super::platform;
use memg_core::equipment::PlantParameters;
use memg_core::guard::TariffRange;
use memg_core::observation::Divisors;
use memg_core::profile::{COLUMNS, Profile, ProfileRow};
use memg_core::synthetic;
use memg_fmu::describe::{Fmi, model_description};
use memg_fmu::ems::{packed_planner, packed_policy};
use memg_fmu::model::Kind;
use memg_policy::model::{ModelError, ModelFolder, SAFETENSORS};
use memg_policy::plan_folder::{COEFFICIENTS, PlanFolder};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What to pack.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Controller, plant or both.
    pub kinds: Vec<Kind>,
    /// FMI 2.0, 3.0 or both; one file each.
    pub versions: Vec<Fmi>,
    /// Ratings and limits of the site: the start values of the parameters.
    pub plant: PlantParameters,
    /// Model folder, a network's or a planner's; it travels along and decides by default. Without it the rule decides.
    pub model: Option<PathBuf>,
    /// Profile of the plant FMU; synthetic days if absent.
    pub profile: Option<Profile>,
    /// The FMU binary; looked for beside the gateway if absent.
    pub library: Option<PathBuf>,
    /// Folder for the files; made if absent.
    pub out: PathBuf,
}

/// Days of the synthetic profile, seeded: enough for a demonstration, small in the file.
const SYNTHETIC_DAYS: u32 = 14;
const SYNTHETIC_SEED: u64 = 7;

/// Packs every wanted model and version; returns the files.
///
/// # Errors
/// The file that cannot be read or written, or the model that is not whole.
pub fn fmu_build(options: &BuildOptions) -> Result<Vec<PathBuf>, CosimError> {
    let model = options.model.as_deref().map(PackedModel::load).transpose()?;
    if let (Some(folder), Some(fitted)) = (&options.model, model.as_ref().and_then(|model| model.step_ms)) {
        check_step(folder, fitted, &options.plant)?;
    }
    let library = find_library(options.library.as_deref())?;
    let binary = std::fs::read(&library).map_err(|error| CosimError::file(&library, &error))?;
    std::fs::create_dir_all(&options.out).map_err(|error| CosimError::file(&options.out, &error))?;
    let mut files = Vec::new();
    for kind in &options.kinds {
        for fmi in &options.versions {
            let path = options.out.join(file_name(*kind, *fmi));
            let archive = archive(options, *kind, *fmi, &binary, model.as_ref())?;
            std::fs::write(&path, archive).map_err(|error| CosimError::file(&path, &error))?;
            files.push(path);
        }
    }
    Ok(files)
}

/// For example `memg_ems_fmi3.fmu`.
#[must_use]
pub fn file_name(kind: Kind, fmi: Fmi) -> String {
    let version = match fmi {
        Fmi::Two => 2,
        Fmi::Three => 3,
    };
    format!("{}_fmi{version}.fmu", kind.identifier())
}

/// The weights of a model folder that has proved itself (hashes, schema, shapes, golden outputs), none of a planner, and the
/// policy with what else it was made with, its forecaster's file included, as [`UnitOptions::policy`](super::UnitOptions)
/// takes it.
///
/// # Errors
/// The folder, and which file or key of it is wrong.
pub fn checked_weights(folder: &Path) -> Result<(Option<PathBuf>, String), CosimError> {
    let model = PackedModel::load(folder)?;
    let weights = model.weights.is_some().then(|| folder.join(SAFETENSORS));
    Ok((weights, model.policy(&folder.join(COEFFICIENTS).display().to_string())))
}

/// What of a whole model folder, hashes and golden outputs checked, a controller needs.
struct PackedModel {
    /// A network's, with what it was trained with.
    weights: Option<(Vec<u8>, Option<TariffRange>, Divisors)>,
    /// Its forecaster's, if it has one, or a planner's.
    coefficients: Option<Vec<u8>>,
    /// Length of the forecaster's steps, ms.
    step_ms: Option<i64>,
}

impl PackedModel {
    fn load(folder: &Path) -> Result<Self, CosimError> {
        let wrong = |error: ModelError| CosimError::file(folder, &error);
        match memg_policy::model::kind(folder).map_err(wrong)? {
            memg_policy::model::Kind::Actor => {
                let model = ModelFolder::load(folder).map_err(wrong)?;
                let (bytes, manifest) = (|file| model.bytes(file).map(<[u8]>::to_vec).map_err(wrong), model.manifest());
                let coefficients = manifest.forecaster.is_some().then(|| bytes(COEFFICIENTS)).transpose()?;
                let step_ms = manifest.forecaster.as_ref().map(|forecaster| forecaster.step_ms);
                let weights = Some((bytes(SAFETENSORS)?, manifest.tariff, manifest.divisors()));
                Ok(Self { weights, coefficients, step_ms })
            }
            memg_policy::model::Kind::Planner => {
                let step_ms = Some(PlanFolder::load(folder).map_err(wrong)?.manifest().step_ms);
                let bytes = std::fs::read(folder.join(COEFFICIENTS));
                let coefficients = Some(bytes.map_err(|error| CosimError::file(folder, &error))?);
                Ok(Self { weights: None, coefficients, step_ms })
            }
        }
    }

    /// The policy as it is packed, with the name of the forecaster's file.
    fn policy(&self, coefficients: &str) -> String {
        let file = if self.coefficients.is_some() { coefficients } else { "" };
        match &self.weights {
            Some((_, tariff, divisors)) => packed_policy("td3", tariff.as_ref(), *divisors, file),
            None => packed_planner(file),
        }
    }
}

/// A forecaster belongs to a step length.
fn check_step(folder: &Path, fitted_ms: i64, plant: &PlantParameters) -> Result<(), CosimError> {
    let own_ms = (plant.step_h * 3.6e6).round() as i64;
    let words = || format!("model.toml: step_ms: expected {own_ms} as the plant's, found {fitted_ms}");
    if own_ms == fitted_ms { Ok(()) } else { Err(CosimError::file(folder, &words())) }
}

fn archive(
    options: &BuildOptions,
    kind: Kind,
    fmi: Fmi,
    binary: &[u8],
    model: Option<&PackedModel>,
) -> Result<Vec<u8>, CosimError> {
    let policy = model.map_or_else(|| "rule".to_owned(), |model| model.policy(COEFFICIENTS));
    let variables = kind.variables(&options.plant, &policy);
    let binary_name = format!("binaries/{}/{}", platform::folder(fmi), platform::library(kind.identifier()));
    let limits = serde_json::to_vec_pretty(&options.plant).map_err(|error| CosimError::file(&options.out, &error))?;
    let mut entries = BTreeMap::from([
        (binary_name, binary.to_vec()),
        ("modelDescription.xml".to_owned(), model_description(fmi, kind, &variables).into_bytes()),
        ("resources/limits.json".to_owned(), limits),
        ("resources/policy.txt".to_owned(), policy.as_bytes().to_vec()),
    ]);
    match kind {
        Kind::Ems => {
            let files = [
                (SAFETENSORS, model.and_then(|model| model.weights.as_ref()).map(|(bytes, ..)| bytes)),
                (COEFFICIENTS, model.and_then(|model| model.coefficients.as_ref())),
            ];
            let packed =
                files.into_iter().filter_map(|(name, bytes)| Some((format!("resources/{name}"), bytes?.clone())));
            entries.extend(packed);
        }
        Kind::Plant => {
            entries.insert("resources/profile.csv".to_owned(), profile_csv(options.profile.as_ref()).into_bytes());
        }
    }
    zipped(&entries).map_err(|error| CosimError::file(&options.out, &error))
}

fn profile_csv(profile: Option<&Profile>) -> String {
    let synthetic = || synthetic::profile(SYNTHETIC_DAYS, SYNTHETIC_SEED);
    let profile = profile.cloned().unwrap_or_else(synthetic);
    let rows = profile.rows().iter().map(ProfileRow::to_csv);
    let lines: Vec<String> = std::iter::once(COLUMNS.join(",")).chain(rows).collect();
    lines.join("\n") + "\n"
}

fn zipped(entries: &BTreeMap<String, Vec<u8>>) -> zip::result::ZipResult<Vec<u8>> {
    let mut out = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, bytes) in entries {
        out.start_file(name, options)?;
        out.write_all(bytes)?;
    }
    Ok(out.finish()?.into_inner())
}

/// The FMU binary: as named, or beside the gateway, or where cargo puts it relative to the gateway.
fn find_library(named: Option<&Path>) -> Result<PathBuf, CosimError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let name = format!("{}{}", std::env::consts::DLL_PREFIX, platform::library("memg_fmu"));
    let folders = library_folders();
    let found = folders.iter().map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        CosimError::NoLibrary { name, searched: searched.join(", ") }
    })
}

/// The profile `fmu` first: its binary is the small one.
fn library_folders() -> Vec<PathBuf> {
    let executable = std::env::current_exe().unwrap_or_default();
    let near: Vec<&Path> = executable.ancestors().skip(1).take(3).collect();
    let below = |name: &'static str| near.iter().map(move |folder| folder.join(name));
    let beside = near.iter().map(|folder| folder.to_path_buf());
    below("fmu").chain(beside).chain(below("release")).chain(below("lib")).collect()
}
