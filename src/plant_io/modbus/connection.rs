//! The task of one connection: one request in flight, writes before reads, the read due longest first.
//!
//! ```text
//! Connecting --connected--> Session --time-out, broken, foreign answer--> Connecting (at once, then with growing pauses)
//! ```
//! It ends when told to, never by itself. It never cancels a request except by its time limit, which costs the connection.

use super::backoff::{Backoff, seed};
use super::device_units::Line;
use super::link::{CallError, CellWrite, Link, Span};
use super::unit::Unit;
use super::unit_writes::{Job, NextWrite};
use crate::WriteOrder;
use crate::device::Transport;
use crate::event::EventKind;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// One connection and the units behind it.
#[derive(Debug)]
pub(super) struct Connection {
    line: Line,
    units: Vec<Unit>,
    orders: Orders,
    shutdown: watch::Receiver<bool>,
    backoff: Backoff,
    /// The loss has been told, and the values marked.
    lost: bool,
    /// The last session ended in the middle of a request.
    unsettled: bool,
    /// The present session had an answer.
    served: bool,
}

/// The latest order, and whether another may come.
#[derive(Debug)]
struct Orders {
    slot: watch::Receiver<Option<WriteOrder>>,
    latest: Option<WriteOrder>,
    closed: bool,
    /// Cycle of the last order that was counted as expired.
    expired: Option<u64>,
}

/// Why a session ended.
#[derive(Debug)]
enum End {
    Shutdown,
    /// Unit at whose request it broke, and why.
    Broken(usize, CallError),
}

impl Connection {
    pub fn new(
        line: Line,
        units: Vec<Unit>,
        orders: watch::Receiver<Option<WriteOrder>>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let backoff = Backoff::new(line.timing.reconnect_max, seed(&line.transport.to_string()));
        // Orders wake only those who write.
        let closed = units.iter().all(|unit| unit.writes.is_empty());
        let orders = Orders { slot: orders, latest: None, closed, expired: None };
        Self { line, units, orders, shutdown, backoff, lost: false, unsettled: false, served: false }
    }

    /// Runs until shutdown.
    pub async fn run(mut self) {
        let mut fresh = true;
        loop {
            let Some(link) = self.connect(&mut fresh).await else { return };
            match self.session(link).await {
                End::Shutdown => return,
                End::Broken(unit, error) => fresh = self.ended(unit, &error),
            }
        }
    }

    /// Opens the connection, however often it takes. `None` on shutdown. `fresh`: all units start a new session.
    async fn connect(&mut self, fresh: &mut bool) -> Option<Link> {
        loop {
            let pause = self.backoff.next();
            tokio::select! {
                biased;
                () = shut(&mut self.shutdown) => return None,
                () = sleep(pause) => {}
            }
            // Nothing is heard during the pause either.
            let settle = if self.unsettled { self.line.timing.response_timeout } else { Duration::ZERO };
            let settle = settle.saturating_sub(pause);
            let opened = tokio::select! {
                biased;
                () = shut(&mut self.shutdown) => return None,
                opened = Link::open(&self.line.transport, &self.line.timing, settle) => opened,
            };
            self.turn();
            match opened {
                Ok(link) => {
                    self.connected(*fresh || self.lost);
                    *fresh = false;
                    return Some(link);
                }
                Err(error) => self.not_connected(&error.to_string()),
            }
        }
    }

    /// Without a connection nothing that is ordered can be confirmed.
    fn hold_back(&mut self) {
        self.orders.take();
        let now = Instant::now();
        for unit in self.units.iter_mut().filter(|unit| !unit.writes.is_empty()) {
            match self.orders.fresh(unit, now) {
                Some(order) => unit.hold_back(&order, "the device is not connected", now),
                None => unit.nothing_ordered(),
            }
        }
    }

    fn connected(&mut self, all_anew: bool) {
        let now = Instant::now();
        let tell = std::mem::replace(&mut self.lost, false);
        for unit in &mut self.units {
            unit.counters.add(|counters| &counters.connects, 1);
            if all_anew {
                unit.start_session(now);
            }
            if tell {
                unit.events.tell(EventKind::Connected, self.line.transport.to_string());
            }
        }
    }

    fn not_connected(&mut self, why: &str) {
        let tell = !std::mem::replace(&mut self.lost, true);
        self.hold_back();
        for unit in &mut self.units {
            unit.counters.add(|counters| &counters.disconnects, 1);
            unit.lost(&format!("{}: {why}", self.line.transport), tell);
        }
    }

    /// A session broke at a request to that unit. Returns whether all units have to start anew: only if the connection
    /// itself failed. A single dead unit among others is left alone for a while, the others go on as if nothing happened.
    fn ended(&mut self, unit: usize, error: &CallError) -> bool {
        self.unsettled = matches!(error, CallError::Timeout | CallError::Foreign(_));
        let alone = self.units.len() == 1;
        for other in &self.units {
            other.counters.add(|counters| &counters.disconnects, 1);
        }
        let Some(unit) = self.units.get_mut(unit) else { return true };
        match error {
            CallError::Timeout => unit.counters.add(|counters| &counters.timeouts, 1),
            CallError::Foreign(what) => {
                unit.counters.add(|counters| &counters.foreign_answers, 1);
                unit.events.tell(EventKind::ForeignAnswer, format!("unit {}: {what}", unit.unit_id));
            }
            CallError::Broken(_) | CallError::Exception(_) => {}
        }
        let broken = matches!(error, CallError::Broken(_));
        // A device that closes an idle connection is not lost: opening it again tells.
        if alone && !(broken && self.served) {
            unit.lost(&format!("{}: {error}", self.line.transport), !self.lost);
            self.lost = true;
        }
        if alone || broken {
            return true;
        }
        unit.falls_silent(Instant::now(), &error.to_string());
        // The connection served others well: it may be opened again at once.
        self.backoff.reset();
        false
    }

