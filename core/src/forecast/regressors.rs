//! What a regression is told of a quantity's past: the one list of numbers that fitting and forecasting share.
//!
//! All are in the quantity's unit and grow with it, so that a plant twice as large gets forecasts twice as large: what
//! has no unit (time) comes times the mean of the last week. `t` is the step that is forecast, `o` the present one.
//!
//! | number | what |
//! |---|---|
//! | 0 to 2 | value now, one step ago, one hour ago |
//! | 3 to 5 | means of the last hour (the present step counted), day and week |
//! | 6 to 8 | at the time of day of `t`: the last day, the one before, a week before `t` |
//! | 9 | mean of the last week at the time of day of `t` |
//! | 10 to 12 | now less the last day, less the week's mean, less a week ago, at the time of day of `o` |
//! | 13 to 20 | mean of the week times cosine and sine of one to four turns a day at `t` |
//! | 21 to 29 | mean of the week times the weekend of `t` (5/7 on it, -2/7 off it), and that times the eight before |
//! | 30, 31 | mean of the week times cosine and sine of the year |
//! | 32 to 34 | PV alone: envelope at `t`, and that times how clear it is now and was in the last day |
//!
//! The envelope is the largest value of the last 14 days at that time of day; how clear it is, is the value over it. Where
//! nobody knows the date, weekend and season are 0: their mean.
//!
//! **Gaps.** A day that lacks a time of day is left out of its means and envelope; the next earlier one stands for "the
//! last", and the last for "the one before". The mean of the week at that time stands for a week ago, now for what is
//! missing of the last hour, the mean of the week for that of the day. There are no regressors at all before each time of
//! day is known on one of the last seven days: [`Regressors::look`] says so.

use crate::elementary::sine_cosine_of_turn;
use crate::policy::PolicyInput;
use crate::series::Quantity;
use crate::units::{floor_to_integer, to_float};

/// Numbers that a forecast of a step is made from.
pub const REGRESSORS: usize = 35;
/// What this list is called in files.
pub const REGRESSORS_NAME: &str = "memg-regressors/1";

const WEEK: usize = 7;
const ENVELOPE_DAYS: usize = 14;
const DAY_MIN: i64 = 1440;
const MINUTE_MS: i64 = 60_000;
/// Minutes of a mean Gregorian year.
const YEAR_MIN: f64 = 525_949.2;
/// What stands for a day of the weekend and for another one; the mean of a week is 0.
const WEEKEND: (f64, f64) = (5.0 / 7.0, -2.0 / 7.0);
/// Clearer than this is a cloud's edge or an envelope of dark weeks.
const CLEAR_MAX: f64 = 2.0;

/// What is known of a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct TimeOfDay {
    last: f64,
    second: f64,
    sum: f64,
    count: u32,
    highest: f64,
}

impl TimeOfDay {
    /// `days` gives the value so many days before; `None` if none of a week is known.
    fn of(days: impl Fn(usize) -> Option<f64>) -> Option<Self> {
        let mut week = (1..=WEEK).filter_map(&days);
        let last = week.next()?;
        let mut found = Self { last, second: last, sum: last, count: 1, highest: last };
        for value in week {
            if found.count == 1 {
                found.second = value;
            }
            (found.sum, found.count, found.highest) = (found.sum + value, found.count + 1, found.highest.max(value));
        }
        found.highest = (WEEK + 1..=ENVELOPE_DAYS).filter_map(days).fold(found.highest, f64::max);
        Some(found)
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// What is known around the present step, whatever step is forecast.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Present {
    now: f64,
    step_ago: f64,
    hour_ago: f64,
    hour: f64,
    day: f64,
    week: f64,
    /// Now less the last day, the week's mean, a week ago.
    different: [f64; 3],
    /// Step of the day.
    step: usize,
    minute: Option<i64>,
    season: (f64, f64),
    clear_now: f64,
    clear_day: f64,
}

/// The numbers of one quantity for all steps ahead. Everything is allocated when it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Regressors {
    step_ms: i64,
    steps_per_hour: usize,
    /// Cosine and sine of one to four turns, by the step of the day.
    turns: Vec<[f64; 8]>,
    /// By the distance from now in steps, within a day.
    times: Vec<TimeOfDay>,
    /// A week before each step ahead.
    weeks: Vec<Option<f64>>,
    present: Present,
    has_envelope: bool,
}

