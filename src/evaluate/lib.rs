//! Judging a policy on a profile: cost a day, risk, violations, relaxations.
//!
//! Every block of consecutive days starts at SoC 0.5 with the battery at zero and the CHP off and free to start, and is
//! corrected for the energy left in the battery at its end: a deficit is bought at the block's mean import price over
//! the storing efficiency, a surplus earns the mean export price times the dispatch efficiency. Rows of the profile before
//! a block are known as history and never lived through; of those after the present one the prices are known that a
//! day-ahead market has published by then.

#![forbid(unsafe_code)]

pub mod bound_cache;
pub mod compare;
pub mod feeder;
pub mod observing;
pub mod sites;
pub mod trace;

use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::policy::{Policy, PolicyError};
use memg_core::profile::Profile;
use memg_core::reward::{RewardWeights, value_at_risk};
use memg_core::safety::Relaxations;
use memg_core::settlement::stored_energy_correction;
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// What a policy did on a profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The policy's name.
    pub policy: String,
    /// Days evaluated.
    pub days: usize,
    /// Blocks of consecutive days.
    pub blocks: usize,
    /// Mean cost of a day, EUR, corrected for stored energy.
    pub cost_eur_per_day: f64,
    /// What all blocks together took from the battery or left in it, EUR, + = taken. The sum of the steps' costs, which is
    /// that of the trace's `cost_eur`, plus this is `days` times `cost_eur_per_day`.
    pub stored_energy_eur: f64,
    /// Mean of the worst 5 % of daily costs, EUR.
    pub cvar95_cost: f64,
    /// Hard limits violated by what was written (checked after the fact, not by the filter).
    pub violations: u64,
    /// Rules that requests broke before the filter.
    pub violations_requested: u64,
    /// Steps at each relaxation stage but "none".
    pub relaxations: Relaxations,
    /// CHP starts.
    pub starts: u64,
    /// Energy not produced, kWh.
    pub curtailed_kwh: f64,
    /// Load not served, kWh.
    pub unserved_kwh: f64,
    /// Cost of each day in order, EUR; a block's correction is booked on its last day.
    pub daily_cost_eur: Vec<f64>,
    /// State of charge at the end of each block; each began at 0.5.
    pub soc_at_block_ends: Vec<f64>,
}

impl Evaluation {
    /// Mean state of charge at the ends of blocks, NaN without any. Each began at 0.5, and what is missing or left over is
    /// settled at mean prices: a policy that knew of it would sell out before a block ends, and that would be no skill.
    #[must_use]
    pub fn mean_soc_at_block_ends(&self) -> f64 {
        self.soc_at_block_ends.iter().sum::<f64>() / self.soc_at_block_ends.len() as f64
    }
}

/// A plant as gateway and policies believe it to be, and as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulated {
    /// What filter and policies count with.
    pub believed: Plant,
    /// What flows, costs and states of charge follow.
    pub truth: Plant,
}

impl From<Plant> for Simulated {
    fn from(plant: Plant) -> Self {
        Self { believed: plant, truth: plant }
    }
}

/// Steps the environment over blocks of a profile (ranges of rows, see [`Profile::blocks`]). `each` sees every step.
///
/// # Errors
/// The policy's own.
pub fn evaluate(
    plant: impl Into<Simulated>,
    profile: &Arc<Profile>,
    blocks: &[Range<usize>],
    policy: &mut dyn Policy,
    mut each: impl FnMut(&EnvStep),
) -> Result<Evaluation, PolicyError> {
    evaluate_settled(plant, profile, blocks, policy, |step, _| each(step))
}

/// As [`evaluate`], for traces: `each` also sees what is settled with the step for stored energy, EUR, + = cost; that is 0
/// but in the last step of a block. Both costs of all steps together are `days` times `cost_eur_per_day`.
///
/// # Errors
/// The policy's own.
pub fn evaluate_settled(
    plant: impl Into<Simulated>,
    profile: &Arc<Profile>,
    blocks: &[Range<usize>],
    policy: &mut dyn Policy,
    mut each: impl FnMut(&EnvStep, f64),
) -> Result<Evaluation, PolicyError> {
    let Simulated { believed, truth } = plant.into();
    let mut env = MemgEnv::new(believed, Arc::clone(profile), RewardWeights::default()).truly(truth);
    let mut total = Totals::default();
    for block in blocks {
        let start = Start::block(block.clone()).knowing(0..profile.rows().len());
        total.run_block(&mut env, start, policy, &mut each)?;
    }
    Ok(total.finish(policy.name()))
}

#[derive(Default)]
struct Totals {
    daily: Vec<f64>,
    stored_energy_eur: f64,
    violations: u64,
    violations_requested: u64,
    relaxations: Relaxations,
    starts: u64,
    curtailed_kwh: f64,
    unserved_kwh: f64,
    soc_at_block_ends: Vec<f64>,
}

