//! The writing side of a [`Unit`]: which set-point goes out next, and whether the last ones arrived.

use super::codec::{self, Cells, EncodeError};
use super::link::CallError;
use super::unit::{Seen, Unit};
use super::writer::{self, Decision, NOT_APPLIED_PAUSE, Reason, Refusal, Wanted};
use crate::event::EventKind;
use crate::point::Point;
use crate::{Output, WriteOrder};
use tokio::time::Instant;

/// A write that is due.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Position in the unit's list of writable points.
    pub write: usize,
    pub reason: Reason,
    pub wanted: Wanted,
    /// Points and cells, in the order they are sent.
    pub sequence: Vec<(usize, Cells)>,
}

/// What to write next.
#[derive(Debug, Clone)]
pub(super) enum NextWrite {
    /// This, now.
    Now(Job),
    /// Nothing before then (or before the order changes).
    Later(Option<Instant>),
}

impl Unit {
    /// The next write for a fresh order. Writes nothing before the unit's state was read in this session, and nothing
    /// under local control.
    pub fn next_write(&mut self, order: &WriteOrder, now: Instant) -> NextWrite {
        let mut later: Option<Instant> = None;
        if let Some(obstacle) = self.obstacle(now) {
            self.hold_back(order, obstacle, now);
            return NextWrite::Later(None);
        }
        for write in 0..self.writes.len() {
            match self.consider(write, order, now) {
                NextWrite::Now(job) => return NextWrite::Now(job),
                NextWrite::Later(Some(at)) => later = Some(later.map_or(at, |later| later.min(at))),
                NextWrite::Later(None) => {}
            }
        }
        NextWrite::Later(later)
    }

    fn consider(&mut self, write: usize, order: &WriteOrder, now: Instant) -> NextWrite {
        const NOTHING: NextWrite = NextWrite::Later(None);
        let Some(index) = self.writes.get(write).map(|state| state.point) else { return NOTHING };
        let device = self.device.clone();
        let Some(point) = device.points.get(index) else { return NOTHING };
        let Some(rule) = &point.write else { return NOTHING };
        let wanted = match writer::wanted(rule, point, self.exponent(point), order) {
            Ok(wanted) => wanted,
            Err(refusal) => {
                let refused = self.refuse(write, refusal);
                self.note_open(write, rule.value(order), now);
                return refused;
            }
        };
        self.reconcile(write, index, &wanted, now);
        let Some(state) = self.writes.get_mut(write) else { return NOTHING };
        let decision = state.decide(rule, &wanted, now);
        state.refused &= matches!(decision, Decision::Exhausted(_));
        if state.is_open(rule, &wanted, decision, now) {
            self.note_open(write, wanted.value, now);
        } else {
            self.note_closed(write);
        }
        let Some(state) = self.writes.get_mut(write) else { return NOTHING };
        match decision {
            Decision::Rest => NOTHING,
            Decision::Wait(at) => NextWrite::Later(Some(at)),
            Decision::Exhausted(budget) => self.refuse(write, Refusal::Budget(budget)),
            Decision::Write(reason) => {
                let first = state.sent.is_none();
                let encode = |step: usize, value: f64| self.encode_step(step, value);
                match writer::sequence(rule, index, &wanted, first, encode) {
                    Ok(sequence) => NextWrite::Now(Job { write, reason, wanted, sequence }),
                    Err(error) => self.refuse(write, Refusal::Encoding(error)),
                }
            }
        }
    }

    /// Whether every identity point was read in this session and is within its range.
    pub(super) fn is_the_right_device(&mut self) -> bool {
        let device = self.device.clone();
        for index in device.identity.iter() {
            match self.last(*index) {
                None => return false,
                Some(seen) if seen.value.is_some() => {}
                Some(_) => {
                    if !std::mem::replace(&mut self.foreign_told, true) {
                        let name = device.points.get(*index).map_or("", |point| point.name.as_str());
                        let detail = format!("{name} is not what the device file expects: nothing is written");
                        self.events.tell(EventKind::ConfigurationFault, detail);
                    }
                    return false;
                }
            }
        }
        self.foreign_told = false;
        true
    }

    fn encode_step(&self, index: usize, value: f64) -> Result<Cells, EncodeError> {
        let point = self.device.points.get(index).ok_or(EncodeError::NotWritable)?;
        codec::encode(point, value, self.exponent(point))
    }

    fn refuse(&mut self, write: usize, refusal: Refusal) -> NextWrite {
        if let Some(state) = self.writes.get_mut(write)
            && !std::mem::replace(&mut state.refused, true)
        {
            let name = self.device.points.get(state.point).map_or("", |point| point.name.as_str());
            self.counters.add(|counters| &counters.writes_refused, 1);
            self.events.tell(EventKind::WriteRefused, format!("{name}: {refusal}"));
        }
        self.trouble(write, refusal.to_string());
        NextWrite::Later(None)
    }

