//! What the process image knows of the hours ahead, told to control when it is news.

use memg_core::outlook::{OUTLOOK_HOURS, Outlook};
use memg_core::series::{Quantity, Series};
use memg_plant_io::forecast::Forecast;
use memg_plant_io::image::{PointId, ProcessImage, SeriesId};
use std::sync::Arc;
use tokio::time::Instant;

const HOUR_MS: i64 = 3_600_000;

/// Where the image holds what is ahead.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Day-ahead prices: one point for each hour, the first one for the hour that has begun.
    pub hours: Vec<Option<PointId>>,
    /// Forecasts.
    pub series: Vec<(Quantity, SeriesId)>,
}

/// One instant as the plant and as messages write it, ms since 1970: local time and UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instants {
    pub plant_ms: i64,
    pub unix_ms: i64,
}

/// Whatever makes an outlook another one: its step, hourly prices, numbers of the messages.
type Told = (i64, Vec<Option<f64>>, Vec<Option<u64>>);

/// Prices and forecasts in the image. Where both are known, a forecast goes before an hourly price.
#[derive(Debug)]
pub(super) struct Ahead {
    places: Places,
    step_ms: i64,
    steps_per_hour: usize,
    /// What control was told last.
    told: Option<Told>,
}

impl Ahead {
    pub fn new(places: Places, step_ms: i64, steps_per_hour: usize) -> Self {
        Self { places, step_ms: step_ms.max(1), steps_per_hour, told: None }
    }

    /// The outlook from the step of this local time on, if it differs from what control knows. `None` always if nothing is
    /// configured.
    pub fn news(&mut self, image: &ProcessImage, now: Instant, at: Instants) -> Option<Outlook> {
        let known: Vec<PointId> = self.places.hours.iter().flatten().copied().collect();
        if known.is_empty() && self.places.series.is_empty() {
            return None;
        }
        let prices = self.prices(image, now, &known);
        let forecasts: Vec<_> = self.places.series.iter().map(|(_, id)| image.forecast(now, *id)).collect();
        let numbers = forecasts.iter().map(|known| known.as_ref().map(|(number, _)| *number)).collect();
        let told = (at.plant_ms.div_euclid(self.step_ms), prices, numbers);
        if self.told.as_ref() == Some(&told) {
            return None;
        }
        let series = self.resampled(&forecasts, at);
        let outlook = Outlook::new(series, self.steps_per_hour).or(&self.hourly(&told));
        self.told = Some(told);
        Some(outlook)
    }

    fn prices(&self, image: &ProcessImage, now: Instant, known: &[PointId]) -> Vec<Option<f64>> {
        let mut values = image.freeze(now, known).into_iter();
        let mut value = |id: &Option<PointId>| id.and_then(|_| values.next()).and_then(|m| m.usable());
        self.places.hours.iter().map(&mut value).collect()
    }

    /// Hourly prices from the present step on.
    fn hourly(&self, (step, prices, _): &Told) -> Outlook {
        let mut outlook = Outlook::of_hourly_prices(prices.iter().copied(), self.steps_per_hour);
        let begun = (step * self.step_ms).rem_euclid(HOUR_MS) / self.step_ms;
        (0..begun).for_each(|_| outlook.advance());
        outlook
    }

    /// Forecasts at step length, from the beginning of the present step on. Steps are as long in UTC as in local time.
    fn resampled(&self, forecasts: &[Option<(u64, Arc<Forecast>)>], at: Instants) -> Series {
        let first_ms = at.unix_ms - at.plant_ms.rem_euclid(self.step_ms);
        let mut series = Series::default();
        for ((quantity, _), known) in self.places.series.iter().zip(forecasts) {
            let Some((_, forecast)) = known else { continue };
            let begins = (0..).map(|step| first_ms + step * self.step_ms).take(OUTLOOK_HOURS * self.steps_per_hour);
            let column = series.column_mut(*quantity);
            *column = begins.map(|begin| forecast.mean(begin, begin + self.step_ms)).collect();
            let end = column.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            column.truncate(end);
        }
        series
    }
}

