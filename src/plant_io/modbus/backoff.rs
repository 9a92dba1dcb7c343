//! Pauses between attempts to connect: growing, bounded, different for every connection.

use std::time::Duration;

/// Growing pauses with jitter. The first attempt after a success comes at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    step: u32,
    longest: Duration,
    random: u64,
}

/// First pause; doubled at every failure.
const FIRST: Duration = Duration::from_millis(50);

impl Backoff {
    /// `seed` keeps devices that failed together from coming back together.
    pub(crate) fn new(longest: Duration, seed: u64) -> Self {
        Self { step: 0, longest, random: seed | 1 }
    }

    /// A success: the next attempt comes at once again.
    pub(crate) fn reset(&mut self) {
        self.step = 0;
    }

    /// The pause before the next attempt: 0, then 50 ms doubling up to the longest, each between half and all of it.
    pub(crate) fn next(&mut self) -> Duration {
        let step = self.step;
        self.step = (step + 1).min(20);
        if step == 0 {
            return Duration::ZERO;
        }
        let full = FIRST.saturating_mul(1 << (step - 1)).min(self.longest);
        full.mul_f64(0.5 + 0.5 * self.share())
    }

    /// A random share in [0, 1), xorshift.
    pub(crate) fn share(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A seed from a name (FNV-1a).
pub(crate) fn seed(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_bound_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), seed("a"));
        assert_eq!(backoff.next(), Duration::ZERO);
        for longest_ms in [50, 100, 200, 400, 800, 1000, 1000, 1000] {
            let pause = backoff.next();
            assert!(pause <= Duration::from_millis(longest_ms) && pause * 2 >= Duration::from_millis(longest_ms));
        }
        backoff.reset();
        assert_eq!(backoff.next(), Duration::ZERO);
    }
}
