//! Brings in the actor of a PyTorch checkpoint (`.pt`), such as the prototype published.
//!
//! Accepted: a dictionary with a `state_dict` under "actor", or the `state_dict` itself; layers named as in the TD3
//! reference (`l1`, `l2`, `l3`) or as a `Sequential` (`net.0`, `net.2`, `net.4`). The pickle is read by candle, which
//! builds tensors and runs no code. Outputs of such an actor must mean what [`super::ACTION_MAP`] says; nothing in the
//! file tells, so golden outputs and an evaluation are what to look at.

use super::weights::{LAYERS, Tensor, Weights, WeightsError, missing};
use candle_core::DType;
use candle_core::pickle::read_all_with_key;
use memg_core::observation::Schema;
use std::collections::BTreeMap;
use std::path::Path;

/// Key of the actor in a checkpoint.
const KEY: &str = "actor";
/// Layer names of a `Sequential` with activations between.
const SEQUENTIAL: [&str; 3] = ["net.0", "net.2", "net.4"];

/// Reads the actor's weights. Check its worth before use: `gateway evaluate`.
///
/// # Errors
/// The file cannot be read, is no checkpoint, or its tensors do not fit `memg-10d/1`; names the tensor.
pub fn import_pt(path: &Path) -> Result<Weights, WeightsError> {
    let read = |key| read_all_with_key(path, key).map_err(|e| WeightsError::Format(e.to_string()));
    let mut tensors = BTreeMap::new();
    // With a key that is not there candle fails; without one it returns an empty list.
    for (name, tensor) in read(Some(KEY)).or_else(|_| read(None))? {
        tensors.insert(name, values(&tensor).map_err(|e| WeightsError::Format(e.to_string()))?);
    }
    let naming = if tensors.contains_key("net.0.weight") { SEQUENTIAL } else { LAYERS };
    Weights::from_tensors(Schema::TenD, |name| {
        let renamed =
            LAYERS.iter().zip(naming).find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from)?)));
        tensors.get(&renamed.unwrap_or_default()).cloned().ok_or_else(|| missing(name))
    })
}

fn values(tensor: &candle_core::Tensor) -> candle_core::Result<Tensor> {
    let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    Ok((tensor.dims().to_vec(), values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkpoint.pt")
    }

    /// Number `i` of a state_dict, counted over all its tensors, as written by make_checkpoint.py.
    fn fixture_value(i: usize) -> f32 {
        (i as f64).sin() as f32
    }

    #[test]
    fn the_actor_of_a_checkpoint_is_found_beside_critics_and_optimizers() {
        let weights = import_pt(&fixture()).unwrap();
        let numbers = weights.layers().iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias));
        for (i, found) in numbers.enumerate() {
            assert!((found - fixture_value(i)).abs() < 1e-6, "number {i}: {found}");
        }
        assert_eq!((weights.hidden(), weights.schema()), (4, Schema::TenD));
    }

    #[test]
    fn files_that_are_no_checkpoint_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broken.pt");
        std::fs::write(&path, &std::fs::read(fixture()).unwrap()[..500]).unwrap();
        assert!(matches!(import_pt(&path), Err(WeightsError::Format(_))));
        assert!(matches!(import_pt(&dir.path().join("none.pt")), Err(WeightsError::Format(_))));
    }
}
