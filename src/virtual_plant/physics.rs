//! The plant's physics in continuous time: battery, CHP, renewables, boiler, balance at the connection, totals.
//!
//! Pure: commands and time are arguments. It judges nothing and keeps no limit but what the equipment physically does;
//! how long a limit of the plant was broken is counted in [`Totals`], so that a test can use the plant as the judge.
//! Signs: battery + = charging, grid + = importing, everything else >= 0.

use super::battery::{BatteryOrder, BatteryUnit};
use super::chp::{ChpDynamics, ChpOrder, ChpUnit};
pub use super::flows::{Flows, Totals};
use super::generator::Generator;
use super::source::ProfileSource;
use memg_core::dispatch::Dispatch;
use memg_core::equations::{Burnt, burnt, heat_beside};
use memg_core::equipment::{Plant, UNITS_MAX};
use memg_core::profile::ProfileRow;
use memg_core::units::{BatteryPower, GridPower, Hours, Kilowatts, KilowattsGas, KilowattsThermal, PerUnit, Soc};
use memg_plant_io::sources::Sources;

/// What the devices are told at present, after watchdogs and local control.
#[derive(Debug, Clone, PartialEq)]
pub struct Commands {
    /// Each battery.
    pub batteries: [BatteryOrder; UNITS_MAX],
    /// Each CHP.
    pub chps: [ChpOrder; UNITS_MAX],
    /// Cap on each PV, kW; without an entry it is not capped.
    pub pv_limits_kw: Vec<f64>,
    /// Cap on each wind turbine, kW.
    pub wind_limits_kw: Vec<f64>,
}

impl Commands {
    /// Batteries at 0, CHPs off, nothing curtailed.
    pub const REST: Self = Self {
        batteries: [BatteryOrder { setpoint_kw: 0.0, trip: false }; UNITS_MAX],
        chps: [ChpOrder { run: false, setpoint_kw: 0.0, trip: false }; UNITS_MAX],
        pv_limits_kw: Vec::new(),
        wind_limits_kw: Vec::new(),
    };

    /// The same with a set-point of the first battery, kW.
    #[must_use]
    pub const fn battery(mut self, setpoint_kw: f64) -> Self {
        let [first, ..] = &mut self.batteries;
        first.setpoint_kw = setpoint_kw;
        self
    }

    /// The same with an order to the first CHP.
    #[must_use]
    pub const fn chp(mut self, order: ChpOrder) -> Self {
        let [first, ..] = &mut self.chps;
        *first = order;
        self
    }
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

/// Stands where there is no CHP.
static NONE: ChpUnit = ChpUnit::off();

/// The simulated plant.
#[derive(Debug, Clone)]
pub struct Physics {
    plant: Plant,
    dynamics: Dynamics,
    source: ProfileSource,
    time_ms: i64,
    batteries: Vec<BatteryUnit>,
    chps: Vec<ChpUnit>,
    pv: Vec<Generator>,
    wind: Vec<Generator>,
    flows: Flows,
    totals: Totals,
}

impl Physics {
    /// A plant at rest at the source's start, all batteries at the same state of charge, with one PV and one wind turbine.
    #[must_use]
    pub fn new(plant: Plant, source: ProfileSource, dynamics: Dynamics, soc: f64) -> Self {
        let mut physics = Self {
            plant,
            dynamics,
            source,
            time_ms: 0,
            batteries: vec![BatteryUnit::at_rest(soc); plant.batteries().len()],
            chps: vec![ChpUnit::off(); plant.chps().len()],
            pv: Generator::all(&[1.0]),
            wind: Generator::all(&[1.0]),
            flows: Flows::default(),
            totals: Totals::default(),
        };
        physics.generate(&Commands::REST);
        physics.flows = physics.balance().0;
        physics
    }

