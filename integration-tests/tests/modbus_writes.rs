//! The write path against every hazard: unanswered, unapplied, clamped, reverted, late, under local control, in flash.

use memg_core::measurement::Quality;
use memg_gateway::plant_io::event::EventKind;
use memg_gateway::plant_io::modbus::DeviceState;
use memg_integration_tests::fault_proxy::{Fault, FaultProxy, Framing};
use memg_integration_tests::rig::{BATTERY, PERMISSIONS, Rig, at_rest, order, until};
use memg_integration_tests::virtual_device::VirtualDevice;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[path = "modbus_writes/confirm.rs"]
mod confirm;

/// Register of the set-point.
const SETPOINT: u16 = 12;
/// The sequence of a first write: reversion value, its timer, set-point, enable, then the heartbeat.
const SEQUENCE: [u16; 5] = [10, 11, 12, 13, 20];

async fn direct() -> (VirtualDevice, Rig) {
    direct_with(BATTERY, PERMISSIONS).await
}

async fn direct_with(file: &str, site: &str) -> (VirtualDevice, Rig) {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    let rig = Rig::battery_with(file, &format!("tcp = \"{}\"", device.address), site);
    until("the first values are there", || rig.point("soc").quality == Quality::Good).await;
    (device, rig)
}

async fn behind_proxy() -> (VirtualDevice, FaultProxy, Rig) {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    let proxy = FaultProxy::start(device.address, Framing::Tcp).await;
    let rig = Rig::battery(&format!("tcp = \"{}\"", proxy.address));
    until("the first values are there", || rig.point("soc").quality == Quality::Good).await;
    (device, proxy, rig)
}

/// Raw register for a battery power: 10 W per step, + = discharging.
fn raw(battery_kw: f64) -> u16 {
    ((-battery_kw * 100.0) as i16) as u16
}

#[tokio::test]
async fn a_set_point_goes_out_in_its_sequence_and_is_confirmed() {
    let (device, mut rig) = direct().await;
    rig.order(12.5, 1);
    until("it is confirmed", || rig.counters().applied == 1).await;
    assert_eq!(device.written(), SEQUENCE);
    assert_eq!((device.get(SETPOINT), device.get(11), device.get(13)), (raw(12.5), 60, 1));
    assert_eq!(rig.counters().state, DeviceState::Controlled);
    assert_eq!(rig.events(EventKind::NotApplied), [""; 0]);
    rig.stop().await;
}

#[tokio::test]
async fn the_same_set_point_is_written_once_and_the_heartbeat_with_every_order() {
    let (device, rig) = direct().await;
    for cycle in 1..=10 {
        rig.order(5.0, cycle);
        until("the heartbeat is stroked", || rig.counters().heartbeats == cycle).await;
    }
    sleep(Duration::from_millis(200)).await;
    let of = |address: u16| device.written().iter().filter(|written| **written == address).count();
    assert_eq!((of(SETPOINT), of(20)), (1, 10), "a heartbeat comes from a completed cycle, not from a timer");
    rig.stop().await;
}

#[tokio::test]
async fn the_watchdog_is_refreshed_at_half_its_time_while_orders_come_and_not_after() {
    let watchdog = Duration::from_secs(2);
    let file = BATTERY.replace("watchdog_s = 60", "watchdog_s = 2");
    let (device, rig) = direct_with(&file, &format!("order_ttl_s = 2.5\n{PERMISSIONS}")).await;
    let start = Instant::now();
    let mut cycle = 0;
    while start.elapsed() < watchdog * 3 {
        cycle += 1;
        rig.order(5.0, cycle);
        sleep(Duration::from_millis(50)).await;
    }
    let times: Vec<Instant> =
        device.state().writes.iter().filter(|write| write.address == SETPOINT).map(|write| write.at).collect();
    let pauses: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // In time for the device, and not much more often than its memory has to bear.
    assert!(pauses.len() >= 3 && pauses.iter().all(|pause| *pause < watchdog), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause > watchdog / 4), "{pauses:?}");
    sleep(Duration::from_millis(2600)).await;
    let writes = device.written().len();
    sleep(watchdog).await;
    assert_eq!(device.written().len(), writes, "without orders nothing is refreshed: the device falls back");
    assert!(rig.counters().orders_expired >= 1);
    rig.stop().await;
}

