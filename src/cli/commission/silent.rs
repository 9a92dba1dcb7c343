//! The silence of a trial: the gateway ends with an order in force, and the fall-back of the device is timed.

use super::say;
use super::session::Session;
use super::steps::{Done, Goal};
use super::trying::{Trying, battery, chp};
use memg_commission::protocol::FallBack;
use memg_commission::trial::{Held, Part, Silence, fall_back_allowed, wait_for_fall_back};
use memg_control::mode::Mode;
use memg_core::command::CommandBody;
use memg_core::setpoints::Setpoints;
use memg_settings::Settings;
use std::time::Duration;
use tokio::time::Instant;

/// Silence is looked at for this many times what the file states.
const SILENCES: f64 = 1.5;

impl Trying<'_> {
    /// Falls silent with an order in force, and times the fall-back.
    pub(super) async fn silence(&mut self) -> Result<(), String> {
        let Some(watchdog) = self.trial.watchdog else {
            self.fall_back = FallBack::None;
            return Ok(());
        };
        // What may be needed to bring it to rest is read before: a file that somebody edits then must not stand in the way.
        let again = (self.settings()?, self.settings()?);
        let mut session = Session::start(self.settings()?, self.trial, Some(self.stop)).await?;
        let held = match self.before_silence(&mut session).await {
            Ok(Ok(held)) => held,
            Ok(Err(why)) => {
                self.fall_back = FallBack::NotTried { why };
                self.is_partial = true;
                return self.ended(session, true).await;
            }
            Err(why) => {
                // What did not come of the stop is among the findings.
                let _ = self.ended(session, false).await;
                return Err(why);
            }
        };
        say(&format!("  silent: waiting for the fall-back, stated as {watchdog:?}"));
        let since = session.end().await.unwrap_or(held.since);
        self.timed(watchdog, Held { since, ..held }, again).await
    }

    /// Looks at the device, which holds its order, until it has fallen back; else brings it to rest.
    async fn timed(
        &mut self,
        watchdog: Duration,
        held: Held,
        (settings, back): (Settings, Settings),
    ) -> Result<(), String> {
        let longest = watchdog.mul_f64(SILENCES) + self.response;
        let allowed = fall_back_allowed(&settings, self.trial, watchdog, &held);
        let seen = wait_for_fall_back(&settings, self.trial, &held, longest.max(allowed), self.stop.clone()).await;
        let fell_s = seen.fell_back_s(&held);
        if fell_s.is_none() && *self.stop.borrow() {
            self.fall_back = FallBack::NotTried { why: format!("somebody stopped it after {:.0} s", seen.looked_s) };
            return self.brought_back(back, "somebody stopped it in the silence".to_owned()).await;
        }
        self.fall_back = told(watchdog, allowed, fell_s, &seen);
        let Some(fell_s) = fell_s else {
            say("  DID NOT FALL BACK");
            let why = format!("it did not fall back within {:.0} s of silence", seen.looked_s);
            return self.brought_back(back, why).await;
        };
        if fell_s > allowed.as_secs_f64() {
            return Err(format!("it fell back after {fell_s:.1} s, stated are {watchdog:?}"));
        }
        say("  fell back");
        Ok(())
    }

    /// An order in force that can be told from rest, or why there is none.
    async fn before_silence(&mut self, session: &mut Session) -> Result<Result<Held, String>, String> {
        // The sun moves what is capped, too: only its register tells.
        if self.trial.part.is_cap() && !self.trial.setpoints.iter().any(|index| session.read_back(*index).is_some()) {
            return Ok(Err("a cap that is not read back: its power tells nothing, the sun moves it, too".to_owned()));
        }
        let Some((order, from_kw)) = self.order_to_hold(session) else {
            return Ok(Err("no order that could be told from rest".to_owned()));
        };
        let rest = CommandBody::Setpoints(Setpoints::IDLE);
        let bodies = [CommandBody::Arm, CommandBody::Manual, rest, order];
        let asked = "as before".to_owned();
        if self.move_it(session, "before the silence", asked, &bodies, from_kw).await? == Done::NotMoved {
            return Ok(Err("the filter left the order at rest".to_owned()));
        }
        let registers = self.trial.setpoints.iter().filter_map(|index| {
            let (point, value) = session.read_back(*index)?;
            Some((point, value, session.tolerance(*index)))
        });
        let power_kw = session.power(self.trial.power()).kw().filter(|_| !self.trial.part.is_cap());
        let (since, tolerance_kw) = (Instant::now(), self.tolerance_kw);
        let held = Held { since, registers: registers.collect(), power_kw, tolerance_kw };
        let tells = !held.registers.is_empty() || held.power_kw.is_some_and(|kw| kw.abs() > 2.0 * tolerance_kw);
        Ok(if tells { Ok(held) } else { Err("neither a register nor a power would tell it".to_owned()) })
    }

    /// The order of the trial that was furthest from rest, and what rest says, kW.
    fn order_to_hold(&self, session: &Session) -> Option<(CommandBody, f64)> {
        let rest_kw = self.trial.rest_kw();
        let order = match self.trial.part {
            Part::Battery => {
                let expected = self.steps.iter().filter_map(|step| step.expected_kw);
                let furthest = expected.max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
                (furthest.abs() > 2.0 * self.tolerance_kw).then(|| battery(furthest))
            }
            Part::Chp => Some(chp(self.chp_kw_min())),
            Part::Pv | Part::Wind => self.export_limit(session).ok().map(|kw| self.export(kw)),
        };
        order.map(|order| (order, rest_kw))
    }

    /// A device that holds its order is brought to rest by the gateway, whoever stops it; `why` is the error.
    async fn brought_back(&mut self, settings: Settings, why: String) -> Result<(), String> {
        let back = match Session::start(settings, self.trial, None).await {
            Ok(mut session) => {
                let rest = CommandBody::Setpoints(Setpoints::IDLE);
                let (name, bodies) = ("brought to rest again", [CommandBody::Arm, CommandBody::Manual, rest]);
                let back = self.order(&mut session, name, "rest".into(), &bodies, Mode::Manual, Goal::Back).await;
                let ended = self.ended(session, back.is_ok()).await;
                back.map(drop).and(ended)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = back {
            self.found(format!("NOT brought to rest: {error}; the device may still hold its last order"));
        }
        Err(why)
    }
}

fn told(watchdog: Duration, allowed: Duration, fell_s: Option<f64>, seen: &Silence) -> FallBack {
    let register = seen.register_s.zip(seen.register.clone());
    FallBack::Timed {
        stated_s: watchdog.as_secs_f64(),
        allowed_s: allowed.as_secs_f64(),
        fell_s,
        register: register
            .map(|(after_s, (name, value))| (after_s, format!("{name} {}", (value * 1e3).round() / 1e3 + 0.0))),
        power_s: seen.power_s,
        power_kw: seen.power_kw,
        looked_s: seen.looked_s,
    }
}
