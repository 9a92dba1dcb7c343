//! The gateway's control behind the lock-step protocol: one `meas` is one supervision cycle, decided and journaled by the
//! same code as at a plant.
//!
//! What differs from a plant: a run begins in Auto, from the powers that its first step measures. Nothing stands in for a
//! missing measurement, not even for a moment: set-points are the certified safe-stop ones until it is back. A device that
//! reports a fault stops the run's control until its end, because there is no operator who could acknowledge; every answer
//! from then on says so.

use super::machine::Ending;
use super::settings::AfterStop;
use super::{Start, StepAnswer, StepStatus, Stepper, Values};
use memg_control::account::{Account, RunSummary};
use memg_control::assumed::share_renewable_limit;
use memg_control::cycle::{Chain, ControlConfig, ControlState, CycleDecision, CycleInput, decide};
use memg_control::journal::{Header, Journal, Record};
use memg_control::mode::{Mode, ModeState, ModeTimes};
use memg_core::decide::entry;
use memg_core::equipment::Plant;
use memg_core::history::History;
use memg_core::measurement::Measurement;
use memg_core::memory::ControlMemory;
use memg_core::outlook::Outlook;
use memg_core::plant_state::{PlantState, Signal, Tag};
use memg_core::safety::{Relaxation, SafetyFilter};
use memg_core::setpoints::SafeSetpoints;
use memg_plant_io::sources;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// Names of the set-points in an answer. kW; battery + = charging; a limit at its rated power does not limit.
pub const SETPOINTS: [&str; 6] =
    ["battery_kw", "chp_kw", "chp_on", "renewable_limit_kw", "pv_limit_kw", "wind_limit_kw"];

/// Modes in simulated time: a hold lasts as long as its cause, and ends with the first good step.
pub const TIMES: ModeTimes =
    ModeTimes { hold_ms: u64::MAX, observe_ms: 0, recover_cycles: 1, stop_write_ms: u64::MAX, manual_ms: u64::MAX };

/// A journal with what its headers say of the configuration.
#[derive(Debug)]
pub struct Journaling {
    /// Name of the site.
    pub site: String,
    /// Policy and runtime.
    pub policy: [String; 2],
    /// Where steps are recorded; `None` = nowhere.
    pub journal: Option<Journal>,
}

/// What a controller is made of.
pub struct ControllerOptions {
    /// Ratings and limits; margins of meters do not count, because simulated meters are exact.
    pub plant: Plant,
    /// Who is asked.
    pub chain: Chain,
    /// Where steps are recorded.
    pub journaling: Journaling,
    /// The site's local time at simulated time 0, ms since 1970.
    pub zero_ms: i64,
    /// What a `stop` of the simulator ends.
    pub after_stop: AfterStop,
    /// Bounds the simulated time of all runs together.
    pub duration: Option<Duration>,
}

/// What others see of the runs so far.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// All runs so far.
    pub summary: RunSummary,
    /// The latest step.
    pub last: Option<(CycleInput, CycleDecision)>,
    /// There is nothing more to do: the simulator said stop, or the time is used up.
    pub over: bool,
}

/// Control as a [`Stepper`].
pub struct Controller {
    config: ControlConfig,
    chain: Chain,
    journaling: Journaling,
    /// Local time at simulated time 0, ms since 1970.
    zero_ms: i64,
    after_stop: AfterStop,
    /// Simulated time that may still be used, ms; `None` = any.
    left_ms: Option<i64>,
    account: Account,
    run: Run,
    progress: watch::Sender<Progress>,
    /// What the simulator has to measure.
    required: Vec<Tag>,
}

/// The run that is going on.
struct Run {
    state: ControlState,
    cycle: u64,
    /// Signals that were measured.
    seen: BTreeSet<Tag>,
    /// Why control has stopped until the run ends.
    stopped_by: Option<String>,
}

