//! When a set-point is written, and whether it arrived.
//!
//! Pure: state, order and time in, a [`Decision`] out; the connection task acts on it.
//!
//! ```text
//! Unsent --acknowledged--> Sent --read back--> Confirmed --changed at the device--> Unsent (after a pause)
//!    ^                      |  ^                   |
//!    |                      |  +--- refresh/change-+
//!    +-- not applied, refused, no answer, reconnected, local control
//! ```

use super::codec::{self, Cells, EncodeError};
use crate::point::{FixedWrite, Point, StepWhen, WriteRule};
use crate::{Output, WriteOrder};
use std::collections::VecDeque;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// Pause between a write and the next one of a set-point that the device acknowledged but did not apply or keep.
pub(super) const NOT_APPLIED_PAUSE: Duration = Duration::from_secs(5);
/// Set-points remembered while they wait to be seen at the device.
const TRAIL_MAX: usize = 16;
const DAY: Duration = Duration::from_secs(86_400);

/// Why a value is not written at all. An operator has to look.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub(super) enum Refusal {
    /// Outside of what the site permits.
    #[error("{value} is outside the permitted range [{low}, {high}]")]
    Range { value: f64, low: f64, high: f64 },
    /// The register cannot hold it.
    #[error("{0}")]
    Encoding(EncodeError),
    /// Flash wear: today's writes are used up.
    #[error("the day's {0} writes of this non-volatile register are used up")]
    Budget(u32),
}

/// What to write: the value and its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted {
    /// In the output's unit.
    pub value: f64,
    /// On the wire.
    pub cells: Cells,
}

/// The value of a rule in an order, checked and encoded.
pub(super) fn wanted(
    rule: &WriteRule,
    point: &Point,
    exponent: Option<i32>,
    order: &WriteOrder,
) -> Result<Wanted, Refusal> {
    let mut value = rule.value(order);
    let (low, high) = rule.range;
    if rule.output.output() == Output::Heartbeat {
        // A device's counter may be narrower than ours: it wraps at its own range.
        value %= high.floor() + 1.0;
    }
    // Set-points are whole watts; the noise of their conversion to kW is no violation.
    if !(value >= low - 1e-9 && value <= high + 1e-9) {
        return Err(Refusal::Range { value, low, high });
    }
    let cells = match rule.off_on {
        Some((off, on)) => codec::encode_raw(point, if value >= 0.5 { on } else { off }),
        None => codec::encode(point, value, exponent),
    };
    Ok(Wanted { value, cells: cells.map_err(Refusal::Encoding)? })
}

/// Why something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Never written since the device was (re)connected, or written without effect.
    First,
    /// The value changed.
    Change,
    /// Half of the device's watchdog passed.
    Refresh,
}

/// What to do about a rule now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Decision {
    /// Nothing before the order changes.
    Rest,
    /// Nothing before then.
    Wait(Instant),
    /// Write it.
    Write(Reason),
    /// The day's budget of a non-volatile register is used up.
    Exhausted(u32),
}

/// A set-point the device acknowledged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sent {
    pub wanted: Wanted,
    pub at: Instant,
    pub confirmed: bool,
}

/// What is known of one writable point in this session.
#[derive(Debug)]
pub(super) struct WriteState {
    /// Index of the point.
    pub point: usize,
    pub sent: Option<Sent>,
    /// A write whose answer never came; settled by reading.
    pub unknown: Option<f64>,
    /// Not before: rate limit, pause after a refusal.
    pub not_before: Option<Instant>,
    /// The trouble has been told; not again before it is over.
    pub told: bool,
    /// The refusal of the present value has been told.
    pub refused: bool,
    /// Since when what is ordered has not been in force.
    pub open_since: Option<Instant>,
    /// What stood against it last.
    pub trouble: Option<String>,
    /// When the device last changed a confirmed set-point by itself.
    pub reverted_at: Option<Instant>,
    /// Acknowledged set-points that were not seen at the device yet, and when they were: while a set-point changes faster
    /// than the device shows it, following some time later is following.
    trail: VecDeque<(Instant, Wanted)>,
    /// Times of the writes of the last 24 hours, for non-volatile registers only.
    spent: Vec<Instant>,
}

impl WriteState {
    pub fn new(point: usize) -> Self {
        Self {
            point,
            sent: None,
            unknown: None,
            not_before: None,
            told: false,
            refused: false,
            open_since: None,
            trouble: None,
            reverted_at: None,
            trail: VecDeque::new(),
            spent: Vec::new(),
        }
    }

    /// Whether `wanted` is not in force, as far as the device has to answer for it.
    pub fn is_open(&mut self, rule: &WriteRule, wanted: &Wanted, decision: Decision, now: Instant) -> bool {
        let confirmed = match (&self.sent, decision) {
            (Some(sent), _) if sent.wanted.cells == wanted.cells => sent.confirmed,
            // The rate limit of the site holds the change back.
            (Some(sent), Decision::Wait(_)) => sent.confirmed,
            (Some(_) | None, _) => false,
        };
        // One that is changed by itself again and again is not in force between two such changes.
        let held = |at| now.saturating_duration_since(at) > rule.confirm.mul_f64(0.8);
        self.reverted_at = self.reverted_at.filter(|at| !held(*at));
        !confirmed || self.reverted_at.is_some()
    }

