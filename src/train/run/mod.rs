//! A training run: through its stages to an exported model.
//!
//! [`run`] owns the loop: one update after the other (`stages`), the actor judged on the validation days every now and
//! then (`validation`), updates cut where time runs out (`pace`), a checkpoint (`state`), at last the model and the report
//! (`export`). What is known before training (`setup`) never changes.

pub(crate) mod actor;
pub mod checkpoint;
mod export;
mod identity;
mod pace;
mod setup;
mod stages;
mod state;
mod validation;

use crate::config::TrainConfig;
use crate::metrics::{Figures, MetricsFiles};
use crate::{Begin, CHECKPOINT, Stage, TrainError, TrainOptions, TrainingProgress, TrainingSummary};
use identity::Identity;
use pace::{Pace, Planned};
use setup::Setup;
use stages::Learners;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;
use validation::{Candidate, Selection};

/// Trains.
///
/// # Errors
/// See [`TrainError`]. A run that `stop` ended is not an error: the summary says so.
pub fn run(options: &TrainOptions, sink: &mut dyn FnMut(&TrainingProgress)) -> Result<TrainingSummary, TrainError> {
    let mut run = Run::start(options)?;
    while run.stage() != Stage::Done {
        if options.stop.load(Ordering::Relaxed) {
            run.save()?;
            return Ok(run.summary(true));
        }
        run.advance()?;
        run.keep_time();
        if run.validation_is_due() {
            run.validate()?;
            sink(&run.progress());
        }
        if run.save_is_due() {
            run.save()?;
        }
    }
    // What is left takes some seconds more.
    sink(&run.progress());
    run.validate()?;
    run.save()?;
    export::finish(&run.setup, &run.config, &run.selection, run.summary(false))
}

/// A run in progress.
struct Run<'a> {
    setup: Setup<'a>,
    /// What was asked for.
    identity: Identity,
    /// As started or resumed; updates may have been cut to keep the time.
    config: TrainConfig,
    planned: Planned,
    learners: Learners,
    selection: Selection,
    pace: Pace,
    files: MetricsFiles,
    /// How far the learners were when the checkpoint was written.
    saved: Saved,
}

/// What decides when the next checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Saved {
    updates: u64,
    episodes: u64,
}

impl Saved {
    fn now(learners: &Learners) -> Self {
        Self { updates: learners.updates(), episodes: learners.episodes() }
    }
}

impl<'a> Run<'a> {
    /// A fresh run, or one that continues from the checkpoint in the output folder.
    fn start(options: &'a TrainOptions) -> Result<Self, TrainError> {
        let started = Instant::now();
        setup::check(options)?;
        let identity = Identity::of(options);
        let resumed = begin(options, &identity)?;
        let config = resumed.as_ref().map_or_else(|| options.config.clone(), |found| found.config(&options.config));
        let bounds = resumed.as_ref().map(state::Resumed::bounds).unwrap_or_default();
        let setup = Setup::new(options, &config, bounds)?;
        let mut pace = Pace::new(started);
        let (learners, selection, planned) = match resumed {
            None => (Learners::new(&setup, &config), Selection::default(), Planned::of(&config)),
            Some(found) => {
                pace.seconds_before = found.seconds();
                found.restore(&setup, &config)?
            }
        };
        let saved = Saved::now(&learners);
        let files = MetricsFiles::open(&options.out, options.begin == Begin::Resume)?;
        Ok(Self { setup, identity, config, planned, learners, selection, pace, files, saved })
    }

    fn stage(&self) -> Stage {
        self.learners.stage(&self.config)
    }

    /// One update of the present stage.
    fn advance(&mut self) -> Result<(), TrainError> {
        let Self { setup, config, learners, selection, pace, .. } = self;
        pace.enter(learners.stage(config), learners.updates());
        learners.advance(setup, config, selection.best.as_ref())
    }

    fn validation_is_due(&self) -> bool {
        self.learners.updates() >= self.selection.validated_at + self.config.validate_every
    }

    /// Judges the actor on the validation days, and keeps it if it is the best so far.
    fn validate(&mut self) -> Result<(), TrainError> {
        let Self { setup, config, learners, selection, pace, files, .. } = self;
        let (updates, stage, tensors) = (learners.updates(), learners.stage(config), learners.actor());
        let found = validation::judge(setup, config.schema, &tensors)?;
        if let Some(emphasis) = &found.emphasis {
            learners.gradient.state.emphasis.clone_from(emphasis);
        }
        let figures = Figures {
            updates,
            stage: stage.number(),
            seconds: pace.seconds(),
            loss: learners.loss,
            validation_cost: found.cost_eur_per_day,
            validation_regret_to_rule: found.regret_to_rule,
            validation_cvar95_regret: found.cvar95_regret_eur,
            rate: pace.rate(updates),
            td3: learners.td3_figures(),
        };
        selection.take(Candidate { tensors, updates, stage }, &found);
        files.write(&figures)?;
        selection.history.push(figures);
        Ok(())
    }

