//! Against chatter: the filtered voltage of the grid behind the connection, and the dead band of set-points.
//!
//! Meters are noisy, and limits follow their noise: without this a battery travelled nineteen times as far as with exact
//! numbers. A set-point that is still allowed stays where it is while the better one is near.

use super::cycle::{ControlConfig, ControlState};
use memg_core::constraint::Anchor;
use memg_core::safety::{Intervention, Relaxation, SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::situation::Situation;
use memg_core::units::{PerUnit, Watts};

/// First-order filter `vs' = vs + (x - vs) dt / (tau + dt)`; a pause of ten time constants starts anew.
pub(super) fn filtered_voltage(config: &ControlConfig, before: Option<f64>, now: PerUnit, dt_ms: i64) -> PerUnit {
    let tau_ms = config.filter.plant().parameters().margins.source_voltage_s * 1000.0;
    let dt_ms = dt_ms as f64;
    match before {
        Some(before) if dt_ms < 10.0 * tau_ms => {
            PerUnit::new(before + (now.get() - before) * dt_ms / (tau_ms + dt_ms).max(1.0))
        }
        _ => now,
    }
}

/// The verdict that stays: the last set-points if they are within the dead band of the new ones and still allowed.
pub(super) fn held(
    filter: &SafetyFilter,
    situation: &Situation,
    anchor: &Anchor,
    state: &ControlState,
    verdict: Verdict,
) -> Verdict {
    let band = Watts::floor(memg_core::units::Kilowatts::new(filter.plant().parameters().margins.dead_band_kw));
    let memory = &state.memory;
    let near = |a: Watts, b: Watts| (a - b).abs() <= band;
    let moved = verdict.battery_base != memory.battery || verdict.safe.chp() != memory.chp;
    let small = near(verdict.battery_base, memory.battery) && near(verdict.safe.chp(), memory.chp);
    if band == Watts::ZERO || !moved || !small || verdict.safe.chp_on() != memory.chp_on {
        return verdict;
    }
    let last = Setpoints { battery: memory.battery.kilowatts(), chp: memory.chp.kilowatts(), grid: None };
    let again = filter.filter(situation, anchor, &last);
    let allowed = again.battery_base == memory.battery
        && again.safe.chp() == memory.chp
        && again.safe.chp_on() == memory.chp_on
        && again.relaxation <= verdict.relaxation.max(Relaxation::Curtailment)
        && again.safe.renewable_limit().is_some() <= verdict.safe.renewable_limit().is_some();
    if allowed { again } else { verdict }
}

/// What an operator should read: a request that does not balance is told once per policy step, and only where that moved
/// a set-point by more than the dead band.
pub(super) fn worth_telling(config: &ControlConfig, intervention: &Intervention, policy_step: bool) -> bool {
    use memg_core::constraint::Rule;
    let band = config.filter.plant().parameters().margins.dead_band_kw.max(0.1);
    let moved_kw = (intervention.after_w - intervention.before_w).abs().kilowatts().get();
    intervention.rule != Rule::Balance || (policy_step && moved_kw > band)
}
