//! What a solution costs, day by day, and what it plans.

use super::PlanStep;
use super::block::{BlockProgram, StepVariables};
use super::chp_graph::Edge;
use super::program::Variable;
use memg_core::equipment::Plant;
use memg_core::profile::ProfileRow;
use memg_core::settlement::stored_kwh_worth;

/// What a full battery at the end of a block is worth, EUR per unit of SoC: the mean prices of the block, less losses.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredWorth {
    /// Paid for what is missing.
    pub(super) bought: f64,
    /// Earned for what is left over.
    pub(super) earned: f64,
}

impl StoredWorth {
    pub(super) fn of(plant: &Plant, rows: &[ProfileRow]) -> Self {
        let battery = plant.battery();
        let (bought, earned) = stored_kwh_worth(battery, rows);
        Self { bought: bought * battery.capacity_kwh, earned: earned * battery.capacity_kwh }
    }

    /// The two slopes of the correction's convex envelope, the steeper first.
    pub(super) fn slopes(self) -> [f64; 2] {
        [self.bought.max(self.earned), self.bought.min(self.earned)]
    }

    /// Cost of a missing share of SoC (negative: of one left over), EUR.
    fn cost(self, missing: f64) -> f64 {
        let [steep, flat] = self.slopes();
        (missing * steep).max(missing * flat)
    }
}

/// State of charge at the start of a block, as [`memg_core::env::Start::block`].
pub(super) const SOC_START: f64 = 0.5;

/// Sum over the changes of state that one CHP makes in a step.
fn flow(edges: (&[Edge], &[Option<Variable>]), x: &[f64], factor: impl Fn(&Edge) -> f64) -> f64 {
    edges.0.iter().zip(edges.1).filter_map(|(edge, var)| var.map(|var| x[var] * factor(edge))).sum()
}

/// Powers of each CHP, kW.
fn chp_kw(block: &BlockProgram<'_>, v: &StepVariables, x: &[f64]) -> Vec<f64> {
    let units = block.graphs.iter().zip(&v.edges);
    units.map(|(graph, edges)| flow((&graph.edges, edges), x, |edge| graph.power_kw(edge.to))).collect()
}

/// Means over one step, of all units together.
pub(super) fn plan_step(block: &BlockProgram<'_>, v: &StepVariables, x: &[f64]) -> PlanStep {
    let on = block.graphs.iter().zip(&v.edges).map(|(graph, edges)| {
        flow((&graph.edges, edges), x, |edge| f64::from(u8::from(graph.nodes[edge.to].level.is_some())))
    });
    let total: f64 = block.batteries.iter().map(|b| b.capacity_kwh).sum();
    let stored = block.batteries.iter().zip(&v.batteries).map(|(b, v)| b.capacity_kwh * x[v.soc]).sum::<f64>();
    PlanStep {
        battery_kw: v.batteries.iter().map(|b| x[b.charge] - x[b.discharge]).sum(),
        chp_kw: chp_kw(block, v, x).iter().sum(),
        chp_on: on.sum::<f64>() / block.graphs.len().max(1) as f64,
        grid_kw: x[v.import] - x[v.export],
        soc: if total > 0.0 { stored / total } else { SOC_START },
    }
}

/// Cost of one step, EUR.
fn step_cost(block: &BlockProgram<'_>, v: &StepVariables, row: &ProfileRow, x: &[f64]) -> f64 {
    let p = block.plant.parameters();
    let burnt: f64 = chp_kw(block, v, x).iter().zip(&block.chps).map(|(kw, chp)| kw / chp.efficiency_electric).sum();
    let gas = burnt + x[v.boiler] / p.boiler.efficiency;
    let trade = x[v.import] * row.import_price - x[v.export] * row.export_price;
    let wear = block.plant.battery().wear_eur_per_kwh * v.worn.iter().map(|worn| x[*worn]).sum::<f64>();
    let unserved =
        p.costs.unserved_eur_per_kwh * x[v.unserved] + p.costs.unserved_heat_eur_per_kwh * x[v.unserved_heat];
    let units = block.graphs.iter().zip(&v.edges).zip(&block.chps);
    let starts = units.map(|((graph, edges), chp)| {
        chp.start_cost_eur * flow((&graph.edges, edges), x, |edge| f64::from(u8::from(edge.start)))
    });
    block.plant.step_h() * (trade + gas * p.costs.gas_eur_per_kwh + wear + unserved) + starts.sum::<f64>()
}

/// Cost of each day, EUR; the correction for stored energy is booked on the last.
pub(super) fn daily_costs(block: &BlockProgram<'_>, rows: &[ProfileRow], x: &[f64]) -> Vec<f64> {
    let mut days: Vec<f64> = Vec::new();
    for (v, row) in block.steps.iter().zip(rows) {
        if row.time.day_and_minute().1 == 0 || days.is_empty() {
            days.push(0.0);
        }
        if let Some(day) = days.last_mut() {
            *day += step_cost(block, v, row, x);
        }
    }
    if let (Some(day), Some(last)) = (days.last_mut(), block.steps.last()) {
        *day += block.stored.cost(SOC_START - plan_step(block, last, x).soc);
    }
    days
}
