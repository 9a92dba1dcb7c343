//! One step of filter and plant with derivatives.
//!
//! The same arithmetic as [`memg_core::safety`] and [`memg_core::dispatch`] in kilowatts instead of whole watts; a test
//! holds both to the same cost. What is left out: frequency rules and emergencies, which a policy cannot learn from.

use super::dual::Dual;
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::profile::ProfileRow;

/// What a step leaves behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlantPoint {
    /// State of charge.
    pub soc: f64,
    /// Battery power, kW, + = charging.
    pub battery: f64,
    /// CHP power, kW.
    pub chp: f64,
    /// The CHP is on.
    pub on: bool,
    /// Steps in this on/off state.
    pub age: u32,
}

impl PlantPoint {
    /// SoC 0.5, battery at zero, CHP off and free to start.
    pub const REST: Self = Self { soc: 0.5, battery: 0.0, chp: 0.0, on: false, age: 1000 };
}

/// What cannot be chosen in a step.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// Load minus renewables, kW.
    pub net: f64,
    /// PV and wind, kW.
    pub renewables: f64,
    /// Heat demand, kW.
    pub heat: f64,
    /// EUR/kWh.
    pub import_price: f64,
    /// EUR/kWh.
    pub export_price: f64,
    /// Limits of the exchange, kW.
    pub grid: (f64, f64),
}

impl Given {
    /// From a row, voltage limits included.
    pub fn new(plant: &Plant, row: &ProfileRow) -> Self {
        let g = &plant.parameters().grid;
        let vs = row.grid_voltage_pu;
        let power_at = |v: f64| vs * (vs - v) / g.resistance_pu * g.base_kva;
        let high = g.import_kw_max.min(power_at(g.voltage_pu_min));
        let low = (-g.export_kw_max).max(power_at(g.voltage_pu_max)).min(high);
        let renewables = row.pv_kw + row.wind_kw;
        Self {
            net: row.electric_load_kw - renewables,
            renewables,
            heat: row.heat_load_kw,
            import_price: row.import_price,
            export_price: row.export_price,
            grid: (low, high),
        }
    }
}

/// What a step did; the derivatives are with respect to (SoC, battery, CHP, action).
#[derive(Debug, Clone, Copy)]
pub struct Lived {
    /// The state after.
    pub after: PlantPoint,
    /// Cost, EUR.
    pub cost: Dual,
    /// State of charge after.
    pub soc: Dual,
    /// Battery power.
    pub battery: Dual,
    /// CHP power.
    pub chp: Dual,
    /// Both states of the CHP were possible.
    pub free: bool,
}

/// Whether the CHP's state follows the request or is forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// As requested.
    Asked,
    /// The other state than requested, if both are possible.
    Opposite,
}

/// The request at which a CHP counts as wanted on, kW.
pub fn on_threshold(p: &PlantParameters, on: bool) -> f64 {
    if on { 0.4 * p.chp.p_kw_min } else { 0.5 * p.chp.p_kw_min }
}

/// One step.
pub fn step(p: &PlantParameters, given: &Given, s: &PlantPoint, action: [f64; 3], switch: Switch) -> Lived {
    let (soc, battery, chp) = (Dual::variable(s.soc, 0), Dual::variable(s.battery, 1), Dual::variable(s.chp, 2));
    let [a0, a1, a2] = [0, 1, 2].map(|i| Dual::variable(action[i], 3 + i));
    let two_sided = |a: Dual, negative: f64, positive: f64| a * if a.v < 0.0 { negative } else { positive };
    let wanted_battery = two_sided(a0, p.battery.discharge_kw_max, p.battery.charge_kw_max);
    let raw = (a1 + 1.0) * (0.5 * p.chp.p_kw_max);
    let asks_on = raw.v >= on_threshold(p, s.on);
    let wanted_chp = if asks_on { raw.max(p.chp.p_kw_min.into()) } else { 0.0.into() };
    let wanted_difference = two_sided(a2, p.grid.export_kw_max, p.grid.import_kw_max) - given.net;
    let wish = Wish { battery: wanted_battery, chp: wanted_chp, difference: wanted_difference };
    let box_battery = battery_box(p, soc, battery);
    let may_switch = if s.on {
        s.age >= p.chp.min_up_steps && s.chp <= p.chp.p_kw_min + 1e-3
    } else {
        s.age >= p.chp.min_down_steps
    };
    let branch = |on: bool| {
        let minimum = Dual::constant(p.chp.p_kw_min);
        let span = match (on, s.on) {
            (false, _) => (0.0.into(), 0.0.into()),
            (true, false) => (minimum, minimum),
            (true, true) => {
                ((chp - p.chp.ramp_kw_per_step).max(minimum), (chp + p.chp.ramp_kw_per_step).min(p.chp.p_kw_max.into()))
            }
        };
        nearest(p, &wish, box_battery, span, given)
    };
    let on = if !may_switch {
        s.on
    } else {
        let asked = if branch(!s.on).2 < branch(s.on).2 { !s.on } else { s.on };
        if switch == Switch::Opposite { !asked } else { asked }
    };
    let (b, c, _) = branch(on);
    finish(p, given, s, (soc, b, c), on, may_switch)
}

