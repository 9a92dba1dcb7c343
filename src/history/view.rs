//! What a reader sees: the file, and in memory what is not in it yet, as one.

use crate::block::{Block, PointId, slot_of, time_ms};
use crate::point::PointInfo;
use crate::question::Reach;
use crate::rollup::{Buckets, DAY_MS, DayMinutes, Level, QUARTER, SLOTS_PER_DAY};
use crate::tables::{self, Sql, day_of};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Some points, for the time of one answer.
pub(crate) struct View<'a> {
    conn: &'a Connection,
    ids: Vec<PointId>,
    /// Chunks that are not complete.
    present: BTreeMap<i64, Block>,
    open_days: Vec<i64>,
    /// Blobs that could not be read.
    pub damaged: u64,
}

impl<'a> View<'a> {
    /// `present` was taken before: what moves into the file meanwhile is seen twice, never not at all.
    pub fn new(conn: &'a Connection, ids: Vec<PointId>, present: BTreeMap<i64, Block>) -> Sql<Self> {
        Ok(Self { conn, ids, present, open_days: tables::open_days(conn)?, damaged: 0 })
    }

    /// The points, in their order.
    pub fn ids(&self) -> &[PointId] {
        &self.ids
    }

    /// From when on each table has something; days without minutes of their own have those of their chunks.
    pub fn reach(&self) -> Sql<Reach> {
        let oldest = |table: &str| tables::oldest(self.conn, table);
        let begin = |day: Option<i64>| day.map_or(i64::MAX, |day| day * DAY_MS);
        // In whole days, as the other tables count.
        let written = oldest("raw")?.map(day_of);
        let present = self.present.first_key_value().map(|(slot, _)| day_of(*slot));
        let raw_ms = begin(written).min(begin(present));
        let minutes_ms = begin(oldest(Level::Minutes.table())?).min(raw_ms);
        let quarters_ms = begin(oldest(Level::Quarters.table())?).min(minutes_ms);
        Ok(Reach { raw_ms, minutes_ms, quarters_ms })
    }

    /// Time of the newest sample, or the end of the last day that only buckets are left of.
    pub fn newest(&self) -> Sql<Option<i64>> {
        let of = |(slot, block): (&i64, &Block)| Some(time_ms(*slot, *block.offsets.iter().max()?));
        let present = self.present.iter().filter_map(of).max();
        let day = tables::newest_day(self.conn)?.map(|day| (day + 1) * DAY_MS - 1);
        Ok(present.max(tables::newest_ms(self.conn)?).or(day))
    }

    /// How many samples a range holds; more than `enough` need not be told apart.
    pub fn samples(&self, from_ms: i64, to_ms: i64, enough: usize) -> Sql<Option<usize>> {
        let slots = slot_of(from_ms)..=slot_of(to_ms - 1);
        let mut count = 0;
        // Of a very long range nobody wants samples: looking for them would take long.
        for slot in slots {
            if count > enough || slot - slot_of(from_ms) > 100_000 {
                return Ok(None);
            }
            let present = self.present.get(&slot).map_or(0, |block| rows_within(block, slot, [from_ms, to_ms]));
            let whole = time_ms(slot, 0) >= from_ms && time_ms(slot + 1, 0) <= to_ms;
            count += present.max(if whole {
                tables::raw_length(self.conn, slot)?
            } else {
                self.rows(slot, [from_ms, to_ms])?
            });
        }
        Ok((count <= enough).then_some(count))
    }

    fn rows(&self, slot: i64, range: [i64; 2]) -> Sql<usize> {
        let times = tables::raw(self.conn, slot, &[], &mut 0)?;
        Ok(rows_within(&times, slot, range))
    }

    /// A chunk in order of time.
    pub fn chunk(&mut self, slot: i64) -> Sql<Block> {
        let mut block = tables::raw(self.conn, slot, &self.ids, &mut self.damaged)?;
        if let Some(present) = self.present.get(&slot) {
            block.append(present);
            block = block.sorted();
        }
        Ok(block)
    }

    /// A day of each point, in their order; `None` of points that have nothing then.
    pub fn day(&mut self, level: Level, day: i64) -> Sql<Vec<Option<Buckets>>> {
        let mut damaged = 0;
        let read = |id: &PointId| tables::day(self.conn, level, day, *id, &mut damaged);
        let written: Vec<Option<Buckets>> = self.ids.iter().map(read).collect::<Sql<_>>()?;
        self.damaged += damaged;
        if !self.is_open(day) {
            return Ok(written);
        }
        let now = self.minutes(day)?;
        let at_level = |minutes: &Buckets| match level {
            Level::Minutes => minutes.clone(),
            Level::Quarters => minutes.coarser(QUARTER),
        };
        let both = |(id, written): (&PointId, Option<Buckets>)| match (written, now.get(id).map(at_level)) {
            (Some(written), Some(now)) => Some(written.overlaid(&now)),
            (written, now) => written.or(now),
        };
        Ok(self.ids.iter().zip(written).map(both).collect())
    }

    /// Its minutes are not those of its chunks yet.
    fn is_open(&self, day: i64) -> bool {
        self.open_days.contains(&day) || self.present.keys().any(|slot| day_of(*slot) == day)
    }

    fn minutes(&mut self, day: i64) -> Sql<BTreeMap<PointId, Buckets>> {
        let mut minutes = DayMinutes::default();
        for number in 0..SLOTS_PER_DAY {
            minutes.add(number, &self.chunk(day * SLOTS_PER_DAY + number)?);
        }
        Ok(minutes.finish())
    }
}

fn rows_within(block: &Block, slot: i64, [from_ms, to_ms]: [i64; 2]) -> usize {
    let inside = |offset: &&u32| (from_ms..to_ms).contains(&time_ms(slot, **offset));
    block.offsets.iter().filter(inside).count()
}

/// The number of each named point; the first unknown name otherwise.
pub(crate) fn numbers(known: &[(PointId, PointInfo)], names: &[&str]) -> Result<Vec<(PointId, PointInfo)>, String> {
    let find = |name: &&str| known.iter().find(|(_, point)| point.name == *name).cloned().ok_or((*name).to_owned());
    names.iter().map(find).collect()
}
