//! The three stages, update by update: imitation, gradients through the plant, TD3.

use super::actor::Tensors;
use super::pace;
use super::setup::Setup;
use super::validation::Best;
use crate::config::TrainConfig;
use crate::gradient::episode::EpisodeSource;
use crate::gradient::trainer::GradientTrainer;
use crate::metrics::Td3Figures;
use crate::stage_updates::StageUpdates;
use crate::td3::fused::{NamedTensor, StateError};
use crate::td3::{Td3, Td3Setup};
use crate::{Stage, TrainError};
use memg_core::observation::Schema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The learners of all stages, and how far they are.
pub(super) struct Learners {
    /// Of the first two stages.
    pub(super) gradient: GradientTrainer,
    /// From the first step of the third stage on.
    pub(super) td3: Option<Td3>,
    pub(super) done: Done,
    /// Of the last update, see [`crate::metrics::Figures::loss`].
    pub(super) loss: f64,
    /// Of TD3's last updates.
    td3_figures: Td3Figures,
}

/// Updates made in the first two stages; TD3 counts its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) imitation: u64,
    pub(super) gradient: u64,
}

impl Learners {
    /// Before the first update.
    pub(super) fn new(setup: &Setup<'_>, config: &TrainConfig) -> Self {
        let (plant, schema) = (setup.options.plant, config.schema);
        let source = episodes(setup, schema, config.episodes.steps);
        let gradient = GradientTrainer::new(plant, schema, source, config.episodes.variation(0.0), config.seed);
        Self { gradient, td3: None, done: Done::default(), loss: 0.0, td3_figures: Td3Figures::default() }
    }

    /// The stage of the next update.
    pub(super) fn stage(&self, config: &TrainConfig) -> Stage {
        if self.done.imitation < config.imitation.updates {
            Stage::Imitation
        } else if self.done.gradient < config.gradient.updates {
            Stage::Gradient
        } else if self.td3_updates() < config.td3.updates {
            Stage::Td3
        } else {
            Stage::Done
        }
    }

    /// The stage of the last update, which made the actor what it is.
    pub(super) fn stage_behind(&self) -> Stage {
        if self.td3_updates() > 0 {
            Stage::Td3
        } else if self.done.gradient > 0 {
            Stage::Gradient
        } else {
            Stage::Imitation
        }
    }

    /// Of all stages.
    pub(super) fn updates(&self) -> u64 {
        self.done.imitation + self.done.gradient + self.td3_updates()
    }

    /// Of each stage.
    pub(super) fn stage_updates(&self, config: &TrainConfig) -> StageUpdates {
        let Done { imitation, gradient } = self.done;
        let before = StageUpdates { imitation, gradient, ..StageUpdates::default() };
        before.with_td3(self.td3_updates(), config.td3.critic_first)
    }

    pub(super) fn td3_updates(&self) -> u64 {
        self.td3.as_ref().map_or(0, Td3::updates)
    }

    /// Changes how many updates TD3 makes in all.
    pub(super) fn limit_td3(&mut self, updates: u64) {
        if let Some(td3) = &mut self.td3 {
            td3.set_updates(updates);
        }
    }

    /// Rewards of finished TD3 episodes, EUR.
    pub(super) fn episode_rewards(&self) -> &[f64] {
        self.td3.as_ref().map_or(&[], Td3::episode_rewards)
    }

    /// What only TD3 has.
    pub(super) fn td3_figures(&self) -> Td3Figures {
        Td3Figures { episodic_return: self.episode_rewards().last().copied(), ..self.td3_figures }
    }

    /// Finished TD3 episodes.
    pub(super) fn episodes(&self) -> u64 {
        self.episode_rewards().len() as u64
    }

    /// Steps of the plant in all stages; an episode of the gradient stage is rolled out twice.
    pub(super) fn environment_steps(&self, config: &TrainConfig) -> u64 {
        let td3 = self.td3.as_ref().map_or(0, |td3| td3.progress().steps);
        let an_update = 2 * config.gradient.episodes as u64 * config.episodes.steps as u64;
        td3 + self.done.gradient * an_update
    }

