//! Everything a run continues from, in one file: safetensors with the counters as JSON in its metadata.
//!
//! A save writes beside the old file, flushes to the disk and renames: a full disk or a power cut leaves the previous
//! checkpoint intact. A checksum over all that is inside finds damage; loading names the tensor that is missing or has
//! another shape.

use crate::TrainError;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Key of the checksum in the metadata: SHA-256, hex.
const CHECKSUM: &str = "sha256";

/// Name, type, shape and bytes of what a file holds.
type Part = (String, Dtype, Vec<usize>, Vec<u8>);

/// Of all that is inside. Lengths are counted in, so that nothing can move from one part to its neighbour.
fn checksum(state: &str, parts: &[Part]) -> String {
    let mut sha = Sha256::new();
    let mut take = |bytes: &[u8]| {
        sha.update((bytes.len() as u64).to_le_bytes());
        sha.update(bytes);
    };
    take(state.as_bytes());
    for (name, dtype, shape, bytes) in parts {
        take(name.as_bytes());
        take(format!("{dtype:?} {shape:?}").as_bytes());
        take(bytes);
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Named numbers and a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// Counters, random states, settings: JSON.
    pub state: String,
    /// Tensors by name.
    pub tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
    /// Bytes by name.
    pub bytes: HashMap<String, Vec<u8>>,
}

impl Checkpoint {
    /// Adds a tensor.
    pub fn put(&mut self, name: impl Into<String>, shape: Vec<usize>, data: &[f32]) {
        self.tensors.insert(name.into(), (shape, data.to_vec()));
    }

    /// A tensor of a known length.
    ///
    /// # Errors
    /// It is missing or has another length.
    pub fn take(&mut self, name: &str, length: usize) -> Result<Vec<f32>, TrainError> {
        let (shape, data) = self.tensors.remove(name).ok_or_else(|| {
            TrainError::Checkpoint(format!("tensor {name}: expected {length} numbers, found nothing"))
        })?;
        if data.len() == length {
            Ok(data)
        } else {
            Err(TrainError::Checkpoint(format!(
                "tensor {name}: expected {length} numbers, found {shape:?}: the checkpoint is of another network"
            )))
        }
    }

    /// Writes the file in one move.
    ///
    /// # Errors
    /// The disk's; the file that was there is unchanged.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let failed = |e: &dyn std::fmt::Display| TrainError::Save { path: path.to_owned(), reason: e.to_string() };
        let data = self.parts();
        let mut views = Vec::with_capacity(data.len());
        for (name, dtype, shape, bytes) in &data {
            views.push((name.clone(), TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| failed(&e))?));
        }
        let metadata = HashMap::from([
            ("state".to_owned(), self.state.clone()),
            (CHECKSUM.to_owned(), checksum(&self.state, &data)),
        ]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(&e))?;
        save_atomically(path, &bytes)
    }

    /// By name, so that the same contents give the same bytes.
    fn parts(&self) -> Vec<Part> {
        let floats = self.tensors.iter().map(|(name, (shape, data))| {
            (name.clone(), Dtype::F32, shape.clone(), memg_policy::weights::little_endian(data))
        });
        let bytes = self.bytes.iter().map(|(name, data)| (name.clone(), Dtype::U8, vec![data.len()], data.clone()));
        let mut parts: Vec<_> = floats.chain(bytes).collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        parts
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, has no checksum, or is damaged.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let wrong = |reason: String| TrainError::Checkpoint(format!("{}: {reason}", path.display()));
        let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
        let entry = |key: &str| {
            let entry = header.metadata().as_ref().and_then(|entries| entries.get(key)).cloned();
            entry.ok_or_else(|| wrong(format!("no {key} inside")))
        };
        let mut found = Self { state: entry("state")?, ..Self::default() };
        for (name, view) in file.tensors() {
            if view.dtype() == Dtype::F32 {
                let numbers = view.data().chunks_exact(4).filter_map(|b| b.try_into().ok()).map(f32::from_le_bytes);
                found.tensors.insert(name, (view.shape().to_vec(), numbers.collect()));
            } else {
                found.bytes.insert(name, view.data().to_vec());
            }
        }
        if checksum(&found.state, &found.parts()) != entry(CHECKSUM)? {
            return Err(wrong("damaged: its checksum does not fit".to_owned()));
        }
        Ok(found)
    }
}

/// Writes beside the target, flushes, renames.
///
/// # Errors
/// The disk's; a file that was there is unchanged.
pub fn save_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let failed = |e: std::io::Error| TrainError::Save { path: path.to_owned(), reason: e.to_string() };
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // What was written so far would only keep a full disk full.
        drop(std::fs::remove_file(&temporary));
        failed(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_survives_and_names_what_does_not_fit() -> Result<(), TrainError> {
        let dir = tempfile::tempdir().map_err(|e| TrainError::Checkpoint(e.to_string()))?;
        let path = dir.path().join("checkpoint.safetensors");
        let mut checkpoint = Checkpoint { state: "{\"a\":1}".to_owned(), ..Checkpoint::default() };
        checkpoint.put("net", vec![2, 2], &[1.0, -0.0, f32::MIN_POSITIVE, 3.5]);
        checkpoint.bytes.insert("flags".to_owned(), vec![0, 1, 1]);
        checkpoint.save(&path)?;
        assert_eq!(Checkpoint::load(&path)?, checkpoint);
        let wrong = checkpoint.take("net", 5).map_err(|e| e.to_string());
        assert!(wrong.is_err_and(|e| e.contains("net") && e.contains("[2, 2]")));
        Ok(())
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() -> Result<(), TrainError> {
        let dir = tempfile::tempdir().map_err(|e| TrainError::Checkpoint(e.to_string()))?;
        let path = dir.path().join("checkpoint.safetensors");
        let mut checkpoint = Checkpoint { state: "{\"done\":7}".to_owned(), ..Checkpoint::default() };
        checkpoint.put("net", vec![2, 2], &[1.0, -2.0, 0.5, 3.5]);
        checkpoint.bytes.insert("flags".to_owned(), vec![0, 1, 1]);
        checkpoint.save(&path)?;
        let whole = std::fs::read(&path).map_err(|e| TrainError::Checkpoint(e.to_string()))?;
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).map_err(|e| TrainError::Checkpoint(e.to_string()))?;
            // Padding of the header means nothing: what is read is then what was written.
            assert!(Checkpoint::load(&path).is_ok_and(|found| found == checkpoint) || Checkpoint::load(&path).is_err());
        }
        Ok(())
    }

    #[test]
    fn a_disk_that_refuses_leaves_the_previous_checkpoint() -> Result<(), TrainError> {
        let dir = tempfile::tempdir().map_err(|e| TrainError::Checkpoint(e.to_string()))?;
        let path = dir.path().join("checkpoint.safetensors");
        let old = Checkpoint { state: "old".to_owned(), ..Checkpoint::default() };
        old.save(&path)?;
        // A directory where the temporary file should be: as good as a full disk.
        std::fs::create_dir(path.with_extension("tmp")).map_err(|e| TrainError::Checkpoint(e.to_string()))?;
        let new = Checkpoint { state: "new".to_owned(), ..Checkpoint::default() };
        assert!(new.save(&path).is_err());
        assert_eq!(Checkpoint::load(&path)?, old);
        Ok(())
    }
}
