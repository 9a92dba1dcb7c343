//! One supervision cycle as a pure function.
//!
//! [`decide`] looks at everything first (measurements, faults, commands, mode) and then decides (request, filter). Two
//! rates meet here: the policy is asked when a policy step begins, its request is filtered again with fresh measurements
//! every cycle.

use super::apply::apply;
use super::assumed::narrowed;
use super::door;
pub use super::fault::{Fault, Severity};
use super::following::is_near;
use super::grid_limit::{self, InForce};
pub use super::input::CycleInput;
use super::mode::{Facts, Mode, ModeChange};
use super::seen::{chp_runs, estimate, observe, worst_fault};
use super::source_voltage;
pub use super::state::{Chain, ControlConfig, ControlState, NO_MODEL};
use super::steady::worth_telling;
use super::substitutes::{doubt, prices, stood_in, substituted};
use memg_core::command::CommandAnswer;
pub use memg_core::command::ExchangeLimits;
use memg_core::decide::{request, stand_in};
use memg_core::equipment::UNITS_MAX;
use memg_core::history::{ClosedStep, Live};
use memg_core::memory::{BatteryMemory, ControlMemory};
use memg_core::planner::{PlanByHour, PlanSummary};
use memg_core::plant_state::Tag;
use memg_core::policy::{Policy, Request};
use memg_core::safety::{Intervention, Relaxation};
use memg_core::setpoints::{SafeSetpoints, Setpoints};
use memg_core::situation::{Degraded, Judged, Situation, Unusable, judge};
use memg_core::units::Watts;
use serde::Serialize;

/// What a cycle decided. Compared text for text in replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CycleDecision {
    /// Mode after this cycle's transitions.
    pub mode: Mode,
    /// The transitions, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ModeChange>,
    /// What became of the commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CommandAnswer>,
    /// The worst fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Who made the request that is in force.
    pub decided_by: String,
    /// The policy was asked in this cycle.
    pub policy_step: bool,
    /// A substitute stands for a price that is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub price_is_substituted: bool,
    /// Optional signals that are lost, with a substitute in their place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub substituted: Vec<Tag>,
    /// The step that this cycle closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<ClosedStep>,
    /// What the network saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation: Option<Vec<f32>>,
    /// Raw output of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<[f32; 3]>,
    /// The policy was asked, but its network was not trained for this tariff: the good rule decided in its stead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outside_tariff: bool,
    /// What the policy expects of the hours ahead and why, in the cycle that asked it, if it plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanByHour>,
    /// The request in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Setpoints>,
    /// What the filter allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe: Option<SafeSetpoints>,
    /// What it changed and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// How far rules had to yield.
    pub relaxation: Relaxation,
    /// Limits at the connection from outside that are in force; a restart takes them from here.
    #[serde(skip_serializing_if = "is_unlimited")]
    pub limits: ExchangeLimits,
    /// What a grid operator's control box leaves of the connection; a restart takes it from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_limit: Option<InForce>,
    /// Cap on renewables that is in force at the plant; a restart takes it from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<Watts>,
    /// An operator must acknowledge; a restart takes it from here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub latched: bool,
    /// The set-points go to the plant.
    pub written: bool,
    /// Hash of the model, or the rule's name.
    pub model: String,
}

impl CycleDecision {
    /// Limits at the connection from outside: the narrowest of an operator's and the grid's.
    #[must_use]
    pub fn limits_from_outside(&self) -> ExchangeLimits {
        let grid = self.grid_limit.map(|grid| grid.limits).unwrap_or_default();
        grid_limit::narrowest(self.limits, grid)
    }
}

fn is_unlimited(limits: &ExchangeLimits) -> bool {
    *limits == ExchangeLimits::default()
}

