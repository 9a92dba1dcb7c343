//! The kernel itself: networks, counters and the phases of an update.

pub(super) mod actor;
pub(super) mod config;
pub(super) mod critic;
pub(super) mod pool;

use crate::td3::fused::kernels::adam::{AdamStep, Polyak};
use crate::td3::fused::kernels::bf16::{Compute, Precision};
use crate::td3::fused::kernels::dispatch::Isa;
use crate::td3::fused::memory::arena::Arena;
use crate::td3::fused::memory::buffer::{ACTION_DIM, HIDDEN, PANELS};
use crate::td3::fused::memory::replay::{Batch, Draw, Replay};
use crate::td3::fused::network::net::{Descent, Net, Part};
use crate::td3::fused::network::state::{NamedTensor, ROLES, Role, StateError, Td3State, prefixes};
use crate::td3::fused::network::work::{ACTOR, CRITIC, Intake, Work};
use crate::td3::fused::vector::random::Stream;
use actor::{ActorGradient, ActorSums};
use config::{ActorStats, QScale, Td3Config, UpdateStats};
use critic::Nets;
use pool::{Pool, Threads};

/// Where an update's transitions come from.
#[derive(Debug, Clone, Copy)]
pub enum Sample<'a> {
    /// A batch drawn uniformly.
    Replay(&'a Replay),
    /// These transitions, at most as many as the configured batch.
    Batch(&'a Batch<'a>),
}

impl<'a> From<&'a Replay> for Sample<'a> {
    fn from(replay: &'a Replay) -> Self {
        Self::Replay(replay)
    }
}

impl<'a> From<&'a Batch<'a>> for Sample<'a> {
    fn from(batch: &'a Batch<'a>) -> Self {
        Self::Batch(batch)
    }
}

/// Uses of random numbers; each update has one stream for each.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Actor,
    Critic1,
    Critic2,
    Draw,
    Noise,
}

/// The networks of a kernel, for its pieces of work to read.
macro_rules! nets {
    ($kernel:ident) => {
        Nets { compute: $kernel.compute, obs_dim: $kernel.obs_dim, actor: &$kernel.actor, critics: &$kernel.critics }
    };
}

/// TD3 networks, their targets and optimizers, and the machinery that updates them.
#[derive(Debug)]
pub struct Td3Kernel {
    config: Td3Config,
    compute: Compute,
    pool: Pool,
    obs_dim: usize,
    actor: Net<ACTION_DIM>,
    critics: [Net<1>; 2],
    works: Vec<Work>,
    seed: u64,
    updates: u64,
    critic_steps: u64,
    actor_steps: u64,
}

impl Td3Kernel {
    /// A kernel with random networks, targets equal to them, on the fastest instruction set of this processor.
    ///
    /// # Panics
    /// If `obs_dim` is 0 or above 253, or the batch is empty.
    pub fn new(obs_dim: usize, config: &Td3Config, seed: u64, threads: Threads) -> Self {
        Self::with_isa(obs_dim, config, seed, threads, Isa::detect())
    }

    /// As `new`, on a given instruction set.
    ///
    /// # Panics
    /// As `new`.
    pub fn with_isa(obs_dim: usize, config: &Td3Config, seed: u64, threads: Threads, isa: Isa) -> Self {
        assert!(obs_dim > 0 && obs_dim + ACTION_DIM <= HIDDEN, "1 to 253 observations, not {obs_dim}");
        assert!(config.batch > 0 && config.policy_delay > 0, "batch and policy delay are positive");
        let pool = Pool::new(threads);
        let piece = Work::piece(config.batch, pool.threads());
        let compute = Compute { isa, precision: config.precision };
        let mut arena = Arena::default();
        let works = (0..pool.threads()).map(|_| Work::new(piece, config.precision, &mut arena)).collect();
        let critics = std::array::from_fn(|_| Net::zeros(obs_dim + ACTION_DIM, config.precision, &mut arena));
        let actor = Net::zeros(obs_dim, config.precision, &mut arena);
        let mut kernel = Self {
            config: *config,
            compute,
            pool,
            obs_dim,
            actor,
            critics,
            works,
            seed,
            updates: 0,
            critic_steps: 0,
            actor_steps: 0,
        };
        kernel.randomise();
        kernel
    }

