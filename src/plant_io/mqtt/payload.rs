//! From a payload to a number, without believing anything.
//!
//! Payloads arrive bounded (see [`super::trim`]); JSON deeper than 128 levels, not UTF-8, or with trailing garbage is
//! refused by the parser. A payload is parsed once, however many inputs take values from it.

use super::receive::Body;
use super::settings::{Input, TimeSource, ValueSource};
use serde_json::Value;

/// Longest text that can be a number or one of the configured words, bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Why a message was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The payload was larger than `payload_bytes_max`.
    #[error("The payload is larger than payload_bytes_max; it was dropped unread.")]
    Oversize,
    /// Neither JSON nor, for raw inputs, text.
    #[error("The payload is not JSON (or too deeply nested).")]
    Unreadable,
    /// The pointer leads nowhere.
    #[error("The payload has no value at the configured pointer.")]
    Missing,
    /// Something else than a number, or a number that is not finite.
    #[error("The value is not a finite number.")]
    NotANumber,
    /// A number outside the configured range.
    #[error("The value is outside its range.")]
    OutOfRange,
    /// No time stamp where one is configured.
    #[error("The time stamp is missing or in another notation.")]
    NoTime,
    /// The time stamp is in the future.
    #[error("The time stamp is in the future: one of the two clocks is wrong.")]
    InFuture,
    /// Older than the value in use: delivered late, out of order, or replayed.
    #[error("The time stamp is older than that of the value in use.")]
    Reordered,
    /// Older than `age_max_s`.
    #[error("The message is older than age_max_s.")]
    TooOld,
    /// Neither a list nor an object with `values`.
    #[error("The payload has no list of values.")]
    NoSeries,
    /// The length of a value is not known.
    #[error("The length of a value is not known: neither step_s nor two starts, or not 0.001 s to a day.")]
    NoStep,
    /// Two values for one instant.
    #[error("Two values hold at the same time.")]
    Overlapping,
    /// More values than anybody needs.
    #[error("The list has more than 4096 values.")]
    TooLong,
    /// Stored at the broker for an unknown time.
    #[error("The message is a retained one without time stamp: nobody knows how old it is.")]
    RetainedWithoutTime,
}

/// A payload, parsed as far as its inputs need it.
#[derive(Debug)]
pub(super) enum Payload<'a> {
    Oversize,
    Text(&'a [u8], Option<Value>),
}

impl<'a> Payload<'a> {
    /// Parses once, if one of the inputs needs JSON.
    pub(super) fn new<'s>(body: Body<'a>, sources: impl IntoIterator<Item = &'s ValueSource>) -> Self {
        let Body::Bytes(bytes) = body else { return Self::Oversize };
        let needs_json = sources.into_iter().any(|source| *source != ValueSource::Raw);
        Self::Text(bytes, if needs_json { serde_json::from_slice(bytes).ok() } else { None })
    }

    /// The number of an input, converted and checked for its range.
    pub(super) fn value(&self, input: &Input) -> Result<f64, Rejection> {
        let number = match (self, &input.source) {
            (Self::Oversize, _) => return Err(Rejection::Oversize),
            (Self::Text(bytes, _), ValueSource::Raw) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Rejection::Unreadable)?;
                number_of_text(text.trim(), input)
            }
            (Self::Text(_, json), ValueSource::Pointer(pointer)) => {
                let json = json.as_ref().ok_or(Rejection::Unreadable)?;
                number_of_json(json.pointer(pointer).ok_or(Rejection::Missing)?, input)
            }
        };
        let value = number.ok_or(Rejection::NotANumber)? * input.factor + input.offset;
        let (low, high) = input.range;
        if !value.is_finite() {
            return Err(Rejection::NotANumber);
        }
        if (low..=high).contains(&value) { Ok(value) } else { Err(Rejection::OutOfRange) }
    }

    /// The time stamp, milliseconds since 1970-01-01 UTC.
    pub(super) fn time(&self, source: &TimeSource) -> Result<u64, Rejection> {
        match self {
            Self::Oversize => Err(Rejection::Oversize),
            Self::Text(_, json) => {
                let json = json.as_ref().ok_or(Rejection::Unreadable)?;
                json.pointer(&source.pointer).and_then(|value| source.format.unix_ms(value)).ok_or(Rejection::NoTime)
            }
        }
    }
}

fn number_of_json(value: &Value, input: &Input) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::String(text) => number_of_text(text, input),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number_of_text(text: &str, input: &Input) -> Option<f64> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    match (input.words.get(text), text) {
        (Some(number), _) => Some(*number),
        (None, "true") => Some(1.0),
        (None, "false") => Some(0.0),
        (None, text) => text.parse().ok(),
    }
}
