//! What a signal's value can be at all, and what it can be at a plant as its parameters declare it.
//!
//! Simulators are held to it: what they say beyond it is refused by name. At a plant the same values come from meters, and
//! what is beyond what the plant declares is a fault that the cycle judges ([`crate::situation`]).

use super::{PlantState, Signal};
use crate::equipment::PlantParameters;
use crate::series::Quantity;
use crate::units::{Kilowatts, KilowattsThermal};
use core::fmt;

/// Sums of floats may leave a bound by this much: a simulated battery is full at 1.0000000000000002, too.
const ROUNDING: f64 = 1e-9;

/// An inverter draws a little at night, and gives more than its rating in cold sun. More than this is a wrong reading.
const SOURCE_PU: (f64, f64) = (-0.02, 1.2);

/// Lowest and highest value, in the signal's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Lowest.
    pub low: f64,
    /// Highest.
    pub high: f64,
    /// It is the plant that declares it, not physics.
    declared: bool,
}

impl Range {
    /// Of what is no plant's to declare.
    #[must_use]
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high, declared: false }
    }

    const fn declared(low: f64, high: f64) -> Self {
        Self { low, high, declared: true }
    }

    /// The value inside; what rounding added to a bound is taken away. `None` if it is outside or not a number.
    #[must_use]
    pub fn admit(self, value: f64) -> Option<f64> {
        // Not clamp: it panics where a bound is not a number.
        let near = value.max(self.low).min(self.high);
        ((value - near).abs() <= ROUNDING).then_some(near)
    }

    /// As [`Self::admit`].
    ///
    /// # Errors
    /// The range and what was found, in words.
    pub fn check(self, value: f64) -> Result<f64, String> {
        self.admit(value).ok_or_else(|| format!("expected {self}, found {value}"))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.low, self.high)?;
        if self.declared { f.write_str(" as the plant declares") } else { Ok(()) }
    }
}

impl Signal {
    /// A flag: 0 or 1.
    #[must_use]
    pub const fn is_flag(self) -> bool {
        matches!(self, Self::ChpOn | Self::BatteryRemote | Self::ChpRemote | Self::ChpFault | Self::BatteryFault)
    }

    /// What is physically possible, of any unit and any plant.
    #[must_use]
    pub const fn possible(self) -> Range {
        let (low, high) = match self {
            Self::Soc => (0.0, 1.0),
            Self::GridVoltagePu => (0.0, 3.0),
            Self::FrequencyHz => (10.0, 100.0),
            Self::ImportPriceEurPerKwh => Quantity::ImportPrice.possible(),
            Self::ExportPriceEurPerKwh => Quantity::ExportPrice.possible(),
            Self::ChpOn | Self::BatteryRemote | Self::ChpRemote | Self::ChpFault | Self::BatteryFault => (0.0, 1.0),
            Self::ChpKw | Self::GasKw | Self::ChpHeatKw | Self::BoilerHeatKw => (0.0, 1e6),
            Self::GridImportKwh | Self::GridExportKwh => (0.0, 1e12),
            Self::GridImportLimitKw | Self::GridExportLimitKw => (0.0, 1e6),
            Self::HeatLoadKw => Quantity::HeatLoad.possible(),
            Self::PvKw | Self::PvAvailableKw => Quantity::Pv.possible(),
            Self::WindKw | Self::WindAvailableKw => Quantity::Wind.possible(),
            Self::ElectricLoadKw => Quantity::ElectricLoad.possible(),
            Self::BatteryKw | Self::GridKw | Self::GridKvar => (-1e6, 1e6),
        };
        Range::new(low, high)
    }

    /// What a plant declares of the sum of that signal, and what is physically possible where it declares nothing.
    #[must_use]
    pub fn range(self, plant: &PlantParameters) -> Range {
        let x = &plant.exogenous;
        match self {
            Self::PvKw | Self::PvAvailableKw => source(x.pv_kw_nom),
            Self::WindKw | Self::WindAvailableKw => source(x.wind_kw_nom),
            Self::ElectricLoadKw => Range::declared(x.electric_load_kw_min, x.electric_load_kw_max),
            Self::HeatLoadKw => Range::declared(0.0, x.heat_load_kw_max),
            Self::Soc
            | Self::BatteryKw
            | Self::ChpKw
            | Self::ChpOn
            | Self::GridKw
            | Self::GridKvar
            | Self::GridVoltagePu
            | Self::FrequencyHz
            | Self::ImportPriceEurPerKwh
            | Self::ExportPriceEurPerKwh
            | Self::BatteryRemote
            | Self::ChpRemote
            | Self::ChpFault
            | Self::BatteryFault
            | Self::GasKw
            | Self::ChpHeatKw
            | Self::BoilerHeatKw
            | Self::GridImportKwh
            | Self::GridExportKwh
            | Self::GridImportLimitKw
            | Self::GridExportLimitKw => self.possible(),
        }
    }
}

impl PlantState {
    /// Holds the sums that a plant declares a range of to it. What is lost is nobody's business here.
    ///
    /// # Errors
    /// The first sum outside, by its signal, with the range and what was found.
    pub fn declared(&self, plant: &PlantParameters) -> Result<(), String> {
        let [pv, wind] = if self.available_is_measured {
            [Signal::PvAvailableKw, Signal::WindAvailableKw]
        } else {
            [Signal::PvKw, Signal::WindKw]
        };
        let sums = [
            (pv, self.pv.usable().map(Kilowatts::get)),
            (wind, self.wind.usable().map(Kilowatts::get)),
            (Signal::ElectricLoadKw, self.electric_load.usable().map(Kilowatts::get)),
            (Signal::HeatLoadKw, self.heat_load.usable().map(KilowattsThermal::get)),
        ];
        let known = sums.into_iter().filter_map(|(signal, value)| Some((signal, value?)));
        known.into_iter().try_for_each(|(signal, value)| {
            let fits = signal.range(plant).check(value).map(drop);
            fits.map_err(|words| format!("{}: {words}", self.named(signal)))
        })
    }
}

fn source(kw_nom: f64) -> Range {
    Range::declared(SOURCE_PU.0 * kw_nom, SOURCE_PU.1 * kw_nom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_adds_to_a_bound_is_taken_away_and_all_else_beyond_it_is_told() {
        let soc = Signal::Soc.possible();
        assert_eq!(
            (soc.admit(1.0 + f64::EPSILON), soc.admit(0.5), soc.admit(-1e-12)),
            (Some(1.0), Some(0.5), Some(0.0))
        );
        for (signal, value, words) in [
            (Signal::Soc, 1.4, "expected 0 to 1, found 1.4"),
            (Signal::Soc, f64::NAN, "found NaN"),
            (Signal::GridKw, f64::INFINITY, "found inf"),
            (Signal::ImportPriceEurPerKwh, 200.0, "expected -100 to 100, found 200"),
            (Signal::HeatLoadKw, 150.1, "expected 0 to 150 as the plant declares, found 150.1"),
            (Signal::ElectricLoadKw, 1e6, "as the plant declares, found 1000000"),
            (Signal::PvAvailableKw, -3.0, "as the plant declares, found -3"),
        ] {
            let refused = signal.range(&PlantParameters::reference()).check(value).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
