//! What is wrong with an input, as Python's own exceptions: `FileNotFoundError` and its kin for what cannot be read, `ValueError`
//! with file, line and key for what cannot be meant, `RuntimeError` for a runtime that failed.

use memg_policy::ModelError;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::fmt::Display;
use std::path::Path;

/// A `ValueError` in somebody's words.
pub(crate) fn wrong(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A `RuntimeError` in somebody's words.
pub(crate) fn failed(error: impl Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// A folder that is no model.
pub(crate) fn model(dir: &Path, error: &ModelError) -> PyErr {
    let words = format!("{}: {error}", dir.display());
    match error {
        ModelError::File { path, .. } if !path.exists() => PyFileNotFoundError::new_err(words),
        ModelError::File { .. } => PyOSError::new_err(words),
        ModelError::Runtime { .. } => PyRuntimeError::new_err(words),
        _ => PyValueError::new_err(words),
    }
}

/// The text of a file.
pub(crate) fn read(path: &str) -> PyResult<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let words = format!("{path}: {error}");
        match error.kind() {
            std::io::ErrorKind::NotFound => PyFileNotFoundError::new_err(words),
            std::io::ErrorKind::InvalidData => PyValueError::new_err(words),
            _ => PyOSError::new_err(words),
        }
    })
}
