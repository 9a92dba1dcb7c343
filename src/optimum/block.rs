//! The linear program of one block of days: battery, CHP, boiler and grid step by step, and what its solution costs.

use super::chp_graph::{self, ChpGraph};
use super::program::{Program, Solution, Variable};
use super::{BlockOptimum, OptimumError, PlanStep};
use memg_core::equipment::Plant;
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

/// Variables of one step.
#[derive(Debug, Clone)]
pub(super) struct StepVariables {
    charge: Variable,
    discharge: Variable,
    soc: Variable,
    import: Variable,
    export: Variable,
    boiler: Variable,
    unserved: Variable,
    unserved_heat: Variable,
    edges: Vec<Option<Variable>>,
}

/// A program in the making, or made.
pub(super) struct BlockProgram<'a> {
    plant: &'a Plant,
    graph: ChpGraph,
    pub(super) program: Program,
    pub(super) steps: Vec<StepVariables>,
    stored: StoredWorth,
}

/// What a full battery at the end of a block is worth, EUR per unit of SoC: the mean prices of the block, less losses.
#[derive(Debug, Clone, Copy)]
struct StoredWorth {
    /// Paid for what is missing.
    bought: f64,
    /// Earned for what is left over.
    earned: f64,
}

impl StoredWorth {
    fn of(plant: &Plant, rows: &[ProfileRow]) -> Self {
        let battery = *plant.battery();
        let count = rows.len().max(1) as f64;
        let mean = |price: fn(&ProfileRow) -> f64| rows.iter().map(price).sum::<f64>() / count;
        let bought = mean(|row| row.import_price) / battery.efficiency_store;
        let earned = mean(|row| row.export_price) * battery.efficiency_dispatch;
        Self { bought: bought * battery.capacity_kwh, earned: earned * battery.capacity_kwh }
    }

    /// The two slopes of the correction's convex envelope, the steeper first.
    fn slopes(self) -> [f64; 2] {
        [self.bought.max(self.earned), self.bought.min(self.earned)]
    }

    /// Cost of a missing share of SoC (negative: of one left over), EUR.
    fn cost(self, missing: f64) -> f64 {
        let [steep, flat] = self.slopes();
        (missing * steep).max(missing * flat)
    }
}

/// State of charge at the start of a block, as [`memg_core::env::Start::block`].
const SOC_START: f64 = 0.5;

impl<'a> BlockProgram<'a> {
    fn new(plant: &'a Plant, rows: &[ProfileRow]) -> Self {
        Self {
            plant,
            graph: ChpGraph::new(plant),
            program: Program::default(),
            steps: Vec::with_capacity(rows.len()),
            stored: StoredWorth::of(plant, rows),
        }
    }

