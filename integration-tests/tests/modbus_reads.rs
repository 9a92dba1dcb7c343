//! The read path against every hazard: late, short, long, foreign answers, desynchronised streams, dead units.

use memg_core::measurement::Quality;
use memg_gateway::plant_io::event::EventKind;
use memg_gateway::plant_io::image::ImageBuilder;
use memg_gateway::plant_io::modbus::DeviceState;
use memg_gateway::plant_io::modbus::probe::{ProbeValue, probe};
use memg_integration_tests::fault_proxy::{Fault, FaultProxy, Framing};
use memg_integration_tests::rig::{BATTERY, Rig, at_rest, device, until};
use memg_integration_tests::virtual_device::VirtualDevice;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LATE: Duration = Duration::from_millis(250);
const SLOW: Duration = Duration::from_millis(40);

async fn behind_proxy(framing: Framing) -> (VirtualDevice, FaultProxy, Rig) {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    device.set(0, &[423, 1000]);
    let proxy = FaultProxy::start(device.address, framing).await;
    let name = if framing == Framing::Tcp { "tcp" } else { "rtu_over_tcp" };
    let rig = Rig::battery(&format!("{name} = \"{}\"", proxy.address));
    until("the first values are there", || rig.point("power").quality == Quality::Good).await;
    (device, proxy, rig)
}

/// Whatever happens, a value that is shown is the true one.
fn assert_true_values(rig: &Rig, fault: Fault) {
    let (soc, power) = (rig.point("soc"), rig.point("power"));
    assert!(soc.value.is_some_and(|soc| (soc - 0.423).abs() < 1e-9), "after {fault:?}: {soc:?}");
    // 1000 * 10 W discharging is -10 kW in the project's sign.
    assert!(power.value.is_some_and(|power| (power + 10.0).abs() < 1e-9), "after {fault:?}: {power:?}");
}

#[tokio::test]
async fn values_arrive_in_the_projects_units_and_signs() {
    for framing in [Framing::Tcp, Framing::Rtu] {
        let (_device, _proxy, rig) = behind_proxy(framing).await;
        assert_true_values(&rig, Fault::None);
        assert_eq!(rig.point("remote").value, Some(1.0));
        assert_eq!(rig.counters().state, DeviceState::Reading);
        rig.stop().await;
    }
}

/// Injects a fault many times and asks: was any wrong value shown, does reading go on, did it cost the connection?
async fn endure(framing: Framing, fault: Fault, costs_the_connection: bool) {
    let (_device, proxy, rig) = behind_proxy(framing).await;
    let before = rig.counters();
    for _ in 0..3 {
        proxy.inject(&[fault]);
        until("the fault happened", || proxy.pending() == 0).await;
        assert_true_values(&rig, fault);
    }
    sleep(LATE).await;
    let polls = rig.counters().polls;
    until("reading goes on", || rig.counters().polls > polls + 4).await;
    until("the values are good again", || rig.point("soc").quality == Quality::Good).await;
    assert_true_values(&rig, fault);
    let lost = rig.counters().disconnects - before.disconnects;
    assert_eq!(lost > 0, costs_the_connection, "{framing:?} {fault:?} lost {lost} connections");
    rig.stop().await;
}

#[tokio::test]
async fn answers_that_are_only_slow_or_in_parts_are_taken() {
    for framing in [Framing::Tcp, Framing::Rtu] {
        for fault in [Fault::Delay(SLOW), Fault::Split(1, SLOW), Fault::Split(5, SLOW), Fault::Exception(6)] {
            endure(framing, fault, false).await;
        }
    }
}

#[tokio::test]
async fn late_lost_and_cut_answers_cost_the_connection_and_never_a_wrong_value() {
    for framing in [Framing::Tcp, Framing::Rtu] {
        for fault in [
            Fault::Delay(LATE),
            Fault::Split(6, LATE),
            Fault::Truncate(4),
            Fault::ResetAfter(6),
            Fault::Reset,
            Fault::LoseRequest,
            Fault::LoseAnswer,
        ] {
            endure(framing, fault, true).await;
        }
    }
}

#[tokio::test]
async fn foreign_answers_cost_the_connection_and_never_a_wrong_value() {
    for framing in [Framing::Tcp, Framing::Rtu] {
        for fault in [
            Fault::Unit,
            Fault::Function,
            Fault::Length(0xFFFF),
            Fault::Length(0),
            Fault::Length(2),
            Fault::Short,
            Fault::Long,
            Fault::Trailing,
            Fault::Duplicate,
            Fault::Previous,
        ] {
            endure(framing, fault, true).await;
        }
    }
    endure(Framing::Tcp, Fault::Transaction, true).await;
    endure(Framing::Tcp, Fault::Protocol, true).await;
    endure(Framing::Rtu, Fault::FlipBit, true).await;
}

