//! What is remembered of past cycles so that a person understands the present one: the plan in force, when and why the mode
//! changed, who commanded, what is counted. It also writes decisions and events down. Nothing here decides.

use super::notes::Notes;
use super::view::{Commanded, Counts, Instants, Planned, Sentences, View};
use memg_control::cycle::{ControlState, CycleDecision, CycleInput};
use memg_control::explain::{Subject, describe};
use memg_control::mode::{Mode, ModeTimes};
use memg_control::words;
use memg_core::command::{Command, CommandBody, Outcome};
use memg_core::equipment::Plant;
use memg_core::outlook::Outlook;
use memg_history::NoteKind;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Cycles whose lateness is looked at.
const LATENESS: usize = 512;
/// The percentile is made anew every so many cycles.
const EVERY: u64 = 32;
const DAY_MS: i64 = 86_400_000;

/// See above.
pub(super) struct Showing {
    plant: Plant,
    times: ModeTimes,
    simulated: bool,
    speed: f64,
    subject: Subject,
    entered: Instants,
    cause: String,
    planned: Option<Arc<Planned>>,
    outlook: Arc<Outlook>,
    commanded: Option<Commanded>,
    counts: Counts,
    lateness_ms: VecDeque<f32>,
    /// Day of local time, and the cost when it began.
    day: Option<(i64, f64)>,
    /// The policy was asked last for a tariff that it was not trained for.
    pub outside_tariff: bool,
}

/// Whose plant it is.
pub(super) struct About {
    pub plant: Plant,
    pub times: ModeTimes,
    pub simulated: bool,
    pub speed: f64,
    pub site: String,
    pub model: String,
}

impl Showing {
    pub fn new(about: About) -> Self {
        let About { plant, times, simulated, speed, site, model } = about;
        let (batteries, chps) = (plant.batteries().len(), plant.chps().len());
        Self {
            plant,
            times,
            simulated,
            speed,
            subject: Subject { site, batteries, chps, model },
            entered: Instants::default(),
            cause: String::new(),
            planned: None,
            outlook: Arc::default(),
            commanded: None,
            counts: Counts::default(),
            lateness_ms: VecDeque::new(),
            day: None,
            outside_tariff: false,
        }
    }

    /// A cycle began so late, ms.
    pub fn late(&mut self, late_ms: f32, slips: u64) {
        if self.lateness_ms.len() >= LATENESS {
            self.lateness_ms.pop_front();
        }
        self.lateness_ms.push_back(late_ms);
        self.counts.slips = slips;
    }

    /// Takes a cycle in, and writes down what people will look up.
    pub fn look(
        &mut self,
        at: Instants,
        (input, decision): (&CycleInput, &CycleDecision),
        state: &ControlState,
        notes: &Notes,
    ) {
        self.counts.interventions += decision.interventions.len() as u64;
        for change in &decision.changes {
            self.counts.mode_changes += 1;
            (self.entered, self.cause) = (at, change.cause.clone());
            let what = format!("mode {} to {}", change.from.name(), change.to.name());
            event(notes, at.unix_ms, &Event { what: &what, detail: &change.cause, ..Event::own() });
        }
        self.commands(at, input, decision, notes);
        if input.outlook.is_some() || decision.policy_step {
            self.outlook = Arc::new(state.outlook.clone());
        }
        if decision.policy_step {
            self.counts.policy_steps += 1;
            self.outside_tariff = decision.outside_tariff;
            self.plan(at, decision);
            notes.write(at.unix_ms, NoteKind::Decision, &self.decision(at, input, decision, state));
        }
        if input.cycle.is_multiple_of(EVERY) {
            self.counts.lateness_p99_ms = self.lateness_p99();
        }
    }

