//! One unit of a device: what was seen of it, what is due, what was written. No I/O: the connection task asks
//! [`Unit::next_read`] and [`Unit::next_write`], does the request, and tells the result.
//!
//! A *session* is the time from (re)connecting until the unit is lost. What was seen before it does not count: the device
//! may be another one now.

use super::backoff::{Jitter, Retry, seed};
use super::codec;
use super::confirm::Confirmations;
use super::counters::{Counters, DeviceState};
use super::glimpse::Glimpses;
use super::plan::{Block, blocks};
use super::schedule::Read;
use super::writer::WriteState;
use crate::device::Device;
use crate::event::{EventKind, EventSink};
use crate::image::{PointId, ProcessImage, Update};
use crate::point::{Encoding, Point, WriteRule};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pause after a refusal that only a corrected point table ends.
const CONFIGURATION_PAUSE: Duration = Duration::from_secs(60);
/// Pause before a busy device is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// A silent unit is waited for this many times as long as its slowest answer took, but every so often for its whole time
/// limit, in case it has become slower.
const PROBE_FACTOR: u32 = 4;
const PROBE_LEAST: Duration = Duration::from_millis(30);
const WHOLE_PROBE_EVERY: u32 = 8;

/// What was last seen of a point in this session; `value` is `None` if it could not be used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub value: Option<f64>,
    pub at: Instant,
}

/// Who controls the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Remote,
    Local,
    /// Not read in this session, or too old: nothing is written.
    Unknown,
}

/// One unit id of one device.
#[derive(Debug)]
pub(super) struct Unit {
    pub device: Device,
    pub unit_id: u8,
    pub(super) reads: Vec<Read>,
    pub(super) seen: Vec<Option<Seen>>,
    pub(super) writes: Vec<WriteState>,
    pub(super) control: Control,
    /// While it does not answer: not before.
    pub(super) silence: Option<Instant>,
    /// The pauses of its present silence.
    retry: Retry,
    /// Its slowest answer so far.
    slowest: Duration,
    reachable: bool,
    /// That it is another device has been told.
    pub(super) foreign_told: bool,
    pub(super) image: ProcessImage,
    pub(super) events: EventSink,
    pub counters: Arc<Counters>,
    pub(super) confirmations: Arc<Confirmations>,
    pub(super) glimpses: Arc<Glimpses>,
}

/// What a unit needs from outside.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub image: ProcessImage,
    pub events: EventSink,
    pub counters: Arc<Counters>,
    pub confirmations: Arc<Confirmations>,
    pub glimpses: Arc<Glimpses>,
}

impl Unit {
    /// A unit whose polls start now, spread over their interval so that devices do not all speak at once.
    pub fn new(device: &Device, unit_id: u8, around: Surroundings, spread: &mut Jitter) -> Self {
        let now = Instant::now();
        let share = spread.share();
        let own = |block: &Block| block.unit_id == unit_id;
        let start = |block: Block| {
            let first = now + block.poll.mul_f64(share);
            Read::new(block, first)
        };
        let mut reads: Vec<Read> = blocks(device).into_iter().filter(own).map(start).collect();
        // Scale factors first: what they scale cannot be decoded before them.
        reads.sort_by_key(|read| !holds_scale_factor(device, &read.block));
        let writes = device.writable().filter(|index| device.unit_of(*index) == unit_id).map(WriteState::new).collect();
        let Surroundings { image, events, counters, confirmations, glimpses } = around;
        let seen = vec![None; device.points.len()];
        let control = Control::Unknown;
        let retry = Retry::new(device.timing.retry_max, seed(&device.name) ^ u64::from(unit_id));
        let device = device.clone();
        Self {
            device,
            unit_id,
            reads,
            seen,
            writes,
            control,
            silence: None,
            retry,
            slowest: Duration::ZERO,
            reachable: false,
            foreign_told: false,
            image,
            events,
            counters,
            confirmations,
            glimpses,
        }
    }

    /// Forgets what was seen and asks for everything anew: before anything is written, the state is read.
    pub fn start_session(&mut self, now: Instant) {
        self.seen.fill(None);
        self.control = if self.device.remote.is_some() { Control::Unknown } else { Control::Remote };
        self.silence = None;
        self.reads.iter_mut().for_each(|read| read.restart(now));
        self.writes.iter_mut().for_each(|write| write.forget(None));
    }

    /// The next read and when it is due. A silent unit is probed with its first block.
    pub fn next_read(&self) -> Option<(usize, Instant)> {
        if let Some(until) = self.silence {
            return self.reads.first().map(|_| (0, until));
        }
        self.reads.iter().enumerate().map(|(index, read)| (index, read.due())).min_by_key(|(_, due)| *due)
    }