    async fn session(&mut self, mut link: Link) -> End {
        self.served = false;
        loop {
            self.turn();
            if *self.shutdown.borrow() {
                return End::Shutdown;
            }
            self.orders.take();
            let now = Instant::now();
            let (write, later) = self.next_write(now);
            if let Some((unit, job)) = write {
                if let ControlFlow::Break(end) = self.write(&mut link, unit, job).await {
                    return end;
                }
                continue;
            }
            match self.next_read(now) {
                Ok((unit, read)) => {
                    if let ControlFlow::Break(end) = self.read(&mut link, unit, read).await {
                        return end;
                    }
                }
                Err(due) => self.idle(earliest(due, later)).await,
            }
        }
    }

    /// Waits for the next due time, a new order or shutdown.
    async fn idle(&mut self, until: Option<Instant>) {
        // Even with nothing to do it turns once a second, to show that it lives.
        let until = until.unwrap_or_else(far).min(Instant::now() + Duration::from_secs(1));
        tokio::select! {
            () = shut(&mut self.shutdown) => {}
            () = self.orders.changed() => {}
            () = sleep_until(until) => {}
        }
    }

    fn turn(&self) {
        for unit in &self.units {
            unit.counters.add(|counters| &counters.turns, 1);
        }
    }

    /// The write that is due, or when the next one may be.
    fn next_write(&mut self, now: Instant) -> (Option<(usize, Job)>, Option<Instant>) {
        let mut later = None;
        for (index, unit) in self.units.iter_mut().enumerate().filter(|(_, unit)| !unit.writes.is_empty()) {
            let Some(order) = self.orders.fresh(unit, now) else {
                unit.nothing_ordered();
                continue;
            };
            match unit.next_write(&order, now) {
                NextWrite::Now(job) => return (Some((index, job)), None),
                NextWrite::Later(at) => later = earliest(later, at),
            }
        }
        (None, later)
    }

    /// The read that has been due longest, or when the next one will be.
    fn next_read(&self, now: Instant) -> Result<(usize, usize), Option<Instant>> {
        let due = |(unit, reads): (usize, &Unit)| reads.next_read().map(|(read, due)| (due, unit, read));
        match self.units.iter().enumerate().filter_map(due).min() {
            Some((due, unit, read)) if due <= now => Ok((unit, read)),
            Some((due, _, _)) => Err(Some(due)),
            None => Err(None),
        }
    }

    async fn read(&mut self, link: &mut Link, index: usize, read: usize) -> ControlFlow<End> {
        let Some(unit) = self.units.get_mut(index) else { return ControlFlow::Continue(()) };
        let Some(block) = unit.reads.get(read).map(|read| &read.block) else { return ControlFlow::Continue(()) };
        let span = Span { table: block.table, start: block.start, count: block.count };
        let at = Instant::now();
        unit.starts(read, at);
        let answer = link.read(unit.unit_id, span, unit.time_limit()).await;
        let took = at.elapsed();
        match answer {
            Ok(cells) => {
                unit.counters.exchange(took);
                unit.received(read, &cells, at);
                self.backoff.reset();
            }
            Err(CallError::Exception(code)) => {
                unit.refused(read, code, Instant::now());
                self.backoff.reset();
            }
            Err(error) => return ControlFlow::Break(End::Broken(index, error)),
        }
        (self.unsettled, self.served) = (false, true);
        ControlFlow::Continue(())
    }

    /// Sends a whole sequence. Any failure makes all of it unsent.
    async fn write(&mut self, link: &mut Link, index: usize, job: Job) -> ControlFlow<End> {
        let Some(unit) = self.units.get_mut(index) else { return ControlFlow::Continue(()) };
        let device = unit.device.clone();
        let at = Instant::now();
        unit.spend(&job, at);
        for (step, cells) in &job.sequence {
            let Some(point) = device.points.get(*step) else { continue };
            let multiple = point.write.as_ref().is_some_and(|rule| rule.multiple);
            let write = CellWrite { table: point.table, start: point.address, cells: cells.as_slice(), multiple };
            if let Err(error) = link.write(unit.unit_id, &write, device.timing.response_timeout).await {
                let now = Instant::now();
                unit.write_failed(&job, &error, now);
                return match error {
                    CallError::Exception(code @ (10 | 11)) => {
                        unit.falls_silent(now, &format!("exception {code}"));
                        ControlFlow::Continue(())
                    }
                    CallError::Exception(_) => ControlFlow::Continue(()),
                    error => ControlFlow::Break(End::Broken(index, error)),
                };
            }
        }
        unit.acknowledged(&job, Instant::now());
        ControlFlow::Continue(())
    }
}

impl Orders {
    /// Takes the newest order, if there is one.
    fn take(&mut self) {
        self.latest = *self.slot.borrow_and_update();
    }

    /// A new order is there. Never, once nobody can send any.
    async fn changed(&mut self) {
        if self.closed || self.slot.changed().await.is_err() {
            self.closed = true;
            std::future::pending::<()>().await;
        }
    }

    /// The latest order unless it is too old for the unit.
    fn fresh(&mut self, unit: &Unit, now: Instant) -> Option<WriteOrder> {
        let order = self.latest?;
        if now.saturating_duration_since(order.decided) <= unit.device.timing.order_ttl {
            return Some(order);
        }
        if self.expired.replace(order.cycle) != Some(order.cycle) {
            unit.counters.add(|counters| &counters.orders_expired, 1);
        }
        None
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Completes on shutdown, also when its sender is gone.
async fn shut(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Whether answers carry a transaction number.
impl Transport {
    pub(super) const fn numbers_transactions(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}
