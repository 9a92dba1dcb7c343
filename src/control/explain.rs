//! Says in plain words why a set-point was sent.

use super::input::CycleInput;
use super::journal::{Entry, Header, JournalError, ReadRecord, Reader};
use memg_core::calendar::LocalTime;
use memg_core::constraint::Rule;
use memg_core::measurement::Measurement;
use memg_core::planner::PlanByHour;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Whose cycles are explained.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Name of the site.
    pub site: String,
    /// Batteries of the plant.
    pub batteries: usize,
    /// CHPs of the plant.
    pub chps: usize,
    /// Hash of the model, or the rule's name.
    pub model: String,
}

impl Subject {
    fn of(header: &Header) -> Self {
        let (batteries, chps) = (header.plant.battery.len(), header.plant.chp.len());
        Self { site: header.site.clone(), batteries, chps, model: header.model.clone() }
    }
}

/// The explanation of a cycle (the last run that has it), or `None` if the journal has no such cycle.
///
/// # Errors
/// The journal cannot be read up to there.
pub fn explain(path: &Path, cycle: u64) -> Result<Option<String>, JournalError> {
    let mut found = None;
    let read = each_cycle(path, |record, told| {
        if record.input.cycle == cycle {
            found = told();
        }
    });
    match read {
        Err(error) if found.is_none() => Err(error),
        Ok(()) | Err(_) => Ok(found),
    }
}

/// Hands over every cycle of a journal, and what can be told about it, until the end or what cannot be read.
fn each_cycle(
    path: &Path,
    mut visit: impl FnMut(&ReadRecord, &dyn Fn() -> Option<String>),
) -> Result<(), JournalError> {
    let (mut subject, mut plan) = (None::<Subject>, None);
    for entry in Reader::open(path)? {
        match entry? {
            Entry::Header(next) => {
                plan = if next.continued { plan } else { None };
                subject = Some(Subject::of(&next));
            }
            Entry::Cycle(record, _) => {
                plan = last_plan(plan, &record.decision);
                let told = |subject| describe(subject, &record.input, &record.decision, plan.as_ref());
                visit(&record, &|| subject.as_ref().map(told));
            }
        }
    }
    Ok(())
}

/// Why there is no explanation for a time.
#[derive(Debug, thiserror::Error)]
pub enum NothingThen {
    /// The journal cannot be read.
    #[error(transparent)]
    Unreadable(#[from] JournalError),
    /// No policy step of the journal is in force then.
    #[error("nothing was decided for {asked}; the journal covers {covers}")]
    Uncovered {
        /// The time that was asked for.
        asked: String,
        /// From when until when it goes, without its gaps.
        covers: String,
    },
}

/// A stretch of a journal without gap, and what was in force at the time that is asked for; plant time, ms.
#[derive(Debug, Clone)]
struct Stretch {
    from_ms: i64,
    until_ms: i64,
    in_force: Option<String>,
}

/// A journal without a cycle for so long is one of a gateway that did not run: what stands before is in force no more.
const GAP_MS: i64 = 3_600_000;
/// Most stretches that are named.
const STRETCHES_MAX: usize = 8;

/// The explanation of the policy step in force at a local time of the plant, ms since 1970. Where a journal holds the same
/// hours more than once (a demonstration that was run again), the last time counts.
///
/// # Errors
/// The journal cannot be read, or does not cover that time; it is said what it covers.
pub fn explain_at(path: &Path, plant_ms: i64) -> Result<String, NothingThen> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let read = each_cycle(path, |record, told| {
        let now_ms = record.input.plant_ms;
        let Some(stretch) = stretch(&mut stretches, now_ms) else { return };
        let decides = record.decision.get("policy_step") == Some(&Value::Bool(true));
        if now_ms <= plant_ms && (decides || stretch.in_force.is_none()) {
            stretch.in_force = told();
        }
    });
    if let (Err(error), true) = (read, stretches.is_empty()) {
        return Err(error.into());
    }
    let covering = stretches.iter().rev().find(|s| (s.from_ms..s.until_ms + GAP_MS).contains(&plant_ms));
    let uncovered = || NothingThen::Uncovered { asked: plant_time(plant_ms), covers: in_words(&stretches) };
    covering.and_then(|stretch| stretch.in_force.clone()).ok_or_else(uncovered)
}

