//! The plant's equipment: ratings, limits, prices of wear and fuel, and the control step.
//!
//! Responsible for: [`PlantParameters`], what a site file states, and [`PlantParameters::validate`], which turns it
//! into a [`Plant`] whose numbers are finite, ordered and therefore safe to compute with. There are no defaults for
//! limits: a site states them. Terms follow `PyPSA` where it has one.

use crate::units::{
    EurPerKwh, EurPerKwhGas, Hertz, Hours, Kilowatts, KilowattsThermal, PerUnit, Soc, Watts, to_float, to_integer,
};
use serde::{Deserialize, Serialize};

/// Battery storage. Signs: + = charging.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// Usable energy between SoC 0 and 1, kWh.
    pub capacity_kwh: f64,
    /// Largest charging power, kW.
    pub charge_kw_max: f64,
    /// Largest discharging power, kW.
    pub discharge_kw_max: f64,
    /// Fraction of charged energy that is stored.
    pub efficiency_store: f64,
    /// Fraction of withdrawn energy that is delivered.
    pub efficiency_dispatch: f64,
    /// Lowest allowed state of charge.
    pub soc_min: f64,
    /// Highest allowed state of charge.
    pub soc_max: f64,
    /// Largest change of the set-point from one step to the next, kW.
    pub ramp_kw_per_step: f64,
    /// Wear, EUR per kWh moved (charged or discharged).
    pub wear_eur_per_kwh: f64,
}

/// Combined heat and power unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chp {
    /// Lowest electric power while on, kW. A start lands here and a stop leaves from here.
    pub p_kw_min: f64,
    /// Rated electric power, kW.
    pub p_kw_max: f64,
    /// Largest change while on, kW per step.
    pub ramp_kw_per_step: f64,
    /// Steps that it stays on at least.
    pub min_up_steps: u32,
    /// Steps that it stays off at least.
    pub min_down_steps: u32,
    /// Electric output per fuel input.
    pub efficiency_electric: f64,
    /// Heat per electric output, kW thermal per kW.
    pub heat_per_power: f64,
    /// Cost of one start, EUR.
    pub start_cost_eur: f64,
}

/// Gas boiler; follows the heat demand that the CHP leaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boiler {
    /// Rated heat, kW thermal.
    pub q_kw_max: f64,
    /// Heat per fuel input.
    pub efficiency: f64,
}

/// Grid connection. Signs: + = importing. Voltage model: `V = Vs - (R P + X Q)/Vs` in pu on `base_kva`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Largest import, kW.
    pub import_kw_max: f64,
    /// Largest export, kW.
    pub export_kw_max: f64,
    /// Lowest allowed voltage at the connection, pu.
    pub voltage_pu_min: f64,
    /// Highest allowed voltage at the connection, pu.
    pub voltage_pu_max: f64,
    /// Resistance of the connection, pu.
    pub resistance_pu: f64,
    /// Reactance of the connection, pu.
    pub reactance_pu: f64,
    /// Base of the per-unit system, kVA.
    pub base_kva: f64,
}

/// Frequency limits and the battery's droop response.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// Nominal frequency, Hz.
    pub hz_nominal: f64,
    /// Below this only moves that raise the frequency are allowed, Hz.
    pub hz_min: f64,
    /// Above this only moves that lower the frequency are allowed, Hz.
    pub hz_max: f64,
    /// Droop of the battery: relative frequency deviation at which it answers with full power (0.03..0.12); absent = no
    /// response.
    pub droop_pu: Option<f64>,
    /// No response within this deviation, Hz.
    pub dead_band_hz: f64,
    /// Full response from this deviation on, Hz.
    pub full_response_hz: f64,
}

/// Ratings of what the plant cannot dispatch, and the bounds inside which the filter's promise holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exogenous {
    /// Rated PV power, kW.
    pub pv_kw_nom: f64,
    /// Rated wind power, kW.
    pub wind_kw_nom: f64,
    /// Smallest electric load, kW.
    pub electric_load_kw_min: f64,
    /// Largest electric load, kW.
    pub electric_load_kw_max: f64,
    /// Largest heat load, kW thermal.
    pub heat_load_kw_max: f64,
}

