//! The simulator behind the protocol: entities and their time.

use super::super::error::CosimError;
use super::super::reading;
use super::super::unit::Unit;
use super::{MosaikOptions, Request};
use memg_core::plant_state::Tag;
use memg_fmu::model::Kind;
use memg_fmu::series_text;
use memg_fmu::variable::{Causality, Value as UnitValue};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Entities at most.
const ENTITIES_MAX: u64 = 1000;
const MODELS: [(&str, Kind); 2] = [("Ems", Kind::Ems), ("Plant", Kind::Plant)];

struct Entity {
    kind: Kind,
    unit: Unit,
    /// What has ever been measured: from then on it must be there at every step. Nothing stands in for it.
    needed: BTreeSet<&'static str>,
}

/// One simulator: all its entities share the step size.
pub(super) struct Simulator<'a> {
    options: &'a MosaikOptions,
    entities: BTreeMap<String, Entity>,
    /// Seconds of one mosaik time unit.
    resolution_s: f64,
}

fn refuse(text: impl Into<String>) -> CosimError {
    CosimError::Protocol(text.into())
}

impl<'a> Simulator<'a> {
    pub(super) const fn new(options: &'a MosaikOptions) -> Self {
        Self { options, entities: BTreeMap::new(), resolution_s: 1.0 }
    }

    pub(super) fn answer(&mut self, request: &Request) -> Result<Value, CosimError> {
        match request.function.as_str() {
            "init" => self.init(request),
            "create" => self.create(request),
            "setup_done" => Ok(Value::Null),
            "step" => self.step(request),
            "get_data" => self.get_data(request),
            other => Err(refuse(format!("there is no function {other:?}"))),
        }
    }

    fn step_s(&self) -> f64 {
        self.options.units.plant.step_h * 3600.0
    }

    fn init(&mut self, request: &Request) -> Result<Value, CosimError> {
        let resolution = request.kwargs.get("time_resolution").map_or(Some(1.0), Value::as_f64);
        let units = resolution.map_or(f64::NAN, |resolution| self.step_s() / resolution);
        // A step must be a whole number of mosaik's time units.
        if !(units >= 1.0 && (units - units.round()).abs() < 1e-9) {
            return Err(refuse(format!(
                "time_resolution: expected a part of the step of {} s, found {resolution:?}",
                self.step_s()
            )));
        }
        self.resolution_s = self.step_s() / units.round();
        let mut models = Map::new();
        for (name, kind) in MODELS {
            let unit = Unit::new(kind, &self.options.units);
            let params = unit.names(Causality::Parameter);
            let attrs = attributes(kind, &unit);
            models.insert(name.to_owned(), json!({"public": true, "params": params, "attrs": attrs}));
        }
        Ok(json!({"api_version": "3.0", "type": "time-based", "models": models}))
    }

    fn create(&mut self, request: &Request) -> Result<Value, CosimError> {
        let count = request.argument(0, "num").and_then(Value::as_u64).unwrap_or(0);
        let model = request.argument(1, "model").and_then(Value::as_str).unwrap_or("");
        let known = || refuse(format!("model: expected Ems or Plant, found {model:?}"));
        let (name, kind) = MODELS.into_iter().find(|(name, _)| *name == model).ok_or_else(known)?;
        if count == 0 || count + self.entities.len() as u64 > ENTITIES_MAX {
            return Err(refuse(format!("num: expected 1 to {ENTITIES_MAX} entities in all, found {count}")));
        }
        let mut made = Vec::new();
        for _ in 0..count {
            let id = format!("{name}-{}", self.entities.len());
            let unit = self.unit(kind, &request.kwargs)?;
            self.entities.insert(id.clone(), Entity::new(kind, unit));
            made.push(json!({"eid": id, "type": name}));
        }
        Ok(Value::Array(made))
    }

    fn unit(&self, kind: Kind, parameters: &Map<String, Value>) -> Result<Unit, CosimError> {
        let mut unit = match kind {
            Kind::Ems => Unit::controller(&self.options.units)?,
            Kind::Plant => {
                let profile = self.options.profile.as_ref();
                let profile = profile.ok_or_else(|| refuse("Plant: this gateway was started without a profile"))?;
                let mut unit = Unit::new(kind, &self.options.units);
                unit.set("profile_file", UnitValue::Text(profile.display().to_string()))?;
                unit
            }
        };
        for (name, value) in parameters.iter().filter(|(name, _)| *name != "num" && *name != "model") {
            if name == "sample_time" {
                return Err(refuse("sample_time is the gateway's step; give it another site"));
            }
            match value {
                Value::String(_) | Value::Object(_) => {
                    unit.set(name, UnitValue::Text(text(name, value).map_err(refuse)?))?;
                }
                _ => unit.set_number(name, number(name, value).map_err(refuse)?)?,
            }
        }
        unit.initialize()?;
        Ok(unit)
    }

    /// Returns the time of the next step.
    fn step(&mut self, request: &Request) -> Result<Value, CosimError> {
        let time = request.argument(0, "time").and_then(Value::as_u64);
        let time = time.ok_or_else(|| refuse("step: expected a time"))?;
        let inputs = request.argument(1, "inputs").and_then(Value::as_object).cloned().unwrap_or_default();
        let (now_s, step_s) = (time as f64 * self.resolution_s, self.step_s());
        if let Some(id) = inputs.keys().find(|id| !self.entities.contains_key(*id)) {
            return Err(refuse(format!("there is no entity {id:?}")));
        }
        for (id, entity) in &mut self.entities {
            let at = |error| refuse(format!("{id}, step at {now_s} s: {error}"));
            entity.set_inputs(inputs.get(id).unwrap_or(&Value::Null)).map_err(at)?;
        }
        for entity in self.entities.values_mut() {
            entity.live(now_s, step_s)?;
        }
        Ok(json!(time + (step_s / self.resolution_s).round() as u64))
    }

