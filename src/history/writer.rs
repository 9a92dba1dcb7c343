//! The writing half.

use crate::NoteKind;

/// Takes samples and notes; never blocks.
#[derive(Debug, Clone, Default)]
pub struct Writer {}

impl Writer {
    /// Values of one cycle, by index into the points that the history was opened with. A point that is not named, and one
    /// that is `None`, was not known then.
    pub fn sample(&self, _unix_ms: i64, _values: &[(usize, Option<f32>)]) {}

    /// One note, as JSON.
    pub fn note(&self, _unix_ms: i64, _kind: NoteKind, _json: String) {}

    /// What is wrong, in words for an operator.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        None
    }

    /// Samples and notes that could not be kept since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        0
    }

    /// Writes what is left and ends the thread.
    pub async fn close(self) {}
}
