//! Unpacking a foreign .fmu file, which may be damaged or hostile.
//!
//! Only what is needed is unpacked: the model description, this platform's binaries, the resources. Sizes are counted
//! while unpacking, so that a header cannot lie; names that would leave the folder, links and duplicates are refused.

use super::super::error::CosimError;
use super::super::platform;
use memg_fmu::describe::Fmi;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::TempDir;
use zip::ZipArchive;

/// Files inside at most.
const ENTRIES_MAX: usize = 20_000;
/// Bytes unpacked at most, 1 GiB: resources may hold weather data.
const BYTES_MAX: u64 = 1 << 30;
/// Bytes of a model description at most.
const DESCRIPTION_BYTES_MAX: u64 = 32 << 20;

/// An unpacked FMU; the folder is removed when this is dropped.
#[derive(Debug)]
pub struct Unpacked {
    folder: TempDir,
}

impl Unpacked {
    /// Unpacks a file.
    ///
    /// # Errors
    /// Why it is refused; nothing of it remains.
    pub fn open(path: &Path) -> Result<Self, CosimError> {
        let refuse = |reason: String| CosimError::Archive { path: path.to_owned(), reason };
        let file = File::open(path).map_err(|error| CosimError::file(path, &error))?;
        let mut archive = ZipArchive::new(file).map_err(|error| refuse(format!("not a readable FMU: {error}")))?;
        if archive.len() > ENTRIES_MAX {
            return Err(refuse(format!("{} files are more than the allowed {ENTRIES_MAX}", archive.len())));
        }
        let folder = tempfile::Builder::new().prefix("memg-fmu-").tempdir();
        let folder = folder.map_err(|error| CosimError::file(&std::env::temp_dir(), &error))?;
        extract(&mut archive, folder.path()).map_err(refuse)?;
        Ok(Self { folder })
    }

    /// Text of the model description.
    ///
    /// # Errors
    /// It is missing or not UTF-8.
    pub fn description(&self) -> Result<String, CosimError> {
        let path = self.folder.path().join("modelDescription.xml");
        let bytes = std::fs::read(path).map_err(|_| CosimError::Description("the file is missing".to_owned()))?;
        String::from_utf8(bytes).map_err(|_| CosimError::Description("not UTF-8".to_owned()))
    }

    /// The library of a model for this platform.
    #[must_use]
    pub fn library(&self, fmi: Fmi, identifier: &str) -> PathBuf {
        let folder = self.folder.path().join("binaries").join(platform::folder(fmi));
        folder.join(platform::library(identifier))
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The resources folder; it may be missing.
    #[must_use]
    pub fn resources(&self) -> PathBuf {
        self.folder.path().join("resources")
    }
}

fn extract<R: Read + Seek>(archive: &mut ZipArchive<R>, folder: &Path) -> Result<(), String> {
    let mut left = BYTES_MAX;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| format!("entry {index}: {error}"))?;
        let name = entry.name().to_owned();
        let inside = checked(&name)?;
        if entry.is_symlink() {
            return Err(format!("{name:?} is a link"));
        }
        if entry.is_dir() || !is_needed(&inside) {
            continue;
        }
        let limit = if inside == Path::new("modelDescription.xml") { left.min(DESCRIPTION_BYTES_MAX) } else { left };
        left -= unpack(&mut entry, &folder.join(&inside), limit).map_err(|reason| format!("{name:?}: {reason}"))?;
    }
    Ok(())
}

/// A path that stays inside the folder on every platform.
fn checked(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.is_empty() || name.contains(['\\', ':', '\0']) {
        return Err(format!("{name:?} is not a name inside the FMU"));
    }
    Ok(path)
}

fn is_needed(path: &Path) -> bool {
    let platforms = [Fmi::Two, Fmi::Three].map(|fmi| Path::new("binaries").join(platform::folder(fmi)));
    path == Path::new("modelDescription.xml")
        || path.starts_with("resources")
        || platforms.iter().any(|platform| path.starts_with(platform))
}

fn unpack(entry: &mut impl Read, target: &Path, limit: u64) -> Result<u64, String> {
    let words = |error: std::io::Error| error.to_string();
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(words)?;
    }
    // A second entry of the same name would replace what was checked before.
    let mut file = File::create_new(target).map_err(words)?;
    let size = std::io::copy(&mut entry.take(limit + 1), &mut file).map_err(words)?;
    file.flush().map_err(words)?;
    if size > limit { Err(format!("larger than the allowed {limit} bytes")) } else { Ok(size) }
}
