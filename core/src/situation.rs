//! The physical situation that a step is decided in: finite numbers, and how far they may be off.
//!
//! Responsible for: [`Situation`], the bounds inside which the filter's promise holds, and [`Doubt`], by which limits
//! tighten while numbers are old or meters err. [`judge`] makes one from a plant state; it decides nothing.

mod doubt;
mod judge;

pub use doubt::{Doubt, SocEstimate};
pub use judge::{Degraded, Judged, KnownValues, Substitutes, Unusable, judge};

use crate::equipment::{Plant, UNITS_MAX};
use crate::plant_state::Signal;
use crate::series::Quantity;
use crate::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc};
use serde::{Deserialize, Serialize};

/// Numbers of one step. Powers of sources and loads are >= 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// PV power that could be produced.
    pub pv: Kilowatts,
    /// Wind power that could be produced.
    pub wind: Kilowatts,
    /// Electric load.
    pub electric_load: Kilowatts,
    /// Heat demand.
    pub heat_load: KilowattsThermal,
    /// State of charge, best estimate.
    pub soc: Soc,
    /// Lowest state of charge that is possible given the age of its measurement.
    pub soc_low: Soc,
    /// Highest state of charge that is possible given the age of its measurement.
    pub soc_high: Soc,
    /// The state of charge of each battery where there are several; all share the one above otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socs: Option<[SocEstimate; UNITS_MAX]>,
    /// Voltage of the stiff grid behind the connection.
    pub source_voltage: PerUnit,
    /// Reactive power at the connection (kvar), + = importing.
    pub reactive: Kilowatts,
    /// Grid frequency.
    pub frequency: Hertz,
    /// Import price.
    pub import_price: EurPerKwh,
    /// Export price.
    pub export_price: EurPerKwh,
    /// Site's local time of day, hours in [0, 24).
    pub local_hour: f64,
    /// How far the numbers may be off.
    #[serde(default)]
    pub doubt: Doubt,
}

/// Sums of floats may leave a bound by this much (kW, pu, Hz); it is what rounding to whole watts forgives.
const TOLERANCE: f64 = 1e-9;

impl Situation {
    /// The state of charge of the battery of that number, from 0.
    #[must_use]
    pub fn soc_of(&self, index: usize) -> SocEstimate {
        let all = SocEstimate { best: self.soc, low: self.soc_low, high: self.soc_high };
        self.socs.and_then(|socs| socs.get(index).copied()).unwrap_or(all)
    }

    /// PV plus wind.
    #[must_use]
    pub fn renewables(&self) -> Kilowatts {
        self.pv + self.wind
    }

    /// Load minus renewables: what battery, CHP and grid have to cover; negative = surplus.
    #[must_use]
    pub fn net_load(&self) -> Kilowatts {
        self.electric_load - self.pv - self.wind
    }

    /// The value of a quantity, in its unit.
    #[must_use]
    pub const fn quantity(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Pv => self.pv.get(),
            Quantity::Wind => self.wind.get(),
            Quantity::ElectricLoad => self.electric_load.get(),
            Quantity::HeatLoad => self.heat_load.get(),
            Quantity::ImportPrice => self.import_price.get(),
            Quantity::ExportPrice => self.export_price.get(),
        }
    }

    /// What a source draws counts as load: a cap cannot take it away, and the declared range of the load covers it.
    #[must_use]
    pub fn with_draw_as_load(mut self) -> Self {
        let drawn = |source: Kilowatts| (-source).max(Kilowatts::ZERO);
        self.electric_load = self.electric_load + drawn(self.pv) + drawn(self.wind);
        (self.pv, self.wind) = (self.pv.max(Kilowatts::ZERO), self.wind.max(Kilowatts::ZERO));
        self
    }

    /// Whether all numbers are finite and inside the bounds that the plant declares, so that the filter's promise holds.
    /// The load counts with what sources draw: it is that sum which the safe stop's certificate bounds.
    #[must_use]
    pub fn is_within_bounds(&self, plant: &Plant) -> bool {
        let x = &plant.parameters().exogenous;
        let inside = |value: f64, low: f64, high: f64| value >= low - TOLERANCE && value <= high + TOLERANCE;
        let declared = |signal: Signal, value: f64| signal.range(plant.parameters()).admit(value).is_some();
        let load = self.with_draw_as_load().electric_load.get();
        let soc = |low: Soc, high: Soc| inside(low.get(), -0.5, 1.5) && inside(high.get(), low.get(), 1.5);
        declared(Signal::PvKw, self.pv.get())
            && declared(Signal::WindKw, self.wind.get())
            && declared(Signal::ElectricLoadKw, self.electric_load.get())
            && inside(load, x.electric_load_kw_min, x.electric_load_kw_max)
            && self.heat_load.get() >= 0.0
            && self.heat_load.is_finite()
            && soc(self.soc_low, self.soc_high)
            && self.socs.iter().flatten().all(|unit| soc(unit.low, unit.high))
            && inside(self.source_voltage.get(), 0.1, 3.0)
            && self.reactive.abs().get() <= 1e6
            && inside(self.frequency.get(), 10.0, 100.0)
            && self.import_price.is_finite()
            && self.export_price.is_finite()
            && self.doubt.is_valid()
    }
}
