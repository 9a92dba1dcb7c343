//! golden.csv: inputs and outputs that every runtime must reproduce before a model may decide.

use super::ModelError;
use crate::weights::{ACTIONS, Dense, Weights};
use memg_core::action::Action;
use memg_core::observation::{Observation, Schema};
use memg_core::policy::{Actor, PolicyError};
use std::f32::consts::TAU;
use std::fmt::Write;

/// Largest difference between an output and its golden value.
pub const TOLERANCE: f32 = 1e-5;
/// Rows of a written file.
const ROWS: usize = 32;
/// More rows are not read.
const ROWS_MAX: usize = 10_000;

/// Inputs with their outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    rows: Vec<(Observation, Action)>,
}

impl Golden {
    /// Lets an actor compute the outputs of [`inputs`].
    ///
    /// # Errors
    /// The actor's own.
    pub fn record(actor: &mut dyn Actor) -> Result<Self, PolicyError> {
        let inputs = inputs(actor.schema());
        let pair = |observation: Observation| Ok((observation, actor.infer(&observation)?));
        let rows: Result<_, PolicyError> = inputs.into_iter().map(pair).collect();
        Ok(Self { rows: rows? })
    }

    /// The outputs of [`inputs`], computed in f64 and rounded once: nearer to every float32 runtime than they are to each
    /// other, whose sums round in different orders.
    #[must_use]
    pub fn exact(weights: &Weights) -> Self {
        let pair = |observation: Observation| {
            let action = exact_outputs(weights, observation.values());
            (observation, action)
        };
        Self { rows: inputs(weights.schema()).into_iter().map(pair).collect() }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[(Observation, Action)] {
        &self.rows
    }

    /// Reads the file.
    ///
    /// # Errors
    /// The first line that is not `schema.len()` + 3 finite numbers; no rows; too many rows.
    pub fn parse(schema: Schema, text: &str) -> Result<Self, ModelError> {
        let error = |line: usize, reason: String| ModelError::Golden { line, reason };
        let mut lines = text.lines().enumerate();
        let found = lines.next().map_or("", |(_, line)| line);
        if found != header(schema) {
            return Err(error(1, format!("expected the header {:?}, found {found:?}", header(schema))));
        }
        let rows: Result<Vec<_>, _> =
            lines.map(|(i, line)| parse_row(schema, line).map_err(|e| error(i + 1, e))).collect();
        match rows? {
            rows if rows.is_empty() => Err(error(2, "there are no rows".to_owned())),
            rows if rows.len() > ROWS_MAX => Err(error(ROWS_MAX + 2, format!("more than {ROWS_MAX} rows"))),
            rows => Ok(Self { rows }),
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn to_csv(&self, schema: Schema) -> String {
        let mut text = header(schema);
        for (observation, action) in &self.rows {
            let numbers = observation.values().iter().chain(&action.0);
            let cells: Vec<String> = numbers.map(ToString::to_string).collect();
            let _ = write!(text, "\n{}", cells.join(","));
        }
        text.push('\n');
        text
    }

    /// Runs every row through an actor; returns the largest difference.
    ///
    /// # Errors
    /// The first row that differs by more than [`TOLERANCE`], or that the runtime fails on.
    pub fn check(&self, actor: &mut dyn Actor) -> Result<f32, ModelError> {
        let mut worst = 0.0_f32;
        for (index, (observation, expected)) in self.rows.iter().enumerate() {
            let line = index + 2;
            let found = actor.infer(observation).map_err(|e| ModelError::Golden { line, reason: e.to_string() })?;
            let difference = largest_difference(&expected.0, &found.0);
            if difference > TOLERANCE {
                let (expected, found) = (expected.0, found.0);
                return Err(ModelError::Golden { line, reason: format!("expected {expected:?}, computed {found:?}") });
            }
            worst = worst.max(difference);
        }
        Ok(worst)
    }
}

/// `tanh(W3 relu(W2 relu(W1 x + b1) + b2) + b3)` in f64.
fn exact_outputs(weights: &Weights, x: &[f32]) -> Action {
    let wide = |xs: &[f32]| xs.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let apply = |layer: &Dense, x: &[f64]| -> Vec<f64> {
        let rows = layer.weight.chunks_exact(layer.inputs.max(1)).zip(&layer.bias);
        rows.map(|(row, bias)| f64::from(*bias) + row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>())
            .collect()
    };
    let relu = |xs: Vec<f64>| xs.into_iter().map(|x| x.max(0.0)).collect::<Vec<f64>>();
    let [first, second, last] = weights.layers();
    let out = apply(last, &relu(apply(second, &relu(apply(first, &wide(x))))));
    Action([0, 1, 2].map(|i| out.get(i).map_or(f32::NAN, |y| y.tanh() as f32)))
}

/// Infinite if any difference is not a number.
fn largest_difference(a: &[f32; ACTIONS], b: &[f32; ACTIONS]) -> f32 {
    let differences = a.iter().zip(b).map(|(x, y)| (x - y).abs());
    differences.map(|d| if d.is_nan() { f32::INFINITY } else { d }).fold(0.0, f32::max)
}

fn header(schema: Schema) -> String {
    let inputs = (0..schema.len()).map(|i| format!("observation_{i}"));
    inputs.chain((0..ACTIONS).map(|i| format!("action_{i}"))).collect::<Vec<_>>().join(",")
}

fn parse_row(schema: Schema, line: &str) -> Result<(Observation, Action), String> {
    let wanted = schema.len() + ACTIONS;
    let numbers: Vec<f32> = line.split(',').filter_map(|cell| cell.parse().ok()).collect();
    let row = |numbers: &[f32]| {
        let (inputs, outputs) = numbers.split_at_checked(schema.len())?;
        Some((Observation::from_values(schema, inputs)?, Action(outputs.try_into().ok()?)))
    };
    let finite = numbers.iter().all(|n| n.is_finite()) && line.split(',').count() == wanted;
    row(&numbers).filter(|_| finite).ok_or_else(|| format!("expected {wanted} finite numbers, found {line:?}"))
}

/// The inputs of a written file: zeros, then values all over the range that a network may meet. The same every time.
#[must_use]
pub fn inputs(schema: Schema) -> Vec<Observation> {
    let mut generator = Generator(0x5eed);
    (0..ROWS).filter_map(|row| Observation::from_values(schema, &input(schema, row, &mut generator))).collect()
}

fn input(schema: Schema, row: usize, generator: &mut Generator) -> Vec<f32> {
    if row == 0 {
        return vec![0.0; schema.len()];
    }
    let hour = generator.unit();
    let value = |index: usize, unit: f32| match index {
        5 => unit.round(),
        6 => 5.0 * unit - 1.0,
        7 => hour,
        8 => (TAU * hour).sin(),
        9 => (TAU * hour).cos(),
        0..=4 => unit,
        _ => 2.0 * unit - 1.0,
    };
    (0..schema.len()).map(|index| value(index, generator.unit())).collect()
}

/// SplitMix64 (Steele et al. 2014); here so that golden inputs never change with a library.
struct Generator(u64);

impl Generator {
    /// Uniform in [0, 1).
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}
