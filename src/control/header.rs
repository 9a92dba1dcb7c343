//! The header of a journal: what a run began with, or where it goes on.

use super::cycle::{ControlConfig, ControlState};
use super::grid_limit::FailSafe;
use super::journal::FORMAT;
use super::mode::ModeTimes;
use super::substitutes::Substitutes;
use memg_core::equipment::{Learned, Plant, PlantParameters, Problem};
use serde::{Deserialize, Serialize};

/// First line of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// See [`FORMAT`].
    pub memg_journal: u32,
    /// Name of the site.
    pub site: String,
    /// Ratings and limits that the run began with, as the site file states them.
    pub plant: PlantParameters,
    /// What records said of them, where that was believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<Learned>,
    /// Times of the modes.
    pub times: ModeTimes,
    /// Auto needs no arming.
    pub simulated: bool,
    /// Length of a cycle in plant time, ms.
    pub cycle_ms: i64,
    /// See [`ControlConfig::stand_in_ms`].
    #[serde(default = "forever")]
    pub stand_in_ms: u64,
    /// See [`ControlConfig::response_ms`].
    #[serde(default = "forever")]
    pub response_ms: u64,
    /// See [`ControlConfig::chp_response_ms`].
    pub chp_response_ms: i64,
    /// See [`ControlConfig::substitutes`].
    #[serde(default, skip_serializing_if = "Substitutes::is_empty")]
    pub substitutes: Substitutes,
    /// See [`ControlConfig::grid_limit`].
    #[serde(default, skip_serializing_if = "FailSafe::is_none")]
    pub grid_limit: FailSafe,
    /// Model folder, or the name of a rule.
    pub policy: String,
    /// Runtime of the actor.
    pub runtime: String,
    /// Hash of the model, or the rule's name.
    pub model: String,
    /// The run goes on: after a rotation or a failed write, and every now and then, so that a restart finds the history near
    /// the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
    /// Control state at the start of the run, or where it goes on.
    pub state: ControlState,
}

const fn forever() -> u64 {
    u64::MAX
}

impl Header {
    /// The header of a run.
    #[must_use]
    pub fn new(site: &str, config: &ControlConfig, policy: [&str; 3], state: &ControlState) -> Self {
        let [policy, runtime, model] = policy.map(str::to_owned);
        Self {
            memg_journal: FORMAT,
            site: site.to_owned(),
            plant: *config.filter.plant().stated(),
            learned: config.filter.plant().learned().copied(),
            times: config.times,
            simulated: config.simulated,
            cycle_ms: config.cycle_ms,
            stand_in_ms: config.stand_in_ms,
            response_ms: config.response_ms,
            chp_response_ms: config.chp_response_ms,
            substitutes: config.substitutes.clone(),
            grid_limit: config.grid_limit,
            policy,
            runtime,
            model,
            continued: false,
            state: state.clone(),
        }
    }

    /// The plant that the run decided with.
    ///
    /// # Errors
    /// What is stated, or what records said, is none that control could have begun with.
    pub fn believed(&self) -> Result<Plant, Vec<Problem>> {
        let plant = self.plant.validate()?;
        self.learned.map_or(Ok(plant), |learned| plant.believing(&learned))
    }
}
