//! What the devices' sensors see of the plant: true values plus measurement noise.

use super::noise::Noise;
use super::physics::Physics;
use memg_core::plant_state::Signal;

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
    /// A signal as measured; `None` for those that only the device itself knows (remote, fault).
    #[must_use]
    pub fn signal(&self, signal: Signal) -> Option<f64> {
        let value = self.truth(signal)?;
        let (deviation, low, high) = accuracy(signal);
        if self.level == 0.0 || deviation == 0.0 {
            return Some(value);
        }
        let channel = Signal::ALL.iter().position(|known| *known == signal)? as u64;
        let error = deviation * self.level * self.noise.normal(1000 + channel, self.physics.time_ms() / SAMPLE_MS);
        Some((value + error).clamp(low, high))
    }

    fn truth(&self, signal: Signal) -> Option<f64> {
        let f = self.physics.flows();
        Some(match signal {
            Signal::PvKw => f.pv_kw,
            Signal::WindKw => f.wind_kw,
            Signal::PvAvailableKw => f.pv_available_kw,
            Signal::WindAvailableKw => f.wind_available_kw,
            Signal::ElectricLoadKw => f.electric_load_kw,
            Signal::HeatLoadKw => f.heat_load_kw,
            Signal::Soc => self.physics.soc(),
            Signal::BatteryKw => f.battery_kw,
            Signal::ChpKw => f.chp_kw,
            Signal::ChpOn => f64::from(u8::from(self.physics.chp().is_on())),
            Signal::GridKw => f.grid_kw,
            Signal::GridKvar => f.grid_kvar,
            Signal::GridVoltagePu => f.voltage_pu,
            Signal::FrequencyHz => f.frequency_hz,
            Signal::ImportPriceEurPerKwh => f.import_price,
            Signal::ExportPriceEurPerKwh => f.export_price,
            Signal::BatteryRemote | Signal::ChpRemote | Signal::ChpFault | Signal::BatteryFault => return None,
        })
    }

    /// Values that are no signals, by the names of points in the device files. `of` is a signal of the same device, which
    /// tells whose energy is meant.
    #[must_use]
    pub fn telemetry(&self, name: &str, of: Option<Signal>) -> Option<f64> {
        let (f, t, chp) = (self.physics.flows(), self.physics.totals(), self.physics.chp());
        Some(match (name, of) {
            ("charged_energy", _) => t.charged_kwh,
            ("discharged_energy", _) => t.discharged_kwh,
            ("import_energy", _) => t.import_kwh,
            ("export_energy", _) => t.export_kwh,
            ("energy", Some(Signal::PvKw)) => t.pv_kwh,
            ("energy", Some(Signal::WindKw)) => t.wind_kwh,
            ("energy", Some(Signal::ElectricLoadKw)) => t.load_kwh,
            ("starts", _) => f64::from(chp.starts),
            // Durations are in seconds inside.
            ("running_time", _) => chp.running_h * 3600.0,
            ("gas_power", _) => chp.power_kw / self.physics.plant().chp().efficiency_electric,
            ("heat" | "chp_heat", _) => f.chp_heat_kw,
            ("boiler_heat", _) => f.boiler_kw,
            _ => return None,
        })
    }

    /// Name of the state of the device that measures `of`.
    #[must_use]
    pub fn state(&self, of: Option<Signal>) -> Option<&'static str> {
        let power = self.physics.flows().battery_kw;
        match of {
            Some(Signal::ChpKw | Signal::ChpOn) => Some(self.physics.chp().phase.name()),
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
        | Signal::BatteryFault => (0.0, f64::NEG_INFINITY, f64::INFINITY),
    }
}
