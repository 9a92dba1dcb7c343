//! The gateway's configuration: layers, checks, typed [`Settings`].
//!
//! Layers, later ones win: built-in conveniences, the file, environment variables (`MEMG__CONTROL__CYCLE_S=2` sets
//! `control.cycle_s`), command-line flags. Limits of the plant have no defaults. Every problem is reported with file,
//! line and key before anything is opened; nothing but [`Settings`] goes further in.

#![forbid(unsafe_code)]

mod clock;
mod control;
mod cosim;
mod files;
mod formulas;
mod grid_limit;
mod history;
mod iec104;
mod layers;
mod lines;
mod mistakes;
mod north;
mod opcua;
#[cfg(feature = "opcua")]
mod opcua_table;
mod operators;
mod plant;
mod points;
mod signals;
mod speakers;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod tests;
mod units;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod units_tests;
mod web;

pub use clock::TIME_FORMATS;
pub use control::{ControlTimes, DemoSettings, JournalSettings, PolicySettings, SiteClock};
pub use history::HistorySettings;
pub use iec104::Iec104;
pub use layers::{Layers, Override};
pub use mistakes::rated;
pub use opcua::OpcUa;
pub use operators::{Station, station};
pub use plant::{SitePlant, read_site};
pub use points::{Known, PointMap};

use cosim::Beside;
use memg_control::grid_limit::FailSafe;
use memg_control::substitutes::Substitutes;
use memg_core::equipment::Plant;
use memg_cosim::lockstep::settings::LockstepSettings;
use memg_north::settings::{ForecastSettings, NorthSettings};
use memg_plant_io::device::{self, Device, RawDevice};
use memg_plant_io::image::ImageBuilder;
use memg_plant_io::library;
use memg_plant_io::mqtt::settings::{MqttSettings, validate as validate_mqtt};
use memg_plant_io::problem::{Problem, read, words};
use memg_plant_io::sources::Sources;
use memg_web::settings::WebSettings;
use std::path::{Path, PathBuf};

/// Everything that runs need to know, checked.
#[derive(Debug)]
pub struct Settings {
    /// Name of the site, for topics and journals.
    pub site: String,
    /// The plant is simulated: Auto needs no arming, time may be accelerated.
    pub simulated: bool,
    /// Local time of the site.
    pub clock: SiteClock,
    /// Ratings and limits, checked.
    pub plant: Plant,
    /// PV and wind one by one.
    pub sources: Sources,
    /// Cycle and mode times.
    pub control: ControlTimes,
    /// Who decides.
    pub policy: PolicySettings,
    /// Where cycles are recorded.
    pub journal: JournalSettings,
    /// What is recorded over years.
    pub history: HistorySettings,
    /// The built-in virtual plant, if this is a demonstration.
    pub demo: Option<DemoSettings>,
    /// The plant is a simulator in lock-step over MQTT.
    pub cosim: Option<LockstepSettings>,
    /// Modbus devices.
    pub devices: Vec<Device>,
    /// MQTT, if configured, with the operators who may command over it.
    pub mqtt: Option<MqttSettings>,
    /// The operator's station, if it is served.
    pub web: Option<WebSettings>,
    /// Servers for SCADA.
    pub north: NorthSettings,
    /// The station of IEC 60870-5-104, if it is served.
    pub iec104: Option<Iec104>,
    /// The OPC UA server, if it is served.
    pub opcua: Option<OpcUa>,
    /// Which point means what.
    pub points: PointMap,
    /// Signals that are optional, and what stands in for them. All others that are measured are required.
    pub substitutes: Substitutes,
    /// What holds at the connection while whoever says its limits from outside is silent.
    pub grid_limit: FailSafe,
    /// Builds the process image that devices and inputs took their places from.
    pub image: ImageBuilder,
    /// What should be looked at, although it is no error.
    pub warnings: Vec<Problem>,
    /// What a gateway runs with although nobody means it; `gateway check` refuses it.
    pub mistakes: Vec<Problem>,
    layers: Layers,
}

impl Settings {
    /// Whether the plant lives on while the gateway does not run: a real one, and a simulator that goes its own way. The
    /// demonstration's begins anew with the gateway, and a run in lock-step with the simulator's `start`, which says what
    /// was before it.
    #[must_use]
    pub const fn plant_lives_on(&self) -> bool {
        self.demo.is_none() && self.cosim.is_none()
    }

    /// Ratings and sources as the site file states them.
    #[must_use]
    pub fn site_plant(&self) -> SitePlant {
        SitePlant { plant: self.plant, sources: self.sources.clone() }
    }

    /// What is wrong with this machine: a model that is not there or damaged, a journal without a folder. A run would begin,
    /// and fall back. Reads the model.
    #[must_use]
    pub fn problems_here(&self) -> Vec<Problem> {
        mistakes::on_this_machine(self).into_iter().map(|problem| self.layers.locate(problem)).collect()
    }
}