    fn step(&mut self, row: &ProfileRow) {
        let p = *self.plant.parameters();
        let (battery_of_all, chp_of_all) = (*self.plant.battery(), *self.plant.chp());
        let dt = self.plant.step_h();
        let (import_max, export_max) = self.grid_limits(row);
        let wear = dt * battery_of_all.wear_eur_per_kwh;
        let inf = f64::INFINITY;
        let lp = &mut self.program;
        lp.begin_step();
        let variables = StepVariables {
            charge: lp.variable(wear, 0.0, inf),
            discharge: lp.variable(wear, 0.0, inf),
            soc: lp.variable(0.0, battery_of_all.soc_min.min(SOC_START), battery_of_all.soc_max.max(SOC_START)),
            import: lp.variable(dt * row.import_price, 0.0, import_max),
            export: lp.variable(-dt * row.export_price, 0.0, export_max),
            boiler: lp.variable(dt * p.costs.gas_eur_per_kwh / p.boiler.efficiency, 0.0, p.boiler.q_kw_max),
            unserved: lp.variable(dt * p.costs.unserved_eur_per_kwh, 0.0, row.electric_load_kw.max(0.0)),
            unserved_heat: lp.variable(dt * p.costs.unserved_heat_eur_per_kwh, 0.0, inf),
            edges: self.edges(dt * p.costs.gas_eur_per_kwh / chp_of_all.efficiency_electric, chp_of_all.start_cost_eur),
        };
        // Implied by ratings, and by what nobody would pay for.
        self.program.keep_within(variables.charge, [0.0, battery_of_all.charge_kw_max]);
        self.program.keep_within(variables.discharge, [0.0, battery_of_all.discharge_kw_max]);
        self.program.keep_within(variables.unserved_heat, [0.0, row.heat_load_kw.max(0.0)]);
        self.battery(&variables);
        self.chp_flow(&variables);
        self.balances(row, &variables);
        self.steps.push(variables);
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

    /// One variable for each change of state that is possible by now.
    fn edges(&mut self, gas_per_kw: f64, start_cost: f64) -> Vec<Option<Variable>> {
        let before = self.steps.last().map(|step| &step.edges);
        let reachable = |node: usize| match before {
            None => node == self.graph.rest,
            Some(edges) => self.graph.edges.iter().zip(edges).any(|(edge, x)| edge.to == node && x.is_some()),
        };
        let possible: Vec<bool> = self.graph.edges.iter().map(|edge| reachable(edge.from)).collect();
        let make = |(edge, possible): (&chp_graph::Edge, bool)| {
            let start = if edge.start { start_cost } else { 0.0 };
            let cost = gas_per_kw * self.graph.power_kw(edge.to) + start;
            possible.then(|| {
                let x = self.program.variable(cost, 0.0, f64::INFINITY);
                self.program.keep_within(x, [0.0, 1.0]);
                x
            })
        };
        let edges: Vec<_> = self.graph.edges.iter().zip(possible).map(make).collect();
        self.program.shares(edges.iter().flatten().copied().collect());
        edges
    }

    /// Storage, ramp and rating: `soc' = soc + dt/E (eta_ch c - d/eta_dch)`.
    fn battery(&mut self, v: &StepVariables) {
        let b = *self.plant.battery();
        // Without a battery there is nothing to fill, and nothing that fills it.
        let per_kw = if b.capacity_kwh > 0.0 { self.plant.step_h() / b.capacity_kwh } else { 0.0 };
        let mut storage =
            vec![(v.soc, 1.0), (v.charge, -per_kw * b.efficiency_store), (v.discharge, per_kw / b.efficiency_dispatch)];
        let mut ramp = vec![(v.charge, 1.0), (v.discharge, -1.0)];
        let mut right = SOC_START;
        if let Some(before) = self.steps.last() {
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

    /// What flows into a state leaves it in the next step.
    fn chp_flow(&mut self, v: &StepVariables) {
        let Some(before) = self.steps.last() else {
            let first: Vec<_> = v.edges.iter().flatten().map(|x| (*x, 1.0)).collect();
            self.program.equal(&first, 1.0);
            return;
        };
        for node in 0..self.graph.nodes.len() {
            let leaving = self.graph.edges.iter().zip(&v.edges).filter(|(edge, _)| edge.from == node);
            let entered = self.graph.edges.iter().zip(&before.edges).filter(|(edge, _)| edge.to == node);
            let mut terms: Vec<_> = leaving.filter_map(|(_, x)| x.map(|x| (x, 1.0))).collect();
            terms.extend(entered.filter_map(|(_, x)| x.map(|x| (x, -1.0))));
            if !terms.is_empty() {
                self.program.equal(&terms, 0.0);
            }
        }
    }

    /// Electricity `i - e + p + us + renewables - curtailed = load + c - d` and heat, for both states of the CHP.
    fn balances(&mut self, row: &ProfileRow, v: &StepVariables) {
        let chp_of_all = *self.plant.chp();
        let renewables = row.pv_kw + row.wind_kw;
        let curtailed = self.program.variable(0.0, 0.0, renewables.max(0.0));
        let power = self.chp_terms(v, |graph, node| graph.power_kw(node));
        let mut electricity = vec![
            (v.import, 1.0),
            (v.export, -1.0),
            (v.unserved, 1.0),
            (curtailed, -1.0),
            (v.charge, -1.0),
            (v.discharge, 1.0),
        ];
        electricity.extend(&power);
        self.program.equal(&electricity, row.electric_load_kw - renewables);
        // boiler >= heat - h p, and all of the heat for the share that is off
        let served = [(v.boiler, -1.0), (v.unserved_heat, -1.0)];
        let mut heat = served.to_vec();
        heat.extend(power.iter().map(|(x, kw)| (*x, -chp_of_all.heat_per_power * kw)));
        self.program.at_most(&heat, -row.heat_load_kw);
        let mut off = served.to_vec();
        off.extend(self.chp_terms(
            v,
            |graph, node| {
                if graph.nodes[node].level.is_some() { -row.heat_load_kw } else { 0.0 }
            },
        ));
        self.program.at_most(&off, -row.heat_load_kw);
    }

    fn chp_terms(&self, v: &StepVariables, factor: impl Fn(&ChpGraph, usize) -> f64) -> Vec<(Variable, f64)> {
        let terms =
            self.graph.edges.iter().zip(&v.edges).filter_map(|(edge, x)| x.map(|x| (x, factor(&self.graph, edge.to))));
        terms.filter(|(_, factor)| *factor != 0.0).collect()
    }

    /// The correction for stored energy, after the last step.
    fn close(&mut self) {
        let Some(last) = self.steps.last() else { return };
        // correction >= both lines; it is convex as long as buying costs at least what selling earns
        let most = self.stored.bought.abs().max(self.stored.earned.abs());
        let correction = self.program.implied(1.0, [-most, most]);
        for slope in self.stored.slopes() {
            self.program.at_most(&[(correction, -1.0), (last.soc, -slope)], -slope * SOC_START);
        }
    }

    /// The optimum that a solution proves, and its plan.
    pub(super) fn found(&self, solution: &Solution, rows: &[ProfileRow]) -> BlockOptimum {
        let plan: Vec<PlanStep> = self.steps.iter().map(|v| plan_step(&self.graph, v, &solution.x)).collect();
        let mut daily_cost_eur = daily_costs(self.plant, &self.graph, &self.steps, rows, &solution.x, self.stored);
        // Where parts meet, their plans do not fit to the cent: days keep their proportions, the proven sum counts.
        let cost_eur = self.program.bound(solution);
        let excess = (daily_cost_eur.iter().sum::<f64>() - cost_eur) / daily_cost_eur.len().max(1) as f64;
        daily_cost_eur.iter_mut().for_each(|day| *day -= excess);
        BlockOptimum { cost_eur, daily_cost_eur, plan }
    }
}

fn plan_step(graph: &ChpGraph, v: &StepVariables, x: &[f64]) -> PlanStep {
    let flow = |factor: &dyn Fn(usize) -> f64| -> f64 {
        graph.edges.iter().zip(&v.edges).filter_map(|(edge, var)| var.map(|var| x[var] * factor(edge.to))).sum()
    };
    PlanStep {
        battery_kw: x[v.charge] - x[v.discharge],
        chp_kw: flow(&|node| graph.power_kw(node)),
        chp_on: flow(&|node| f64::from(u8::from(graph.nodes[node].level.is_some()))),
        grid_kw: x[v.import] - x[v.export],
        soc: x[v.soc],
    }
}

fn daily_costs(
    plant: &Plant,
    graph: &ChpGraph,
    steps: &[StepVariables],
    rows: &[ProfileRow],
    x: &[f64],
    stored: StoredWorth,
) -> Vec<f64> {
    let p = plant.parameters();
    let (battery_of_all, chp_of_all) = (*plant.battery(), *plant.chp());
    let dt = plant.step_h();
    let mut days: Vec<f64> = Vec::new();
    for (v, row) in steps.iter().zip(rows) {
        if row.time.day_and_minute().1 == 0 || days.is_empty() {
            days.push(0.0);
        }
        let plan = plan_step(graph, v, x);
        let gas = plan.chp_kw / chp_of_all.efficiency_electric + x[v.boiler] / p.boiler.efficiency;
        let trade = x[v.import] * row.import_price - x[v.export] * row.export_price;
        let wear = battery_of_all.wear_eur_per_kwh * (x[v.charge] + x[v.discharge]);
        let unserved =
            p.costs.unserved_eur_per_kwh * x[v.unserved] + p.costs.unserved_heat_eur_per_kwh * x[v.unserved_heat];
        let starts: f64 =
            graph.edges.iter().zip(&v.edges).filter(|(edge, _)| edge.start).filter_map(|(_, x)| *x).map(|i| x[i]).sum();
        if let Some(day) = days.last_mut() {
            *day += dt * (trade + gas * p.costs.gas_eur_per_kwh + wear + unserved) + chp_of_all.start_cost_eur * starts;
        }
    }
    if let (Some(day), Some(last)) = (days.last_mut(), steps.last()) {
        *day += stored.cost(SOC_START - x[last.soc]);
    }
    days
}
