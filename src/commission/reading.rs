//! Every point once, as it came, in its unit, beside what would be plausible.

use super::plausible;
use memg_plant_io::device::Device;
use memg_plant_io::modbus::probe::{ProbeResult, ProbeValue, probe};
use memg_plant_io::point::{Encoding, Point, letters};
use memg_settings::Settings;
use serde::Serialize;
use std::collections::BTreeSet;

/// A value at a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// Name of the device.
    pub device: String,
    /// Name of the point.
    pub point: String,
    /// What it means to control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The value, in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// A text, for points that hold one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Unit of `value`.
    pub unit: String,
    /// The registers as they came, hexadecimal.
    pub raw: String,
    /// Order of words and bytes that it was read with, where there are several words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_order: Option<String>,
    /// What would be plausible, in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plausible: Option<(f64, f64)>,
    /// What is wrong or odd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Control cannot do without it.
    pub needed: bool,
    /// Index of the point in the device.
    #[serde(skip)]
    pub index: usize,
}

/// Reads all points of a device once. Takes at most one time-out per block.
pub async fn read(device: &Device, settings: &Settings) -> Vec<Reading> {
    let needed = needed(device, settings);
    let looked_at = device.read_only(device.points.to_vec());
    let results = probe(&looked_at).await;
    let of = |result: &ProbeResult| Some(reading(device, device.points.get(result.point)?, result, &needed, settings));
    results.iter().filter_map(of).collect()
}

fn reading(
    device: &Device,
    point: &Point,
    result: &ProbeResult,
    needed: &BTreeSet<usize>,
    settings: &Settings,
) -> Reading {
    let plausible = plausible::point(point, settings);
    let (value, text, trouble) = match &result.value {
        ProbeValue::Number(value) => (Some(*value + 0.0), None, odd(point, *value, plausible)),
        ProbeValue::Text(text) => (None, Some(text.clone()), None),
        ProbeValue::Unusable(why) => (None, None, Some(format!("unusable: {why}"))),
        ProbeValue::Failed(why) => (None, None, Some(format!("not read: {why}"))),
        ProbeValue::WriteOnly => (None, Some("write only".to_owned()), None),
    };
    let words: Vec<String> = result.cells.iter().map(|cell| format!("{cell:04x}")).collect();
    let is_wide = point.encoding.cells() > 1 && point.encoding.width() > 0;
    Reading {
        device: device.name.to_string(),
        point: point.name.clone(),
        signal: point.signal.map(|tag| tag.to_string()),
        value,
        text,
        unit: point.unit.clone(),
        raw: words.join(" "),
        word_order: is_wide.then(|| letters(point.word_order, point.byte_order).to_owned()),
        plausible,
        trouble,
        needed: needed.contains(&result.point),
        index: result.point,
    }
}

/// Less than this of a float that is not zero is what swapped words look like.
const TINY: f64 = 1e-6;

/// What is odd about a number that could be read.
fn odd(point: &Point, value: f64, plausible: Option<(f64, f64)>) -> Option<String> {
    let is_float = matches!(point.encoding, Encoding::F32 | Encoding::F64);
    if is_float && value != 0.0 && value.abs() < TINY {
        return Some(format!("{value:e} is no number that a device measures: probably another order of words"));
    }
    let (low, high) = plausible.filter(|(low, high)| value < *low || value > *high)?;
    Some(format!("implausible: expected {low} to {high} {}", point.unit))
}

/// Which points of a device control cannot do without: required signals, parts of others, what tells whether a set-point is
/// applied.
#[must_use]
pub fn needed(device: &Device, settings: &Settings) -> BTreeSet<usize> {
    let index_of = |id: memg_plant_io::image::PointId| {
        id.0.checked_sub(device.first.0).filter(|index| *index < device.points.len())
    };
    let required = settings
        .points
        .signals
        .iter()
        .filter(|(tag, _)| !settings.substitutes.contains_key(tag) && !tag.signal().is_witness());
    let signals = required.flat_map(|(_, known)| known.formula.terms()).filter_map(|term| index_of(term.point));
    let rules = device.points.iter().filter_map(|point| point.write.as_ref());
    let readbacks = rules.filter_map(|rule| rule.readback);
    let direct: BTreeSet<usize> =
        signals.chain(readbacks).chain(device.remote).chain(device.identity.iter().copied()).collect();
    let factors = direct.iter().filter_map(|index| device.points.get(*index)?.scale_factor);
    direct.iter().copied().chain(factors).collect()
}
