//! Values and their status: from what is known of a point to what OPC UA says about it, and from what is written to a number.
//!
//! | trust | status | value |
//! |---|---|---|
//! | good | `Good` | as it is |
//! | uncertain: a substitute, or it does not move | `UncertainSubNormal` | as it is |
//! | bad: old, out of range, or its device is away | `Bad` | none |
//! | nothing is known | `BadWaitingForInitialData` | none |

use memg_north::desk::Refusal;
use memg_north::points::{Point, Shape};
use memg_north::wires::{Reading, Trust};
use opcua::types::{DataTypeId, DataValue, DateTime, StatusCode, TimestampsToReturn, UAString, Variant};

/// 100 ns steps from 1601 to 1970, and in a millisecond.
const EPOCH_TICKS: i64 = 116_444_736_000_000_000;
const MS_TICKS: i64 = 10_000;
/// 2200 in ms since 1970: what lies beyond is no time of a plant.
const LATEST_MS: i64 = 7_258_118_400_000;

/// Type of a point's node.
pub(crate) fn data_type(shape: Shape) -> DataTypeId {
    match shape {
        Shape::Number => DataTypeId::Double,
        Shape::Count => DataTypeId::UInt16,
        Shape::Flag => DataTypeId::Boolean,
        Shape::State(_) | Shape::Text(_) => DataTypeId::String,
    }
}

/// What is known of a point, in a cycle of that time.
pub(crate) fn data_value(point: &Point, reading: &Reading, cycle_ms: i64) -> DataValue {
    let known = variant(point.shape, reading);
    let status = match reading.trust {
        Trust::Bad => StatusCode::Bad,
        _ if known.is_none() => StatusCode::BadWaitingForInitialData,
        Trust::Never => StatusCode::BadWaitingForInitialData,
        Trust::Uncertain => StatusCode::UncertainSubNormal,
        Trust::Good => StatusCode::Good,
    };
    // Whoever subscribes without a filter is told by the library when the value changes, not when its status does alone.
    let value = known.filter(|_| !status.is_bad());
    let source = time(cycle_ms.saturating_sub((reading.age_s * 1000.0) as i64));
    DataValue {
        value,
        status: Some(status),
        source_timestamp: Some(source),
        server_timestamp: Some(time(cycle_ms)),
        ..DataValue::default()
    }
}

/// Only the times that were asked for.
pub(crate) fn with_times(mut value: DataValue, wanted: TimestampsToReturn) -> DataValue {
    if !matches!(wanted, TimestampsToReturn::Source | TimestampsToReturn::Both) {
        value.source_timestamp = None;
    }
    if !matches!(wanted, TimestampsToReturn::Server | TimestampsToReturn::Both) {
        value.server_timestamp = None;
    }
    value
}

fn time(unix_ms: i64) -> DateTime {
    DateTime::from(unix_ms.clamp(0, LATEST_MS) * MS_TICKS + EPOCH_TICKS)
}

fn variant(shape: Shape, reading: &Reading) -> Option<Variant> {
    if let Some(text) = &reading.text {
        return Some(Variant::String(UAString::from(text.as_ref())));
    }
    let value = reading.value?;
    Some(match shape {
        Shape::Number => Variant::Double(value),
        Shape::Count => Variant::UInt16(value as u16),
        Shape::Flag => Variant::Boolean(value != 0.0),
        Shape::State(states) => {
            let name = states.iter().find(|(number, _)| f64::from(*number) == value);
            Variant::String(UAString::from(name.map_or_else(|| value.to_string(), |(_, name)| (*name).to_owned())))
        }
        Shape::Text(_) => return None,
    })
}

