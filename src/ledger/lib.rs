//! The ledger: what each recorded day has cost or would have cost under the gateway, under the good rule, and with battery
//! and CHP at rest.
//!
//! Everything comes from the history, so it works in Shadow as in Auto. All three sides are computed alike, by the plant
//! model of `memg-core` in the environment that policies are evaluated in: from the state of charge that was measured at the
//! begin of the day, under the weather, load and prices that were measured, energy that is missing in the battery at the end
//! or left over settled as `gateway evaluate` does. The gateway's side follows the set-points that it computed, each through
//! the safety filter.
//!
//! The error of a day is how far the model misses what was metered: the model's cost of the powers at which battery and CHPs
//! were measured, less the cost of the same hours with the metered exchange. Errors add up over a month without cancelling.

#![forbid(unsafe_code)]

mod day;
mod months;
mod record;
mod sides;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;

pub use day::NOT_OVER;
pub use months::{Ledger, Month};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use memg_core::equipment::Plant;
use memg_history::Reader;
use serde::Serialize;

/// Whose ledger it is.
#[derive(Debug, Clone)]
pub struct Site {
    /// Ratings, limits and costs.
    pub plant: Plant,
    /// Where a day begins; UTC for a virtual plant, which has no zone.
    pub zone: TimeZone,
}

/// A day. Costs are EUR and `None` where what they follow from was not recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Day {
    /// Its date, `2026-11-24`.
    pub day: String,
    /// Under the gateway: what it has cost in Auto, or would have cost.
    pub gateway_eur: Option<f64>,
    /// Under the good rule.
    pub rule_eur: Option<f64>,
    /// With battery and CHP at rest.
    pub idle_eur: Option<f64>,
    /// How far the model misses what was metered, >= 0; the three costs are known to within this.
    pub error_eur: Option<f64>,
    /// What the day has cost by its meters, whoever was in charge, stored energy settled.
    pub metered_eur: Option<f64>,
    /// The sides can be compared.
    pub valid: bool,
    /// Why they cannot.
    pub why: Option<String>,
    /// Hours in which the gateway was in charge.
    pub hours_auto: f64,
    /// Hours in Shadow.
    pub hours_shadow: f64,
}

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] memg_history::Error),
    /// A date that no calendar has, or too many days.
    #[error("{0}")]
    Days(String),
}

/// More days are not asked for at once: each is three simulated days.
const DAYS_MAX: usize = 3700;

/// The days from `first` to `last`, both included, that anything is recorded of. `now_ms` is the present, ms since 1970 UTC by
/// the plant's clock: the day that it lies in is shown up to there. Takes some milliseconds a day, most of it reading.
///
/// # Errors
/// The history cannot be read, or there are more than ten years of days.
pub fn ledger(reader: &Reader, site: &Site, first: Date, last: Date, now_ms: i64) -> Result<Ledger, Error> {
    let range = recorded(reader, site)?;
    let (first, last) = range.map_or((first, last), |(oldest, newest)| (first.max(oldest), last.min(newest)));
    let dates: Vec<Date> =
        first.series(jiff::Span::new().days(1)).take_while(|date| *date <= last).take(DAYS_MAX + 1).collect();
    if dates.len() > DAYS_MAX {
        return Err(Error::Days(format!("expected at most {DAYS_MAX} days, found {first} to {last}")));
    }
    let dates = if range.is_some() { dates } else { Vec::new() };
    let known: Vec<String> = reader.points().into_iter().map(|point| point.name).collect();
    let days: Result<Vec<Option<Day>>, Error> =
        dates.into_iter().map(|date| day::of(reader, site, &known, date, now_ms)).collect();
    Ok(Ledger::of(days?.into_iter().flatten().collect()))
}

/// The first and the last local day that anything is recorded of.
///
/// # Errors
/// The history cannot be read.
pub fn recorded(reader: &Reader, site: &Site) -> Result<Option<(Date, Date)>, Error> {
    let local =
        |ms: i64| jiff::Timestamp::from_millisecond(ms).ok().map(|moment| moment.to_zoned(site.zone.clone()).date());
    Ok(reader.recorded()?.and_then(|(from, to)| Some((local(from)?, local(to)?))))
}
