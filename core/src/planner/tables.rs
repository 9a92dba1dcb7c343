//! Values of all states at all steps, backward from the last one (Bellman).
//!
//! `V_t(c, b, s) = min over c', b' of g_t(c', b') + start(c, c') + V_{t+1}(c', b', s + shift(b'))`, where `c'` is what the CHP may
//! become, `b'` what the battery's ramp allows from `b`, and `V_{t+1}` is interpolated along `s`. What is behind the
//! brackets does not depend on where the step came from, so the minimum is taken over `b'` first and over `c'` then. A
//! state of charge beyond the band costs a penalty for each kWh. Values are relative: each step takes off the value of one
//! state, so that f32 has its digits where differences are.

use super::grid::{After, Grid, Shift};
use super::levels::{count, number};
use super::stage::{Ahead, fill};
use crate::forecast::Forecast;
use crate::series::Quantity;
use crate::units::narrow;

/// More than any plan costs.
const NEVER: f32 = 1e30;

/// What energy in the battery is worth after the last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terminal {
    /// State of charge at which the worth of a kWh changes.
    pub at: f64,
    /// EUR per stored kWh below, and above.
    pub below: f64,
    pub above: f64,
}

impl Terminal {
    /// The mean export price over the forecast times the dispatch efficiency: what a stored kWh is sold for.
    pub fn mean_export(grid: &Grid, forecast: &Forecast) -> Self {
        let [_, export] = means(forecast);
        let slope = (export * grid.plant.battery().efficiency_dispatch).max(0.0);
        Self { at: 0.0, below: slope, above: slope }
    }

    /// As an evaluation settles a block that began at `soc`: what is missing is bought at the mean import price over the storing
    /// efficiency, what is left is sold at the mean export price times the dispatch efficiency.
    pub fn settled(grid: &Grid, forecast: &Forecast, soc: f64) -> Self {
        let (battery, [import, export]) = (grid.plant.battery(), means(forecast));
        Self { at: soc, below: import / battery.efficiency_store, above: export * battery.efficiency_dispatch }
    }

    /// EUR, of a state of charge.
    fn worth(&self, grid: &Grid, soc: f64) -> f64 {
        let kwh = (soc - self.at) * grid.plant.battery().capacity_kwh;
        kwh * if kwh < 0.0 { self.below } else { self.above }
    }
}

/// Mean import and export price.
fn means(forecast: &Forecast) -> [f64; 2] {
    [Quantity::ImportPrice, Quantity::ExportPrice].map(|quantity| {
        let prices = forecast.column(quantity);
        prices.iter().sum::<f64>() / number(prices.len().max(1))
    })
}

/// Values and costs on a grid, and room to compute them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tables {
    /// One value for each state and step, EUR; the last step's are terminal.
    values: Vec<f32>,
    /// Costs of each step, see [`fill`].
    stages: Vec<f32>,
    /// EUR a level of the state of charge beyond the band.
    penalty: f64,
    /// One row of values with room on both sides.
    padded: Vec<f32>,
    /// All battery levels of one CHP state, with rows on both sides that cost too much.
    wide: Vec<f32>,
    /// The least of what the ramp allows, for all CHP states.
    least: Vec<f32>,
}

impl Tables {
    pub fn new(grid: &Grid) -> Self {
        let row = grid.soc.count;
        let powers = grid.chp.powers().count();
        Self {
            values: vec![0.0; (grid.steps + 1) * grid.size()],
            stages: vec![0.0; grid.steps * powers * grid.battery.kw.len()],
            penalty: 0.0,
            padded: vec![0.0; row + 2 * grid.pad],
            wide: vec![NEVER; grid.block() + 2 * grid.battery.reach * row],
            least: vec![0.0; grid.size()],
        }
    }

    /// Values of a forecast, from its last step to its first.
    pub fn solve(&mut self, grid: &Grid, forecast: &Forecast, terminal: &Terminal) {
        self.penalty = penalty(grid, forecast);
        self.end(grid, terminal);
        let stage = self.stages.len().checked_div(grid.steps).unwrap_or(0);
        for step in (0..grid.steps).rev() {
            let (now, next) = self.values.split_at_mut((step + 1) * grid.size());
            let now = now.get_mut(step * grid.size()..).unwrap_or_default();
            let next = next.get(..grid.size()).unwrap_or_default();
            let costs = self.stages.get_mut(step * stage..(step + 1) * stage).unwrap_or_default();
            let reference = next.get(grid.soc.count / 2).copied().unwrap_or(0.0);
            fill(grid, &Ahead::of(grid, forecast, step), f64::from(reference), costs);
            let mut room = Room { padded: &mut self.padded, wide: &mut self.wide, penalty: narrow(self.penalty) };
            for ((state, next), least) in grid
                .chp
                .states
                .iter()
                .zip(next.chunks_exact(grid.block()))
                .zip(self.least.chunks_exact_mut(grid.block()))
            {
                let first = state.power() * grid.battery.kw.len();
                let costs = costs.get(first..).unwrap_or_default();
                room.settle(grid, next, costs);
                room.least_within_ramp(grid, least);
            }
            switch(grid, &self.least, now);
        }
    }

    fn end(&mut self, grid: &Grid, terminal: &Terminal) {
        let last = self.values.get_mut(grid.steps * grid.size()..).unwrap_or_default();
        for row in last.chunks_exact_mut(grid.soc.count) {
            for (level, value) in row.iter_mut().enumerate() {
                *value = narrow(-terminal.worth(grid, grid.soc.soc(level)));
            }
        }
    }

