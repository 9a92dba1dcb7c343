//! The station against a stand-in for control that says what it was asked.

use super::*;
use memg_core::command::{CommandBody, Means, Outcome, Role};
use memg_core::plant_state::{Signal, Tag};
use memg_north::desk::Desk;
use memg_north::points::{Extent, PointList};
use memg_north::wires::{Ask, Snapshot};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

const STATION: u16 = 7;
const MODE: u16 = 9000;
const BATTERY: u16 = 9006;
/// 2026-11-27 03:08:11.250 UTC.
const NOW_MS: i64 = 1_795_748_891_250;

struct Rig {
    live: watch::Sender<Arc<Snapshot>>,
    asks: mpsc::Receiver<Ask>,
    wires: Wires,
}

fn rig() -> Rig {
    let signals = [(Signal::PvKw, "kW"), (Signal::Soc, ""), (Signal::GridImportKwh, "kWh")];
    let signals = signals.into_iter().filter_map(|(signal, unit)| Some((Tag::new(signal, 1)?, unit))).collect();
    let list = Arc::new(PointList::of(&Extent { signals, batteries: 1, chps: 0, alarms: Vec::new() }));
    let readings = list.points().iter().map(|_| Reading::default()).collect();
    let (live, seen) = watch::channel(Arc::new(Snapshot { unix_ms: NOW_MS, readings, ..Snapshot::default() }));
    let (asked, asks) = mpsc::channel(8);
    let desk = Desk::new(Arc::clone(&list), seen.clone(), asked, Arc::default());
    Rig { live, asks, wires: Wires { list, live: seen, desk, forecasts: None } }
}

impl Rig {
    fn set(&self, name: &str, value: f64, trust: Trust) {
        let place = self.wires.list.named(name).unwrap();
        self.live.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            snapshot.readings[place] = Reading { trust, ..Reading::own(value) };
        });
    }

    fn station(&self, role: Role) -> Station {
        Station::new(self.wires.clone(), STATION, by(role))
    }
}

fn by(role: Role) -> Principal {
    Principal { name: "scada".into(), role, means: Means::Iec104, authenticated: true }
}

/// One object at that number, as a master sends it.
fn ask(kind: u8, cause: u8, number: u16, content: &[u8]) -> Vec<u8> {
    let [low, high] = number.to_le_bytes();
    [&[kind, 1, cause, 3, 7, 0, low, high, 0], content].concat()
}

fn float(number: u16, value: f32, qualifier: u8) -> Vec<u8> {
    ask(50, 6, number, &[&value.to_le_bytes()[..], &[qualifier]].concat())
}

/// Cause of each answer, with whether it is negative.
fn causes(reaction: &Reaction) -> Vec<(u8, bool)> {
    reaction.answers.iter().map(|octets| (octets[2] & 0x3F, octets[2] & 0x40 != 0)).collect()
}

fn take(station: &mut Station, octets: &[u8]) -> Reaction {
    station.take(octets, Instant::now()).unwrap()
}

#[tokio::test]
async fn an_interrogation_gives_every_point_that_can_be_read_with_its_quality() {
    let rig = rig();
    rig.set("pv_kw", 42.5, Trust::Good);
    rig.set("soc", 0.5, Trust::Bad);
    rig.set("mode", 2.0, Trust::Good);
    let reaction = take(&mut rig.station(Role::Viewer), &ask(100, 6, 0, &[20]));
    let asdus: Vec<Asdu> = reaction.answers.iter().map(|octets| Asdu::parse(octets).unwrap()).collect();
    let (first, last) = (asdus.first().unwrap(), asdus.last().unwrap());
    assert_eq!((first.cot, last.cot), (Cot::ActivationConfirmation, Cot::ActivationTermination));
    assert_eq!((first.negative, first.originator_address), (false, 3));
    let mut seen = 0;
    let mut floats = Vec::new();
    for asdu in &asdus[1..asdus.len() - 1] {
        assert_eq!((asdu.cot, asdu.address_field), (Cot::InterrogationGeneral, STATION));
        seen += asdu.information_objects.len();
        if let Objects::MMeNc1(objects) = &asdu.information_objects {
            floats.extend(objects.iter().map(|o| (o.address, o.object.value, o.object.qds.iv, o.object.qds.nt)));
        }
    }
    let readable = rig.wires.list.points().iter().filter(|point| crate::objects::Form::of(point).is_some()).count();
    assert_eq!(seen, readable);
    assert!(floats.contains(&(100, 42.5, false, false)) && floats.contains(&(124, 0.5, true, false)));
    let unknown = floats.iter().find(|(address, ..)| *address == 2000).unwrap();
    assert!(unknown.1.is_nan() && unknown.2 && unknown.3, "nothing is known of a set-point: {unknown:?}");
}

