//! One step of filter and plant with derivatives.
//!
//! The plant's equations are those of [`memg_core::equations`]; the filter is that of [`memg_core::safety`] in kilowatts
//! instead of whole watts, and a test holds both to the same cost. What is left out: frequency rules and emergencies, which a policy cannot learn from.

use super::dual::Dual;
use memg_core::action::on_from;
use memg_core::equations::{self, Flows, Tariff};
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::observation::over;
use memg_core::profile::ProfileRow;

/// What a step leaves behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlantPoint {
    /// State of charge, 0 to 1.
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
    /// Heat demand, kW thermal.
    pub heat: f64,
    /// Import price, EUR/kWh.
    pub import_price: f64,
    /// Export price, EUR/kWh.
    pub export_price: f64,
    /// Least exchange with the grid, kW, + = importing.
    pub exchange_low: f64,
    /// Largest exchange with the grid, kW.
    pub exchange_high: f64,
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
            exchange_low: low,
            exchange_high: high,
        }
    }
}

/// What a step did; the derivatives are with respect to (SoC, battery, CHP, action).
#[derive(Debug, Clone, Copy)]
pub struct StepOutcome {
    /// What it leaves behind.
    pub after: PlantPoint,
    /// Cost of the step, EUR.
    pub cost: Dual,
    /// State of charge after the step, 0 to 1.
    pub soc: Dual,
    /// Battery power, kW, + = charging.
    pub battery: Dual,
    /// CHP power, kW.
    pub chp: Dual,
    /// Both states of the CHP were possible.
    pub free: bool,
}

/// Whether the CHP's state follows the request or is forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Its state follows the request.
    Asked,
    /// The other state than requested, if both are possible.
    Opposite,
}

/// The request at which a CHP counts as wanted on, kW.
pub fn on_threshold(plant: &Plant, on: bool) -> f64 {
    on_from(on) * plant.chp().p_kw_min
}

/// The same as an action; without a CHP, "off".
pub fn threshold_in_action(plant: &Plant, on: bool) -> f32 {
    (2.0 * over(on_threshold(plant, on), plant.chp().p_kw_max) - 1.0) as f32
}

/// One step of filter and plant from `s` on, on an action in [-1, 1].
pub fn step(plant: &Plant, given: &Given, s: &PlantPoint, action: [f64; 3], switch: Switch) -> StepOutcome {
    let p = plant.parameters();
    let (soc, battery) = (Dual::variable(s.soc, 0), Dual::variable(s.battery, 1));
    let wish = wish(plant, given, s, action);
    let battery = battery_span(plant, soc, battery);
    let choose = |on: bool| nearest(p, &wish, battery, chp_span(plant, s, on), given);
    let may_switch = if plant.chps().is_empty() {
        false
    } else if s.on {
        s.age >= plant.chp().min_up_steps && s.chp <= plant.chp().p_kw_min + 1e-3
    } else {
        s.age >= plant.chp().min_down_steps
    };
    let on = if !may_switch {
        s.on
    } else {
        let asked = if choose(!s.on).distance < choose(s.on).distance { !s.on } else { s.on };
        if switch == Switch::Opposite { !asked } else { asked }
    };
    let powers = choose(on);
    let soc = equations::soc_after(plant.battery(), soc, powers.battery, plant.step_h());
    let age = if on == s.on { s.age.saturating_add(1) } else { 1 };
    let after = PlantPoint { soc: soc.v, battery: powers.battery.v, chp: powers.chp.v, on, age };
    let cost = cost(plant, given, &powers, on && !s.on);
    StepOutcome { after, cost, soc, battery: powers.battery, chp: powers.chp, free: may_switch }
}

/// The powers that an action asks for, as [`memg_core::action::Action::setpoints`].
fn wish(plant: &Plant, given: &Given, s: &PlantPoint, action: [f64; 3]) -> Wish {
    let p = plant.parameters();
    let [a0, a1, a2] = [0, 1, 2].map(|i| Dual::variable(action[i], 3 + i));
    let two_sided = |a: Dual, negative: f64, positive: f64| a * if a.v < 0.0 { negative } else { positive };
    let battery = two_sided(a0, plant.battery().discharge_kw_max, plant.battery().charge_kw_max);
    let raw = (a1 + 1.0) * (0.5 * plant.chp().p_kw_max);
    let asks_on = raw.v >= on_threshold(plant, s.on);
    let chp = if asks_on { raw.max(plant.chp().p_kw_min.into()) } else { 0.0.into() };
    let difference = two_sided(a2, p.grid.export_kw_max, p.grid.import_kw_max) - given.net;
    Wish { battery, chp, difference }
}

/// CHP powers of a step in which it is on or off.
fn chp_span(plant: &Plant, s: &PlantPoint, on: bool) -> Span {
    let (chp, minimum) = (Dual::variable(s.chp, 2), Dual::constant(plant.chp().p_kw_min));
    match (on, s.on) {
        (false, _) => Span { low: 0.0.into(), high: 0.0.into() },
        (true, false) => Span { low: minimum, high: minimum },
        (true, true) => Span {
            low: (chp - plant.chp().ramp_kw_per_step).max(minimum),
            high: (chp + plant.chp().ramp_kw_per_step).min(plant.chp().p_kw_max.into()),
        },
    }
}

