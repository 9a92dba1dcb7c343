//! What the writer's thread does with samples: present chunks in memory, commits, complete chunks, days, retention.

use crate::block::{Block, PointId, slot_of, time_ms};
use crate::file::{HistoryFile, OpenError, is_damage, put_aside};
use crate::health::{NEVER, Open, Shared, Waiting};
use crate::point::{Note, NoteKind, PointInfo, Settings};
use crate::rollup::{Buckets, DayMinutes, Level, QUARTER, SLOTS_PER_DAY};
use crate::tables::{self, Sql, day_of};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Values that may wait in memory while the file cannot be written (some 40 MB); then the oldest are lost.
const VALUES_MAX: usize = 4_000_000;
/// Notes that may wait.
const NOTES_MAX: usize = 10_000;
/// Days of a table that go with one closed day. A clock that is wrong by years costs little of what is old.
const DAYS_REMOVED: i64 = 2;
/// Notes that go with one closed day.
const NOTES_REMOVED: i64 = 10_000;

pub(crate) struct Keeper {
    settings: Settings,
    points: Vec<PointInfo>,
    shared: Arc<Shared>,
    /// `None` while it cannot be opened.
    file: Option<HistoryFile>,
    /// Numbers of `points` in the file; empty until it was opened once.
    ids: Vec<PointId>,
    /// All points of the file. A new one gives them the same numbers, because what is in memory goes by them.
    known: Vec<(PointId, PointInfo)>,
    next_note: i64,
}

impl Keeper {
    /// Opens the file; what is wrong with it is told through `shared`.
    pub fn new(settings: Settings, points: Vec<PointInfo>, shared: Arc<Shared>) -> Self {
        shared.committed_ms.store(NEVER, Ordering::Relaxed);
        let mut keeper =
            Self { settings, points, shared, file: None, ids: Vec::new(), known: Vec::new(), next_note: 1 };
        if let Err(error) = keeper.open() {
            keeper.shared.now(Some(keeper.words(&error.to_string())));
        }
        keeper
    }

    fn words(&self, error: &str) -> String {
        format!("the history {} cannot be written: {error}", self.settings.path.display())
    }

    /// A damaged file is put aside and another one begun.
    fn open(&mut self) -> Result<(), OpenError> {
        let opened = match HistoryFile::open(&self.settings.path) {
            Err(OpenError::Damaged(how)) => {
                self.put_aside(&how)?;
                HistoryFile::open(&self.settings.path)?
            }
            opened => opened?,
        };
        self.begin(opened)
    }

    fn put_aside(&self, how: &str) -> Result<(), OpenError> {
        let path = self.settings.path.display();
        let aside = put_aside(&self.settings.path)
            .map_err(|error| OpenError::Other(format!("it is damaged ({how}) and cannot be renamed: {error}")))?;
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.lasting(format!(
            "the history {path} was damaged ({how}); it is now {}, and a new one was begun",
            aside.display()
        ));
        Ok(())
    }

    /// Takes up what an earlier run left.
    fn begin(&mut self, file: HistoryFile) -> Result<(), OpenError> {
        tables::restore_points(&file.conn, &self.known)?;
        self.ids = tables::register(&file.conn, &self.points)?;
        self.known = tables::points(&file.conn)?;
        let mut damaged = 0;
        let left = tables::recent(&file.conn, &mut damaged)?;
        self.next_note = self.next_note.max(tables::last_note(&file.conn)? + 1);
        self.shared.committed_ms.store(tables::newest_ms(&file.conn)?.unwrap_or(NEVER), Ordering::Relaxed);
        self.shared.damaged.fetch_add(damaged, Ordering::Relaxed);
        let mut present = self.shared.present();
        for (slot, mut block) in left {
            let kept = block.offsets.len();
            // Rows that came while the file could not be opened stand behind those of the file.
            if let Some(open) = present.slots.remove(&slot) {
                block.append(&open.block);
            }
            present.slots.insert(slot, Open { block, kept });
        }
        drop(present);
        self.file = Some(file);
        Ok(())
    }

