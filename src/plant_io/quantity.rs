//! The units a device's value may come in, and how they convert to the project's.
//!
//! Responsible for: a closed list of unit names, and the factor from such a unit to the unit of a
//! [`memg_core::plant_state::Signal`] or [`super::Output`]. It knows no registers and no topics.

use super::Output;
use super::problem::words;
use memg_core::plant_state::Signal;

/// What a unit measures. Only units of one dimension convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// kW, electric or thermal.
    Power,
    /// kvar.
    ReactivePower,
    /// kVA.
    ApparentPower,
    /// kWh.
    Energy,
    /// A plain number, 1.
    Ratio,
    /// Hz.
    Frequency,
    /// V.
    Voltage,
    /// A.
    Current,
    /// EUR/kWh.
    Price,
    /// Degrees Celsius.
    Temperature,
    /// s.
    Time,
    /// bar.
    Pressure,
}

impl Dimension {
    /// Name of the project's unit of this dimension.
    #[must_use]
    pub const fn unit_name(self) -> &'static str {
        match self {
            Self::Power => "kW",
            Self::ReactivePower => "kvar",
            Self::ApparentPower => "kVA",
            Self::Energy => "kWh",
            Self::Ratio => "1",
            Self::Frequency => "Hz",
            Self::Voltage => "V",
            Self::Current => "A",
            Self::Price => "EUR/kWh",
            Self::Temperature => "degC",
            Self::Time => "s",
            Self::Pressure => "bar",
        }
    }
}

/// Unit name, dimension, factor to the project's unit of that dimension.
const UNITS: [(&str, Dimension, f64); 33] = [
    ("W", Dimension::Power, 1e-3),
    ("kW", Dimension::Power, 1.0),
    ("MW", Dimension::Power, 1e3),
    ("var", Dimension::ReactivePower, 1e-3),
    ("kvar", Dimension::ReactivePower, 1.0),
    ("Mvar", Dimension::ReactivePower, 1e3),
    ("VA", Dimension::ApparentPower, 1e-3),
    ("kVA", Dimension::ApparentPower, 1.0),
    ("Wh", Dimension::Energy, 1e-3),
    ("kWh", Dimension::Energy, 1.0),
    ("MWh", Dimension::Energy, 1e3),
    ("1", Dimension::Ratio, 1.0),
    ("%", Dimension::Ratio, 1e-2),
    ("pu", Dimension::Ratio, 1.0),
    ("0/1", Dimension::Ratio, 1.0),
    ("Hz", Dimension::Frequency, 1.0),
    ("mHz", Dimension::Frequency, 1e-3),
    ("V", Dimension::Voltage, 1.0),
    ("mV", Dimension::Voltage, 1e-3),
    ("kV", Dimension::Voltage, 1e3),
    ("A", Dimension::Current, 1.0),
    ("mA", Dimension::Current, 1e-3),
    ("EUR/kWh", Dimension::Price, 1.0),
    ("EUR/MWh", Dimension::Price, 1e-3),
    ("ct/kWh", Dimension::Price, 1e-2),
    ("degC", Dimension::Temperature, 1.0),
    ("ms", Dimension::Time, 1e-3),
    ("s", Dimension::Time, 1.0),
    ("min", Dimension::Time, 60.0),
    ("h", Dimension::Time, 3600.0),
    ("d", Dimension::Time, 86_400.0),
    ("mbar", Dimension::Pressure, 1e-3),
    ("bar", Dimension::Pressure, 1.0),
];

/// Dimension of a unit and its factor to the project's unit of that dimension (kW, kvar, kVA, kWh, 1, Hz, V, A, EUR/kWh,
/// degC, s, bar); `None` for a name that is not in the list.
#[must_use]
pub fn unit(name: &str) -> Option<(Dimension, f64)> {
    UNITS.iter().find(|(known, _, _)| *known == name).map(|(_, dimension, factor)| (*dimension, *factor))
}

/// An unknown unit, with what there is.
#[must_use]
pub fn unknown_unit(name: &str) -> String {
    words::unknown(name, UNITS.map(|(name, _, _)| name))
}

/// Why a unit is not taken where another dimension is measured, and how it converts where it does.
#[must_use]
pub fn mismatch(name: &str, found: Dimension, wanted: Dimension) -> String {
    let hint = match (found, wanted) {
        (Dimension::Voltage, Dimension::Ratio) => {
            "state unit = \"pu\" and scale = 1/nominal (for V at 230 V: scale = 0.00434783)".to_owned()
        }
        (Dimension::Energy, Dimension::Ratio) => {
            "state unit = \"1\" and scale = 1/capacity (for kWh of 50 kWh: scale = 0.02)".to_owned()
        }
        (Dimension::Power | Dimension::ApparentPower | Dimension::ReactivePower, Dimension::Ratio) => {
            "state unit = \"1\" and scale = 1/rating".to_owned()
        }
        (Dimension::Ratio, Dimension::Power) => {
            "state unit = \"kW\" and scale = rating in kW (for % of 50 kW: scale = 0.5)".to_owned()
        }
        (Dimension::Energy, Dimension::Power) => {
            "a counter of energy is no power: take the register of the power".to_owned()
        }
        _ => format!("expected one of {}", names_of(wanted)),
    };
    format!("{name:?} does not convert to {}: {hint}", wanted.unit_name())
}

fn names_of(dimension: Dimension) -> String {
    let of = UNITS.iter().filter(|(_, known, _)| *known == dimension).map(|(name, _, _)| *name);
    of.collect::<Vec<_>>().join(", ")
}

/// What a signal measures; its unit is the project's unit of that dimension.
#[must_use]
pub const fn signal_dimension(signal: Signal) -> Dimension {
    match signal {
        Signal::PvKw
        | Signal::WindKw
        | Signal::PvAvailableKw
        | Signal::WindAvailableKw
        | Signal::ElectricLoadKw
        | Signal::HeatLoadKw
        | Signal::BatteryKw
        | Signal::ChpKw
        | Signal::GridKw
        | Signal::GasKw
        | Signal::ChpHeatKw
        | Signal::BoilerHeatKw
        | Signal::GridImportLimitKw
        | Signal::GridExportLimitKw => Dimension::Power,
        Signal::GridImportKwh | Signal::GridExportKwh => Dimension::Energy,
        Signal::GridKvar => Dimension::ReactivePower,
        Signal::FrequencyHz => Dimension::Frequency,
        Signal::ImportPriceEurPerKwh | Signal::ExportPriceEurPerKwh => Dimension::Price,
        Signal::Soc
        | Signal::ChpOn
        | Signal::GridVoltagePu
        | Signal::BatteryRemote
        | Signal::ChpRemote
        | Signal::ChpFault
        | Signal::BatteryFault => Dimension::Ratio,
    }
}

/// What an output is measured in.
#[must_use]
pub const fn output_dimension(output: Output) -> Dimension {
    match output {
        Output::BatterySetpointKw | Output::ChpSetpointKw | Output::PvLimitKw | Output::WindLimitKw => Dimension::Power,
        Output::ChpRun | Output::Heartbeat => Dimension::Ratio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watts_become_kilowatts_and_per_cent_become_shares() {
        assert_eq!(unit("W"), Some((Dimension::Power, 1e-3)));
        assert_eq!(unit("%"), Some((Dimension::Ratio, 1e-2)));
        assert_eq!(unit("furlong"), None);
    }
}
