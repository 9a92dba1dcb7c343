//! Resistance and reactance of the grid behind the connection, from a plant's own records.
//!
//! `V = Vs - (R P + X Q)/Vs` in pu on `base_kva`, P and Q + = importing; the stiff voltage Vs moves slowly. Between two
//! neighbouring samples it stands still, so `Vs dV = -(R dP + X dQ)`. R and X solve that by instrumental variables: the
//! differences over the three steps around each step stand for those of the step itself. Their meter noise has nothing to
//! do with the step's own, which would make R and X too small in ordinary least squares. Steps that fit badly (a tap
//! changer) are left out; standard errors count with neighbours that share a sample.
//!
//! Terms: *step* is a pair of neighbouring samples with another one on either side.

use serde::Serialize;

/// Fewest steps to fit from.
pub const STEPS_MIN: usize = 200;
/// Largest standard error, as a share of the value.
const ERROR_MAX: f64 = 0.2;
/// P and Q that move together more than this cannot be told apart.
const CORRELATION_MAX: f64 = 0.98;
/// A step further off than this many robust standard deviations says nothing of R and X.
const OUTLIER: f64 = 6.0;
/// What is found, by what moves, in which unit.
const R_BY_P: (&str, &str, &str) = ("R", "P", "kW");
const X_BY_Q: (&str, &str, &str) = ("X", "Q", "kvar");
/// Steps this close share a sample, or a sample of their instruments.
const LAGS: usize = 3;

/// What the meter at the connection said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When, s.
    pub time_s: f64,
    /// Active power, kW, + = importing.
    pub p_kw: f64,
    /// Reactive power, kvar, + = importing.
    pub q_kvar: f64,
    /// Voltage, pu.
    pub v_pu: f64,
}

/// R, X and how far the voltage may be off with them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Feeder {
    /// Resistance, pu.
    pub resistance_pu: f64,
    /// Its standard error.
    pub resistance_error_pu: f64,
    /// Reactance, pu.
    pub reactance_pu: f64,
    /// Its standard error.
    pub reactance_error_pu: f64,
    /// The base of all of them, kVA.
    pub base_kva: f64,
    /// Of the samples, 99.9 % have a stiff voltage this close to the filtered one, pu: what the margin has to cover.
    pub margin_voltage_pu: f64,
    /// Steps that were used.
    pub steps: usize,
}

/// Why the records say nothing of R and X.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Record for longer.
    #[error("{found} steps between neighbouring samples are too few; expected at least {STEPS_MIN}")]
    TooFew {
        /// That many there are.
        found: usize,
    },
    /// Move Q without P: switch a compensation, or change the power factor of an inverter.
    #[error(
        "P and Q move together (correlation {correlation:.3}): R and X cannot be told apart. Record while one of them moves \
         alone, for instance the battery at a power factor of 1"
    )]
    Together {
        /// Of their steps.
        correlation: f64,
    },
    /// Move it more, or record for longer.
    #[error(
        "{what} is too uncertain ({value:.4} ± {error:.4} pu): {moves} moves by {rms:.2} {unit} from sample to sample, which is \
         not enough beside the noise of the voltage. Record while {moves} moves in larger steps, or for longer"
    )]
    NotExcited {
        /// R or X.
        what: &'static str,
        /// P or Q.
        moves: &'static str,
        /// Its value, pu.
        value: f64,
        /// Its standard error, pu.
        error: f64,
        /// Root mean square of its steps.
        rms: f64,
        /// kW or kvar.
        unit: &'static str,
    },
    /// The meter counts exporting as positive, or it is not the one at the connection.
    #[error("{what} is negative ({value:.4} pu): power at the connection is positive while importing; check the sign")]
    Negative {
        /// R or X.
        what: &'static str,
        /// Its value, pu.
        value: f64,
    },
}

/// A step: how P, Q and V change in it, how P and Q change around it, and the voltages' place.
struct Step {
    moves: [f64; 2],
    around: [f64; 2],
    dv: f64,
    first: Sample,
}