    /// The actor as it is now.
    pub(super) fn actor(&mut self) -> Tensors {
        match &self.td3 {
            Some(td3) => td3.actor().into_iter().map(|t| (t.name.replace("actor.", ""), t.shape, t.data)).collect(),
            None => self.gradient.actor().tensors(),
        }
    }

    /// One update of the present stage. TD3 starts from `best`, if an earlier stage made it.
    ///
    /// # Errors
    /// The best actor does not fit TD3's network.
    pub(super) fn advance(
        &mut self,
        setup: &Setup<'_>,
        config: &TrainConfig,
        best: Option<&Best>,
    ) -> Result<(), TrainError> {
        match self.stage(config) {
            Stage::Imitation => self.imitate(config),
            Stage::Gradient => self.descend(config),
            Stage::Td3 => self.improve(setup, config, best)?,
            Stage::Done => {}
        }
        Ok(())
    }

    fn imitate(&mut self, config: &TrainConfig) {
        self.loss = self.gradient.imitate(&config.imitation).loss;
        self.done.imitation += 1;
        if self.stage(config) != Stage::Imitation {
            self.gradient.fresh_moments();
        }
    }

    fn descend(&mut self, config: &TrainConfig) {
        let decline = pace::decline(self.done.gradient, config.gradient.updates);
        self.gradient.vary(config.episodes.variation(decline));
        self.loss = self.gradient.descend(&config.gradient, decline, config.thread_count()).loss;
        self.done.gradient += 1;
    }

    fn improve(&mut self, setup: &Setup<'_>, config: &TrainConfig, best: Option<&Best>) -> Result<(), TrainError> {
        if self.td3.is_none() {
            let earlier = best.filter(|_| self.done != Done::default());
            let td3 = started_td3(setup, config, earlier).map_err(|e| TrainError::Checkpoint(e.to_string()))?;
            self.td3 = Some(td3);
        }
        let decline = pace::decline(self.td3_updates(), config.td3.updates);
        let advanced = self.td3.as_mut().and_then(|td3| {
            td3.slow_down(decline);
            td3.advance()
        });
        if let Some(stats) = advanced {
            self.loss = stats.critic_loss;
            let figures = &mut self.td3_figures;
            figures.qf1_loss = Some(stats.q1_loss);
            figures.qf2_loss = Some(stats.critic_loss - stats.q1_loss);
            figures.qf1_values = Some(stats.q_mean);
            figures.actor_loss = stats.actor.map(|actor| actor.loss).or(figures.actor_loss);
        }
        Ok(())
    }
}

/// Episodes of the training days.
fn episodes(setup: &Setup<'_>, schema: Schema, steps: usize) -> EpisodeSource {
    let (plant, days) = (setup.options.plant, (*setup.split.training).clone());
    EpisodeSource::foreseeing(plant, schema, days, Arc::clone(&setup.aheads), steps)
}

/// TD3 with random networks.
pub(super) fn fresh_td3(setup: &Setup<'_>, config: &TrainConfig) -> Td3 {
    let (plant, schema) = (setup.options.plant, config.schema);
    let source = episodes(setup, schema, config.td3.episode_steps);
    Td3::new(Td3Setup {
        plant,
        schema,
        source,
        forecaster: setup.forecaster.clone(),
        variation: config.episodes.variation(0.0),
        settings: config.td3,
        seed: config.seed,
        threads: config.threads,
    })
}

/// TD3 with the actor of an earlier stage, or a random one.
fn started_td3(setup: &Setup<'_>, config: &TrainConfig, best: Option<&Best>) -> Result<Td3, StateError> {
    let mut td3 = fresh_td3(setup, config);
    if let Some(best) = best {
        let named = best.actor.tensors.iter().map(|(name, shape, data)| NamedTensor {
            name: format!("actor.{name}"),
            shape: shape.clone(),
            data: data.clone(),
        });
        td3.start_from(&named.collect::<Vec<_>>())?;
    }
    Ok(td3)
}