    /// Everything that a write of this point depends on was read in this session.
    pub(super) fn is_known(&self, index: usize) -> bool {
        let scale = |index: usize| self.device.points.get(index).and_then(|point| point.scale_factor);
        let Some(rule) = self.rule(index) else { return false };
        let steps = rule.before.iter().chain(&rule.after).map(|step| step.point);
        let written = steps.chain([index]).filter_map(scale);
        let compared = self.watched(index).into_iter().map(|(point, _, _)| point);
        written.chain(compared).all(|point| self.last(point).is_some())
    }

    /// Points to compare after writing `index`: which, expected value, tolerance. Empty until something was sent, apart
    /// from the places.
    fn watched(&self, index: usize) -> Vec<(usize, Option<f64>, f64)> {
        let Some(rule) = self.rule(index) else { return Vec::new() };
        let sent = self.writes.iter().find(|write| write.point == index).and_then(|write| write.sent);
        let steps = rule.before.iter().chain(&rule.after).filter(|step| step.readback).map(|step| {
            let expected = self.encode_step(step.point, step.value).ok().map(|cells| self.shown(step.point, &cells));
            (step.point, expected.flatten(), 1e-6 * step.value.abs().max(1.0))
        });
        let own = rule
            .readback
            .map(|point| (point, sent.and_then(|sent| self.expected(index, point, &sent.wanted)), rule.tolerance));
        steps.chain(own).collect()
    }

    /// What the read-back point should show: the written cells decoded, or, at another point, the value itself.
    fn expected(&self, index: usize, readback: usize, wanted: &Wanted) -> Option<f64> {
        if readback == index { self.shown(index, &wanted.cells).or(Some(wanted.value)) } else { Some(wanted.value) }
    }

    fn shown(&self, index: usize, cells: &Cells) -> Option<f64> {
        let point = self.device.points.get(index)?;
        codec::decode(point, cells.as_slice(), self.exponent(point)).ok()
    }

    /// Whether the registers around a set-point hold what its steps would write.
    fn steps_hold(&self, index: usize) -> bool {
        let own = self.rule(index).and_then(|rule| rule.readback);
        self.watched(index).into_iter().filter(|(point, _, _)| Some(*point) != own).all(
            |(point, expected, tolerance)| {
                let seen = self.last(point).and_then(|seen| seen.value);
                expected.zip(seen).is_some_and(|(expected, seen)| (expected - seen).abs() <= tolerance + 1e-9)
            },
        )
    }

    /// After reconnecting: says what became of a write whose answer never came, and spares flash memory a write of what it
    /// holds already.
    fn reconcile(&mut self, write: usize, index: usize, wanted: &Wanted, now: Instant) {
        let Some(rule) = self.rule(index).cloned() else { return };
        let Some(readback) = rule.readback else { return };
        let seen = self.last(readback).and_then(|seen| seen.value);
        let expected = self.expected(index, readback, wanted);
        let holds = |value: Option<f64>| value.zip(seen).is_some_and(|(a, b)| (a - b).abs() <= rule.tolerance + 1e-9);
        let same = holds(expected) && self.steps_hold(index);
        let Some(state) = self.writes.get_mut(write) else { return };
        if let Some(value) = state.unknown.take() {
            let applied = if holds(Some(value)) { "was applied" } else { "was not applied" };
            self.events.tell(EventKind::Reconciled, format!("the unanswered write of {value} {applied}"));
        }
        if state.sent.is_none() && rule.non_volatile_per_day.is_some() && same {
            state.sent = Some(writer::Sent { wanted: *wanted, at: now, confirmed: true });
        }
    }

    /// A write goes out.
    pub fn spend(&mut self, job: &Job, now: Instant) {
        let Some(state) = self.writes.get_mut(job.write) else { return };
        let Some(rule) = self.device.points.get(state.point).and_then(|point| point.write.as_ref()) else { return };
        state.spend(rule, now);
        if rule.non_volatile_per_day.is_some() {
            self.counters.add(|counters| &counters.non_volatile_writes, 1);
        }
    }

    /// The device acknowledged the whole sequence at `now`: counted, and read back after its delay.
    pub fn acknowledged(&mut self, job: &Job, now: Instant) {
        let Some(state) = self.writes.get_mut(job.write) else { return };
        let index = state.point;
        let device = self.device.clone();
        let Some(rule) = device.points.get(index).and_then(|point| point.write.as_ref()) else { return };
        state.acknowledged(rule, job.wanted, now);
        match (rule.output.output(), job.reason) {
            (Output::Heartbeat, _) => self.counters.add(|counters| &counters.heartbeats, 1),
            (_, Reason::Refresh) => self.counters.add(|counters| &counters.refreshes, 1),
            (_, Reason::First | Reason::Change) => self.counters.add(|counters| &counters.writes, 1),
        }
        // A refresh of a confirmed value is compared by the next ordinary read.
        if job.reason != Reason::Refresh {
            self.want_readback(index, now + rule.readback_delay);
        }
        self.show_state();
    }

