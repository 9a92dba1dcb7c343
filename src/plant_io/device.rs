//! Devices as data: a device file (what a model offers) and a device (one of them at a site).
//!
//! [`load`] reads a device file; [`Device::new`] joins it with a `[[device]]` of the site file. Both report every problem
//! they find, each with its key path. Terms: a *permission* is a `[[device.write]]` of the site file; a point that a
//! device file offers for writing stays read-only without one.

pub mod raw;

mod check;
mod instance;
mod point_check;
mod write_check;

use super::image::{ImageBuilder, PointId};
use super::point::{Point, Table, WriteRule};
use super::problem::Problem;
use super::tls::TlsFiles;
use super::{OutputTag, Share};
use memg_core::plant_state::Tag;
pub use raw::{Parity, RawDevice, SerialLine};
use std::sync::Arc;
use std::time::Duration;

/// What may be read of a device in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLimits {
    /// Most words, 1..=125.
    pub words_max: u16,
    /// Most bits, 1..=2000.
    pub bits_max: u16,
    /// Unneeded cells that may be read along.
    pub gap_max: u16,
    /// Ranges that must never be touched: table, first, last address on the wire.
    pub holes: Vec<(Table, u16, u16)>,
}

/// A checked device file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceFile {
    /// Who makes it.
    pub maker: String,
    /// Which model.
    pub model: String,
    /// What it is and how far it can be trusted.
    pub about: About,
    /// All points. Write rules are offers until a site permits them.
    pub points: Vec<Point>,
    /// Reading limits.
    pub limits: ReadLimits,
    /// Default poll interval.
    pub poll: Duration,
    /// Which points state a poll interval of their own.
    pub own_poll: Vec<bool>,
    /// Time to wait for an answer.
    pub response_timeout: Duration,
    /// Silence between an answer and the next request.
    pub pause: Duration,
    /// Index of the point that tells remote (1) from local (0) control.
    pub remote: Option<usize>,
    /// Indices of the points that must be within their range before anything is written.
    pub identity: Vec<usize>,
}

/// What a device file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Battery, meter, …
    pub kind: String,
    /// One sentence.
    pub description: String,
    /// Somebody has tried it at such a device.
    pub tried_on_hardware: bool,
    /// Where the registers were looked up.
    pub sources: Vec<String>,
    /// In what the sources differ.
    pub differences: Vec<String>,
}

/// Reads and checks a device file.
///
/// # Errors
/// Every problem found, each with `file_name`, line and key path.
pub fn load(text: &str, file_name: &str) -> Result<DeviceFile, Vec<Problem>> {
    check::device_file(text)
        .map_err(|problems| problems.into_iter().map(|problem| problem.located(file_name, text)).collect())
}

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Modbus TCP at `host:port`.
    Tcp(String),
    /// Modbus TCP in TLS at `host:port`.
    Tls(String, TlsFiles),
    /// RTU frames over TCP at `host:port`.
    RtuOverTcp(String),
    /// A serial line.
    Serial(SerialLine),
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Tls(address, _) => write!(f, "tls {address}"),
            Self::RtuOverTcp(address) => write!(f, "rtu over tcp {address}"),
            Self::Serial(line) => write!(f, "serial {} {} Bd", line.path, line.baud),
        }
    }
}

/// The host of `host:port`; an address of version 6 without its brackets.
pub(crate) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Times of a device at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Time to wait for a connection.
    pub connect_timeout: Duration,
    /// Time to wait for an answer.
    pub response_timeout: Duration,
    /// Silence between an answer and the next request.
    pub pause: Duration,
    /// Longest pause between two attempts to connect.
    pub reconnect_max: Duration,
    /// Longest pause before a unit that stays silent is asked again.
    pub retry_max: Duration,
    /// A set-point older than this is not written.
    pub order_ttl: Duration,
}

/// A device at a site, ready to be driven. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its name in the site file.
    pub name: Arc<str>,
    /// Where it is.
    pub transport: Transport,
    /// Unit id of points that state none.
    pub unit_id: u8,
    /// Times.
    pub timing: Timing,
    /// Points; only those permitted by the site have a write rule.
    pub points: Arc<[Point]>,
    /// Reading limits.
    pub limits: Arc<ReadLimits>,
    /// Index of the point that tells remote from local control.
    pub remote: Option<usize>,
    /// Indices of the points that must be within their range before anything is written.
    pub identity: Arc<[usize]>,
    /// Place of `points[0]` in the process image, the others follow.
    pub first: PointId,
    /// Name of its device file.
    pub file: Arc<str>,
    /// What the file offers for writing and the site does not permit.
    pub unpermitted: Unpermitted,
}

