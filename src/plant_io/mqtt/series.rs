//! From a payload to a forecast, without believing anything.
//!
//! Two shapes are read: `{"start": …, "step_s": 900, "values": [83.2, null, …]}`, and a list of objects with a start and a
//! value each, under the names that the entry configures. Without a configured length a listed value holds for the
//! shortest distance between two starts, so that what the list leaves out stays a hole. Instants are texts with an offset
//! (`2026-03-01T12:00:00+01:00`) or numbers: seconds since 1970 up to 10¹¹ (the year 5138), milliseconds above (from 1973
//! on), which no outlook can confuse.

use super::payload::Rejection;
use super::settings::OutlookInput;
use super::timestamp::TimeFormat;
use crate::forecast::{Forecast, Span};
use memg_core::calendar::LocalTime;
use serde_json::{Map, Value};

/// Values of one message; a week of quarter hours has 672.
const VALUES_MAX: usize = 4096;
/// Numbers above count milliseconds.
const SECONDS_MAX: f64 = 1e11;

/// Reads the forecast of an entry from a payload that is JSON.
///
/// # Errors
/// Why nothing of the message is believed.
pub(super) fn read(payload: &Value, input: &OutlookInput) -> Result<Forecast, Rejection> {
    let spans = match payload.pointer(&input.pointer).ok_or(Rejection::Missing)? {
        Value::Object(object) => in_a_row(object, input)?,
        Value::Array(list) => listed(list, input)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(Rejection::NoSeries),
    };
    Forecast::new(spans).ok_or(Rejection::Overlapping)
}

/// One start, values at a fixed distance.
fn in_a_row(object: &Map<String, Value>, input: &OutlookInput) -> Result<Vec<Span>, Rejection> {
    let start_ms = object.get(&input.start_key).and_then(instant_ms).ok_or(Rejection::NoTime)?;
    let told_ms = object.get("step_s").and_then(Value::as_f64).map(|seconds| (seconds * 1000.0).round());
    let told_ms = told_ms.filter(|ms| (1.0..=86_400_000.0).contains(ms)).map(|ms| ms as i64);
    let step_ms = input.step_ms.or(told_ms).ok_or(Rejection::NoStep)?;
    let values = object.get("values").and_then(Value::as_array).ok_or(Rejection::NoSeries)?;
    bounded(values)?;
    let begins = (0..).map(|n: i64| start_ms + n * step_ms);
    let span =
        |(from_ms, value)| Ok(number(value, input)?.map(|value| Span { from_ms, until_ms: from_ms + step_ms, value }));
    begins.zip(values).map(span).filter_map(Result::transpose).collect()
}

/// Objects with a start and a value each.
fn listed(list: &[Value], input: &OutlookInput) -> Result<Vec<Span>, Rejection> {
    bounded(list)?;
    let entry = |object: &Value| {
        let from_ms = object.get(&input.start_key).and_then(instant_ms).ok_or(Rejection::NoTime)?;
        Ok((from_ms, number(object.get(&input.value_key).ok_or(Rejection::Missing)?, input)?))
    };
    let mut entries: Vec<(i64, Option<f64>)> = list.iter().map(entry).collect::<Result<_, _>>()?;
    entries.sort_by_key(|(from_ms, _)| *from_ms);
    let shortest = entries.windows(2).filter_map(|pair| Some(pair.last()?.0 - pair.first()?.0)).min();
    let step_ms = input.step_ms.or(shortest).ok_or(Rejection::NoStep)?;
    let span =
        |(from_ms, value): (i64, Option<f64>)| Some(Span { from_ms, until_ms: from_ms + step_ms, value: value? });
    Ok(entries.into_iter().filter_map(span).collect())
}

const fn bounded(values: &[Value]) -> Result<(), Rejection> {
    if values.len() > VALUES_MAX { Err(Rejection::TooLong) } else { Ok(()) }
}

