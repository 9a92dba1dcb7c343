//! What the CHP can be in between two steps, and where it can go from there.
//!
//! Off for 1, 2, … steps until it may start; young, on for less than its minimum time; on. While on it has a level of power,
//! moves by its ramp, starts at the lowest level and stops from there. A young CHP whose way down to the lowest level takes
//! longer than what is left of its minimum time counts as on: its age binds nothing.

use super::levels::{Levels, Place, number};
use crate::equipment::Plant;
use crate::units::{floor_to_integer, to_float};

/// Longer minimum times on are planned as this many steps. The filter keeps the real one.
const UP_MAX: usize = 16;
/// Longer minimum times off are planned as this many steps.
const DOWN_MAX: usize = 96;

/// A state of the CHP at a step's end; ages in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChpState {
    /// Off since `age` steps; free to start at the largest age.
    Off { age: usize },
    /// On since `age` steps, and it may not stop yet.
    Young { age: usize, level: usize },
    /// On for its minimum time.
    On { level: usize },
}

impl ChpState {
    /// Number of its power: 0 = off, then the levels.
    pub const fn power(self) -> usize {
        match self {
            Self::Off { .. } => 0,
            Self::Young { level, .. } | Self::On { level } => level + 1,
        }
    }
}

/// From one state to another in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Move {
    pub from: usize,
    pub to: usize,
    /// EUR.
    pub start_cost: f64,
}

/// What a CHP does, as the plant tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChpNow {
    pub on: bool,
    pub kw: f64,
    pub in_state_ms: i64,
}

/// All states and moves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChpStates {
    levels: Levels,
    up: usize,
    down: usize,
    min_up_ms: f64,
    min_down_ms: f64,
    step_ms: f64,
    pub states: Vec<ChpState>,
    /// Sorted by where they come from.
    pub moves: Vec<Move>,
}

impl ChpStates {
    /// Of the CHP that stands for all of a plant's, in planning steps of so many steps.
    pub fn new(plant: &Plant, merged: usize) -> Self {
        let chp = plant.chp();
        let levels = Levels::new(chp.p_kw_min, chp.p_kw_max, chp.p_kw_min, chp.ramp_kw_per_step * number(merged));
        let plant_steps = |steps: u32| usize::try_from(steps).unwrap_or(usize::MAX).div_ceil(merged.max(1));
        let plant_ms = to_float(plant.step_ms());
        let mut found = Self {
            levels,
            up: plant_steps(chp.min_up_steps).clamp(1, UP_MAX),
            down: plant_steps(chp.min_down_steps).clamp(1, DOWN_MAX),
            min_up_ms: f64::from(chp.min_up_steps) * plant_ms,
            min_down_ms: f64::from(chp.min_down_steps) * plant_ms,
            step_ms: plant_ms * number(merged),
            states: Vec::new(),
            moves: Vec::new(),
        };
        found.list_states(!plant.chps().is_empty());
        found.list_moves(chp.start_cost_eur);
        found
    }

