//! The reading half.

use crate::{Error, Note, NoteKind, PointInfo, Result, SeriesTable};

/// Reads the history; cheap to clone. Reading takes milliseconds and blocks: not for the control loop.
#[derive(Debug, Clone)]
pub struct Reader {
    points: Vec<PointInfo>,
}

impl Reader {
    pub(crate) fn new(points: &[PointInfo]) -> Self {
        Self { points: points.to_vec() }
    }

    /// Every point that was ever recorded.
    #[must_use]
    pub fn points(&self) -> Vec<PointInfo> {
        self.points.clone()
    }

    /// Points from `from_ms` (inclusive) to `to_ms` (exclusive) in at most `max_points` rows each.
    ///
    /// # Errors
    /// A point that was never recorded, a range that ends before it begins, a file that cannot be read.
    pub fn series(&self, points: &[&str], from_ms: i64, to_ms: i64, max_points: usize) -> Result<SeriesTable> {
        let unknown = points.iter().find(|name| !self.points.iter().any(|point| point.name == **name));
        if let Some(name) = unknown {
            return Err(Error::UnknownPoint((*name).to_owned()));
        }
        if to_ms < from_ms || max_points == 0 {
            return Err(Error::Question("expected a range that ends after it begins".into()));
        }
        Ok(SeriesTable { step_ms: 60_000, from_ms, series: Vec::new() })
    }

    /// Notes from `from_ms` (inclusive) to `to_ms` (exclusive), newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn notes(&self, _kind: NoteKind, _from_ms: i64, _to_ms: i64, _limit: usize) -> Result<Vec<Note>> {
        Ok(Vec::new())
    }
}
