//! Against chatter: the filtered state of charge, and the dead band of set-points.
//!
//! Meters are noisy, and limits follow their noise: without this a battery travelled nineteen times as far as with exact
//! numbers. A set-point that is still allowed stays where it is while the better one is near.

use super::cycle::{ControlConfig, ControlState};
use memg_core::constraint::{Anchor, Rule};
use memg_core::equipment::BatteryUnit;
use memg_core::safety::{Intervention, Relaxation, SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::situation::{Situation, SocEstimate};
use memg_core::units::{Hours, Kilowatts, Soc, Watts};

/// The dead band while the request is the same, as a multiple of that for a new one.
const SAME_REQUEST: f64 = 10.0;

/// A battery as its state of charge is estimated.
pub(super) struct Metered<'a> {
    /// What it can hold, and at what loss.
    pub unit: &'a BatteryUnit,
    /// What its meter says.
    pub soc: Soc,
    /// The power that it is measured at.
    pub power: Watts,
    /// The powers between which it has run since the last cycle: then, now, and as it was told.
    pub powers: (Watts, Watts),
}

/// State of charge from the meter and from the energy that went in and out. The best estimate is predicted by energy and
/// drawn towards the meter by `dt / (tau + dt)`. The interval is predicted, too, for the least and the most energy that may have
/// gone in, widened by that share of the meter's declared error (the energy is measured, too) and cut with what the meter holds possible: as long as its errors stay
/// within the declared ones the truth lies inside, whichever of its efficiencies is the true one. Where the two do not meet, and after ten time constants, it starts anew.
pub(super) fn filtered_soc(
    config: &ControlConfig,
    before: Option<SocEstimate>,
    battery: &Metered<'_>,
    dt_ms: i64,
) -> SocEstimate {
    let margins = &config.filter.plant().parameters().margins;
    let (tau_ms, error) = (margins.filter_s * 1000.0, margins.soc);
    let (dt, meter) = (dt_ms as f64, battery.soc.get());
    let anew = SocEstimate { best: battery.soc, low: Soc::new(meter - error), high: Soc::new(meter + error) };
    let Some(before) = before.filter(|_| dt < 10.0 * tau_ms) else { return anew };
    let duration = Hours::new(dt / 3_600_000.0);
    let share = dt / (tau_ms + dt).max(1.0);
    let (lowest, highest) = battery.unit.soc_after_between((before.low, before.high), battery.powers, duration);
    let low = (lowest.get() - share * error).max(meter - error);
    let high = (highest.get() + share * error).min(meter + error);
    if low > high {
        return anew;
    }
    let best = battery.unit.soc_after(before.best, battery.power, duration).get();
    let best = (best + (meter - best) * share).clamp(low, high);
    SocEstimate { best: Soc::new(best), low: Soc::new(low), high: Soc::new(high) }
}

/// The verdict that stays: the last set-points if they are within the dead band of the new ones and still allowed.
pub(super) fn held(
    filter: &SafetyFilter,
    situation: &Situation,
    anchor: &Anchor,
    state: &ControlState,
    (verdict, is_new): (Verdict, bool),
) -> Verdict {
    let band_kw = filter.plant().parameters().margins.dead_band_kw;
    // While the request is the same, what moves the set-point is a limit, and most of that is noise.
    let band = Watts::floor(Kilowatts::new(if is_new { band_kw } else { SAME_REQUEST * band_kw }));
    let memory = &state.memory;
    let near = |a: Watts, b: Watts| (a - b).abs() <= band;
    let base = |verdict: &Verdict| verdict.battery_base.into_iter().sum::<Watts>();
    let moved = base(&verdict) != memory.battery() || verdict.safe.chp() != memory.chp();
    let small = near(base(&verdict), memory.battery()) && near(verdict.safe.chp(), memory.chp());
    if band == Watts::ZERO || !moved || !small || verdict.safe.chp_on() != memory.chp_on() {
        return verdict;
    }
    let last = Setpoints { battery: memory.battery().kilowatts(), chp: memory.chp().kilowatts(), grid: None };
    let again = filter.filter(situation, anchor, &last);
    let allowed = base(&again) == memory.battery()
        && again.safe.chp() == memory.chp()
        && again.safe.chp_on() == memory.chp_on()
        && again.relaxation <= verdict.relaxation.max(Relaxation::Curtailment)
        && again.safe.renewable_limit().is_some() <= verdict.safe.renewable_limit().is_some();
    if allowed { again } else { verdict }
}

/// What an operator should read: a request that does not balance is told once per policy step, and only where that moved
/// a set-point by more than the dead band.
pub(super) fn worth_telling(config: &ControlConfig, intervention: &Intervention, policy_step: bool) -> bool {
    let band = config.filter.plant().parameters().margins.dead_band_kw.max(0.1);
    let moved_kw = (intervention.after_w - intervention.before_w).abs().kilowatts().get();
    intervention.rule != Rule::Balance || (policy_step && moved_kw > band)
}
