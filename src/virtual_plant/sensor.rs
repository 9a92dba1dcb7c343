//! What the devices' sensors see of the plant: true values plus measurement noise.

use super::noise::Noise;
use super::physics::Physics;
use memg_core::plant_state::{Signal, Tag};

/// New noise this often, ms of plant time: faster than any device is polled.
const SAMPLE_MS: i64 = 100;
/// Battery power that still counts as standby, kW.
const STANDBY_KW: f64 = 0.05;

/// Sensors of a plant at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Sensors<'a> {
    /// What they look at.
    pub physics: &'a Physics,
    /// Where noise comes from.
    pub noise: Noise,
    /// 0: exact, 1: the usual deviations of such meters.
    pub level: f64,
}

impl Sensors<'_> {
    /// A signal as measured; `None` for those that only the device itself knows (remote, fault), and for units that are
    /// not there.
    #[must_use]
    pub fn signal(&self, tag: Tag) -> Option<f64> {
        let value = self.truth(tag)?;
        let (deviation, low, high) = accuracy(tag.signal());
        if self.level == 0.0 || deviation == 0.0 {
            return Some(value);
        }
        let channel = Signal::ALL.iter().position(|known| *known == tag.signal())? + 100 * tag.unit().index();
        let error =
            deviation * self.level * self.noise.normal(1000 + channel as u64, self.physics.time_ms() / SAMPLE_MS);
        Some((value + error).clamp(low, high))
    }

    fn truth(&self, tag: Tag) -> Option<f64> {
        let (f, index) = (self.physics.flows(), tag.unit().index());
        let (battery, chp) = (self.physics.batteries().get(index), self.physics.chps().get(index));
        let (pv, wind) = (self.physics.pv().get(index), self.physics.wind().get(index));
        let rating = self.physics.plant().chps().get(index).map(|unit| unit.parameters);
        match tag.signal() {
            Signal::PvKw => pv.map(|pv| pv.power_kw),
            Signal::WindKw => wind.map(|wind| wind.power_kw),
            Signal::PvAvailableKw => pv.map(|pv| pv.available_kw),
            Signal::WindAvailableKw => wind.map(|wind| wind.available_kw),
            Signal::ElectricLoadKw => Some(f.electric_load_kw),
            Signal::HeatLoadKw => Some(f.heat_load_kw),
            Signal::Soc => battery.map(|battery| battery.soc),
            Signal::BatteryKw => battery.map(|battery| battery.power_kw),
            Signal::ChpKw => chp.map(|chp| chp.power_kw),
            Signal::ChpOn => chp.map(|chp| f64::from(u8::from(chp.is_on()))),
            Signal::GridKw => Some(f.grid_kw),
            Signal::GridKvar => Some(f.grid_kvar),
            Signal::GridVoltagePu => Some(f.voltage_pu),
            Signal::FrequencyHz => Some(f.frequency_hz),
            Signal::ImportPriceEurPerKwh => Some(f.import_price),
            Signal::ExportPriceEurPerKwh => Some(f.export_price),
            Signal::GasKw => Some(f.gas_kw),
            Signal::ChpHeatKw => chp.zip(rating).map(|(chp, rating)| chp.power_kw * rating.heat_per_power),
            Signal::BoilerHeatKw => Some(f.boiler_kw),
            Signal::GridImportKwh => Some(self.physics.totals().import_kwh),
            Signal::GridExportKwh => Some(self.physics.totals().export_kwh),
            Signal::BatteryRemote
            | Signal::ChpRemote
            | Signal::ChpFault
            | Signal::BatteryFault
            | Signal::GridImportLimitKw
            | Signal::GridExportLimitKw => None,
        }
    }

    /// Gas that a CHP burns.
    fn gas(&self, index: usize) -> Option<f64> {
        let (chp, rating) = (self.physics.chps().get(index)?, self.physics.plant().chps().get(index)?.parameters);
        Some(chp.power_kw / rating.efficiency_electric)
    }

    /// Values that are no signals, by the names of points in the device files. `of` is a signal of the same device, which
    /// tells whose energy is meant.
    #[must_use]
    pub fn telemetry(&self, name: &str, of: Option<Tag>) -> Option<f64> {
        let (f, t, index) = (self.physics.flows(), self.physics.totals(), of.map_or(0, |tag| tag.unit().index()));
        let (battery, chp) = (self.physics.batteries().get(index), self.physics.chps().get(index));
        let rating = self.physics.plant().chps().get(index).map(|unit| unit.parameters);
        match (name, of.map(Tag::signal)) {
            ("charged_energy", _) => battery.map(|battery| battery.charged_kwh),
            ("discharged_energy", _) => battery.map(|battery| battery.discharged_kwh),
            ("import_energy", _) => Some(t.import_kwh),
            ("export_energy", _) => Some(t.export_kwh),
            ("energy", Some(Signal::PvKw)) => self.physics.pv().get(index).map(|pv| pv.energy_kwh),
            ("energy", Some(Signal::WindKw)) => self.physics.wind().get(index).map(|wind| wind.energy_kwh),
            ("energy", Some(Signal::ElectricLoadKw)) => Some(t.load_kwh),
            ("starts", _) => chp.map(|chp| f64::from(chp.starts)),
            // Durations are in seconds inside.
            ("running_time", _) => chp.map(|chp| chp.running_h * 3600.0),
            ("gas_power", _) => self.gas(index),
            ("heat", _) => chp.zip(rating).map(|(chp, rating)| chp.power_kw * rating.heat_per_power),
            ("chp_heat", _) => Some(f.chp_heat_kw),
            ("boiler_heat", _) => Some(f.boiler_kw),
            _ => None,
        }
    }

    /// Name of the state of the device that measures `of`.
    #[must_use]
    pub fn state(&self, of: Option<Tag>) -> Option<&'static str> {
        let index = of.map_or(0, |tag| tag.unit().index());
        let power = self.physics.batteries().get(index).map_or(0.0, |battery| battery.power_kw);
        match of.map(Tag::signal) {
            Some(Signal::ChpKw | Signal::ChpOn) => self.physics.chps().get(index).map(|chp| chp.phase.name()),
            Some(Signal::Soc | Signal::BatteryKw) if power > STANDBY_KW => Some("charging"),
            Some(Signal::Soc | Signal::BatteryKw) if power < -STANDBY_KW => Some("discharging"),
            Some(Signal::Soc | Signal::BatteryKw) => Some("standby"),
            _ => None,
        }
    }
}

