//! What devices are seen to do, unit by unit, and what is wrong in a cycle.

use super::fault::Fault;
use super::following::{id, named};
use super::input::CycleInput;
use super::mode::Mode;
use super::state::{ControlConfig, ControlState};
use super::steady::{Metered, filtered_soc};
use memg_core::equipment::UNITS_MAX;
use memg_core::measurement::Measurement;
use memg_core::situation::{Judged, Situation, Unusable};
use memg_core::units::Watts;

/// The filtered state of charge of each battery.
pub(super) fn estimate(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    situation: &mut Situation,
    elapsed_ms: i64,
) {
    let plant = config.filter.plant();
    let before = state.socs;
    let mut powers_now = state.battery_powers;
    let mut socs = [situation.soc_of(0); UNITS_MAX];
    let seen = socs.iter_mut().zip(&input.state.batteries).zip(&state.memory.batteries);
    for (index, (((soc, seen), memory), unit)) in seen.zip(plant.batteries().iter()).enumerate() {
        let power = seen.power.usable().map_or(memory.now, Watts::nearest);
        let then = state.battery_powers.get(index).copied().unwrap_or(power);
        let powers = (power.min(then).min(memory.now), power.max(then).max(memory.now));
        let battery = Metered { unit, soc: situation.soc_of(index).best, power, powers };
        powers_now.get_mut(index).into_iter().for_each(|slot| *slot = power);
        let before = before.and_then(|socs| socs.get(index).copied());
        *soc = filtered_soc(config, before, &battery, elapsed_ms);
    }
    (state.socs, state.battery_powers) = (Some(socs), powers_now);
    situation.estimate_socs(plant, socs);
}

/// What devices are seen to do. A CHP that does other than it was told is news.
pub(super) fn observe(config: &ControlConfig, state: &mut ControlState, input: &CycleInput) -> Option<Fault> {
    state.following.observe(config, &input.state, input.now_ms, input.uptime_ms);
    let (before, mode) = (state.memory.chps, state.mode.mode);
    let response_ms = if mode.writes() { config.chp_response_ms } else { 0 };
    state.memory.observe_chp(config.filter.plant(), &input.state, response_ms);
    if mode == Mode::SafeStop {
        // What has been told to stop goes on to be told; a unit that cools for long is not started again for that.
        let stopped = state.memory.chps.iter_mut().zip(before).filter(|(_, before)| !before.on);
        stopped.for_each(|(chp, before)| *chp = before);
    }
    let units = config.filter.plant().chps().len();
    let word = |on: bool| if on { "on" } else { "off" };
    let mut now = before.iter().zip(&state.memory.chps).enumerate();
    let (index, (told, is)) = now.find(|(_, (told, is))| mode.writes() && told.on != is.on)?;
    let who = named("CHP", index, units);
    Some(
        Fault::soft(format!("{who} is {} although it was told to be {}", word(is.on), word(told.on)))
            .named(id("chp", index, "follow")),
    )
}

/// A CHP runs, by what it was told or by what is seen.
pub(super) fn chp_runs(config: &ControlConfig, state: &ControlState, input: &CycleInput) -> bool {
    let mut seen = input.state.chps.iter().zip(config.filter.plant().chps().iter());
    state.memory.chp_on() || seen.any(|(seen, unit)| seen.observed(unit.min).is_some_and(|(_, on)| on))
}

/// The worst fault of this cycle.
pub(super) fn worst_fault(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    judged: &Result<Judged, Unusable>,
    surprise: Option<Fault>,
) -> Fault {
    let s = &input.state;
    let plant = config.filter.plant();
    let now = state.situation.filter(|(_, at)| *at == input.now_ms);
    let out_of_bounds = now.is_some_and(|(situation, _)| !situation.is_within_bounds(plant));
    let exceeding = state.exceeding.observe(config, s, input.now_ms).filter(|_| state.mode.mode.writes());
    let lost = judged.as_ref().map_or_else(|lost| Some(*lost), |judged| judged.lost);
    let local = s.batteries.iter().map(|battery| battery.remote).chain(s.chps.iter().map(|chp| chp.remote));
    let local = local.into_iter().any(|remote| remote.usable() == Some(false));
    Fault::worst(
        [
            reported("battery", s.batteries.map(|battery| battery.fault), plant.batteries().len()),
            reported("CHP", s.chps.map(|chp| chp.fault), plant.chps().len()),
            input.fault.clone(),
            state.following.fault(plant),
            exceeding,
            lost.map(|lost| Fault::soft(lost.to_string()).named("inputs.lost")),
            out_of_bounds.then(|| {
                Fault::soft("a measurement is outside the bounds that the site declares").named("measurements.bounds")
            }),
            // Whoever works at a device in local does not expect control to come back unasked.
            local.then(|| Fault::unfollowed("a device is switched to local").named("a device.local")),
            surprise,
            judged
                .as_ref()
                .ok()
                .and_then(|judged| judged.degraded.cause())
                .map(|cause| Fault::policy(cause).named("inputs.lost")),
            state.policy_failure.as_ref().map(|cause| Fault::policy(cause).named("policy.failed")),
        ]
        .into_iter()
        .flatten(),
    )
}

/// The fault that a unit reports about itself.
fn reported(kind: &str, faults: [Measurement<bool>; UNITS_MAX], units: usize) -> Option<Fault> {
    let index = faults.iter().position(|fault| fault.usable() == Some(true))?;
    Some(Fault::hard(format!("{} reports a fault", named(kind, index, units))).named(id(
        &kind.to_lowercase(),
        index,
        "fault",
    )))
}