impl Run {
    fn begin(history: History) -> Self {
        let state = first_state(ControlMemory::at_rest(), history);
        Self { state, cycle: 0, seen: BTreeSet::new(), stopped_by: None }
    }
}

impl Controller {
    /// A controller before its first run.
    #[must_use]
    pub fn new(options: ControllerOptions) -> Self {
        let ControllerOptions { plant, chain, journaling, zero_ms, after_stop, duration } = options;
        let plant = plant.exact();
        let filter = SafetyFilter::new(plant);
        Self {
            config: ControlConfig {
                filter,
                times: TIMES,
                simulated: true,
                cycle_ms: plant.step_ms(),
                stand_in_ms: 0,
                // A simulator may step controller and plant at once: what it measures is then a step behind.
                response_ms: u64::MAX,
                chp_response_ms: i64::MAX,
                substitutes: Default::default(),
                grid_limit: Default::default(),
            },
            chain,
            journaling,
            zero_ms,
            after_stop,
            left_ms: duration.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
            account: Account::new(plant),
            required: required(&plant),
            run: Run::begin(History::default()),
            progress: watch::Sender::default(),
        }
    }

    /// What the runs do.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn input(&self, t_s: f64, values: &Values) -> CycleInput {
        let cycle = self.run.cycle + 1;
        let plant_ms = self.zero_ms.saturating_add((t_s * 1000.0).round() as i64);
        let local_hour = plant_ms.rem_euclid(86_400_000) as f64 / 3_600_000.0;
        CycleInput {
            cycle,
            early: false,
            // The run began one step before its first measurement, so that nothing happens at the very start.
            now_ms: cycle.saturating_mul(u64::try_from(self.config.cycle_ms).unwrap_or(u64::MAX)),
            uptime_ms: plant_ms.saturating_sub(self.zero_ms),
            plant_ms,
            state: PlantState::from_measured(&self.measured(values), local_hour),
            witnesses: Vec::new(),
            grid_limits: Vec::new(),
            outlook: self.outlook(values),
            commands: Vec::new(),
            fault: None,
        }
    }

    /// What the simulator says of the hours ahead; if nothing, what it said before goes on to hold.
    fn outlook(&self, values: &Values) -> Option<Outlook> {
        let (prices, series) = (values.price_ahead(), values.outlook());
        let per_hour = self.config.filter.plant().steps_per_hour();
        let hourly = Outlook::of_hourly_prices(prices.iter().copied(), per_hour);
        let told = !(prices.is_empty() && series.is_empty());
        told.then(|| Outlook::new(series.clone(), per_hour).or(&hourly))
    }

    /// What a simulator has never measured in this run is not there; what it measured before and leaves out now is lost.
    fn measured(&self, values: &Values) -> Vec<(Tag, Measurement<f64>)> {
        let known: BTreeSet<Tag> = values.measured().chain(self.run.seen.iter().copied()).collect();
        known.into_iter().map(|tag| (tag, values.measurement(tag))).collect()
    }

    /// Decides and journals. An error leaves the run where it was.
    fn decide(&mut self, input: &CycleInput) -> Result<(ControlState, CycleDecision), String> {
        let mut state = if self.run.cycle == 0 {
            first_state(entry(&self.config.filter, &input.state), self.run.state.history.clone())
        } else {
            self.run.state.clone()
        };
        self.begin_journal(&state)?;
        let decision = decide(&self.config, &mut state, input, &mut self.chain);
        let record = Record { input, decision: &decision, memory: &state.memory };
        let journal = self.journaling.journal.as_mut();
        journal.map_or(Ok(()), |journal| journal.write(&record)).map_err(|error| unwritten(&error))?;
        Ok((state, decision))
    }

    /// A header where a run or a file begins, with the state before the step that follows.
    fn begin_journal(&mut self, state: &ControlState) -> Result<(), String> {
        let Some(journal) = &mut self.journaling.journal else { return Ok(()) };
        let begun = self.run.cycle > 0;
        if begun && !journal.is_full() {
            return Ok(());
        }
        let [policy, runtime] = &self.journaling.policy;
        let header = Header::new(&self.journaling.site, &self.config, [policy, runtime, &self.chain.model], state);
        let written = if begun { journal.rotate(&header) } else { journal.begin(&header) };
        written.map_err(|error| unwritten(&error))
    }

    fn answer(
        &self,
        input: &CycleInput,
        decision: &CycleDecision,
        stopped_by: Option<&str>,
    ) -> Result<StepAnswer, String> {
        let mode = decision.mode.name();
        let safe = decision.safe.as_ref().ok_or_else(|| format!("there are no set-points in the mode {mode}"))?;
        let status = match decision.mode {
            Mode::Auto | Mode::Manual => StepStatus::Ok,
            Mode::Fallback => StepStatus::Fallback,
            Mode::Init | Mode::Shadow | Mode::Hold | Mode::SafeStop => StepStatus::Hold,
        };
        Ok(StepAnswer {
            setpoints: self.setpoints(safe, input),
            safety: reasons(decision),
            status,
            fault: stopped_by
                .map(|cause| format!("safe stop until the run ends, because {cause}"))
                .or_else(|| decision.fault.as_ref().map(|fault| fault.cause.clone())),
            relaxation: (decision.relaxation != Relaxation::None).then(|| word(&decision.relaxation)),
        })
    }

    fn setpoints(&self, safe: &SafeSetpoints, input: &CycleInput) -> BTreeMap<String, f64> {
        let (pv_kw, wind_kw) = share_renewable_limit(&self.config, safe, input.state.wind.usable());
        let rated = &self.config.filter.plant().parameters().exogenous;
        let no_limit = rated.pv_kw_nom + rated.wind_kw_nom;
        let ([battery, ..], [chp, ..]) = (safe.batteries(), safe.chps());
        let values = [
            battery.kilowatts().get(),
            chp.power.kilowatts().get(),
            f64::from(u8::from(chp.on)),
            safe.renewable_limit().map_or(no_limit, |limit| limit.kilowatts().get()),
            pv_kw,
            wind_kw,
        ];
        let first = SETPOINTS.into_iter().map(str::to_owned).zip(values);
        first.chain(further(self.config.filter.plant(), safe)).collect()
    }

    fn tell(&mut self, input: CycleInput, decision: CycleDecision) {
        self.account.add(&input, &decision);
        // A step counts from its beginning, the account only what lies between two measurements.
        self.account.summary.plant_hours +=
            if input.cycle == 1 { self.config.cycle_ms as f64 / 3_600_000.0 } else { 0.0 };
        self.left_ms = self.left_ms.map(|left| left - self.config.cycle_ms);
        let (summary, last, over) = (self.account.summary.clone(), Some((input, decision)), self.is_over());
        self.progress.send_replace(Progress { summary, last, over });
    }
}

