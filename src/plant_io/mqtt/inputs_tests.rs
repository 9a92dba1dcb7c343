use super::super::clock::Clock;
use super::super::receive::Body;
use super::super::settings::{Target, TimeSource, ValueSource};
use super::super::timestamp::TimeFormat;
use super::super::trim::OVERSIZE_MARK;
use super::*;
use crate::image::ProcessImage;
use memg_core::measurement::Quality;
use memg_core::plant_state::Signal;

const NOW_MS: u64 = 1_700_000_000_000;
const TOPIC: &str = "plant/pv";

fn input(time: bool) -> Input {
    Input {
        topic: TOPIC.into(),
        target: Target::Signal(Signal::PvKw.into()),
        source: ValueSource::Pointer("/p/w".into()),
        time: time.then(|| TimeSource { pointer: "/t".into(), format: TimeFormat::UnixMillis }),
        words: BTreeMap::new(),
        factor: 1e-3,
        offset: 0.0,
        range: (0.0, 100.0),
        age_max: Duration::from_secs(15),
        frozen: None,
    }
}

fn raw() -> Input {
    let words = [("ON".to_owned(), 1000.0)].into();
    Input { source: ValueSource::Raw, words, ..input(false) }
}

/// One input, its image, and a clock that tests advance.
struct Bench {
    inputs: Inputs,
    image: ProcessImage,
    clock: Clock,
}

impl Bench {
    fn new(input: Input) -> Self {
        let trust = Trust { payload_bytes_max: 65_536, future_max: Duration::from_secs(2) };
        Self {
            image: ProcessImage::new([input.age_max]),
            inputs: Inputs::new(trust, [(input, PointId(0))]),
            clock: Clock::starting_at(NOW_MS),
        }
    }

    fn receive(&mut self, payload: impl AsRef<[u8]>, delivery: Delivery) -> Option<Rejection> {
        let message = Message { topic: TOPIC, body: Body::new(payload.as_ref()), delivery };
        let received = self.inputs.receive(message, self.clock.now());
        self.publish(&received.updates);
        received.rejection
    }

    fn live(&mut self, payload: impl AsRef<[u8]>) -> Option<Rejection> {
        self.receive(payload, Delivery::Live)
    }

    fn publish(&self, updates: &[Timed]) {
        updates.iter().for_each(|timed| self.image.publish(timed.at, &[(timed.id, timed.update)]));
    }

    fn measured(&self) -> (Option<f64>, Quality, u64) {
        let measurement = self.image.freeze(self.clock.now().mono, &[PointId(0)])[0];
        (measurement.value, measurement.quality, measurement.age_ms)
    }

    async fn wait(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }
}

