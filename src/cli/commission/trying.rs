//! A trial from the first order to its release. Whatever goes wrong on the way ends in a safe stop, and the report says whether
//! that could be seen.

use super::session::{LOOK, STOPPED, Session};
use super::steps::{Done, Goal, Wanted, step};
use super::{Args, files, say};
use memg_commission::protocol::{FallBack, Step, Tried, Verdict};
use memg_commission::trial::{Part, Power, Trial, narrowed};
use memg_control::mode::Mode;
use memg_core::command::{CommandBody, ExchangeLimits, GridOrder};
use memg_core::equipment::Plant;
use memg_core::plant_state::{Signal, Tag};
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;
use memg_settings::Settings;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Beyond what the configuration states: polls, and a cycle on either side.
pub(super) const EXTRA: Duration = Duration::from_secs(10);
/// A CHP that gives more is running, kW.
const STANDBY_KW: f64 = 0.5;

/// What was tried so far.
pub(super) struct Trying<'a> {
    args: &'a Args,
    pub(super) trial: &'a Trial,
    pub(super) stop: &'a watch::Receiver<bool>,
    /// SHA-256 of the configuration that the report names.
    configuration: &'a str,
    /// Of the plant as the trial narrows it.
    plant: Plant,
    pub(super) tolerance_kw: f64,
    pub(super) response: Duration,
    pub(super) steps: Vec<Step>,
    pub(super) fall_back: FallBack,
    findings: Vec<String>,
    /// Something could not be tried.
    pub(super) is_partial: bool,
}

/// What became of a trial.
pub(super) struct Ended {
    steps: Vec<Step>,
    fall_back: FallBack,
    findings: Vec<String>,
    verdict: Verdict,
}

impl Ended {
    /// Puts it into the report.
    pub fn into_tried(self, blank: Tried) -> Tried {
        let Self { steps, fall_back, findings, verdict } = self;
        Tried { steps, fall_back, findings, verdict, ..blank }
    }
}

/// Tries a device.
pub(super) async fn try_device(args: &Args, trial: &Trial, stop: &watch::Receiver<bool>, configuration: &str) -> Ended {
    let why = FallBack::NotTried { why: "the trial ended before".to_owned() };
    let settings = match settings(&args.config, trial, configuration) {
        Ok(settings) => settings,
        Err(why_not) => {
            let (steps, findings) = (Vec::new(), vec![why_not]);
            return Ended { steps, fall_back: why, findings, verdict: Verdict::Failed };
        }
    };
    let mut trying = Trying {
        args,
        trial,
        stop,
        configuration,
        plant: settings.plant,
        tolerance_kw: trial.tolerance_kw(&settings),
        response: response(&settings, trial),
        steps: Vec::new(),
        fall_back: why,
        findings: Vec::new(),
        is_partial: false,
    };
    let result = trying.all(settings).await;
    if let Err(why) = &result {
        trying.found(format!("FAILED: {why}"));
    }
    let Trying { steps, fall_back, findings, is_partial, .. } = trying;
    Ended { steps, fall_back, findings, verdict: verdict(result.is_ok(), is_partial) }
}

const fn verdict(is_right: bool, is_partial: bool) -> Verdict {
    match (is_right, is_partial) {
        (false, _) => Verdict::Failed,
        (true, true) => Verdict::NotAllTried,
        (true, false) => Verdict::Passed,
    }
}

/// The configuration again, narrowed to the trial.
///
/// # Errors
/// It is not the one that the report names any more, or it is wrong.
fn settings(config: &Path, trial: &Trial, configuration: &str) -> Result<Settings, String> {
    let words = |problems: Vec<memg_plant_io::problem::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let settings = memg_settings::load(config, "", &[]).map_err(words)?;
    let (_, now) = files::hashes(config, &settings).map_err(|error| format!("{error:#}"))?;
    if now != configuration {
        return Err("the configuration was changed since the beginning: the report would name another".to_owned());
    }
    narrowed(settings, trial)
}

/// How long the part may take to follow.
fn response(settings: &Settings, trial: &Trial) -> Duration {
    let own = if trial.part == Part::Chp { settings.control.chp_response } else { settings.control.response };
    let rules = trial.device_in(settings).into_iter().flat_map(|device| device.points.iter());
    let confirm = rules.filter_map(|point| Some(point.write.as_ref()?.confirm)).max();
    own + confirm.unwrap_or_default() + EXTRA
}

