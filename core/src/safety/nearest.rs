//! The nearest point to a request in a box with a strip, in closed form.
//!
//! Unknowns are battery `b` and CHP `p`, in watts; the grid follows from the balance `g = n + b - p` with net load `n`.
//! Admissible: `b` and `p` each in a span and `b - p` in a span. All ends are whole watts, so every corner of the
//! polygon is a whole-watt point (its constraint matrix is totally unimodular) and rounding both unknowns down never
//! leaves it. The optimum of a convex quadratic is the free minimum or lies on an edge that the free minimum violates
//! (from any other point of the polygon one can move towards the free minimum): at most three edges to look at.

use crate::equipment::FilterWeights;
use crate::units::{Kilowatts, Watts};

/// A convex polygon of whole-watt corners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polygon {
    pub battery: (Watts, Watts),
    pub chp: (Watts, Watts),
    /// Limits of `battery - chp`.
    pub difference: (Watts, Watts),
}

impl Polygon {
    /// Whether any point is admissible.
    pub fn is_feasible(&self) -> bool {
        self.battery.0 - self.chp.1 <= self.difference.1 && self.battery.1 - self.chp.0 >= self.difference.0
    }

    fn contains(&self, battery: Watts, chp: Watts) -> bool {
        let inside = |value: Watts, span: (Watts, Watts)| value >= span.0 && value <= span.1;
        inside(battery, self.battery) && inside(chp, self.chp) && inside(battery - chp, self.difference)
    }
}

/// What is wanted, in watts as floats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub battery: f64,
    pub chp: f64,
    /// Wanted `b - p`, and its weight (0 if the grid is the slack).
    pub difference: f64,
    pub weights: FilterWeights,
}

impl Target {
    /// The weighted squared distance of a point.
    pub fn cost(&self, b: f64, p: f64) -> f64 {
        let (db, dp, dd) = (b - self.battery, p - self.chp, b - p - self.difference);
        self.weights.battery * db * db + self.weights.chp * dp * dp + self.weights.grid * dd * dd
    }

    /// Free minimum: with `r0` the imbalance of the request, each unknown takes its share of it.
    fn free_minimum(&self) -> (f64, f64) {
        let w = &self.weights;
        let imbalance = self.battery - self.chp - self.difference;
        let residual = imbalance / (1.0 + w.grid * (1.0 / w.battery + 1.0 / w.chp));
        (self.battery - w.grid * residual / w.battery, self.chp + w.grid * residual / w.chp)
    }

    fn best_chp(&self, battery: f64) -> f64 {
        let w = &self.weights;
        (w.chp * self.chp + w.grid * (battery - self.difference)) / (w.chp + w.grid)
    }

    fn best_battery(&self, chp: f64) -> f64 {
        let w = &self.weights;
        (w.battery * self.battery + w.grid * (chp + self.difference)) / (w.battery + w.grid)
    }

    fn best_chp_on_strip(&self, difference: f64) -> f64 {
        let w = &self.weights;
        (w.battery * (self.battery - difference) + w.chp * self.chp) / (w.battery + w.chp)
    }
}

#[derive(Clone, Copy)]
struct Best {
    cost: f64,
    point: (f64, f64),
}

impl Best {
    fn offer(&mut self, target: &Target, point: (f64, f64)) {
        let cost = target.cost(point.0, point.1);
        if cost < self.cost {
            *self = Self { cost, point };
        }
    }
}

/// The nearest whole-watt point; the polygon must be feasible.
pub(super) fn nearest(target: &Target, polygon: &Polygon) -> (Watts, Watts) {
    let (b, p) = nearest_real(target, polygon);
    round_inside(target, polygon, b, p)
}

fn nearest_real(target: &Target, polygon: &Polygon) -> (f64, f64) {
    let span = |(low, high): (Watts, Watts)| (low.as_f64(), high.as_f64());
    let (battery, chp, difference) = (span(polygon.battery), span(polygon.chp), span(polygon.difference));
    let free = target.free_minimum();
    let inside = |value, span| violated(value, span).is_none();
    if inside(free.0, battery) && inside(free.1, chp) && inside(free.0 - free.1, difference) {
        return free;
    }
    let mut best = Best { cost: f64::INFINITY, point: (battery.0, chp.1) };
    if let Some(b) = violated(free.0, battery)
        && let Some(p) = clamp(target.best_chp(b), overlap(chp, (b - difference.1, b - difference.0)))
    {
        best.offer(target, (b, p));
    }
    if let Some(p) = violated(free.1, chp)
        && let Some(b) = clamp(target.best_battery(p), overlap(battery, (p + difference.0, p + difference.1)))
    {
        best.offer(target, (b, p));
    }
    if let Some(d) = violated(free.0 - free.1, difference)
        && let Some(p) = clamp(target.best_chp_on_strip(d), overlap(chp, (battery.0 - d, battery.1 - d)))
    {
        best.offer(target, (p + d, p));
    }
    best.point
}

/// The end of a span beyond which a value lies.
fn violated(value: f64, (low, high): (f64, f64)) -> Option<f64> {
    if value < low { Some(low) } else { (value > high).then_some(high) }
}

fn overlap(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.max(b.0), a.1.min(b.1))
}

fn clamp(value: f64, (low, high): (f64, f64)) -> Option<f64> {
    (low <= high).then(|| value.max(low).min(high))
}

/// The best admissible corner of the whole-watt cell around a point. Rounding both down is always admissible.
fn round_inside(target: &Target, polygon: &Polygon, b: f64, p: f64) -> (Watts, Watts) {
    let down = |value: f64| Watts::floor(Kilowatts::new(value / 1000.0));
    let one = Watts::new(1);
    let (b0, p0) = (down(b), down(p));
    let mut best = (f64::INFINITY, (b0, p0));
    for point in [(b0, p0), (b0 + one, p0), (b0, p0 + one), (b0 + one, p0 + one)] {
        let cost = target.cost(point.0.as_f64(), point.1.as_f64());
        if polygon.contains(point.0, point.1) && cost < best.0 {
            best = (cost, point);
        }
    }
    best.1
}
