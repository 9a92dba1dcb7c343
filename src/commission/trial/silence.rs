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
    /// Measured power, kW; `None`: no device measures it, or it tells nothing.
    pub power_kw: Option<f64>,
    /// Powers this close are the same, kW.
    pub tolerance_kw: f64,
}

/// What was seen in the silence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Silence {
    /// Time from the last write until a set-point in the device was another, and stayed so.
    pub register_s: Option<f64>,
    /// What it was at the end, by the name of its point.
    pub register: Option<(String, f64)>,
    /// Time from the last write until the measured power was at rest, and stayed so.
    pub power_s: Option<f64>,
    /// The measured power at the end, kW; `None`: unknown.
    pub power_kw: Option<f64>,
    /// How long it was looked at, s, from the last write.
    pub looked_s: f64,
    /// The set-point could not be read at the last look.
    register_is_lost: bool,
}

impl Silence {
    /// When the device had given up what it was told, s from the last write: by what is read back of it, else by its power.
    #[must_use]
    pub const fn fell_back_s(&self, held: &Held) -> Option<f64> {
        if held.registers.is_empty() { self.power_s } else { self.register_s }
    }

    /// One look at what is read back: `None`: unknown, else what is not as ordered any more, if anything is.
    fn see_register(&mut self, after_s: f64, seen: Option<Option<(String, f64)>>) {
        self.register_is_lost = seen.is_none();
        match seen {
            None => {}
            Some(None) => (self.register_s, self.register) = (None, None),
            Some(away) => (self.register_s, self.register) = (self.register_s.or(Some(after_s)), away),
        }
    }

    /// One look at the measured power, kW; `None`: unknown.
    fn see_power(&mut self, after_s: f64, is: Option<f64>, tolerance_kw: f64) {
        self.power_kw = is;
        let rests = is.is_some_and(|kw| kw.abs() <= tolerance_kw);
        self.power_s = if rests { self.power_s.or(Some(after_s)) } else { None };
    }

    /// The last look is over: what is unknown at the end is no fall-back.
    fn over(&mut self, looked_s: f64) {
        self.looked_s = looked_s;
        if self.register_is_lost {
            (self.register_s, self.register) = (None, None);
        }
    }
}

/// Looks at the device, without a permission, until it has given up what it was told and a little longer, for `longest` from
/// the last write, or until somebody stops it. Nothing is written.
pub async fn wait_for_fall_back(
    settings: &Settings,
    trial: &Trial,
    held: &Held,
    longest: Duration,
    mut stopped_by_hand: watch::Receiver<bool>,
) -> Silence {
    let image = settings.image.clone().build();
    let (stop, stopped) = watch::channel(false);
    let (_orders, none) = watch::channel(None);
    let (events_in, _events) = mpsc::channel(EVENTS);
    let around = Surroundings { image: image.clone(), orders: none, events: events_in, shutdown: stopped };
    let running = modbus::spawn(settings.devices.iter().map(harmless).collect(), &around);
    let mut seen = Silence::default();
    let mut ticks = interval(LOOK);
    let mut complete_since: Option<Duration> = None;
    while held.since.elapsed() < complete_since.map_or(longest, |at| longest.min(at + SETTLE)) {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(_) = stopped_by_hand.wait_for(|stopped| *stopped) => break,
        }
        seen.look(settings, trial, held, &image);
        let complete = seen.is_complete(held);
        complete_since = complete_since.or_else(|| Some(held.since.elapsed())).filter(|_| complete);
    }
    seen.over(held.since.elapsed().as_secs_f64());
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
        let register = |(index, value, tolerance): &(usize, f64, f64)| {
            let name = device.points.get(*index).map_or_else(String::new, |point| point.name.clone());
            let is = of(device.id(*index)).usable()?;
            Some((name, is, (is - value).abs() > *tolerance))
        };
        let read: Option<Vec<(String, f64, bool)>> = held.registers.iter().map(register).collect();
        let away =
            |read: Vec<(String, f64, bool)>| read.into_iter().find(|(.., away)| *away).map(|(name, is, _)| (name, is));
        self.see_register(after_s, read.map(away));
        let known = trial.power().and_then(|tag| settings.points.signals.get(&tag));
        self.see_power(after_s, known.and_then(|known| known.formula.of(of).usable()), held.tolerance_kw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(registers: Vec<(usize, f64, f64)>) -> Held {
        Held { since: Instant::now(), registers, power_kw: Some(5.0), tolerance_kw: 0.5 }
    }

    #[test]
    fn a_power_that_wobbles_is_no_fall_back() {
        let by_power = held(Vec::new());
        for (powers, fell) in [
            (vec![Some(5.0), Some(3.0), Some(5.0)], None),
            (vec![Some(5.0), Some(0.1), Some(5.0)], None),
            (vec![Some(0.1), Some(0.2), None], None),
            (vec![Some(5.0), Some(0.4), Some(0.0)], Some(1.0)),
            (vec![Some(0.1), Some(5.0), Some(0.0)], Some(2.0)),
        ] {
            let mut seen = Silence::default();
            powers.iter().zip([0.0, 1.0, 2.0]).for_each(|(kw, after_s)| seen.see_power(after_s, *kw, 0.5));
            seen.over(3.0);
            assert_eq!(seen.fell_back_s(&by_power), fell, "{powers:?}");
        }
    }

    #[test]
    fn where_a_set_point_is_read_back_it_has_to_be_another_and_to_stay_so() {
        let by_register = held(vec![(0, 5.0, 0.1)]);
        let away = || Some(Some(("setpoint".to_owned(), 0.0)));
        for (looks, fell) in [
            (vec![Some(None), Some(None), Some(None)], None),
            (vec![Some(None), away(), Some(None)], None),
            (vec![Some(None), away(), None], None),
            (vec![Some(None), away(), away()], Some(1.0)),
            (vec![away(), None, away()], Some(0.0)),
        ] {
            let mut seen = Silence::default();
            for (look, after_s) in looks.iter().zip([0.0, 1.0, 2.0]) {
                seen.see_register(after_s, look.clone());
                // The power alone proves nothing here.
                seen.see_power(after_s, Some(0.0), 0.5);
            }
            seen.over(3.0);
            assert_eq!(seen.fell_back_s(&by_register), fell, "{looks:?}");
        }
    }
}
