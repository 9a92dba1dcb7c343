//! A linear program in the making: variables, equations, inequalities; solved by an interior-point method.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus,
    SupportedConeT::{NonnegativeConeT, ZeroConeT},
};

/// A variable's number.
pub type Variable = usize;

/// `min cost x` subject to equations, inequalities and bounds.
#[derive(Debug, Default)]
pub struct Program {
    cost: Vec<f64>,
    equations: Rows,
    inequalities: Rows,
}

#[derive(Debug, Default)]
struct Rows {
    entries: Vec<(usize, usize, f64)>,
    right: Vec<f64>,
}

impl Rows {
    fn push(&mut self, terms: &[(Variable, f64)], right: f64) {
        let row = self.right.len();
        self.entries.extend(terms.iter().map(|(variable, factor)| (row, *variable, *factor)));
        self.right.push(right);
    }
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Solution {
    /// Values of the variables.
    pub x: Vec<f64>,
    /// A value that no feasible point falls below: the dual objective.
    pub bound: f64,
}

impl Program {
    /// A new variable within `[low, high]` (infinite ends are left out).
    pub fn variable(&mut self, cost: f64, low: f64, high: f64) -> Variable {
        let x = self.cost.len();
        self.cost.push(cost);
        if low.is_finite() {
            self.at_most(&[(x, -1.0)], -low);
        }
        if high.is_finite() {
            self.at_most(&[(x, 1.0)], high);
        }
        x
    }

    /// `Σ factor x = right`.
    pub fn equal(&mut self, terms: &[(Variable, f64)], right: f64) {
        self.equations.push(terms, right);
    }

    /// `Σ factor x <= right`.
    pub fn at_most(&mut self, terms: &[(Variable, f64)], right: f64) {
        self.inequalities.push(terms, right);
    }

    /// Solves it. The message names the solver's status if there is no answer.
    ///
    /// # Errors
    /// Infeasible, unbounded or not solved to tolerance.
    pub fn solve(self) -> Result<Solution, String> {
        let n = self.cost.len();
        let (equations, inequalities) = (self.equations.right.len(), self.inequalities.right.len());
        let all = self.equations.entries.into_iter();
        let below = self.inequalities.entries.into_iter().map(|(row, x, factor)| (row + equations, x, factor));
        let (mut rows, mut columns, mut factors) = (Vec::new(), Vec::new(), Vec::new());
        for (row, x, factor) in all.chain(below) {
            rows.push(row);
            columns.push(x);
            factors.push(factor);
        }
        let a = CscMatrix::new_from_triplets(equations + inequalities, n, rows, columns, factors);
        let b: Vec<f64> = self.equations.right.into_iter().chain(self.inequalities.right).collect();
        let cones = [ZeroConeT(equations), NonnegativeConeT(inequalities)];
        // A block costs hundreds of EUR: 1e-6 of that is far below a cent.
        let mut settings = DefaultSettingsBuilder::default();
        let settings = settings.verbose(false).max_iter(200).tol_gap_rel(1e-6).tol_feas(1e-7).build();
        let settings = settings.map_err(|e| e.to_string())?;
        let solver = DefaultSolver::new(&CscMatrix::zeros((n, n)), &self.cost, &a, &b, &cones, settings);
        let mut solver = solver.map_err(|e| e.to_string())?;
        solver.solve();
        match solver.solution.status {
            SolverStatus::Solved | SolverStatus::AlmostSolved => {
                Ok(Solution { x: solver.solution.x.clone(), bound: solver.solution.obj_val_dual })
            }
            status => Err(format!("{status:?}")),
        }
    }
}