fn instant_ms(value: &Value) -> Option<i64> {
    let ms = match value {
        Value::Number(number) if number.as_f64()? > SECONDS_MAX => TimeFormat::UnixMillis.unix_ms(value),
        Value::Number(_) => TimeFormat::UnixSeconds.unix_ms(value),
        Value::String(text) => TimeFormat::Rfc3339.unix_ms(value).or_else(|| to_the_minute_ms(text)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    i64::try_from(ms?).ok()
}

/// ISO 8601 without seconds, as profiles have it.
fn to_the_minute_ms(text: &str) -> Option<u64> {
    let time = LocalTime::parse(text)?;
    u64::try_from((time.minute - time.offset_min) * 60_000).ok()
}

/// A value in the unit of the quantity; `null` is a hole.
fn number(value: &Value, input: &OutlookInput) -> Result<Option<f64>, Rejection> {
    if value.is_null() {
        return Ok(None);
    }
    let value = value.as_f64().ok_or(Rejection::NotANumber)? * input.factor + input.offset;
    let (low, high) = input.range;
    if (low..=high).contains(&value) { Ok(Some(value)) } else { Err(Rejection::OutOfRange) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::series::Quantity;
    use serde_json::json;
    use std::time::Duration;

    const START_MS: i64 = 1_700_000_000_000;

    fn input(pointer: &str, start_key: &str, value_key: &str) -> OutlookInput {
        OutlookInput {
            topic: "market".into(),
            quantity: Quantity::ImportPrice,
            pointer: pointer.into(),
            start_key: start_key.into(),
            value_key: value_key.into(),
            time: None,
            factor: 1e-3,
            offset: 0.0,
            range: (-1.0, 5.0),
            step_ms: None,
            age_max: Duration::from_secs(3600),
        }
    }

    fn spans(payload: &Value, input: &OutlookInput) -> Result<Vec<(i64, i64, f64)>, Rejection> {
        let seconds =
            |span: &Span| ((span.from_ms - START_MS) / 1000, (span.until_ms - span.from_ms) / 1000, span.value);
        read(payload, input).map(|forecast| forecast.spans().iter().map(seconds).collect())
    }

    #[test]
    fn an_hourly_list_as_awattar_publishes_it_is_read_and_its_hole_stays_one() {
        let payload = json!({ "object": "list", "data": [
            { "start_timestamp": 1_700_000_000_000_i64, "end_timestamp": 1_700_003_600_000_i64, "marketprice": 80.0 },
            { "start_timestamp": 1_700_003_600_000_i64, "marketprice": -5.0, "unit": "Eur/MWh" },
            { "start_timestamp": 1_700_010_800_000_i64, "marketprice": 250 },
        ] });
        let found = spans(&payload, &input("/data", "start_timestamp", "marketprice"));
        assert_eq!(found, Ok(vec![(0, 3600, 0.08), (3600, 3600, -0.005), (10_800, 3600, 0.25)]));
    }

    #[test]
    fn a_list_of_quarter_hours_with_iso_times_is_read_in_any_order_and_offset() {
        let payload = json!([
            { "start": "2023-11-14T23:28:20+01:00", "value": 2000 },
            { "start": "2023-11-14T22:13:20Z", "value": 1000 },
            { "start": "2023-11-14T23:43:20.000+01:00", "value": null },
        ]);
        assert_eq!(spans(&payload, &input("", "start", "value")), Ok(vec![(0, 900, 1.0), (900, 900, 2.0)]));
        let minutes = json!([{ "start": "2023-11-14T23:30+01:00", "value": 1 }, { "start": "2023-11-14T23:45+01:00", "value": 2 }]);
        assert_eq!(spans(&minutes, &input("", "start", "value")).map(|found| found[0].0), Ok(1000));
    }

    #[test]
    fn values_in_a_row_begin_at_the_start_however_it_is_written() {
        for start in [json!(1_700_000_000), json!(1_700_000_000_000_i64), json!("2023-11-14T22:13:20Z")] {
            let payload = json!({ "start": start, "step_s": 900, "values": [1000, null, 3000] });
            assert_eq!(spans(&payload, &input("", "start", "value")), Ok(vec![(0, 900, 1.0), (1800, 900, 3.0)]));
        }
    }

    #[test]
    fn one_bad_value_spoils_the_message_and_the_reason_is_told() {
        let list =
            |value: Value| json!([{ "start": 1_700_000_000, "value": value }, { "start": 1_700_003_600, "value": 0 }]);
        for (payload, why) in [
            (list(json!("83")), Rejection::NotANumber),
            (list(json!(1e9)), Rejection::OutOfRange),
            (json!([{ "start": 1_700_000_000, "value": 1 }]), Rejection::NoStep),
            (json!([{ "start": "tomorrow", "value": 1 }]), Rejection::NoTime),
            (json!([{ "start": 1_700_000_000 }]), Rejection::Missing),
            (json!([{ "start": 1, "value": 1 }, { "start": 1, "value": 2 }]), Rejection::Overlapping),
            (json!({ "start": 1_700_000_000, "values": [1] }), Rejection::NoStep),
            (json!({ "start": 1_700_000_000, "step_s": 0, "values": [1] }), Rejection::NoStep),
            (json!({ "start": 1_700_000_000, "step_s": 900 }), Rejection::NoSeries),
            (json!({ "start": 1_700_000_000, "step_s": 900, "values": vec![0; 5000] }), Rejection::TooLong),
            (json!(3), Rejection::NoSeries),
        ] {
            assert_eq!(spans(&payload, &input("", "start", "value")), Err(why), "{payload}");
        }
        assert_eq!(spans(&json!({}), &input("/data", "start", "value")), Err(Rejection::Missing));
    }
}
