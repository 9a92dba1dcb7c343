//! The first action: searched in whole watts on the exact plant, with the value of what it leads to behind it.
//!
//! Every candidate goes through the safety filter, so what is compared is what would be written, and the request that wins
//! is one that the filter leaves as it is. Candidates are the points at which cost or value have kinks: ends of what ramps
//! allow, no exchange with the grid, heat demand just met, levels of the grid of states; around the best of them the search
//! goes on down to a watt.

use super::chp_states::ChpNow;
use super::grid::{After, Grid};
use super::tables::Tables;
use crate::constraint::{Anchor, Context, Limits, OnStates, Priority, Span, limits};
use crate::dispatch::{Dispatch, Prices, Running, starts};
use crate::policy::PolicyInput;
use crate::safety::{SafetyFilter, Verdict};
use crate::setpoints::Setpoints;
use crate::units::{Kilowatts, Watts};

/// The search around the best candidate begins with this part of the battery's and CHPs' ratings, and is halved to a watt.
const FIRST_PART: i64 = 256;
/// Most rounds of it: it ends after half of them unless it goes on finding something better.
const ROUNDS: usize = 48;
/// Battery powers between the ends, in parts of the span.
const PARTS: i64 = 6;

/// The best request and what it leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct First {
    pub battery: Watts,
    pub chp: Watts,
    pub after: After,
    cost: f64,
}

impl First {
    pub fn setpoints(&self) -> Setpoints {
        Setpoints { battery: self.battery.kilowatts(), chp: self.chp.kilowatts(), grid: None }
    }
}

/// Finds the request with the least cost of this step and value from planning step `step` on; `None` if no cost is a number.
pub(super) fn first(input: &PolicyInput<'_>, grid: &Grid, tables: &Tables, step: usize) -> Option<First> {
    let anchor = input.memory.anchor(input.plant.step_ms());
    let context = Context { plant: input.plant, situation: input.situation, anchor: &anchor };
    let limits = limits(&context, Priority::BatteryRamp);
    let filter = SafetyFilter::new(*input.plant);
    let mut search = Search { input, filter, anchor, grid, tables, step, best: None };
    let battery = limits.battery();
    search.chps(&limits).each(|chp| search.batteries(battery, chp).each(|battery| search.offer(battery, chp)));
    search.refine();
    search.best
}

/// A few powers.
struct Few {
    powers: [Watts; 64],
    count: usize,
}

impl Few {
    const fn none() -> Self {
        Self { powers: [Watts::ZERO; 64], count: 0 }
    }

    fn add(&mut self, power: Watts) {
        if self.powers.iter().take(self.count).any(|known| *known == power) {
            return;
        }
        if let Some(slot) = self.powers.get_mut(self.count) {
            (*slot, self.count) = (power, self.count + 1);
        }
    }

    /// Adds what lies within a span, and the ends of it for what does not.
    fn add_within(&mut self, kw: f64, span: Span) {
        self.add(Watts::nearest(Kilowatts::new(kw)).within(span.low.value, span.high.value));
    }

    /// Adds what lies within a span.
    fn add_inside(&mut self, kw: f64, span: Span) {
        let power = Watts::nearest(Kilowatts::new(kw));
        if span.contains(power) {
            self.add(power);
        }
    }

    fn each(&self, mut call: impl FnMut(Watts)) {
        self.powers.iter().take(self.count).for_each(|power| call(*power));
    }
}

struct Search<'a> {
    input: &'a PolicyInput<'a>,
    filter: SafetyFilter,
    anchor: Anchor,
    grid: &'a Grid,
    tables: &'a Tables,
    step: usize,
    best: Option<First>,
}

