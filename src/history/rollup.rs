//! Minutes and quarter hours: least value, mean and greatest value of what was known.

use crate::block::{Block, CHUNK_MS, PointId};
use crate::codec::{Damaged, UNKNOWN, pack, unpack};
use std::collections::BTreeMap;

/// A day of the UTC calendar, ms.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Chunks in a day.
pub(crate) const SLOTS_PER_DAY: i64 = DAY_MS / CHUNK_MS;
const MINUTE_MS: i64 = 60_000;
const MINUTES_PER_DAY: usize = 1440;
/// Minutes in a quarter of an hour.
pub(crate) const QUARTER: usize = 15;

/// Equally long stretches of time; where nothing was known all three are NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Buckets {
    pub min: Vec<f32>,
    pub mean: Vec<f32>,
    pub max: Vec<f32>,
}

/// Takes what falls into one bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fold {
    min: f32,
    max: f32,
    sum: f64,
    count: u32,
}

impl Fold {
    pub const EMPTY: Self = Self { min: f32::INFINITY, max: f32::NEG_INFINITY, sum: 0.0, count: 0 };

    pub fn add(&mut self, min: f32, mean: f32, max: f32) {
        if !mean.is_nan() {
            (self.min, self.max) = (self.min.min(min), self.max.max(max));
            self.sum += f64::from(mean);
            self.count += 1;
        }
    }

    /// Least, mean and greatest value; NaN of nothing.
    pub fn values(&self) -> [f32; 3] {
        if self.count == 0 {
            return [UNKNOWN; 3];
        }
        // Rounding of the mean must not leave the range.
        let mean = (self.sum / f64::from(self.count)) as f32;
        [self.min, mean.clamp(self.min, self.max), self.max]
    }
}

impl Buckets {
    pub fn unknown(length: usize) -> Self {
        let column = vec![UNKNOWN; length];
        Self { min: column.clone(), mean: column.clone(), max: column }
    }

    pub fn len(&self) -> usize {
        self.mean.len()
    }

    pub fn rows(&self) -> impl Iterator<Item = [f32; 3]> + '_ {
        self.min.iter().zip(&self.mean).zip(&self.max).map(|((min, mean), max)| [*min, *mean, *max])
    }

    fn from_rows(rows: impl Iterator<Item = [f32; 3]>) -> Self {
        let mut buckets = Self::default();
        for [min, mean, max] in rows {
            buckets.min.push(min);
            buckets.mean.push(mean);
            buckets.max.push(max);
        }
        buckets
    }

    /// `factor` of them as one each; a mean is the mean of the means that are known.
    pub fn coarser(&self, factor: usize) -> Self {
        let rows: Vec<[f32; 3]> = self.rows().collect();
        Self::from_rows(rows.chunks(factor.max(1)).map(|rows| {
            let mut fold = Fold::EMPTY;
            rows.iter().for_each(|[min, mean, max]| fold.add(*min, *mean, *max));
            fold.values()
        }))
    }

    /// Whatever `newer` knows goes before.
    pub fn overlaid(&self, newer: &Self) -> Self {
        Self::from_rows(self.rows().zip(newer.rows()).map(|(old, new)| if new[1].is_nan() { old } else { new }))
    }

    pub fn is_unknown(&self) -> bool {
        self.mean.iter().all(|mean| mean.is_nan())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        pack(&[self.mean.as_slice(), &self.min, &self.max].concat())
    }

    /// What [`Buckets::to_bytes`] made of that many.
    pub fn from_bytes(bytes: &[u8], length: usize) -> Result<Self, Damaged> {
        let mut mean = unpack(bytes)?;
        if mean.len() != 3 * length {
            return Err(Damaged);
        }
        let max = mean.split_off(2 * length);
        let min = mean.split_off(length);
        Ok(Self { min, mean, max })
    }
}

/// The minutes of a day, put together from its chunks.
#[derive(Debug, Default)]
pub(crate) struct DayMinutes {
    folds: BTreeMap<PointId, Vec<Fold>>,
}

impl DayMinutes {
    /// Adds a chunk with its number within the day; its rows are in order of time, and no time comes twice.
    pub fn add(&mut self, number: i64, chunk: &Block) {
        for (id, column) in &chunk.columns {
            let folds = self.folds.entry(*id).or_insert_with(|| vec![Fold::EMPTY; MINUTES_PER_DAY]);
            for (offset, value) in chunk.offsets.iter().zip(column) {
                let minute = (number * CHUNK_MS + i64::from(*offset)) / MINUTE_MS;
                if let Some(fold) = usize::try_from(minute).ok().and_then(|minute| folds.get_mut(minute)) {
                    fold.add(*value, *value, *value);
                }
            }
        }
    }

    /// The minutes of each point that was there.
    pub fn finish(&self) -> BTreeMap<PointId, Buckets> {
        let buckets = |folds: &Vec<Fold>| Buckets::from_rows(folds.iter().map(Fold::values));
        self.folds.iter().map(|(id, folds)| (*id, buckets(folds))).collect()
    }
}

/// Which table of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Minutes,
    Quarters,
}

impl Level {
    pub const fn step_ms(self) -> i64 {
        match self {
            Self::Minutes => MINUTE_MS,
            Self::Quarters => MINUTE_MS * QUARTER as i64,
        }
    }

    /// Buckets in a day.
    pub const fn per_day(self) -> usize {
        (DAY_MS / self.step_ms()) as usize
    }

    pub const fn table(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Quarters => "quarters",
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "small whole numbers")]
mod tests {
    use super::*;

    #[test]
    fn minutes_hold_least_mean_and_greatest_and_what_was_not_known_stays_unknown() {
        let mut block = Block::default();
        for (offset, value) in [(0, 1.0), (1000, 3.0), (59_999, 8.0), (60_000, 5.0), (180_000, f32::NAN)] {
            block.push(offset, [(7, value)]);
        }
        // The second chunk of the day: its first minute is the day's eleventh.
        let mut day = DayMinutes::default();
        day.add(1, &block);
        let minutes = day.finish().remove(&7).unwrap();
        assert_eq!(minutes.len(), 1440);
        let at = |minute: usize| [minutes.min[minute], minutes.mean[minute], minutes.max[minute]];
        assert_eq!((at(10), at(11)), ([1.0, 4.0, 8.0], [5.0, 5.0, 5.0]));
        assert_eq!(minutes.mean.iter().filter(|mean| !mean.is_nan()).count(), 2);
        let quarters = minutes.coarser(QUARTER);
        assert_eq!((quarters.len(), quarters.min[0], quarters.mean[0], quarters.max[0]), (96, 1.0, 4.5, 8.0));
        assert!(quarters.mean[1..].iter().all(|mean| mean.is_nan()));
    }

    #[test]
    fn buckets_come_back_from_bytes_of_their_own_length_only() {
        let buckets = Buckets::unknown(96).overlaid(&Buckets {
            min: (0..96_u8).map(|i| f32::from(i) - 1.0).collect(),
            mean: (0..96_u8).map(f32::from).collect(),
            max: vec![200.0; 96],
        });
        let bytes = buckets.to_bytes();
        assert_eq!(Buckets::from_bytes(&bytes, 96), Ok(buckets));
        assert_eq!(Buckets::from_bytes(&bytes, 1440), Err(Damaged));
    }
}
