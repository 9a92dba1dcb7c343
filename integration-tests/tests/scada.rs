//! The Modbus server for SCADA through the gateway's program, with pymodbus and mbpoll as masters, judged at the device.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::authority::Authority;
use memg_integration_tests::north_plant::NorthPlant;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::rig::until;
use memg_integration_tests::topics_site::now_ms;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

const MODE: u16 = 3;
const COMMAND_MODE: u16 = 9000;
const ARM_REQUEST: u16 = 9002;
const ARM_CONFIRM: u16 = 9003;
const HEARTBEAT: u16 = 9004;
const REVERSION_S: u16 = 9005;
const BATTERY_KW: u16 = 9006;
const EXPORT_LIMIT_KW: u16 = 9012;
const LIMIT_S: u16 = 9014;
/// Block of the import price: begin, step, count, "take it"; then values.
const PRICES: u16 = 14_000;
const PRICES_TAKE: u16 = 14_004;
const PRICES_FROM: u16 = 14_010;
const OUTCOME: u16 = 9020;
const ARM_TOKEN: u16 = 9021;
const SHADOW: u16 = 1;
const MANUAL: u16 = 2;
const AUTO: u16 = 3;
/// Exceptions: not allowed, no such register, no such value, refused by control.
const NOT_ALLOWED: u16 = 1;
const NO_ADDRESS: u16 = 2;
const NO_VALUE: u16 = 3;
const REFUSED: u16 = 4;

async fn bench(north: &str, real: bool) -> Option<NorthPlant> {
    NorthPlant::start("modbus", north, real, &[]).await
}

fn float(words: &[u16]) -> f32 {
    f32::from_bits(u32::from(words[0]) << 16 | u32::from(words[1]))
}

/// What a command is answered with: 0, or the exception.
async fn told(master: &mut Peer, command: &str) -> u16 {
    master.ask(command).await[0]
}

async fn register(master: &mut Peer, number: u16) -> u16 {
    let answer = master.ask(&format!("read {number} 1")).await;
    assert_eq!(answer[0], 0, "{number}");
    answer[1]
}

