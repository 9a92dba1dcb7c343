//! Linear regression that outliers do not bend, and its intervals.
//!
//! `y = sum of c_i x_i`, least squares through the origin. What is further off than [`OUTLIER`] robust deviations (1.4826 times the
//! median of the residuals' magnitude) is left out, twice. The interval is that of a jackknife over days: the coefficients are
//! found again without each day in turn, and their spread gives the standard error (Quenouille 1956, Tukey 1958), which holds for
//! errors that are related within a day, as those of meters are.

/// Residuals beyond this many robust deviations are outliers.
const OUTLIER: f64 = 5.0;
/// Half an interval is at least this share of the value: a meter that rounds is off by the same for as long as a power stays, and
/// that does not show as spread.
const NARROWEST: f64 = 1e-3;
/// Columns that leave less than this share of themselves beside the others say the same as those.
const COLLINEAR: f64 = 1e-4;

/// An equation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample<const N: usize> {
    pub x: [f64; N],
    pub y: f64,
    /// Errors of one day may be related.
    pub day: i64,
}

/// A number with its 95 % interval.
pub(crate) use memg_core::equipment::Identified;

/// What a regression gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found<const M: usize> {
    pub values: [Identified; M],
    /// Root of the mean squared residual.
    pub rest: f64,
    /// Equations that were left out.
    pub outliers: usize,
    /// Equations that were used.
    pub used: usize,
    /// Days that they are of.
    pub days: usize,
}

/// Finds the coefficients, and what is derived from them, with intervals. `None`: they cannot be told apart, or there are fewer than
/// three days.
pub(crate) fn identify<const N: usize, const M: usize>(
    samples: &[Sample<N>],
    derive: impl Fn([f64; N]) -> [f64; M],
) -> Option<Found<M>> {
    let (kept, coefficients) = without_outliers(samples)?;
    let mut days: Vec<i64> = kept.iter().map(|sample| sample.day).collect();
    days.sort_unstable();
    days.dedup();
    let count = days.len() as f64;
    let without = |day: i64| {
        let rest: Vec<Sample<N>> = kept.iter().filter(|sample| sample.day != day).copied().collect();
        least_squares(&rest).map(&derive)
    };
    let again: Vec<[f64; M]> = days.iter().map(|day| without(*day)).collect::<Option<_>>()?;
    if days.len() < 3 {
        return None;
    }
    let best = derive(coefficients);
    let values = std::array::from_fn(|index| {
        let of = |found: &[f64; M]| found[index];
        let mean = again.iter().map(of).sum::<f64>() / count;
        let spread: f64 = again.iter().map(|found| (of(found) - mean).powi(2)).sum();
        let half = quantile(days.len() - 1) * (spread * (count - 1.0) / count).sqrt();
        let half = half.max(NARROWEST * best[index].abs());
        Identified { value: best[index], low: best[index] - half, high: best[index] + half }
    });
    let squares: f64 = kept.iter().map(|sample| residual(sample, &coefficients).powi(2)).sum();
    let rest = (squares / kept.len().max(1) as f64).sqrt();
    Some(Found { values, rest, outliers: samples.len() - kept.len(), used: kept.len(), days: days.len() })
}

