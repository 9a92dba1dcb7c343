//! A model on disk: a folder that has to prove itself before it may decide anything.
//!
//! | file | holds |
//! |---|---|
//! | model.toml | [`Manifest`]: schema, shapes, training record, evaluation, SHA-256 of the other files |
//! | actor.safetensors | weights, see [`Weights`] |
//! | actor.onnx | the same network for ONNX Runtime, see [`super::onnx`] |
//! | golden.csv | inputs and outputs, see [`Golden`] |
//! | forecast.safetensors | of an actor that sees forecasts: its forecaster, as in a planner's folder |
//!
//! Loading reads each file once, checks the hash of those very bytes, and parses only then: nearly every single-bit flip
//! in an ONNX file would load without complaint. One of the two actor files may be missing. The hashes find damage and
//! mix-ups; who can write the folder can write model.toml, which [`super::signature`] is for.

mod folder_write;
mod golden;
mod manifest;
mod pack;

pub(crate) use folder_write::{FolderFile, hashes, replace_folder};
pub use folder_write::{ModelRecord, write_model};
pub use golden::{Golden, TOLERANCE, inputs as golden_inputs};
pub use manifest::{
    EvaluationRow, FORMAT, ForecasterRecord, Kind, Manifest, SchemaVersion, Shapes, TrainingRecord, plant_hash,
    sha256_hex,
};
pub(crate) use manifest::{check_hashes, check_key, hex, parse_of_kind, wrong_key};
pub use pack::pack_onnx;