impl Totals {
    fn run_block(
        &mut self,
        env: &mut MemgEnv,
        start: Start,
        policy: &mut dyn Policy,
        each: &mut impl FnMut(&EnvStep, f64),
    ) -> Result<(), PolicyError> {
        let soc_start = start.soc;
        let mut rows = Vec::with_capacity(start.block.len());
        env.reset(start);
        while let Some(step) = env.step_policy(policy)? {
            self.add(env.filter().plant(), &step);
            rows.push(step.row);
            let mut settled = 0.0;
            if env.is_over() {
                settled = stored_energy_correction(env.truth(), &rows, soc_start, env.soc());
                self.settle(settled);
            }
            each(&step, settled);
        }
        self.soc_at_block_ends.push(env.soc().get());
        Ok(())
    }

    /// A block's stored energy, on its last day.
    fn settle(&mut self, eur: f64) {
        if let Some(last) = self.daily.last_mut() {
            *last += eur;
        }
        self.stored_energy_eur += eur;
    }

    fn add(&mut self, plant: &Plant, step: &EnvStep) {
        let hours = plant.step().get();
        if step.row.time.day_and_minute().1 == 0 || self.daily.is_empty() {
            self.daily.push(0.0);
        }
        if let Some(day) = self.daily.last_mut() {
            *day += step.cost.get();
        }
        self.violations += u64::from(hard_violations(plant, step));
        self.violations_requested += u64::from(step.violations_requested);
        self.relaxations.count(step.verdict.relaxation);
        self.starts += u64::from(step.started);
        self.curtailed_kwh += step.dispatch.curtailed.get() * hours;
        self.unserved_kwh += step.dispatch.unserved.get() * hours;
    }

    fn finish(self, policy: &str) -> Evaluation {
        let days = self.daily.len();
        let mean = self.daily.iter().sum::<f64>() / days.max(1) as f64;
        Evaluation {
            policy: policy.to_owned(),
            days,
            blocks: self.soc_at_block_ends.len(),
            cost_eur_per_day: mean,
            stored_energy_eur: self.stored_energy_eur,
            cvar95_cost: value_at_risk(&self.daily, 0.95).map_or(f64::NAN, |(_, cvar)| cvar),
            violations: self.violations,
            violations_requested: self.violations_requested,
            relaxations: self.relaxations,
            starts: self.starts,
            curtailed_kwh: self.curtailed_kwh,
            unserved_kwh: self.unserved_kwh,
            daily_cost_eur: self.daily,
            soc_at_block_ends: self.soc_at_block_ends,
        }
    }
}

/// Sums of floats may leave a bound by this much.
const LIMIT: f64 = 1e-9;

/// The state of charge of any battery has left its band, without coming from outside it.
fn leaves_band(plant: &Plant, step: &EnvStep) -> bool {
    plant.batteries().iter().zip(step.socs).any(|(unit, (before, after))| {
        let (low, high) = unit.soc_band();
        let recovering = before < low || before > high;
        !recovering && (after.get() < low.get() - LIMIT || after.get() > high.get() + LIMIT)
    })
}

/// Any battery or CHP is told more than it can, or a running CHP less.
fn beyond_ratings(plant: &Plant, step: &EnvStep) -> [bool; 2] {
    let safe = &step.verdict.safe;
    let batteries = plant.batteries().iter().zip(safe.batteries()).any(|(unit, power)| {
        let (kw, b) = (power.kilowatts().get(), &unit.parameters);
        kw > b.charge_kw_max || -kw > b.discharge_kw_max
    });
    let chps = plant.chps().iter().zip(safe.chps()).any(|(unit, chp)| {
        let (kw, c) = (chp.power.kilowatts().get(), &unit.parameters);
        kw > c.p_kw_max || (chp.on && kw < c.p_kw_min)
    });
    [batteries, chps]
}

/// Hard limits broken by a lived-through step: SoC band and ratings of each unit, and on the flows import, export, voltage.
#[must_use]
pub fn hard_violations(plant: &Plant, step: &EnvStep) -> u32 {
    let (p, d) = (plant.parameters(), &step.dispatch);
    let limit = LIMIT;
    let [batteries, chps] = beyond_ratings(plant, step);
    let wrong = [
        leaves_band(plant, step),
        batteries,
        chps,
        d.grid.import().get() > p.grid.import_kw_max + limit || d.grid.export().get() > p.grid.export_kw_max + limit,
        d.voltage.get() < p.grid.voltage_pu_min - limit || d.voltage.get() > p.grid.voltage_pu_max + limit,
    ];
    wrong.into_iter().map(u32::from).sum()
}