/// `{"p":{"w":watts},"t":now + offset}`
fn stamped(watts: f64, offset_ms: i64) -> String {
    format!(r#"{{"p":{{"w":{watts}}},"t":{}}}"#, NOW_MS.saturating_add_signed(offset_ms))
}

#[tokio::test(start_paused = true)]
async fn a_stamped_value_ages_from_its_stamp() {
    let mut bench = Bench::new(input(true));
    bench.wait(60).await;
    assert_eq!(bench.live(stamped(42_000.0, 50_000)), None);
    assert_eq!(bench.measured(), (Some(42.0), Quality::Good, 10_000));
    bench.wait(6).await;
    assert_eq!(bench.measured(), (Some(42.0), Quality::Stale, 16_000));
}

#[tokio::test(start_paused = true)]
async fn reordered_and_replayed_values_change_nothing_and_repeated_ones_do_not_get_younger() {
    let mut bench = Bench::new(input(true));
    bench.wait(10).await;
    assert_eq!(bench.live(stamped(42_000.0, 9_000)), None);
    assert_eq!(bench.live(stamped(7_000.0, 8_000)), Some(Rejection::Reordered));
    bench.wait(4).await;
    assert_eq!(bench.receive(stamped(42_000.0, 9_000), Delivery::Retained), None);
    assert_eq!(bench.measured(), (Some(42.0), Quality::Good, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_stamp_in_the_future_cannot_keep_a_value_fresh() {
    let mut bench = Bench::new(input(true));
    assert_eq!(bench.live(stamped(42_000.0, 1_500)), None);
    assert_eq!(bench.live(stamped(43_000.0, 3_600_000)), Some(Rejection::InFuture));
    bench.wait(16).await;
    assert_eq!(bench.measured().1, Quality::Stale);
    assert_eq!(bench.live(stamped(44_000.0, 16_000)), None, "the rejected stamp must not count as the newest one");
    assert_eq!(bench.measured(), (Some(44.0), Quality::Good, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retained_value_counts_only_with_a_stamp() {
    let mut bench = Bench::new(input(false));
    assert_eq!(bench.receive(r#"{"p":{"w":1000}}"#, Delivery::Retained), Some(Rejection::RetainedWithoutTime));
    assert_eq!(bench.measured().1, Quality::NeverRead);
    let mut bench = Bench::new(input(true));
    bench.wait(3).await;
    assert_eq!(bench.receive(stamped(1_000.0, 0), Delivery::Retained), None);
    assert_eq!(bench.measured(), (Some(1.0), Quality::Good, 3_000));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_marks_the_point_and_keeps_the_last_value() {
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let rows: [(&[u8], Rejection); 12] = [
        (b"", Rejection::Unreadable),
        (b"\xff\xfe\x00", Rejection::Unreadable),
        (b"{\"p\":{\"w\":1}} x", Rejection::Unreadable),
        (deep.as_bytes(), Rejection::Unreadable),
        (OVERSIZE_MARK, Rejection::Oversize),
        (b"{\"p\":1}", Rejection::Missing),
        (b"{\"p\":{\"w\":null}}", Rejection::NotANumber),
        (b"{\"p\":{\"w\":[1]}}", Rejection::NotANumber),
        (b"{\"p\":{\"w\":\"NaN\"}}", Rejection::NotANumber),
        (b"{\"p\":{\"w\":\"inf\"}}", Rejection::NotANumber),
        (b"{\"p\":{\"w\":-1}}", Rejection::OutOfRange),
        (b"{\"p\":{\"w\":100001}}", Rejection::OutOfRange),
    ];
    for (payload, rejection) in rows {
        let mut bench = Bench::new(input(false));
        assert_eq!(bench.live(r#"{"p":{"w":42000}}"#), None);
        assert_eq!(bench.live(payload), Some(rejection), "{}", String::from_utf8_lossy(payload));
        assert_eq!((bench.measured().0, bench.measured().1), (Some(42.0), Quality::OutOfRange));
        assert_eq!(bench.live(r#"{"p":{"w":42000}}"#), None);
        assert_eq!(bench.measured().1, Quality::Good, "it recovers by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn raw_payloads_are_numbers_or_configured_words() {
    let rows: [(&[u8], Result<f64, Rejection>); 8] = [
        (b"1500", Ok(1.5)),
        (b" 1.5e3\n", Ok(1.5)),
        (b"ON", Ok(1.0)),
        (b"true", Ok(0.001)),
        (b"1,5", Err(Rejection::NotANumber)),
        (b"OFF", Err(Rejection::NotANumber)),
        (b"\xff", Err(Rejection::Unreadable)),
        (&[b'1'; 65], Err(Rejection::NotANumber)),
    ];
    for (payload, expected) in rows {
        let mut bench = Bench::new(raw());
        let rejection = bench.live(payload);
        match expected {
            Ok(value) => assert_eq!((rejection, bench.measured().0), (None, Some(value))),
            Err(reason) => assert_eq!(rejection, Some(reason), "{}", String::from_utf8_lossy(payload)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_broker_spoils_a_value_only_after_its_maximum_age() {
    let mut bench = Bench::new(input(true));
    bench.live(stamped(42_000.0, 0));
    bench.wait(15).await;
    bench.publish(&bench.inputs.lost(bench.clock.now()));
    assert_eq!(bench.measured(), (Some(42.0), Quality::Good, 15_000));
    bench.wait(1).await;
    bench.publish(&bench.inputs.lost(bench.clock.now()));
    assert_eq!(bench.measured(), (Some(42.0), Quality::CommLost, 16_000));
    assert_eq!(bench.live(stamped(43_000.0, 16_000)), None);
    assert_eq!(bench.measured(), (Some(43.0), Quality::Good, 0));
}

#[tokio::test(start_paused = true)]
async fn an_oversized_retained_message_is_called_that_and_spoils_nothing() {
    let mut bench = Bench::new(input(false));
    bench.live(r#"{"p":{"w":42000}}"#);
    assert_eq!(bench.receive(OVERSIZE_MARK, Delivery::Retained), Some(Rejection::Oversize));
    assert_eq!(bench.measured(), (Some(42.0), Quality::Good, 0));
}