    fn lateness_p99(&self) -> f32 {
        let mut sorted: Vec<f32> = self.lateness_ms.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0)
    }

    fn commands(&mut self, at: Instants, input: &CycleInput, decision: &CycleDecision, notes: &Notes) {
        for command in &input.commands {
            let answer = decision.answers.iter().find(|a| a.id == command.id && a.principal == command.principal);
            let Some(answer) = answer else { continue };
            self.counts.commands += 1;
            let (outcome, detail) = outcome(&answer.outcome);
            let what = command.body.name();
            let detail = if detail.is_empty() { wished(command) } else { detail };
            let (principal, means) = (command.principal.as_str(), command.means.name());
            let told = Event { principal, role: command.role.name(), means, what, outcome, detail: &detail };
            event(notes, at.unix_ms, &told);
            if answer.outcome != (Outcome::Rejected { reason: detail.clone() }) {
                let (principal, what) = (principal.to_owned(), what.to_owned());
                self.commanded = Some(Commanded { principal, means, what, unix_ms: at.unix_ms });
            }
        }
    }

    fn plan(&mut self, at: Instants, decision: &CycleDecision) {
        let step_ms = self.plant.step_ms().max(1);
        let from_unix_ms = at.unix_ms - at.plant_ms.rem_euclid(step_ms) + step_ms;
        let planned = |plan| Arc::new(Planned { plan, made_unix_ms: at.unix_ms, from_unix_ms });
        self.planned = decision.plan.clone().map(planned);
    }

    /// A policy step as people look it up, with its explanation.
    fn decision(&self, at: Instants, input: &CycleInput, decision: &CycleDecision, state: &ControlState) -> Value {
        let as_journaled = serde_json::to_value(decision).unwrap_or_default();
        let plan = self.planned.as_ref().map(|planned| &planned.plan);
        let text = describe(&self.subject, input, &as_journaled, plan);
        let asked = decision.request.as_ref().map(|request| {
            let chp_kw = request.chp.get();
            json!({ "battery_kw": request.battery.get(), "chp_on": chp_kw > 0.0, "chp_kw": chp_kw,
                "grid_kw": request.grid.map(|kw| kw.get()) })
        });
        let written = decision.safe.as_ref().map(|safe| {
            json!({ "battery_kw": safe.battery().kilowatts().get(), "chp_on": safe.chp_on(),
                "chp_kw": safe.chp().kilowatts().get(),
                "renewable_limit_kw": safe.renewable_limit().map(|limit| limit.kilowatts().get()),
                "sent": decision.written })
        });
        let changes: Vec<Value> = decision.interventions.iter().map(changed).collect();
        json!({
            "unix_ms": at.unix_ms, "local": local(at.plant_ms), "cycle": input.cycle, "mode": decision.mode.name(),
            "decided_by": decision.decided_by, "asked": asked, "written": written, "changes": changes,
            "margins": self.margins(input), "reason": self.reason(decision, state), "text": text,
        })
    }

    fn reason(&self, decision: &CycleDecision, state: &ControlState) -> String {
        let planned = matches!(decision.mode, Mode::Auto | Mode::Shadow);
        let reason = state.reason.clone().filter(|_| planned);
        reason.unwrap_or_else(|| words::why(&state.mode, decision.fault.as_ref(), &self.cause))
    }

    /// How far measurements are from their limits.
    fn margins(&self, input: &CycleInput) -> Value {
        let (state, parameters) = (&input.state, self.plant.parameters());
        let battery = parameters.battery_of_all();
        let soc = state.batteries.first().and_then(|battery| battery.soc.usable()).map(|soc| soc.get());
        let soc = soc.filter(|_| !self.plant.batteries().is_empty());
        let grid = state.grid.usable().map(|kw| kw.get());
        let voltage = state.grid_voltage.usable().map(|pu| pu.get());
        let limits = &parameters.grid;
        json!({
            "soc": soc.map(|soc| (soc - battery.soc_min).min(battery.soc_max - soc)),
            "import_kw": grid.map(|kw| limits.import_kw_max - kw),
            "export_kw": grid.map(|kw| limits.export_kw_max + kw),
            "voltage_pu": voltage.map(|pu| (pu - limits.voltage_pu_min).min(limits.voltage_pu_max - pu)),
        })
    }

    /// The mode in words.
    pub fn sentences(&self, decision: &CycleDecision, state: &ControlState) -> Sentences {
        let fault = decision.fault.as_ref();
        let why = words::why(&state.mode, fault, &self.cause);
        let planned = matches!(decision.mode, Mode::Auto | Mode::Shadow);
        let why = match state.reason.as_ref().filter(|_| planned) {
            Some(reason) => format!("{why} The plan: {reason}."),
            None => why,
        };
        let next = words::next(&state.mode, &self.times, fault, self.simulated);
        let next = next.map(|next| match next.at_ms {
            Some(at_ms) => format!("at {} {}", self.clock(at_ms), next.what),
            None => next.what,
        });
        Sentences { why, next }
    }

    /// Local time of the plant at an instant of the modes' clock, `14:48:52`. Counted from when the mode was entered, so that
    /// it reads the same in every cycle.
    fn clock(&self, at_ms: u64) -> String {
        let wall_ms = at_ms as f64 - self.entered.now_ms as f64;
        let plant_ms = self.entered.plant_ms + (wall_ms * self.speed) as i64;
        local(plant_ms).get(11..19).unwrap_or_default().to_owned()
    }

    /// Adds what is remembered to a view.
    pub fn fill(&mut self, view: View) -> View {
        let day = view.at.plant_ms.div_euclid(DAY_MS);
        let begun = self.day.get_or_insert((day, view.cost_eur));
        if begun.0 != day {
            *begun = (day, view.cost_eur);
        }
        View {
            mode_since_unix_ms: self.entered.unix_ms,
            planned: self.planned.clone(),
            outlook: Arc::clone(&self.outlook),
            commanded: self.commanded.clone(),
            counts: self.counts,
            outside_tariff: self.outside_tariff,
            cost_today_eur: view.cost_eur - begun.1,
            ..view
        }
    }
}