    /// Takes a sample into memory. Before the file was opened the numbers of points are not known: it is lost.
    pub fn sample(&mut self, unix_ms: i64, values: &[(usize, Option<f32>)]) {
        if self.ids.is_empty() {
            return self.shared.drop_some(1);
        }
        let known = |(index, value): &(usize, Option<f32>)| Some((*self.ids.get(*index)?, (*value)?));
        let slot = slot_of(unix_ms);
        let offset = u32::try_from(unix_ms - time_ms(slot, 0)).unwrap_or(0);
        let mut present = self.shared.present();
        present.current = Some(slot);
        present.slots.entry(slot).or_default().block.push(offset, values.iter().filter_map(known));
    }

    /// Takes a note into memory.
    pub fn note(&mut self, unix_ms: i64, kind: NoteKind, json: String) {
        let mut present = self.shared.present();
        if present.notes.len() >= NOTES_MAX {
            drop(present);
            return self.shared.drop_some(1);
        }
        present.notes.push(Waiting { id: self.next_note, kind, note: Note { unix_ms, json } });
        self.next_note += 1;
    }

    /// Writes what came since the last commit. What cannot be written waits, as far as there is room.
    pub fn commit(&mut self) {
        match self.try_commit() {
            Ok(()) => self.shared.now(None),
            Err(error) => {
                self.shared.now(Some(self.words(&error)));
                self.bound_memory();
            }
        }
    }

    fn try_commit(&mut self) -> Result<(), String> {
        if self.file.is_none() {
            self.open().map_err(|error| error.to_string())?;
        }
        let work = Work::of(&self.shared);
        let Some(file) = self.file.as_mut() else { return Ok(()) };
        file.bound_log()?;
        if work.is_nothing() {
            return Ok(());
        }
        let mut damaged = 0;
        let written = file.commit(|conn| work.write(conn, &mut damaged));
        self.shared.damaged.fetch_add(damaged, Ordering::Relaxed);
        match written {
            Ok(()) => work.done(&self.shared),
            Err(error) => return Err(self.failed(&error)),
        }
        self.tidy().map_err(|error| self.failed(&error))
    }

    /// A damaged file is put aside at once; what is in memory goes into the new one.
    fn failed(&mut self, error: &rusqlite::Error) -> String {
        if is_damage(error) {
            self.file = None;
            for open in self.shared.present().slots.values_mut() {
                open.kept = 0;
            }
            if let Err(error) = self.put_aside(&error.to_string()).and_then(|()| self.open()) {
                return error.to_string();
            }
        }
        error.to_string()
    }

    /// Minutes of days that are over, and what is too old.
    fn tidy(&mut self) -> Sql<()> {
        let Some(today) = self.shared.present().current.map(day_of) else { return Ok(()) };
        let Some(file) = self.file.as_mut() else { return Ok(()) };
        for day in tables::open_days(&file.conn)?.into_iter().filter(|day| *day < today) {
            let mut damaged = 0;
            let settings = &self.settings;
            file.commit(|conn| {
                close_day(conn, day, &mut damaged)?;
                retire(conn, settings, today)
            })?;
            self.shared.damaged.fetch_add(damaged, Ordering::Relaxed);
        }
        Ok(())
    }

    fn bound_memory(&self) {
        let mut lost = 0;
        let mut present = self.shared.present();
        while present.slots.values().map(|open| open.block.size()).sum::<usize>() > VALUES_MAX {
            let Some((_, open)) = present.slots.pop_first() else { break };
            lost += (open.block.offsets.len() - open.kept) as u64;
        }
        drop(present);
        if lost > 0 {
            self.shared.drop_some(lost);
        }
    }
}

/// What one commit writes.
struct Work {
    /// Chunks that are over.
    complete: Vec<(i64, Block)>,
    /// What the present chunk got, and its rows with that.
    recent: Option<(i64, Block, usize)>,
    notes: Vec<Waiting>,
}

impl Work {
    fn of(shared: &Shared) -> Self {
        let present = shared.present();
        // What an earlier run left stays as it is until this one samples.
        let others = present.slots.iter().filter(|(slot, _)| present.current.is_some_and(|current| current != **slot));
        let complete = others.map(|(slot, open)| (*slot, open.block.clone())).collect();
        let current = present.current.and_then(|slot| Some((slot, present.slots.get(&slot)?)));
        let recent = current.map(|(slot, open)| (slot, open.block.tail(open.kept), open.block.offsets.len()));
        let recent = recent.filter(|(_, tail, _)| !tail.offsets.is_empty());
        Self { complete, recent, notes: present.notes.clone() }
    }

