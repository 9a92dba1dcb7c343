//! What the plant cannot choose, at any plant time: weather, loads, prices, grid. From a profile.

use super::noise::Noise;
use memg_core::calendar::LocalTime;
use memg_core::equipment::Plant;
use memg_core::profile::{Profile, ProfileRow};
use std::sync::Arc;

/// How a profile's values run within a step. Prices are always held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// Constant within a step, as training sees them.
    #[default]
    Hold,
    /// A straight line to the next row.
    Linear,
}

/// What follows the profile's last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtEnd {
    /// Its first row.
    #[default]
    Wrap,
    /// Time stands still.
    Stop,
}

/// Fluctuations change within this time, ms.
const FLUCTUATION_MS: i64 = 60_000;
/// Voltage deviation for a fluctuation of 1, pu.
const VOLTAGE_SHARE: f64 = 0.05;
/// Frequency deviation for a fluctuation of 1, Hz.
const FREQUENCY_SHARE: f64 = 0.5;
/// Hours of prices known ahead.
pub const PRICE_HOURS: usize = 24;

/// A profile as a function of plant time.
#[derive(Debug, Clone)]
pub struct ProfileSource {
    profile: Arc<Profile>,
    plant: Plant,
    start_row: usize,
    interpolation: Interpolation,
    at_end: AtEnd,
    fluctuation: f64,
    noise: Noise,
}

/// Import and export prices of the hours ahead, EUR/kWh, the first hour beginning now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DayAhead {
    /// Hourly means of the import price.
    pub import: Vec<f64>,
    /// Hourly means of the export price.
    pub export: Vec<f64>,
}

/// How a [`ProfileSource`] reads its profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// First row; wraps if beyond the end.
    pub start_row: usize,
    /// Within a step.
    pub interpolation: Interpolation,
    /// After the last row.
    pub at_end: AtEnd,
    /// Relative fluctuation of powers within minutes (0.03 = up to 3 %); 0 follows the profile exactly.
    pub fluctuation: f64,
    /// Noise that makes the fluctuation.
    pub noise: Noise,
}

impl ProfileSource {
    /// Reads `profile` for `plant`, whose step is the profile's.
    #[must_use]
    pub fn new(plant: Plant, profile: Arc<Profile>, reading: Reading) -> Self {
        let Reading { start_row, interpolation, at_end, fluctuation, noise } = reading;
        let start_row = start_row % profile.rows().len().max(1);
        Self { profile, plant, start_row, interpolation, at_end, fluctuation, noise }
    }

    /// Plant time at which the profile ends, if it does.
    #[must_use]
    pub fn end_ms(&self) -> Option<i64> {
        let rows = self.profile.rows().len() - self.start_row.min(self.profile.rows().len());
        (self.at_end == AtEnd::Stop).then_some(rows as i64 * self.plant.step_ms())
    }

    /// Index of the row in force.
    #[must_use]
    pub fn row_index(&self, time_ms: i64) -> usize {
        self.index_after(time_ms, 0)
    }

    fn index_after(&self, time_ms: i64, steps: i64) -> usize {
        let len = (self.profile.rows().len() as i64).max(1);
        let index = self.start_row as i64 + time_ms.div_euclid(self.plant.step_ms()) + steps;
        match self.at_end {
            AtEnd::Wrap => index.rem_euclid(len) as usize,
            AtEnd::Stop => index.clamp(0, len - 1) as usize,
        }
    }

    fn row(&self, index: usize) -> ProfileRow {
        self.profile.rows().get(index).copied().unwrap_or_default()
    }

    /// Local time, whole minutes.
    #[must_use]
    pub fn local_time(&self, time_ms: i64) -> LocalTime {
        let start = self.row(self.row_index(time_ms)).time;
        start.plus_minutes(self.local_ms(time_ms).div_euclid(60_000) - start.minute)
    }

    /// Local time, ms since 1970-01-01T00:00.
    #[must_use]
    pub fn local_ms(&self, time_ms: i64) -> i64 {
        self.row(self.row_index(time_ms)).time.minute * 60_000 + time_ms.rem_euclid(self.plant.step_ms())
    }

    /// Values in force at a plant time; powers within the plant's bounds, `time` is the start of the row.
    #[must_use]
    pub fn at(&self, time_ms: i64) -> ProfileRow {
        let row = self.row(self.row_index(time_ms));
        let row = match self.interpolation {
            Interpolation::Hold => row,
            Interpolation::Linear => {
                let share = time_ms.rem_euclid(self.plant.step_ms()) as f64 / self.plant.step_ms() as f64;
                between(&row, &self.row(self.index_after(time_ms, 1)), share)
            }
        };
        if self.fluctuation == 0.0 { row } else { self.fluctuating(row, time_ms) }
    }

    /// The filter's promise holds within the site's bounds, so fluctuations stay within them.
    fn fluctuating(&self, row: ProfileRow, time_ms: i64) -> ProfileRow {
        let x = &self.plant.parameters().exogenous;
        let wave = |channel| self.fluctuation * self.noise.smooth(channel, time_ms, FLUCTUATION_MS);
        let power = |value: f64, channel, low: f64, high: f64| {
            let (low, high) = (low.min(value), high.max(value));
            (value * (1.0 + wave(channel))).clamp(low, high)
        };
        ProfileRow {
            pv_kw: power(row.pv_kw, 0, 0.0, x.pv_kw_nom),
            wind_kw: power(row.wind_kw, 1, 0.0, x.wind_kw_nom),
            electric_load_kw: power(row.electric_load_kw, 2, x.electric_load_kw_min, x.electric_load_kw_max),
            heat_load_kw: power(row.heat_load_kw, 3, 0.0, x.heat_load_kw_max),
            grid_voltage_pu: row.grid_voltage_pu + VOLTAGE_SHARE * wave(4),
            frequency_hz: row.frequency_hz + FREQUENCY_SHARE * wave(5),
            ..row
        }
    }

