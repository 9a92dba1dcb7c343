//! Set-points that stay unconfirmed: a level that control reads, whatever the reason.

use super::*;

/// Goes on ordering until it is so, as control does.
async fn while_ordered(rig: &Rig, battery_kw: f64, what: &str, mut holds: impl FnMut(&Rig) -> bool) {
    let start = Instant::now();
    for cycle in 1.. {
        assert!(start.elapsed() < Duration::from_secs(20), "after 20 s still not: {what}");
        rig.order(battery_kw, cycle);
        sleep(Duration::from_millis(20)).await;
        if holds(rig) {
            return;
        }
    }
}

/// With this permission nothing but the set-point is written, and it has 0.4 s to be confirmed.
const SETPOINT_ONLY: &str = "confirm_s = 0.4\nwrite = [{ point = \"setpoint\", range = [-50, 50] }]";

/// What a device may do to a set-point, and the word that the fault says it with.
type Trouble = (fn(&VirtualDevice), &'static str);

#[tokio::test]
async fn a_set_point_that_stays_unconfirmed_is_a_fault_whatever_the_reason() {
    let troubles: [Trouble; 7] = [
        (|device| device.state().ignores_writes = true, "reads back"),
        (
            |device| {
                device.state().clamp.insert(SETPOINT, 50);
            },
            "acknowledged -4 kW, reads back -0.5 kW",
        ),
        (
            |device| {
                device.state().refused_writes.insert(SETPOINT, 6);
            },
            "exception 6",
        ),
        (
            |device| {
                device.state().refused_writes.insert(SETPOINT, 3);
            },
            "exception 3",
        ),
        (
            |device| {
                device.state().refused_writes.insert(13, 4);
            },
            "exception 4",
        ),
        (
            |device| {
                device.state().discrete.insert((1, 0), false);
            },
            "local control",
        ),
        (
            |device| {
                device.state().dead.insert(1);
            },
            "it was connected",
        ),
    ];
    for (trouble, word) in troubles {
        let (device, rig) = direct_with(BATTERY, SETPOINT_ONLY).await;
        assert_eq!(rig.unconfirmed(), None);
        trouble(&device);
        while_ordered(&rig, -4.0, word, |rig| rig.unconfirmed().is_some_and(|told| told.contains(word))).await;
        let told = rig.unconfirmed().unwrap_or_default();
        assert!(told.starts_with("battery: setpoint = -4 kW is not confirmed within 0.4 s: "), "{told}");
        rig.orders.send_replace(None);
        until("what is not ordered is no fault", || rig.unconfirmed().is_none()).await;
        rig.stop().await;
    }
}

#[tokio::test]
async fn ninety_rejected_writes_are_a_fault_that_ends_when_the_device_takes_the_set_point() {
    let (device, mut rig) = direct_with(BATTERY, SETPOINT_ONLY).await;
    device.state().refused_writes.insert(SETPOINT, 6);
    while_ordered(&rig, 5.0, "it is a fault", |rig| rig.unconfirmed().is_some()).await;
    device.state().refused_writes.clear();
    while_ordered(&rig, 5.0, "it is over", |rig| rig.unconfirmed().is_none()).await;
    assert_eq!((device.get(SETPOINT), rig.counters().applied), (raw(5.0), 1));
    // One that is confirmed and then changed by somebody else is one, too, until it is in force again.
    device.set(SETPOINT, &[raw(1.0)]);
    device.state().refused_writes.insert(SETPOINT, 6);
    while_ordered(&rig, 5.0, "it is a fault again", |rig| rig.unconfirmed().is_some()).await;
    assert_eq!(rig.events(EventKind::Reverted).len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_set_point_that_changes_with_every_cycle_and_is_followed_is_no_fault() {
    let late = BATTERY.replace("tolerance = 10\n", "tolerance = 10\nreadback_delay_s = 0.2\n");
    let (_device, rig) = direct_with(&late, SETPOINT_ONLY).await;
    let start = Instant::now();
    for cycle in 1.. {
        rig.order((cycle % 19) as f64, cycle);
        sleep(Duration::from_millis(50)).await;
        assert_eq!(rig.unconfirmed(), None, "it follows 0.2 s later");
        if start.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    rig.stop().await;
}