/// Nothing is known of one of these quantities.
pub(super) fn lacks(outlook: &Outlook, quantities: &[Quantity], steps_per_hour: usize) -> bool {
    let steps = OUTLOOK_HOURS * steps_per_hour;
    let is_known = |quantity| (0..steps).any(|step| outlook.ahead(quantity, step).is_some());
    !quantities.iter().all(|quantity| is_known(*quantity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_plant_io::forecast::Span;
    use memg_plant_io::image::{ImageBuilder, Update};
    use std::time::Duration;

    const QUARTER_MS: i64 = 900_000;

    fn local(plant_ms: i64) -> Instants {
        Instants { plant_ms, unix_ms: plant_ms }
    }

    #[tokio::test]
    async fn control_is_told_once_a_step_and_when_prices_change() {
        let mut builder = ImageBuilder::default();
        let ids: Vec<_> = (0..2).map(|_| builder.add(Duration::from_secs(7200))).collect();
        let image = builder.build();
        let places = Places { hours: ids.iter().copied().map(Some).collect(), series: Vec::new() };
        let mut ahead = Ahead::new(places, QUARTER_MS, 4);
        let now = Instant::now();
        image.publish(now, &[(ids[0], Update::Value(0.1)), (ids[1], Update::Value(0.4))]);
        let half_past = HOUR_MS / 2;
        let outlook = ahead.news(&image, now, local(half_past)).unwrap();
        let price = |steps| outlook.ahead(Quantity::ImportPrice, steps);
        assert_eq!(
            [price(0), price(1), price(2), price(5), price(6)],
            [Some(0.1), Some(0.1), Some(0.4), Some(0.4), None]
        );
        assert_eq!(ahead.news(&image, now, local(half_past + 1000)), None);
        assert!(ahead.news(&image, now, local(half_past + QUARTER_MS)).is_some());
        image.publish(now, &[(ids[0], Update::Value(0.2))]);
        assert!(ahead.news(&image, now, local(half_past + QUARTER_MS)).is_some());
    }

    /// Hourly values from an hour on.
    fn hours(first: i64, values: &[f64]) -> Forecast {
        let span = |(from_ms, value): (i64, &f64)| Span { from_ms, until_ms: from_ms + HOUR_MS, value: *value };
        Forecast::new((first..).map(|hour| hour * HOUR_MS).zip(values).map(span).collect()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_forecast_is_told_by_step_goes_before_hourly_prices_and_ends_with_its_age() {
        let mut builder = ImageBuilder::default();
        let hour = builder.add(Duration::from_secs(7200));
        let [price, pv] = [600, 7200].map(|seconds| builder.add_series(Duration::from_secs(seconds)));
        let image = builder.build();
        let places = Places {
            hours: vec![Some(hour), None, Some(hour)],
            series: vec![(Quantity::ImportPrice, price), (Quantity::Pv, pv)],
        };
        let mut ahead = Ahead::new(places, QUARTER_MS, 4);
        // 10:35 of local time, which is an hour before UTC; the step began at 10:30.
        let at = Instants { plant_ms: 10 * HOUR_MS + 35 * 60_000, unix_ms: 9 * HOUR_MS + 35 * 60_000 };
        image.publish(Instant::now(), &[(hour, Update::Value(9.0))]);
        image.publish_series(Instant::now(), price, hours(9, &[1.0, 2.0]));
        let known = |outlook: &Outlook, quantity| (0..8).map(|step| outlook.ahead(quantity, step)).collect::<Vec<_>>();
        let (a, b, h) = (Some(1.0), Some(2.0), Some(9.0));
        let outlook = ahead.news(&image, Instant::now(), at).unwrap();
        assert_eq!(known(&outlook, Quantity::ImportPrice), [a, a, b, b, b, b, h, h]);
        assert_eq!(known(&outlook, Quantity::Pv), [None; 8]);
        assert_eq!(ahead.news(&image, Instant::now(), at), None);
        image.publish_series(Instant::now(), pv, hours(10, &[30.0]));
        let outlook = ahead.news(&image, Instant::now(), at).unwrap();
        let p = Some(30.0);
        assert_eq!(known(&outlook, Quantity::Pv), [None, None, p, p, p, p, None, None]);
        tokio::time::advance(Duration::from_secs(601)).await;
        let outlook = ahead.news(&image, Instant::now(), at).unwrap();
        assert_eq!(known(&outlook, Quantity::ImportPrice), [h, h, None, None, None, None, h, h]);
    }

    #[test]
    fn one_forecast_of_two_is_missed_although_the_other_is_known() {
        let mut series = Series::default();
        series.column_mut(Quantity::Pv).extend([None, Some(3.0)]);
        let outlook = Outlook::new(series, 4);
        let lacks = |quantities: &[Quantity]| super::lacks(&outlook, quantities, 4);
        assert!(!lacks(&[]) && !lacks(&[Quantity::Pv]));
        assert!(lacks(&[Quantity::Pv, Quantity::Wind]) && super::lacks(&Outlook::default(), &[Quantity::Pv], 4));
    }
}
