//! What comes from outside in one cycle: measurements, commands, faults. Written to the journal as it stands.

use super::fault::Fault;
use memg_core::command::Command;
use memg_core::measurement::Measurement;
use memg_core::outlook::Outlook;
use memg_core::plant_state::{PlantState, Tag};
use serde::{Deserialize, Serialize};

/// What comes from outside in one cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CycleInput {
    /// Counts from 1 in every run.
    pub cycle: u64,
    /// Before its time, because a measurement moved. Such cycles do not count where good cycles are counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub early: bool,
    /// Monotonic time since the start of the run, ms of the wall clock: timers of modes and communication.
    pub now_ms: u64,
    /// Monotonic plant time since the start of the run, ms: ramps, minimum times, lengths of steps.
    pub uptime_ms: i64,
    /// Local time of the site, ms since 1970: the hour of the day, and where policy steps begin. It may jump.
    pub plant_ms: i64,
    /// Frozen measurements.
    pub state: PlantState,
    /// What is measured beside: no decision depends on it, but it shows whether the rest fits ([`super::books`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<(Tag, Measurement<f64>)>,
    /// Limits at the connection that somebody outside says ([`super::grid_limit`]); those that are configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid_limits: Vec<(Tag, Measurement<f64>)>,
    /// What others say of the hours ahead, where it is news; it replaces what was said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlook: Option<Outlook>,
    /// Commands since the last cycle, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// A fault of the gateway itself or of a driver (journal full, write not confirmed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
