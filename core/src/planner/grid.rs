//! The grid of states on which a plant is planned: CHP state x battery power of the last step x state of charge.

use super::chp_states::{ChpNow, ChpStates};
use super::levels::{Levels, Place, SocLevels, count, number};
use crate::equations::soc_after;
use crate::equipment::Plant;
use crate::units::narrow;

/// More planning steps than this merge steps of the plant.
const STEPS_MAX: usize = 216;

/// Grid of a plant and a horizon.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    pub plant: Plant,
    /// Steps of the plant in a planning step.
    pub merged: usize,
    /// Planning steps. The first begins where the present step ends.
    pub steps: usize,
    pub battery: Levels,
    pub soc: SocLevels,
    pub chp: ChpStates,
    /// Cells that a padded row of values has before and behind the levels of the state of charge.
    pub pad: usize,
    /// How far each battery level moves the state of charge in a step.
    pub shifts: Vec<Shift>,
}

/// A move along the state of charge: whole levels, and a part of one more in 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// Whole levels, from `-pad` on: it counts from the first cell of a padded row.
    pub first: usize,
    pub part: f32,
}

/// What the next step begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct After {
    pub chp: ChpNow,
    pub battery_kw: f64,
    pub soc: f64,
}

impl Grid {
    /// `plant_steps` steps of the plant ahead of the present one, `soc_levels` levels of the state of charge.
    pub fn new(plant: Plant, plant_steps: usize, soc_levels: usize) -> Self {
        let merged = plant_steps.div_ceil(STEPS_MAX).max(1);
        Self::merging(plant, merged, plant_steps.div_ceil(merged).max(1), soc_levels)
    }

    /// With planning steps of `merged` steps of the plant.
    pub fn merging(plant: Plant, merged: usize, steps: usize, soc_levels: usize) -> Self {
        let b = plant.battery();
        let (low, high) = (-b.discharge_kw_max, b.charge_kw_max);
        let battery = Levels::new(low, high, 0.0, b.ramp_kw_per_step * number(merged));
        let soc = SocLevels::new(b.soc_min, b.soc_max, soc_levels);
        let chp = ChpStates::new(&plant, merged);
        let mut grid = Self { plant, merged, steps, battery, soc, chp, pad: 1, shifts: Vec::new() };
        let furthest = [low, high].map(|kw| grid.moved(kw).abs()).into_iter().fold(0.0, f64::max);
        // A move further out than all levels costs no more than one over all of them.
        grid.pad = (count(furthest) + 2).min(grid.soc.count);
        grid.shifts = grid.battery.kw.iter().map(|kw| grid.shift(*kw)).collect();
        grid
    }

    /// Length of a planning step, hours.
    pub fn step_h(&self) -> f64 {
        self.plant.step_h() * number(self.merged)
    }

    /// Cells of one CHP state.
    pub fn block(&self) -> usize {
        self.battery.kw.len() * self.soc.count
    }

    /// Cells of one step.
    pub fn size(&self) -> usize {
        self.chp.states.len() * self.block()
    }

    /// State of charge after a planning step; a battery without energy stays where it is.
    pub fn soc_after(&self, soc: f64, battery_kw: f64, hours: f64) -> f64 {
        if battery_kw == 0.0 { soc } else { soc_after(self.plant.battery(), soc, battery_kw, hours) }
    }

    /// Levels of the state of charge that a power moves in a planning step.
    fn moved(&self, kw: f64) -> f64 {
        self.soc_after(0.0, kw, self.step_h()) / self.soc.width
    }

    fn shift(&self, kw: f64) -> Shift {
        let reach = number(self.pad);
        let from_first = (self.moved(kw) + reach).clamp(0.0, 2.0 * reach - 1e-3);
        let first = count(from_first);
        Shift { first, part: narrow(from_first - number(first)) }
    }

    /// Corners of the cell in which a state lies, with their weights.
    pub fn corners(&self, after: &After) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (chp, battery) = (self.chp.place(&after.chp), self.battery.place(after.battery_kw));
        let (row, block) = (self.soc.count, self.block());
        let ends = |place: Place| [(place.lower, 1.0 - place.share), (place.upper, place.share)];
        let pairs = ends(chp).into_iter().flat_map(move |chp| ends(battery).into_iter().map(move |b| (chp, b)));
        pairs
            .map(move |((chp, p), (battery, q))| (chp * block + battery * row, p * q))
            .filter(|(_, weight)| *weight > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equipment::PlantParameters;

    #[test]
    fn the_reference_plant_is_planned_in_its_own_steps() {
        let grid = Grid::new(Plant::reference(), 144, 21);
        assert_eq!((grid.merged, grid.steps, grid.size()), (1, 144, 18 * 11 * 21));
        // 10 kW charge 2.375 kWh in a quarter of an hour, and a level is 4 kWh.
        assert_eq!(grid.shifts[6], Shift { first: 5, part: 0.59375 });
        assert_eq!(grid.shifts[5], Shift { first: 5, part: 0.0 });
    }

    #[test]
    fn short_steps_are_merged() {
        let mut p = PlantParameters::reference();
        p.step_h = 1.0 / 60.0;
        let grid = Grid::new(p.validate().unwrap(), 36 * 60, 21);
        assert_eq!((grid.merged, grid.steps), (10, 216));
        assert!((grid.step_h() - 1.0 / 6.0).abs() < 1e-12);
    }
}