/// Prices that are not a series, EUR per kWh.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Gas, per kWh of fuel.
    pub gas_eur_per_kwh: f64,
    /// Electric load not served.
    pub unserved_eur_per_kwh: f64,
    /// Heat load not served.
    pub unserved_heat_eur_per_kwh: f64,
}

/// Weights of the norm in which the filter looks for the nearest point, per kW squared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterWeights {
    /// Weight of a change of the battery's request.
    pub battery: f64,
    /// Weight of a change of the CHP's request.
    pub chp: f64,
    /// Weight of a deviation from the requested grid power; 0 makes the grid the slack.
    pub grid: f64,
}

/// Everything that describes a plant; the content of a site file's `[plant]` section.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantParameters {
    /// Length of a control step, hours.
    pub step_h: f64,
    /// Battery storage.
    pub battery: Battery,
    /// Combined heat and power unit.
    pub chp: Chp,
    /// Gas boiler.
    pub boiler: Boiler,
    /// Grid connection.
    pub grid: Grid,
    /// Frequency limits and response.
    pub frequency: Frequency,
    /// Ratings and bounds of PV, wind and loads.
    pub exogenous: Exogenous,
    /// Gas price and penalties.
    pub costs: Costs,
    /// Weights of the filter's norm.
    pub filter_weights: FilterWeights,
}

/// One thing that is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key below `[plant]`, for example `battery.soc_min`.
    pub key: &'static str,
    /// What was expected.
    pub expected: String,
}

impl PlantParameters {
    /// The plant of the published prototype with the tariff of `site-a`: 100 kWh / 50 kW battery, 80 kW CHP, 100/80 kW
    /// grid connection, 150 kW boiler. For tests, benches and `gateway evaluate` without a site file; a gateway at a real
    /// plant reads its own.
    #[must_use]
    pub const fn reference() -> Self {
        Self {
            step_h: 0.25,
            battery: Battery {
                capacity_kwh: 100.0,
                charge_kw_max: 50.0,
                discharge_kw_max: 50.0,
                efficiency_store: 0.95,
                efficiency_dispatch: 0.95,
                soc_min: 0.1,
                soc_max: 0.9,
                ramp_kw_per_step: 10.0,
                wear_eur_per_kwh: 0.008,
            },
            chp: Chp {
                p_kw_min: 10.0,
                p_kw_max: 80.0,
                ramp_kw_per_step: 5.0,
                min_up_steps: 2,
                min_down_steps: 2,
                efficiency_electric: 0.33,
                heat_per_power: 1.2,
                start_cost_eur: 5.0,
            },
            boiler: Boiler { q_kw_max: 150.0, efficiency: 0.9 },
            grid: Grid {
                import_kw_max: 100.0,
                export_kw_max: 80.0,
                voltage_pu_min: 0.95,
                voltage_pu_max: 1.05,
                resistance_pu: 0.025,
                reactance_pu: 0.024,
                base_kva: 100.0,
            },
            frequency: Frequency {
                hz_nominal: 50.0,
                hz_min: 49.5,
                hz_max: 50.5,
                droop_pu: None,
                dead_band_hz: 0.01,
                full_response_hz: 0.2,
            },
            exogenous: Exogenous {
                pv_kw_nom: 60.0,
                wind_kw_nom: 40.0,
                electric_load_kw_min: 5.0,
                electric_load_kw_max: 100.0,
                heat_load_kw_max: 150.0,
            },
            costs: Costs { gas_eur_per_kwh: 0.05, unserved_eur_per_kwh: 10.0, unserved_heat_eur_per_kwh: 1.0 },
            filter_weights: FilterWeights { battery: 1.0, chp: 4.0, grid: 0.1 },
        }
    }

    /// The same plant with the prototype's start cost of 50 EUR (its prices were flat: see
    /// [`crate::profile::Tariff::Flat`]).
    #[must_use]
    pub const fn seed() -> Self {
        let mut plant = Self::reference();
        plant.chp.start_cost_eur = 50.0;
        plant
    }