impl Search<'_> {
    /// Powers of all CHPs together that are worth looking at; 0 is off.
    fn chps(&self, limits: &Limits) -> Few {
        let mut few = Few::none();
        let present = OnStates::of(self.input.memory);
        if present.any() {
            self.running(limits.chp(present), limits.battery(), &mut few);
        }
        few.add(Watts::ZERO);
        for (index, unit) in limits.chps().iter().enumerate() {
            if !present.contains(index) && unit.may_run.is_ok() {
                few.add(
                    unit.power.low.value + if present.any() { limits.chp(present).high.value } else { Watts::ZERO },
                );
            }
        }
        few
    }

    fn running(&self, span: Span, battery: Span, few: &mut Few) {
        let plant = self.input.plant;
        few.add_within(self.input.memory.chp().kilowatts().get(), span);
        few.add(span.low.value);
        few.add(span.high.value);
        few.add_within(self.input.situation.heat_load.get() / plant.chp().heat_per_power.max(1e-9), span);
        let net = self.input.situation.net_load().get();
        for battery in [battery.low.value, Watts::ZERO, battery.high.value] {
            few.add_inside(net + battery.kilowatts().get(), span);
        }
        self.grid.chp.powers().for_each(|kw| few.add_inside(kw, span));
    }

    /// Battery powers that are worth looking at beside a CHP power.
    fn batteries(&self, span: Span, chp: Watts) -> Few {
        let mut few = Few::none();
        few.add_within(0.0, span);
        few.add_within((chp.kilowatts() - self.input.situation.net_load()).get(), span);
        let (low, high) = (span.low.value, span.high.value);
        for part in 0..=PARTS {
            few.add(Watts::new(low.get() + (high - low).get() * part / PARTS));
        }
        self.grid.battery.kw.iter().for_each(|kw| few.add_inside(*kw, span));
        for level in 0..self.grid.soc.count {
            few.add_inside(self.battery_to(self.grid.soc.soc(level)), span);
        }
        few
    }

    /// The power that leads to a state of charge, kW; infinite without a battery.
    fn battery_to(&self, soc: f64) -> f64 {
        let b = self.input.plant.battery();
        let stored = (soc - self.input.situation.soc.get()) * b.capacity_kwh / self.input.plant.step_h();
        if stored > 0.0 { stored / b.efficiency_store } else { stored * b.efficiency_dispatch }
    }

    /// Smaller and smaller moves around the best: of the battery, of the CHP, and of both with the exchange kept.
    fn refine(&mut self) {
        let plant = self.input.plant;
        let ratings = plant.charge_max() + plant.discharge_max() + plant.chp_max();
        let mut distance = (ratings.get() / FIRST_PART).max(1);
        for _ in 0..ROUNDS {
            let Some(best) = self.best.filter(|_| distance > 0) else { return };
            for (battery, chp) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)] {
                let moved = |power: Watts, way: i64| power + Watts::new(way * distance);
                // A CHP that is off does not move by a watt.
                if chp == 0 || best.chp > Watts::ZERO {
                    self.offer(moved(best.battery, battery), moved(best.chp, chp));
                }
            }
            if self.best == Some(best) {
                distance /= 2;
            }
        }
    }

    fn offer(&mut self, battery: Watts, chp: Watts) {
        let request = Setpoints { battery: battery.kilowatts(), chp: chp.kilowatts(), grid: None };
        let verdict = self.filter.filter(self.input.situation, &self.anchor, &request);
        let found = self.judged(&verdict);
        if self.best.is_none_or(|best| found.cost < best.cost) && found.cost.is_finite() {
            self.best = Some(found);
        }
    }

    fn judged(&self, verdict: &Verdict) -> First {
        let PolicyInput { plant, situation, memory, .. } = *self.input;
        // Without the droop response, which no plan counts on.
        let battery = verdict.battery_base.into_iter().sum::<Watts>();
        let running = Running { battery, ..(&verdict.safe).into() };
        let prices = Prices { import: situation.import_price, export: situation.export_price };
        let cost = Dispatch::of(plant, situation, &running).cost(plant, prices, false, plant.step());
        let (_, start_cost) = starts(plant, &verdict.safe, memory);
        let after = self.after(verdict, battery);
        let value = self.tables.value(self.grid, self.step, &after);
        First { battery, chp: verdict.safe.chp(), after, cost: (cost + start_cost).get() + value }
    }

    /// What the next step begins with.
    fn after(&self, verdict: &Verdict, battery: Watts) -> After {
        let PolicyInput { plant, situation, memory, .. } = *self.input;
        let on = verdict.safe.chp_on();
        let before_ms = if on == memory.chp_on() { memory.chp_in_state_ms() } else { 0 };
        let chp = ChpNow {
            on,
            kw: verdict.safe.chp().kilowatts().get(),
            in_state_ms: before_ms.saturating_add(plant.step_ms()),
        };
        let battery_kw = battery.kilowatts().get();
        let soc = self.grid.soc_after(situation.soc.get(), battery_kw, plant.step_h());
        After { chp, battery_kw, soc }
    }
}