    fn want_readback(&mut self, index: usize, at: Instant) {
        let points: Vec<usize> = self.watched(index).into_iter().map(|(point, _, _)| point).collect();
        for read in self.reads.iter_mut().filter(|read| points.iter().any(|point| read.block.points.contains(point))) {
            read.want(at);
        }
    }

    /// A request of a sequence failed: what was sent before it counts for nothing.
    pub fn write_failed(&mut self, job: &Job, error: &CallError, now: Instant) {
        self.counters.add(|counters| &counters.writes_failed, 1);
        self.trouble(job.write, error.to_string());
        // A busy device is asked again in silence, until its set-point should long have been confirmed.
        let late = self.confirmations.unconfirmed(now).is_some();
        let Some(state) = self.writes.get_mut(job.write) else { return };
        let name = self.device.points.get(state.point).map_or("", |point| point.name.as_str());
        match error {
            CallError::Exception(code) => {
                self.counters.add(|counters| &counters.exceptions, 1);
                state.forget(Some(now + writer::pause_after(*code)));
                let busy = matches!(code, 5 | 6) && !late;
                if !busy && !std::mem::replace(&mut state.told, true) {
                    self.events.tell(EventKind::WriteRejected, format!("{name} = {}: {error}", job.wanted.value));
                }
            }
            CallError::Timeout | CallError::Broken(_) | CallError::Foreign(_) => {
                state.forget(None);
                state.unknown = Some(job.wanted.value);
                let detail = format!("{name} = {}: {error}; whether it was applied is unknown", job.wanted.value);
                self.events.tell(EventKind::WriteUnknown, detail);
            }
        }
    }

    /// Compares what was read with what was written, for every set-point whose read-back is complete.
    pub(super) fn check_writes(&mut self) {
        for write in 0..self.writes.len() {
            self.follow(write);
            if let Some(verdict) = self.compare(write) {
                self.judge(write, verdict);
            }
        }
    }

    /// `None`: not read since the write took effect. `Some(None)`: all as written. Else the first difference.
    fn compare(&self, write: usize) -> Option<Option<String>> {
        let state = self.writes.get(write)?;
        let sent = state.sent?;
        let rule = self.rule(state.point)?;
        let settled = sent.at + rule.readback_delay;
        let watched = self.watched(state.point);
        let read: Option<Vec<_>> =
            watched.iter().map(|(point, _, _)| self.last(*point).filter(|seen| seen.at >= settled)).collect();
        let difference = |((point, expected, tolerance), seen): (&(usize, Option<f64>, f64), Seen)| {
            let expected = (*expected)?;
            let close = seen.value.is_some_and(|value| (value - expected).abs() <= tolerance + 1e-9);
            (!close).then(|| describe(self.device.points.get(*point), expected, seen.value))
        };
        if watched.is_empty() {
            return None;
        }
        Some(watched.iter().zip(read?).find_map(difference))
    }

    fn judge(&mut self, write: usize, difference: Option<String>) {
        let Some(state) = self.writes.get_mut(write) else { return };
        let Some(sent) = &mut state.sent else { return };
        let was_confirmed = std::mem::replace(&mut sent.confirmed, difference.is_none());
        let Some(difference) = difference else {
            state.trouble = None;
            if !was_confirmed {
                self.counters.add(|counters| &counters.applied, 1);
                if std::mem::replace(&mut state.told, false) {
                    self.events.tell(EventKind::Applied, format!("the set-point {} is applied", sent.wanted.value));
                }
            }
            return;
        };
        let kind = if was_confirmed { EventKind::Reverted } else { EventKind::NotApplied };
        // One that held for a while (a device that restarted behind its gateway) is sent again at once.
        let pause = sent.at + NOT_APPLIED_PAUSE;
        state.forget(Some(pause));
        if was_confirmed {
            state.reverted_at = Some(Instant::now());
        }
        state.trouble = Some(difference.clone());
        let told = std::mem::replace(&mut state.told, true);
        self.counters.add(|counters| if was_confirmed { &counters.reverted } else { &counters.not_applied }, 1);
        if !told || was_confirmed {
            self.events.tell(kind, difference);
        }
    }
}

fn describe(point: Option<&Point>, expected: f64, seen: Option<f64>) -> String {
    let (name, unit) = point.map_or(("", ""), |point| (point.name.as_str(), point.unit.as_str()));
    match seen {
        Some(seen) => format!("{name}: acknowledged {expected} {unit}, reads back {seen} {unit}"),
        None => format!("{name}: acknowledged {expected} {unit}, reads back no value"),
    }
}