    /// Draws new networks from the seed.
    fn randomise(&mut self) {
        self.actor.randomise(self.stream(Purpose::Actor));
        let [q1, q2] = [self.stream(Purpose::Critic1), self.stream(Purpose::Critic2)];
        self.critics[0].randomise(q1);
        self.critics[1].randomise(q2);
        self.refresh();
    }

    /// Brings the rearranged copies of all networks up to date.
    fn refresh(&mut self) {
        self.actor.refresh(self.compute);
        self.critics.iter_mut().for_each(|critic| critic.refresh(self.compute));
    }

    /// The standard normal numbers `[rows, 3]` that the next update smooths its target actions with.
    #[cfg(all(test, feature = "candle"))]
    pub(crate) fn smoothing_noise(&self, rows: usize) -> Vec<f32> {
        let mut noise = vec![0.0; rows * ACTION_DIM];
        self.compute.isa.normals(self.stream(Purpose::Noise), 0, &mut noise);
        noise
    }

    /// This update's random numbers for one purpose.
    fn stream(&self, purpose: Purpose) -> Stream {
        Stream::new(self.seed, self.updates * 8 + purpose as u64)
    }

    /// Components of an observation.
    pub fn obs_dim(&self) -> usize {
        self.obs_dim
    }

    /// The hyper-parameters.
    pub fn config(&self) -> &Td3Config {
        &self.config
    }

    /// Changes Adam's rates, from the next update on.
    pub fn set_rates(&mut self, actor: f64, critic: f64) {
        (self.config.actor_rate, self.config.critic_rate) = (actor, critic);
    }

