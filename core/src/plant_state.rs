//! All measurements of one cycle, frozen.
//!
//! Responsible for: the closed list of [`Signal`]s that control knows, and [`PlantState`], one measurement each.
//! It does not judge them: [`crate::situation`] decides whether they suffice to act.

use crate::measurement::Measurement;
use crate::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc, Watts};
use serde::{Deserialize, Serialize};

/// What a point of a device can mean to the controller. The names carry unit and sign: battery + = charging, grid + =
/// importing, everything else >= 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// PV power produced now, kW.
    PvKw,
    /// Wind power produced now, kW.
    WindKw,
    /// PV power that could be produced without curtailment, kW.
    PvAvailableKw,
    /// Wind power that could be produced without curtailment, kW.
    WindAvailableKw,
    /// Electric load, kW.
    ElectricLoadKw,
    /// Heat demand, kW thermal.
    HeatLoadKw,
    /// Battery state of charge, 0..1.
    Soc,
    /// Battery power, kW, + = charging.
    BatteryKw,
    /// CHP electric power, kW.
    ChpKw,
    /// CHP running, 0/1.
    ChpOn,
    /// Power at the connection, kW, + = importing.
    GridKw,
    /// Reactive power at the connection, kvar, + = importing.
    GridKvar,
    /// Voltage at the connection, pu.
    GridVoltagePu,
    /// Grid frequency, Hz.
    FrequencyHz,
    /// Import price, EUR/kWh.
    ImportPriceEurPerKwh,
    /// Export price, EUR/kWh.
    ExportPriceEurPerKwh,
    /// Battery accepts remote set-points, 0/1.
    BatteryRemote,
    /// CHP accepts remote set-points, 0/1.
    ChpRemote,
    /// CHP reports a fault, 0/1.
    ChpFault,
    /// Battery reports a fault, 0/1.
    BatteryFault,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 20] = [
        Self::PvKw,
        Self::WindKw,
        Self::PvAvailableKw,
        Self::WindAvailableKw,
        Self::ElectricLoadKw,
        Self::HeatLoadKw,
        Self::Soc,
        Self::BatteryKw,
        Self::ChpKw,
        Self::ChpOn,
        Self::GridKw,
        Self::GridKvar,
        Self::GridVoltagePu,
        Self::FrequencyHz,
        Self::ImportPriceEurPerKwh,
        Self::ExportPriceEurPerKwh,
        Self::BatteryRemote,
        Self::ChpRemote,
        Self::ChpFault,
        Self::BatteryFault,
    ];

    /// The name in configuration files, journals and messages; it carries the unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PvKw => "pv_kw",
            Self::WindKw => "wind_kw",
            Self::PvAvailableKw => "pv_available_kw",
            Self::WindAvailableKw => "wind_available_kw",
            Self::ElectricLoadKw => "electric_load_kw",
            Self::HeatLoadKw => "heat_load_kw",
            Self::Soc => "soc",
            Self::BatteryKw => "battery_kw",
            Self::ChpKw => "chp_kw",
            Self::ChpOn => "chp_on",
            Self::GridKw => "grid_kw",
            Self::GridKvar => "grid_kvar",
            Self::GridVoltagePu => "grid_voltage_pu",
            Self::FrequencyHz => "frequency_hz",
            Self::ImportPriceEurPerKwh => "import_price_eur_per_kwh",
            Self::ExportPriceEurPerKwh => "export_price_eur_per_kwh",
            Self::BatteryRemote => "battery_remote",
            Self::ChpRemote => "chp_remote",
            Self::ChpFault => "chp_fault",
            Self::BatteryFault => "battery_fault",
        }
    }

    /// The signal of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// Control cannot act without it (there is no neutral value that would be safe).
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::PvKw | Self::WindKw | Self::ElectricLoadKw | Self::HeatLoadKw | Self::Soc)
    }
}

