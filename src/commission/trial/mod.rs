//! What `gateway commission` tries, device by device, and with which narrow settings.
//!
//! Responsible for: which parts of the plant a device moves ([`trials`]), and the settings under which a gateway can move
//! that part by a small power and nothing else ([`narrowed`]): the plant that the safety filter keeps and the permissions
//! of the drivers, both narrowed. It writes nothing: a gateway of those settings does, as always.

mod narrow;
mod silence;
mod stand;

pub use narrow::narrowed;
pub use silence::{Held, Silence, wait_for_fall_back};
pub use stand::{Power, has_moved, is_stopped};

use memg_core::plant_state::{Signal, Tag, UnitNumber};
use memg_plant_io::device::Device;
use memg_plant_io::image::PointId;
use memg_plant_io::{Output, OutputTag};
use memg_settings::Settings;
use std::fmt;
use std::time::Duration;

/// Share of the rating by which a part is moved unless somebody says otherwise.
const BAND: f64 = 0.1;
/// Smallest band without being asked for one, kW: less is hard to tell from noise.
const BAND_KW_MIN: f64 = 1.0;

/// What is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A battery: charges, discharges, rests.
    Battery,
    /// A CHP: starts, runs a little above its minimum, stops.
    Chp,
    /// PV: its cap.
    Pv,
    /// Wind: its cap.
    Wind,
}

impl Part {
    const fn of(output: Output) -> Option<Self> {
        match output {
            Output::BatterySetpointKw => Some(Self::Battery),
            Output::ChpSetpointKw | Output::ChpRun => Some(Self::Chp),
            Output::PvLimitKw => Some(Self::Pv),
            Output::WindLimitKw => Some(Self::Wind),
            Output::Heartbeat => None,
        }
    }

    /// Its power as it is measured.
    const fn signal(self) -> Signal {
        match self {
            Self::Battery => Signal::BatteryKw,
            Self::Chp => Signal::ChpKw,
            Self::Pv => Signal::PvKw,
            Self::Wind => Signal::WindKw,
        }
    }

    /// A cap holds production down instead of ordering a power.
    #[must_use]
    pub const fn is_cap(self) -> bool {
        matches!(self, Self::Pv | Self::Wind)
    }
}

/// One part of the plant that one device moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Name of the device.
    pub device: String,
    /// What it moves.
    pub part: Part,
    /// Which of its kind.
    pub unit: UnitNumber,
    /// By how much it may be moved, kW.
    pub band_kw: f64,
    /// What the site rates it, kW.
    pub rating_kw: f64,
    /// Indices of the set-points among the device's points; heartbeats are not among them.
    pub setpoints: Vec<usize>,
    /// The shortest watchdog that the device file states for them; `None`: nothing makes it fall back.
    pub watchdog: Option<Duration>,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Battery => "battery",
            Part::Chp => "CHP",
            Part::Pv => "PV",
            Part::Wind => "wind",
        };
        write!(f, "{} ({}{})", self.device, part, self.unit.name("", "").replace('_', " "))
    }
}

impl Trial {
    /// The signal of its measured power.
    #[must_use]
    pub fn power(&self) -> Option<Tag> {
        Tag::new(self.part.signal(), self.unit.get())
    }

    /// The device among those of some settings.
    #[must_use]
    pub fn device_in<'a>(&self, settings: &'a Settings) -> Option<&'a Device> {
        settings.devices.iter().find(|device| *device.name == *self.device)
    }

    /// Whether an output is one of this trial.
    fn moves(&self, tag: OutputTag) -> bool {
        Part::of(tag.output()) == Some(self.part) && tag.unit() == self.unit
    }

    /// Measured powers this close to what is ordered have followed, kW.
    #[must_use]
    pub fn tolerance_kw(&self, settings: &Settings) -> f64 {
        (0.1 * self.band_kw).max(settings.plant.parameters().margins.power_kw)
    }
}

