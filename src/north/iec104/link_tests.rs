use super::*;

fn data(sent: u16, expected: u16) -> Control {
    Control::Data { sent, expected }
}

fn unnumbered(function: Function) -> Heard {
    Heard::Answer(vec![Control::Unnumbered(function)])
}

fn started(now: Instant) -> Link {
    let mut link = Link::new(now);
    let answer = link.receive(Control::Unnumbered(Function::StartAct), now);
    assert_eq!(answer, Ok(unnumbered(Function::StartCon)));
    link
}

fn after(now: Instant, s: u64) -> Instant {
    now + Duration::from_secs(s)
}

#[test]
fn control_fields_are_what_the_standard_writes() {
    let rows = [
        (data(2605, 62), [0x5A, 0x14, 0x7C, 0x00]),
        (Control::Confirm { expected: 2623 }, [0x01, 0x00, 0x7E, 0x14]),
        (Control::Unnumbered(Function::StartAct), [0x07, 0, 0, 0]),
        (Control::Unnumbered(Function::TestCon), [0x83, 0, 0, 0]),
    ];
    for (control, octets) in rows {
        assert_eq!((control.octets(), Control::read(octets)), (octets, Some(control)));
    }
    // Two functions at once, octets where there are none, the number of a confirmation in data.
    for wrong in [[0x0F, 0, 0, 0], [0x03, 0, 0, 0], [0x43, 1, 0, 0], [0x01, 1, 0, 0], [0x05, 0, 0, 0], [0, 0, 1, 0]] {
        assert_eq!(Control::read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn data_before_the_start_and_frames_of_our_own_end_a_connection() {
    let now = Instant::now();
    assert_eq!(Link::new(now).receive(data(0, 0), now), Err(Broken::OutOfTurn));
    let con = Control::Unnumbered(Function::StartCon);
    assert_eq!(Link::new(now).receive(con, now), Err(Broken::OutOfTurn));
    let mut link = started(now);
    link.receive(data(0, 0), now).unwrap();
    let stopped = link.receive(Control::Unnumbered(Function::StopAct), now).unwrap();
    let expected = [Control::Confirm { expected: 1 }, Control::Unnumbered(Function::StopCon)];
    assert_eq!(stopped, Heard::Answer(expected.to_vec()), "what came is confirmed before it stops");
    assert_eq!(link.receive(data(1, 0), now), Err(Broken::OutOfTurn));
}

#[test]
fn numbers_follow_each_other_and_wrap() {
    let now = Instant::now();
    let mut link = started(now);
    for number in (0..MODULO).chain(0..3) {
        assert_eq!(link.receive(data(number, 0), now), Ok(Heard::Data));
        link.tick(now).unwrap();
    }
    assert_eq!(link.receive(data(4, 0), now), Err(Broken::Numbers), "3 is missing");
}

#[test]
fn sending_stops_at_k_frames_until_some_are_confirmed() {
    let now = Instant::now();
    let mut link = started(now);
    let sent = std::iter::from_fn(|| link.may_send().then(|| link.send(now))).count();
    assert_eq!(sent, K);
    assert_eq!(link.receive(Control::Confirm { expected: 13 }, now), Err(Broken::Numbers), "never sent");
    link.receive(Control::Confirm { expected: 5 }, now).unwrap();
    assert_eq!(std::iter::from_fn(|| link.may_send().then(|| link.send(now))).count(), 5);
    link.receive(Control::Confirm { expected: 17 }, now).unwrap();
    assert_eq!(link.receive(Control::Confirm { expected: 16 }, now), Err(Broken::Numbers), "confirmed before");
}

#[test]
fn what_came_is_confirmed_after_w_frames_or_t2() {
    let now = Instant::now();
    let mut link = started(now);
    for number in 0..W - 1 {
        link.receive(data(number, 0), now).unwrap();
        assert_eq!(link.tick(now), Ok(None));
    }
    link.receive(data(W - 1, 0), now).unwrap();
    assert_eq!(link.tick(now), Ok(Some(Control::Confirm { expected: W })));
    link.receive(data(W, 0), now).unwrap();
    assert_eq!((link.due(), link.tick(after(now, 9))), (now + T2, Ok(None)));
    assert_eq!(link.tick(after(now, 10)), Ok(Some(Control::Confirm { expected: W + 1 })));
    link.receive(data(W + 1, 0), after(now, 10)).unwrap();
    assert_eq!(link.send(after(now, 11)), data(0, W + 2), "data confirm, too");
    assert_eq!(link.tick(after(now, 20)), Ok(None));
}

#[test]
fn whoever_is_silent_is_tested_and_whoever_does_not_answer_is_left() {
    let now = Instant::now();
    let mut silent = Link::new(now);
    assert_eq!((silent.due(), silent.tick(after(now, 15))), (now + T1, Err(Broken::Silent)));
    let mut link = started(now);
    assert_eq!((link.due(), link.tick(after(now, 19))), (now + T3, Ok(None)));
    assert_eq!(link.tick(after(now, 20)), Ok(Some(Control::Unnumbered(Function::TestAct))));
    assert_eq!((link.due(), link.tick(after(now, 34))), (after(now, 35), Ok(None)));
    link.receive(Control::Unnumbered(Function::TestCon), after(now, 34)).unwrap();
    assert_eq!(link.tick(after(now, 54)), Ok(Some(Control::Unnumbered(Function::TestAct))));
    assert_eq!(link.tick(after(now, 69)), Err(Broken::Unanswered));
    let mut link = started(now);
    link.send(now);
    link.receive(Control::Unnumbered(Function::TestAct), after(now, 14)).unwrap();
    assert_eq!(link.tick(after(now, 15)), Err(Broken::Unanswered), "data were not confirmed");
}
