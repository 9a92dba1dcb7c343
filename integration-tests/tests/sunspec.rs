//! SunSpec both ways: the site as a resource for pysunspec2, and `gateway scan` at foreign devices and at the site itself.

use memg_gateway::plant_io::device::load;
use memg_integration_tests::gateway_process::gateway as program;
use memg_integration_tests::north_plant::NorthPlant;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::rig::until;
use std::path::Path;
use tokio::process::Command;

/// A plant under control that shows itself.
async fn shown(role: &str) -> Option<NorthPlant> {
    NorthPlant::start("sunspec", &format!("loopback_role = '{role}'"), false, &[]).await
}

/// Asks until a point has the value.
async fn becomes(master: &mut Peer, point: &str, value: f64) {
    let near = |answer: &str| answer.parse::<f64>().is_ok_and(|found| (found - value).abs() < 0.6);
    while !near(&master.say(&format!("get {point}")).await) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn pysunspec2_finds_the_site_reads_it_and_keeps_a_power_at_its_connection() {
    let (Some(python), Some(shown)) = (python(), shown("operator").await) else { return };
    let NorthPlant { plant, gateway, port, .. } = shown;
    let mut master = Peer::start(&python, "sunspec_master.py", &[&port]).await;
    assert_eq!(master.place, "1 701 702 704 713 715");
    becomes(&mut master, "701.W", -40_000.0).await;
    becomes(&mut master, "701.Hz", 50.0).await;
    becomes(&mut master, "713.SoC", 50.0).await;
    becomes(&mut master, "702.WMaxRtg", 80_000.0).await;
    assert_eq!(master.say("get 701.LNV").await, "none", "nobody measures volts here");
    plant.lose("soc");
    while master.say("get 713.SoC").await != "none" {}
    plant.restore("soc");
    becomes(&mut master, "713.SoC", 50.0).await;
    // 40 kW of load and 35 wished from the network: the battery gives 5.
    assert_eq!(master.say("set 704.WSet -35000").await, "done");
    assert_eq!(master.say("set 704.WSetRvrtTms 2").await, "done");
    assert_eq!(master.say("set 704.WSetEna 1").await, "done");
    until("the battery gives what is missing", || (plant.battery_setpoint() + 5.0).abs() < 0.3).await;
    plant.show("electric_load_kw", 42.0);
    for beat in 1..30 {
        assert_eq!(master.say(&format!("set 715.ControllerHb {beat}")).await, "done");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    until("it follows the load", || (plant.battery_setpoint() + 7.0).abs() < 0.3).await;
    until("without a heartbeat control is given back", || plant.battery_setpoint().abs() < 0.01).await;
    assert_eq!(master.say("set 704.WMaxLimPct 50").await, "done");
    assert_eq!(master.say("set 704.WMaxLimPctEna 1").await, "done");
    becomes(&mut master, "704.WMaxLimPct", 50.0).await;
    for refused in ["set 704.WSetRvrt 1000", "set 704.WMaxLimPct 101", "set 704.PFWInjEna 1", "set 715.OpCtl 3"] {
        assert!(master.say(refused).await.starts_with("refused"), "{refused}");
    }
    assert_eq!(master.say("set 715.OpCtl 0").await, "done");
    until("the plant stops safely", || plant.battery_setpoint().abs() < 0.01).await;
    becomes(&mut master, "701.InvSt", 6.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_only_look_writes_nothing() {
    let (Some(python), Some(shown)) = (python(), shown("viewer").await) else { return };
    let NorthPlant { plant, gateway, port, .. } = shown;
    let mut master = Peer::start(&python, "sunspec_master.py", &[&port]).await;
    for written in ["set 704.WSetEna 1", "set 704.WMaxLimPctEna 0", "set 715.OpCtl 0"] {
        assert!(master.say(written).await.starts_with("refused"), "{written}");
    }
    assert!(plant.battery_setpoint().abs() < 0.01);
    gateway.stop().await;
}

async fn scan(address: &str, out: &Path) -> std::process::Output {
    let mut command = Command::new(program());
    command.args(["scan", address, "--out"]).arg(out);
    command.output().await.expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_foreign_devices_and_writes_files_that_the_gateway_reads() {
    let (Some(python), Some(site)) = (python(), shown("viewer").await) else { return };
    let foreign = Peer::start(&python, "sunspec_battery.py", &["tcp"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    for (name, address) in [("foreign", format!("127.0.0.1:{}", foreign.place)), ("site", site.address.clone())] {
        let out = folder.path().join(name);
        let done = scan(&address, &out).await;
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success() && told.contains("   701  "), "{told}{}", String::from_utf8_lossy(&done.stderr));
        let text = std::fs::read_to_string(&out).expect("a device file");
        let file = load(&text, name).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
        assert_eq!(file.about.kind, "battery", "{name} stores energy");
        assert!(!scan(&address, &out).await.status.success(), "nothing is written over");
    }
    let modbus = scan(&format!("127.0.0.1:{}", free_port()), &folder.path().join("none")).await;
    let said = String::from_utf8_lossy(&modbus.stderr).into_owned();
    assert!(!modbus.status.success() && said.contains("127.0.0.1"), "{said}");
    site.gateway.stop().await;
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
