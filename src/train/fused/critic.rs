//! The critics' half of an update: targets, losses and gradients of the rows of one piece.
//!
//! `y = r + discount·(1 - terminated)·min(Q₁', Q₂')(s', clamp(π'(s') + clamp(noise)))`, loss `Σᵢ mean((Qᵢ(s, a) - y)²)`.

use super::buffer::ACTION_DIM;
use super::config::Td3Config;
use super::net::{Net, Weights};
use super::random::Stream;
use super::work::Work;
use super::{Isa, buffer::Matrix};

/// The networks as a piece of work reads them.
#[derive(Clone, Copy)]
pub(super) struct Nets<'a> {
    /// Instruction set.
    pub(super) isa: Isa,
    /// Components of an observation.
    pub(super) obs_dim: usize,
    /// The actor.
    pub(super) actor: &'a Net<ACTION_DIM>,
    /// The twin critics.
    pub(super) critics: &'a [Net<1>; 2],
}

impl Nets<'_> {
    /// `tanh` of the actor's sums on the observations in `x`, and the same written behind them.
    pub(super) fn act(&self, weights: Weights, x: &mut Matrix, (h1, h2, out): (&mut Matrix, &mut Matrix, &mut [f32])) {
        self.actor.forward(self.isa, weights, x, (h1, h2, out));
        self.isa.tanh(out);
        for (row, action) in out.chunks_exact(ACTION_DIM).enumerate() {
            x.row_mut(row)[self.obs_dim..self.obs_dim + ACTION_DIM].copy_from_slice(action);
        }
    }

    /// From the gathered transitions to the gradients of both critics, for a batch of `batch` rows in all.
    pub(super) fn critic_rows(&self, work: &mut Work, config: &Td3Config, noise: Stream, batch: usize) {
        work.draw_noise(self.isa, noise);
        self.target_actions(work, config);
        self.target_values(work, config);
        for (critic, pass) in self.critics.iter().zip(&mut work.passes) {
            let rows = work.x.rows();
            critic.forward(self.isa, Weights::Live, &work.x, (&mut pass.h1, &mut pass.h2, &mut pass.out[..rows]));
            for ((d, q), y) in pass.d_out.iter_mut().zip(&pass.out[..rows]).zip(&work.y) {
                *d = 2.0 / batch as f32 * (q - y);
            }
            critic.backward(self.isa, pass);
        }
    }

    /// Writes the smoothed target actions behind the next observations.
    fn target_actions(&self, work: &mut Work, config: &Td3Config) {
        let (pass, rows) = (&mut work.passes[0], work.x.rows());
        self.act(Weights::Target, &mut work.x_next, (&mut pass.h1, &mut pass.h2, &mut pass.out[..rows * ACTION_DIM]));
        for (row, noise) in work.noise.chunks_exact(ACTION_DIM).enumerate().take(rows) {
            let action = &mut work.x_next.row_mut(row)[self.obs_dim..self.obs_dim + ACTION_DIM];
            for (a, n) in action.iter_mut().zip(noise) {
                let n = (n * config.policy_noise).clamp(-config.noise_clip, config.noise_clip);
                *a = (*a + n).clamp(-1.0, 1.0);
            }
        }
    }

    /// The smaller target critic's value of the target action, discounted, plus the reward.
    fn target_values(&self, work: &mut Work, config: &Td3Config) {
        let rows = work.x.rows();
        for (critic, pass) in self.critics.iter().zip(&mut work.passes) {
            let out = (&mut pass.h1, &mut pass.h2, &mut pass.out[..rows]);
            critic.forward(self.isa, Weights::Target, &work.x_next, out);
        }
        for row in 0..rows {
            let next = work.passes[0].out[row].min(work.passes[1].out[row]);
            work.y[row] = work.reward[row] + config.discount * work.alive[row] * next;
        }
    }
}
