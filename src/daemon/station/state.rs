//! The state of the plant as JSON, made once a second for everybody.

use super::money::uncounted;
use crate::archive::unit;
use crate::showing::local;
use crate::view::View;
use jiff::tz::TimeZone;
use memg_alarms::{Alarm, Priority, State};
use memg_control::cycle::{CycleDecision, CycleInput};
use memg_control::fault::Severity;
use memg_core::equipment::Plant;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::Tag;
use memg_core::series::Quantity;
use memg_plant_io::modbus::DeviceState;
use memg_settings::Settings;
use memg_web::wires::Live;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A value is fresh for so long, s, or for a third of what its point may be old.
const FRESH_S: f64 = 5.0;
/// And stale after this, s, or after what its point may be old.
const STALE_S: f64 = 15.0;
/// Steps ahead that are told of prices.
const AHEAD_H: usize = 48;

/// What does not change while the gateway runs.
pub(super) struct Site {
    pub name: String,
    pub simulated: bool,
    pub plant: Plant,
    pub speed: f64,
    /// How old each signal may be.
    pub ages_max: BTreeMap<Tag, Option<Duration>>,
    plant_told: Value,
    /// Whose ledger it is.
    pub ledger: memg_ledger::Site,
}

impl Site {
    pub fn of(settings: &Settings) -> Self {
        // A virtual plant has no zone: its local time stands for UTC.
        let zone = if settings.demo.is_some() { TimeZone::UTC } else { settings.clock.zone() };
        let ages_max = settings.points.signals.iter().map(|(tag, known)| (*tag, known.age_max)).collect();
        Self {
            name: settings.site.clone(),
            simulated: settings.simulated,
            plant: settings.plant,
            speed: settings.control.speed,
            ages_max,
            plant_told: plant(&settings.plant),
            ledger: memg_ledger::Site { plant: settings.plant, zone },
        }
    }
}

fn plant(plant: &Plant) -> Value {
    let p = plant.parameters();
    let x = &p.exogenous;
    // A plant without it has a rating of zero.
    let rating = |kw: f64| (kw > 0.0).then_some(kw);
    let has_battery = !plant.batteries().is_empty();
    let has_chp = !plant.chps().is_empty();
    let battery = has_battery.then(|| p.battery_of_all());
    let chp = has_chp.then(|| p.chp_of_all());
    json!({
        "import_kw_max": p.grid.import_kw_max, "export_kw_max": p.grid.export_kw_max,
        "soc_min": battery.as_ref().map(|b| b.soc_min), "soc_max": battery.as_ref().map(|b| b.soc_max),
        "battery_kw_max": battery.as_ref().map(|b| b.charge_kw_max.max(b.discharge_kw_max)),
        "battery_kwh": battery.as_ref().map(|b| b.capacity_kwh),
        "chp_kw_min": chp.as_ref().map(|c| c.p_kw_min), "chp_kw_max": chp.as_ref().map(|c| c.p_kw_max),
        "pv": x.pv_kw_nom > 0.0, "wind": x.wind_kw_nom > 0.0, "heat": x.heat_load_kw_max > 0.0,
        "pv_kw_max": rating(x.pv_kw_nom), "wind_kw_max": rating(x.wind_kw_nom),
        "electric_load_kw_max": rating(x.electric_load_kw_max), "heat_load_kw_max": rating(x.heat_load_kw_max),
        "boiler_kw_max": rating(p.boiler.q_kw_max),
        "batteries": plant.batteries().len(), "chps": plant.chps().len(),
    })
}

/// One word for how far a value can be trusted.
pub(super) const fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Good | Quality::NotRequired => "good",
        Quality::Substituted | Quality::Frozen => "uncertain",
        Quality::Stale | Quality::OutOfRange | Quality::CommLost => "bad",
        Quality::NeverRead => "never",
    }
}

/// How a value looks: by its quality, then by its age.
fn look(measured: &Measurement<f64>, age_max: Option<Duration>) -> &'static str {
    let age_s = measured.age_ms as f64 / 1000.0;
    let age_max_s = age_max.map_or(0.0, |age| age.as_secs_f64());
    match measured.quality {
        _ if measured.value.is_none() => "bad",
        Quality::OutOfRange | Quality::NeverRead => "bad",
        Quality::Stale | Quality::CommLost | Quality::Frozen => "stale",
        Quality::Good | Quality::NotRequired | Quality::Substituted if age_s < FRESH_S.max(age_max_s / 3.0) => "fresh",
        Quality::Good | Quality::NotRequired | Quality::Substituted if age_s < STALE_S.max(age_max_s) => "ageing",
        Quality::Good | Quality::NotRequired | Quality::Substituted => "stale",
    }
}

