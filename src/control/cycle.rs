//! One supervision cycle as a pure function.
//!
//! [`decide`] looks at everything first (faults, mode) and then decides (request, filter). Two rates meet here: the
//! policy is asked when a policy step begins, its request is filtered again with fresh measurements every cycle.

use super::assumed::{aged, behind_cap, narrowed};
pub use super::input::{CycleInput, ExchangeLimits};
use super::mode::{Facts, Fault, Mode, ModeChange, ModeState, ModeTimes, Severity};
use memg_core::decide::{filtered, request};
use memg_core::extended::Outlook;
use memg_core::history::History;
use memg_core::memory::ControlMemory;
use memg_core::plant_state::PlantState;
use memg_core::policy::{Policy, Request};
use memg_core::rules::GoodRule;
use memg_core::safety::{Intervention, Relaxation, SafetyFilter, Verdict};
use memg_core::setpoints::{SafeSetpoints, Setpoints};
use memg_core::situation::Situation;
use memg_core::units::Watts;
use serde::{Deserialize, Serialize};

/// What does not change while the gateway runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlConfig {
    /// The filter with the plant inside.
    pub filter: SafetyFilter,
    /// Times of the modes.
    pub times: ModeTimes,
    /// The plant is simulated: Auto needs no arming.
    pub simulated: bool,
    /// Length of a supervision cycle in plant time, ms.
    pub cycle_ms: i64,
    /// How long the last known situation may stand in for a missing one, ms; after that the safe-stop set-points.
    pub stand_in_ms: u64,
}

/// What stands for the hash of a model that could not be loaded; the reason may follow.
pub const NO_MODEL: &str = "none";

/// Who is asked for a request: the policy, and the good rule behind it.
pub struct Chain {
    /// The configured policy; `None` if its model could not be loaded.
    pub policy: Option<Box<dyn Policy>>,
    /// Hash of its model, or the rule's name; [`NO_MODEL`] and the reason if it could not be loaded.
    pub model: String,
    /// The fallback.
    pub rule: GoodRule,
}

/// What control remembers between cycles. Restored from the journal after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlState {
    /// Mode and what its transitions depend on.
    pub mode: ModeState,
    /// Set-points and CHP timers.
    pub memory: ControlMemory,
    /// The request that is in force.
    pub request: Option<Setpoints>,
    /// The operator's set-points.
    pub manual: Option<Setpoints>,
    /// Cap on renewables that is in force at the plant.
    #[serde(default)]
    pub cap: Option<Watts>,
    /// Limits at the connection from outside; they only narrow the plant's own.
    #[serde(default)]
    pub limits: ExchangeLimits,
    /// Policy step that the last cycle belonged to.
    pub step: Option<i64>,
    /// Plant time of the last cycle, ms.
    pub plant_ms: Option<i64>,
    /// Last usable situation and when it was, ms monotonic.
    pub situation: Option<(Situation, u64)>,
    /// The last day.
    pub history: History,
    /// The policy failed at its last step.
    pub policy_failure: Option<String>,
}

impl ControlState {
    /// After a start without a journal: Init, at rest.
    #[must_use]
    pub fn start(now_ms: u64) -> Self {
        Self {
            mode: ModeState::start(now_ms),
            memory: ControlMemory::at_rest(),
            request: None,
            manual: None,
            cap: None,
            limits: ExchangeLimits::default(),
            step: None,
            plant_ms: None,
            situation: None,
            history: History::default(),
            policy_failure: None,
        }
    }
}

/// What a cycle decided. Compared text for text in replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CycleDecision {
    /// Mode after this cycle's transitions.
    pub mode: Mode,
    /// The transition, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ModeChange>,
    /// The worst fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Who made the request that is in force.
    pub decided_by: String,
    /// The policy was asked in this cycle.
    pub policy_step: bool,
    /// What the network saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation: Option<Vec<f32>>,
    /// Raw output of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<[f32; 3]>,
    /// The policy was asked, but its network was not trained for this tariff: the good rule decided in its stead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outside_tariff: bool,
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
    /// The set-points go to the plant.
    pub written: bool,
    /// Hash of the model, or the rule's name.
    pub model: String,
}

