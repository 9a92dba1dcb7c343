//! Training of policies: from a profile to a model folder that is worth running.
//!
//! [`run`] goes through three stages, each of which a configuration can leave out: imitation of the good rule, gradients
//! through the plant's equations ([`model_based`]), TD3 ([`td3`] on [`fused`]). Actors are selected on validation days; test days are only
//! looked at for the final table. Everything is seeded, and a run that was stopped continues bit by bit ([`checkpoint`]).
//! Not responsible for: progress bars and signals (the command line's), protocols, the daemon.

pub mod checkpoint;
pub mod config;
mod export;
pub mod fused;
pub mod gradient;
pub mod imitate;
pub mod metrics;
pub mod model_based;
#[cfg(feature = "candle")]
pub mod prototype;
pub mod report;
pub mod split;
mod state;
pub mod td3;
#[cfg(test)]
mod tests;

use crate::evaluate::compare::{Bound, Comparison, bound};
use crate::policy::model::ModelError;
use crate::policy::weights::{Dense, Weights, WeightsError};
use config::TrainConfig;
use gradient::GradientTrainer;
use memg_core::actor::RustActor;
use memg_core::equipment::Plant;
use memg_core::policy::{ActorPolicy, Policy, PolicyError};
use memg_core::profile::Profile;
use metrics::{Figures, MetricsFiles};
use model_based::episode::Source;
use serde::{Deserialize, Serialize};
use split::Split;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use td3::Td3;

/// The checkpoint's file name in the output folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The report's file name.
pub const REPORT: &str = "report.html";
/// The model's folder in the output folder.
pub const MODEL: &str = "model";

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
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A checkpoint cannot be continued from.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// The bound was not found.
    #[error(transparent)]
    Optimum(#[from] crate::optimum::OptimumError),
    /// An actor failed.
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
    /// Stages and numbers.
    pub config: TrainConfig,
    /// The plant.
    pub plant: Plant,
    /// All days.
    pub profile: Arc<Profile>,
    /// The profile in words, for the record.
    pub data: String,
    /// Output folder: checkpoint, metrics, report, model.
    pub out: PathBuf,
    /// Where the model goes; `None`: `model` in the output folder.
    pub model: Option<PathBuf>,
    /// Continue from the checkpoint in the output folder.
    pub resume: bool,
    /// Export even if the actor does not beat the good rule on the validation days.
    pub force: bool,
    /// The command line, for the record.
    pub command: String,
    /// Set by Ctrl-C: save a checkpoint and return.
    pub stop: Arc<AtomicBool>,
}

/// Parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Of the good rule.
    Imitation,
    /// Through the plant's equations.
    Gradient,
    /// With critics.
    Td3,
    /// All updates are made.
    Done,
}

impl Stage {
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
pub struct Progress {
    /// Present stage.
    pub stage: Stage,
    /// Updates of all stages.
    pub updates: u64,
    /// Updates planned.
    pub planned: u64,
    /// Updates a second in this stage.
    pub rate: f64,
    /// Estimated seconds until the end.
    pub remaining_s: f64,
    /// Latest look at the validation days: regret over the good rule's.
    pub validation_regret_to_rule: Option<f64>,
    /// The same of the best actor so far.
    pub best_regret_to_rule: Option<f64>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// It was stopped and can be resumed.
    pub interrupted: bool,
    /// Updates of all stages.
    pub updates: u64,
    /// Environment steps of all stages.
    pub steps: u64,
    /// Wall-clock seconds.
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
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// The report.
    pub report: Option<PathBuf>,
}

/// The best actor so far.
#[derive(Debug, Clone, PartialEq)]
struct Best {
    tensors: Tensors,
    score: f64,
    updates: u64,
    stage: Stage,
}

/// An actor's tensors, `l1.weight` to `l3.bias`.
type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Trains.
///
/// # Errors
/// See [`TrainError`]. A run that `stop` ended is not an error: the summary says so.
pub fn run(options: &TrainOptions, sink: &mut dyn FnMut(&Progress)) -> Result<Summary, TrainError> {
    let problems = options.config.problems();
    if !problems.is_empty() {
        return Err(TrainError::Config(problems.join("\n")));
    }
    let mut run = Run::new(options)?;
    while run.stage() != Stage::Done {
        if options.stop.load(Ordering::Relaxed) {
            run.save()?;
            return Ok(run.summary(true));
        }
        run.advance()?;
        if run.looks_due() {
            run.look()?;
            run.keep_time();
            sink(&run.progress());
        }
        if run.save_due() {
            run.save()?;
        }
    }
    run.look()?;
    run.save()?;
    run.finish()
}

/// A run in progress.
struct Run<'a> {
    options: &'a TrainOptions,
    /// As started or resumed; updates may have been cut to keep the time.
    config: TrainConfig,
    split: Split,
    gradient: GradientTrainer,
    td3: Option<Td3>,
    done: Done,
    best: Option<Best>,
    history: Vec<Figures>,
    bound: Bound,
    rule_cost: f64,
    loss: f64,
    started: Instant,
    reserve_s: f64,
    seconds_before: f64,
    looked_at: u64,
    saved_at: u64,
    episodes_saved: usize,
    stage_started: (Stage, f64, u64),
    files: MetricsFiles,
}

