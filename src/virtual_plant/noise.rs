//! Repeatable noise: a pure function of seed, channel and time, so that it does not depend on who asks and how often.

use std::f64::consts::TAU;

/// A stream of numbers that belongs to one seed and one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// The noise of a run.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Evenly distributed in [0, 1).
    #[must_use]
    pub fn share(self, channel: u64, counter: i64) -> f64 {
        let mixed = mix(mix(self.seed ^ mix(channel)) ^ counter as u64);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed, mean 0, deviation 1 (Box-Muller).
    #[must_use]
    pub fn normal(self, channel: u64, counter: i64) -> f64 {
        let radius = (-2.0 * (1.0 - self.share(channel * 2, counter)).ln()).sqrt();
        radius * (TAU * self.share(channel * 2 + 1, counter)).cos()
    }

    /// Continuous in time, within [-1, 1]: new values every `period_ms`, smoothly joined.
    #[must_use]
    pub fn smooth(self, channel: u64, time_ms: i64, period_ms: i64) -> f64 {
        let node = time_ms.div_euclid(period_ms);
        let x = time_ms.rem_euclid(period_ms) as f64 / period_ms as f64;
        let ease = x * x * (3.0 - 2.0 * x);
        let at = |node| 2.0 * self.share(channel, node) - 1.0;
        at(node) + ease * (at(node + 1) - at(node))
    }
}

/// The finaliser of SplitMix64: every input bit moves every output bit.
const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_stated_mean_and_deviation_and_repeats() {
        let noise = Noise::new(7);
        let sample: Vec<f64> = (0..20_000).map(|counter| noise.normal(3, counter)).collect();
        let mean = sample.iter().sum::<f64>() / sample.len() as f64;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / sample.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert_eq!(noise.normal(3, 5), Noise::new(7).normal(3, 5));
        assert_ne!(noise.normal(3, 5), Noise::new(8).normal(3, 5));
    }

    #[test]
    fn smooth_noise_does_not_jump() {
        let noise = Noise::new(1);
        for time_ms in 0..10_000 {
            let step = noise.smooth(0, time_ms + 1, 1000) - noise.smooth(0, time_ms, 1000);
            assert!(step.abs() < 0.0031);
        }
    }
}