#[tokio::test]
async fn changes_are_told_with_the_time_of_the_cycle_and_only_once() {
    let rig = rig();
    let mut station = rig.station(Role::Viewer);
    station.start();
    assert_eq!(station.changes(), Vec::<Vec<u8>>::new());
    rig.set("pv_kw", 10.0, Trust::Good);
    let told: Vec<Asdu> = station.changes().iter().map(|octets| Asdu::parse(octets).unwrap()).collect();
    let [Asdu { cot: Cot::SpontaneousData, information_objects: Objects::MMeTf1(objects), .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((objects.len(), objects[0].address, objects[0].object.value), (1, 100, 10.0));
    assert_eq!(time::unix_ms(&objects[0].object.time), Some(NOW_MS));
    assert_eq!(station.changes(), Vec::<Vec<u8>>::new());
    station.set_stale(true);
    let told: Vec<Asdu> = station.changes().iter().map(|octets| Asdu::parse(octets).unwrap()).collect();
    let Objects::MMeTf1(objects) = &told[0].information_objects else { panic!("{told:?}") };
    assert!(objects[0].object.qds.iv, "no cycle has come for a while");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_its_cause() {
    let rig = rig();
    let (yes, no) = ((cause::ACTIVATION_CON, false), (cause::ACTIVATION_CON, true));
    let tag = |at| time::tag(at).to_bytes();
    let timed = |at| [&5.0_f32.to_le_bytes()[..], &[0], &tag(at)].concat();
    let rows: Vec<(&str, Vec<u8>, (u8, bool))> = vec![
        ("a group", ask(100, 6, 0, &[21]), no),
        ("an interrogation of an object", ask(100, 6, 5, &[20]), (cause::UNKNOWN_OBJECT, true)),
        ("counters are frozen", ask(101, 6, 0, &[0x45]), no),
        ("a read of nothing", ask(102, 5, 99, &[]), (cause::UNKNOWN_OBJECT, true)),
        ("a read of a command", ask(102, 5, MODE, &[]), (cause::UNKNOWN_OBJECT, true)),
        ("reads in sequence", [&[102, 0x81, 5, 0, 7, 0, 1, 0, 0][..]].concat(), no),
        ("clock", ask(103, 6, 0, &tag(NOW_MS)), no),
        ("reset", ask(105, 6, 0, &[1]), no),
        ("test", ask(104, 6, 0, &[0xAA, 0x55]), yes),
        ("a command to nothing", float(99, 1.0, 0), (cause::UNKNOWN_OBJECT, true)),
        ("a command to a measurement", float(100, 1.0, 0), no),
        ("a single command to a number", ask(45, 6, BATTERY, &[1]), no),
        ("an old command", ask(63, 6, BATTERY, &timed(NOW_MS - 31_000)), no),
        ("a command without time", ask(63, 6, BATTERY, &timed(0)), no),
        ("a file", ask(122, 13, 0, &[0; 4]), (cause::UNKNOWN_TYPE, true)),
        (
            "a test of a command",
            {
                let mut test = float(BATTERY, 1.0, 0);
                test[2] |= 0x80;
                test
            },
            yes,
        ),
    ];
    for (what, octets, expected) in rows {
        let reaction = take(&mut rig.station(Role::Operator), &octets);
        assert_eq!((causes(&reaction), reaction.order), (vec![expected], None), "{what}");
    }
    let order = take(&mut rig.station(Role::Operator), &ask(63, 6, BATTERY, &timed(NOW_MS - 1000))).order;
    assert_eq!(order.map(|order| order.value), Some(5.0), "a command with its time");
    let mut station = rig.station(Role::Operator);
    for garbage in [&[100, 1, 6][..], &ask(100, 6, 0, &[]), &ask(50, 6, BATTERY, &[0; 4])] {
        assert_eq!(station.take(garbage, Instant::now()).err(), Some(Broken::Garbage), "{garbage:?}");
    }
}

#[tokio::test]
async fn counters_are_whole_numbers_beside_their_points() {
    let rig = rig();
    rig.set("grid_import_kwh", 1234.9, Trust::Good);
    let reaction = take(&mut rig.station(Role::Viewer), &ask(101, 6, 0, &[5]));
    let told = Asdu::parse(&reaction.answers[1]).unwrap();
    let Objects::MItNa1(objects) = &told.information_objects else { panic!("{told:?}") };
    let number = rig.wires.list.points()[rig.wires.list.named("grid_import_kwh").unwrap()].number;
    assert_eq!((objects[0].address, objects[0].object.bcr), (u32::from(number) + 1, 1234));
    assert_eq!((told.cot, reaction.answers.len()), (Cot::CounterInterrogationGeneral, 3));
}

#[tokio::test]
async fn a_command_is_selected_and_carried_out_as_selected_or_given_at_once() {
    let rig = rig();
    let mut station = rig.station(Role::Operator);
    let yes = vec![(cause::ACTIVATION_CON, false)];
    assert_eq!(causes(&take(&mut station, &float(BATTERY, -40.0, 0x80))), yes);
    let other = take(&mut station, &float(BATTERY, -50.0, 0));
    assert_eq!((causes(&other), other.order), (vec![(cause::ACTIVATION_CON, true)], None));
    take(&mut station, &float(BATTERY, -40.0, 0x80));
    assert!(take(&mut station, &float(BATTERY, -40.0, 0)).order.is_some());
    take(&mut station, &float(BATTERY, -40.0, 0x80));
    let mut stop = float(BATTERY, -40.0, 0);
    stop[2] = cause::DEACTIVATION;
    assert_eq!(causes(&take(&mut station, &stop)), [(cause::DEACTIVATION_CON, false)]);
    assert_eq!(causes(&take(&mut station, &stop)), [(cause::DEACTIVATION_CON, true)]);
    assert!(take(&mut station, &float(BATTERY, -50.0, 0)).order.is_some(), "nothing is selected");
    let low = take(&mut rig.station(Role::Viewer), &float(BATTERY, -40.0, 0x80));
    assert_eq!(causes(&low), [(cause::ACTIVATION_CON, true)]);
    assert!(low.refused.unwrap().contains("scada is viewer"));
}

/// Gives the command to the desk, whose control answers so; what control was asked and what the master is told.
async fn carried_out(rig: &mut Rig, octets: &[u8], answer: Outcome) -> (Option<CommandBody>, Vec<(u8, bool)>) {
    let order = take(&mut rig.station(Role::Operator), octets).order.unwrap();
    let (wires, scada) = (rig.wires.clone(), by(Role::Operator));
    let mut under_way = tokio::spawn(async move { Station::carry_out(&wires, &scada, STATION, order).await });
    let asked = tokio::select! {
        asked = rig.asks.recv() => asked.unwrap(),
        told = &mut under_way => return (None, causes(&told.unwrap())),
    };
    asked.answer.send(answer).unwrap();
    (Some(asked.command.body), causes(&under_way.await.unwrap()))
}

#[tokio::test]
async fn confirmations_are_what_the_desk_says_and_the_same_command_counts_again() {
    let mut rig = rig();
    let manual = ask(49, 6, MODE, &[2, 0, 0]);
    let done = vec![(cause::ACTIVATION_CON, false), (cause::TERMINATION, false)];
    for _ in 0..2 {
        let (asked, told) = carried_out(&mut rig, &manual, Outcome::Done).await;
        assert_eq!((asked, told), (Some(CommandBody::Manual), done.clone()));
    }
    let no = vec![(cause::ACTIVATION_CON, true)];
    let (asked, told) = carried_out(&mut rig, &manual, Outcome::Rejected { reason: "not armed".into() }).await;
    assert_eq!((asked.is_some(), told), (true, no.clone()));
    let (asked, told) = carried_out(&mut rig, &float(MODE, 4.0, 0), Outcome::Done).await;
    assert_eq!((asked, told), (None, no.clone()), "there is no such mode");
    let (asked, told) = carried_out(&mut rig, &float(BATTERY, f32::NAN, 0), Outcome::Done).await;
    assert_eq!((asked, told), (None, no));
}
