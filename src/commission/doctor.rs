//! `gateway doctor`: what is wrong at a plant, and what would be right.

use super::balance::{Balance, side};
use super::live::{Seen, look};
use super::reading::{Reading, read};
use super::{other, plausible};
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::device::Device;
use memg_plant_io::point::{Encoding, FixedWrite, StepWhen};
use memg_plant_io::sources::required;
use memg_settings::Settings;
use serde::Serialize;
use std::time::Duration;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Control would not work, or work wrongly.
    Fault,
    /// Somebody should look.
    Warning,
    /// Good to know.
    Note,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Device and point, topic, or signal.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// A signal as control would see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignalReport {
    /// The signal; its unit is in its name.
    pub signal: String,
    /// Who measures it.
    pub origin: String,
    /// Its last value.
    pub value: Option<f64>,
    /// `good`, or what is wrong with it.
    pub quality: String,
    /// Age of the value, s.
    pub age_s: f64,
    /// From this age on it is lost, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_max_s: Option<f64>,
    /// What would be plausible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plausible: Option<(f64, f64)>,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the site.
    pub site: String,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Signals.
    pub signals: Vec<SignalReport>,
    /// The balance of powers.
    pub balance: Balance,
    /// Every point of every device.
    pub readings: Vec<Reading>,
}

/// Looks at a plant for `duration` after every point was read once. Writes nothing.
pub async fn examine(settings: &Settings, duration: Duration) -> Report {
    let mut readings = Vec::new();
    let mut findings = Vec::new();
    for device in &settings.devices {
        let own = read(device, settings).await;
        findings.extend(points(device, &own, settings).await);
        findings.extend(fall_backs(device, &own));
        readings.extend(own);
    }
    let seen = look(settings, duration).await;
    let balance = balance(settings, &seen);
    findings.extend(signs(&balance));
    findings.extend(signals(settings, &seen));
    findings.extend(drivers(&seen));
    findings.extend(topics(&seen));
    findings.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
    findings.dedup();
    Report { site: settings.site.clone(), findings, signals: told(settings, &seen), balance, readings }
}

/// Readings that are wrong or odd, with the ways that would be right.
async fn points(device: &Device, readings: &[Reading], settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for reading in readings {
        let Some(trouble) = &reading.trouble else { continue };
        let Some(point) = device.points.get(reading.index) else { continue };
        let likely = plausible::point(point, settings).filter(|_| !reading.raw.is_empty());
        let ways = match likely {
            Some(range) => other::ways(device, reading.index, range).await,
            None => Vec::new(),
        };
        let severity = if reading.needed { Severity::Fault } else { Severity::Warning };
        let list: Vec<String> =
            ways.iter().map(|way| format!("{} would read {:.4} {}", way.change, way.value, reading.unit)).collect();
        let found = reading.value.map_or_else(String::new, |value| format!("{value} {}, ", reading.unit));
        findings.push(Finding {
            severity,
            place: format!("{}.{}", reading.device, reading.point),
            message: format!("{found}{trouble}"),
            remedy: (!list.is_empty()).then(|| list.join("; or ")),
        });
    }
    findings
}

/// Who falls back when the gateway dies, and whether the device is set up for it.
fn fall_backs(device: &Device, readings: &[Reading]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |severity, message: String, remedy: Option<String>| {
        findings.push(Finding { severity, place: device.name.to_string(), message, remedy });
    };
    let rules: Vec<_> = device.points.iter().filter_map(|point| Some((point, point.write.as_ref()?))).collect();
    if rules.is_empty() {
        return findings;
    }
    if !rules.iter().any(|(_, rule)| rule.watchdog.is_some()) {
        let remedy =
            "state the device's own watchdog as watchdog_s in its file, or make sure that it falls back by itself";
        say(Severity::Warning, "nothing makes it fall back when the gateway dies".to_owned(), Some(remedy.to_owned()));
    }
    for (point, rule) in &rules {
        for step in rule.before.iter().chain(&rule.after).filter(|step| step.when == StepWhen::Start) {
            if let Some((now, name)) = differs(device, readings, step) {
                let message = format!(
                    "{name} is {now} now; the gateway sets it to {} when it begins to write {}",
                    step.value, point.name
                );
                say(Severity::Note, message, None);
            }
        }
    }
    if device.remote.is_none() {
        let message =
            "its file knows no point that tells remote from local: a device in local is noticed by refusals alone";
        say(Severity::Note, message.to_owned(), None);
    }
    findings
}

/// What a register of a step holds, if it is something else than the step writes.
fn differs(device: &Device, readings: &[Reading], step: &FixedWrite) -> Option<(f64, String)> {
    let point = device.points.get(step.point)?;
    let now = readings.iter().find(|reading| reading.index == step.point)?.value?;
    let is_flag = matches!(point.encoding, Encoding::Bool);
    (!is_flag && (now - step.value).abs() > 1e-6).then(|| (now, point.name.clone()))
}

fn balance(settings: &Settings, seen: &Seen) -> Balance {
    let measured: Vec<(Tag, f64)> = seen.means.iter().map(|(tag, kw)| (*tag, *kw)).collect();
    let plant = &settings.plant;
    let each = |signal, count: usize| (1..).take(count).filter_map(move |number| Tag::new(signal, number));
    let parts = required(plant, &settings.sources).into_iter().filter(|tag| side(tag.signal()).is_some());
    let wanted = parts
        .chain(each(Signal::BatteryKw, plant.batteries().len()))
        .chain(each(Signal::ChpKw, plant.chps().len()))
        .chain([Tag::first(Signal::GridKw)]);
    // What is made of the others closes the balance by itself.
    let made = |tag: &Tag| settings.points.signals.get(tag).is_some_and(|known| known.formula.terms().len() > 2);
    let missing = wanted.filter(|tag| !seen.means.contains_key(tag) || made(tag)).collect();
    Balance::new(&measured, missing)
}