    const fn is_nothing(&self) -> bool {
        self.complete.is_empty() && self.recent.is_none() && self.notes.is_empty()
    }

    fn write(&self, conn: &Connection, damaged: &mut u64) -> Sql<()> {
        for (slot, block) in &self.complete {
            // A clock was set back, or a simulated day is lived through again.
            let mut whole = tables::whole_raw(conn, *slot, damaged)?;
            whole.append(block);
            tables::put_raw(conn, *slot, &whole.sorted())?;
            tables::forget_recent(conn, *slot)?;
            tables::open_day(conn, day_of(*slot))?;
        }
        if let Some((slot, tail, _)) = &self.recent {
            tables::add_recent(conn, *slot, tail)?;
            tables::open_day(conn, day_of(*slot))?;
        }
        self.notes.iter().try_for_each(|waiting| tables::put_note(conn, waiting.id, waiting.kind, &waiting.note))
    }

    /// What is in the file need not stay in memory. Only the thread that called this changes it meanwhile: rows are as they
    /// were.
    fn done(&self, shared: &Shared) {
        let mut present = shared.present();
        let current = present.current.and_then(|slot| Some((slot, present.slots.get(&slot)?)));
        let newest = current.and_then(|(slot, open)| Some(time_ms(slot, *open.block.offsets.iter().max()?)));
        for (slot, _) in &self.complete {
            present.slots.remove(slot);
        }
        if let Some((slot, _, rows)) = &self.recent
            && let Some(open) = present.slots.get_mut(slot)
        {
            open.kept = *rows;
        }
        present.notes.clear();
        if let Some(newest) = newest {
            shared.committed_ms.fetch_max(newest, Ordering::Relaxed);
        }
    }
}

/// Writes minutes and quarter hours of a day; what stood there before and is not in chunks any more stays.
fn close_day(conn: &Connection, day: i64, damaged: &mut u64) -> Sql<()> {
    let mut minutes = DayMinutes::default();
    for number in 0..SLOTS_PER_DAY {
        minutes.add(number, &tables::whole_raw(conn, day * SLOTS_PER_DAY + number, damaged)?);
    }
    for (id, now) in minutes.finish() {
        let before = tables::day(conn, Level::Minutes, day, id, damaged)?;
        let whole = before.unwrap_or_else(|| Buckets::unknown(now.len())).overlaid(&now);
        if !whole.is_unknown() {
            tables::put_day(conn, Level::Minutes, day, id, &whole)?;
            tables::put_day(conn, Level::Quarters, day, id, &whole.coarser(QUARTER))?;
        }
    }
    tables::close_day(conn, day)
}

fn retire(conn: &Connection, settings: &Settings, today: i64) -> Sql<()> {
    let raw = (today - i64::from(settings.raw_days)) * SLOTS_PER_DAY;
    tables::remove_before(conn, "raw", raw, DAYS_REMOVED * SLOTS_PER_DAY)?;
    let minutes = today - i64::from(settings.minute_days);
    tables::remove_before(conn, Level::Minutes.table(), minutes, DAYS_REMOVED)?;
    tables::remove_notes(conn, minutes * crate::rollup::DAY_MS, NOTES_REMOVED)
}

#[cfg(test)]
impl Keeper {
    /// Runs a statement on the file as it is open for writing.
    pub fn execute_for_test(&mut self, text: &str) {
        let conn = self.file.as_ref().map(|file| &file.conn);
        conn.expect("the file is open").execute_batch(text).expect("the statement is right");
    }

    /// Overwrites pages of the file behind SQLite's back.
    pub fn corrupt_for_test(&mut self) {
        self.execute_for_test("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = 1; PRAGMA shrink_memory");
        let bytes = std::fs::read(&self.settings.path).expect("the file is there");
        let mut damaged = bytes.clone();
        damaged[4096..].fill(0x5a);
        let file = std::fs::OpenOptions::new().write(true).open(&self.settings.path).expect("the file is there");
        std::os::unix::fs::FileExt::write_all_at(&file, &damaged, 0).expect("it can be written");
        // Closing another handle would let go of SQLite's locks.
        std::mem::forget(file);
    }
}
