//! What one piece of the batch needs: inputs, activations and gradients of its rows.
//!
//! The batch is cut into pieces of consecutive rows; every piece passes through all networks by itself, and only the gradient
//! products read all pieces together.

use crate::td3::fused::kernels::Factors;
use crate::td3::fused::kernels::bf16::Precision;
use crate::td3::fused::memory::arena::Arena;
use crate::td3::fused::memory::buffer::{ACTION_DIM, HIDDEN, Matrix};
use crate::td3::fused::memory::replay::{Batch, Draw};
use crate::td3::fused::update::config::Goal;
use crate::td3::fused::vector::random::Stream;

/// What an update reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intake<'a> {
    /// Where transitions are.
    pub(crate) batch: Batch<'a>,
    /// How they are chosen.
    pub(crate) draw: Draw,
    /// How many are read.
    pub(crate) rows: usize,
    /// The action to be imitated.
    pub(crate) goal: Goal,
}

/// A network's activations in the rows of a piece.
#[derive(Debug)]
pub(crate) struct Activations {
    /// Hidden activations `[rows, 256]`.
    pub(crate) h1: Matrix,
    /// Hidden activations `[rows, 256]`.
    pub(crate) h2: Matrix,
    /// Outputs `[rows, outputs]`; an actor's after its tanh.
    pub(crate) out: Vec<f32>,
    /// In bf16: pairs of columns of the left factor of the product made last.
    pub(crate) pairs: Matrix,
}

impl Activations {
    fn new(rows: usize, precision: Precision, arena: &mut Arena) -> Self {
        let [h1, h2] = std::array::from_fn(|_| Matrix::new(rows, arena));
        let pairs = Matrix::new(precision.pairs(rows), arena);
        Self { h1, h2, out: vec![0.0; rows * ACTION_DIM], pairs }
    }
}

/// Gradients of a loss with respect to a network's sums.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Before the first rectifier `[rows, 256]`.
    pub(crate) d1: Matrix,
    /// Before the second rectifier `[rows, 256]`.
    pub(crate) d2: Matrix,
    /// Of the outputs `[rows, outputs]`; an actor's before its tanh.
    pub(crate) out: Vec<f32>,
    /// In bf16: pairs of columns of `d2`.
    pub(crate) pairs: Matrix,
    /// In bf16: pairs of samples of the first activations and of `d2`.
    pub(crate) samples: [Matrix; 2],
}

impl Gradients {
    fn new(rows: usize, precision: Precision, arena: &mut Arena) -> Self {
        let [d1, d2] = std::array::from_fn(|_| Matrix::new(rows, arena));
        let pairs = Matrix::new(precision.pairs(rows), arena);
        let samples = std::array::from_fn(|_| Matrix::new(precision.pairs(rows.div_ceil(2)), arena));
        Self { d1, d2, out: vec![0.0; rows * ACTION_DIM], pairs, samples }
    }
}

/// One piece of the batch.
#[derive(Debug)]
pub(crate) struct Work {
    /// Batch row of the first row.
    pub(crate) first: usize,
    /// Observation and action, `[rows, obs + 3]`.
    pub(crate) x: Matrix,
    /// Next observation and target action, `[rows, obs + 3]`.
    pub(crate) x_next: Matrix,
    /// Reward `[rows]`.
    pub(crate) reward: Vec<f32>,
    /// 0 where the episode ended in a terminal state, else 1 `[rows]`.
    pub(crate) alive: Vec<f32>,
    /// Action to be imitated `[rows, 3]`; NaN where there is none.
    pub(crate) goal: Vec<f32>,
    /// Target value `[rows]`.
    pub(crate) y: Vec<f32>,
    /// The critics' values of the stored action `[rows]`, afterwards the first one's of the policy's action.
    pub(crate) q: [Vec<f32>; 2],
    /// First critic's gradient with respect to the action `[rows, 3]`.
    pub(crate) d_action: Vec<f32>,
    /// Numbers of the smoothing noise `[rows, 3]`.
    pub(crate) noise: Vec<f32>,
    /// Activations of the critics and of all targets, one after the other.
    pub(crate) critic: Activations,
    /// Activations of the actor.
    pub(crate) actor: Activations,
    /// Gradients of the network trained last.
    pub(crate) gradients: Gradients,
    /// First layer's weights of the action inputs, `[8, 3, 32]`.
    pub(crate) action_rows: Vec<f32>,
    /// Rows of the replay that were drawn.
    drawn: Vec<usize>,
    /// Whether there are pairs.
    precision: Precision,
}

