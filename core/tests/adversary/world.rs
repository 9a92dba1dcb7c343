//! The adversary's side: random plants, weather, requests and accidents.

use crate::checker::{Rules, Seen};
use crate::dice::Dice;
use memg_core::equipment::{Battery, Chp, Plant, PlantParameters};
use memg_core::setpoints::Setpoints;
use memg_core::situation::{Doubt, Situation};
use memg_core::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc};

/// A plant that passes validation; often the reference plant.
pub fn plant(dice: &mut Dice) -> (Plant, Rules) {
    loop {
        let mut p = PlantParameters::reference();
        if !dice.one_in(3) {
            vary(&mut p, dice);
        }
        if dice.one_in(3) {
            p.frequency.droop_pu = Some(dice.between(0.03, 0.12));
        }
        if let Ok(plant) = p.validate() {
            return (plant, Rules::new(&p));
        }
    }
}

fn vary_battery(b: &mut Battery, dice: &mut Dice) {
    b.capacity_kwh = dice.between(5.0, 500.0);
    b.charge_kw_max = if dice.one_in(20) { 0.0 } else { dice.between(0.5, 200.0) };
    b.discharge_kw_max = dice.between(0.5, 200.0);
    b.ramp_kw_per_step = b.charge_kw_max.max(b.discharge_kw_max) * dice.between(0.05, 1.5);
    (b.efficiency_store, b.efficiency_dispatch) = (dice.between(0.6, 1.0), dice.between(0.6, 1.0));
    (b.soc_min, b.soc_max) = (dice.between(0.0, 0.4), dice.between(0.5, 1.0));
}

fn vary_chp(c: &mut Chp, dice: &mut Dice) {
    c.p_kw_min = dice.between(0.5, 60.0);
    c.p_kw_max = c.p_kw_min + dice.between(0.1, 100.0);
    c.ramp_kw_per_step = dice.between(0.2, 60.0);
    (c.min_up_steps, c.min_down_steps) = (dice.below(5) as u32, dice.below(5) as u32);
}

fn vary(p: &mut PlantParameters, dice: &mut Dice) {
    p.step_h = [0.25, 0.25, 0.5, 1.0 / 3.0, 1.0 / 60.0][dice.below(5) as usize];
    p.battery.edit(|b| vary_battery(b, dice));
    p.chp.edit(|c| vary_chp(c, dice));
    let chp_max = p.chp_of_all().p_kw_max;
    let x = &mut p.exogenous;
    (x.pv_kw_nom, x.wind_kw_nom) = (dice.between(0.0, 150.0), dice.between(0.0, 80.0));
    x.electric_load_kw_min = dice.between(0.0, 20.0);
    x.electric_load_kw_max = x.electric_load_kw_min + dice.between(0.0, 150.0);
    let g = &mut p.grid;
    g.import_kw_max = x.electric_load_kw_max + dice.between(0.001, 30.0);
    g.export_kw_max = (chp_max - x.electric_load_kw_min).max(0.0) + dice.between(0.001, 60.0);
    g.base_kva = dice.between(20.0, 300.0);
    (g.resistance_pu, g.reactance_pu) = (dice.between(0.001, 0.1), dice.between(0.0, 0.1));
    (g.voltage_pu_min, g.voltage_pu_max) = (dice.between(0.9, 0.99), dice.between(1.01, 1.1));
    let w = &mut p.filter_weights;
    let mut weight = || 10f64.powf(dice.between(-2.9, 2.9));
    (w.battery, w.chp, w.grid) = (weight(), weight(), weight());
    if dice.one_in(3) {
        w.grid = 0.0;
    }
}

/// Measurements, mostly inside the declared bounds. Often the load is such that the exchange is within a few watts of a
/// limit if battery minus CHP is `difference_w`.
pub fn weather(rules: &Rules, soc: f64, difference_w: i64, dice: &mut Dice) -> (Situation, Seen) {
    let x = &rules.p.exogenous;
    let low = |dice: &mut Dice, high: f64| if dice.one_in(4) { 0.0 } else { dice.between(0.0, high) };
    let (pv, wind) = (low(dice, x.pv_kw_nom), low(dice, x.wind_kw_nom));
    let load = match dice.below(8) {
        0 => x.electric_load_kw_min,
        1 => x.electric_load_kw_max,
        _ => dice.between(x.electric_load_kw_min, x.electric_load_kw_max),
    };
    // A stale or noisy state of charge comes with bounds around it.
    let (below, above) = if dice.one_in(16) { (dice.between(0.0, 0.02), dice.between(0.0, 0.02)) } else { (0.0, 0.0) };
    let mut s = Situation {
        pv: Kilowatts::new(pv),
        wind: Kilowatts::new(wind),
        electric_load: Kilowatts::new(load),
        heat_load: KilowattsThermal::new(10.0),
        soc: Soc::new(soc),
        soc_low: Soc::new(soc - below),
        soc_high: Soc::new(soc + above),
        socs: None,
        source_voltage: PerUnit::new(source_voltage(rules, dice)),
        reactive: Kilowatts::new(if dice.one_in(4) { dice.between(-50.0, 50.0) } else { 0.0 }),
        frequency: Hertz::new(frequency(rules, dice)),
        import_price: EurPerKwh::new(0.1),
        export_price: EurPerKwh::new(if dice.one_in(8) { -0.05 } else { 0.05 }),
        local_hour: 12.0,
        doubt: Doubt::NONE,
    };
    draw_at_night(&mut s, x.electric_load_kw_max - load, [x.pv_kw_nom, x.wind_kw_nom], dice);
    if dice.one_in(8) {
        // Old or imprecise measurements.
        let mut up_to = |most: f64| dice.between(0.0, most);
        s.doubt.net_load_up = Kilowatts::new(up_to(0.3 * rules.p.grid.import_kw_max));
        s.doubt.net_load_down = Kilowatts::new(up_to(0.3 * rules.p.grid.export_kw_max));
        s.doubt.voltage = PerUnit::new(up_to(0.003));
    }
    if dice.one_in(8) {
        let (low, high) = rules.grid_limits(&seen(&s, true));
        let edge = [low, high, -rules.export as f64, rules.import as f64][dice.below(4) as usize];
        let load = (edge - difference_w as f64 + dice.between(-3.0, 3.0)) / 1000.0 + s.renewables().get();
        if load >= x.electric_load_kw_min && load + drawn(&s) <= x.electric_load_kw_max {
            s.electric_load = Kilowatts::new(load);
        }
    }
    let valid = !dice.one_in(200) || !break_something(&mut s, dice);
    (s, seen(&s, valid))
}

