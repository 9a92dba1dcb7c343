//! The policy `plan`: every policy step it plans the hours ahead by dynamic programming and decides the first step.
//!
//! Exact on a grid of states: CHP state x battery power of the last step x state of charge, with the
//! plant's own costs, ramps and minimum times, on a forecast ([`crate::forecast`]). The first action is then searched in
//! whole watts on the exact plant. No solver, no random number, no allocation after the first step; sums, products and
//! comparisons of numbers alone, so that every processor decides the same bits.
//!
//! Not responsible for limits: what it asks for passes the safety filter like any other request.
//!
//! Where a grid cannot follow the plant it is more hopeful than the plant: ramps of less than a level, and minimum times on
//! of more than sixteen planning steps (off: 96). Several units are planned as the one that stands for all.

mod chp_states;
mod foresight;
mod forward;
mod grid;
mod hindsight;
mod levels;
mod reason;
mod search;
mod stage;
mod summary;
mod tables;

pub use foresight::Foresight;
pub use hindsight::{Hindsight, Slopes, StateBehind};
pub use reason::{BatteryReason, ChpReason, PricedAt, Reason};
pub use summary::{PlanByHour, PlanStep, PlanSummary};

use crate::equipment::Plant;
use crate::forecast::{Forecast, Forecaster};
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::setpoints::Setpoints;
use grid::Grid;
use tables::{Tables, Terminal};

/// How far and how finely is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSettings {
    /// Hours ahead.
    pub hours: usize,
    /// Levels of the state of charge, at least 2.
    pub soc_levels: usize,
}

impl Default for PlanSettings {
    /// 36 hours: half a day beyond what a day-ahead market has published. More hours or levels gain nothing measurable.
    fn default() -> Self {
        Self { hours: 36, soc_levels: 21 }
    }
}

/// Plans on what a forecaster guesses.
#[derive(Debug)]
pub struct Plan<F> {
    forecaster: F,
    settings: PlanSettings,
    work: Option<Box<Work>>,
}

/// What a plan is made in. As large as plant and horizon need, and kept from step to step.
#[derive(Debug)]
struct Work {
    grid: Grid,
    tables: Tables,
    forecast: Forecast,
    summary: PlanSummary,
    /// The last decision was planned, so that the summary is of it.
    is_told: bool,
}

impl Work {
    fn new(plant: &Plant, settings: &PlanSettings) -> Self {
        let grid = Grid::new(*plant, settings.hours * plant.steps_per_hour(), settings.soc_levels);
        let forecast = Forecast::of_steps(1 + grid.steps * grid.merged);
        let summary = PlanSummary::of_steps(grid.steps);
        Self { tables: Tables::new(&grid), forecast, summary, is_told: false, grid }
    }
}

impl<F: Forecaster> Plan<F> {
    /// Plans with these settings.
    #[must_use]
    pub const fn new(forecaster: F, settings: PlanSettings) -> Self {
        Self { forecaster, settings, work: None }
    }

    /// Room for this plant; made anew for another one.
    fn work(&mut self, plant: &Plant) -> &mut Work {
        let room = self.work.take().filter(|work| work.grid.plant == *plant);
        self.work.insert(room.unwrap_or_else(|| Box::new(Work::new(plant, &self.settings))))
    }
}

impl<F: Forecaster> Policy for Plan<F> {
    fn name(&self) -> &'static str {
        "plan"
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        self.forecaster.suits(input.plant)?;
        self.work(input.plant);
        let Some(work) = self.work.as_deref_mut() else { return Err(PolicyError::NotFinite) };
        work.is_told = false;
        work.forecast.fill(input, &mut self.forecaster);
        let terminal = Terminal::mean_export(&work.grid, &work.forecast);
        work.tables.solve(&work.grid, &work.forecast, &terminal);
        let first = search::first(input, &work.grid, &work.tables, 0).ok_or(PolicyError::NotFinite)?;
        let Work { grid, tables, forecast, summary, .. } = work;
        forward::Forward { input, grid, tables, forecast }.tell(&first, summary);
        work.summary.reason = Reason::of(input.plant, &work.summary);
        work.is_told = true;
        Ok(request(first.setpoints()))
    }

    fn plan(&self) -> Option<&PlanSummary> {
        self.work.as_deref().filter(|work| work.is_told).map(|work| &work.summary)
    }

    fn forecast(&self) -> Option<&Forecast> {
        self.work.as_deref().filter(|work| work.is_told).map(|work| &work.forecast)
    }
}

const fn request(setpoints: Setpoints) -> Request {
    Request { observation: None, action: None, setpoints, outside_tariff: false }
}
