//! The linear program of one block of days: every battery, every CHP, boiler and grid, step by step.

use super::chp_graph::{self, ChpGraph};
use super::costs::{SOC_START, StoredWorth, daily_costs, plan_step};
use super::program::{Program, Solution, Variable};
use super::{BlockOptimum, OptimumError, PlanStep};
use memg_core::equipment::{Battery, Chp, Plant};
use memg_core::profile::{Profile, ProfileRow};
use std::ops::Range;

/// The program of one block.
pub(super) fn built<'a>(
    plant: &'a Plant,
    profile: &Profile,
    block: &Range<usize>,
) -> Result<BlockProgram<'a>, OptimumError> {
    let none = || OptimumError { first: block.start, end: block.end, status: "no such rows".to_owned() };
    let rows = profile.rows().get(block.clone()).ok_or_else(none)?;
    let mut program = BlockProgram::new(plant, rows);
    rows.iter().for_each(|row| program.step(row));
    program.close();
    Ok(program)
}

/// Variables of one battery in one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatteryVariables {
    pub(super) charge: Variable,
    pub(super) discharge: Variable,
    pub(super) soc: Variable,
}

/// Variables of one step.
#[derive(Debug, Clone)]
pub(super) struct StepVariables {
    pub(super) batteries: Vec<BatteryVariables>,
    /// What wears: one battery's charge and discharge, or those of the sum of several.
    pub(super) worn: [Variable; 2],
    pub(super) import: Variable,
    pub(super) export: Variable,
    pub(super) boiler: Variable,
    pub(super) unserved: Variable,
    pub(super) unserved_heat: Variable,
    /// For each CHP a variable for each of its graph's edges that is possible by now.
    pub(super) edges: Vec<Vec<Option<Variable>>>,
}

/// The batteries, or the one of no size that stands for none.
pub(super) fn batteries(plant: &Plant) -> Vec<Battery> {
    let units: Vec<Battery> = plant.batteries().iter().map(|unit| unit.parameters).collect();
    if units.is_empty() { vec![*plant.battery()] } else { units }
}

/// The CHPs, or the one of no size that stands for none.
pub(super) fn chps(plant: &Plant) -> Vec<Chp> {
    let units: Vec<Chp> = plant.chps().iter().map(|unit| unit.parameters).collect();
    if units.is_empty() { vec![*plant.chp()] } else { units }
}

/// A program in the making, or made.
pub(super) struct BlockProgram<'a> {
    pub(super) plant: &'a Plant,
    pub(super) batteries: Vec<Battery>,
    pub(super) chps: Vec<Chp>,
    pub(super) graphs: Vec<ChpGraph>,
    pub(super) program: Program,
    pub(super) steps: Vec<StepVariables>,
    pub(super) stored: StoredWorth,
}

impl<'a> BlockProgram<'a> {
    fn new(plant: &'a Plant, rows: &[ProfileRow]) -> Self {
        let chps = chps(plant);
        Self {
            plant,
            batteries: batteries(plant),
            graphs: chps.iter().map(ChpGraph::new).collect(),
            chps,
            program: Program::default(),
            steps: Vec::with_capacity(rows.len()),
            stored: StoredWorth::of(plant, rows),
        }
    }

    fn step(&mut self, row: &ProfileRow) {
        let p = *self.plant.parameters();
        let dt = self.plant.step_h();
        let (import_max, export_max) = self.grid_limits(row);
        self.program.begin_step();
        let (batteries, worn) = self.storage();
        let lp = &mut self.program;
        let variables = StepVariables {
            batteries,
            worn,
            import: lp.variable(dt * row.import_price, 0.0, import_max),
            export: lp.variable(-dt * row.export_price, 0.0, export_max),
            boiler: lp.variable(dt * p.costs.gas_eur_per_kwh / p.boiler.efficiency, 0.0, p.boiler.q_kw_max),
            unserved: lp.variable(dt * p.costs.unserved_eur_per_kwh, 0.0, row.electric_load_kw.max(0.0)),
            unserved_heat: lp.variable(dt * p.costs.unserved_heat_eur_per_kwh, 0.0, f64::INFINITY),
            edges: (0..self.chps.len()).map(|unit| self.edges(unit, dt * p.costs.gas_eur_per_kwh)).collect(),
        };
        // Implied by what nobody would pay for.
        self.program.keep_within(variables.unserved_heat, [0.0, row.heat_load_kw.max(0.0)]);
        (0..self.batteries.len()).for_each(|unit| self.battery(unit, &variables));
        self.wear(&variables);
        (0..self.chps.len()).for_each(|unit| self.chp_flow(unit, &variables));
        self.balances(row, &variables);
        self.steps.push(variables);
    }

