//! The one door of commands: whatever entrance they came through, they are judged here, in the cycle that takes them.
//!
//! A command is taken in the order in which it came, but a safe stop before everything else of its cycle. What it was
//! answered stands in the journal beside it. An answer says what happened: `done` is in force, `clamped` is in force with
//! other powers, `rejected` has changed nothing.

use super::cycle::{ControlState, CycleInput};
use super::mode::{Facts, ModeChange, ModeTimes};
use memg_core::command::{Command, CommandAnswer, CommandBody, ExchangeLimits, Holder, Outcome, Role};
use memg_core::setpoints::{SafeSetpoints, Setpoints};
use memg_core::units::Kilowatts;

/// Changes of mode and answers of a cycle's commands.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub changes: Vec<ModeChange>,
    pub answers: Vec<CommandAnswer>,
}

/// Carries out what may be carried out.
pub(super) fn judge(state: &mut ControlState, input: &CycleInput, times: &ModeTimes, facts: &Facts<'_>) -> Judged {
    let mut judged = Judged::default();
    let is_stop = |command: &&Command| command.body == CommandBody::SafeStop;
    let (stops, others): (Vec<_>, Vec<_>) = input.commands.iter().partition(is_stop);
    let stopping = !stops.is_empty();
    for command in stops.into_iter().chain(others) {
        let undoes = stopping && matches!(command.body, CommandBody::Acknowledge | CommandBody::Arm);
        let taken = if undoes {
            Err("a safe stop came in the same cycle".to_owned())
        } else {
            take(state, command, times, facts)
        };
        let outcome = match taken {
            Ok(change) => {
                judged.changes.extend(change);
                Outcome::Done
            }
            Err(reason) => Outcome::Rejected { reason },
        };
        let (id, principal) = (command.id.clone(), command.principal.clone());
        judged.answers.push(CommandAnswer { id, principal, outcome });
    }
    judged
}

fn take(
    state: &mut ControlState,
    command: &Command,
    times: &ModeTimes,
    facts: &Facts<'_>,
) -> Result<Option<ModeChange>, String> {
    let least = command.body.role_min();
    if command.role < least {
        let (name, role) = (&command.principal, command.role.name());
        return Err(format!("{name} is {role}; this takes the role {}", least.name()));
    }
    match command.body {
        CommandBody::Setpoints(setpoints) => set_manually(state, command, setpoints).map(|()| None),
        CommandBody::Limits(limits) => limit(state, command, limits).map(|()| None),
        CommandBody::GridLimit(order) => {
            state.grid_limit.order(&order, &command.principal, command.role).map(|()| None)
        }
        CommandBody::Manual => {
            let change = state.mode.command(&command.body, &command.principal, times, facts)?;
            state.in_charge = Some(Holder { principal: command.principal.clone(), means: command.means });
            Ok(change)
        }
        body => state.mode.command(&body, &command.principal, times, facts),
    }
}

/// Set-points are those of whoever took manual control last; others say so first, by `manual`: two masters do not fight.
fn set_manually(state: &mut ControlState, command: &Command, setpoints: Setpoints) -> Result<(), String> {
    if !state.mode.operator_is_in_charge() {
        return Err(format!("set-points are taken in manual mode, not in {}", state.mode.mode.name()));
    }
    if let Some(holder) = state.in_charge.as_ref().filter(|holder| holder.principal != command.principal) {
        return Err(format!("{} has control ({}); take it with manual first", holder.principal, holder.means.name()));
    }
    let grid = setpoints.grid.is_none_or(Kilowatts::is_finite);
    if !(grid && setpoints.battery.is_finite() && setpoints.chp.is_finite() && setpoints.chp.get() >= 0.0) {
        return Err("set-points must be finite, and the CHP's not negative".into());
    }
    state.manual = Some(setpoints);
    Ok(())
}

/// Limits that hold until they are changed: everybody tightens, an engineer widens; the plant's own always hold.
fn limit(state: &mut ControlState, command: &Command, limits: ExchangeLimits) -> Result<(), String> {
    let bad = |limit: Option<f64>| limit.is_some_and(|kw| !kw.is_finite() || kw < 0.0);
    if bad(limits.import_kw_max) || bad(limits.export_kw_max) {
        return Err("a limit must be a finite power of at least 0 kW, or null".into());
    }
    if command.role < Role::Engineer
        && let Some(side) = widened(state.limits, limits)
    {
        let (name, role) = (&command.principal, command.role.name());
        return Err(format!(
            "{name} is {role} and may only tighten: the {side} limit would be wider than it is, which takes the role engineer"
        ));
    }
    state.limits = limits;
    Ok(())
}

/// The side on which more would be allowed than now.
fn widened(now: ExchangeLimits, wanted: ExchangeLimits) -> Option<&'static str> {
    let wider = |now: Option<f64>, wanted: Option<f64>| now.is_some_and(|now| wanted.is_none_or(|wanted| wanted > now));
    let sides =
        [("import", now.import_kw_max, wanted.import_kw_max), ("export", now.export_kw_max, wanted.export_kw_max)];
    sides.into_iter().find(|(_, now, wanted)| wider(*now, *wanted)).map(|(side, ..)| side)
}

/// Says of manual set-points what became of them: the plant's ratings, ramps and limits may leave less.
pub(super) fn clamp_answers(
    answers: &mut [CommandAnswer],
    input: &CycleInput,
    asked: Option<Setpoints>,
    safe: Option<&SafeSetpoints>,
) {
    let (Some(asked), Some(safe)) = (asked, safe) else { return };
    let (battery_kw, chp_kw) = (safe.battery().kilowatts().get(), safe.chp().kilowatts().get());
    for answer in answers.iter_mut().filter(|answer| answer.outcome == Outcome::Done) {
        let command = input.commands.iter().find(|c| c.id == answer.id && c.principal == answer.principal);
        if let Some(CommandBody::Setpoints(wanted)) = command.map(|command| command.body) {
            let off = |a: f64, b: f64| (a - b).abs() > 0.001;
            // A power at the connection asks for what the battery has to give.
            let battery = if wanted.grid.is_some() { asked.battery } else { wanted.battery };
            if off(battery.get(), battery_kw) || off(wanted.chp.get(), chp_kw) {
                answer.outcome = Outcome::Clamped { battery_kw, chp_kw };
            }
        }
    }
}