fn signs(balance: &Balance) -> Vec<Finding> {
    let place = "balance of powers".to_owned();
    if !balance.is_judged() {
        let missing: Vec<String> = balance.missing.iter().map(ToString::to_string).collect();
        let message = format!("cannot be judged: {} not measured by itself", missing.join(", "));
        return vec![Finding { severity: Severity::Note, place, message, remedy: None }];
    }
    if balance.holds() {
        return Vec::new();
    }
    let terms: Vec<String> = balance.terms.iter().map(|term| format!("{} {:.1}", term.signal, term.kw)).collect();
    let message = format!(
        "pv + wind + chp + grid - battery - load leaves {:.1} kW, expected at most {:.1} ({})",
        balance.residual_kw,
        balance.tolerance_kw,
        terms.join(", ")
    );
    let remedy = |suspect: &super::balance::Suspect| match suspect.factor {
        -1.0 => format!("the sign of {} is wrong: state sign = -1 (or remove it)", suspect.signal),
        factor => format!("{} is wrong by a factor: {factor} times would fit", suspect.signal),
    };
    let remedies: Vec<String> = balance.suspects.iter().map(remedy).collect();
    let remedy = (!remedies.is_empty()).then(|| remedies.join("; or "));
    vec![Finding { severity: Severity::Fault, place, message, remedy }]
}

/// Signals that are lost, devices in local or faulty.
fn signals(settings: &Settings, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (tag, measured) in &seen.signals {
        let optional = settings.substitutes.contains_key(tag) || tag.signal().is_witness();
        let place = tag.to_string();
        let mut say = |severity, message: String| {
            findings.push(Finding { severity, place: place.clone(), message, remedy: None });
        };
        match (tag.signal(), measured.usable()) {
            (_, None) => {
                let severity = if optional { Severity::Warning } else { Severity::Fault };
                let quality = format!("{:?}", measured.quality);
                say(severity, format!("{quality} after {} s", seen.duration.as_secs()));
            }
            (Signal::BatteryRemote | Signal::ChpRemote, Some(remote)) if remote < 0.5 => {
                say(
                    Severity::Warning,
                    "the device is in local: nothing will be written until it is in remote".to_owned(),
                );
            }
            (Signal::BatteryFault | Signal::ChpFault, Some(fault)) if fault >= 0.5 => {
                say(Severity::Fault, "the device reports a fault: control would stop the plant".to_owned());
            }
            (_, Some(_)) => {}
        }
        let age_max_ms = settings.points.signals.get(tag).and_then(|known| known.age_max).map(|age| age.as_millis());
        let is_old = age_max_ms.is_some_and(|max| 2 * u128::from(measured.age_ms) > max);
        if measured.usable().is_some() && is_old {
            let (age_s, max_s) = (measured.age_ms as f64 / 1e3, age_max_ms.unwrap_or_default() as f64 / 1e3);
            say(Severity::Warning, format!("{age_s} s old, and lost from {max_s} s on: read it more often"));
        }
    }
    findings
}

/// What the drivers told and counted.
fn drivers(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for event in seen.events.iter().filter(|event| event.kind.is_alarm()) {
        let (place, message) = (event.device.clone(), event.detail.clone());
        findings.push(Finding { severity: Severity::Warning, place, message, remedy: None });
    }
    for (name, counters) in &seen.devices {
        if counters.polls_missed > 0 && counters.polls > 0 {
            let message = format!("{} of {} polls came late or not at all", counters.polls_missed, counters.polls);
            let remedy = Some("raise poll_s, or put fewer devices on the line".to_owned());
            findings.push(Finding { severity: Severity::Warning, place: name.clone(), message, remedy });
        }
    }
    findings
}

fn topics(seen: &Seen) -> Vec<Finding> {
    let say = |place: &str, message: String| Finding {
        severity: Severity::Fault,
        place: place.to_owned(),
        message,
        remedy: None,
    };
    let reports = match &seen.topics {
        None => return Vec::new(),
        Some(Err(why)) => return vec![say("mqtt", why.clone())],
        Some(Ok(reports)) => reports,
    };
    let told = |(topic, report): (&String, &memg_plant_io::mqtt::listener::TopicReport)| {
        let message = match (report.refused, report.count, report.rejection) {
            (true, ..) => "the broker does not let it be read: look at its access list".to_owned(),
            (false, 0, _) => format!("nothing came within {} s", seen.duration.as_secs()),
            (false, _, Some(rejection)) => rejection.to_string(),
            (false, _, None) => return None,
        };
        Some(say(topic, message))
    };
    reports.iter().filter_map(told).collect()
}

fn told(settings: &Settings, seen: &Seen) -> Vec<SignalReport> {
    let report = |(tag, known): (&Tag, &memg_settings::Known)| {
        let measured = seen.signals.get(tag)?;
        Some(SignalReport {
            signal: tag.to_string(),
            origin: known.origin.clone(),
            value: measured.value.map(|value| value + 0.0),
            quality: format!("{:?}", measured.quality).to_lowercase(),
            age_s: measured.age_ms as f64 / 1e3,
            age_max_s: known.age_max.map(|age| age.as_secs_f64()),
            plausible: plausible::signal(*tag, settings),
        })
    };
    settings.points.signals.iter().filter_map(report).collect()
}
