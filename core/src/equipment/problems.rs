//! What can be wrong with a plant's parameters: ranges, order, and whether a safe stop exists.

use super::{Battery, Chp, Each, PlantParameters, Problem};
use crate::units::{Kilowatts, Watts};

impl PlantParameters {
    /// All that is wrong with these parameters; empty if they describe a plant that the filter can keep.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut list = Vec::new();
        of_each(&mut list, &self.battery, check_battery);
        of_each(&mut list, &self.chp, check_chp);
        self.check_grid(&mut list);
        self.check_rest(&mut list);
        if list.is_empty() {
            self.check_safe_stop(&mut list);
        }
        list
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
        for (key, price) in [
            ("costs.fixed_import_eur_per_kwh", self.costs.fixed_import_eur_per_kwh),
            ("costs.fixed_export_eur_per_kwh", self.costs.fixed_export_eur_per_kwh),
        ] {
            price.into_iter().for_each(|price| between(list, key, price, -10.0, 10.0));
        }
        let m = &self.margins;
        between(list, "margins.power_kw", m.power_kw, 0.0, 0.5 * self.grid.import_kw_max);
        between(list, "margins.soc", m.soc, 0.0, 0.2);
        between(list, "margins.voltage_pu", m.voltage_pu, 0.0, 0.2);
        between(list, "margins.dead_band_kw", m.dead_band_kw, 0.0, 1e6);
        between(list, "margins.filter_s", m.filter_s, 0.0, 3600.0);
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
                unit: None,
                expected: format!(
                    "at least exogenous.electric_load_kw_max ({} kW), so that the load can be served with battery and CHP at 0",
                    x.electric_load_kw_max
                ),
            });
        }
        let rated: Watts = self.chp.iter().map(|chp| floor(chp.p_kw_max)).sum();
        let surplus = rated - floor(x.electric_load_kw_min);
        if surplus > floor(g.export_kw_max) {
            list.push(Problem {
                key: "grid.export_kw_max",
                unit: None,
                expected: format!(
                    "at least {} (chp.p_kw_max - exogenous.electric_load_kw_min), so that the CHP can be held during a safe stop",
                    surplus.kilowatts()
                ),
            });
        }
    }
}

/// What is wrong with a battery.
fn check_battery(b: &Battery, list: &mut Vec<Problem>) {
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

/// What is wrong with a CHP.
fn check_chp(c: &Chp, list: &mut Vec<Problem>) {
    between(list, "chp.p_kw_min", c.p_kw_min, 0.001, 1e6);
    between(list, "chp.p_kw_max", c.p_kw_max, 0.001, 1e6);
    // A unit that knows only on and off has one power.
    if c.p_kw_min > c.p_kw_max {
        let expected = format!("at least chp.p_kw_min ({}), found {}", c.p_kw_min, c.p_kw_max);
        list.push(Problem { key: "chp.p_kw_max", unit: None, expected });
    } else if ceil(c.p_kw_min) > floor(c.p_kw_max) {
        let expected = "a whole watt from chp.p_kw_min to it".to_owned();
        list.push(Problem { key: "chp.p_kw_max", unit: None, expected });
    }
    between(list, "chp.ramp_kw_per_step", c.ramp_kw_per_step, 0.001, 1e6);
    between(list, "chp.efficiency_electric", c.efficiency_electric, 0.05, 1.0);
    between(list, "chp.heat_per_power", c.heat_per_power, 0.0, 10.0);
    between(list, "chp.start_cost_eur", c.start_cost_eur, 0.0, 1e6);
    between(list, "chp.min_up_steps", f64::from(c.min_up_steps), 0.0, 10_000.0);
    between(list, "chp.min_down_steps", f64::from(c.min_down_steps), 0.0, 10_000.0);
}

/// Checks units one by one; with several the problem says which it is.
fn of_each<T: Copy>(list: &mut Vec<Problem>, units: &Each<T>, check: fn(&T, &mut Vec<Problem>)) {
    for (index, unit) in units.iter().enumerate() {
        let first = list.len();
        check(unit, list);
        for problem in list.iter_mut().skip(first).filter(|_| units.len() > 1) {
            problem.unit = Some(index);
        }
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
        list.push(Problem { key, unit: None, expected: format!("a number from {low} to {high}, found {value}") });
    }
}

fn ordered(list: &mut Vec<Problem>, key: &'static str, low: f64, high: f64, low_key: &str) {
    if low >= high {
        list.push(Problem { key, unit: None, expected: format!("more than {low_key} ({low}), found {high}") });
    }
}
