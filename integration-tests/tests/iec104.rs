//! IEC 60870-5-104 through the gateway's program, with c104 as the master, judged at the device.

use memg_integration_tests::authority::Authority;
use memg_integration_tests::north_plant::NorthPlant;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::promise_plant::until_mode;
use memg_integration_tests::rig::until;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

const CYCLE: u16 = 2;
const MODE: u16 = 3;
const WIND_KW: u16 = 104;
const LOAD_KW: u16 = 116;
const COMMAND_MODE: u16 = 9000;
const ACKNOWLEDGE: u16 = 9001;
const ARM_REQUEST: u16 = 9002;
const BATTERY_KW: u16 = 9006;
const EXPORT_LIMIT_KW: u16 = 9012;
const MANUAL: u16 = 2;
const AUTO: u16 = 3;
const SAFE_STOP: u16 = 9;

async fn bench(north: &str) -> Option<NorthPlant> {
    NorthPlant::start("iec104", &format!("common_address = 7\n{north}"), false, &[]).await
}

async fn master(python: &str, port: &str) -> Peer {
    let master = Peer::start(python, "iec104_master.py", &[port]).await;
    assert_eq!(master.place, port, "c104 is connected");
    master
}

/// Whether the station accepted a command.
async fn accepted(master: &mut Peer, command: &str) -> bool {
    master.tell(command).await["accepted"] == json!(true)
}