/// The stretch that a cycle at this time belongs to: the last one, or a new one after a gap or a jump back.
fn stretch(stretches: &mut Vec<Stretch>, now_ms: i64) -> Option<&mut Stretch> {
    let goes_on = stretches.last().is_some_and(|last| (last.until_ms..=last.until_ms + GAP_MS).contains(&now_ms));
    if !goes_on {
        stretches.push(Stretch { from_ms: now_ms, until_ms: now_ms, in_force: None });
    }
    let last = stretches.last_mut()?;
    last.until_ms = now_ms;
    Some(last)
}

fn in_words(stretches: &[Stretch]) -> String {
    let word = |s: &Stretch| format!("{} to {}", plant_time(s.from_ms), plant_time(s.until_ms));
    let words: Vec<String> = stretches.iter().rev().take(STRETCHES_MAX).rev().map(word).collect();
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

/// The plan behind the request that is in force after a cycle: the latest, until somebody without a plan is asked.
fn last_plan(before: Option<PlanByHour>, decision: &Value) -> Option<PlanByHour> {
    match decision.get("plan") {
        Some(plan) => serde_json::from_value(plan.clone()).ok(),
        None => before.filter(|_| decision.get("policy_step") != Some(&Value::Bool(true))),
    }
}

/// Plant time as people write it: `2026-11-24 10:15`.
fn plant_time(plant_ms: i64) -> String {
    let time = LocalTime { minute: plant_ms.div_euclid(60_000), offset_min: 0 }.to_string();
    time.get(..16).unwrap_or(&time).replace('T', " ")
}

/// The explanation of one cycle: what came in, what was decided (as the journal writes it), and the plan in force.
#[must_use]
pub fn describe(subject: &Subject, input: &CycleInput, d: &Value, plan: Option<&PlanByHour>) -> String {
    let mut text = String::new();
    let time = plant_time(input.plant_ms);
    let mode = string(d, "mode");
    let _ = writeln!(text, "Cycle {} at {}, plant time {time}, mode {mode}.", input.cycle, subject.site);
    situation(&mut text, subject, input);
    for change in d.get("changes").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(
            text,
            "The mode changed from {} to {}: {}.",
            string(change, "from"),
            string(change, "to"),
            string(change, "cause")
        );
    }
    answers(&mut text, input, d);
    let substituted: Vec<&str> =
        d.get("substituted").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !substituted.is_empty() {
        let _ = writeln!(text, "Lost, with its substitute in its place: {}.", substituted.join(", "));
    }
    if let Some(fault) = d.get("fault") {
        let _ = writeln!(text, "Fault ({}): {}.", string(fault, "severity"), string(fault, "cause"));
    }
    grid_limit(&mut text, d);
    request(&mut text, &subject.model, d);
    if let Some(plan) = plan.filter(|_| mode == "auto" || mode == "shadow") {
        planned(&mut text, plan);
    }
    interventions(&mut text, d);
    outcome(&mut text, d);
    text
}

/// What a grid operator's control box leaves of the connection.
fn grid_limit(text: &mut String, d: &Value) {
    let Some(grid) = d.get("grid_limit") else { return };
    let told = |side: &str| {
        let kw = grid.get(format!("{side}_kw_max")).and_then(Value::as_f64)?;
        let silent = grid.get(format!("{side}_silent")) == Some(&Value::Bool(true));
        let why = if silent { " (fail-safe, its source is silent)" } else { "" };
        Some(format!("{side} at most {kw} kW{why}"))
    };
    let sides: Vec<String> = ["import", "export"].into_iter().filter_map(told).collect();
    if !sides.is_empty() {
        let _ = writeln!(text, "The grid's limit: {}.", sides.join(", "));
    }
}

