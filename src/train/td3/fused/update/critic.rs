//! The critics' half of an update: targets, losses and gradients of the rows of one piece.
//!
//! `y = r + discount·(1 - terminated)·min(Q₁', Q₂')(s', clamp(π'(s') + clamp(noise)))`, loss `Σᵢ mean((Qᵢ(s, a) - y)²)`;
//! with an origin, values at `s'` are less those of its exogenous part.

use super::config::Td3Config;
use crate::td3::fused::kernels::bf16::Compute;
use crate::td3::fused::memory::buffer::{ACTION_DIM, Matrix};
use crate::td3::fused::network::net::{Net, Weights};
use crate::td3::fused::network::work::{Activations, Work};
use crate::td3::fused::vector::random::Stream;

/// The networks as a piece of work reads them.
#[derive(Clone, Copy)]
pub(crate) struct Nets<'a> {
    /// Instruction set and precision.
    pub(crate) compute: Compute,
    /// Components of an observation.
    pub(crate) obs_dim: usize,
    /// The actor.
    pub(crate) actor: &'a Net<ACTION_DIM>,
    /// The twin critics.
    pub(crate) critics: &'a [Net<1>; 2],
}

impl Nets<'_> {
    /// `tanh` of the actor's sums on the observations in `x`, in `acts.out` and behind the observations.
    pub(crate) fn act(&self, weights: Weights, x: &mut Matrix, acts: &mut Activations) {
        self.actor.forward(self.compute, weights, x, acts);
        let out = &mut acts.out[..x.rows() * ACTION_DIM];
        self.compute.isa.tanh(out);
        for (row, action) in out.chunks_exact(ACTION_DIM).enumerate() {
            x.row_mut(row)[self.obs_dim..self.obs_dim + ACTION_DIM].copy_from_slice(action);
        }
    }

    /// The target value of every gathered transition.
    pub(crate) fn target_rows(&self, work: &mut Work, config: &Td3Config, noise: Stream) {
        work.draw_noise(self.compute.isa, noise);
        self.act(Weights::Target, &mut work.x_next, &mut work.critic);
        self.smooth(work, config);
        self.least_rows(work);
        if config.origin.is_set() {
            self.subtract_origin(work, config);
        }
        let outcome = work.reward.iter().zip(&work.alive);
        for (y, (reward, alive)) in work.y.iter_mut().zip(outcome) {
            *y = reward + config.discount * alive * *y;
        }
    }

    /// `min(Q₁', Q₂')` of the observations and actions in `x_next`, in `y`.
    fn least_rows(&self, work: &mut Work) {
        let rows = work.rows();
        work.y.fill(f32::INFINITY);
        for critic in self.critics {
            critic.forward(self.compute, Weights::Target, &work.x_next, &mut work.critic);
            work.y.iter_mut().zip(&work.critic.out[..rows]).for_each(|(y, q)| *y = y.min(*q));
        }
    }

    /// `V'(s') - V'(s'₀)` in place of the first, see [`Origin`](super::config::Origin).
    fn subtract_origin(&self, work: &mut Work, config: &Td3Config) {
        let rows = work.rows();
        work.q[0][..rows].copy_from_slice(&work.y[..rows]);
        for row in 0..rows {
            config.origin.put(&mut work.x_next.row_mut(row)[..self.obs_dim]);
        }
        self.act(Weights::Target, &mut work.x_next, &mut work.critic);
        self.least_rows(work);
        work.y.iter_mut().zip(&work.q[0]).for_each(|(y, value)| *y = value - *y);
    }

    /// Adds clipped noise to the target actions behind the next observations.
    fn smooth(&self, work: &mut Work, config: &Td3Config) {
        for (row, noise) in work.noise.chunks_exact(ACTION_DIM).enumerate().take(work.x_next.rows()) {
            let action = &mut work.x_next.row_mut(row)[self.obs_dim..self.obs_dim + ACTION_DIM];
            for (a, n) in action.iter_mut().zip(noise) {
                let n = (n * config.policy_noise).clamp(-config.noise_clip, config.noise_clip);
                *a = (*a + n).clamp(-1.0, 1.0);
            }
        }
    }

    /// Value and gradients of one critic on the stored actions, for a batch of `batch` rows in all.
    pub(crate) fn critic_rows(&self, work: &mut Work, critic: usize, batch: usize) {
        let (net, rows) = (&self.critics[critic], work.rows());
        net.forward(self.compute, Weights::Live, &work.x, &mut work.critic);
        work.q[critic][..rows].copy_from_slice(&work.critic.out[..rows]);
        for ((d, q), y) in work.gradients.out.iter_mut().zip(&work.q[critic][..rows]).zip(&work.y) {
            *d = 2.0 / batch as f32 * (q - y);
        }
        net.backward(self.compute, &work.critic, &mut work.gradients);
    }
}
