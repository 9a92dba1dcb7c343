//! The sides of a day, each by the same model: the environment of evaluation, the dispatch, the settlement of stored energy.

use memg_core::dispatch::{Dispatch, Running};
use memg_core::env::{MemgEnv, Start};
use memg_core::equipment::{Plant, UNITS_MAX};
use memg_core::memory::ControlMemory;
use memg_core::policy::{Policy, PolicyError, Request};
use memg_core::profile::{Profile, ProfileRow};
use memg_core::reward::RewardWeights;
use memg_core::rules::{GoodRule, Idle};
use memg_core::setpoints::Setpoints;
use memg_core::settlement::stored_energy_correction;
use memg_core::units::{Kilowatts, Soc, Watts};
use std::sync::Arc;

/// What was measured in a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Sum of the batteries, kW, + = charging.
    pub battery_kw: f64,
    /// Each CHP, kW.
    pub chps_kw: [f64; UNITS_MAX],
    /// PV and wind that were produced, kW.
    pub renewables_kw: f64,
}

/// All that a day is computed from, a row a step.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// What nobody chose: available sun and wind, loads, prices.
    pub rows: Vec<ProfileRow>,
    /// What the gateway wanted, already filtered under the conditions of then.
    pub setpoints: Vec<Setpoints>,
    pub measured: Vec<Measured>,
    /// What the meters say that it has cost, EUR, without starts.
    pub metered_eur: Option<f64>,
    /// What its starts of CHPs have cost, EUR.
    pub starts_eur: f64,
    pub soc_first: Soc,
    pub soc_last: Soc,
    /// Set-points and CHPs at the begin.
    pub memory: ControlMemory,
}

/// Costs of the day, EUR, stored energy settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    pub gateway: f64,
    pub rule: f64,
    pub idle: f64,
}

/// The three sides.
pub(crate) fn costs(plant: &Plant, inputs: &Inputs) -> Result<Costs, PolicyError> {
    let profile = Arc::new(Profile::from_rows(inputs.rows.clone()));
    let env = |memory: ControlMemory| {
        let mut env = MemgEnv::new(*plant, Arc::clone(&profile), RewardWeights::default());
        env.reset(Start { soc: inputs.soc_first, memory, ..Start::block(0..inputs.rows.len()) });
        env
    };
    Ok(Costs {
        gateway: wanted(env(inputs.memory), inputs),
        rule: decided(env(inputs.memory), inputs, &mut GoodRule)?,
        idle: decided(env(ControlMemory::at_rest()), inputs, &mut Idle)?,
    })
}

fn wanted(mut env: MemgEnv, inputs: &Inputs) -> f64 {
    let request = |setpoints: &Setpoints| Request {
        observation: None,
        action: None,
        setpoints: *setpoints,
        outside_tariff: false,
    };
    let steps = inputs.setpoints.iter().filter_map(|setpoints| env.step_request(request(setpoints)));
    let cost: f64 = steps.map(|step| step.cost.get()).sum();
    cost + settled(&env, inputs)
}

fn decided(mut env: MemgEnv, inputs: &Inputs, policy: &mut dyn Policy) -> Result<f64, PolicyError> {
    let mut cost = 0.0;
    while let Some(step) = env.step_policy(policy)? {
        cost += step.cost.get();
    }
    Ok(cost + settled(&env, inputs))
}

fn settled(env: &MemgEnv, inputs: &Inputs) -> f64 {
    stored_energy_correction(env.filter().plant(), &inputs.rows, inputs.soc_first, env.soc())
}

/// What the measured powers of battery and CHPs cost by the model, EUR, without starts: the exchange follows from the balance.
pub(crate) fn modelled(plant: &Plant, inputs: &Inputs) -> f64 {
    let steps = inputs.rows.iter().zip(&inputs.measured);
    let cost = |(row, measured): (&ProfileRow, &Measured)| {
        dispatch(plant, row, measured, inputs.soc_first).cost(plant, row.prices(), false, plant.step()).get()
    };
    steps.map(cost).sum()
}

fn dispatch(plant: &Plant, row: &ProfileRow, measured: &Measured, soc: Soc) -> Dispatch {
    // What was produced, not what could have been: curtailment is in it.
    let produced = ProfileRow { pv_kw: measured.renewables_kw, wind_kw: 0.0, ..*row };
    let battery = Watts::nearest(Kilowatts::new(measured.battery_kw));
    let chps = measured.chps_kw.map(|kw| Watts::nearest(Kilowatts::new(kw)));
    Dispatch::of(plant, &produced.situation(soc), &Running { battery, chps, renewable_limit: None })
}

/// What the energy that the day really took from the battery or left in it is worth, EUR.
pub(crate) fn settled_as_measured(plant: &Plant, inputs: &Inputs) -> f64 {
    stored_energy_correction(plant, &inputs.rows, inputs.soc_first, inputs.soc_last)
}
