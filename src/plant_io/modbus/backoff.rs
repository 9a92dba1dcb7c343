//! Pauses between attempts to connect, and between attempts at a unit that is silent: growing, bounded, different for
//! every connection and unit.

use std::time::Duration;
use tokio::time::Instant;

/// Random shares in [0, 1): xorshift, seeded by a name, so that what failed together does not come back together.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Between half and all of it.
    fn shorten(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(0.5 + 0.5 * self.share())
    }
}

/// Growing pauses between attempts to connect. The first attempt after a success comes at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    step: u32,
    longest: Duration,
    jitter: Jitter,
}

/// First pause; doubled at every failure.
const FIRST: Duration = Duration::from_millis(50);

impl Backoff {
    pub(crate) fn new(longest: Duration, seed: u64) -> Self {
        Self { step: 0, longest, jitter: Jitter::new(seed) }
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
        self.jitter.shorten(FIRST.saturating_mul(1 << (step - 1)).min(self.longest))
    }
}

/// When a silent unit is asked again: after a third of the time that it has been silent, so that it is back soon after a
/// short silence and costs its neighbours little in a long one. (It was twenty times what an attempt cost: a serial unit
/// silent for 2.5 s was back after 39 s.)
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    since: Option<Instant>,
    attempts: u32,
    longest: Duration,
    jitter: Jitter,
}

/// The first pauses: three attempts come within a second.
const RETRY_FIRST: Duration = Duration::from_millis(250);

impl Retry {
    pub(crate) fn new(longest: Duration, seed: u64) -> Self {
        Self { since: None, attempts: 0, longest, jitter: Jitter::new(seed) }
    }

    /// It answers.
    pub(crate) fn reset(&mut self) {
        (self.since, self.attempts) = (None, 0);
    }

    /// Failed attempts in a row.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// An attempt failed: the pause before the next one, each between half and all of a third of the silence.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        let silent = now.saturating_duration_since(*self.since.get_or_insert(now));
        self.jitter.shorten((silent / 3).max(RETRY_FIRST).min(self.longest))
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

    #[tokio::test(start_paused = true)]
    async fn a_silent_unit_is_asked_again_soon_and_ever_more_seldom_up_to_its_bound() {
        for name in ["a", "b", "battery", "7"] {
            let (start, mut retry) = (Instant::now(), Retry::new(Duration::from_secs(5), seed(name)));
            let (mut now, mut within_a_second, mut longest_before_4_s) = (start, 0, Duration::ZERO);
            for _ in 0..60 {
                let pause = retry.next(now);
                assert!(pause <= Duration::from_secs(5), "{pause:?}");
                now += pause;
                within_a_second += u32::from(now - start <= Duration::from_secs(1));
                if now - start < Duration::from_secs(4) {
                    longest_before_4_s = longest_before_4_s.max(pause);
                }
            }
            assert!(within_a_second >= 3, "{within_a_second} attempts within a second");
            assert!(longest_before_4_s <= Duration::from_secs(1), "after a short silence it is back within a second");
            assert!(retry.next(now) >= Duration::from_millis(2500), "it grows while the unit stays dead");
            retry.reset();
            assert!(retry.next(now) <= RETRY_FIRST, "and begins anew once it answered");
        }
    }
}
