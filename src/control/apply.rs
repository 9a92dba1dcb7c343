//! The second half of a cycle: the request, filtered with the freshest usable situation.

use super::assumed::{behind_cap, narrowed};
use super::cycle::{known, measured};
use super::input::CycleInput;
use super::mode::Mode;
use super::state::{ControlConfig, ControlState};
use super::steady::held;
use memg_core::constraint::Anchor;
use memg_core::safety::Verdict;
use memg_core::setpoints::Setpoints;
use memg_core::situation::Situation;

/// Filters the request. Modes that do not write leave the memory alone.
pub(super) fn apply(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    setpoints: Option<&Setpoints>,
) -> Option<Verdict> {
    let setpoints = setpoints?;
    let writes = state.mode.mode.writes();
    let mut memory = if writes { state.memory } else { measured(config, state, input) };
    let anchor = memory.anchor(hold_ms(config, input));
    let verdict = if state.mode.mode == Mode::SafeStop {
        config.filter.shut_down(&anchor)
    } else if let Some((situation, age_ms)) = known(config, state, input.now_ms) {
        filtered(config, state, input, &assumed(config, state, input, situation, age_ms), (&anchor, setpoints))
    } else {
        config.filter.safe_stop(&anchor)
    };
    memory.record(&verdict);
    state.asked = Some(*setpoints);
    if writes {
        (state.memory, state.cap) = (memory, verdict.safe.renewable_limit());
    }
    Some(verdict)
}

/// Time until the next policy step, ms; at least a cycle.
fn hold_ms(config: &ControlConfig, input: &CycleInput) -> i64 {
    let step_ms = config.filter.plant().step_ms().max(1);
    (step_ms - input.plant_ms.rem_euclid(step_ms)).max(config.cycle_ms)
}

/// The worst case of what is known, and what devices do.
fn assumed(
    config: &ControlConfig,
    state: &ControlState,
    input: &CycleInput,
    situation: Situation,
    age_ms: u64,
) -> Situation {
    let mut situation = behind_cap(config, state, input, situation);
    if age_ms > 0 {
        situation = situation.aged(config.filter.plant(), age_ms);
    }
    let (less, more) = state.following.chp_shortfall();
    situation.doubt.net_load_up += less;
    situation.doubt.net_load_down += more;
    situation.doubt.battery_fixed = state.following.battery_fixed();
    situation
}

fn filtered(
    config: &ControlConfig,
    state: &ControlState,
    input: &CycleInput,
    situation: &Situation,
    (anchor, setpoints): (&Anchor, &Setpoints),
) -> Verdict {
    let filter = narrowed(config, state);
    let verdict = filter.filter(situation, anchor, setpoints);
    // A command is carried out exactly; a better set-point may wait.
    let exact = !state.mode.mode.writes() || input.commands.iter().any(|c| c.body.name() == "setpoint");
    let is_new = state.times.begun_ms == Some(input.uptime_ms) || state.asked != Some(*setpoints);
    if exact { verdict } else { held(&filter, situation, anchor, state, (verdict, is_new)) }
}
