//! Several units as one, for those that look at the plant as a whole: policies, planner, training, the optimum.
//!
//! A battery that stands for several has their energy and power together; its efficiencies are those of power spread by
//! rating, its SoC band that of energy spread by capacity. It can do what they can only while their states of charge are
//! alike, which is how the filter splits set-points ([`crate::safety`]). A CHP that stands for several runs from the lowest
//! minimum power of any to all ratings together. What does not exist has ratings of zero.

use super::{Battery, Chp, Each};

/// Sum over units.
fn sum<T: Copy>(units: &Each<T>, of: impl Fn(&T) -> f64) -> f64 {
    units.iter().map(of).sum()
}

/// Mean over units with weights; `otherwise` where there is nothing to weigh.
fn mean<T: Copy>(units: &Each<T>, weight: impl Fn(&T) -> f64, of: impl Fn(&T) -> f64, otherwise: f64) -> f64 {
    let total = sum(units, &weight);
    if total > 0.0 { units.iter().map(|unit| weight(unit) * of(unit)).sum::<f64>() / total } else { otherwise }
}

/// The battery that stands for all.
pub(super) fn battery(units: &Each<Battery>) -> Battery {
    if let (Some(only), 1) = (units.get(0), units.len()) {
        return *only;
    }
    let energy = |unit: &Battery| unit.capacity_kwh;
    let power = |unit: &Battery| unit.charge_kw_max + unit.discharge_kw_max;
    Battery {
        capacity_kwh: sum(units, energy),
        charge_kw_max: sum(units, |unit| unit.charge_kw_max),
        discharge_kw_max: sum(units, |unit| unit.discharge_kw_max),
        efficiency_store: mean(units, |unit| unit.charge_kw_max, |unit| unit.efficiency_store, 1.0),
        efficiency_dispatch: mean(units, |unit| unit.discharge_kw_max, |unit| unit.efficiency_dispatch, 1.0),
        soc_min: mean(units, energy, |unit| unit.soc_min, 0.0),
        soc_max: mean(units, energy, |unit| unit.soc_max, 1.0),
        ramp_kw_per_step: sum(units, |unit| unit.ramp_kw_per_step),
        wear_eur_per_kwh: mean(units, power, |unit| unit.wear_eur_per_kwh, 0.0),
    }
}

/// The CHP that stands for all.
pub(super) fn chp(units: &Each<Chp>) -> Chp {
    if let (Some(only), 1) = (units.get(0), units.len()) {
        return *only;
    }
    let rating = |unit: &Chp| unit.p_kw_max;
    let lowest = units.iter().map(|unit| unit.p_kw_min).fold(f64::INFINITY, f64::min);
    Chp {
        p_kw_min: if lowest.is_finite() { lowest } else { 0.0 },
        p_kw_max: sum(units, rating),
        ramp_kw_per_step: sum(units, |unit| unit.ramp_kw_per_step),
        min_up_steps: units.iter().map(|unit| unit.min_up_steps).max().unwrap_or(0),
        min_down_steps: units.iter().map(|unit| unit.min_down_steps).max().unwrap_or(0),
        // Nothing burns gas: any number will do that can be divided by.
        efficiency_electric: mean(units, rating, |unit| unit.efficiency_electric, 1.0),
        heat_per_power: mean(units, rating, |unit| unit.heat_per_power, 0.0),
        start_cost_eur: mean(units, rating, |unit| unit.start_cost_eur, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equipment::PlantParameters;

    #[test]
    fn two_equal_units_are_one_of_twice_the_size() {
        let p = PlantParameters::reference();
        let (battery_of_one, chp_of_one) = (battery(&p.battery), chp(&p.chp));
        let twice = |each: &Each<Battery>| Each::new(&[*each.get(0).unwrap(); 2]).unwrap();
        let both = battery(&twice(&p.battery));
        assert_eq!((both.capacity_kwh, both.charge_kw_max, both.ramp_kw_per_step), (200.0, 100.0, 20.0));
        assert_eq!((both.efficiency_store, both.soc_min), (battery_of_one.efficiency_store, battery_of_one.soc_min));
        let chps = chp(&Each::new(&[chp_of_one; 2]).unwrap());
        assert_eq!((chps.p_kw_min, chps.p_kw_max, chps.min_up_steps), (10.0, 160.0, 2));
    }

    #[test]
    fn what_does_not_exist_has_no_power_and_divides_by_nothing() {
        let (battery, chp) = (battery(&Each::default()), chp(&Each::default()));
        assert_eq!((battery.charge_kw_max, battery.capacity_kwh, chp.p_kw_max, chp.p_kw_min), (0.0, 0.0, 0.0, 0.0));
        assert!(battery.efficiency_store > 0.0 && chp.efficiency_electric > 0.0);
    }
}
