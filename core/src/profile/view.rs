//! What a gateway knows at a row of a profile: all that has been, and published prices of what comes.

use super::{Profile, ProfileRow};
use crate::series::{Known, Quantity};

impl Profile {
    /// What a gateway knows at row `index` when it may look at the rows of `known`: all that has been, and of what comes the
    /// prices that a day-ahead market has published by then, see [`published_steps`].
    #[must_use]
    pub fn view(&self, known: &core::ops::Range<usize>, index: usize, steps_per_hour: usize) -> ProfileView<'_> {
        let rows = self.rows.get(known.clone()).unwrap_or(&[]);
        let now = index.saturating_sub(known.start);
        let priced = rows.get(now).map_or(0, |row| published_steps(row.time.hour(), steps_per_hour));
        ProfileView { rows, now, priced, step_min: 60 / steps_per_hour.max(1) }
    }
}

/// Local hour at which a day-ahead market has published tomorrow's prices.
pub const PUBLISHED_AT_H: f64 = 13.0;

/// Steps ahead, the present one counted, whose prices a day-ahead market has published at this local hour: those of today,
/// from 13:00 on those of tomorrow too.
#[must_use]
pub fn published_steps(local_hour: f64, steps_per_hour: usize) -> usize {
    let known_h = if local_hour < PUBLISHED_AT_H { 24.0 } else { 48.0 } - local_hour;
    let steps = crate::units::to_integer(known_h * crate::units::to_float(i64::try_from(steps_per_hour).unwrap_or(0)));
    usize::try_from(steps).unwrap_or(0)
}

/// A profile as a gateway knows it at one of its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfileView<'a> {
    rows: &'a [ProfileRow],
    now: usize,
    priced: usize,
    step_min: usize,
}

impl ProfileView<'_> {
    /// The same with the prices of so many steps, whatever a market has published.
    #[must_use]
    pub fn with_prices_of(self, steps: usize) -> Self {
        Self { priced: steps, ..self }
    }

    /// The row that begins `steps` steps from now. Rows are in time order, mostly without holes: the one at that distance
    /// is tried first.
    fn at(&self, index: Option<usize>, minutes: i64) -> Option<&ProfileRow> {
        let minute = self.rows.get(self.now)?.time.minute.checked_add(minutes)?;
        if let Some(row) = index.and_then(|index| self.rows.get(index)).filter(|row| row.time.minute == minute) {
            return Some(row);
        }
        let found = self.rows.binary_search_by_key(&minute, |row| row.time.minute).ok()?;
        self.rows.get(found)
    }
}

impl Known for ProfileView<'_> {
    fn minute(&self) -> Option<i64> {
        self.rows.get(self.now).map(|row| row.time.minute)
    }

    fn ahead(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        let is_price = matches!(quantity, Quantity::ImportPrice | Quantity::ExportPrice);
        if !is_price || steps >= self.priced {
            return None;
        }
        let minutes = i64::try_from(steps * self.step_min).ok()?;
        Some(self.at(self.now.checked_add(steps), minutes)?.quantity(quantity))
    }

    fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        let minutes = i64::try_from(steps * self.step_min).ok()?;
        Some(self.at(self.now.checked_sub(steps), -minutes)?.quantity(quantity))
    }
}
