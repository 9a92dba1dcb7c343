//! One controller step, for every master: environment, daemon, replay, FMU, lock-step, mosaik.
//!
//! [`request`] asks the policy (once per policy step), [`filtered`] turns the request into set-points (every cycle),
//! [`step`] does both. All of them are pure functions of their arguments.

use crate::memory::ControlMemory;
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::safety::{SafetyFilter, Verdict};
use crate::series::Known;
use crate::setpoints::Setpoints;
use crate::situation::Situation;

/// A request and what the filter made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// What was wanted.
    pub request: Request,
    /// What may be written.
    pub verdict: Verdict,
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

/// Filters a request for set-points that hold `hold_ms` and remembers the verdict.
pub fn filtered(
    filter: &SafetyFilter,
    situation: &Situation,
    memory: &mut ControlMemory,
    setpoints: &Setpoints,
    hold_ms: i64,
) -> Verdict {
    let verdict = filter.filter(situation, &memory.anchor(hold_ms), setpoints);
    memory.record(&verdict);
    verdict
}

/// A whole policy step: ramps count from the latest set-points, the policy is asked, its request filtered.
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
    let verdict = filtered(filter, situation, memory, &request.setpoints, filter.plant().step_ms());
    Ok(Decision { request, verdict })
}
