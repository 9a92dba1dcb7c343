//! What the station is connected to: ready-made answers in, wishes out.

use axum::body::Bytes;
use memg_core::command::{Command, Outcome, Role};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// What everybody who looks on gets, made once for all of them.
#[derive(Debug, Default)]
pub struct Live {
    /// The state, JSON.
    pub state: Bytes,
    /// The list of alarms, JSON.
    pub alarms: Bytes,
    /// Another number means other alarms.
    pub alarms_number: u64,
    /// What somebody who arms should look at.
    pub review: Vec<Value>,
}

/// Plant time.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// ms since 1970 UTC.
    pub unix_ms: i64,
    /// Plant seconds per second.
    pub speed: f64,
}

impl Moment {
    /// Plant time after this much of the wall clock, ms since 1970 UTC.
    #[must_use]
    pub fn after(&self, wall: std::time::Duration) -> i64 {
        self.unix_ms + (wall.as_secs_f64() * self.speed * 1000.0) as i64
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The question is wrong.
    Wrong(String),
    /// There is nothing of that kind.
    NotFound(String),
    /// This gateway does not keep it.
    NotKept(String),
    /// It went wrong here.
    Failed(String),
}

/// A span of plant time and how many entries of it, the newest first.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// From, ms since 1970 UTC.
    pub from_ms: i64,
    /// Until, ms since 1970 UTC.
    pub until_ms: i64,
    /// Most entries.
    pub limit: usize,
}

/// What is asked for points over time.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Names of points.
    pub points: Vec<String>,
    /// From, ms since 1970 UTC.
    pub from_ms: i64,
    /// Until, ms since 1970 UTC.
    pub until_ms: i64,
    /// Most values of each.
    pub max: usize,
}

/// Points over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// From one value to the next, ms; 0: as recorded.
    pub step_ms: i64,
    /// In the order in which they were asked for.
    pub columns: Vec<Column>,
}

/// One point over time; the lists are equally long.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name of the point.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Beginnings, ms since 1970 UTC.
    pub t: Vec<i64>,
    /// Least values; `None` = nothing is known.
    pub min: Vec<Option<f32>>,
    /// Means.
    pub mean: Vec<Option<f32>>,
    /// Largest values.
    pub max: Vec<Option<f32>>,
}

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// Comma-separated values.
    Csv,
}

/// What may be done with an alarm in the list. None of it changes the plant.
#[derive(Debug, Clone, PartialEq)]
pub enum AlarmAction {
    /// Somebody has seen it.
    Acknowledge,
    /// Out of sight for so many minutes of plant time.
    Shelve {
        /// How long.
        minutes: f64,
        /// Why.
        reason: String,
    },
    /// Back in sight.
    Unshelve,
    /// Not watched for so many hours of plant time.
    OutOfService {
        /// How long.
        hours: f64,
        /// Why.
        reason: String,
    },
    /// Watched again.
    ReturnToService,
}

impl AlarmAction {
    /// The least role that may do it.
    #[must_use]
    pub const fn role_min(&self) -> Role {
        match self {
            Self::Acknowledge | Self::Shelve { .. } | Self::Unshelve => Role::Operator,
            Self::OutOfService { .. } | Self::ReturnToService => Role::Engineer,
        }
    }
}

/// What the station asks the gateway. Called beside the control loop, on threads that may wait for a disk.
pub trait Source: Send + Sync + 'static {
    /// Plant time now.
    fn moment(&self) -> Moment;
    /// The control loop goes on; else what stands against it.
    ///
    /// # Errors
    /// In words.
    fn alive(&self) -> Result<(), String>;
    /// What control needs to know is known; else what is missing.
    ///
    /// # Errors
    /// In words.
    fn ready(&self) -> Result<(), String>;
    /// Metrics, OpenMetrics text.
    fn metrics(&self) -> String;
    /// Every device with its points.
    fn devices(&self) -> Value;
    /// The policy's passport.
    fn model(&self) -> Value;
    /// Every point that has a history: name, unit, label.
    fn points(&self) -> Value;
    /// Policy steps.
    ///
    /// # Errors
    /// There is no history, or it cannot be read.
    fn decisions(&self, span: Span) -> Result<Value, NoAnswer>;
    /// The explanation of the policy step in force at that time.
    ///
    /// # Errors
    /// As above, or nothing was decided by then.
    fn explain(&self, at_ms: i64) -> Result<String, NoAnswer>;
    /// Who did what.
    ///
    /// # Errors
    /// As above.
    fn log(&self, span: Span) -> Result<Value, NoAnswer>;
    /// Changes of alarms.
    ///
    /// # Errors
    /// As above.
    fn alarm_history(&self, span: Span) -> Result<Value, NoAnswer>;
    /// Points over time.
    ///
    /// # Errors
    /// As above, or a point is not known.
    fn history(&self, wanted: &Wanted) -> Result<Table, NoAnswer>;
    /// What the gateway earned from one day to another (`YYYY-MM-DD`), both included.
    ///
    /// # Errors
    /// As above.
    fn ledger(&self, from: &str, until: &str, format: Format) -> Result<String, NoAnswer>;
}

/// Something that somebody wants, and the way back. One that is dropped counts as not taken.
#[derive(Debug)]
pub enum Ask {
    /// For control's door.
    Command(Command, oneshot::Sender<Outcome>),
    /// For the list of alarms.
    Alarm {
        /// Which alarm.
        id: String,
        /// What is to be done.
        action: AlarmAction,
        /// Who.
        by: String,
        /// What they may do.
        role: Role,
        /// The alarm afterwards, or why not.
        answer: oneshot::Sender<Result<Value, NoAnswer>>,
    },
}

/// All of it.
#[derive(Clone)]
pub struct Wires {
    /// What is shown live.
    pub live: watch::Receiver<Arc<Live>>,
    /// What is wished; taken in the next cycle.
    pub asks: mpsc::Sender<Ask>,
    /// What is asked.
    pub source: Arc<dyn Source>,
}
