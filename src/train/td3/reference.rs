//! TD3 as its paper writes it, on candle's autograd: one update of Fujimoto, van Hoof and Meger (2018), algorithm 1, in
//! the order of CleanRL's `td3_continuous_action.py`. Read this first; [`super::fused`] computes the same numbers faster
//! and is held to them by a test.
//!
//! Responsible for: the update alone. Plain TD3: no cloning term, λ = 1 ([`super::fused::ActorObjective`] by default); values relative to
//! an origin if there is one.
//! Not responsible for: replay, exploration, random numbers (the smoothing noise comes in), training of any model.

use super::fused::{ACTION_DIM, Batch, NamedTensor, Origin, Td3Config, Td3State};
use candle_core::{D, Device, Error, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};

/// `x W' + b`, weights `[out, in]`.
#[derive(Debug)]
struct Layer {
    weight: Var,
    bias: Var,
}

/// A network in - 256 - 256 - out with rectifiers between.
#[derive(Debug)]
struct Mlp {
    name: String,
    layers: [Layer; 3],
}

impl Mlp {
    /// The network of this name in a state.
    fn of(state: &Td3State, name: &str) -> Result<Self> {
        let variable = |suffix: &str| {
            let name = format!("{name}.{suffix}");
            let found = state.tensors.iter().find(|tensor| tensor.name == name);
            let found = found.ok_or_else(|| Error::Msg(format!("no tensor {name}")))?;
            Var::from_slice(&found.data, found.shape.as_slice(), &Device::Cpu)
        };
        let layer = |i: usize| -> Result<Layer> {
            Ok(Layer { weight: variable(&format!("l{i}.weight"))?, bias: variable(&format!("l{i}.bias"))? })
        };
        Ok(Self { name: name.to_owned(), layers: [layer(1)?, layer(2)?, layer(3)?] })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [l1, l2, l3] = &self.layers;
        let affine = |layer: &Layer, x: &Tensor| x.matmul(&layer.weight.t()?)?.broadcast_add(&layer.bias);
        let h1 = affine(l1, x)?.relu()?;
        let h2 = affine(l2, &h1)?.relu()?;
        affine(l3, &h2)
    }

    /// An actor's actions `[n, 3]` in (-1, 1).
    fn act(&self, obs: &Tensor) -> Result<Tensor> {
        self.forward(obs)?.tanh()
    }

    /// A critic's values `[n, 1]`.
    fn value(&self, obs: &Tensor, action: &Tensor) -> Result<Tensor> {
        self.forward(&Tensor::cat(&[obs, action], D::Minus1)?)
    }

    fn variables(&self) -> Vec<Var> {
        self.layers.iter().flat_map(|layer| [layer.weight.clone(), layer.bias.clone()]).collect()
    }

    /// `target' = (1 - tau) target + tau live` (Polyak averaging).
    fn follow(&self, live: &Self, tau: f64) -> Result<()> {
        for (target, live) in self.variables().iter().zip(live.variables()) {
            target.set(&((target.as_tensor() * (1.0 - tau))? + (live.as_tensor() * tau)?)?)?;
        }
        Ok(())
    }

    fn tensors(&self) -> Result<Vec<NamedTensor>> {
        let suffixes = ["l1.weight", "l1.bias", "l2.weight", "l2.bias", "l3.weight", "l3.bias"];
        let tensor = |(suffix, var): (&str, Var)| {
            let (name, shape) = (format!("{}.{suffix}", self.name), var.dims().to_vec());
            Ok(NamedTensor { name, shape, data: var.flatten_all()?.to_vec1()? })
        };
        suffixes.into_iter().zip(self.variables()).map(tensor).collect()
    }
}

/// A batch as tensors: `obs`, `next_obs` `[n, obs]`, `action` `[n, 3]`, `reward`, `alive` `[n, 1]`.
struct Columns {
    obs: Tensor,
    action: Tensor,
    reward: Tensor,
    next_obs: Tensor,
    /// 0 where the next state is terminal, else 1.
    alive: Tensor,
}

impl Columns {
    fn of(batch: &Batch<'_>) -> Result<Self> {
        let column = |data: &[f32], width: usize| Tensor::from_slice(data, (batch.len(), width), &Device::Cpu);
        let alive: Vec<f32> = batch.terminated.iter().map(|end| if *end { 0.0 } else { 1.0 }).collect();
        Ok(Self {
            obs: column(batch.obs, batch.obs_dim)?,
            action: column(batch.action, ACTION_DIM)?,
            reward: column(batch.reward, 1)?,
            next_obs: column(batch.next_obs, batch.obs_dim)?,
            alive: column(&alive, 1)?,
        })
    }
}

/// Observations with the plant at the origin.
fn at_origin(obs: &Tensor, origin: &Origin) -> Result<Tensor> {
    let mut rows = obs.to_vec2::<f32>()?;
    rows.iter_mut().for_each(|row| origin.put(row));
    Tensor::from_slice(&rows.concat(), obs.dims(), &Device::Cpu)
}

