//! How long to wait before the next connection, and when losing connections becomes an alarm.
//!
//! Waiting doubles from 0.5 s to 10 s, each time shortened by a random part of up to half, so that a hundred gateways do
//! not return to a restarted broker in the same second. It starts over only after a connection that lasted 30 s: a
//! broker that accepts and throws out at once is not asked every half second.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);
/// A connection that lasted this long was a good one.
pub(super) const GOOD_AFTER: Duration = Duration::from_secs(30);
/// So many lost connections within [`STORM_WINDOW`] are a storm.
const STORM_LOSSES: usize = 5;
const STORM_WINDOW: Duration = Duration::from_secs(300);

/// How a connection, or the attempt at one, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The broker was not reached or did not accept.
    NeverUp,
    /// It was up for so long.
    UpFor(Duration),
}

/// The memory between connections.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    losses: VecDeque<Instant>,
}

impl Backoff {
    /// The wait before the next attempt. `random` in [0, 1).
    pub(super) fn wait(&mut self, ended: Ended, now: Instant, random: f64) -> Duration {
        if let Ended::UpFor(time) = ended {
            self.losses.push_back(now);
            if self.losses.len() > STORM_LOSSES {
                self.losses.pop_front();
            }
            if time >= GOOD_AFTER {
                self.failures = 0;
            }
        }
        let full = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(1.0 - 0.5 * random.clamp(0.0, 1.0))
    }

    /// Whether the connection keeps breaking.
    pub(super) fn is_storm(&self, now: Instant) -> bool {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) <= STORM_WINDOW;
        self.losses.iter().filter(recent).count() >= STORM_LOSSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_doubles_to_a_bound_and_starts_over_after_a_good_connection() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let waits: Vec<_> = (0..7).map(|_| backoff.wait(Ended::NeverUp, now, 0.0).as_secs_f64()).collect();
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        let short = backoff.wait(Ended::UpFor(Duration::from_secs(29)), now, 0.0);
        let good = backoff.wait(Ended::UpFor(Duration::from_secs(30)), now, 0.0);
        assert_eq!((short.as_secs_f64(), good.as_secs_f64()), (10.0, 0.5));
    }

    #[test]
    fn a_random_part_shortens_the_wait_by_at_most_half() {
        let now = Instant::now();
        for (random, expected) in [(0.0, 0.5), (0.5, 0.375), (1.0, 0.25), (7.0, 0.25)] {
            assert_eq!(Backoff::default().wait(Ended::NeverUp, now, random).as_secs_f64(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn five_losses_in_five_minutes_are_a_storm_and_failed_attempts_are_not() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            backoff.wait(Ended::NeverUp, Instant::now(), 0.0);
        }
        for n in 0..STORM_LOSSES {
            assert!(!backoff.is_storm(Instant::now()), "{n}");
            backoff.wait(Ended::UpFor(Duration::from_secs(1)), Instant::now(), 0.0);
        }
        assert!(backoff.is_storm(Instant::now()));
        tokio::time::advance(STORM_WINDOW + Duration::from_secs(1)).await;
        assert!(!backoff.is_storm(Instant::now()));
    }
}
