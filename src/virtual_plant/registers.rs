//! The register bank of a virtual device, laid out by the device file that the gateway reads the device with.
//!
//! Because map and bank come from the same file and the same codec, they cannot drift apart. Cells that the file does not
//! name do not exist: touching one is exception 2. Only points that the file writes (set-points and their companions)
//! take writes, and only whole values.

use memg_plant_io::device::DeviceFile;
use memg_plant_io::modbus::codec;
use memg_plant_io::point::{Encoding, Order, Point, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Modbus exception codes a bank answers with.
pub mod exception {
    /// The function is not supported.
    pub const FUNCTION: u8 = 1;
    /// The address does not exist or cannot be written.
    pub const ADDRESS: u8 = 2;
    /// The value or count is not acceptable.
    pub const VALUE: u8 = 3;
    /// Busy: under local control.
    pub const BUSY: u8 = 6;
    /// Nobody answers under that unit id.
    pub const NO_TARGET: u8 = 11;
}

/// A value that a point received.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    /// Index of the point in the device file.
    pub point: usize,
    /// In the point's unit; 0/1 for run commands.
    pub value: f64,
}

/// Cells by unit id, table and address.
type Place = (u8, Table, u16);

/// Registers of one device.
#[derive(Debug, Clone)]
pub struct Registers {
    points: Vec<Point>,
    unit_id: u8,
    cells: BTreeMap<Place, u16>,
    writable: BTreeSet<usize>,
    exponents: BTreeMap<usize, i32>,
}

impl Registers {
    /// Lays the bank out. Every point starts at 0 (or at what is nearest to it in its range).
    #[must_use]
    pub fn new(file: &DeviceFile, unit_id: u8) -> Self {
        let points = file.points.clone();
        let exponents = exponents(&points);
        let mut bank = Self { writable: writable(&points), points, unit_id, cells: BTreeMap::new(), exponents };
        for index in 0..bank.points.len() {
            bank.lay_out(index);
        }
        bank
    }

    fn lay_out(&mut self, index: usize) {
        let Some(point) = self.points.get(index).cloned() else { return };
        for cell in 0..point.encoding.cells() {
            self.cells.entry(self.place(&point, cell)).or_insert(0);
        }
        match self.exponents.get(&index) {
            Some(exponent) => self.set(index, f64::from(*exponent)),
            None => self.set(index, 0.0_f64.clamp(point.range.0, point.range.1)),
        }
    }

    fn place(&self, point: &Point, cell: u16) -> Place {
        (point.unit_id.unwrap_or(self.unit_id), point.table, point.address.wrapping_add(cell))
    }

