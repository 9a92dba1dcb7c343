//! The tables of the file, and what is read from and written to them. One rule for all keys: `time << 16 | point`, so that
//! a table grows at its end and what is old lies together.
//!
//! `raw`: chunks of ten minutes, point 0 holds their times. `recent`: what the present chunks got with each commit, until
//! they are complete. `minutes`, `quarters`: a day a point. `open_days`: days whose minutes are not up to date with `raw`.

use crate::block::{Block, PointId, slot_of};
use crate::codec::{Damaged, length, pack, pack_times, unpack, unpack_times};
use crate::point::{Note, NoteKind, PointInfo};
use crate::rollup::{Buckets, Level};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

pub(crate) type Sql<T> = rusqlite::Result<T>;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS points (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS raw (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS recent (id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS minutes (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarters (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS open_days (day INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, unix_ms INTEGER NOT NULL, json TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS notes_by_time ON notes (kind, unix_ms);
";

/// Where the times of a chunk stand.
const TIMES: PointId = 0;

const fn key(time: i64, id: PointId) -> i64 {
    (time << 16) | id as i64
}

/// Tables of chunks and buckets whose blobs cannot be read: a gap, and somebody should know.
fn readable<T>(found: Result<T, Damaged>, damaged: &mut u64) -> Option<T> {
    *damaged += u64::from(found.is_err());
    found.ok()
}

/// The number of each point, new ones added, changed units kept up.
pub(crate) fn register(conn: &Connection, points: &[PointInfo]) -> Sql<Vec<PointId>> {
    let text = "INSERT INTO points (name, unit) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET unit = ?2 RETURNING id";
    let mut statement = conn.prepare(text)?;
    points.iter().map(|point| statement.query_row(params![point.name, point.unit], |row| row.get(0))).collect()
}

/// Points under the numbers that they had in another file.
pub(crate) fn restore_points(conn: &Connection, points: &[(PointId, PointInfo)]) -> Sql<()> {
    let mut statement = conn.prepare("INSERT OR IGNORE INTO points (id, name, unit) VALUES (?1, ?2, ?3)")?;
    points.iter().try_for_each(|(id, point)| statement.execute(params![id, point.name, point.unit]).map(drop))
}

/// Every point with its number.
pub(crate) fn points(conn: &Connection) -> Sql<Vec<(PointId, PointInfo)>> {
    let mut statement = conn.prepare_cached("SELECT id, name, unit FROM points ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, PointInfo { name: row.get(1)?, unit: row.get(2)? })))?;
    rows.collect()
}

/// Writes a chunk: its times and each point that has a value.
pub(crate) fn put_raw(conn: &Connection, slot: i64, block: &Block) -> Sql<()> {
    let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO raw (key, data) VALUES (?1, ?2)")?;
    statement.execute(params![key(slot, TIMES), pack_times(&block.offsets)])?;
    for id in block.columns.keys() {
        let column = block.column(*id);
        if column.iter().any(|value| !value.is_nan()) {
            statement.execute(params![key(slot, *id), pack(&column)])?;
        }
    }
    Ok(())
}

/// Some points of a chunk; empty if it was not written. A reader holds no transaction, so that it holds up no checkpoint: a
/// chunk that is written anew meanwhile shows by columns of another length, and is read again.
pub(crate) fn raw(conn: &Connection, slot: i64, ids: &[PointId], damaged: &mut u64) -> Sql<Block> {
    for _ in 0..3 {
        let mut found = *damaged;
        let block = raw_once(conn, slot, ids, &mut found)?;
        if block.columns.values().all(|column| column.len() == block.offsets.len()) {
            *damaged = found;
            return Ok(block);
        }
    }
    *damaged += 1;
    Ok(Block::default())
}

fn raw_once(conn: &Connection, slot: i64, ids: &[PointId], damaged: &mut u64) -> Sql<Block> {
    let mut statement = conn.prepare_cached("SELECT data FROM raw WHERE key = ?1")?;
    let mut block = Block::default();
    let mut blob =
        |id: PointId| -> Sql<Option<Vec<u8>>> { statement.query_row([key(slot, id)], |row| row.get(0)).optional() };
    let Some(times) = blob(TIMES)? else { return Ok(block) };
    block.offsets = readable(unpack_times(&times), damaged).unwrap_or_default();
    let wanted = ids.iter().filter(|_| !block.offsets.is_empty());
    for id in wanted {
        if let Some(column) = blob(*id)?.and_then(|column| readable(unpack(&column), damaged)) {
            block.columns.insert(*id, column);
        }
    }
    Ok(block)
}

/// Every point of a chunk.
pub(crate) fn whole_raw(conn: &Connection, slot: i64, damaged: &mut u64) -> Sql<Block> {
    let mut statement = conn.prepare_cached("SELECT key & 65535 FROM raw WHERE key > ?1 AND key < ?2")?;
    let ids: Sql<Vec<PointId>> =
        statement.query_map([key(slot, TIMES), key(slot + 1, TIMES)], |row| row.get(0))?.collect();
    raw(conn, slot, &ids?, damaged)
}

/// How many samples a chunk holds.
pub(crate) fn raw_length(conn: &Connection, slot: i64) -> Sql<usize> {
    let mut statement = conn.prepare_cached("SELECT substr(data, 1, 4) FROM raw WHERE key = ?1")?;
    let head: Option<Vec<u8>> = statement.query_row([key(slot, TIMES)], |row| row.get(0)).optional()?;
    Ok(head.and_then(|head| length(&head).ok()).unwrap_or(0))
}

/// Adds what came since the last commit.
pub(crate) fn add_recent(conn: &Connection, slot: i64, block: &Block) -> Sql<()> {
    let text = "INSERT INTO recent (slot, data) VALUES (?1, ?2)";
    conn.prepare_cached(text)?.execute(params![slot, block.to_bytes()]).map(drop)
}

/// The chunks that are not complete.
pub(crate) fn recent(conn: &Connection, damaged: &mut u64) -> Sql<BTreeMap<i64, Block>> {
    let mut statement = conn.prepare_cached("SELECT slot, data FROM recent ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let mut slots: BTreeMap<i64, Block> = BTreeMap::new();
    for row in rows {
        let (slot, bytes) = row?;
        if let Some(block) = readable(Block::from_bytes(&bytes), damaged) {
            slots.entry(slot).or_default().append(&block);
        }
    }
    Ok(slots)
}

/// A chunk is complete.
pub(crate) fn forget_recent(conn: &Connection, slot: i64) -> Sql<()> {
    conn.prepare_cached("DELETE FROM recent WHERE slot = ?1")?.execute([slot]).map(drop)
}

/// The minutes of a day are behind its chunks.
pub(crate) fn open_day(conn: &Connection, day: i64) -> Sql<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO open_days (day) VALUES (?1)")?.execute([day]).map(drop)
}

/// The minutes of a day are up to date.
pub(crate) fn close_day(conn: &Connection, day: i64) -> Sql<()> {
    conn.prepare_cached("DELETE FROM open_days WHERE day = ?1")?.execute([day]).map(drop)
}

/// Days whose minutes are behind their chunks.
pub(crate) fn open_days(conn: &Connection) -> Sql<Vec<i64>> {
    conn.prepare_cached("SELECT day FROM open_days ORDER BY day")?.query_map([], |row| row.get(0))?.collect()
}

/// Writes a day of a point.
pub(crate) fn put_day(conn: &Connection, level: Level, day: i64, id: PointId, buckets: &Buckets) -> Sql<()> {
    let text = format!("INSERT OR REPLACE INTO {} (key, data) VALUES (?1, ?2)", level.table());
    conn.prepare_cached(&text)?.execute(params![key(day, id), buckets.to_bytes()]).map(drop)
}

/// A day of a point, if it was written.
pub(crate) fn day(conn: &Connection, level: Level, day: i64, id: PointId, damaged: &mut u64) -> Sql<Option<Buckets>> {
    let text = format!("SELECT data FROM {} WHERE key = ?1", level.table());
    let blob: Option<Vec<u8>> = conn.prepare_cached(&text)?.query_row([key(day, id)], |row| row.get(0)).optional()?;
    Ok(blob.and_then(|blob| readable(Buckets::from_bytes(&blob, level.per_day()), damaged)))
}

/// The oldest day or slot of a table.
pub(crate) fn oldest(conn: &Connection, table: &str) -> Sql<Option<i64>> {
    let text = format!("SELECT min(key) >> 16 FROM {table}");
    conn.prepare_cached(&text)?.query_row([], |row| row.get(0))
}

/// The last day with quarter hours.
pub(crate) fn newest_day(conn: &Connection) -> Sql<Option<i64>> {
    conn.prepare_cached("SELECT max(key) >> 16 FROM quarters")?.query_row([], |row| row.get(0))
}

/// Removes what is older than a day or slot, at most that many of them; whether something was removed.
pub(crate) fn remove_before(conn: &Connection, table: &str, limit: i64, at_most: i64) -> Sql<bool> {
    let Some(oldest) = oldest(conn, table)?.filter(|oldest| *oldest < limit) else { return Ok(false) };
    let end = limit.min(oldest + at_most);
    let text = format!("DELETE FROM {table} WHERE key < ?1");
    Ok(conn.prepare_cached(&text)?.execute([key(end, 0)])? > 0)
}

const fn number(kind: NoteKind) -> i64 {
    match kind {
        NoteKind::Decision => 0,
        NoteKind::Event => 1,
        NoteKind::Alarm => 2,
    }
}

/// Writes a note under its number.
pub(crate) fn put_note(conn: &Connection, id: i64, kind: NoteKind, note: &Note) -> Sql<()> {
    let text = "INSERT OR REPLACE INTO notes (id, kind, unix_ms, json) VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(text)?.execute(params![id, number(kind), note.unix_ms, note.json]).map(drop)
}

/// Notes of a time with their numbers, newest first.
pub(crate) fn notes(conn: &Connection, kind: NoteKind, time: [i64; 2], limit: usize) -> Sql<Vec<(i64, Note)>> {
    let text = "SELECT id, unix_ms, json FROM notes WHERE kind = ?1 AND unix_ms >= ?2 AND unix_ms < ?3
                ORDER BY unix_ms DESC, id DESC LIMIT ?4";
    let mut statement = conn.prepare_cached(text)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let note = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Note { unix_ms: row.get(1)?, json: row.get(2)? }));
    statement.query_map(params![number(kind), time[0], time[1], limit], note)?.collect()
}

/// The number of the last note.
pub(crate) fn last_note(conn: &Connection) -> Sql<i64> {
    conn.query_row("SELECT coalesce(max(id), 0) FROM notes", [], |row| row.get(0))
}

/// Removes notes that are older than a time, at most so many.
pub(crate) fn remove_notes(conn: &Connection, before_ms: i64, at_most: i64) -> Sql<()> {
    let text = "DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE unix_ms < ?1 LIMIT ?2)";
    conn.prepare_cached(text)?.execute([before_ms, at_most]).map(drop)
}

/// The time of the newest sample, ms since 1970.
pub(crate) fn newest_ms(conn: &Connection) -> Sql<Option<i64>> {
    let mut damaged = 0;
    let last: Option<i64> = conn.query_row("SELECT max(key) >> 16 FROM raw", [], |row| row.get(0))?;
    let mut slots = recent(conn, &mut damaged)?;
    if let Some(slot) = last {
        slots.entry(slot).or_default().append(&raw(conn, slot, &[], &mut damaged)?);
    }
    let newest = slots.iter().filter_map(|(slot, block)| Some((*slot, *block.offsets.iter().max()?))).max();
    Ok(newest.map(|(slot, offset)| crate::block::time_ms(slot, offset)))
}

/// The day that a chunk lies in.
pub(crate) const fn day_of(slot: i64) -> i64 {
    slot.div_euclid(crate::rollup::SLOTS_PER_DAY)
}

/// The day that a time lies in.
pub(crate) const fn day_of_ms(unix_ms: i64) -> i64 {
    day_of(slot_of(unix_ms))
}