    /// Variables of all batteries, and of what wears. A power costs its mean wear once, as in the environment: several that charge each other
    /// wear nothing there.
    fn storage(&mut self) -> (Vec<BatteryVariables>, [Variable; 2]) {
        let cost = self.plant.step_h() * self.plant.battery().wear_eur_per_kwh;
        let several = self.batteries.len() > 1;
        let mut power = |cost: f64, kw_max: f64| {
            let x = self.program.variable(cost, 0.0, f64::INFINITY);
            // Implied by ratings.
            self.program.keep_within(x, [0.0, kw_max]);
            x
        };
        let own = if several { 0.0 } else { cost };
        let powers: Vec<_> =
            self.batteries.iter().map(|b| [power(own, b.charge_kw_max), power(own, b.discharge_kw_max)]).collect();
        let all = self.plant.battery();
        let worn = match powers.as_slice() {
            [only] => *only,
            _ => [power(cost, all.charge_kw_max), power(cost, all.discharge_kw_max)],
        };
        let socs: Vec<_> =
            self.batteries.iter().map(|b| [b.soc_min.min(SOC_START), b.soc_max.max(SOC_START)]).collect();
        let socs = socs.into_iter().map(|[low, high]| self.program.variable(0.0, low, high));
        let units = powers.iter().zip(socs);
        (
            units
                .map(|([charge, discharge], soc)| BatteryVariables { charge: *charge, discharge: *discharge, soc })
                .collect(),
            worn,
        )
    }

    /// Of several, what all together take or give: `C - D = Σ (c - d)`.
    fn wear(&mut self, v: &StepVariables) {
        if v.batteries.len() > 1 {
            let mut terms = vec![(v.worn[0], 1.0), (v.worn[1], -1.0)];
            terms.extend(v.batteries.iter().flat_map(|b| [(b.charge, -1.0), (b.discharge, 1.0)]));
            self.program.equal(&terms, 0.0);
        }
    }

    /// Import and export limits of a row, voltage included.
    fn grid_limits(&self, row: &ProfileRow) -> (f64, f64) {
        let g = &self.plant.parameters().grid;
        let vs = row.grid_voltage_pu;
        let power_at = |v: f64| vs * (vs - v) / g.resistance_pu * g.base_kva;
        (
            g.import_kw_max.min(power_at(g.voltage_pu_min)).max(0.0),
            g.export_kw_max.min(-power_at(g.voltage_pu_max)).max(0.0),
        )
    }

    /// One variable for each change of state of a CHP that is possible by now.
    fn edges(&mut self, unit: usize, gas_eur_per_kw: f64) -> Vec<Option<Variable>> {
        let (graph, chp) = (&self.graphs[unit], &self.chps[unit]);
        let before = self.steps.last().map(|step| &step.edges[unit]);
        let reachable = |node: usize| match before {
            None => node == graph.rest,
            Some(edges) => graph.edges.iter().zip(edges).any(|(edge, x)| edge.to == node && x.is_some()),
        };
        let possible: Vec<bool> = graph.edges.iter().map(|edge| reachable(edge.from)).collect();
        let program = &mut self.program;
        let make = |(edge, possible): (&chp_graph::Edge, bool)| {
            let start = if edge.start { chp.start_cost_eur } else { 0.0 };
            let cost = gas_eur_per_kw / chp.efficiency_electric * graph.power_kw(edge.to) + start;
            possible.then(|| {
                let x = program.variable(cost, 0.0, f64::INFINITY);
                program.keep_within(x, [0.0, 1.0]);
                x
            })
        };
        let edges: Vec<_> = graph.edges.iter().zip(possible).map(make).collect();
        self.program.shares(edges.iter().flatten().copied().collect());
        edges
    }

    /// Storage, ramp and rating of one: `soc' = soc + dt/E (eta_ch c - d/eta_dch)`.
    fn battery(&mut self, unit: usize, v: &StepVariables) {
        let (b, v) = (self.batteries[unit], v.batteries[unit]);
        // Without a battery there is nothing to fill, and nothing that fills it.
        let per_kw = if b.capacity_kwh > 0.0 { self.plant.step_h() / b.capacity_kwh } else { 0.0 };
        let mut storage =
            vec![(v.soc, 1.0), (v.charge, -per_kw * b.efficiency_store), (v.discharge, per_kw / b.efficiency_dispatch)];
        let mut ramp = vec![(v.charge, 1.0), (v.discharge, -1.0)];
        let mut right = SOC_START;
        if let Some(before) = self.steps.last().map(|step| step.batteries[unit]) {
            storage.push((before.soc, -1.0));
            ramp.extend([(before.charge, -1.0), (before.discharge, 1.0)]);
            right = 0.0;
        }
        self.program.equal(&storage, right);
        let falling: Vec<_> = ramp.iter().map(|(x, factor)| (*x, -factor)).collect();
        self.program.at_most(&ramp, b.ramp_kw_per_step);
        self.program.at_most(&falling, b.ramp_kw_per_step);
        let share = |kw: f64| 1.0 / kw.max(1e-6);
        self.program.at_most(&[(v.charge, share(b.charge_kw_max)), (v.discharge, share(b.discharge_kw_max))], 1.0);
    }

