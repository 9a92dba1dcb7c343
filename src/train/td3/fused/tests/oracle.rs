//! The update against candle: autograd for the gradients, `AdamW` without decay for the steps.

use super::*;
use crate::td3::fused::kernels::adam::{AdamStep, Polyak};
use crate::td3::fused::memory::buffer::Slab;
use candle_core::{D, Device, Result, Tensor, Var, backprop::GradStore};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use std::collections::BTreeMap;

/// Networks of a state as candle variables, by name.
struct Oracle {
    vars: BTreeMap<String, Var>,
    batch: BTreeMap<&'static str, Tensor>,
}

impl Oracle {
    fn new(state: &Td3State, data: &Data) -> Result<Self> {
        let dev = Device::Cpu;
        let mut vars = BTreeMap::new();
        for t in &state.tensors {
            vars.insert(t.name.clone(), Var::from_tensor(&Tensor::from_slice(&t.data, t.shape.as_slice(), &dev)?)?);
        }
        let (n, obs) = (data.reward.len(), data.obs_dim);
        let alive: Vec<f32> = data.terminated.iter().map(|&t| if t { 0.0 } else { 1.0 }).collect();
        let has_goal: Vec<f32> = data.expert.iter().map(|x| if x.is_nan() { 0.0 } else { 1.0 }).collect();
        let goal: Vec<f32> = data.expert.iter().map(|x| if x.is_nan() { 0.0 } else { *x }).collect();
        let fields: [(&str, &[f32], usize); 7] = [
            ("obs", &data.obs, obs),
            ("action", &data.action, ACTION_DIM),
            ("reward", &data.reward, 1),
            ("next_obs", &data.next_obs, obs),
            ("alive", &alive, 1),
            ("goal", &goal, ACTION_DIM),
            ("has_goal", &has_goal, ACTION_DIM),
        ];
        let mut batch = BTreeMap::new();
        for (name, field, width) in fields {
            batch.insert(name, Tensor::from_slice(field, (n, width), &dev)?);
        }
        Ok(Self { vars, batch })
    }

    fn layer(&self, net: &str, layer: usize, x: &Tensor) -> Result<Tensor> {
        let (w, b) = (&self.vars[&format!("{net}.l{layer}.weight")], &self.vars[&format!("{net}.l{layer}.bias")]);
        x.matmul(&w.t()?)?.broadcast_add(b)
    }

    fn net(&self, net: &str, x: &Tensor) -> Result<Tensor> {
        let h1 = self.layer(net, 1, x)?.relu()?;
        let h2 = self.layer(net, 2, &h1)?.relu()?;
        self.layer(net, 3, &h2)
    }

    fn critic(&self, net: &str, obs: &Tensor, action: &Tensor) -> Result<Tensor> {
        self.net(net, &Tensor::cat(&[obs, action], D::Minus1)?)
    }

    fn critic_loss(&self, discount: f64) -> Result<Tensor> {
        let b = &self.batch;
        let next = self.net("actor_target", &b["next_obs"])?.tanh()?;
        let q1 = self.critic("critic_target.q1", &b["next_obs"], &next)?;
        let q2 = self.critic("critic_target.q2", &b["next_obs"], &next)?;
        let y = (&b["reward"] + (q1.minimum(&q2)? * &b["alive"])? * discount)?.detach();
        let error = |net| -> Result<Tensor> { (self.critic(net, &b["obs"], &b["action"])? - &y)?.sqr()?.mean_all() };
        error("critic.q1")? + error("critic.q2")?
    }

    fn cloning_loss(&self, action: &Tensor) -> Result<Tensor> {
        let b = &self.batch;
        let goals = b["has_goal"].sum_all()?.to_scalar::<f32>()?.max(1.0);
        ((action - &b["goal"])?.sqr()? * &b["has_goal"])?.sum_all()? / f64::from(goals)
    }

