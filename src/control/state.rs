//! What a cycle is made from: configuration, the chain of policies, and what control remembers.

use super::exceeding::Exceeding;
use super::following::Following;
use super::grid_limit::{FailSafe, GridLimit};
use super::mode::{ModeState, ModeTimes};
use super::source_voltage::Suspect;
use super::substitutes::Substitutes;
use memg_core::command::{ExchangeLimits, Holder};
use memg_core::equipment::UNITS_MAX;
use memg_core::forecast::ForecastErrors;
use memg_core::history::History;
use memg_core::memory::ControlMemory;
use memg_core::outlook::Outlook;
use memg_core::policy::Policy;
use memg_core::rules::GoodRule;
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::Setpoints;
use memg_core::situation::{Situation, SocEstimate};
use memg_core::units::Watts;
use serde::{Deserialize, Serialize};

/// What does not change while the gateway runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlConfig {
    /// The filter with the plant inside.
    pub filter: SafetyFilter,
    /// Times of the modes.
    pub times: ModeTimes,
    /// The plant is simulated: Auto needs no arming.
    pub simulated: bool,
    /// Length of a supervision cycle in plant time, ms.
    pub cycle_ms: i64,
    /// How long the last known situation may stand in for a missing one, ms; after that the safe-stop set-points.
    pub stand_in_ms: u64,
    /// Within this time the battery's measured power follows its set-point, ms of the wall clock.
    pub response_ms: u64,
    /// Within this time the CHP starts, stops and gives the power that it is told, ms of plant time.
    pub chp_response_ms: i64,
    /// Signals that are optional, and what stands in for them while they are lost.
    pub substitutes: Substitutes,
    /// What holds at the connection while whoever says its limits is silent.
    pub grid_limit: FailSafe,
}

/// What stands for the hash of a model that could not be loaded; the reason may follow.
pub const NO_MODEL: &str = "none";

/// Who is asked for a request: the policy, and the good rule behind it.
pub struct Chain {
    /// The configured policy; `None` if its model could not be loaded.
    pub policy: Option<Box<dyn Policy>>,
    /// Hash of its model, or the rule's name; [`NO_MODEL`] and the reason if it could not be loaded.
    pub model: String,
    /// Decides where the policy cannot or may not.
    pub rule: GoodRule,
}

/// What control remembers between cycles. Restored from the journal after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlState {
    /// Mode and what its transitions depend on.
    pub mode: ModeState,
    /// Set-points and CHP timers.
    pub memory: ControlMemory,
    /// The request that is in force.
    pub request: Option<Setpoints>,
    /// The set-points that the last cycle filtered, whoever asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Setpoints>,
    /// Why the request was made, in words, where the policy plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operator's set-points.
    pub manual: Option<Setpoints>,
    /// Who has control in manual mode: whoever took it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_charge: Option<Holder>,
    /// Cap on renewables that is in force at the plant.
    #[serde(default)]
    pub cap: Option<Watts>,
    /// Limits at the connection from outside; they only narrow the plant's own.
    #[serde(default)]
    pub limits: ExchangeLimits,
    /// Those that a grid operator's control box says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub grid_limit: GridLimit,
    /// Policy step that the last cycle belonged to.
    pub step: Option<i64>,
    /// Plant time since the start of the run: of the last cycle, of the policy step, of the last time that ramps began
    /// to count anew; ms, monotonic.
    pub times: StepTimes,
    /// Last usable situation and when it was, ms monotonic.
    pub situation: Option<(Situation, u64)>,
    /// The last fifteen days.
    pub history: History,
    /// What others say of the hours ahead, from the present step on.
    pub outlook: Outlook,
    /// What the policy's forecasts were worth.
    #[serde(default, skip_serializing_if = "ForecastErrors::is_empty")]
    pub forecast_errors: ForecastErrors,
    /// The policy failed at its last step.
    pub policy_failure: Option<String>,
    /// Filtered voltage of the grid behind the connection, pu.
    #[serde(default)]
    pub source_voltage: Option<f64>,
    /// A sample of it that waits for another one to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage_suspect: Option<Suspect>,
    /// Filtered state of charge of each battery; those that a plant does not have repeat the first.
    #[serde(default)]
    pub socs: Option<[SocEstimate; UNITS_MAX]>,
    /// Power that each battery was measured at in the last cycle.
    #[serde(default)]
    pub battery_powers: [Watts; UNITS_MAX],
    /// Whether batteries and CHPs do what they are told.
    #[serde(default)]
    pub following: Following,
    /// Whether the connection carries more than it may.
    #[serde(default)]
    pub exceeding: Exceeding,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Instants of plant time, ms since the start of the run. It never jumps, whatever local time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepTimes {
    /// Of the last cycle.
    pub cycle_ms: Option<i64>,
    /// When the policy step began.
    pub begun_ms: Option<i64>,
    /// Since when ramps count.
    pub anchored_ms: Option<i64>,
}

impl ControlState {
    /// After a start without a journal: Init, at rest.
    #[must_use]
    pub fn start(now_ms: u64) -> Self {
        Self {
            mode: ModeState::start(now_ms),
            memory: ControlMemory::at_rest(),
            request: None,
            asked: None,
            reason: None,
            manual: None,
            in_charge: None,
            cap: None,
            limits: ExchangeLimits::default(),
            grid_limit: GridLimit::default(),
            step: None,
            times: StepTimes::default(),
            situation: None,
            history: History::default(),
            outlook: Outlook::default(),
            forecast_errors: ForecastErrors::default(),
            policy_failure: None,
            source_voltage: None,
            voltage_suspect: None,
            socs: None,
            battery_powers: [Watts::ZERO; UNITS_MAX],
            following: Following::default(),
            exceeding: Exceeding::default(),
        }
    }
}
