//! The microgrid as an environment: `reset`, `step`, with `terminated` and `truncated` apart (Gymnasium's meaning).
//!
//! The safety filter is part of the environment: what is trained is what runs. There is no terminal state (a microgrid
//! does not end), so `terminated` is always false and the end of an episode is a truncation.

use crate::action::Action;
use crate::decide::{self, Decision};
use crate::dispatch::{Dispatch, starts};
use crate::equipment::{Plant, UNITS_MAX};
use crate::memory::ControlMemory;
use crate::observation::{Divisors, Observation, Schema};
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::profile::{Profile, ProfileRow, ProfileView};
use crate::reward::{RewardWeights, RunningRisk};
use crate::safety::{SafetyFilter, Verdict};
use crate::setpoints::{SafeSetpoints, Setpoints};
use crate::situation::{Situation, SocEstimate};
use crate::units::{Eur, Kilowatts, Soc, Watts};
use core::ops::Range;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::sync::Arc;

/// Where an episode starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Rows that may be lived through.
    pub block: Range<usize>,
    /// Rows that may be known: those before the present one as history, those after it by their published prices alone.
    pub known: Range<usize>,
    /// First row.
    pub first: usize,
    /// Steps until truncation (the block's end truncates as well).
    pub steps: usize,
    /// State of charge.
    pub soc: Soc,
    /// Set-points and timers.
    pub memory: ControlMemory,
}

impl Start {
    /// A whole block from SoC 0.5, CHP off and free to start, battery at 0.
    #[must_use]
    pub fn block(block: Range<usize>) -> Self {
        let (first, steps) = (block.start, block.end - block.start);
        Self { known: block.clone(), block, first, steps, soc: Soc::new(0.5), memory: ControlMemory::at_rest() }
    }