fn finish(
    p: &PlantParameters,
    given: &Given,
    s: &PlantPoint,
    (soc, b, c): (Dual, Dual, Dual),
    on: bool,
    free: bool,
) -> Lived {
    let dt = p.step_h;
    let exchange = b - c + given.net;
    let mut trade = exchange * if exchange.v > 0.0 { given.import_price } else { given.export_price };
    if given.export_price < 0.0 && exchange.v < 0.0 {
        // what renewables would export is not produced
        trade = (exchange + given.renewables).min(0.0.into()) * given.export_price;
    }
    let unserved = (exchange - p.grid.import_kw_max).max(0.0.into());
    trade = trade + unserved * (p.costs.unserved_eur_per_kwh - given.import_price);
    let missing = c * -p.chp.heat_per_power + given.heat;
    let boiler = missing.max(0.0.into()).min(p.boiler.q_kw_max.into());
    let unheated = (missing - p.boiler.q_kw_max).max(0.0.into());
    let gas = c * (1.0 / p.chp.efficiency_electric) + boiler * (1.0 / p.boiler.efficiency);
    let started = on && !s.on;
    let cost = (trade
        + gas * p.costs.gas_eur_per_kwh
        + b.abs() * p.battery.wear_eur_per_kwh
        + unheated * p.costs.unserved_heat_eur_per_kwh)
        * dt
        + if started { p.chp.start_cost_eur } else { 0.0 };
    let factor = if b.v > 0.0 { p.battery.efficiency_store } else { 1.0 / p.battery.efficiency_dispatch };
    let soc_after = soc + b * (dt / p.battery.capacity_kwh * factor);
    let age = if on == s.on { s.age.saturating_add(1) } else { 1 };
    let after = PlantPoint { soc: soc_after.v, battery: b.v, chp: c.v, on, age };
    Lived { after, cost, soc: soc_after, battery: b, chp: c, free }
}

fn battery_box(p: &PlantParameters, soc: Dual, before: Dual) -> (Dual, Dual) {
    let b = &p.battery;
    let per_kwh = b.efficiency_store / b.capacity_kwh;
    let high = braked(p, (-soc + b.soc_max) * (1.0 / per_kwh)).min(b.charge_kw_max.into());
    let low = -braked(p, (soc - b.soc_min) * (b.capacity_kwh * b.efficiency_dispatch)).min(b.discharge_kw_max.into());
    let (down, up) = (before - b.ramp_kw_per_step, before + b.ramp_kw_per_step);
    if down.v > high.v {
        (high, high)
    } else if up.v < low.v {
        (low, low)
    } else {
        (low.max(down), high.min(up))
    }
}

/// Largest power whose energy with braking is within `budget` kWh.
fn braked(p: &PlantParameters, budget: Dual) -> Dual {
    if budget.v <= 0.0 {
        return 0.0.into();
    }
    let (h, r) = (p.step_h, p.battery.ramp_kw_per_step);
    let a = 0.5 * h * r;
    let linear = h * r - a;
    let n = (((linear * linear + 4.0 * a * budget.v).sqrt() - linear) / (2.0 * a)).floor().max(0.0);
    (budget + a * n * (n + 1.0)) * (1.0 / (h + n * h))
}

#[derive(Clone, Copy)]
struct Wish {
    battery: Dual,
    chp: Dual,
    difference: Dual,
}

type Span = (Dual, Dual);

/// Nearest admissible battery and CHP power, and the squared distance.
fn nearest(p: &PlantParameters, wish: &Wish, battery: Span, chp: Span, given: &Given) -> (Dual, Dual, f64) {
    let w = &p.filter_weights;
    let (mut low, mut high) = (given.grid.0 - given.net, given.grid.1 - given.net);
    let surplus = low - (battery.1.v - chp.0.v);
    if surplus > 0.0 {
        (low, high) = (low - surplus, high - surplus);
    }
    if battery.0.v - chp.1.v > high {
        high = battery.0.v - chp.1.v;
    }
    let distance = |b: f64, c: f64| {
        let (db, dc, dd) = (b - wish.battery.v, c - wish.chp.v, b - c - wish.difference.v);
        w.battery * db * db + w.chp * dc * dc + w.grid * dd * dd
    };
    let imbalance = wish.battery - wish.chp - wish.difference;
    let residual = imbalance * (1.0 / (1.0 + w.grid * (1.0 / w.battery + 1.0 / w.chp)));
    let free = (wish.battery - residual * (w.grid / w.battery), wish.chp + residual * (w.grid / w.chp));
    let inside = |x: f64, low: f64, high: f64| x >= low && x <= high;
    if inside(free.0.v, battery.0.v, battery.1.v)
        && inside(free.1.v, chp.0.v, chp.1.v)
        && inside(free.0.v - free.1.v, low, high)
    {
        return (free.0, free.1, distance(free.0.v, free.1.v));
    }
    let mut best = (battery.0, chp.1, f64::INFINITY);
    let mut offer = |b: Dual, c: Dual| {
        let cost = distance(b.v, c.v);
        if cost < best.2 {
            best = (b, c, cost);
        }
    };
    for b in [battery.0, battery.1] {
        let c = (wish.chp * w.chp + (b - wish.difference) * w.grid) * (1.0 / (w.chp + w.grid));
        if let Some(c) = clamp(c, chp.0.max(b - high), chp.1.min(b - low)) {
            offer(b, c);
        }
    }
    for c in [chp.0, chp.1] {
        let b = (wish.battery * w.battery + (c + wish.difference) * w.grid) * (1.0 / (w.battery + w.grid));
        if let Some(b) = clamp(b, battery.0.max(c + low), battery.1.min(c + high)) {
            offer(b, c);
        }
    }
    for d in [low, high] {
        let c = ((wish.battery - d) * w.battery + wish.chp * w.chp) * (1.0 / (w.battery + w.chp));
        if let Some(c) = clamp(c, chp.0.max(battery.0 - d), chp.1.min(battery.1 - d)) {
            offer(c + d, c);
        }
    }
    best
}

fn clamp(value: Dual, low: Dual, high: Dual) -> Option<Dual> {
    (low.v <= high.v + 1e-9).then(|| value.max(low).min(high))
}
