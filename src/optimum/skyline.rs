//! Symmetric matrices whose rows begin near the diagonal, and their Cholesky factors, which begin there too.

/// Row `i` holds its columns from the first that is not zero to the diagonal.
#[derive(Debug)]
pub struct Skyline {
    first: Vec<usize>,
    begins: Vec<usize>,
    values: Vec<f64>,
}

/// A pivot of this share of its diagonal is what rounding left of a row that follows from those before it.
const DEPENDENT: f64 = 1e-13;

/// In place of such a pivot: the row's unknown becomes zero.
const NEVER: f64 = 1e100;

impl Skyline {
    /// Zeros; `first` is the first column of each row.
    pub fn new(first: Vec<usize>) -> Self {
        let mut begins = vec![0];
        let mut end = 0;
        for (row, first) in first.iter().enumerate() {
            end += row - first + 1;
            begins.push(end);
        }
        Self { first, begins, values: vec![0.0; end] }
    }

    /// Back to zeros.
    pub fn clear(&mut self) {
        self.values.fill(0.0);
    }

    /// Adds to an entry on or below the diagonal.
    pub fn add(&mut self, row: usize, column: usize, value: f64) {
        self.values[self.begins[row] + column - self.first[row]] += value;
    }

    /// The matrix becomes the `L` of `L L' = M`.
    pub fn factor(&mut self) {
        for i in 0..self.first.len() {
            let (before, rest) = self.values.split_at_mut(self.begins[i]);
            let (row, first) = (&mut rest[..=i - self.first[i]], self.first[i]);
            for j in first..i {
                let other = &before[self.begins[j]..self.begins[j + 1]];
                let from = first.max(self.first[j]);
                let known = dot(&row[from - first..j - first], &other[from - self.first[j]..j - self.first[j]]);
                row[j - first] = (row[j - first] - known) / other[j - self.first[j]];
            }
            let (left, diagonal) = row.split_at_mut(i - first);
            let pivot = diagonal[0] - dot(left, left);
            diagonal[0] = if pivot > DEPENDENT * diagonal[0] { pivot.sqrt() } else { NEVER };
        }
    }

    /// `M^-1 right`, after [`Self::factor`].
    pub fn solve(&self, mut right: Vec<f64>) -> Vec<f64> {
        for i in 0..right.len() {
            let (left, diagonal) = self.row(i);
            right[i] = (right[i] - dot(left, &right[self.first[i]..i])) / diagonal;
        }
        for i in (0..right.len()).rev() {
            let (left, diagonal) = self.row(i);
            let value = right[i] / diagonal;
            right[i] = value;
            right[self.first[i]..i].iter_mut().zip(left).for_each(|(x, factor)| *x -= factor * value);
        }
        right
    }

    /// A row left of the diagonal, and its diagonal.
    fn row(&self, i: usize) -> (&[f64], f64) {
        let (left, diagonal) = self.values[self.begins[i]..self.begins[i + 1]].split_at(i - self.first[i]);
        (left, diagonal[0])
    }
}

/// In eight sums at once, so that processors need not wait for each addition.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (eights, others) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = eights.remainder().iter().zip(others.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 8];
    for (x, y) in eights.zip(others) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    rest + sums.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_solved_and_a_row_that_follows_from_others_stays_zero() {
        // Rows 0 and 1 are twice the same; row 2 stands beside.
        let mut matrix = Skyline::new(vec![0, 0, 1]);
        for (row, column, value) in [(0, 0, 4.0), (1, 0, 4.0), (1, 1, 4.0), (2, 2, 2.0)] {
            matrix.add(row, column, value);
        }
        matrix.factor();
        let x = matrix.solve(vec![8.0, 8.0, 6.0]);
        assert!((x[0] - 2.0).abs() < 1e-12 && x[1].abs() < 1e-12 && (x[2] - 3.0).abs() < 1e-12, "{x:?}");
    }

    #[test]
    fn long_rows_are_solved_too() {
        let n = 40;
        let entry = |i: usize, j: usize| if i == j { 50.0 } else { 1.0 / (1.0 + i as f64 + j as f64) };
        let mut matrix = Skyline::new(vec![0; n]);
        (0..n).for_each(|i| (0..=i).for_each(|j| matrix.add(i, j, entry(i, j))));
        let wanted: Vec<f64> = (0..n).map(|i| i as f64 - 7.0).collect();
        let right = (0..n).map(|i| (0..n).map(|j| entry(i.max(j), i.min(j)) * wanted[j]).sum()).collect();
        matrix.factor();
        let found = matrix.solve(right);
        assert!(found.iter().zip(&wanted).all(|(x, y)| (x - y).abs() < 1e-9), "{found:?}");
    }
}