impl Trying<'_> {
    async fn all(&mut self, settings: Settings) -> Result<(), String> {
        let mut session = Session::start(settings, self.trial, Some(self.stop)).await?;
        let moved = match self.ready(&mut session).await {
            Ok(()) => self.moved(&mut session).await,
            Err(why) => Err(format!("nothing was written: {why}")),
        };
        let released = self.ended(session, moved.is_ok()).await;
        moved.and(released)?;
        if *self.stop.borrow() {
            return Err("somebody stopped it before the silence".to_owned());
        }
        self.silence().await
    }

    /// The settings of the trial, read again.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        settings(&self.args.config, self.trial, self.configuration)
    }

    /// Says what was found, here and in the report.
    pub(super) fn found(&mut self, finding: String) {
        say(&format!("  {finding}"));
        self.findings.push(finding);
    }

    /// Nothing stands in the way.
    async fn ready(&mut self, session: &mut Session) -> Result<(), String> {
        match (session.is_latched(), self.args.acknowledge) {
            (false, _) => {}
            (true, false) => {
                let waits = "a safe stop waits for its acknowledgement; look for its cause, then --acknowledge";
                return Err(waits.to_owned());
            }
            (true, true) => {
                session.give(&[CommandBody::Acknowledge]).await?;
                self.found("A safe stop of before was acknowledged here.".to_owned());
            }
        }
        let began = Instant::now();
        while let Err(why) = self.in_the_way(session) {
            if *self.stop.borrow() {
                return Err(STOPPED.to_owned());
            }
            if began.elapsed() > EXTRA {
                return Err(why);
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// A CHP that runs or may run, or a plant that needs what nobody may write meanwhile.
    fn in_the_way(&self, session: &Session) -> Result<(), String> {
        for number in 1..=self.plant.chps().len() {
            let tag = u16::try_from(number).ok().and_then(|number| Tag::new(Signal::ChpKw, number));
            off(number, session.power(tag))?;
        }
        let needed = session.unpermitted(self.trial);
        needed.map_or(Ok(()), |what| Err(format!("the filter counts on what nobody may write during a trial: {what}")))
    }

    /// Takes control and moves the part.
    async fn moved(&mut self, session: &mut Session) -> Result<(), String> {
        let rest = CommandBody::Setpoints(Setpoints::IDLE);
        let taking = [CommandBody::Arm, CommandBody::Manual, rest];
        let band = self.trial.band_kw;
        match self.trial.part {
            Part::Battery => {
                self.rest(session, "take control, at rest", "0 kW".into(), &taking).await?;
                self.move_it(session, "charge", format!("{band} kW"), &[battery(band)], 0.0).await?;
                self.move_it(session, "discharge", format!("{} kW", -band), &[battery(-band)], 0.0).await?;
            }
            Part::Chp => {
                let least = self.chp_kw_min();
                self.rest(session, "take control, off", "off".into(), &taking).await?;
                if self.move_it(session, "start", format!("{least} kW"), &[chp(least)], 0.0).await? == Done::Followed {
                    self.move_it(session, "more", format!("{} kW", least + band), &[chp(least + band)], least).await?;
                }
            }
            Part::Pv | Part::Wind => {
                self.rest(session, "take control, free", "no cap".into(), &taking).await?;
                self.capped(session).await?;
            }
        }
        Ok(())
    }

    pub(super) fn chp_kw_min(&self) -> f64 {
        self.plant.chps().get(self.trial.unit.index()).map_or(0.0, |chp| chp.min.kilowatts().get())
    }

    /// Holds production down by the band, by a limit of the export that ends by itself.
    async fn capped(&mut self, session: &mut Session) -> Result<(), String> {
        let limit = match self.export_limit(session) {
            Ok(limit) => limit,
            Err(why) => {
                self.found(format!("Not tried: no cap below the rating was ordered: {why}."));
                self.is_partial = true;
                return Ok(());
            }
        };
        let (order, free_kw) = (self.export(limit), self.trial.rest_kw());
        self.move_it(session, "hold down", format!("export of {limit:.1} kW at most"), &[order], free_kw)
            .await
            .map(drop)
    }

    /// The export that is the band below the present one, kW.
    ///
    /// # Errors
    /// Why no cap of this source would come of it.
    pub(super) fn export_limit(&self, session: &Session) -> Result<f64, String> {
        if session.is_limited() {
            return Err("a limit that was ordered for a time holds at the connection".to_owned());
        }
        let produced = session.power(self.trial.power()).kw().ok_or("what it produces is not known")?;
        if produced <= self.tolerance_kw {
            return Err(format!("it produces {produced:.1} kW"));
        }
        let sun = session.signal(Tag::first(Signal::PvKw)).unwrap_or(0.0);
        if self.trial.part == Part::Wind && sun > self.tolerance_kw {
            return Err(format!("PV yields first, and produces {sun:.1} kW"));
        }
        let exported = session.signal(Tag::first(Signal::GridKw)).map_or(0.0, |kw| -kw);
        if exported <= 0.0 {
            return Err("the site exports nothing".to_owned());
        }
        Ok((exported - self.trial.band_kw).max(0.0))
    }

    /// A limit of the export that ends by itself: whatever happens here, nobody has to lift it.
    pub(super) fn export(&self, kw: f64) -> CommandBody {
        let limits = ExchangeLimits { import_kw_max: None, export_kw_max: Some(kw) };
        CommandBody::GridLimit(GridOrder { limits, for_s: self.response.as_secs_f64() })
    }

    /// Response, and for a CHP the times for which it may not be switched.
    pub(super) fn patience(&self) -> Duration {
        let unit = self.plant.chps().get(self.trial.unit.index()).filter(|_| self.trial.part == Part::Chp);
        let times_ms = unit.map_or(0, |chp| chp.min_up_ms + chp.min_down_ms);
        self.response + Duration::from_millis(u64::try_from(times_ms).unwrap_or(0))
    }

    /// An order that leaves the part at rest.
    pub(super) async fn rest(
        &mut self,
        session: &mut Session,
        name: &str,
        asked: String,
        bodies: &[CommandBody],
    ) -> Result<(), String> {
        self.order(session, name, asked, bodies, Mode::Manual, Goal::Rest).await.map(drop)
    }

    /// An order that moves the part away from rest and from `from_kw`. What the filter does not let through is not tried.
    pub(super) async fn move_it(
        &mut self,
        session: &mut Session,
        name: &str,
        asked: String,
        bodies: &[CommandBody],
        from_kw: f64,
    ) -> Result<Done, String> {
        let done = self.order(session, name, asked, bodies, Mode::Manual, Goal::Moved(from_kw)).await?;
        if done == Done::NotMoved {
            self.is_partial = true;
            let filter = session.interventions();
            self.found(format!("Not tried: {name}: the order stayed at {from_kw} kW (filter: {filter})."));
        }
        Ok(done)
    }

    pub(super) async fn order(
        &mut self,
        session: &mut Session,
        name: &str,
        asked: String,
        bodies: &[CommandBody],
        mode: Mode,
        goal: Goal,
    ) -> Result<Done, String> {
        let wanted = Wanted { name, asked, bodies, mode, patience: self.patience(), goal };
        let (step, result) = step(session, self.trial, self.tolerance_kw, &wanted, self.stop).await;
        let power = step.expected_kw.map_or_else(String::new, |kw| format!(", {kw} kW"));
        let state = match result {
            Ok(Done::Followed) => format!("in force{power}"),
            Ok(Done::NotMoved) => format!("in force{power}: NOT moved"),
            Err(_) => "NOT in force".to_owned(),
        };
        let note = if step.note.is_empty() { String::new() } else { format!(" ({})", step.note) };
        say(&format!("  {name}: {} {state}{note}", step.asked));
        self.steps.push(step);
        result.map_err(|why| format!("{name}: {why}"))
    }
}

/// Nobody has to fear that this CHP runs.
fn off(number: usize, power: Power) -> Result<(), String> {
    match power {
        Power::Kw(kw) if kw > STANDBY_KW => Err(format!("CHP {number} runs with {kw} kW; stop it first")),
        Power::Kw(_) => Ok(()),
        Power::Lost | Power::NotMeasured => {
            Err(format!("whether CHP {number} runs is not known: nobody measures its power now"))
        }
    }
}

pub(super) fn battery(kw: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { battery: Kilowatts::new(kw), ..Setpoints::IDLE })
}

pub(super) fn chp(kw: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { chp: Kilowatts::new(kw), ..Setpoints::IDLE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chp_whose_power_is_unknown_stands_in_the_way() {
        for (power, is_off) in
            [(Power::Kw(0.2), true), (Power::Kw(9.0), false), (Power::Lost, false), (Power::NotMeasured, false)]
        {
            assert_eq!(off(1, power).is_ok(), is_off, "{power:?}");
        }
    }

    #[test]
    fn what_was_not_tried_is_not_passed() {
        let all = [verdict(true, false), verdict(true, true), verdict(false, true), verdict(false, false)];
        assert_eq!(all, [Verdict::Passed, Verdict::NotAllTried, Verdict::Failed, Verdict::Failed]);
    }
}
