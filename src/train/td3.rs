//! TD3 (Fujimoto, van Hoof, Meger 2018) on the microgrid: act, store, update.
//!
//! Twin critics, target policy smoothing, delayed policy updates: the update itself is [`super::fused`]. The safety filter is inside
//! the environment and the *requested* action is stored. The end of an episode is a truncation and bootstraps.
//!
//! Deviations from the paper, all by configuration: several environments side by side; optionally a cloning term towards the actor
//! of the stage before (TD3+BC) and a critic trained first, because TD3 started at a good policy without them destroys it. The
//! reward is half of what a step saves against doing nothing, which keeps values near zero.

use super::config::Td3Settings;
use super::fused::{
    ActorObjective, Bf16, ExpertField, Goal, NamedTensor, Precision, QScale, Replay, StateError, Td3Config, Td3Kernel,
    Threads, Transition, UpdateStats,
};
use super::model_based::episode::{Source, Variation};
use memg_core::action::Action;
use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::profile::Profile;
use memg_core::reward::{RewardWeights, RunningRisk};
use memg_core::units::Soc;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The learner with its environments.
#[derive(Debug)]
pub struct Td3 {
    settings: Td3Settings,
    schema: Schema,
    plant: Plant,
    source: Source,
    variation: Variation,
    kernel: Td3Kernel,
    /// The actor of the stage before, as tensors; cloned and used for exploration's expert.
    teacher: Option<Td3Kernel>,
    replay: Replay,
    environments: Vec<Environment>,
    state: Td3Progress,
}

/// Counters and random state; travels in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Td3Progress {
    /// Random state.
    pub rng: Pcg64Mcg,
    /// Environment steps.
    pub steps: u64,
    /// Updates.
    pub updates: u64,
    /// Sum of rewards of every finished episode.
    pub episode_rewards: Vec<f64>,
    /// Value at risk of a step's cost.
    pub risk: RunningRisk,
    /// Where each environment is.
    pub environments: Vec<EnvironmentState>,
}

/// An environment in a checkpoint: the episode is drawn again from its seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentState {
    seed: u64,
    first: usize,
    steps_left: usize,
    soc: f64,
    memory: ControlMemory,
    reward: f64,
}

#[derive(Debug)]
struct Environment {
    env: MemgEnv,
    state: EnvironmentState,
    block: usize,
}