#[tokio::test]
async fn an_order_that_is_too_old_is_not_written() {
    let (device, rig) = direct_with(BATTERY, &format!("order_ttl_s = 0.1\n{PERMISSIONS}")).await;
    let old = order(5.0, 1);
    sleep(Duration::from_millis(150)).await;
    rig.orders.send_replace(Some(old));
    sleep(Duration::from_millis(200)).await;
    assert!(device.written().is_empty());
    assert_eq!(rig.counters().orders_expired, 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_write_that_is_acknowledged_but_not_applied_is_told_once_and_tried_again() {
    let (device, mut rig) = direct().await;
    device.state().ignores_writes = true;
    rig.order(5.0, 1);
    until("it is noticed", || rig.counters().not_applied >= 1).await;
    assert_eq!(rig.events(EventKind::NotApplied).len(), 1);
    device.state().ignores_writes = false;
    // The pause before the next attempt is 5 s; orders keep coming meanwhile.
    let start = Instant::now();
    while rig.counters().applied == 0 {
        assert!(start.elapsed() < Duration::from_secs(60));
        rig.order(5.0, 2);
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(device.get(SETPOINT), raw(5.0));
    assert_eq!((rig.events(EventKind::NotApplied).len(), rig.events(EventKind::Applied).len()), (1, 1));
    rig.stop().await;
}

#[tokio::test]
async fn a_clamped_set_point_and_one_that_somebody_changed_are_noticed() {
    let (device, mut rig) = direct().await;
    rig.order(-20.0, 1);
    until("it is confirmed", || rig.counters().applied == 1).await;
    device.set(SETPOINT, &[raw(-3.0)]);
    until("the change is noticed", || rig.counters().reverted == 1).await;
    assert_eq!(rig.events(EventKind::Reverted).len(), 1);
    rig.stop().await;

    let (device, mut rig) = direct().await;
    device.state().clamp.insert(SETPOINT, 1000);
    rig.order(-20.0, 1);
    until("the clamp is noticed", || rig.counters().not_applied == 1).await;
    let told = rig.events(EventKind::NotApplied);
    assert!(told[0].contains("acknowledged -20 kW, reads back -10 kW"), "{told:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_set_point_lost_by_a_device_that_restarted_behind_its_gateway_is_sent_again_at_once() {
    let (device, mut rig) = direct().await;
    rig.order(5.0, 1);
    until("it is confirmed", || rig.counters().applied == 1).await;
    sleep(Duration::from_millis(5100)).await;
    rig.order(5.0, 2);
    at_rest(&device);
    let resumed = until("control resumes", || device.get(13) == 1 && device.get(SETPOINT) == raw(5.0)).await;
    // The pause after a write that was not applied is 5 s, that of the refresh 30 s: "at once" is neither.
    assert!(resumed < Duration::from_secs(4), "{resumed:?}");
    assert_eq!(rig.events(EventKind::Reverted).len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn an_unanswered_write_is_unknown_until_the_device_was_read() {
    for (fault, became) in [(Fault::LoseAnswer, "was applied"), (Fault::LoseRequest, "was not applied")] {
        let (device, proxy, mut rig) = behind_proxy().await;
        device.state().requests.clear();
        // The third write of the sequence is the set-point.
        proxy.inject_on_write(&[Fault::None, Fault::None, fault]);
        rig.order(5.0, 1);
        until("it is unknown", || rig.events(EventKind::WriteUnknown).len() == 1).await;
        until("it is settled", || rig.counters().applied == 1).await;
        let told = rig.events(EventKind::Reconciled);
        assert!(told.len() == 1 && told[0].contains(became), "{fault:?}: {told:?}");
        assert_eq!(device.get(SETPOINT), raw(5.0));
        let requests: Vec<(u8, u16)> = device.state().requests.clone();
        let writes: Vec<usize> = (0..requests.len()).filter(|index| requests[*index] == (6, 10)).collect();
        let between = &requests[writes[0]..writes[1]];
        assert!(between.contains(&(3, 10)), "the registers are read before they are written again: {between:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_foreign_echo_costs_the_connection_and_the_sequence_starts_over() {
    for fault in [Fault::FlipBit, Fault::Transaction, Fault::Reset, Fault::Delay(Duration::from_millis(300))] {
        let (device, proxy, mut rig) = behind_proxy().await;
        proxy.inject_on_write(&[Fault::None, fault]);
        rig.order(5.0, 1);
        until("it is applied in the end", || rig.counters().applied == 1).await;
        assert_eq!(rig.events(EventKind::WriteUnknown).len(), 1, "{fault:?}");
        let written = device.written();
        assert_eq!(&written[..2], &SEQUENCE[..2], "{fault:?}");
        assert_eq!(&written[2..6], &SEQUENCE[..4], "{fault:?}: all of it again, in order");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_refused_write_is_told_once_and_left_alone_for_a_while() {
    let (device, mut rig) = direct().await;
    device.state().refused_writes.insert(SETPOINT, 3);
    let start = Instant::now();
    let mut cycle = 0;
    while start.elapsed() < Duration::from_millis(500) {
        cycle += 1;
        rig.order(5.0, cycle);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rig.events(EventKind::WriteRejected).len(), 1);
    assert_eq!(rig.counters().writes_failed, 1);
    rig.stop().await;
}

#[tokio::test]
async fn under_local_control_nothing_is_written_and_afterwards_everything_is() {
    let (device, mut rig) = direct().await;
    rig.order(5.0, 1);
    until("it is confirmed", || rig.counters().applied == 1).await;
    device.state().discrete.insert((1, 0), false);
    until("local control is told", || rig.events(EventKind::LocalControl).len() == 1).await;
    assert_eq!(rig.counters().state, DeviceState::Local);
    let writes = device.written().len();
    for cycle in 2..12 {
        rig.order(6.0, cycle);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(device.written().len(), writes);
    // Somebody left another set-point behind.
    device.set(SETPOINT, &[raw(1.0)]);
    device.state().discrete.insert((1, 0), true);
    until("remote control is told", || rig.events(EventKind::RemoteControl).len() == 1).await;
    rig.order(6.0, 12);
    until("it is confirmed again", || rig.counters().applied == 2).await;
    assert_eq!(device.get(SETPOINT), raw(6.0));
    assert_eq!(device.written()[writes..writes + 4], SEQUENCE[..4]);
    rig.stop().await;
}

#[tokio::test]
async fn nothing_is_written_before_it_is_known_who_controls_the_device() {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    device.state().discrete.clear();
    let rig = Rig::battery(&format!("tcp = \"{}\"", device.address));
    until("the registers are read", || rig.point("soc").quality == Quality::Good).await;
    for cycle in 1..10 {
        rig.order(5.0, cycle);
        sleep(Duration::from_millis(20)).await;
    }
    assert!(device.written().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn what_the_site_does_not_permit_is_never_written() {
    let (device, mut rig) = direct_with(BATTERY, "write = [{ point = \"setpoint\", range = [-10, 10] }]").await;
    rig.order(15.0, 1);
    until("it is refused", || rig.events(EventKind::WriteRefused).len() == 1).await;
    assert!(device.written().is_empty());
    rig.order(10.0, 2);
    until("what is permitted passes", || rig.counters().applied == 1).await;
    assert_eq!(device.written(), SEQUENCE[..4], "the heartbeat is not permitted here");
    rig.stop().await;
}

#[tokio::test]
async fn flash_memory_is_written_on_change_only_within_its_budget_and_not_for_what_it_holds() {
    let flash = "non_volatile = true\nwrites_per_day_max = 3\n";
    let file = BATTERY.replace("watchdog_s = 60\n", flash);
    let site = "write = [{ point = \"setpoint\", range = [-50, 50] }]";
    let device = VirtualDevice::start().await;
    at_rest(&device);
    device.set(10, &[0, 60, raw(5.0), 1]);
    let mut rig = Rig::battery_with(&file, &format!("tcp = \"{}\"", device.address), site);
    for cycle in 1..20 {
        rig.order(5.0, cycle);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(device.written().is_empty(), "it held the value already");
    for (cycle, kw) in (20..).zip([6.0, 7.0, 8.0]) {
        rig.order(kw, cycle);
        until("it is written", || device.get(SETPOINT) == raw(kw)).await;
    }
    rig.order(9.0, 30);
    until("the budget is told", || rig.events(EventKind::WriteRefused).len() == 1).await;
    assert_eq!((device.get(SETPOINT), rig.counters().non_volatile_writes), (raw(8.0), 3));
    rig.stop().await;
}

#[tokio::test]
async fn after_a_hundred_restarts_of_the_device_control_resumes_within_two_cycles_each_time() {
    const CYCLE: Duration = Duration::from_millis(250);
    let (mut device, rig) = direct().await;
    let orders = rig.orders.clone();
    let cycles = tokio::spawn(async move {
        for cycle in 1.. {
            orders.send_replace(Some(order(5.0, cycle)));
            sleep(CYCLE).await;
        }
    });
    until("it is controlled", || rig.counters().applied == 1).await;
    let mut slowest = Duration::ZERO;
    for restart in 0..100 {
        device.switch_off().await;
        // The device comes back with its defaults: disabled, set-point 0.
        at_rest(&device);
        device.state().writes.clear();
        if restart % 10 == 0 {
            sleep(CYCLE).await;
        }
        device.switch_on().await;
        let resumed = until("control resumes", || device.get(13) == 1 && device.get(SETPOINT) == raw(5.0)).await;
        slowest = slowest.max(resumed);
        assert_eq!(device.written()[..4], SEQUENCE[..4]);
    }
    cycles.abort();
    println!("100 restarts, cycle {CYCLE:?}: control resumed after at most {slowest:?}");
    assert!(slowest <= CYCLE * 2, "{slowest:?}");
    rig.stop().await;
}