/// What sources draw, kW.
fn drawn(s: &Situation) -> f64 {
    (-s.pv.get()).max(0.0) + (-s.wind.get()).max(0.0)
}

/// Sources that draw up to 2 % of their rating, as far as the declared load has room for it.
fn draw_at_night(s: &mut Situation, room: f64, rated: [f64; 2], dice: &mut Dice) {
    let [pv, wind] = rated.map(|kw| dice.unit() * 0.02 * kw);
    if dice.one_in(6) && pv + wind <= room {
        s.pv = Kilowatts::new(-pv);
        s.wind = if dice.one_in(2) { Kilowatts::new(-wind) } else { s.wind };
    }
}

fn source_voltage(rules: &Rules, dice: &mut Dice) -> f64 {
    let g = &rules.p.grid;
    match dice.below(64) {
        0 => dice.between(0.1, 3.0),
        1..4 => dice.between(0.8, 1.2),
        4..10 => g.voltage_pu_min + dice.between(-0.01, 0.03),
        10..16 => g.voltage_pu_max + dice.between(-0.03, 0.01),
        _ => dice.between(0.99, 1.01),
    }
}

fn frequency(rules: &Rules, dice: &mut Dice) -> f64 {
    match dice.below(32) {
        0 => rules.p.frequency.hz_min - dice.unit(),
        1 => rules.p.frequency.hz_max + dice.unit(),
        2..5 => 50.0 + dice.between(-0.4, 0.4),
        _ => 50.0 + dice.between(-0.02, 0.02),
    }
}

/// Makes one measurement unusable.
fn break_something(s: &mut Situation, dice: &mut Dice) -> bool {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e9, 1e300][dice.below(5) as usize];
    match dice.below(6) {
        0 => s.pv = Kilowatts::new(bad),
        1 => s.electric_load = Kilowatts::new(bad),
        2 => s.soc_high = Soc::new(bad),
        3 => s.source_voltage = PerUnit::new(bad),
        4 => s.frequency = Hertz::new(bad),
        _ => s.reactive = Kilowatts::new(bad),
    }
    true
}

fn seen(s: &Situation, valid: bool) -> Seen {
    Seen {
        load_w: 1000.0 * (s.electric_load.get() + drawn(s)),
        renewables_w: 1000.0 * (s.pv.get().max(0.0) + s.wind.get().max(0.0)),
        doubt_up_w: 1000.0 * s.doubt.net_load_up.get(),
        doubt_down_w: 1000.0 * s.doubt.net_load_down.get(),
        doubt_pu: s.doubt.voltage.get(),
        soc_low: s.soc_low.get(),
        soc_high: s.soc_high.get(),
        source_pu: s.source_voltage.get(),
        kvar: s.reactive.get(),
        hz: s.frequency.get(),
        export_price: s.export_price.get(),
        valid,
    }
}

/// How the policy misbehaves.
pub fn request(rules: &Rules, battery_w: i64, chp_w: i64, dice: &mut Dice) -> Setpoints {
    let (charge, discharge, chp_max) = (rules.charge as f64, rules.discharge as f64, rules.chp_max as f64);
    let sign = |dice: &mut Dice| if dice.one_in(2) { 1.0 } else { -1.0 };
    let (battery, chp) = match dice.below(8) {
        // What might pass: a small move.
        0..3 => {
            let ramp = rules.battery_ramp as f64;
            let chp = if dice.one_in(2) { chp_w as f64 } else { chp_w as f64 + rules.chp_ramp as f64 * sign(dice) };
            (battery_w as f64 + dice.between(-1.0, 1.0) * ramp, chp)
        }
        3 | 4 => (if dice.one_in(2) { charge } else { -discharge }, if dice.one_in(2) { chp_max } else { 0.0 }),
        5 => (dice.between(-2.0 * discharge, 2.0 * charge), dice.between(-0.5, 1.5) * chp_max),
        6 => (f64::from_bits(dice.bits()), f64::from_bits(dice.bits())),
        _ => {
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 0.0, -0.0];
            (odd[dice.below(6) as usize], odd[dice.below(6) as usize])
        }
    };
    let grid = match dice.below(8) {
        0 => Some(f64::from_bits(dice.bits())),
        1 => Some(dice.between(-200.0, 200.0)),
        _ => None,
    };
    Setpoints {
        battery: Kilowatts::new(battery.round() / 1000.0),
        chp: Kilowatts::new(chp.round() / 1000.0),
        grid: grid.map(Kilowatts::new),
    }
}
