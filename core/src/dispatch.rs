//! Solved flows of a step: electricity and heat balance exactly, cost follows.
//!
//! Electricity: `pv + wind - curtailed + p_chp + p_grid + unserved = load + p_bat`.
//! Heat: `h p_chp + q_boiler + unserved_heat - dumped = heat`, `0 <= q_boiler <= q_max`; dumping is allowed and free.

use crate::equations::{self, Flows, Tariff, burnt, heat_beside};
use crate::equipment::{Plant, UNITS_MAX};
use crate::measurement::Measurement;
use crate::memory::ControlMemory;
use crate::plant_state::PlantState;
use crate::setpoints::SafeSetpoints;
use crate::situation::Situation;
use crate::units::{
    BatteryPower, Eur, EurPerKwh, GridPower, Hours, Kilowatts, KilowattsGas, KilowattsThermal, PerUnit, Watts,
};

/// Power and heat flows of a step. Signs: battery + = charging, grid + = importing, everything else >= 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispatch {
    /// PV and wind that were available.
    pub renewables: Kilowatts,
    /// Renewables not produced.
    pub curtailed: Kilowatts,
    /// Electric load.
    pub load: Kilowatts,
    /// Load not served.
    pub unserved: Kilowatts,
    /// Battery power.
    pub battery: BatteryPower,
    /// CHP power.
    pub chp: Kilowatts,
    /// Fuel of the CHPs.
    pub chp_gas: KilowattsGas,
    /// Heat of the CHPs.
    pub chp_heat: KilowattsThermal,
    /// Exchange with the grid.
    pub grid: GridPower,
    /// Heat demand.
    pub heat_load: KilowattsThermal,
    /// Boiler heat.
    pub boiler: KilowattsThermal,
    /// CHP heat that nobody needs.
    pub heat_dumped: KilowattsThermal,
    /// Heat demand not met.
    pub heat_unserved: KilowattsThermal,
    /// Voltage at the connection.
    pub voltage: PerUnit,
}

/// Powers at which equipment runs, wherever they came from. For simulations of a plant; nothing here is writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Battery power, + = charging.
    pub battery: Watts,
    /// Electric power of each CHP; 0 when off.
    pub chps: [Watts; UNITS_MAX],
    /// Cap on PV plus wind; `None` = produce what is available.
    pub renewable_limit: Option<Watts>,
}

impl From<&SafeSetpoints> for Running {
    fn from(safe: &SafeSetpoints) -> Self {
        let chps = safe.chps().map(|chp| chp.power);
        Self { battery: safe.battery(), chps, renewable_limit: safe.renewable_limit() }
    }
}

impl Dispatch {
    /// Solves both balances for set-points that are applied exactly. Load is shed only beyond the import limit.
    #[must_use]
    pub fn solve(plant: &Plant, situation: &Situation, safe: &SafeSetpoints) -> Self {
        Self::of(plant, situation, &safe.into())
    }

    /// The same for powers that a simulated plant runs at.
    #[must_use]
    pub fn of(plant: &Plant, situation: &Situation, running: &Running) -> Self {
        let chp: Watts = running.chps.into_iter().sum();
        let (battery, chp) = (running.battery.kilowatts(), chp.kilowatts());
        let renewables = situation.renewables();
        let curtailed = running
            .renewable_limit
            .map_or(Kilowatts::ZERO, |limit| (renewables - limit.kilowatts()).max(Kilowatts::ZERO));
        let demand = situation.net_load() + curtailed + battery - chp;
        let unserved = unserved(plant, demand, situation.electric_load);
        let grid = demand - unserved;
        let burnt = burnt(plant, running.chps.map(|chp| chp.kilowatts().get()));
        let heat = heat_beside(plant, situation.heat_load.get(), burnt.heat);
        Self {
            renewables,
            curtailed,
            load: situation.electric_load,
            unserved,
            battery: BatteryPower::from_signed(battery),
            chp,
            chp_gas: KilowattsGas::new(burnt.gas),
            chp_heat: KilowattsThermal::new(burnt.heat),
            grid: GridPower::from_signed(grid),
            heat_load: situation.heat_load,
            boiler: KilowattsThermal::new(heat.boiler),
            heat_dumped: KilowattsThermal::new(heat.dumped),
            heat_unserved: KilowattsThermal::new(heat.unserved),
            voltage: plant.voltage(situation.source_voltage, grid, situation.reactive),
        }
    }

    /// The flows that a plant measures: what is not measured counts as 0, the boiler gives what heat the CHP leaves, load
    /// that nobody serves is not measured either. For accounts; the cost of a step and of a record are one formula.
    #[must_use]
    pub fn measured(plant: &Plant, state: &PlantState) -> Self {
        let kw = |m: Measurement<Kilowatts>| m.usable().unwrap_or(Kilowatts::ZERO);
        let battery = state.batteries.iter().map(|battery| kw(battery.power)).fold(Kilowatts::ZERO, |a, b| a + b);
        let chp = state.chps.iter().map(|chp| kw(chp.power)).fold(Kilowatts::ZERO, |a, b| a + b);
        let heat_load = state.heat_load.usable().unwrap_or(KilowattsThermal::ZERO);
        let burnt = burnt(plant, state.chps.map(|chp| kw(chp.power).get()));
        let heat = heat_beside(plant, heat_load.get(), burnt.heat);
        Self {
            renewables: kw(state.pv) + kw(state.wind),
            curtailed: Kilowatts::ZERO,
            load: kw(state.electric_load),
            unserved: Kilowatts::ZERO,
            battery: BatteryPower::from_signed(battery),
            chp,
            chp_gas: KilowattsGas::new(burnt.gas),
            chp_heat: KilowattsThermal::new(burnt.heat),
            grid: GridPower::from_signed(kw(state.grid)),
            heat_load,
            boiler: KilowattsThermal::new(heat.boiler),
            heat_dumped: KilowattsThermal::new(heat.dumped),
            heat_unserved: KilowattsThermal::new(heat.unserved),
            voltage: state.grid_voltage.usable().unwrap_or(PerUnit::new(1.0)),
        }
    }