fn without_outliers<const N: usize>(samples: &[Sample<N>]) -> Option<(Vec<Sample<N>>, [f64; N])> {
    let mut kept = samples.to_vec();
    let mut found = least_squares(&kept)?;
    for _ in 0..2 {
        let mut sizes: Vec<f64> = kept.iter().map(|sample| residual(sample, &found).abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let bound = OUTLIER * 1.4826 * sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
        // Where half of all fit exactly nothing can be said of the others.
        if bound > 0.0 {
            kept = samples.iter().filter(|sample| residual(sample, &found).abs() <= bound).copied().collect();
            found = least_squares(&kept)?;
        }
    }
    Some((kept, found))
}

fn residual<const N: usize>(sample: &Sample<N>, coefficients: &[f64; N]) -> f64 {
    sample.y - sample.x.iter().zip(coefficients).map(|(x, c)| x * c).sum::<f64>()
}

/// By the normal equations, columns scaled to one.
fn least_squares<const N: usize>(samples: &[Sample<N>]) -> Option<[f64; N]> {
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for sample in samples {
        for (i, row) in matrix.iter_mut().enumerate() {
            right[i] += sample.x[i] * sample.y;
            row.iter_mut().zip(sample.x).for_each(|(slot, x)| *slot += sample.x[i] * x);
        }
    }
    let scale: [f64; N] = std::array::from_fn(|i| matrix[i][i].sqrt());
    if scale.iter().any(|scale| scale.is_nan() || *scale <= 0.0) {
        return None;
    }
    for i in 0..N {
        right[i] /= scale[i];
        (0..N).for_each(|j| matrix[i][j] /= scale[i] * scale[j]);
    }
    let solution = solved(matrix, right)?;
    Some(std::array::from_fn(|i| solution[i] / scale[i]))
}

/// Cholesky's elimination of a matrix with ones on its diagonal.
fn solved<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> Option<[f64; N]> {
    for pivot in 0..N {
        if a[pivot][pivot].is_nan() || a[pivot][pivot] <= COLLINEAR {
            return None;
        }
        for row in pivot + 1..N {
            let factor = a[row][pivot] / a[pivot][pivot];
            (pivot..N).for_each(|column| a[row][column] -= factor * a[pivot][column]);
            b[row] -= factor * b[pivot];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| a[row][column] * b[column]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    Some(b)
}

/// 97.5 % quantile of Student's distribution (Cornish and Fisher's series; 3 % too small for 2 degrees of freedom).
fn quantile(freedom: usize) -> f64 {
    let (z, v): (f64, f64) = (1.959_964, freedom.max(1) as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / v + second / (v * v) + third / v.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y = 2 a - 3 b` with errors that are the same for a whole day, and an outlier in every day.
    fn samples(days: i64, error: f64) -> Vec<Sample<2>> {
        let of_day = |day: i64| {
            (0..24).map(move |hour| {
                let (a, b) = (f64::from(hour % 5), f64::from((hour * 7) % 11));
                let off = error * ((day * 37 % 7) as f64 - 3.0);
                let outlier = if hour == 13 { 50.0 } else { 0.0 };
                Sample { x: [a, b], y: 2.0 * a - 3.0 * b + off + outlier, day }
            })
        };
        (0..days).flat_map(of_day).collect()
    }

    #[test]
    fn coefficients_are_within_their_intervals_whatever_a_few_equations_say() {
        let found = identify(&samples(14, 0.1), |c| c).unwrap();
        assert!(found.values[0].holds(2.0) && found.values[1].holds(-3.0), "{found:?}");
        assert!(found.values.iter().all(|of| of.high - of.low < 0.2) && found.outliers == 14, "{found:?}");
    }

    #[test]
    fn more_days_make_intervals_narrower() {
        let width = |days| identify(&samples(days, 0.1), |c| c).unwrap().values.map(|of| of.high - of.low);
        assert!(width(28)[0] < width(7)[0]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_found() {
        let same: Vec<Sample<2>> =
            samples(14, 0.1).iter().map(|s| Sample { x: [s.x[0], 2.0 * s.x[0]], ..*s }).collect();
        assert_eq!(identify(&same, |c| c), None);
        assert_eq!(identify(&samples(2, 0.1), |c| c), None, "two days show no spread");
        assert_eq!(identify::<2, 2>(&[], |c| c), None);
    }

    #[test]
    fn the_quantile_is_students() {
        for (freedom, expected) in [(3, 3.182), (5, 2.571), (13, 2.160), (1000, 1.962)] {
            assert!((quantile(freedom) / expected - 1.0).abs() < 0.01, "{freedom}: {}", quantile(freedom));
        }
    }
}
