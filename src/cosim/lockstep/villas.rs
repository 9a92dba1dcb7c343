//! VILLASnode frames: `{"ts":{"origin":[s,ns]},"sequence":k,"data":[…]}`, one alone or as the only one in an array.
//!
//! Frames have neither start nor stop nor status. The first frame, and later every frame with sequence 0, begins a run
//! with the sid `villas`; positions in `data` and the step length come from the configuration. The answer has the same
//! sequence and `origin`; its `data` is empty when the frame was refused. An output position named `status` is 0 for
//! control and 1 for hold.

use super::{Start, StepAnswer, StepStatus, Values};
use memg_core::plant_state::Signal;
use serde_json::{Value, json};
use std::sync::Arc;

/// The sid of runs that begin with a frame.
pub(super) const SID: &str = "villas";
/// The output position that tells control from hold.
const STATUS: &str = "status";

/// What the positions in `data` mean.
#[derive(Debug, Clone, PartialEq)]
pub struct VillasMap {
    /// Signals in the order of the simulator's `data`; `None` = passed over.
    pub inputs: Vec<Option<Signal>>,
    /// Set-points, or `status`, in the order of our `data`.
    pub outputs: Vec<String>,
    /// Simulated time of sequence 0, s.
    pub t0_s: f64,
    /// Length of a step, s.
    pub dt_s: f64,
}

impl VillasMap {
    pub(super) fn start(&self) -> Start {
        Start { sid: SID.into(), t0_s: self.t0_s, dt_s: self.dt_s, mode: None }
    }
}

/// A frame from the simulator.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) k: u64,
    pub(super) values: Values,
    ts: Option<Value>,
    form: Form,
}

/// How the frame was wrapped; the answer is wrapped the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Alone,
    InArray,
}

impl Frame {
    pub(super) fn parse(message: &Value, map: &VillasMap) -> Result<Self, String> {
        let (frame, form) = match message {
            Value::Array(frames) => match &frames[..] {
                [frame] => (frame, Form::InArray),
                frames => return Err(format!("{} frames at once; lock-step takes one", frames.len())),
            },
            frame => (frame, Form::Alone),
        };
        let k = frame.get("sequence").and_then(Value::as_u64).ok_or("sequence is missing or not a whole number")?;
        let data = frame.get("data").and_then(Value::as_array).ok_or("data is missing or not an array")?;
        let value = |(signal, value): (&Option<Signal>, &Value)| Some(((*signal)?, value.as_f64()?));
        let values = Values::new(map.inputs.iter().zip(data).filter_map(value));
        let ts = frame.get("ts").and_then(|ts| ts.get("origin")).cloned();
        Ok(Self { k, values, ts, form })
    }

    pub(super) fn answer(&self, map: &VillasMap, answer: &StepAnswer) -> Arc<str> {
        let status = f64::from(u8::from(answer.status == StepStatus::Hold));
        let value = |name: &String| match name.as_str() {
            STATUS => Some(status),
            name => answer.setpoints.get(name).copied(),
        };
        self.wrap(map.outputs.iter().map(value).collect())
    }

    pub(super) fn refusal(&self) -> Arc<str> {
        self.wrap(Vec::new())
    }

    fn wrap(&self, data: Vec<Option<f64>>) -> Arc<str> {
        let mut frame = json!({ "sequence": self.k, "data": data });
        if let (Some(frame), Some(origin)) = (frame.as_object_mut(), &self.ts) {
            frame.insert("ts".into(), json!({ "origin": origin }));
        }
        match self.form {
            Form::Alone => frame.to_string().into(),
            Form::InArray => Value::Array(vec![frame]).to_string().into(),
        }
    }
}
