//! What an update does: hyper-parameters and the actor's objective.

use crate::td3::fused::kernels::bf16::Precision;
use crate::td3::fused::memory::buffer::{ACTION_DIM, HIDDEN};

/// Hyper-parameters; the defaults are those of the TD3 paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Td3Config {
    /// Transitions in a batch.
    pub batch: usize,
    /// Worth of a reward one step later.
    pub discount: f32,
    /// Share by which the targets follow at each delayed step.
    pub tau: f32,
    /// Adam's rate for the actor.
    pub actor_rate: f64,
    /// Adam's rate for the critics.
    pub critic_rate: f64,
    /// Critic steps for one step of actor and targets.
    pub policy_delay: u64,
    /// Standard deviation of the smoothing noise on target actions.
    pub policy_noise: f32,
    /// Largest smoothing noise.
    pub noise_clip: f32,
    /// What the actor is trained for.
    pub objective: ActorObjective,
    /// What values are relative to.
    pub origin: Origin,
    /// How the products of the 256 × 256 layers are computed; acting is always in f32.
    pub precision: Precision,
}

impl Default for Td3Config {
    fn default() -> Self {
        Self {
            batch: 256,
            discount: 0.99,
            tau: 0.005,
            actor_rate: 3e-4,
            critic_rate: 3e-4,
            policy_delay: 2,
            policy_noise: 0.2,
            noise_clip: 0.5,
            objective: ActorObjective::default(),
            origin: Origin::default(),
            precision: Precision::F32,
        }
    }
}

/// Numbers of an observation that actions have a part in, and a state of the plant given by them: `(place, value)`.
///
/// With an origin, a target is `y = r + discount (V'(s') - V'(s'₀))`: `s'₀` is `s'` with these values in these places, the rest of
/// it what no action changes. Whatever is a function of that rest alone may be subtracted without changing which
/// action is best (Mao, Venkatakrishnan, Schwarzkopf and Alizadeh 2019, input-dependent baselines); what remains to be learned is
/// what the plant's own state is worth. None at all is TD3 as in its paper.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Origin(pub [Option<(usize, f32)>; ORIGIN_MAX]);

/// Most numbers of an origin.
pub const ORIGIN_MAX: usize = 5;

impl Origin {
    /// Whether values are relative at all.
    pub(crate) fn is_set(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// An observation becomes that of the plant's state at the origin.
    pub(crate) fn put(&self, observation: &mut [f32]) {
        for (place, value) in self.0.iter().flatten() {
            observation[*place] = *value;
        }
    }
}

/// Actor loss `-λ·mean(Q₁(s, π(s))) + bc_weight·mean((π(s) - goal)²)`; the defaults are plain TD3.
///
/// Deviation from TD3+BC (Fujimoto and Gu 2021): λ is applied to Q as there, the weight of the cloning term is free instead of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActorObjective {
    /// The factor λ.
    pub q_scale: QScale,
    /// Weight of the cloning term.
    pub bc_weight: f32,
    /// What is cloned.
    pub goal: Goal,
}

impl Default for ActorObjective {
    fn default() -> Self {
        Self { q_scale: QScale::Fixed(1.0), bc_weight: 0.0, goal: Goal::Stored }
    }
}

/// The factor λ of the actor's objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QScale {
    /// This number.
    Fixed(f32),
    /// This number over the batch's mean of |Q₁(s, π(s))|, as in TD3+BC (2.5 there).
    Normalised(f32),
}

/// The action an actor is asked to imitate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The stored action.
    Stored,
    /// The expert's action; a transition whose expert action is NaN asks for nothing. The stored action where no transition has any.
    Expert,
}

/// What an update saw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UpdateStats {
    /// Sum of both critics' mean squared errors; zero in a pure cloning step.
    pub critic_loss: f64,
    /// The first critic's part of it.
    pub q1_loss: f64,
    /// Mean of Q₁(s, a) over the batch; zero in a pure cloning step.
    pub q_mean: f64,
    /// The actor's part, in steps that train it.
    pub actor: Option<ActorStats>,
}

/// What an actor step saw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ActorStats {
    /// The objective above, or the cloning term alone in a pure cloning step.
    pub loss: f64,
    /// Mean of Q₁(s, π(s)); zero in a pure cloning step.
    pub q_mean: f64,
    /// Mean squared distance to the goal, over the transitions that have one and all components.
    pub bc_loss: f64,
}

/// Floating-point operations of an average update, a multiply-add counted as two, element-wise work not counted.
///
/// Per row of the batch, in multiply-adds: actor `A = obs·256 + 256² + 256·3`, critic `C = (obs+3)·256 + 256² + 256`. Critic step: target actor A, two target critics
/// 2C (both once more with an origin), two critics forward 2C, weight gradients 2C, gradients of their hidden layers 2·(256² + 256). Actor step, once in `policy_delay`: actor forward A, critic forward
/// C, critic backward to its input C, weight gradients A, gradients of the actor's hidden layers 256² + 256·3.
pub fn flop_per_update(obs_dim: usize, config: &Td3Config) -> f64 {
    let (obs, hidden, actions) = (obs_dim as f64, HIDDEN as f64, ACTION_DIM as f64);
    let actor = obs * hidden + hidden * hidden + hidden * actions;
    let critic = (obs + actions) * hidden + hidden * hidden + hidden;
    let origin = if config.origin.is_set() { actor + 2.0 * critic } else { 0.0 };
    let critic_step = origin + actor + 6.0 * critic + 2.0 * (hidden * hidden + hidden);
    let actor_step = 2.0 * actor + 2.0 * critic + hidden * hidden + hidden * actions;
    2.0 * config.batch as f64 * (critic_step + actor_step / config.policy_delay as f64)
}
