//! The plant as TD3's environment: episodes from a seed alone, one step with its reward, a place to continue from.

use super::settings::Td3Settings;
use crate::gradient::episode::{EpisodeSource, Variation};
use memg_core::action::Action;
use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::forecast::{Forecast, Ridge};
use memg_core::foreseen;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::policy::PolicyInput;
use memg_core::profile::{Profile, ProfileRow};
use memg_core::reward::{RewardWeights, RunningRisk};
use memg_core::settlement::stored_kwh_worth;
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

impl EnvironmentState {
    /// State of charge, 0 to 1.
    #[cfg(test)]
    pub(super) const fn soc(&self) -> f64 {
        self.soc
    }
}

/// An environment in the middle of an episode.
#[derive(Debug)]
pub(super) struct Environment {
    env: MemgEnv,
    forecaster: Option<Ridge>,
    forecast: Forecast,
    /// Worth of a kWh in the battery at the mean of the window's prices, EUR.
    stored_eur_per_kwh: f64,
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
        let stored_eur_per_kwh = stored_eur_per_kwh(&self.plant, profile.rows());
        let mut env = MemgEnv::new(self.plant, profile, RewardWeights::default());
        let (first, steps) = (state.first, state.steps_left);
        env.reset(Start { known: block.clone(), block, first, steps, soc: Soc::new(state.soc), memory: state.memory });
        let (forecaster, forecast) = (self.forecaster.clone(), Forecast::of_steps(0));
        Environment { env, forecaster, forecast, stored_eur_per_kwh, state }
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

    /// One step without a reward; whether another is possible.
    pub(super) fn live(&mut self, action: [f32; 3]) -> bool {
        self.env.step(Action(action)).is_some_and(|step| !step.truncated)
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
        let plant = self.env.filter().plant();
        let stored = self.stored_eur_per_kwh * stored_kwh(plant, &step);
        let reward = reward(plant, Saved { idle, stored }, &step, settings, risk);
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

/// What a reward compares a step's cost with, EUR.
#[derive(Debug, Clone, Copy)]
struct Saved {
    /// Cost of doing nothing in the same step.
    idle: f64,
    /// Worth of what the step left in the battery.
    stored: f64,
}

/// `scale (idle + shaping stored - cost) - correction |request - set-points|² - risk (cost - VaR)⁺ / (1 - alpha)`, EUR;
/// distances in shares of the ratings. Doing nothing costs the same whatever the action; what is stored is a difference of
/// potentials (Ng, Harada, Russell 1999), and so neither changes which policy is best over days. The risk term depends on
/// this step's cost and so on its action.
fn reward(plant: &Plant, saved: Saved, step: &EnvStep, settings: &Td3Settings, risk: &mut RunningRisk) -> f64 {
    let cost = step.cost.get();
    let (wish, safe) = (&step.request.setpoints, &step.verdict.safe);
    let battery = (wish.battery - safe.battery().kilowatts()).get() / plant.battery().charge_kw_max.max(1e-9);
    let chp = (wish.chp - safe.chp().kilowatts()).get() / plant.chp().p_kw_max.max(1e-9);
    let charge = if settings.risk > 0.0 { settings.risk * risk.charge(cost) } else { 0.0 };
    risk.learn(cost);
    let worth = saved.idle + settings.shaping * saved.stored - cost;
    settings.reward_scale * worth - settings.correction * (battery * battery + chp * chp) - charge
}

/// Energy that a step left in the batteries, kWh.
fn stored_kwh(plant: &Plant, step: &EnvStep) -> f64 {
    (step.soc_after.get() - step.soc_before.get()) * plant.battery().capacity_kwh
}

/// What evaluation settles stored energy at: between what a kWh costs that has to be bought and what one brings that is sold.
fn stored_eur_per_kwh(plant: &Plant, rows: &[ProfileRow]) -> f64 {
    let (bought, sold) = stored_kwh_worth(plant.battery(), rows);
    0.5 * (bought + sold)
}
