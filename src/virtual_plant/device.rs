//! One virtual device: its registers, what it was told, its own watchdog, its faults.
//!
//! Pure: wall time is an argument. What a point means comes from the device file: `signal` and `write.output` bind it to the
//! plant, write steps tell its [`companions`](super::companions). Telemetry is bound by name (`writes`, `reversions`,
//! `state`, `model_name`, and those of [`Sensors::telemetry`]). Every other point is memory.

use super::companions::{Driven, driven};
use super::fault::FaultKind;
use super::registers::{Registers, Written, exception};
use super::sensor::Sensors;
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::Output;
use memg_plant_io::device::DeviceFile;
use memg_plant_io::point::Table;
use memg_plant_io::quantity::unit;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where devices get their watchdog's time from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watchdogs {
    /// The time written to the device, otherwise `watchdog_s` of its file.
    #[default]
    DeviceFile,
    /// This, whatever the files say.
    Fixed(Duration),
    /// No device falls back by itself.
    Off,
}

/// What the CHP does when its watchdog expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChpReversion {
    /// It stops in its usual sequence.
    #[default]
    Stop,
    /// It stays at the last set-point.
    Hold,
}

/// How devices fall back by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reversion {
    /// After which silence.
    pub watchdogs: Watchdogs,
    /// Where to, for the CHP.
    pub chp: ChpReversion,
}

/// What happened at a device since its start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// Requests answered or refused.
    pub requests: u64,
    /// Requests refused with an exception.
    pub exceptions: u64,
    /// Values written, by point: what wears out flash memory.
    pub writes: BTreeMap<String, u64>,
    /// Times the watchdog expired.
    pub reversions: u64,
}

impl Counters {
    /// Values written in all.
    #[must_use]
    pub fn writes_total(&self) -> u64 {
        self.writes.values().sum()
    }
}

/// A device of the virtual plant.
#[derive(Debug, Clone)]
pub struct VirtualDevice {
    name: String,
    registers: Registers,
    driven: Vec<Driven>,
    /// A signal that tells what kind of device it is, and which of them.
    kind: Option<Tag>,
    /// Which battery, CHP, source or meter it is, from 1.
    number: u16,
    /// Values of outputs as accepted from outside, in the outputs' units.
    commands: BTreeMap<Output, f64>,
    reversion: Reversion,
    file_watchdog: Option<Duration>,
    /// Wall time of the last sign of life; `None` before the first set-point and after falling back.
    refreshed: Option<Duration>,
    faults: Vec<FaultKind>,
    counters: Counters,
}

impl VirtualDevice {
    /// A device at rest: set-points 0, limits open.
    #[must_use]
    pub fn new(name: &str, file: &DeviceFile, unit_id: u8, reversion: Reversion) -> Self {
        let mut device = Self {
            name: name.to_owned(),
            registers: Registers::new(file, unit_id),
            driven: driven(&file.points),
            kind: file.points.iter().find_map(|point| point.signal),
            number: 1,
            commands: BTreeMap::new(),
            reversion,
            file_watchdog: file.points.iter().filter_map(|point| point.write.as_ref()?.watchdog).min(),
            refreshed: None,
            faults: Vec::new(),
            counters: Counters::default(),
        };
        if let Some(index) = device.registers.index_of("model_name") {
            device.registers.set_text(index, &format!("{} {}", file.maker, file.model));
        }
        device.rest();
        device
    }

    /// The same device as the battery, CHP, source or meter of that number, from 1.
    #[must_use]
    pub fn numbered(mut self, number: u16) -> Self {
        (self.number, self.kind) = (number, self.kind.map(|kind| of_number(kind, number)));
        self
    }

