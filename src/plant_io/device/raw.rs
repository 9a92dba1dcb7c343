//! The text form of a device file and of a site's instance of it: what serde reads, before any check.
//!
//! The field docs are the manual of the file format. Nothing but [`super::check`] and [`super::instance`] uses these.

use crate::Output;
use crate::point::{Order, StepWhen, Table, WordOrder};
use crate::tls::TlsFiles;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[device]` of a device file: what it is, and how it wants to be asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHeader {
    /// Who makes it.
    pub maker: String,
    /// Which model, firmware, options.
    pub model: String,
    /// What it is: `battery`, `inverter`, `meter`, `chp`, `charge point`, `heat pump`, `boiler`.
    #[serde(default)]
    pub kind: String,
    /// One sentence: what it is and where the register list comes from.
    pub description: Option<String>,
    /// Somebody has tried this file at such a device (default false).
    #[serde(default)]
    pub tried_on_hardware: bool,
    /// Where the registers were looked up, each with the date.
    #[serde(default)]
    pub sources: Vec<String>,
    /// In what the sources differ, and what was taken.
    #[serde(default)]
    pub differences: Vec<String>,
    /// 0: addresses as on the wire. 1: register numbers as in many manuals (wire = number - 1).
    pub address_base: u16,
    /// Order of 32 and 64 bit values, unless a point says otherwise: `ABCD`, `CDAB`, `BADC`, `DCBA`, A the most significant
    /// byte; or of words alone: `high_first`, `low_first`. Default `ABCD`.
    #[serde(default)]
    pub word_order: WordOrder,
    /// Order of bytes in a word, unless a point says otherwise. Not beside letters. Default `high_first`.
    pub byte_order: Option<Order>,
    /// SunSpec's "not implemented" bit patterns count as missing.
    #[serde(default)]
    pub sunspec: bool,
    /// Most words per read, 1..=125 (default 125).
    pub words_per_read_max: Option<u16>,
    /// Most bits per read, 1..=2000 (default 2000).
    pub bits_per_read_max: Option<u16>,
    /// Unneeded cells that may be read along to join two points into one block (default 16).
    pub gap_max: Option<u16>,
    /// Address ranges that must not be read, gaps included.
    #[serde(default)]
    pub unreadable: Vec<RawHole>,
    /// Seconds between two reads of a point, unless the point says otherwise (default 1).
    pub poll_s: Option<f64>,
    /// Seconds to wait for an answer (default 1).
    pub response_timeout_s: Option<f64>,
    /// Milliseconds of silence the device needs between an answer and the next request (default 0).
    pub pause_ms: Option<f64>,
    /// Point that is 1 under remote and 0 under local control. In local control nothing is written.
    pub remote_point: Option<String>,
    /// Points that must be within their range before anything is written, such as the id of a register model: another
    /// device or another register layout at this address is then only read.
    #[serde(default)]
    pub identity_points: Vec<String>,
}

/// `[[device.unreadable]]` of a device file: a range of addresses that must not be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHole {
    /// Table.
    pub table: Table,
    /// First address, in the file's base.
    pub from: i64,
    /// Last address, in the file's base.
    pub to: i64,
}

/// `[[point]]` of a device file: one value of the device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPoint {
    /// Unique name, carrying no unit.
    pub name: String,
    /// What it is, for people.
    #[serde(rename = "description")]
    pub _description: Option<String>,
    /// `coil`, `discrete`, `input` or `holding`.
    pub table: Table,
    /// Address in the file's base, without a leading 3 or 4.
    pub address: i64,
    /// `bool`, `bit`, `u8_high`, `u8_low`, `i8_high`, `i8_low`, `u16`, `i16`, `u32`, `i32`, `u64`, `i64`, `f32`, `f64`, `string`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For `bit`: which one, 0 = least significant.
    pub bit: Option<u8>,
    /// For `string`: how many registers.
    pub words: Option<u16>,
    /// Overrides the device's.
    pub word_order: Option<WordOrder>,
    /// Overrides the device's; not beside letters in the point's `word_order`.
    pub byte_order: Option<Order>,
    /// Factor from raw number to `unit` (default 1).
    pub scale: Option<f64>,
    /// Added after scaling, in `unit` (default 0).
    pub offset: Option<f64>,
    /// 1 or -1, from the device's sign to the project's: battery + = charging, grid + = importing (default 1).
    pub sign: Option<f64>,
    /// Name of the point that holds a decimal exponent (SunSpec scale factor).
    pub scale_factor: Option<String>,
    /// Raw numbers that mean "no value".
    #[serde(default)]
    pub sentinels: Vec<i64>,
    /// Smallest and largest believable value in `unit`, after `sign`. Required for signals.
    pub range: Option<[f64; 2]>,
    /// Unit after scaling. Required for signals; converted to the signal's unit.
    pub unit: Option<String>,
    /// Unit id, where one device answers under several.
    pub unit_id: Option<u8>,
    /// Seconds between two reads.
    pub poll_s: Option<f64>,
    /// Seconds after which the value is stale (default: three polls, at least 5 s).
    pub age_max_s: Option<f64>,
    /// Seconds after which the same number means that its source is stuck (default: it may rest). Not for what may
    /// rightly stand still, such as PV at night.
    pub frozen_s: Option<f64>,
    /// What it means to the controller. Absent: telemetry only, or assigned by the site file.
    pub signal: Option<String>,
    /// Names of raw numbers.
    #[serde(rename = "enum", default)]
    pub names: BTreeMap<String, String>,
    /// Names for which the point counts as 1; all others count as 0.
    #[serde(default)]
    pub true_for: Vec<String>,
    /// The device does not let it be read: it is left out of the read plan.
    #[serde(default)]
    pub write_only: bool,
    /// How it is written. The site file must allow it as well.
    pub write: Option<RawWrite>,
}

/// `[point.write]` of a device file: how a point is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWrite {
    /// What the controller decides that goes here.
    pub output: Output,
    /// What the device can take, in the point's unit and after `sign`.
    pub range: [f64; 2],
    /// For run commands: the raw number for "off".
    pub off: Option<u64>,
    /// For run commands: the raw number for "on".
    pub on: Option<u64>,
    /// Seconds between two changes, at least (default 0).
    pub interval_s_min: Option<f64>,
    /// Difference between written and read-back value that counts as applied, in the point's unit.
    pub tolerance: f64,
    /// Point that shows the accepted value (default: this one).
    pub readback: Option<String>,
    /// Seconds before the read-back shows a new value (default 0).
    pub readback_delay_s: Option<f64>,
    /// Seconds after which the device falls back by itself: refreshed at half of it.
    pub watchdog_s: Option<f64>,
    /// The register lies in flash memory (wear): written on change only.
    #[serde(default)]
    pub non_volatile: bool,
    /// Required with `non_volatile`: writes in 24 hours, at most.
    pub writes_per_day_max: Option<u32>,
    /// Written before the set-point: reversion value, then its timer.
    #[serde(default)]
    pub before: Vec<RawStep>,
    /// Written after the set-point: the enable flag last.
    #[serde(default)]
    pub after: Vec<RawStep>,
    /// Use function 16 (15) also for a single cell.
    #[serde(default)]
    pub multiple: bool,
}

/// `[[point.write.before]]`, `[[point.write.after]]` of a device file: a fixed value written along with a set-point.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStep {
    /// Name of the point.
    pub point: String,
    /// Value in the point's unit (its raw number if it has names).
    pub value: f64,
    /// With every write of the set-point, or with the first one only. Default `always`.
    #[serde(default)]
    pub when: StepWhen,
    /// The register keeps the value and is compared with it; false for commands that fall back to 0.
    pub readback: Option<bool>,
}

/// `[[device]]`: where a device is, what its points mean there, what may be written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDevice {
    /// Unique name within the site.
    pub name: String,
    /// Device file: in the folder `devices` beside the configuration, else of the library (`gateway devices`).
    pub file: String,
    /// Where it is: `{ tcp = "host:port" }`, `{ rtu_over_tcp = "host:port" }` or `{ serial = { path = "/dev/ttyS0", baud = 19200 } }`.
    pub transport: RawTransport,
    /// Encrypts Modbus TCP (port 802 by its standard), and proves to the device who connects; files are beside the
    /// configuration.
    pub tls: Option<TlsFiles>,
    /// Modbus unit id, 0..=247 or 255 (many TCP devices want 1 or 255).
    pub unit_id: u8,
    /// Which battery, CHP, PV, wind or meter of the site it is, from 1 (default 1): its signals and set-points get that
    /// number in their names, such as `battery_2_kw` and `battery_2_setpoint_kw`. Device files need not know.
    pub number: Option<u16>,
    /// Overrides the device file's poll interval, seconds. Points with one of their own keep it.
    pub poll_s: Option<f64>,
    /// Overrides the device file's response timeout, seconds.
    pub response_timeout_s: Option<f64>,
    /// Seconds to wait for a connection (default 2).
    pub connect_timeout_s: Option<f64>,
    /// Longest pause between two attempts to connect, seconds (default 1; at most 5 for a device that measures a signal).
    pub reconnect_s_max: Option<f64>,
    /// Longest pause before a unit that stays silent is asked again, seconds (default 5; at most 5 for a device that
    /// measures a signal). A pause is at most a third of the silence so far, the first ones a quarter of a second.
    pub retry_s_max: Option<f64>,
    /// A set-point that has been ordered for longer than this without being confirmed by its read-back is a fault, whatever
    /// the reason, seconds (default: two polls of the read-back plus its delay, at least 10).
    pub confirm_s: Option<f64>,
    /// A set-point older than this is not written any more, seconds (default 5, or two cycles if that is
    /// longer; not less than two cycles).
    pub order_ttl_s: Option<f64>,
    /// What points mean at this site; replaces the device file's `signal`.
    #[serde(default)]
    pub signal: Vec<RawSignal>,
    /// Every register that may be written here; `[]`: this device is only read.
    pub write: Option<Vec<RawPermission>>,
}

/// `[[device.signal]]`: what a point means at this site.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSignal {
    /// Point of the device file.
    pub point: String,
    /// Signal it stands for, with its number where there are several (`battery_2_kw`, `pv_3_kw`, `soc_2`).
    pub signal: String,
    /// 1 or -1 on top of the device file's sign, for meters mounted the other way round.
    pub sign: Option<f64>,
    /// Smallest and largest believable value, in the signal's unit. Default: the device file's.
    pub range: Option<[f64; 2]>,
    /// Overrides the point's maximum age, seconds.
    pub age_max_s: Option<f64>,
}

/// `[[device.write]]`: permission to write a point.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPermission {
    /// Point of the device file that has a `write` table.
    pub point: String,
    /// Smallest and largest value ever written, in the output's unit (kW, or 0/1). Plant limits have no default.
    pub range: [f64; 2],
    /// Number of the unit that it is for, where it is another than the device's.
    pub number: Option<u16>,
    /// Seconds between two changes, at least; not below the device file's.
    pub interval_s_min: Option<f64>,
}

/// `{ tcp = "host:port" }`, `{ rtu_over_tcp = "host:port" }` or `{ serial = { path = "/dev/ttyS0", baud = 19200 } }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RawTransport {
    /// Modbus TCP.
    Tcp(String),
    /// RTU frames over a TCP connection, as many serial servers do.
    RtuOverTcp(String),
    /// A serial line.
    Serial(SerialLine),
}

/// `[device.transport.serial]`: a serial line. Modbus asks for 8 data bits and even parity; without parity for two stop bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialLine {
    /// Device path.
    pub path: String,
    /// Bits per second.
    pub baud: u32,
    /// Parity. Default `even`.
    #[serde(default)]
    pub parity: Parity,
    /// 1 or 2 (default 1).
    #[serde(default = "one")]
    pub stop_bits: u8,
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// Even: the Modbus default.
    #[default]
    Even,
    /// Odd.
    Odd,
    /// None.
    None,
}

const fn one() -> u8 {
    1
}
