//! From the text of a device file to a [`DeviceFile`]: everything that concerns more than one point.
//!
//! Single points are checked in [`super::point_check`], write rules in [`super::write_check`].

use super::raw::{RawHeader, RawHole, RawPoint};
use super::{About, DeviceFile, ReadLimits, point_check, write_check};
use crate::point::{Encoding, Point, Table};
use crate::problem::{Problem, parse_table, read, words};
use std::collections::BTreeMap;
use std::time::Duration;

/// Positions of points by name, for references between them.
pub(super) type Names = BTreeMap<String, usize>;

/// Reads and checks a device file; all problems, without file and line.
pub(super) fn device_file(text: &str) -> Result<DeviceFile, Vec<Problem>> {
    let mut table = parse_table(text).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let header = table.remove("device").unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    let header = read::<RawHeader>("device", header, &mut problems);
    let points = raw_points(table.remove("point"), &mut problems);
    problems.extend(table.keys().map(|key| Problem::new(key.as_str(), "unknown table; known are device and point")));
    // Without a usable header the points are still checked, against its defaults.
    let file = build(&header.unwrap_or_default(), &points, &mut problems);
    if problems.is_empty() { Ok(file) } else { Err(problems) }
}

/// The raw points; `None` stands for one that could not be read, so that positions and names stay right.
struct RawPoints {
    points: Vec<Option<RawPoint>>,
    names: Names,
}

fn raw_points(value: Option<toml::Value>, problems: &mut Vec<Problem>) -> RawPoints {
    let list = match value {
        Some(toml::Value::Array(list)) if !list.is_empty() => list,
        Some(_) | None => {
            problems.push(Problem::new("point", "a device file needs at least one [[point]]"));
            Vec::new()
        }
    };
    let mut raw = RawPoints { points: Vec::new(), names: Names::new() };
    for (index, value) in list.into_iter().enumerate() {
        let key = format!("point[{index}]");
        if let Some(name) = value.get("name").and_then(toml::Value::as_str)
            && raw.names.insert(name.to_owned(), index).is_some()
        {
            problems.push(Problem::new(format!("{key}.name"), format!("a second point named {name:?}")));
        }
        raw.points.push(read(&key, value, problems));
    }
    raw
}

fn build(header: &RawHeader, raw: &RawPoints, problems: &mut Vec<Problem>) -> DeviceFile {
    let limits = limits(header, problems);
    if header.word_order.bytes.and(header.byte_order).is_some() {
        problems.push(Problem::new("device.byte_order", point_check::TWICE));
    }
    let poll = seconds("device.poll_s", header.poll_s.unwrap_or(1.0), (0.01, 86_400.0), problems);
    let mut points = Vec::new();
    for (index, point) in raw.points.iter().enumerate() {
        let Some(point) = point else { continue };
        let key = format!("point[{index}]");
        points.extend(point_check::point(point, header, poll, &raw.names, &key, problems).map(|point| (index, point)));
    }
    check_overlaps(&points, problems);
    check_places(&points, &limits, problems);
    let mut typed: Vec<Point> = points.iter().map(|(_, point)| point.clone()).collect();
    if typed.len() == raw.points.len() {
        check_scale_factors(&typed, problems);
        write_check::rules(&raw.points, &raw.names, &mut typed, problems);
    }
    DeviceFile {
        maker: header.maker.clone(),
        model: header.model.clone(),
        about: About {
            kind: header.kind.clone(),
            description: header.description.clone().unwrap_or_default(),
            tried_on_hardware: header.tried_on_hardware,
            sources: header.sources.clone(),
            differences: header.differences.clone(),
        },
        limits,
        poll,
        own_poll: raw.points.iter().flatten().map(|point| point.poll_s.is_some()).collect(),
        response_timeout: seconds(
            "device.response_timeout_s",
            header.response_timeout_s.unwrap_or(1.0),
            (0.005, 60.0),
            problems,
        ),
        pause: seconds("device.pause_ms", header.pause_ms.unwrap_or(0.0) / 1e3, (0.0, 10.0), problems),
        remote: remote(header, raw, problems),
        identity: identity(header, &typed, &raw.names, problems),
        points: typed,
    }
}

fn remote(header: &RawHeader, raw: &RawPoints, problems: &mut Vec<Problem>) -> Option<usize> {
    let name = header.remote_point.as_ref()?;
    let index = reference("device.remote_point", name, &raw.names, problems)?;
    let unit = |point: &Option<RawPoint>| point.as_ref().and_then(|point| point.unit_id);
    let here = raw.points.get(index).and_then(unit);
    let written = raw.points.iter().filter(|point| point.as_ref().is_some_and(|point| point.write.is_some()));
    if written.into_iter().any(|point| unit(point) != here) {
        problems.push(Problem::new("device.remote_point", "it must have the unit id of the points that are written"));
    }
    Some(index)
}

fn identity(header: &RawHeader, points: &[Point], names: &Names, problems: &mut Vec<Problem>) -> Vec<usize> {
    let mut identity = Vec::new();
    for (position, name) in header.identity_points.iter().enumerate() {
        let key = format!("device.identity_points[{position}]");
        let Some(index) = reference(&key, name, names, problems) else { continue };
        let elsewhere = points.iter().any(|point| point.write.is_some() && point.unit_id.is_some());
        if elsewhere || points.get(index).is_some_and(|point| !point.range.0.is_finite() || point.unit_id.is_some()) {
            problems
                .push(Problem::new(key, "it needs a range; it and all written points have the device's own unit id"));
        }
        identity.push(index);
    }
    identity
}

