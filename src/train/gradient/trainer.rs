//! The first two stages: imitation of the good rule, then gradients through the plant's equations.
//!
//! Responsible for: one update at a time, its random numbers, the running average of the weights. A batch is cut into
//! a fixed number of shards whose gradients are added in order: the result does not depend on the number of threads.

use super::episode::{EpisodeSource, Variation};
use super::net::{Adam, Net, Tape};
use super::rollout::{Pair, Rollout, Shard};
use crate::config::{GradientSettings, ImitationSettings};
use memg_core::equipment::Plant;
use memg_core::observation::Schema;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const SHARDS: usize = 2;
/// Episodes of the rule that are imitated.
const RULE_EPISODES: usize = 100;

/// Where the actor comes from before TD3.
#[derive(Debug)]
pub struct GradientTrainer {
    plant: Plant,
    schema: Schema,
    source: EpisodeSource,
    variation: Variation,
    shards: Vec<Shard>,
    library: Option<RuleLibrary>,
    /// All that has to survive in a checkpoint.
    pub state: GradientState,
}

/// What an interrupted run continues from; the vectors travel as tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradientState {
    /// The actor as trained last.
    #[serde(skip)]
    pub net: Option<Net>,
    /// Running average of its weights.
    #[serde(skip)]
    pub average: Option<Net>,
    /// Moments of the present stage.
    #[serde(skip)]
    pub adam: Option<Adam>,
    /// State of the random numbers; draws a seed for every episode.
    pub rng: Pcg64Mcg,
    /// How much each training day counts ([`super::risk`]); empty: all alike.
    #[serde(default)]
    pub emphasis: Vec<f64>,
}

/// What an update saw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GradientStats {
    /// Mean squared error (imitation) or mean cost of a day, EUR (gradient).
    pub loss: f64,
    /// Norm of the gradient.
    pub norm: f64,
}

/// States that the good rule visits, and what it asks for there.
#[derive(Debug, Default)]
struct RuleLibrary {
    /// `[n, inputs]`.
    observations: Vec<f32>,
    /// `[n, 3]`.
    wanted: Vec<[f32; 3]>,
}

impl GradientTrainer {
    /// A trainer with a random actor.
    #[must_use]
    pub fn new(plant: Plant, schema: Schema, source: EpisodeSource, variation: Variation, seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let net = Net::random(schema.len(), &mut rng);
        let adam = Adam::new(net.weights.len());
        let (average, emphasis) = (Some(net.clone()), Vec::new());
        let state = GradientState { average, net: Some(net), adam: Some(adam), rng, emphasis };
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { plant, schema, source, variation, shards, library: None, state }
    }

    /// The running average of the actor.
    #[must_use]
    pub fn actor(&mut self) -> &Net {
        let net = self.state.net.clone();
        self.state.average.get_or_insert_with(|| net.unwrap_or_else(|| Net::zeros(self.schema.len())))
    }

    /// One step towards the good rule's requests.
    pub fn imitate(&mut self, settings: &ImitationSettings) -> GradientStats {
        let library = self.library.take().unwrap_or_else(|| self.rule_library());
        let dim = self.schema.len();
        let GradientState { net: Some(net), average, adam: Some(adam), rng, .. } = &mut self.state else {
            return GradientStats::default();
        };
        let n = settings.batch;
        let (mut tape, mut wanted) = (Tape::default(), Vec::with_capacity(n));
        tape.make_room(n, dim);
        for x in tape.observations(0..n).chunks_exact_mut(dim) {
            let row = rng.random_range(0..library.wanted.len().max(1));
            x.copy_from_slice(&library.observations[row * dim..(row + 1) * dim]);
            wanted.push(library.wanted[row]);
        }
        self.library = Some(library);
        let mut actions = vec![[0.0; 3]; n];
        net.forward(&mut tape, 0..n, &mut actions);
        let loss = squared_distance(&mut actions, &wanted);
        let mut gradient = vec![0.0; net.weights.len()];
        net.backward(&mut tape, 0..n, &actions, &[], &mut []);
        net.add_gradient(&tape, 0..n, &mut gradient);
        let norm = adam.step(net, &gradient, settings.rate, f32::INFINITY);
        *average = Some(net.clone());
        GradientStats { loss, norm: f64::from(norm) }
    }

    /// States that the rule visits, made from random numbers of their own: a resumed run makes the same library.
    fn rule_library(&self) -> RuleLibrary {
        let mut rng = Pcg64Mcg::seed_from_u64(0x5eed);
        let mut library = RuleLibrary::default();
        for _ in 0..RULE_EPISODES {
            let episode = self.source.draw(&mut rng, &self.variation, &[]);
            let (observations, wanted) = Shard::rule_states(&self.plant, &episode);
            library.observations.extend(observations);
            library.wanted.extend(wanted);
        }
        library
    }