/// Updates made in the first two stages; TD3 counts its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Done {
    imitation: u64,
    gradient: u64,
}

impl<'a> Run<'a> {
    fn new(options: &'a TrainOptions) -> Result<Self, TrainError> {
        let started = Instant::now();
        let config = options.config.clone();
        let split = Split::of(&options.profile, &config.data);
        let days = split.training.rows().len() / 96;
        if days * 96 < config.episodes.steps || split.validation.rows().is_empty() {
            return Err(TrainError::Data(format!("{days} days to train on are too few for these episodes")));
        }
        make_dir(&options.out)?;
        let source = Source::new(options.plant, config.schema, (*split.training).clone(), config.episodes.steps);
        let variation = config.episodes.variation();
        let gradient = GradientTrainer::new(options.plant, config.schema, source, variation, config.seed);
        let saved = options
            .resume
            .then(|| state::saved_bound(&options.out.join(CHECKPOINT), split.validation.rows().len() / 96));
        let bound = match saved.flatten() {
            Some(bound) => bound,
            None => bound(&options.plant, &split.validation, None)?,
        };
        // The final table needs the bound of the test days, and the report one more.
        let reserve_s = RESERVE_S.max(20.0 + 2.5 * started.elapsed().as_secs_f64());
        let files = MetricsFiles::open(&options.out, options.resume)?;
        let mut run = Self {
            options,
            config,
            split,
            gradient,
            td3: None,
            done: Done::default(),
            best: None,
            history: Vec::new(),
            bound,
            rule_cost: f64::NAN,
            loss: 0.0,
            started,
            reserve_s,
            seconds_before: 0.0,
            looked_at: 0,
            saved_at: 0,
            episodes_saved: 0,
            stage_started: (Stage::Imitation, 0.0, 0),
            files,
        };
        run.rule_cost = run.cost_of_rule()?;
        if options.resume {
            run.load()?;
        }
        Ok(run)
    }

    fn cost_of_rule(&self) -> Result<f64, TrainError> {
        let mut rule = memg_core::rules::GoodRule;
        let found = crate::evaluate::evaluate(self.options.plant, &self.split.validation, None, &mut rule, |_| {})?;
        Ok(found.cost_eur_per_day)
    }

    fn stage(&self) -> Stage {
        if self.done.imitation < self.config.imitation.updates {
            Stage::Imitation
        } else if self.done.gradient < self.config.gradient.updates {
            Stage::Gradient
        } else if self.td3.as_ref().map_or(0, Td3::updates) < self.config.td3.updates {
            Stage::Td3
        } else {
            Stage::Done
        }
    }

    fn updates(&self) -> u64 {
        self.done.imitation + self.done.gradient + self.td3.as_ref().map_or(0, Td3::updates)
    }

