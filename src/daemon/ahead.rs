//! What the process image knows of the hours ahead, told to control when it is news.

use memg_core::outlook::Outlook;
use memg_plant_io::image::{PointId, ProcessImage};
use tokio::time::Instant;

const HOUR_MS: i64 = 3_600_000;

/// Day-ahead prices in the image: one point for each hour, the first one for the hour that has begun.
#[derive(Debug)]
pub(super) struct Ahead {
    hours: Vec<Option<PointId>>,
    step_ms: i64,
    steps_per_hour: usize,
    /// Step and prices that control was told last.
    told: Option<(i64, Vec<Option<f64>>)>,
}

impl Ahead {
    pub fn new(hours: Vec<Option<PointId>>, step_ms: i64, steps_per_hour: usize) -> Self {
        Self { hours, step_ms: step_ms.max(1), steps_per_hour, told: None }
    }

    /// The outlook from the step of this local time on, if it differs from what control knows.
    pub fn news(&mut self, image: &ProcessImage, now: Instant, plant_ms: i64) -> Option<Outlook> {
        let prices = self.prices(image, now)?;
        let step = plant_ms.div_euclid(self.step_ms);
        let told = (step, prices);
        if self.told.as_ref() == Some(&told) {
            return None;
        }
        let mut outlook = Outlook::of_hourly_prices(told.1.iter().copied(), self.steps_per_hour);
        let begun = (step * self.step_ms).rem_euclid(HOUR_MS) / self.step_ms;
        (0..begun).for_each(|_| outlook.advance());
        self.told = Some(told);
        Some(outlook)
    }

    /// `None` if no hour is configured.
    fn prices(&self, image: &ProcessImage, now: Instant) -> Option<Vec<Option<f64>>> {
        let known: Vec<PointId> = self.hours.iter().flatten().copied().collect();
        if known.is_empty() {
            return None;
        }
        let mut values = image.freeze(now, &known).into_iter();
        let mut value = |id: &Option<PointId>| id.and_then(|_| values.next()).and_then(|m| m.usable());
        Some(self.hours.iter().map(&mut value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::series::Quantity;
    use memg_plant_io::image::{ImageBuilder, Update};
    use std::time::Duration;

    #[tokio::test]
    async fn control_is_told_once_a_step_and_when_prices_change() {
        let mut builder = ImageBuilder::default();
        let ids: Vec<_> = (0..2).map(|_| builder.add(Duration::from_secs(7200))).collect();
        let image = builder.build();
        let mut ahead = Ahead::new(ids.iter().copied().map(Some).collect(), 900_000, 4);
        let now = Instant::now();
        image.publish(now, &[(ids[0], Update::Value(0.1)), (ids[1], Update::Value(0.4))]);
        let half_past = HOUR_MS / 2;
        let outlook = ahead.news(&image, now, half_past).unwrap();
        let price = |steps| outlook.ahead(Quantity::ImportPrice, steps);
        assert_eq!(
            [price(0), price(1), price(2), price(5), price(6)],
            [Some(0.1), Some(0.1), Some(0.4), Some(0.4), None]
        );
        assert_eq!(ahead.news(&image, now, half_past + 1000), None);
        assert!(ahead.news(&image, now, half_past + 900_000).is_some());
        image.publish(now, &[(ids[0], Update::Value(0.2))]);
        assert!(ahead.news(&image, now, half_past + 900_000).is_some());
    }
}