impl Regressors {
    /// Room for `leads` steps ahead of `step_ms` milliseconds each.
    #[must_use]
    pub fn new(step_ms: i64, leads: usize) -> Self {
        let step_ms = step_ms.max(1);
        let steps = |ms: i64| usize::try_from(ms / step_ms).unwrap_or(1).max(1);
        let steps_per_day = steps(DAY_MIN * MINUTE_MS);
        let share = |step: usize| to_float(i64::try_from(step).unwrap_or(0)) * to_float(step_ms) / 86_400_000.0;
        Self {
            step_ms,
            steps_per_hour: steps(60 * MINUTE_MS),
            turns: (0..steps_per_day).map(|step| turns(share(step))).collect(),
            times: vec![TimeOfDay::default(); steps_per_day],
            weeks: vec![None; leads + 1],
            present: Present::default(),
            has_envelope: false,
        }
    }

    /// Steps ahead for which there are numbers.
    #[must_use]
    pub const fn leads(&self) -> usize {
        self.weeks.len().saturating_sub(1)
    }

    /// Length of a step, ms.
    #[must_use]
    pub const fn step_ms(&self) -> i64 {
        self.step_ms
    }

    /// Looks at a quantity's past. `false` if too little of it is known; there are no numbers then.
    #[must_use]
    pub fn look(&mut self, input: &PolicyInput<'_>, quantity: Quantity) -> bool {
        let (known, day) = (input.known, self.times.len());
        for (steps, time) in self.times.iter_mut().enumerate() {
            let found = TimeOfDay::of(|days| known.ago(quantity, days * day - steps));
            let Some(found) = found else { return false };
            *time = found;
        }
        for (steps, value) in self.weeks.iter_mut().enumerate() {
            *value = (WEEK * day).checked_sub(steps).filter(|ago| *ago > 0).and_then(|ago| known.ago(quantity, ago));
        }
        self.has_envelope = quantity == Quantity::Pv;
        self.present = self.present(input, quantity);
        true
    }

    fn present(&self, input: &PolicyInput<'_>, quantity: Quantity) -> Present {
        let (known, now, day) = (input.known, input.situation.quantity(quantity), self.times.len());
        let ago = |steps: usize| known.ago(quantity, steps).unwrap_or(now);
        let hour = (1..self.steps_per_hour).map(ago).fold(now, |sum, value| sum + value) / count(self.steps_per_hour);
        let (sum, number) = self.times.iter().fold((0.0, 0), |(s, n), time| (s + time.sum, n + time.count));
        let week = sum / f64::from(number.max(1));
        let day_mean = mean_of((1..=day).filter_map(|steps| known.ago(quantity, steps))).unwrap_or(week);
        let here = self.times.first().copied().unwrap_or_default();
        let week_ago = self.weeks.first().copied().flatten().unwrap_or(here.mean());
        let envelope = self.times.iter().fold(0.0, |sum, time| sum + time.highest) / count(day);
        let clear_day = clearness(day_mean, envelope).unwrap_or(0.0);
        let minute = known.minute();
        let year = minute.map(|minute| sine_cosine_of_turn(to_float(minute) / YEAR_MIN));
        Present {
            now,
            step_ago: ago(1),
            hour_ago: ago(self.steps_per_hour),
            hour,
            day: day_mean,
            week,
            different: [now - here.last, now - here.mean(), now - week_ago],
            step: self.step_of_day(input.situation.local_hour),
            minute,
            season: year.map_or((0.0, 0.0), |(sine, cosine)| (cosine, sine)),
            clear_now: clearness(now, here.highest).unwrap_or(clear_day),
            clear_day,
        }
    }