/// Losses of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceLosses {
    /// `mean((Q1 - y)²) + mean((Q2 - y)²)` before the step.
    pub critic: f32,
    /// `-mean(Q1(s, π(s)))` with the updated critic, in updates that train the actor.
    pub actor: Option<f32>,
}

/// Actor, twin critics, their targets and optimizers.
pub struct ReferenceTd3 {
    config: Td3Config,
    actor: Mlp,
    actor_target: Mlp,
    critics: [Mlp; 2],
    critic_targets: [Mlp; 2],
    actor_adam: AdamW,
    critic_adam: AdamW,
    updates: u64,
}

impl ReferenceTd3 {
    /// Starts from the parameters and targets of a state, with fresh Adam moments.
    ///
    /// # Errors
    /// A tensor is missing or does not have its shape.
    pub fn new(state: &Td3State, config: &Td3Config) -> Result<Self> {
        let actor = Mlp::of(state, "actor")?;
        let critics = [Mlp::of(state, "critic.q1")?, Mlp::of(state, "critic.q2")?];
        let adam = |variables, lr| AdamW::new(variables, ParamsAdamW { lr, weight_decay: 0.0, ..Default::default() });
        Ok(Self {
            config: *config,
            actor_adam: adam(actor.variables(), config.actor_rate)?,
            critic_adam: adam(critics.iter().flat_map(Mlp::variables).collect(), config.critic_rate)?,
            actor_target: Mlp::of(state, "actor_target")?,
            critic_targets: [Mlp::of(state, "critic_target.q1")?, Mlp::of(state, "critic_target.q2")?],
            actor,
            critics,
            updates: 0,
        })
    }

    /// One update on a batch. `noise` are standard normal numbers `[n, 3]`, row after row, for the smoothing.
    ///
    /// # Errors
    /// The batch does not fit the networks.
    pub fn update(&mut self, batch: &Batch<'_>, noise: &[f32]) -> Result<ReferenceLosses> {
        let batch = Columns::of(batch)?;
        let y = self.target_values(&batch, noise)?;
        let [q1, q2] = &self.critics;
        let squared_error = |critic: &Mlp| (critic.value(&batch.obs, &batch.action)? - &y)?.sqr()?.mean_all();
        let critic_loss = (squared_error(q1)? + squared_error(q2)?)?;
        self.critic_adam.backward_step(&critic_loss)?;
        self.updates += 1;
        // Delayed: the critics settle before the actor follows them.
        let delayed = self.updates.is_multiple_of(self.config.policy_delay);
        let actor = if delayed { Some(self.update_actor_and_targets(&batch)?) } else { None };
        Ok(ReferenceLosses { critic: critic_loss.to_scalar()?, actor })
    }

    /// `y = r + discount alive min(Q1', Q2')(s', clamp(π'(s') + clamp(noise)))`.
    fn target_values(&self, batch: &Columns, noise: &[f32]) -> Result<Tensor> {
        let (deviation, clip) = (f64::from(self.config.policy_noise), self.config.noise_clip);
        let action = self.actor_target.act(&batch.next_obs)?;
        let noise = (Tensor::from_slice(noise, action.dims(), &Device::Cpu)? * deviation)?.clamp(-clip, clip)?;
        let smoothed = (action + noise)?.clamp(-1.0_f32, 1.0_f32)?;
        let [q1, q2] = &self.critic_targets;
        // The smaller of two estimates: a maximising actor would exploit the larger one's errors.
        let least = |obs: &Tensor, action: &Tensor| q1.value(obs, action)?.minimum(&q2.value(obs, action)?);
        let mut next = least(&batch.next_obs, &smoothed)?;
        if self.config.origin.is_set() {
            let origin = at_origin(&batch.next_obs, &self.config.origin)?;
            next = (next - least(&origin, &self.actor_target.act(&origin)?)?)?;
        }
        Ok((&batch.reward + ((next * &batch.alive)? * f64::from(self.config.discount))?)?.detach())
    }

    fn update_actor_and_targets(&mut self, batch: &Columns) -> Result<f32> {
        let loss = self.critics[0].value(&batch.obs, &self.actor.act(&batch.obs)?)?.mean_all()?.neg()?;
        self.actor_adam.backward_step(&loss)?;
        let tau = f64::from(self.config.tau);
        self.actor_target.follow(&self.actor, tau)?;
        for (target, live) in self.critic_targets.iter().zip(&self.critics) {
            target.follow(live, tau)?;
        }
        loss.to_scalar()
    }

    /// All parameters and targets, named as in [`Td3State`].
    ///
    /// # Errors
    /// A tensor cannot be read back.
    pub fn tensors(&self) -> Result<Vec<NamedTensor>> {
        let ([q1, q2], [t1, t2]) = (&self.critics, &self.critic_targets);
        let networks = [&self.actor, &self.actor_target, q1, q2, t1, t2];
        Ok(networks.into_iter().map(Mlp::tensors).collect::<Result<Vec<_>>>()?.concat())
    }
}
