//! Which ordered set-points are not in force: a level that control reads every cycle, not an event that can be missed.
//!
//! A set-point is *open* from the moment it is ordered until its read-back shows it (a heartbeat: until it is
//! acknowledged). Rejected, unanswered, clamped, reverted, refused before it left, held back because the device is away or
//! under local control: whatever keeps it open for longer than its time (`confirm_s`) is a fault.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A set-point that is not confirmed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    /// Since when it is ordered without being in force.
    pub since: Instant,
    /// How long that may last.
    pub within: Duration,
    /// Name of the point.
    pub point: String,
    /// What is wanted now, in words.
    pub wanted: String,
    /// What stands against it.
    pub reason: String,
}

/// The open set-points of a device, shared between its driver and control.
#[derive(Debug, Default)]
pub struct Confirmations {
    open: Mutex<BTreeMap<usize, Open>>,
}

impl Confirmations {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the point with that index; `None`: confirmed, or not ordered.
    pub(super) fn set(&self, point: usize, open: Option<Open>) {
        match open {
            Some(open) => self.lock().insert(point, open),
            None => self.lock().remove(&point),
        };
    }

    /// The set-point that has been open for longest of those beyond their time.
    #[must_use]
    pub fn unconfirmed(&self, now: Instant) -> Option<String> {
        let open = self.lock();
        let late = open.values().filter(|open| now.saturating_duration_since(open.since) > open.within);
        let open = late.min_by_key(|open| open.since)?;
        let within = open.within.as_secs_f64();
        Some(format!("{} = {} is not confirmed within {within} s: {}", open.point, open.wanted, open.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(since: Instant, point: &str) -> Option<Open> {
        let (wanted, reason) = ("-4 kW".to_owned(), "reads back -0.5 kW".to_owned());
        Some(Open { since, within: Duration::from_secs(10), point: point.to_owned(), wanted, reason })
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_point_is_a_fault_only_beyond_its_time_and_only_until_it_is_confirmed() {
        let (confirmations, start) = (Confirmations::default(), Instant::now());
        let at = |s| confirmations.unconfirmed(start + Duration::from_secs(s));
        confirmations.set(3, open(start, "setpoint"));
        assert_eq!(at(10), None);
        let words = "setpoint = -4 kW is not confirmed within 10 s: reads back -0.5 kW";
        assert_eq!(at(11).as_deref(), Some(words));
        assert_eq!(at(3600).as_deref(), Some(words), "the text does not change with time");
        confirmations.set(3, None);
        assert_eq!(at(11), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_set_point_that_is_open_for_longest_is_named() {
        let (confirmations, start) = (Confirmations::default(), Instant::now());
        confirmations.set(1, open(start + Duration::from_secs(5), "later"));
        confirmations.set(7, open(start, "first"));
        let told = confirmations.unconfirmed(start + Duration::from_secs(60)).unwrap_or_default();
        assert!(told.starts_with("first ="), "{told}");
    }
}
