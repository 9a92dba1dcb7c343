//! The plant's equipment: ratings, limits, prices of wear and fuel, and the control step.
//!
//! Responsible for: [`PlantParameters`], what a site file states, and [`PlantParameters::validate`], which turns it
//! into a [`Plant`] whose numbers are finite, ordered and therefore safe to compute with. There are no defaults for
//! limits: a site states them. Terms follow `PyPSA` where it has one.

mod aggregate;
mod each;
mod learned;
mod parameters;
mod problems;
mod unit;

pub use each::{Each, UNITS_MAX};
pub use learned::{Identified, Learned, LearnedBattery, LearnedChp};
pub use unit::{BatteryUnit, ChpUnit};

pub use parameters::{
    Battery, Boiler, Chp, Costs, Exogenous, FilterWeights, Frequency, Grid, Margins, PlantParameters, Problem,
};

use crate::equations::soc_after;
use crate::units::{EurPerKwh, Hertz, Hours, Kilowatts, KilowattsThermal, PerUnit, Soc, Watts, to_float, to_integer};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A validated plant. Limits that bind set-points are in whole watts, rounded inward.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plant {
    /// What equations count with.
    parameters: PlantParameters,
    /// What the site file states.
    stated: PlantParameters,
    learned: Option<Learned>,
    batteries: Each<BatteryUnit>,
    chps: Each<ChpUnit>,
    battery: Battery,
    /// The same for limits.
    cautious: Battery,
    chp: Chp,
    charge_max: Watts,
    discharge_max: Watts,
    chp_min: Watts,
    chp_max: Watts,
    import_max: Watts,
    export_max: Watts,
    step_ms: i64,
}

impl Plant {
    fn new(p: PlantParameters) -> Self {
        let step_ms = to_integer((p.step_h * 3_600_000.0).round());
        let batteries = p.battery.map(BatteryUnit::new);
        let chps = p.chp.map(|chp| ChpUnit::new(chp, step_ms));
        let battery = aggregate::battery(&p.battery);
        Self {
            parameters: p,
            stated: p,
            learned: None,
            batteries,
            chps,
            battery,
            cautious: battery,
            chp: aggregate::chp(&p.chp),
            charge_max: batteries.iter().map(|unit| unit.charge_max).sum(),
            discharge_max: batteries.iter().map(|unit| unit.discharge_max).sum(),
            chp_min: chps.iter().map(|unit| unit.min).min().unwrap_or(Watts::ZERO),
            chp_max: chps.iter().map(|unit| unit.max).sum(),
            import_max: Watts::floor(Kilowatts::new(p.grid.import_kw_max)),
            export_max: Watts::floor(Kilowatts::new(p.grid.export_kw_max)),
            step_ms,
        }
    }

    /// The batteries, one by one.
    #[must_use]
    pub const fn batteries(&self) -> &Each<BatteryUnit> {
        &self.batteries
    }
    /// The CHPs, one by one.
    #[must_use]
    pub const fn chps(&self) -> &Each<ChpUnit> {
        &self.chps
    }
    /// The battery that stands for all of them.
    #[must_use]
    pub const fn battery(&self) -> &Battery {
        &self.battery
    }
    /// The CHP that stands for all of them.
    #[must_use]
    pub const fn chp(&self) -> &Chp {
        &self.chp
    }

    /// The reference plant (see [`PlantParameters::reference`]), validated.
    #[must_use]
    pub fn reference() -> Self {
        Self::new(PlantParameters::reference())
    }

    /// The same plant with tighter limits at the connection, as a grid operator may ask for (`None` = the plant's own).
    /// Limits can only become narrower; negative ones count as zero.
    #[must_use]
    pub fn with_exchange_limits(mut self, import: Option<Kilowatts>, export: Option<Kilowatts>) -> Self {
        let narrower = |own: Watts, limit: Option<Kilowatts>| {
            limit.filter(|kw| !kw.get().is_nan()).map_or(own, |kw| Watts::floor(kw).within(Watts::ZERO, own))
        };
        self.import_max = narrower(self.import_max, import);
        self.export_max = narrower(self.export_max, export);
        self
    }

