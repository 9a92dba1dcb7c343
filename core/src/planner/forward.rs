//! The plan itself: the grid's best way forward through the forecast, from where the first action leads to.

use super::grid::{After, Grid};
use super::levels::{count, number};
use super::search::First;
use super::stage::Ahead;
use super::summary::{PlanStep, PlanSummary};
use super::tables::Tables;
use crate::forecast::Forecast;
use crate::policy::PolicyInput;
use crate::series::Quantity;

/// A state on the way: numbers of the CHP's state and of the battery's level, and the state of charge.
#[derive(Debug, Clone, Copy)]
struct Way {
    chp: usize,
    battery: usize,
    soc: f64,
}

/// What a plan is told from.
pub(super) struct Forward<'a> {
    pub input: &'a PolicyInput<'a>,
    pub grid: &'a Grid,
    pub tables: &'a Tables,
    pub forecast: &'a Forecast,
}

impl Forward<'_> {
    /// Tells the plan behind a first action. What it tells is on the grid's levels; only the first action is searched finely.
    pub fn tell(&self, first: &First, plan: &mut PlanSummary) {
        let (situation, grid) = (self.input.situation, self.grid);
        plan.now_h = self.input.plant.step_h();
        // A step is decided a little after it has begun, or anew in the middle of it after a restart.
        let step_min = 60.0 * plan.now_h;
        plan.begins_min = step_min * number(count(60.0 * situation.local_hour / step_min + 1e-6));
        plan.step_h = grid.step_h();
        let now = Ahead {
            net_load: situation.net_load().get(),
            renewables: situation.renewables().get(),
            heat: situation.quantity(Quantity::HeatLoad),
            import_price: situation.quantity(Quantity::ImportPrice),
            export_price: situation.quantity(Quantity::ExportPrice),
        };
        plan.now = told(&now, first.after.battery_kw, first.chp.kilowatts().get(), first.after.soc);
        plan.ahead.clear();
        let mut way = start(grid, &first.after);
        for step in 0..grid.steps {
            let Some(next) = best(grid, self.tables, step, &way) else { break };
            way = next;
            let battery_kw = grid.battery.kw.get(way.battery).copied().unwrap_or(0.0);
            let power = grid.chp.states.get(way.chp).map_or(0, |state| state.power());
            let chp_kw = grid.chp.powers().nth(power).unwrap_or(0.0);
            plan.ahead.push(told(&Ahead::of(grid, self.forecast, step), battery_kw, chp_kw, way.soc));
        }
    }
}

fn told(ahead: &Ahead, battery_kw: f64, chp_kw: f64, soc: f64) -> PlanStep {
    PlanStep {
        battery_kw,
        chp_kw,
        soc,
        exchange_kw: ahead.net_load + battery_kw - chp_kw,
        heat_kw: ahead.heat,
        import_price: ahead.import_price,
        export_price: ahead.export_price,
    }
}

fn start(grid: &Grid, after: &After) -> Way {
    let (chp, battery) = (grid.chp.place(&after.chp), grid.battery.place(after.battery_kw));
    Way { chp: chp.nearest(), battery: battery.nearest(), soc: after.soc }
}

fn best(grid: &Grid, tables: &Tables, step: usize, way: &Way) -> Option<Way> {
    let reach = grid.battery.reach;
    let (low, high) = (way.battery.saturating_sub(reach), way.battery + reach);
    let levels = || grid.battery.kw.iter().enumerate().take(high + 1).skip(low);
    let mut best: Option<(f64, Way)> = None;
    for step_of_chp in grid.chp.moves_from(way.chp) {
        let power = grid.chp.states.get(step_of_chp.to)?.power();
        for (battery, kw) in levels() {
            let next = Way { chp: step_of_chp.to, battery, soc: grid.soc_after(way.soc, *kw, grid.step_h()) };
            let value = tables.value_at(grid, step + 1, next.chp, next.battery, next.soc);
            let cost = tables.cost(grid, step, power, battery) + step_of_chp.start_cost + value;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, next));
            }
        }
    }
    best.map(|(_, way)| way)
}
