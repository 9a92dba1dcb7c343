//! One order at a device: given through control's door, then looked at until it is in force and the power has followed.

use super::session::{LOOK, STOPPED, Session};
use memg_commission::protocol::{Register, Step};
use memg_commission::trial::{Power, Trial, has_moved, is_stopped};
use memg_control::mode::Mode;
use memg_core::command::CommandBody;
use memg_plant_io::Output;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// What is given and what has to come of it.
pub(super) struct Wanted<'a> {
    /// What it is for.
    pub name: &'a str,
    /// What is asked for, in words.
    pub asked: String,
    /// Commands of one cycle.
    pub bodies: &'a [CommandBody],
    /// The mode that they lead to; another one is a fault.
    pub mode: Mode,
    /// Longest time until all of it is seen.
    pub patience: Duration,
    /// Where the part has to stand.
    pub goal: Goal,
}

/// Where the order in force has to bring the part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Goal {
    /// No power, or no cap.
    Rest,
    /// The same of a device that holds its order in the silence.
    Back,
    /// Off rest, and another power than this, kW.
    Moved(f64),
    /// Nothing is asked of it or let through: a safe stop, which holds what is capped down.
    Stopped,
}

impl Goal {
    /// Brings the part to rest: whoever wants to stop wants this.
    const fn is_a_stop(self) -> bool {
        matches!(self, Self::Back | Self::Stopped)
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It is in force, read back and followed.
    Followed,
    /// In force and followed, but the filter left nothing that could be told from before.
    NotMoved,
}

/// Gives an order and waits until it is read back and followed.
///
/// # Errors
/// The step as far as it went, and what was wrong: a rejection, another mode, an order that is not in force or not followed,
/// one that counts on what nobody may write, or that somebody wants to stop.
pub(super) async fn step(
    session: &mut Session,
    trial: &Trial,
    tolerance_kw: f64,
    wanted: &Wanted<'_>,
    stop: &watch::Receiver<bool>,
) -> (Step, Result<Done, String>) {
    let mut watching = Watching::new(session, trial, tolerance_kw, wanted);
    let result = watching.until_done(session, wanted, stop).await;
    let changed = session.interventions();
    if !changed.is_empty() {
        watching.step.note = format!("filter: {changed}");
    }
    if let Err(why) = &result {
        watching.step.note = why.clone();
    }
    (watching.step, result)
}

struct Watching<'a> {
    trial: &'a Trial,
    tolerance_kw: f64,
    began: Instant,
    step: Step,
    /// The device has acknowledged a stop: some time after it a safe stop writes nothing any more.
    is_stopped: bool,
}

impl<'a> Watching<'a> {
    fn new(session: &Session, trial: &'a Trial, tolerance_kw: f64, wanted: &Wanted<'_>) -> Self {
        let register = |index: &usize| {
            let point = session.device().points.get(*index)?;
            let point = format!("{} {}", point.name, point.place());
            Some(Register { point, written: None, written_s: None, read_back: None, read_back_s: None })
        };
        let step = Step {
            name: wanted.name.to_owned(),
            asked: wanted.asked.clone(),
            registers: trial.setpoints.iter().filter_map(register).collect(),
            expected_kw: None,
            power_kw: None,
            followed_s: None,
            note: String::new(),
        };
        Self { trial, tolerance_kw, began: Instant::now(), step, is_stopped: false }
    }

