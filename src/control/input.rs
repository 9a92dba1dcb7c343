//! What comes from outside in one cycle: measurements, wishes, limits, faults. Written to the journal as it stands.

use super::mode::{Fault, Operator};
use memg_core::plant_state::PlantState;
use memg_core::setpoints::Setpoints;
use serde::{Deserialize, Serialize};

/// Limits at the connection from outside, for instance the grid operator; `None` = the plant's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ExchangeLimits {
    /// Most power imported, kW, >= 0.
    pub import_kw_max: Option<f64>,
    /// Most power exported, kW, >= 0.
    pub export_kw_max: Option<f64>,
}

/// What comes from outside in one cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CycleInput {
    /// Counts from 1 in every run.
    pub cycle: u64,
    /// Before its time, because a measurement moved. Such cycles do not count where good cycles are counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub early: bool,
    /// Monotonic time since the start of the run, ms.
    pub now_ms: u64,
    /// Plant time: local time of the site, ms since 1970.
    pub plant_ms: i64,
    /// Frozen measurements.
    pub state: PlantState,
    /// Mean import price of the hours ahead, the first one starting now, as far as known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub price_ahead: Vec<Option<f64>>,
    /// Latest wish of an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// New manual set-points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Setpoints>,
    /// New limits at the connection from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ExchangeLimits>,
    /// A fault of the gateway itself or of a driver (journal full, write not applied).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
