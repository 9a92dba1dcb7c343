//! The history of a plant: every signal and set-point, one sample a cycle, kept for years in one SQLite file.
//!
//! It is for people and their charts. The journal stays the legal record, and control never waits for either half of this
//! package: [`Writer`] hands over to a thread of its own, [`Reader`] reads what that thread has written.

#![forbid(unsafe_code)]

mod block;
mod codec;
mod file;
mod health;
mod keeper;
mod point;
mod question;
mod reader;
mod rollup;
mod tables;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests stop at the first surprise; small whole numbers")]
mod tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod trouble_tests;
mod view;
mod writer;

pub use file::begin_anew;
pub use point::{Error, Note, NoteKind, PointInfo, Result, Series, SeriesTable, Settings};
pub use question::Resolution;
pub use reader::Reader;
pub use writer::Writer;

use health::Shared;
use std::sync::Arc;

/// Opens or begins the history. It never fails: a damaged file is renamed and a new one begun; what else is wrong stands in
/// [`Writer::trouble`], and is tried again with every commit.
#[must_use]
pub fn open(settings: &Settings, points: &[PointInfo]) -> (Writer, Reader) {
    let shared = Arc::new(Shared::default());
    let reader = Reader::beside(&settings.path, points, &shared);
    (Writer::begin(settings, points, &shared), reader)
}
