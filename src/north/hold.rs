//! What one principal has written, and whether its set-points are still to be kept in force.

use crate::points::OUTCOMES;
use memg_core::command::Outcome;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Without another wish set-points expire after this time without heartbeat.
pub(crate) const REVERSION: Duration = Duration::from_secs(60);
/// Time between the two steps of arming.
const ARMING: Duration = Duration::from_secs(30);

/// One principal's registers.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// Values by place in the list, as written last.
    pub values: BTreeMap<usize, f64>,
    /// When it last showed that it is there, while its set-points are to be kept.
    heard: Option<Instant>,
    reversion: Option<Duration>,
    token: Option<(u16, Instant)>,
    outcome: u16,
}

impl Hold {
    pub fn set_reversion(&mut self, after: Duration) {
        self.reversion = Some(after);
    }

    pub fn reversion(&self) -> Duration {
        self.reversion.unwrap_or(REVERSION)
    }

    /// From here on its set-points are in force and have to be kept.
    pub fn take(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// It is there; means nothing while it keeps nothing.
    pub fn heartbeat(&mut self, now: Instant) {
        if let Some(heard) = &mut self.heard {
            *heard = now;
        }
    }

    pub fn let_go(&mut self) {
        self.heard = None;
    }

    pub fn holds(&self) -> bool {
        self.heard.is_some()
    }

    /// It has not been heard for its time.
    pub fn has_expired(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.saturating_duration_since(heard) > self.reversion())
    }

    /// Time until its set-points expire, while it keeps some.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let heard = self.heard?;
        Some(self.reversion().saturating_sub(now.saturating_duration_since(heard)))
    }

    /// First step of arming.
    pub fn open_token(&mut self, token: u16, now: Instant) {
        self.token = Some((token, now + ARMING));
    }

    /// Second step: whether this is the number. Whatever comes out, it is used up.
    pub fn confirm(&mut self, number: f64, now: Instant) -> bool {
        self.token.take().is_some_and(|(token, until)| f64::from(token) == number && now <= until)
    }

    /// The number of an open first step; 0: none.
    pub fn token(&self, now: Instant) -> u16 {
        self.token.filter(|(_, until)| now <= *until).map_or(0, |(token, _)| token)
    }

    pub fn note(&mut self, outcome: &Outcome) {
        self.outcome = match outcome {
            Outcome::Done => 1,
            Outcome::Rejected { .. } => 2,
            Outcome::Clamped { .. } => 3,
        };
    }

    pub fn note_expired(&mut self) {
        self.outcome = OUTCOMES[4].0;
    }

    pub const fn outcome(&self) -> u16 {
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn set_points_expire_without_a_heartbeat_and_only_those_that_are_kept() {
        let (mut hold, start) = (Hold::default(), Instant::now());
        hold.set_reversion(Duration::from_secs(5));
        let at = |s| start + Duration::from_secs(s);
        hold.heartbeat(at(0));
        assert!(!hold.holds() && !hold.has_expired(at(100)), "nothing is kept");
        hold.take(at(0));
        hold.heartbeat(at(4));
        assert!(!hold.has_expired(at(9)) && hold.has_expired(at(10)));
        hold.let_go();
        assert!(!hold.has_expired(at(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_arms_once_within_half_a_minute() {
        let (mut hold, now) = (Hold::default(), Instant::now());
        hold.open_token(4711, now);
        assert_eq!((hold.token(now), hold.token(now + ARMING * 2)), (4711, 0));
        assert!(hold.confirm(4711.0, now + ARMING) && !hold.confirm(4711.0, now), "once");
        hold.open_token(4711, now);
        assert!(!hold.confirm(4712.0, now) && !hold.confirm(4711.0, now), "one attempt");
    }
}