use super::onnx::SCHEMA_KEY;
use super::onnx_scan;
use super::plan_folder::COEFFICIENTS;
use super::spec::Runtime;
use super::weights::{Weights, WeightsError};
use memg_core::actor::RustActor;
use memg_core::forecast::{Coefficients, Ridge};
use memg_core::policy::{Actor, WithDivisors};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The manifest's file name.
pub const MANIFEST: &str = "model.toml";
/// Weights.
pub const SAFETENSORS: &str = "actor.safetensors";
/// The ONNX graph.
pub const ONNX: &str = "actor.onnx";
/// Golden inputs and outputs.
pub const GOLDEN: &str = "golden.csv";
/// Larger files are not read, bytes. An actor of 256 hidden units has 0.3 MB.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// Why a model was refused. Nothing has changed; the caller keeps what it has and raises an alarm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Path of the file or folder that cannot be read.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// model.toml is not TOML or lacks a key; the reason shows line and key.
    #[error("{MANIFEST}: {reason}")]
    Manifest {
        /// The parser's words.
        reason: String,
    },
    /// A key of model.toml has another value than it must have.
    #[error("{MANIFEST}: {key}: expected {expected}, found {found}")]
    Key {
        /// The key's path.
        key: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file is not the one that was written: damaged, or mixed up with another model's.
    #[error("{file}: expected SHA-256 {expected}, found {found}")]
    Hash {
        /// Name inside the model folder.
        file: String,
        /// As in model.toml.
        expected: String,
        /// Of the bytes on disk.
        found: String,
    },
    /// Nobody trusted has signed the folder as it is.
    #[error("{file}: {reason}", file = super::signature::SIGNATURE)]
    Signature {
        /// What is wrong, and whose signature it is.
        reason: String,
    },
    /// The weights do not fit.
    #[error("{SAFETENSORS}: {0}")]
    Weights(#[from] WeightsError),
    /// The forecaster's coefficients do not fit.
    #[error("{file}: {0}", file = super::plan_folder::COEFFICIENTS)]
    Coefficients(WeightsError),
    /// The ONNX file is refused.
    #[error("{ONNX}: {reason}")]
    Onnx {
        /// What is not as exported, with the node.
        reason: String,
    },
    /// golden.csv is not readable, or the runtime computes something else.
    #[error("{GOLDEN}: line {line}: {reason}")]
    Golden {
        /// Line in the file, the header is 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The runtime does not work here; the reason says what to do about it.
    #[error("runtime {runtime}: {reason}")]
    Runtime {
        /// Runtime that was asked for.
        runtime: &'static str,
        /// What is missing, and what to do about it.
        reason: String,
    },
    /// There is no rule of that name.
    #[error("there is no rule {name:?}")]
    NoSuchRule {
        /// What was asked for.
        name: String,
    },
}

/// A model whose files are whole and whose weights reproduce the golden outputs.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
    golden: Golden,
}

impl ModelFolder {
    /// Reads and checks a folder: hashes, then schema, shapes, finiteness, golden outputs of the weights, and that the
    /// ONNX graph has its data inside.
    ///
    /// # Errors
    /// Names file and key with what was expected and found.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        Self::of(dir, &read_manifest(dir)?)
    }

    /// The folder that this text of a model.toml belongs to.
    pub(crate) fn of(dir: &Path, manifest: &str) -> Result<Self, ModelError> {
        let manifest = Manifest::parse(manifest)?;
        let mut files = BTreeMap::new();
        for (file, expected) in &manifest.sha256 {
            files.insert(file.clone(), read_hashed(dir, file, expected)?);
        }
        let missing = |file: &str| ModelError::Key {
            key: format!("sha256.{file:?}"),
            expected: "a hash".to_owned(),
            found: "nothing".to_owned(),
        };
        if !files.contains_key(SAFETENSORS) && !files.contains_key(ONNX) {
            return Err(missing(SAFETENSORS));
        }
        let text = utf8(GOLDEN, files.get(GOLDEN).cloned().ok_or_else(|| missing(GOLDEN))?)?;
        let golden = Golden::parse(manifest.schema.list(), &text)?;
        let folder = Self { manifest, files, golden };
        folder.check_weights()?;
        folder.check_onnx()?;
        folder.forecaster()?;
        Ok(folder)
    }

    fn check_weights(&self) -> Result<(), ModelError> {
        if !self.files.contains_key(SAFETENSORS) {
            return Ok(());
        }
        let hidden = vec![self.weights()?.hidden(); 2];
        if hidden != self.manifest.shapes.hidden {
            let (expected, found) =
                (format!("{hidden:?} as in {SAFETENSORS}"), format!("{:?}", self.manifest.shapes.hidden));
            return Err(ModelError::Key { key: "shapes.hidden".to_owned(), expected, found });
        }
        self.golden.check(&mut self.rust_actor()?).map(|_| ())
    }

    fn check_onnx(&self) -> Result<(), ModelError> {
        let Some(bytes) = self.files.get(ONNX) else { return Ok(()) };
        let refuse = |reason: String| ModelError::Onnx { reason };
        let facts = onnx_scan::scan(bytes).map_err(|e| refuse(e.to_string()))?;
        if let Some(tensor) = facts.external {
            return Err(refuse(format!("tensor {tensor:?} lies in another file; all data must be inside")));
        }
        match facts.metadata(SCHEMA_KEY) {
            Some(found) if found != self.manifest.schema.name() => {
                Err(refuse(format!("metadata {SCHEMA_KEY}: expected {}, found {found}", self.manifest.schema.name())))
            }
            _ => Ok(()),
        }
    }

    /// What model.toml says.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Golden inputs and outputs.
    #[must_use]
    pub const fn golden(&self) -> &Golden {
        &self.golden
    }

    /// The bytes of a file that model.toml lists.
    ///
    /// # Errors
    /// It lists none of that name.
    pub fn bytes(&self, file: &str) -> Result<&[u8], ModelError> {
        let none = || ModelError::File { path: PathBuf::from(file), reason: "this model has no such file".to_owned() };
        self.files.get(file).map(Vec::as_slice).ok_or_else(none)
    }

    /// The weights.
    ///
    /// # Errors
    /// The model has none, or they do not fit the schema.
    pub fn weights(&self) -> Result<Weights, ModelError> {
        Ok(Weights::from_safetensors(self.manifest.schema.list(), self.bytes(SAFETENSORS)?)?)
    }

    /// The forecaster that the network was trained with; `None` if it sees none, or those of persistence.
    ///
    /// # Errors
    /// The coefficients do not fit.
    pub fn forecaster(&self) -> Result<Option<Ridge>, ModelError> {
        let Some(record) = &self.manifest.forecaster else { return Ok(None) };
        let coefficients = Coefficients::from_safetensors(self.bytes(COEFFICIENTS)?);
        let coefficients = coefficients.map_err(ModelError::Coefficients)?;
        // An FMU holds the coefficients alone, and has to come to the same length.
        let of_file = format!("{} as in {COEFFICIENTS}", coefficients.step_ms());
        if coefficients.step_ms() != record.step_ms {
            return Err(wrong_key("forecaster.step_ms", &of_file, &record.step_ms.to_string()));
        }
        Ok(Some(Ridge::new(coefficients, record.step_ms)))
    }

    fn rust_actor(&self) -> Result<RustActor, ModelError> {
        let bytes = self.bytes(SAFETENSORS)?;
        Ok(RustActor::from_safetensors(&self.manifest.name, self.manifest.schema.list(), bytes)?)
    }

    /// The network in a runtime, after it has reproduced the golden outputs.
    ///
    /// # Errors
    /// The runtime was not built in, does not work here, or computes something else.
    pub fn actor(&self, runtime: Runtime) -> Result<Box<dyn Actor>, ModelError> {
        let mut actor = self.unchecked_actor(runtime)?;
        self.golden.check(&mut actor)?;
        Ok(match self.manifest.divisors {
            Some(divisors) => Box::new(WithDivisors { actor, divisors }),
            None => actor,
        })
    }

    fn unchecked_actor(&self, runtime: Runtime) -> Result<Box<dyn Actor>, ModelError> {
        match runtime {
            #[cfg(feature = "candle")]
            Runtime::Candle => {
                let actor = super::candle_actor::CandleActor::new(&self.manifest.name, &self.weights()?);
                Ok(Box::new(actor.map_err(|e| runtime_error(runtime, &e))?))
            }
            #[cfg(feature = "ort")]
            Runtime::Ort => {
                let schema = self.manifest.schema.list();
                let actor = super::ort_actor::OrtActor::new(&self.manifest.name, schema, self.bytes(ONNX)?);
                Ok(Box::new(actor.map_err(|e| runtime_error(runtime, &e))?))
            }
            Runtime::Rust => Ok(Box::new(self.rust_actor()?)),
            #[cfg(not(feature = "candle"))]
            Runtime::Candle => Err(not_built_in(runtime)),
            #[cfg(not(feature = "ort"))]
            Runtime::Ort => Err(not_built_in(runtime)),
        }
    }
}