/// Fits R and X. `filter_s` is the time constant of the filter on the stiff voltage, `base_kva` > 0.
///
/// # Errors
/// [`FitError`] where the records do not determine them.
pub fn fit(samples: &[Sample], base_kva: f64, filter_s: f64) -> Result<Feeder, FitError> {
    let mut kept = steps(samples, base_kva);
    let (mut rx, mut errors) = ([0.0; 2], [f64::INFINITY; 2]);
    // First with Vs = V and everything, then with Vs from the last R and X and without outliers.
    for _ in 0..4 {
        if kept.len() < STEPS_MIN {
            return Err(FitError::TooFew { found: kept.len() });
        }
        let rows: Vec<Row> = kept.iter().map(|step| row(step, rx, base_kva)).collect();
        let correlation = correlation(&rows);
        (rx, errors) = solve(&rows).filter(|_| correlation.abs() <= CORRELATION_MAX).ok_or_else(|| {
            let still = |i| rms(&rows, i) < 1e-9;
            if still(0) || still(1) { still_error(&rows) } else { FitError::Together { correlation } }
        })?;
        let off: Vec<f64> = rows.iter().map(|row| residual(row, rx).abs()).collect();
        let limit = OUTLIER * 1.4826 * quantile(off.clone(), 0.5) + 1e-12;
        let mut off = off.into_iter();
        kept.retain(|_| off.next().is_some_and(|off| off <= limit));
    }
    let rows: Vec<Row> = kept.iter().map(|step| row(step, rx, base_kva)).collect();
    certain(rx, errors, &rows, base_kva)?;
    Ok(Feeder {
        resistance_pu: rx[0],
        resistance_error_pu: errors[0],
        reactance_pu: rx[1],
        reactance_error_pu: errors[1],
        base_kva,
        margin_voltage_pu: margin(samples, rx, base_kva, filter_s),
        steps: kept.len(),
    })
}

/// All steps whose four samples follow each other without a gap.
fn steps(samples: &[Sample], base_kva: f64) -> Vec<Step> {
    let usual = quantile(samples.windows(2).map(|pair| pair[1].time_s - pair[0].time_s).collect(), 0.5);
    let near = |pair: &[Sample]| (1e-9..=1.5 * usual).contains(&(pair[1].time_s - pair[0].time_s));
    let whole = samples.windows(4).filter(|four| four.windows(2).all(near));
    let pu = |from: &Sample, to: &Sample| [(to.p_kw - from.p_kw) / base_kva, (to.q_kvar - from.q_kvar) / base_kva];
    whole
        .map(|four| Step {
            moves: pu(&four[1], &four[2]),
            around: pu(&four[0], &four[3]),
            dv: four[2].v_pu - four[1].v_pu,
            first: four[1],
        })
        .collect()
}

/// `y = x·(R, X)` with the instruments `z`.
struct Row {
    x: [f64; 2],
    z: [f64; 2],
    y: f64,
}

fn row(step: &Step, rx: [f64; 2], base_kva: f64) -> Row {
    let vs = stiff_voltage(&step.first, rx, base_kva);
    Row { x: step.moves.map(|m| -m), z: step.around.map(|m| -m), y: vs * step.dv }
}

/// `Vs = (V + sqrt(V² + 4 (R P + X Q)))/2`
fn stiff_voltage(sample: &Sample, [r, x]: [f64; 2], base_kva: f64) -> f64 {
    let drop = (r * sample.p_kw + x * sample.q_kvar) / base_kva;
    f64::midpoint(sample.v_pu, (sample.v_pu * sample.v_pu + 4.0 * drop).max(0.0).sqrt())
}

fn residual(row: &Row, rx: [f64; 2]) -> f64 {
    row.y - row.x[0] * rx[0] - row.x[1] * rx[1]
}

type Matrix = [[f64; 2]; 2];

/// `b = (Z'X)⁻¹ Z'y` and its standard errors from `A⁻¹ S A⁻ᵀ`, S with Bartlett's weights over [`LAGS`] neighbours.
fn solve(rows: &[Row]) -> Option<([f64; 2], [f64; 2])> {
    let a = rows.iter().fold([[0.0; 2]; 2], |sum, row| plus(sum, 1.0, outer(row.z, row.x)));
    let zy = rows.iter().fold([0.0; 2], |[p, q], row| [p + row.z[0] * row.y, q + row.z[1] * row.y]);
    let inverse = inverse(a)?;
    let rx = [0, 1].map(|i| inverse[i][0] * zy[0] + inverse[i][1] * zy[1]);
    let s = scatter(rows, rx);
    let variance = |i: usize| -> f64 {
        (0..2).flat_map(|j| (0..2).map(move |k| (j, k))).map(|(j, k)| inverse[i][j] * s[j][k] * inverse[i][k]).sum()
    };
    let errors = [variance(0).max(0.0).sqrt(), variance(1).max(0.0).sqrt()];
    rx.iter().chain(&errors).all(|number| number.is_finite()).then_some((rx, errors))
}

