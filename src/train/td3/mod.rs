//! TD3 (Fujimoto, van Hoof, Meger 2018) on the microgrid: act, store, update.
//!
//! Twin critics, target policy smoothing, delayed policy updates: the update itself is [`fused`]. The safety filter is inside
//! the environment and the *requested* action is stored. The end of an episode is a truncation and bootstraps.
//!
//! Deviations from the paper, all by configuration: several environments side by side; optionally a cloning term towards the actor
//! of the stage before (TD3+BC) and a critic trained first, because TD3 started at a good policy without them destroys it. The
//! reward is half of what a step saves against doing nothing, which keeps values near zero.

mod average;
mod environment;
pub mod fused;
mod normaliser;
#[cfg(feature = "candle")]
pub mod reference;
pub mod settings;
#[cfg(test)]
mod tests;

use crate::gradient::episode::{EpisodeSource, Variation};
use average::Average;
pub use environment::EnvironmentState;
use environment::{Environment, EpisodeMaker};
use fused::{
    ActorObjective, Bf16, ExpertField, Goal, NamedTensor, Origin, Precision, QScale, Replay, StateError, Td3Config,
    Td3Kernel, Threads, Transition, UpdateStats,
};
use memg_core::equipment::Plant;
use memg_core::forecast::Ridge;
use memg_core::observation::Schema;
use memg_core::reward::RunningRisk;
use normaliser::Normaliser;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use settings::Td3Settings;

/// The learner with its environments.
#[derive(Debug)]
pub struct Td3 {
    settings: Td3Settings,
    schema: Schema,
    episodes: EpisodeMaker,
    kernel: Td3Kernel,
    /// The actor of the stage before, as tensors; cloned and used for exploration's expert.
    teacher: Option<Td3Kernel>,
    /// What the networks see of an observation.
    normaliser: Normaliser,
    /// The actor that is judged, if it is not the one being trained.
    average: Option<Average>,
    replay: Replay,
    environments: Vec<Environment>,
    state: Td3Progress,
}

/// What a learner is made of.
#[derive(Debug, Clone)]
pub struct Td3Setup {
    /// The plant.
    pub plant: Plant,
    /// What the actor sees.
    pub schema: Schema,
    /// Days to draw episodes from.
    pub source: EpisodeSource,
    /// What an actor sees the hours ahead through, if it does.
    pub forecaster: Option<Ridge>,
    /// How they are varied; the number of steps is that of the settings.
    pub variation: Variation,
    /// Hyper-parameters.
    pub settings: Td3Settings,
    /// Seed of every random number.
    pub seed: u64,
    /// Threads; 0 is one for each core.
    pub threads: usize,
}

/// Counters and random state; travels in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Td3Progress {
    /// State of the random numbers: seeds of episodes, exploration.
    pub rng: Pcg64Mcg,
    /// Steps of all environments together.
    pub steps: u64,
    /// Updates, those of the critics alone included.
    pub updates: u64,
    /// Sum of rewards of every finished episode.
    pub episode_rewards: Vec<f64>,
    /// Value at risk of a step's cost.
    pub risk: RunningRisk,
    /// Where each environment is.
    pub environments: Vec<EnvironmentState>,
}

impl Td3 {
    /// A learner with random networks.
    #[must_use]
    pub fn new(setup: Td3Setup) -> Self {
        let Td3Setup { plant, schema, source, forecaster, variation, settings, seed, threads } = setup;
        let episodes = EpisodeMaker { plant, source, forecaster, variation, steps: settings.episode_steps };
        let normaliser = if settings.normalise {
            Normaliser::measure(&episodes, schema, seed)
        } else {
            Normaliser::none(schema.len())
        };
        let threads = if threads == 0 { Threads::All } else { Threads::exactly(threads) };
        let origin = if settings.relative { normaliser.origin(schema) } else { Origin::default() };
        let config = Td3Config { origin, ..kernel_config(&settings) };
        let kernel = Td3Kernel::new(schema.len(), &config, seed, threads);
        let replay = Replay::new(schema.len(), settings.replay, ExpertField::Stored);
        let rng = Pcg64Mcg::seed_from_u64(seed ^ 0x7d3);
        let risk = RunningRisk::new(0.95, 0.01);
        let state =
            Td3Progress { rng, steps: 0, updates: 0, episode_rewards: Vec::new(), risk, environments: Vec::new() };
        let average = (settings.average < 1.0).then(|| Average::new(settings.average, &kernel));
        let mut td3 = Self {
            settings,
            schema,
            episodes,
            kernel,
            teacher: None,
            normaliser,
            average,
            replay,
            environments: Vec::new(),
            state,
        };
        for _ in 0..settings.environments {
            let environment = td3.fresh_environment();
            td3.environments.push(environment);
        }
        td3
    }