    /// All that is wrong with these parameters; empty if they describe a plant that the filter can keep.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut list = Vec::new();
        self.check_battery(&mut list);
        self.check_chp(&mut list);
        self.check_grid(&mut list);
        self.check_rest(&mut list);
        if list.is_empty() {
            self.check_safe_stop(&mut list);
        }
        list
    }

    fn check_battery(&self, list: &mut Vec<Problem>) {
        let b = &self.battery;
        between(list, "battery.capacity_kwh", b.capacity_kwh, 1e-3, 1e6);
        between(list, "battery.charge_kw_max", b.charge_kw_max, 0.0, 1e6);
        between(list, "battery.discharge_kw_max", b.discharge_kw_max, 0.0, 1e6);
        between(list, "battery.efficiency_store", b.efficiency_store, 0.1, 1.0);
        between(list, "battery.efficiency_dispatch", b.efficiency_dispatch, 0.1, 1.0);
        between(list, "battery.soc_min", b.soc_min, 0.0, 1.0);
        between(list, "battery.soc_max", b.soc_max, 0.0, 1.0);
        ordered(list, "battery.soc_max", b.soc_min, b.soc_max, "battery.soc_min");
        between(list, "battery.ramp_kw_per_step", b.ramp_kw_per_step, 0.001, 1e6);
        between(list, "battery.wear_eur_per_kwh", b.wear_eur_per_kwh, 0.0, 10.0);
    }

    fn check_chp(&self, list: &mut Vec<Problem>) {
        let c = &self.chp;
        between(list, "chp.p_kw_min", c.p_kw_min, 0.001, 1e6);
        between(list, "chp.p_kw_max", c.p_kw_max, 0.001, 1e6);
        ordered(list, "chp.p_kw_max", c.p_kw_min, c.p_kw_max, "chp.p_kw_min");
        if c.p_kw_min < c.p_kw_max && ceil(c.p_kw_min) > floor(c.p_kw_max) {
            list.push(Problem { key: "chp.p_kw_max", expected: "a whole watt between chp.p_kw_min and it".to_owned() });
        }
        between(list, "chp.ramp_kw_per_step", c.ramp_kw_per_step, 0.001, 1e6);
        between(list, "chp.efficiency_electric", c.efficiency_electric, 0.05, 1.0);
        between(list, "chp.heat_per_power", c.heat_per_power, 0.0, 10.0);
        between(list, "chp.start_cost_eur", c.start_cost_eur, 0.0, 1e6);
        between(list, "chp.min_up_steps", f64::from(c.min_up_steps), 0.0, 10_000.0);
        between(list, "chp.min_down_steps", f64::from(c.min_down_steps), 0.0, 10_000.0);
    }

    fn check_grid(&self, list: &mut Vec<Problem>) {
        let g = &self.grid;
        between(list, "grid.import_kw_max", g.import_kw_max, 0.0, 1e6);
        between(list, "grid.export_kw_max", g.export_kw_max, 0.0, 1e6);
        between(list, "grid.voltage_pu_min", g.voltage_pu_min, 0.5, 1.0);
        between(list, "grid.voltage_pu_max", g.voltage_pu_max, 1.0, 1.5);
        ordered(list, "grid.voltage_pu_max", g.voltage_pu_min, g.voltage_pu_max, "grid.voltage_pu_min");
        between(list, "grid.resistance_pu", g.resistance_pu, 1e-6, 1.0);
        between(list, "grid.reactance_pu", g.reactance_pu, 0.0, 1.0);
        between(list, "grid.base_kva", g.base_kva, 1e-3, 1e6);
    }

    fn check_rest(&self, list: &mut Vec<Problem>) {
        between(list, "step_h", self.step_h, 1.0 / 3600.0, 24.0);
        between(list, "boiler.q_kw_max", self.boiler.q_kw_max, 0.0, 1e6);
        between(list, "boiler.efficiency", self.boiler.efficiency, 0.1, 1.2);
        let f = &self.frequency;
        between(list, "frequency.hz_nominal", f.hz_nominal, 40.0, 70.0);
        between(list, "frequency.hz_min", f.hz_min, 40.0, f.hz_nominal);
        between(list, "frequency.hz_max", f.hz_max, f.hz_nominal, 70.0);
        between(list, "frequency.dead_band_hz", f.dead_band_hz, 0.0, 1.0);
        between(list, "frequency.full_response_hz", f.full_response_hz, f.dead_band_hz, 5.0);
        if let Some(droop) = f.droop_pu {
            between(list, "frequency.droop_pu", droop, 0.001, 1.0);
        }
        let x = &self.exogenous;
        between(list, "exogenous.pv_kw_nom", x.pv_kw_nom, 0.0, 1e6);
        between(list, "exogenous.wind_kw_nom", x.wind_kw_nom, 0.0, 1e6);
        between(list, "exogenous.electric_load_kw_min", x.electric_load_kw_min, 0.0, 1e6);
        between(list, "exogenous.electric_load_kw_max", x.electric_load_kw_max, x.electric_load_kw_min, 1e6);
        between(list, "exogenous.heat_load_kw_max", x.heat_load_kw_max, 0.0, 1e6);
        between(list, "costs.gas_eur_per_kwh", self.costs.gas_eur_per_kwh, 0.0, 10.0);
        between(list, "costs.unserved_eur_per_kwh", self.costs.unserved_eur_per_kwh, 0.0, 1e4);
        between(list, "costs.unserved_heat_eur_per_kwh", self.costs.unserved_heat_eur_per_kwh, 0.0, 1e4);
        let w = &self.filter_weights;
        between(list, "filter_weights.battery", w.battery, 1e-3, 1e3);
        between(list, "filter_weights.chp", w.chp, 1e-3, 1e3);
        between(list, "filter_weights.grid", w.grid, 0.0, 1e3);
    }

    /// The certified safe-stop set-point (battery 0, CHP unchanged, renewables curtailed) must keep the grid limits for
    /// every load within bounds, otherwise there are states from which no set-point is safe.
    fn check_safe_stop(&self, list: &mut Vec<Problem>) {
        let (x, g) = (&self.exogenous, &self.grid);
        // In whole watts, rounded inward, as the filter counts.
        if ceil(x.electric_load_kw_max) > floor(g.import_kw_max) {
            list.push(Problem {
                key: "grid.import_kw_max",
                expected: format!(
                    "at least exogenous.electric_load_kw_max ({} kW), so that the load can be served with battery and CHP at 0",
                    x.electric_load_kw_max
                ),
            });
        }
        let surplus = floor(self.chp.p_kw_max) - floor(x.electric_load_kw_min);
        if surplus > floor(g.export_kw_max) {
            list.push(Problem {
                key: "grid.export_kw_max",
                expected: format!(
                    "at least {} (chp.p_kw_max - exogenous.electric_load_kw_min), so that the CHP can be held during a safe stop",
                    surplus.kilowatts()
                ),
            });
        }
    }

    /// Checks everything and returns the plant in the filter's units.
    ///
    /// # Errors
    /// All problems at once, never just the first.
    pub fn validate(&self) -> Result<Plant, Vec<Problem>> {
        let problems = self.problems();
        if problems.is_empty() { Ok(Plant::new(*self)) } else { Err(problems) }
    }
}

