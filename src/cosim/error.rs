//! What can go wrong in a co-simulation.

use memg_fmu_host::HostError;
use std::path::{Path, PathBuf};

/// Why a co-simulation or the packing of an FMU stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosimError {
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The FMU binary is nowhere. The message tells how to build it.
    #[error(
        "there is no {name} in {searched}; build it with `cargo build --profile fmu -p memg-fmu` or name it with --library FILE"
    )]
    NoLibrary {
        /// Its file name.
        name: String,
        /// Folders that were looked into.
        searched: String,
    },
    /// The archive is damaged or hostile. Nothing of it has been loaded.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The .fmu file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model description cannot be used.
    #[error("modelDescription.xml: {0}")]
    Description(String),
    /// The map and the plant's variables do not fit; all problems at once.
    #[error("the map does not fit the plant FMU: {}", problems.join("; "))]
    Map {
        /// Each names a variable.
        problems: Vec<String>,
    },
    /// The foreign FMU failed.
    #[error("plant FMU: {0}")]
    Plant(HostError),
    /// The foreign FMU failed at a variable.
    #[error("plant FMU: {name}: {error}")]
    PlantVariable {
        /// The plant's variable.
        name: String,
        /// What it said.
        error: HostError,
    },
    /// The foreign FMU does not come back. Its thread stays until the process ends.
    #[error("{}: {call} has not come back for {patience:?}", path.display())]
    Hung {
        /// The .fmu file.
        path: PathBuf,
        /// The function and the simulated time.
        call: String,
        /// How long it was waited for, wall clock.
        patience: std::time::Duration,
    },
    /// The controller refused; the message names the variable.
    #[error("controller: {0}")]
    Controller(String),
    /// The peer does not speak the protocol.
    #[error("mosaik: {0}")]
    Protocol(String),
}

impl From<HostError> for CosimError {
    fn from(error: HostError) -> Self {
        Self::Plant(error)
    }
}

impl CosimError {
    /// For [`HostError`]s at a plant's variable.
    pub(crate) fn at(name: &str) -> impl FnOnce(HostError) -> Self {
        |error| Self::PlantVariable { name: name.to_owned(), error }
    }

    pub(crate) fn file(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}