/// What a device file offers for writing beyond what the site permits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unpermitted {
    /// The site says what may be written, if only that nothing may.
    pub stated: bool,
    /// The offers; nothing writes them.
    pub offers: Vec<Offer>,
}

/// A point that could be written if the site permitted it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// What it would take.
    pub output: OutputTag,
    /// Its name.
    pub point: String,
    /// How it would be written.
    pub rule: WriteRule,
}

/// A register that can be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    /// Index of the point.
    pub point: usize,
    /// The fixed value of a step, in the point's unit; `None` for the set-point itself.
    pub fixed: Option<f64>,
    /// Index of the set-point it belongs to.
    pub of: usize,
}

impl Device {
    /// Joins a `[[device]]` of the site file with its device file and takes places in the process image.
    /// `key` is the key path of the instance in the site file, such as `device[2]`.
    ///
    /// # Errors
    /// Every problem found, with its key path; file and line are for the caller to add ([`Problem::located`]).
    pub fn new(raw: &RawDevice, file: &DeviceFile, key: &str, image: &mut ImageBuilder) -> Result<Self, Vec<Problem>> {
        let mut device = instance::join(raw, file, key)?;
        device.first = image.add_all(device.points.iter().map(|point| point.age_max));
        for (index, point) in device.points.iter().enumerate() {
            point.frozen.into_iter().for_each(|limit| image.frozen_after(device.id(index), limit));
        }
        Ok(device)
    }

    /// Place of `points[index]` in the process image.
    #[must_use]
    pub const fn id(&self, index: usize) -> PointId {
        PointId(self.first.0 + index)
    }

    /// Unit id of `points[index]`.
    #[must_use]
    pub fn unit_of(&self, index: usize) -> u8 {
        self.points.get(index).and_then(|point| point.unit_id).unwrap_or(self.unit_id)
    }

    /// The signals this device measures and their places in the process image.
    pub fn signals(&self) -> impl Iterator<Item = (Tag, PointId)> + '_ {
        self.points.iter().enumerate().filter_map(|(index, point)| Some((point.signal?, self.id(index))))
    }

    /// The outputs of the controller that go to this device.
    pub fn outputs(&self) -> impl Iterator<Item = OutputTag> + '_ {
        self.points.iter().filter_map(|point| Some(point.write.as_ref()?.output))
    }

    /// Says which part of a cap goes to which of several sources.
    pub fn share(&mut self, part: impl Fn(OutputTag) -> Option<Share>) {
        let mut points = self.points.to_vec();
        for rule in points.iter_mut().filter_map(|point| point.write.as_mut()) {
            rule.share = part(rule.output);
        }
        self.points = points.into();
    }

    /// The same device with these points alone, none of which can be written: for looking at it.
    #[must_use]
    pub fn read_only(&self, mut points: Vec<Point>) -> Self {
        points.iter_mut().for_each(|point| point.write = None);
        Self { points: points.into(), remote: None, identity: Arc::new([]), ..self.clone() }
    }

    /// Every register that can be written, in the order of the sequences: for `gateway check`.
    #[must_use]
    pub fn written(&self) -> Vec<Written> {
        let mut written = Vec::new();
        for index in self.writable() {
            let Some(rule) = self.points.get(index).and_then(|point| point.write.as_ref()) else { continue };
            let fixed =
                |step: &super::point::FixedWrite| Written { point: step.point, fixed: Some(step.value), of: index };
            written.extend(rule.before.iter().map(fixed));
            written.push(Written { point: index, fixed: None, of: index });
            written.extend(rule.after.iter().map(fixed));
        }
        written
    }

    /// Indices of the points that the driver may write with the set-point itself (their steps come on top).
    pub fn writable(&self) -> impl Iterator<Item = usize> + '_ {
        self.points.iter().enumerate().filter(|(_, point)| point.write.is_some()).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests;
