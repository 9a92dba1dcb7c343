//! Foreign FMUs as plants: unpack, read the description, load, wire, step.

mod archive;
mod description;
mod map;
mod master;
mod watch;

pub use archive::Unpacked;
pub use description::{Content, ModelDescription, PlantVariable};
pub use map::{From, Link, MapFile, Setting, To, Wiring};
pub use master::{CosimOptions, PlantRun, cosim};
pub(crate) use watch::{Watch, guarded};

use super::error::CosimError;
use memg_fmu::describe::Fmi;
use memg_fmu_host::{Origin, Slave, Version};
use std::path::Path;
use std::time::Duration;

/// A foreign FMU, unpacked and described but not loaded.
#[derive(Debug)]
pub struct ForeignFmu {
    /// What it says of itself.
    pub description: ModelDescription,
    unpacked: Unpacked,
}

/// How long a call into a foreign FMU may take if nobody says otherwise: some read weather data, none think for minutes.
pub const PATIENCE: Duration = Duration::from_secs(300);

impl ForeignFmu {
    /// Unpacks and reads a file.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn open(path: &Path) -> Result<Self, CosimError> {
        let unpacked = Unpacked::open(path)?;
        let description = ModelDescription::parse(&unpacked.description()?)?;
        Ok(Self { description, unpacked })
    }

    /// Removes the unpacked files although the FMU may still be in use: for one that never comes back.
    pub(crate) fn abandon(folder: &Path) {
        // Best effort: what cannot be removed stays in the folder for temporary files.
        let _ = std::fs::remove_dir_all(folder);
    }

    /// Where it is unpacked.
    pub(crate) fn folder(&self) -> &Path {
        self.unpacked.folder()
    }

    /// Loads the library and makes an instance. It must not outlive this FMU's folder.
    ///
    /// # Errors
    /// There is no library for this platform, or it refuses.
    pub fn instantiate(&self, name: &str) -> Result<Slave, CosimError> {
        let description = &self.description;
        let origin = Origin {
            version: match description.fmi {
                Fmi::Two => Version::Two,
                Fmi::Three => Version::Three,
            },
            library: self.unpacked.library(description.fmi, &description.identifier),
            resources: self.unpacked.resources(),
            token: description.token.clone(),
            name: name.to_owned(),
        };
        if !origin.library.is_file() {
            let inside = super::platform::folder(description.fmi);
            let library = super::platform::library(&description.identifier);
            return Err(CosimError::Description(format!(
                "the FMU has no binary for this platform: binaries/{inside}/{library} is missing"
            )));
        }
        Ok(Slave::new(&origin)?)
    }
}

#[cfg(test)]
mod tests;