    /// Powers by number, kW: off, then the levels.
    pub fn powers(&self) -> impl Iterator<Item = f64> + '_ {
        core::iter::once(0.0).chain(self.levels.kw.iter().copied())
    }

    fn list_states(&mut self, exists: bool) {
        if !exists {
            (self.up, self.down) = (1, 1);
            self.states.push(ChpState::Off { age: 1 });
            return;
        }
        self.states.extend((1..=self.down).map(|age| ChpState::Off { age }));
        let levels = self.levels.kw.len();
        for age in 1..self.up {
            let binding = |level: &usize| {
                let way = level.div_ceil(self.levels.reach.max(1));
                way < age && way < self.up - age
            };
            self.states.extend((0..levels).filter(binding).map(|level| ChpState::Young { age, level }));
        }
        self.states.extend((0..levels).map(|level| ChpState::On { level }));
    }

    fn list_moves(&mut self, start_cost: f64) {
        for from in 0..self.states.len() {
            let Some(state) = self.states.get(from).copied() else { continue };
            match state {
                ChpState::Off { age } if age < self.down => self.add(from, ChpState::Off { age: age + 1 }, 0.0),
                ChpState::Off { .. } => {
                    self.add(from, state, 0.0);
                    self.add(from, self.running(1, 0), start_cost);
                }
                ChpState::Young { age, level } => {
                    self.within_reach(level).for_each(|level| self.add(from, self.running(age + 1, level), 0.0));
                }
                ChpState::On { level } => {
                    self.within_reach(level).for_each(|level| self.add(from, ChpState::On { level }, 0.0));
                    if level == 0 {
                        self.add(from, ChpState::Off { age: 1 }, 0.0);
                    }
                }
            }
        }
    }

    fn within_reach(&self, level: usize) -> core::ops::RangeInclusive<usize> {
        let last = self.levels.kw.len().saturating_sub(1);
        level.saturating_sub(self.levels.reach)..=(level + self.levels.reach).min(last)
    }

    /// The state of a CHP that has been on for `age` steps.
    fn running(&self, age: usize, level: usize) -> ChpState {
        let young = ChpState::Young { age, level };
        if self.states.contains(&young) { young } else { ChpState::On { level } }
    }

    fn add(&mut self, from: usize, to: ChpState, start_cost: f64) {
        // A plant without a CHP lists no state to start into.
        if let Some(to) = self.number(to) {
            self.moves.push(Move { from, to, start_cost });
        }
    }

    fn number(&self, state: ChpState) -> Option<usize> {
        self.states.iter().position(|known| *known == state)
    }

    /// The moves out of a state.
    pub fn moves_from(&self, state: usize) -> impl Iterator<Item = &Move> {
        self.moves.iter().filter(move |step| step.from == state)
    }

    /// Where a real CHP lies between the states.
    pub fn place(&self, chp: &ChpNow) -> Place {
        let minimum_ms = if chp.on { self.min_up_ms } else { self.min_down_ms };
        let steps = if chp.on { self.up } else { self.down };
        let left = ((minimum_ms - to_float(chp.in_state_ms)) / self.step_ms).max(0.0);
        let left = usize::try_from(-floor_to_integer(-left)).unwrap_or(0);
        let age = steps.saturating_sub(left).max(1);
        let of = |state| self.number(state).unwrap_or(0);
        if !chp.on {
            return Place::at(of(ChpState::Off { age }));
        }
        let level = self.levels.place(chp.kw);
        let state = |level| {
            let state = if left == 0 { ChpState::On { level } } else { self.running(age, level) };
            of(state)
        };
        Place { lower: state(level.lower), upper: state(level.upper), share: level.share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equipment::{Each, PlantParameters};

    #[test]
    fn the_reference_chp_has_eighteen_states() {
        let chp = ChpStates::new(&Plant::reference(), 1);
        // Off for one step, off and free, just started, fifteen levels on.
        assert_eq!(chp.states.len(), 18);
        let (free, started) = (ChpState::Off { age: 2 }, ChpState::Young { age: 1, level: 0 });
        let to = |from| chp.moves_from(chp.number(from).unwrap()).map(|m| chp.states[m.to]).collect::<Vec<_>>();
        assert_eq!(to(ChpState::Off { age: 1 }), [free]);
        assert_eq!(to(free), [free, started]);
        assert_eq!(to(started), [ChpState::On { level: 0 }, ChpState::On { level: 1 }]);
        let on = |level| ChpState::On { level };
        assert_eq!(to(on(0)), [on(0), on(1), ChpState::Off { age: 1 }]);
        assert_eq!(to(on(14)), [on(13), on(14)]);
    }

    #[test]
    fn a_real_chp_lies_between_the_levels_of_its_age() {
        let chp = ChpStates::new(&Plant::reference(), 1);
        let state = |on, kw, minutes: i64| {
            let place = chp.place(&ChpNow { on, kw, in_state_ms: minutes * 60_000 });
            (chp.states[place.lower], chp.states[place.upper], place.share)
        };
        let off = |age| (ChpState::Off { age }, ChpState::Off { age }, 0.0);
        assert_eq!([1, 15, 29, 30, 999].map(|m| state(false, 0.0, m)), [1, 1, 1, 2, 2].map(off));
        let young = ChpState::Young { age: 1, level: 0 };
        assert_eq!(state(true, 10.0, 15), (young, young, 0.0));
        assert_eq!(state(true, 22.0, 30), (ChpState::On { level: 2 }, ChpState::On { level: 3 }, 0.4));
    }

    #[test]
    fn long_minimum_times_keep_an_age_only_where_it_binds() {
        let mut p = PlantParameters::reference();
        p.chp.edit(|chp| (chp.min_up_steps, chp.min_down_steps) = (6, 4));
        let chp = ChpStates::new(&p.validate().unwrap(), 1);
        let young = chp.states.iter().filter(|state| matches!(state, ChpState::Young { .. })).count();
        assert_eq!(young, 1 + 2 + 3 + 2 + 1);
        // From the start it takes six steps at least before the first state that may stop.
        let mut reached = vec![chp.running(1, 0)];
        let may_stop = ChpState::On { level: 0 };
        let mut steps = 1;
        while !reached.contains(&may_stop) {
            let next = |state: &ChpState| chp.number(*state).into_iter().flat_map(|from| chp.moves_from(from));
            reached = reached.iter().flat_map(next).map(|m| chp.states[m.to]).collect();
            steps += 1;
        }
        assert_eq!(steps, 6);
    }

    #[test]
    fn a_plant_without_a_chp_has_one_state() {
        let mut p = PlantParameters::reference();
        p.chp = Each::default();
        let chp = ChpStates::new(&p.validate().unwrap(), 1);
        assert_eq!((chp.states.len(), chp.moves.len()), (1, 1));
        assert_eq!(chp.place(&ChpNow { on: false, kw: 0.0, in_state_ms: 0 }), Place::at(0));
    }
}
