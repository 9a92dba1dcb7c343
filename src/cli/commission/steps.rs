//! One order at a device: given through control's door, then looked at until it is in force and the power has followed.

use super::session::{LOOK, Session};
use memg_commission::protocol::{Register, Step};
use memg_commission::trial::Trial;
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
}

/// Gives an order and waits until it is read back and followed.
///
/// # Errors
/// The step as far as it went, and what was wrong: a rejection, another mode, an order that is not in force or not followed,
/// or that somebody wants to stop.
pub(super) async fn step(
    session: &mut Session,
    trial: &Trial,
    tolerance_kw: f64,
    wanted: &Wanted<'_>,
    stop: &watch::Receiver<bool>,
) -> (Step, Result<(), String>) {
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
        Self { trial, tolerance_kw, began: Instant::now(), step }
    }

    async fn until_done(
        &mut self,
        session: &mut Session,
        wanted: &Wanted<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), String> {
        session.give(wanted.bodies).await?;
        loop {
            let written = self.registers(session);
            let followed = self.power(session);
            if written && followed {
                return Ok(());
            }
            if session.mode() != wanted.mode {
                return Err(format!("{} instead of {}: {}", session.mode().name(), wanted.mode.name(), session.why()));
            }
            if *stop.borrow() && wanted.mode != Mode::SafeStop {
                return Err("somebody stopped it here".to_owned());
            }
            if self.began.elapsed() > wanted.patience {
                let what =
                    if written { "the measured power has not followed" } else { "the set-point is not in force" };
                return Err(format!("{what} after {:.0} s", wanted.patience.as_secs_f64()));
            }
            sleep(LOOK).await;
        }
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

    /// Looks at the measured power; true once it is where the order wants it, or where nobody can tell.
    fn power(&mut self, session: &Session) -> bool {
        self.step.expected_kw = self.expected(session);
        self.step.power_kw = self.trial.power().and_then(|tag| session.signal(tag));
        let (Some(expected), Some(is)) = (self.step.expected_kw, self.step.power_kw) else { return true };
        let off = if self.trial.part.is_cap() { is - expected } else { (is - expected).abs() };
        if off > self.tolerance_kw {
            self.step.followed_s = None;
            return false;
        }
        let now_s = self.began.elapsed().as_secs_f64();
        self.step.followed_s.get_or_insert(now_s);
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
