//! The process image: the newest value of every point and the newest forecasts, written by drivers, read once per cycle.
//!
//! One lock, held for a block copy and never over an `.await`. Quality is decided here from age, so that a driver that
//! dies leaves values that go stale by themselves; and what is not a finite number is bad here, whoever published it.

use crate::forecast::Forecast;
use memg_core::measurement::{Measurement, Quality};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Index of a point in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PointId(pub usize);

/// What a driver found out about a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// Read, decoded, within range. A number that is not finite counts as [`Update::OutOfRange`].
    Value(f64),
    /// Read, but not usable: out of range, NaN, sentinel. The last good value and its time stay.
    OutOfRange,
    /// The device does not answer. The last good value and its time stay.
    CommLost,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    value: Option<f64>,
    read_at: Option<Instant>,
    fault: Option<Quality>,
    age_max: Duration,
    /// Since when the value is what it is, and how long it may be.
    same_since: Option<Instant>,
    frozen_after: Option<Duration>,
    /// The value when it was last frozen, and how far it may move from there before somebody should look.
    frozen: f64,
    band: f64,
}

/// Index of a forecast in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(usize);

/// A place for a forecast; the number tells one message from the next.
#[derive(Debug)]
struct SeriesSlot {
    held: Option<(Instant, u64, Arc<Forecast>)>,
    count: u64,
    age_max: Duration,
}

impl SeriesSlot {
    fn is_old(&self, now: Instant) -> bool {
        self.held.as_ref().is_some_and(|(at, ..)| now.saturating_duration_since(*at) > self.age_max)
    }
}

/// Hands out places in an image before it exists: devices and topics take theirs while the configuration is read.
#[derive(Debug, Clone, Default)]
pub struct ImageBuilder {
    ages_max: Vec<Duration>,
    frozen_after: Vec<(PointId, Duration)>,
    series: Vec<Duration>,
}

impl ImageBuilder {
    /// A place for a point that is stale after `age_max`.
    pub fn add(&mut self, age_max: Duration) -> PointId {
        self.add_all([age_max])
    }

    /// Places for several points, next to each other; the first of them.
    pub fn add_all(&mut self, ages_max: impl IntoIterator<Item = Duration>) -> PointId {
        let first = PointId(self.ages_max.len());
        self.ages_max.extend(ages_max);
        first
    }

    /// A place for a forecast that may be used for `age_max`.
    pub fn add_series(&mut self, age_max: Duration) -> SeriesId {
        self.series.push(age_max);
        SeriesId(self.series.len() - 1)
    }

    /// A point counts as frozen when it has shown the same number for this long.
    pub fn frozen_after(&mut self, id: PointId, limit: Duration) {
        self.frozen_after.push((id, limit));
    }

    /// The image with all places handed out.
    #[must_use]
    pub fn build(self) -> ProcessImage {
        let series = self.series.into_iter().map(|age_max| SeriesSlot { held: None, count: 0, age_max }).collect();
        let image = ProcessImage { series: Arc::new(Mutex::new(series)), ..ProcessImage::new(self.ages_max) };
        let mut slots = image.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, limit) in self.frozen_after {
            slots.get_mut(id.0).into_iter().for_each(|slot| slot.frozen_after = Some(limit));
        }
        drop(slots);
        image
    }
}

/// Shared process image.
#[derive(Debug, Clone)]
pub struct ProcessImage {
    slots: Arc<Mutex<Vec<Slot>>>,
    series: Arc<Mutex<Vec<SeriesSlot>>>,
    moved: Arc<Notify>,
}

impl ProcessImage {
    /// An image for points with these maximum ages, in the order of their [`PointId`]s.
    #[must_use]
    pub fn new(ages_max: impl IntoIterator<Item = Duration>) -> Self {
        let slot = |age_max| Slot {
            value: None,
            read_at: None,
            fault: None,
            age_max,
            same_since: None,
            frozen_after: None,
            frozen: f64::NAN,
            band: f64::INFINITY,
        };
        let slots = Arc::new(Mutex::new(ages_max.into_iter().map(slot).collect()));
        Self { slots, series: Arc::default(), moved: Arc::default() }
    }