    /// The same with several PV and wind turbines of these ratings.
    #[must_use]
    pub fn with_sources(mut self, sources: &Sources) -> Self {
        (self.pv, self.wind) = (Generator::all(&sources.pv_kw), Generator::all(&sources.wind_kw));
        self.generate(&Commands::REST);
        self.flows = self.balance().0;
        self
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
    /// State of charge of all batteries, 0..1; that of none is 0.
    #[must_use]
    pub fn soc(&self) -> f64 {
        let mut socs = [Soc::new(0.0); UNITS_MAX];
        socs.iter_mut().zip(&self.batteries).for_each(|(soc, battery)| *soc = Soc::new(battery.soc));
        self.plant.soc_of_all(&socs).get()
    }
    /// Each battery.
    #[must_use]
    pub fn batteries(&self) -> &[BatteryUnit] {
        &self.batteries
    }
    /// Each CHP.
    #[must_use]
    pub fn chps(&self) -> &[ChpUnit] {
        &self.chps
    }
    /// The first CHP; one that is off where there is none.
    #[must_use]
    pub fn chp(&self) -> &ChpUnit {
        self.chps.first().unwrap_or(&NONE)
    }
    /// Each PV.
    #[must_use]
    pub fn pv(&self) -> &[Generator] {
        &self.pv
    }
    /// Each wind turbine.
    #[must_use]
    pub fn wind(&self) -> &[Generator] {
        &self.wind
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
        let start_eur = self.move_units(commands, dt_s);
        self.generate(commands);
        let (flows, dispatch) = self.balance();
        self.flows = flows;
        let row = self.source.at(self.time_ms);
        let duration = Hours::new(dt_s / 3600.0);
        let cost = dispatch.cost(&self.plant, row.prices(), false, duration);
        self.totals.cost_eur += cost.get() + start_eur;
        self.accumulate(duration.get());
        self.time_ms += dt_ms;
    }

    /// Batteries and CHPs follow what they are told; what the starts of CHPs cost, EUR.
    fn move_units(&mut self, commands: &Commands, dt_s: f64) -> f64 {
        let batteries = self.batteries.iter_mut().zip(self.plant.batteries().iter()).zip(&commands.batteries);
        for ((battery, unit), order) in batteries {
            battery.advance(&unit.parameters, &self.dynamics, order, dt_s);
        }
        let mut start_eur = 0.0;
        for ((chp, unit), order) in self.chps.iter_mut().zip(self.plant.chps().iter()).zip(&commands.chps) {
            let starts = chp.starts;
            chp.advance(unit, &self.dynamics.chp, order, dt_s);
            start_eur += if chp.starts > starts { unit.parameters.start_cost_eur } else { 0.0 };
        }
        start_eur
    }

    /// PV and wind give what the weather does, under their caps.
    fn generate(&mut self, commands: &Commands) {
        let row = self.source.at(self.time_ms);
        let all = |generators: &mut [Generator], available_kw: f64, limits_kw: &[f64]| {
            for (index, generator) in generators.iter_mut().enumerate() {
                *generator = generator.under(available_kw, limits_kw.get(index));
            }
        };
        all(&mut self.pv, row.pv_kw, &commands.pv_limits_kw);
        all(&mut self.wind, row.wind_kw, &commands.wind_limits_kw);
    }

    /// Flows for the present state, and the same as the core's [`Dispatch`], whose cost they have.
    fn balance(&self) -> (Flows, Dispatch) {
        let row = self.source.at(self.time_ms);
        let sum = |generators: &[Generator], of: fn(&Generator) -> f64| generators.iter().map(of).sum::<f64>();
        let (pv_kw, pv_available_kw) = (sum(&self.pv, |g| g.power_kw), sum(&self.pv, |g| g.available_kw));
        let (wind_kw, wind_available_kw) = (sum(&self.wind, |g| g.power_kw), sum(&self.wind, |g| g.available_kw));
        let battery_kw = self.batteries.iter().map(|battery| battery.power_kw).sum::<f64>();
        let chp_kw = self.chps.iter().map(|chp| chp.power_kw).sum::<f64>();
        let mut flows = Flows {
            pv_kw,
            pv_available_kw,
            wind_kw,
            wind_available_kw,
            electric_load_kw: row.electric_load_kw,
            battery_kw,
            chp_kw,
            grid_kw: row.electric_load_kw + battery_kw - chp_kw - pv_kw - wind_kw,
            grid_kvar: self.reactive_kvar(&row),
            heat_load_kw: row.heat_load_kw,
            frequency_hz: row.frequency_hz,
            import_price: row.import_price,
            export_price: row.export_price,
            ..Flows::default()
        };
        let dispatch = self.dispatch(&row, &flows);
        flows.chp_heat_kw = dispatch.chp_heat.get();
        flows.boiler_kw = dispatch.boiler.get();
        flows.heat_unserved_kw = dispatch.heat_unserved.get();
        flows.voltage_pu = dispatch.voltage.get();
        flows.gas_kw = dispatch.gas(&self.plant).get();
        (flows, dispatch)
    }

    fn reactive_kvar(&self, row: &ProfileRow) -> f64 {
        self.dynamics.load_tan_phi * row.electric_load_kw
    }

    fn dispatch(&self, row: &ProfileRow, f: &Flows) -> Dispatch {
        let Burnt { gas, heat: chp_heat } = burnt(&self.plant, self.chps.iter().map(|chp| chp.power_kw));
        let heat = heat_beside(&self.plant, row.heat_load_kw, chp_heat);
        let grid = Kilowatts::new(f.grid_kw);
        let available_kw = f.pv_available_kw + f.wind_available_kw;
        Dispatch {
            renewables: Kilowatts::new(available_kw),
            curtailed: Kilowatts::new(available_kw - f.pv_kw - f.wind_kw),
            load: Kilowatts::new(row.electric_load_kw),
            unserved: Kilowatts::ZERO,
            battery: BatteryPower::from_signed(Kilowatts::new(f.battery_kw)),
            chp: Kilowatts::new(f.chp_kw),
            chp_gas: KilowattsGas::new(gas),
            chp_heat: KilowattsThermal::new(chp_heat),
            grid: GridPower::from_signed(grid),
            heat_load: KilowattsThermal::new(row.heat_load_kw),
            boiler: KilowattsThermal::new(heat.boiler),
            heat_dumped: KilowattsThermal::new(heat.dumped),
            heat_unserved: KilowattsThermal::new(heat.unserved),
            voltage: self.plant.voltage(
                PerUnit::new(row.grid_voltage_pu),
                grid,
                Kilowatts::new(self.reactive_kvar(row)),
            ),
        }
    }

    fn accumulate(&mut self, dt_h: f64) {
        for generator in self.pv.iter_mut().chain(&mut self.wind) {
            generator.energy_kwh += generator.power_kw * dt_h;
        }
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
        let mut units = self.batteries.iter().zip(self.plant.batteries().iter());
        let outside = units.any(|(battery, unit)| {
            let b = &unit.parameters;
            beyond(battery.soc, b.soc_min - 1e-9, b.soc_max + 1e-9) > 0.0
        });
        t.soc_violation_h += if outside { dt_h } else { 0.0 };
        t.grid_violation_h += beyond(f.grid_kw, -p.grid.export_kw_max - 1e-6, p.grid.import_kw_max + 1e-6);
        t.voltage_violation_h += beyond(f.voltage_pu, p.grid.voltage_pu_min, p.grid.voltage_pu_max);
    }
}

#[cfg(test)]
#[path = "physics_tests.rs"]
mod tests;
