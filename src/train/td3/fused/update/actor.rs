//! The actor's half of an update, on the rows of one piece.
//!
//! Loss `-λ·mean(Q₁(s, π(s))) + bc_weight·mean((π(s) - goal)²)`. λ may depend on the whole batch, therefore two phases: first ∂Q₁/∂a
//! of every row, then the gradient through the actor.

use super::critic::Nets;
use crate::td3::fused::memory::buffer::ACTION_DIM;
use crate::td3::fused::network::net::Weights;
use crate::td3::fused::network::work::Work;

/// Factors of the two terms in the gradient with respect to an action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ActorGradient {
    /// Times ∂Q₁/∂a: `-λ / batch`.
    pub(crate) value: f32,
    /// Times `π(s) - goal`: `2·bc_weight / (rows with a goal · 3)`.
    pub(crate) cloning: f32,
}

impl Nets<'_> {
    /// `π(s)` of every row, in the actor's outputs and behind the observations.
    pub(crate) fn policy_rows(&self, work: &mut Work) {
        self.act(Weights::Live, &mut work.x, &mut work.actor);
    }

    /// `Q₁(s, π(s))` of every row, and its gradient with respect to the action.
    pub(crate) fn value_rows(&self, work: &mut Work) {
        let (critic, rows) = (&self.critics[0], work.rows());
        critic.forward(self.compute, Weights::Live, &work.x, &mut work.critic);
        work.q[0][..rows].copy_from_slice(&work.critic.out[..rows]);
        work.gradients.out[..rows].fill(1.0);
        critic.backward_in_place(self.compute, &work.gradients.out, &mut work.critic);
        critic.input_rows(self.obs_dim, &mut work.action_rows);
        self.compute.isa.dots::<ACTION_DIM>(
            &work.critic.h1,
            &work.action_rows,
            &mut work.d_action[..rows * ACTION_DIM],
        );
    }

    /// The loss gradient of every row, through tanh and the actor.
    pub(crate) fn actor_rows(&self, work: &mut Work, gradient: ActorGradient) {
        for i in 0..work.rows() * ACTION_DIM {
            let (action, goal) = (work.actor.out[i], work.goal[i]);
            let cloning =
                if gradient.cloning == 0.0 || goal.is_nan() { 0.0 } else { gradient.cloning * (action - goal) };
            let value = if gradient.value == 0.0 { 0.0 } else { gradient.value * work.d_action[i] };
            work.gradients.out[i] = (value + cloning) * (1.0 - action * action);
        }
        self.actor.backward(self.compute, &work.actor, &mut work.gradients);
    }
}

/// Sums over a batch that the actor's objective needs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct ActorSums {
    /// Sum of Q₁(s, π(s)).
    pub(crate) q: f64,
    /// Sum of its absolute values.
    pub(crate) q_abs: f64,
    /// Squared distances to the goals.
    pub(crate) distance: f64,
    /// Components with a goal.
    pub(crate) goals: usize,
}

impl ActorSums {
    /// The sums in the order of the batch, the same however it was cut into pieces.
    pub(crate) fn over(works: &[Work]) -> Self {
        let mut sums = Self::default();
        for work in works {
            let rows = work.rows();
            for &q in &work.q[0][..rows] {
                sums.q += f64::from(q);
                sums.q_abs += f64::from(q.abs());
            }
            let pairs = work.actor.out.iter().zip(&work.goal).take(rows * ACTION_DIM);
            for (action, goal) in pairs.filter(|(_, goal)| !goal.is_nan()) {
                sums.distance += f64::from(action - goal).powi(2);
                sums.goals += 1;
            }
        }
        sums
    }

    /// Mean squared distance to the goals; zero without any.
    pub(crate) fn bc_loss(&self) -> f64 {
        self.distance / self.goals.max(1) as f64
    }
}