async fn until_register(master: &mut Peer, number: u16, value: u16) {
    while register(master, number).await != value {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_reads_measurements_states_and_words_and_what_is_unknown_is_no_zero() {
    let (Some(python), Some(bench)) = (python(), bench("", false).await) else { return };
    let mut master = Peer::start(&python, "scada_master.py", &[&bench.port]).await;
    bench.plant.show("electric_load_kw", 41.5);
    let mut load = Vec::new();
    while load.len() != 5 || float(&load[1..]) != 41.5 {
        load = master.ask("read 116 4").await;
    }
    assert_eq!((load[0], load[3]), (0, 0), "good quality");
    let wind_available = master.ask("input 112 4").await;
    assert!(
        float(&wind_available[1..]).is_nan() && wind_available[3] == 65_535,
        "not a point of this plant: {wind_available:?}"
    );
    assert_eq!(register(&mut master, MODE).await, 2, "auto");
    let first = register(&mut master, 2).await;
    while register(&mut master, 2).await == first {}
    bench.plant.lose("wind_kw");
    let mut wind = master.ask("read 104 4").await;
    while wind[3] != 2 {
        wind = master.ask("read 104 4").await;
    }
    assert_eq!(float(&wind[1..]), 0.0, "the last known value, marked bad");
    let words = master.ask("read 4000 64").await;
    assert!(words[1] > 0x2020 && words.len() == 65, "a sentence");
    for (asked, exception) in [
        ("coils 1 1", NOT_ALLOWED),
        ("read 0 1", NO_ADDRESS),
        ("read 2101 4", NO_ADDRESS),
        ("one 100 1", NO_ADDRESS),
        ("one 9000 2", NOT_ALLOWED),
        ("float 9006 1", NOT_ALLOWED),
    ] {
        assert_eq!(told(&mut master, asked).await, exception, "{asked}: a viewer");
    }
    let mut polled = Command::new("mbpoll");
    polled.args(["-m", "tcp", "-p", &bench.port, "-0", "-1", "-r", "3", "-c", "1", "127.0.0.1"]);
    let output = polled.output().await.expect("mbpoll");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("[3]: \t2") || text.contains("[3]: \t3"), "{text}");
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_point_lives_by_its_heartbeat_and_expires_without() {
    let (Some(python), Some(bench)) = (python(), bench("loopback_role = 'operator'", false).await) else { return };
    let NorthPlant { plant, gateway, port, .. } = bench;
    let mut master = Peer::start(&python, "scada_master.py", &[&port]).await;
    assert_eq!(told(&mut master, &format!("float {BATTERY_KW} -8")).await, REFUSED, "not in manual mode");
    assert_eq!(told(&mut master, &format!("write {COMMAND_MODE} 7")).await, NO_VALUE);
    assert_eq!(told(&mut master, &format!("one {REVERSION_S} 2")).await, 0);
    assert_eq!(told(&mut master, &format!("one {COMMAND_MODE} {MANUAL}")).await, 0);
    assert_eq!(told(&mut master, &format!("float {BATTERY_KW} -8 0")).await, 0);
    until("the battery is told", || (plant.battery_setpoint() + 8.0).abs() < 0.01).await;
    let kept = tokio::time::Instant::now();
    for beat in 1.. {
        assert_eq!(told(&mut master, &format!("one {HEARTBEAT} {beat}")).await, 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!((plant.battery_setpoint() + 8.0).abs() < 0.01, "kept while the heart beats");
        if kept.elapsed() > Duration::from_secs(4) {
            break;
        }
    }
    until("control is given back", || plant.battery_setpoint().abs() < 0.01).await;
    until_register(&mut master, MODE, 2).await;
    assert_eq!(register(&mut master, OUTCOME).await, 4, "expired");
    let journal = std::fs::read_to_string(plant.path("journal")).expect("a journal");
    assert!(journal.contains("\"principal\":\"modbus.loopback\"") && journal.contains("\"means\":\"modbus_server\""));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_narrows_for_its_time_and_ends_by_itself() {
    let (Some(python), Some(bench)) = (python(), bench("loopback_role = 'guard'", false).await) else { return };
    let mut master = Peer::start(&python, "scada_master.py", &[&bench.port]).await;
    let export = async |master: &mut Peer| float(&master.ask("read 2052 2").await[1..]);
    let own = export(&mut master).await;
    assert_eq!(told(&mut master, &format!("one {LIMIT_S} 3")).await, 0);
    assert_eq!(told(&mut master, &format!("float {EXPORT_LIMIT_KW} 20")).await, 0);
    while export(&mut master).await != 20.0 {}
    while export(&mut master).await != own {}
    assert_eq!(told(&mut master, &format!("one {COMMAND_MODE} {AUTO}")).await, REFUSED, "a guard narrows and stops");
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_masters_the_last_one_to_take_control_has_it_and_nothing_fights() {
    let (Some(python), Some(bench)) = (python(), bench("loopback_role = 'operator'", false).await) else { return };
    let NorthPlant { plant, gateway, port, mut state, .. } = bench;
    let mut master = Peer::start(&python, "scada_master.py", &[&port]).await;
    let cyclic = format!("one {COMMAND_MODE} {MANUAL}");
    assert_eq!(told(&mut master, &cyclic).await, 0);
    assert_eq!(told(&mut master, &format!("float {BATTERY_KW} -5 0")).await, 0);
    until("SCADA's", || (plant.battery_setpoint() + 5.0).abs() < 0.01).await;
    // Somebody at the broker takes over; SCADA goes on writing what it always writes.
    plant.by_hand(&mut state, -3.0, 0.0).await;
    until("the operator's", || (plant.battery_setpoint() + 3.0).abs() < 0.01).await;
    for _ in 0..20 {
        assert_eq!(told(&mut master, &cyclic).await, 0, "the same value is no new command");
        assert_eq!(told(&mut master, &format!("float {BATTERY_KW} -5 0")).await, 0, "nor is this");
        assert!((plant.battery_setpoint() + 3.0).abs() < 0.01, "nothing fights");
    }
    assert_eq!(told(&mut master, &format!("float {BATTERY_KW} -6 0")).await, REFUSED, "the operator has control");
    let words = master.ask("read 4128 64").await;
    let control: String =
        words[1..].iter().flat_map(|word| word.to_be_bytes()).filter(|byte| *byte > 0).map(char::from).collect();
    assert!(control.contains("mqtt"), "SCADA sees who: {control}");
    for mode in [0, MANUAL] {
        assert_eq!(told(&mut master, &format!("one {COMMAND_MODE} {mode}")).await, 0);
    }
    assert_eq!(told(&mut master, &format!("float {BATTERY_KW} -5 0")).await, 0, "what it always writes counts again");
    until("SCADA's", || (plant.battery_setpoint() + 5.0).abs() < 0.01).await;
    plant.order(CommandKind::Mode, &json!({ "mode": "auto" })).await;
    until("the gateway's", || plant.battery_setpoint().abs() < 0.01).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_certificates_roles_decide_and_arming_takes_two_steps() {
    let Some(python) = python() else { return };
    let people = [("gateway", None), ("scada", Some("operator")), ("box", Some("guard")), ("screen", None)];
    let authority = Authority::with_roles(&people);
    let strangers = Authority::with_roles(&people);
    let path = |name: &str| authority.path(name);
    let north = format!(
        "tls_cert_file = '{}'\ntls_key_file = '{}'\nclient_ca_file = '{}'",
        path("gateway.pem"),
        path("gateway.key"),
        path("ca.pem")
    );
    let Some(bench) = bench(&north, true).await else { return };
    let NorthPlant { plant, gateway, port, .. } = bench;
    let master = async |of: &Authority, name: &str| {
        let files = [path("ca.pem"), of.path(&format!("{name}.pem")), of.path(&format!("{name}.key"))];
        Peer::start(&python, "scada_master.py", &[&port, &files[0], &files[1], &files[2]]).await
    };
    let mut screen = master(&authority, "screen").await;
    assert_eq!(register(&mut screen, MODE).await, SHADOW);
    assert_eq!(told(&mut screen, &format!("one {COMMAND_MODE} 9")).await, NOT_ALLOWED);
    let mut guard = master(&authority, "box").await;
    assert_eq!(told(&mut guard, &format!("one {ARM_REQUEST} 1")).await, NOT_ALLOWED);
    assert_eq!(told(&mut guard, &format!("float {EXPORT_LIMIT_KW} 20")).await, 0);
    let mut stranger = master(&strangers, "scada").await;
    assert_eq!(told(&mut stranger, "read 1 1").await, 999, "of another authority");
    let mut scada = master(&authority, "scada").await;
    assert_eq!(told(&mut scada, &format!("one {ARM_CONFIRM} 1")).await, REFUSED, "the first step is missing");
    assert_eq!(told(&mut scada, &format!("one {ARM_REQUEST} 1")).await, 0);
    assert_eq!(register(&mut screen, ARM_TOKEN).await, 0, "its number is its own");
    let token = register(&mut scada, ARM_TOKEN).await;
    assert!(plant.battery_writes().is_empty(), "nothing before the second step");
    assert_eq!(told(&mut scada, &format!("one {ARM_CONFIRM} {token}")).await, 0);
    until_register(&mut scada, MODE, 2).await;
    until("something is written", || !plant.battery_writes().is_empty()).await;
    assert_eq!(told(&mut scada, &format!("one {COMMAND_MODE} {AUTO}")).await, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_service_writes_prices_that_count_once_they_are_whole() {
    let table = "loopback_role = 'operator'\nforecasts = ['import_price_eur_per_kwh']";
    let (Some(python), Some(bench)) = (python(), bench(table, false).await) else { return };
    let mut service = Peer::start(&python, "scada_master.py", &[&bench.port]).await;
    let journal = || std::fs::read_to_string(bench.plant.path("journal")).unwrap_or_default();
    // What the service leaves out, the plant's hourly prices fill in.
    let told_prices = "\"import_price_eur_per_kwh\":[0.25,0.5,";
    let begin = now_ms() / 900_000 * 900;
    let (high, low) = (begin >> 16, begin & 0xFFFF);
    assert_eq!(told(&mut service, &format!("float {PRICES_FROM} 0.25 0.5 nan 0.125")).await, 0);
    assert_eq!(told(&mut service, &format!("write {PRICES} {high} {low} 900 4")).await, 0);
    assert_eq!(told(&mut service, &format!("write {PRICES} {high} {low} 1 4 1")).await, NO_VALUE, "a step of a second");
    assert_eq!(told(&mut service, "read 10000 5").await, NO_ADDRESS, "nobody may forecast PV here");
    assert!(!journal().contains(told_prices), "it is not whole");
    assert_eq!(told(&mut service, &format!("one {PRICES_TAKE} 1")).await, 0);
    assert_eq!(register(&mut service, PRICES_TAKE).await, 4);
    until("the prices are in the journal", || journal().contains(told_prices)).await;
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cost_nothing_but_their_connection() {
    let (Some(python), Some(bench)) = (python(), bench("", false).await) else { return };
    let address = format!("127.0.0.1:{}", bench.port);
    let mut open = Vec::new();
    for _ in 0..1000 {
        open.extend(TcpStream::connect(&address).await);
    }
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 300],
        &[0, 1, 0, 0, 0xFF, 0xFF, 1, 3],
        &[0, 1, 0, 9, 0, 6, 1, 3, 0, 1, 0, 1],
        &[0, 1, 0],
    ];
    for (stream, bytes) in open.iter_mut().zip(garbage.iter().cycle()) {
        let _ = stream.write_all(bytes).await;
    }
    // What is no request ends its connection; the place is free again.
    let mut closed = [0; 1];
    let first = open.first_mut().expect("a connection");
    assert_eq!(first.read(&mut closed).await.unwrap_or(0), 0);
    drop(open);
    let mut master = Peer::start(&python, "scada_master.py", &[&bench.port]).await;
    let before = register(&mut master, 2).await;
    while register(&mut master, 2).await == before {}
    assert_eq!(register(&mut master, MODE).await, 2, "control goes on");
    bench.gateway.stop().await;
}