/// One measurement per [`Signal`], frozen for a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlantState {
    /// PV power that could be produced now.
    pub pv: Measurement<Kilowatts>,
    /// Wind power that could be produced now.
    pub wind: Measurement<Kilowatts>,
    /// `pv` and `wind` are what could be produced. If not, they are what is produced, which a cap hides the rest of.
    pub available_is_measured: bool,
    /// Electric load.
    pub electric_load: Measurement<Kilowatts>,
    /// Heat demand.
    pub heat_load: Measurement<KilowattsThermal>,
    /// State of charge.
    pub soc: Measurement<Soc>,
    /// Battery power, + = charging.
    pub battery: Measurement<Kilowatts>,
    /// CHP electric power.
    pub chp: Measurement<Kilowatts>,
    /// CHP running.
    pub chp_on: Measurement<bool>,
    /// Power at the connection, + = importing.
    pub grid: Measurement<Kilowatts>,
    /// Reactive power at the connection (kvar), + = importing.
    pub grid_reactive: Measurement<Kilowatts>,
    /// Voltage at the connection.
    pub grid_voltage: Measurement<PerUnit>,
    /// Grid frequency.
    pub frequency: Measurement<Hertz>,
    /// Import price.
    pub import_price: Measurement<EurPerKwh>,
    /// Export price.
    pub export_price: Measurement<EurPerKwh>,
    /// Battery accepts remote set-points.
    pub battery_remote: Measurement<bool>,
    /// CHP accepts remote set-points.
    pub chp_remote: Measurement<bool>,
    /// CHP reports a fault.
    pub chp_fault: Measurement<bool>,
    /// Battery reports a fault.
    pub battery_fault: Measurement<bool>,
    /// Site's local time of day, hours in [0, 24).
    pub local_hour: f64,
}

impl PlantState {
    /// A state from one measurement per signal, as a process image holds them; [`Measurement::absent`] for a signal that
    /// nobody configures. Booleans are true from 0.5 upward. What is not finite is out of range.
    #[must_use]
    pub fn from_image(image: impl Fn(Signal) -> Measurement<f64>, local_hour: f64) -> Self {
        let image = |signal| image(signal).finite();
        let power = |signal| image(signal).map(Kilowatts::new);
        let flag = |signal| image(signal).map(|value| value >= 0.5);
        let reported = |signal| image(signal).usable().is_some();
        // A device that does not report its available power is judged by what it produces.
        let available = |ideal, now| {
            let ideal_is_better = reported(ideal) || image(now).is_absent();
            image(if ideal_is_better { ideal } else { now }).map(Kilowatts::new)
        };
        Self {
            pv: available(Signal::PvAvailableKw, Signal::PvKw),
            wind: available(Signal::WindAvailableKw, Signal::WindKw),
            available_is_measured: reported(Signal::PvAvailableKw) && reported(Signal::WindAvailableKw),
            electric_load: power(Signal::ElectricLoadKw),
            heat_load: image(Signal::HeatLoadKw).map(KilowattsThermal::new),
            soc: image(Signal::Soc).map(Soc::new),
            battery: power(Signal::BatteryKw),
            chp: power(Signal::ChpKw),
            chp_on: flag(Signal::ChpOn),
            grid: power(Signal::GridKw),
            grid_reactive: power(Signal::GridKvar),
            grid_voltage: image(Signal::GridVoltagePu).map(PerUnit::new),
            frequency: image(Signal::FrequencyHz).map(Hertz::new),
            import_price: image(Signal::ImportPriceEurPerKwh).map(EurPerKwh::new),
            export_price: image(Signal::ExportPriceEurPerKwh).map(EurPerKwh::new),
            battery_remote: flag(Signal::BatteryRemote),
            chp_remote: flag(Signal::ChpRemote),
            chp_fault: flag(Signal::ChpFault),
            battery_fault: flag(Signal::BatteryFault),
            local_hour,
        }
    }

    /// Power of the CHP and whether it runs, as measured; `None` if neither is known. A unit that only reports its power
    /// runs from its minimum power upward.
    #[must_use]
    pub fn observed_chp(&self, chp_min: Watts) -> Option<(Watts, bool)> {
        let power = self.chp.usable().map(Watts::nearest);
        let on = self.chp_on.usable().or_else(|| power.map(|power| power >= chp_min))?;
        Some((power.unwrap_or(if on { chp_min } else { Watts::ZERO }), on))
    }
}
