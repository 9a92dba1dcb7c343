//! Registers to numbers and back.
//!
//! `value = (raw * 10^scale_factor * scale + offset) * factor`, and the inverse for writing. Every number is checked before
//! it goes either way: what does not fit is an error, never a wrapped or clipped number. Terms: *cells* are 16-bit words,
//! or 0/1 for bits; *bits* is the raw pattern of a value, most significant first, whatever the order on the wire.

use crate::point::{Encoding, Order, Point};
use thiserror::Error;

/// Why cells give no value. The point keeps its last value and gets quality out of range.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum DecodeError {
    /// The bit pattern that means "not implemented" or "no value".
    #[error("the device says that it has no value")]
    Sentinel,
    /// NaN or infinite.
    #[error("not a number")]
    NotFinite,
    /// Beyond the point's believable range.
    #[error("{0} is out of range")]
    OutOfRange(f64),
    /// A status code without a name.
    #[error("unknown code {0}")]
    UnknownCode(u64),
    /// The point needs a scale factor that was not read yet, or is none.
    #[error("no valid scale factor")]
    NoScaleFactor,
    /// Fewer cells than the type needs, or a text where a number is wanted.
    #[error("not a number of this type")]
    WrongShape,
}

/// Why a value cannot be written. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum EncodeError {
    /// NaN or infinite.
    #[error("not a finite number")]
    NotFinite,
    /// The register cannot hold it.
    #[error("the raw number {0} does not fit the register")]
    DoesNotFit(f64),
    /// It would read as "no value".
    #[error("the raw number is one that means \"no value\"")]
    Sentinel,
    /// The point needs a scale factor that was not read yet.
    #[error("no valid scale factor")]
    NoScaleFactor,
    /// Bits of a register and texts are not written.
    #[error("this type cannot be written")]
    NotWritable,
}

/// Up to four cells to write, on the wire's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cells {
    cells: [u16; 4],
    len: usize,
}

impl Cells {
    /// The cells that are in use, 1 to 4.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        self.cells.get(..self.len).unwrap_or_default()
    }
}

/// Decimal exponents beyond this are no SunSpec scale factors (which are -10..=10).
const EXPONENT_MAX: f64 = 10.0;

/// Largest whole number that every f64 around it still tells apart from its neighbours.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The decimal exponent held by a scale-factor register.
#[must_use]
pub fn exponent(value: f64) -> Option<i32> {
    (value.fract() == 0.0 && value.abs() <= EXPONENT_MAX).then_some(value as i32)
}

/// Decodes a number. `exponent` is the value of the point's scale-factor register, if it has one.
///
/// # Errors
/// See [`DecodeError`]; never a substitute number.
pub fn decode(point: &Point, cells: &[u16], exponent: Option<i32>) -> Result<f64, DecodeError> {
    let bits = raw_bits(point, cells).ok_or(DecodeError::WrongShape)?;
    if point.sentinels.contains(&bits) {
        return Err(DecodeError::Sentinel);
    }
    let value = match &point.enum_map {
        Some(map) if !map.names.iter().any(|(code, _)| *code == bits) => return Err(DecodeError::UnknownCode(bits)),
        Some(map) if !map.true_for.is_empty() => f64::from(u8::from(map.true_for.contains(&bits))),
        Some(_) | None => scaled(point, number(point.encoding, bits), exponent)?,
    };
    check_range(point, value)
}

fn scaled(point: &Point, raw: f64, exponent: Option<i32>) -> Result<f64, DecodeError> {
    let power = power(point, exponent).ok_or(DecodeError::NoScaleFactor)?;
    Ok((raw * power * point.scale + point.offset) * point.factor)
}

fn check_range(point: &Point, value: f64) -> Result<f64, DecodeError> {
    if !value.is_finite() {
        return Err(DecodeError::NotFinite);
    }
    if value < point.range.0 || value > point.range.1 {
        return Err(DecodeError::OutOfRange(value));
    }
    Ok(value)
}

fn power(point: &Point, exponent: Option<i32>) -> Option<f64> {
    match point.scale_factor {
        None => Some(1.0),
        Some(_) => exponent.map(|exponent| 10_f64.powi(exponent)),
    }
}

/// The raw pattern of a point, `None` for texts and for too few cells.
#[must_use]
pub fn raw_bits(point: &Point, cells: &[u16]) -> Option<u64> {
    if matches!(point.encoding, Encoding::Text(_)) {
        return None;
    }
    let cells = cells.get(..usize::from(point.encoding.cells()))?;
    let join = |bits: u64, cell: &u16| (bits << 16) | u64::from(swap(*cell, point.byte_order));
    let bits = match point.word_order {
        Order::HighFirst => cells.iter().fold(0, join),
        Order::LowFirst => cells.iter().rev().fold(0, join),
    };
    Some(match point.encoding {
        Encoding::Bool => u64::from(bits != 0),
        Encoding::Bit(bit) => (bits >> bit) & 1,
        Encoding::U8High | Encoding::I8High => bits >> 8,
        Encoding::U8Low | Encoding::I8Low => bits & 0xFF,
        _ => bits,
    })
}

