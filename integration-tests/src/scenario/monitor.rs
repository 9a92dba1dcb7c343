//! Judges every register write of a row, as the plant saw it. It shares no code with the gateway: ratings, limits and ramps of the
//! plant are written down here once more.

use super::shown::{Shown, Truth};
use crate::promise_plant::{ACTUATORS, BATTERY_SETPOINT, CHP_RUN, CHP_SETPOINT, PV_LIMIT};
use crate::virtual_device::SeenWrite;
use crate::words::float;
use std::time::Duration;
use tokio::time::Instant;

/// Ratings of the plant, kW: battery either way, CHP while on, PV.
const BATTERY_KW: f32 = 50.0;
const CHP_KW: (f32, f32) = (10.0, 80.0);
const PV_KW: f32 = 60.0;
/// Band of the state of charge, beyond the declared error of its meter.
const SOC: (f32, f32) = (0.097, 0.903);
/// Band of the frequency, Hz.
const FREQUENCY_HZ: (f32, f32) = (49.5, 50.5);
/// Ramp of the battery, kW a step: within a step a set-point lies this far to either side of its anchor.
const RAMP_KW: f32 = 10.0;
/// Trembling of the load and rounding of meters, kW.
const TREMBLE_KW: f32 = 1.1;
/// Rounding of powers in registers, kW.
const ROUNDING_KW: f32 = 0.002;

/// When nothing, or nothing at some registers, may be written.
#[derive(Debug, Clone)]
struct Closed {
    from: Instant,
    until: Option<Instant>,
    /// First register that is closed, or all of them.
    register: Option<u16>,
    why: String,
}

/// What is expected of the registers over a row.
#[derive(Debug, Default)]
pub struct Monitor {
    closed: Vec<Closed>,
    /// Control was taken: when, and the battery's measured power then, kW.
    taken: Vec<(Instant, f32)>,
    /// Rows in which ramps have to give way.
    ramp_yields: bool,
}

impl Monitor {
    /// Nothing may be written before control is taken.
    #[must_use]
    pub fn new(ramp_yields: bool) -> Self {
        let mut monitor = Self { ramp_yields, ..Self::default() };
        monitor.close(None, "before anybody armed");
        monitor
    }

    /// From now on nothing may be written, or nothing at that register.
    pub fn close(&mut self, register: Option<u16>, why: &str) {
        self.closed.push(Closed { from: Instant::now(), until: None, register, why: why.to_owned() });
    }

    /// From now on everything may be written again.
    pub fn open(&mut self) {
        let now = Instant::now();
        self.closed.iter_mut().filter(|closed| closed.until.is_none()).for_each(|closed| closed.until = Some(now));
    }

    /// Control is being taken with the battery at this power: the first set-point begins there.
    pub fn take(&mut self, battery_kw: f32) {
        self.open();
        self.taken.push((Instant::now(), battery_kw));
    }

    /// Everything that is wrong with these writes.
    #[must_use]
    pub fn judge(&self, writes: &[SeenWrite], plant: &Shown) -> Vec<String> {
        let alone = writes.iter().filter_map(|write| self.wrong(write, writes, plant));
        let battery: Vec<(Instant, f32)> = writes
            .iter()
            .filter(|write| is_at(write, BATTERY_SETPOINT))
            .map(|write| (write.at, value(write)))
            .collect();
        alone.chain(self.ramps(&battery)).chain(frequency(&battery, plant)).collect()
    }

    fn wrong(&self, write: &SeenWrite, all: &[SeenWrite], plant: &Shown) -> Option<String> {
        let what = told(write);
        if let Some(closed) = self.closed.iter().find(|closed| closed.covers(write)) {
            return Some(format!("{what} written {}", closed.why));
        }
        let complaint = match (write.unit, write.address, write.cells.len()) {
            (ACTUATORS, BATTERY_SETPOINT, 2) => battery(write, all, plant),
            (ACTUATORS, CHP_SETPOINT, 2) => power(value(write), (0.0, CHP_KW.1)).or_else(|| gap(value(write))),
            (ACTUATORS, PV_LIMIT, 2) => power(value(write), (0.0, PV_KW)),
            (ACTUATORS, CHP_RUN, 1) => (!matches!(write.cells[..], [1 | 2])).then(|| "neither on nor off".into()),
            _ => Some("not permitted at all".into()),
        };
        complaint.map(|complaint| format!("{what}: {complaint}"))
    }

    /// From a step's anchor 10 kW either way: 20 from one write to the next, 30 within a step's length over its border. To
    /// rest a safe stop goes at once.
    fn ramps(&self, battery: &[(Instant, f32)]) -> Vec<String> {
        if self.ramp_yields {
            return Vec::new();
        }
        let first_of = |(at, held): &(Instant, f32)| {
            let (_, kw) = battery.iter().find(|(when, _)| when > at)?;
            let jumps = (kw - held).abs() > RAMP_KW + ROUNDING_KW && *kw != 0.0;
            jumps.then(|| format!("control began with the battery from {held} to {kw} kW"))
        };
        let steps = battery.windows(2).filter_map(|pair| {
            let (before, after) = (pair[0].1, pair[1].1);
            let jumps = (after - before).abs() > 2.0 * RAMP_KW + ROUNDING_KW && after != 0.0;
            jumps.then(|| format!("the battery was moved from {before} to {after} kW at once"))
        });
        self.taken.iter().filter_map(first_of).chain(steps).collect()
    }
}

