//! An interior-point method for linear programs whose variables all lie in boxes and whose rows join neighbours alone.
//!
//! Mehrotra's predictor and corrector on normal equations: with rows in the order of their variables these have a narrow
//! band, and a band costs a fifth of what a solver of general sparse systems spends on it. It stops when the bound that its
//! multipliers prove is within [`GAP`] of the cost of its plan. Nothing depends on its answer being exact: a bound is
//! proven from any multipliers ([`super::program::Program::bound`]), good ones only make it tight.

use super::scaled::Scaled;
use super::skyline::Skyline;

/// Cost of the plan above the proven bound, as a share of it, at which it is done.
const GAP: f64 = 2e-6;
/// Largest residual of a row of the scaled program by then.
const RESIDUAL: f64 = 1e-6;
/// Needed are 20 to 40.
const ITERATIONS_MAX: usize = 100;
/// How far to go towards the next border.
const STEP_SHARE: f64 = 0.995;

/// `Σ factor x = right`, or at most `right`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub terms: Vec<(usize, f64)>,
    pub right: f64,
    pub kind: RowKind,
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    Equal,
    AtMost,
}

/// Values of the variables, and a multiplier of each row (`c + A'z` is the reduced cost; not negative where at most).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub x: Vec<f64>,
    pub z: Vec<f64>,
}

/// `min cost x` within boxes and rows. Rows of one variable are taken for its box and left out. Nothing if the method
/// does not get there: not bounded, not feasible, or numerically too hard.
pub fn solve(cost: &[f64], boxes: &[[f64; 2]], rows: &[Row]) -> Option<Answer> {
    let program = Scaled::new(cost, boxes, rows)?;
    let mut normal = Skyline::new(program.columns.first_rows());
    let mut at = Iterate::start(&program);
    for _ in 0..ITERATIONS_MAX {
        let residuals = Residuals::at(&program, &at);
        if residuals.largest_of_rows() <= RESIDUAL && at.gap(&program) <= GAP {
            return Some(program.answer(&at.low_distances(), &at.y));
        }
        at.step(&program, &residuals, &mut normal);
        if !at.places.iter().all(|place| place.low.is_finite() && place.low_price.is_finite()) {
            return None;
        }
    }
    None
}

/// Where a variable is between its bounds, and what these are worth.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Distance from the lower bound.
    low: f64,
    /// Distance to the upper bound, infinite for the slack of a row.
    high: f64,
    low_price: f64,
    high_price: f64,
}

impl Place {
    /// Distance times price, zero at an optimum.
    fn products(self) -> [f64; 2] {
        [self.low * self.low_price, if self.high.is_finite() { self.high * self.high_price } else { 0.0 }]
    }

    /// How readily it moves.
    fn ease(self) -> f64 {
        1.0 / (self.low_price / self.low + self.high_price / self.high)
    }
}

/// A change of a variable and of its prices.
#[derive(Debug, Clone, Copy)]
struct Change {
    x: f64,
    low_price: f64,
    high_price: f64,
}

#[derive(Debug)]
struct Direction {
    changes: Vec<Change>,
    y: Vec<f64>,
}

/// What rows and columns lack.
struct Residuals {
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Residuals {
    fn at(program: &Scaled, at: &Iterate) -> Self {
        let served = program.columns.times(&at.low_distances());
        let reduced = program.reduced_costs(&at.y);
        let lacks = |(reduced, place): (f64, &Place)| reduced - place.low_price + place.high_price;
        Self {
            rows: program.right.iter().zip(served).map(|(right, served)| right - served).collect(),
            columns: reduced.into_iter().zip(&at.places).map(lacks).collect(),
        }
    }

    fn largest_of_rows(&self) -> f64 {
        self.rows.iter().fold(0.0, |largest, row| row.abs().max(largest))
    }
}

struct Iterate {
    places: Vec<Place>,
    y: Vec<f64>,
}

impl Iterate {
    /// In the middle of all boxes, where without multipliers of rows the prices fit the costs.
    fn start(program: &Scaled) -> Self {
        let boxed = &program.cost[..program.boxed];
        let price = 1e-3 + boxed.iter().map(|cost| cost.abs()).sum::<f64>() / boxed.len().max(1) as f64;
        let middle = |cost: &f64| Place {
            low: 0.5,
            high: 0.5,
            low_price: price + cost.max(0.0),
            high_price: price - cost.min(0.0),
        };
        let mut places: Vec<Place> = boxed.iter().map(middle).collect();
        let left = program.slacks_at_the_middle();
        let slack = |left: f64| Place { low: left.max(0.5), high: f64::INFINITY, low_price: price, high_price: 0.0 };
        places.extend(left.into_iter().map(slack));
        Self { places, y: vec![0.0; program.right.len()] }
    }

    fn low_distances(&self) -> Vec<f64> {
        self.places.iter().map(|place| place.low).collect()
    }

    /// Cost of the plan above what the multipliers prove, as a share of the cost or of one EUR.
    fn gap(&self, program: &Scaled) -> f64 {
        let cost =
            program.constant + program.cost.iter().zip(&self.places).map(|(c, place)| c * place.low).sum::<f64>();
        (cost - program.proven(&self.y)).abs() / cost.abs().max(1.0)
    }

    /// Mean of all products.
    fn mean_product(&self, moved: impl Fn(usize, Place) -> Place) -> f64 {
        let count = self.places.iter().map(|place| 1 + usize::from(place.high.is_finite())).sum::<usize>();
        let products = self.places.iter().enumerate().flat_map(|(i, place)| moved(i, *place).products());
        products.sum::<f64>() / count.max(1) as f64
    }