/// Waits until a point has been told as wished.
async fn until_told(master: &mut Peer, number: u16, what: &str, as_wished: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let point = master.tell(&format!("point {number}")).await;
        if as_wished(&point) {
            return point;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{number} is never {what}: {}", master.tell(&format!("point {number}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_interrogates_and_is_told_what_changes_with_quality_and_time() {
    let (Some(python), Some(bench)) = (python(), bench("").await) else { return };
    let mut asking = master(&python, &bench.port).await;
    let all = asking.tell("interrogate").await;
    assert!(all["accepted"] == json!(true) && all["points"].as_u64() > Some(40), "{all}");
    let load = asking.tell(&format!("point {LOAD_KW}")).await;
    assert_eq!((&load["value"], &load["type"]), (&json!(40.0), &json!("M_ME_NC_1")), "{load}");
    assert_eq!(asking.tell(&format!("point {MODE}")).await["value"], json!(2.0), "auto");
    assert!(accepted(&mut asking, &format!("read {LOAD_KW}")).await);
    // This one is told changes alone.
    let mut listening = master(&python, &bench.port).await;
    bench.plant.show("electric_load_kw", 41.5);
    let changed = until_told(&mut listening, LOAD_KW, "41.5", |point| point["value"] == json!(41.5)).await;
    assert_eq!((&changed["cause"], &changed["type"]), (&json!("SPONTANEOUS"), &json!("M_ME_TF_1")), "{changed}");
    assert!(changed["time"][0].as_u64() >= Some(2026), "the year of its time tag: {changed}");
    bench.plant.lose("wind_kw");
    until_told(&mut listening, WIND_KW, "invalid", |point| point["invalid"] == json!(true)).await;
    let beat = until_told(&mut listening, CYCLE, "told", |point| !point.is_null()).await;
    until_told(&mut listening, CYCLE, "another", |point| point["value"] != beat["value"]).await;
    for refused in ["counters", "clock", "station 8"] {
        assert!(!accepted(&mut asking, refused).await, "{refused}");
    }
    assert!(accepted(&mut asking, "connected").await);
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_point_reaches_the_device_and_what_is_refused_does_not() {
    let (Some(python), Some(bench)) = (python(), bench("loopback_role = 'operator'").await) else { return };
    let NorthPlant { plant, gateway, port, mut state, .. } = bench;
    let mut scada = master(&python, &port).await;
    let battery = |kw: f32| format!("float {BATTERY_KW} {kw}");
    assert!(!accepted(&mut scada, &battery(-8.0)).await, "not in manual mode");
    assert!(!accepted(&mut scada, &format!("scaled {COMMAND_MODE} 7")).await, "no such mode");
    assert!(!accepted(&mut scada, &format!("float {LOAD_KW} 1")).await, "a measurement");
    assert!(!accepted(&mut scada, "float 99 1").await, "no such object");
    assert!(!accepted(&mut scada, &format!("single {BATTERY_KW} 1")).await, "no single command");
    assert!(accepted(&mut scada, &format!("scaled {COMMAND_MODE} {MANUAL}")).await);
    until_mode(&mut state, "manual").await;
    assert!(accepted(&mut scada, &battery(-8.0)).await);
    until("the battery is told", || (plant.battery_setpoint() + 8.0).abs() < 0.01).await;
    assert!(accepted(&mut scada, &format!("{} select", battery(-5.5))).await, "selected and carried out");
    until("the battery is told", || (plant.battery_setpoint() + 5.5).abs() < 0.01).await;
    assert!(!accepted(&mut scada, &battery(1e9)).await, "no such power");
    assert!((plant.battery_setpoint() + 5.5).abs() < 0.01);
    // Somebody at the broker takes over; a command is an event, so the same one takes control again.
    plant.by_hand(&mut state, -3.0, 0.0).await;
    until("the operator's", || (plant.battery_setpoint() + 3.0).abs() < 0.01).await;
    assert!(!accepted(&mut scada, &battery(-5.5)).await, "the operator has control");
    assert!(accepted(&mut scada, &format!("scaled {COMMAND_MODE} {MANUAL}")).await);
    assert!(accepted(&mut scada, &battery(-5.5)).await);
    until("SCADA's", || (plant.battery_setpoint() + 5.5).abs() < 0.01).await;
    assert!(accepted(&mut scada, &format!("scaled {COMMAND_MODE} {AUTO}")).await);
    until("the gateway's", || plant.battery_setpoint().abs() < 0.01).await;
    let journal = std::fs::read_to_string(plant.path("journal")).expect("a journal");
    assert!(journal.contains("\"principal\":\"iec104.loopback\"") && journal.contains("\"means\":\"iec104\""));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_up_masters_set_point_expires() {
    let (Some(python), Some(bench)) = (python(), bench("loopback_role = 'operator'").await) else { return };
    let NorthPlant { plant, gateway, port, mut state, .. } = bench;
    let mut scada = master(&python, &port).await;
    assert!(accepted(&mut scada, "scaled 9005 1").await, "expires after a second");
    assert!(accepted(&mut scada, &format!("scaled {COMMAND_MODE} {MANUAL}")).await);
    assert!(accepted(&mut scada, &format!("float {BATTERY_KW} -8")).await);
    until("the battery is told", || (plant.battery_setpoint() + 8.0).abs() < 0.01).await;
    drop(scada);
    until_mode(&mut state, "auto").await;
    until("the gateway's", || plant.battery_setpoint().abs() < 0.01).await;
    gateway.stop().await;
}

/// The frame that starts data, and its confirmation.
const START: [u8; 6] = [0x68, 4, 0x07, 0, 0, 0];
const START_CON: [u8; 6] = [0x68, 4, 0x0B, 0, 0, 0];

/// Whether data are started for a program that passes octets on.
async fn starts_data(command: &mut Command) -> bool {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(&START).await.expect("it listens");
    let mut answer = [0; START_CON.len()];
    let read = child.stdout.take().expect("its output").read_exact(&mut answer).await;
    read.is_ok() && answer == START_CON
}

#[tokio::test(flavor = "multi_thread")]
async fn with_certificates_roles_decide_and_strangers_do_not_get_in() {
    let Some(python) = python() else { return };
    let people = [("gateway", None), ("scada", Some("operator")), ("box", Some("guard")), ("screen", None)];
    let authority = Authority::with_roles(&people);
    let strangers = Authority::with_roles(&people);
    let path = |name: &str| authority.path(name);
    let files = [path("gateway.pem"), path("gateway.key"), path("ca.pem")];
    let north =
        format!("tls_cert_file = '{}'\ntls_key_file = '{}'\nclient_ca_file = '{}'", files[0], files[1], files[2]);
    let Some(bench) = bench(&north).await else { return };
    let master = async |of: &Authority, name: &str| {
        let files = [path("ca.pem"), of.path(&format!("{name}.pem")), of.path(&format!("{name}.key"))];
        Peer::start(&python, "iec104_master.py", &[&bench.port, &files[0], &files[1], &files[2]]).await
    };
    let mut screen = master(&authority, "screen").await;
    assert!(accepted(&mut screen, "interrogate").await);
    assert!(!accepted(&mut screen, &format!("scaled {COMMAND_MODE} {SAFE_STOP}")).await, "it looks on");
    let mut guard = master(&authority, "box").await;
    assert!(!accepted(&mut guard, &format!("single {ARM_REQUEST} 1")).await);
    assert!(!accepted(&mut guard, &format!("single {ACKNOWLEDGE} 1")).await);
    assert!(accepted(&mut guard, &format!("float {EXPORT_LIMIT_KW} 20")).await);
    let mut scada = master(&authority, "scada").await;
    assert!(accepted(&mut scada, &format!("scaled {COMMAND_MODE} {MANUAL}")).await);
    let started = async |of: &Authority| {
        let mut command = Command::new("openssl");
        command.args([
            "s_client",
            "-quiet",
            "-connect",
            &format!("127.0.0.1:{}", bench.port),
            "-CAfile",
            &path("ca.pem"),
        ]);
        command.args(["-cert", &of.path("scada.pem"), "-key", &of.path("scada.key")]);
        starts_data(&mut command).await
    };
    assert!(started(&authority).await, "this is how it goes");
    assert!(!started(&strangers).await, "of another authority");
    let mut plain = TcpStream::connect(format!("127.0.0.1:{}", bench.port)).await.expect("a connection");
    plain.write_all(&START).await.expect("it takes octets");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(&START_CON), "without TLS");
    bench.gateway.stop().await;
}

/// Open files of a process.
fn handles(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cost_nothing_but_their_connection() {
    let (Some(python), Some(bench)) = (python(), bench("").await) else { return };
    let (address, before) = (format!("127.0.0.1:{}", bench.port), handles(bench.gateway.id()));
    let mut open = Vec::new();
    for _ in 0..1000 {
        open.extend(TcpStream::connect(&address).await);
    }
    assert!(handles(bench.gateway.id()) < before + 100, "there are 64 places");
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x68; 300],
        &[0x68, 4, 0xFF, 0, 0, 0],
        // Data before the start; then with it: a read in sequence, and a frame whose number is wrong.
        &[0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 7, 0, 0, 0, 0, 20],
        &[0x68, 4, 7, 0, 0, 0, 0x68, 13, 0, 0, 0, 0, 102, 0x81, 5, 0, 7, 0, 1, 0, 0],
        &[0x68, 4, 7, 0, 0, 0, 0x68, 14, 8, 0, 0, 0, 100, 1, 6, 0, 7, 0, 0, 0, 0, 20],
    ];
    for (stream, octets) in open.iter_mut().zip(garbage.iter().cycle()) {
        let _ = stream.write_all(octets).await;
    }
    // What is no frame ends its connection.
    let mut closed = [0; 1];
    let first = open.first_mut().expect("a connection");
    assert_eq!(first.read(&mut closed).await.unwrap_or(0), 0);
    drop(open);
    until("every handle is given back", || handles(bench.gateway.id()) <= before).await;
    let mut master = master(&python, &bench.port).await;
    assert!(accepted(&mut master, "interrogate").await);
    assert_eq!(master.tell(&format!("point {MODE}")).await["value"], json!(2.0), "control goes on");
    bench.gateway.stop().await;
}