/// Local time of a site, ISO without zone, to the second.
pub(super) fn local(plant_ms: i64) -> String {
    let minute = memg_core::calendar::LocalTime { minute: plant_ms.div_euclid(60_000), offset_min: 0 }.to_string();
    let minute = minute.get(..16).unwrap_or(&minute).to_owned();
    format!("{minute}:{:02}", plant_ms.rem_euclid(60_000) / 1000)
}

fn changed(change: &memg_core::safety::Intervention) -> Value {
    let by_w = (change.after_w - change.before_w).kilowatts().get();
    json!({ "rule": change.rule, "text": change.rule.describe(), "quantity": change.quantity, "by_kw": by_w,
        "margin_kw": change.margin_w.kilowatts().get() })
}

/// Something that somebody did.
pub(super) struct Event<'a> {
    pub principal: &'a str,
    pub role: &'a str,
    pub means: &'a str,
    pub what: &'a str,
    pub outcome: &'a str,
    pub detail: &'a str,
}

impl Event<'_> {
    /// By the gateway itself.
    pub const fn own() -> Self {
        Self { principal: "gateway", role: "control", means: "control", what: "", outcome: "done", detail: "" }
    }
}

/// Writes it down.
pub(super) fn event(notes: &Notes, unix_ms: i64, e: &Event<'_>) {
    let note = json!({ "unix_ms": unix_ms, "principal": e.principal, "role": e.role, "means": e.means, "what": e.what,
        "outcome": e.outcome, "detail": e.detail });
    notes.write(unix_ms, NoteKind::Event, &note);
}

fn outcome(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Done => ("done", String::new()),
        Outcome::Rejected { reason } => ("rejected", reason.clone()),
        Outcome::Clamped { battery_kw, chp_kw } => {
            ("clamped", format!("in force: battery {battery_kw:+.1} kW, CHP {chp_kw:.1} kW"))
        }
    }
}

fn wished(command: &Command) -> String {
    let kw = |limit: Option<f64>| limit.map_or("the plant's own".into(), |kw| format!("{kw:.1} kW"));
    match &command.body {
        CommandBody::Setpoints(s) => format!("battery {:+.1} kW, CHP {:.1} kW", s.battery.get(), s.chp.get()),
        CommandBody::Limits(l) => format!("import {}, export {}", kw(l.import_kw_max), kw(l.export_kw_max)),
        CommandBody::GridLimit(order) => {
            let l = order.limits;
            format!("import {}, export {}, for {} s", kw(l.import_kw_max), kw(l.export_kw_max), order.for_s)
        }
        CommandBody::SafeStop
        | CommandBody::Shadow
        | CommandBody::Manual
        | CommandBody::Auto
        | CommandBody::Arm
        | CommandBody::Acknowledge => String::new(),
    }
}