#[tokio::test]
async fn a_device_that_disappears_leaves_its_last_values_with_bad_quality() {
    let (_device, proxy, rig) = behind_proxy(Framing::Tcp).await;
    proxy.blackhole(true);
    until("the loss is seen", || rig.point("soc").quality == Quality::CommLost).await;
    assert_true_values(&rig, Fault::None);
    assert_eq!(rig.counters().state, DeviceState::Offline);
    proxy.blackhole(false);
    until("it is back", || rig.point("soc").quality == Quality::Good).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_device_that_closes_idle_connections_loses_no_value() {
    let slow = BATTERY.replace("poll_s = 0.05", "poll_s = 0.3");
    let mut device = VirtualDevice::start().await;
    at_rest(&device);
    let rig = Rig::battery_with(&slow, &format!("tcp = \"{}\"", device.address), "");
    until("the first values are there", || rig.point("soc").quality == Quality::Good).await;
    for _ in 0..3 {
        device.switch_off().await;
        device.switch_on().await;
        let polls = rig.counters().polls;
        until("it was read again", || rig.counters().polls > polls + 1).await;
        assert_eq!(rig.point("soc").quality, Quality::Good);
    }
    rig.stop().await;
}

#[tokio::test]
async fn numbers_that_are_none_are_marked_and_never_shown() {
    let file = BATTERY.replace("scale = 0.1\n", "scale = 0.1\nsentinels = [0xFFFF]\n");
    let device = VirtualDevice::start().await;
    at_rest(&device);
    let rig = Rig::battery_with(&file, &format!("tcp = \"{}\"", device.address), "");
    until("the first values are there", || rig.point("soc").quality == Quality::Good).await;
    for raw in [0xFFFF, 1001, 0x8000] {
        device.set(0, &[raw]);
        until("it is marked", || rig.point("soc").quality == Quality::OutOfRange).await;
        assert_eq!(rig.point("soc").value, Some(0.5));
        device.set(0, &[500]);
        until("it is good again", || rig.point("soc").quality == Quality::Good).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn one_unknown_register_is_found_told_once_and_costs_its_neighbours_nothing() {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    device.state().holding.remove(&(1, 11));
    let mut rig = Rig::battery_with(BATTERY, &format!("tcp = \"{}\"", device.address), "");
    until("the neighbours are read", || rig.point("reversion_power").quality == Quality::Good).await;
    until("the others too", || rig.point("enable").quality == Quality::Good).await;
    assert_eq!(rig.point("reversion_timer").value, None);
    // Halving takes some polls; then no poll meets that register again.
    let mut last = (rig.counters().exceptions, rig.counters().polls);
    let remembered = || {
        let now = rig.counters();
        if now.exceptions != last.0 {
            last = (now.exceptions, now.polls);
        }
        now.polls >= last.1 + 20
    };
    until("the result of the halving is remembered", remembered).await;
    let told = rig.events(EventKind::ConfigurationFault);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("reversion_timer"), "{told:?}");
    rig.stop().await;
}

#[tokio::test]
async fn exceptions_are_answered_by_their_kind() {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    let mut rig = Rig::battery(&format!("tcp = \"{}\"", device.address));
    until("the first values are there", || rig.point("soc").quality == Quality::Good).await;
    for (code, kind) in [(4, EventKind::DeviceFault), (11, EventKind::UnitSilent)] {
        device.state().exceptions.insert(1, code);
        until("it is told", || !rig.events(kind).is_empty()).await;
        until("the value is marked", || rig.point("soc").quality == Quality::CommLost).await;
        assert_eq!(rig.point("soc").value, Some(0.5));
        device.state().exceptions.clear();
        until("it is good again", || rig.point("soc").quality == Quality::Good).await;
    }
    assert_eq!(rig.counters().disconnects, 0, "an exception is an answer: the connection stays");
    rig.stop().await;
}

#[tokio::test]
async fn one_dead_unit_of_ten_leaves_the_others_ninety_per_cent_of_their_rate() {
    let virtual_device = VirtualDevice::start().await;
    for unit in 1..=10 {
        virtual_device.state().set(unit, 0, &[500; 21]);
        virtual_device.state().discrete.insert((unit, 0), true);
    }
    let mut image = ImageBuilder::default();
    let transport = format!("tcp = \"{}\"", virtual_device.address);
    let site = |unit: u8| format!("name = \"unit {unit}\"\nunit_id = {unit}");
    let file = BATTERY.replace("poll_s = 0.05", "poll_s = 0.1");
    let devices = (1..=10).map(|unit| device(&file, &transport, &site(unit), &mut image)).collect();
    let mut rig = Rig::start(devices, image);
    until("all are read", || (0..10).all(|index| rig.point_of(index, "soc").quality == Quality::Good)).await;
    // Both rates from one run: what else the machine does weighs on either.
    let healthy = polls_a_second(&rig).await;
    virtual_device.state().dead.insert(10);
    let beside_a_dead_one = polls_a_second(&rig).await;
    for (unit, (before, after)) in healthy.iter().zip(beside_a_dead_one).enumerate().take(9) {
        let share = after / before;
        assert!(share >= 0.9, "unit {} kept {:.1} % of its rate", unit + 1, share * 100.0);
        assert_eq!(rig.point_of(unit, "soc").quality, Quality::Good);
    }
    assert_eq!(rig.point_of(9, "soc").quality, Quality::CommLost);
    virtual_device.state().dead.clear();
    until("the dead unit is back", || rig.point_of(9, "soc").quality == Quality::Good).await;
    assert_eq!(rig.events(EventKind::UnitSilent).len(), 1);
    rig.stop().await;
}

/// Polls a second of every device over six seconds.
async fn polls_a_second(rig: &Rig) -> Vec<f64> {
    let polls = || rig.running.devices.iter().map(|device| device.counters.values().polls).collect::<Vec<_>>();
    let (before, start) = (polls(), Instant::now());
    sleep(Duration::from_secs(6)).await;
    let seconds = start.elapsed().as_secs_f64();
    before.iter().zip(polls()).map(|(before, after)| (after - before) as f64 / seconds).collect()
}

#[tokio::test]
async fn two_units_of_a_line_that_was_silent_for_a_while_are_back_soon_after_it_answers_again() {
    let virtual_device = VirtualDevice::start().await;
    for unit in 1..=2 {
        virtual_device.state().set(unit, 0, &[500; 21]);
        virtual_device.state().discrete.insert((unit, 0), true);
    }
    let proxy = FaultProxy::start(virtual_device.address, Framing::Rtu).await;
    let transport = format!("rtu_over_tcp = \"{}\"", proxy.address);
    let mut image = ImageBuilder::default();
    let site = |unit: u8| format!("name = \"unit {unit}\"\nunit_id = {unit}");
    let devices = (1..=2).map(|unit| device(BATTERY, &transport, &site(unit), &mut image)).collect();
    let mut rig = Rig::start(devices, image);
    let all = |rig: &Rig, quality| (0..2).all(|index| rig.point_of(index, "soc").quality == quality);
    until("both are read", || all(&rig, Quality::Good)).await;
    let start = Instant::now();
    virtual_device.state().dead.extend([1, 2]);
    until("both are lost", || all(&rig, Quality::CommLost)).await;
    sleep(Duration::from_millis(2500).saturating_sub(start.elapsed())).await;
    virtual_device.state().dead.clear();
    let silent = start.elapsed();
    let back = until("both are back", || all(&rig, Quality::Good)).await;
    println!("silent for {silent:?}, back {back:?} after that");
    // A third of the silence, a lost attempt and what settles after it; it was twenty attempts.
    assert!(back < silent / 2 + Duration::from_secs(1), "{back:?}");
    assert_eq!(rig.events(EventKind::UnitBack).len(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_device_that_is_busy_for_longer_than_a_value_may_age_is_told_and_the_value_is_stale() {
    let file = BATTERY.replace("signal = \"soc\"", "signal = \"soc\"\nage_max_s = 0.4");
    let device = VirtualDevice::start().await;
    at_rest(&device);
    for code in [5, 6] {
        let mut rig = Rig::battery_with(&file, &format!("tcp = \"{}\"", device.address), "");
        until("the first values are there", || rig.point("soc").quality == Quality::Good).await;
        device.state().exceptions.insert(1, code);
        until("it is stale", || rig.point("soc").quality == Quality::Stale).await;
        assert_eq!(rig.point("soc").value, Some(0.5));
        until("it is told", || !rig.events(EventKind::DeviceFault).is_empty()).await;
        device.state().exceptions.clear();
        until("it is good again", || rig.point("soc").quality == Quality::Good).await;
        assert_eq!(rig.events(EventKind::DeviceFault).len(), 1, "once for each time");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_probe_reads_every_point_once_and_writes_nothing() {
    let virtual_device = VirtualDevice::start().await;
    at_rest(&virtual_device);
    virtual_device.set(0, &[423, 1000]);
    virtual_device.state().holding.remove(&(1, 11));
    let transport = format!("tcp = \"{}\"", virtual_device.address);
    let battery = device(BATTERY, &transport, "", &mut ImageBuilder::default());
    let results = probe(&battery).await;
    assert_eq!(results.len(), battery.points.len());
    assert!(matches!(results[0].value, ProbeValue::Number(soc) if (soc - 0.423).abs() < 1e-9));
    assert_eq!(results[0].cells, [423]);
    assert_eq!(results[1].value, ProbeValue::Number(-10.0));
    assert!(matches!(&results[3].value, ProbeValue::Failed(why) if why.contains("illegal data address")));
    assert!(virtual_device.written().is_empty());
}