/// Cost of a step, EUR.
fn cost(plant: &Plant, given: &Given, powers: &Powers, started: bool) -> Dual {
    let p = plant.parameters();
    let Powers { battery, chp, .. } = *powers;
    let heat = equations::heat(plant, given.heat, chp);
    let (boiler, heat_unserved) = (heat.boiler, heat.unserved);
    let mut exchange = battery - chp + given.net;
    if given.export_price < 0.0 && exchange.v < 0.0 {
        // what renewables would export is not produced
        exchange = (exchange + given.renewables).min(0.0.into());
    }
    let unserved = (exchange - p.grid.import_kw_max).max(0.0.into());
    let gas = equations::gas(plant, chp, boiler);
    let flows = Flows { exchange, unserved, battery, gas, heat_unserved };
    let tariff = Tariff { import: given.import_price, export: given.export_price };
    equations::cost(plant, &flows, tariff, started, plant.step_h())
}

/// Battery powers within rating, ramp and the SoC band, ramps down to zero at its ends included.
fn battery_span(plant: &Plant, soc: Dual, before: Dual) -> Span {
    let b = plant.cautious_battery();
    let per_kwh = b.efficiency_store / b.capacity_kwh;
    let high = braked(plant, (-soc + b.soc_max) * (1.0 / per_kwh)).min(b.charge_kw_max.into());
    let low =
        -braked(plant, (soc - b.soc_min) * (b.capacity_kwh * b.efficiency_dispatch)).min(b.discharge_kw_max.into());
    let (down, up) = (before - b.ramp_kw_per_step, before + b.ramp_kw_per_step);
    if down.v > high.v {
        Span { low: high, high }
    } else if up.v < low.v {
        Span { low, high: low }
    } else {
        Span { low: low.max(down), high: high.min(up) }
    }
}

/// Largest power whose energy with braking is within `budget` kWh.
fn braked(plant: &Plant, budget: Dual) -> Dual {
    if budget.v <= 0.0 {
        return 0.0.into();
    }
    let (h, r) = (plant.step_h(), plant.battery().ramp_kw_per_step);
    let a = 0.5 * h * r;
    let linear = h * r - a;
    let n = (((linear * linear + 4.0 * a * budget.v).sqrt() - linear) / (2.0 * a)).floor().max(0.0);
    (budget + a * n * (n + 1.0)) * (1.0 / (h + n * h))
}

/// What is asked for, kW; the difference is battery less CHP, as the wish for the exchange implies it.
#[derive(Clone, Copy)]
struct Wish {
    battery: Dual,
    chp: Dual,
    difference: Dual,
}

/// Least and largest power, kW.
#[derive(Clone, Copy)]
struct Span {
    low: Dual,
    high: Dual,
}

/// Battery and CHP power, kW, and their squared distance from the wish.
#[derive(Clone, Copy)]
struct Powers {
    battery: Dual,
    chp: Dual,
    distance: f64,
}

/// The nearest admissible powers: the free optimum if it is admissible, else the nearest point on an edge.
fn nearest(p: &PlantParameters, wish: &Wish, battery: Span, chp: Span, given: &Given) -> Powers {
    let w = &p.filter_weights;
    let (low, high) = difference_limits(given, battery, chp);
    let distance = |b: f64, c: f64| {
        let (db, dc, dd) = (b - wish.battery.v, c - wish.chp.v, b - c - wish.difference.v);
        w.battery * db * db + w.chp * dc * dc + w.grid * dd * dd
    };
    let imbalance = wish.battery - wish.chp - wish.difference;
    let residual = imbalance * (1.0 / (1.0 + w.grid * (1.0 / w.battery + 1.0 / w.chp)));
    let (b, c) = (wish.battery - residual * (w.grid / w.battery), wish.chp + residual * (w.grid / w.chp));
    let inside = |x: f64, low: f64, high: f64| x >= low && x <= high;
    if inside(b.v, battery.low.v, battery.high.v) && inside(c.v, chp.low.v, chp.high.v) && inside(b.v - c.v, low, high)
    {
        return Powers { battery: b, chp: c, distance: distance(b.v, c.v) };
    }
    let mut best = Powers { battery: battery.low, chp: chp.high, distance: f64::INFINITY };
    let mut offer = |battery: Dual, chp: Dual| {
        let distance = distance(battery.v, chp.v);
        if distance < best.distance {
            best = Powers { battery, chp, distance };
        }
    };
    for b in [battery.low, battery.high] {
        let c = (wish.chp * w.chp + (b - wish.difference) * w.grid) * (1.0 / (w.chp + w.grid));
        if let Some(c) = clamp(c, chp.low.max(b - high), chp.high.min(b - low)) {
            offer(b, c);
        }
    }
    for c in [chp.low, chp.high] {
        let b = (wish.battery * w.battery + (c + wish.difference) * w.grid) * (1.0 / (w.battery + w.grid));
        if let Some(b) = clamp(b, battery.low.max(c + low), battery.high.min(c + high)) {
            offer(b, c);
        }
    }
    for d in [low, high] {
        let c = ((wish.battery - d) * w.battery + wish.chp * w.chp) * (1.0 / (w.battery + w.chp));
        if let Some(c) = clamp(c, chp.low.max(battery.low - d), chp.high.min(battery.high - d)) {
            offer(c + d, c);
        }
    }
    best
}

/// Limits of battery less CHP that keep those of the exchange, widened to what the equipment can do.
fn difference_limits(given: &Given, battery: Span, chp: Span) -> (f64, f64) {
    let (mut low, mut high) = (given.exchange_low - given.net, given.exchange_high - given.net);
    let surplus = low - (battery.high.v - chp.low.v);
    if surplus > 0.0 {
        (low, high) = (low - surplus, high - surplus);
    }
    if battery.low.v - chp.high.v > high {
        high = battery.low.v - chp.high.v;
    }
    (low, high)
}

fn clamp(value: Dual, low: Dual, high: Dual) -> Option<Dual> {
    (low.v <= high.v + 1e-9).then(|| value.max(low).min(high))
}
