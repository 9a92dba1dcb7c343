//! The first two stages: imitation of the good rule, then gradients through the plant's equations.
//!
//! Responsible for: one update at a time, its random numbers, the running average of the weights. A batch is cut into
//! a fixed number of shards whose gradients are added in order: the result does not depend on the number of threads.

use super::episode::{Source, Variation};
use super::net::{Adam, Net, Tape};
use super::rollout::Shard;
use crate::config::{Gradient, Imitation};
use memg_core::equipment::{Plant, PlantParameters};
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
    schema: Schema,
    parameters: PlantParameters,
    source: Source,
    variation: Variation,
    shards: Vec<Shard>,
    library: Option<(Vec<f32>, Vec<[f32; 3]>)>,
    /// All that has to survive in a checkpoint.
    pub state: GradientState,
}

/// What an interrupted run continues from; the vectors travel as tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradientState {
    /// The actor.
    #[serde(skip)]
    pub net: Option<Net>,
    /// Running average of its weights.
    #[serde(skip)]
    pub average: Option<Net>,
    /// Moments of the present stage.
    #[serde(skip)]
    pub adam: Option<Adam>,
    /// Random state.
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

impl GradientTrainer {
    /// A trainer with a random actor.
    #[must_use]
    pub fn new(plant: Plant, schema: Schema, source: Source, variation: Variation, seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let net = Net::random(schema.len(), &mut rng);
        let adam = Adam::new(net.weights.len());
        let (average, emphasis) = (Some(net.clone()), Vec::new());
        let state = GradientState { average, net: Some(net), adam: Some(adam), rng, emphasis };
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { schema, parameters: *plant.parameters(), source, variation, shards, library: None, state }
    }

    /// The running average of the actor.
    #[must_use]
    pub fn actor(&mut self) -> &Net {
        let net = self.state.net.clone();
        self.state.average.get_or_insert_with(|| net.unwrap_or_else(|| Net::zeros(self.schema.len())))
    }

    /// One step towards the good rule's requests.
    pub fn imitate(&mut self, settings: &Imitation) -> GradientStats {
        let (library_x, library_y) = self.library();
        let (dim, n) = (self.schema.len(), settings.batch);
        let (mut tape, mut wanted) = (Tape::default(), Vec::with_capacity(n));
        tape.make_room(n, dim);
        for x in tape.observations(0..n).chunks_exact_mut(dim) {
            let row = self.state.rng.random_range(0..library_y.len().max(1));
            x.copy_from_slice(&library_x[row * dim..(row + 1) * dim]);
            wanted.push(library_y[row]);
        }
        self.library = Some((library_x, library_y));
        let GradientState { net: Some(net), average, adam: Some(adam), .. } = &mut self.state else {
            return GradientStats::default();
        };
        let mut actions = vec![[0.0; 3]; n];
        net.forward(&mut tape, 0..n, &mut actions);
        let mut loss = 0.0;
        for (action, wanted) in actions.iter_mut().zip(&wanted) {
            for (a, w) in action.iter_mut().zip(wanted) {
                let error = *a - w;
                loss += f64::from(error).powi(2) / n as f64;
                *a = 2.0 * error / n as f32;
            }
        }
        let mut gradient = vec![0.0; net.weights.len()];
        net.backward(&mut tape, 0..n, &actions, &[], &mut []);
        net.add_gradient(&tape, 0..n, &mut gradient);
        let norm = adam.step(net, &gradient, settings.rate, f32::INFINITY);
        *average = Some(net.clone());
        GradientStats { loss, norm: f64::from(norm) }
    }

    /// States that the rule visits, made once from the seed.
    fn library(&mut self) -> (Vec<f32>, Vec<[f32; 3]>) {
        if let Some(library) = self.library.take() {
            return library;
        }
        // Its own random numbers: a resumed run makes the same library.
        let mut rng = Pcg64Mcg::seed_from_u64(0x5eed);
        let (mut x, mut wanted) = (Vec::new(), Vec::new());
        for _ in 0..RULE_EPISODES {
            let episode = self.source.draw(&mut rng, &self.variation, &[]);
            let (more, actions) = Shard::rule_states(&self.parameters, self.schema, &episode);
            x.extend(more);
            wanted.extend(actions);
        }
        (x, wanted)
    }

    /// Forgets Adam's moments (between stages).
    pub fn fresh_moments(&mut self) {
        if let Some(net) = &self.state.net {
            self.state.adam = Some(Adam::new(net.weights.len()));
        }
    }

    /// One step down the cost of a batch of episodes; `progress` in [0, 1] sets the rate.
    pub fn descend(&mut self, settings: &Gradient, progress: f64, threads: usize) -> GradientStats {
        let GradientState { net: Some(net), average, adam: Some(adam), rng, emphasis } = &mut self.state else {
            return GradientStats::default();
        };
        let pieces: Vec<Vec<u64>> =
            split_evenly(settings.episodes, SHARDS).map(|count| (0..count).map(|_| rng.random()).collect()).collect();
        let task = Task {
            parameters: &self.parameters,
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
        let rate = settings.rate * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())) as f32;
        let norm = adam.step(net, &gradient, rate, settings.norm_max);
        if let Some(average) = average {
            for (mean, w) in average.weights.iter_mut().zip(&net.weights) {
                *mean += settings.average * (w - *mean);
            }
        }
        let days = self.variation.steps as f64 / 96.0;
        let count = self.shards.iter().map(|shard| shard.costs.len()).sum::<usize>().max(1);
        let cost: f64 = self.shards.iter().flat_map(|shard| &shard.costs).sum();
        GradientStats { loss: cost / count as f64 / days, norm: f64::from(norm) }
    }
}

struct Task<'a> {
    parameters: &'a PlantParameters,
    schema: Schema,
    source: &'a Source,
    variation: &'a Variation,
    settings: &'a Gradient,
    net: &'a Net,
    emphasis: &'a [f64],
}

fn split_evenly(total: usize, parts: usize) -> impl Iterator<Item = usize> {
    (0..parts).map(move |i| total / parts + usize::from(i < total % parts))
}

/// Lives through and learns from every piece.
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
    fn piece(&self, shard: &mut Shard, seeds: &[u64]) {
        let draw = |seed: &u64| {
            let mut rng = Pcg64Mcg::seed_from_u64(*seed);
            let episode = Arc::new(self.source.draw(&mut rng, self.variation, self.emphasis));
            let from = rng.random_range(0..(episode.given.len() * 2 / 3).max(1));
            (episode, from)
        };
        let pairs: Vec<_> = seeds.iter().map(draw).collect();
        let switched = shard.live(self.parameters, self.schema, self.net, &pairs);
        let objective = self.settings.objective();
        let scale = 1.0 / (2 * self.settings.episodes) as f64;
        shard.learn(self.parameters, (self.schema, self.net), &pairs, &switched, &objective, scale);
    }
}
