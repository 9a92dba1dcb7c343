//! Which registers are read together.
//!
//! Points that lie close are read with one request: at most the device's limit, bridging small gaps, never across an
//! unreadable hole, never splitting a value. When a device refuses a block's addresses (exception 2), the block is split
//! until the refused point stands alone; the caller keeps the result. Pure; `gateway check` prints it.

use crate::device::{Device, ReadLimits};
use crate::point::{Point, Table};
use std::collections::BTreeMap;
use std::time::Duration;

/// One read request and the points it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Unit id.
    pub unit_id: u8,
    /// Table.
    pub table: Table,
    /// First cell on the wire.
    pub start: u16,
    /// Cells, at least 1.
    pub count: u16,
    /// Indices of the device's points, by address.
    pub points: Vec<usize>,
    /// How often it is read.
    pub poll: Duration,
}

impl Block {
    /// Bytes of request and answer together on Modbus TCP.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let data = if self.table.is_bits() { usize::from(self.count).div_ceil(8) } else { usize::from(self.count) * 2 };
        12 + 9 + data
    }

    /// Two blocks instead of this one, each trimmed to what it needs: split at the widest gap, because cells that nobody
    /// asked for are the likeliest to be unreadable, else in the middle. `None` if all its points share one register.
    #[must_use]
    pub fn bisect(&self, points: &[Point]) -> Option<(Self, Self)> {
        let split = self.widest_gap(points).or_else(|| self.middle(points))?;
        let below = |index: &usize| points.get(*index).is_some_and(|point| point.address < split);
        let (low, high): (Vec<usize>, Vec<usize>) = self.points.iter().partition(|index| below(index));
        Some((self.trimmed(low, points)?, self.trimmed(high, points)?))
    }

    /// First address behind the widest gap.
    fn widest_gap(&self, points: &[Point]) -> Option<u16> {
        let own: Vec<&Point> = self.points.iter().filter_map(|index| points.get(*index)).collect();
        let gap = |pair: &[&Point]| match pair {
            [low, high] => (u32::from(high.address).saturating_sub(low.end()), high.address),
            _ => (0, 0),
        };
        own.windows(2)
            .map(gap)
            .filter(|(width, _)| *width > 0)
            .max_by_key(|(width, _)| *width)
            .map(|(_, address)| address)
    }

    /// Address of the middle point, or of the first one behind the first register.
    fn middle(&self, points: &[Point]) -> Option<u16> {
        let addresses: Vec<u16> =
            self.points.iter().filter_map(|index| points.get(*index)).map(|point| point.address).collect();
        let first = *addresses.first()?;
        let middle = *addresses.get(addresses.len() / 2)?;
        if middle > first { Some(middle) } else { addresses.into_iter().find(|address| *address > first) }
    }

    fn trimmed(&self, indices: Vec<usize>, points: &[Point]) -> Option<Self> {
        let of = |index: &usize| points.get(*index);
        let start = indices.iter().filter_map(of).map(|point| point.address).min()?;
        let end = indices.iter().filter_map(of).map(Point::end).max()?;
        let count = u16::try_from(end - u32::from(start)).ok()?;
        Some(Self { start, count, points: indices, ..self.clone() })
    }
}

/// The blocks of a device: all its readable points, grouped by unit id, poll interval and table.
#[must_use]
pub fn blocks(device: &Device) -> Vec<Block> {
    let mut groups: BTreeMap<(u8, Duration, Table), Vec<usize>> = BTreeMap::new();
    for (index, point) in device.points.iter().enumerate().filter(|(_, point)| point.readable) {
        groups.entry((device.unit_of(index), point.poll, point.table)).or_default().push(index);
    }
    groups
        .into_iter()
        .flat_map(|((unit_id, poll, table), indices)| {
            join(
                &device.points,
                indices,
                &device.limits,
                Block { unit_id, table, start: 0, count: 0, points: Vec::new(), poll },
            )
        })
        .collect()
}

fn join(points: &[Point], mut indices: Vec<usize>, limits: &ReadLimits, empty: Block) -> Vec<Block> {
    indices.sort_by_key(|index| points.get(*index).map(|point| (point.address, point.end())));
    indices.dedup();
    let mut blocks: Vec<Block> = Vec::new();
    for index in indices {
        let Some(point) = points.get(index) else { continue };
        match blocks.last_mut().and_then(|block| Some((extended(block, point, limits)?, block))) {
            Some((count, block)) => {
                block.count = count;
                block.points.push(index);
            }
            None => {
                let count = point.encoding.cells();
                blocks.push(Block { start: point.address, count, points: vec![index], ..empty.clone() });
            }
        }
    }
    blocks
}

/// The count of the block with the point added, if it may be.
fn extended(block: &Block, point: &Point, limits: &ReadLimits) -> Option<u16> {
    let end = u32::from(block.start) + u32::from(block.count);
    let max = if block.table.is_bits() { limits.bits_max } else { limits.words_max };
    let count = u16::try_from(point.end().max(end) - u32::from(block.start)).ok()?;
    let gap = u32::from(point.address).saturating_sub(end);
    let crosses = |(table, from, to): &(Table, u16, u16)| {
        *table == block.table && u32::from(*to) >= end && u32::from(*from) < u32::from(point.address)
    };
    (count <= max && gap <= u32::from(limits.gap_max) && !limits.holes.iter().any(crosses)).then_some(count)
}

/// What a read plan costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PlanCost {
    /// Requests.
    pub blocks: usize,
    /// Requests per second.
    pub polls_per_s: f64,
    /// Bytes per second, both directions, Modbus TCP frames without TCP and IP headers.
    pub bytes_per_s: f64,
}

/// What these blocks cost when each is read at its interval.
#[must_use]
pub fn cost(blocks: &[Block]) -> PlanCost {
    let add = |cost: PlanCost, block: &Block| PlanCost {
        blocks: cost.blocks + 1,
        polls_per_s: cost.polls_per_s + 1.0 / block.poll.as_secs_f64(),
        bytes_per_s: cost.bytes_per_s + block.bytes() as f64 / block.poll.as_secs_f64(),
    };
    blocks.iter().fold(PlanCost::default(), add)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
