//! The reading half.

use crate::block::{Block, PointId, slot_of, time_ms};
use crate::file::open_to_read;
use crate::health::{Present, Shared};
use crate::point::{Error, Note, NoteKind, PointInfo, Result, Series, SeriesTable};
use crate::question::{Resolution, Source, affordable, checked, source};
use crate::rollup::{Buckets, DAY_MS, Fold, Level};
use crate::tables::{self, day_of_ms};
use crate::view::{View, numbers};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that wait for the next question.
const IDLE: usize = 4;

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Points that the gateway writes; empty if the file is read by itself.
    given: Vec<PointInfo>,
    /// What the writer has in memory; `None` if the file is read by itself.
    shared: Option<Arc<Shared>>,
    /// Open connections and the generation of their file.
    idle: Mutex<Vec<(u64, Connection)>>,
}

/// Reads the history; cheap to clone. Reading takes milliseconds and blocks: not for the control loop.
#[derive(Debug, Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

impl Reader {
    pub(crate) fn beside(path: &Path, points: &[PointInfo], shared: &Arc<Shared>) -> Self {
        let (given, shared) = (points.to_vec(), Some(Arc::clone(shared)));
        Self { inner: Arc::new(Inner { path: path.to_owned(), given, shared, idle: Mutex::default() }) }
    }

    /// Reads a file by itself, also while a gateway writes it.
    ///
    /// # Errors
    /// It is not there, or no history.
    pub fn of_file(path: &Path) -> Result<Self> {
        let inner = Inner { path: path.to_owned(), given: Vec::new(), shared: None, idle: Mutex::default() };
        let reader = Self { inner: Arc::new(inner) };
        reader.ask(|conn| Ok(tables::points(conn)?))?;
        Ok(reader)
    }

    /// Every point that was ever recorded; of a file that cannot be read those that are being recorded.
    #[must_use]
    pub fn points(&self) -> Vec<PointInfo> {
        let found = self.ask(|conn| Ok(tables::points(conn)?));
        found.map_or_else(|_| self.inner.given.clone(), |found| found.into_iter().map(|(_, point)| point).collect())
    }