    /// One step of predictor and corrector.
    fn step(&mut self, program: &Scaled, residuals: &Residuals, normal: &mut Skyline) {
        let ease: Vec<f64> = self.places.iter().map(|place| place.ease()).collect();
        program.columns.weighted_squares(&ease, normal);
        normal.factor();
        let newton = Newton { program, places: &self.places, residuals, ease: &ease, normal };
        let predicted = newton.direction(|_, place| place.products().map(|product| -product));
        let lengths = self.lengths(&predicted, 1.0);
        let now = self.mean_product(|_, place| place);
        let then = self.mean_product(|i, place| moved(place, predicted.changes[i], lengths));
        let wanted = now * (then / now).powi(3);
        let corrected = newton.direction(|i, place| {
            let (change, [low, high]) = (predicted.changes[i], place.products());
            let second_order = [change.x * change.low_price, -change.x * change.high_price];
            [wanted - low - second_order[0], wanted - high - second_order[1]]
        });
        self.go(&corrected);
    }

    fn go(&mut self, along: &Direction) {
        let lengths = self.lengths(along, STEP_SHARE);
        self.places.iter_mut().zip(&along.changes).for_each(|(place, change)| *place = moved(*place, *change, lengths));
        self.y.iter_mut().zip(&along.y).for_each(|(y, change)| *y += lengths[1] * change);
    }

    /// How far values and prices may go, at most the whole step.
    fn lengths(&self, along: &Direction, share: f64) -> [f64; 2] {
        let until = |have: f64, change: f64| if change < 0.0 { -have / change } else { f64::INFINITY };
        let (mut values, mut prices) = (f64::INFINITY, f64::INFINITY);
        for (place, change) in self.places.iter().zip(&along.changes) {
            values = values.min(until(place.low, change.x)).min(until(place.high, -change.x));
            prices = prices.min(until(place.low_price, change.low_price));
            prices = prices.min(until(place.high_price, change.high_price));
        }
        [values, prices].map(|length| (share * length).min(1.0))
    }
}

fn moved(place: Place, change: Change, [values, prices]: [f64; 2]) -> Place {
    Place {
        low: place.low + values * change.x,
        high: place.high - values * change.x,
        low_price: place.low_price + prices * change.low_price,
        high_price: place.high_price + prices * change.high_price,
    }
}

/// The linear system of one step.
struct Newton<'a> {
    program: &'a Scaled,
    places: &'a [Place],
    residuals: &'a Residuals,
    ease: &'a [f64],
    normal: &'a Skyline,
}

impl Newton<'_> {
    /// `A x' = r`, `A' y' + l' - h' = d`, and products that change by `wanted`: with `g = d - w_l / low + w_h / high` and
    /// `E` the ease, `A E A' y' = r + A E g` and `x' = E (A' y' - g)`.
    fn direction(&self, wanted: impl Fn(usize, Place) -> [f64; 2]) -> Direction {
        let wanted: Vec<[f64; 2]> = self.places.iter().enumerate().map(|(i, place)| wanted(i, *place)).collect();
        let pulls = self.residuals.columns.iter().zip(self.places).zip(&wanted);
        let pulls: Vec<f64> = pulls.map(|((d, place), [low, high])| d - low / place.low + high / place.high).collect();
        let eased: Vec<f64> = pulls.iter().zip(self.ease).map(|(pull, ease)| pull * ease).collect();
        let mut right = self.program.columns.times(&eased);
        right.iter_mut().zip(&self.residuals.rows).for_each(|(right, row)| *right += row);
        let y = self.normal.solve(right);
        let pushed = self.program.columns.transposed_times(&y);
        let change = |i: usize| {
            let (place, [low, high]) = (self.places[i], wanted[i]);
            let x = self.ease[i] * (pushed[i] - pulls[i]);
            let low_price = (low - place.low_price * x) / place.low;
            Change { x, low_price, high_price: (high + place.high_price * x) / place.high }
        };
        Direction { changes: (0..self.places.len()).map(change).collect(), y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(terms: &[(usize, f64)], right: f64, kind: RowKind) -> Row {
        Row { terms: terms.to_vec(), right, kind }
    }

    #[test]
    fn a_small_program_is_solved_with_its_multipliers() {
        // min -x - 2 y, x + y <= 3, x - y = 1, x <= 4, y <= 4: at (2, 1) with multipliers 1.5 and -0.5.
        let rows = [row(&[(0, 1.0), (1, 1.0)], 3.0, RowKind::AtMost), row(&[(0, 1.0), (1, -1.0)], 1.0, RowKind::Equal)];
        let found = solve(&[-1.0, -2.0], &[[0.0, 4.0]; 2], &rows);
        let Some(Answer { x, z }) = found else { panic!("{found:?}") };
        for (found, wanted) in x.iter().chain(&z).zip([2.0, 1.0, 1.5, -0.5]) {
            assert!((found - wanted).abs() < 1e-3, "{x:?} {z:?}");
        }
    }

    #[test]
    fn fixed_variables_and_empty_rows_do_no_harm() {
        let rows = [row(&[(0, 1.0), (1, 1.0)], 3.0, RowKind::Equal), row(&[(0, 1.0)], 2.0, RowKind::Equal)];
        let found = solve(&[1.0, 1.0], &[[2.0, 2.0], [0.0, 9.0]], &rows);
        assert!(found.is_some_and(|found| (found.x[1] - 1.0).abs() < 1e-3));
    }

    #[test]
    fn what_has_no_answer_gets_none() {
        let beyond = [row(&[(0, 1.0), (1, 1.0)], 9.0, RowKind::Equal)];
        assert_eq!(solve(&[1.0, 1.0], &[[0.0, 4.0]; 2], &beyond), None, "not feasible");
        assert_eq!(solve(&[1.0], &[[0.0, f64::INFINITY]], &[]), None, "no box");
    }
}
