//! Says in plain words why a set-point was sent.

use super::journal::{Entry, Header, JournalError, ReadRecord, Reader};
use memg_core::calendar::LocalTime;
use memg_core::constraint::Rule;
use memg_core::measurement::Measurement;
use memg_core::planner::PlanByHour;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// The explanation of a cycle (the last run that has it), or `None` if the journal has no such cycle.
///
/// # Errors
/// The journal cannot be read up to there.
pub fn explain(path: &Path, cycle: u64) -> Result<Option<String>, JournalError> {
    let mut header = None;
    let mut found = None;
    let mut plan = None;
    for entry in Reader::open(path)? {
        match entry {
            Ok(Entry::Header(next)) => {
                plan = if next.continued { plan } else { None };
                header = Some(next);
            }
            Ok(Entry::Cycle(record, _)) => {
                plan = last_plan(plan, &record.decision);
                if record.input.cycle == cycle {
                    found = header.as_deref().map(|header| describe(header, &record, plan.as_ref()));
                }
            }
            Err(error) if found.is_none() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(found)
}

/// The plan behind the request that is in force after a cycle: the latest, until somebody without a plan is asked.
fn last_plan(before: Option<PlanByHour>, decision: &Value) -> Option<PlanByHour> {
    match decision.get("plan") {
        Some(plan) => serde_json::from_value(plan.clone()).ok(),
        None => before.filter(|_| decision.get("policy_step") != Some(&Value::Bool(true))),
    }
}

fn describe(header: &Header, record: &ReadRecord, plan: Option<&PlanByHour>) -> String {
    let mut text = String::new();
    let d = &record.decision;
    let time = LocalTime { minute: record.input.plant_ms.div_euclid(60_000), offset_min: 0 }.to_string();
    let time = time.get(..16).unwrap_or(&time).replace('T', " ");
    let mode = string(d, "mode");
    let _ = writeln!(text, "Cycle {} at {}, plant time {time}, mode {mode}.", record.input.cycle, header.site);
    situation(&mut text, header, record);
    for change in d.get("changes").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(
            text,
            "The mode changed from {} to {}: {}.",
            string(change, "from"),
            string(change, "to"),
            string(change, "cause")
        );
    }
    answers(&mut text, record);
    let substituted: Vec<&str> =
        d.get("substituted").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !substituted.is_empty() {
        let _ = writeln!(text, "Lost, with its substitute in its place: {}.", substituted.join(", "));
    }
    if let Some(fault) = d.get("fault") {
        let _ = writeln!(text, "Fault ({}): {}.", string(fault, "severity"), string(fault, "cause"));
    }
    request(&mut text, header, d);
    if let Some(plan) = plan.filter(|_| mode == "auto" || mode == "shadow") {
        planned(&mut text, plan);
    }
    interventions(&mut text, d);
    outcome(&mut text, d);
    text
}

fn answers(text: &mut String, record: &ReadRecord) {
    let answers = record.decision.get("answers").and_then(Value::as_array);
    for (command, answer) in record.input.commands.iter().zip(answers.into_iter().flatten()) {
        let answer =
            answer.get("id").filter(|id| *id == &command.id).map_or("see the journal".into(), |_| answer.to_string());
        let _ =
            writeln!(text, "Command {} of {} ({:?}): {answer}.", command.body.name(), command.principal, command.means);
    }
}

fn situation(text: &mut String, header: &Header, record: &ReadRecord) {
    let s = &record.input.state;
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
    for (index, battery) in s.batteries.iter().take(header.plant.battery.len()).enumerate() {
        parts.push(show(&numbered("SoC", index), battery.soc.map(|v| v.get() * 100.0), " %"));
        parts.push(show(&numbered("battery", index), battery.power.map(|v| v.get()), " kW"));
    }
    for (index, chp) in s.chps.iter().take(header.plant.chp.len()).enumerate() {
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

fn request(text: &mut String, header: &Header, d: &Value) {
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
        header.model.get(..12).unwrap_or(&header.model),
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
