//! The physical situation that a step is decided in: finite numbers, worst cases included.
//!
//! Responsible for: [`Situation`], and for judging whether a [`PlantState`] suffices to make one. It projects a stale
//! state of charge to its worst case and estimates the voltage of the stiff grid; it decides nothing.

use crate::equipment::Plant;
use crate::measurement::{Measurement, Quality};
use crate::plant_state::{PlantState, Signal};
use crate::units::{EurPerKwh, Hertz, Hours, Kilowatts, KilowattsThermal, PerUnit, Soc};
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
}

/// Why no situation could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} is not usable: {quality:?}", signal.name())]
pub struct Unusable {
    /// The first signal that is missing.
    pub signal: Signal,
    /// What is wrong with it.
    pub quality: Quality,
}

/// Sums of floats may leave a bound by this much (kW, pu, Hz); it is what rounding to whole watts forgives.
const TOLERANCE: f64 = 1e-9;

/// An inverter draws a little at night, and gives more than its rating in cold sun. The filter's promise holds for any
/// output of a source, because it can be curtailed; what is drawn counts as load.
const SOURCE_PU_MIN: f64 = -0.02;
const SOURCE_PU_MAX: f64 = 1.2;

impl Situation {
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

    /// Whether all numbers are finite and inside the bounds that the plant declares, so that the filter's promise holds.
    #[must_use]
    pub fn is_within_bounds(&self, plant: &Plant) -> bool {
        let x = &plant.parameters().exogenous;
        let inside = |value: f64, low: f64, high: f64| value >= low - TOLERANCE && value <= high + TOLERANCE;
        let source = |kw: Kilowatts, nom: f64| inside(kw.get(), SOURCE_PU_MIN * nom, SOURCE_PU_MAX * nom);
        source(self.pv, x.pv_kw_nom)
            && source(self.wind, x.wind_kw_nom)
            && inside(self.electric_load.get(), x.electric_load_kw_min, x.electric_load_kw_max)
            && self.heat_load.get() >= 0.0
            && self.heat_load.is_finite()
            && inside(self.soc_low.get(), -0.5, 1.5)
            && inside(self.soc_high.get(), self.soc_low.get(), 1.5)
            && inside(self.source_voltage.get(), 0.1, 3.0)
            && self.reactive.abs().get() <= 1e6
            && inside(self.frequency.get(), 10.0, 100.0)
            && self.import_price.is_finite()
            && self.export_price.is_finite()
    }

    /// Judges a plant state. A missing required signal is an error; an optional one gets its neutral value (voltage 1 pu,
    /// nominal frequency, price 0). A stale SoC is projected to its worst case: `soc ± p_max age / E`.
    ///
    /// # Errors
    /// [`Unusable`] names the first required signal without a usable value.
    pub fn from_plant_state(state: &PlantState, plant: &Plant) -> Result<Self, Unusable> {
        let soc = require(state.soc, Signal::Soc, true)?;
        let (soc_low, soc_high) = worst_case_soc(soc, state.soc.age_ms, plant);
        let reactive = state.grid_reactive.usable().unwrap_or(Kilowatts::ZERO);
        let nominal = Hertz::new(plant.parameters().frequency.hz_nominal);
        Ok(Self {
            pv: require(state.pv, Signal::PvKw, false)?,
            wind: require(state.wind, Signal::WindKw, false)?,
            electric_load: require(state.electric_load, Signal::ElectricLoadKw, false)?,
            heat_load: require(state.heat_load, Signal::HeatLoadKw, false)?,
            soc,
            soc_low,
            soc_high,
            source_voltage: source_voltage(state, plant, reactive),
            reactive,
            frequency: state.frequency.usable().unwrap_or(nominal),
            import_price: state.import_price.usable().unwrap_or(EurPerKwh::ZERO),
            export_price: state.export_price.usable().unwrap_or(EurPerKwh::ZERO),
            local_hour: state.local_hour,
        })
    }
}

fn require<T: Copy>(m: Measurement<T>, signal: Signal, stale_will_do: bool) -> Result<T, Unusable> {
    let stale = stale_will_do && m.quality == Quality::Stale;
    match m.value {
        Some(value) if m.quality.is_usable() || stale => Ok(value),
        _ => Err(Unusable { signal, quality: m.quality }),
    }
}

fn worst_case_soc(soc: Soc, age_ms: u64, plant: &Plant) -> (Soc, Soc) {
    // Older than a day is as good as unknown; the cast-free conversion saturates there.
    let age = Hours::new(f64::from(u32::try_from(age_ms).unwrap_or(u32::MAX)) / 3_600_000.0).get();
    let up = plant.charge_max().as_f64() * plant.soc_per_wh_charged() * age;
    let down = plant.discharge_max().as_f64() * plant.soc_per_wh_discharged() * age;
    // Never further out than physically possible, never narrower than the estimate itself.
    let low = (soc.get() - down).max(0.0).min(soc.get());
    let high = (soc.get() + up).min(1.0).max(soc.get());
    (Soc::new(low), Soc::new(high))
}

fn source_voltage(state: &PlantState, plant: &Plant, reactive: Kilowatts) -> PerUnit {
    match (state.grid_voltage.usable(), state.grid.usable()) {
        (Some(voltage), Some(grid)) => plant.source_voltage(voltage, grid, reactive),
        (Some(voltage), None) => voltage,
        (None, _) => PerUnit::new(1.0),
    }
}
