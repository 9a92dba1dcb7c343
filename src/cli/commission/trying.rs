//! A trial from the first order to the fall-back. Whatever goes wrong on the way ends in a safe stop, and the report says so.

use super::Args;
use super::session::Session;
use super::steps::{Wanted, step};
use memg_commission::protocol::{FallBack, Step, Tried, Verdict};
use memg_commission::trial::{Held, Part, Silence, Trial, narrowed, wait_for_fall_back};
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
const EXTRA: Duration = Duration::from_secs(10);
/// Silence is looked at for this many times what the file states.
const SILENCES: f64 = 1.5;
/// A CHP that gives more is running, kW.
const STANDBY_KW: f64 = 0.5;

/// What was tried so far.
pub(super) struct Trying<'a> {
    args: &'a Args,
    trial: &'a Trial,
    stop: &'a watch::Receiver<bool>,
    /// Of the plant as the trial narrows it.
    plant: Plant,
    tolerance_kw: f64,
    response: Duration,
    steps: Vec<Step>,
    fall_back: FallBack,
    findings: Vec<String>,
}

/// What became of a trial.
pub(super) struct Ended {
    steps: Vec<Step>,
    fall_back: FallBack,
    findings: Vec<String>,
    passed: bool,
}

impl Ended {
    /// Puts it into the report.
    pub fn into_tried(self, blank: Tried) -> Tried {
        let Self { steps, fall_back, findings, passed } = self;
        let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
        Tried { steps, fall_back, findings, verdict, ..blank }
    }
}

/// Tries a device.
pub(super) async fn try_device(args: &Args, trial: &Trial, stop: &watch::Receiver<bool>) -> Ended {
    let why = FallBack::NotTried { why: "the trial ended before".to_owned() };
    let settings = match settings(&args.config, trial) {
        Ok(settings) => settings,
        Err(why_not) => return Ended { steps: Vec::new(), fall_back: why, findings: vec![why_not], passed: false },
    };
    let mut trying = Trying {
        args,
        trial,
        stop,
        plant: settings.plant,
        tolerance_kw: trial.tolerance_kw(&settings),
        response: response(&settings, trial),
        steps: Vec::new(),
        fall_back: why,
        findings: Vec::new(),
    };
    let result = trying.all(settings).await;
    if let Err(why) = &result {
        println!("  FAILED: {why}");
        trying.findings.push(why.clone());
    }
    let Trying { steps, fall_back, findings, .. } = trying;
    Ended { steps, fall_back, findings, passed: result.is_ok() }
}