    /// The points, as in the device file.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Index of a point by name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.points.iter().position(|point| point.name == name)
    }

    /// Present value of a number point.
    #[must_use]
    pub fn value(&self, index: usize) -> Option<f64> {
        let point = self.points.get(index)?;
        self.decode(point, &self.cells_of(point)?)
    }

    fn decode(&self, point: &Point, cells: &[u16]) -> Option<f64> {
        if let Some((off, on)) = point.write.as_ref().and_then(|rule| rule.off_on) {
            return match codec::raw_bits(point, cells)? {
                bits if bits == on => Some(1.0),
                bits if bits == off => Some(0.0),
                _ => None,
            };
        }
        codec::decode(point, cells, self.exponent(point)).ok()
    }

    fn exponent(&self, point: &Point) -> Option<i32> {
        point.scale_factor.map(|index| self.exponents.get(&index).copied().unwrap_or(0))
    }

    fn cells_of(&self, point: &Point) -> Option<Vec<u16>> {
        (0..point.encoding.cells()).map(|cell| self.cells.get(&self.place(point, cell)).copied()).collect()
    }

    /// Shows a value. One that the register cannot hold shows as "no value", as a real device would overflow.
    pub fn set(&mut self, index: usize, value: f64) {
        let Some(point) = self.points.get(index) else { return };
        if let Some((off, on)) = point.write.as_ref().and_then(|rule| rule.off_on) {
            self.set_bits(index, if value >= 0.5 { on } else { off });
        } else if let Some(bits) = pattern(point, value) {
            self.set_bits(index, bits);
        } else {
            match codec::encode(point, value, self.exponent(point)) {
                Ok(cells) => self.store(index, cells.as_slice()),
                Err(_) => self.set_no_value(index),
            }
        }
    }

    /// Shows a named state, if the point knows the name; says whether it does.
    pub fn set_named(&mut self, index: usize, name: &str) -> bool {
        let map = self.points.get(index).and_then(|point| point.enum_map.as_ref());
        let code = map.and_then(|map| map.names.iter().find(|(_, known)| known == name)).map(|(code, _)| *code);
        if let Some(code) = code {
            self.set_bits(index, code);
        }
        code.is_some()
    }

    /// Shows NaN, the first "no value" pattern, or all ones.
    pub fn set_no_value(&mut self, index: usize) {
        let Some(point) = self.points.get(index) else { return };
        let bits = match point.encoding {
            Encoding::F32 => u64::from(f32::NAN.to_bits()),
            Encoding::F64 => f64::NAN.to_bits(),
            _ => point.sentinels.first().copied().unwrap_or(u64::MAX),
        };
        self.set_bits(index, bits & mask(point.encoding));
    }

    /// Shows a text.
    pub fn set_text(&mut self, index: usize, text: &str) {
        let Some(point) = self.points.get(index) else { return };
        let Encoding::Text(words) = point.encoding else { return };
        let mut bytes = text.bytes().chain(std::iter::repeat(0));
        let mut word = || u16::from_be_bytes([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)]);
        let order = point.byte_order;
        let cells: Vec<u16> = (0..words).map(|_| word()).map(|cell| swapped(cell, order)).collect();
        self.store(index, &cells);
    }

    fn set_bits(&mut self, index: usize, bits: u64) {
        let Some(point) = self.points.get(index) else { return };
        if let Some((shift, mask)) = part(point.encoding) {
            let order = point.byte_order;
            if let Some(cell) = self.cells.get_mut(&(point.unit_id.unwrap_or(self.unit_id), point.table, point.address))
            {
                let kept = swapped(*cell, order) & !(mask << shift);
                *cell = swapped(kept | ((bits as u16 & mask) << shift), order);
            }
        } else if let Ok(cells) = codec::encode_raw(point, bits) {
            self.store(index, cells.as_slice());
        }
    }

    fn store(&mut self, index: usize, cells: &[u16]) {
        let Some(point) = self.points.get(index) else { return };
        let places: Vec<Place> = (0..point.encoding.cells()).map(|cell| self.place(point, cell)).collect();
        for (place, cell) in places.into_iter().zip(cells) {
            self.cells.insert(place, *cell);
        }
    }

    /// Answers a read.
    ///
    /// # Errors
    /// The exception code: a foreign unit id, no or too many cells, or one that does not exist.
    pub fn read(&self, unit: u8, table: Table, start: u16, count: u16) -> Result<Vec<u16>, u8> {
        self.check_unit(unit)?;
        if count == 0 || count > table.cells_max() {
            return Err(exception::VALUE);
        }
        let cell = |offset| self.cells.get(&(unit, table, start.checked_add(offset)?)).copied();
        (0..count).map(cell).collect::<Option<_>>().ok_or(exception::ADDRESS)
    }

    fn check_unit(&self, unit: u8) -> Result<(), u8> {
        if self.cells.keys().any(|(known, _, _)| *known == unit) { Ok(()) } else { Err(exception::NO_TARGET) }
    }

    /// Decodes a write without applying it: the caller decides what becomes of it.
    ///
    /// # Errors
    /// The exception code: a foreign unit id, a cell that does not exist or is read-only, part of a value, a value that the
    /// device does not take.
    pub fn decode_write(&self, unit: u8, table: Table, start: u16, cells: &[u16]) -> Result<Vec<Written>, u8> {
        self.check_unit(unit)?;
        let mut written = Vec::new();
        let mut done = 0;
        while let Some(rest) = cells.get(done..).filter(|rest| !rest.is_empty()) {
            let address = u16::try_from(done).ok().and_then(|done| start.checked_add(done));
            let (index, point) = self.target(unit, table, address.ok_or(exception::ADDRESS)?)?;
            let raw = rest.get(..usize::from(point.encoding.cells())).ok_or(exception::VALUE)?;
            let value = self.decode(point, raw).ok_or(exception::VALUE)?;
            if point.write.as_ref().is_some_and(|rule| value < rule.range.0 || value > rule.range.1) {
                return Err(exception::VALUE);
            }
            written.push(Written { point: index, value });
            done += raw.len();
        }
        if written.is_empty() { Err(exception::VALUE) } else { Ok(written) }
    }

    fn target(&self, unit: u8, table: Table, address: u16) -> Result<(usize, &Point), u8> {
        let here = |point: &Point| self.place(point, 0) == (unit, table, address);
        let candidates = || self.writable.iter().filter_map(|index| Some((*index, self.points.get(*index)?)));
        if let Some(found) = candidates().find(|(_, point)| here(point)) {
            return Ok(found);
        }
        // In the middle of a value: the address exists, but not as a place to begin.
        let inside =
            |point: &Point| (1..point.encoding.cells()).any(|cell| self.place(point, cell) == (unit, table, address));
        Err(if candidates().any(|(_, point)| inside(point)) { exception::VALUE } else { exception::ADDRESS })
    }
}