/// One cycle.
pub fn decide(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    chain: &mut Chain,
) -> CycleDecision {
    // The journal keeps what was measured; what stands in for it follows from configuration and state.
    let input = &CycleInput { state: substituted(config, state, &input.state), ..input.clone() };
    let passed = pass_time(config, state, input);
    grid_limit::listen(config, state, input, passed.elapsed_ms);
    let judged = look(config, state, input, passed.elapsed_ms);
    let surprise = observe(config, state, input);
    let asked = judged.as_ref().ok().filter(|_| passed.due || state.request.is_none());
    let request = asked.and_then(|judged| ask(config, state, input, judged, chain));
    let plan = request.and_then(|_| told(config, state, chain));
    remember(state, input, judged.as_ref().ok());
    let fault = worst_fault(config, state, input, &judged, surprise);
    let facts = Facts {
        fault: &fault,
        simulated: config.simulated,
        early: input.early,
        chp_runs: chp_runs(config, state, input),
        now_ms: input.now_ms,
    };
    let before = state.mode.mode;
    let mut told = door::judge(state, input, &config.times, &facts);
    told.changes.extend(state.mode.advance(&config.times, &facts));
    let silent = state.mode.is_silent(&config.times, &facts);
    enter(config, state, input, before);
    let fresh = passed.due || !told.changes.is_empty();
    let degraded = judged.as_ref().map(|judged| judged.degraded).unwrap_or_default();
    let source = choose(config, state, input, &Asking { fresh, degraded }, chain);
    let mode = state.mode.mode;
    let verdict = apply(config, state, input, source.setpoints.as_ref());
    let shown = verdict.filter(|_| mode != Mode::Init);
    let written = mode.writes() && !silent && shown.is_some();
    state.following.written(verdict.as_ref().filter(|_| written), mode == Mode::SafeStop);
    door::clamp_answers(&mut told.answers, input, source.setpoints, shown.as_ref().map(|v| &v.safe));
    let worth = |i: &&Intervention| worth_telling(config, i, passed.due);
    CycleDecision {
        mode,
        changes: told.changes,
        answers: told.answers,
        fault: Some(fault).filter(|fault| fault.severity != Severity::None),
        decided_by: source.name,
        policy_step: passed.due,
        closed: passed.closed,
        price_is_substituted: judged.is_ok_and(|judged| judged.price_is_substituted),
        substituted: stood_in(&input.state),
        observation: request.and_then(|r| r.observation).map(|o| o.values().to_vec()),
        action: request.and_then(|r| r.action).map(|a| a.0),
        outside_tariff: request.is_some_and(|r| r.outside_tariff),
        plan,
        request: source.setpoints,
        safe: shown.map(|v| v.safe),
        interventions: shown.map(|v| v.interventions.iter().filter(worth).copied().collect()).unwrap_or_default(),
        relaxation: shown.map_or(Relaxation::None, |v| v.relaxation),
        limits: state.limits,
        grid_limit: grid_limit::in_force(config, state),
        cap: state.cap,
        latched: state.mode.latched,
        written,
        model: chain.model.clone(),
    }
}

/// What the passing of time brings.
#[derive(Debug, Clone, Copy)]
struct Passed {
    /// A policy step begins.
    due: bool,
    /// Plant time since the last cycle, ms.
    elapsed_ms: i64,
    /// What the step before was, if this cycle closes it.
    closed: Option<ClosedStep>,
}

/// Lets time pass in the memory. A policy step begins where local time says so, but a jump of local time begins none
/// before half a step is over, and ramps count anew only when a whole step has passed: otherwise hops at a step's border
/// would add up ramps (seen: 0 to 50 kW in 5 s).
fn pass_time(config: &ControlConfig, state: &mut ControlState, input: &CycleInput) -> Passed {
    let step_ms = config.filter.plant().step_ms().max(1);
    let since = |instant: Option<i64>| instant.map(|then| (input.uptime_ms - then).max(0));
    let elapsed_ms = since(state.times.cycle_ms).unwrap_or(0);
    state.memory.elapse(elapsed_ms);
    state.times.cycle_ms = Some(input.uptime_ms);
    let step = input.plant_ms.div_euclid(step_ms);
    let due = state.step != Some(step) && since(state.times.begun_ms).is_none_or(|ms| 2 * ms >= step_ms);
    let mut closed = None;
    if due {
        closed = state.history.begin_step(step, config.filter.plant().steps_per_day());
        closed.iter().for_each(|closed| state.forecast_errors.arrived(closed));
        state.outlook.advance();
        (state.step, state.times.begun_ms) = (Some(step), Some(input.uptime_ms));
    }
    // The border is seen up to a cycle late, and the one before may have been, too.
    let slack_ms = (2 * config.cycle_ms).min(step_ms / 10);
    if due && since(state.times.anchored_ms).is_none_or(|ms| ms >= step_ms - slack_ms) {
        state.memory.begin_step();
        state.times.anchored_ms = Some(input.uptime_ms);
    }
    if let Some(outlook) = &input.outlook {
        state.outlook.clone_from(outlook);
    }
    Passed { due, elapsed_ms, closed }
}