    /// The same plant with exact meters, as a simulation has them.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.parameters.margins = Margins::NONE;
        self.stated.margins = Margins::NONE;
        self
    }

    /// What the site file said, with what records say in its place where they are believed.
    #[must_use]
    pub const fn parameters(&self) -> &PlantParameters {
        &self.parameters
    }
    /// Largest charging power of all batteries.
    #[must_use]
    pub const fn charge_max(&self) -> Watts {
        self.charge_max
    }
    /// Largest discharging power of all batteries (>= 0).
    #[must_use]
    pub const fn discharge_max(&self) -> Watts {
        self.discharge_max
    }
    /// Lowest power at which any CHP runs.
    #[must_use]
    pub const fn chp_min(&self) -> Watts {
        self.chp_min
    }
    /// Rated power of all CHPs.
    #[must_use]
    pub const fn chp_max(&self) -> Watts {
        self.chp_max
    }
    /// Steps of a day, rounded down, at least one.
    #[must_use]
    pub fn steps_per_day(&self) -> usize {
        usize::try_from(DAY_MS / self.step_ms.max(1)).unwrap_or(1).max(1)
    }
    /// Steps of an hour, rounded down, at least one.
    #[must_use]
    pub fn steps_per_hour(&self) -> usize {
        usize::try_from(HOUR_MS / self.step_ms.max(1)).unwrap_or(1).max(1)
    }
    /// Largest import.
    #[must_use]
    pub const fn import_max(&self) -> Watts {
        self.import_max
    }
    /// Largest export (>= 0).
    #[must_use]
    pub const fn export_max(&self) -> Watts {
        self.export_max
    }
    /// Length of a step in milliseconds.
    #[must_use]
    pub const fn step_ms(&self) -> i64 {
        self.step_ms
    }
    /// Length of a step, in whole milliseconds as all timers count.
    #[must_use]
    pub fn step(&self) -> Hours {
        Hours::new(self.step_h())
    }
    /// SoC band of all batteries together.
    #[must_use]
    pub const fn soc_band(&self) -> (Soc, Soc) {
        (Soc::new(self.battery.soc_min), Soc::new(self.battery.soc_max))
    }
    /// The state of charge of all batteries together: the mean by capacity.
    #[must_use]
    pub fn soc_of_all(&self, socs: &[Soc; UNITS_MAX]) -> Soc {
        let [first, ..] = socs;
        if self.batteries.len() <= 1 {
            return *first;
        }
        let units = self.batteries.iter().zip(socs);
        let stored: f64 = units.map(|(unit, soc)| unit.parameters.capacity_kwh * soc.get()).sum();
        Soc::new(stored / self.battery.capacity_kwh)
    }
    /// The state of charge of all batteries together after a power that they share; see [`crate::equations::soc_after`].
    #[must_use]
    pub fn soc_after(&self, soc: Soc, battery: Watts, duration: Hours) -> Soc {
        Soc::new(soc_after(&self.battery, soc.get(), battery.kilowatts().get(), duration.get()))
    }
    /// Marginal cost of CHP electricity with its heat used: `c_gas/eta_e - h c_gas/eta_b`, EUR/kWh.
    #[must_use]
    pub fn chp_marginal_cost(&self) -> EurPerKwh {
        let p = &self.parameters;
        let gas = p.costs.gas_eur_per_kwh;
        EurPerKwh::new(gas / self.chp.efficiency_electric - self.chp.heat_per_power * gas / p.boiler.efficiency)
    }
    /// Rated boiler heat.
    #[must_use]
    pub const fn boiler_max(&self) -> KilowattsThermal {
        KilowattsThermal::new(self.parameters.boiler.q_kw_max)
    }
    /// Voltage at the connection for net import `p` and `q` (both in kW/kvar): `V = Vs - (R P + X Q)/Vs`.
    #[must_use]
    pub fn voltage(&self, source: PerUnit, p: Kilowatts, q: Kilowatts) -> PerUnit {
        let g = &self.parameters.grid;
        let drop = (g.resistance_pu * p.get() + g.reactance_pu * q.get()) / g.base_kva;
        PerUnit::new(source.get() - drop / source.get())
    }
    /// Voltage of the stiff grid behind the connection, from a measurement: the positive root of
    /// `Vs^2 - V Vs - (R P + X Q) = 0`.
    #[must_use]
    pub fn source_voltage(&self, voltage: PerUnit, p: Kilowatts, q: Kilowatts) -> PerUnit {
        let g = &self.parameters.grid;
        let drop = (g.resistance_pu * p.get() + g.reactance_pu * q.get()) / g.base_kva;
        let v = voltage.get();
        PerUnit::new(0.5 * (v + (v * v + 4.0 * drop).max(0.0).sqrt()))
    }
    /// Frequency band outside which only corrective moves are allowed.
    #[must_use]
    pub const fn frequency_band(&self) -> (Hertz, Hertz) {
        (Hertz::new(self.parameters.frequency.hz_min), Hertz::new(self.parameters.frequency.hz_max))
    }
    /// Energy of one watt held for a step, Wh: the step in hours.
    #[must_use]
    pub fn step_h(&self) -> f64 {
        to_float(self.step_ms) / 3_600_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_plant_is_valid() {
        assert_eq!(PlantParameters::reference().problems(), []);
    }

    #[test]
    fn every_problem_is_reported_with_its_key() {
        let mut p = PlantParameters::reference();
        p.battery.edit(|battery| battery.soc_min = f64::NAN);
        p.chp.edit(|chp| chp.p_kw_max = 5.0);
        let keys: Vec<_> = p.problems().iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["battery.soc_min", "chp.p_kw_max"]);
    }

    #[test]
    fn a_plant_without_a_safe_stop_is_refused() {
        let mut p = PlantParameters::reference();
        p.grid.import_kw_max = 90.0;
        assert_eq!(p.problems().first().map(|problem| problem.key), Some("grid.import_kw_max"));
    }

    #[test]
    fn outside_limits_only_narrow() {
        let limit = |kw: f64| Some(Kilowatts::new(kw));
        for (import, export, expected) in [
            (limit(40.0), None, (40_000, 80_000)),
            (limit(400.0), limit(-5.0), (100_000, 0)),
            (limit(f64::NAN), limit(f64::INFINITY), (100_000, 80_000)),
        ] {
            let plant = Plant::reference().with_exchange_limits(import, export);
            assert_eq!((plant.import_max().get(), plant.export_max().get()), expected);
        }
    }

    #[test]
    fn soc_follows_the_storage_equation() {
        let plant = Plant::reference();
        // soc, kW, expected: charging stores 95 %, discharging takes 1/0.95
        for (soc, kw, expected) in [(0.5, 40.0, 0.595), (0.5, -38.0, 0.4), (0.3, 0.0, 0.3)] {
            let after = plant.soc_after(Soc::new(soc), Watts::nearest(Kilowatts::new(kw)), plant.step());
            assert!((after.get() - expected).abs() < 1e-12, "{kw} kW from {soc}: {after}");
        }
    }

    #[test]
    fn source_voltage_inverts_the_voltage_model() {
        let plant = Plant::reference();
        let (p, q) = (Kilowatts::new(73.0), Kilowatts::new(-12.0));
        let v = plant.voltage(PerUnit::new(1.013), p, q);
        assert!((plant.source_voltage(v, p, q).get() - 1.013).abs() < 1e-12);
    }

    #[test]
    fn marginal_cost_of_chp_power_counts_the_heat() {
        assert!((Plant::reference().chp_marginal_cost().get() - 0.084_848).abs() < 1e-6);
    }
}