/// Top-level tables that a configuration may have.
const TABLES: [&str; 15] = [
    "site",
    "plant",
    "control",
    "policy",
    "journal",
    "history",
    "demo",
    "cosim",
    "device",
    "mqtt",
    "operator",
    "signals",
    "web",
    "north",
    "grid_limit",
];

/// Reads and checks a configuration file and whatever it refers to (site file, device files). Paths in it are relative
/// to the file's own folder. `extra` is TOML text appended to the file (the demonstration's devices).
///
/// # Errors
/// Every problem found.
pub fn load(path: &Path, extra: &str, overrides: &[Override]) -> Result<Settings, Vec<Problem>> {
    let layers = Layers::read(path, extra, overrides)?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    Loader { layers, folder, problems: Vec::new(), warnings: Vec::new() }.load()
}

/// The device files beside one that is not there.
fn device_files(path: &Path) -> Vec<String> {
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    names
}

/// A device takes orders until they are `order_ttl_s` old. They have to outlive a cycle that is late: if they expire
/// between cycles the refresh of watchdogs pauses, and nobody notices that a set-point is not confirmed.
fn lifetime(key: &str, stated_s: f64, control: &ControlTimes) -> Option<Problem> {
    let cycle_s = control.wall_cycle().as_secs_f64();
    let message = || {
        let least_s = 2.0 * cycle_s;
        format!(
            "set-points would expire before the next cycle: expected at least two cycles, {least_s} s, found {stated_s}"
        )
    };
    (stated_s < 2.0 * cycle_s).then(|| Problem::new(format!("{key}.order_ttl_s"), message()))
}

/// Devices and broker of a configuration.
struct Found {
    devices: Vec<Device>,
    /// Key of each device's table.
    keys: Vec<String>,
    mqtt: Option<MqttSettings>,
    /// Forecasts that may be written to registers.
    told: ForecastSettings,
    /// Nothing is wrong with any of them: what is not there, nobody measures.
    complete: bool,
}

struct Loader {
    layers: Layers,
    folder: PathBuf,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Loader {
    fn load(mut self) -> Result<Settings, Vec<Problem>> {
        for key in self.layers.unknown(&TABLES) {
            let message = format!("unknown table; {}", words::instead(&key, TABLES));
            self.problems.push(Problem::new(key, message));
        }
        self.warnings.extend(self.layers.ignored());
        let mut image = ImageBuilder::default();
        let elsewhere = self.layers.holds("site", "plant_file");
        let site = control::site(&mut self);
        // Of a wrong [site] that names no plant's file, the plant is missing all the same.
        let file = site.as_ref().map(|site| site.plant_file.clone()).or_else(|| (!elsewhere).then_some(None));
        let plant = plant::believed(&mut self, site.as_ref(), file);
        let control = control::times(&mut self, site.as_ref().is_none_or(|site| site.simulated));
        let policy = control::policy(&mut self);
        let journal = control::journal(&mut self);
        let demo = control::demo(&mut self);
        let web = web::web(&mut self);
        let (north, iec104, opcua) = north::north(&mut self, site.as_ref().map(|site| site.name.as_str()));
        let history = history::history(&mut self, journal.path.as_deref(), demo.is_some());
        let mut found = self.found(&mut image, &control, north.forecasts.clone());
        self.problems.extend(speakers::beside(&north, found.mqtt.as_ref()));
        let lockstep = self.layers.has("cosim");
        let cosim = cosim::cosim(&mut self);
        if let Some(site) = site.as_ref().filter(|_| lockstep) {
            let (mqtt, demo) = (found.mqtt.as_ref(), demo.as_ref());
            let beside = Beside { simulated: site.simulated, mqtt, demo, devices: &found.devices };
            self.problems.extend(cosim::problems(&beside));
        }
        if let (Some(site), Some(villas)) = (&plant, cosim.as_ref().and_then(|cosim| cosim.villas.as_ref())) {
            self.problems.extend(units::frames(villas, site));
        }
        if let Some(site) = &plant {
            found.devices.iter_mut().for_each(|device| device.share(|tag| site.sources.share(tag)));
        }
        lines::check(&found, &mut self.problems, &mut self.warnings);
        // A demonstration gets its devices when it starts, a simulator in lock-step measures with every step.
        let later = (demo.is_some() || lockstep) && found.devices.is_empty();
        let (points, substitutes) = self.signals(&found, plant.as_ref(), later, lockstep, &mut image);
        let grid_limit = grid_limit::fail_safe(&mut self, &points, (later, lockstep));
        let mistakes = plant.as_ref().filter(|_| !later).map(|site| mistakes::of(&points, &found, site));
        self.finish()?;
        let (Some(site), Some(SitePlant { plant, sources })) = (site, plant) else { return Err(Vec::new()) };
        let locate = |problems: Vec<Problem>| problems.into_iter().map(|problem| self.layers.locate(problem)).collect();
        Ok(Settings {
            simulated: site.simulated,
            clock: site.clock,
            site: site.name,
            plant,
            sources,
            control,
            policy,
            journal,
            history,
            demo,
            cosim,
            devices: found.devices,
            mqtt: found.mqtt,
            web,
            north,
            iec104,
            opcua,
            points,
            substitutes,
            grid_limit,
            image,
            warnings: locate(self.warnings),
            mistakes: locate(mistakes.unwrap_or_default()),
            layers: self.layers,
        })
    }

    /// What is measured, made of others and optional.
    fn signals(
        &mut self,
        found: &Found,
        site: Option<&SitePlant>,
        later: bool,
        lockstep: bool,
        image: &mut ImageBuilder,
    ) -> (PointMap, Substitutes) {
        let declared = signals::declarations(self, lockstep);
        let before = self.problems.len();
        let mut points = points::map(found, image, &mut self.problems);
        // What is measured twice may have been meant for what nobody measures.
        let clear = found.complete && self.problems.len() == before;
        let unknown = later || !clear;
        formulas::add(&declared, found, unknown, &mut points, &mut self.problems);
        if !later {
            units::check(&points, found, site, clear, &mut self.problems);
        }
        let beside = signals::Beside { points: &points, plant: site.map(|site| &site.plant), unknown };
        let substitutes = signals::substitutes(&declared, &beside, &mut self.problems);
        (points, substitutes)
    }

    fn finish(&mut self) -> Result<(), Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(std::mem::take(&mut self.problems).into_iter().map(|problem| self.layers.locate(problem)).collect())
    }