/// Standard deviation, smallest and largest value a meter shows.
const fn accuracy(signal: Signal) -> (f64, f64, f64) {
    match signal {
        Signal::PvKw
        | Signal::WindKw
        | Signal::PvAvailableKw
        | Signal::WindAvailableKw
        | Signal::ElectricLoadKw
        | Signal::HeatLoadKw => (0.1, 0.0, f64::INFINITY),
        Signal::BatteryKw | Signal::GridKw | Signal::GridKvar => (0.1, f64::NEG_INFINITY, f64::INFINITY),
        Signal::Soc => (0.001, 0.0, 1.0),
        Signal::GridVoltagePu => (0.0005, 0.0, f64::INFINITY),
        Signal::FrequencyHz => (0.002, 0.0, f64::INFINITY),
        // A stopped generator shows exactly nothing, and flags and prices have no noise.
        Signal::ChpKw
        | Signal::ChpOn
        | Signal::ImportPriceEurPerKwh
        | Signal::ExportPriceEurPerKwh
        | Signal::BatteryRemote
        | Signal::ChpRemote
        | Signal::ChpFault
        | Signal::BatteryFault
        | Signal::GasKw
        | Signal::ChpHeatKw
        | Signal::BoilerHeatKw
        | Signal::GridImportKwh
        | Signal::GridExportKwh
        | Signal::GridImportLimitKw
        | Signal::GridExportLimitKw => (0.0, f64::NEG_INFINITY, f64::INFINITY),
    }
}
