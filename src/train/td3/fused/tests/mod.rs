//! Tests of the fused update: against candle's autograd, across instruction sets and threads, and on problems small enough to be learned.

mod bf16;
mod learning;
#[cfg(feature = "candle")]
mod oracle;
mod parts;
#[cfg(feature = "candle")]
mod reference;
mod same;

use super::*;
use crate::td3::fused::vector::random::Stream;

/// Transitions of random numbers.
pub(super) struct Data {
    obs_dim: usize,
    obs: Vec<f32>,
    action: Vec<f32>,
    reward: Vec<f32>,
    next_obs: Vec<f32>,
    terminated: Vec<bool>,
    expert: Vec<f32>,
}

impl Data {
    /// `rows` transitions, about every fifth terminal and every fourth without an expert.
    pub(super) fn random(obs_dim: usize, rows: usize, seed: u64) -> Self {
        let draw = |purpose, len| -> Vec<f32> {
            let stream = Stream::new(seed, purpose);
            (0..len).map(|i| stream.signed_unit(i as u64)).collect()
        };
        let mut expert = draw(5, rows * ACTION_DIM);
        for row in expert.chunks_exact_mut(ACTION_DIM).skip(1).step_by(4) {
            row.fill(f32::NAN);
        }
        let terminated = draw(4, rows).iter().map(|x| *x > 0.6).collect();
        let [obs, next_obs] = [draw(0, rows * obs_dim), draw(1, rows * obs_dim)];
        let (action, reward) = (draw(2, rows * ACTION_DIM), draw(3, rows));
        Self { obs_dim, obs, action, reward, next_obs, terminated, expert }
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        Batch {
            obs_dim: self.obs_dim,
            obs: &self.obs,
            action: &self.action,
            reward: &self.reward,
            next_obs: &self.next_obs,
            terminated: &self.terminated,
            expert: Some(&self.expert),
        }
    }

    pub(super) fn replay(&self, capacity: usize) -> Replay {
        let mut replay = Replay::new(self.obs_dim, capacity, ExpertField::Stored);
        for i in 0..self.reward.len() {
            let (o, a) = (i * self.obs_dim..(i + 1) * self.obs_dim, i * ACTION_DIM);
            let three = |field: &[f32]| [field[a], field[a + 1], field[a + 2]];
            replay.push(&Transition {
                obs: &self.obs[o.clone()],
                action: three(&self.action),
                reward: self.reward[i],
                next_obs: &self.next_obs[o],
                terminated: self.terminated[i],
                expert: Some(three(&self.expert)),
            });
        }
        replay
    }
}

/// An objective with both terms.
pub(super) fn mixed() -> ActorObjective {
    ActorObjective { q_scale: QScale::Normalised(2.5), bc_weight: 0.7, goal: Goal::Expert }
}

/// The kernel's state with all last layers as large as PyTorch's default, so that gradients are far from zero.
pub(super) fn lively(kernel: &mut Td3Kernel, seed: u64) -> Td3State {
    let mut state = kernel.export();
    for (t, tensor) in state.tensors.iter_mut().enumerate().filter(|(_, tensor)| !tensor.name.contains("adam")) {
        let stream = Stream::new(seed, t as u64);
        let bound = 1.5 / (*tensor.shape.last().unwrap_or(&1) as f32).sqrt();
        let bound = if tensor.shape.len() == 1 { 0.1 } else { bound };
        for (i, x) in tensor.data.iter_mut().enumerate() {
            *x = bound * stream.signed_unit(i as u64);
        }
    }
    kernel.import(&state).expect("the kernel's own shapes");
    state
}

/// A tensor of a state.
#[cfg(feature = "candle")]
pub(super) fn tensor<'a>(state: &'a Td3State, name: &str) -> &'a [f32] {
    let found = state.tensors.iter().find(|tensor| tensor.name == name);
    &found.unwrap_or_else(|| panic!("no tensor {name}")).data
}

/// The largest distance of two tensors over the largest element of the second.
pub(super) fn relative_distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-12_f32, |max, x| max.max(x.abs()));
    a.iter().zip(b).fold(0.0_f32, |max, (x, y)| max.max((x - y).abs())) / scale
}
