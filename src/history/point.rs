//! What is recorded and what comes back.

use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Where history is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The SQLite file; beside it stand `-wal` and `-shm` while a gateway runs.
    pub path: PathBuf,
    /// Time between two commits: what a power cut or kill -9 can cost.
    pub commit: Duration,
    /// Days for which every sample is kept.
    pub raw_days: u32,
    /// Days for which minutes are kept; quarter hours stay for ever.
    pub minute_days: u32,
}

/// A recorded point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PointInfo {
    /// Name as in MQTT `state` (`pv_kw`, `battery_2_kw`), or `setpoint.battery_kw`, `cost_eur_per_h`, `mode`.
    pub name: String,
    /// Unit; empty where there is none.
    pub unit: String,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// A decision of the policy: one a policy step.
    Decision,
    /// Commands with their outcome, changes of mode, start and stop.
    Event,
    /// Every change of an alarm's state.
    Alarm,
}

/// A note as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its time, ms since 1970 UTC by the plant's clock.
    pub unix_ms: i64,
    /// What was written.
    pub json: String,
}

/// A point over time. The four columns are equally long; where nothing is known all three values are `None`, and where
/// nothing was recorded at all stands one such row, so that no chart draws a line across.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Series {
    /// Name of the point.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Begin of each row, ms since 1970 UTC.
    pub t: Vec<i64>,
    /// Least value within the row.
    pub min: Vec<Option<f32>>,
    /// Mean of the samples within the row.
    pub mean: Vec<Option<f32>>,
    /// Greatest value within the row.
    pub max: Vec<Option<f32>>,
}

/// Points over the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesTable {
    /// Length of a row, ms; of single samples the usual distance between two.
    pub step_ms: i64,
    /// Begin of the first row, ms since 1970 UTC.
    pub from_ms: i64,
    /// One for each point asked for, in that order.
    pub series: Vec<Series>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such point was ever recorded.
    #[error("no point {0:?} was ever recorded")]
    UnknownPoint(String),
    /// The question makes no sense; the text says what was expected.
    #[error("{0}")]
    Question(String),
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// As SQLite says it; becomes [`Error::Unreadable`] with the file's name.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// What reading gives.
pub type Result<T> = std::result::Result<T, Error>;