fn points(site: &Site, view: &View) -> Value {
    let told = |(tag, measured): &(Tag, Measurement<f64>)| {
        let measured = measured.finite();
        let never = measured.quality == Quality::NeverRead;
        let age_s = (!never).then_some(measured.age_ms as f64 / 1000.0);
        let age_max = site.ages_max.get(tag).copied().flatten();
        let point = json!({ "value": measured.value, "unit": unit(*tag), "quality": quality(measured.quality),
            "age_s": age_s, "state": look(&measured, age_max) });
        (tag.to_string(), point)
    };
    Value::Object(view.values.iter().map(told).collect())
}

/// Set-points that are in force, or would be. `null` where none was computed.
fn setpoints(site: &Site, view: &View, decision: &CycleDecision) -> Value {
    let Some(safe) = decision.safe else { return Value::Null };
    let mut units = Map::new();
    let (batteries, chps) = (site.plant.batteries().len(), site.plant.chps().len());
    for (number, power) in (1..).zip(safe.batteries()).take(batteries).skip(1) {
        units.insert(format!("battery_{number}_kw"), power.kilowatts().get().into());
    }
    for (number, chp) in (1..).zip(safe.chps()).take(chps).skip(1) {
        units.insert(format!("chp_{number}_kw"), chp.power.kilowatts().get().into());
    }
    let first = (safe.batteries()[0].kilowatts().get(), safe.chps()[0]);
    // A cap that is the rated power is none.
    let capped = safe.renewable_limit().is_some();
    let limit = |kw: fn(&memg_plant_io::WriteOrder) -> f64| view.order.as_ref().filter(|_| capped).map(kw);
    json!({
        "battery_kw": (batteries > 0).then_some(first.0),
        "chp_on": (chps > 0).then_some(first.1.on), "chp_kw": (chps > 0).then_some(first.1.power.kilowatts().get()),
        "pv_limit_kw": limit(|order| order.pv_limit_kw), "wind_limit_kw": limit(|order| order.wind_limit_kw),
        "sent": decision.written, "units": units,
    })
}

fn mode(view: &View, decision: &CycleDecision) -> Value {
    let fault = decision.fault.as_ref().map(|fault| {
        let severity = serde_json::to_value(fault.severity).unwrap_or_default();
        json!({ "severity": severity, "cause": fault.cause })
    });
    json!({
        "now": decision.mode.name(), "since_unix_ms": view.mode_since_unix_ms,
        "armed": view.mode_state.is_some_and(|mode| mode.armed), "latched": decision.latched,
        "why": view.sentences.why, "next": view.sentences.next, "decided_by": decision.decided_by, "fault": fault,
    })
}

fn plan(view: &View) -> Value {
    let Some(planned) = &view.planned else { return Value::Null };
    let plan = &planned.plan;
    json!({
        "made_unix_ms": planned.made_unix_ms, "step_s": plan.entry_min * 60.0, "from_unix_ms": planned.from_unix_ms,
        "soc": plan.soc, "battery_kw": plan.battery_kw, "chp_kw": plan.chp_kw,
        "import_price": plan.import_price_eur_per_kwh, "export_price": plan.export_price_eur_per_kwh, "reason": plan.reason,
    })
}

fn prices(site: &Site, view: &View, input: &CycleInput) -> Value {
    let steps = AHEAD_H * site.plant.steps_per_hour();
    let column = |quantity: Quantity| -> Vec<Option<f64>> {
        let mut values: Vec<_> = (0..steps).map(|step| view.outlook.ahead(quantity, step)).collect();
        let end = values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        values.truncate(end);
        values
    };
    let (import, export) = (column(Quantity::ImportPrice), column(Quantity::ExportPrice));
    let step_ms = site.plant.step_ms().max(1);
    let from_unix_ms = view.at.unix_ms - view.at.plant_ms.rem_euclid(step_ms);
    let ahead = (!import.is_empty() || !export.is_empty()).then(|| {
        json!({ "from_unix_ms": from_unix_ms, "step_s": step_ms as f64 / 1000.0, "import": import, "export": export })
    });
    json!({
        "import_now": input.state.import_price.usable().map(|price| price.get()),
        "export_now": input.state.export_price.usable().map(|price| price.get()), "ahead": ahead,
    })
}

fn counted(view: &View) -> Value {
    let stands = |alarm: &&Alarm| matches!(alarm.state, State::Unacknowledged | State::Acknowledged);
    let number = |priority| view.alarms.iter().filter(stands).filter(|alarm| alarm.priority == priority).count();
    let unseen = |alarm: &&Alarm| matches!(alarm.state, State::Unacknowledged | State::Returned);
    let [high, medium, low] = Priority::ALL.map(number);
    let last = view.alarm_last.as_ref().map(|(text, unix_ms)| json!({ "text": text, "unix_ms": unix_ms }));
    json!({
        "high": high, "medium": medium, "low": low, "unacknowledged": view.alarms.iter().filter(unseen).count(),
        "top": view.alarms.iter().find(unseen), "last": last,
    })
}