    /// A table as `T`, all its unknown keys reported; `None` if it is absent or wrong.
    fn table<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.layers.take(key)?;
        read(key, value, &mut self.problems)
    }

    /// Devices and broker, as far as they are right.
    fn found(&mut self, image: &mut ImageBuilder, control: &ControlTimes, told: ForecastSettings) -> Found {
        let before = self.problems.len();
        let (devices, keys) = self.devices(image, control);
        let mqtt = self.mqtt();
        Found { devices, keys, mqtt, told, complete: self.problems.len() == before }
    }

    fn devices(&mut self, image: &mut ImageBuilder, control: &ControlTimes) -> (Vec<Device>, Vec<String>) {
        let list = match self.layers.take("device") {
            None => Vec::new(),
            Some(toml::Value::Array(list)) => list,
            Some(_) => {
                self.problems.push(Problem::new("device", "expected [[device]] tables"));
                Vec::new()
            }
        };
        let (mut devices, mut keys): (Vec<Device>, Vec<String>) = Default::default();
        let credentials = std::env::var(files::CREDENTIALS).ok();
        for (index, mut value) in list.into_iter().enumerate() {
            let key = format!("device[{index}]");
            files::put(&mut value, &self.folder, credentials.as_deref());
            let Some(raw) = read::<RawDevice>(&key, value, &mut self.problems) else { continue };
            if devices.iter().any(|known| *known.name == *raw.name) {
                self.problems.push(Problem::new(format!("{key}.name"), format!("{:?} is used twice", raw.name)));
            }
            if let Some(mut device) = self.device(&raw, &key, image) {
                match raw.order_ttl_s {
                    None => device.timing.order_ttl = device.timing.order_ttl.max(2 * control.wall_cycle()),
                    Some(stated_s) => self.problems.extend(lifetime(&key, stated_s, control)),
                }
                devices.push(device);
                keys.push(key);
            }
        }
        (devices, keys)
    }

    fn device(&mut self, raw: &RawDevice, key: &str, image: &mut ImageBuilder) -> Option<Device> {
        let path = self.folder.join("devices").join(&raw.file);
        let text = self.device_text(raw, key, &path)?;
        let file = match device::load(&text, &path.display().to_string()) {
            Ok(file) => file,
            Err(problems) => {
                self.problems.extend(problems);
                return None;
            }
        };
        Device::new(raw, &file, key, image).map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn device_text(&mut self, raw: &RawDevice, key: &str, path: &Path) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => {
                // The library is part of the binary; a file of the site goes before.
                let built_in = library::text(&raw.file);
                if built_in.is_none() {
                    let own = device_files(path);
                    let known = own.iter().map(String::as_str).chain(library::FILES.map(|(name, _)| name));
                    let known = words::instead(&raw.file, known);
                    let message = format!("cannot read {}: {error}; {known}", path.display());
                    self.problems.push(Problem::new(format!("{key}.file"), message));
                }
                built_in.map(ToOwned::to_owned)
            }
        }
    }

    fn mqtt(&mut self) -> Option<MqttSettings> {
        let environment = |name: &str| std::env::var(name).ok();
        let read = operators::operators(self.layers.take("operator"), &self.folder, &environment);
        self.problems.extend(read.problems);
        let mut table = self.layers.take("mqtt")?;
        files::put(&mut table, &self.folder, environment(files::CREDENTIALS).as_deref());
        let mqtt = validate_mqtt(table, &environment).map_err(|problems| self.problems.extend(problems)).ok()?;
        Some(MqttSettings { operators: read.operators, ..mqtt })
    }
}
