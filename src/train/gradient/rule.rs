//! The good rule ([`memg_core::rules::GoodRule`]) as a teacher: its request as an action.

use super::step::{Given, PlantPoint};
use memg_core::action::ON_FROM;
use memg_core::equipment::Plant;
use memg_core::observation::over;

/// What a CHP that should be off is asked for: well below the thresholds, and within reach of a tanh.
const OFF: f32 = -0.97;

/// The rule's action in [-1, 1]: battery, CHP, grid, as [`memg_core::action::Action`].
#[must_use]
pub fn action(plant: &Plant, given: &Given, s: &PlantPoint) -> [f32; 3] {
    let p = plant.parameters();
    let gas = p.costs.gas_eur_per_kwh;
    let marginal = gas / plant.chp().efficiency_electric - plant.chp().heat_per_power * gas / p.boiler.efficiency;
    let heat_led = given.heat / plant.chp().heat_per_power.max(1e-9);
    let wanted = if given.export_price > marginal {
        heat_led
    } else if given.import_price > marginal {
        heat_led.min(given.net).max(if s.on { plant.chp().p_kw_min } else { 0.0 })
    } else if s.on {
        plant.chp().p_kw_min
    } else {
        0.0
    };
    let on = !plant.chps().is_empty() && wanted >= ON_FROM * plant.chp().p_kw_min;
    let wanted = if on { wanted.clamp(plant.chp().p_kw_min, plant.chp().p_kw_max) } else { 0.0 };
    let chp = after_ramp(plant, s, wanted);
    let battery = (chp - given.net).clamp(-plant.battery().discharge_kw_max, plant.battery().charge_kw_max);
    let grid = given.net + battery - chp;
    let two_sided = |kw: f64, negative: f64, positive: f64| over(kw, if kw < 0.0 { negative } else { positive });
    let chp = if on { (2.0 * wanted / plant.chp().p_kw_max - 1.0) as f32 } else { OFF };
    [
        two_sided(battery, plant.battery().discharge_kw_max, plant.battery().charge_kw_max) as f32,
        chp,
        two_sided(grid, p.grid.export_kw_max, p.grid.import_kw_max).clamp(-1.0, 1.0) as f32,
    ]
}

fn after_ramp(plant: &Plant, s: &PlantPoint, wanted: f64) -> f64 {
    let ramp = plant.chp().ramp_kw_per_step;
    if s.on {
        let may_rest = s.age >= plant.chp().min_up_steps && s.chp <= plant.chp().p_kw_min + 1e-3;
        if wanted == 0.0 && may_rest { 0.0 } else { wanted.clamp(s.chp - ramp, s.chp + ramp).max(plant.chp().p_kw_min) }
    } else if wanted > 0.0 && s.age >= plant.chp().min_down_steps {
        plant.chp().p_kw_min
    } else {
        0.0
    }
}