    /// Value of a state at the beginning of a planning step, EUR, up to what all states of the step have in common.
    pub fn value(&self, grid: &Grid, step: usize, after: &After) -> f64 {
        grid.corners(after).map(|(row, weight)| weight * self.along(grid, step, row, after.soc)).sum()
    }

    /// The same of a state whose CHP and battery are on the grid, by their numbers.
    pub fn value_at(&self, grid: &Grid, step: usize, chp: usize, battery: usize, soc: f64) -> f64 {
        self.along(grid, step, chp * grid.block() + battery * grid.soc.count, soc)
    }

    /// Interpolated along the state of charge, from the row that begins at cell `row` of the step.
    fn along(&self, grid: &Grid, step: usize, row: usize, soc: f64) -> f64 {
        let position = grid.soc.position(soc);
        let within = position.clamp(0.0, number(grid.soc.count - 1));
        let lower = count(within).min(grid.soc.count.saturating_sub(2));
        let first = step.min(grid.steps) * grid.size() + row + lower;
        let at = |index: usize| self.values.get(index).map_or(f64::INFINITY, |value| f64::from(*value));
        let (a, b) = (at(first), at(first + 1));
        a + (within - number(lower)) * (b - a) + (position - within).abs() * self.penalty
    }

    /// Cost of a planning step, EUR, up to what all have in common: for a number of a CHP power and a battery level.
    pub fn cost(&self, grid: &Grid, step: usize, power: usize, battery: usize) -> f64 {
        let levels = grid.battery.kw.len();
        let stage = self.stages.len().checked_div(grid.steps).unwrap_or(0);
        self.stages.get(step * stage + power * levels + battery).map_or(f64::INFINITY, |cost| f64::from(*cost))
    }
}

/// EUR a level of the state of charge: three times what a kWh can be bought or sold for, so that no plan leaves the band to
/// earn something.
fn penalty(grid: &Grid, forecast: &Forecast) -> f64 {
    let prices = [Quantity::ImportPrice, Quantity::ExportPrice].map(|quantity| forecast.column(quantity));
    let dearest = prices.iter().flat_map(|column| column.iter()).fold(0.05, |most: f64, price| most.max(price.abs()));
    3.0 * dearest * grid.plant.battery().capacity_kwh * grid.soc.width
}

struct Room<'a> {
    padded: &'a mut [f32],
    wide: &'a mut [f32],
    penalty: f32,
}

impl Room<'_> {
    /// Cost of each battery level and value of where it leads to, for one CHP state.
    fn settle(&mut self, grid: &Grid, next: &[f32], costs: &[f32]) {
        let row = grid.soc.count;
        let inner = self.wide.get_mut(grid.battery.reach * row..).unwrap_or_default();
        let rows = inner.chunks_exact_mut(row).zip(next.chunks_exact(row));
        for ((out, values), (cost, shift)) in rows.zip(costs.iter().zip(&grid.shifts)) {
            extend(values, self.padded, self.penalty, grid.pad);
            interpolate(out, self.padded, *shift, *cost);
        }
    }

    /// For each battery level the least of those that the ramp allows from there.
    fn least_within_ramp(&self, grid: &Grid, least: &mut [f32]) {
        let row = grid.soc.count;
        least.copy_from_slice(self.wide.get(..least.len()).unwrap_or_default());
        for offset in 1..=2 * grid.battery.reach {
            take_smaller(least, self.wide.get(offset * row..).unwrap_or_default());
        }
    }
}

/// For each state of the CHP the least of those that it may become.
fn switch(grid: &Grid, least: &[f32], now: &mut [f32]) {
    let block = grid.block();
    now.fill(NEVER);
    for step in &grid.chp.moves {
        let from = now.get_mut(step.from * block..(step.from + 1) * block).unwrap_or_default();
        let to = least.get(step.to * block..(step.to + 1) * block).unwrap_or_default();
        let start_cost = narrow(step.start_cost);
        for (value, other) in from.iter_mut().zip(to) {
            let other = other + start_cost;
            *value = if other < *value { other } else { *value };
        }
    }
}

/// A row of values with what lies beyond both ends of the band.
fn extend(values: &[f32], padded: &mut [f32], penalty: f32, pad: usize) {
    let (Some(first), Some(last)) = (values.first().copied(), values.last().copied()) else { return };
    let (below, rest) = padded.split_at_mut(pad);
    let (inner, above) = rest.split_at_mut(values.len());
    inner.copy_from_slice(values);
    let mut beyond = first;
    for cell in below.iter_mut().rev() {
        beyond += penalty;
        *cell = beyond;
    }
    beyond = last;
    for cell in above {
        beyond += penalty;
        *cell = beyond;
    }
}

fn interpolate(out: &mut [f32], padded: &[f32], shift: Shift, cost: f32) {
    let lower = padded.get(shift.first..).unwrap_or_default();
    let upper = padded.get(shift.first + 1..).unwrap_or_default();
    for ((out, a), b) in out.iter_mut().zip(lower).zip(upper) {
        *out = cost + a + shift.part * (b - a);
    }
}

fn take_smaller(least: &mut [f32], other: &[f32]) {
    // A comparison is one instruction, `f32::min` is three: it would have to look for NaN.
    for (value, other) in least.iter_mut().zip(other) {
        *value = if *other < *value { *other } else { *value };
    }
}
