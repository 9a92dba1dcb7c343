//! The messages of the lock-step protocol as JSON.

use super::super::reading;
use super::machine::{Ending, Tally};
use super::{Start, StepAnswer, Values};
use memg_fmu::series_text;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A step: number, simulated time (s), values.
#[derive(Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) k: u64,
    pub(super) t_s: f64,
    pub(super) values: Values,
}

/// Parses JSON; bare `NaN`, `Infinity` and `-Infinity`, which Python and JavaScript tools write, count as `null`.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes)
        .ok()
        .or_else(|| serde_json::from_str(&without_nan(std::str::from_utf8(bytes).ok()?)).ok())
}

/// Replaces bare NaN and infinities outside strings.
fn without_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word));
        let (take, replace) = match (word, first) {
            (Some(word), _) => (word.len(), Some("null")),
            (None, '"') => (string_length(rest), None),
            (None, _) => (first.len_utf8(), None),
        };
        let (taken, after) = rest.split_at(take);
        out.push_str(replace.unwrap_or(taken));
        rest = after;
    }
    out
}

/// Length of the string literal at the start of `text`, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// The sid of any message, if it is one: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
pub(super) fn sid(message: &Value) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match message.get("sid").and_then(Value::as_str) {
        Some(sid) if (1..=64).contains(&sid.len()) && sid.bytes().all(plain) => Ok(sid.to_owned()),
        Some(_) | None => Err("sid is missing or not 1 to 64 characters of A-Z a-z 0-9 . _ : -".into()),
    }
}

/// A `start`.
pub(super) fn start(message: &Value) -> Result<Start, String> {
    let t0_s = number(message, "t0")?;
    let dt_s = number(message, "dt_s")?;
    if dt_s <= 0.0 {
        return Err("dt_s must be above 0".into());
    }
    let mode = match message.get("mode") {
        None | Some(Value::Null) => None,
        Some(Value::String(mode)) => Some(mode.clone()),
        Some(_) => return Err("mode must be a text".into()),
    };
    let history = series_text::read("history", message.get("history").unwrap_or(&Value::Null))?;
    Ok(Start { sid: sid(message)?, t0_s, dt_s, mode, history })
}

/// A `meas`.
pub(super) fn measured(message: &Value) -> Result<Measured, String> {
    let k = message.get("k").and_then(Value::as_u64).ok_or("k is missing or not a whole number")?;
    let t_s = number(message, "t")?;
    let object = message.get("v").and_then(Value::as_object).ok_or("v is missing or not an object")?;
    Ok(Measured { k, t_s, values: reading::read(object)? })
}

fn number(message: &Value, key: &str) -> Result<f64, String> {
    let number = message.get(key).and_then(Value::as_f64).filter(|number| number.is_finite());
    number.ok_or_else(|| format!("{key} is missing or not a number"))
}

#[derive(Serialize)]
struct Ready<'a> {
    sid: Option<&'a str>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Setpoints<'a> {
    sid: &'a str,
    k: u64,
    t: f64,
    v: &'a BTreeMap<String, f64>,
    safety: &'a [String],
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relaxation: Option<&'a str>,
}

#[derive(Serialize)]
struct Failure<'a> {
    sid: Option<&'a str>,
    k: Option<u64>,
    status: &'a str,
    error: &'a str,
}

#[derive(Serialize)]
struct SummaryMessage<'a> {
    sid: &'a str,
    status: &'a str,
    steps: u64,
    hold_steps: u64,
    repeated: u64,
    errors: u64,
    t_last: Option<f64>,
}

pub(super) fn ready(sid: Option<&str>, error: Option<&str>) -> Arc<str> {
    text(&Ready { sid, status: if error.is_some() { "error" } else { "ok" }, error })
}

pub(super) fn setpoints(sid: &str, k: u64, t: f64, answer: &StepAnswer) -> Arc<str> {
    let StepAnswer { setpoints, safety, status, fault, relaxation } = answer;
    let (fault, relaxation) = (fault.as_deref(), relaxation.as_deref());
    text(&Setpoints { sid, k, t, v: setpoints, safety, status: status.name(), fault, relaxation })
}

pub(super) fn failure(sid: Option<&str>, k: Option<u64>, error: &str) -> Arc<str> {
    text(&Failure { sid, k, status: "error", error })
}

pub(super) fn summary(sid: &str, ending: Ending, tally: &Tally) -> Arc<str> {
    let Tally { steps, hold_steps, repeated, errors, t_last_s } = *tally;
    text(&SummaryMessage { sid, status: ending.name(), steps, hold_steps, repeated, errors, t_last: t_last_s })
}

/// These types have no maps with other keys than text, the only thing that could fail.
fn text(message: &impl Serialize) -> Arc<str> {
    serde_json::to_string(message).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::plant_state::Signal;
    use serde_json::json;

    #[test]
    fn bare_nan_and_infinity_count_as_null_and_text_is_left_alone() {
        let parsed = parse(br#"{"a": NaN, "b":-Infinity, "c\" NaN":"NaN", "d":[Infinity,1]}"#);
        assert_eq!(parsed, Some(json!({ "a": null, "b": null, "c\" NaN": "NaN", "d": [null, 1] })));
        for garbage in [&b"{"[..], b"\xff", b"Nan", b"\"\\", b""] {
            assert_eq!(parse(garbage), None);
        }
    }

    #[test]
    fn a_measurement_needs_its_number_and_its_time() {
        let message = json!({ "k": 0, "t": 0, "v": { "pv_kw": 1, "soc": null } });
        let values = Values::new([(Signal::PvKw, 1.0)]);
        assert_eq!(measured(&message).unwrap(), Measured { k: 0, t_s: 0.0, values });
        assert!(measured(&json!({ "k": -1, "t": 0, "v": {} })).unwrap_err().contains("k is missing"));
        assert!(measured(&json!({ "k": 1, "t": null, "v": {} })).unwrap_err().contains("t is missing"));
    }
}