fn floor(kw: f64) -> Watts {
    Watts::floor(Kilowatts::new(kw))
}

fn ceil(kw: f64) -> Watts {
    Watts::ceil(Kilowatts::new(kw))
}

fn between(list: &mut Vec<Problem>, key: &'static str, value: f64, low: f64, high: f64) {
    // NaN fails both comparisons, so it is reported too.
    if !(value >= low && value <= high) {
        list.push(Problem { key, expected: format!("a number from {low} to {high}, found {value}") });
    }
}

fn ordered(list: &mut Vec<Problem>, key: &'static str, low: f64, high: f64, low_key: &str) {
    if low >= high {
        list.push(Problem { key, expected: format!("more than {low_key} ({low}), found {high}") });
    }
}

/// A validated plant. Limits that bind set-points are in whole watts, rounded inward.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plant {
    parameters: PlantParameters,
    charge_max: Watts,
    discharge_max: Watts,
    battery_ramp: Watts,
    chp_min: Watts,
    chp_max: Watts,
    chp_ramp: Watts,
    import_max: Watts,
    export_max: Watts,
    step_ms: i64,
}

impl Plant {
    fn new(p: PlantParameters) -> Self {
        Self {
            parameters: p,
            charge_max: Watts::floor(Kilowatts::new(p.battery.charge_kw_max)),
            discharge_max: Watts::floor(Kilowatts::new(p.battery.discharge_kw_max)),
            battery_ramp: Watts::floor(Kilowatts::new(p.battery.ramp_kw_per_step)),
            chp_min: Watts::ceil(Kilowatts::new(p.chp.p_kw_min)),
            chp_max: Watts::floor(Kilowatts::new(p.chp.p_kw_max)),
            chp_ramp: Watts::floor(Kilowatts::new(p.chp.ramp_kw_per_step)),
            import_max: Watts::floor(Kilowatts::new(p.grid.import_kw_max)),
            export_max: Watts::floor(Kilowatts::new(p.grid.export_kw_max)),
            step_ms: to_integer((p.step_h * 3_600_000.0).round()),
        }
    }

