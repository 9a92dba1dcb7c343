//! Persistence: the coming days are as the last ones were. What every better forecaster has to beat, and what stands in
//! for it.
//!
//! It needs no training and knows any plant. `usual(t)` is half the value at that time on the last day, half the mean of
//! that time on the last seven days; a day missing in these is left out. With `h` hours ahead of now:
//!
//! | quantity | value |
//! |---|---|
//! | load, heat | `usual(h) + (now - usual(0)) e^(-h/4)`, at least 0 |
//! | PV | `usual(h) (1 + (s - 1) e^(-h/3))`, `s = now / usual(0)` within 0.2 to 3; in the dark `s = 1` |
//! | wind | `mean + (now - mean) e^(-h/24)`, the mean being that of the last seven days |
//! | prices | `usual(h)` |
//!
//! What is published or forecast from outside counts as a day that was: behind the published prices they go on as on the
//! last published day. Where no day is known, the present value stands: nothing better can be said, and a plant that has
//! run for a day does not come here. The hours 4, 3 and 24 were found on the training days of site A.
//!
//! Time counts in steps of the plant, whatever their length; a day that is no whole number of steps counts its whole ones.

use super::Forecaster;
use crate::elementary::exponential;
use crate::policy::PolicyInput;
use crate::series::Quantity;
use crate::units::to_float;
use core::cmp::Ordering;

/// Days that are looked back.
const DAYS: usize = 7;
/// Hours after which 1/e is left of what is different now.
const LOAD_H: f64 = 4.0;
const PV_H: f64 = 3.0;
const WIND_H: f64 = 24.0;
/// Bounds of `s`: a morning of fog, or of sun after a week of fog, says little about noon.
const BRIGHTER: (f64, f64) = (0.2, 3.0);

/// The forecaster of that name. It has no state: the same input gives the same bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Persistence;

impl Forecaster for Persistence {
    fn name(&self) -> &'static str {
        "persistence"
    }

    fn guess(&mut self, input: &PolicyInput<'_>, quantity: Quantity, out: &mut [f64]) {
        let seen = Seen::new(input, quantity);
        match quantity {
            Quantity::Pv => sunshine(&seen, out),
            Quantity::Wind => towards_mean(&seen, out),
            Quantity::ElectricLoad | Quantity::HeatLoad => demand(&seen, out),
            Quantity::ImportPrice | Quantity::ExportPrice => price(&seen, out),
        }
    }
}

/// One quantity as it is known around the present step.
struct Seen<'a> {
    input: &'a PolicyInput<'a>,
    quantity: Quantity,
    now: f64,
    steps_per_day: usize,
}

impl<'a> Seen<'a> {
    fn new(input: &'a PolicyInput<'a>, quantity: Quantity) -> Self {
        let (now, steps_per_day) = (input.situation.quantity(quantity), input.plant.steps_per_day());
        Self { input, quantity, now, steps_per_day }
    }

    /// The value `back` steps before the step that begins in `steps` steps.
    fn before(&self, steps: usize, back: usize) -> Option<f64> {
        match back.cmp(&steps) {
            Ordering::Less => self.input.known.ahead(self.quantity, steps - back),
            Ordering::Equal => Some(self.now),
            Ordering::Greater => self.input.known.ago(self.quantity, back - steps),
        }
    }

    /// What is usual at the time of day of the step that begins in `steps` steps; `None` if no day is known.
    fn usual(&self, steps: usize) -> Option<f64> {
        // Days that lie ahead as a whole and are not known do not shorten what is looked back.
        let days = 1..=DAYS + steps / self.steps_per_day;
        let mut days = days.filter_map(|day| self.before(steps, day * self.steps_per_day)).take(DAYS);
        let last = days.next()?;
        let (count, sum) = days.fold((1, last), |(count, sum), value| (count + 1, sum + value));
        Some(0.5 * last + 0.5 * (sum / f64::from(count)))
    }

    /// What is left after one more step of what is different, if 1/e is left after `hours`.
    fn kept(&self, hours: f64) -> f64 {
        exponential(-self.input.plant.step_h() / hours)
    }
}

fn demand(seen: &Seen<'_>, out: &mut [f64]) {
    let (kept, mut more) = (seen.kept(LOAD_H), seen.usual(0).map_or(0.0, |usual| seen.now - usual));
    for (steps, value) in out.iter_mut().enumerate() {
        *value = seen.usual(steps).map_or(seen.now, |usual| (usual + more).max(0.0));
        more *= kept;
    }
}

fn sunshine(seen: &Seen<'_>, out: &mut [f64]) {
    let usual_now = seen.usual(0).filter(|usual| *usual > 0.0 && seen.now > 0.0);
    let brighter = usual_now.map_or(1.0, |usual| (seen.now / usual).clamp(BRIGHTER.0, BRIGHTER.1));
    let (kept, mut more) = (seen.kept(PV_H), brighter - 1.0);
    for (steps, value) in out.iter_mut().enumerate() {
        *value = seen.usual(steps).map_or(seen.now, |usual| usual * (1.0 + more));
        more *= kept;
    }
}

fn towards_mean(seen: &Seen<'_>, out: &mut [f64]) {
    let week = (1..=DAYS * seen.steps_per_day).filter_map(|back| seen.before(0, back));
    let (count, sum) = week.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    let mean = if count > 0 { sum / to_float(count) } else { seen.now };
    let (kept, mut more) = (seen.kept(WIND_H), seen.now - mean);
    for value in out {
        *value = mean + more;
        more *= kept;
    }
}

fn price(seen: &Seen<'_>, out: &mut [f64]) {
    for (steps, value) in out.iter_mut().enumerate() {
        *value = seen.usual(steps).unwrap_or(seen.now);
    }
}

#[cfg(test)]
#[path = "persistence_tests.rs"]
mod tests;
