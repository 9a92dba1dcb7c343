//! One controller step, for every master: environment, daemon, replay, FMU, lock-step, mosaik.
//!
//! [`request`] asks the policy, [`follow`] turns the request into set-points, [`step`] does both. [`whole_step`] is the
//! sequence around them for masters whose cycle is a whole policy step; the supervision cycle, which is shorter, takes the
//! same pieces one by one. All of them are pure functions of their arguments.

use crate::history::{History, Live};
use crate::memory::ControlMemory;
use crate::outlook::Outlook;
use crate::plant_state::PlantState;
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::rules::GoodRule;
use crate::safety::{SafetyFilter, Verdict};
use crate::series::Known;
use crate::setpoints::Setpoints;
use crate::situation::{Degraded, Situation, Unusable, judge};
use serde::{Deserialize, Serialize};

/// A request and what the filter made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// What was wanted.
    pub request: Request,
    /// What may be written.
    pub verdict: Verdict,
    /// Rules that the request broke, see [`crate::reward::requested_violations`].
    pub violations_requested: u32,
}

/// Asks the policy.
///
/// # Errors
/// The policy's own; the caller falls back.
pub fn request(
    filter: &SafetyFilter,
    situation: &Situation,
    memory: &ControlMemory,
    known: &dyn Known,
    policy: &mut dyn Policy,
) -> Result<Request, PolicyError> {
    policy.act(&PolicyInput { plant: filter.plant(), situation, memory, known })
}

/// A policy step: ramps count from the latest set-points, the policy is asked, its request filtered.
///
/// # Errors
/// The policy's own; `memory` is unchanged but for the begun step.
pub fn step(
    filter: &SafetyFilter,
    situation: &Situation,
    memory: &mut ControlMemory,
    known: &dyn Known,
    policy: &mut dyn Policy,
) -> Result<Decision, PolicyError> {
    memory.begin_step();
    let request = request(filter, situation, memory, known, policy)?;
    Ok(follow(filter, situation, memory, request))
}

/// A policy step with a request that is already there.
pub fn follow(filter: &SafetyFilter, situation: &Situation, memory: &mut ControlMemory, request: Request) -> Decision {
    memory.begin_step();
    let anchor = memory.anchor(filter.plant().step_ms());
    let (verdict, violations_requested) = filter.filter_and_count(situation, &anchor, &request.setpoints);
    memory.record(&verdict);
    Decision { request, verdict, violations_requested }
}

/// The good rule in the policy's stead. Without the heat demand nobody knows what the CHP is good for: it stays as it is.
///
/// # Errors
/// The rule's own; it has none.
pub fn stand_in(
    filter: &SafetyFilter,
    situation: &Situation,
    memory: &ControlMemory,
    known: &dyn Known,
    degraded: Degraded,
) -> Result<Request, PolicyError> {
    let mut asked = request(filter, situation, memory, known, &mut GoodRule)?;
    if degraded.heat.is_some() {
        asked.setpoints.chp = memory.chp().kilowatts();
    }
    Ok(asked)
}

/// How a simulation begins: ramps count from the powers that are measured first, and the CHP may switch at once.
#[must_use]
pub fn entry(filter: &SafetyFilter, state: &PlantState) -> ControlMemory {
    ControlMemory::bumpless(filter.plant(), state, &ControlMemory::at_rest()).free_to_switch()
}

/// What a controller that decides in whole policy steps remembers from one to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepMemory {
    control: ControlMemory,
    /// The last decision was the controller's; otherwise the next one is an [`entry`].
    in_charge: bool,
    /// What was lived through, ready for the next step.
    history: History,
    /// Number of the next step.
    step: i64,
}

impl StepMemory {
    /// Before the first step.
    #[must_use]
    pub fn at_rest() -> Self {
        Self { control: ControlMemory::at_rest(), in_charge: false, history: History::default(), step: 0 }
    }

    /// The same with a history of the steps before the first one.
    #[must_use]
    pub fn remembering(history: History) -> Self {
        Self { history, ..Self::at_rest() }
    }

    /// Others have the plant now: nothing is remembered across the gap.
    pub fn leave(&mut self) {
        (self.in_charge, self.history) = (false, History::default());
    }
}

/// What [`whole_step`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeStep {
    /// What was decided in.
    pub situation: Situation,
    /// Request and set-points.
    pub decision: Decision,
    /// Why the good rule decided in the policy's stead, if it did.
    pub stood_in: Option<String>,
}

/// From measurements to set-points that hold for a whole policy step. `outlook` begins with this step.
///
/// # Errors
/// A measurement that safety needs is lost; `memory` is unchanged then.
pub fn whole_step(
    filter: &SafetyFilter,
    state: &PlantState,
    outlook: &Outlook,
    memory: &mut StepMemory,
    policy: &mut dyn Policy,
) -> Result<WholeStep, Unusable> {
    let plant = filter.plant();
    let StepMemory { control, in_charge, history, step } = memory;
    let judged = judge(state, plant, &history.substitutes(plant.steps_per_day()))?.whole()?;
    let (situation, degraded) = (judged.situation, judged.degraded);
    if !std::mem::replace(in_charge, true) {
        *control = entry(filter, state);
    }
    history.begin_step(*step, plant.steps_per_day());
    let known = Live::new(plant, history, outlook);
    control.begin_step();
    let asked = match degraded.cause() {
        Some(cause) => Err(cause),
        None => request(filter, &situation, control, &known, policy).map_err(|error| error.to_string()),
    };
    let (request, stood_in) = match asked {
        Ok(request) => (request, None),
        Err(cause) => (stand_in(filter, &situation, control, &known, degraded).unwrap_or(IDLE), Some(cause)),
    };
    let decision = follow(filter, &situation, control, request);
    control.elapse(plant.step_ms());
    history.observe(&situation, judged.known);
    *step += 1;
    history.begin_step(*step, plant.steps_per_day());
    Ok(WholeStep { situation, decision, stood_in })
}

/// Should even the rule fail.
const IDLE: Request = Request { observation: None, action: None, setpoints: Setpoints::IDLE, outside_tariff: false };