fn scatter(rows: &[Row], rx: [f64; 2]) -> Matrix {
    let scores: Vec<[f64; 2]> = rows.iter().map(|row| row.z.map(|z| z * residual(row, rx))).collect();
    let mut s = [[0.0; 2]; 2];
    for lag in 0..=LAGS {
        let weight = if lag == 0 { 0.5 } else { 1.0 - lag as f64 / (LAGS + 1) as f64 };
        for (early, late) in scores.iter().zip(scores.iter().skip(lag)) {
            s = plus(plus(s, weight, outer(*early, *late)), weight, outer(*late, *early));
        }
    }
    s
}

/// `a b'`
fn outer(a: [f64; 2], b: [f64; 2]) -> Matrix {
    a.map(|a| b.map(|b| a * b))
}

/// `sum + weight · more`
fn plus(sum: Matrix, weight: f64, more: Matrix) -> Matrix {
    [0, 1].map(|i| [0, 1].map(|j| sum[i][j] + weight * more[i][j]))
}

fn inverse([[a, b], [c, d]]: Matrix) -> Option<Matrix> {
    let determinant = a * d - b * c;
    let singular = determinant.abs() <= 1e-12 * (a * d).abs().max((b * c).abs()) || determinant == 0.0;
    (!singular).then(|| [[d / determinant, -b / determinant], [-c / determinant, a / determinant]])
}

fn rms(rows: &[Row], of: usize) -> f64 {
    (rows.iter().map(|row| row.x[of] * row.x[of]).sum::<f64>() / rows.len().max(1) as f64).sqrt()
}

fn correlation(rows: &[Row]) -> f64 {
    let product: f64 = rows.iter().map(|row| row.x[0] * row.x[1]).sum::<f64>() / rows.len().max(1) as f64;
    let scale = rms(rows, 0) * rms(rows, 1);
    if scale > 0.0 { product / scale } else { 0.0 }
}

/// P or Q never moves.
fn still_error(rows: &[Row]) -> FitError {
    let (what, moves, unit) = if rms(rows, 0) <= rms(rows, 1) { R_BY_P } else { X_BY_Q };
    FitError::NotExcited { what, moves, value: 0.0, error: f64::INFINITY, rms: 0.0, unit }
}

/// Both are positive and known well enough to be stated in a site file.
fn certain(rx: [f64; 2], errors: [f64; 2], rows: &[Row], base_kva: f64) -> Result<(), FitError> {
    for (i, (what, moves, unit)) in [R_BY_P, X_BY_Q].into_iter().enumerate() {
        let (value, error) = (rx[i], errors[i]);
        if value < -3.0 * error {
            return Err(FitError::Negative { what, value });
        }
        if value.is_nan() || error > ERROR_MAX * value {
            return Err(FitError::NotExcited { what, moves, value, error, rms: rms(rows, i) * base_kva, unit });
        }
    }
    Ok(())
}

/// How far the stiff voltage of single samples is from the filtered one: `f' = f + (Vs - f) dt/(tau + dt)`, as the gateway
/// filters it. The first five time constants do not count.
fn margin(samples: &[Sample], rx: [f64; 2], base_kva: f64, filter_s: f64) -> f64 {
    let Some(first) = samples.first() else { return 0.0 };
    let (mut filtered, mut last_s) = (stiff_voltage(first, rx, base_kva), first.time_s);
    let mut off = Vec::with_capacity(samples.len());
    for sample in samples {
        let (vs, dt) = (stiff_voltage(sample, rx, base_kva), (sample.time_s - last_s).max(0.0));
        if dt > 10.0 * filter_s {
            filtered = vs;
        }
        if sample.time_s - first.time_s >= 5.0 * filter_s {
            off.push((vs - filtered).abs());
        }
        filtered += (vs - filtered) * dt / (filter_s + dt).max(1e-9);
        last_s = sample.time_s;
    }
    quantile(off, 0.999)
}

/// The smallest value that this share of all does not exceed; 0 of none.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
#[path = "feeder_tests.rs"]
mod tests;