    fn actor_loss(&self, objective: ActorObjective) -> Result<Tensor> {
        let b = &self.batch;
        let action = self.net("actor", &b["obs"])?.tanh()?;
        let q = self.critic("critic.q1", &b["obs"], &action)?;
        let lambda = match objective.q_scale {
            QScale::Fixed(lambda) => f64::from(lambda),
            QScale::Normalised(alpha) => f64::from(alpha / q.abs()?.mean_all()?.to_scalar::<f32>()?),
        };
        (q.mean_all()? * -lambda)? + (self.cloning_loss(&action)? * f64::from(objective.bc_weight))?
    }

    /// Names and variables of the networks that start with `prefix`, without targets and moments.
    fn trained(&self, prefix: &str) -> Vec<(String, Var)> {
        let prefix = format!("{prefix}.");
        self.vars.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }
}

/// One Adam step of candle.
fn adam(vars: &[(String, Var)], grads: &GradStore) -> Result<()> {
    let params = ParamsAdamW { lr: 3e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    AdamW::new(vars.iter().map(|(_, var)| var.clone()).collect(), params)?.step(grads)
}

/// Compares gradients (ten times the first moment after one step) and parameters of one network with candle's.
fn compare(after: &Td3State, oracle: &Oracle, prefix: &str, loss: &Tensor, polyak: Polyak) -> Result<()> {
    let (infix_at, grads) = (prefix.find('.').unwrap_or(prefix.len()), loss.backward()?);
    let name_of = |name: &str, infix: &str| format!("{}{infix}{}", &name[..infix_at], &name[infix_at..]);
    let vars = oracle.trained(prefix);
    adam(&vars, &grads)?;
    for (name, var) in &vars {
        let gradient = grads.get(var).expect("a gradient").flatten_all()?.to_vec1::<f32>()?;
        let ours: Vec<f32> = tensor(after, &name_of(name, "_adam_m")).iter().map(|m| m / 0.1).collect();
        let distance = relative_distance(&ours, &gradient);
        assert!(distance < 1e-5, "gradient of {name}: {distance}");
        let scale = gradient.iter().fold(0.0_f32, |max, g| max.max(g.abs()));
        // Adam's first step has the size of the rate whatever the gradient: where the gradient is rounding, so is the direction.
        let settled: Vec<bool> = gradient.iter().map(|g| *g == 0.0 || g.abs() > 1e-4 * scale).collect();
        let pick = |xs: &[f32]| -> Vec<f32> { xs.iter().zip(&settled).filter(|(_, s)| **s).map(|(x, _)| *x).collect() };
        let (w, expected) = (pick(tensor(after, name)), pick(&var.flatten_all()?.to_vec1::<f32>()?));
        assert!(relative_distance(&w, &expected) < 1e-5, "parameters {name}: {}", relative_distance(&w, &expected));
        let target = &oracle.vars[&name_of(name, "_target")];
        let tau = if let Polyak::Blend(tau) = polyak { f64::from(tau) } else { 0.0 };
        let target = ((target.as_tensor() * (1.0 - tau))? + (var.as_tensor() * tau)?)?;
        let (ours, target) = (tensor(after, &name_of(name, "_target")), target.flatten_all()?.to_vec1::<f32>()?);
        assert!(relative_distance(ours, &target) < 1e-5, "target of {name}");
    }
    Ok(())
}

/// One whole update of a random network on random transitions, on some instruction set and some threads.
fn check(case: u64, isa: Isa, objective: ActorObjective) -> Result<()> {
    let stream = Stream::new(case, 99);
    let (obs_dim, rows) = (1 + stream.below(0, 64), 1 + stream.below(1, 64));
    let delay = 1 + case % 2;
    let config = Td3Config { batch: rows, policy_noise: 0.0, policy_delay: delay, objective, ..Td3Config::default() };
    let mut kernel = Td3Kernel::with_isa(obs_dim, &config, case, Threads::exactly(1 + stream.below(2, 3)), isa);
    let (state, data) = (lively(&mut kernel, case), Data::random(obs_dim, rows, case));
    let oracle = Oracle::new(&state, &data)?;
    let stats = kernel.update(&data.batch());
    let after = kernel.export();
    let polyak = if delay == 1 { Polyak::Blend(config.tau) } else { Polyak::Keep };
    let loss = oracle.critic_loss(f64::from(config.discount))?;
    assert!((stats.critic_loss - f64::from(loss.to_scalar::<f32>()?)).abs() < 1e-4 * stats.critic_loss.max(1.0));
    compare(&after, &oracle, "critic.q1", &loss, polyak)?;
    compare(&after, &oracle, "critic.q2", &loss, polyak)?;
    if let Some(actor) = stats.actor {
        let loss = oracle.actor_loss(objective)?;
        assert!((actor.loss - f64::from(loss.to_scalar::<f32>()?)).abs() < 1e-4 * actor.loss.abs().max(1.0));
        compare(&after, &oracle, "actor", &loss, polyak)?;
    }
    Ok(())
}

#[test]
fn updates_of_random_networks_agree_with_candle() -> Result<()> {
    for case in 0..8 {
        for isa in Isa::available() {
            let objective = if case % 4 < 2 { mixed() } else { ActorObjective::default() };
            check(3 * case + isa.name().len() as u64, isa, objective)?;
        }
    }
    Ok(())
}

#[test]
fn cloning_step_agrees_with_candle() -> Result<()> {
    for case in 0..6 {
        let config = Td3Config { batch: 50, objective: mixed(), ..Td3Config::default() };
        let mut kernel = Td3Kernel::new(7 + case as usize, &config, case, Threads::exactly(2));
        let (state, data) = (lively(&mut kernel, case), Data::random(7 + case as usize, 50, case));
        let oracle = Oracle::new(&state, &data)?;
        let stats = kernel.clone_update(&data.batch()).actor.unwrap_or_default();
        let loss = oracle.cloning_loss(&oracle.net("actor", &oracle.batch["obs"])?.tanh()?)?;
        assert!((stats.bc_loss - f64::from(loss.to_scalar::<f32>()?)).abs() < 1e-5);
        compare(&kernel.export(), &oracle, "actor", &loss, Polyak::Blend(config.tau))?;
    }
    Ok(())
}

/// Many Adam steps with gradients from 1e-6 to 1e3, and the slow copy along with them.
fn check_adam(isa: Isa, seed: u64) -> Result<()> {
    let stream = Stream::new(seed, 0);
    let start: Vec<f32> = (0..16).map(|i| stream.signed_unit(i)).collect();
    let mut slab = Slab::zeros(16, &mut crate::td3::fused::memory::arena::Arena::default());
    slab.w.copy_from_slice(&start);
    slab.target.copy_from_slice(&start);
    let var = Var::from_slice(&start, 16, &Device::Cpu)?;
    let mut target = var.as_tensor().copy()?;
    let params = ParamsAdamW { lr: 3e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    let mut candle = AdamW::new(vec![var.clone()], params)?;
    for t in 1..=50 {
        let size = |i| 10_f32.powf(4.5 * stream.signed_unit(1000 * t + i) - 1.5);
        let gradient: [f32; 16] = std::array::from_fn(|i| stream.signed_unit(100 * t + i as u64) * size(i as u64));
        isa.descend_small(&gradient, &mut slab, &AdamStep::new(3e-4, t, Polyak::Blend(0.005)));
        candle.backward_step(&(var.as_tensor() * Tensor::from_slice(&gradient, 16, &Device::Cpu)?)?.sum_all()?)?;
        target = ((target * 0.995)? + (var.as_tensor() * 0.005)?)?;
    }
    assert!(relative_distance(&slab.w, &var.to_vec1()?) < 1e-5, "{}", isa.name());
    assert!(relative_distance(&slab.target, &target.to_vec1()?) < 1e-5, "{}", isa.name());
    Ok(())
}

#[test]
fn adam_and_polyak_agree_with_candle_over_many_steps() -> Result<()> {
    Isa::available().try_for_each(|isa| (0..20).try_for_each(|seed| check_adam(isa, seed)))
}
