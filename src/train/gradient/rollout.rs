//! Episodes rolled out by the actor: forward for the cost, backward for its gradient.
//!
//! Rows come in pairs that go through the same episode; in the second of a pair the CHP does once, at a random free
//! moment, the opposite of what was asked. The difference of their costs tells what switching was worth.

use super::dual::Dual;
use super::episode::Episode;
use super::net::{Net, Tape};
use super::rule;
use super::step::{PlantPoint, StepOutcome, Switch, step, threshold_in_action};
use memg_core::equipment::Plant;
use memg_core::extended::CHP_IN_STATE_H;
use memg_core::observation::{Divisors, Schema, over, place};
use memg_core::planner::{Hindsight, StateBehind};
use std::ops::Range;
use std::sync::Arc;

/// Steps whose share of the weights' gradient is taken at once: enough for full matrix products, few enough for the cache.
const BLOCK: usize = 16;

/// What a switching pair teaches at most, EUR.
const WORTH_MAX: f64 = 8.0;
/// A wrong decision far from the threshold counts at least as this share of one at it.
const TURN_MIN: f32 = 0.1;
/// Levels of the state of charge in the planner's values.
const SOC_LEVELS: usize = 21;

/// Places in the observation that depend on the plant's state, in the order state of charge, battery, CHP.
#[must_use]
pub const fn state_inputs(schema: Schema) -> &'static [usize] {
    match schema {
        Schema::TenD => &[place::SOC],
        Schema::Extended | Schema::Forecast => &[place::SOC, place::BATTERY, place::CHP],
    }
}

/// How much those numbers move for one unit of the state.
fn state_scale(divisors: &Divisors) -> [f64; 3] {
    [1.0, over(1.0, divisors.battery_kw), over(1.0, divisors.chp_kw)]
}

/// What is taught beside the cost's own gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// Share of the planner's values in what a state is worth; the rest is what the actor makes of it.
    pub guide: f64,
    /// Weight of what the planner's values teach about switching the CHP, in every step.
    pub teach: f32,
    /// Weight of what switching pairs teach.
    pub switching: f32,
    /// How far from the threshold they teach, in units of the action.
    pub reach: f32,
}

/// Two rows that go through the same episode.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The episode.
    pub episode: Arc<Episode>,
    /// Where each row starts.
    pub starts: [PlantPoint; 2],
    /// Step from which on the second row does once the opposite of what is asked; `None` if it never does.
    pub switch_from: Option<usize>,
}

/// Who goes through what. All episodes have the same number of steps.
#[derive(Debug, Clone, Copy)]
pub struct Rollout<'a> {
    /// The plant.
    pub plant: &'a Plant,
    /// What the actor sees.
    pub schema: Schema,
    /// The actor.
    pub net: &'a Net,
    /// The episodes.
    pub pairs: &'a [Pair],
}

impl Rollout<'_> {
    fn rows(&self) -> usize {
        2 * self.pairs.len()
    }

    fn steps(&self) -> usize {
        self.pairs.iter().map(|pair| pair.episode.given.len()).min().unwrap_or(0)
    }

    /// Rows of the tape that belong to some steps.
    fn tape_rows(&self, steps: Range<usize>) -> Range<usize> {
        steps.start * self.rows()..steps.end * self.rows()
    }

    fn episode(&self, row: usize) -> &Episode {
        &self.pairs[row / 2].episode
    }

    /// Worth of a full battery at an episode's end, EUR; it counts as the last step does.
    fn worth_of_full(&self, row: usize) -> f64 {
        let episode = self.episode(row);
        let weight = episode.weights.last().copied().unwrap_or(1.0);
        self.plant.battery().capacity_kwh * episode.stored_eur_per_kwh * weight
    }
}

/// One piece of a batch, with its memory.
#[derive(Debug, Default)]
pub struct Shard {
    tape: Tape,
    /// By step and row.
    outcomes: Vec<Vec<StepOutcome>>,
    /// By step and row.
    actions: Vec<Vec<[f32; 3]>>,
    /// For each pair the step at which its second row switched.
    switched: Vec<Option<usize>>,
    /// For each pair what the planner says of its episode; empty unless it guides.
    values: Vec<Hindsight>,
    /// Sum of the gradient over the shard's rows.
    pub gradient: Vec<f32>,
    /// Weighted cost of each row, EUR, less the worth of what is left in the battery.
    pub costs: Vec<f64>,
}

