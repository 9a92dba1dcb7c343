//! Reads every point of a device once, for `gateway check --probe`. Writes nothing.

use super::codec;
use super::link::{CallError, Link, Span};
use super::plan::{Block, blocks};
use crate::device::{Device, Timing, Transport};
use crate::point::{Encoding, Point, Table};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a point gave.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeValue {
    /// A number in the point's (project's) unit.
    Number(f64),
    /// A text.
    Text(String),
    /// It was read but cannot be used: why.
    Unusable(String),
    /// It could not be read: why.
    Failed(String),
    /// The device file says that it cannot be read.
    WriteOnly,
}

/// One point's result.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeResult {
    /// Index of the point in the device.
    pub point: usize,
    /// The cells as they came, on the wire's order.
    pub cells: Vec<u16>,
    /// What they mean.
    pub value: ProbeValue,
}

/// Pause before a connection is opened again that broke during the probe.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads everything once, block by block, halving blocks that the device refuses; one result per point, by index. Takes at
/// most one time-out per block.
pub async fn probe(device: &Device) -> Vec<ProbeResult> {
    let mut results: Vec<ProbeResult> =
        device.points.iter().enumerate().map(|(point, _)| unread(device, point)).collect();
    let mut queue: VecDeque<Block> = blocks(device).into();
    let mut link = None;
    while let Some(block) = queue.pop_front() {
        match read(device, &block, &mut link).await {
            Ok(cells) => keep(device, &block, &cells, &mut results),
            Err(error) => match block.bisect(&device.points).filter(|_| error == CallError::Exception(2)) {
                Some((low, high)) => queue.extend([low, high]),
                None => fail(&block, &error.to_string(), &mut results),
            },
        }
    }
    let exponents: Vec<Option<i32>> = results.iter().map(|result| exponent(device, result)).collect();
    for result in &mut results {
        interpret(device, result, &exponents);
    }
    results
}

fn unread(device: &Device, point: usize) -> ProbeResult {
    let readable = device.points.get(point).is_some_and(|point| point.readable);
    let value = if readable { ProbeValue::Failed("not read".to_owned()) } else { ProbeValue::WriteOnly };
    ProbeResult { point, cells: Vec::new(), value }
}

async fn read(device: &Device, block: &Block, link: &mut Option<Link>) -> Result<Vec<u16>, CallError> {
    let mut open = match link.take() {
        Some(open) => open,
        None => {
            let opened = Link::open(&device.transport, &device.timing, PAUSE).await;
            opened.map_err(|error| CallError::Broken(error.to_string()))?
        }
    };
    let span = Span { table: block.table, start: block.start, count: block.count };
    let started = Instant::now();
    let answer = open.read(block.unit_id, span, device.timing.response_timeout).await;
    match &answer {
        Err(error) if error.is_fatal() => sleep(PAUSE.saturating_sub(started.elapsed())).await,
        _ => *link = Some(open),
    }
    answer
}

fn keep(device: &Device, block: &Block, cells: &[u16], results: &mut [ProbeResult]) {
    for index in &block.points {
        let (Some(point), Some(result)) = (device.points.get(*index), results.get_mut(*index)) else { continue };
        let start = usize::from(point.address - block.start);
        let own = cells.get(start..start + usize::from(point.encoding.cells()));
        result.cells = own.unwrap_or_default().to_vec();
    }
}

fn fail(block: &Block, why: &str, results: &mut [ProbeResult]) {
    for index in &block.points {
        if let Some(result) = results.get_mut(*index) {
            result.value = ProbeValue::Failed(why.to_owned());
        }
    }
}

fn exponent(device: &Device, result: &ProbeResult) -> Option<i32> {
    let point = device.points.get(result.point)?;
    codec::exponent(codec::decode(point, &result.cells, None).ok()?)
}

fn interpret(device: &Device, result: &mut ProbeResult, exponents: &[Option<i32>]) {
    let Some(point) = device.points.get(result.point) else { return };
    if !result.cells.is_empty() {
        result.value = meaning(point, &result.cells, exponents);
    }
}

fn meaning(point: &Point, cells: &[u16], exponents: &[Option<i32>]) -> ProbeValue {
    if matches!(point.encoding, Encoding::Text(_)) {
        return ProbeValue::Text(codec::text(point, cells));
    }
    let exponent = point.scale_factor.and_then(|index| exponents.get(index).copied().flatten());
    match codec::decode(point, cells, exponent) {
        Ok(value) => ProbeValue::Number(value),
        Err(error) => ProbeValue::Unusable(error.to_string()),
    }
}

/// Holding registers of a device of which nothing is known yet, for looking around.
#[derive(Debug)]
pub struct Glance {
    link: Link,
    unit: u8,
}

/// A device that is looked at has this long to answer.
const GLANCE_WITHIN: Duration = Duration::from_secs(3);

impl Glance {
    /// Connects.
    ///
    /// # Errors
    /// In words.
    pub async fn open(transport: &Transport, unit: u8) -> Result<Self, String> {
        let timing = Timing {
            connect_timeout: GLANCE_WITHIN,
            response_timeout: GLANCE_WITHIN,
            pause: Duration::ZERO,
            reconnect_max: GLANCE_WITHIN,
            retry_max: GLANCE_WITHIN,
            order_ttl: GLANCE_WITHIN,
        };
        let link = Link::open(transport, &timing, PAUSE).await;
        link.map(|link| Self { link, unit }).map_err(|error| format!("{transport}: {error}"))
    }

    /// Reads registers; `None`: the device says that there are none.
    ///
    /// # Errors
    /// In words.
    pub async fn holding(&mut self, start: u16, count: u16) -> Result<Option<Vec<u16>>, String> {
        let span = Span { table: Table::Holding, start, count };
        match self.link.read(self.unit, span, GLANCE_WITHIN).await {
            Ok(words) => Ok(Some(words)),
            Err(CallError::Exception(1..=3)) => Ok(None),
            Err(error) => Err(format!("registers {start} to {}: {error}", start.saturating_add(count - 1))),
        }
    }
}
