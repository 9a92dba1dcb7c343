//! When a set-point is written: table of cases over time.

use super::super::codec::tests::point;
use super::*;
use crate::OutputTag;
use crate::point::Encoding;

fn rule() -> WriteRule {
    WriteRule {
        output: OutputTag::first(Output::BatterySetpointKw),
        share: None,
        range: (-50.0, 50.0),
        off_on: None,
        interval_min: Duration::ZERO,
        tolerance: 0.1,
        readback: Some(0),
        readback_delay: Duration::ZERO,
        confirm: Duration::from_secs(10),
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
    let heartbeat = WriteRule { output: OutputTag::first(Output::Heartbeat), ..rule() };
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
    let step = |point, when| FixedWrite { point, value: 1.0, when, readback: true };
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

/// Orders `wanted` at a second and tells whether it is open then.
fn open_at(state: &mut WriteState, wanted: f64, now: Instant) -> bool {
    let wanted = value(wanted);
    let decision = state.decide(&rule(), &wanted, now);
    state.is_open(&rule(), &wanted, decision, now)
}

#[tokio::test(start_paused = true)]
async fn a_set_point_is_open_until_it_is_confirmed_and_not_while_the_sites_own_rate_limit_holds_it_back() {
    let start = Instant::now();
    let mut state = WriteState::new(0);
    assert!(open_at(&mut state, 5.0, start));
    state.acknowledged(&rule(), value(5.0), start);
    assert!(open_at(&mut state, 5.0, start), "acknowledged is not confirmed");
    state.sent.as_mut().expect("sent").confirmed = true;
    assert!(!open_at(&mut state, 5.0, s(start, 1.0)));
    assert!(open_at(&mut state, 6.0, s(start, 1.0)));
    let limited = WriteRule { interval_min: Duration::from_secs(60), ..rule() };
    let decision = state.decide(&limited, &value(6.0), s(start, 1.0));
    assert!(!state.is_open(&limited, &value(6.0), decision, s(start, 1.0)));
}

#[tokio::test(start_paused = true)]
async fn a_set_point_that_is_reverted_again_and_again_stays_open_and_one_that_holds_does_not() {
    let start = Instant::now();
    let mut state = WriteState::new(0);
    for round in 0..4 {
        let now = s(start, 5.0 * f64::from(round));
        state.acknowledged(&rule(), value(5.0), now);
        state.sent.as_mut().expect("sent").confirmed = true;
        assert_eq!(open_at(&mut state, 5.0, now), round > 0, "round {round}");
        state.forget(None);
        state.reverted_at = Some(s(now, 1.0));
    }
    state.acknowledged(&rule(), value(5.0), s(start, 20.0));
    state.sent.as_mut().expect("sent").confirmed = true;
    assert!(open_at(&mut state, 5.0, s(start, 21.0)) && !open_at(&mut state, 5.0, s(start, 26.0)));
}

#[tokio::test(start_paused = true)]
async fn a_read_back_that_shows_one_of_the_latest_set_points_follows_and_one_that_is_stuck_does_not() {
    let start = Instant::now();
    let rule = WriteRule { readback_delay: Duration::from_secs(2), ..rule() };
    let mut state = WriteState::new(0);
    state.open_since = Some(start);
    for second in 0..30 {
        let now = s(start, f64::from(second));
        state.acknowledged(&rule, value(f64::from(second)), now);
        state.followed(&rule, now, |sent| (sent.value - -7.0).abs() < 0.1);
        assert_eq!(state.open_since, Some(start), "stuck");
    }
    state.followed(&rule, s(start, 30.0), |sent| (sent.value - 28.0).abs() < 0.1);
    assert_eq!(state.open_since, None, "two seconds late is in time");
}