    /// The read-back showed `value` at `at`: the device follows if it is one of the latest set-points.
    pub fn followed(&mut self, rule: &WriteRule, at: Instant, shows: impl Fn(&Wanted) -> bool) {
        let young = |sent: Instant| at.saturating_duration_since(sent) <= rule.confirm;
        let seen = |(sent, wanted): &(Instant, Wanted)| *sent <= at && young(*sent) && shows(wanted);
        if let Some(position) = self.trail.iter().rposition(seen) {
            self.trail.drain(..=position);
            self.open_since = self.open_since.filter(|_| self.reverted_at.is_some());
        }
    }

    /// What to do about `wanted` at `now`. The caller has checked that the order is fresh and the device is ready.
    pub fn decide(&self, rule: &WriteRule, wanted: &Wanted, now: Instant) -> Decision {
        let Some((reason, due)) = self.next(rule, wanted, now) else { return Decision::Rest };
        let due = self.not_before.map_or(due, |pause| due.max(pause));
        match rule.non_volatile_per_day {
            Some(budget) if self.spent_since(now) >= budget => Decision::Exhausted(budget),
            _ if due > now => Decision::Wait(due),
            _ => Decision::Write(reason),
        }
    }

    fn next(&self, rule: &WriteRule, wanted: &Wanted, now: Instant) -> Option<(Reason, Instant)> {
        let Some(sent) = &self.sent else { return Some((Reason::First, now)) };
        if sent.wanted.cells != wanted.cells {
            return Some((Reason::Change, sent.at + rule.interval_min));
        }
        // Flash is never refreshed, and a heartbeat is stroked by a new order only.
        let watchdog =
            rule.watchdog.filter(|_| rule.non_volatile_per_day.is_none() && rule.output.output() != Output::Heartbeat);
        watchdog.map(|watchdog| (Reason::Refresh, sent.at + watchdog / 2))
    }

    fn spent_since(&self, now: Instant) -> u32 {
        let today = self.spent.iter().filter(|at| now.saturating_duration_since(**at) < DAY).count();
        u32::try_from(today).unwrap_or(u32::MAX)
    }

    /// A write is going out: it counts, whatever becomes of it.
    pub fn spend(&mut self, rule: &WriteRule, now: Instant) {
        if rule.non_volatile_per_day.is_some() {
            self.spent.retain(|at| now.saturating_duration_since(*at) < DAY);
            self.spent.push(now);
        }
    }

    /// The device acknowledged everything.
    pub fn acknowledged(&mut self, rule: &WriteRule, wanted: Wanted, now: Instant) {
        let same = self.sent.is_some_and(|sent| sent.wanted == wanted && sent.confirmed);
        self.sent = Some(Sent { wanted, at: now, confirmed: same || rule.readback.is_none() });
        if rule.readback.is_some() {
            self.trail.push_back((now, wanted));
            self.trail.drain(..self.trail.len().saturating_sub(TRAIL_MAX));
        }
        self.not_before = None;
        self.unknown = None;
    }

    /// Nothing is known of the device's register any more; `pause` before the next write.
    pub fn forget(&mut self, pause: Option<Instant>) {
        self.sent = None;
        self.not_before = pause;
    }
}

/// The whole sequence of a write: points and their cells, in order.
pub(super) fn sequence(
    rule: &WriteRule,
    own: usize,
    wanted: &Wanted,
    first: bool,
    encode: impl Fn(usize, f64) -> Result<Cells, EncodeError>,
) -> Result<Vec<(usize, Cells)>, EncodeError> {
    let due = |step: &&FixedWrite| first || step.when == StepWhen::Always;
    let fixed = |step: &FixedWrite| Ok((step.point, encode(step.point, step.value)?));
    let mut writes: Vec<_> = rule.before.iter().filter(due).map(fixed).collect::<Result<_, _>>()?;
    writes.push((own, wanted.cells));
    let after: Vec<_> = rule.after.iter().filter(due).map(fixed).collect::<Result<_, _>>()?;
    writes.extend(after);
    Ok(writes)
}

/// How long to leave a set-point alone that the device refused with this exception.
pub(super) const fn pause_after(exception: u8) -> Duration {
    match exception {
        // Wrong function or address: only a corrected table helps.
        1 | 2 => Duration::from_secs(60),
        // Wrong value, device failure: it may depend on the device's state.
        3 | 4 => Duration::from_secs(5),
        // Acknowledge, busy: it wants a moment.
        5 | 6 => Duration::from_millis(200),
        _ => Duration::from_secs(5),
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
