//! The plant and its devices under one clock. Pure: time moves only through [`World::advance`].

use super::battery::BatteryOrder;
use super::chp::{ChpOrder, ChpPhase};
use super::device::VirtualDevice;
use super::fault::{Fault, FaultKind};
use super::noise::Noise;
use super::physics::{Commands, Flows, Physics, Totals};
use super::sensor::Sensors;
use super::source::DayAhead;
use memg_plant_io::Output;
use serde::Serialize;
use std::time::Duration;

/// What can be seen of the virtual plant from outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Local time in the plant, ISO 8601, whole minutes.
    pub time: String,
    /// The same with full resolution, ms since 1970-01-01T00:00 local time. Follows the profile's rows, gaps and the start
    /// over at its end included, so it may jump.
    pub local_ms: i64,
    /// Plant time since the start, s.
    pub elapsed_s: f64,
    /// Wall time since the start, s.
    pub wall_s: f64,
    /// Row of the profile in force.
    pub row: usize,
    /// The profile has ended and time stands still.
    pub finished: bool,
    /// Present flows.
    pub flows: Flows,
    /// State of charge of all batteries, 0..1.
    pub soc: f64,
    /// State of charge of each battery.
    pub socs: Vec<f64>,
    /// Phase of the first CHP.
    pub chp: ChpPhase,
    /// Starts of all CHPs.
    pub chp_starts: u32,
    /// Sums since the start.
    pub totals: Totals,
    /// One entry per device.
    pub devices: Vec<DeviceSnapshot>,
}

/// What can be seen of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceSnapshot {
    /// As in the schedule of faults and in the live view.
    pub name: String,
    /// Requests answered or refused.
    pub requests: u64,
    /// Values written.
    pub writes: u64,
    /// Times the watchdog expired.
    pub reversions: u64,
    /// Present faults, as on the command line.
    pub faults: Vec<String>,
}

/// Accuracy of the sensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Where noise comes from.
    pub noise: Noise,
    /// 0: exact, 1: as usual.
    pub level: f64,
}

/// Plant, devices, faults, time.
#[derive(Debug, Clone)]
pub struct World {
    physics: Physics,
    devices: Vec<VirtualDevice>,
    faults: Vec<Fault>,
    accuracy: Accuracy,
    speed: f64,
    wall: Duration,
}

impl World {
    /// A world at time 0. `speed`: plant seconds per wall second, > 0.
    #[must_use]
    pub fn new(physics: Physics, devices: Vec<VirtualDevice>, accuracy: Accuracy, speed: f64) -> Self {
        let mut world = Self { physics, devices, faults: Vec::new(), accuracy, speed, wall: Duration::ZERO };
        world.show();
        world
    }

    /// The physics.
    #[must_use]
    pub const fn physics(&self) -> &Physics {
        &self.physics
    }
    /// The devices, in the order given.
    #[must_use]
    pub fn devices(&self) -> &[VirtualDevice] {
        &self.devices
    }
    /// Wall time since the start.
    #[must_use]
    pub const fn wall(&self) -> Duration {
        self.wall
    }
    /// Access for a server.
    pub fn device_mut(&mut self, index: usize) -> Option<&mut VirtualDevice> {
        self.devices.get_mut(index)
    }

    /// Adds a fault to the schedule.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
        self.apply_faults();
    }

    /// Removes all faults of a device, present and future.
    pub fn clear_faults(&mut self, device: &str) {
        self.faults.retain(|fault| fault.device != device);
        self.apply_faults();
    }

    /// Moves on by some wall time; the plant moves `speed` times as far. Watchdogs run on wall time, because the timers of
    /// who must refresh them do.
    pub fn advance(&mut self, wall: Duration) {
        self.wall += wall;
        self.apply_faults();
        for device in &mut self.devices {
            device.supervise(self.wall);
        }
        let plant_ms = (self.wall.as_secs_f64() * 1000.0 * self.speed).round() as i64;
        let commands = self.commands();
        self.physics.advance_to(plant_ms, &commands);
        self.show();
    }

    fn apply_faults(&mut self) {
        for device in &mut self.devices {
            let present =
                self.faults.iter().filter(|fault| fault.device == device.name() && fault.is_active(self.wall));
            let present: Vec<FaultKind> = present.map(|fault| fault.kind.clone()).collect();
            if present != device.faults() {
                device.set_faults(present);
            }
        }
    }

    fn show(&mut self) {
        let Accuracy { noise, level } = self.accuracy;
        let sensors = Sensors { physics: &self.physics, noise, level };
        for device in &mut self.devices {
            device.show(&sensors);
        }
    }

    /// What the devices make the plant do at present.
    #[must_use]
    pub fn commands(&self) -> Commands {
        let unit = |output: Output, index: usize| {
            let mut those = self.devices.iter().filter(move |device| usize::from(device.number()) == index + 1);
            those.find_map(|device| Some((device.drives(output)?, device.has(&FaultKind::Trip))))
        };
        let limits = |output, count: usize| {
            (0..count).map(|index| unit(output, index).map_or(f64::INFINITY, |(limit, _)| limit)).collect()
        };
        let chp = |index| {
            let (setpoint_kw, trip) = unit(Output::ChpSetpointKw, index).unwrap_or_default();
            ChpOrder { run: unit(Output::ChpRun, index).is_some_and(|(run, _)| run >= 0.5), setpoint_kw, trip }
        };
        let battery = |index| {
            let (setpoint_kw, trip) = unit(Output::BatterySetpointKw, index).unwrap_or_default();
            BatteryOrder { setpoint_kw, trip }
        };
        Commands {
            batteries: std::array::from_fn(battery),
            chps: std::array::from_fn(chp),
            pv_limits_kw: limits(Output::PvLimitKw, self.physics.pv().len()),
            wind_limits_kw: limits(Output::WindLimitKw, self.physics.wind().len()),
        }
    }

    /// Prices of the hours ahead.
    #[must_use]
    pub fn day_ahead(&self) -> DayAhead {
        self.physics.source().day_ahead(self.physics.time_ms())
    }

    /// What can be seen from outside.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let time_ms = self.physics.time_ms();
        Snapshot {
            time: self.physics.source().local_time(time_ms).to_string(),
            local_ms: self.physics.source().local_ms(time_ms),
            elapsed_s: time_ms as f64 / 1000.0,
            wall_s: self.wall.as_secs_f64(),
            row: self.physics.source().row_index(time_ms),
            finished: self.physics.is_finished(),
            flows: *self.physics.flows(),
            soc: self.physics.soc(),
            chp: self.physics.chp().phase,
            chp_starts: self.physics.chps().iter().map(|chp| chp.starts).sum(),
            socs: self.physics.batteries().iter().map(|battery| battery.soc).collect(),
            totals: *self.physics.totals(),
            devices: self.devices.iter().map(device_snapshot).collect(),
        }
    }
}

fn device_snapshot(device: &VirtualDevice) -> DeviceSnapshot {
    DeviceSnapshot {
        name: device.name().to_owned(),
        requests: device.counters().requests,
        writes: device.counters().writes_total(),
        reversions: device.counters().reversions,
        faults: device.faults().iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
