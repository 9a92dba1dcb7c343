//! Devices made by others: pymodbus with pysunspec2's register layout over TCP, RTU over TCP and a serial line; mbpoll.

use memg_core::measurement::Quality;
use memg_gateway::plant_io::event::EventKind;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::peer_is_there;
use memg_integration_tests::rig::{Rig, at_rest, until};
use memg_integration_tests::virtual_device::VirtualDevice;
use memg_integration_tests::wire::Wire;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::sleep;

const DEVICE: &str = include_str!("../../config/devices/sunspec-der-battery.toml");
const SITE: &str = r#"
poll_s = 0.1
write = [{ point = "set_power", range = [-50, 50] }, { point = "controller_heartbeat", range = [0, 65535] }]
"#;

/// Reads, writes and local control against the foreign inverter.
async fn control(peer: &mut Peer, transport: &str) {
    let mut rig = Rig::battery_with(DEVICE, transport, SITE);
    until("it is read", || rig.point("soc").quality == Quality::Good && rig.point("power").quality == Quality::Good)
        .await;
    // 50.5 %; 1230 W discharging; 50.01 Hz.
    for (name, value) in [("soc", 0.505), ("power", -1.23), ("frequency", 50.01), ("remote", 1.0)] {
        let read = rig.point(name);
        assert!(read.value.is_some_and(|read| (read - value).abs() < 1e-9), "{transport}: {name} is {read:?}");
    }
    rig.order(12.5, 7);
    until("the set-point is confirmed", || rig.counters().applied == 1).await;
    // 12.5 kW charging is -1250 in steps of 10 W.
    let minus_1250 = [0xFFFF, 0xFB1E];
    for (name, registers) in [
        ("704.WSet", &minus_1250[..]),
        ("704.WSetEna", &[1]),
        ("704.WSetRvrt", &[0, 0]),
        ("704.WSetRvrtTms", &[0, 120]),
        ("704.WSetMod", &[1]),
        ("715.ControllerHb", &[0, 7]),
    ] {
        assert_eq!(peer.ask(&format!("get {name}")).await, registers, "{transport}: {name}");
    }
    peer.ask("set 715.LocRemCtl 1").await;
    until("local control is seen", || !rig.events(EventKind::LocalControl).is_empty()).await;
    rig.order(5.0, 8);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(peer.ask("get 704.WSet").await, minus_1250, "{transport}: nothing is written under local control");
    assert_eq!((rig.counters().foreign_answers, rig.counters().timeouts), (0, 0), "{transport}");
    rig.stop().await;
}

#[tokio::test]
async fn a_foreign_inverter_is_controlled_over_tcp() {
    let Some(python) = python() else { return };
    let mut peer = Peer::start(&python, "sunspec_battery.py", &["tcp"]).await;
    let transport = format!("tcp = \"127.0.0.1:{}\"", peer.place);
    control(&mut peer, &transport).await;
}

#[tokio::test]
async fn a_foreign_inverter_is_controlled_over_rtu_in_tcp() {
    let Some(python) = python() else { return };
    let mut peer = Peer::start(&python, "sunspec_battery.py", &["rtu_over_tcp"]).await;
    let transport = format!("rtu_over_tcp = \"127.0.0.1:{}\"", peer.place);
    control(&mut peer, &transport).await;
}

#[tokio::test]
async fn a_foreign_inverter_is_controlled_over_a_serial_line() {
    let Some(python) = python().filter(|_| peer_is_there("socat")) else { return };
    let wire = Wire::lay().await;
    let mut peer = Peer::start(&python, "sunspec_battery.py", &["serial", &wire.end("a")]).await;
    let port = wire.end("b");
    let transport = format!("serial = {{ path = {port:?}, baud = 19200, parity = \"none\" }}");
    control(&mut peer, &transport).await;
}

#[tokio::test]
async fn another_inverter_at_the_same_address_is_read_but_never_written() {
    let Some(python) = python() else { return };
    let mut peer = Peer::start(&python, "sunspec_battery.py", &["tcp"]).await;
    peer.ask("set 704.ID 705").await;
    let mut rig = Rig::battery_with(DEVICE, &format!("tcp = \"127.0.0.1:{}\"", peer.place), SITE);
    until("it is read", || rig.point("soc").quality == Quality::Good).await;
    rig.order(12.5, 7);
    until("it is told", || !rig.events(EventKind::ConfigurationFault).is_empty()).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(peer.ask("get 704.WSetEna").await, [0]);
    rig.stop().await;
}

#[tokio::test]
async fn a_foreign_master_may_read_the_same_device_meanwhile() {
    if !peer_is_there("mbpoll") {
        return;
    }
    let device = VirtualDevice::start().await;
    at_rest(&device);
    let rig = Rig::battery(&format!("tcp = \"{}\"", device.address));
    rig.order(5.0, 1);
    until("the set-point is confirmed", || rig.counters().applied == 1).await;
    let port = device.address.port().to_string();
    let arguments = ["-m", "tcp", "-a", "1", "-t", "4", "-0", "-r", "11", "-c", "3", "-1", "-p", &port, "127.0.0.1"];
    let output = Command::new("mbpoll").args(arguments).output().await.expect("mbpoll runs");
    let text = String::from_utf8_lossy(&output.stdout);
    // Timer 60 s, 5 kW charging in steps of 10 W, enabled.
    for expected in ["60", "(-500)", "1"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert_eq!(rig.counters().disconnects, 0);
    rig.stop().await;
}