#[cfg(not(all(feature = "candle", feature = "ort")))]
fn not_built_in(runtime: Runtime) -> ModelError {
    let reason = format!("not in this binary; build it with --features {runtime}");
    ModelError::Runtime { runtime: runtime.name(), reason }
}

#[cfg(any(feature = "candle", feature = "ort"))]
fn runtime_error(runtime: Runtime, error: &dyn std::fmt::Display) -> ModelError {
    ModelError::Runtime { runtime: runtime.name(), reason: error.to_string() }
}

pub(crate) fn utf8(file: &str, bytes: Vec<u8>) -> Result<String, ModelError> {
    String::from_utf8(bytes).map_err(|e| file_error(Path::new(file), &e))
}

fn file_error(path: &Path, error: &dyn std::fmt::Display) -> ModelError {
    ModelError::File { path: path.to_owned(), reason: error.to_string() }
}

/// What a folder holds.
///
/// # Errors
/// Its model.toml cannot be read, or names a kind that nobody here knows.
pub fn kind(dir: &Path) -> Result<Kind, ModelError> {
    Kind::of(&read_manifest(dir)?)
}

/// The text of a folder's model.toml.
pub(crate) fn read_manifest(dir: &Path) -> Result<String, ModelError> {
    utf8(MANIFEST, read_file(dir, MANIFEST)?)
}

pub(crate) fn read_file(dir: &Path, file: &str) -> Result<Vec<u8>, ModelError> {
    let path = dir.join(file);
    let mut bytes = Vec::new();
    let opened = File::open(&path).map_err(|e| file_error(&path, &e))?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| file_error(&path, &e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(file_error(&path, &format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The bytes of a file, if they have that SHA-256.
pub(crate) fn read_hashed(dir: &Path, file: &str, expected: &str) -> Result<Vec<u8>, ModelError> {
    let bytes = read_file(dir, file)?;
    let found = sha256_hex(&bytes);
    if found.eq_ignore_ascii_case(expected) {
        Ok(bytes)
    } else {
        Err(ModelError::Hash { file: file.to_owned(), expected: expected.to_owned(), found })
    }
}

#[cfg(test)]
#[path = "model/tests.rs"]
mod tests;