    /// Cuts updates that would not fit into the time, see [`pace::fit`].
    fn keep_time(&mut self) {
        pace::fit(&mut self.config, self.planned, &self.learners, &self.pace, self.setup.reserve_s);
        self.learners.limit_td3(self.config.td3.updates);
    }

    fn save_is_due(&self) -> bool {
        let every = self.config.checkpoint_every;
        if self.learners.td3.is_some() {
            self.learners.episodes() >= self.saved.episodes + every
        } else {
            self.learners.updates() >= self.saved.updates + every.max(self.config.validate_every)
        }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        state::write(&checkpoint_path(self.setup.options), self)?;
        self.saved = Saved::now(&self.learners);
        Ok(())
    }

    fn progress(&self) -> TrainingProgress {
        let updates = self.learners.updates();
        let cut = self.config.gradient.updates - self.expected_gradient();
        TrainingProgress {
            stage: self.stage(),
            updates,
            planned: self.config.planned_updates() - cut,
            asked: self.setup.options.config.planned_updates(),
            rate: self.pace.rate(updates),
            seconds: self.pace.seconds(),
            remaining_s: self.remaining_s(),
            validation_regret_to_rule: self.selection.latest_regret_to_rule(),
            best_regret_to_rule: self.selection.least_regret_to_rule(),
        }
    }

    /// Updates of the gradient stage in all that time will suffice for.
    fn expected_gradient(&self) -> u64 {
        pace::expected(&self.config, self.planned, &self.learners, &self.pace, self.setup.reserve_s)
    }

    /// Seconds until the end, tables included; `None` while nobody knows how fast it goes.
    fn remaining_s(&self) -> Option<f64> {
        let (stage, config, done) = (self.stage(), &self.config, self.learners.stage_updates(&self.config));
        let td3 = config.td3.updates - self.learners.td3_updates().min(config.td3.updates);
        let seconds = |updates: u64| self.pace.settled_rate(self.learners.updates()).map(|rate| updates as f64 / rate);
        let training = match stage {
            Stage::Imitation => return None,
            Stage::Gradient => {
                let later = (td3 as f64 / pace::TD3_RATE_TO_GRADIENT) as u64;
                seconds(self.expected_gradient() - done.gradient + later)?
            }
            Stage::Td3 => seconds(td3)?,
            Stage::Done => 0.0,
        };
        Some(training + self.setup.tables_s)
    }

    /// What time did not suffice for, in words.
    fn cut(&self) -> Option<String> {
        let (asked, done) = (self.setup.options.config.stage_updates(), self.learners.stage_updates(&self.config));
        let stages = [
            ("imitation", asked.imitation, done.imitation),
            ("gradients", asked.gradient, done.gradient),
            ("TD3", asked.critics + asked.td3, done.critics + done.td3),
        ];
        let cut = stages.iter().filter(|(_, asked, done)| done < asked);
        let cut: Vec<String> =
            cut.map(|(stage, asked, done)| format!("{done} of {asked} updates of {stage}")).collect();
        let minutes = self.config.minutes;
        (!cut.is_empty()).then(|| format!("time ({minutes} minutes) sufficed for {}", cut.join(" and ")))
    }

    fn summary(&self, interrupted: bool) -> TrainingSummary {
        TrainingSummary {
            interrupted,
            updates: self.learners.updates(),
            stage_updates: self.learners.stage_updates(&self.config),
            cut: if interrupted { None } else { self.cut() },
            steps: self.learners.environment_steps(&self.config),
            seconds: self.pace.seconds(),
            episode_rewards: self.learners.episode_rewards().to_vec(),
            validation: None,
            test: None,
            model: None,
            refused: None,
            plan: None,
            plan_refused: None,
            checkpoint: checkpoint_path(self.setup.options),
            report: None,
        }
    }
}

/// The checkpoint to continue from, if that is asked for; an output folder that a run may begin in otherwise.
fn begin(options: &TrainOptions, identity: &Identity) -> Result<Option<state::Resumed>, TrainError> {
    let path = checkpoint_path(options);
    match options.begin {
        Begin::Resume => return state::read(&path, identity).map(Some),
        Begin::Fresh if path.exists() => {
            let what = format!("{} is there: continue it (--resume) or begin anew without it (--anew)", path.display());
            return Err(TrainError::Checkpoint(what));
        }
        Begin::Fresh => {}
        Begin::Anew => remove(&path)?,
    }
    make_dir(&options.out)?;
    Ok(None)
}

fn remove(path: &Path) -> Result<(), TrainError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::Save { path: path.to_owned(), reason: e.to_string() })
        }
        _ => Ok(()),
    }
}

fn checkpoint_path(options: &TrainOptions) -> PathBuf {
    options.out.join(CHECKPOINT)
}

fn make_dir(dir: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(dir).map_err(|e| TrainError::Save { path: dir.to_owned(), reason: e.to_string() })
}
