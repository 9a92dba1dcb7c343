//! Episodes lived through by the actor, forward for the cost and backward for its gradient.
//!
//! Rows come in pairs that live through the same episode; in the second of a pair the CHP does once, at a random free
//! moment, the opposite of what was asked. The difference of their costs tells what switching was worth.

use super::dual::Dual;
use super::episode::Episode;
use super::net::{Net, Tape};
use super::rule;
use super::step::{Lived, PlantPoint, Switch, on_threshold, step};
use memg_core::equipment::PlantParameters;
use memg_core::observation::Schema;
use std::sync::Arc;

/// Steps whose share of the weights' gradient is taken at once: enough for full matrix products, few enough for the cache.
const BLOCK: usize = 16;

/// Places in the observation that depend on the plant's state, in the order state of charge, battery, CHP.
#[must_use]
pub const fn state_inputs(schema: Schema) -> &'static [usize] {
    match schema {
        Schema::TenD => &[4],
        Schema::Extended => &[4, 10, 11],
    }
}

/// How a shard of episodes is lived through and what is learned from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// Weight of what switching pairs teach.
    pub switching: f32,
    /// How far from the threshold they teach, in units of the action.
    pub reach: f32,
}

/// One piece of a batch, with its memory.
#[derive(Debug, Default)]
pub struct Shard {
    tape: Tape,
    lived: Vec<Vec<Lived>>,
    actions: Vec<Vec<[f32; 3]>>,
    /// Sum of the gradient over the shard's rows.
    pub gradient: Vec<f32>,
    /// Weighted cost of each row, EUR, less the worth of what is left in the battery.
    pub costs: Vec<f64>,
}

fn fill(x: &mut [f32], episode: &Episode, t: usize, s: &PlantPoint, schema: Schema) {
    x.copy_from_slice(episode.observed[t].values());
    x[4] = s.soc as f32;
    x[5] = if s.on { 1.0 } else { 0.0 };
    if schema == Schema::Extended {
        x[10] = (s.battery / 50.0) as f32;
        x[11] = (s.chp / 80.0) as f32;
        x[12] = (f64::from(s.age) * 0.25 / 4.0).min(1.0) as f32;
    }
}

impl Shard {
    /// Lives through pairs of episodes with the actor: `pairs[i]` is the episode and the step from which on its second
    /// row may switch. All episodes have the same number of steps.
    pub fn live(
        &mut self,
        p: &PlantParameters,
        schema: Schema,
        net: &Net,
        pairs: &[(Arc<Episode>, usize)],
    ) -> Vec<Option<usize>> {
        let rows = pairs.len() * 2;
        let steps = pairs.iter().map(|(episode, _)| episode.given.len()).min().unwrap_or(0);
        self.tape.make_room(steps * rows, net.inputs);
        self.actions.resize_with(steps, Vec::new);
        self.lived.resize_with(steps, Vec::new);
        let mut points: Vec<PlantPoint> = pairs.iter().flat_map(|(episode, _)| [episode.start; 2]).collect();
        let mut switched: Vec<Option<usize>> = vec![None; pairs.len()];
        self.costs = vec![0.0; rows];
        for t in 0..steps {
            let now = t * rows..(t + 1) * rows;
            for (row, x) in self.tape.observations(now.clone()).chunks_exact_mut(net.inputs).enumerate() {
                fill(x, &pairs[row / 2].0, t, &points[row], schema);
            }
            self.actions[t].resize(rows, [0.0; 3]);
            net.forward(&mut self.tape, now, &mut self.actions[t]);
            self.lived[t].clear();
            for row in 0..rows {
                let (episode, from) = &pairs[row / 2];
                let pending = row % 2 == 1 && switched[row / 2].is_none() && t >= *from;
                let switch = if pending { Switch::Opposite } else { Switch::Asked };
                let action = self.actions[t][row].map(f64::from);
                let lived = step(p, &episode.given[t], &points[row], action, switch);
                if pending && lived.free {
                    switched[row / 2] = Some(t);
                }
                points[row] = lived.after;
                self.costs[row] += episode.weights[t] * lived.cost.v;
                self.lived[t].push(lived);
            }
        }
        for (row, point) in points.iter().enumerate() {
            self.costs[row] -= point.soc * worth_of_full(p, &pairs[row / 2].0);
        }
        switched
    }

