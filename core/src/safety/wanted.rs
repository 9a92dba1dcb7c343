//! The request as the filter sees it: whole watts within ratings, free of NaN.

use super::nearest::Target;
use crate::constraint::{Anchor, Context};
use crate::equipment::{Plant, UNITS_MAX};
use crate::setpoints::Setpoints;
use crate::units::{Kilowatts, Watts};

/// A request in whole watts. What is not a number holds its last value (the grid: no wish); what is beyond ratings is
/// taken as the rating. The nearest point is the one nearest to this.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub battery: Watts,
    pub chp: Watts,
    pub grid: Option<Watts>,
    pub target: Target,
}

impl Wanted {
    pub fn new(context: &Context<'_>, request: &Setpoints) -> Self {
        let plant = context.plant;
        let battery =
            finite_or(request.battery, || context.anchor.memory.batteries.iter().map(|battery| battery.anchor).sum())
                .within(-plant.discharge_max(), plant.charge_max());
        let chp = finite_or(request.chp, || held_chps(plant, context.anchor).into_iter().sum())
            .within(Watts::ZERO, plant.chp_max());
        let grid = request.grid.filter(|grid| !grid.get().is_nan());
        let grid = grid.map(|g| Watts::nearest(g).within(-plant.export_max(), plant.import_max()));
        let mut weights = plant.parameters().filter_weights;
        // Without a grid wish the third term must vanish, not pull towards zero.
        if grid.is_none() {
            weights.grid = 0.0;
        }
        let net = context.situation.net_load().get() * 1000.0;
        let difference = grid.map_or(0.0, |g| g.as_f64() - net);
        let target = Target { battery: battery.as_f64(), chp: chp.as_f64(), difference, weights };
        Self { battery, chp, grid, target }
    }
}

/// Each CHP's last set-point, inside its ratings whatever the anchor says; 0 = off.
pub(super) fn held_chps(plant: &Plant, anchor: &Anchor) -> [Watts; UNITS_MAX] {
    let mut held = [Watts::ZERO; UNITS_MAX];
    for ((slot, chp), unit) in held.iter_mut().zip(&anchor.memory.chps).zip(plant.chps().iter()) {
        *slot = if chp.on { chp.now.within(unit.min, unit.max) } else { Watts::ZERO };
    }
    held
}

fn finite_or(power: Kilowatts, fallback: impl FnOnce() -> Watts) -> Watts {
    if power.get().is_nan() { fallback() } else { Watts::nearest(power) }
}
