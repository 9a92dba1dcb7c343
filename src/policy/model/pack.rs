//! A model folder around an ONNX file that somebody else made.
//!
//! Whoever trains elsewhere has an actor.onnx and nothing else. What a gateway wants beside it is made here: the outputs
//! for the golden inputs, hashes, and the manifest. The graph is run before anything is written: one that wants other files,
//! has other shapes than the schema, or answers anything but finite numbers in [-1, 1] is refused.

use super::folder_write::{FolderFile, ModelRecord, hashes, replace_folder};
use super::manifest::{FORMAT, Manifest, SchemaVersion, Shapes};
use super::{FILE_BYTES_MAX, GOLDEN, Golden, MANIFEST, ModelError, ModelFolder, ONNX};
use crate::ACTION_MAP;
use crate::onnx::SCHEMA_KEY;
use crate::onnx_dense::dense_layers;
use crate::onnx_scan;
use crate::spec::Runtime;
use crate::weights::{ACTIONS, Weights, WeightsError};
use memg_core::observation::Schema;
use memg_core::policy::Actor;
use std::path::Path;

/// How far an output may lie outside [-1, 1]: what float32 rounds.
const OUTSIDE_MAX: f32 = 1e-6;

/// Writes a model folder for the bytes of an ONNX file, in one move as [`super::write_model`] does. Where the graph is the
/// gateway's own kind of network (three dense layers, ReLU between, tanh at the end), its weights are written too, and every
/// runtime runs it; any other graph needs ONNX Runtime, here and at the plant.
///
/// # Errors
/// The graph is refused, ONNX Runtime is not there for one that needs it, or the disk's; `dir` is then unchanged.
pub fn pack_onnx(dir: &Path, bytes: &[u8], schema: Schema, record: &ModelRecord) -> Result<(), ModelError> {
    let version = inspect(bytes, schema)?;
    let weights = dense_weights(bytes, schema)?;
    let golden = match &weights {
        Some(weights) => Golden::exact(weights),
        None => Golden::record(&mut foreign(bytes, schema, record)?).map_err(|e| refuse(e.to_string()))?,
    };
    check_outputs(&golden)?;
    let files = contents(bytes, schema, version, record, (weights.as_ref(), &golden))?;
    replace_folder(dir, &files, |written| {
        let folder = ModelFolder::load(written)?;
        // The file itself has the last word, where it can be run; without weights it must be.
        match folder.actor(Runtime::Ort) {
            Err(ModelError::Runtime { .. }) if weights.is_some() => Ok(()),
            other => other.map(drop),
        }
    })
}

fn refuse(reason: String) -> ModelError {
    ModelError::Onnx { reason }
}

/// What can be said without running it; the version of the schema that it is packed as.
fn inspect(bytes: &[u8], schema: Schema) -> Result<SchemaVersion, ModelError> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refuse(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    let facts = onnx_scan::scan(bytes).map_err(|e| refuse(format!("expected an ONNX model: {e}")))?;
    if let Some(tensor) = facts.external {
        return Err(refuse(format!(
            "tensor {tensor:?} lies in another file; save the model with all data inside \
             (onnx.save(model, path, save_as_external_data=False))"
        )));
    }
    match facts.metadata(SCHEMA_KEY) {
        None => Ok(SchemaVersion::with_divisors(schema)),
        Some(name) if name == schema.name_with_divisors() => Ok(SchemaVersion::with_divisors(schema)),
        Some(name) if name == schema.name() => Ok(SchemaVersion::without_divisors(schema)),
        Some(name) => Err(refuse(format!(
            "its metadata name the schema {name:?}; expected {} or none",
            schema.name_with_divisors()
        ))),
    }
}

/// The weights of a graph of the gateway's own kind; none of one that ONNX Runtime has to run.
fn dense_weights(bytes: &[u8], schema: Schema) -> Result<Option<Weights>, ModelError> {
    let Some(layers) = dense_layers(bytes) else { return Ok(None) };
    let [first, _, last] = &layers;
    for (what, found, expected) in [("input", first.inputs, schema.len()), ("output", last.outputs, ACTIONS)] {
        if found != expected {
            let schema = schema.name_with_divisors();
            return Err(refuse(format!("{what}: schema {schema} expects [batch, {expected}], found [batch, {found}]")));
        }
    }
    match Weights::new(schema, layers) {
        Ok(weights) => Ok(Some(weights)),
        Err(WeightsError::Shape { .. }) => Ok(None),
        Err(other) => Err(refuse(other.to_string())),
    }
}

/// The graph in ONNX Runtime.
#[cfg(feature = "ort")]
fn foreign(bytes: &[u8], schema: Schema, record: &ModelRecord) -> Result<impl Actor, ModelError> {
    use crate::ort_actor::{OrtActor, OrtError};
    OrtActor::new(&record.name, schema, bytes).map_err(|error| match error {
        OrtError::Library(missing) => ModelError::Runtime { runtime: Runtime::Ort.name(), reason: missing.to_string() },
        OrtError::Graph(reason) => refuse(format!("ONNX Runtime refuses the graph: {reason}")),
        shape @ OrtError::Shape { .. } => refuse(format!("{shape}; schema {}", schema.name_with_divisors())),
    })
}

#[cfg(not(feature = "ort"))]
fn foreign(_: &[u8], _: Schema, _: &ModelRecord) -> Result<Box<dyn Actor>, ModelError> {
    Err(super::not_built_in(Runtime::Ort))
}

/// An action is finite and lies in [-1, 1], whatever is seen.
fn check_outputs(golden: &Golden) -> Result<(), ModelError> {
    let fine = |output: &f32| output.is_finite() && output.abs() <= 1.0 + OUTSIDE_MAX;
    match golden.rows().iter().position(|(_, action)| !action.0.iter().all(fine)) {
        None => Ok(()),
        Some(row) => {
            let found = golden.rows().get(row).map(|(_, action)| action.0).unwrap_or_default();
            Err(refuse(format!(
                "golden input {row}: expected {ACTIONS} finite numbers in [-1, 1], computed {found:?} (is there a Tanh at its \
                 end?)"
            )))
        }
    }
}

/// All files, model.toml last.
fn contents(
    bytes: &[u8],
    schema: Schema,
    version: SchemaVersion,
    record: &ModelRecord,
    (weights, golden): (Option<&Weights>, &Golden),
) -> Result<Vec<FolderFile>, ModelError> {
    let mut files: Vec<FolderFile> = vec![(ONNX, bytes.to_vec()), (GOLDEN, golden.to_csv(schema).into_bytes())];
    if let Some(weights) = weights {
        files.push((super::SAFETENSORS, weights.to_safetensors()?));
    }
    let manifest = Manifest {
        format: FORMAT,
        name: record.name.clone(),
        schema: version,
        action_map: ACTION_MAP.to_owned(),
        plant_hash: record.plant_hash.clone(),
        shapes: Shapes {
            input: schema.len(),
            hidden: weights.map_or_else(Vec::new, |weights| vec![weights.hidden(); 2]),
            output: ACTIONS,
        },
        divisors: (version == SchemaVersion::with_divisors(schema)).then_some(record.divisors),
        // A network made elsewhere that sees forecasts sees those of persistence, or what others say.
        forecaster: None,
        tariff: record.tariff,
        training: record.training.clone(),
        evaluation: record.evaluation.clone(),
        sha256: hashes(&files),
    };
    let text = toml::to_string(&manifest).map_err(|e| ModelError::Manifest { reason: e.to_string() })?;
    files.push((MANIFEST, text.into_bytes()));
    Ok(files)
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
