//! Which rows answer a question: how coarse, from which table.

use crate::point::{Error, Result};
use crate::rollup::Level;

/// Rows of all points together that one answer may hold.
const CELLS_MAX: i64 = 20_000_000;
/// Lengths of rows that charts are read in, s. Beyond them whole days.
const STEPS_S: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 2700, 3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200,
    86_400,
];

/// How finely something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Every sample.
    Raw,
    /// Minutes.
    Minute,
    /// Quarter hours.
    Quarter,
}

/// From when on there is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub raw_ms: i64,
    pub minutes_ms: i64,
    pub quarters_ms: i64,
}

impl Reach {
    /// No coarser table has anything of that time which the samples have not. What no table has, a coarser one has neither.
    pub fn has_samples(&self, from_ms: i64) -> bool {
        self.raw_ms <= self.begin(from_ms)
    }

    /// The first time from `from_ms` on that anything is there of.
    fn begin(&self, from_ms: i64) -> i64 {
        from_ms.max(self.raw_ms.min(self.minutes_ms).min(self.quarters_ms))
    }
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Every sample as it is.
    Samples,
    /// Samples, in rows of so many ms.
    Raw(i64),
    /// Rows of a table, so many as one.
    Table(Level, usize),
}

/// A range with an end behind its begin.
pub(crate) fn checked(from_ms: i64, to_ms: i64) -> Result<()> {
    // Years 1970 to 9999: products of times stay within their type.
    let known = 0..253_402_300_800_000;
    if from_ms < to_ms && known.contains(&from_ms) && known.contains(&to_ms) {
        return Ok(());
    }
    Err(Error::Question(format!("expected a time from 1970 on and a later one, found {from_ms} and {to_ms} ms")))
}

/// An answer of that many rows a point fits into memory.
pub(crate) fn affordable(rows: i64, points: usize) -> Result<()> {
    let points = i64::try_from(points).unwrap_or(i64::MAX);
    if rows.saturating_mul(points) <= CELLS_MAX {
        return Ok(());
    }
    Err(Error::Question(format!(
        "{rows} rows of {points} points are too many at once; expected at most {CELLS_MAX} values"
    )))
}

/// The finest source that gives at most `rows` rows and reaches back to `from_ms`; `samples` is how many samples there are,
/// if that was worth counting.
pub(crate) fn source(from_ms: i64, to_ms: i64, rows: usize, reach: Reach, samples: Option<usize>) -> Source {
    let (raw, begin) = (reach.has_samples(from_ms), reach.begin(from_ms));
    if raw && samples.is_some_and(|samples| samples <= rows) {
        return Source::Samples;
    }
    let level = if raw || reach.minutes_ms <= begin { Level::Minutes } else { Level::Quarters };
    let least_ms = if raw { 1000 } else { level.step_ms() };
    let step_ms = step(to_ms - from_ms, rows, least_ms);
    let divides = |level: Level| step_ms % level.step_ms() == 0;
    let many = |level: Level| usize::try_from(step_ms / level.step_ms()).unwrap_or(1);
    match level {
        _ if divides(Level::Quarters) => Source::Table(Level::Quarters, many(Level::Quarters)),
        Level::Minutes if divides(Level::Minutes) => Source::Table(Level::Minutes, many(Level::Minutes)),
        Level::Minutes | Level::Quarters => Source::Raw(step_ms),
    }
}

/// The shortest usual length of a row, not below `least_ms`, with which a range takes at most `rows`.
fn step(range_ms: i64, rows: usize, least_ms: i64) -> i64 {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX).max(1);
    let day_ms = 86_400_000;
    let fits = |step_ms: &i64| *step_ms >= least_ms && rows_of(range_ms, *step_ms) <= rows;
    let usual = STEPS_S.iter().map(|s| s * 1000).filter(|step_ms| step_ms % least_ms == 0).find(fits);
    // A range that does not begin at a row's begin touches one row more.
    let shortest_ms = range_ms / (rows - 1).max(1);
    usual.unwrap_or((shortest_ms / day_ms + 1) * day_ms)
}

/// Rows that a range takes at most, wherever it begins.
const fn rows_of(range_ms: i64, step_ms: i64) -> i64 {
    (range_ms + step_ms - 1) / step_ms + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const HERE: Reach = Reach { raw_ms: 0, minutes_ms: 0, quarters_ms: 0 };

    #[test]
    fn the_finest_rows_that_fit_are_chosen() {
        let rows = [
            (600_000, 800, Some(600), Source::Samples),
            (3_600_000, 800, Some(3600), Source::Raw(5000)),
            (DAY, 800, None, Source::Table(Level::Minutes, 2)),
            (DAY, 1441, None, Source::Table(Level::Minutes, 1)),
            (7 * DAY, 800, None, Source::Table(Level::Quarters, 1)),
            (365 * DAY, 800, None, Source::Table(Level::Quarters, 48)),
            (365 * DAY, 600_000, None, Source::Table(Level::Minutes, 1)),
            (3650 * DAY, 100, None, Source::Table(Level::Quarters, 37 * 96)),
        ];
        for (range, rows, samples, expected) in rows {
            assert_eq!(source(1000 * DAY, 1000 * DAY + range, rows, HERE, samples), expected, "{range} {rows}");
        }
    }

    #[test]
    fn what_is_too_old_for_samples_comes_from_minutes_and_then_from_quarter_hours() {
        let reach = Reach { raw_ms: 900 * DAY, minutes_ms: 500 * DAY, quarters_ms: 100 * DAY };
        let hour = |from: i64| source(from, from + 3_600_000, 800, reach, Some(60));
        assert_eq!(hour(901 * DAY), Source::Samples);
        assert_eq!(hour(600 * DAY), Source::Table(Level::Minutes, 1));
        assert_eq!(hour(300 * DAY), Source::Table(Level::Quarters, 1));
        // Before everything: as if at the begin of the oldest table, which is then the coarsest.
        assert_eq!(hour(50 * DAY), Source::Table(Level::Quarters, 1));
        let young = Reach { raw_ms: 900 * DAY, minutes_ms: 900 * DAY, quarters_ms: 900 * DAY };
        assert_eq!(source(50 * DAY, 901 * DAY, 800, young, Some(60)), Source::Samples);
    }

    #[test]
    fn no_range_gives_more_rows_than_were_asked_for() {
        for range in [1, 999, 61_000, DAY - 1, DAY, 31 * DAY, 400 * DAY, 4000 * DAY] {
            for rows in [2, 3, 10, 100, 799, 5000] {
                let step_ms = step(range, rows, 1000);
                assert!(rows_of(range, step_ms) <= rows as i64, "{range} {rows} {step_ms}");
            }
        }
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        for (from, to) in [(5, 5), (6, 5), (-1, 5), (0, i64::MAX), (i64::MIN, i64::MAX)] {
            assert!(checked(from, to).is_err(), "{from} {to}");
        }
        assert!(affordable(1_000_000, 10).is_ok() && affordable(i64::MAX, 2).is_err());
    }
}