    /// What flows into a state of a CHP leaves it in the next step.
    fn chp_flow(&mut self, unit: usize, v: &StepVariables) {
        let (graph, edges) = (&self.graphs[unit], &v.edges[unit]);
        let Some(before) = self.steps.last().map(|step| &step.edges[unit]) else {
            let first: Vec<_> = edges.iter().flatten().map(|x| (*x, 1.0)).collect();
            self.program.equal(&first, 1.0);
            return;
        };
        for node in 0..graph.nodes.len() {
            let leaving = graph.edges.iter().zip(edges).filter(|(edge, _)| edge.from == node);
            let entered = graph.edges.iter().zip(before).filter(|(edge, _)| edge.to == node);
            let mut terms: Vec<_> = leaving.filter_map(|(_, x)| x.map(|x| (x, 1.0))).collect();
            terms.extend(entered.filter_map(|(_, x)| x.map(|x| (x, -1.0))));
            if !terms.is_empty() {
                self.program.equal(&terms, 0.0);
            }
        }
    }

    /// Electricity `i - e + Σ p + us + renewables - curtailed = load + Σ (c - d)` and heat, with CHPs on and off.
    fn balances(&mut self, row: &ProfileRow, v: &StepVariables) {
        let renewables = row.pv_kw + row.wind_kw;
        let curtailed = self.program.variable(0.0, 0.0, renewables.max(0.0));
        let mut electricity = vec![(v.import, 1.0), (v.export, -1.0), (v.unserved, 1.0), (curtailed, -1.0)];
        electricity.extend(v.batteries.iter().flat_map(|b| [(b.charge, -1.0), (b.discharge, 1.0)]));
        electricity.extend(self.chp_terms(v, |_, graph, node| graph.power_kw(node)));
        self.program.equal(&electricity, row.electric_load_kw - renewables);
        // boiler >= heat - Σ h p, and all of the heat for the share in which all are off
        let served = [(v.boiler, -1.0), (v.unserved_heat, -1.0)];
        let mut heat = served.to_vec();
        heat.extend(self.chp_terms(v, |chp, graph, node| -chp.heat_per_power * graph.power_kw(node)));
        self.program.at_most(&heat, -row.heat_load_kw);
        let mut off = served.to_vec();
        let on = |graph: &ChpGraph, node: usize| graph.nodes[node].level.is_some();
        off.extend(self.chp_terms(v, |_, graph, node| if on(graph, node) { -row.heat_load_kw } else { 0.0 }));
        self.program.at_most(&off, -row.heat_load_kw);
    }

    fn chp_terms(&self, v: &StepVariables, factor: impl Fn(&Chp, &ChpGraph, usize) -> f64) -> Vec<(Variable, f64)> {
        let units = self.chps.iter().zip(&self.graphs).zip(&v.edges);
        let terms = units.flat_map(|((chp, graph), edges)| {
            let factor = &factor;
            let of =
                move |(edge, x): (&chp_graph::Edge, &Option<Variable>)| x.map(|x| (x, factor(chp, graph, edge.to)));
            graph.edges.iter().zip(edges).filter_map(of)
        });
        terms.filter(|(_, factor)| *factor != 0.0).collect()
    }

    /// The correction for stored energy, after the last step.
    fn close(&mut self) {
        let Some(last) = self.steps.last() else { return };
        // correction >= both lines; it is convex as long as buying costs at least what selling earns
        let most = self.stored.bought.abs().max(self.stored.earned.abs());
        let correction = self.program.implied(1.0, [-most, most]);
        let total: f64 = self.batteries.iter().map(|b| b.capacity_kwh).sum();
        for slope in self.stored.slopes() {
            // The state of charge of all is the mean by capacity.
            let share = |b: &Battery| if total > 0.0 { b.capacity_kwh / total } else { 1.0 };
            let mut terms = vec![(correction, -1.0)];
            terms.extend(self.batteries.iter().zip(&last.batteries).map(|(b, v)| (v.soc, -slope * share(b))));
            self.program.at_most(&terms, -slope * SOC_START);
        }
    }

    /// The optimum that a solution proves, and its plan.
    pub(super) fn found(&self, solution: &Solution, rows: &[ProfileRow]) -> BlockOptimum {
        let plan: Vec<PlanStep> = self.steps.iter().map(|v| plan_step(self, v, &solution.x)).collect();
        let mut daily_cost_eur = daily_costs(self, rows, &solution.x);
        // Where parts meet, their plans do not fit to the cent: days keep their proportions, the proven sum counts.
        let cost_eur = self.program.bound(solution);
        let excess = (daily_cost_eur.iter().sum::<f64>() - cost_eur) / daily_cost_eur.len().max(1) as f64;
        daily_cost_eur.iter_mut().for_each(|day| *day -= excess);
        BlockOptimum { cost_eur, daily_cost_eur, plan }
    }
}
