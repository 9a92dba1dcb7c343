//! The plant's physics in continuous time: battery, CHP, renewables, boiler, balance at the connection, totals.
//!
//! Pure: commands and time are arguments. It judges nothing and keeps no limit but what the equipment physically does;
//! how long a limit of the plant was broken is counted in [`Totals`], so that a test can use the plant as the judge.
//! Signs: battery + = charging, grid + = importing, everything else >= 0.

use super::chp::{ChpDynamics, ChpOrder, ChpUnit, lagged};
use super::source::ProfileSource;
use memg_core::dispatch::Dispatch;
use memg_core::equipment::Plant;
use memg_core::profile::ProfileRow;
use memg_core::units::{BatteryPower, GridPower, Hours, Kilowatts, KilowattsThermal, PerUnit};
use serde::Serialize;

/// What the devices are told at present, after watchdogs and local control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Commands {
    /// Battery set-point, kW, + = charging.
    pub battery_kw: f64,
    /// The battery is tripped: no power.
    pub battery_trip: bool,
    /// CHP.
    pub chp: ChpOrder,
    /// Cap on PV, kW.
    pub pv_limit_kw: f64,
    /// Cap on wind, kW.
    pub wind_limit_kw: f64,
}

impl Commands {
    /// Battery at 0, CHP off, nothing curtailed.
    pub const REST: Self = Self {
        battery_kw: 0.0,
        battery_trip: false,
        chp: ChpOrder { run: false, setpoint_kw: 0.0, trip: false },
        pv_limit_kw: f64::INFINITY,
        wind_limit_kw: f64::INFINITY,
    };
}

/// How fast the equipment follows, in plant time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dynamics {
    /// Time constant of the battery inverter, s.
    pub battery_lag_s: f64,
    /// Largest change of battery power, kW/s.
    pub battery_slew_kw_per_s: f64,
    /// CHP.
    pub chp: ChpDynamics,
    /// Reactive power of the load relative to its active power.
    pub load_tan_phi: f64,
}

impl Default for Dynamics {
    fn default() -> Self {
        Self { battery_lag_s: 1.0, battery_slew_kw_per_s: 25.0, chp: ChpDynamics::default(), load_tan_phi: 0.2 }
    }
}

/// Longest step of the integration, ms of plant time.
const STEP_MS_MAX: i64 = 1000;

/// Flows at one instant, kW.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Flows {
    /// PV produced.
    pub pv_kw: f64,
    /// PV that could be produced.
    pub pv_available_kw: f64,
    /// Wind produced.
    pub wind_kw: f64,
    /// Wind that could be produced.
    pub wind_available_kw: f64,
    /// Electric load.
    pub electric_load_kw: f64,
    /// Battery, + = charging.
    pub battery_kw: f64,
    /// CHP.
    pub chp_kw: f64,
    /// Grid, + = importing.
    pub grid_kw: f64,
    /// Grid, reactive, + = importing, kvar.
    pub grid_kvar: f64,
    /// Heat demand, kW thermal.
    pub heat_load_kw: f64,
    /// Boiler heat, kW thermal.
    pub boiler_kw: f64,
    /// CHP heat, kW thermal.
    pub chp_heat_kw: f64,
    /// Heat demand not met, kW thermal.
    pub heat_unserved_kw: f64,
    /// Voltage at the connection, pu.
    pub voltage_pu: f64,
    /// Grid frequency, Hz.
    pub frequency_hz: f64,
    /// Fuel of CHP and boiler, kW.
    pub gas_kw: f64,
    /// Price of imports, EUR/kWh.
    pub import_price: f64,
    /// Price of exports, EUR/kWh.
    pub export_price: f64,
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Totals {
    /// Energy into the battery, kWh.
    pub charged_kwh: f64,
    /// Energy out of the battery, kWh.
    pub discharged_kwh: f64,
    /// Energy imported, kWh.
    pub import_kwh: f64,
    /// Energy exported, kWh.
    pub export_kwh: f64,
    /// PV energy, kWh.
    pub pv_kwh: f64,
    /// Wind energy, kWh.
    pub wind_kwh: f64,
    /// Renewable energy not produced because of a limit, kWh.
    pub curtailed_kwh: f64,
    /// Electric load, kWh.
    pub load_kwh: f64,
    /// Cost as in training: trade, gas, wear, unmet heat, starts; EUR.
    pub cost_eur: f64,
    /// Time outside the SoC band, h.
    pub soc_violation_h: f64,
    /// Time beyond the grid's import or export limit, h.
    pub grid_violation_h: f64,
    /// Time outside the voltage band, h.
    pub voltage_violation_h: f64,
}