    /// Starts from an actor, and stays close to it as far as `bc_weight` says.
    ///
    /// # Errors
    /// The tensors do not fit the network.
    pub fn start_from(&mut self, actor: &[NamedTensor]) -> Result<(), StateError> {
        self.teach(&self.normaliser.unfolded(actor))
    }

    /// As [`Td3::start_from`], with an actor as the networks have it.
    ///
    /// # Errors
    /// The tensors do not fit the network.
    pub fn teach(&mut self, actor: &[NamedTensor]) -> Result<(), StateError> {
        self.kernel.import_actor(actor)?;
        if let Some(average) = &mut self.average {
            average.begin_at(actor);
        }
        let mut teacher = Td3Kernel::new(self.schema.len(), self.kernel.config(), 0, Threads::exactly(1));
        teacher.import_actor(actor)?;
        self.teacher = Some(teacher);
        Ok(())
    }

    /// Steps every environment once, then as many updates. `None` while the replay is still filling.
    pub fn advance(&mut self) -> Option<UpdateStats> {
        self.collect();
        let mut last = None;
        for _ in 0..self.settings.updates_a_round() {
            if self.replay.len() >= self.settings.learning_starts.max(1) && self.state.updates < self.settings.updates {
                last = Some(self.update());
            }
        }
        if let (Some(average), Some(_)) = (&mut self.average, last) {
            average.follow(&self.kernel);
        }
        last
    }

    fn update(&mut self) -> UpdateStats {
        let critics_only = self.state.updates < self.settings.critic_first;
        self.state.updates += 1;
        if critics_only { self.kernel.critic_update(&self.replay) } else { self.kernel.update(&self.replay) }
    }

    /// One step of every environment with exploration noise.
    fn collect(&mut self) {
        let (dim, n) = (self.schema.len(), self.environments.len());
        let mut observations = Vec::with_capacity(n * dim);
        for environment in &mut self.environments {
            observations.extend_from_slice(environment.observe(self.schema).values());
        }
        self.normaliser.apply(&mut observations);
        let mut actions = vec![0.0; n * 3];
        self.kernel.act(&observations, &mut actions);
        let mut expert = vec![f32::NAN; n * 3];
        if let Some(teacher) = &mut self.teacher {
            teacher.act(&observations, &mut expert);
        }
        for i in 0..n {
            let wanted = [0, 1, 2].map(|k| actions[3 * i + k]);
            let action = self.explore(i, wanted);
            let expert = self.teacher.is_some().then(|| [0, 1, 2].map(|k| expert[3 * i + k]));
            self.step(i, &observations[i * dim..(i + 1) * dim], action, expert);
        }
    }

    /// Uniform at first if there is no teacher, then the actor with clipped noise, that of environment `i`.
    fn explore(&mut self, i: usize, wanted: [f32; 3]) -> [f32; 3] {
        let rng = &mut self.state.rng;
        if self.teacher.is_none() && self.replay.len() < self.settings.learning_starts {
            return [(); 3].map(|()| rng.random_range(-1.0..=1.0));
        }
        let Td3Settings { exploration_noise, exploration_spread, random_share, environments, .. } = self.settings;
        let place = i as f32 / environments.saturating_sub(1).max(1) as f32;
        let width = exploration_noise * (1.0 - exploration_spread * place);
        wanted.map(|a| {
            if random_share > 0.0 && rng.random_bool(random_share) {
                return rng.random_range(-1.0..=1.0);
            }
            let noise = (normal(rng) * width).clamp(-0.5, 0.5);
            (a + noise).clamp(-1.0, 1.0)
        })
    }

    /// One step of environment `i`, stored as a transition.
    fn step(&mut self, i: usize, obs: &[f32], action: [f32; 3], expert: Option<[f32; 3]>) {
        let Some(found) = self.environments[i].step(action, &self.settings, &mut self.state.risk) else {
            self.environments[i] = self.fresh_environment();
            return;
        };
        let mut next = self.environments[i].observe(self.schema).values().to_vec();
        self.normaliser.apply(&mut next);
        self.replay.push(&Transition {
            obs,
            action,
            reward: found.reward as f32,
            next_obs: &next,
            terminated: found.terminated,
            expert,
        });
        self.state.steps += 1;
        if found.truncated {
            self.state.episode_rewards.push(self.environments[i].state.reward);
            self.environments[i] = self.fresh_environment();
        }
    }