/// The position of a named point.
pub(super) fn reference(key: &str, name: &str, names: &Names, problems: &mut Vec<Problem>) -> Option<usize> {
    let found = names.get(name).copied();
    if found.is_none() {
        let message = format!("is no point of this file: {}", words::unknown(name, names.keys().map(String::as_str)));
        problems.push(Problem::new(key, message));
    }
    found
}

/// A duration, checked against a range in seconds.
pub(super) fn seconds(key: &str, value: f64, range: (f64, f64), problems: &mut Vec<Problem>) -> Duration {
    if value.is_finite() && (range.0..=range.1).contains(&value) {
        return Duration::from_secs_f64(value);
    }
    let unit = if key.ends_with("_ms") { "s after conversion" } else { "s" };
    problems.push(Problem::new(key, format!("{value} is not within {}..{} {unit}", range.0, range.1)));
    Duration::from_secs(1)
}

/// Address on the wire of an address in the file's base.
pub(super) fn wire_address(key: &str, address: i64, base: u16, problems: &mut Vec<Problem>) -> Option<u16> {
    let wire = u16::try_from(address - i64::from(base)).ok();
    if wire.is_none() {
        let (low, high) = (u32::from(base), 65_535 + u32::from(base));
        problems
            .push(Problem::new(key, format!("address {address} is not within {low}..{high} (address_base {base})")));
    }
    wire
}

fn limits(header: &RawHeader, problems: &mut Vec<Problem>) -> ReadLimits {
    if header.address_base > 1 {
        problems.push(Problem::new("device.address_base", "must be 0 or 1"));
    }
    let mut bounded = |key: &str, value: Option<u16>, max: u16| match value {
        Some(value) if value == 0 || value > max => {
            problems.push(Problem::new(format!("device.{key}"), format!("{value} is not within 1..{max}")));
            max
        }
        Some(value) => value,
        None => max,
    };
    let words_max = bounded("words_per_read_max", header.words_per_read_max, Table::Holding.cells_max());
    let bits_max = bounded("bits_per_read_max", header.bits_per_read_max, Table::Coil.cells_max());
    let hole = |(index, hole)| hole_on_wire(index, hole, header.address_base, problems);
    let holes = header.unreadable.iter().enumerate().filter_map(hole).collect();
    ReadLimits { words_max, bits_max, gap_max: header.gap_max.unwrap_or(16), holes }
}

fn hole_on_wire(index: usize, hole: &RawHole, base: u16, problems: &mut Vec<Problem>) -> Option<(Table, u16, u16)> {
    let key = format!("device.unreadable[{index}]");
    let from = wire_address(&format!("{key}.from"), hole.from, base, problems)?;
    let to = wire_address(&format!("{key}.to"), hole.to, base, problems)?;
    if to < from {
        problems.push(Problem::new(format!("{key}.to"), "lies before from"));
    }
    Some((hole.table, from, to))
}

/// Which bits of its first register a point occupies.
const fn mask(encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Bit(bit) => 1 << bit,
        Encoding::U8High | Encoding::I8High => 0xFF00,
        Encoding::U8Low | Encoding::I8Low => 0x00FF,
        Encoding::Bool
        | Encoding::U16
        | Encoding::I16
        | Encoding::U32
        | Encoding::I32
        | Encoding::U64
        | Encoding::I64
        | Encoding::F32
        | Encoding::F64
        | Encoding::Text(_) => 0xFFFF,
    }
}

fn overlap(a: &Point, b: &Point) -> bool {
    (a.unit_id, a.table) == (b.unit_id, b.table)
        && u32::from(a.address) < b.end()
        && u32::from(b.address) < a.end()
        && mask(a.encoding) & mask(b.encoding) != 0
}

fn check_overlaps(points: &[(usize, Point)], problems: &mut Vec<Problem>) {
    for (position, (index, point)) in points.iter().enumerate() {
        for (_, other) in points.iter().take(position).filter(|(_, other)| overlap(point, other)) {
            let message = format!("{} overlaps {:?} at {}", point.place(), other.name, other.place());
            problems.push(Problem::new(format!("point[{index}].address"), message));
        }
    }
}

fn check_places(points: &[(usize, Point)], limits: &ReadLimits, problems: &mut Vec<Problem>) {
    for (index, point) in points {
        let key = format!("point[{index}].address");
        let max = if point.table.is_bits() { limits.bits_max } else { limits.words_max };
        if point.encoding.cells() > max {
            let message = format!("{} registers would be split: one read takes {max}", point.encoding.cells());
            problems.push(Problem::new(&key, message));
        }
        let in_hole = |(table, from, to): &&(Table, u16, u16)| {
            *table == point.table && u32::from(*from) < point.end() && point.address <= *to
        };
        if let Some((_, from, to)) = limits.holes.iter().find(in_hole) {
            problems.push(Problem::new(&key, format!("lies in the unreadable range {from}..{to} (on the wire)")));
        }
    }
}

fn check_scale_factors(points: &[Point], problems: &mut Vec<Problem>) {
    for (index, point) in points.iter().enumerate() {
        let Some(factor) = point.scale_factor.and_then(|factor| points.get(factor)) else { continue };
        let key = format!("point[{index}].scale_factor");
        if factor.encoding != Encoding::I16 || factor.scale_factor.is_some() {
            problems.push(Problem::new(&key, format!("{:?} must be a plain i16", factor.name)));
        }
        if factor.unit_id != point.unit_id {
            problems.push(Problem::new(&key, format!("{:?} must have the same unit id", factor.name)));
        }
    }
}