fn answers(text: &mut String, input: &CycleInput, d: &Value) {
    let answers = d.get("answers").and_then(Value::as_array);
    for (command, answer) in input.commands.iter().zip(answers.into_iter().flatten()) {
        let answer =
            answer.get("id").filter(|id| *id == &command.id).map_or("see the journal".into(), |_| answer.to_string());
        let _ =
            writeln!(text, "Command {} of {} ({:?}): {answer}.", command.body.name(), command.principal, command.means);
    }
}

fn situation(text: &mut String, subject: &Subject, input: &CycleInput) {
    let s = &input.state;
    let show = |name: &str, m: Measurement<f64>, unit: &str| match (m.value, m.quality.is_usable()) {
        (Some(value), true) => format!("{name} {value:.2}{unit}"),
        (Some(value), false) => format!("{name} {value:.2}{unit} ({:?}, {} s old)", m.quality, m.age_ms / 1000),
        (None, _) => format!("{name} unknown"),
    };
    let mut parts = vec![
        show("PV", s.pv.map(|v| v.get()), " kW"),
        show("wind", s.wind.map(|v| v.get()), " kW"),
        show("load", s.electric_load.map(|v| v.get()), " kW"),
        show("heat", s.heat_load.map(|v| v.get()), " kW"),
    ];
    for (index, battery) in s.batteries.iter().take(subject.batteries).enumerate() {
        parts.push(show(&numbered("SoC", index), battery.soc.map(|v| v.get() * 100.0), " %"));
        parts.push(show(&numbered("battery", index), battery.power.map(|v| v.get()), " kW"));
    }
    for (index, chp) in s.chps.iter().take(subject.chps).enumerate() {
        parts.push(show(&numbered("CHP", index), chp.power.map(|v| v.get()), " kW"));
    }
    parts.extend([
        show("grid", s.grid.map(|v| v.get()), " kW"),
        show("voltage", s.grid_voltage.map(|v| v.get()), " pu"),
        show("frequency", s.frequency.map(|v| v.get()), " Hz"),
        show("import price", s.import_price.map(|v| v.get()), " EUR/kWh"),
        show("export price", s.export_price.map(|v| v.get()), " EUR/kWh"),
    ]);
    let _ = writeln!(text, "Measured: {}.", parts.join(", "));
}

fn request(text: &mut String, model: &str, d: &Value) {
    let Some(request) = d.get("request") else {
        let _ = writeln!(text, "Nothing was requested.");
        return;
    };
    let by = string(d, "decided_by");
    let fresh = if d.get("policy_step") == Some(&Value::Bool(true)) {
        "asked in this cycle"
    } else {
        "asked at the last policy step"
    };
    let grid =
        request.get("grid").and_then(Value::as_f64).map_or("left to the balance".into(), |kw| format!("{kw:+.2} kW"));
    let _ = writeln!(
        text,
        "Requested by {by} (model {}, {fresh}): battery {:+.2} kW, CHP {:.2} kW, grid {grid}.",
        model.get(..12).unwrap_or(model),
        number(request, "battery"),
        number(request, "chp"),
    );
    if d.get("outside_tariff").is_some() {
        let _ = writeln!(text, "The network was not trained for this tariff: the good rule decided in its stead.");
    }
    if let Some(action) = d.get("action") {
        let _ = writeln!(
            text,
            "The network's output was {action} for the observation {}.",
            d.get("observation").unwrap_or(&Value::Null)
        );
    }
}