/// The number that somebody writes.
///
/// # Errors
/// Its type is not the node's, or there is no such state.
pub(crate) fn written(shape: Shape, value: &Variant) -> Result<f64, StatusCode> {
    match (shape, value) {
        (Shape::Number, Variant::Double(number)) => Ok(*number),
        (Shape::Number, Variant::Float(number)) => Ok(f64::from(*number)),
        (Shape::Count, Variant::UInt16(number)) => Ok(f64::from(*number)),
        (Shape::Flag, Variant::Boolean(flag)) => Ok(f64::from(u8::from(*flag))),
        (Shape::State(states), Variant::String(wished)) => {
            let found = states.iter().find(|(_, name)| *name == wished.as_ref());
            found.map(|(number, _)| f64::from(*number)).ok_or(StatusCode::BadOutOfRange)
        }
        _ => Err(StatusCode::BadTypeMismatch),
    }
}

/// What the desk's answer is called here.
pub(crate) fn refused(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NotWritable => StatusCode::BadNotWritable,
        Refusal::OutOfRange(_) => StatusCode::BadOutOfRange,
        Refusal::Forbidden(_) => StatusCode::BadUserAccessDenied,
        Refusal::Rejected(_) => StatusCode::BadInvalidState,
        Refusal::Busy(_) => StatusCode::BadResourceUnavailable,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use memg_north::points::{MODES, Use};

    fn point(shape: Shape) -> Point {
        let (name, text) = ("x".to_owned(), String::new());
        Point { name, unit: "", text, shape, usage: Use::Read, number: 1 }
    }

    #[test]
    fn the_status_says_what_is_known_and_nothing_unknown_has_a_value() {
        let rows = [
            (Some(1.5), Trust::Good, StatusCode::Good),
            (Some(1.5), Trust::Uncertain, StatusCode::UncertainSubNormal),
            (Some(1.5), Trust::Bad, StatusCode::Bad),
            (None, Trust::Never, StatusCode::BadWaitingForInitialData),
            (None, Trust::Good, StatusCode::BadWaitingForInitialData),
        ];
        for (value, trust, status) in rows {
            let told = data_value(&point(Shape::Number), &Reading { value, trust, ..Reading::default() }, 0);
            let kept = value.filter(|_| !status.is_bad()).map(Variant::Double);
            assert_eq!((told.status, told.value), (Some(status), kept), "{value:?} {trust:?}");
        }
    }

    #[test]
    fn shapes_have_their_types_and_times_are_those_of_the_measurement() {
        let rows = [
            (Shape::Count, 65_535.0, Variant::UInt16(65_535)),
            (Shape::Flag, 1.0, Variant::Boolean(true)),
            (Shape::State(MODES), 5.0, Variant::from("manual")),
            (Shape::State(MODES), 77.0, Variant::from("77")),
        ];
        for (shape, value, expected) in rows {
            assert_eq!(data_value(&point(shape), &Reading::own(value), 0).value, Some(expected));
        }
        // 2026-11-27 03:08:11.250 UTC; measured 2.5 s before.
        let reading = Reading { age_s: 2.5, ..Reading::own(1.0) };
        let told = data_value(&point(Shape::Number), &reading, 1_795_748_891_250);
        assert_eq!(told.source_timestamp.unwrap().to_string(), "2026-11-27T03:08:08.750+00:00");
        assert_eq!(told.server_timestamp.unwrap().to_string(), "2026-11-27T03:08:11.250+00:00");
        let server_alone = with_times(told, TimestampsToReturn::Server);
        assert!(server_alone.source_timestamp.is_none() && server_alone.server_timestamp.is_some());
        assert!(data_value(&point(Shape::Number), &reading, i64::MIN).source_timestamp.is_some());
    }

    #[test]
    fn what_is_written_has_the_type_of_its_node() {
        let number = Shape::Number;
        assert_eq!(written(number, &Variant::Double(-40.0)), Ok(-40.0));
        assert_eq!(written(Shape::State(MODES), &Variant::from("manual")), Ok(5.0));
        assert_eq!(written(Shape::State(MODES), &Variant::from("off")), Err(StatusCode::BadOutOfRange));
        let two = Variant::from(vec![1.0_f64, 2.0]);
        for wrong in [Variant::Int64(5), Variant::from("5"), Variant::Empty, two, Variant::Boolean(true)] {
            assert_eq!(written(number, &wrong), Err(StatusCode::BadTypeMismatch), "{wrong:?}");
        }
    }
}
