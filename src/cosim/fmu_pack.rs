//! Packing FMUs: model description, binary and resources into one file.
//!
//! Deterministic: the same inputs give the same bytes (fixed time stamps, fixed order), so that an FMU can be told by its
//! hash. The binary is a library of this project, built beside the gateway; it is not built here.

use super::error::CosimError;
use super::platform;
use memg_core::equipment::PlantParameters;
use memg_core::profile::{COLUMNS, Profile, ProfileRow};
use memg_core::synthetic;
use memg_fmu::describe::{Fmi, model_description};
use memg_fmu::ems::packed_policy;
use memg_fmu::model::Kind;
use memg_policy::model::{Manifest, ModelFolder, SAFETENSORS};
use memg_policy::plan_folder::COEFFICIENTS;
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
    /// Model folder; its weights travel along and decide by default. Without it the rule decides.
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
    let network = options.model.as_deref().map(Network::load).transpose()?;
    let library = find_library(options.library.as_deref())?;
    let binary = std::fs::read(&library).map_err(|error| CosimError::file(&library, &error))?;
    std::fs::create_dir_all(&options.out).map_err(|error| CosimError::file(&options.out, &error))?;
    let mut files = Vec::new();
    for kind in &options.kinds {
        for fmi in &options.versions {
            let path = options.out.join(file_name(*kind, *fmi));
            let archive = archive(options, *kind, *fmi, &binary, network.as_ref())?;
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

/// The weights' file of a model folder that has proved itself (hashes, schema, shapes, golden outputs), and the policy
/// with the tariffs and divisors that it was trained with, as [`UnitOptions::policy`](super::UnitOptions) takes it.
///
/// # Errors
/// The folder, and which file or key of it is wrong.
pub fn checked_weights(folder: &Path) -> Result<(PathBuf, String), CosimError> {
    let model = Network::load(folder)?;
    Ok((folder.join(SAFETENSORS), model.policy(&folder.join(COEFFICIENTS).display().to_string())))
}

/// What of a whole model folder, hashes and golden outputs checked, a controller needs.
struct Network {
    manifest: Manifest,
    weights: Vec<u8>,
    /// The forecaster's file, if it has one.
    coefficients: Option<Vec<u8>>,
}

impl Network {
    fn load(folder: &Path) -> Result<Self, CosimError> {
        let model = ModelFolder::load(folder).map_err(|error| CosimError::file(folder, &error))?;
        let bytes = |file| model.bytes(file).map(<[u8]>::to_vec).map_err(|error| CosimError::file(folder, &error));
        let coefficients = model.manifest().forecaster.is_some().then(|| bytes(COEFFICIENTS)).transpose()?;
        Ok(Self { weights: bytes(SAFETENSORS)?, coefficients, manifest: model.manifest().clone() })
    }

    /// The policy as it is packed, with the name of the forecaster's file.
    fn policy(&self, coefficients: &str) -> String {
        let file = if self.coefficients.is_some() { coefficients } else { "" };
        packed_policy("td3", self.manifest.tariff.as_ref(), self.manifest.divisors(), file)
    }
}

fn archive(
    options: &BuildOptions,
    kind: Kind,
    fmi: Fmi,
    binary: &[u8],
    network: Option<&Network>,
) -> Result<Vec<u8>, CosimError> {
    let policy = network.map_or_else(|| "rule".to_owned(), |network| network.policy(COEFFICIENTS));
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
                (SAFETENSORS, network.map(|n| &n.weights)),
                (COEFFICIENTS, network.and_then(|n| n.coefficients.as_ref())),
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