impl Stepper for Controller {
    fn required(&self) -> &[Tag] {
        &self.required
    }

    fn begin(&mut self, start: &Start) -> Result<(), String> {
        if let Some(mode) = start.mode.as_deref().filter(|mode| *mode != "auto") {
            return Err(format!("mode: expected \"auto\" or nothing, found {mode:?}"));
        }
        let step_ms = start.dt_s * 1000.0;
        if !(1.0..=86_400_000.0).contains(&step_ms) || (step_ms - step_ms.round()).abs() > 1e-6 {
            return Err(format!("dt_s: expected whole milliseconds up to a day, found {}", start.dt_s));
        }
        let longest_ms = self.config.filter.plant().step_ms() as f64;
        if step_ms > longest_ms {
            let longest_s = longest_ms / 1000.0;
            return Err(format!("dt_s: expected at most the plant's step of {longest_s} s, found {}", start.dt_s));
        }
        if start.t0_s.abs() > 1e11 {
            return Err(format!("t0: expected at most 1e11 s, found {}", start.t0_s));
        }
        self.config.cycle_ms = step_ms.round() as i64;
        self.account.gap();
        self.run = Run::begin(History::before_the_first_step(start.history.clone()));
        tracing::info!(sid = start.sid, t0_s = start.t0_s, dt_s = start.dt_s, "A run begins.");
        Ok(())
    }