    fn step_of_day(&self, local_hour: f64) -> usize {
        usize::try_from(floor_to_integer(local_hour * 3_600_000.0 / to_float(self.step_ms))).unwrap_or(0)
    }

    /// The numbers for the step that begins in `steps` steps, 1 to [`Regressors::leads`]; zeros beyond.
    #[must_use]
    pub fn row(&self, steps: usize) -> [f64; REGRESSORS] {
        let (p, day) = (&self.present, self.times.len());
        let time = self.times.get(steps % day.max(1)).copied().unwrap_or_default();
        let week_ago = self.weeks.get(steps).copied().flatten().unwrap_or(time.mean());
        let turns = self.turns.get((p.step + steps) % day.max(1)).copied().unwrap_or_default();
        let weekend = p.week * self.weekend(steps);
        let envelope = if self.has_envelope { time.highest } else { 0.0 };
        let [less_last, less_mean, less_week] = p.different;
        let plain = [
            p.now,
            p.step_ago,
            p.hour_ago,
            p.hour,
            p.day,
            p.week,
            time.last,
            time.second,
            week_ago,
            time.mean(),
            less_last,
            less_mean,
            less_week,
        ];
        let ends = [p.week * p.season.0, p.week * p.season.1, envelope, envelope * p.clear_now, envelope * p.clear_day];
        let harmonics = turns.map(|turn| p.week * turn);
        let mut row = [0.0; REGRESSORS];
        let all = plain.into_iter().chain(harmonics).chain([weekend]).chain(turns.map(|t| weekend * t)).chain(ends);
        row.iter_mut().zip(all).for_each(|(slot, value)| *slot = value);
        row
    }

    /// The forecast of the step that begins in `steps` steps.
    #[must_use]
    pub fn forecast(&self, steps: usize, coefficients: &[f32; REGRESSORS]) -> f64 {
        if self.is_dark(steps) {
            return 0.0;
        }
        self.row(steps).iter().zip(coefficients).fold(0.0, |sum, (x, c)| sum + x * f64::from(*c)).max(0.0)
    }

    /// The sun has not shone at the time of day of that step for two weeks: PV alone, where the forecast is 0.
    #[must_use]
    pub fn is_dark(&self, steps: usize) -> bool {
        let time = self.times.get(steps % self.times.len().max(1));
        self.has_envelope && time.is_some_and(|time| time.highest <= 0.0)
    }

    fn weekend(&self, steps: usize) -> f64 {
        let ahead_min = i64::try_from(steps).unwrap_or(0) * self.step_ms / MINUTE_MS;
        // 1970-01-01 was a Thursday; Monday is 0.
        let weekday = self.present.minute.map(|minute| ((minute + ahead_min).div_euclid(DAY_MIN) + 3).rem_euclid(7));
        weekday.map_or(0.0, |weekday| if weekday >= 5 { WEEKEND.0 } else { WEEKEND.1 })
    }
}

fn count(steps: usize) -> f64 {
    to_float(i64::try_from(steps).unwrap_or(1))
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (number, sum) = values.fold((0, 0.0), |(number, sum), value| (number + 1, sum + value));
    (number > 0).then(|| sum / to_float(number))
}

fn clearness(value: f64, envelope: f64) -> Option<f64> {
    (envelope > 0.0).then(|| (value / envelope).clamp(0.0, CLEAR_MAX))
}

/// Cosine and sine of one to four times an angle in turns, by the addition theorem.
fn turns(share: f64) -> [f64; 8] {
    let (sine, cosine) = sine_cosine_of_turn(share);
    let mut found = [0.0; 8];
    let (mut c, mut s) = (1.0, 0.0);
    for pair in found.chunks_exact_mut(2) {
        (c, s) = (c * cosine - s * sine, s * cosine + c * sine);
        pair.iter_mut().zip([c, s]).for_each(|(slot, value)| *slot = value);
    }
    found
}
