//! The smallest plant that a gateway can control: a meter with everything that is measured, a battery that takes
//! set-points. Both are [`VirtualDevice`]s, so that every register and every write can be seen.
//!
//! The policy asks for nothing, and the site declares a frequency droop: the battery's set-point follows the frequency at
//! the meter, through the safety filter, and every frequency has one right answer.

use crate::gateway::Gateway;
use crate::virtual_device::VirtualDevice;
use memg_core::constraint::droop_power;
use memg_core::equipment::PlantParameters;
use memg_core::units::Hertz;
use std::fmt::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;

/// Register of the battery's set-point, 0.01 kW, + = charging.
pub const SETPOINT: u16 = 10;
/// Register of the frequency, 0.01 Hz.
const FREQUENCY: u16 = 5;
const DROOP: &str = "droop_pu = 0.04";

const METER: &str = r#"
[device]
maker = "Bare"
model = "meter"
address_base = 0
poll_s = 0.1
"#;

/// Name, signal, scale, unit, range in that unit; the address is the position.
const MEASURED: [(&str, &str, f64, &str, &str); 6] = [
    ("load", "electric_load_kw", 0.1, "kW", "[0, 100]"),
    ("pv", "pv_kw", 0.1, "kW", "[0, 100]"),
    ("wind", "wind_kw", 0.1, "kW", "[0, 100]"),
    ("heat", "heat_load_kw", 0.1, "kW", "[0, 150]"),
    ("soc", "soc", 0.1, "%", "[0, 100]"),
    ("frequency", "frequency_hz", 0.01, "Hz", "[45, 55]"),
];

const BATTERY: &str = r#"
[device]
maker = "Bare"
model = "battery"
address_base = 0
poll_s = 0.1

[[point]]
name = "setpoint"
table = "holding"
address = 10
type = "i16"
scale = 0.01
unit = "kW"
[point.write]
output = "battery_setpoint_kw"
range = [-50, 50]
tolerance = 0.01
watchdog_s = 60
"#;

/// The plant, and the folder with the configuration of its gateway.
#[derive(Debug)]
pub struct BarePlant {
    /// Measures.
    pub meter: VirtualDevice,
    /// Obeys.
    pub battery: VirtualDevice,
    folder: TempDir,
}

impl BarePlant {
    /// At rest: 40 kW of load, nothing else, battery half full. `control` is text for the `[control]` table, `more` for
    /// the end of the configuration.
    ///
    /// # Panics
    /// If no port or folder can be had.
    pub async fn start(control: &str, more: &str) -> Self {
        let (meter, battery) = (VirtualDevice::start().await, VirtualDevice::start().await);
        meter.set(0, &[400, 0, 0, 200, 500, 5000]);
        battery.set(SETPOINT, &[0]);
        let plant = Self { meter, battery, folder: tempfile::tempdir().expect("a folder") };
        plant.configure(control, more);
        plant
    }

    /// A file in the plant's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, control: &str, more: &str) {
        std::fs::create_dir(self.path("devices")).expect("a folder");
        let mut meter = METER.to_owned();
        for (address, (name, signal, scale, unit, range)) in MEASURED.iter().enumerate() {
            let _ = write!(
                meter,
                "[[point]]\nname = \"{name}\"\ntable = \"holding\"\naddress = {address}\ntype = \"u16\"\nscale = {scale}\n\
                 unit = \"{unit}\"\nrange = {range}\nsignal = \"{signal}\"\n"
            );
        }
        let write = |name: &str, text: &str| std::fs::write(self.path(name), text).expect("a file");
        write("devices/meter.toml", &meter);
        write("devices/battery.toml", BATTERY);
        let site = include_str!("../../config/sites/site-a.toml");
        write("site.toml", &site.replace(&format!("# {DROOP}"), DROOP));
        write("gateway.toml", &self.text(control, more));
    }

    fn text(&self, control: &str, more: &str) -> String {
        let (meter, battery) = (self.meter.address, self.battery.address);
        format!(
            r#"
[site]
name = "bare"
time_zone = "+00:00"
plant_file = "site.toml"
simulated = true

[control]
{control}

[policy]
decide_with = "idle"

[[device]]
name = "meter"
file = "meter.toml"
transport = {{ tcp = "{meter}" }}
unit_id = 1

[[device]]
name = "battery"
file = "battery.toml"
transport = {{ tcp = "{battery}" }}
unit_id = 1
write = [{{ point = "setpoint", range = [-50, 50] }}]
{more}"#
        )
    }

    /// Starts a gateway here, with a journal.
    #[must_use]
    pub fn gateway(&self, more: &[&str]) -> Gateway {
        let journal = self.path("journal").display().to_string();
        let arguments: Vec<&str> = ["--journal", &journal].into_iter().chain(more.iter().copied()).collect();
        Gateway::run(&self.path("gateway.toml"), &arguments, &[("RUST_LOG", "warn")])
    }

    /// Changes the frequency, 0.01 Hz.
    pub fn frequency(&self, centihertz: u16) {
        self.meter.set(FREQUENCY, &[centihertz]);
    }

    /// What the set-point register holds when the gateway has followed this frequency, 0.01 Hz.
    ///
    /// # Panics
    /// If the reference plant is not one.
    #[must_use]
    pub fn following(centihertz: u16) -> u16 {
        let mut parameters = PlantParameters::reference();
        parameters.frequency.droop_pu = Some(0.04);
        let plant = parameters.validate().expect("the reference plant with a droop");
        let watts = droop_power(&plant, Hertz::new(f64::from(centihertz) / 100.0)).get();
        u16::from_ne_bytes(i16::try_from(watts / 10).expect("less than 327 kW").to_ne_bytes())
    }

    /// The battery's set-point register.
    #[must_use]
    pub fn setpoint(&self) -> u16 {
        self.battery.get(SETPOINT)
    }
}
