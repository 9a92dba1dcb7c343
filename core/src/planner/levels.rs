//! Grids of power and of state of charge, and where a real value lies between their levels.

use crate::units::{floor_to_integer, to_float};

/// So many intervals a range of power has, if its ramp allows a choice.
const INTERVALS: f64 = 10.0;
/// A ramp of less than a level of this many intervals is planned as one level.
const INTERVALS_MAX: f64 = 20.0;
/// So many intervals a range has whose ramp binds nothing.
const INTERVALS_FREE: f64 = 8.0;

/// A count as a number.
pub(super) fn number(count: usize) -> f64 {
    i64::try_from(count).map_or(f64::INFINITY, to_float)
}

/// The whole part of a number as a count; 0 below 1.
pub(super) fn count(value: f64) -> usize {
    usize::try_from(floor_to_integer(value)).unwrap_or(0)
}

/// Two neighbouring levels and how much of the upper one a value has, 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub lower: usize,
    pub upper: usize,
    pub share: f64,
}

impl Place {
    pub const fn at(level: usize) -> Self {
        Self { lower: level, upper: level, share: 0.0 }
    }

    /// The level that is nearer.
    pub fn nearest(self) -> usize {
        if self.share < 0.5 { self.lower } else { self.upper }
    }
}

/// Levels of power in rising order, kW.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    pub kw: Vec<f64>,
    /// How many levels a step may move.
    pub reach: usize,
}

impl Levels {
    /// From `low` to `high`, through `through`, which lies within; `ramp` is the largest change in a step. All in kW.
    pub fn new(low: f64, high: f64, through: f64, ramp: f64) -> Self {
        let (spacing, reach) = spacing(high - low, ramp);
        let mut kw = Vec::new();
        if spacing > 0.0 {
            let steps = |length: f64| count(length / spacing + 1.0 - 1e-9);
            let below = (1..=steps(through - low)).rev().map(|n| (through - number(n) * spacing).max(low));
            kw.extend(below);
            kw.push(through);
            kw.extend((1..=steps(high - through)).map(|n| (through + number(n) * spacing).min(high)));
        } else {
            kw.push(through);
        }
        Self { kw, reach }
    }

    /// Where a power lies; beyond the ends at the end.
    pub fn place(&self, kw: f64) -> Place {
        let last = self.kw.len().saturating_sub(1);
        let upper = self.kw.iter().position(|level| *level >= kw).unwrap_or(last);
        let Some(lower) = upper.checked_sub(1) else { return Place::at(0) };
        match (self.kw.get(lower), self.kw.get(upper)) {
            (Some(a), Some(b)) if b > a && kw < *b => Place { lower, upper, share: (kw - a) / (b - a) },
            _ => Place::at(upper),
        }
    }
}

/// Distance of levels, and how many of them the ramp allows to move.
fn spacing(range: f64, ramp: f64) -> (f64, usize) {
    let coarse = range / INTERVALS;
    if range <= 0.0 {
        (0.0, 0)
    } else if ramp >= range {
        (range / INTERVALS_FREE, count(INTERVALS_FREE) + 2)
    } else if ramp <= coarse {
        (ramp.max(range / INTERVALS_MAX), 1)
    } else {
        let reach = (ramp / coarse).ceil();
        (ramp / reach, count(reach))
    }
}

/// Levels of the state of charge, evenly spaced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SocLevels {
    pub low: f64,
    /// Distance of two levels.
    pub width: f64,
    pub count: usize,
}

impl SocLevels {
    /// `count` levels (at least 2) from `low` to `high`.
    pub fn new(low: f64, high: f64, count: usize) -> Self {
        let count = count.max(2);
        Self { low, width: (high - low) / number(count - 1), count }
    }

    /// Where a state of charge lies, in levels from the lowest; beyond the ends negative or above the last.
    pub fn position(&self, soc: f64) -> f64 {
        (soc - self.low) / self.width
    }

    pub fn soc(&self, level: usize) -> f64 {
        self.low + self.width * number(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_ramp_and_hold_both_ends_and_rest() {
        // low, high, ramp -> number of levels, reach
        for (low, high, ramp, levels, reach) in [
            (-50.0, 50.0, 10.0, 11, 1),
            (-50.0, 50.0, 25.0, 13, 3),
            (-50.0, 50.0, 1.0, 21, 1),
            (-50.0, 50.0, 500.0, 9, 10),
            (-30.0, 50.0, 8.0, 12, 1),
            (0.0, 0.0, 10.0, 1, 0),
        ] {
            let found = Levels::new(low, high, 0.0, ramp);
            assert_eq!((found.kw.len(), found.reach), (levels, reach), "{low} {high} {ramp}: {found:?}");
            assert_eq!((found.kw.first(), found.kw.last()), (Some(&low), Some(&high)));
            assert!(found.kw.contains(&0.0) && found.kw.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        }
    }

    #[test]
    fn a_power_lies_between_its_neighbours() {
        let levels = Levels::new(-50.0, 50.0, 0.0, 10.0);
        assert_eq!(levels.place(-7.5), Place { lower: 4, upper: 5, share: 0.25 });
        assert_eq!([-60.0, -50.0, 50.0, 99.0].map(|kw| levels.place(kw)), [0, 0, 10, 10].map(Place::at));
        assert_eq!((levels.place(-7.5).nearest(), levels.place(-4.0).nearest()), (4, 5));
    }
}