/// One cycle.
pub fn decide(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    chain: &mut Chain,
) -> CycleDecision {
    let due = pass_time(config, state, input);
    let situation = Situation::from_plant_state(&input.state, config.filter.plant());
    let asked = situation.as_ref().ok().filter(|_| due || state.request.is_none());
    let request = asked.and_then(|situation| ask(config, state, input, situation, chain));
    if let Ok(situation) = &situation {
        state.situation = Some((*situation, input.now_ms));
        state.history.observe(situation);
    }
    let fault = worst_fault(config, state, input, situation.as_ref().err().map(ToString::to_string));
    let before = state.mode.mode;
    let facts = Facts {
        fault: &fault,
        operator: input.operator,
        simulated: config.simulated,
        early: input.early,
        now_ms: input.now_ms,
    };
    let change = state.mode.advance(&config.times, &facts);
    state.manual = input.manual.or(state.manual);
    state.limits = input.limits.unwrap_or(state.limits);
    enter(config, state, input, before);
    let source = choose(config, state, input, due || change.is_some(), chain);
    let verdict = apply(config, state, input, source.setpoints.as_ref());
    let mode = state.mode.mode;
    let silent =
        mode == Mode::SafeStop && input.now_ms.saturating_sub(state.mode.since_ms) >= config.times.stop_write_ms;
    let shown = verdict.filter(|_| mode != Mode::Init);
    CycleDecision {
        mode,
        change,
        fault: Some(fault).filter(|fault| fault.severity != Severity::None),
        decided_by: source.name,
        policy_step: due,
        observation: request.and_then(|r| r.observation).map(|o| o.values().to_vec()),
        action: request.and_then(|r| r.action).map(|a| a.0),
        outside_tariff: request.is_some_and(|r| r.outside_tariff),
        request: source.setpoints,
        safe: shown.map(|v| v.safe),
        interventions: shown.map(|v| v.interventions.iter().copied().collect()).unwrap_or_default(),
        relaxation: shown.map_or(Relaxation::None, |v| v.relaxation),
        written: mode.writes() && !silent && shown.is_some(),
        model: chain.model.clone(),
    }
}

/// Lets time pass in the memory; true if a policy step begins.
fn pass_time(config: &ControlConfig, state: &mut ControlState, input: &CycleInput) -> bool {
    let step_ms = config.filter.plant().step_ms().max(1);
    // A clock that jumps back counts as standing still: timers never run backwards.
    let elapsed = state.plant_ms.map_or(0, |before| (input.plant_ms - before).max(0));
    state.memory.elapse(elapsed);
    state.plant_ms = Some(input.plant_ms);
    let step = input.plant_ms.div_euclid(step_ms);
    let due = state.step != Some(step);
    if due {
        let per_day = usize::try_from(86_400_000 / step_ms).unwrap_or(1);
        if state.step.is_some() {
            state.history.close_step(per_day);
        }
        state.memory.begin_step();
        state.step = Some(step);
    }
    due
}

/// Asks the policy; a failure is remembered and becomes a fault.
fn ask(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    situation: &Situation,
    chain: &mut Chain,
) -> Option<Request> {
    let Some(policy) = chain.policy.as_deref_mut() else {
        state.policy_failure = Some(chain.model.replacen(NO_MODEL, "no model is loaded", 1));
        return None;
    };
    let memory = if state.mode.mode.writes() { state.memory } else { measured(config, state, &input.state) };
    let outlook = outlook(config, state, input);
    match request(&config.filter, situation, &memory, &outlook, policy) {
        Ok(request) => {
            state.policy_failure = None;
            state.request = Some(request.setpoints);
            Some(request)
        }
        Err(error) => {
            state.policy_failure = Some(error.to_string());
            None
        }
    }
}

fn outlook(config: &ControlConfig, state: &ControlState, input: &CycleInput) -> Outlook {
    let per_hour = usize::try_from(3_600_000 / config.filter.plant().step_ms().max(1)).unwrap_or(1).max(1);
    state.history.outlook(&input.price_ahead, per_hour)
}

/// The worst fault of this cycle; hard ones first.
fn worst_fault(config: &ControlConfig, state: &ControlState, input: &CycleInput, unusable: Option<String>) -> Fault {
    let fault = |severity, cause: &str| Fault { severity, cause: cause.to_owned() };
    let s = &input.state;
    let bounds = state.situation.filter(|(_, at)| *at == input.now_ms);
    let out_of_bounds = bounds.is_some_and(|(situation, _)| !situation.is_within_bounds(config.filter.plant()));
    if s.battery_fault.usable() == Some(true) {
        fault(Severity::Hard, "the battery reports a fault")
    } else if s.chp_fault.usable() == Some(true) {
        fault(Severity::Hard, "the CHP reports a fault")
    } else if let Some(outside) = input.fault.as_ref().filter(|fault| fault.severity >= Severity::Soft) {
        outside.clone()
    } else if let Some(cause) = unusable {
        fault(Severity::Soft, &cause)
    } else if out_of_bounds {
        fault(Severity::Soft, "a measurement is outside the bounds that the site declares")
    } else if s.battery_remote.usable() == Some(false) || s.chp_remote.usable() == Some(false) {
        fault(Severity::Soft, "a device is switched to local")
    } else if let Some(failure) = &state.policy_failure {
        fault(Severity::Policy, failure)
    } else {
        input.fault.clone().unwrap_or_else(Fault::none)
    }
}

