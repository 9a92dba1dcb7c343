//! What people look at beside the values: the registers as they came, and what was written last. No decision depends on it.

use super::unit::Unit;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Texts are longer; of them the beginning is kept.
const CELLS_MAX: usize = 16;

/// The last write of a set-point that the device acknowledged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastWrite {
    /// What was written, in the output's unit.
    pub value: f64,
    /// When.
    pub at: Instant,
    /// It was read back as written, or the device has nothing to read back.
    pub read_back: bool,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Glimpse {
    /// Registers or coils as they were read last.
    pub raw: Vec<u16>,
    /// What was written last.
    pub last_write: Option<LastWrite>,
}

/// The points of a device by their index, shared between its driver and whoever looks.
#[derive(Debug, Default)]
pub struct Glimpses {
    points: Mutex<BTreeMap<usize, Glimpse>>,
}

impl Glimpses {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Glimpse>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was seen so far.
    #[must_use]
    pub fn all(&self) -> BTreeMap<usize, Glimpse> {
        self.lock().clone()
    }

    pub(super) fn read(&self, point: usize, cells: &[u16]) {
        let mut points = self.lock();
        let raw = &mut points.entry(point).or_default().raw;
        raw.clear();
        raw.extend(cells.iter().take(CELLS_MAX));
    }
}

impl Unit {
    /// Shows what was written last of each set-point; what was forgotten stays as it was.
    pub(super) fn show_writes(&self) {
        let mut points = self.glimpses.lock();
        for write in &self.writes {
            let Some(sent) = write.sent else { continue };
            let last = LastWrite { value: sent.wanted.value, at: sent.at, read_back: sent.confirmed };
            points.entry(write.point).or_default().last_write = Some(last);
        }
    }
}