    /// Forgets Adam's moments (between stages).
    pub fn fresh_moments(&mut self) {
        if let Some(net) = &self.state.net {
            self.state.adam = Some(Adam::new(net.weights.len()));
        }
    }

    /// Changes how episodes are varied.
    pub const fn vary(&mut self, variation: Variation) {
        self.variation = variation;
    }

    /// One step down the cost of a batch of episodes; `decline` in [0, 1] says how far the rate has fallen.
    pub fn descend(&mut self, settings: &GradientSettings, decline: f64, threads: usize) -> GradientStats {
        let GradientState { net: Some(net), average, adam: Some(adam), rng, emphasis } = &mut self.state else {
            return GradientStats::default();
        };
        let pieces: Vec<Vec<u64>> =
            split_evenly(settings.episodes, SHARDS).map(|count| (0..count).map(|_| rng.random()).collect()).collect();
        let task = Task {
            plant: &self.plant,
            schema: self.schema,
            source: &self.source,
            variation: &self.variation,
            settings,
            net,
            emphasis,
        };
        run_shards(&task, &mut self.shards, &pieces, threads);
        let mut gradient = vec![0.0; net.weights.len()];
        for shard in &self.shards {
            for (sum, g) in gradient.iter_mut().zip(&shard.gradient) {
                *sum += g;
            }
        }
        let rate = settings.rate * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * decline).cos())) as f32;
        let norm = adam.step(net, &gradient, rate, settings.norm_max);
        if let Some(average) = average {
            for (mean, w) in average.weights.iter_mut().zip(&net.weights) {
                *mean += settings.average * (w - *mean);
            }
        }
        let days = self.variation.steps as f64 / self.plant.steps_per_day() as f64;
        let count = self.shards.iter().map(|shard| shard.costs.len()).sum::<usize>().max(1);
        let cost: f64 = self.shards.iter().flat_map(|shard| &shard.costs).sum();
        GradientStats { loss: cost / count as f64 / days, norm: f64::from(norm) }
    }
}

/// The mean over rows of the squared distance; `actions` become its derivatives.
fn squared_distance(actions: &mut [[f32; 3]], wanted: &[[f32; 3]]) -> f64 {
    let n = actions.len();
    let mut loss = 0.0;
    for (action, wanted) in actions.iter_mut().zip(wanted) {
        for (a, w) in action.iter_mut().zip(wanted) {
            let error = *a - w;
            loss += f64::from(error).powi(2) / n as f64;
            *a = 2.0 * error / n as f32;
        }
    }
    loss
}

/// What every shard of a batch reads.
struct Task<'a> {
    plant: &'a Plant,
    schema: Schema,
    source: &'a EpisodeSource,
    variation: &'a Variation,
    settings: &'a GradientSettings,
    net: &'a Net,
    emphasis: &'a [f64],
}

fn split_evenly(total: usize, parts: usize) -> impl Iterator<Item = usize> {
    (0..parts).map(move |i| total / parts + usize::from(i < total % parts))
}

/// Forward and backward passes of every piece of a batch.
fn run_shards(task: &Task<'_>, shards: &mut [Shard], pieces: &[Vec<u64>], threads: usize) {
    let work = |(shard, seeds): (&mut Shard, &Vec<u64>)| task.piece(shard, seeds);
    if threads < 2 {
        return shards.iter_mut().zip(pieces).for_each(work);
    }
    std::thread::scope(|scope| {
        for item in shards.iter_mut().zip(pieces) {
            scope.spawn(move || work(item));
        }
    });
}

impl Task<'_> {
    /// One pair of episodes for each seed.
    fn piece(&self, shard: &mut Shard, seeds: &[u64]) {
        let pairs: Vec<_> = seeds.iter().map(|seed| self.pair(*seed)).collect();
        let rollout = Rollout { plant: self.plant, schema: self.schema, net: self.net, pairs: &pairs };
        shard.forward(&rollout);
        let scale = 1.0 / (2 * self.settings.episodes) as f64;
        shard.backward(&rollout, &self.settings.objective(), scale);
    }

    fn pair(&self, seed: u64) -> Pair {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let episode = Arc::new(self.source.draw(&mut rng, self.variation, self.emphasis));
        let switch_from = rng.random_range(0..(episode.given.len() * 2 / 3).max(1));
        // The planner's values say what the opposite decision is worth: both rows are free to go their own ways.
        if self.settings.guide > 0.0 && self.settings.teach > 0.0 {
            let starts = [episode.start, self.source.random_point(&mut rng)];
            return Pair { episode, starts, switch_from: None };
        }
        Pair { starts: [episode.start; 2], episode, switch_from: Some(switch_from) }
    }
}
