//! What the plant's meters show: what the plant does, unless a row makes a meter lie.

use super::Dice;
use crate::promise_plant::{ACTUATORS, BATTERY_SETPOINT, CHP_RUN, CHP_SETPOINT, unit_of};
use crate::virtual_device::VirtualDevice;
use crate::words::{cells, float};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a row has made of the plant.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Load, PV, wind, kW; frequency, Hz; state of charge, 0..1; import and export that are allowed, kW.
    pub values: BTreeMap<&'static str, f32>,
}

impl Truth {
    fn at_rest() -> Self {
        let values = [
            ("electric_load_kw", 40.0),
            ("pv_kw", 0.0),
            ("wind_kw", 0.0),
            ("soc", 0.5),
            ("frequency_hz", 50.0),
            ("import_limit", 100.0),
            ("export_limit", 80.0),
        ];
        Self { values: BTreeMap::from(values) }
    }

    /// One of them; 0 for what is not among them.
    #[must_use]
    pub fn get(&self, name: &str) -> f32 {
        self.values.get(name).copied().unwrap_or(0.0)
    }
}

/// The plant's course, and which meters lie.
#[derive(Debug, Clone)]
pub struct Shown {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    lies: BTreeSet<String>,
    /// Since when the plant has been like that.
    course: Vec<(Instant, Truth)>,
    /// Before this instant the gateway may not have known yet.
    settled: Instant,
}

impl Shown {
    /// A plant at rest, whose meters are kept up to date until the task is aborted.
    pub fn begin(device: &Arc<VirtualDevice>, dice: Dice) -> (Self, tokio::task::JoinHandle<()>) {
        let now = Instant::now();
        let state = State { lies: BTreeSet::new(), course: vec![(now, Truth::at_rest())], settled: now };
        let shown = Self { state: Arc::new(Mutex::new(state)) };
        let task = tokio::spawn(keep(shown.clone(), device.clone(), dice));
        (shown, task)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This meter shows what it is made to from now on.
    pub fn lies(&self, signal: &str) {
        self.state().lies.insert(signal.to_owned());
    }

    /// And the truth again.
    pub fn tells(&self, signal: &str) {
        self.state().lies.remove(signal);
    }

    /// The plant is like that from now on.
    pub fn becomes(&self, name: &str, value: f32) {
        let mut state = self.state();
        let Some((_, mut truth)) = state.course.last().cloned() else { return };
        let slot = truth.values.iter_mut().find(|(known, _)| **known == name);
        let (_, slot) = slot.unwrap_or_else(|| panic!("{name} is no part of the truth"));
        *slot = value;
        state.course.push((Instant::now(), truth));
    }

    /// The gateway has had time to see what the plant is like.
    pub fn settle(&self) {
        self.state().settled = Instant::now();
    }

    /// What the plant was like at that instant, and what the gateway may still have believed: any of these.
    #[must_use]
    pub fn believed(&self, at: Instant) -> Vec<Truth> {
        let state = self.state();
        let until = state.course.iter().take_while(|(since, _)| *since <= at);
        let known: Vec<&(Instant, Truth)> = until.collect();
        let settled = state.settled.min(at);
        let first = known.iter().rposition(|(since, _)| *since <= settled).unwrap_or(0);
        known.iter().skip(first).map(|(_, truth)| truth.clone()).collect()
    }

    /// What the plant is like now.
    #[must_use]
    pub fn now(&self) -> Truth {
        self.state().course.last().map_or_else(Truth::at_rest, |(_, truth)| truth.clone())
    }

    /// Shows the truth unless the meter lies; a lie that begins meanwhile waits until it is shown.
    fn tell(&self, signal: &str, show: impl FnOnce()) {
        let state = self.state();
        if !state.lies.contains(signal) {
            show();
        }
    }
}

/// Meters show what is; the load trembles by half a kilowatt, which a hostile policy makes the most of.
async fn keep(shown: Shown, device: Arc<VirtualDevice>, mut dice: Dice) {
    loop {
        let truth = shown.now();
        let load = truth.get("electric_load_kw") + dice.below(1000) as f32 / 1000.0 - 0.5;
        let (battery, chp) = told(&device);
        let grid = load + battery - chp - truth.get("pv_kw") - truth.get("wind_kw");
        let measured = [
            ("electric_load_kw", load),
            ("grid_kw", grid),
            ("pv_kw", truth.get("pv_kw")),
            ("wind_kw", truth.get("wind_kw")),
            ("soc", truth.get("soc")),
            ("frequency_hz", truth.get("frequency_hz")),
        ];
        for (signal, value) in measured {
            shown.tell(signal, || device.state().set(unit_of(signal), 0, &cells(value)));
        }
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
}

/// Battery and CHP by their registers, kW.
fn told(device: &VirtualDevice) -> (f32, f32) {
    let state = device.state();
    let cell = |address| state.holding.get(&(ACTUATORS, address)).copied().unwrap_or(0);
    let number = |address: u16| float(&[cell(address), cell(address + 1)]);
    let chp = if cell(CHP_RUN) == 1 { number(CHP_SETPOINT).max(10.0) } else { 0.0 };
    (number(BATTERY_SETPOINT), chp)
}
