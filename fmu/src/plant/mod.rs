//! `memg_plant`: the environment as a model. Set-points in, measurements out.
//!
//! Exogenous values come from a profile, row `k` from `start + k * sample_time` on. At a communication point the outputs
//! are what meters show there: the new row's sources and loads, with equipment still running at the set-points of the
//! last communication step. Equipment protects itself (ratings, ends of the SoC band) and keeps no rule beyond that.

mod table;

pub use table::*;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::limits;
use crate::price_ahead;
use crate::resources::Resources;
use crate::series_text;
use crate::units::{self, reference};
use crate::variable::{Store, Value};
use memg_core::dispatch::{Dispatch, Running};
use memg_core::equipment::{BatteryUnit, Plant, UNITS_MAX};
use memg_core::extended::PRICE_HOURS;
use memg_core::outlook::OUTLOOK_HOURS;
use memg_core::profile::{Profile, ProfileRow, ProfileView};
use memg_core::series::{Known, Quantity, Series, hourly_price};
use memg_core::situation::Situation;
use memg_core::units::{Eur, Hours, Kilowatts, Soc, Watts};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What changes while the plant runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlantMemory {
    batteries: [BatteryMemory; UNITS_MAX],
    chps: [ChpMemory; UNITS_MAX],
    renewable_limit: Watts,
    accounts: Accounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct BatteryMemory {
    soc: Soc,
    power: Watts,
    /// The battery's own protection gives less than it was told in this communication step.
    limited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct ChpMemory {
    power: Watts,
    on: bool,
}

/// Sums since the start: EUR and kWh.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Accounts {
    cost: f64,
    import: f64,
    export: f64,
    curtailed: f64,
    unserved: f64,
}

impl Accounts {
    fn add(&mut self, dispatch: &Dispatch, cost: Eur, duration: Hours) {
        let hours = duration.get();
        self.cost += cost.get();
        self.import += dispatch.grid.import().get() * hours;
        self.export += dispatch.grid.export().get() * hours;
        self.curtailed += dispatch.curtailed.get() * hours;
        self.unserved += dispatch.unserved.get() * hours;
    }
}

struct Ready {
    plant: Plant,
    profile: Profile,
    blocks: Vec<Range<usize>>,
    row_start: usize,
}

impl Ready {
    fn index(&self, clock: &Clock) -> usize {
        let ticks = usize::try_from(clock.ticks()).unwrap_or(0);
        (self.row_start + ticks) % self.profile.rows().len().max(1)
    }

    fn row(&self, clock: &Clock) -> ProfileRow {
        self.profile.rows().get(self.index(clock)).copied().unwrap_or_default()
    }

    /// What is known now: day-ahead prices as far as the block of days goes.
    fn view(&self, clock: &Clock) -> ProfileView<'_> {
        let index = self.index(clock);
        let block = self.blocks.iter().find(|block| block.contains(&index)).cloned().unwrap_or(0..0);
        self.profile.view(&block, index, self.plant.steps_per_hour())
    }

    fn price_ahead(&self, clock: &Clock) -> [Option<f64>; PRICE_HOURS] {
        let view = self.view(clock);
        core::array::from_fn(|hour| hourly_price(&view, hour, self.plant.steps_per_hour()))
    }

    /// The same prices and those of export at step length.
    fn outlook(&self, clock: &Clock) -> Series {
        let (view, steps) = (self.view(clock), OUTLOOK_HOURS * self.plant.steps_per_hour());
        let mut series = Series::default();
        for quantity in [Quantity::ImportPrice, Quantity::ExportPrice] {
            *series.column_mut(quantity) = (0..steps).map_while(|step| view.ahead(quantity, step)).map(Some).collect();
        }
        series
    }
}

/// The plant: a profile's weather and loads, and equipment that does what it is told within its own protection.
pub struct PlantModel {
    ready: Option<Ready>,
    memory: PlantMemory,
}

impl PlantModel {
    /// A plant before initialization.
    #[must_use]
    pub fn new() -> Self {
        Self { ready: None, memory: Self::at_rest([0.5; UNITS_MAX]) }
    }

    fn at_rest(socs: [f64; UNITS_MAX]) -> PlantMemory {
        let batteries = socs.map(|soc| BatteryMemory { soc: Soc::new(soc), power: Watts::ZERO, limited: false });
        let chps = [ChpMemory { power: Watts::ZERO, on: false }; UNITS_MAX];
        PlantMemory { batteries, chps, renewable_limit: Watts::new(i64::MAX), accounts: Accounts::default() }
    }

