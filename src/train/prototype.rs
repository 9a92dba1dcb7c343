//! Import of the published prototype's checkpoint (`.pt`, a PyTorch pickle).

use super::TrainError;
use super::run::actor::{Tensors, weights};
use memg_core::equipment::Plant;
use memg_core::observation::Schema;
use memg_policy::model::{ModelRecord, TrainingRecord, plant_hash, write_model};
use std::path::Path;

/// Reads the actor of a `.pt` checkpoint and writes it as a model folder.
///
/// The tensors lie under the key `actor`; read without it, candle finds nothing and says nothing.
///
/// # Errors
/// The file is not such a checkpoint, or its shapes are not those of a 10-D actor.
pub fn import(checkpoint: &Path, model: &Path, plant: &Plant) -> Result<(), TrainError> {
    let wrong = |reason: String| TrainError::Checkpoint(format!("{}: {reason}", checkpoint.display()));
    let found = candle_core::pickle::read_all_with_key(checkpoint, Some("actor")).map_err(|e| wrong(e.to_string()))?;
    if found.is_empty() {
        return Err(wrong("no tensors under the key \"actor\"".to_owned()));
    }
    let mut tensors: Tensors = Vec::new();
    for (name, tensor) in found {
        let flat =
            tensor.flatten_all().and_then(|t| t.to_dtype(candle_core::DType::F32)).and_then(|t| t.to_vec1::<f32>());
        tensors.push((name, tensor.dims().to_vec(), flat.map_err(|e| wrong(e.to_string()))?));
    }
    let training = TrainingRecord {
        description: "imported from the prototype; trained elsewhere".to_owned(),
        algorithm: "TD3".to_owned(),
        data: "unknown".to_owned(),
        ..TrainingRecord::default()
    };
    let name = model.file_name().map_or_else(|| "prototype".to_owned(), |n| n.to_string_lossy().into_owned());
    let record = ModelRecord { name, plant_hash: plant_hash(plant), training, ..ModelRecord::default() };
    Ok(write_model(model, &weights(Schema::TenD, &tensors)?, &record)?)
}
