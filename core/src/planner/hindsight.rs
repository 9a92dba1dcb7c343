//! What every state is worth along rows that are known beforehand: the planner's values as a teacher.
//!
//! [`Foresight`](super::Foresight) decides with such values; here they are asked for at states that somebody else leads the
//! plant into, with their slopes. Values of one step are comparable with each other alone.

use super::chp_states::ChpNow;
use super::grid::{After, Grid};
use super::levels::number;
use super::tables::{Tables, Terminal};
use crate::equipment::Plant;
use crate::forecast::Forecast;
use crate::profile::ProfileRow;

/// Slopes along the powers are taken over this many kW.
const POWER_KW: f64 = 1.0;

/// What a step leaves behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateBehind {
    /// State of charge, 0 to 1.
    pub soc: f64,
    /// Battery power of the step, kW, + = charging.
    pub battery_kw: f64,
    /// The CHP is on.
    pub chp_on: bool,
    /// CHP power of the step, kW.
    pub chp_kw: f64,
    /// Steps that the CHP has been on or off, this one counted.
    pub chp_age: u32,
}

/// How the value of a state changes with it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slopes {
    /// EUR for the whole state of charge, from 0 to 1.
    pub soc: f64,
    /// EUR/kW of battery power.
    pub battery: f64,
    /// EUR/kW of CHP power.
    pub chp: f64,
}

/// Values along rows of a profile. Needs 17 kB a row for the reference plant.
#[derive(Debug)]
pub struct Hindsight {
    grid: Grid,
    tables: Tables,
}

impl Hindsight {
    /// Room for so many rows.
    #[must_use]
    pub fn new(plant: &Plant, rows: usize, soc_levels: usize) -> Self {
        let grid = Grid::merging(*plant, 1, rows.saturating_sub(1), soc_levels);
        Self { tables: Tables::new(&grid), grid }
    }

    /// Rows that there is room for.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.grid.steps + 1
    }

    /// Values along as many rows as there is room for, `stored_eur_per_kwh` being the worth of a stored kWh behind the last.
    pub fn solve(&mut self, rows: &[ProfileRow], stored_eur_per_kwh: f64) {
        let terminal = Terminal { at: 0.0, below: stored_eur_per_kwh, above: stored_eur_per_kwh };
        self.tables.solve(&self.grid, &Forecast::of_rows(rows), &terminal);
    }

    /// Cost to come after the step of row `row`, EUR, up to what all states of the row have in common.
    #[must_use]
    pub fn cost_to_come(&self, row: usize, state: &StateBehind) -> f64 {
        let in_state_ms = self.grid.plant.step_ms().saturating_mul(i64::from(state.chp_age));
        let chp = ChpNow { on: state.chp_on, kw: state.chp_kw, in_state_ms };
        let after = After { chp, battery_kw: state.battery_kw, soc: state.soc };
        self.tables.value(&self.grid, row, &after)
    }

    /// Slopes of [`Hindsight::cost_to_come`], by central differences: over a level of the state of charge, over 2 kW.
    #[must_use]
    pub fn slopes(&self, row: usize, state: &StateBehind) -> Slopes {
        let between = |high: StateBehind, low: StateBehind, width: f64| {
            (self.cost_to_come(row, &high) - self.cost_to_come(row, &low)) / width.max(1e-9)
        };
        let band = (self.grid.soc.low, self.grid.soc.low + self.grid.soc.width * number(self.grid.soc.count - 1));
        let half = 0.5 * self.grid.soc.width;
        // A slope at an end of the band is that inside of it.
        let (low, high) = ((state.soc - half).max(band.0), (state.soc + half).min(band.1));
        let soc = between(StateBehind { soc: high, ..*state }, StateBehind { soc: low, ..*state }, high - low);
        let battery = |kw: f64| StateBehind { battery_kw: state.battery_kw + kw, ..*state };
        let chp = |kw: f64| StateBehind { chp_kw: state.chp_kw + kw, ..*state };
        let running = if state.chp_on { between(chp(POWER_KW), chp(-POWER_KW), 2.0 * POWER_KW) } else { 0.0 };
        Slopes { soc, battery: between(battery(POWER_KW), battery(-POWER_KW), 2.0 * POWER_KW), chp: running }
    }
}