    /// The reference plant (see [`PlantParameters::reference`]), validated.
    #[must_use]
    pub fn reference() -> Self {
        Self::new(PlantParameters::reference())
    }

    /// What the site file said.
    #[must_use]
    pub const fn parameters(&self) -> &PlantParameters {
        &self.parameters
    }
    /// Largest charging power.
    #[must_use]
    pub const fn charge_max(&self) -> Watts {
        self.charge_max
    }
    /// Largest discharging power (>= 0).
    #[must_use]
    pub const fn discharge_max(&self) -> Watts {
        self.discharge_max
    }
    /// Largest change of the battery's set-point in a step.
    #[must_use]
    pub const fn battery_ramp(&self) -> Watts {
        self.battery_ramp
    }
    /// Lowest CHP power while on.
    #[must_use]
    pub const fn chp_min(&self) -> Watts {
        self.chp_min
    }
    /// Rated CHP power.
    #[must_use]
    pub const fn chp_max(&self) -> Watts {
        self.chp_max
    }
    /// Largest change of the CHP's set-point in a step while on.
    #[must_use]
    pub const fn chp_ramp(&self) -> Watts {
        self.chp_ramp
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
    /// Time that the CHP stays on at least, ms.
    #[must_use]
    pub fn min_up_ms(&self) -> i64 {
        self.step_ms.saturating_mul(i64::from(self.parameters.chp.min_up_steps))
    }
    /// Time that the CHP stays off at least, ms.
    #[must_use]
    pub fn min_down_ms(&self) -> i64 {
        self.step_ms.saturating_mul(i64::from(self.parameters.chp.min_down_steps))
    }
    /// SoC band.
    #[must_use]
    pub const fn soc_band(&self) -> (Soc, Soc) {
        (Soc::new(self.parameters.battery.soc_min), Soc::new(self.parameters.battery.soc_max))
    }
    /// SoC gained per watt-hour charged: `eta_ch / (1000 E)`.
    #[must_use]
    pub fn soc_per_wh_charged(&self) -> f64 {
        self.parameters.battery.efficiency_store / (1000.0 * self.parameters.battery.capacity_kwh)
    }
    /// SoC lost per watt-hour discharged: `1 / (1000 E eta_dch)`.
    #[must_use]
    pub fn soc_per_wh_discharged(&self) -> f64 {
        1.0 / (1000.0 * self.parameters.battery.capacity_kwh * self.parameters.battery.efficiency_dispatch)
    }
    /// `soc' = soc + (eta_ch p⁺ - p⁻ / eta_dch) dt / E`, never clipped: power is limited beforehand.
    #[must_use]
    pub fn soc_after(&self, soc: Soc, battery: Watts, duration: Hours) -> Soc {
        let wh = battery.as_f64() * duration.get();
        let per_wh = if wh > 0.0 { self.soc_per_wh_charged() } else { self.soc_per_wh_discharged() };
        Soc::new(soc.get() + wh * per_wh)
    }
    /// Marginal cost of CHP electricity with its heat used: `c_gas/eta_e - h c_gas/eta_b`, EUR/kWh.
    #[must_use]
    pub fn chp_marginal_cost(&self) -> EurPerKwh {
        let p = &self.parameters;
        let gas = p.costs.gas_eur_per_kwh;
        EurPerKwh::new(gas / p.chp.efficiency_electric - p.chp.heat_per_power * gas / p.boiler.efficiency)
    }
    /// Gas price.
    #[must_use]
    pub const fn gas_price(&self) -> EurPerKwhGas {
        EurPerKwhGas::new(self.parameters.costs.gas_eur_per_kwh)
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
        p.battery.soc_min = f64::NAN;
        p.chp.p_kw_max = 5.0;
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
