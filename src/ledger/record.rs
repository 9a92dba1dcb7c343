//! A day as it was recorded: means of minutes of the points that a comparison needs, and steps of the plant made of them.

use crate::{Error, Site};
use jiff::civil::Date;
use memg_core::calendar::LocalTime;
use memg_core::plant_state::{Signal, Tag};
use memg_history::{Reader, Resolution};
use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;

/// A local day.
#[derive(Debug)]
pub(crate) struct Record {
    /// Begin of the day, ms since 1970 UTC.
    from_ms: i64,
    /// Minutes that the day has had until now.
    pub minutes: usize,
    /// Minutes that it has in all; not 1440 where clocks change.
    pub whole: usize,
    /// Local time less UTC at its begin, minutes.
    offset_min: i64,
    /// Minutes of a step.
    pub step_min: usize,
    points: BTreeMap<String, Vec<Option<f32>>>,
    /// Means of the minute before the day.
    before: BTreeMap<String, f64>,
}

/// The values of a point, a step each; `None` where less than a third of its minutes was known.
pub(crate) type Steps = Vec<Option<f64>>;

impl Record {
    /// Reads it; `None` of a day that has not begun.
    pub fn read(
        reader: &Reader,
        site: &Site,
        known: &[String],
        date: Date,
        now_ms: i64,
    ) -> Result<Option<Self>, Error> {
        let midnight = |date: Date| date.to_zoned(site.zone.clone()).map_err(|error| Error::Days(error.to_string()));
        let begin = midnight(date)?;
        let end = midnight(date.tomorrow().map_err(|error| Error::Days(error.to_string()))?)?;
        let (from_ms, end_ms) = (begin.timestamp().as_millisecond(), end.timestamp().as_millisecond());
        let to_ms = end_ms.min(now_ms - now_ms.rem_euclid(MINUTE_MS));
        if to_ms <= from_ms {
            return Ok(None);
        }
        let names: Vec<&str> = known.iter().map(String::as_str).filter(|name| is_needed(name)).collect();
        let table = reader.series_at(&names, from_ms, to_ms, Resolution::Minute)?;
        let eve = reader.series_at(&names, from_ms - MINUTE_MS, from_ms, Resolution::Minute)?;
        let last = |s: memg_history::Series| Some((s.name, f64::from(s.mean.last().copied().flatten()?)));
        let points = table.series.into_iter().map(|s| (s.name, s.mean)).collect();
        let minutes = |until: i64| usize::try_from((until - from_ms) / MINUTE_MS).unwrap_or(0);
        Ok(Some(Self {
            from_ms,
            minutes: minutes(to_ms),
            whole: minutes(end_ms),
            offset_min: i64::from(begin.offset().seconds()) / 60,
            step_min: usize::try_from(site.plant.step_ms() / MINUTE_MS).unwrap_or(1).max(1),
            points,
            before: eve.series.into_iter().filter_map(last).collect(),
        }))
    }

    /// Whole steps that the day has had.
    pub fn steps(&self) -> usize {
        self.minutes / self.step_min
    }

    /// Begin of a step. Profiles have one offset throughout a day; where clocks change the later hours keep the earlier one.
    pub fn time(&self, step: usize) -> LocalTime {
        let minutes = i64::try_from(step * self.step_min).unwrap_or(0);
        LocalTime { minute: self.from_ms / MINUTE_MS + self.offset_min + minutes, offset_min: self.offset_min }
    }

    /// The point was ever recorded.
    pub fn has(&self, name: &str) -> bool {
        self.points.contains_key(name)
    }

    /// Means of a point.
    pub fn steps_of(&self, name: &str) -> Steps {
        let none = Vec::new();
        let minutes = self.points.get(name).unwrap_or(&none);
        (0..self.steps()).map(|step| mean(minutes, step * self.step_min, self.step_min)).collect()
    }

    /// Sum of a signal over all units that are recorded (`pv_kw`, `pv_2_kw`, …); `None` if none ever was.
    pub fn sum_of(&self, signal: Signal) -> Option<Steps> {
        let of = |name: &&String| Tag::from_name(name).is_some_and(|tag| tag.signal() == signal);
        let each = self.points.keys().filter(of).map(|name| self.steps_of(name));
        each.reduce(|sum, unit| sum.into_iter().zip(unit).map(|(sum, unit)| Some(sum? + unit?)).collect())
    }

    /// Hours of a point in which `is` is true of its minutes, as far as it was known; a slow cycle need not meet every minute.
    pub fn hours(&self, name: &str, is: impl Fn(f64) -> bool) -> f64 {
        self.hours_without("", name, is)
    }

    /// The same of minutes in which another point was not known.
    pub fn hours_without(&self, unknown: &str, name: &str, is: impl Fn(f64) -> bool) -> f64 {
        let none = Vec::new();
        let of = |name: &str| self.points.get(name).unwrap_or(&none);
        let beside = of(unknown);
        let minutes: Vec<Option<bool>> = of(name)
            .iter()
            .enumerate()
            .map(|(minute, mean)| {
                mean.map(|mean| is(f64::from(mean)) && beside.get(minute).copied().flatten().is_none())
            })
            .collect();
        let share = |step: &[Option<bool>]| {
            let known = step.iter().flatten().count();
            step.iter().flatten().filter(|is| **is).count() as f64 / known.max(1) as f64 * step.len() as f64
        };
        minutes.chunks(self.step_min).map(share).sum::<f64>() / 60.0
    }

    /// Hours that a number of steps are.
    pub fn hours_of_steps(&self, steps: usize) -> f64 {
        (steps * self.step_min) as f64 / 60.0
    }

    /// How often a point rose from below a value to above it.
    pub fn rises(&self, name: &str, over: f64) -> usize {
        let minutes = self.points.get(name).into_iter().flatten().flatten().map(|value| f64::from(*value));
        let known: Vec<bool> =
            self.before.get(name).copied().into_iter().chain(minutes).map(|value| value > over).collect();
        known.windows(2).filter(|pair| matches!(pair, [false, true])).count()
    }

    /// What a point was when the day began (just before, where that is known), and its last known value.
    pub fn ends(&self, name: &str) -> Option<(f64, f64)> {
        let mean = self.points.get(name)?;
        let first = mean.iter().flatten().next().map(|first| f64::from(*first));
        let begin = self.before.get(name).copied().or(first)?;
        Some((begin, f64::from(*mean.iter().flatten().next_back()?)))
    }
}

fn mean(minutes: &[Option<f32>], first: usize, count: usize) -> Option<f64> {
    let known = minutes.get(first..first + count)?.iter().flatten();
    let (number, sum) = known.fold((0, 0.0), |(number, sum), value| (number + 1, sum + f64::from(*value)));
    (3 * number >= count).then(|| sum / number as f64)
}

/// Points that the comparison reads.
fn is_needed(name: &str) -> bool {
    let beside =
        ["setpoint.", "limit."].iter().any(|part| name.starts_with(part)) || ["mode", "cost_eur_per_h"].contains(&name);
    beside || Tag::from_name(name).is_some_and(|tag| !tag.signal().is_witness())
}