    /// Fuel of CHPs and boiler: `p_chp/eta_e + q_boiler/eta_b`, each CHP with its own efficiency.
    #[must_use]
    pub fn gas(&self, plant: &Plant) -> KilowattsGas {
        KilowattsGas::new(equations::gas_beside(plant, self.chp_gas.get(), self.boiler.get()))
    }

    /// Left minus right side of the electricity balance; 0 up to rounding.
    #[must_use]
    pub fn electricity_residual(&self) -> Kilowatts {
        self.renewables - self.curtailed + self.chp + self.grid.signed() + self.unserved
            - self.load
            - self.battery.signed()
    }

    /// Left minus right side of the heat balance; 0 up to rounding.
    #[must_use]
    pub fn heat_residual(&self) -> KilowattsThermal {
        self.chp_heat + self.boiler + self.heat_unserved - self.heat_dumped - self.heat_load
    }

    /// Cost of the step, EUR, see [`equations::cost`]. Whether the CHP was started is for plants of one; with several their
    /// start costs are the caller's.
    #[must_use]
    pub fn cost(&self, plant: &Plant, prices: Prices, started: bool, duration: Hours) -> Eur {
        let flows = Flows {
            exchange: (self.grid.signed() + self.unserved).get(),
            unserved: self.unserved.get(),
            battery: self.battery.signed().get(),
            gas: self.gas(plant).get(),
            heat_unserved: self.heat_unserved.get(),
        };
        let tariff = Tariff { import: prices.import.get(), export: prices.export.get() };
        Eur::new(equations::cost(plant, &flows, tariff, started, duration.get()))
    }
}

/// Prices of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Paid per kWh imported.
    pub import: EurPerKwh,
    /// Earned per kWh exported.
    pub export: EurPerKwh,
}

/// CHPs that set-points start, and what that costs.
#[must_use]
pub fn starts(plant: &Plant, safe: &SafeSetpoints, before: &ControlMemory) -> (usize, Eur) {
    let states = safe.chps().into_iter().zip(before.chps).zip(plant.chps().iter());
    let started = states.filter(|((now, before), _)| now.on && !before.on).map(|(_, unit)| unit.parameters);
    let (count, eur) = started.fold((0, 0.0), |(count, eur), unit| (count + 1, eur + unit.start_cost_eur));
    (count, Eur::new(eur))
}

fn unserved(plant: &Plant, demand: Kilowatts, load: Kilowatts) -> Kilowatts {
    let excess = demand - plant.import_max().kilowatts();
    // The filter works in whole watts: less than that is rounding, not shedding.
    if excess.get() * 1000.0 < 1e-3 { Kilowatts::ZERO } else { excess.min(load) }
}

/// Curtailment planned by set-points for what is available, W.
#[must_use]
pub fn curtailed(safe: &SafeSetpoints, renewables: Kilowatts) -> Watts {
    safe.renewable_limit().map_or(Watts::ZERO, |limit| (Watts::ceil(renewables) - limit).max(Watts::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileRow;
    use crate::setpoints::SafeChp;
    use crate::units::Soc;

    fn situation(load: f64, pv: f64, heat: f64) -> Situation {
        let row = ProfileRow { electric_load_kw: load, pv_kw: pv, heat_load_kw: heat, ..ProfileRow::default() };
        row.situation(Soc::new(0.5))
    }

    #[test]
    fn flows_and_cost_follow_the_equations() {
        let plant = Plant::reference();
        let prices = Prices { import: EurPerKwh::new(0.2), export: EurPerKwh::new(0.1) };
        // load, pv, heat, battery, chp -> grid, boiler, dumped, unserved, cost
        let cases = [
            (40.0, 10.0, 60.0, 0.0, 0.0, 30.0, 60.0, 0.0, 0.0, 0.25 * (30.0 * 0.2 + 60.0 / 0.9 * 0.05)),
            (40.0, 0.0, 12.0, 10.0, 20.0, 30.0, 0.0, 12.0, 0.0, 0.25 * (6.0 + 20.0 / 0.33 * 0.05 + 0.08)),
            (20.0, 60.0, 0.0, 0.0, 0.0, -40.0, 0.0, 0.0, 0.0, 0.25 * -4.0),
            (100.0, 0.0, 0.0, 50.0, 0.0, 100.0, 0.0, 0.0, 50.0, 0.25 * (20.0 + 0.4 + 500.0)),
        ];
        for (load, pv, heat, battery, chp, grid, boiler, dumped, unserved, cost) in cases {
            let watts = |kw| Watts::nearest(Kilowatts::new(kw));
            let zero = Watts::ZERO;
            let (off, running) = (SafeChp::default(), SafeChp { power: watts(chp), on: chp > 0.0 });
            let safe = SafeSetpoints::new([watts(battery), zero, zero, zero], [running, off, off, off], None);
            let d = Dispatch::solve(&plant, &situation(load, pv, heat), &safe);
            let found = [d.grid.signed().get(), d.boiler.get(), d.heat_dumped.get(), d.unserved.get()];
            assert_eq!(found, [grid, boiler, dumped, unserved]);
            assert!((d.cost(&plant, prices, false, plant.step()).get() - cost).abs() < 1e-12);
            assert!(d.electricity_residual().get().abs() < 1e-9 && d.heat_residual().get().abs() < 1e-9);
        }
    }
}