/// Bumpless: on the way into a writing mode ramps start from measured powers.
fn enter(config: &ControlConfig, state: &mut ControlState, input: &CycleInput, before: Mode) {
    if state.mode.mode.writes() && !before.writes() {
        state.memory = measured(config, state, &input.state);
    }
}

/// Memory as the plant shows it. The CHP's time in its state is kept while the state agrees, else it starts anew.
fn measured(config: &ControlConfig, state: &ControlState, plant: &PlantState) -> ControlMemory {
    let limits = config.filter.plant();
    let memory = &state.memory;
    let battery = plant.battery.usable().map_or(memory.battery, Watts::nearest);
    let power = plant.chp.usable().map_or(memory.chp, Watts::nearest);
    let on = plant.chp_on.usable().unwrap_or(power >= limits.chp_min());
    let chp = if on { power.within(limits.chp_min(), limits.chp_max()) } else { Watts::ZERO };
    let in_state = if on == memory.chp_on { memory.chp_in_state_ms } else { 0 };
    let battery = battery.within(-limits.discharge_max(), limits.charge_max());
    ControlMemory::from_measured(battery, chp, on, in_state)
}

/// A request with the name of who made it.
struct Source {
    name: String,
    setpoints: Option<Setpoints>,
}

fn choose(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    fresh: bool,
    chain: &mut Chain,
) -> Source {
    let policy_name = chain.policy.as_deref().map_or("none", Policy::name).to_owned();
    // A cycle that is a whole policy step has no time for an entry of its own: ramps alone keep it bumpless.
    let whole_step = config.cycle_ms >= config.filter.plant().step_ms();
    let entering = state.mode.since_ms == input.now_ms && !whole_step;
    let source = |name: &str, setpoints| Source { name: name.to_owned(), setpoints };
    match state.mode.mode {
        Mode::Init => source("none", None),
        Mode::SafeStop => source("safe_stop", Some(Setpoints::IDLE)),
        Mode::Auto | Mode::Manual if entering => {
            let now = measured(config, state, &input.state);
            source("bumpless entry", Some(holding(&now)))
        }
        Mode::Auto | Mode::Shadow => source(&policy_name, state.request),
        Mode::Hold => source("hold", Some(state.request.unwrap_or_else(|| holding(&state.memory)))),
        Mode::Manual => source("operator", Some(state.manual.unwrap_or_else(|| holding(&state.memory)))),
        Mode::Fallback => {
            if fresh {
                ask_rule(config, state, input, chain);
            }
            source(chain.rule.name(), state.request)
        }
    }
}

fn holding(memory: &ControlMemory) -> Setpoints {
    Setpoints { battery: memory.battery.kilowatts(), chp: memory.chp.kilowatts(), grid: None }
}

fn ask_rule(config: &ControlConfig, state: &mut ControlState, input: &CycleInput, chain: &mut Chain) {
    let Some((situation, _)) = state.situation else { return };
    let outlook = outlook(config, state, input);
    if let Ok(request) = request(&config.filter, &situation, &state.memory, &outlook, &mut chain.rule) {
        state.request = Some(request.setpoints);
    }
}

/// Filters the request with the freshest usable situation. Modes that do not write leave the memory alone.
fn apply(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    setpoints: Option<&Setpoints>,
) -> Option<Verdict> {
    let setpoints = setpoints?;
    let step_ms = config.filter.plant().step_ms().max(1);
    let hold_ms = (step_ms - input.plant_ms.rem_euclid(step_ms)).max(config.cycle_ms);
    let mut memory = if state.mode.mode.writes() { state.memory } else { measured(config, state, &input.state) };
    let age_ms = |at: u64| input.now_ms.saturating_sub(at);
    let known = state.situation.filter(|(_, at)| age_ms(*at) <= config.stand_in_ms);
    let verdict = match known
        .filter(|_| state.mode.mode != Mode::SafeStop)
        .map(|(situation, at)| aged(config, &situation, age_ms(at)))
    {
        Some(situation) => {
            let situation = behind_cap(config, state, input, situation);
            filtered(&narrowed(config, state), &situation, &mut memory, setpoints, hold_ms)
        }
        None => {
            let anchor = memory.anchor(hold_ms);
            let stopping = state.mode.mode == Mode::SafeStop;
            let verdict = if stopping { config.filter.shut_down(&anchor) } else { config.filter.safe_stop(&anchor) };
            memory.record(&verdict);
            verdict
        }
    };
    if state.mode.mode.writes() {
        state.memory = memory;
        state.cap = verdict.safe.renewable_limit();
    }
    Some(verdict)
}