/// The situation of this cycle, with the filtered voltage behind the connection and the filtered state of charge.
fn look(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    elapsed_ms: i64,
) -> Result<Judged, Unusable> {
    let plant = config.filter.plant();
    let mut substitutes = prices(&config.substitutes, state.history.substitutes(plant.steps_per_day()));
    substitutes.source_voltage = state.source_voltage;
    let mut judged = judge(&input.state, plant, &substitutes)?;
    doubt(&mut judged, &input.state, state.source_voltage);
    source_voltage::filter(config, state, input, &mut judged.situation, elapsed_ms);
    estimate(config, state, input, &mut judged.situation, elapsed_ms);
    Ok(judged)
}

/// Asks the policy; a failure is remembered and becomes a fault.
fn ask(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    judged: &Judged,
    chain: &mut Chain,
) -> Option<Request> {
    let memory = if state.mode.mode.writes() { state.memory } else { measured(config, state, input) };
    // Nor is anybody asked in a cycle that stops: it may be the policy that panicked.
    let stops = input.fault.as_ref().is_some_and(|fault| fault.severity == Severity::Hard);
    if judged.degraded != Degraded::default() || judged.lost.is_some() || stops {
        return None;
    }
    let asked = match chain.policy.as_deref_mut() {
        None => Err(chain.model.replacen(NO_MODEL, "no model is loaded", 1)),
        Some(policy) => {
            // A policy should know what it will be held to.
            let filter = narrowed(config, state);
            let known = Live::new(filter.plant(), &state.history, &state.outlook);
            request(&filter, &judged.situation, &memory, &known, policy).map_err(|error| error.to_string())
        }
    };
    if let Ok(request) = &asked {
        state.request = Some(request.setpoints);
    }
    state.policy_failure = asked.as_ref().err().cloned();
    asked.ok()
}

/// The plan behind the request that was just made; what it expects is remembered, to be compared with what comes.
fn told(config: &ControlConfig, state: &mut ControlState, chain: &Chain) -> Option<PlanByHour> {
    let forecast = chain.policy.as_deref().and_then(Policy::forecast);
    if let (Some(step), Some(forecast)) = (state.step, forecast) {
        state.forecast_errors.made(step, forecast, config.filter.plant().steps_per_hour());
    }
    let plan = chain.policy.as_deref().and_then(Policy::plan).map(PlanSummary::by_hour);
    state.reason = plan.as_ref().map(|plan| plan.reason.clone());
    plan
}

fn remember(state: &mut ControlState, input: &CycleInput, judged: Option<&Judged>) {
    let Some(judged) = judged else { return };
    state.situation = Some((judged.situation, input.now_ms));
    state.history.observe(&judged.situation, judged.known);
}

/// Bumpless: where others may have moved the plant meanwhile, ramps start from measured powers.
fn enter(config: &ControlConfig, state: &mut ControlState, input: &CycleInput, before: Mode) {
    let mode = state.mode.mode;
    let came_back = matches!(before, Mode::Hold | Mode::SafeStop) && !matches!(mode, Mode::Hold | Mode::SafeStop);
    if mode.writes() && !before.writes() {
        state.memory = measured(config, state, input);
    } else if mode.writes() && came_back {
        // A CHP stays as control has it: its start or stop may take longer than the hold did.
        state.memory.batteries = moved_batteries(config, state, input);
    }
    // Yesterday's set-points of an operator never return.
    if !state.mode.operator_is_in_charge() {
        state.manual = None;
        state.in_charge = None;
    }
}

