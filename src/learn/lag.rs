//! How long devices take to do as they are told.
//!
//! A device that does with delay or a first-order lag what it is told misses `told - done` of each step's energy, and that grows with
//! how far the set-point moved in this step and in those before it: `(told - done) T = t_0 (u - u_1) + t_1 (u_1 - u_2) + t_2 (u_2 - u_3)`.
//! The sum of the three is the time between order and deed, whatever its shape; over the length of a step it is the lag in steps.
//! Only steps count in which the gateway wrote.

use super::fit::{Sample, identify};
use super::record::Record;
use super::steps::{OfUnits, Powers, Step};
use super::{Finding, Parameter};

/// Steps back that a set-point may still be followed.
const BACK: usize = 3;
/// Way that set-points have to go, in rated powers.
const MOVED_MIN: f64 = 10.0;

pub(crate) fn findings(record: &Record) -> Vec<Finding> {
    let batteries = record.plant.battery.iter().enumerate().map(|(unit, battery)| {
        let rating = battery.charge_kw_max.max(battery.discharge_kw_max);
        response(&record.steps, (Parameter::BatteryResponse, unit, rating), |powers| {
            (&powers.battery_told, &powers.battery)
        })
    });
    let chps = record.plant.chp.iter().enumerate().map(|(unit, chp)| {
        response(&record.steps, (Parameter::ChpResponse, unit, chp.p_kw_max), |powers| (&powers.chp_told, &powers.chp))
    });
    batteries.chain(chps).collect()
}

fn response(
    steps: &[Step],
    (asked, unit, rating): (Parameter, usize, f64),
    of: impl Fn(&Powers) -> (&OfUnits, &OfUnits),
) -> Finding {
    let pair = |step: &Step| {
        let (told, done) = of(&step.powers);
        (told[unit], done[unit])
    };
    let samples: Vec<Sample<BACK>> = steps.windows(BACK + 1).filter_map(|steps| equation(steps, &pair)).collect();
    if samples.is_empty() {
        return Finding::not(asked, unit, "the gateway wrote no set-points, or its power was not measured");
    }
    let moved: f64 = samples.iter().map(|sample| sample.x[0].abs()).sum();
    if moved < MOVED_MIN * rating {
        let reason = format!("set-points moved by {moved:.0} kW in all: expected at least {:.0}", MOVED_MIN * rating);
        return Finding::not(asked, unit, reason);
    }
    match identify(&samples, |found| [found.iter().sum::<f64>()]) {
        Some(found) => Finding::found(asked, unit, found.values[0]),
        None => Finding::not(asked, unit, "set-points moved in one way alone"),
    }
}

/// The last of these steps, if they go on from each other and everything is known.
fn equation(steps: &[Step], pair: &impl Fn(&Step) -> (f64, f64)) -> Option<Sample<BACK>> {
    let last = steps.last()?;
    if !steps.iter().skip(1).all(|step| step.goes_on) {
        return None;
    }
    let told: Vec<f64> = steps.iter().rev().map(|step| pair(step).0).collect();
    let x: [f64; BACK] = std::array::from_fn(|back| told[back] - told[back + 1]);
    let y = (told[0] - pair(last).1) * last.hours * 3600.0;
    (y.is_finite() && x.iter().all(|x| x.is_finite())).then_some(Sample { x, y, day: last.day })
}
