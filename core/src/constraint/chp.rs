//! CHP: minimum times, start and stop at minimum power, ramp. `u in {0, 1}`, `u p_min <= p <= u p_max`.

use super::{Constraint, Context, Limits, Priority, Rule, note};
use crate::units::Watts;

/// On and off for their minimum times.
pub(super) struct MinimumTime;

impl Constraint for MinimumTime {
    fn priority(&self) -> Priority {
        Priority::ChpTimes
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let (plant, anchor) = (context.plant, context.anchor);
        if anchor.chp_on && anchor.chp_in_state_ms < plant.min_up_ms() {
            limits.may_rest = Err(Rule::ChpMinimumTime);
        }
        if !anchor.chp_on && anchor.chp_in_state_ms < plant.min_down_ms() {
            limits.may_run = Err(Rule::ChpMinimumTime);
        }
    }
}

/// A start lands exactly at minimum power; until the next step it stays there. This is physics of the unit, not a
/// preference, so it never yields.
pub(super) struct StartStop;

impl Constraint for StartStop {
    fn priority(&self) -> Priority {
        Priority::Hard
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let plant = context.plant;
        if !is_started(context) {
            limits.chp.narrow(plant.chp_min(), plant.chp_min(), Rule::ChpStartStop);
        }
    }
}

/// Largest increase of power per step while on. Like the start this is what the unit can do, so it never yields.
pub(super) struct LoadingRamp;

impl Constraint for LoadingRamp {
    fn priority(&self) -> Priority {
        Priority::Hard
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let (plant, anchor) = (context.plant, context.anchor);
        if is_started(context) {
            // Measured below minimum power, the unit is starting and will land there.
            let high = (anchor.chp + plant.chp_ramp()).max(plant.chp_min());
            limits.chp.narrow(plant.chp_min(), high, Rule::ChpRamp);
        }
    }
}

/// Largest decrease of power per step while on. A stop leaves from minimum power; yielding means fast unload.
pub(super) struct UnloadingRamp;

impl Constraint for UnloadingRamp {
    fn priority(&self) -> Priority {
        Priority::ChpRamp
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let (plant, anchor) = (context.plant, context.anchor);
        if !is_started(context) {
            return;
        }
        let kept = limits.chp.narrow(anchor.chp - plant.chp_ramp(), plant.chp_max(), Rule::ChpRamp);
        note(limits, kept, Rule::ChpRamp);
        if anchor.chp.max(anchor.chp_now) > plant.chp_min() && limits.may_rest.is_ok() {
            limits.may_rest = Err(Rule::ChpStartStop);
        }
    }
}

/// On since the last step at least.
fn is_started(context: &Context<'_>) -> bool {
    context.anchor.chp_on && context.anchor.chp != Watts::ZERO
}