/// Derivatives that run backward through the steps.
struct Adjoints {
    /// Of the cost to come with respect to state of charge, battery and CHP power, for each row.
    state: Vec<[f64; 3]>,
    /// With respect to the step's actions.
    action: Vec<[f32; 3]>,
    /// With respect to the state's numbers in the observation, for each row as many as [`state_inputs`].
    observed: Vec<f32>,
}

impl Shard {
    /// Rolls the episodes out, and keeps what [`Shard::backward`] needs.
    pub fn forward(&mut self, rollout: &Rollout<'_>) {
        let (rows, steps) = (rollout.rows(), rollout.steps());
        self.tape.make_room(steps * rows, rollout.net.inputs);
        self.actions.resize_with(steps, Vec::new);
        self.outcomes.resize_with(steps, Vec::new);
        self.switched = vec![None; rollout.pairs.len()];
        self.costs = vec![0.0; rows];
        let mut points: Vec<PlantPoint> = rollout.pairs.iter().flat_map(|pair| pair.starts).collect();
        for t in 0..steps {
            self.act(rollout, t, &points);
            self.step_rows(rollout, t, &mut points);
        }
        for (row, point) in points.iter().enumerate() {
            self.costs[row] -= point.soc * rollout.worth_of_full(row);
        }
    }

    /// Observations and actions of one step.
    fn act(&mut self, rollout: &Rollout<'_>, t: usize, points: &[PlantPoint]) {
        let (net, now) = (rollout.net, rollout.tape_rows(t..t + 1));
        for (row, x) in self.tape.observations(now.clone()).chunks_exact_mut(net.inputs).enumerate() {
            observe(rollout.plant, rollout.episode(row), t, &points[row], x);
        }
        self.actions[t].resize(rollout.rows(), [0.0; 3]);
        net.forward(&mut self.tape, now, &mut self.actions[t]);
    }

    /// One step of the plant in every row.
    fn step_rows(&mut self, rollout: &Rollout<'_>, t: usize, points: &mut [PlantPoint]) {
        self.outcomes[t].clear();
        for (row, point) in points.iter_mut().enumerate() {
            let (pair, switched) = (&rollout.pairs[row / 2], &mut self.switched[row / 2]);
            let pending = row % 2 == 1 && switched.is_none() && pair.switch_from.is_some_and(|from| t >= from);
            let switch = if pending { Switch::Opposite } else { Switch::Asked };
            let action = self.actions[t][row].map(f64::from);
            let outcome = step(rollout.plant, &pair.episode.given[t], point, action, switch);
            if pending && outcome.free {
                *switched = Some(t);
            }
            *point = outcome.after;
            self.costs[row] += pair.episode.weights[t] * outcome.cost.v;
            self.outcomes[t].push(outcome);
        }
    }

    /// Makes `gradient` that of the rows' weighted costs times `scale_of_rows`, after [`Shard::forward`] of the same
    /// rollout.
    pub fn backward(&mut self, rollout: &Rollout<'_>, objective: &Objective, scale_of_rows: f64) {
        let (net, inputs, rows) = (rollout.net, state_inputs(rollout.schema), rollout.rows());
        let scale = state_scale(&Divisors::of(rollout.plant));
        self.gradient.clear();
        self.gradient.resize(net.weights.len(), 0.0);
        let mut adjoints = Adjoints {
            state: (0..rows).map(|row| [-rollout.worth_of_full(row) * scale_of_rows, 0.0, 0.0]).collect(),
            action: vec![[0.0; 3]; rows],
            observed: vec![0.0; rows * inputs.len()],
        };
        self.ask_planner(rollout, objective.guide);
        for t in (0..self.outcomes.len()).rev() {
            self.guide(rollout, t, objective.guide, scale_of_rows, &mut adjoints.state);
            self.through_plant(rollout, t, scale_of_rows, &mut adjoints);
            self.add_switching(rollout.plant, t, objective, scale_of_rows, &mut adjoints.action);
            self.add_taught(rollout, t, objective, scale_of_rows, &mut adjoints.action);
            let now = rollout.tape_rows(t..t + 1);
            net.backward(&mut self.tape, now, &adjoints.action, inputs, &mut adjoints.observed);
            adjoints.through_observation(inputs.len(), &scale);
            if t % BLOCK == 0 {
                let block = rollout.tape_rows(t..(t + BLOCK).min(self.outcomes.len()));
                net.add_gradient(&self.tape, block, &mut self.gradient);
            }
        }
    }

