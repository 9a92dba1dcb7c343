//! How far rules had to yield.

use crate::constraint::Rule;
use serde::{Deserialize, Serialize};

/// How far rules had to yield, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relaxation {
    /// Every rule is kept and no renewable energy is lost for a limit.
    #[default]
    None,
    /// Renewables are curtailed.
    Curtailment,
    /// The battery moves faster than its ramp.
    BatteryRamp,
    /// The CHP unloads faster than its ramp.
    ChpRamp,
    /// The CHP switches before its minimum time.
    ChpTimes,
    /// Grid or voltage limits cannot be met by any set-point; load would have to be shed.
    Shedding,
    /// Measurements unknown or out of bounds: certified safe-stop set-points.
    SafeStop,
}

impl Relaxation {
    /// 0 = none … 6 = safe stop; the `relaxation_stage` of traces.
    #[must_use]
    pub const fn stage(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Curtailment => 1,
            Self::BatteryRamp => 2,
            Self::ChpRamp => 3,
            Self::ChpTimes => 4,
            Self::Shedding => 5,
            Self::SafeStop => 6,
        }
    }

    /// All stages in order.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Curtailment,
        Self::BatteryRamp,
        Self::ChpRamp,
        Self::ChpTimes,
        Self::Shedding,
        Self::SafeStop,
    ];

    /// What it means that a stronger rule left nothing inside this one.
    pub(super) const fn of_collapsed(rule: Option<Rule>) -> Self {
        match rule {
            Some(Rule::Voltage) => Self::Shedding,
            Some(Rule::ChpRamp) => Self::ChpRamp,
            Some(_) => Self::BatteryRamp,
            None => Self::None,
        }
    }
}

/// How often each stage but "none" occurred: steps of an evaluation, cycles of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Relaxations {
    /// Renewables curtailed to keep a limit.
    pub curtailment: u64,
    /// Battery ramp exceeded.
    pub battery_ramp: u64,
    /// CHP ramp exceeded.
    pub chp_ramp: u64,
    /// CHP minimum time cut short.
    pub chp_times: u64,
    /// Limits out of reach.
    pub shedding: u64,
    /// Safe-stop set-points.
    pub safe_stop: u64,
}

impl Relaxations {
    /// Counts one.
    pub const fn count(&mut self, relaxation: Relaxation) {
        match relaxation {
            Relaxation::None => {}
            Relaxation::Curtailment => self.curtailment += 1,
            Relaxation::BatteryRamp => self.battery_ramp += 1,
            Relaxation::ChpRamp => self.chp_ramp += 1,
            Relaxation::ChpTimes => self.chp_times += 1,
            Relaxation::Shedding => self.shedding += 1,
            Relaxation::SafeStop => self.safe_stop += 1,
        }
    }
}