/// A battery that is where it was told to be keeps its anchor, so that faults that come and go add up no ramps.
fn moved_batteries(config: &ControlConfig, state: &ControlState, input: &CycleInput) -> [BatteryMemory; UNITS_MAX] {
    let mut batteries = state.memory.batteries;
    let found = measured(config, state, input).batteries;
    let units = batteries.iter_mut().zip(found).zip(&input.state.batteries);
    for (((battery, found), seen), unit) in units.zip(config.filter.plant().batteries().iter()) {
        if !is_near(config, unit, seen, battery.now) {
            *battery = found;
        }
    }
    batteries
}

/// Memory as the plant shows it.
pub(super) fn measured(config: &ControlConfig, state: &ControlState, input: &CycleInput) -> ControlMemory {
    ControlMemory::bumpless(config.filter.plant(), &input.state, &state.memory)
}

/// A request with the name of who made it.
struct Choice {
    name: String,
    setpoints: Option<Setpoints>,
}

/// Whether the rule has to be asked anew, and what it has to do without.
struct Asking {
    fresh: bool,
    degraded: Degraded,
}

fn choose(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    asking: &Asking,
    chain: &mut Chain,
) -> Choice {
    let policy_name = chain.policy.as_deref().map_or("none", Policy::name).to_owned();
    // A cycle that is a whole policy step has no time for an entry of its own: ramps alone keep it bumpless.
    let whole_step = config.cycle_ms >= config.filter.plant().step_ms();
    let entering = state.mode.since_ms == input.now_ms && !whole_step;
    let source = |name: &str, setpoints| Choice { name: name.to_owned(), setpoints };
    match state.mode.mode {
        Mode::Init => source("none", None),
        Mode::SafeStop => source("safe_stop", Some(Setpoints::IDLE)),
        Mode::Auto | Mode::Manual if entering && state.manual.is_none() => {
            source("bumpless entry", Some(holding(&state.memory)))
        }
        Mode::Auto | Mode::Shadow => source(&policy_name, state.request),
        Mode::Hold if state.mode.operator_is_in_charge() => source("operator", Some(by_hand(state))),
        Mode::Hold => source("hold", Some(state.request.unwrap_or_else(|| holding(&state.memory)))),
        Mode::Manual => source("operator", Some(by_hand(state))),
        Mode::Fallback => {
            if asking.fresh {
                ask_rule(config, state, asking.degraded);
            }
            source(chain.rule.name(), state.request)
        }
    }
}

/// The operator's set-points; where a power at the connection is wished, the battery gives what is missing of it.
fn by_hand(state: &ControlState) -> Setpoints {
    let manual = state.manual.unwrap_or_else(|| holding(&state.memory));
    match (manual.grid, &state.situation) {
        (Some(grid), Some((situation, _))) => {
            let battery = grid - situation.net_load() + state.memory.chp().kilowatts();
            Setpoints { battery, grid: None, ..manual }
        }
        _ => Setpoints { grid: None, ..manual },
    }
}

fn holding(memory: &ControlMemory) -> Setpoints {
    Setpoints { battery: memory.battery().kilowatts(), chp: memory.chp().kilowatts(), grid: None }
}

fn ask_rule(config: &ControlConfig, state: &mut ControlState, degraded: Degraded) {
    let Some((situation, _)) = state.situation else { return };
    let filter = narrowed(config, state);
    let known = Live::new(filter.plant(), &state.history, &state.outlook);
    if let Ok(request) = stand_in(&filter, &situation, &state.memory, &known, degraded) {
        (state.request, state.reason) = (Some(request.setpoints), None);
    }
}

/// Whether a situation may still be used, and how old it is, ms.
pub(super) fn known(config: &ControlConfig, state: &ControlState, now_ms: u64) -> Option<(Situation, u64)> {
    let (situation, at) = state.situation?;
    let age_ms = now_ms.saturating_sub(at);
    (age_ms <= config.stand_in_ms).then_some((situation, age_ms))
}