    fn get_data(&mut self, request: &Request) -> Result<Value, CosimError> {
        let wanted = request.argument(0, "outputs").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut data = Map::new();
        for (id, attributes) in wanted {
            let entity = self.entities.get_mut(&id).ok_or_else(|| refuse(format!("there is no entity {id:?}")))?;
            let mut values = Map::new();
            for name in attributes.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let of = entity.measured(name).and_then(reading::input_of).unwrap_or(name);
                values.insert(name.to_owned(), as_json(entity.unit.value(of)?));
            }
            data.insert(id, Value::Object(values));
        }
        Ok(Value::Object(data))
    }
}

/// Inputs and outputs; measurements of the controller under both of their names.
fn attributes(kind: Kind, unit: &Unit) -> Vec<String> {
    let inputs = unit.names(Causality::Input);
    let aliases: Vec<_> = inputs.iter().filter_map(|name| reading::alias_of(name).map(str::to_owned)).collect();
    let aliases = if kind == Kind::Ems { aliases } else { Vec::new() };
    [inputs, aliases, unit.names(Causality::Output)].concat()
}

impl Entity {
    fn new(kind: Kind, unit: Unit) -> Self {
        let needed = if kind == Kind::Ems { reading::required(unit.rows()) } else { BTreeSet::new() };
        Self { kind, unit, needed }
    }

    /// The measurement of that name.
    fn measured(&self, name: &str) -> Option<Tag> {
        reading::signal_named(name).filter(|_| self.kind == Kind::Ems)
    }

    /// `{attribute: {source: value}}`; a set-point or measurement has one source.
    fn set_inputs(&mut self, attributes: &Value) -> Result<(), String> {
        let mut given = BTreeSet::new();
        for (name, sources) in attributes.as_object().into_iter().flatten() {
            let values: Vec<&Value> = sources.as_object().into_iter().flat_map(Map::values).collect();
            let [value] = values.as_slice() else {
                return Err(format!("{name}: expected one source, found {}", values.len()));
            };
            if self.is_text(name) {
                self.set_text(name, value)?;
                continue;
            }
            let Some(tag) = self.measured(name) else {
                self.set(name, number(name, value)?)?;
                continue;
            };
            let Some(value) = reading::number(name, tag.signal(), value)? else { continue };
            let input = reading::input_of(tag).ok_or_else(|| format!("{name} is no input of the controller"))?;
            self.set(input, value)?;
            if !given.insert(input) {
                return Err(format!("{name} is there twice, under two names"));
            }
        }
        let missing: Vec<_> = self.needed.difference(&given).copied().collect();
        self.needed.append(&mut given);
        if missing.is_empty() { Ok(()) } else { Err(lacking(&missing)) }
    }

    fn is_text(&self, name: &str) -> bool {
        self.unit.rows().iter().any(|row| row.name == name && !row.is_number())
    }

    fn set_text(&mut self, name: &str, value: &Value) -> Result<(), String> {
        self.unit.set(name, UnitValue::Text(text(name, value)?)).map_err(|error| error.to_string())
    }

    fn set(&mut self, name: &str, value: f64) -> Result<(), String> {
        self.unit.set_number(name, value).map_err(|error| error.to_string())
    }

    fn live(&mut self, now_s: f64, step_s: f64) -> Result<(), CosimError> {
        match self.kind {
            Kind::Ems => self.unit.step(step_s),
            // Up to now with the set-points that have just arrived; at the start there is nothing to live through.
            Kind::Plant if now_s > self.unit.now() => self.unit.step(now_s - self.unit.now()),
            Kind::Plant => Ok(()),
        }
    }
}

/// Set-points need every one of these; a stand-in would be a set-point from nothing.
fn lacking(missing: &[&'static str]) -> String {
    let both = |name: &&str| reading::alias_of(name).map_or((*name).to_owned(), |alias| format!("{name} ({alias})"));
    let names: Vec<String> = missing.iter().map(both).collect();
    format!("no value for {}: connect them to a simulator that gives them at every step", names.join(", "))
}

fn number(name: &str, value: &Value) -> Result<f64, String> {
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        other => other.as_f64().ok_or_else(|| format!("{name}: expected a number, found {other}")),
    }
}

/// A text; outlook and history may come as JSON objects as well, and are read here, where a refusal names the entity.
fn text(name: &str, value: &Value) -> Result<String, String> {
    match (name, value) {
        ("outlook" | "history", Value::String(text)) => {
            series_text::parse(name, text).map(|series| series_text::write(&series))
        }
        ("outlook" | "history", value) => series_text::read(name, value).map(|series| series_text::write(&series)),
        (_, Value::String(text)) => Ok(text.clone()),
        (_, value) => Err(format!("{name}: expected a text, found {value}")),
    }
}

fn as_json(value: UnitValue) -> Value {
    match value {
        UnitValue::Real(value) => json!(value),
        UnitValue::Integer(value) => json!(value),
        UnitValue::Boolean(value) => json!(value),
        UnitValue::Text(value) => json!(value),
    }
}
