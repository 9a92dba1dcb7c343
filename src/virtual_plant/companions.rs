//! What the registers written along with a set-point mean to the device, read from the device file's write steps.
//!
//! The file says what a gateway writes before and after a set-point. A device that expects this behaves accordingly: steps
//! after the set-point are switches that must hold the written value before it is followed; a step before it in a unit of
//! time is the time after which the device falls back, one in a unit of power is where it falls back to.

use memg_plant_io::Output;
use memg_plant_io::point::{FixedWrite, Point, WriteRule};
use memg_plant_io::quantity::{Dimension, unit};

/// A point that takes an output, and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct Driven {
    /// Index of the point.
    pub point: usize,
    /// What it takes.
    pub output: Output,
    /// Switches: point and the value that it must hold.
    pub switches: Vec<(usize, f64)>,
    /// Where the fall-back power is.
    pub reversion_power: Option<usize>,
    /// Where the fall-back time is.
    pub reversion_time: Option<usize>,
}

/// All points of a device file that take outputs.
#[must_use]
pub fn driven(points: &[Point]) -> Vec<Driven> {
    let writable = points.iter().enumerate().filter_map(|(index, point)| Some((index, point.write.as_ref()?)));
    writable.map(|(index, rule)| one(points, index, rule)).collect()
}

fn one(points: &[Point], point: usize, rule: &WriteRule) -> Driven {
    let measured_in = |step: &FixedWrite, dimension: Dimension| {
        let name = points.get(step.point).map(|point| point.unit.as_str());
        name.and_then(unit).is_some_and(|(found, _)| found == dimension)
    };
    let before = |dimension| rule.before.iter().find(|step| measured_in(step, dimension)).map(|step| step.point);
    Driven {
        point,
        output: rule.output.output(),
        switches: rule.after.iter().map(|step| (step.point, step.value)).collect(),
        reversion_power: before(Dimension::Power),
        reversion_time: before(Dimension::Time),
    }
}
