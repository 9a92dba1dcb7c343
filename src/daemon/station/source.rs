//! What the station looks up: devices, the model, notes, history, health.

use super::devices::devices;
use super::metrics::metrics;
use super::money;
use super::state::Site;
use crate::archive::unit;
use crate::notes::Notes;
use crate::view::View;
use memg_control::fault::Severity;
use memg_control::mode::Mode;
use memg_core::plant_state::Tag;
use memg_history::NoteKind;
use memg_plant_io::device::Device;
use memg_plant_io::image::{PointId, ProcessImage};
use memg_plant_io::modbus::DeviceHealth;
use memg_plant_io::modbus::glimpse::Glimpses;
use memg_policy::{PolicySpec, model};
use memg_settings::Settings;
use memg_web::wires::{Column, Format, Moment, NoAnswer, Source, Span, Table, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Without a cycle for so many cycles, and this time on top, the control loop is not alive.
const CYCLES_MISSED: u32 = 3;
const GRACE: Duration = Duration::from_secs(3);

/// A message's place in the image.
pub(super) struct Input {
    pub topic: String,
    pub tag: Option<Tag>,
    pub name: String,
    pub id: PointId,
}

/// Where things are read.
pub(super) struct Place {
    pub image: ProcessImage,
    pub devices: Vec<Device>,
    /// Registers and last writes by device.
    pub glimpses: BTreeMap<String, Arc<Glimpses>>,
    /// The broker's address and what it brings.
    pub broker: Option<(String, Vec<Input>)>,
    policy: PolicySpec,
    cycle: Duration,
}

impl Place {
    pub fn of(settings: &Settings, image: ProcessImage, health: &[DeviceHealth]) -> Self {
        let broker = settings.mqtt.as_ref().map(|mqtt| {
            let broker = &mqtt.connection.broker;
            let inputs = mqtt.inputs.iter().zip(&settings.points.mqtt).map(|(input, id)| {
                use memg_plant_io::mqtt::settings::Target;
                let (tag, name) = match &input.target {
                    Target::Signal(tag) => (Some(*tag), tag.to_string()),
                    Target::Named(name) => (None, name.clone()),
                };
                Input { topic: input.topic.clone(), tag, name, id: *id }
            });
            (format!("{}:{}", broker.host, broker.port), inputs.collect())
        });
        Self {
            image,
            devices: settings.devices.clone(),
            glimpses: health.iter().map(|d| (d.name.to_string(), Arc::clone(&d.glimpses))).collect(),
            broker,
            policy: settings.policy.spec.clone(),
            cycle: settings.control.wall_cycle(),
        }
    }
}

/// Answers the station's questions.
pub(super) struct Telling {
    pub site: Arc<Site>,
    pub place: Place,
    pub views: watch::Receiver<View>,
    notes: Notes,
}

impl Telling {
    pub fn new(site: Arc<Site>, place: Place, views: watch::Receiver<View>, notes: Notes) -> Self {
        Self { site, place, views, notes }
    }

    fn notes(&self, kind: NoteKind, span: Span) -> Result<Vec<Value>, NoAnswer> {
        // The end of a span that people name is part of it.
        let until_ms = span.until_ms.saturating_add(1);
        let notes = self.notes.read(kind, span.from_ms, until_ms, span.limit).map_err(NoAnswer::Failed)?;
        Ok(notes.iter().filter_map(|note| serde_json::from_str(&note.json).ok()).collect())
    }

    fn reader(&self) -> Result<&memg_history::Reader, NoAnswer> {
        self.notes.reader().ok_or_else(|| NoAnswer::NotKept("this gateway keeps no history: add [history]".into()))
    }
}

impl Source for Telling {
    fn moment(&self) -> Moment {
        let view = self.views.borrow();
        let speed = self.site.speed;
        let since = view.taken.map_or(Duration::ZERO, |taken| taken.elapsed());
        Moment { unix_ms: Moment { unix_ms: view.at.unix_ms, speed }.after(since), speed }
    }

    fn alive(&self) -> Result<(), String> {
        let taken = self.views.borrow().taken.ok_or("the control loop has not begun")?;
        let silent = Instant::now().saturating_duration_since(taken);
        let may = self.place.cycle * CYCLES_MISSED + GRACE;
        if silent <= may { Ok(()) } else { Err(format!("no cycle for {:.0} s", silent.as_secs_f64())) }
    }

    fn ready(&self) -> Result<(), String> {
        self.alive()?;
        let view = self.views.borrow();
        let Some((_, decision)) = &view.last else { return Err("no cycle yet".into()) };
        match decision.fault.as_ref().filter(|fault| fault.severity >= Severity::Soft) {
            Some(fault) => Err(fault.cause.clone()),
            None if decision.mode == Mode::Init => Err("waits for good measurements".into()),
            None => Ok(()),
        }
    }

    fn metrics(&self) -> String {
        metrics(self)
    }

    fn devices(&self) -> Value {
        devices(self)
    }

    fn model(&self) -> Value {
        let view = self.views.borrow();
        let is = view.last.as_ref().map(|_| view.outside_tariff);
        let why = (is == Some(true)).then_some("the tariff is not one that it was trained for; the good rule decided");
        let distribution = json!({ "is": is, "why": why });
        match &self.place.policy {
            PolicySpec::Rule(name) => json!({ "name": name, "out_of_distribution": distribution }),
            PolicySpec::Model { dir, runtime } => {
                let text = std::fs::read_to_string(dir.join(model::MANIFEST)).unwrap_or_default();
                let told: Value = toml::from_str::<toml::Table>(&text)
                    .ok()
                    .and_then(|table| serde_json::to_value(table).ok())
                    .unwrap_or_default();
                json!({
                    "name": told["name"], "runtime": format!("{runtime:?}").to_lowercase(), "schema": told["schema"],
                    "hash": model::sha256_hex(text.as_bytes()), "made": told["training"],
                    "evaluation": told["evaluation"],
                    "trained_for": { "plant_hash": told["plant_hash"], "tariff": told["tariff"],
                        "divisors": told["divisors"], "shapes": told["shapes"], "action_map": told["action_map"] },
                    "out_of_distribution": distribution,
                })
            }
        }
    }

    fn points(&self) -> Value {
        let own =
            || self.views.borrow().values.iter().map(|(tag, _)| (tag.to_string(), unit(*tag).to_owned())).collect();
        let known: Vec<(String, String)> = match self.notes.reader() {
            Some(reader) => reader.points().into_iter().map(|point| (point.name, point.unit)).collect(),
            None => own(),
        };
        known.into_iter().map(|(name, unit)| json!({ "name": name, "unit": unit, "label": null })).collect()
    }

    fn decisions(&self, span: Span) -> Result<Value, NoAnswer> {
        let mut found = self.notes(NoteKind::Decision, span)?;
        // Its explanation is asked for by itself.
        found.iter_mut().filter_map(Value::as_object_mut).for_each(|note| drop(note.remove("text")));
        Ok(found.into())
    }

    fn explain(&self, at_ms: i64) -> Result<String, NoAnswer> {
        // A step may be half as long again when the clock jumps; what was decided before is in force no more.
        let from_ms = at_ms.saturating_sub(2 * self.site.plant.step_ms());
        let span = Span { from_ms, until_ms: at_ms, limit: 1 };
        let found = self.notes(NoteKind::Decision, span)?;
        let text = found.first().and_then(|note| note["text"].as_str()).map(ToOwned::to_owned);
        let none = "no policy step in force at that time is kept; the journal may have it: gateway explain --at";
        text.ok_or_else(|| NoAnswer::NotFound(none.into()))
    }

    fn log(&self, span: Span) -> Result<Value, NoAnswer> {
        Ok(self.notes(NoteKind::Event, span)?.into())
    }

    fn alarm_history(&self, span: Span) -> Result<Value, NoAnswer> {
        Ok(self.notes(NoteKind::Alarm, span)?.into())
    }

    fn history(&self, wanted: &Wanted) -> Result<Table, NoAnswer> {
        let names: Vec<&str> = wanted.points.iter().map(String::as_str).collect();
        let found = self.reader()?.series(&names, wanted.from_ms, wanted.until_ms, wanted.max);
        let found = found.map_err(|error| match error {
            memg_history::Error::UnknownPoint(_) => NoAnswer::NotFound(error.to_string()),
            memg_history::Error::Question(_) => NoAnswer::Wrong(error.to_string()),
            memg_history::Error::Unreadable(_) | memg_history::Error::Sqlite(_) => NoAnswer::Failed(error.to_string()),
        })?;
        let column = |series: memg_history::Series| Column {
            name: series.name,
            unit: series.unit,
            t: series.t,
            min: series.min,
            mean: series.mean,
            max: series.max,
        };
        Ok(Table { step_ms: found.step_ms, columns: found.series.into_iter().map(column).collect() })
    }

    fn ledger(&self, from: &str, until: &str, format: Format) -> Result<String, NoAnswer> {
        let now_ms = self.moment().unix_ms;
        money::answer((&self.site, &self.notes), now_ms, (from, until), format)
    }
}
