//! The plant as TD3's environment: episodes from a seed alone, one step with its reward, a place to continue from.

use crate::config::Td3Settings;
use crate::gradient::episode::{EpisodeSource, Variation};
use memg_core::action::Action;
use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::forecast::{Forecast, Ridge};
use memg_core::foreseen;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::policy::PolicyInput;
use memg_core::profile::Profile;
use memg_core::reward::{RewardWeights, RunningRisk};
use memg_core::units::Soc;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Share of episodes that start as evaluation does: at rest and without history.
const AT_REST: f64 = 0.2;

/// An environment in a checkpoint: the episode is drawn again from its seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentState {
    seed: u64,
    first: usize,
    steps_left: usize,
    soc: f64,
    memory: ControlMemory,
    /// Sum of the episode's rewards so far, EUR.
    pub(super) reward: f64,
}

/// An environment in the middle of an episode.
#[derive(Debug)]
pub(super) struct Environment {
    env: MemgEnv,
    forecaster: Option<Ridge>,
    forecast: Forecast,
    /// At the episode's start, or where it was continued; the reward is up to date.
    pub(super) state: EnvironmentState,
}

/// What a step gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StepReward {
    /// See [`reward`], EUR.
    pub(super) reward: f64,
    pub(super) terminated: bool,
    pub(super) truncated: bool,
}

/// Makes episodes.
#[derive(Debug)]
pub(super) struct EpisodeMaker {
    pub(super) plant: Plant,
    pub(super) source: EpisodeSource,
    /// What an actor sees the hours ahead through, if it does.
    pub(super) forecaster: Option<Ridge>,
    pub(super) variation: Variation,
    /// Steps of an episode.
    pub(super) steps: usize,
}

impl EpisodeMaker {
    /// A new episode.
    pub(super) fn fresh(&self, seed: u64) -> Environment {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let profile = self.window(&mut rng);
        let env = MemgEnv::new(self.plant, Arc::clone(&profile), RewardWeights::default());
        let start = if rng.random_bool(AT_REST) {
            Start { steps: self.steps, ..Start::block(0..profile.rows().len()) }
        } else {
            env.random_start(&mut rng, self.steps)
        };
        let steps_left = self.steps.min(profile.rows().len() - start.first);
        let (first, soc, memory) = (start.first, start.soc.get(), start.memory);
        self.started(profile, EnvironmentState { seed, first, steps_left, soc, memory, reward: 0.0 })
    }

    /// An episode where it was left.
    pub(super) fn resumed(&self, state: EnvironmentState) -> Environment {
        let profile = self.window(&mut Pcg64Mcg::seed_from_u64(state.seed));
        debug_assert!(state.first < profile.rows().len());
        self.started(profile, state)
    }

    /// A varied window of days.
    fn window(&self, rng: &mut Pcg64Mcg) -> Arc<Profile> {
        let variation = Variation { steps: self.steps, ..self.variation };
        Arc::new(Profile::from_rows(self.source.window_of_days(rng, &variation)))
    }

    fn started(&self, profile: Arc<Profile>, state: EnvironmentState) -> Environment {
        let block = 0..profile.rows().len();
        let mut env = MemgEnv::new(self.plant, profile, RewardWeights::default());
        let (first, steps) = (state.first, state.steps_left);
        env.reset(Start { known: block.clone(), block, first, steps, soc: Soc::new(state.soc), memory: state.memory });
        Environment { env, forecaster: self.forecaster.clone(), forecast: Forecast::of_steps(0), state }
    }
}

impl Environment {
    /// What a network of this site sees.
    pub(super) fn observe(&mut self, schema: Schema) -> Observation {
        let Self { env, forecaster, forecast, .. } = self;
        let (plant, divisors) = (env.filter().plant(), Divisors::of(env.filter().plant()));
        match forecaster {
            None => env.observe(schema, &divisors),
            Some(forecaster) => {
                let (situation, known, memory) = (env.situation(), env.known(), env.memory());
                let input = PolicyInput { plant, situation: &situation, memory, known: &known };
                foreseen::observe(&input, forecaster, forecast, &divisors)
            }
        }
    }

    /// One step on a requested action; `None` if the episode is over.
    pub(super) fn step(
        &mut self,
        action: [f32; 3],
        settings: &Td3Settings,
        risk: &mut RunningRisk,
    ) -> Option<StepReward> {
        let idle = self.env.idle_cost().get();
        let step = self.env.step(Action(action))?;
        let reward = reward(self.env.filter().plant(), idle, &step, settings, risk);
        self.state.reward += reward;
        Some(StepReward { reward, terminated: step.terminated, truncated: step.truncated })
    }

    /// Where it is.
    pub(super) fn now(&self) -> EnvironmentState {
        let done = self.env.index() - self.state.first;
        let steps_left = self.state.steps_left - done;
        let (soc, memory) = (self.env.soc().get(), *self.env.memory());
        EnvironmentState { first: self.env.index(), steps_left, soc, memory, ..self.state }
    }
}

/// `(idle - cost)/2 - correction |request - set-points|² - risk (cost - VaR)⁺ / (1 - alpha)`, EUR; distances in shares of the
/// ratings. The risk term depends on this step's cost and so on its action.
fn reward(plant: &Plant, idle: f64, step: &EnvStep, settings: &Td3Settings, risk: &mut RunningRisk) -> f64 {
    let cost = step.cost.get();
    let (wish, safe) = (&step.request.setpoints, &step.verdict.safe);
    let battery = (wish.battery - safe.battery().kilowatts()).get() / plant.battery().charge_kw_max.max(1e-9);
    let chp = (wish.chp - safe.chp().kilowatts()).get() / plant.chp().p_kw_max.max(1e-9);
    let charge = if settings.risk > 0.0 { settings.risk * risk.charge(cost) } else { 0.0 };
    risk.learn(cost);
    0.5 * (idle - cost) - settings.correction * (battery * battery + chp * chp) - charge
}