    /// From now on [`ProcessImage::moved`] tells when one of these points leaves its band around the value that was
    /// frozen last, or becomes unusable.
    pub fn watch(&self, bands: impl IntoIterator<Item = (PointId, f64)>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, band) in bands {
            slots.get_mut(id.0).into_iter().for_each(|slot| slot.band = band);
        }
    }

    /// Returns when a watched point has moved; at once if one did since the last call.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Records a block of updates that were read at `at`.
    pub fn publish(&self, at: Instant, updates: &[(PointId, Update)]) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut moved = false;
        for (id, update) in updates {
            let Some(slot) = slots.get_mut(id.0) else { continue };
            moved |= slot.take(at, *update);
        }
        drop(slots);
        if moved {
            self.moved.notify_one();
        }
    }

    /// Replaces a forecast by one that was made at `at`.
    pub fn publish_series(&self, at: Instant, id: SeriesId, forecast: Forecast) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = series.get_mut(id.0) else { return };
        slot.count += 1;
        slot.held = Some((at, slot.count, Arc::new(forecast)));
    }

    /// A forecast that may be used, and its number; another message has another one.
    #[must_use]
    pub fn forecast(&self, now: Instant, id: SeriesId) -> Option<(u64, Arc<Forecast>)> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, number, forecast) = series.get(id.0).filter(|slot| !slot.is_old(now))?.held.as_ref()?;
        Some((*number, Arc::clone(forecast)))
    }

    /// Forgets a forecast that is too old; true if there was one.
    #[must_use]
    pub fn drop_old_series(&self, now: Instant, id: SeriesId) -> bool {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.get_mut(id.0).filter(|slot| slot.is_old(now)).and_then(|slot| slot.held.take()).is_some()
    }

    /// The measurements of these points as of `now`, in one instant.
    #[must_use]
    pub fn freeze(&self, now: Instant, ids: &[PointId]) -> Vec<Measurement<f64>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut measure = |id: &PointId| slots.get_mut(id.0).map_or(Measurement::never(), |slot| slot.freeze(now));
        ids.iter().map(&mut measure).collect()
    }
}

impl Slot {
    /// Takes an update in; true if somebody should look.
    fn take(&mut self, at: Instant, update: Update) -> bool {
        let before = self.fault;
        match update {
            Update::Value(value) if !value.is_finite() => self.fault = Some(Quality::OutOfRange),
            Update::Value(value) => {
                if self.value != Some(value) {
                    self.same_since = Some(at);
                }
                (self.value, self.read_at, self.fault) = (Some(value), Some(at), None);
            }
            Update::OutOfRange => self.fault = Some(Quality::OutOfRange),
            Update::CommLost => self.fault = Some(Quality::CommLost),
        }
        let left_band = self.value.is_some_and(|value| (value - self.frozen).abs() > self.band);
        left_band || (self.band.is_finite() && before != self.fault)
    }

    fn is_frozen(&self, now: Instant) -> bool {
        let same_for = self.same_since.map(|since| now.saturating_duration_since(since));
        self.frozen_after.zip(same_for).is_some_and(|(limit, same)| same > limit)
    }

    fn freeze(&mut self, now: Instant) -> Measurement<f64> {
        self.frozen = self.value.unwrap_or(f64::NAN);
        self.measure(now)
    }