    /// How long to wait for the next answer. Silence costs its neighbours time, so a silent unit is not waited for much
    /// longer than it ever took; only where a transaction number tells a late answer from the right one.
    pub fn time_limit(&self) -> Duration {
        let whole = self.device.timing.response_timeout;
        let probes = self.retry.attempts();
        let short = self.silence.is_some() && self.device.transport.numbers_transactions();
        if !short || self.slowest.is_zero() || probes.is_multiple_of(WHOLE_PROBE_EVERY) {
            return whole;
        }
        (self.slowest * PROBE_FACTOR).clamp(PROBE_LEAST.min(whole), whole)
    }

    /// A read goes out.
    pub fn starts(&mut self, index: usize, now: Instant) {
        let Some(read) = self.reads.get_mut(index) else { return };
        let missed = read.start(now);
        self.counters.add(|counters| &counters.polls_missed, missed);
    }

    /// A read was answered: decodes and publishes. `at` is when the request went out.
    pub fn received(&mut self, index: usize, cells: &[u16], at: Instant) {
        self.counters.add(|counters| &counters.polls, 1);
        self.slowest = self.slowest.max(at.elapsed());
        self.found(at);
        let Some(read) = self.reads.get_mut(index) else { return };
        read.answered();
        let block = read.block.clone();
        let updates = self.decode(&block, cells, at);
        self.image.publish(at, &updates);
        self.update_control(at);
        self.check_writes();
        self.show_state();
    }

    /// It answers: said once after a silence.
    fn found(&mut self, now: Instant) {
        if self.silence.is_some() {
            self.start_session(now);
            self.events.tell(EventKind::UnitBack, format!("unit {} answers again", self.unit_id));
        }
        self.retry.reset();
        self.reachable = true;
    }

    /// Scale factors first, then what they scale; both may lie in one block.
    fn decode(&mut self, block: &Block, cells: &[u16], at: Instant) -> Vec<(PointId, Update)> {
        let device = self.device.clone();
        let mut updates = Vec::with_capacity(block.points.len());
        for scaled in [false, true] {
            for index in &block.points {
                let Some(point) = device.points.get(*index) else { continue };
                // The process image holds numbers; texts are shown by a probe.
                if point.scale_factor.is_some() == scaled && !matches!(point.encoding, Encoding::Text(_)) {
                    let offset = usize::from(point.address.saturating_sub(block.start));
                    let own = cells.get(offset..).unwrap_or_default();
                    self.glimpses.read(*index, own.get(..usize::from(point.encoding.cells())).unwrap_or(own));
                    let value = self.decode_point(point, own);
                    self.see(*index, value, at);
                    updates.push((device.id(*index), value.map_or(Update::OutOfRange, Update::Value)));
                }
            }
        }
        updates
    }

    fn decode_point(&self, point: &Point, cells: &[u16]) -> Option<f64> {
        let value = codec::decode(point, cells, self.exponent(point)).ok();
        if value.is_none() {
            self.counters.add(|counters| &counters.values_refused, 1);
        }
        value
    }

    fn see(&mut self, index: usize, value: Option<f64>, at: Instant) {
        if let Some(seen) = self.seen.get_mut(index) {
            *seen = Some(Seen { value, at });
        }
    }

    /// What was last seen of a point in this session.
    pub fn last(&self, index: usize) -> Option<Seen> {
        self.seen.get(index).copied().flatten()
    }

    /// The decimal exponent of a point, from its scale-factor register.
    pub fn exponent(&self, point: &Point) -> Option<i32> {
        codec::exponent(self.last(point.scale_factor?)?.value?)
    }

    fn update_control(&mut self, now: Instant) {
        let before = self.control;
        self.control = self.read_control(now);
        match (before, self.control) {
            (Control::Remote | Control::Unknown, Control::Local) => {
                self.writes.iter_mut().for_each(|write| write.forget(None));
                self.events.tell(EventKind::LocalControl, "the device is under local control: nothing is written");
            }
            (Control::Local, Control::Remote) => {
                // Somebody worked at the device: read everything again before writing.
                self.seen.fill(None);
                self.reads.iter_mut().for_each(|read| read.restart(now));
                self.events.tell(EventKind::RemoteControl, "the device is back under remote control");
                self.control = Control::Unknown;
            }
            _ => {}
        }
    }

    fn read_control(&self, now: Instant) -> Control {
        let Some(index) = self.device.remote else { return Control::Remote };
        let Some(point) = self.device.points.get(index) else { return Control::Unknown };
        match self.last(index) {
            Some(Seen { value: Some(value), at }) if now.saturating_duration_since(at) <= point.age_max => {
                if value >= 0.5 { Control::Remote } else { Control::Local }
            }
            Some(_) | None => Control::Unknown,
        }
    }

    /// Whether set-points may be written now.
    pub fn is_remote(&self, now: Instant) -> bool {
        self.control != Control::Local && self.read_control(now) == Control::Remote
    }

