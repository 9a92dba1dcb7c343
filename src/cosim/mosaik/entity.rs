//! The simulator behind the protocol: entities and their time.

use super::super::error::CosimError;
use super::super::unit::Unit;
use super::{MosaikOptions, Request};
use memg_fmu::model::Kind;
use memg_fmu::variable::{Causality, Value as UnitValue};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Entities at most.
const ENTITIES_MAX: u64 = 1000;
const MODELS: [(&str, Kind); 2] = [("Ems", Kind::Ems), ("Plant", Kind::Plant)];

struct Entity {
    kind: Kind,
    unit: Unit,
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
            let attrs = [unit.names(Causality::Input), unit.names(Causality::Output)].concat();
            let params = unit.names(Causality::Parameter);
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
            self.entities.insert(id.clone(), Entity { kind, unit });
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
                Value::String(text) => unit.set(name, UnitValue::Text(text.clone()))?,
                _ => unit.set_number(name, number(name, value)?)?,
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
        for (id, attributes) in &inputs {
            let entity = self.entities.get_mut(id).ok_or_else(|| refuse(format!("there is no entity {id:?}")))?;
            entity.set_inputs(id, attributes)?;
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
                values.insert(name.to_owned(), as_json(entity.unit.value(name)?));
            }
            data.insert(id, Value::Object(values));
        }
        Ok(Value::Object(data))
    }
}

impl Entity {
    /// `{attribute: {source: value}}`; a set-point or measurement has one source.
    fn set_inputs(&mut self, id: &str, attributes: &Value) -> Result<(), CosimError> {
        for (name, sources) in attributes.as_object().into_iter().flatten() {
            let values: Vec<&Value> = sources.as_object().into_iter().flat_map(Map::values).collect();
            let [value] = values.as_slice() else {
                return Err(refuse(format!("{id}.{name}: expected one source, found {}", values.len())));
            };
            self.unit.set_number(name, number(name, value)?)?;
        }
        Ok(())
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

fn number(name: &str, value: &Value) -> Result<f64, CosimError> {
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        other => other.as_f64().ok_or_else(|| refuse(format!("{name}: expected a number, found {other}"))),
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