/// Longest until a fall-back within its stated time has been seen: twice the slowest poll of what tells it, and a cycle; where
/// only the power does, as long as it may take to follow.
#[must_use]
pub fn fall_back_allowed(settings: &Settings, trial: &Trial, stated: Duration, held: &Held) -> Duration {
    let Some(device) = trial.device_in(settings) else { return stated };
    let polls = |index: usize| device.points.get(index).map(|point| point.poll);
    let registers = held.registers.iter().filter_map(|(index, ..)| polls(*index)).max();
    let power = trial.power().and_then(|tag| settings.points.signals.get(&tag));
    let terms = power.into_iter().flat_map(|known| known.formula.terms()).map(|term| term.point);
    let poll_of = |id: PointId| {
        settings.devices.iter().find_map(|device| Some(device.points.get(id.0.checked_sub(device.first.0)?)?.poll))
    };
    let power = terms.filter_map(poll_of).max().map(|poll| 2 * poll + settings.control.response);
    stated + settings.control.cycle + registers.map(|poll| 2 * poll).or(power).unwrap_or_default()
}

/// What can be tried: one trial for each part that a device may write, in the order of the configuration.
///
/// # Errors
/// There is no such device, none of its registers may be written, or the band is no power; in words.
pub fn trials(settings: &Settings, only: Option<&str>, band_kw: Option<f64>) -> Result<Vec<Trial>, String> {
    if let Some(kw) = band_kw.filter(|kw| !(kw.is_finite() && *kw > 0.0)) {
        return Err(format!("--band-kw: expected a power above 0 kW, found {kw}"));
    }
    if let Some(name) = only.filter(|name| !settings.devices.iter().any(|device| *device.name == **name)) {
        let names: Vec<&str> = settings.devices.iter().map(|device| &*device.name).collect();
        return Err(format!("--device {name}: there is no such device; there are {}", names.join(", ")));
    }
    let chosen = settings.devices.iter().filter(|device| only.is_none_or(|name| *device.name == *name));
    let found: Vec<Trial> = chosen.flat_map(|device| of_device(settings, device, band_kw)).collect();
    if found.is_empty() {
        let which = only.map_or("no device".to_owned(), |name| format!("device {name}: nothing"));
        return Err(format!(
            "{which} may be written: expected write = [{{ point = …, range = … }}] in a [[device]] table"
        ));
    }
    Ok(found)
}

fn of_device(settings: &Settings, device: &Device, band_kw: Option<f64>) -> Vec<Trial> {
    let mut trials: Vec<Trial> = Vec::new();
    for index in device.writable() {
        let Some(rule) = device.points.get(index).and_then(|point| point.write.as_ref()) else { continue };
        let Some(part) = Part::of(rule.output.output()) else { continue };
        let unit = rule.output.unit();
        if let Some(known) = trials.iter_mut().find(|trial| (trial.part, trial.unit) == (part, unit)) {
            known.setpoints.push(index);
            continue;
        }
        let Some(rating_kw) = rating_kw(settings, part, unit).filter(|kw| *kw > 0.0) else { continue };
        trials.push(Trial {
            device: device.name.to_string(),
            part,
            unit,
            band_kw: band_kw.unwrap_or((BAND * rating_kw).max(BAND_KW_MIN)).min(rating_kw),
            rating_kw,
            setpoints: vec![index],
            watchdog: None,
        });
    }
    for trial in &mut trials {
        trial.watchdog = watchdog(device, trial);
    }
    trials
}

/// The shortest watchdog of the set-points of a trial and of the device's heartbeats.
fn watchdog(device: &Device, trial: &Trial) -> Option<Duration> {
    let rules = device.points.iter().filter_map(|point| point.write.as_ref());
    let own = rules.filter(|rule| rule.output.output() == Output::Heartbeat || trial.moves(rule.output));
    own.filter_map(|rule| rule.watchdog).min()
}

fn rating_kw(settings: &Settings, part: Part, unit: UnitNumber) -> Option<f64> {
    let p = settings.plant.parameters();
    match part {
        Part::Battery => p.battery.get(unit.index()).map(|b| b.charge_kw_max.max(b.discharge_kw_max)),
        Part::Chp => p.chp.get(unit.index()).map(|chp| chp.p_kw_max),
        Part::Pv => settings.sources.pv_kw.get(unit.index()).copied(),
        Part::Wind => settings.sources.wind_kw.get(unit.index()).copied(),
    }
}

#[cfg(test)]
mod tests;
