//! CHPs: minimum times, start and stop at minimum power, ramp. `u in {0, 1}`, `u p_min <= p <= u p_max`, unit by unit.

use super::{ChpLimits, Constraint, Context, Limits, Priority, Rule, note};
use crate::equipment::ChpUnit;
use crate::memory::ChpMemory;
use crate::units::Watts;

/// Each CHP with what is remembered of it and what it may do.
fn each<'a>(
    context: &'a Context<'_>,
    limits: &'a mut Limits,
) -> impl Iterator<Item = (&'a ChpUnit, &'a ChpMemory, &'a mut ChpLimits)> {
    let units = context.plant.chps().iter().zip(&context.anchor.memory.chps);
    units.zip(limits.chps_mut()).map(|((unit, memory), limits)| (unit, memory, limits))
}

/// On and off for their minimum times.
pub(super) struct MinimumTime;

impl Constraint for MinimumTime {
    fn priority(&self) -> Priority {
        Priority::ChpTimes
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        for (unit, chp, limits) in each(context, limits) {
            if chp.on && chp.in_state_ms < unit.min_up_ms {
                limits.may_rest = Err(Rule::ChpMinimumTime);
            }
            if !chp.on && chp.in_state_ms < unit.min_down_ms {
                limits.may_run = Err(Rule::ChpMinimumTime);
            }
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
        for (unit, chp, limits) in each(context, limits) {
            if !is_started(chp) {
                limits.power.narrow(unit.min, unit.min, Rule::ChpStartStop);
            }
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
        for (unit, chp, limits) in each(context, limits) {
            if is_started(chp) {
                // Measured below minimum power, the unit is starting and will land there.
                limits.power.narrow(unit.min, (chp.anchor + unit.ramp).max(unit.min), Rule::ChpRamp);
            }
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
        let mut kept = true;
        for (unit, chp, limits) in each(context, limits).filter(|(_, chp, _)| is_started(chp)) {
            kept &= limits.power.narrow(chp.anchor - unit.ramp, unit.max, Rule::ChpRamp);
            if chp.anchor.max(chp.now) > unit.min && limits.may_rest.is_ok() {
                limits.may_rest = Err(Rule::ChpStartStop);
            }
        }
        note(limits, kept, Rule::ChpRamp);
    }
}

/// On since the last step at least.
fn is_started(chp: &ChpMemory) -> bool {
    chp.on && chp.anchor != Watts::ZERO
}