    /// What it remembers.
    #[must_use]
    pub const fn memory(&self) -> PlantMemory {
        self.memory
    }

    /// Replaces what it remembers.
    pub const fn restore(&mut self, memory: PlantMemory) {
        self.memory = memory;
    }

    /// Reads parameters and profile, and computes the measurements at the start.
    ///
    /// # Errors
    /// The parameter that is wrong, or the file that cannot be read.
    pub fn initialise(&mut self, store: &mut Store, resources: &Resources, clock: &Clock) -> Result<(), Fault> {
        let ready = load(store, resources).map_err(Fault::error)?;
        let mut socs = [0.5; UNITS_MAX];
        for (index, soc) in socs.iter_mut().enumerate().take(ready.plant.batteries().len()) {
            *soc = store.real(reference(SOC_START, index));
            if !(0.0..=1.0).contains(soc) {
                let name = units::name("soc_start", index);
                return Err(Fault::error(format!("{name}: expected a number from 0 to 1, found {soc}")));
            }
        }
        self.memory = Self::at_rest(socs);
        self.ready = Some(ready);
        self.publish(store, clock)
    }

    /// Moves to the end of a communication step with the set-points given before it.
    ///
    /// # Errors
    /// The plant is not initialized.
    pub fn advance(&mut self, store: &mut Store, clock: &mut Clock, until: f64) -> Result<(), Fault> {
        self.apply(store)?;
        while !clock.is_now(until) && clock.now() < until {
            let row_ends = clock.next_instant() + clock.period();
            let whole = row_ends <= until || clock.period() > 0.0 && (row_ends - until) / clock.period() < 1e-6;
            let end = if whole { row_ends } else { until };
            self.live(clock, Hours::new((end - clock.now()) / 3600.0))?;
            clock.set_now(end);
            if whole {
                clock.tick();
            }
        }
        self.publish(store, clock)
    }

    /// Takes over the set-points within what the equipment can do. A start costs.
    fn apply(&mut self, store: &Store) -> Result<(), Fault> {
        let ready = self.ready.as_ref().ok_or_else(|| Fault::error("the plant is not initialized"))?;
        let watts = |first, index| Watts::nearest(Kilowatts::new(store.real(reference(first, index))));
        let memory = &mut self.memory;
        for (index, (chp, unit)) in memory.chps.iter_mut().zip(ready.plant.chps().iter()).enumerate() {
            let on = store.boolean(reference(CHP_ON_SET, index));
            if on && !chp.on {
                memory.accounts.cost += unit.parameters.start_cost_eur;
            }
            let power = if on { watts(P_CHP_SET, index).within(unit.min, unit.max) } else { Watts::ZERO };
            *chp = ChpMemory { power, on };
        }
        for (index, (battery, unit)) in memory.batteries.iter_mut().zip(ready.plant.batteries().iter()).enumerate() {
            let wanted = watts(P_BATTERY_SET, index);
            battery.power = wanted.within(-unit.discharge_max, unit.charge_max);
            battery.limited = battery.power != wanted;
        }
        memory.renewable_limit = watts(P_RENEWABLE_MAX, 0).max(Watts::ZERO);
        Ok(())
    }

    fn live(&mut self, clock: &Clock, duration: Hours) -> Result<(), Fault> {
        let ready = self.ready.as_ref().ok_or_else(|| Fault::error("the plant is not initialized"))?;
        let memory = &mut self.memory;
        for (battery, unit) in memory.batteries.iter_mut().zip(ready.plant.batteries().iter()) {
            let protected = within_soc_band(unit, battery.soc, battery.power, duration);
            battery.limited |= protected != battery.power;
            battery.power = protected;
        }
        let row = ready.row(clock);
        let dispatch = Dispatch::of(&ready.plant, &row.situation(soc(ready, memory)), &running(memory));
        let cost = dispatch.cost(&ready.plant, row.prices(), false, duration);
        memory.accounts.add(&dispatch, cost, duration);
        for (battery, unit) in memory.batteries.iter_mut().zip(ready.plant.batteries().iter()) {
            battery.soc = unit.soc_after(battery.soc, battery.power, duration);
        }
        Ok(())
    }

