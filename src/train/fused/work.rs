//! What one piece of the batch needs: inputs, activations and gradients of its rows.
//!
//! The batch is cut into pieces of consecutive rows; every piece passes through all networks by itself, and only the gradient
//! products read all pieces together.

use super::buffer::{ACTION_DIM, HIDDEN, Matrix};
use super::random::Stream;
use super::replay::{Batch, Draw};

/// One network's pass through a piece: activations and the loss gradients with respect to them.
#[derive(Debug)]
pub(super) struct Pass {
    /// Hidden activations `[rows, 256]`.
    pub(super) h1: Matrix,
    /// Hidden activations `[rows, 256]`.
    pub(super) h2: Matrix,
    /// Gradient before the first rectifier.
    pub(super) d1: Matrix,
    /// Gradient before the second rectifier.
    pub(super) d2: Matrix,
    /// Outputs `[rows, outputs]`, before the tanh of an actor while they are computed and after it later.
    pub(super) out: Vec<f32>,
    /// Gradient with respect to the last layer's sums `[rows, outputs]`.
    pub(super) d_out: Vec<f32>,
}

impl Pass {
    fn new(rows: usize) -> Self {
        let [h1, h2, d1, d2] = std::array::from_fn(|_| Matrix::new(rows));
        let [out, d_out] = std::array::from_fn(|_| vec![0.0; rows * ACTION_DIM]);
        Self { h1, h2, d1, d2, out, d_out }
    }

    fn set_rows(&mut self, rows: usize) {
        for matrix in [&mut self.h1, &mut self.h2, &mut self.d1, &mut self.d2] {
            matrix.set_rows(rows);
        }
    }
}

/// One piece of the batch.
#[derive(Debug)]
pub(super) struct Work {
    /// Batch row of the first row.
    pub(super) first: usize,
    /// Observation and action, `[rows, obs + 3]`.
    pub(super) x: Matrix,
    /// Next observation and target action, `[rows, obs + 3]`.
    pub(super) x_next: Matrix,
    /// Reward `[rows]`.
    pub(super) reward: Vec<f32>,
    /// 0 where the episode ended in a terminal state, else 1 `[rows]`.
    pub(super) alive: Vec<f32>,
    /// Action to be imitated `[rows, 3]`; NaN where there is none.
    pub(super) goal: Vec<f32>,
    /// Target value `[rows]`.
    pub(super) y: Vec<f32>,
    /// First critic's gradient with respect to the action `[rows, 3]`.
    pub(super) d_action: Vec<f32>,
    /// Numbers of the smoothing noise `[rows, 3]`.
    pub(super) noise: Vec<f32>,
    /// Passes through the two critics; the actor's pass uses the second while the first critic's is in use.
    pub(super) passes: [Pass; 2],
    /// First layer's weights of the action inputs, `[8, 3, 32]`.
    pub(super) action_rows: Vec<f32>,
    /// Rows of the replay that were drawn.
    drawn: Vec<usize>,
}

impl Work {
    /// Room for `rows` rows.
    pub(super) fn new(rows: usize) -> Self {
        let [reward, alive, y] = std::array::from_fn(|_| vec![0.0; rows]);
        let [goal, d_action, noise] = std::array::from_fn(|_| vec![0.0; rows * ACTION_DIM]);
        let (x, x_next, passes) = (Matrix::new(rows), Matrix::new(rows), [Pass::new(rows), Pass::new(rows)]);
        let action_rows = vec![0.0; ACTION_DIM * HIDDEN];
        Self { first: 0, x, x_next, reward, alive, goal, y, d_action, noise, passes, action_rows, drawn: vec![0; rows] }
    }

    /// Rows in use.
    pub(super) fn rows(&self) -> usize {
        self.x.rows()
    }

    /// Takes over rows `first .. first + rows` of the batch.
    pub(super) fn set_rows(&mut self, first: usize, rows: usize) {
        self.first = first;
        self.x.set_rows(rows);
        self.x_next.set_rows(rows);
        self.passes.iter_mut().for_each(|pass| pass.set_rows(rows));
    }

    /// Copies this piece's transitions from their source.
    pub(super) fn gather(&mut self, batch: &Batch<'_>, draw: Draw, goal: super::Goal) {
        self.draw(batch, draw);
        for row in 0..self.rows() {
            let (i, obs) = (self.drawn[row], batch.obs_dim);
            let action = &batch.action[i * ACTION_DIM..(i + 1) * ACTION_DIM];
            let x = self.x.row_mut(row);
            x[..obs].copy_from_slice(&batch.obs[i * obs..(i + 1) * obs]);
            x[obs..obs + ACTION_DIM].copy_from_slice(action);
            self.x_next.row_mut(row)[..obs].copy_from_slice(&batch.next_obs[i * obs..(i + 1) * obs]);
            self.reward[row] = batch.reward[i];
            self.alive[row] = if batch.terminated[i] { 0.0 } else { 1.0 };
            let goal = match (goal, batch.expert) {
                (super::Goal::Expert, Some(expert)) => &expert[i * ACTION_DIM..(i + 1) * ACTION_DIM],
                (super::Goal::Expert | super::Goal::Stored, _) => action,
            };
            self.goal[row * ACTION_DIM..(row + 1) * ACTION_DIM].copy_from_slice(goal);
        }
    }

    /// Decides which transitions to copy, and asks for their memory.
    fn draw(&mut self, batch: &Batch<'_>, draw: Draw) {
        let (first, rows) = (self.first, self.rows());
        for (row, index) in self.drawn.iter_mut().enumerate().take(rows) {
            *index = match draw {
                Draw::InOrder => first + row,
                Draw::Uniform(stream) => stream.below((first + row) as u64, batch.len()),
            };
            batch.prefetch(*index);
        }
    }

    /// Draws the standard normal numbers of the smoothing noise.
    pub(super) fn draw_noise(&mut self, isa: super::Isa, stream: Stream) {
        let count = self.rows() * ACTION_DIM;
        isa.normals(stream, (self.first * ACTION_DIM) as u64, &mut self.noise[..count]);
    }
}

/// Factors of the gradient of a first layer: inputs with a one before them, and `d1`.
pub(super) fn input_factors<const PASS: usize>(work: &Work) -> (&[f32], &Matrix) {
    (work.x.since_ones(), &work.passes[PASS].d1)
}

/// Factors of the gradient of a second layer: first activations with a one before them, and `d2`.
pub(super) fn hidden_factors<const PASS: usize>(work: &Work) -> (&[f32], &Matrix) {
    (work.passes[PASS].h1.since_ones(), &work.passes[PASS].d2)
}

/// Factors of the gradient of a last layer: its output gradients and the second activations.
pub(super) fn head_factors<const PASS: usize>(work: &Work) -> (&[f32], &Matrix) {
    (&work.passes[PASS].d_out, &work.passes[PASS].h2)
}