    fn advance(&mut self) -> Result<(), TrainError> {
        let stage = self.stage();
        if self.stage_started.0 != stage {
            self.stage_started = (stage, self.seconds(), self.updates());
        }
        match stage {
            Stage::Imitation => {
                self.loss = self.gradient.imitate(&self.config.imitation).loss;
                self.done.imitation += 1;
                if self.stage() != Stage::Imitation {
                    self.gradient.fresh_moments();
                }
            }
            Stage::Gradient => {
                let progress = self.done.gradient as f64 / self.config.gradient.updates.max(1) as f64;
                self.loss = self.gradient.descend(&self.config.gradient, progress, self.threads()).loss;
                self.done.gradient += 1;
            }
            Stage::Td3 => self.advance_td3()?,
            Stage::Done => {}
        }
        Ok(())
    }

    fn advance_td3(&mut self) -> Result<(), TrainError> {
        if self.td3.is_none() {
            let mut td3 = self.fresh_td3();
            if let (Some(best), true) = (&self.best, self.done.imitation + self.done.gradient > 0) {
                let tensors: Vec<_> = best
                    .tensors
                    .iter()
                    .map(|(name, shape, data)| fused::NamedTensor {
                        name: format!("actor.{name}"),
                        shape: shape.clone(),
                        data: data.clone(),
                    })
                    .collect();
                td3.start_from(&tensors).map_err(|e| TrainError::Checkpoint(e.to_string()))?;
            }
            self.td3 = Some(td3);
        }
        if let Some(stats) = self.td3.as_mut().and_then(Td3::advance) {
            self.loss = stats.critic_loss;
        }
        Ok(())
    }

    fn fresh_td3(&self) -> Td3 {
        let c = &self.config;
        let source = Source::new(self.options.plant, c.schema, (*self.split.training).clone(), c.td3.episode_steps);
        Td3::new(self.options.plant, c.schema, source, c.episodes.variation(), (&c.td3, c.seed, c.threads))
    }

    fn threads(&self) -> usize {
        match self.config.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        }
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// The actor as it is now.
    fn actor(&mut self) -> Tensors {
        match &self.td3 {
            Some(td3) => td3.actor().into_iter().map(|t| (t.name.replace("actor.", ""), t.shape, t.data)).collect(),
            None => self.gradient.actor().tensors(),
        }
    }

    fn looks_due(&self) -> bool {
        self.updates() >= self.looked_at + self.config.validate_every
    }

    /// Judges the actor on the validation days.
    fn look(&mut self) -> Result<(), TrainError> {
        self.looked_at = self.updates();
        let tensors = self.actor();
        let mut policy = policy("model", self.config.schema, &tensors)?;
        let plant = self.options.plant;
        let found = crate::evaluate::evaluate(plant, &self.split.validation, None, policy.as_mut(), |_| {})?;
        let regrets: Vec<f64> =
            found.daily_cost_eur.iter().zip(&self.bound.daily_cost_eur).map(|(cost, best)| cost - best).collect();
        let cvar = memg_core::reward::value_at_risk(&regrets, 0.95).map_or(f64::NAN, |(_, cvar)| cvar);
        let risk = self.config.gradient.risk.max(self.config.td3.risk);
        let score = found.cost_eur_per_day + 0.1 * risk * cvar;
        let figures = Figures {
            updates: self.updates(),
            stage: self.stage().number(),
            seconds: self.seconds(),
            loss: self.loss,
            validation_cost: found.cost_eur_per_day,
            validation_regret_to_rule: self.to_rule(found.cost_eur_per_day),
            validation_cvar95_regret: cvar,
        };
        if found.violations == 0 && self.best.as_ref().is_none_or(|best| score < best.score) {
            self.best = Some(Best { tensors, score, updates: self.updates(), stage: self.stage() });
        }
        self.files.write(&figures)?;
        self.history.push(figures);
        Ok(())
    }

    fn to_rule(&self, cost: f64) -> f64 {
        let best = self.bound.cost_eur_per_day;
        (cost - best) / (self.rule_cost - best)
    }

