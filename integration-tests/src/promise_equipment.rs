//! What battery and CHP of the plant of promises do with their registers.

use crate::promise_plant::{ACTUATORS, BATTERY_SETPOINT, CHP_RUN, CHP_SETPOINT, unit_of};
use crate::virtual_device::{State, VirtualDevice};
use crate::words::{cells, float};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// How the equipment behaves.
#[derive(Debug, Default)]
pub struct Behaviour {
    /// The battery stays where it is.
    pub battery_sticks: AtomicBool,
    /// The CHP has stopped by itself.
    pub chp_tripped: AtomicBool,
    /// The CHP runs at its minimum power, whatever it is told.
    pub chp_sticks: AtomicBool,
    /// What the CHP's meters show is somebody else's business.
    pub chp_is_mute: AtomicBool,
}

/// Writes what a meter shows.
pub(crate) fn set(state: &mut State, signal: &str, value: f32) {
    let (flag, words) = ([u16::from(value >= 0.5)], cells(value));
    state.set(unit_of(signal), 0, if signal == "chp_on" { &flag } else { &words });
}

pub(crate) async fn run_equipment(device: Arc<VirtualDevice>, behaviour: Arc<Behaviour>) {
    loop {
        follow(&mut device.state(), &behaviour);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Battery and CHP follow their registers at once. All of it under one lock: whoever has changed how they behave and then writes a
/// meter is not overwritten.
fn follow(state: &mut State, behaviour: &Behaviour) {
    let cell = |address| state.holding.get(&(ACTUATORS, address)).copied().unwrap_or(0);
    let wanted = |address| float(&[cell(address), cell(address + 1)]);
    let (battery, chp, runs) = (wanted(BATTERY_SETPOINT), wanted(CHP_SETPOINT).max(10.0), cell(CHP_RUN) == 1);
    if !behaviour.battery_sticks.load(Ordering::Relaxed) {
        set(state, "battery_kw", battery);
    }
    if behaviour.chp_is_mute.load(Ordering::Relaxed) {
        return;
    }
    let [sticks, tripped] = [&behaviour.chp_sticks, &behaviour.chp_tripped].map(|flag| flag.load(Ordering::Relaxed));
    let runs = runs && !tripped;
    set(state, "chp_on", f32::from(u8::from(runs)));
    set(
        state,
        "chp_kw",
        if !runs {
            0.0
        } else if sticks {
            10.0
        } else {
            chp
        },
    );
}
