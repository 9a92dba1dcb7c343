//! VILLASnode frames: `{"ts":{"origin":[s,ns]},"sequence":k,"data":[…]}`, one alone or as the only one in an array.
//!
//! Frames have neither start nor stop nor status. The first frame, and later every frame with sequence 0, begins a run
//! with the sid `villas`; positions in `data` and the step length come from the configuration. The answer has the same
//! sequence and `origin`. A refused frame is answered with empty `data` and the reason as `error`, which VILLASnode passes
//! over and a person who listens reads. An output position named `status` is 0 for control, 1 for hold, 2 for the rule in
//! place of a failed network.

use super::super::reading;
use super::{Start, StepAnswer, StepStatus, Values};
use memg_core::extended::PRICE_HOURS;
use memg_core::plant_state::Tag;
use memg_core::series::Series;
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
    Signal(Tag),
    /// The mean import price of an hour ahead, EUR/kWh; 0 is the hour that begins now.
    PriceAhead(usize),
}

impl Position {
    /// Either name of a signal, `import_price_ahead_0` to `…_23`, or an empty text for nothing.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Nothing);
        }
        let hour = |text: &str| text.parse().ok().filter(|hour| *hour < PRICE_HOURS).map(Self::PriceAhead);
        reading::signal_named(name).map(Self::Signal).or_else(|| name.strip_prefix(PRICE_AHEAD).and_then(hour))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("-"),
            Self::Signal(signal) => signal.fmt(f),
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
        Start { sid: SID.into(), t0_s: self.t0_s, dt_s: self.dt_s, mode: None, history: Series::default() }
    }

    /// Read as what they say or refused, as in a `meas`. Positions at the end may be missing.
    fn values(&self, data: &[Value]) -> Result<Values, String> {
        if data.len() > self.inputs.len() {
            let (found, known) = (data.len(), self.inputs.len());
            return Err(format!(
                "data has {found} values, cosim.villas.inputs names {known}: pass others over with ''"
            ));
        }
        let mut signals = Vec::new();
        let mut prices = Vec::new();
        for (n, (position, value)) in self.inputs.iter().zip(data).enumerate() {
            let at = format!("data[{n}] ({position})");
            match position {
                Position::Signal(signal) => {
                    signals.extend(reading::number(&at, signal.signal(), value)?.map(|v| (*signal, v)))
                }
                Position::PriceAhead(hour) => {
                    prices.resize(prices.len().max(hour + 1), None);
                    if let Some(slot) = prices.get_mut(*hour) {
                        *slot = reading::price_ahead(&at, value)?;
                    }
                }
                Position::Nothing => {}
            }
        }
        Ok(Values::new(signals).with_prices(prices))
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
        let values = map.values(data)?;
        let ts = origin(frame).cloned();
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

    fn wrap(&self, data: Vec<Option<f64>>) -> Arc<str> {
        wrapped(json!({ "sequence": self.k, "data": data }), self.ts.as_ref(), self.form)
    }
}

/// The answer to a message that is refused: as far as it is a frame, with its sequence, origin and form.
pub(super) fn refusal(message: &Value, error: &str) -> Arc<str> {
    let (inner, form) = match message {
        Value::Array(frames) => (frames.first().unwrap_or(&Value::Null), Form::InArray),
        alone => (alone, Form::Alone),
    };
    let mut frame = json!({ "data": [], "error": error });
    if let (Some(frame), Some(k)) = (frame.as_object_mut(), inner.get("sequence").filter(|k| k.is_u64())) {
        frame.insert("sequence".into(), k.clone());
    }
    wrapped(frame, origin(inner), form)
}

fn origin(frame: &Value) -> Option<&Value> {
    frame.get("ts").and_then(|ts| ts.get("origin"))
}

fn wrapped(mut frame: Value, origin: Option<&Value>, form: Form) -> Arc<str> {
    if let (Some(frame), Some(origin)) = (frame.as_object_mut(), origin) {
        frame.insert("ts".into(), json!({ "origin": origin }));
    }
    match form {
        Form::Alone => frame.to_string().into(),
        Form::InArray => Value::Array(vec![frame]).to_string().into(),
    }
}