/// The reason, and a line for each hour of the plan.
fn planned(text: &mut String, plan: &PlanByHour) {
    let _ = writeln!(text, "The plan: {}.", plan.reason);
    let _ = writeln!(text, "  after   battery      CHP      SoC     import");
    let columns = plan.battery_kw.iter().zip(&plan.chp_kw).zip(&plan.soc).zip(&plan.import_price_eur_per_kwh);
    for (entry, (((battery, chp), soc), price)) in columns.enumerate() {
        let after = (entry + 1) as f64 * plan.entry_min / 60.0;
        let (soc, price) = (100.0 * soc, 100.0 * price);
        let _ = writeln!(text, "{after:>5.1} h {battery:>+7.1} kW {chp:>5.1} kW {soc:>6.1} % {price:>7.2} ct");
    }
}

fn interventions(text: &mut String, d: &Value) {
    let list = d.get("interventions").and_then(Value::as_array);
    if list.is_none() {
        let _ = writeln!(text, "{}", untold(d));
    }
    for i in list.into_iter().flatten() {
        let rule: Option<Rule> = i.get("rule").and_then(|rule| serde_json::from_value(rule.clone()).ok());
        let _ = writeln!(
            text,
            "The safety filter moved {} from {:.3} to {:.3} kW: {} (distance to that limit {:.3} kW).",
            string(i, "quantity"),
            number(i, "before_w") / 1000.0,
            number(i, "after_w") / 1000.0,
            rule.map_or("unknown rule", Rule::describe),
            number(i, "margin_w") / 1000.0,
        );
    }
    let relaxation = string(d, "relaxation");
    if relaxation != "none" {
        let _ = writeln!(text, "Not every rule could be kept; the strongest that yielded: {relaxation}.");
    }
}

/// Nothing was told of a change; that does not mean that nothing differs from the request.
fn untold(d: &Value) -> &'static str {
    let sent = |key: &str| d.get("safe").map_or(f64::NAN, |safe| number(safe, key) / 1000.0);
    let asked = |key: &str| d.get("request").map_or(f64::NAN, |request| number(request, key));
    let differs = ["battery", "chp"].into_iter().any(|key| (sent(key) - asked(key)).abs() > 0.1);
    if differs {
        "Sent differs from the request: its three powers do not balance (told at the policy step), or a set-point that is still allowed \
         stayed within its dead band."
    } else {
        "The safety filter changed nothing."
    }
}

fn outcome(text: &mut String, d: &Value) {
    let Some(safe) = d.get("safe") else {
        let _ = writeln!(text, "No set-point was computed in this mode.");
        return;
    };
    let verb =
        if d.get("written") == Some(&Value::Bool(true)) { "Sent" } else { "Not sent (this mode does not write)" };
    let batteries = each(safe, "batteries", |power| format!("{:+.3} kW", power.as_f64().unwrap_or(f64::NAN) / 1000.0))
        .unwrap_or_else(|| format!("{:+.3} kW", number(safe, "battery") / 1000.0));
    let chp = |on: bool, watts: f64| if on { format!("{:.3} kW", watts / 1000.0) } else { "off".into() };
    let chps = each(safe, "chps", |unit| chp(is_true(unit, "on"), number(unit, "power")))
        .unwrap_or_else(|| chp(is_true(safe, "chp_on"), number(safe, "chp")));
    let cap = safe
        .get("renewable_limit")
        .and_then(Value::as_f64)
        .map_or("no cap".into(), |w| format!("capped at {:.3} kW", w / 1000.0));
    let _ = writeln!(text, "{verb}: battery {batteries}, CHP {chps}, renewables {cap}.");
}

/// What the units of a list are told, in their order; `None` where the sum says it all.
fn each(safe: &Value, key: &str, told: impl Fn(&Value) -> String) -> Option<String> {
    let units = safe.get(key)?.as_array()?.iter();
    Some(units.map(told).collect::<Vec<_>>().join(" and "))
}

/// The first needs no number.
fn numbered(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name} {}", index + 1) }
}

fn is_true(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

fn string(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn number(value: &Value, key: &str) -> f64 {
    value.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
}