    /// From when to when there is anything, ms since 1970 UTC, in whole days of UTC at the begin; `None` of an empty history.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn recorded(&self) -> Result<Option<(i64, i64)>> {
        self.view(&[], |view, _| {
            let (reach, newest) = (view.reach()?, view.newest()?);
            Ok(newest.map(|newest| (reach.quarters_ms, newest)))
        })
    }

    /// Points from `from_ms` (inclusive) to `to_ms` (exclusive), as finely as at most `max_points` rows each permit: single
    /// samples; otherwise rows of a usual length from samples, minutes or quarter hours, which begin at its multiples in UTC.
    ///
    /// # Errors
    /// A point that was never recorded, a range that ends before it begins, a file that cannot be read.
    pub fn series(&self, points: &[&str], from_ms: i64, to_ms: i64, max_points: usize) -> Result<SeriesTable> {
        checked(from_ms, to_ms)?;
        self.view(points, |view, found| {
            let reach = view.reach()?;
            let samples = if reach.has_samples(from_ms) { view.samples(from_ms, to_ms, max_points)? } else { None };
            let source = source(from_ms, to_ms, max_points.max(2), reach, samples);
            read(view, found, [from_ms, to_ms], source)
        })
    }

    /// The same at a fixed resolution, however many rows that are.
    ///
    /// # Errors
    /// As [`Reader::series`]; more rows than fit into memory.
    pub fn series_at(&self, points: &[&str], from_ms: i64, to_ms: i64, resolution: Resolution) -> Result<SeriesTable> {
        checked(from_ms, to_ms)?;
        let source = match resolution {
            Resolution::Raw => Source::Samples,
            Resolution::Minute => Source::Table(Level::Minutes, 1),
            Resolution::Quarter => Source::Table(Level::Quarters, 1),
        };
        self.view(points, |view, found| read(view, found, [from_ms, to_ms], source))
    }

    /// Notes from `from_ms` (inclusive) to `to_ms` (exclusive), newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn notes(&self, kind: NoteKind, from_ms: i64, to_ms: i64, limit: usize) -> Result<Vec<Note>> {
        let waiting = self.inner.shared.as_ref().map(|shared| shared.present().notes.clone()).unwrap_or_default();
        let mut notes = self.ask(|conn| Ok(tables::notes(conn, kind, [from_ms, to_ms], limit)?))?;
        let asked = waiting.into_iter().filter(|w| w.kind == kind && (from_ms..to_ms).contains(&w.note.unix_ms));
        notes.extend(asked.map(|waiting| (waiting.id, waiting.note)));
        notes.sort_by_key(|(id, note)| std::cmp::Reverse((note.unix_ms, *id)));
        notes.dedup_by_key(|(id, _)| *id);
        notes.truncate(limit);
        Ok(notes.into_iter().map(|(_, note)| note).collect())
    }

    fn view<T>(
        &self,
        names: &[&str],
        answer: impl FnOnce(&mut View<'_>, &[(PointId, PointInfo)]) -> Result<T>,
    ) -> Result<T> {
        self.ask(|conn| {
            let found = numbers(&tables::points(conn)?, names).map_err(Error::UnknownPoint)?;
            let ids: Vec<PointId> = found.iter().map(|(id, _)| *id).collect();
            let mut damaged = 0;
            let present = self.present(conn, &ids, &mut damaged)?;
            let mut view = View::new(conn, ids, present)?;
            let answered = answer(&mut view, &found);
            self.tell(view.damaged + damaged);
            answered
        })
    }

    /// What is in no complete chunk.
    fn present(&self, conn: &Connection, ids: &[PointId], damaged: &mut u64) -> Result<BTreeMap<i64, Block>> {
        match &self.inner.shared {
            Some(shared) => Ok(Present::blocks(&shared.present(), ids)),
            None => {
                Ok(tables::recent(conn, damaged)?.into_iter().map(|(slot, block)| (slot, block.only(ids))).collect())
            }
        }
    }

    /// Parts that could not be read are gaps, and somebody should know.
    fn tell(&self, damaged: u64) {
        if damaged == 0 {
            return;
        }
        let path = self.inner.path.display();
        match &self.inner.shared {
            Some(shared) => drop(shared.damaged.fetch_add(damaged, Ordering::Relaxed)),
            None => tracing::warn!(path = %path, damaged, "Parts of the history cannot be read; they are gaps."),
        }
    }

    /// Lends a connection. After an error it is closed: the file may be another one the next time.
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let generation = self.inner.shared.as_ref().map_or(0, |shared| shared.generation.load(Ordering::Acquire));
        let idle = || self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = idle().pop().filter(|(of, _)| *of == generation);
        let conn = match lent {
            Some((_, conn)) => conn,
            None => open_to_read(&self.inner.path).map_err(|error| self.unreadable(&error))?,
        };
        let answer = question(&conn).map_err(|error| match error {
            Error::Sqlite(error) => self.unreadable(&error),
            other => other,
        })?;
        let mut idle = idle();
        if idle.len() < IDLE {
            idle.push((generation, conn));
        }
        Ok(answer)
    }

    fn unreadable(&self, error: &rusqlite::Error) -> Error {
        Error::Unreadable(format!("the history {} cannot be read: {error}", self.inner.path.display()))
    }
}

fn read(view: &mut View<'_>, found: &[(PointId, PointInfo)], range: [i64; 2], source: Source) -> Result<SeriesTable> {
    let [from_ms, to_ms] = range;
    let (step_ms, columns) = match source {
        Source::Samples => samples(view, range, found)?,
        Source::Raw(step_ms) => (step_ms, rows(view, range, step_ms, found, add_samples)?),
        Source::Table(level, 1) => (level.step_ms(), days(view, range, level, found)?),
        Source::Table(level, factor) => {
            let step_ms = level.step_ms() * i64::try_from(factor).unwrap_or(1);
            (step_ms, rows(view, range, step_ms, found, |view, grid| add_days(view, grid, level))?)
        }
    };
    let from_ms = columns.first().and_then(|series| series.t.first().copied()).unwrap_or(from_ms).min(to_ms);
    Ok(SeriesTable { step_ms, from_ms, series: columns })
}