    /// Lets the planner find what every state of every episode is worth.
    fn ask_planner(&mut self, rollout: &Rollout<'_>, guide: f64) {
        let wanted = if guide > 0.0 { rollout.pairs } else { &[] };
        self.values.truncate(wanted.len());
        for (index, pair) in wanted.iter().enumerate() {
            let Episode { rows, stored_eur_per_kwh, .. } = &*pair.episode;
            let room = || Hindsight::new(rollout.plant, rows.len(), SOC_LEVELS);
            match self.values.get_mut(index) {
                None => self.values.push(room()),
                Some(values) if values.rows() != rows.len() => *values = room(),
                Some(_) => {}
            }
            self.values[index].solve(rows, *stored_eur_per_kwh);
        }
    }

    /// Puts the planner's share into what the states after a step are worth.
    fn guide(&self, rollout: &Rollout<'_>, t: usize, guide: f64, scale_of_rows: f64, states: &mut [[f64; 3]]) {
        if self.values.is_empty() {
            return;
        }
        for (row, (state, outcome)) in states.iter_mut().zip(&self.outcomes[t]).enumerate() {
            let slopes = self.values[row / 2].slopes(t, &behind(&outcome.after));
            let weight = rollout.episode(row).weights[t] * scale_of_rows;
            for (own, taught) in state.iter_mut().zip([slopes.soc, slopes.battery, slopes.chp]) {
                *own += guide * (taught * weight - *own);
            }
        }
    }

    /// Adds to the CHP's action what the planner's values say about the opposite decision, wherever there was a choice.
    fn add_taught(
        &self,
        rollout: &Rollout<'_>,
        t: usize,
        objective: &Objective,
        scale_of_rows: f64,
        d_actions: &mut [[f32; 3]],
    ) {
        if self.values.is_empty() || objective.teach <= 0.0 {
            return;
        }
        for (row, outcome) in self.outcomes[t].iter().enumerate().filter(|(_, outcome)| outcome.free) {
            let pair = &rollout.pairs[row / 2];
            let before = if t == 0 { pair.starts[row % 2] } else { self.outcomes[t - 1][row].after };
            let action = self.actions[t][row];
            let given = &pair.episode.given[t];
            let other = step(rollout.plant, given, &before, action.map(f64::from), Switch::Opposite);
            let cost = |found: &StepOutcome| found.cost.v + self.values[row / 2].cost_to_come(t, &behind(&found.after));
            let worth = cost(&other) - cost(outcome);
            let on_minus_off = if outcome.after.on { -worth } else { worth };
            let threshold = threshold_in_action(rollout.plant, before.on);
            let near = (-(action[1] - threshold).abs() / objective.reach).exp();
            // A decision that is wrong is turned from however far away it is.
            let kernel = if worth < 0.0 { near.max(TURN_MIN) } else { near };
            let taught = objective.teach * kernel * on_minus_off.clamp(-WORTH_MAX, WORTH_MAX) as f32;
            d_actions[row][1] += taught * (pair.episode.weights[t] * scale_of_rows) as f32;
        }
    }

    /// From the state after a step to the state before it and the action.
    fn through_plant(&self, rollout: &Rollout<'_>, t: usize, scale_of_rows: f64, adjoints: &mut Adjoints) {
        for (row, outcome) in self.outcomes[t].iter().enumerate() {
            let weight = rollout.episode(row).weights[t] * scale_of_rows;
            let [soc, battery, chp, a0, a1, a2] = chain(outcome, &adjoints.state[row], weight).d;
            adjoints.state[row] = [soc, battery, chp];
            adjoints.action[row] = [a0 as f32, a1 as f32, a2 as f32];
        }
    }

