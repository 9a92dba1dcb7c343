//! Observations as the networks see them: less their mean, over their standard deviation. An actor's first layer takes both in when
//! it is exported, so that a model's inputs stay those of its schema.

use super::environment::EpisodeMaker;
use super::fused::{NamedTensor, Origin};
use memg_core::observation::{Schema, place};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Episodes that mean and deviation are taken from.
const EPISODES: usize = 200;
/// Least deviation that is divided by, as observations have it: a number that hardly moves is not blown up.
const DEVIATION_MIN: f32 = 0.02;

/// `seen = (observed - mean) / deviation`, number by number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Normaliser {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Normaliser {
    /// Leaves observations of so many numbers as they are.
    pub(super) fn none(numbers: usize) -> Self {
        Self { mean: vec![0.0; numbers], deviation: vec![1.0; numbers] }
    }

    /// Mean and deviation over episodes of random actions; the same seed gives the same.
    pub(super) fn measure(episodes: &EpisodeMaker, schema: Schema, seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 0x0b5);
        let mut sums = vec![(0.0_f64, 0.0_f64); schema.len()];
        let mut count = 0.0_f64;
        for _ in 0..EPISODES {
            let mut environment = episodes.fresh(rng.random());
            loop {
                let observed = environment.observe(schema);
                count += 1.0;
                for ((sum, squares), x) in sums.iter_mut().zip(observed.values()) {
                    *sum += f64::from(*x);
                    *squares += f64::from(*x).powi(2);
                }
                let action = [(); 3].map(|()| rng.random_range(-1.0..=1.0));
                if !environment.live(action) {
                    break;
                }
            }
        }
        let mean = sums.iter().map(|(sum, _)| (sum / count) as f32).collect();
        let deviation = |(sum, squares): &(f64, f64)| (squares / count - (sum / count).powi(2)).max(0.0).sqrt() as f32;
        Self { mean, deviation: sums.iter().map(|sums| deviation(sums).max(DEVIATION_MIN)).collect() }
    }

    /// Observations, row after row, become what the networks see.
    pub(super) fn apply(&self, observations: &mut [f32]) {
        for row in observations.chunks_exact_mut(self.mean.len()) {
            for ((x, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *x = (*x - mean) / deviation;
            }
        }
    }

    /// The plant at rest as the networks see it: battery half full and idle, CHP off for long.
    pub(super) fn origin(&self, schema: Schema) -> Origin {
        let rest = [
            (place::SOC, 0.5),
            (place::CHP_ON, 0.0),
            (place::BATTERY, 0.0),
            (place::CHP, 0.0),
            (place::CHP_IN_STATE, 1.0),
        ];
        let seen = |(place, x): (usize, f32)| Some((place, (x - self.mean[place]) / self.deviation[place]));
        Origin(rest.map(|number| if number.0 < schema.len() { seen(number) } else { None }))
    }

    /// An actor for observations as they are that acts as one for normalised ones: `W' = W / deviation`, `b' = b - W' mean`.
    pub(super) fn folded(&self, actor: &[NamedTensor]) -> Vec<NamedTensor> {
        self.rewritten(actor, |w, deviation| (w / deviation, -w / deviation))
    }

    /// The inverse of [`Normaliser::folded`]: `W = W' deviation`, `b = b' + W' mean`.
    pub(super) fn unfolded(&self, actor: &[NamedTensor]) -> Vec<NamedTensor> {
        self.rewritten(actor, |w, deviation| (w * deviation, w))
    }

    /// `of` gives an input's new weight, and what its mean is multiplied by in the bias.
    fn rewritten(&self, actor: &[NamedTensor], of: impl Fn(f32, f32) -> (f32, f32)) -> Vec<NamedTensor> {
        let mut actor = actor.to_vec();
        let Some(at) = actor.iter().position(|tensor| tensor.name == "actor.l1.weight") else { return actor };
        let mut moved = Vec::new();
        for row in actor[at].data.chunks_exact_mut(self.mean.len()) {
            let mut bias = 0.0_f64;
            for ((w, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                let (weight, share) = of(*w, *deviation);
                *w = weight;
                bias += f64::from(share) * f64::from(*mean);
            }
            moved.push(bias as f32);
        }
        if let Some(bias) = actor.iter_mut().find(|tensor| tensor.name == "actor.l1.bias") {
            bias.data.iter_mut().zip(moved).for_each(|(bias, moved)| *bias += moved);
        }
        actor
    }
}
