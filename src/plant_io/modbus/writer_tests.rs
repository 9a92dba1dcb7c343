//! When a set-point is written: table of cases over time.

use super::super::codec::tests::point;
use super::*;
use crate::point::Encoding;

fn rule() -> WriteRule {
    WriteRule {
        output: Output::BatterySetpointKw,
        range: (-50.0, 50.0),
        off_on: None,
        interval_min: Duration::ZERO,
        tolerance: 0.1,
        readback: Some(0),
        readback_delay: Duration::ZERO,
        watchdog: Some(Duration::from_secs(60)),
        non_volatile_per_day: None,
        before: Vec::new(),
        after: Vec::new(),
        multiple: false,
    }
}

fn value(value: f64) -> Wanted {
    Wanted { value, cells: codec::encode(&point(Encoding::I16), value, None).expect("it fits") }
}

fn s(start: Instant, seconds: f64) -> Instant {
    start + Duration::from_secs_f64(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_set_point_is_written_once_then_on_change_and_at_half_of_the_watchdog() {
    let start = Instant::now();
    let mut state = WriteState::new(0);
    assert_eq!(state.decide(&rule(), &value(5.0), start), Decision::Write(Reason::First));
    state.acknowledged(&rule(), value(5.0), start);
    assert_eq!(state.decide(&rule(), &value(5.0), s(start, 29.0)), Decision::Wait(s(start, 30.0)));
    assert_eq!(state.decide(&rule(), &value(5.0), s(start, 30.0)), Decision::Write(Reason::Refresh));
    assert_eq!(state.decide(&rule(), &value(6.0), s(start, 1.0)), Decision::Write(Reason::Change));
    let unwatched = WriteRule { watchdog: None, ..rule() };
    assert_eq!(state.decide(&unwatched, &value(5.0), s(start, 9999.0)), Decision::Rest);
}

#[tokio::test(start_paused = true)]
async fn changes_keep_the_least_interval_apart() {
    let start = Instant::now();
    let limited = WriteRule { interval_min: Duration::from_secs(2), ..rule() };
    let mut state = WriteState::new(0);
    state.acknowledged(&limited, value(5.0), start);
    assert_eq!(state.decide(&limited, &value(6.0), s(start, 1.0)), Decision::Wait(s(start, 2.0)));
    assert_eq!(state.decide(&limited, &value(6.0), s(start, 2.0)), Decision::Write(Reason::Change));
}

#[tokio::test(start_paused = true)]
async fn flash_is_never_refreshed_and_its_budget_returns_after_a_day() {
    let start = Instant::now();
    let flash = WriteRule { non_volatile_per_day: Some(2), ..rule() };
    let mut state = WriteState::new(0);
    for (at, wanted) in [(0.0, 1.0), (10.0, 2.0)] {
        assert!(matches!(state.decide(&flash, &value(wanted), s(start, at)), Decision::Write(_)));
        state.spend(&flash, s(start, at));
        state.acknowledged(&flash, value(wanted), s(start, at));
    }
    assert_eq!(state.decide(&flash, &value(2.0), s(start, 80_000.0)), Decision::Rest);
    assert_eq!(state.decide(&flash, &value(3.0), s(start, 80_000.0)), Decision::Exhausted(2));
    assert_eq!(state.decide(&flash, &value(3.0), s(start, 86_401.0)), Decision::Write(Reason::Change));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_never_stroked_by_a_timer() {
    let start = Instant::now();
    let heartbeat = WriteRule { output: Output::Heartbeat, ..rule() };
    let mut state = WriteState::new(0);
    state.acknowledged(&heartbeat, value(5.0), start);
    assert_eq!(state.decide(&heartbeat, &value(5.0), s(start, 3600.0)), Decision::Rest);
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_pause_holds_and_everything_is_sent_anew() {
    let start = Instant::now();
    let mut state = WriteState::new(0);
    state.acknowledged(&rule(), value(5.0), start);
    state.forget(Some(s(start, 5.0)));
    assert_eq!(state.decide(&rule(), &value(5.0), s(start, 1.0)), Decision::Wait(s(start, 5.0)));
    assert_eq!(state.decide(&rule(), &value(5.0), s(start, 5.0)), Decision::Write(Reason::First));
}

#[test]
fn the_sequence_is_before_set_point_after_and_start_steps_come_once() {
    let step = |point, when| Step { point, value: 1.0, when, readback: true };
    let rule = WriteRule {
        before: vec![step(7, StepWhen::Start), step(8, StepWhen::Always)],
        after: vec![step(9, StepWhen::Start)],
        ..rule()
    };
    let encode = |_, value| codec::encode(&point(Encoding::U16), value, None);
    let places = |first| -> Vec<usize> {
        let writes = sequence(&rule, 3, &value(5.0), first, encode).expect("it encodes");
        writes.into_iter().map(|(point, _)| point).collect()
    };
    assert_eq!((places(true), places(false)), (vec![7, 8, 3, 9], vec![8, 3]));
}
