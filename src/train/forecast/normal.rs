//! Normal equations of a ridge regression, by hand: sums over rows, and their solution.
//!
//! `(G + λ diag G) c = b` with `G = Σ x xᵀ`, `b = Σ x y`: the penalty counts in the size of each number, so that units do
//! not matter. `G` is symmetric and, with the penalty, positive definite: Cholesky without pivots solves it.

use memg_core::forecast::REGRESSORS;

const N: usize = REGRESSORS;

/// Sums over rows.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// `G`, the part on and right of the diagonal.
    products: [[f64; N]; N],
    with_target: [f64; N],
    square: f64,
    pub(super) rows: u64,
}

impl Sums {
    pub(super) const fn new() -> Self {
        Self { products: [[0.0; N]; N], with_target: [0.0; N], square: 0.0, rows: 0 }
    }

    /// Takes a row and its target.
    pub(super) fn add(&mut self, row: &[f64; N], target: f64) {
        for (i, (products, x)) in self.products.iter_mut().zip(row).enumerate() {
            for (sum, y) in products[i..].iter_mut().zip(&row[i..]) {
                *sum += x * y;
            }
        }
        for (sum, x) in self.with_target.iter_mut().zip(row) {
            *sum += x * target;
        }
        self.square += target * target;
        self.rows += 1;
    }

    /// The coefficients at a penalty `λ > 0`. A number that was always 0 gets the coefficient 0.
    pub(super) fn solve(&self, penalty: f64) -> [f64; N] {
        let mut lower = [[0.0; N]; N];
        for i in 0..N {
            for j in 0..=i {
                let own: f64 = lower[i][..j].iter().zip(&lower[j][..j]).map(|(a, b)| a * b).sum();
                lower[i][j] = match i == j {
                    true => (self.products[i][i] * (1.0 + penalty) - own).max(0.0).sqrt(),
                    false if lower[j][j] > 0.0 => (self.products[j][i] - own) / lower[j][j],
                    false => 0.0,
                };
            }
        }
        substitute(&lower, &self.with_target)
    }

    /// Sum of squared errors of coefficients on these rows: `Σ y² - 2 cᵀb + cᵀGc`.
    pub(super) fn squared_error(&self, coefficients: &[f64; N]) -> f64 {
        let mut sum = self.square;
        for (i, c) in coefficients.iter().enumerate() {
            sum += c * (self.products[i][i] * c - 2.0 * self.with_target[i]);
            let right = coefficients.iter().zip(&self.products[i]).skip(i + 1);
            sum += 2.0 * c * right.map(|(other, product)| other * product).sum::<f64>();
        }
        sum
    }
}

/// Solves `L Lᵀ c = b`, forwards and backwards.
fn substitute(lower: &[[f64; N]; N], b: &[f64; N]) -> [f64; N] {
    let mut c = *b;
    for i in 0..N {
        let own: f64 = (0..i).map(|j| lower[i][j] * c[j]).sum();
        c[i] = if lower[i][i] > 0.0 { (c[i] - own) / lower[i][i] } else { 0.0 };
    }
    for i in (0..N).rev() {
        let own: f64 = (i + 1..N).map(|j| lower[j][i] * c[j]).sum();
        c[i] = if lower[i][i] > 0.0 { (c[i] - own) / lower[i][i] } else { 0.0 };
    }
    c
}