    fn publish(&self, store: &mut Store, clock: &Clock) -> Result<(), Fault> {
        let ready = self.ready.as_ref().ok_or_else(|| Fault::error("the plant is not initialized"))?;
        let memory = &self.memory;
        let row = ready.row(clock);
        let situation = row.situation(soc(ready, memory));
        let dispatch = Dispatch::of(&ready.plant, &situation, &running(memory));
        let into_row = (clock.now() - clock.next_instant()) / 3600.0;
        let hour = (row.time.hour() + into_row).rem_euclid(24.0);
        for (reference, value) in REALS.into_iter().zip(reals(&situation, &dispatch, memory, hour)) {
            store.put(reference, Value::Real(value));
        }
        put_units(store, memory);
        price_ahead::publish(store, PRICE_AHEAD, &ready.price_ahead(clock));
        store.put(OUTLOOK, Value::Text(series_text::write(&ready.outlook(clock))));
        Ok(())
    }
}

impl Default for PlantModel {
    fn default() -> Self {
        Self::new()
    }
}

/// Values of [`REALS`].
fn reals(situation: &Situation, dispatch: &Dispatch, memory: &PlantMemory, hour: f64) -> [f64; 18] {
    let sums = &memory.accounts;
    [
        situation.pv.get(),
        situation.wind.get(),
        situation.electric_load.get(),
        situation.heat_load.get(),
        situation.import_price.get(),
        situation.export_price.get(),
        dispatch.voltage.get(),
        situation.frequency.get(),
        dispatch.grid.signed().get(),
        situation.reactive.get(),
        dispatch.boiler.get(),
        dispatch.curtailed.get(),
        hour,
        sums.cost,
        sums.import,
        sums.export,
        sums.curtailed,
        sums.unserved,
    ]
}

/// What meters show of each unit; what the table does not have is nowhere to be written.
fn put_units(store: &mut Store, memory: &PlantMemory) {
    for (index, (battery, chp)) in memory.batteries.iter().zip(&memory.chps).enumerate() {
        for (first, value) in [
            (SOC, Value::Real(battery.soc.get())),
            (P_BATTERY, Value::Real(battery.power.kilowatts().get())),
            (BATTERY_LIMITED, Value::Boolean(battery.limited)),
            (P_CHP, Value::Real(chp.power.kilowatts().get())),
            (CHP_ON, Value::Boolean(chp.on)),
        ] {
            store.put(reference(first, index), value);
        }
    }
}

/// State of charge of all batteries together.
fn soc(ready: &Ready, memory: &PlantMemory) -> Soc {
    ready.plant.soc_of_all(&memory.batteries.map(|battery| battery.soc))
}

fn running(memory: &PlantMemory) -> Running {
    let battery = memory.batteries.iter().map(|battery| battery.power).sum();
    let chps = memory.chps.map(|chp| chp.power);
    Running { battery, chps, renewable_limit: Some(memory.renewable_limit) }
}

/// What a battery management system leaves of a set-point: `soc_min <= soc + k p dt <= soc_max` for the whole duration,
/// and outside the band only the way back. A controller that sees what it controls never feels it: the filter keeps a
/// margin inside the band. One that is stepped at once with the plant, on the values of the step before, does.
fn within_soc_band(unit: &BatteryUnit, soc: Soc, wanted: Watts, duration: Hours) -> Watts {
    let (low, high) = unit.soc_band();
    let room = |soc_change: f64, per_wh: f64| {
        Watts::floor(Kilowatts::new((soc_change / (per_wh * duration.get())).max(0.0) / 1000.0))
    };
    let b = &unit.parameters;
    let charge = room(high.get() - soc.get(), b.efficiency_store / (1000.0 * b.capacity_kwh));
    let discharge = room(soc.get() - low.get(), 1.0 / (1000.0 * b.capacity_kwh * b.efficiency_dispatch));
    wanted.within(-discharge, charge)
}

fn load(store: &Store, resources: &Resources) -> Result<Ready, String> {
    let plant = limits::plant(store)?;
    let file = store.text(PROFILE_FILE);
    let bytes = resources.read(file).map_err(|error| format!("profile_file: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("profile_file: {file} is not UTF-8 text"))?;
    let profile = Profile::parse_csv(text, plant.parameters().step_h).map_err(|e| format!("profile_file: {e}"))?;
    let first = store.integer(ROW_START);
    let row_start = usize::try_from(first)
        .ok()
        .filter(|row| *row < profile.rows().len())
        .ok_or_else(|| format!("row_start: expected 0 to {}, found {first}", profile.rows().len().saturating_sub(1)))?;
    let blocks = profile.blocks(None);
    Ok(Ready { plant, profile, blocks, row_start })
}
