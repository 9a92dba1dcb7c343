#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use super::*;

const fn at(seconds: u64) -> Now {
    Now { mono_ms: seconds * 1000, unix_ms: 1_700_000_000_000 + seconds as i64 * 1000 }
}

fn link() -> Raised {
    Raised::new(Kind::Link, "chp", "")
}

/// A list in which the link of the CHP stands since second 1.
fn standing() -> List {
    let mut list = List::default();
    assert_eq!(list.observe(at(0), [link()]), []);
    let raised = list.observe(at(1), [link()]);
    assert_eq!((raised.len(), raised[0].alarm.id.as_str(), raised[0].alarm.count), (1, "chp.link", 1));
    list
}

fn states(list: &List) -> Vec<(String, State)> {
    list.alarms().into_iter().map(|alarm| (alarm.id, alarm.state)).collect()
}

#[test]
fn what_lasts_shorter_than_its_delay_is_never_seen() {
    let mut list = List::default();
    for second in 0..20 {
        let on = (second % 2 == 0).then(link);
        assert_eq!(list.observe(Now { mono_ms: second * 500, unix_ms: 0 }, on), []);
    }
    assert_eq!((list.alarms().len(), list.number()), (0, 0));
}

#[test]
fn an_alarm_that_comes_and_goes_faster_than_its_hysteresis_is_one_alarm() {
    let mut list = standing();
    for second in 2..40 {
        let on = (second % 2 == 0).then(link);
        assert_eq!(list.observe(at(second), on), []);
    }
    assert_eq!((states(&list), list.alarms()[0].count), (vec![("chp.link".into(), State::Unacknowledged)], 1));
}

#[test]
fn it_is_acknowledged_while_it_stands_and_leaves_when_it_is_gone() {
    let mut list = standing();
    let change = list.acknowledge(at(2), "chp.link", "anna").unwrap();
    assert_eq!((change.alarm.state, change.by.as_deref()), (State::Acknowledged, Some("anna")));
    assert_eq!(list.acknowledge(at(3), "chp.link", "bert"), Err(Refusal::Already(State::Acknowledged)));
    list.observe(at(4), []);
    let gone = list.observe(at(6), []);
    assert_eq!((gone[0].alarm.state, list.alarms().len()), (State::Normal, 0));
}

#[test]
fn what_went_unseen_waits_for_somebody_and_counts_when_it_comes_again() {
    let mut list = standing();
    list.observe(at(4), []);
    assert_eq!(list.observe(at(6), [])[0].alarm.state, State::Returned);
    let again = list.observe(at(7), [link()]);
    assert_eq!((again[0].alarm.state, again[0].alarm.count), (State::Unacknowledged, 2));
    list.observe(at(8), []);
    list.observe(at(10), []);
    assert_eq!(list.acknowledge(at(11), "chp.link", "anna").unwrap().alarm.state, State::Normal);
    assert_eq!(list.acknowledge(at(12), "chp.link", "anna"), Err(Refusal::NoSuchAlarm));
}

#[test]
fn a_latching_alarm_waits_again_when_it_is_gone() {
    let mut list = List::default();
    list.observe(at(0), [Raised::new(Kind::Device, "battery", "")]);
    list.acknowledge(at(1), "battery.fault", "anna").unwrap();
    list.observe(at(2), []);
    assert_eq!(list.observe(at(7), [])[0].alarm.state, State::Returned);
}

#[test]
fn a_shelf_ends_by_itself_and_what_still_stands_is_to_be_seen_anew() {
    let mut list = standing();
    let until = at(100).unix_ms;
    list.put_aside(at(2), "chp.link", "anna", (Aside::Shelved, until)).unwrap();
    assert_eq!(list.observe(at(99), [link()]), []);
    assert_eq!(states(&list), [("chp.link".into(), State::Shelved)]);
    let ended = list.observe(at(100), [link()]);
    assert_eq!((ended[0].alarm.state, ended[0].by.as_deref()), (State::Unacknowledged, None));
    list.put_aside(at(101), "chp.link", "anna", (Aside::Shelved, at(200).unix_ms)).unwrap();
    list.observe(at(102), []);
    let before = (list.alarms()[0].active, list.number());
    list.observe(at(110), []);
    assert_eq!(states(&list), [("chp.link".into(), State::Shelved)], "it may come again");
    assert_eq!((before.0, list.alarms()[0].active), (true, false), "its cause has gone");
    assert_ne!(list.number(), before.1, "whoever looks on is told");
    list.observe(at(200), []);
    assert_eq!(list.alarms(), []);
}

#[test]
fn shelved_is_undone_by_hand() {
    let mut list = standing();
    assert_eq!(list.take_back(at(2), "chp.link", "anna", Aside::Shelved), Err(Refusal::Already(State::Unacknowledged)));
    list.put_aside(at(2), "chp.link", "anna", (Aside::Shelved, at(100).unix_ms)).unwrap();
    assert_eq!(list.take_back(at(3), "chp.link", "bert", Aside::Shelved).unwrap().alarm.state, State::Unacknowledged);
}

