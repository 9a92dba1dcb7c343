//! Points: what a device file says about one value at a device, checked.
//!
//! Responsible for: the typed form of a Modbus point, of what may be written to it, and of a device. All fields have been
//! validated by [`super::device`]; nothing here can be constructed from text without it. It does no I/O.
//!
//! Value of a point, from its raw number: `value = (raw * 10^scale_factor * scale + offset) * sign * unit factor`.

use super::{OutputTag, Share, WriteOrder};
use memg_core::plant_state::Tag;
use std::time::Duration;

/// The four Modbus tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Read with function 1, written with 5 and 15.
    Coil,
    /// Read with function 2.
    Discrete,
    /// Read with function 4.
    Input,
    /// Read with function 3, written with 6 and 16.
    Holding,
}

impl Table {
    /// Whether its cells are bits (else 16-bit words).
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    /// Whether it can be written at all.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Coil | Self::Holding)
    }

    /// The most cells one read may ask for, by the Modbus specification.
    #[must_use]
    pub const fn cells_max(self) -> u16 {
        if self.is_bits() { 2000 } else { 125 }
    }

    /// The name in device files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
        }
    }
}

/// How a value lies in its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A coil or discrete input; in a register: 0 is false, everything else true.
    Bool,
    /// Bit n of a register, 0 = least significant.
    Bit(u8),
    /// High byte of a register.
    U8High,
    /// Low byte of a register.
    U8Low,
    /// High byte of a register, signed.
    I8High,
    /// Low byte of a register, signed.
    I8Low,
    /// 16 bits.
    U16,
    /// 16 bits, two's complement.
    I16,
    /// 32 bits.
    U32,
    /// 32 bits, two's complement.
    I32,
    /// 64 bits.
    U64,
    /// 64 bits, two's complement.
    I64,
    /// IEEE 754 single.
    F32,
    /// IEEE 754 double.
    F64,
    /// ASCII, two characters per register, this many registers.
    Text(u16),
}

impl Encoding {
    /// Registers (or bits, in a bit table) it occupies.
    #[must_use]
    pub const fn cells(self) -> u16 {
        match self {
            Self::Bool
            | Self::Bit(_)
            | Self::U8High
            | Self::U8Low
            | Self::I8High
            | Self::I8Low
            | Self::U16
            | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Text(registers) => registers,
        }
    }

    /// Bits of the raw number.
    #[must_use]
    pub const fn width(self) -> u32 {
        match self {
            Self::Bool | Self::Bit(_) => 1,
            Self::U8High | Self::U8Low | Self::I8High | Self::I8Low => 8,
            Self::U16 | Self::I16 => 16,
            Self::U32 | Self::I32 | Self::F32 => 32,
            Self::U64 | Self::I64 | Self::F64 => 64,
            Self::Text(_) => 0,
        }
    }

    /// Whether the driver can write it without touching neighbours in the same register.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        !matches!(self, Self::Bit(_) | Self::U8High | Self::U8Low | Self::I8High | Self::I8Low | Self::Text(_))
    }
}

/// The orders of a 32-bit value as people name them, A its most significant byte: words, then bytes in a word.
const LETTERS: [(&str, Order, Order); 4] = [
    ("ABCD", Order::HighFirst, Order::HighFirst),
    ("CDAB", Order::LowFirst, Order::HighFirst),
    ("BADC", Order::HighFirst, Order::LowFirst),
    ("DCBA", Order::LowFirst, Order::LowFirst),
];

/// The letters of an order of words and an order of bytes.
#[must_use]
pub fn letters(words: Order, bytes: Order) -> &'static str {
    LETTERS.into_iter().find(|(_, w, b)| (*w, *b) == (words, bytes)).map_or("ABCD", |(name, ..)| name)
}

/// `word_order` of a device file: of the words alone (`high_first`, `low_first`), or of words and bytes in letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct WordOrder {
    /// Of the words.
    pub words: Order,
    /// Of the bytes in a word, where the letters say it.
    pub bytes: Option<Order>,
}

impl TryFrom<String> for WordOrder {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let words = |words| Ok(Self { words, bytes: None });
        match name.as_str() {
            "high_first" => return words(Order::HighFirst),
            "low_first" => return words(Order::LowFirst),
            _ => {}
        }
        let found = LETTERS.into_iter().find(|(letters, ..)| *letters == name);
        found.map(|(_, words, bytes)| Self { words, bytes: Some(bytes) }).ok_or_else(|| {
            format!("expected ABCD, CDAB, BADC or DCBA, or high_first or low_first (of words alone), found {name:?}")
        })
    }
}