    /// Prices of the next 24 hours, as far as the profile reaches.
    #[must_use]
    pub fn day_ahead(&self, time_ms: i64) -> DayAhead {
        let steps_per_hour = (3_600_000 / self.plant.step_ms()).max(1);
        let mut prices = DayAhead::default();
        for hour in 0..PRICE_HOURS as i64 {
            let last_ms = time_ms + (hour + 1) * 3_600_000 - 1;
            if self.end_ms().is_some_and(|end| last_ms >= end) {
                break;
            }
            let rows =
                (0..steps_per_hour).map(|step| self.row(self.index_after(time_ms, hour * steps_per_hour + step)));
            let (import, export) =
                rows.fold((0.0, 0.0), |sum, row| (sum.0 + row.import_price, sum.1 + row.export_price));
            prices.import.push(import / steps_per_hour as f64);
            prices.export.push(export / steps_per_hour as f64);
        }
        prices
    }
}

fn between(row: &ProfileRow, next: &ProfileRow, share: f64) -> ProfileRow {
    let mix = |from: f64, to: f64| from + share * (to - from);
    ProfileRow {
        pv_kw: mix(row.pv_kw, next.pv_kw),
        wind_kw: mix(row.wind_kw, next.wind_kw),
        electric_load_kw: mix(row.electric_load_kw, next.electric_load_kw),
        heat_load_kw: mix(row.heat_load_kw, next.heat_load_kw),
        grid_voltage_pu: mix(row.grid_voltage_pu, next.grid_voltage_pu),
        frequency_hz: mix(row.frequency_hz, next.frequency_hz),
        ..*row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(interpolation: Interpolation, at_end: AtEnd) -> ProfileSource {
        let row = |pv_kw: f64| ProfileRow { pv_kw, import_price: pv_kw / 100.0, ..ProfileRow::default() };
        let profile = Profile::from_rows([0.0, 10.0, 20.0, 30.0, 40.0, 50.0].map(row).to_vec());
        let reading = Reading { start_row: 1, interpolation, at_end, fluctuation: 0.0, noise: Noise::new(0) };
        ProfileSource::new(Plant::reference(), Arc::new(profile), reading)
    }

    #[test]
    fn values_are_held_or_interpolated_and_the_end_wraps_or_stops() {
        let step = Plant::reference().step_ms();
        for (interpolation, at_end, time_ms, pv_kw) in [
            (Interpolation::Hold, AtEnd::Wrap, 0, 10.0),
            (Interpolation::Hold, AtEnd::Wrap, step - 1, 10.0),
            (Interpolation::Linear, AtEnd::Wrap, step / 2, 15.0),
            (Interpolation::Hold, AtEnd::Wrap, 5 * step, 0.0),
            (Interpolation::Hold, AtEnd::Stop, 5 * step, 50.0),
        ] {
            assert_eq!(source(interpolation, at_end).at(time_ms).pv_kw, pv_kw, "{interpolation:?} at {time_ms}");
        }
        assert_eq!(source(Interpolation::Hold, AtEnd::Stop).end_ms(), Some(5 * step));
    }

    #[test]
    fn local_time_follows_the_rows_over_missing_days() {
        let step = Plant::reference().step_ms();
        let at = |minute| ProfileRow { time: LocalTime { minute, offset_min: 60 }, ..ProfileRow::default() };
        let mut source = source(Interpolation::Hold, AtEnd::Wrap);
        source.profile = Arc::new(Profile::from_rows(vec![at(0), at(1425), at(4320)]));
        for (time_ms, local_ms) in [(0, 1425 * 60_000), (step + 90_000, 4320 * 60_000 + 90_000), (2 * step, 0)] {
            assert_eq!(source.local_ms(time_ms), local_ms);
            assert_eq!(source.local_time(time_ms).minute, local_ms / 60_000);
        }
    }

    #[test]
    fn day_ahead_prices_are_hourly_means_as_far_as_they_are_known() {
        let known = source(Interpolation::Hold, AtEnd::Stop).day_ahead(0);
        assert_eq!(known.import.len(), 1);
        assert!((known.import[0] - 0.25).abs() < 1e-12);
        assert_eq!(source(Interpolation::Hold, AtEnd::Wrap).day_ahead(0).import.len(), PRICE_HOURS);
    }

    #[test]
    fn fluctuations_stay_within_the_plants_bounds() {
        let mut source = source(Interpolation::Hold, AtEnd::Wrap);
        source.fluctuation = 0.5;
        let values: Vec<f64> = (0..900).map(|second| source.at(second * 1000).electric_load_kw).collect();
        assert!(values.iter().all(|load| (0.0..=100.0).contains(load)));
        let pv: Vec<f64> = (0..900).map(|second| source.at(second * 1000).pv_kw).collect();
        assert!(pv.iter().any(|pv| (pv - 10.0).abs() > 1.0) && pv.iter().all(|pv| (5.0..=15.0).contains(pv)));
    }
}
