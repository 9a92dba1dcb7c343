//! A linear program in the making: variables, equations, inequalities, step by step; solved by an interior-point method
//! ([`super::interior`]), whole or in parts.
//!
//! Rows join variables of a step with those of the step before it. A long program is therefore solved in overlapping
//! parts, and the multipliers of all parts together give one lower bound of the whole ([`Program::bound`]).

use super::fallback;
use super::interior::{self, Answer, Row, RowKind};
use std::ops::Range;

/// A variable's number.
pub type Variable = usize;

/// `min cost x` subject to equations, inequalities and bounds.
#[derive(Debug, Default)]
pub struct Program {
    cost: Vec<f64>,
    /// Least and largest value of each variable in at least one optimal solution.
    boxes: Vec<[f64; 2]>,
    equations: Rows,
    inequalities: Rows,
    /// Where each step begins: variables, equations, inequalities.
    begins: Vec<[usize; 3]>,
    /// For each step groups of variables that sum to one.
    shares: Vec<Vec<Vec<Variable>>>,
}

/// Rows one after the other.
#[derive(Debug)]
struct Rows {
    terms: Vec<(Variable, f64)>,
    begins: Vec<usize>,
    right: Vec<f64>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { terms: Vec::new(), begins: vec![0], right: Vec::new() }
    }
}

impl Rows {
    fn push(&mut self, terms: &[(Variable, f64)], right: f64) {
        self.terms.extend_from_slice(terms);
        self.begins.push(self.terms.len());
        self.right.push(right);
    }

    fn row(&self, row: usize) -> &[(Variable, f64)] {
        &self.terms[self.begins[row]..self.begins[row + 1]]
    }

    /// Rows of a range that have all their variables in `variables`.
    fn within(&self, rows: Range<usize>, variables: &Range<Variable>) -> Vec<usize> {
        rows.filter(|row| self.row(*row).iter().all(|(x, _)| variables.contains(x))).collect()
    }
}

/// Values and multipliers, of a part or put together from parts.
#[derive(Debug, Clone)]
pub struct Solution {
    /// Values of the variables.
    pub x: Vec<f64>,
    equations: Vec<f64>,
    inequalities: Vec<f64>,
    /// Number of the first variable, equation and inequality.
    first: [usize; 3],
}

impl Program {
    /// What is added from now on belongs to the next step.
    pub fn begin_step(&mut self) {
        self.begins.push([self.cost.len(), self.equations.right.len(), self.inequalities.right.len()]);
        self.shares.push(Vec::new());
    }

    /// A new variable within `[low, high]` (infinite ends are left out).
    pub fn variable(&mut self, cost: f64, low: f64, high: f64) -> Variable {
        let x = self.implied(cost, [low, high]);
        if low.is_finite() {
            self.at_most(&[(x, -1.0)], -low);
        }
        if high.is_finite() {
            self.at_most(&[(x, 1.0)], high);
        }
        x
    }

    /// A new variable that rows or its cost keep within `within`: it needs no rows of its own.
    pub fn implied(&mut self, cost: f64, within: [f64; 2]) -> Variable {
        self.cost.push(cost);
        self.boxes.push(within);
        self.cost.len() - 1
    }

    /// States the least and largest value that the variable takes in at least one optimal solution.
    pub fn keep_within(&mut self, x: Variable, within: [f64; 2]) {
        self.boxes[x] = within;
    }

    /// `Σ factor x = right`.
    pub fn equal(&mut self, terms: &[(Variable, f64)], right: f64) {
        self.equations.push(terms, right);
    }

    /// `Σ factor x <= right`; a row of one variable says no more than its box does.
    pub fn at_most(&mut self, terms: &[(Variable, f64)], right: f64) {
        self.inequalities.push(terms, right);
    }

    /// These variables of the present step sum to one; rows say so already.
    pub fn shares(&mut self, variables: Vec<Variable>) {
        if let Some(last) = self.shares.last_mut() {
            last.push(variables);
        }
    }

    /// Variables, equations and inequalities of some steps.
    fn span(&self, steps: &Range<usize>) -> [Range<usize>; 3] {
        let ends = [self.cost.len(), self.equations.right.len(), self.inequalities.right.len()];
        [0, 1, 2].map(|i| {
            let at = |step: usize| self.begins.get(step).map_or(ends[i], |begin| begin[i]);
            at(steps.start)..at(steps.end)
        })
    }