/// The simulated plant.
#[derive(Debug, Clone)]
pub struct Physics {
    plant: Plant,
    dynamics: Dynamics,
    source: ProfileSource,
    time_ms: i64,
    battery_kw: f64,
    soc: f64,
    chp: ChpUnit,
    flows: Flows,
    totals: Totals,
}

impl Physics {
    /// A plant at rest at the source's start.
    #[must_use]
    pub fn new(plant: Plant, source: ProfileSource, dynamics: Dynamics, soc: f64) -> Self {
        let mut physics = Self {
            plant,
            dynamics,
            source,
            time_ms: 0,
            battery_kw: 0.0,
            soc: soc.clamp(0.0, 1.0),
            chp: ChpUnit::off(),
            flows: Flows::default(),
            totals: Totals::default(),
        };
        physics.flows = physics.balance(&Commands::REST).0;
        physics
    }

    /// The plant's parameters.
    #[must_use]
    pub const fn plant(&self) -> &Plant {
        &self.plant
    }
    /// What drives it.
    #[must_use]
    pub const fn source(&self) -> &ProfileSource {
        &self.source
    }
    /// Plant time since the start, ms.
    #[must_use]
    pub const fn time_ms(&self) -> i64 {
        self.time_ms
    }
    /// State of charge, 0..1.
    #[must_use]
    pub const fn soc(&self) -> f64 {
        self.soc
    }
    /// CHP unit.
    #[must_use]
    pub const fn chp(&self) -> &ChpUnit {
        &self.chp
    }
    /// Present flows.
    #[must_use]
    pub const fn flows(&self) -> &Flows {
        &self.flows
    }
    /// Sums since the start.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }
    /// Whether the profile has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.source.end_ms().is_some_and(|end| self.time_ms >= end)
    }

    /// Moves on to plant time `time_ms` (or the profile's end) under these commands, in steps of at most a second.
    pub fn advance_to(&mut self, time_ms: i64, commands: &Commands) {
        let target = self.source.end_ms().map_or(time_ms, |end| time_ms.min(end));
        while self.time_ms < target {
            let dt_ms = (target - self.time_ms).min(STEP_MS_MAX);
            self.step(dt_ms, commands);
        }
    }

    fn step(&mut self, dt_ms: i64, commands: &Commands) {
        let dt_s = dt_ms as f64 / 1000.0;
        self.move_battery(commands, dt_s);
        let starts = self.chp.starts;
        self.chp.advance(&self.plant, &self.dynamics.chp, &commands.chp, dt_s);
        let (flows, dispatch) = self.balance(commands);
        self.flows = flows;
        let row = self.source.at(self.time_ms);
        let duration = Hours::new(dt_s / 3600.0);
        let cost = dispatch.cost(&self.plant, row.prices(), self.chp.starts > starts, duration);
        self.totals.cost_eur += cost.get();
        self.accumulate(duration.get());
        self.time_ms += dt_ms;
    }

    /// `soc' = soc + dt/E (eta_ch p⁺ - p⁻/eta_dch)`; the power is limited beforehand so that 0 <= soc' <= 1.
    fn move_battery(&mut self, commands: &Commands, dt_s: f64) {
        let b = *self.plant.battery();
        let ordered = if commands.battery_kw.is_finite() { commands.battery_kw } else { 0.0 };
        let target = ordered.clamp(-b.discharge_kw_max, b.charge_kw_max);
        let d = &self.dynamics;
        let power = lagged(self.battery_kw, target, d.battery_lag_s, d.battery_slew_kw_per_s, dt_s);
        let power = if commands.battery_trip { 0.0 } else { power };
        let dt_h = dt_s / 3600.0;
        let room = (1.0 - self.soc) * b.capacity_kwh / (b.efficiency_store * dt_h);
        let stock = self.soc * b.capacity_kwh * b.efficiency_dispatch / dt_h;
        self.battery_kw = power.clamp(-stock, room);
        let stored_kw =
            b.efficiency_store * self.battery_kw.max(0.0) - (-self.battery_kw).max(0.0) / b.efficiency_dispatch;
        self.soc = (self.soc + stored_kw * dt_h / b.capacity_kwh).clamp(0.0, 1.0);
    }

    /// Flows for the present state, and the same as the core's [`Dispatch`], whose cost they have.
    fn balance(&self, commands: &Commands) -> (Flows, Dispatch) {
        let row = self.source.at(self.time_ms);
        let capped =
            |available: f64, limit: f64| if limit.is_nan() { available } else { available.min(limit.max(0.0)) };
        let (pv_kw, wind_kw) = (capped(row.pv_kw, commands.pv_limit_kw), capped(row.wind_kw, commands.wind_limit_kw));
        let grid_kw = row.electric_load_kw + self.battery_kw - self.chp.power_kw - pv_kw - wind_kw;
        let dispatch = self.dispatch(&row, row.pv_kw + row.wind_kw - pv_kw - wind_kw, grid_kw);
        let chp_heat_kw = self.plant.chp().heat_per_power * self.chp.power_kw;
        let flows = Flows {
            pv_kw,
            pv_available_kw: row.pv_kw,
            wind_kw,
            wind_available_kw: row.wind_kw,
            electric_load_kw: row.electric_load_kw,
            battery_kw: self.battery_kw,
            chp_kw: self.chp.power_kw,
            grid_kw,
            grid_kvar: self.reactive_kvar(&row),
            heat_load_kw: row.heat_load_kw,
            boiler_kw: dispatch.boiler.get(),
            chp_heat_kw,
            heat_unserved_kw: dispatch.heat_unserved.get(),
            voltage_pu: dispatch.voltage.get(),
            frequency_hz: row.frequency_hz,
            gas_kw: dispatch.gas(&self.plant).get(),
            import_price: row.import_price,
            export_price: row.export_price,
        };
        (flows, dispatch)
    }

    fn reactive_kvar(&self, row: &ProfileRow) -> f64 {
        self.dynamics.load_tan_phi * row.electric_load_kw
    }

    fn dispatch(&self, row: &ProfileRow, curtailed_kw: f64, grid_kw: f64) -> Dispatch {
        let heat_kw = self.plant.chp().heat_per_power * self.chp.power_kw;
        let missing_kw = row.heat_load_kw - heat_kw;
        let boiler_kw = missing_kw.clamp(0.0, self.plant.boiler_max().get());
        let source = PerUnit::new(row.grid_voltage_pu);
        let grid = Kilowatts::new(grid_kw);
        Dispatch {
            renewables: Kilowatts::new(row.pv_kw + row.wind_kw),
            curtailed: Kilowatts::new(curtailed_kw),
            load: Kilowatts::new(row.electric_load_kw),
            unserved: Kilowatts::ZERO,
            battery: BatteryPower::from_signed(Kilowatts::new(self.battery_kw)),
            chp: Kilowatts::new(self.chp.power_kw),
            grid: GridPower::from_signed(grid),
            heat_load: KilowattsThermal::new(row.heat_load_kw),
            boiler: KilowattsThermal::new(boiler_kw),
            heat_dumped: KilowattsThermal::new((-missing_kw).max(0.0)),
            heat_unserved: KilowattsThermal::new((missing_kw - boiler_kw).max(0.0)),
            voltage: self.plant.voltage(source, grid, Kilowatts::new(self.reactive_kvar(row))),
        }
    }

    fn accumulate(&mut self, dt_h: f64) {
        let (f, t) = (&self.flows, &mut self.totals);
        t.charged_kwh += f.battery_kw.max(0.0) * dt_h;
        t.discharged_kwh += (-f.battery_kw).max(0.0) * dt_h;
        t.import_kwh += f.grid_kw.max(0.0) * dt_h;
        t.export_kwh += (-f.grid_kw).max(0.0) * dt_h;
        t.pv_kwh += f.pv_kw * dt_h;
        t.wind_kwh += f.wind_kw * dt_h;
        t.curtailed_kwh += (f.pv_available_kw - f.pv_kw + f.wind_available_kw - f.wind_kw) * dt_h;
        t.load_kwh += f.electric_load_kw * dt_h;
        let p = self.plant.parameters();
        let beyond = |value: f64, low: f64, high: f64| if value < low || value > high { dt_h } else { 0.0 };
        t.soc_violation_h += beyond(self.soc, self.plant.battery().soc_min - 1e-9, self.plant.battery().soc_max + 1e-9);
        t.grid_violation_h += beyond(f.grid_kw, -p.grid.export_kw_max - 1e-6, p.grid.import_kw_max + 1e-6);
        t.voltage_violation_h += beyond(f.voltage_pu, p.grid.voltage_pu_min, p.grid.voltage_pu_max);
    }
}

#[cfg(test)]
#[path = "physics_tests.rs"]
mod tests;