    fn step(&mut self, t_s: f64, values: &Values) -> Result<StepAnswer, String> {
        let input = self.input(t_s, values);
        input.state.declared(self.config.filter.plant().parameters()).map_err(|words| format!("v.{words}"))?;
        let (state, decision) = self.decide(&input)?;
        let stopped_by = self.run.stopped_by.clone().or_else(|| latched(&state, &decision));
        let answer = self.answer(&input, &decision, stopped_by.as_deref())?;
        (self.run.state, self.run.cycle, self.run.stopped_by) = (state, input.cycle, stopped_by);
        self.run.seen.extend(values.measured());
        for change in &decision.changes {
            let (from, to) = (change.from.name(), change.to.name());
            tracing::info!(cycle = input.cycle, from, to, cause = %change.cause, "The mode changed.");
        }
        self.tell(input, decision);
        Ok(answer)
    }

    fn is_over(&self) -> bool {
        self.left_ms.is_some_and(|left| left <= 0)
    }

    fn ended(&mut self, ending: Ending) {
        tracing::info!(ending = ending.name(), steps = self.run.cycle, "The run has ended.");
        let exit = ending == Ending::Stopped && self.after_stop == AfterStop::Exit;
        self.progress.send_modify(|progress| progress.over |= exit);
    }
}

/// Set-points of the units after the first, under their numbered names.
fn further(plant: &Plant, safe: &SafeSetpoints) -> impl Iterator<Item = (String, f64)> {
    let batteries = (1..).zip(safe.batteries().into_iter().take(plant.batteries().len())).skip(1);
    let chps = (1..).zip(safe.chps().into_iter().take(plant.chps().len())).skip(1);
    let batteries = batteries.map(|(number, power)| (format!("battery_{number}_kw"), power.kilowatts().get()));
    batteries.chain(chps.flat_map(|(number, chp)| {
        let on = f64::from(u8::from(chp.on));
        [(format!("chp_{number}_kw"), chp.power.kilowatts().get()), (format!("chp_{number}_on"), on)]
    }))
}

/// What the simulator has to measure. PV and wind may be given as what is produced or as what could be produced: control
/// itself looks for either.
fn required(plant: &Plant) -> Vec<Tag> {
    let produced = [Signal::PvKw, Signal::WindKw];
    let all = sources::required(plant, &sources::Sources::one_each(plant));
    all.into_iter().filter(|tag| !produced.contains(&tag.signal())).collect()
}

/// Control from the first step on.
fn first_state(memory: ControlMemory, history: History) -> ControlState {
    ControlState { memory, history, mode: ModeState::in_control(0), ..ControlState::start(0) }
}

/// The cause of a safe stop that outlives it: it waits for an operator.
fn latched(state: &ControlState, decision: &CycleDecision) -> Option<String> {
    let stop = decision.changes.iter().find(|change| change.to == Mode::SafeStop);
    stop.filter(|_| state.mode.latched).map(|change| change.cause.clone())
}

/// As in the journal.
fn word(of: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(of).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown").to_owned()
}

/// Rules that changed the request, each once.
fn reasons(decision: &CycleDecision) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for intervention in &decision.interventions {
        let name = word(&intervention.rule);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A set-point that is not in the journal could never be explained: it is not sent.
fn unwritten(error: &std::io::Error) -> String {
    tracing::error!(%error, "The journal cannot be written; no set-points are sent.");
    format!("the journal cannot be written: {error}")
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