    fn measure(&self, now: Instant) -> Measurement<f64> {
        let Some((value, read_at)) = self.value.zip(self.read_at) else {
            return Measurement { quality: self.fault.unwrap_or(Quality::NeverRead), ..Measurement::never() };
        };
        let age = now.saturating_duration_since(read_at);
        let quality = match self.fault {
            Some(fault) => fault,
            None if age > self.age_max => Quality::Stale,
            None if self.is_frozen(now) => Quality::Frozen,
            None => Quality::Good,
        };
        Measurement { value: Some(value), quality, age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_value_goes_stale_by_itself_and_a_failed_read_is_never_zero() {
        let image = ProcessImage::new([Duration::from_secs(15)]);
        let id = PointId(0);
        assert_eq!(image.freeze(Instant::now(), &[id])[0].quality, Quality::NeverRead);
        image.publish(Instant::now(), &[(id, Update::Value(42.0))]);
        image.publish(Instant::now(), &[(id, Update::CommLost)]);
        let lost = image.freeze(Instant::now(), &[id])[0];
        assert_eq!((lost.value, lost.quality), (Some(42.0), Quality::CommLost));
        image.publish(Instant::now(), &[(id, Update::Value(43.0))]);
        tokio::time::advance(Duration::from_secs(16)).await;
        let stale = image.freeze(Instant::now(), &[id])[0];
        assert_eq!((stale.value, stale.quality, stale.age_ms), (Some(43.0), Quality::Stale, 16_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_that_is_not_finite_is_bad_whoever_says_good_and_the_last_value_stays() {
        let image = ProcessImage::new([Duration::from_secs(15)]);
        let id = PointId(0);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            image.publish(Instant::now(), &[(id, Update::Value(bad))]);
            let never = image.freeze(Instant::now(), &[id])[0];
            assert_eq!((never.value, never.quality), (None, Quality::OutOfRange), "{bad}");
        }
        image.publish(Instant::now(), &[(id, Update::Value(0.5))]);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            image.publish(Instant::now(), &[(id, Update::Value(bad))]);
            let kept = image.freeze(Instant::now(), &[id])[0];
            assert_eq!((kept.value, kept.quality, kept.usable()), (Some(0.5), Quality::OutOfRange, None), "{bad}");
        }
        image.publish(Instant::now(), &[(id, Update::Value(0.6))]);
        assert_eq!(image.freeze(Instant::now(), &[id])[0].usable(), Some(0.6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_that_never_changes_is_frozen_after_its_time_and_good_again_when_it_moves() {
        let mut builder = ImageBuilder::default();
        let id = builder.add(Duration::from_secs(15));
        builder.frozen_after(id, Duration::from_secs(60));
        let image = builder.build();
        let quality = |value| {
            image.publish(Instant::now(), &[(id, Update::Value(value))]);
            image.freeze(Instant::now(), &[id])[0].quality
        };
        for _ in 0..=6 {
            assert_eq!(quality(7.0), Quality::Good);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert_eq!(quality(7.0), Quality::Frozen);
        assert_eq!(quality(7.1), Quality::Good);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watched_value_tells_when_it_leaves_its_band_or_is_lost_and_only_then() {
        let image = ProcessImage::new([Duration::from_secs(15); 2]);
        let (watched, other) = (PointId(0), PointId(1));
        image.watch([(watched, 2.0)]);
        let tells = |id, update| {
            image.publish(Instant::now(), &[(id, update)]);
            let image = image.clone();
            async move { tokio::time::timeout(Duration::from_millis(1), image.moved()).await.is_ok() }
        };
        image.publish(Instant::now(), &[(watched, Update::Value(10.0)), (other, Update::Value(10.0))]);
        let _ = image.freeze(Instant::now(), &[watched, other]);
        assert!(!tells(other, Update::Value(90.0)).await && !tells(watched, Update::Value(12.0)).await);
        assert!(tells(watched, Update::Value(12.1)).await);
        let _ = image.freeze(Instant::now(), &[watched]);
        assert!(tells(watched, Update::CommLost).await && !tells(watched, Update::CommLost).await);
        assert!(tells(watched, Update::Value(12.1)).await);
    }
}
