//! Samples of a stretch of time: the times of cycles and one column a point.

use crate::codec::{Damaged, UNKNOWN, pack, pack_times, unpack, unpack_times};
use std::collections::BTreeMap;

/// Number of a point in the file, from 1.
pub(crate) type PointId = u16;

/// Length of a chunk, ms.
pub(crate) const CHUNK_MS: i64 = 600_000;

/// The chunk that a time lies in, counted from 1970.
pub(crate) const fn slot_of(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(CHUNK_MS)
}

/// The time of a row, ms since 1970.
pub(crate) fn time_ms(slot: i64, offset: u32) -> i64 {
    slot * CHUNK_MS + i64::from(offset)
}

/// Rows as they came; a column may be shorter than the times, what is missing at its end is unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Block {
    /// Times from the chunk's begin, ms.
    pub offsets: Vec<u32>,
    pub columns: BTreeMap<PointId, Vec<f32>>,
}

impl Block {
    pub fn push(&mut self, offset: u32, values: impl IntoIterator<Item = (PointId, f32)>) {
        let row = self.offsets.len();
        self.offsets.push(offset);
        for (id, value) in values {
            let column = self.columns.entry(id).or_default();
            column.resize(row + 1, UNKNOWN);
            if let Some(last) = column.last_mut() {
                *last = value;
            }
        }
    }

    /// A column in full length.
    pub fn column(&self, id: PointId) -> Vec<f32> {
        let mut column = self.columns.get(&id).cloned().unwrap_or_default();
        column.resize(self.offsets.len(), UNKNOWN);
        column
    }

    /// Some of its points.
    pub fn only(&self, ids: &[PointId]) -> Self {
        let columns = ids.iter().filter_map(|id| Some((*id, self.columns.get(id)?.clone())));
        Self { offsets: self.offsets.clone(), columns: columns.collect() }
    }

    /// The rows from `first` on.
    pub fn tail(&self, first: usize) -> Self {
        let rest = |column: &Vec<f32>| column.get(first..).map(<[f32]>::to_vec).filter(|rest| !rest.is_empty());
        let columns = self.columns.iter().filter_map(|(id, column)| Some((*id, rest(column)?)));
        Self { offsets: self.offsets.get(first..).unwrap_or_default().to_vec(), columns: columns.collect() }
    }

    /// Adds rows that came later.
    pub fn append(&mut self, later: &Self) {
        let rows = self.offsets.len();
        self.offsets.extend(&later.offsets);
        for (id, values) in &later.columns {
            let column = self.columns.entry(*id).or_default();
            column.resize(rows, UNKNOWN);
            column.extend(values);
        }
    }

    /// In order of time. Rows of the same time become one, where the later one says what it knows: a clock was set back, or
    /// a simulated day is lived through again.
    pub fn sorted(&self) -> Self {
        let mut order: Vec<usize> = (0..self.offsets.len()).collect();
        order.sort_by_key(|row| self.offsets.get(*row));
        let groups: Vec<&[usize]> = order.chunk_by(|a, b| self.offsets.get(*a) == self.offsets.get(*b)).collect();
        let offsets = groups.iter().filter_map(|rows| self.offsets.get(*rows.first()?).copied()).collect();
        let value = |column: &[f32], rows: &[usize]| {
            let known = rows.iter().rev().filter_map(|row| column.get(*row)).find(|value| !value.is_nan());
            known.copied().unwrap_or(UNKNOWN)
        };
        let sort = |column: &Vec<f32>| groups.iter().map(|rows| value(column, rows)).collect();
        let columns = self.columns.iter().map(|(id, column)| (*id, sort(column))).collect();
        Self { offsets, columns }
    }

    /// How many values it takes memory for.
    pub fn size(&self) -> usize {
        self.offsets.len() + self.columns.values().map(Vec::len).sum::<usize>()
    }

    /// All of it as one blob: the times, then each column with its number before it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut part = |id: PointId, blob: &[u8]| {
            bytes.extend(id.to_le_bytes());
            bytes.extend(u32::try_from(blob.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(blob);
        };
        part(0, &pack_times(&self.offsets));
        for (id, column) in &self.columns {
            part(*id, &pack(column));
        }
        bytes
    }

    /// What [`Block::to_bytes`] made.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, Damaged> {
        let mut block = Self::default();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at_checked(6).ok_or(Damaged)?;
            let [id0, id1, l0, l1, l2, l3] = *head.first_chunk().ok_or(Damaged)?;
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            let (blob, rest) = rest.split_at_checked(length).ok_or(Damaged)?;
            match u16::from_le_bytes([id0, id1]) {
                0 => block.offsets = unpack_times(blob)?,
                id => drop(block.columns.insert(id, unpack(blob)?)),
            }
            bytes = rest;
        }
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[f32]) -> Vec<Option<f32>> {
        values.iter().map(|value| Some(*value).filter(|value| !value.is_nan())).collect()
    }

    #[test]
    fn a_point_that_is_not_named_is_unknown_and_rows_split_and_join_again() {
        let mut block = Block::default();
        block.push(0, [(1, 10.0)]);
        block.push(1000, [(2, 5.0)]);
        block.push(2000, [(1, 12.0)]);
        assert_eq!(known(&block.column(1)), [Some(10.0), None, Some(12.0)]);
        assert_eq!(known(&block.column(2)), [None, Some(5.0), None]);
        for cut in 0..=3 {
            let mut joined = Block { offsets: block.offsets[..cut].to_vec(), ..block.clone() };
            joined.columns.values_mut().for_each(|column| column.truncate(cut));
            joined.append(&Block::from_bytes(&block.tail(cut).to_bytes()).unwrap());
            let columns = |block: &Block| [1, 2].map(|id| known(&block.column(id)));
            assert_eq!((joined.offsets.clone(), columns(&joined)), (block.offsets.clone(), columns(&block)), "{cut}");
        }
    }

    #[test]
    fn where_a_time_comes_twice_the_later_row_says_what_it_knows() {
        let mut block = Block::default();
        block.push(1000, [(1, 1.0), (2, 2.0)]);
        block.push(500, [(1, 0.5)]);
        block.push(1000, [(1, 1.5), (2, f32::NAN)]);
        let sorted = block.sorted();
        assert_eq!(sorted.offsets, [500, 1000]);
        assert_eq!(known(&sorted.column(1)), [Some(0.5), Some(1.5)]);
        assert_eq!(known(&sorted.column(2)), [None, Some(2.0)]);
    }
}