    async fn until_done(
        &mut self,
        session: &mut Session,
        wanted: &Wanted<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Done, String> {
        let stopped = || *stop.borrow() && !wanted.goal.is_a_stop();
        if stopped() {
            return Err(STOPPED.to_owned());
        }
        session.give(wanted.bodies).await?;
        loop {
            let looked = self.look(session, wanted.goal);
            if session.mode() != wanted.mode {
                return Err(format!("{} instead of {}: {}", session.mode().name(), wanted.mode.name(), session.why()));
            }
            if let Some(what) = session.unpermitted(self.trial).filter(|_| wanted.mode == Mode::Manual) {
                return Err(format!("the filter counts on what nobody may write during a trial: {what}"));
            }
            if looked.is_done() {
                return Ok(Done::Followed);
            }
            if stopped() {
                return Err(STOPPED.to_owned());
            }
            if self.began.elapsed() > wanted.patience {
                return looked
                    .given_up(wanted.goal, self.step.power_kw)
                    .map_err(|what| format!("{what} after {:.0} s", wanted.patience.as_secs_f64()));
            }
            sleep(LOOK).await;
        }
    }

    fn look(&mut self, session: &Session, goal: Goal) -> Looked {
        let written = self.registers(session);
        let ordered: Option<Vec<f64>> = self.trial.setpoints.iter().map(|index| session.ordered(*index)).collect();
        let expected_kw = self.expected(session);
        let silent = ordered.is_none();
        let reached = ordered.is_some_and(|ordered| match goal {
            Goal::Rest | Goal::Back => self.trial.is_at_rest(&ordered),
            Goal::Moved(from_kw) => !self.trial.is_at_rest(&ordered) && has_moved(from_kw, expected_kw),
            Goal::Stopped => is_stopped(&ordered),
        });
        let wanted_kw = if goal == Goal::Stopped { Some(0.0) } else { expected_kw };
        self.is_stopped |= goal == Goal::Stopped && written && reached;
        let followed = self.power(session, wanted_kw);
        let still = self.is_stopped && silent;
        Looked { written: written || still, reached: reached || still, followed }
    }

    /// Looks at each register; true once all of them are as ordered.
    fn registers(&mut self, session: &Session) -> bool {
        let now_s = self.began.elapsed().as_secs_f64();
        let mut all = true;
        for (index, register) in self.trial.setpoints.iter().zip(&mut self.step.registers) {
            let tolerance = session.tolerance(*index);
            let last = session.last_write(*index);
            let ordered = session.ordered(*index);
            let Some(last) = last.filter(|last| ordered.is_some_and(|kw| (last.value - kw).abs() <= tolerance)) else {
                (register.read_back_s, all) = (None, false);
                continue;
            };
            if register.written.is_none_or(|before| (before - last.value).abs() > f64::EPSILON) {
                let after = last.at.saturating_duration_since(self.began);
                (register.written, register.written_s) = (Some(last.value), Some(after.as_secs_f64()));
                register.read_back_s = None;
            }
            register.read_back = session.read_back(*index).map(|(_, value)| value);
            if last.read_back && register.read_back_s.is_none() {
                register.read_back_s = Some(now_s);
            }
            all &= last.read_back;
        }
        all
    }

    /// Looks at the measured power; true once it is where it is wanted, or where nobody measures it.
    fn power(&mut self, session: &Session, wanted_kw: Option<f64>) -> bool {
        let power: Power = session.power(self.trial.power());
        (self.step.expected_kw, self.step.power_kw) = (wanted_kw, power.kw());
        if !power.has_followed(wanted_kw, self.tolerance_kw, self.trial.part.is_cap()) {
            self.step.followed_s = None;
            return false;
        }
        if power.kw().is_some() {
            let now_s = self.began.elapsed().as_secs_f64();
            self.step.followed_s.get_or_insert(now_s);
        }
        true
    }

    /// The power that the order in force wants; of a cap the most.
    fn expected(&self, session: &Session) -> Option<f64> {
        let powers = |index: &&usize| {
            let rule = session.device().points.get(**index).and_then(|point| point.write.as_ref());
            rule.is_some_and(|rule| rule.output.output() != Output::ChpRun)
        };
        session.ordered(*self.trial.setpoints.iter().find(powers)?)
    }
}

/// One look.
#[derive(Debug, Clone, Copy)]
struct Looked {
    /// The order in force is in the device.
    written: bool,
    /// It is the one that is wanted.
    reached: bool,
    /// The measured power is where it is wanted.
    followed: bool,
}

impl Looked {
    const fn is_done(self) -> bool {
        self.written && self.reached && self.followed
    }

    /// What is missing when there is no more time.
    fn given_up(self, goal: Goal, power_kw: Option<f64>) -> Result<Done, String> {
        match (self.written, self.reached, self.followed, goal) {
            (true, false, true, Goal::Moved(_)) => Ok(Done::NotMoved),
            (false, ..) => Err("the set-point is not in force".to_owned()),
            (true, _, false, _) => Err(power_kw.map_or_else(
                || "the measured power is unknown".to_owned(),
                |kw| format!("the measured power has not followed, it is {kw:.1} kW"),
            )),
            (true, ..) => Err("the order in force is not at rest".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_done_once_the_wanted_order_is_in_the_device_and_followed() {
        for (written, reached, followed, goal, is_done, in_the_end) in [
            (true, true, true, Goal::Moved(0.0), true, "in force"),
            (true, false, true, Goal::Moved(0.0), false, "NotMoved"),
            (true, false, false, Goal::Moved(0.0), false, "has not followed, it is 7.0 kW"),
            (false, false, true, Goal::Moved(0.0), false, "the set-point is not in force"),
            // A CHP that runs its minimum time on is followed, and is not stopped.
            (true, false, false, Goal::Stopped, false, "has not followed, it is 7.0 kW"),
            (true, false, true, Goal::Stopped, false, "not at rest"),
            (true, false, true, Goal::Rest, false, "not at rest"),
        ] {
            let looked = Looked { written, reached, followed };
            assert_eq!(looked.is_done(), is_done, "{looked:?}");
            let end = looked.given_up(goal, Some(7.0));
            assert!(is_done || format!("{end:?}").contains(in_the_end), "{looked:?} {goal:?}: {end:?}");
        }
        let lost = Looked { written: true, reached: true, followed: false };
        assert!(lost.given_up(Goal::Stopped, None).is_err_and(|why| why.contains("unknown")));
    }
}