    fn fresh_environment(&mut self) -> Environment {
        let seed = self.state.rng.random();
        self.episodes.fresh(seed)
    }

    /// The parameters of the actor that is judged, for observations as they are.
    #[must_use]
    pub fn actor(&self) -> Vec<NamedTensor> {
        let actor = self.average.as_ref().map_or_else(|| self.kernel.export_actor(), Average::actor);
        self.normaliser.folded(&actor)
    }

    /// The running average of the actor, as the kernel has it.
    #[must_use]
    pub fn average(&self) -> Option<Vec<NamedTensor>> {
        self.average.as_ref().map(Average::actor)
    }

    /// Replaces the running average (from a checkpoint).
    pub fn set_average(&mut self, actor: &[NamedTensor]) {
        if let Some(average) = &mut self.average {
            average.begin_at(actor);
        }
    }

    /// Networks, optimizers and targets.
    #[must_use]
    pub const fn kernel(&self) -> &Td3Kernel {
        &self.kernel
    }

    /// As `kernel`, to load a state.
    pub const fn kernel_mut(&mut self) -> &mut Td3Kernel {
        &mut self.kernel
    }

    /// The transitions that updates draw from.
    #[must_use]
    pub const fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Replaces the transitions (from a checkpoint).
    pub fn set_replay(&mut self, replay: Replay) {
        self.replay = replay;
    }

    /// Counters, random state and where each environment is.
    #[must_use]
    pub fn progress(&self) -> Td3Progress {
        Td3Progress { environments: self.environments.iter().map(Environment::now).collect(), ..self.state.clone() }
    }

    /// Continues from counters, random state and environments.
    pub fn restore(&mut self, progress: Td3Progress) {
        self.environments = progress.environments.iter().map(|state| self.episodes.resumed(*state)).collect();
        self.state = Td3Progress { environments: Vec::new(), ..progress };
    }

    /// The actor of the stage before, if there is one, as the networks have it.
    #[must_use]
    pub fn teacher_actor(&self) -> Option<Vec<NamedTensor>> {
        self.teacher.as_ref().map(Td3Kernel::export_actor)
    }

    /// Adam's rates, which have fallen as far as `decline` says, 0 to 1.
    pub fn slow_down(&mut self, decline: f64) {
        let Td3Settings { actor_rate, critic_rate, rate_at_end, .. } = self.settings;
        let left = rate_at_end + (1.0 - rate_at_end) * 0.5 * (1.0 + (std::f64::consts::PI * decline).cos());
        self.kernel.set_rates(left * actor_rate, left * critic_rate);
    }

    /// Changes how many updates are made in all.
    pub const fn set_updates(&mut self, updates: u64) {
        self.settings.updates = updates;
    }

    /// Updates so far.
    #[must_use]
    pub const fn updates(&self) -> u64 {
        self.state.updates
    }

    /// Rewards of finished episodes.
    #[must_use]
    pub fn episode_rewards(&self) -> &[f64] {
        &self.state.episode_rewards
    }
}

/// What `td3.bf16` asks for, if the processor has it. It is refused otherwise: f32 in its place would give other weights for the same seed.
///
/// # Errors
/// What is missing, with the key.
pub(crate) fn precision(bf16: bool, found: Option<Bf16>) -> Result<Precision, String> {
    match (bf16, found) {
        (false, _) => Ok(Precision::F32),
        (true, Some(found)) => Ok(Precision::Bf16(found)),
        (true, None) => Err("td3.bf16: this processor has no AVX512_BF16, expected false".to_owned()),
    }
}

/// A run checks the precision before it comes here.
fn kernel_config(s: &Td3Settings) -> Td3Config {
    let q_scale = if s.q_scale > 0.0 { QScale::Normalised(s.q_scale) } else { QScale::Fixed(1.0) };
    Td3Config {
        batch: s.batch,
        discount: s.discount,
        tau: s.tau,
        actor_rate: s.actor_rate,
        critic_rate: s.critic_rate,
        policy_delay: s.policy_delay,
        policy_noise: s.policy_noise,
        noise_clip: s.noise_clip,
        objective: ActorObjective { q_scale, bc_weight: s.bc_weight, goal: Goal::Expert },
        origin: Origin::default(),
        precision: precision(s.bf16, Bf16::detect()).unwrap_or_default(),
    }
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut Pcg64Mcg) -> f32 {
    let (u, v): (f32, f32) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