    /// Adds to the CHP's action what the pairs that switched in this step teach.
    fn add_switching(
        &self,
        plant: &Plant,
        t: usize,
        objective: &Objective,
        scale_of_rows: f64,
        d_actions: &mut [[f32; 3]],
    ) {
        for (pair, at) in self.switched.iter().enumerate() {
            if *at == Some(t) {
                let taught = self.switching(plant, t, pair, objective);
                d_actions[2 * pair][1] += taught * scale_of_rows as f32;
            }
        }
    }

    /// Gradient of the CHP's action in a pair's first row, from what the opposite decision was worth.
    fn switching(&self, plant: &Plant, t: usize, pair: usize, objective: &Objective) -> f32 {
        let row = 2 * pair;
        let worth = self.costs[row + 1] - self.costs[row];
        let after = &self.outcomes[t][row].after;
        let was_on = if t == 0 { after.on == (after.age > 1) } else { self.outcomes[t - 1][row].after.on };
        let threshold = threshold_in_action(plant, was_on);
        let distance = (self.actions[t][row][1] - threshold).abs();
        // what running costs more than resting
        let on_minus_off = if after.on { -worth } else { worth };
        objective.switching * on_minus_off.clamp(-WORTH_MAX, WORTH_MAX) as f32 * (-distance / objective.reach).exp()
    }

    /// States that the rule visits and what it asks for there: observations `[n, inputs]` and actions.
    #[must_use]
    pub fn rule_states(plant: &Plant, episode: &Episode) -> (Vec<f32>, Vec<[f32; 3]>) {
        let mut point = episode.start;
        let (mut x, mut wanted) = (Vec::new(), Vec::new());
        for (t, given) in episode.given.iter().enumerate() {
            let mut observation = episode.observed[t].values().to_vec();
            observe(plant, episode, t, &point, &mut observation);
            x.extend(observation);
            let action = rule::action(plant, given, &point);
            point = step(plant, given, &point, action.map(f64::from), Switch::Asked).after;
            wanted.push(action);
        }
        (x, wanted)
    }
}

/// A state as the planner knows it.
const fn behind(point: &PlantPoint) -> StateBehind {
    StateBehind { soc: point.soc, battery_kw: point.battery, chp_on: point.on, chp_kw: point.chp, chp_age: point.age }
}

impl Adjoints {
    /// Adds what the state does through the actor's observation.
    fn through_observation(&mut self, inputs: usize, scale: &[f64; 3]) {
        for (state, d) in self.state.iter_mut().zip(self.observed.chunks_exact(inputs)) {
            for (i, d) in d.iter().enumerate() {
                state[i] += f64::from(*d) * scale[i];
            }
        }
    }
}

/// The observation of step `t` in the plant's state, into `x`.
fn observe(plant: &Plant, episode: &Episode, t: usize, s: &PlantPoint, x: &mut [f32]) {
    let observed = &episode.observed[t];
    x.copy_from_slice(observed.values());
    x[place::SOC] = s.soc as f32;
    x[place::CHP_ON] = if s.on { 1.0 } else { 0.0 };
    if observed.schema() != Schema::TenD {
        let divisors = Divisors::of(plant);
        x[place::BATTERY] = over(s.battery, divisors.battery_kw) as f32;
        x[place::CHP] = over(s.chp, divisors.chp_kw) as f32;
        let in_state_h = f64::from(s.age) * plant.step_h();
        x[place::CHP_IN_STATE] = (in_state_h / CHP_IN_STATE_H).min(1.0) as f32;
    }
}

/// `weight cost + adjoint · state after`, with derivatives.
fn chain(outcome: &StepOutcome, adjoint: &[f64; 3], weight: f64) -> Dual {
    outcome.cost * weight + outcome.soc * adjoint[0] + outcome.battery * adjoint[1] + outcome.chp * adjoint[2]
}
