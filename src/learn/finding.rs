//! What is asked of journals, and what becomes of it.

use super::fit::Identified;
use memg_core::equipment::{Learned, PlantParameters};
use serde::{Deserialize, Serialize};

/// A number of the plant that journals may identify. Names are those of site files where there is such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Parameter {
    /// Fraction of charged energy that is stored.
    #[serde(rename = "battery.efficiency_store")]
    EfficiencyStore,
    /// Fraction of withdrawn energy that is delivered.
    #[serde(rename = "battery.efficiency_dispatch")]
    EfficiencyDispatch,
    /// Product of both, whatever the capacity is.
    #[serde(rename = "battery.round_trip")]
    RoundTrip,
    /// State of charge that a battery loses by itself, 1/day.
    #[serde(rename = "battery.self_discharge_per_day")]
    SelfDischarge,
    /// Usable energy between SoC 0 and 1, kWh.
    #[serde(rename = "battery.capacity_kwh")]
    Capacity,
    /// How long the battery takes to do as it is told, s.
    #[serde(rename = "battery.response_s")]
    BatteryResponse,
    /// Electric output per fuel input.
    #[serde(rename = "chp.efficiency_electric")]
    ChpEfficiency,
    /// Fuel of a running CHP that no power comes of, kW.
    #[serde(rename = "chp.no_load_fuel_kw")]
    NoLoadFuel,
    /// Heat per electric output.
    #[serde(rename = "chp.heat_per_power")]
    HeatPerPower,
    /// How long a running CHP takes to do as it is told, s.
    #[serde(rename = "chp.response_s")]
    ChpResponse,
    /// Cost of a start, EUR.
    #[serde(rename = "chp.start_cost_eur")]
    StartCost,
    /// Heat per fuel input of the boiler.
    #[serde(rename = "boiler.efficiency")]
    BoilerEfficiency,
}

impl Parameter {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EfficiencyStore => "battery.efficiency_store",
            Self::EfficiencyDispatch => "battery.efficiency_dispatch",
            Self::RoundTrip => "battery.round_trip",
            Self::SelfDischarge => "battery.self_discharge_per_day",
            Self::Capacity => "battery.capacity_kwh",
            Self::BatteryResponse => "battery.response_s",
            Self::ChpEfficiency => "chp.efficiency_electric",
            Self::NoLoadFuel => "chp.no_load_fuel_kw",
            Self::HeatPerPower => "chp.heat_per_power",
            Self::ChpResponse => "chp.response_s",
            Self::StartCost => "chp.start_cost_eur",
            Self::BoilerEfficiency => "boiler.efficiency",
        }
    }

    /// What the site file states of it; `unit` counts from 0. `None`: it states no such number.
    #[must_use]
    pub fn stated(self, plant: &PlantParameters, unit: usize) -> Option<f64> {
        let (battery, chp) = (plant.battery.get(unit), plant.chp.get(unit));
        match self {
            Self::EfficiencyStore => battery.map(|battery| battery.efficiency_store),
            Self::EfficiencyDispatch => battery.map(|battery| battery.efficiency_dispatch),
            Self::RoundTrip => battery.map(|battery| battery.efficiency_store * battery.efficiency_dispatch),
            Self::Capacity => battery.map(|battery| battery.capacity_kwh),
            Self::ChpEfficiency => chp.map(|chp| chp.efficiency_electric),
            Self::HeatPerPower => chp.map(|chp| chp.heat_per_power),
            Self::StartCost => chp.map(|chp| chp.start_cost_eur),
            Self::BoilerEfficiency => Some(plant.boiler.efficiency),
            Self::SelfDischarge | Self::BatteryResponse | Self::NoLoadFuel | Self::ChpResponse => None,
        }
    }

    /// Puts what was found where the plant's equations take it from; whether they have a place for it.
    pub(crate) fn teach(self, unit: usize, found: Identified, learned: &mut Learned) -> bool {
        let (battery, chp) = (learned.battery.get_mut(unit), learned.chp.get_mut(unit));
        let place = match self {
            Self::EfficiencyStore => battery.map(|battery| &mut battery.efficiency_store),
            Self::EfficiencyDispatch => battery.map(|battery| &mut battery.efficiency_dispatch),
            Self::ChpEfficiency => chp.map(|chp| &mut chp.efficiency_electric),
            Self::HeatPerPower => chp.map(|chp| &mut chp.heat_per_power),
            Self::BoilerEfficiency => Some(&mut learned.boiler_efficiency),
            _ => None,
        };
        place.map(|place| *place = Some(found)).is_some()
    }
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was found.
    Identified(Identified),
    /// What was measured does not say it, and why.
    NotIdentifiable(String),
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was asked.
    pub parameter: Parameter,
    /// Which battery or CHP, from 1; 1 for the boiler.
    pub unit: usize,
    /// The answer.
    pub outcome: Outcome,
}

impl Finding {
    pub(crate) const fn found(parameter: Parameter, index: usize, found: Identified) -> Self {
        Self { parameter, unit: index + 1, outcome: Outcome::Identified(found) }
    }

    pub(crate) fn not(parameter: Parameter, index: usize, reason: impl Into<String>) -> Self {
        Self { parameter, unit: index + 1, outcome: Outcome::NotIdentifiable(reason.into()) }
    }
}
