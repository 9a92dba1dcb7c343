//! VILLASnode frames: `{"ts":{"origin":[s,ns]},"sequence":k,"data":[…]}`, one alone or as the only one in an array.
//!
//! Frames have neither start nor stop nor status. The first frame, and later every frame with sequence 0, begins a run
//! with the sid `villas`; positions in `data` and the step length come from the configuration. The answer has the same
//! sequence and `origin`; its `data` is empty when the frame was refused. An output position named `status` is 0 for
//! control, 1 for hold, 2 for the rule in place of a failed network.

use super::{Start, StepAnswer, StepStatus, Values};
use memg_core::extended::PRICE_HOURS;
use memg_core::plant_state::Signal;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// The sid of runs that begin with a frame.
pub(super) const SID: &str = "villas";
/// The output position that tells control from hold.
pub(super) const STATUS: &str = "status";
/// Input positions with prices of the hours ahead start with this; the hour follows.
const PRICE_AHEAD: &str = "import_price_ahead_";

/// What a position in the simulator's `data` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Passed over.
    Nothing,
    /// A signal.
    Signal(Signal),
    /// The mean import price of an hour ahead, EUR/kWh; 0 is the hour that begins now.
    PriceAhead(usize),
}

impl Position {
    /// A signal's name, `import_price_ahead_0` to `…_23`, or an empty text for nothing.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Nothing);
        }
        let hour = |text: &str| text.parse().ok().filter(|hour| *hour < PRICE_HOURS).map(Self::PriceAhead);
        Signal::from_name(name).map(Self::Signal).or_else(|| name.strip_prefix(PRICE_AHEAD).and_then(hour))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("-"),
            Self::Signal(signal) => f.write_str(signal.name()),
            Self::PriceAhead(hour) => write!(f, "{PRICE_AHEAD}{hour}"),
        }
    }
}

/// What the positions in `data` mean.
#[derive(Debug, Clone, PartialEq)]
pub struct VillasMap {
    /// What the simulator's `data` holds, in its order.
    pub inputs: Vec<Position>,
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

    fn values(&self, data: &[Value]) -> Values {
        let mut signals = Vec::new();
        let mut prices = Vec::new();
        for (position, value) in self.inputs.iter().zip(data.iter().map(Value::as_f64)) {
            match (position, value) {
                (Position::Signal(signal), Some(value)) => signals.push((*signal, value)),
                (Position::PriceAhead(hour), value) => {
                    prices.resize(prices.len().max(hour + 1), None);
                    if let Some(slot) = prices.get_mut(*hour) {
                        *slot = value;
                    }
                }
                (Position::Signal(_), None) | (Position::Nothing, _) => {}
            }
        }
        Values::new(signals).with_prices(prices)
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
        let values = map.values(data);
        let ts = frame.get("ts").and_then(|ts| ts.get("origin")).cloned();
        Ok(Self { k, values, ts, form })
    }

    pub(super) fn answer(&self, map: &VillasMap, answer: &StepAnswer) -> Arc<str> {
        let status = match answer.status {
            StepStatus::Ok => 0.0,
            StepStatus::Hold => 1.0,
            StepStatus::Fallback => 2.0,
        };
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