    /// The same with other rows known.
    #[must_use]
    pub fn knowing(self, known: Range<usize>) -> Self {
        Self { known, ..self }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnvStep {
    /// The row that was lived through.
    pub row: ProfileRow,
    /// What was asked for.
    pub request: Request,
    /// What the filter allowed.
    pub verdict: Verdict,
    /// What flowed.
    pub dispatch: Dispatch,
    /// State of charge before.
    pub soc_before: Soc,
    /// State of charge of each battery before and after.
    pub socs: [(Soc, Soc); UNITS_MAX],
    /// State of charge after.
    pub soc_after: Soc,
    /// The CHP was started.
    pub started: bool,
    /// Cost of the step.
    pub cost: Eur,
    /// Rules that the request broke.
    pub violations_requested: u32,
    /// Reward, EUR.
    pub reward: f64,
    /// A terminal state was reached (never here).
    pub terminated: bool,
    /// The episode's time is over.
    pub truncated: bool,
}

/// The environment over a profile.
#[derive(Debug, Clone)]
pub struct MemgEnv {
    /// With the plant's own limits at the connection; the filter's may be narrower.
    plant: Plant,
    /// What the plant does, whatever filter and policy believe of it.
    truth: Plant,
    /// The same with the limits at the connection that the filter has.
    connected: Plant,
    filter: SafetyFilter,
    profile: Arc<Profile>,
    blocks: Arc<[Range<usize>]>,
    weights: RewardWeights,
    risk: RunningRisk,
    start: Start,
    index: usize,
    /// State of charge of each battery.
    socs: [Soc; UNITS_MAX],
    memory: ControlMemory,
}

impl MemgEnv {
    /// An environment at the start of the profile's first block. An empty profile gives an environment whose episodes
    /// are over at once.
    #[must_use]
    pub fn new(plant: Plant, profile: Arc<Profile>, weights: RewardWeights) -> Self {
        let blocks: Arc<[Range<usize>]> = profile.blocks(None).into();
        let start = Start::block(blocks.first().cloned().unwrap_or(0..0));
        Self {
            plant,
            truth: plant,
            connected: plant,
            filter: SafetyFilter::new(plant),
            profile,
            weights,
            risk: RunningRisk::new(weights.alpha, 0.01),
            index: start.first,
            socs: [start.soc; UNITS_MAX],
            memory: start.memory,
            start,
            blocks,
        }
    }

    /// The same where the plant does not do what filter and policy believe of it: flows, costs and states of charge are this
    /// plant's, limits and decisions the environment's own. Units beyond those of either do nothing.
    #[must_use]
    pub fn truly(self, truth: Plant) -> Self {
        Self { truth, connected: truth, ..self }
    }

    /// What the plant does.
    #[must_use]
    pub const fn truth(&self) -> &Plant {
        &self.truth
    }

    /// The same with random episodes that begin in these blocks of rows alone, and end with them.
    #[must_use]
    pub fn within(self, blocks: &[Range<usize>]) -> Self {
        Self { blocks: blocks.into(), ..self }
    }

    /// From now on the connection has these limits from outside (`None`: the plant's own), see [`Plant::with_exchange_limits`].
    pub fn limit_exchange(&mut self, import: Option<Kilowatts>, export: Option<Kilowatts>) {
        self.filter = SafetyFilter::new(self.plant.with_exchange_limits(import, export));
        self.connected = self.truth.with_exchange_limits(import, export);
    }

    /// What this step's exchange would be (+ = importing) if a wish met these limits from outside. Load that would have to be
    /// shed to keep them counts as served.
    #[must_use]
    pub fn exchange_within(&self, wish: &Setpoints, import: Option<Kilowatts>, export: Option<Kilowatts>) -> Kilowatts {
        let (situation, mut memory) = (self.situation(), self.memory);
        memory.begin_step();
        let filter = SafetyFilter::new(self.plant.with_exchange_limits(import, export));
        let verdict = filter.filter(&situation, &memory.anchor(self.plant.step_ms()), wish);
        let flows = Dispatch::solve(&self.plant, &situation, &verdict.safe);
        flows.grid.signed() + flows.unserved
    }

    /// Starts an episode.
    pub fn reset(&mut self, start: Start) {
        (self.index, self.socs, self.memory) = (start.first, [start.soc; UNITS_MAX], start.memory);
        self.start = start;
    }

    /// Starts a random episode of `steps` steps: any row, SoC uniform in its band, battery at 0, CHP off or, in half of
    /// the cases, on at a random power. The same seed gives the same episode.
    pub fn reset_seeded(&mut self, seed: u64, steps: usize) {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let start = self.random_start(&mut rng, steps);
        self.reset(start);
    }

    /// A random start, see [`MemgEnv::reset_seeded`].
    pub fn random_start(&self, rng: &mut Pcg64Mcg, steps: usize) -> Start {
        let plant = self.filter.plant();
        let which = rng.random_range(0..self.blocks.len().max(1));
        let block = self.blocks.get(which).cloned().unwrap_or(0..0);
        let last = block.end.saturating_sub(steps).max(block.start);
        let first = rng.random_range(block.start..=last);
        let (low, high) = plant.soc_band();
        let soc = Soc::new(rng.random_range(low.get()..=high.get()));
        let mut memory = ControlMemory::at_rest();
        if let Some(chp) = plant.chps().get(0).filter(|_| rng.random_bool(0.5)) {
            let power = Watts::new(rng.random_range(chp.min.get()..=chp.max.get()));
            memory = ControlMemory::from_measured(Watts::ZERO, power, true, memory.chp_in_state_ms());
        }
        Start { known: block.clone(), block, first, steps, soc, memory }
    }

    /// The filter inside.
    #[must_use]
    pub const fn filter(&self) -> &SafetyFilter {
        &self.filter
    }
    /// Set-points and timers.
    #[must_use]
    pub const fn memory(&self) -> &ControlMemory {
        &self.memory
    }
    /// State of charge.
    #[must_use]
    pub fn soc(&self) -> Soc {
        self.filter.plant().soc_of_all(&self.socs)
    }
    /// Index of the present row in the profile.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }
    /// The present row, `None` past the end.
    #[must_use]
    pub fn row(&self) -> Option<&ProfileRow> {
        self.profile.rows().get(self.index)
    }
    /// No further step is possible.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.index >= self.start.block.end || self.index >= self.start.first.saturating_add(self.start.steps)
    }

    /// The situation of the present row.
    #[must_use]
    pub fn situation(&self) -> Situation {
        let mut situation = self.row().copied().unwrap_or_default().situation(self.soc());
        if self.filter.plant().batteries().len() > 1 {
            situation.socs = Some(self.socs.map(SocEstimate::exact));
        }
        situation
    }

    /// What is known of the past, and the prices that a day-ahead market has published by now.
    #[must_use]
    pub fn known(&self) -> ProfileView<'_> {
        self.profile.view(&self.start.known, self.index, self.filter.plant().steps_per_hour())
    }