    /// Cuts updates that would not fit into the time.
    fn keep_time(&mut self) {
        let (stage, since, before) = self.stage_started;
        let (elapsed, made) = (self.seconds() - since, self.updates() - before);
        if elapsed < 10.0 || made < 20 || stage != self.stage() {
            return;
        }
        let rate = made as f64 / elapsed;
        // The final table and the report take their time, TD3 takes a tenth.
        let end = self.config.minutes * 60.0
            - self.reserve_s
            - if stage == Stage::Gradient { 0.1 * self.config.minutes * 60.0 } else { 0.0 };
        let possible = ((end - self.seconds()).max(0.0) * rate) as u64;
        let cut =
            |planned: u64, done: u64| if planned - done > possible + possible / 20 { done + possible } else { planned };
        match stage {
            Stage::Gradient => self.config.gradient.updates = cut(self.config.gradient.updates, self.done.gradient),
            Stage::Td3 => {
                let done = self.td3.as_ref().map_or(0, Td3::updates);
                self.config.td3.updates = cut(self.config.td3.updates, done);
                if let Some(td3) = &mut self.td3 {
                    td3.set_updates(self.config.td3.updates);
                }
            }
            Stage::Imitation | Stage::Done => {}
        }
    }

    fn progress(&self) -> Progress {
        let (_, since, before) = self.stage_started;
        let (updates, planned) = (self.updates(), self.config.planned_updates());
        let rate = (updates - before) as f64 / (self.seconds() - since).max(1e-3);
        let best = self.history.iter().map(|f| f.validation_regret_to_rule).min_by(f64::total_cmp);
        Progress {
            stage: self.stage(),
            updates,
            planned,
            rate,
            remaining_s: (planned.saturating_sub(updates)) as f64 / rate.max(1e-9),
            validation_regret_to_rule: self.history.last().map(|f| f.validation_regret_to_rule),
            best_regret_to_rule: best,
        }
    }

    fn save_due(&self) -> bool {
        let every = self.config.checkpoint_every;
        match &self.td3 {
            Some(td3) => td3.episode_rewards().len() as u64 >= self.episodes_saved as u64 + every,
            None => self.updates() >= self.saved_at + every.max(self.config.validate_every),
        }
    }

    fn summary(&self, interrupted: bool) -> Summary {
        let td3_steps = self.td3.as_ref().map_or(0, |td3| td3.progress().steps);
        let lived = 2 * self.config.gradient.episodes as u64 * self.config.episodes.steps as u64;
        Summary {
            interrupted,
            updates: self.updates(),
            steps: td3_steps + self.done.gradient * lived,
            seconds: self.seconds(),
            episode_rewards: self.td3.as_ref().map_or_else(Vec::new, |td3| td3.episode_rewards().to_vec()),
            validation: None,
            test: None,
            model: None,
            refused: None,
            checkpoint: self.options.out.join(CHECKPOINT),
            report: None,
        }
    }
}

/// Seconds kept for the final table and the report at least.
const RESERVE_S: f64 = 45.0;

fn make_dir(dir: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(dir).map_err(|e| TrainError::Save { path: dir.to_owned(), reason: e.to_string() })
}

/// Tensors as checked weights.
fn weights(schema: memg_core::observation::Schema, tensors: &Tensors) -> Result<Weights, WeightsError> {
    let of = |name: &str| {
        let found = tensors.iter().find(|(n, ..)| n == name);
        found.map_or((Vec::new(), Vec::new()), |(_, shape, data)| (shape.clone(), data.clone()))
    };
    let dense = |layer: &str| {
        let (shape, weight) = of(&format!("{layer}.weight"));
        let (_, bias) = of(&format!("{layer}.bias"));
        Dense { inputs: shape.get(1).copied().unwrap_or(0), outputs: shape.first().copied().unwrap_or(0), weight, bias }
    };
    Weights::new(schema, ["l1", "l2", "l3"].map(dense))
}

/// Tensors as a policy.
fn policy(
    name: &str,
    schema: memg_core::observation::Schema,
    tensors: &Tensors,
) -> Result<Box<dyn Policy>, TrainError> {
    let bytes = weights(schema, tensors)?.to_safetensors()?;
    Ok(Box::new(ActorPolicy(RustActor::from_safetensors(name, schema, &bytes)?)))
}