    /// Which of its kind it is, from 1.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    fn rest(&mut self) {
        for driven in self.driven.clone() {
            let value = match driven.output {
                Output::PvLimitKw | Output::WindLimitKw => self.open_limit(&driven),
                Output::BatterySetpointKw | Output::ChpSetpointKw | Output::ChpRun | Output::Heartbeat => 0.0,
            };
            self.command(driven.point, driven.output, value);
        }
    }

    /// A limit that limits nothing: the largest that the register takes.
    fn open_limit(&self, driven: &Driven) -> f64 {
        let rule = self.registers.points().get(driven.point).and_then(|point| point.write.as_ref());
        rule.map_or(f64::INFINITY, |rule| rule.range.1)
    }

    fn command(&mut self, index: usize, output: Output, value: f64) {
        self.registers.set(index, value);
        self.commands.insert(output, value);
    }

    /// As in the schedule of faults and in the live view.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Whether its device file has a point of that name.
    #[must_use]
    pub fn has_point(&self, name: &str) -> bool {
        self.registers.index_of(name).is_some()
    }
    /// Its registers.
    #[must_use]
    pub const fn registers(&self) -> &Registers {
        &self.registers
    }
    /// Its counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
    /// Its present faults.
    #[must_use]
    pub fn faults(&self) -> &[FaultKind] {
        &self.faults
    }
    /// Whether a fault of this kind is present.
    #[must_use]
    pub fn has(&self, kind: &FaultKind) -> bool {
        self.faults.contains(kind)
    }

    /// What it makes the plant do, in the unit of the output; `None` if it does not drive that. A battery whose switches
    /// are off stands by.
    #[must_use]
    pub fn drives(&self, output: Output) -> Option<f64> {
        let value = *self.commands.get(&output)?;
        let switched_on = self.driven.iter().filter(|driven| driven.output == output).all(|driven| self.is_on(driven));
        Some(if output == Output::BatterySetpointKw && !switched_on { 0.0 } else { value })
    }

    fn is_on(&self, driven: &Driven) -> bool {
        let holds = |(point, value): &(usize, f64)| self.registers.value(*point) == Some(*value);
        driven.switches.iter().all(holds)
    }

    /// Value of a point in the project's unit of its dimension.
    fn value_of(&self, index: Option<usize>) -> Option<f64> {
        Some(self.registers.value(index?)? * self.unit_factor(index?))
    }

    /// From a point's unit to the project's: points that are neither signal nor output keep the unit of their device.
    fn unit_factor(&self, index: usize) -> f64 {
        self.registers.points().get(index).and_then(|point| unit(&point.unit)).map_or(1.0, |(_, factor)| factor)
    }

    /// Replaces the present faults. Going local takes the battery to 0.
    pub fn set_faults(&mut self, faults: Vec<FaultKind>) {
        let was_local = self.has(&FaultKind::Local);
        self.faults = faults;
        if self.has(&FaultKind::Local) && !was_local {
            self.refreshed = None;
            for driven in self.driven.clone() {
                if driven.output == Output::BatterySetpointKw {
                    self.command(driven.point, driven.output, 0.0);
                }
            }
        }
    }

    /// Lets the watchdog expire if nobody refreshed in time.
    pub fn supervise(&mut self, now: Duration) {
        let Some((limit, refreshed)) = self.watchdog().zip(self.refreshed) else { return };
        if now.saturating_sub(refreshed) >= limit {
            self.fall_back();
        }
    }

    fn watchdog(&self) -> Option<Duration> {
        match self.reversion.watchdogs {
            Watchdogs::Off => None,
            Watchdogs::Fixed(limit) => Some(limit),
            Watchdogs::DeviceFile => {
                let written = self.driven.iter().filter_map(|driven| self.value_of(driven.reversion_time));
                let shortest = written.filter(|seconds| *seconds > 0.0).fold(f64::INFINITY, f64::min);
                Duration::try_from_secs_f64(shortest).ok().or(self.file_watchdog)
            }
        }
    }

    fn fall_back(&mut self) {
        self.refreshed = None;
        self.counters.reversions += 1;
        for driven in self.driven.clone() {
            let value = match driven.output {
                Output::BatterySetpointKw => self.value_of(driven.reversion_power).unwrap_or(0.0),
                Output::ChpRun if self.reversion.chp == ChpReversion::Stop => 0.0,
                Output::PvLimitKw | Output::WindLimitKw => self.open_limit(&driven),
                Output::ChpRun | Output::ChpSetpointKw | Output::Heartbeat => continue,
            };
            self.command(driven.point, driven.output, value);
        }
    }

    /// Answers a read.
    ///
    /// # Errors
    /// The exception code.
    pub fn read(&mut self, unit: u8, table: Table, start: u16, count: u16) -> Result<Vec<u16>, u8> {
        let answer = self.refusal().map_or_else(|| self.registers.read(unit, table, start, count), Err);
        self.count(answer)
    }

    /// Takes a write.
    ///
    /// # Errors
    /// The exception code.
    pub fn write(&mut self, now: Duration, unit: u8, table: Table, start: u16, cells: &[u16]) -> Result<(), u8> {
        let written = match self.refusal() {
            Some(code) => Err(code),
            None => self.registers.decode_write(unit, table, start, cells),
        };
        let written = if self.has(&FaultKind::Local) { written.and(Err(exception::BUSY)) } else { written };
        for value in self.count(written)? {
            self.accept(now, value);
        }
        Ok(())
    }

    fn count<T>(&mut self, answer: Result<T, u8>) -> Result<T, u8> {
        self.counters.requests += 1;
        self.counters.exceptions += u64::from(answer.is_err());
        answer
    }

    /// Counts a request that the device does not support.
    pub fn refuse(&mut self) -> u8 {
        self.counters.requests += 1;
        self.counters.exceptions += 1;
        self.refusal().unwrap_or(exception::FUNCTION)
    }

    fn refusal(&self) -> Option<u8> {
        self.faults.iter().find_map(|fault| if let FaultKind::Exception(code) = fault { Some(*code) } else { None })
    }

    fn accept(&mut self, now: Duration, written: Written) {
        let Some(point) = self.registers.points().get(written.point) else { return };
        *self.counters.writes.entry(point.name.clone()).or_default() += 1;
        if self.has(&FaultKind::NotApplied) {
            return;
        }
        match point.write.as_ref().map(|rule| rule.output.output()) {
            None => self.registers.set(written.point, written.value),
            Some(output) => self.accept_output(now, written, output),
        }
    }

    fn accept_output(&mut self, now: Duration, written: Written, output: Output) {
        let changed = self.commands.get(&output) != Some(&written.value);
        // With a heartbeat, only a beat is a sign of life; a set-point starts the supervision.
        let sign_of_life = match output {
            Output::Heartbeat => changed,
            _ if self.commands.contains_key(&Output::Heartbeat) => self.refreshed.is_none(),
            _ => true,
        };
        if sign_of_life {
            self.refreshed = Some(now);
        }
        self.command(written.point, output, self.clamped(output, written.value));
    }

    fn clamped(&self, output: Output, value: f64) -> f64 {
        let is_power = !matches!(output, Output::ChpRun | Output::Heartbeat);
        self.faults.iter().filter(|_| is_power).fold(value, |value, fault| match fault {
            FaultKind::Clamp(low, high) => value.clamp(*low, *high),
            _ => value,
        })
    }

    /// Shows the plant's present values in the registers.
    pub fn show(&mut self, sensors: &Sensors<'_>) {
        for index in 0..self.registers.points().len() {
            let Some(point) = self.registers.points().get(index) else { continue };
            let about = |name: &Option<String>| name.as_ref().is_none_or(|name| *name == point.name);
            let fault = self.faults.iter().find_map(|fault| match fault {
                FaultKind::Frozen(name) if about(name) => Some(Shown::Kept),
                FaultKind::NoValue(name) if *name == point.name => Some(Shown::NoValue),
                FaultKind::Stuck(name, value) if *name == point.name => Some(Shown::Value(*value)),
                _ => None,
            });
            match fault.unwrap_or_else(|| self.shown(index, sensors)) {
                Shown::Kept => {}
                Shown::NoValue => self.registers.set_no_value(index),
                Shown::Value(value) => self.registers.set(index, value),
                Shown::State(name) => drop(self.registers.set_named(index, name)),
            }
        }
    }

    fn shown(&self, index: usize, sensors: &Sensors<'_>) -> Shown {
        let Some(point) = self.registers.points().get(index).filter(|point| point.write.is_none()) else {
            return Shown::Kept;
        };
        let tripped = self.has(&FaultKind::Trip);
        if point.name == "state"
            || (point.signal.is_some_and(|tag| tag.signal() == Signal::ChpOn) && point.enum_map.is_some())
        {
            let state = if tripped { Some("fault") } else { sensors.state(self.kind) };
            return state.map_or(Shown::Kept, Shown::State);
        }
        let own = point.signal.map(|tag| of_number(tag, self.number));
        let value = match (own.map(Tag::signal), point.name.as_str()) {
            (Some(Signal::BatteryRemote | Signal::ChpRemote), _) | (None, "remote") => {
                Some(f64::from(u8::from(!self.has(&FaultKind::Local))))
            }
            (Some(Signal::BatteryFault | Signal::ChpFault), _) | (None, "fault") => Some(f64::from(u8::from(tripped))),
            (Some(_), _) => own.and_then(|tag| sensors.signal(tag)),
            (None, "writes") => Some(self.counters.writes_total() as f64),
            (None, "reversions") => Some(self.counters.reversions as f64),
            (None, name) => sensors.telemetry(name, self.kind).map(|value| value / self.unit_factor(index)),
        };
        value.map_or(Shown::Kept, Shown::Value)
    }
}

/// The same signal of the unit of that number, if there can be one.
fn of_number(tag: Tag, number: u16) -> Tag {
    Tag::new(tag.signal(), number).unwrap_or(tag)
}

/// What a point shows next.
enum Shown {
    Kept,
    NoValue,
    Value(f64),
    State(&'static str),
}
