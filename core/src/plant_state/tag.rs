//! A signal of one unit, and its name.
//!
//! The one rule for names with a number: it stands behind the part that there may be several of, and the first has none:
//! `battery_kw`, `battery_2_kw`; `soc`, `soc_2`; `chp_on`, `chp_2_on`; `pv_available_kw`, `pv_3_available_kw`;
//! `electric_load_kw`, `electric_load_2_kw`. What a connection has one of (grid, frequency, prices) takes no number.

use super::{Signal, UnitNumber};
use crate::equipment::UNITS_MAX;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// PV, wind and meters are only summed: their number is bounded so that names are.
const SUMMED_MAX: u16 = 999;

/// A [`Signal`] and the number of the unit that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    signal: Signal,
    unit: UnitNumber,
}

impl Tag {
    /// Of the first unit, or the only one.
    #[must_use]
    pub const fn first(signal: Signal) -> Self {
        Self { signal, unit: UnitNumber::FIRST }
    }

    /// Of the unit of that number, from 1; `None` if there cannot be one: batteries and CHPs are up to [`UNITS_MAX`], and of
    /// grid, frequency and prices there is one.
    #[must_use]
    pub fn new(signal: Signal, number: u16) -> Option<Self> {
        UnitNumber::new(number, signal.numbers_max()).map(|unit| Self { signal, unit })
    }

    /// What is measured.
    #[must_use]
    pub const fn signal(self) -> Signal {
        self.signal
    }

    /// Which of the units.
    #[must_use]
    pub const fn unit(self) -> UnitNumber {
        self.unit
    }

    /// The signal of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Signal::ALL.into_iter().find_map(|signal| {
            let (part, rest) = signal.parts();
            Self::new(signal, number(name.strip_prefix(part)?.strip_suffix(rest)?)?)
        })
    }
}

/// The number in the middle of a name: nothing for the first, `_2` and so on for the others.
fn number(middle: &str) -> Option<u16> {
    if middle.is_empty() {
        return Some(1);
    }
    let number: u16 = middle.strip_prefix('_')?.parse().ok()?;
    // One name each: no `_1`, no `_02`, no `_+2`.
    (number >= 2 && middle == format!("_{number}")).then_some(number)
}

impl Signal {
    /// The part that there may be several of, and what comes behind its number.
    fn parts(self) -> (&'static str, &'static str) {
        let name = self.name();
        let part = ["battery", "chp", "pv", "wind", "electric_load", "heat_load", "soc", "gas", "boiler"]
            .into_iter()
            .find(|part| self.numbers_max() > 1 && name.starts_with(part));
        part.and_then(|part| Some((part, name.strip_prefix(part)?))).unwrap_or((name, ""))
    }

    /// How many of them a plant may have.
    #[must_use]
    pub fn numbers_max(self) -> u16 {
        match self {
            Self::Soc
            | Self::BatteryKw
            | Self::BatteryRemote
            | Self::BatteryFault
            | Self::ChpKw
            | Self::ChpOn
            | Self::ChpRemote
            | Self::ChpFault
            | Self::ChpHeatKw => u16::try_from(UNITS_MAX).unwrap_or(1),
            Self::PvKw
            | Self::WindKw
            | Self::PvAvailableKw
            | Self::WindAvailableKw
            | Self::ElectricLoadKw
            | Self::HeatLoadKw
            | Self::GasKw
            | Self::BoilerHeatKw => SUMMED_MAX,
            Self::GridKw
            | Self::GridKvar
            | Self::GridVoltagePu
            | Self::FrequencyHz
            | Self::ImportPriceEurPerKwh
            | Self::ExportPriceEurPerKwh
            | Self::GridImportKwh
            | Self::GridExportKwh
            | Self::GridImportLimitKw
            | Self::GridExportLimitKw => 1,
        }
    }

    /// It belongs to a battery of the plant.
    #[must_use]
    pub const fn is_of_battery(self) -> bool {
        matches!(self, Self::Soc | Self::BatteryKw | Self::BatteryRemote | Self::BatteryFault)
    }

    /// It belongs to a CHP of the plant.
    #[must_use]
    pub const fn is_of_chp(self) -> bool {
        matches!(self, Self::ChpKw | Self::ChpOn | Self::ChpRemote | Self::ChpFault | Self::ChpHeatKw)
    }
}

impl From<Signal> for Tag {
    fn from(signal: Signal) -> Self {
        Self::first(signal)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, rest) = self.signal.parts();
        f.pad(&self.unit.name(part, rest))
    }
}

/// As its name, which keys of JSON objects can be, too.
impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| de::Error::custom(format!("{name:?} is no signal")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_behind_the_part_and_the_first_has_none() {
        for (name, signal, number) in [
            ("battery_kw", Signal::BatteryKw, 1),
            ("battery_2_kw", Signal::BatteryKw, 2),
            ("soc", Signal::Soc, 1),
            ("soc_4", Signal::Soc, 4),
            ("chp_2_on", Signal::ChpOn, 2),
            ("pv_12_available_kw", Signal::PvAvailableKw, 12),
            ("pv_available_kw", Signal::PvAvailableKw, 1),
            ("electric_load_3_kw", Signal::ElectricLoadKw, 3),
            ("grid_kw", Signal::GridKw, 1),
            ("chp_2_heat_kw", Signal::ChpHeatKw, 2),
            ("gas_2_kw", Signal::GasKw, 2),
            ("boiler_heat_kw", Signal::BoilerHeatKw, 1),
        ] {
            let tag = Tag::new(signal, number).unwrap();
            assert_eq!((tag.to_string().as_str(), Tag::from_name(name)), (name, Some(tag)));
        }
    }

    #[test]
    fn every_signal_has_one_name_and_what_is_none_is_refused() {
        for tag in Signal::ALL.into_iter().flat_map(|signal| [1, 2, 4, 999].map(|number| Tag::new(signal, number))) {
            assert!(tag.is_none_or(|tag| Tag::from_name(&tag.to_string()) == Some(tag)), "{tag:?}");
        }
        let none =
            ["battery_5_kw", "battery_1_kw", "battery_02_kw", "battery_kw_2", "grid_2_kw", "soc_", "soc_+2", "pv_0_kw"];
        for name in none {
            assert_eq!(Tag::from_name(name), None, "{name}");
        }
    }
}