    /// Solves the rows that concern these steps alone. The message names the solver's status if there is no answer.
    ///
    /// # Errors
    /// Infeasible, unbounded or not solved to tolerance.
    pub fn solve(&self, steps: &Range<usize>) -> Result<Solution, String> {
        self.solve_by(steps, |cost, boxes, rows| {
            interior::solve(cost, boxes, rows).map_or_else(|| fallback::solve(cost, rows), Ok)
        })
    }

    /// As [`Self::solve`], by a solver that gets costs, boxes and rows.
    pub fn solve_by(
        &self,
        steps: &Range<usize>,
        solver: impl Fn(&[f64], &[[f64; 2]], &[Row]) -> Result<Answer, String>,
    ) -> Result<Solution, String> {
        let [variables, equations, inequalities] = self.span(steps);
        let kept = [self.equations.within(equations, &variables), self.inequalities.within(inequalities, &variables)];
        let shares = if steps.start > 0 { self.shares[steps.start].as_slice() } else { &[] };
        let shares = shares.iter().filter(|group| !group.is_empty());
        let shifted =
            |terms: &[(Variable, f64)]| terms.iter().map(|(x, factor)| (x - variables.start, *factor)).collect();
        let row = |of: &Rows, row: usize, kind| Row { terms: shifted(of.row(row)), right: of.right[row], kind };
        let mut rows: Vec<Row> = kept[0].iter().map(|i| row(&self.equations, *i, RowKind::Equal)).collect();
        rows.extend(shares.map(|group| {
            let terms = group.iter().map(|x| (x - variables.start, 1.0)).collect();
            Row { terms, right: 1.0, kind: RowKind::Equal }
        }));
        let zeros = rows.len();
        rows.extend(kept[1].iter().map(|i| row(&self.inequalities, *i, RowKind::AtMost)));
        let Answer { x, z } = solver(&self.cost[variables.clone()], &self.boxes[variables.clone()], &rows)?;
        let mut found = Solution { x, ..Solution::zeros(self, steps) };
        for (row, z) in kept[0].iter().zip(&z) {
            found.equations[row - found.first[1]] = *z;
        }
        for (row, z) in kept[1].iter().zip(&z[zeros..]) {
            found.inequalities[row - found.first[2]] = z.max(0.0);
        }
        Ok(found)
    }

    /// A value that no feasible point falls below, whatever the multipliers: `-b'z + min over boxes of (c + A'z) x`
    /// (weak duality; Neumaier and Shcherbina 2004). With the multipliers of an optimum it is the optimum.
    #[must_use]
    pub fn bound(&self, solution: &Solution) -> f64 {
        let mut reduced = self.cost.clone();
        let mut bound = 0.0;
        for (rows, multipliers) in
            [(&self.equations, &solution.equations), (&self.inequalities, &solution.inequalities)]
        {
            for (row, z) in multipliers.iter().enumerate() {
                bound -= rows.right[row] * z;
                rows.row(row).iter().for_each(|(x, factor)| reduced[*x] += factor * z);
            }
        }
        // Shares of one cost at least their cheapest: parts whose multipliers differ by a constant lose nothing by it.
        for shares in self.shares.iter().flatten() {
            let cheapest = shares.iter().map(|x| reduced[*x]).fold(f64::INFINITY, f64::min);
            bound += if shares.is_empty() { 0.0 } else { cheapest };
            shares.iter().for_each(|x| reduced[*x] = 0.0);
        }
        let least = |(r, [low, high]): (&f64, &[f64; 2])| (r * low).min(r * high);
        bound + reduced.iter().zip(&self.boxes).map(least).sum::<f64>()
    }
}

impl Solution {
    /// Nothing but zeros for some steps.
    #[must_use]
    pub fn zeros(program: &Program, steps: &Range<usize>) -> Self {
        let span = program.span(steps);
        let [x, equations, inequalities] = [0, 1, 2].map(|i: usize| vec![0.0; span[i].len()]);
        Self { x, equations, inequalities, first: span.map(|range| range.start) }
    }

    /// Takes over values and multipliers of some steps.
    pub fn take(&mut self, from: &Self, program: &Program, steps: &Range<usize>) {
        let span = program.span(steps);
        let places = [&mut self.x, &mut self.equations, &mut self.inequalities];
        for (i, (place, values)) in places.into_iter().zip([&from.x, &from.equations, &from.inequalities]).enumerate() {
            let within = |first: usize| span[i].start - first..span[i].end - first;
            place[within(self.first[i])].copy_from_slice(&values[within(from.first[i])]);
        }
    }
}