impl Work {
    /// Room for `rows` rows.
    pub(crate) fn new(rows: usize, precision: Precision, arena: &mut Arena) -> Self {
        let mut matrix = || Matrix::new(rows, arena);
        let (x, x_next) = (matrix(), matrix());
        let [reward, alive, y, q1, q2] = std::array::from_fn(|_| vec![0.0; rows]);
        let [goal, d_action, noise] = std::array::from_fn(|_| vec![0.0; rows * ACTION_DIM]);
        let [critic, actor] = std::array::from_fn(|_| Activations::new(rows, precision, arena));
        let (action_rows, drawn) = (vec![0.0; ACTION_DIM * HIDDEN], vec![0; rows]);
        let (gradients, q, first) = (Gradients::new(rows, precision, arena), [q1, q2], 0);
        Self {
            first,
            x,
            x_next,
            reward,
            alive,
            goal,
            y,
            q,
            d_action,
            noise,
            critic,
            actor,
            gradients,
            action_rows,
            drawn,
            precision,
        }
    }

    /// Rows of each when a batch is cut into `pieces`: even, so that samples are paired the same way however many pieces there are.
    pub(crate) fn piece(rows: usize, pieces: usize) -> usize {
        rows.div_ceil(pieces).next_multiple_of(2)
    }

    /// Rows in use.
    pub(crate) fn rows(&self) -> usize {
        self.x.rows()
    }

    /// Takes over rows `first .. first + rows` of the batch.
    pub(crate) fn set_rows(&mut self, first: usize, rows: usize) {
        self.first = first;
        let (Activations { h1, h2, .. }, Activations { h1: h3, h2: h4, .. }) = (&mut self.critic, &mut self.actor);
        let Gradients { d1, d2, .. } = &mut self.gradients;
        for matrix in [&mut self.x, &mut self.x_next, h1, h2, h3, h4, d1, d2] {
            matrix.set_rows(rows);
        }
        let (columns, samples) = (self.precision.pairs(rows), self.precision.pairs(rows.div_ceil(2)));
        for matrix in [&mut self.critic.pairs, &mut self.actor.pairs, &mut self.gradients.pairs] {
            matrix.set_rows(columns);
        }
        self.gradients.samples.iter_mut().for_each(|matrix| matrix.set_rows(samples));
    }

    /// Copies this piece's transitions from their source.
    pub(crate) fn gather(&mut self, intake: &Intake<'_>) {
        let (batch, goal) = (&intake.batch, intake.goal);
        self.draw(batch, intake.draw);
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
                (Goal::Expert, Some(expert)) => &expert[i * ACTION_DIM..(i + 1) * ACTION_DIM],
                (Goal::Expert | Goal::Stored, _) => action,
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
    pub(crate) fn draw_noise(&mut self, isa: crate::td3::fused::kernels::dispatch::Isa, stream: Stream) {
        let count = self.rows() * ACTION_DIM;
        isa.normals(stream, (self.first * ACTION_DIM) as u64, &mut self.noise[..count]);
    }
}

/// Where the gradient products of a network find their factors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NetFactors {
    /// Of the first layer: inputs with a one before them, and `d1`.
    pub(crate) l1: Factors,
    /// Of the second layer: first activations with a one before them, and `d2`.
    pub(crate) l2: Factors,
    /// Those in pairs of samples.
    pub(crate) l2_pairs: Factors,
    /// Of the last layer: gradients of the outputs, and the second activations.
    pub(crate) l3: Factors,
}

/// After a critic's backward pass.
pub(crate) const CRITIC: NetFactors = NetFactors {
    l1: |work| (work.x.since_ones(), &work.gradients.d1),
    l2: |work| (work.critic.h1.since_ones(), &work.gradients.d2),
    l2_pairs: |work| (work.gradients.samples[0].since_ones(), &work.gradients.samples[1]),
    l3: |work| (&work.gradients.out, &work.critic.h2),
};

/// After the actor's backward pass.
pub(crate) const ACTOR: NetFactors = NetFactors {
    l1: |work| (work.x.since_ones(), &work.gradients.d1),
    l2: |work| (work.actor.h1.since_ones(), &work.gradients.d2),
    l2_pairs: CRITIC.l2_pairs,
    l3: |work| (&work.gradients.out, &work.actor.h2),
};
