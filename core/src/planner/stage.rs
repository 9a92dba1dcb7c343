//! What a step costs, for every power of CHP and battery, by the plant's own equations.

use super::grid::Grid;
use super::levels::number;
use crate::equations::{Flows, Tariff, cost, gas, heat};
use crate::equipment::Plant;
use crate::forecast::Forecast;
use crate::series::Quantity;
use crate::units::narrow;

/// Means over a planning step, kW and EUR/kWh.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Ahead {
    pub net_load: f64,
    pub renewables: f64,
    pub heat: f64,
    pub import_price: f64,
    pub export_price: f64,
}

impl Ahead {
    /// Of planning step `step`; the forecast's first value is the present step, which is not planned.
    pub fn of(grid: &Grid, forecast: &Forecast, step: usize) -> Self {
        let mean = |quantity| {
            let values = forecast.column(quantity).iter().skip(1 + step * grid.merged).take(grid.merged);
            values.sum::<f64>() / number(grid.merged)
        };
        let (pv, wind, load) = (mean(Quantity::Pv), mean(Quantity::Wind), mean(Quantity::ElectricLoad));
        Self {
            net_load: load - pv - wind,
            renewables: (pv + wind).max(0.0),
            heat: mean(Quantity::HeatLoad),
            import_price: mean(Quantity::ImportPrice),
            export_price: mean(Quantity::ExportPrice),
        }
    }
}

/// Costs of a step, EUR: for each CHP power one row with a cost for each battery level. `less` is taken off each.
pub(super) fn fill(grid: &Grid, ahead: &Ahead, less: f64, out: &mut [f32]) {
    let rows = out.chunks_exact_mut(grid.battery.kw.len().max(1));
    for (chp_kw, row) in grid.chp.powers().zip(rows) {
        let fuel = fuel_cost(&grid.plant, ahead, chp_kw, grid.step_h()) - less;
        for (battery_kw, cell) in grid.battery.kw.iter().zip(row) {
            *cell = narrow(fuel + electric_cost(&grid.plant, ahead, chp_kw, *battery_kw, grid.step_h()));
        }
    }
}

/// Gas of CHP and boiler, and heat that is not served.
fn fuel_cost(plant: &Plant, ahead: &Ahead, chp_kw: f64, hours: f64) -> f64 {
    let heat = heat(plant, ahead.heat, chp_kw);
    let flows = Flows {
        exchange: 0.0,
        unserved: 0.0,
        battery: 0.0,
        gas: gas(plant, chp_kw, heat.boiler),
        heat_unserved: heat.unserved,
    };
    cost(plant, &flows, ahead.tariff(), false, hours)
}

/// Trade, wear, load that is not served. What would be exported beyond the limit, or at a negative price, is curtailed as
/// the filter does; what cannot be curtailed counts as if as much load were not served.
fn electric_cost(plant: &Plant, ahead: &Ahead, chp_kw: f64, battery_kw: f64, hours: f64) -> f64 {
    let demand = ahead.net_load + battery_kw - chp_kw;
    let export_max = plant.export_max().kilowatts().get();
    let wanted = if ahead.export_price < 0.0 { 0.0 } else { -export_max };
    let exchange = demand + (wanted - demand).max(0.0).min(ahead.renewables);
    let unserved = (exchange - plant.import_max().kilowatts().get()).max(0.0);
    let beyond = (-export_max - exchange).max(0.0);
    let flows = Flows { exchange, unserved, battery: battery_kw, gas: 0.0, heat_unserved: 0.0 };
    let penalty = beyond * plant.parameters().costs.unserved_eur_per_kwh * hours;
    cost(plant, &flows, ahead.tariff(), false, hours) + penalty
}

impl Ahead {
    const fn tariff(&self) -> Tariff {
        Tariff { import: self.import_price, export: self.export_price }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Dispatch, Running};
    use crate::profile::ProfileRow;
    use crate::units::{Kilowatts, Soc, Watts};

    /// What the environment would charge.
    fn real(plant: &Plant, row: &ProfileRow, chp_kw: f64, battery_kw: f64) -> f64 {
        let watts = |kw| Watts::nearest(Kilowatts::new(kw));
        let running = Running {
            battery: watts(battery_kw),
            chps: [watts(chp_kw), Watts::ZERO, Watts::ZERO, Watts::ZERO],
            renewable_limit: None,
        };
        Dispatch::of(plant, &row.situation(Soc::new(0.5)), &running)
            .cost(plant, row.prices(), false, plant.step())
            .get()
    }

    #[test]
    fn a_step_costs_what_the_environment_charges() {
        let plant = Plant::reference();
        let grid = Grid::new(plant, 144, 21);
        let row = ProfileRow { pv_kw: 20.0, electric_load_kw: 60.0, heat_load_kw: 170.0, ..ProfileRow::default() };
        let ahead = Ahead {
            net_load: 40.0,
            renewables: 20.0,
            heat: row.heat_load_kw,
            import_price: row.import_price,
            export_price: row.export_price,
        };
        let mut out = vec![0.0; 16 * 11];
        fill(&grid, &ahead, 1.5, &mut out);
        for (number, chp_kw) in grid.chp.powers().enumerate() {
            for (level, battery_kw) in grid.battery.kw.iter().enumerate() {
                if 40.0 + battery_kw - chp_kw < -80.0 {
                    // The filter would curtail.
                    continue;
                }
                let expected = real(&plant, &row, chp_kw, *battery_kw) - 1.5;
                let found = f64::from(out[number * 11 + level]);
                assert!((found - expected).abs() < 1e-5, "{chp_kw} {battery_kw}: {found} {expected}");
            }
        }
    }

    #[test]
    fn paid_export_is_curtailed_as_far_as_it_is_renewable() {
        let plant = Plant::reference();
        let ahead = Ahead { net_load: -30.0, renewables: 35.0, export_price: -0.1, ..Ahead::default() };
        assert_eq!(electric_cost(&plant, &ahead, 0.0, 0.0, 1.0), 0.0);
        assert!((electric_cost(&plant, &ahead, 40.0, 0.0, 1.0) - 3.5).abs() < 1e-12);
        let paid = Ahead { export_price: 0.1, ..ahead };
        assert!((electric_cost(&plant, &paid, 40.0, 0.0, 1.0) + 7.0).abs() < 1e-12);
        // 110 kW out: 30 of 35 kW of renewables are curtailed to keep 80.
        assert!((electric_cost(&plant, &paid, 80.0, 0.0, 1.0) + 8.0).abs() < 1e-12);
    }
}
