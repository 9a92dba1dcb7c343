//! The history of a plant: every signal and set-point, one sample a cycle, kept for years in one SQLite file.
//!
//! It is for people and their charts. The journal stays the legal record, and control never waits for either half of this
//! package: [`Writer`] hands over to a thread of its own, [`Reader`] reads what that thread has written.

#![forbid(unsafe_code)]

mod point;
mod reader;
mod writer;

pub use point::{Error, Note, NoteKind, PointInfo, Result, Series, SeriesTable, Settings};
pub use reader::Reader;
pub use writer::Writer;

/// Opens or begins the history.
#[must_use]
pub fn open(settings: &Settings, points: &[PointInfo]) -> (Writer, Reader) {
    let _ = settings;
    (Writer::default(), Reader::new(points))
}