impl Closed {
    fn covers(&self, write: &SeenWrite) -> bool {
        let register = self.register.is_none_or(|register| register == write.address);
        register && write.at >= self.from && self.until.is_none_or(|until| write.at < until)
    }
}

fn is_at(write: &SeenWrite, register: u16) -> bool {
    write.unit == ACTUATORS && write.address == register && write.cells.len() == 2
}

fn value(write: &SeenWrite) -> f32 {
    float(&write.cells)
}

fn told(write: &SeenWrite) -> String {
    match write.cells[..] {
        [_, _] => format!("unit {} register {}: {} kW", write.unit, write.address, value(write)),
        _ => format!("unit {} register {}: {:?}", write.unit, write.address, write.cells),
    }
}

/// A power within its rating, in whole watts.
fn power(kw: f32, (least, most): (f32, f32)) -> Option<String> {
    let watts = kw * 1000.0;
    if !kw.is_finite() {
        return Some("no number".into());
    }
    if (watts - watts.round()).abs() > 0.02 {
        return Some("no whole watts".into());
    }
    (kw < least || kw > most).then(|| format!("not within {least} to {most} kW"))
}

/// A CHP that is on gives its least power at least.
fn gap(kw: f32) -> Option<String> {
    (kw > 0.0 && kw < CHP_KW.0).then(|| format!("below the {} kW of a CHP that runs", CHP_KW.0))
}

fn battery(write: &SeenWrite, all: &[SeenWrite], plant: &Shown) -> Option<String> {
    let kw = value(write);
    if let Some(complaint) = power(kw, (-BATTERY_KW, BATTERY_KW)) {
        return Some(complaint);
    }
    let believed = plant.believed(write.at);
    let chps = recent_chps(write, all);
    let complaints: Vec<Option<String>> =
        believed.iter().flat_map(|truth| chps.iter().map(|chp| limits(kw, *chp, truth))).collect();
    // Whatever the gateway may have believed: one of these has to make it right.
    if complaints.iter().any(Option::is_none) { None } else { complaints.into_iter().flatten().next() }
}

/// Powers of the CHP that may have counted: those written in the last second, and the one before.
fn recent_chps(write: &SeenWrite, all: &[SeenWrite]) -> Vec<f32> {
    let sets =
        all.iter().filter(|other| is_at(other, CHP_SETPOINT) && other.at <= write.at + Duration::from_millis(400));
    let sets: Vec<&SeenWrite> = sets.collect();
    let old = sets.iter().rposition(|other| other.at + Duration::from_secs(1) < write.at).unwrap_or(0);
    let mut found: Vec<f32> = sets.iter().skip(old).map(|write| value(write)).collect();
    if found.is_empty() {
        found.push(0.0);
    }
    found
}

/// Limits of the connection and of the state of charge, where the battery is what breaks them.
fn limits(kw: f32, chp: f32, truth: &Truth) -> Option<String> {
    let grid = truth.get("electric_load_kw") + kw - chp - truth.get("pv_kw") - truth.get("wind_kw");
    let (import, export) = (truth.get("import_limit"), truth.get("export_limit"));
    if kw > 0.0 && grid > import + TREMBLE_KW {
        return Some(format!("imports {grid} kW where {import} are allowed"));
    }
    if kw < 0.0 && -grid > export + TREMBLE_KW {
        return Some(format!("exports {} kW where {export} are allowed", -grid));
    }
    if (kw > 0.0 && truth.get("soc") > SOC.1) || (kw < 0.0 && truth.get("soc") < SOC.0) {
        return Some(format!("with the state of charge at {}", truth.get("soc")));
    }
    None
}

/// Outside its band only moves that correct the frequency.
fn frequency(battery: &[(Instant, f32)], plant: &Shown) -> Vec<String> {
    let wrong = battery.windows(2).filter_map(|pair| {
        let ((_, before), (at, after)) = (pair[0], pair[1]);
        let believed = plant.believed(at);
        let all = |wrong: &dyn Fn(f32) -> bool| believed.iter().all(|truth| wrong(truth.get("frequency_hz")));
        let low = all(&|hz| hz < FREQUENCY_HZ.0) && after > before + ROUNDING_KW;
        let high = all(&|hz| hz > FREQUENCY_HZ.1) && after < before - ROUNDING_KW;
        // To rest a safe stop goes all the same.
        ((low || high) && after != 0.0)
            .then(|| format!("the battery went from {before} to {after} kW against the frequency"))
    });
    wrong.collect()
}