#[test]
fn what_is_out_of_service_stays_so_until_its_time_or_its_return_and_no_shelf_shortens_it() {
    let mut list = standing();
    let out = |until: u64| (Aside::OutOfService, at(until).unix_ms);
    let change = list.put_aside(at(2), "chp.link", "ute", out(1000)).unwrap();
    assert_eq!(
        (change.alarm.state, change.alarm.out_of_service_until_unix_ms),
        (State::OutOfService, Some(out(1000).1))
    );
    let shelf = (Aside::Shelved, at(3).unix_ms);
    assert_eq!(list.put_aside(at(2), "chp.link", "anna", shelf), Err(Refusal::Already(State::OutOfService)));
    assert_eq!(list.take_back(at(2), "chp.link", "anna", Aside::Shelved), Err(Refusal::Already(State::OutOfService)));
    assert_eq!(list.acknowledge(at(2), "chp.link", "anna"), Err(Refusal::Already(State::OutOfService)));
    list.observe(at(3), []);
    list.observe(at(9), []);
    assert_eq!(states(&list), [("chp.link".into(), State::OutOfService)], "it is gone, and still to be given back");
    list.observe(at(10), [link()]);
    let back = list.take_back(at(12), "chp.link", "ute", Aside::OutOfService).unwrap();
    assert_eq!((back.alarm.state, back.alarm.out_of_service_until_unix_ms), (State::Unacknowledged, None));
    list.put_aside(at(13), "chp.link", "ute", out(20)).unwrap();
    assert_eq!(list.observe(at(20), [link()])[0].alarm.state, State::Unacknowledged, "it ends by itself");
}

#[test]
fn what_was_done_before_a_restart_counts_afterwards() {
    let mut list = List::default();
    let remembered = |id: &str, by: Option<&str>, until: Option<i64>| Remembered {
        id: id.into(),
        acknowledged_by: by.map(Into::into),
        aside: until.map(|until| (Aside::Shelved, until)),
    };
    list.remember([remembered("chp.link", Some("anna"), None), remembered("pv.link", None, Some(at(50).unix_ms))]);
    let both = || [link(), Raised::new(Kind::Link, "pv", ""), Raised::new(Kind::Link, "grid", "")];
    list.observe(at(0), both());
    list.observe(at(1), both());
    let expected =
        [("grid.link", State::Unacknowledged), ("chp.link", State::Acknowledged), ("pv.link", State::Shelved)];
    assert_eq!(states(&list), expected.map(|(id, state)| (id.to_owned(), state)));
    list.observe(at(50), both());
    assert_eq!(list.alarms().iter().filter(|alarm| alarm.state == State::Shelved).count(), 0);
}

#[test]
fn consequences_stand_in_the_text_of_their_cause_and_tell_when_they_change() {
    let mut list = standing();
    let before = list.number();
    let effects = vec!["Lost: chp_kw".to_owned()];
    let next = Some("At 14:48:52 the gateway stops safely".to_owned());
    let raised = Raised { effects, next, ..link() };
    assert_eq!(list.observe(at(2), [raised.clone()]), [], "no change of state");
    let alarm = list.alarms().remove(0);
    assert_eq!(alarm.text, "chp does not answer. Lost: chp_kw.");
    assert!(alarm.advice.ends_with(" At 14:48:52 the gateway stops safely."), "{}", alarm.advice);
    assert_eq!(list.number(), before + 1);
    list.observe(at(3), [raised]);
    assert_eq!(list.number(), before + 1);
}

#[test]
fn the_list_begins_with_what_nobody_has_seen_the_worst_first() {
    let mut list = List::default();
    let all = || {
        [
            Raised::new(Kind::Messages, "mqtt", ""),
            Raised::new(Kind::Local, "battery", ""),
            Raised::new(Kind::Device, "chp", ""),
            Raised::new(Kind::Follow, "battery", "told 5 kW, does 0 kW"),
        ]
    };
    list.observe(at(0), all());
    list.acknowledge(at(1), "chp.fault", "anna").unwrap();
    let order: Vec<String> = list.alarms().into_iter().map(|alarm| alarm.id).collect();
    assert_eq!(order, ["battery.follow", "battery.local", "mqtt.messages", "chp.fault"]);
}

#[test]
fn any_sequence_of_standing_acknowledging_and_shelving_keeps_the_list_consistent() {
    // A small generator with a fixed seed: what happens in which second.
    let mut seed = 12_345_u64;
    let mut draw = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    let mut list = List::default();
    for second in 0..20_000 {
        let on = (draw(3) > 0).then(link);
        let stands = on.is_some();
        list.observe(at(second), on);
        match draw(20) {
            0 => drop(list.acknowledge(at(second), "chp.link", "anna")),
            1 => drop(list.put_aside(at(second), "chp.link", "anna", (Aside::Shelved, at(second + draw(30)).unix_ms))),
            2 => drop(list.take_back(at(second), "chp.link", "anna", Aside::Shelved)),
            3 => drop(list.put_aside(
                at(second),
                "chp.link",
                "ute",
                (Aside::OutOfService, at(second + draw(90)).unix_ms),
            )),
            4 => drop(list.take_back(at(second), "chp.link", "ute", Aside::OutOfService)),
            _ => {}
        }
        for alarm in list.alarms() {
            assert!(alarm.count >= 1 && alarm.state != State::Normal, "{alarm:?}");
            assert_eq!(alarm.state == State::Shelved, alarm.shelved_until_unix_ms.is_some());
            assert_eq!(alarm.state == State::OutOfService, alarm.out_of_service_until_unix_ms.is_some());
            let aside = matches!(alarm.state, State::Shelved | State::OutOfService);
            assert_eq!(alarm.state == State::Acknowledged, alarm.acknowledged_by.is_some() && !aside);
        }
        assert!(list.alarms().len() <= 1 && (stands || list.entries.len() <= 1));
    }
}
