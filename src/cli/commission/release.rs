//! The end of a trial: the part is given back, after a fault by a safe stop that is watched until it is true.

use super::session::{STOPPED, Session};
use super::steps::Goal;
use super::trying::{EXTRA, Trying};
use memg_commission::trial::Power;
use memg_control::mode::Mode;
use memg_core::command::CommandBody;
use std::time::Duration;
use tokio::time::{Instant, sleep};

impl Trying<'_> {
    /// Releases the part and ends the gateway.
    pub(super) async fn ended(&mut self, mut session: Session, all_well: bool) -> Result<(), String> {
        let released = self.released(&mut session, all_well).await;
        session.end().await;
        released
    }

    /// Waits until the limit has ended.
    async fn unlimited(&self, session: &Session) -> Result<(), String> {
        let began = Instant::now();
        while session.is_limited() {
            if *self.stop.borrow() {
                return Err(STOPPED.to_owned());
            }
            if began.elapsed() > self.response + EXTRA {
                return Err("a limit at the connection does not end".to_owned());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Gives the part back: after a fault always by a safe stop, which then waits for its acknowledgement.
    async fn released(&mut self, session: &mut Session, all_well: bool) -> Result<(), String> {
        match (session.was_armed(), all_well) {
            (false, _) => Ok(()),
            (true, false) => self.stopped_after_fault(session).await,
            (true, true) if self.trial.part.is_cap() => {
                let uncapped = self.uncapped(session).await;
                if uncapped.is_err() {
                    self.stopped_after_fault(session).await?;
                }
                uncapped
            }
            (true, true) => {
                self.safe_stop(session, "release (safe stop)").await?;
                self.acknowledged(session).await
            }
        }
    }

    /// Waits until the cap is the rating again, then writes nothing any more.
    async fn uncapped(&mut self, session: &mut Session) -> Result<(), String> {
        self.unlimited(session).await?;
        self.rest(session, "release", "the limit has ended".into(), &[]).await?;
        session.give(&[CommandBody::Shadow]).await?;
        session.until(Mode::Shadow, EXTRA).await
    }

    async fn stopped_after_fault(&mut self, session: &mut Session) -> Result<(), String> {
        self.safe_stop(session, "safe stop after a fault").await?;
        let unseen = match session.power(self.trial.power()) {
            Power::NotMeasured => " Nobody measures its power: only the device's answer says so.",
            Power::Lost | Power::Kw(_) => "",
        };
        let left = if self.trial.part.is_cap() { " It leaves the cap at 0 kW: the source is held down." } else { "" };
        self.found(format!("Stopped safely; the stop waits for its acknowledgement.{unseen}{left}"));
        Ok(())
    }

    /// A safe stop, until the device holds it and the measured power is at rest: a CHP runs its minimum time on before.
    async fn safe_stop(&mut self, session: &mut Session, name: &str) -> Result<(), String> {
        let bodies = [CommandBody::SafeStop];
        let stopped = self.order(session, name, "safe stop".into(), &bodies, Mode::SafeStop, Goal::Stopped).await;
        if let Err(why) = &stopped {
            let power = session.power(self.trial.power());
            self.found(not_stopped(power, self.tolerance_kw, why));
        }
        stopped.map(drop)
    }

    /// A safe stop that was ordered here is acknowledged here, once it is over.
    async fn acknowledged(&self, session: &mut Session) -> Result<(), String> {
        let began = Instant::now();
        while let Err(why) = session.give(&[CommandBody::Acknowledge]).await {
            if began.elapsed() > self.patience() {
                return Err(why);
            }
            sleep(Duration::from_secs(1)).await;
        }
        session.until(Mode::Shadow, self.patience()).await
    }
}

/// What has to be said of a safe stop that nobody has seen come true.
fn not_stopped(power: Power, tolerance_kw: f64, why: &str) -> String {
    let last = "the device may still hold its last order";
    match power.kw().filter(|kw| kw.abs() > tolerance_kw) {
        Some(kw) => format!("NOT stopped: runs with {kw:.1} kW; {last} ({why})"),
        None => format!("The safe stop is NOT confirmed: {why}; {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_nobody_has_seen_come_true_is_said() {
        for (power, words) in [
            (Power::Kw(12.0), "NOT stopped: runs with 12.0 kW; the device may still hold its last order"),
            (Power::Kw(0.1), "The safe stop is NOT confirmed: why; the device may still hold its last order"),
            (Power::Lost, "NOT confirmed"),
        ] {
            let said = not_stopped(power, 0.5, "why");
            assert!(said.contains(words), "{said}");
        }
    }
}
