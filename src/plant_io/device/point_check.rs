//! One point of a device file: its type, place, numbers, meaning.

use super::check::{Names, reference, seconds, wire_address};
use super::raw::{RawHeader, RawPoint};
use crate::point::{Encoding, EnumMap, Order, Point, Table, WordOrder};
use crate::problem::{Problem, words};
use crate::quantity::{Dimension, mismatch, output_dimension, signal_dimension, unit, unknown_unit};
use memg_core::plant_state::{Signal, Tag};
use std::time::Duration;

/// Checks one point; write rules follow later, when all points are known.
pub(super) fn point(
    raw: &RawPoint,
    header: &RawHeader,
    poll: Duration,
    names: &Names,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<Point> {
    let encoding = encoding(raw, key, problems);
    let address = wire_address(&format!("{key}.address"), raw.address, header.address_base, problems);
    let scale_factor =
        raw.scale_factor.as_ref().and_then(|name| reference(&format!("{key}.scale_factor"), name, names, problems));
    let enum_map = enum_map(raw, key, problems);
    let range = range(raw, encoding, enum_map.as_ref(), key, problems);
    let (poll, age_max) = times(raw, poll, key, problems);
    let sign = number(raw.sign, 1.0, |sign| sign.abs() == 1.0, "must be 1 or -1", &format!("{key}.sign"), problems);
    let scale = |scale: f64| scale.is_finite() && scale != 0.0;
    let mut point = Point {
        name: raw.name.clone(),
        unit_id: raw.unit_id,
        table: raw.table,
        address: address?,
        encoding: encoding?,
        word_order: raw.word_order.unwrap_or(header.word_order).words,
        byte_order: byte_order(raw, header, key, problems),
        scale: number(raw.scale, 1.0, scale, "must be finite and not 0", &format!("{key}.scale"), problems),
        offset: number(raw.offset, 0.0, f64::is_finite, "must be finite", &format!("{key}.offset"), problems),
        factor: sign,
        scale_factor,
        sentinels: Vec::new(),
        range,
        enum_map,
        unit: raw.unit.clone().unwrap_or_else(|| "1".to_owned()),
        signal: None,
        poll,
        age_max,
        frozen: raw.frozen_s.map(|frozen| seconds(&format!("{key}.frozen_s"), frozen, (1.0, 864_000.0), problems)),
        readable: !raw.write_only,
        write: None,
    };
    point.sentinels = sentinels(raw, header, encoding?);
    check_end(&point, key, problems);
    check_leading_digit(raw, header, key, problems);
    assign(raw, &mut point, key, problems);
    Some(point)
}

/// What the point says of its bytes, in letters or by name, else what the device says.
fn byte_order(raw: &RawPoint, header: &RawHeader, key: &str, problems: &mut Vec<Problem>) -> Order {
    let lettered = |order: Option<WordOrder>| order.and_then(|order| order.bytes);
    if lettered(raw.word_order).and(raw.byte_order).is_some() {
        problems.push(Problem::new(format!("{key}.byte_order"), TWICE));
    }
    let own = lettered(raw.word_order).or(raw.byte_order);
    own.or(header.word_order.bytes).or(header.byte_order).unwrap_or_default()
}

/// Letters say the order of words and bytes.
pub(super) const TWICE: &str = "stands beside the letters of word_order, which say it already; expected one of the two";

fn number(
    value: Option<f64>,
    default: f64,
    allowed: impl Fn(f64) -> bool,
    rule: &str,
    key: &str,
    problems: &mut Vec<Problem>,
) -> f64 {
    let value = value.unwrap_or(default);
    if !allowed(value) {
        problems.push(Problem::new(key, format!("{value} {rule}")));
    }
    value
}

const KINDS: [(&str, Encoding); 13] = [
    ("bool", Encoding::Bool),
    ("u8_high", Encoding::U8High),
    ("u8_low", Encoding::U8Low),
    ("i8_high", Encoding::I8High),
    ("i8_low", Encoding::I8Low),
    ("u16", Encoding::U16),
    ("i16", Encoding::I16),
    ("u32", Encoding::U32),
    ("i32", Encoding::I32),
    ("u64", Encoding::U64),
    ("i64", Encoding::I64),
    ("f32", Encoding::F32),
    ("f64", Encoding::F64),
];

fn encoding(raw: &RawPoint, key: &str, problems: &mut Vec<Problem>) -> Option<Encoding> {
    let encoding = match (raw.kind.as_str(), raw.bit, raw.words) {
        ("bit", Some(bit @ 0..=15), None) => Encoding::Bit(bit),
        ("string", None, Some(words @ 1..=125)) => Encoding::Text(words),
        (kind, None, None) if kind != "bit" && kind != "string" => match KINDS.iter().find(|(name, _)| *name == kind) {
            Some((_, encoding)) => *encoding,
            None => {
                let known = KINDS.iter().map(|(name, _)| *name).chain(["bit", "string"]);
                return reject(format!("{key}.type"), words::unknown(kind, known), problems);
            }
        },
        ("bit", _, _) => return reject(format!("{key}.bit"), "a bit needs bit = 0..15, and no words", problems),
        ("string", _, _) => return reject(format!("{key}.words"), "a string needs words = 1..125, no bit", problems),
        _ => return reject(format!("{key}.type"), "bit goes with type bit, words with type string", problems),
    };
    if raw.table.is_bits() && encoding != Encoding::Bool {
        return reject(format!("{key}.type"), format!("a {} can only be a bool", raw.table.name()), problems);
    }
    Some(encoding)
}

fn reject<T>(key: String, message: impl Into<String>, problems: &mut Vec<Problem>) -> Option<T> {
    problems.push(Problem::new(key, message));
    None
}

fn enum_map(raw: &RawPoint, key: &str, problems: &mut Vec<Problem>) -> Option<EnumMap> {
    if raw.names.is_empty() && raw.true_for.is_empty() {
        return None;
    }
    let mut map = EnumMap::default();
    for (number, name) in &raw.names {
        match number.parse() {
            Ok(number) => map.names.push((number, name.clone())),
            Err(_) => problems.push(Problem::new(format!("{key}.enum.{number}"), "is not a raw number")),
        }
    }
    for (index, name) in raw.true_for.iter().enumerate() {
        let before = map.true_for.len();
        map.true_for.extend(map.names.iter().filter(|(_, known)| known == name).map(|(number, _)| *number));
        if map.true_for.len() == before {
            let message = format!("is not in enum: {}", words::unknown(name, raw.names.values().map(String::as_str)));
            problems.push(Problem::new(format!("{key}.true_for[{index}]"), message));
        }
    }
    Some(map)
}

/// The believable range in the point's unit; everything for telemetry that states none.
fn range(
    raw: &RawPoint,
    encoding: Option<Encoding>,
    map: Option<&EnumMap>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> (f64, f64) {
    let flag =
        matches!(encoding, Some(Encoding::Bool | Encoding::Bit(_))) || map.is_some_and(|map| !map.true_for.is_empty());
    match raw.range {
        Some([low, high]) if low.is_finite() && high.is_finite() && low < high => (low, high),
        Some([low, high]) => {
            let message = format!("[{low}, {high}] is not a range: two finite numbers, the smaller first");
            problems.push(Problem::new(format!("{key}.range"), message));
            (low, high)
        }
        None if flag => (0.0, 1.0),
        None => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// Poll interval and maximum age.
fn times(raw: &RawPoint, poll: Duration, key: &str, problems: &mut Vec<Problem>) -> (Duration, Duration) {
    let poll_key = format!("{key}.poll_s");
    let poll = raw.poll_s.map_or(poll, |poll| seconds(&poll_key, poll, (0.01, 86_400.0), problems));
    let age_key = format!("{key}.age_max_s");
    let age_max = raw.age_max_s.map(|age| seconds(&age_key, age, (0.01, 864_000.0), problems));
    if age_max.is_some_and(|age| age <= poll) {
        problems.push(Problem::new(age_key, "must be above the poll interval, or the value is always stale"));
    }
    (poll, age_max.unwrap_or_else(|| default_age_max(poll)))
}

/// Two polls may be lost before a value is stale; never under 5 s, where a hiccup of a network would already count.
pub(super) fn default_age_max(poll: Duration) -> Duration {
    (poll * 3).max(Duration::from_secs(5))
}

/// SunSpec's "not implemented": all ones for unsigned, the most negative for signed numbers (floats are NaN anyway).
const fn sunspec_sentinel(encoding: Encoding) -> Option<u64> {
    match encoding {
        Encoding::U16 | Encoding::U32 | Encoding::U64 => Some(ones(encoding.width())),
        Encoding::I16 | Encoding::I32 | Encoding::I64 => Some(1 << (encoding.width() - 1)),
        Encoding::Bool
        | Encoding::Bit(_)
        | Encoding::U8High
        | Encoding::U8Low
        | Encoding::I8High
        | Encoding::I8Low
        | Encoding::F32
        | Encoding::F64
        | Encoding::Text(_) => None,
    }
}

const fn ones(width: u32) -> u64 {
    if width == 0 { 0 } else { u64::MAX >> (64 - width) }
}

fn sentinels(raw: &RawPoint, header: &RawHeader, encoding: Encoding) -> Vec<u64> {
    let listed = raw.sentinels.iter().map(|number| number.cast_unsigned() & ones(encoding.width()));
    listed.chain(sunspec_sentinel(encoding).filter(|_| header.sunspec)).collect()
}

fn check_end(point: &Point, key: &str, problems: &mut Vec<Problem>) {
    if point.end() > 65_536 {
        problems.push(Problem::new(format!("{key}.address"), "the value would end beyond address 65535"));
    }
    if point.table == Table::Discrete && point.scale_factor.is_some() {
        problems.push(Problem::new(format!("{key}.scale_factor"), "a bit cannot be scaled"));
    }
}

/// Manuals number registers with the table's digit in front: 30011 is input register 11, 40001 holding register 1. SunSpec
/// maps do begin at 40001.
fn check_leading_digit(raw: &RawPoint, header: &RawHeader, key: &str, problems: &mut Vec<Problem>) {
    let first = match raw.table {
        Table::Coil => return,
        Table::Discrete => 10_001,
        Table::Input => 30_001,
        Table::Holding => 40_001,
    };
    if header.address_base == 1 && !header.sunspec && (first..first + 9_999).contains(&raw.address) {
        let message = format!(
            "{} seems to have the digit of its table in front: expected {}; if the device does count so far, state it \
             from 0: address_base = 0 and {}",
            raw.address,
            raw.address - first + 1,
            raw.address - 1
        );
        problems.push(Problem::new(format!("{key}.address"), message));
    }
}

/// Applies the point's signal and output: from here on its unit is the project's.
fn assign(raw: &RawPoint, point: &mut Point, key: &str, problems: &mut Vec<Problem>) {
    let unit_key = format!("{key}.unit");
    if raw.unit.as_ref().is_some_and(|name| unit(name).is_none()) {
        problems.push(Problem::new(&unit_key, unknown_unit(&point.unit)));
    }
    if let Some(name) = &raw.signal {
        let result = Signal::from_name(name).ok_or_else(|| unknown(name));
        match result {
            Ok(signal) => report(set_signal(point, signal.into(), 1.0), &unit_key, problems),
            Err(message) => problems.push(Problem::new(format!("{key}.signal"), message)),
        }
    }
    if let Some(write) = &raw.write {
        report(convert(point, output_dimension(write.output), 1.0), &unit_key, problems);
    }
    if raw.write_only && (raw.signal.is_some() || raw.scale_factor.is_some()) {
        problems.push(Problem::new(format!("{key}.write_only"), "neither a signal nor scaled by a register, then"));
    }
    if raw.signal.is_some() && !point.range.0.is_finite() {
        problems.push(Problem::new(format!("{key}.range"), "a signal needs a range"));
    }
}

/// What is not the name of a signal here.
fn unknown(name: &str) -> String {
    match Tag::from_name(name) {
        Some(tag) => format!(
            "device files know no numbers: expected {:?}, with number = {} in the [[device]]",
            tag.signal().name(),
            tag.unit().get()
        ),
        None => words::unknown(name, Signal::ALL.map(Signal::name)),
    }
}

fn report(result: Result<(), String>, key: &str, problems: &mut Vec<Problem>) {
    if let Err(message) = result {
        problems.push(Problem::new(key, message));
    }
}

/// Makes the point stand for a signal; `sign` comes on top of the point's own.
pub(super) fn set_signal(point: &mut Point, signal: Tag, sign: f64) -> Result<(), String> {
    if matches!(point.encoding, Encoding::Text(_)) {
        return Err("a string cannot be a signal".to_owned());
    }
    convert(point, signal_dimension(signal.signal()), sign)?;
    point.signal = Some(signal);
    Ok(())
}

/// Converts factor, range and write rule of a point to the project's unit of that dimension.
fn convert(point: &mut Point, wanted: Dimension, sign: f64) -> Result<(), String> {
    // An unknown unit has been told already.
    let Some((dimension, factor)) = unit(&point.unit) else { return Ok(()) };
    if dimension != wanted {
        return Err(mismatch(&point.unit, dimension, wanted));
    }
    let factor = factor * sign;
    point.factor *= factor;
    point.range = scaled(point.range, factor);
    if let Some(rule) = &mut point.write {
        rule.range = scaled(rule.range, factor);
        rule.tolerance *= factor.abs();
    }
    wanted.unit_name().clone_into(&mut point.unit);
    Ok(())
}

/// A range times a factor, the smaller end first.
pub(super) fn scaled((low, high): (f64, f64), factor: f64) -> (f64, f64) {
    let (a, b) = (low * factor, high * factor);
    (a.min(b), a.max(b))
}