/// Set-points, and what is written along with them.
fn writable(points: &[Point]) -> BTreeSet<usize> {
    let mut indices = BTreeSet::new();
    for (index, point) in points.iter().enumerate() {
        let Some(rule) = &point.write else { continue };
        indices.insert(index);
        indices.extend(rule.before.iter().chain(&rule.after).map(|step| step.point));
    }
    indices
}

/// Decimal exponents for scale-factor points: the smallest with which every user's range fits its register.
fn exponents(points: &[Point]) -> BTreeMap<usize, i32> {
    let mut exponents = BTreeMap::new();
    for point in points {
        let Some(index) = point.scale_factor else { continue };
        let largest = point.range.0.abs().max(point.range.1.abs()) / (point.factor * point.scale).abs();
        let room = 2_f64.powi(i32::try_from(point.encoding.width().min(32)).unwrap_or(16) - 1) - 2.0;
        let needed = if largest.is_finite() && largest > 0.0 { (largest / room).log10().ceil() as i32 } else { 0 };
        let slot = exponents.entry(index).or_insert(-10);
        *slot = needed.clamp(-10, 10).max(*slot);
    }
    exponents
}

/// Shift and mask of types that share a register.
const fn part(encoding: Encoding) -> Option<(u16, u16)> {
    match encoding {
        Encoding::Bit(bit) => Some((bit as u16, 1)),
        Encoding::U8High | Encoding::I8High => Some((8, 0xFF)),
        Encoding::U8Low | Encoding::I8Low => Some((0, 0xFF)),
        _ => None,
    }
}

/// Raw patterns that the codec does not encode, because nobody writes them: named states and parts of a register.
fn pattern(point: &Point, value: f64) -> Option<u64> {
    if let Some(map) = point.enum_map.as_ref().filter(|map| !map.true_for.is_empty()) {
        let wanted = |code: &u64| map.true_for.contains(code) == (value >= 0.5);
        return map.names.iter().map(|(code, _)| *code).find(wanted);
    }
    let raw = ((value / point.factor - point.offset) / point.scale).round();
    part(point.encoding).map(|(_, mask)| raw as i64 as u64 & u64::from(mask))
}

const fn mask(encoding: Encoding) -> u64 {
    match encoding.width() {
        64.. => u64::MAX,
        width => (1 << width) - 1,
    }
}

const fn swapped(cell: u16, order: Order) -> u16 {
    match order {
        Order::HighFirst => cell,
        Order::LowFirst => cell.swap_bytes(),
    }
}

#[cfg(test)]
#[path = "registers_tests.rs"]
mod tests;
