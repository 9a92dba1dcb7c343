//! The account of a run: energies, money, counts. Printed at the end as the run's summary.

use super::cycle::{CycleDecision, CycleInput};
use super::mode::Mode;
use memg_core::dispatch::{Dispatch, Prices};
use memg_core::equipment::{Plant, UNITS_MAX};
use memg_core::measurement::Measurement;
use memg_core::plant_state::PlantState;
use memg_core::safety::Relaxations;
use memg_core::units::{EurPerKwh, Hours, Kilowatts};
use serde::Serialize;
use std::collections::BTreeMap;

/// Energy by flow, kWh.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Energy {
    /// PV available.
    pub pv_kwh: f64,
    /// Wind available.
    pub wind_kwh: f64,
    /// Electric load.
    pub load_kwh: f64,
    /// Heat load, thermal.
    pub heat_kwh: f64,
    /// CHP electricity.
    pub chp_kwh: f64,
    /// Into the battery.
    pub battery_charge_kwh: f64,
    /// Out of the battery.
    pub battery_discharge_kwh: f64,
    /// From the grid.
    pub grid_import_kwh: f64,
    /// To the grid.
    pub grid_export_kwh: f64,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunSummary {
    /// Plant time that passed, hours.
    pub plant_hours: f64,
    /// Supervision cycles.
    pub cycles: u64,
    /// Policy steps.
    pub policy_steps: u64,
    /// Values written to devices.
    pub writes: u64,
    /// Read requests that devices answered.
    pub polls: u64,
    /// Reads that were due and did not happen.
    pub polls_missed: u64,
    /// Interventions by rule.
    pub interventions: BTreeMap<String, u64>,
    /// Cycles at each relaxation stage.
    pub relaxations: Relaxations,
    /// Transitions.
    pub mode_changes: u64,
    /// The mode at the end.
    pub mode: Option<Mode>,
    /// Cost from measured powers and prices, by the same formula as a step of the environment, EUR.
    pub cost_eur: f64,
    /// CHP starts.
    pub chp_starts: u64,
    /// Energy by flow.
    pub energy: Energy,
    /// Cycles that began later than half a period.
    pub slips: u64,
    /// 99th percentile of how late a cycle began, ms.
    pub tick_lateness_p99_ms: f32,
    /// Worst age of a required input in any cycle, s.
    pub worst_input_age_s: f64,
    /// Alarms by kind.
    pub alarms: BTreeMap<String, u64>,
}

/// What the plant costs now, EUR/h, without starts, at the site's fixed prices where none are measured; `None` where a price,
/// the exchange or a unit's power is not known.
#[must_use]
pub fn cost_rate(plant: &Plant, state: &PlantState) -> Option<f64> {
    let costs = &plant.parameters().costs;
    let price = |measured: Measurement<EurPerKwh>, fixed: Option<f64>| measured.usable().or(fixed.map(EurPerKwh::new));
    let prices = Prices {
        import: price(state.import_price, costs.fixed_import_eur_per_kwh)?,
        export: price(state.export_price, costs.fixed_export_eur_per_kwh)?,
    };
    let battery = state.batteries.iter().take(plant.batteries().len()).map(|battery| battery.power.usable());
    let chp = state.chps.iter().take(plant.chps().len()).map(|chp| chp.power.usable());
    let known = state.grid.usable().is_some() && battery.chain(chp).all(|power| power.is_some());
    let hour = Hours::new(1.0);
    known.then(|| Dispatch::measured(plant, state).cost(plant, prices, false, hour).get())
}

/// Adds up cycles.
#[derive(Debug, Clone)]
pub struct Account {
    plant: Plant,
    /// So far.
    pub summary: RunSummary,
    /// When the last cycle was, and which CHPs ran.
    last: Option<(i64, [bool; UNITS_MAX])>,
}

impl Account {
    /// An empty account.
    #[must_use]
    pub fn new(plant: Plant) -> Self {
        Self { plant, summary: RunSummary::default(), last: None }
    }

    /// The time until the next cycle does not count: another run begins.
    pub const fn gap(&mut self) {
        self.last = None;
    }

    /// Adds a cycle: its measured powers count for the plant time since the cycle before.
    pub fn add(&mut self, input: &CycleInput, decision: &CycleDecision) {
        let s = &mut self.summary;
        s.cycles += 1;
        s.policy_steps += u64::from(decision.policy_step);
        s.mode_changes += decision.changes.len() as u64;
        s.mode = Some(decision.mode);
        s.relaxations.count(decision.relaxation);
        for intervention in &decision.interventions {
            let rule = serde_json::to_value(intervention.rule).ok();
            let name = rule.as_ref().and_then(|rule| rule.as_str()).unwrap_or("unknown").to_owned();
            *s.interventions.entry(name).or_default() += 1;
        }
        let state = &input.state;
        let ages = [state.pv.age_ms, state.wind.age_ms, state.electric_load.age_ms, state.heat_load.age_ms];
        let ages = ages.into_iter().chain(state.batteries.map(|battery| battery.soc.age_ms));
        let oldest = ages.max().unwrap_or(0) as f64 / 1000.0;
        s.worst_input_age_s = s.worst_input_age_s.max(oldest);
        self.add_flows(input);
    }

    fn add_flows(&mut self, input: &CycleInput) {
        let state = &input.state;
        let on = state.chps.map(|chp| chp.on.usable().unwrap_or(false));
        let Some((before, was_on)) = self.last.replace((input.uptime_ms, on)) else { return };
        let duration = Hours::new((input.uptime_ms - before).max(0) as f64 / 3_600_000.0);
        let flows = Dispatch::measured(&self.plant, state);
        let kwh = |power: Kilowatts| (power * duration).get();
        let s = &mut self.summary;
        s.plant_hours += duration.get();
        s.energy.pv_kwh += kwh(state.pv.usable().unwrap_or(Kilowatts::ZERO));
        s.energy.wind_kwh += kwh(state.wind.usable().unwrap_or(Kilowatts::ZERO));
        s.energy.load_kwh += kwh(flows.load);
        s.energy.heat_kwh += flows.heat_load.get() * duration.get();
        s.energy.chp_kwh += kwh(flows.chp);
        s.energy.battery_charge_kwh += kwh(flows.battery.charge());
        s.energy.battery_discharge_kwh += kwh(flows.battery.discharge());
        s.energy.grid_import_kwh += kwh(flows.grid.import());
        s.energy.grid_export_kwh += kwh(flows.grid.export());
        let units = on.into_iter().zip(was_on).zip(self.plant.chps().iter());
        let started = units.filter(|((on, was_on), _)| *on && !was_on).map(|(_, unit)| unit.parameters.start_cost_eur);
        let (starts, start_eur) = started.fold((0, 0.0), |(starts, eur), cost| (starts + 1, eur + cost));
        s.chp_starts += starts;
        let price = |m: Measurement<EurPerKwh>| m.usable().unwrap_or(EurPerKwh::ZERO);
        let prices = Prices { import: price(state.import_price), export: price(state.export_price) };
        s.cost_eur += flows.cost(&self.plant, prices, false, duration).get() + start_eur;
    }
}