/// The configuration again, narrowed to the trial.
fn settings(config: &Path, trial: &Trial) -> Result<Settings, String> {
    let words = |problems: Vec<memg_plant_io::problem::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    narrowed(memg_settings::load(config, "", &[]).map_err(words)?, trial)
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
        let mut session = Session::start(settings, self.trial).await?;
        let moved = match self.ready(&mut session).await {
            Ok(()) => {
                let moved = self.moved(&mut session).await;
                let released = self.released(&mut session, moved.is_ok()).await;
                moved.and(released)
            }
            Err(why) => Err(why),
        };
        session.end().await;
        moved?;
        self.silence().await
    }

    /// Nothing stands in the way.
    async fn ready(&mut self, session: &mut Session) -> Result<(), String> {
        match (session.is_latched(), self.args.acknowledge) {
            (false, _) => {}
            (true, false) => {
                return Err(
                    "nothing was written: a safe stop waits for its acknowledgement; look for its cause, then \
                            --acknowledge"
                        .to_owned(),
                );
            }
            (true, true) => {
                session.give(&[CommandBody::Acknowledge]).await?;
                self.findings.push("A safe stop of before was acknowledged here.".to_owned());
            }
        }
        for number in 1..=self.plant.chps().len() {
            let tag = u16::try_from(number).ok().and_then(|number| Tag::new(Signal::ChpKw, number));
            if let Some(kw) = tag.and_then(|tag| session.signal(tag)).filter(|kw| *kw > STANDBY_KW) {
                return Err(format!("nothing was written: CHP {number} runs with {kw} kW; stop it first"));
            }
        }
        Ok(())
    }

    /// Takes control and moves the part.
    async fn moved(&mut self, session: &mut Session) -> Result<(), String> {
        let rest = CommandBody::Setpoints(Setpoints::IDLE);
        let taking = [CommandBody::Arm, CommandBody::Manual, rest];
        let band = self.trial.band_kw;
        match self.trial.part {
            Part::Battery => {
                self.step(session, "take control, at rest", "0 kW".into(), &taking).await?;
                self.step(session, "charge", format!("{band} kW"), &[battery(band)]).await?;
                self.step(session, "discharge", format!("{} kW", -band), &[battery(-band)]).await
            }
            Part::Chp => {
                let least = self.chp_kw_min();
                self.step(session, "take control, off", "off".into(), &taking).await?;
                self.step(session, "start", format!("{least} kW"), &[chp(least)]).await?;
                self.step(session, "more", format!("{} kW", least + band), &[chp(least + band)]).await
            }
            Part::Pv | Part::Wind => {
                self.step(session, "take control, free", "no cap".into(), &taking).await?;
                self.capped(session).await
            }
        }
    }

    fn chp_kw_min(&self) -> f64 {
        self.plant.chps().get(self.trial.unit.index()).map_or(0.0, |chp| chp.min.kilowatts().get())
    }

    /// Holds production down by the band, by a limit of the export that ends by itself.
    async fn capped(&mut self, session: &mut Session) -> Result<(), String> {
        let limit = match self.export_limit(session) {
            Ok(limit) => limit,
            Err(why) => {
                self.findings.push(format!("No cap below the rating was ordered: {why}."));
                return Ok(());
            }
        };
        let order = self.export(limit);
        self.step(session, "hold down", format!("export of {limit:.1} kW at most"), &[order]).await
    }

    /// The export that is the band below the present one, kW.
    ///
    /// # Errors
    /// Why no cap of this source would come of it.
    fn export_limit(&self, session: &Session) -> Result<f64, String> {
        if session.is_limited() {
            return Err("a limit that was ordered for a time holds at the connection".to_owned());
        }
        let produced = self.trial.power().and_then(|tag| session.signal(tag)).unwrap_or(0.0);
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
    fn export(&self, kw: f64) -> CommandBody {
        let limits = ExchangeLimits { import_kw_max: None, export_kw_max: Some(kw) };
        CommandBody::GridLimit(GridOrder { limits, for_s: self.response.as_secs_f64() })
    }

    /// Waits until the limit has ended.
    async fn unlimited(&self, session: &Session) -> Result<(), String> {
        let began = Instant::now();
        while session.is_limited() {
            if began.elapsed() > self.response + EXTRA {
                return Err("a limit at the connection does not end".to_owned());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Gives the part back: after a fault always by a safe stop, which then waits for its acknowledgement.
    async fn released(&mut self, session: &mut Session, all_well: bool) -> Result<(), String> {
        if !session.mode().writes() && !all_well {
            return Ok(());
        }
        if all_well && self.trial.part.is_cap() {
            self.unlimited(session).await?;
            self.step(session, "release", "the limit has ended".into(), &[]).await?;
            session.give(&[CommandBody::Shadow]).await?;
            return session.until(Mode::Shadow, EXTRA).await;
        }
        let name = if all_well { "release (safe stop)" } else { "safe stop after a fault" };
        self.order(session, name, "safe stop".into(), &[CommandBody::SafeStop], Mode::SafeStop).await?;
        if !all_well {
            self.findings.push("Stopped safely; the stop waits for its acknowledgement.".to_owned());
            return Ok(());
        }
        self.acknowledged(session).await
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

    /// Response, and for a CHP the times for which it may not be switched.
    fn patience(&self) -> Duration {
        let unit = self.plant.chps().get(self.trial.unit.index()).filter(|_| self.trial.part == Part::Chp);
        let times_ms = unit.map_or(0, |chp| chp.min_up_ms + chp.min_down_ms);
        self.response + Duration::from_millis(u64::try_from(times_ms).unwrap_or(0))
    }

    async fn step(
        &mut self,
        session: &mut Session,
        name: &str,
        asked: String,
        bodies: &[CommandBody],
    ) -> Result<(), String> {
        self.order(session, name, asked, bodies, Mode::Manual).await
    }

    async fn order(
        &mut self,
        session: &mut Session,
        name: &str,
        asked: String,
        bodies: &[CommandBody],
        mode: Mode,
    ) -> Result<(), String> {
        let wanted = Wanted { name, asked, bodies, mode, patience: self.patience() };
        let (step, result) = step(session, self.trial, self.tolerance_kw, &wanted, self.stop).await;
        let power = step.expected_kw.map_or_else(String::new, |kw| format!(", {kw} kW"));
        let state = if result.is_ok() { format!("in force{power}") } else { "NOT in force".to_owned() };
        println!(
            "  {name}: {} {state}{}",
            step.asked,
            if step.note.is_empty() { String::new() } else { format!(" ({})", step.note) }
        );
        self.steps.push(step);
        result.map_err(|why| format!("{name}: {why}"))
    }

    /// Falls silent with an order in force, and times the fall-back.
    async fn silence(&mut self) -> Result<(), String> {
        let Some(watchdog) = self.trial.watchdog else {
            self.fall_back = FallBack::None;
            return Ok(());
        };
        let mut session = Session::start(settings(&self.args.config, self.trial)?, self.trial).await?;
        let ordered = self.before_silence(&mut session).await;
        let held = match ordered {
            Ok(Some(held)) => held,
            Ok(None) => {
                self.fall_back = FallBack::NotTried { why: "no order that could be told from rest".to_owned() };
                return self.ended(session, true).await;
            }
            Err(why) => {
                let _ = self.ended(session, false).await;
                return Err(why);
            }
        };
        println!("  silent: waiting for the fall-back, stated as {watchdog:?}");
        let since = session.end().await.unwrap_or(held.since);
        let longest = watchdog.mul_f64(SILENCES) + self.response;
        let settings = settings(&self.args.config, self.trial)?;
        let seen = wait_for_fall_back(&settings, self.trial, &Held { since, ..held }, longest).await;
        self.fall_back = timed(watchdog, &seen);
        println!("  {}", if seen.fell_back() { "fell back" } else { "DID NOT FALL BACK" });
        if seen.fell_back() {
            return Ok(());
        }
        self.brought_back().await?;
        Err(format!("it did not fall back within {:.0} s of silence", seen.looked_s))
    }

    async fn ended(&mut self, mut session: Session, all_well: bool) -> Result<(), String> {
        let released = self.released(&mut session, all_well).await;
        session.end().await;
        released
    }

    /// An order in force that can be told from rest; `None` if the filter leaves none.
    async fn before_silence(&mut self, session: &mut Session) -> Result<Option<Held>, String> {
        let Some(order) = self.order_to_hold(session) else {
            return Ok(None);
        };
        let rest = CommandBody::Setpoints(Setpoints::IDLE);
        let bodies = [CommandBody::Arm, CommandBody::Manual, rest, order];
        self.step(session, "before the silence", "as before".into(), &bodies).await?;
        let registers = self.trial.setpoints.iter().filter_map(|index| {
            let (point, value) = session.read_back(*index)?;
            Some((point, value, session.tolerance(*index)))
        });
        let power_kw = self.trial.power().and_then(|tag| session.signal(tag));
        Ok(Some(Held {
            since: Instant::now(),
            registers: registers.collect(),
            // The sun moves what is capped, too.
            power_kw: power_kw.filter(|_| !self.trial.part.is_cap()),
            tolerance_kw: self.tolerance_kw,
        }))
    }

    /// The order of the trial that was furthest from rest.
    fn order_to_hold(&self, session: &Session) -> Option<CommandBody> {
        match self.trial.part {
            Part::Battery => {
                let expected = self.steps.iter().filter_map(|step| step.expected_kw);
                let furthest = expected.max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
                (furthest.abs() > 2.0 * self.tolerance_kw).then(|| battery(furthest))
            }
            Part::Chp => Some(chp(self.chp_kw_min())),
            Part::Pv | Part::Wind => self.export_limit(session).ok().map(|kw| self.export(kw)),
        }
    }

    /// A device that did not fall back is brought to rest by the gateway.
    async fn brought_back(&mut self) -> Result<(), String> {
        let mut session = Session::start(settings(&self.args.config, self.trial)?, self.trial).await?;
        let rest = CommandBody::Setpoints(Setpoints::IDLE);
        let bodies = [CommandBody::Arm, CommandBody::Manual, rest];
        let back = self.step(&mut session, "brought to rest again", "0 kW".into(), &bodies).await;
        let ended = self.ended(session, back.is_ok()).await;
        back.and(ended)
    }
}

fn timed(watchdog: Duration, seen: &Silence) -> FallBack {
    let register = seen.register_s.zip(seen.register.clone());
    FallBack::Timed {
        stated_s: watchdog.as_secs_f64(),
        register: register
            .map(|(after_s, (name, value))| (after_s, format!("{name} {}", (value * 1e3).round() / 1e3 + 0.0))),
        power_s: seen.power_s,
        power_kw: seen.power_kw,
        looked_s: seen.looked_s,
    }
}

fn battery(kw: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { battery: Kilowatts::new(kw), ..Setpoints::IDLE })
}

fn chp(kw: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { chp: Kilowatts::new(kw), ..Setpoints::IDLE })
}
