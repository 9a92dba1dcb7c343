//! Other ways to read a point: another order of words and bytes, a register before or behind.
//!
//! Live and read-only. A way is worth telling when it gives a plausible number where the configured one does not.

use memg_plant_io::device::Device;
use memg_plant_io::modbus::probe::{ProbeValue, probe};
use memg_plant_io::point::{Encoding, Order, Point, letters};
use serde::Serialize;

/// A way that would give a plausible number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Other {
    /// What to write in the device file.
    pub change: String,
    /// What it would read, in the point's unit.
    pub value: f64,
}

const ORDERS: [(Order, Order); 4] = [
    (Order::HighFirst, Order::HighFirst),
    (Order::LowFirst, Order::HighFirst),
    (Order::HighFirst, Order::LowFirst),
    (Order::LowFirst, Order::LowFirst),
];

/// Below this a number says nothing about the order of its words.
const TELLING: f64 = 1e-6;

/// More ways than this help nobody.
const WAYS_MAX: usize = 6;

/// Other ways to read `points[index]` that give a number within `plausible`; another order first, then other addresses.
/// Registers of something else may look plausible by chance: that is why all are told.
pub async fn ways(device: &Device, index: usize, plausible: (f64, f64)) -> Vec<Other> {
    let Some(point) = device.points.get(index).filter(|point| point.enum_map.is_none()) else { return Vec::new() };
    let mut ways = Vec::new();
    for shift in [0, -1, 1] {
        for (words, bytes) in ORDERS {
            let same = shift == 0 && (words, bytes) == (point.word_order, point.byte_order);
            let Some(variant) = variant(point, shift, (words, bytes), plausible).filter(|_| !same) else { continue };
            if let Some(value) = read(device, variant).await {
                ways.push(Other { change: change(point, shift, (words, bytes)), value });
            }
        }
    }
    ways.truncate(WAYS_MAX);
    ways
}

fn variant(point: &Point, shift: i32, (words, bytes): (Order, Order), range: (f64, f64)) -> Option<Point> {
    let wide = point.encoding.cells() > 1;
    let orderless = matches!(point.encoding, Encoding::Bool | Encoding::Bit(_) | Encoding::Text(_));
    // One word has no order of words, a bit none at all.
    if (!wide && words == Order::LowFirst) || (orderless && (words, bytes) != (point.word_order, point.byte_order)) {
        return None;
    }
    let address = u16::try_from(i32::from(point.address) + shift).ok()?;
    Some(Point { address, word_order: words, byte_order: bytes, range, ..point.clone() })
}

fn change(point: &Point, shift: i32, (words, bytes): (Order, Order)) -> String {
    let order = ((words, bytes) != (point.word_order, point.byte_order))
        .then(|| format!("word_order = \"{}\"", letters(words, bytes)));
    let moved = match shift {
        0 => None,
        1 => Some("the register behind it (address + 1, or address_base 0 instead of 1)".to_owned()),
        _ => Some("the register before it (address - 1, or address_base 1 instead of 0)".to_owned()),
    };
    [moved, order].into_iter().flatten().collect::<Vec<_>>().join(" with ")
}

/// What the device says there, if it is telling.
async fn read(device: &Device, mut point: Point) -> Option<f64> {
    let factor = point.scale_factor.and_then(|index| device.points.get(index)).cloned();
    point.scale_factor = factor.as_ref().map(|_| 1);
    let points: Vec<Point> = std::iter::once(point).chain(factor).collect();
    let results = probe(&device.read_only(points)).await;
    match results.first()?.value {
        ProbeValue::Number(value) if value.abs() > TELLING => Some(value),
        _ => None,
    }
}
