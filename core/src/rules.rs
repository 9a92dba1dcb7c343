//! Dispatch by rules: the baselines, and the gateway's fallback.

use crate::action::ON_FROM;
use crate::constraint::{Context, OnStates, Priority, limits};
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::setpoints::Setpoints;
use crate::units::{Kilowatts, Watts};

/// Battery at zero, CHP off, grid and boiler take the rest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle;

impl Policy for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }
    fn act(&mut self, _: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        Ok(request(Kilowatts::ZERO, Kilowatts::ZERO))
    }
}

/// The prototype's rule, done right. Deficit: renewables, then battery as far as its box allows, then the CHP if the rest
/// is at least its minimum power, then the grid. Surplus: battery, then export.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeedRule;

impl Policy for SeedRule {
    fn name(&self) -> &'static str {
        "seed"
    }
    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let net = Watts::nearest(input.situation.net_load());
        let battery = within_battery_box(input, -net);
        let rest = net + battery;
        let chp = if rest >= input.plant.chp_min() { rest.min(input.plant.chp_max()) } else { Watts::ZERO };
        Ok(request(battery.kilowatts(), chp.kilowatts()))
    }
}

/// CHP by spark spread, battery for self-consumption.
///
/// With the CHP's marginal cost `mc` (heat used): export price above `mc`: CHP at heat/h. Otherwise import price above
/// `mc`: CHP at min(heat/h, net load), at least at minimum power while it is on. Otherwise off, but a running CHP stays
/// at minimum power (a start costs money). The battery takes what then remains of the net load.
#[derive(Debug, Clone, Copy, Default)]
pub struct GoodRule;

impl Policy for GoodRule {
    fn name(&self) -> &'static str {
        "rule"
    }
    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let chp = wanted_chp(input);
        let p_chp = chp_after_ramp(input, chp);
        let remaining = p_chp - Watts::nearest(input.situation.net_load());
        // Nobody is asked for what no battery is there for.
        let battery = if input.plant.batteries().is_empty() { Watts::ZERO } else { remaining };
        Ok(request(battery.kilowatts(), chp.kilowatts()))
    }
}

fn wanted_chp(input: &PolicyInput<'_>) -> Watts {
    let (situation, plant, on) = (input.situation, input.plant, input.memory.chp_on());
    let marginal = plant.chp_marginal_cost();
    let heat_led = Kilowatts::new(situation.heat_load.get() / plant.chp().heat_per_power.max(1e-9));
    let minimum = plant.chp().p_kw_min;
    let wanted = if situation.export_price > marginal {
        heat_led
    } else if situation.import_price > marginal {
        let wanted = heat_led.min(situation.net_load());
        if on { wanted.max(Kilowatts::new(minimum)) } else { wanted }
    } else {
        Kilowatts::new(if on { minimum } else { 0.0 })
    };
    let counts_as_on = wanted.get() >= ON_FROM * minimum;
    let wanted = if counts_as_on { wanted.max(Kilowatts::new(minimum)) } else { Kilowatts::ZERO };
    Watts::nearest(wanted).within(Watts::ZERO, plant.chp_max())
}

/// Where the CHPs will be together after ramps and minimum times if asked for `wanted`.
fn chp_after_ramp(input: &PolicyInput<'_>, wanted: Watts) -> Watts {
    let anchor = input.memory.anchor(input.plant.step_ms());
    let context = Context { plant: input.plant, situation: input.situation, anchor: &anchor };
    let (limits, present) = (limits(&context, Priority::BatteryRamp), OnStates::of(input.memory));
    if present.any() {
        let running = limits.chp(present);
        let stays = limits.may_stop(present).is_err();
        return if wanted > Watts::ZERO || stays {
            wanted.within(running.low.value, running.high.value)
        } else {
            Watts::ZERO
        };
    }
    let mut startable = limits.chps().iter().filter(|chp| chp.may_run.is_ok() && chp.power.high.value > Watts::ZERO);
    let first = startable.next().filter(|_| wanted > Watts::ZERO);
    first.map_or(Watts::ZERO, |chp| wanted.within(chp.power.low.value, chp.power.high.value))
}

fn within_battery_box(input: &PolicyInput<'_>, wanted: Watts) -> Watts {
    let anchor = input.memory.anchor(input.plant.step_ms());
    let context = Context { plant: input.plant, situation: input.situation, anchor: &anchor };
    let battery = limits(&context, Priority::BatteryRamp).battery();
    wanted.within(battery.low.value, battery.high.value)
}

const fn request(battery: Kilowatts, chp: Kilowatts) -> Request {
    let setpoints = Setpoints { battery, chp, grid: None };
    Request { observation: None, action: None, setpoints, outside_tariff: false }
}

/// Names of the rules, see [`crate::builtin`].
pub const NAMES: [&str; 3] = ["idle", "seed", "rule"];