    /// The observation at the start of the present step.
    #[must_use]
    pub fn observe(&self, schema: Schema, divisors: &Divisors) -> Observation {
        let (situation, known) = (self.situation(), self.known());
        let input =
            PolicyInput { plant: self.filter.plant(), situation: &situation, memory: &self.memory, known: &known };
        input.observe(schema, divisors)
    }

    /// One step with a network's action. `None` if the episode is over.
    pub fn step(&mut self, action: Action) -> Option<EnvStep> {
        let setpoints = action.setpoints(self.filter.plant(), self.memory.chp_on());
        self.step_request(Request { observation: None, action: Some(action), setpoints, outside_tariff: false })
    }

    /// One step with a policy. `Ok(None)` if the episode is over.
    ///
    /// # Errors
    /// The policy's own; the environment is unchanged.
    pub fn step_policy(&mut self, policy: &mut dyn Policy) -> Result<Option<EnvStep>, PolicyError> {
        if self.is_over() {
            return Ok(None);
        }
        let (situation, mut memory) = (self.situation(), self.memory);
        let decision = decide::step(&self.filter, &situation, &mut memory, &self.known(), policy)?;
        Ok(self.lived(&situation, decision, memory))
    }

    /// One step with a request.
    pub fn step_request(&mut self, request: Request) -> Option<EnvStep> {
        let (situation, mut memory) = (self.situation(), self.memory);
        let decision = decide::follow(&self.filter, &situation, &mut memory, request);
        self.lived(&situation, decision, memory)
    }

    /// Lives through a decided step; `memory` is what the decision left.
    fn lived(&mut self, situation: &Situation, decision: Decision, memory: ControlMemory) -> Option<EnvStep> {
        if self.is_over() {
            return None;
        }
        let row = *self.row()?;
        let step_ms = self.filter.plant().step_ms();
        let Decision { request, verdict, violations_requested } = decision;
        let (dispatch, started, cost) = self.live_through(&row, situation, &verdict.safe);
        self.memory = memory;
        let soc_before = self.soc();
        let socs = self.store(&verdict.safe);
        self.memory.elapse(step_ms);
        self.index += 1;
        let reward = self.reward(cost.get(), violations_requested);
        Some(EnvStep {
            row,
            request,
            verdict,
            dispatch,
            soc_before,
            socs,
            soc_after: self.soc(),
            started,
            cost,
            violations_requested,
            reward,
            terminated: false,
            truncated: self.is_over(),
        })
    }

    /// Batteries run at their set-points for a step: their states of charge before and after.
    fn store(&mut self, safe: &SafeSetpoints) -> [(Soc, Soc); UNITS_MAX] {
        let plant = &self.truth;
        let mut socs = self.socs.map(|soc| (soc, soc));
        let units = socs.iter_mut().zip(&mut self.socs).zip(safe.batteries()).zip(plant.batteries().iter());
        for ((((_, after), soc), power), unit) in units {
            *after = unit.soc_after(*soc, power, plant.step());
            *soc = *after;
        }
        socs
    }

    fn live_through(&self, row: &ProfileRow, situation: &Situation, safe: &SafeSetpoints) -> (Dispatch, bool, Eur) {
        let plant = &self.connected;
        let dispatch = Dispatch::solve(plant, situation, safe);
        let (started, start_cost) = starts(plant, safe, &self.memory);
        let running = dispatch.cost(plant, row.prices(), false, plant.step());
        (dispatch, started > 0, running + start_cost)
    }

    fn reward(&mut self, cost: f64, violations: u32) -> f64 {
        let charge = if self.weights.risk > 0.0 { self.risk.charge(cost) } else { 0.0 };
        self.risk.learn(cost);
        -cost - self.weights.constraint * f64::from(violations) - self.weights.risk * charge
    }

    /// What the present step would cost with battery and CHP at rest (a baseline for learning).
    #[must_use]
    pub fn idle_cost(&self) -> Eur {
        let plant = self.filter.plant();
        let situation = self.situation();
        let anchor = ControlMemory::at_rest().anchor(plant.step_ms());
        let verdict = self.filter.filter(&situation, &anchor, &Setpoints::IDLE);
        let prices = self.row().copied().unwrap_or_default().prices();
        Dispatch::solve(plant, &situation, &verdict.safe).cost(plant, prices, false, plant.step())
    }
}