    /// A read was refused with an exception.
    pub fn refused(&mut self, index: usize, exception: u8, now: Instant) {
        self.counters.add(|counters| &counters.exceptions, 1);
        match exception {
            2 => self.bisect(index, now),
            1 | 3 => self.misconfigured(index, exception, now),
            5 | 6 => self.busy(index, exception, now),
            10 | 11 => self.falls_silent(now, &format!("exception {exception}")),
            _ => self.fault(index, EventKind::DeviceFault, exception, now),
        }
    }

    /// It wants a moment: the last values stay, and go stale by age. Told when they have.
    fn busy(&mut self, index: usize, exception: u8, now: Instant) {
        self.found(now);
        let Some(read) = self.reads.get_mut(index) else { return };
        let since = read.busy(now, BUSY_PAUSE);
        let ages =
            read.block.points.iter().filter_map(|point| self.device.points.get(*point)).map(|point| point.age_max);
        if ages.min().is_some_and(|age_max| now.saturating_duration_since(since) > age_max) {
            self.tell_refusal(index, EventKind::DeviceFault, exception);
        }
    }

    /// The device does not know all addresses of a block: its halves are read from now on. A point that is refused alone
    /// is a fault of the point table.
    fn bisect(&mut self, index: usize, now: Instant) {
        self.found(now);
        let Some(read) = self.reads.get(index) else { return };
        match read.block.bisect(&self.device.points) {
            Some((low, high)) => {
                let (low, high) = (read.part(low, now), read.part(high, now));
                self.reads.splice(index..=index, [low, high]);
            }
            None => self.misconfigured(index, 2, now),
        }
    }

    fn misconfigured(&mut self, index: usize, exception: u8, now: Instant) {
        let pause = CONFIGURATION_PAUSE;
        self.fault(index, EventKind::ConfigurationFault, exception, now);
        self.reads.iter_mut().skip(index).take(1).for_each(|read| read.hold_until(now + pause));
    }

    fn fault(&mut self, index: usize, kind: EventKind, exception: u8, now: Instant) {
        self.found(now);
        let Some(points) = self.reads.get(index).map(|read| read.block.points.clone()) else { return };
        self.publish_lost(&points);
        self.tell_refusal(index, kind, exception);
    }

    /// Says once, until the block is answered, that the device refuses it.
    fn tell_refusal(&mut self, index: usize, kind: EventKind, exception: u8) {
        let Some(read) = self.reads.get_mut(index) else { return };
        let told = std::mem::replace(&mut read.told, true);
        let block = &read.block;
        if !told {
            let name = super::link::exception_name(exception);
            let names: Vec<_> = block.points.iter().filter_map(|index| self.device.points.get(*index)).collect();
            let names: Vec<_> = names.iter().map(|point| point.name.as_str()).collect();
            let place =
                format!("{}[{}..{}]", block.table.name(), block.start, u32::from(block.start) + u32::from(block.count));
            self.events.tell(kind, format!("{place} ({}): exception {exception}, {name}", names.join(", ")));
        }
    }

    /// It does not answer while its connection works: asked again soon, then ever more seldom up to `retry_s_max`.
    pub fn falls_silent(&mut self, now: Instant, why: &str) {
        let pause = self.retry.next(now);
        if self.silence.is_none() {
            self.publish_lost(&self.own_points());
            self.events.tell(EventKind::UnitSilent, format!("unit {} does not answer: {why}", self.unit_id));
            self.start_session(now);
        }
        self.silence = Some(now + pause);
        self.reachable = false;
        self.show_state();
    }

    /// The connection is gone and could not be made again.
    pub fn lost(&mut self, why: &str, tell: bool) {
        self.publish_lost(&self.own_points());
        if tell {
            self.events.tell(EventKind::Disconnected, why);
        }
        self.reachable = false;
        self.show_state();
    }

    fn own_points(&self) -> Vec<usize> {
        self.reads.iter().flat_map(|read| read.block.points.iter().copied()).collect()
    }

    fn publish_lost(&self, points: &[usize]) {
        let updates: Vec<_> = points.iter().map(|index| (self.device.id(*index), Update::CommLost)).collect();
        self.image.publish(Instant::now(), &updates);
    }

    pub(super) fn show_state(&self) {
        let controlled = self.writes.iter().any(|write| write.sent.is_some());
        self.counters.set_state(match (self.reachable, self.control) {
            (false, _) => DeviceState::Offline,
            (true, Control::Local) => DeviceState::Local,
            (true, Control::Remote | Control::Unknown) if controlled => DeviceState::Controlled,
            (true, Control::Remote | Control::Unknown) => DeviceState::Reading,
        });
        self.show_writes();
    }

    /// The write rule of a point.
    pub fn rule(&self, point: usize) -> Option<&WriteRule> {
        self.device.points.get(point)?.write.as_ref()
    }
}

fn holds_scale_factor(device: &Device, block: &Block) -> bool {
    device.points.iter().filter_map(|point| point.scale_factor).any(|index| block.points.contains(&index))
}