/// `up`, `connecting` or `down`.
pub(super) const fn device_state(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Starting => "connecting",
        DeviceState::Offline => "down",
        DeviceState::Reading | DeviceState::Controlled | DeviceState::Local => "up",
    }
}

fn health(view: &View) -> Value {
    let word = |trouble: &Option<String>| trouble.clone().unwrap_or_else(|| "ok".into());
    json!({
        "slips": view.counts.slips, "lateness_p99_ms": view.counts.lateness_p99_ms,
        "journal": word(&view.journal_trouble), "history": word(&view.history_trouble),
    })
}

fn state(site: &Site, view: &View, money: &Value, (input, decision): &(CycleInput, CycleDecision)) -> Value {
    let device = |(name, state): &(String, DeviceState)| json!({ "name": name, "state": device_state(*state) });
    let control = view
        .commanded
        .as_ref()
        .map(|c| json!({ "principal": c.principal, "means": c.means, "what": c.what, "unix_ms": c.unix_ms }));
    let in_charge = view.in_charge.as_ref().map(|h| json!({ "principal": h.principal, "means": h.means.name() }));
    let money = if money.is_null() { uncounted(view) } else { money.clone() };
    json!({
        "site": site.name, "simulated": site.simulated, "version": env!("CARGO_PKG_VERSION"),
        "time": { "unix_ms": view.at.unix_ms, "local": local(view.at.plant_ms),
            "utc_offset_min": (view.at.plant_ms - view.at.unix_ms).div_euclid(60_000), "speed": site.speed },
        "cycle": view.cycle, "mode": mode(view, decision), "points": points(site, view),
        "setpoints": setpoints(site, view, decision), "plant": site.plant_told, "limits": view.limits,
        "grid_limit": decision.grid_limit,
        "plan": plan(view), "prices": prices(site, view, input), "money": money, "alarms": counted(view),
        "devices": view.devices.iter().map(device).collect::<Vec<_>>(), "broker": view.broker, "control": control, "in_charge": in_charge,
        "health": health(view), "history": { "points": view.values.len() },
    })
}

/// What somebody who arms should look at.
fn review(view: &View, decision: &CycleDecision) -> Vec<Value> {
    let row = |what: &str, value: String, ok: bool| json!({ "what": what, "value": value, "ok": ok });
    let fault = decision.fault.as_ref().filter(|fault| fault.severity >= Severity::Soft);
    let away: Vec<&str> =
        view.devices.iter().filter(|(_, state)| device_state(*state) != "up").map(|(name, _)| name.as_str()).collect();
    let open: Vec<&str> =
        view.alarms.iter().filter(|alarm| alarm.priority == Priority::High).map(|alarm| alarm.id.as_str()).collect();
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let lost: Vec<String> = view.values.iter().filter(|(_, m)| m.is_lost()).map(|(tag, _)| tag.to_string()).collect();
    let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
    let would = decision.safe.as_ref().map_or("nothing yet".to_owned(), |safe| {
        let (battery, chp) = (safe.battery().kilowatts().get(), safe.chp().kilowatts().get());
        format!("battery {battery:+.1} kW, CHP {chp:.1} kW")
    });
    vec![
        row("mode", decision.mode.name().to_owned(), decision.mode == memg_control::mode::Mode::Shadow),
        row("safe stop to acknowledge", if decision.latched { "yes" } else { "no" }.to_owned(), !decision.latched),
        row("fault", fault.map_or("none".into(), |fault| fault.cause.clone()), fault.is_none()),
        row("devices away", list(&away), away.is_empty()),
        row("measurements lost", list(&lost), lost.is_empty()),
        row("high alarms", list(&open), open.is_empty()),
        row("decided by", decision.decided_by.clone(), true),
        row("would be written now", would, decision.safe.is_some()),
        row("journal", view.journal_trouble.clone().unwrap_or("ok".into()), view.journal_trouble.is_none()),
    ]
}

/// Everything for everybody.
pub(super) fn live(site: &Site, view: &View, money: &Value) -> Live {
    let Some(last) = &view.last else { return Live::default() };
    let text = |value: &Value| value.to_string().into_bytes().into();
    Live {
        state: text(&state(site, view, money, last)),
        alarms: text(&json!({ "alarms": &*view.alarms, "history": [] })),
        alarms_number: view.alarms_number,
        review: review(view, &last.1),
    }
}