fn named(point: &PointInfo) -> Series {
    Series { name: point.name.clone(), unit: point.unit.clone(), ..Series::default() }
}

const fn known(value: f32) -> Option<f32> {
    if value.is_nan() { None } else { Some(value) }
}

impl Series {
    /// Years are millions of rows: growing step by step would copy them several times.
    fn with_room(mut self, rows: usize) -> Self {
        self.t.reserve_exact(rows);
        [&mut self.min, &mut self.mean, &mut self.max].into_iter().for_each(|column| column.reserve_exact(rows));
        self
    }

    fn push(&mut self, t: i64, [min, mean, max]: [f32; 3]) {
        self.t.push(t);
        self.min.push(known(min));
        self.mean.push(known(mean));
        self.max.push(known(max));
    }
}

/// Equal rows from a multiple of their length on; one list of folds a point.
struct Grid {
    range: [i64; 2],
    start_ms: i64,
    step_ms: i64,
    folds: Vec<Vec<Fold>>,
}

impl Grid {
    fn row(&self, t: i64) -> Option<usize> {
        usize::try_from((t - self.start_ms).div_euclid(self.step_ms)).ok()
    }
}

fn rows(
    view: &mut View<'_>,
    range: [i64; 2],
    step_ms: i64,
    found: &[(PointId, PointInfo)],
    add: impl FnOnce(&mut View<'_>, &mut Grid) -> Result<()>,
) -> Result<Vec<Series>> {
    let start_ms = range[0] - range[0].rem_euclid(step_ms);
    let count = (range[1] - start_ms + step_ms - 1) / step_ms;
    affordable(count, found.len())?;
    let count = usize::try_from(count).unwrap_or(0);
    let mut grid = Grid { range, start_ms, step_ms, folds: vec![vec![Fold::EMPTY; count]; found.len()] };
    add(view, &mut grid)?;
    let series = |((_, point), folds): (&(PointId, PointInfo), &Vec<Fold>)| {
        let mut series = named(point);
        let times = (start_ms..).step_by(usize::try_from(step_ms).unwrap_or(1));
        times.zip(folds).for_each(|(t, fold)| series.push(t, fold.values()));
        series
    };
    Ok(found.iter().zip(&grid.folds).map(series).collect())
}

/// Rows of a table as they are.
fn days(
    view: &mut View<'_>,
    [from_ms, to_ms]: [i64; 2],
    level: Level,
    found: &[(PointId, PointInfo)],
) -> Result<Vec<Series>> {
    let step_ms = level.step_ms();
    let start_ms = from_ms - from_ms.rem_euclid(step_ms);
    let count = (to_ms - start_ms) / step_ms + 1;
    affordable(count, found.len())?;
    let mut all: Vec<Series> = found.iter().map(|(_, point)| named(point).with_room(index(count))).collect();
    for day in day_of_ms(start_ms)..=day_of_ms(to_ms - 1) {
        let (begin, end) = (start_ms.max(day * DAY_MS), to_ms.min((day + 1) * DAY_MS));
        let rows = index((begin - day * DAY_MS) / step_ms)..index((end - 1 - day * DAY_MS) / step_ms + 1);
        for (series, buckets) in all.iter_mut().zip(view.day(level, day)?) {
            series.t.extend(rows.clone().map(|row| day * DAY_MS + row as i64 * step_ms));
            let buckets = buckets.unwrap_or_else(|| Buckets::unknown(level.per_day()));
            let columns =
                [(&mut series.min, &buckets.min), (&mut series.mean, &buckets.mean), (&mut series.max, &buckets.max)];
            for (column, values) in columns {
                column.extend(values.get(rows.clone()).unwrap_or_default().iter().map(|value| known(*value)));
            }
        }
    }
    Ok(all)
}

fn index(row: i64) -> usize {
    usize::try_from(row).unwrap_or(0)
}

fn add_samples(view: &mut View<'_>, grid: &mut Grid) -> Result<()> {
    let [from_ms, to_ms] = grid.range;
    for slot in slot_of(from_ms)..=slot_of(to_ms - 1) {
        let chunk = view.chunk(slot)?;
        for (index, id) in view.ids().to_vec().into_iter().enumerate() {
            let Some(column) = chunk.columns.get(&id) else { continue };
            for (offset, value) in chunk.offsets.iter().zip(column) {
                let t = time_ms(slot, *offset);
                let row = grid.row(t).filter(|_| (from_ms..to_ms).contains(&t));
                let fold = row.and_then(|row| grid.folds.get_mut(index)?.get_mut(row));
                fold.into_iter().for_each(|fold| fold.add(*value, *value, *value));
            }
        }
    }
    Ok(())
}

fn add_days(view: &mut View<'_>, grid: &mut Grid, level: Level) -> Result<()> {
    for day in day_of_ms(grid.start_ms)..=day_of_ms(grid.range[1] - 1) {
        for (index, buckets) in view.day(level, day)?.into_iter().enumerate() {
            let times = (day * DAY_MS..).step_by(usize::try_from(level.step_ms()).unwrap_or(1));
            for (t, [min, mean, max]) in times.zip(buckets.iter().flat_map(|buckets| buckets.rows())) {
                let fold = grid.row(t).and_then(|row| grid.folds.get_mut(index)?.get_mut(row));
                fold.into_iter().for_each(|fold| fold.add(min, mean, max));
            }
        }
    }
    Ok(())
}

/// Every sample, and the usual distance between two.
fn samples(view: &mut View<'_>, range: [i64; 2], found: &[(PointId, PointInfo)]) -> Result<(i64, Vec<Series>)> {
    let [from_ms, to_ms] = range;
    let mut all: Vec<(i64, Block)> = Vec::new();
    for slot in slot_of(from_ms)..=slot_of(to_ms - 1) {
        all.push((slot, view.chunk(slot)?));
        affordable(all.iter().map(|(_, chunk)| chunk.offsets.len() as i64).sum(), found.len())?;
    }
    let times = all.iter().flat_map(|(slot, chunk)| chunk.offsets.iter().map(|offset| time_ms(*slot, *offset)));
    let times: Vec<i64> = times.filter(|t| (from_ms..to_ms).contains(t)).collect();
    let (usual_ms, gap_ms) = distances(&times);
    let one = |(id, point): &(PointId, PointInfo)| {
        let mut series = named(point).with_room(times.len());
        let values = all.iter().flat_map(|(slot, chunk)| {
            chunk.offsets.iter().map(|offset| time_ms(*slot, *offset)).zip(chunk.column(*id))
        });
        for (t, value) in values.filter(|(t, _)| (from_ms..to_ms).contains(t)) {
            // Nothing was recorded for a while: no line across.
            if let Some(last) = series.t.last().copied().filter(|last| t - last > gap_ms) {
                series.push(last + usual_ms, [f32::NAN; 3]);
            }
            series.push(t, [value; 3]);
        }
        series
    };
    Ok((usual_ms, found.iter().map(one).collect()))
}

/// The usual distance between two samples, and how far apart they have to be for a gap. Cycles come early when something
/// moves, so what is usual is not the shortest.
fn distances(times: &[i64]) -> (i64, i64) {
    let mut distances: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut at = |per_cent: usize| {
        let rank = distances.len() * per_cent / 100;
        (rank < distances.len()).then(|| *distances.select_nth_unstable(rank).1)
    };
    let usual = at(50).unwrap_or(1000).max(1);
    (usual, 3 * at(90).unwrap_or(usual).max(usual))
}
