//! Bounds that were found before, by content: a file for each plant and each set of judged rows.
//!
//! The name of a file is the hash of all that a bound depends on, so nothing ever has to be declared stale; whoever deletes
//! a file loses time alone. What the file holds is believed only if its checksum fits. It does not know where the user's
//! cache folder is: that is an argument.

use super::compare::{Bound, bound_with_progress};
use memg_core::equipment::Plant;
use memg_core::profile::{Profile, ProfileRow};
use memg_optimum::{ALGORITHM_VERSION, OptimumError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tracing::{debug, warn};

/// Where bounds are kept, if anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundCache {
    folder: Option<PathBuf>,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key: String,
    /// Of the key and the bound.
    sha256: String,
    bound: Bound,
}

impl BoundCache {
    /// In this folder of a user's cached files (`~/.cache`).
    #[must_use]
    pub fn within(cache_home: &Path) -> Self {
        Self { folder: Some(cache_home.join("memg-gateway").join("bounds")) }
    }

    /// Nothing is read, nothing is kept.
    #[must_use]
    pub const fn off() -> Self {
        Self { folder: None }
    }

    /// As [`bound_with_progress`], unless the same was asked before.
    ///
    /// # Errors
    /// The solver found none. A folder that cannot be read or written is no error.
    pub fn bound(
        &self,
        plant: &Plant,
        profile: &Profile,
        blocks: &[Range<usize>],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Bound, OptimumError> {
        let Some(folder) = &self.folder else { return bound_with_progress(plant, profile, blocks, progress) };
        let key = key(plant, profile, blocks);
        let file = folder.join(format!("{key}.json"));
        if let Some(bound) = read(&file, &key) {
            return Ok(bound);
        }
        let bound = bound_with_progress(plant, profile, blocks, progress)?;
        if let Err(error) = write(folder, &file, key, &bound) {
            debug!(file = %file.display(), %error, "The bound was not cached.");
        }
        Ok(bound)
    }
}

/// Hash of what a bound depends on: algorithm, plant, and the rows of each block.
fn key(plant: &Plant, profile: &Profile, blocks: &[Range<usize>]) -> String {
    let mut hash = Sha256::new();
    hash.update(ALGORITHM_VERSION.to_le_bytes());
    // Every field by its name; floats as the shortest text that is read back as the same number.
    hash.update(format!("{:?}", plant.parameters()));
    for block in blocks {
        let rows = profile.rows().get(block.clone()).unwrap_or_default();
        hash.update(block.len().to_le_bytes());
        rows.iter().for_each(|row| add_row(&mut hash, row));
    }
    hex(hash)
}

fn add_row(hash: &mut Sha256, row: &ProfileRow) {
    // Named one by one, so that a field that is added later is not forgotten.
    let ProfileRow {
        time,
        pv_kw,
        wind_kw,
        electric_load_kw,
        heat_load_kw,
        import_price,
        export_price,
        grid_voltage_pu,
        frequency_hz,
    } = *row;
    [time.minute, time.offset_min].iter().for_each(|minutes| hash.update(minutes.to_le_bytes()));
    let values = [pv_kw, wind_kw, electric_load_kw, heat_load_kw, import_price, export_price];
    values.iter().chain(&[grid_voltage_pu, frequency_hz]).for_each(|value| hash.update(value.to_le_bytes()));
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Stored {
    fn new(key: String, bound: &Bound) -> serde_json::Result<Self> {
        Ok(Self { sha256: checksum(&key, bound)?, key, bound: bound.clone() })
    }

    /// The bound, if it is the one that was asked for and undamaged.
    fn checked(self, key: &str) -> Option<Bound> {
        let fits = self.key == key && checksum(key, &self.bound).is_ok_and(|sum| sum == self.sha256);
        fits.then_some(self.bound)
    }
}

fn checksum(key: &str, bound: &Bound) -> serde_json::Result<String> {
    Ok(hex(Sha256::new().chain_update(key).chain_update(serde_json::to_vec(bound)?)))
}

fn read(file: &Path, key: &str) -> Option<Bound> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            debug!(file = %file.display(), %error, "A cached bound cannot be read.");
            return None;
        }
    };
    let found = serde_json::from_slice::<Stored>(&text).ok().and_then(|stored| stored.checked(key));
    if found.is_none() {
        warn!(
            file = %file.display(),
            "A cached bound is damaged: expected JSON with the key of its name and a checksum that fits. It is found anew."
        );
    }
    found
}

/// Whole or not at all: another run may look for the same bound at the same time.
fn write(folder: &Path, file: &Path, key: String, bound: &Bound) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut new, &Stored::new(key, bound)?)?;
    new.flush()?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
#[path = "bound_cache_tests.rs"]
mod tests;