    /// Updates done, cloning steps included.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Threads in use, the caller's included.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.compute.isa
    }

    /// One TD3 step: both critics, and every `policy_delay`-th time the actor and all targets.
    ///
    /// # Panics
    /// If there are no transitions, or of another observation size, or a batch larger than the configured one.
    pub fn update<'a>(&mut self, sample: impl Into<Sample<'a>>) -> UpdateStats {
        let (mut stats, rows) = self.step_critics(sample.into());
        if self.critic_steps.is_multiple_of(self.config.policy_delay) {
            stats.actor = Some(self.step_actor(rows));
        }
        self.updates += 1;
        stats
    }

    /// As `update`, but the actor and its target stay.
    ///
    /// # Panics
    /// As `update`.
    pub fn critic_update<'a>(&mut self, sample: impl Into<Sample<'a>>) -> UpdateStats {
        let (stats, _) = self.step_critics(sample.into());
        self.updates += 1;
        stats
    }

    /// One step of the actor on the cloning term alone; its target follows by `tau`. Critics stay.
    ///
    /// # Panics
    /// As `update`.
    pub fn clone_update<'a>(&mut self, sample: impl Into<Sample<'a>>) -> UpdateStats {
        let intake = self.intake(sample.into());
        let nets = nets!(self);
        self.pool.for_each(&mut self.works, |work| {
            work.gather(&intake);
            nets.policy_rows(work);
        });
        let sums = ActorSums::over(&self.works);
        let cloning = 2.0 / sums.goals.max(1) as f32;
        self.descend_actor(ActorGradient { value: 0.0, cloning });
        self.updates += 1;
        let bc_loss = sums.bc_loss();
        UpdateStats { actor: Some(ActorStats { loss: bc_loss, q_mean: 0.0, bc_loss }), ..UpdateStats::default() }
    }

    /// `tanh` actions `[n, 3]` of the actor for observations `[n, obs_dim]`, without noise.
    ///
    /// # Panics
    /// If `obs` and `out` do not have the same number of rows.
    pub fn act(&mut self, obs: &[f32], out: &mut [f32]) {
        let (dim, n) = (self.obs_dim, out.len() / ACTION_DIM);
        assert!(obs.len() == n * dim && out.len() == n * ACTION_DIM, "one action for each observation");
        let compute = Compute { precision: Precision::F32, ..self.compute };
        let nets = Nets { compute, ..nets!(self) };
        let Some(work) = self.works.first_mut() else { return };
        let piece = work.y.len();
        for (obs, out) in obs.chunks(piece * dim).zip(out.chunks_mut(piece * ACTION_DIM)) {
            work.set_rows(0, obs.len() / dim);
            for (row, obs) in obs.chunks_exact(dim).enumerate() {
                work.x.row_mut(row)[..dim].copy_from_slice(obs);
            }
            nets.policy_rows(work);
            out.copy_from_slice(&work.actor.out[..out.len()]);
        }
    }

    /// Decides what an update reads, and cuts the batch into pieces.
    fn intake<'a>(&mut self, sample: Sample<'a>) -> Intake<'a> {
        let (batch, draw, rows) = match sample {
            Sample::Replay(replay) => (replay.batch(), Draw::Uniform(self.stream(Purpose::Draw)), self.config.batch),
            Sample::Batch(batch) => (*batch, Draw::InOrder, batch.len()),
        };
        batch.check(self.obs_dim);
        assert!(rows <= self.config.batch, "{rows} transitions, room for {}", self.config.batch);
        let piece = Work::piece(rows, self.works.len());
        for (i, work) in self.works.iter_mut().enumerate() {
            let first = (i * piece).min(rows);
            work.set_rows(first, piece.min(rows - first));
        }
        Intake { batch, draw, rows, goal: self.config.objective.goal }
    }

    /// Phases 1 to 4. Returns the number of rows.
    fn step_critics(&mut self, sample: Sample<'_>) -> (UpdateStats, usize) {
        let (intake, noise, config) = (self.intake(sample), self.stream(Purpose::Noise), self.config);
        self.critic_steps += 1;
        for critic in [0, 1] {
            let nets = nets!(self);
            self.pool.for_each(&mut self.works, |work| {
                if critic == 0 {
                    work.gather(&intake);
                    nets.target_rows(work, &config, noise);
                }
                nets.critic_rows(work, critic, intake.rows);
            });
            self.descend_critic(critic);
        }
        (self.critic_stats(intake.rows), intake.rows)
    }

    /// Phases 2 and 4: one Adam step of a critic.
    fn descend_critic(&mut self, critic: usize) {
        let blend = self.critic_steps.is_multiple_of(self.config.policy_delay);
        let polyak = if blend { Polyak::Blend(self.config.tau) } else { Polyak::Keep };
        let step = AdamStep::new(self.config.critic_rate, self.critic_steps, polyak);
        let (compute, inputs, works) = (self.compute, self.obs_dim + ACTION_DIM, &self.works);
        let critics = Descent { factors: &CRITIC, step: &step };
        let train = |mut part: Part<'_, 1>| part.descend(compute, inputs, works, critics);
        self.pool.for_up_to::<{ PANELS + 1 }, _>(self.critics[critic].parts(), train);
    }

    /// Losses and mean value, summed in the order of the batch.
    fn critic_stats(&self, rows: usize) -> UpdateStats {
        let mut stats = UpdateStats::default();
        for work in &self.works {
            for row in 0..work.rows() {
                let [q1, q2, y] = [&work.q[0], &work.q[1], &work.y].map(|xs| f64::from(xs[row]));
                stats.critic_loss += (q1 - y).powi(2) + (q2 - y).powi(2);
                stats.q1_loss += (q1 - y).powi(2);
                stats.q_mean += q1;
            }
        }
        stats.critic_loss /= rows as f64;
        stats.q1_loss /= rows as f64;
        stats.q_mean /= rows as f64;
        stats
    }

    /// Phases 5 to 7.
    fn step_actor(&mut self, rows: usize) -> ActorStats {
        let nets = nets!(self);
        self.pool.for_each(&mut self.works, |work| {
            nets.policy_rows(work);
            nets.value_rows(work);
        });
        let (sums, objective) = (ActorSums::over(&self.works), self.config.objective);
        let lambda = match objective.q_scale {
            QScale::Fixed(lambda) => lambda,
            QScale::Normalised(alpha) => alpha / (sums.q_abs / rows as f64).max(1e-8) as f32,
        };
        let cloning = 2.0 * objective.bc_weight / sums.goals.max(1) as f32;
        self.descend_actor(ActorGradient { value: -lambda / rows as f32, cloning });
        let (q_mean, bc_loss) = (sums.q / rows as f64, sums.bc_loss());
        let loss = f64::from(objective.bc_weight) * bc_loss - f64::from(lambda) * q_mean;
        ActorStats { loss, q_mean, bc_loss }
    }

    /// Phases 6 and 7: the actor's gradient, one Adam step, its target.
    fn descend_actor(&mut self, gradient: ActorGradient) {
        let nets = nets!(self);
        self.pool.for_each(&mut self.works, |work| nets.actor_rows(work, gradient));
        self.actor_steps += 1;
        let step = AdamStep::new(self.config.actor_rate, self.actor_steps, Polyak::Blend(self.config.tau));
        let (compute, inputs, works) = (self.compute, self.obs_dim, &self.works);
        let actor = Descent { factors: &ACTOR, step: &step };
        let train = |mut part: Part<'_, ACTION_DIM>| part.descend(compute, inputs, works, actor);
        self.pool.for_up_to::<{ PANELS + 1 }, _>(self.actor.parts(), train);
    }

    /// The whole state; `import` of it continues bit by bit.
    pub fn export(&self) -> Td3State {
        let mut tensors = Vec::new();
        for (infix, role) in ROLES {
            let (actor, [q1, q2]) = prefixes(infix);
            tensors.extend(self.actor.export(&actor, role));
            tensors.extend(self.critics[0].export(&q1, role));
            tensors.extend(self.critics[1].export(&q2, role));
        }
        let Self { seed, updates, critic_steps, actor_steps, .. } = *self;
        Td3State { seed, updates, critic_steps, actor_steps, tensors }
    }

    /// Takes over a state.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape; nothing is changed then.
    pub fn import(&mut self, state: &Td3State) -> Result<(), StateError> {
        for (infix, _) in ROLES {
            let (actor, [q1, q2]) = prefixes(infix);
            self.actor.check(&actor, &state.tensors)?;
            self.critics[0].check(&q1, &state.tensors)?;
            self.critics[1].check(&q2, &state.tensors)?;
        }
        for (infix, role) in ROLES {
            let (actor, [q1, q2]) = prefixes(infix);
            self.actor.import(&actor, role, &state.tensors)?;
            self.critics[0].import(&q1, role, &state.tensors)?;
            self.critics[1].import(&q2, role, &state.tensors)?;
        }
        (self.seed, self.updates) = (state.seed, state.updates);
        (self.critic_steps, self.actor_steps) = (state.critic_steps, state.actor_steps);
        self.refresh();
        Ok(())
    }

    /// The actor's parameters, `actor.l1.weight` to `actor.l3.bias`.
    pub fn export_actor(&self) -> Vec<NamedTensor> {
        self.actor.export("actor", Role::Live).collect()
    }

    /// Starts the actor and its target from given parameters, with fresh Adam moments.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape; nothing is changed then.
    pub fn import_actor(&mut self, tensors: &[NamedTensor]) -> Result<(), StateError> {
        self.actor.import("actor", Role::Live, tensors)?;
        self.actor.sync_target();
        self.actor.clear_moments();
        self.actor.refresh(self.compute);
        self.actor_steps = 0;
        Ok(())
    }
}
