//! Training of policies: from a profile to a model folder that is worth running.
//!
//! [`run()`] goes through three stages, each of which a configuration can leave out: imitation of the good rule, gradients
//! through the plant's equations ([`gradient`]), TD3 ([`td3`] on [`td3::fused`]). Actors are selected on validation days; test days are only
//! looked at for the final table. A planner's forecaster is fitted to the same days ([`forecast`]). Everything is seeded, and a run that was stopped continues bit by bit ([`run::checkpoint`]).
//! Not responsible for: progress bars and signals (the command line's), protocols, the daemon.

pub mod config;
pub mod forecast;
pub mod gradient;
pub mod imitate;
pub mod metrics;
pub mod report;
mod report_days;
pub mod run;
pub mod split;
pub mod stage_updates;
mod svg_chart;
pub mod tariff_range;
pub mod td3;
#[cfg(test)]
mod tests;
pub mod words;

use config::TrainConfig;
use forecast::PlanSummary;
use memg_core::equipment::Plant;
use memg_core::policy::PolicyError;
use memg_core::profile::Profile;
use memg_evaluate::compare::Comparison;
use memg_policy::model::ModelError;
use memg_policy::weights::WeightsError;
pub use run::run;
use serde::{Deserialize, Serialize};
use stage_updates::StageUpdates;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The checkpoint's file name in the output folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The report's file name.
pub const REPORT: &str = "report.html";
/// The model's folder in the output folder.
pub const MODEL: &str = "model";
/// The planner's folder in the output folder.
pub const PLAN: &str = "plan";

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The configuration is wrong; one line a problem.
    #[error("{0}")]
    Config(String),
    /// The profile does not suffice.
    #[error("{0}")]
    Data(String),
    /// A file was not written; the previous one is intact.
    #[error("{} could not be written: {reason}; the previous file, if there was one, is intact", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// A checkpoint cannot be continued from.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// The bound was not found.
    #[error(transparent)]
    Optimum(#[from] memg_optimum::OptimumError),
    /// An actor or a rule failed on a day.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The weights are not usable.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The model was not written.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What a run needs.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// What is trained, and how; checked by [`run()`].
    pub config: TrainConfig,
    /// The plant that is trained for.
    pub plant: Plant,
    /// All days, in rows of the plant's step; [`split`] says which are used for what.
    pub profile: Arc<Profile>,
    /// The profile in words, for the record.
    pub data: String,
    /// Output folder: checkpoint, metrics, report, model.
    pub out: PathBuf,
    /// Where the model goes; `None`: `model` in the output folder.
    pub model: Option<PathBuf>,
    /// Output folders of other runs, to be shown beside this one in the report: other seeds.
    pub beside: Vec<PathBuf>,
    /// What the run does with a checkpoint in the output folder.
    pub begin: Begin,
    /// Export even if the actor does not beat the good rule on the validation days.
    pub force: bool,
    /// The command line without numbers of updates and time, for the record.
    pub command: String,
    /// Set by Ctrl-C and SIGTERM: save a checkpoint and return.
    pub stop: Arc<AtomicBool>,
}

/// What a run does with a checkpoint in its output folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Begins from nothing, and refuses to where there is one: it may be hours of work.
    Fresh,
    /// Removes it and begins from nothing.
    Anew,
    /// Continues from it, and refuses to where it is another run's.
    Resume,
}

/// Stages of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Imitation of the good rule.
    Imitation,
    /// Gradients through the plant's equations.
    Gradient,
    /// TD3 from the actor of the stages before.
    Td3,
    /// All updates are made.
    Done,
}

impl Stage {
    /// As in `metrics.csv`.
    const fn number(self) -> u8 {
        match self {
            Self::Imitation => 1,
            Self::Gradient => 2,
            Self::Td3 | Self::Done => 3,
        }
    }
}

/// Where a run is; for progress bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingProgress {
    /// Stage of the next update.
    pub stage: Stage,
    /// Updates of all stages.
    pub updates: u64,
    /// Updates of all stages that time will suffice for.
    pub planned: u64,
    /// Updates of all stages that were asked for.
    pub asked: u64,
    /// Updates a second in this stage.
    pub rate: f64,
    /// Seconds of the run so far, those before a resume included.
    pub seconds: f64,
    /// Estimated seconds until the end, final tables included; `None` while nobody knows.
    pub remaining_s: Option<f64>,
    /// Latest regret on the validation days, over the good rule's.
    pub validation_regret_to_rule: Option<f64>,
    /// The same of the best actor so far.
    pub best_regret_to_rule: Option<f64>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingSummary {
    /// It was stopped and can be resumed.
    pub interrupted: bool,
    /// Updates of all stages.
    pub updates: u64,
    /// Updates of each stage: `--updates` with them makes the same model again.
    pub stage_updates: StageUpdates,
    /// What time did not suffice for, in words.
    pub cut: Option<String>,
    /// Environment steps of all stages.
    pub steps: u64,
    /// Wall-clock seconds, those before a resume included.
    pub seconds: f64,
    /// Reward of every finished TD3 episode.
    pub episode_rewards: Vec<f64>,
    /// Policies on the validation days.
    pub validation: Option<Comparison>,
    /// Policies on the test days, if the profile has any.
    pub test: Option<Comparison>,
    /// The exported model.
    pub model: Option<PathBuf>,
    /// Why there is none.
    pub refused: Option<String>,
    /// The planner's folder, if the days sufficed for its forecaster.
    pub plan: Option<PlanSummary>,
    /// Why there is none.
    pub plan_refused: Option<String>,
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// The report.
    pub report: Option<PathBuf>,
}