const fn swap(cell: u16, order: Order) -> u16 {
    match order {
        Order::HighFirst => cell,
        Order::LowFirst => cell.swap_bytes(),
    }
}

/// The number a raw pattern stands for. Above 2^53 the nearest f64.
fn number(encoding: Encoding, bits: u64) -> f64 {
    match encoding {
        Encoding::I8High | Encoding::I8Low => f64::from(bits as u8 as i8),
        Encoding::I16 => f64::from(bits as u16 as i16),
        Encoding::I32 => f64::from(bits as u32 as i32),
        Encoding::I64 => bits as i64 as f64,
        Encoding::F32 => f64::from(f32::from_bits(bits as u32)),
        Encoding::F64 => f64::from_bits(bits),
        Encoding::Bool
        | Encoding::Bit(_)
        | Encoding::U8High
        | Encoding::U8Low
        | Encoding::U16
        | Encoding::U32
        | Encoding::U64
        | Encoding::Text(_) => bits as f64,
    }
}

/// Text of a string point: printable ASCII up to the first NUL, outer blanks removed.
#[must_use]
pub fn text(point: &Point, cells: &[u16]) -> String {
    let bytes = cells.iter().flat_map(|cell| swap(*cell, point.byte_order).to_be_bytes());
    let text: String = bytes.take_while(|byte| *byte != 0).map(printable).collect();
    text.trim().to_owned()
}

const fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '?' }
}

/// Encodes a value in the point's (project's) unit.
///
/// # Errors
/// See [`EncodeError`]: nothing is ever clipped or wrapped.
pub fn encode(point: &Point, value: f64, exponent: Option<i32>) -> Result<Cells, EncodeError> {
    if !value.is_finite() {
        return Err(EncodeError::NotFinite);
    }
    let power = power(point, exponent).ok_or(EncodeError::NoScaleFactor)?;
    let raw = (value / point.factor - point.offset) / (point.scale * power);
    let is_float = matches!(point.encoding, Encoding::F32 | Encoding::F64);
    let bits = pattern(point.encoding, if is_float { raw } else { whole(point, raw, power) })?;
    if point.sentinels.contains(&bits) {
        return Err(EncodeError::Sentinel);
    }
    encode_raw(point, bits)
}

/// Encodes a raw number, such as a run command.
///
/// # Errors
/// If it does not fit, or the type cannot be written.
pub fn encode_raw(point: &Point, bits: u64) -> Result<Cells, EncodeError> {
    if !point.encoding.is_writable() {
        return Err(EncodeError::NotWritable);
    }
    let len = usize::from(point.encoding.cells());
    if len < 4 && bits >> (16 * len) != 0 {
        return Err(EncodeError::DoesNotFit(bits as f64));
    }
    let mut cells = [0; 4];
    for (position, cell) in cells.iter_mut().take(len).enumerate() {
        let from_right = match point.word_order {
            Order::HighFirst => len - 1 - position,
            Order::LowFirst => position,
        };
        *cell = swap((bits >> (16 * from_right)) as u16, point.byte_order);
    }
    Ok(Cells { cells, len })
}

/// The whole raw number for `raw`: the nearest one if it is only float noise away, else the neighbour whose value is
/// closer to zero, because a register that is coarser than the set-point must not ask for more than was allowed.
fn whole(point: &Point, raw: f64, power: f64) -> f64 {
    if (raw - raw.round()).abs() <= 1e-6 {
        return raw.round();
    }
    let size = |raw: f64| (raw * power * point.scale + point.offset).abs();
    if size(raw.floor()) <= size(raw.ceil()) { raw.floor() } else { raw.ceil() }
}

/// The raw pattern of a raw number, range-checked.
fn pattern(encoding: Encoding, raw: f64) -> Result<u64, EncodeError> {
    let within = |low: f64, high: f64| {
        if raw >= low && raw <= high { Ok(raw as i64 as u64) } else { Err(EncodeError::DoesNotFit(raw)) }
    };
    match encoding {
        Encoding::Bool => within(0.0, 1.0),
        Encoding::U16 => within(0.0, 65_535.0),
        Encoding::I16 => within(-32_768.0, 32_767.0).map(|bits| bits & 0xFFFF),
        Encoding::U32 => within(0.0, 4_294_967_295.0),
        Encoding::I32 => within(-2_147_483_648.0, 2_147_483_647.0).map(|bits| bits & 0xFFFF_FFFF),
        Encoding::U64 => within(0.0, EXACT_MAX),
        Encoding::I64 => within(-EXACT_MAX, EXACT_MAX),
        Encoding::F32 if (raw as f32).is_finite() => Ok(u64::from((raw as f32).to_bits())),
        Encoding::F64 if raw.is_finite() => Ok(raw.to_bits()),
        Encoding::F32 | Encoding::F64 => Err(EncodeError::DoesNotFit(raw)),
        Encoding::Bit(_)
        | Encoding::U8High
        | Encoding::U8Low
        | Encoding::I8High
        | Encoding::I8Low
        | Encoding::Text(_) => Err(EncodeError::NotWritable),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
pub(crate) mod tests;