impl Td3 {
    /// A learner with random networks.
    #[must_use]
    pub fn new(
        plant: Plant,
        schema: Schema,
        source: Source,
        variation: Variation,
        setup: (&Td3Settings, u64, usize),
    ) -> Self {
        let (settings, seed, threads) = setup;
        let threads = if threads == 0 { Threads::All } else { Threads::exactly(threads) };
        let kernel = Td3Kernel::new(schema.len(), &kernel_config(settings), seed, threads);
        let replay = Replay::new(schema.len(), settings.replay, ExpertField::Stored);
        let rng = Pcg64Mcg::seed_from_u64(seed ^ 0x7d3);
        let risk = RunningRisk::new(0.95, 0.01);
        let state =
            Td3Progress { rng, steps: 0, updates: 0, episode_rewards: Vec::new(), risk, environments: Vec::new() };
        let mut td3 = Self {
            settings: *settings,
            schema,
            plant,
            source,
            variation,
            kernel,
            teacher: None,
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
        self.kernel.import_actor(actor)?;
        let mut teacher = Td3Kernel::new(self.schema.len(), &kernel_config(&self.settings), 0, Threads::exactly(1));
        teacher.import_actor(actor)?;
        self.teacher = Some(teacher);
        Ok(())
    }

    /// Steps every environment once, then as many updates. `None` while the replay is still filling.
    pub fn advance(&mut self) -> Option<UpdateStats> {
        self.collect();
        let mut last = None;
        for _ in 0..self.environments.len() {
            if self.replay.len() >= self.settings.learning_starts.max(1) && self.state.updates < self.settings.updates {
                last = Some(self.update());
            }
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
        for environment in &self.environments {
            observations.extend_from_slice(seen(&environment.env, self.schema).values());
        }
        let mut actions = vec![0.0; n * 3];
        self.kernel.act(&observations, &mut actions);
        let mut expert = vec![f32::NAN; n * 3];
        if let Some(teacher) = &mut self.teacher {
            teacher.act(&observations, &mut expert);
        }
        for i in 0..n {
            let wanted = [0, 1, 2].map(|k| actions[3 * i + k]);
            let action = self.explore(wanted);
            let expert = self.teacher.is_some().then(|| [0, 1, 2].map(|k| expert[3 * i + k]));
            self.step(i, &observations[i * dim..(i + 1) * dim], action, expert);
        }
    }

    /// Uniform at first if there is no teacher, then the actor with clipped noise.
    fn explore(&mut self, wanted: [f32; 3]) -> [f32; 3] {
        let rng = &mut self.state.rng;
        if self.teacher.is_none() && self.replay.len() < self.settings.learning_starts {
            return [(); 3].map(|()| rng.random_range(-1.0..=1.0));
        }
        let width = self.settings.exploration_noise;
        wanted.map(|a| {
            let noise = (normal(rng) * width).clamp(-0.5, 0.5);
            (a + noise).clamp(-1.0, 1.0)
        })
    }

    fn step(&mut self, i: usize, obs: &[f32], action: [f32; 3], expert: Option<[f32; 3]>) {
        let idle = self.environments[i].env.idle_cost().get();
        let Some(step) = self.environments[i].env.step(Action(action)) else {
            self.environments[i] = self.fresh_environment();
            return;
        };
        let reward = self.reward(idle, &step);
        let next = seen(&self.environments[i].env, self.schema);
        self.replay.push(&Transition {
            obs,
            action,
            reward: reward as f32,
            next_obs: next.values(),
            terminated: step.terminated,
            expert,
        });
        self.state.steps += 1;
        self.environments[i].state.reward += reward;
        if step.truncated {
            self.state.episode_rewards.push(self.environments[i].state.reward);
            self.environments[i] = self.fresh_environment();
        }
    }

    /// `(idle - cost)/2 - correction |request - set-points|² - risk (cost - VaR)⁺ / (1 - alpha)`, EUR; distances in shares of the
    /// ratings. The risk term depends on this step's cost and so on its action.
    fn reward(&mut self, idle: f64, step: &EnvStep) -> f64 {
        let p = self.plant.parameters();
        let cost = step.cost.get();
        let (wish, safe) = (&step.request.setpoints, &step.verdict.safe);
        let battery = (wish.battery - safe.battery().kilowatts()).get() / p.battery.charge_kw_max.max(1e-9);
        let chp = (wish.chp - safe.chp().kilowatts()).get() / p.chp.p_kw_max;
        let charge = if self.settings.risk > 0.0 { self.settings.risk * self.state.risk.charge(cost) } else { 0.0 };
        self.state.risk.learn(cost);
        0.5 * (idle - cost) - self.settings.correction * (battery * battery + chp * chp) - charge
    }

    fn fresh_environment(&mut self) -> Environment {
        let seed = self.state.rng.random();
        let (profile, mut state) = self.episode(seed);
        state.steps_left = state.steps_left.min(self.settings.episode_steps);
        self.environment(profile, state)
    }

    /// A varied window of days and a start in it, from a seed alone.
    fn episode(&self, seed: u64) -> (Arc<Profile>, EnvironmentState) {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let steps = self.settings.episode_steps;
        let window = self.source.window_of_days(&mut rng, &Variation { steps, ..self.variation });
        let profile = Arc::new(Profile::from_rows(window));
        let env = MemgEnv::new(self.plant, Arc::clone(&profile), RewardWeights::default());
        let start = if rng.random_bool(0.2) {
            Start { steps, ..Start::block(0..profile.rows().len()) }
        } else {
            env.random_start(&mut rng, steps)
        };
        let steps_left = steps.min(profile.rows().len() - start.first);
        let (first, soc, memory) = (start.first, start.soc.get(), start.memory);
        (profile, EnvironmentState { seed, first, steps_left, soc, memory, reward: 0.0 })
    }

    fn environment(&self, profile: Arc<Profile>, state: EnvironmentState) -> Environment {
        let block = profile.rows().len();
        let mut env = MemgEnv::new(self.plant, profile, RewardWeights::default());
        let (first, steps) = (state.first, state.steps_left);
        env.reset(Start { block: 0..block, first, steps, soc: Soc::new(state.soc), memory: state.memory });
        Environment { env, state, block }
    }

    /// The actor's parameters.
    #[must_use]
    pub fn actor(&self) -> Vec<NamedTensor> {
        self.kernel.export_actor()
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

    /// The transitions.
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
        let now = |e: &Environment| {
            let done = e.env.index() - e.state.first;
            let steps_left = e.state.steps_left - done;
            let (soc, memory) = (e.env.soc().get(), *e.env.memory());
            EnvironmentState { first: e.env.index(), steps_left, soc, memory, ..e.state }
        };
        Td3Progress { environments: self.environments.iter().map(now).collect(), ..self.state.clone() }
    }

    /// Continues from counters, random state and environments.
    pub fn restore(&mut self, progress: Td3Progress) {
        let rebuilt = progress.environments.iter().map(|state| {
            let (profile, _) = self.episode(state.seed);
            self.environment(profile, *state)
        });
        self.environments = rebuilt.collect();
        debug_assert!(self.environments.iter().all(|e| e.state.first < e.block));
        self.state = Td3Progress { environments: Vec::new(), ..progress };
    }

    /// The actor of the stage before, if there is one.
    #[must_use]
    pub fn teacher_actor(&self) -> Option<Vec<NamedTensor>> {
        self.teacher.as_ref().map(Td3Kernel::export_actor)
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
pub(super) fn precision(bf16: bool, found: Option<Bf16>) -> Result<Precision, String> {
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
        precision: precision(s.bf16, Bf16::detect()).unwrap_or_default(),
    }
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut Pcg64Mcg) -> f32 {
    let (u, v): (f32, f32) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

/// What a network of this site sees.
fn seen(env: &MemgEnv, schema: Schema) -> Observation {
    env.observe(schema, &Divisors::of(env.filter().plant()))
}