    /// Adds the gradient of the rows' weighted costs times `scale_of_rows`.
    pub fn learn(
        &mut self,
        p: &PlantParameters,
        (schema, net): (Schema, &Net),
        pairs: &[(Arc<Episode>, usize)],
        switched: &[Option<usize>],
        objective: &Objective,
        scale_of_rows: f64,
    ) {
        let inputs = state_inputs(schema);
        let scale = [1.0, 1.0 / 50.0, 1.0 / 80.0];
        let rows = pairs.len() * 2;
        self.gradient.clear();
        self.gradient.resize(net.weights.len(), 0.0);
        let mut adjoint: Vec<[f64; 3]> =
            (0..rows).map(|row| [-worth_of_full(p, &pairs[row / 2].0) * scale_of_rows, 0.0, 0.0]).collect();
        let mut d_actions = vec![[0.0_f32; 3]; rows];
        let mut d_x = vec![0.0_f32; rows * inputs.len()];
        for t in (0..self.lived.len()).rev() {
            for row in 0..rows {
                let lived = &self.lived[t][row];
                let total = chain(lived, &adjoint[row], pairs[row / 2].0.weights[t] * scale_of_rows);
                adjoint[row] = [total.d[0], total.d[1], total.d[2]];
                d_actions[row] = [total.d[3] as f32, total.d[4] as f32, total.d[5] as f32];
            }
            for (pair, at) in switched.iter().enumerate() {
                if *at == Some(t) {
                    let worth = self.costs[2 * pair + 1] - self.costs[2 * pair];
                    d_actions[2 * pair][1] += self.switching(p, t, 2 * pair, worth, objective) * scale_of_rows as f32;
                }
            }
            net.backward(&mut self.tape, t * rows..(t + 1) * rows, &d_actions, inputs, &mut d_x);
            for (adjoint, d) in adjoint.iter_mut().zip(d_x.chunks_exact(inputs.len())) {
                for (i, d) in d.iter().enumerate() {
                    adjoint[i] += f64::from(*d) * scale[i];
                }
            }
            if t % BLOCK == 0 {
                let last = (t + BLOCK).min(self.lived.len());
                net.add_gradient(&self.tape, t * rows..last * rows, &mut self.gradient);
            }
        }
    }

    /// Gradient of the CHP's action from what the opposite decision was worth.
    fn switching(&self, p: &PlantParameters, t: usize, row: usize, worth: f64, objective: &Objective) -> f32 {
        let lived = &self.lived[t][row];
        let was_on = if t == 0 { lived.after.on == (lived.after.age > 1) } else { self.lived[t - 1][row].after.on };
        let threshold = (2.0 * on_threshold(p, was_on) / p.chp.p_kw_max - 1.0) as f32;
        let distance = (self.actions[t][row][1] - threshold).abs();
        // what running costs more than resting
        let on_minus_off = if lived.after.on { -worth } else { worth };
        objective.switching * on_minus_off.clamp(-8.0, 8.0) as f32 * (-distance / objective.reach).exp()
    }

    /// States that the rule visits and what it asks for there: observations `[n, inputs]` and actions.
    #[must_use]
    pub fn rule_states(p: &PlantParameters, schema: Schema, episode: &Episode) -> (Vec<f32>, Vec<[f32; 3]>) {
        let mut point = episode.start;
        let dim = schema.len();
        let (mut x, mut wanted) = (vec![0.0; episode.given.len() * dim], Vec::new());
        for (t, given) in episode.given.iter().enumerate() {
            fill(&mut x[t * dim..(t + 1) * dim], episode, t, &point, schema);
            let action = rule::action(p, given, &point);
            point = step(p, given, &point, action.map(f64::from), Switch::Asked).after;
            wanted.push(action);
        }
        (x, wanted)
    }
}

/// Worth of a full battery at an episode's end, EUR; it counts as the last step does.
fn worth_of_full(p: &PlantParameters, episode: &Episode) -> f64 {
    p.battery.capacity_kwh * episode.stored_eur_per_kwh * episode.weights.last().copied().unwrap_or(1.0)
}

/// `weight cost + adjoint · state after`, with derivatives.
fn chain(lived: &Lived, adjoint: &[f64; 3], weight: f64) -> Dual {
    lived.cost * weight + lived.soc * adjoint[0] + lived.battery * adjoint[1] + lived.chp * adjoint[2]
}
