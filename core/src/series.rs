//! What is known of the past and of the hours ahead: one value a step and quantity, with its gaps.
//!
//! Responsible for the one shape that history, day-ahead prices and forecasts have ([`Series`]), and for the one way in
//! which policies look at them ([`Known`]), whether a gateway remembers or a profile holds the rows.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What a series holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// PV power that could be produced, kW.
    Pv,
    /// Wind power that could be produced, kW.
    Wind,
    /// Electric load, kW.
    ElectricLoad,
    /// Heat demand, kW thermal.
    HeatLoad,
    /// Import price, EUR/kWh.
    ImportPrice,
    /// Export price, EUR/kWh.
    ExportPrice,
}

impl Quantity {
    /// Every quantity.
    pub const ALL: [Self; 6] =
        [Self::Pv, Self::Wind, Self::ElectricLoad, Self::HeatLoad, Self::ImportPrice, Self::ExportPrice];

    /// The name in messages, journals and profiles; that of the signal, and it carries the unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv_kw",
            Self::Wind => "wind_kw",
            Self::ElectricLoad => "electric_load_kw",
            Self::HeatLoad => "heat_load_kw",
            Self::ImportPrice => "import_price_eur_per_kwh",
            Self::ExportPrice => "export_price_eur_per_kwh",
        }
    }

    /// What is physically possible, in the quantity's unit; what a plant allows is narrower, and its own business. A source
    /// or load may be metered with the sign of a small draw of its own.
    #[must_use]
    pub const fn possible(self) -> (f64, f64) {
        match self {
            Self::Pv | Self::Wind | Self::ElectricLoad => (-1e6, 1e6),
            Self::HeatLoad => (0.0, 1e6),
            Self::ImportPrice | Self::ExportPrice => (-100.0, 100.0),
        }
    }

    /// The quantity of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.name() == name)
    }
}

/// What a policy may know besides this step's measurements. Steps are the plant's.
pub trait Known: core::fmt::Debug {
    /// The value of the step that begins in `steps` steps (0 begins now) as somebody outside has said it: a published
    /// price, a forecast. `None` if nobody has.
    fn ahead(&self, quantity: Quantity, steps: usize) -> Option<f64>;

    /// The mean of the step that ended `steps - 1` steps ago (1 = the last finished one). `None` across a gap.
    fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64>;

    /// Local time at which the present step begins, minutes since 1970-01-01T00:00; `None` if nobody knows the date (the
    /// hour of the day is the situation's).
    fn minute(&self) -> Option<i64> {
        None
    }
}

/// Nothing is known but this step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nothing;

impl Known for Nothing {
    fn ahead(&self, _: Quantity, _: usize) -> Option<f64> {
        None
    }
    fn ago(&self, _: Quantity, _: usize) -> Option<f64> {
        None
    }
}

/// Mean import price of an hour ahead (0 begins now), EUR/kWh; `None` unless the whole hour is known.
#[must_use]
pub fn hourly_price(known: &dyn Known, hour: usize, steps_per_hour: usize) -> Option<f64> {
    let first = hour * steps_per_hour;
    let mut sum = 0.0;
    for step in first..first + steps_per_hour {
        sum += known.ahead(Quantity::ImportPrice, step)?;
    }
    Some(sum / f64::from(u32::try_from(steps_per_hour).ok()?))
}

/// The value at this time yesterday plus `hours` (0 to 23).
#[must_use]
pub fn yesterday(known: &dyn Known, quantity: Quantity, hours: usize, steps_per_hour: usize) -> Option<f64> {
    known.ago(quantity, 24_usize.checked_sub(hours)? * steps_per_hour)
}

/// One value a step and quantity; `None` where there is none. In JSON a list by name, `null` for a gap.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Series {
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pv_kw: VecDeque<Option<f64>>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    wind_kw: VecDeque<Option<f64>>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    electric_load_kw: VecDeque<Option<f64>>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    heat_load_kw: VecDeque<Option<f64>>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    import_price_eur_per_kwh: VecDeque<Option<f64>>,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    export_price_eur_per_kwh: VecDeque<Option<f64>>,
}

impl Series {
    /// The values of a quantity in the order of time.
    #[must_use]
    pub const fn column(&self, quantity: Quantity) -> &VecDeque<Option<f64>> {
        match quantity {
            Quantity::Pv => &self.pv_kw,
            Quantity::Wind => &self.wind_kw,
            Quantity::ElectricLoad => &self.electric_load_kw,
            Quantity::HeatLoad => &self.heat_load_kw,
            Quantity::ImportPrice => &self.import_price_eur_per_kwh,
            Quantity::ExportPrice => &self.export_price_eur_per_kwh,
        }
    }

    /// The same to change.
    pub const fn column_mut(&mut self, quantity: Quantity) -> &mut VecDeque<Option<f64>> {
        match quantity {
            Quantity::Pv => &mut self.pv_kw,
            Quantity::Wind => &mut self.wind_kw,
            Quantity::ElectricLoad => &mut self.electric_load_kw,
            Quantity::HeatLoad => &mut self.heat_load_kw,
            Quantity::ImportPrice => &mut self.import_price_eur_per_kwh,
            Quantity::ExportPrice => &mut self.export_price_eur_per_kwh,
        }
    }

    /// Number of steps that the longest column has.
    #[must_use]
    pub fn steps(&self) -> usize {
        Quantity::ALL.into_iter().map(|quantity| self.column(quantity).len()).max().unwrap_or(0)
    }

    /// There are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps() == 0
    }

    /// Drops what is not finite: a gap, whoever says it is a number.
    #[must_use]
    pub fn finite(mut self) -> Self {
        for quantity in Quantity::ALL {
            for value in self.column_mut(quantity) {
                *value = value.filter(|value| value.is_finite());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Prices([Option<f64>; 4]);
    impl Known for Prices {
        fn ahead(&self, quantity: Quantity, steps: usize) -> Option<f64> {
            (quantity == Quantity::ImportPrice).then(|| self.0.get(steps).copied().flatten()).flatten()
        }
        fn ago(&self, _: Quantity, _: usize) -> Option<f64> {
            None
        }
    }

    #[test]
    fn an_hour_has_a_price_only_if_all_of_it_is_known() {
        let known = Prices([Some(0.1), Some(0.3), Some(0.5), None]);
        assert_eq!(hourly_price(&known, 0, 2), Some(0.2));
        assert_eq!((hourly_price(&known, 1, 2), hourly_price(&known, 2, 2)), (None, None));
    }

    #[test]
    fn every_quantity_has_a_name_of_its_own() {
        for quantity in Quantity::ALL {
            assert_eq!(Quantity::from_name(quantity.name()), Some(quantity));
        }
    }
}