/// Order of words or of the bytes within a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Most significant first: what the Modbus specification says for bytes and most devices do for words.
    #[default]
    HighFirst,
    /// Least significant first.
    LowFirst,
}

/// Names for raw numbers of a status or command register.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnumMap {
    /// Raw number and its name. A raw number without a name is out of range.
    pub names: Vec<(u64, String)>,
    /// If not empty: the point is 1 for these raw numbers and 0 for the other named ones.
    pub true_for: Vec<u64>,
}

/// One value at a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Name, unique within the device.
    pub name: String,
    /// Unit id when it differs from the device's.
    pub unit_id: Option<u8>,
    /// Table.
    pub table: Table,
    /// Address on the wire, counted from 0.
    pub address: u16,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Order of its words.
    pub word_order: Order,
    /// Order of the bytes in each word.
    pub byte_order: Order,
    /// Factor on the raw number.
    pub scale: f64,
    /// Added after scaling, in the device's unit.
    pub offset: f64,
    /// Sign times the unit's factor: from the device's unit and sign to the project's.
    pub factor: f64,
    /// Index of the point that holds the decimal exponent (SunSpec `sunssf`).
    pub scale_factor: Option<usize>,
    /// Raw bit patterns that mean "not implemented".
    pub sentinels: Vec<u64>,
    /// Smallest and largest believable value, in the project's unit.
    pub range: (f64, f64),
    /// Names of raw numbers.
    pub enum_map: Option<EnumMap>,
    /// Name of its unit, for display: the signal's unit when there is a signal.
    pub unit: String,
    /// What it means to the controller; `None` for telemetry.
    pub signal: Option<Tag>,
    /// How often it is read.
    pub poll: Duration,
    /// From this age on it is stale.
    pub age_max: Duration,
    /// The same number for longer than this means that its source is stuck; `None`: it may rest.
    pub frozen: Option<Duration>,
    /// Whether it can be read.
    pub readable: bool,
    /// How it is written; `None` means that the driver refuses to.
    pub write: Option<WriteRule>,
}

impl Point {
    /// One past its last cell. Never above 65536.
    #[must_use]
    pub fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.encoding.cells())
    }

    /// `table[address]`, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}[{}]", self.table.name(), self.address)
    }
}

/// When a companion register of a set-point is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepWhen {
    /// With every write and refresh of the set-point.
    #[default]
    Always,
    /// Only with the first write after connecting, after local control, and after a write that did not take.
    Start,
}

/// A fixed value written before or after the set-point, such as a reversion timer or an enable flag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedWrite {
    /// Index of the point.
    pub point: usize,
    /// Value, in the point's unit.
    pub value: f64,
    /// With every write of the set-point, or only with the first.
    pub when: StepWhen,
    /// Whether the register is compared with the value afterwards.
    pub readback: bool,
}

/// How a point is written.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteRule {
    /// What the controller decides that goes here.
    pub output: OutputTag,
    /// For one of several sources: its part of their cap.
    pub share: Option<Share>,
    /// Smallest and largest value that is ever written, in the output's unit. Anything else is refused.
    pub range: (f64, f64),
    /// Raw numbers for 0 and 1 (run commands) instead of the scaled value.
    pub off_on: Option<(u64, u64)>,
    /// Rate limit: changes that come faster are written this much apart, the newest one winning.
    pub interval_min: Duration,
    /// Largest difference between written and read-back value that counts as applied, in the output's unit.
    pub tolerance: f64,
    /// Index of the point that is read back (often the set-point itself); `None` for heartbeats.
    pub readback: Option<usize>,
    /// Time the device needs before the read-back shows the new value.
    pub readback_delay: Duration,
    /// Ordered for longer than this without being confirmed, it is a fault.
    pub confirm: Duration,
    /// The device falls back unless written within this time: refreshed at half of it.
    pub watchdog: Option<Duration>,
    /// The register lies in flash memory: never refreshed, at most this many writes in 24 hours.
    pub non_volatile_per_day: Option<u32>,
    /// Written before the set-point: reversion value, then its timer.
    pub before: Vec<FixedWrite>,
    /// Written after the set-point: the enable flag last.
    pub after: Vec<FixedWrite>,
    /// A single register is written with function 16 (or a coil with 15) instead of 6 (or 5).
    pub multiple: bool,
}

impl WriteRule {
    /// What an order says for this point, in the output's unit.
    #[must_use]
    pub fn value(&self, order: &WriteOrder) -> f64 {
        let value = self.output.value(order);
        self.share.map_or(value, |share| share.of(value))
    }
}
