//! From messages to the forecasts of the process image.
//!
//! Values carry their own times, so a retained message is as good as a live one. Its age counts from its time stamp if one
//! is configured, otherwise from its arrival; older than `age_max_s` it is dropped, and the image's own forecast goes when
//! it gets there; both are alarmed. A message that cannot be believed changes nothing.

use super::clock::{Now, millis};
use super::payload::Rejection;
use super::receive::{Body, Message};
use super::series;
use super::settings::{OutlookInput, Trust};
use crate::image::{ProcessImage, SeriesId};
use serde_json::Value;
use std::time::Duration;

/// The entries and where they go.
#[derive(Debug)]
pub(super) struct Outlooks {
    trust: Trust,
    entries: Vec<(OutlookInput, SeriesId)>,
}

impl Outlooks {
    /// Entries and the places of the image that they feed, pairwise.
    pub(super) fn new(trust: Trust, entries: impl IntoIterator<Item = (OutlookInput, SeriesId)>) -> Self {
        Self { trust, entries: entries.into_iter().collect() }
    }

    /// The topics to subscribe to; one may come twice.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(input, _)| input.topic.as_str())
    }

    /// Puts what the message tells into the image; why a part of it was not believed.
    pub(super) fn receive(&self, message: Message<'_>, now: Now, image: &ProcessImage) -> Vec<Rejection> {
        let mut concerned = self.entries.iter().filter(|(input, _)| input.topic == message.topic).peekable();
        if concerned.peek().is_none() {
            return Vec::new();
        }
        let payload = match message.body {
            Body::Oversize => Err(Rejection::Oversize),
            Body::Bytes(bytes) => serde_json::from_slice::<Value>(bytes).map_err(|_| Rejection::Unreadable),
        };
        let take = |(input, id): &(OutlookInput, SeriesId)| {
            let payload = payload.as_ref().map_err(|rejection| *rejection)?;
            let age = self.age(payload, input, now.unix_ms)?;
            let forecast = series::read(payload, input)?;
            // A moment before the clock's own beginning is older than anything that may be used.
            image.publish_series(now.mono.checked_sub(age).ok_or(Rejection::TooOld)?, *id, forecast);
            Ok(())
        };
        concerned.filter_map(|entry| take(entry).err()).collect()
    }

    fn age(&self, payload: &Value, input: &OutlookInput, unix_ms: u64) -> Result<Duration, Rejection> {
        let Some(time) = &input.time else { return Ok(Duration::ZERO) };
        let value = payload.pointer(&time.pointer);
        let stamp_ms = value.and_then(|value| time.format.unix_ms(value)).ok_or(Rejection::NoTime)?;
        if stamp_ms > unix_ms.saturating_add(millis(self.trust.future_max)) {
            return Err(Rejection::InFuture);
        }
        let age = Duration::from_millis(unix_ms.saturating_sub(stamp_ms));
        if age > input.age_max { Err(Rejection::TooOld) } else { Ok(age) }
    }

    /// Topics whose forecast has become too old since it was last looked for.
    pub(super) fn expired(&self, now: Now, image: &ProcessImage) -> Vec<&str> {
        let gone = self.entries.iter().filter(|(_, id)| image.drop_old_series(now.mono, *id));
        gone.map(|(input, _)| input.topic.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Clock;
    use super::super::receive::Delivery;
    use super::super::settings::TimeSource;
    use super::super::timestamp::TimeFormat;
    use super::*;
    use crate::image::ImageBuilder;
    use memg_core::series::Quantity;
    use serde_json::json;

    const NOW_MS: u64 = 1_700_000_000_000;

    struct Bench {
        outlooks: Outlooks,
        image: ProcessImage,
        id: SeriesId,
        clock: Clock,
    }

    fn bench(time: Option<TimeSource>) -> Bench {
        let age_max = Duration::from_secs(3600);
        let mut builder = ImageBuilder::default();
        let id = builder.add_series(age_max);
        let input = OutlookInput {
            topic: "market".into(),
            quantity: Quantity::ImportPrice,
            pointer: String::new(),
            start_key: "start".into(),
            value_key: "value".into(),
            time,
            factor: 1.0,
            offset: 0.0,
            range: (-1.0, 1.0),
            step_ms: None,
            age_max,
        };
        let trust = Trust { payload_bytes_max: 65_536, future_max: Duration::from_secs(2) };
        let outlooks = Outlooks::new(trust, [(input, id)]);
        Bench { outlooks, image: builder.build(), id, clock: Clock::starting_at(NOW_MS) }
    }

    impl Bench {
        fn told(&self, payload: &Value) -> Vec<Rejection> {
            let text = payload.to_string();
            let message = Message { topic: "market", body: Body::Bytes(text.as_bytes()), delivery: Delivery::Retained };
            self.outlooks.receive(message, self.clock.now(), &self.image)
        }

        fn known(&self) -> Option<f64> {
            let (_, forecast) = self.image.forecast(self.clock.now().mono, self.id)?;
            forecast.spans().first().map(|span| span.value)
        }
    }

    fn prices(first: f64, issued_ms: u64) -> Value {
        json!({ "issued": issued_ms, "start": NOW_MS, "step_s": 900, "values": [first] })
    }

    #[tokio::test(start_paused = true)]
    async fn a_retained_outlook_is_used_until_its_age_is_over_and_that_is_told_once() {
        let bench = bench(None);
        assert_eq!((bench.told(&prices(0.1, 0)), bench.known()), (vec![], Some(0.1)));
        assert_eq!((bench.told(&json!([3])), bench.known()), (vec![Rejection::NoTime], Some(0.1)));
        tokio::time::advance(Duration::from_secs(3601)).await;
        assert_eq!(bench.known(), None);
        let gone = || bench.outlooks.expired(bench.clock.now(), &bench.image).len();
        assert_eq!((gone(), gone()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn age_counts_from_a_time_stamp_where_there_is_one() {
        let bench = bench(Some(TimeSource { pointer: "/issued".into(), format: TimeFormat::UnixMillis }));
        tokio::time::advance(Duration::from_secs(10_000)).await;
        let now_ms = bench.clock.now().unix_ms;
        assert_eq!(bench.told(&prices(0.1, now_ms - 3_600_001)), [Rejection::TooOld]);
        assert_eq!(bench.told(&prices(0.1, now_ms + 2_001)), [Rejection::InFuture]);
        assert_eq!(bench.told(&json!({ "start": NOW_MS, "step_s": 900, "values": [0.1] })), [Rejection::NoTime]);
        assert_eq!((bench.told(&prices(0.2, now_ms - 3_000_000)), bench.known()), (vec![], Some(0.2)));
        tokio::time::advance(Duration::from_secs(601)).await;
        assert_eq!(bench.known(), None);
    }
}
