//! How long a device takes to fall back when the gateway is silent: looked at without a single permission.

use super::Trial;
use crate::live::harmless;
use memg_core::measurement::Measurement;
use memg_plant_io::image::{PointId, ProcessImage};
use memg_plant_io::modbus::{self, Surroundings};
use memg_settings::Settings;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval};

/// Events that nobody reads.
const EVENTS: usize = 256;
/// Looked at for so long after the fall-back, so that the power can be told.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two looks at the image.
const LOOK: Duration = Duration::from_millis(50);

/// What was in force when the gateway fell silent.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Last write that the device acknowledged.
    pub since: Instant,
    /// Points that are read back, with what they showed and by how much they may be off.
    pub registers: Vec<(usize, f64, f64)>,
    /// Measured power, kW; `None`: no device measures it.
    pub power_kw: Option<f64>,
    /// Powers this close are the same, kW.
    pub tolerance_kw: f64,
}

/// What was seen in the silence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Silence {
    /// Time from the last write until a set-point in the device was another.
    pub register_s: Option<f64>,
    /// What it was then, by the name of its point.
    pub register: Option<(String, f64)>,
    /// Time from the last write until the measured power had left what was ordered.
    pub power_s: Option<f64>,
    /// The last measured power, kW.
    pub power_kw: Option<f64>,
    /// How long it was looked at, s, from the last write.
    pub looked_s: f64,
}

impl Silence {
    /// The device gave up what it was told.
    #[must_use]
    pub const fn fell_back(&self) -> bool {
        self.register_s.is_some() || self.power_s.is_some()
    }
}

/// Looks at the device, without a permission, until it has given up what it was told and a little longer, or for `longest` from
/// the last write. Nothing is written.
pub async fn wait_for_fall_back(settings: &Settings, trial: &Trial, held: &Held, longest: Duration) -> Silence {
    let image = settings.image.clone().build();
    let (stop, stopped) = watch::channel(false);
    let (_orders, none) = watch::channel(None);
    let (events_in, _events) = mpsc::channel(EVENTS);
    let around = Surroundings { image: image.clone(), orders: none, events: events_in, shutdown: stopped };
    let running = modbus::spawn(settings.devices.iter().map(harmless).collect(), &around);
    let mut seen = Silence::default();
    let mut ticks = interval(LOOK);
    let mut until = longest;
    while held.since.elapsed() < until {
        ticks.tick().await;
        let before = seen.is_complete(held);
        seen.look(settings, trial, held, &image);
        if seen.is_complete(held) && !before {
            until = until.min(held.since.elapsed() + SETTLE);
        }
    }
    seen.looked_s = held.since.elapsed().as_secs_f64();
    let _ = stop.send(true);
    for (_, task) in running.tasks {
        let _ = task.await;
    }
    seen
}

impl Silence {
    /// Everything that can change has.
    const fn is_complete(&self, held: &Held) -> bool {
        let registers = held.registers.is_empty() || self.register_s.is_some();
        registers && (held.power_kw.is_none() || self.power_s.is_some())
    }

    fn look(&mut self, settings: &Settings, trial: &Trial, held: &Held, image: &ProcessImage) {
        let now = Instant::now();
        let of = |id: PointId| image.freeze(now, &[id]).first().copied().unwrap_or_else(Measurement::never);
        let Some(device) = trial.device_in(settings) else { return };
        let after_s = held.since.elapsed().as_secs_f64();
        for (index, value, tolerance) in &held.registers {
            let is = of(device.id(*index)).usable().filter(|is| (is - value).abs() > *tolerance);
            if let (Some(is), None) = (is, self.register_s) {
                let name = device.points.get(*index).map_or_else(String::new, |point| point.name.clone());
                (self.register_s, self.register) = (Some(after_s), Some((name, is)));
            }
        }
        let known = trial.power().and_then(|tag| settings.points.signals.get(&tag));
        let Some(is) = known.and_then(|known| known.formula.of(of).usable()) else { return };
        self.power_kw = Some(is);
        let left = held.power_kw.is_some_and(|kw| (is - kw).abs() > held.tolerance_kw);
        if left && self.power_s.is_none() {
            self.power_s = Some(after_s);
        }
    }
}
