//! Programs that the own interior-point method does not get through, by a general solver: five times as slow, and it says
//! what is wrong with a program.

use super::interior::{Answer, Row, RowKind};
use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus,
    SupportedConeT::{NonnegativeConeT, ZeroConeT},
};

/// Minimum within the rows; equations come first, and inequalities of one variable say what its box is.
///
/// # Errors
/// The solver's status, if there is no answer.
pub fn solve(cost: &[f64], rows: &[Row]) -> Result<Answer, String> {
    let zeros = rows.iter().take_while(|row| row.kind == RowKind::Equal).count();
    let cones = [ZeroConeT(zeros), NonnegativeConeT(rows.len() - zeros)];
    let right: Vec<f64> = rows.iter().map(|row| row.right).collect();
    // A block costs hundreds of EUR: 1e-6 of that is far below a cent.
    let mut settings = DefaultSettingsBuilder::default();
    let settings = settings.verbose(false).max_iter(200).tol_gap_rel(1e-6).tol_feas(1e-7).build();
    let settings = settings.map_err(|e| e.to_string())?;
    let n = cost.len();
    let solver = DefaultSolver::new(&CscMatrix::zeros((n, n)), cost, &matrix(n, rows), &right, &cones, settings);
    let mut solver = solver.map_err(|e| e.to_string())?;
    solver.solve();
    match solver.solution.status {
        SolverStatus::Solved | SolverStatus::AlmostSolved => {
            Ok(Answer { x: solver.solution.x.clone(), z: solver.solution.z.clone() })
        }
        status => Err(format!("{status:?}")),
    }
}

fn matrix(columns: usize, rows: &[Row]) -> CscMatrix {
    let terms = || rows.iter().enumerate().flat_map(|(row, terms)| terms.terms.iter().map(move |term| (row, *term)));
    CscMatrix::new_from_triplets(
        rows.len(),
        columns,
        terms().map(|(row, _)| row).collect(),
        terms().map(|(_, (column, _))| column).collect(),
        terms().map(|(_, (_, factor))| factor).collect(),
    )
}
