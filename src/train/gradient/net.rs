//! The actor with gradients by hand: `tanh(W3 relu(W2 relu(W1 x + b1) + b2) + b3)`.
//!
//! Weights lie input-major (`[inputs, outputs]`), biases behind them; the last layer's three outputs are padded to a
//! register. A [`Tape`] keeps the activations of one pass over some rows; gradients are added up in a vector as long as
//! the parameters.

use super::product::{LANES, Left, Product};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::ops::Range;

/// Hidden units.
pub const HIDDEN: usize = 256;
const OUT: usize = LANES;

/// A network's parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// Length of an observation.
    pub inputs: usize,
    /// All parameters: W1, b1, W2, b2, W3, b3.
    pub weights: Vec<f32>,
    second_transposed: Vec<f32>,
    third_transposed: Vec<f32>,
}

/// Activations of many rows and, after the backward passes, the derivatives in front of each layer. Rows are written
/// and read range by range, so that the weights' gradient can be taken over many rows at once.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    inputs: usize,
    x: Vec<f32>,
    h1: Vec<f32>,
    h2: Vec<f32>,
    out: Vec<f32>,
    d1: Vec<f32>,
    d2: Vec<f32>,
    d3: Vec<f32>,
}

impl Tape {
    /// Makes room for `rows` rows of `inputs` numbers; what was there is not kept.
    pub fn make_room(&mut self, rows: usize, inputs: usize) {
        self.inputs = inputs;
        self.x.resize(rows * inputs, 0.0);
        for hidden in [&mut self.h1, &mut self.h2, &mut self.d1, &mut self.d2] {
            hidden.resize(rows * HIDDEN, 0.0);
        }
        for outputs in [&mut self.out, &mut self.d3] {
            outputs.resize(rows * OUT, 0.0);
        }
    }

    /// Observations of some rows, to be written before the forward pass.
    pub fn observations(&mut self, rows: Range<usize>) -> &mut [f32] {
        &mut self.x[rows.start * self.inputs..rows.end * self.inputs]
    }
}

/// The part of a matrix that holds these rows.
fn part(rows: &Range<usize>, width: usize) -> Range<usize> {
    rows.start * width..rows.end * width
}

/// Where the layers start.
struct Offsets {
    b1: usize,
    w2: usize,
    b2: usize,
    w3: usize,
    b3: usize,
    end: usize,
}

const fn offsets(inputs: usize) -> Offsets {
    let b1 = inputs * HIDDEN;
    let w2 = b1 + HIDDEN;
    let b2 = w2 + HIDDEN * HIDDEN;
    let w3 = b2 + HIDDEN;
    let b3 = w3 + HIDDEN * OUT;
    Offsets { b1, w2, b2, w3, b3, end: b3 + OUT }
}

impl Net {
    /// All weights zero.
    #[must_use]
    pub fn zeros(inputs: usize) -> Self {
        Self {
            inputs,
            weights: vec![0.0; offsets(inputs).end],
            second_transposed: vec![0.0; HIDDEN * HIDDEN],
            third_transposed: vec![0.0; 3 * HIDDEN],
        }
    }

    /// Uniform in ±1/√inputs, the last layer in ±3e-3.
    #[must_use]
    pub fn random(inputs: usize, rng: &mut Pcg64Mcg) -> Self {
        let o = offsets(inputs);
        let mut net = Self::zeros(inputs);
        let mut fill = |range: std::ops::Range<usize>, bound: f32| {
            for w in &mut net.weights[range] {
                *w = rng.random_range(-bound..=bound);
            }
        };
        fill(0..o.w2, 1.0 / (inputs as f32).sqrt());
        fill(o.w2..o.w3, 1.0 / (HIDDEN as f32).sqrt());
        for row in 0..HIDDEN {
            fill(o.w3 + row * OUT..o.w3 + row * OUT + 3, 3e-3);
        }
        net.refresh();
        net
    }

    /// Must follow every change of the weights, before the next backward pass.
    pub fn refresh(&mut self) {
        let o = offsets(self.inputs);
        transpose_blocks(&self.weights[o.w2..o.b2], &mut self.second_transposed);
        for (j, turned) in self.third_transposed.chunks_exact_mut(HIDDEN).enumerate() {
            for (turned, w) in turned.iter_mut().zip(self.weights[o.w3..o.b3].chunks_exact(OUT)) {
                *turned = w[j];
            }
        }
    }

    /// Actions `[rows, 3]` for the tape's observations of these rows.
    pub fn forward(&self, tape: &mut Tape, rows: Range<usize>, actions: &mut [[f32; 3]]) {
        let (o, n, w) = (offsets(self.inputs), rows.len(), &self.weights);
        let x = &tape.x[part(&rows, self.inputs)];
        let h1 = &mut tape.h1[part(&rows, HIDDEN)];
        Product { m: n, k: self.inputs, n: HIDDEN, a: rows_of(x, self.inputs), b: &w[..o.b1] }.store(h1);
        rectify(h1, &w[o.b1..o.w2]);
        let h2 = &mut tape.h2[part(&rows, HIDDEN)];
        Product { m: n, k: HIDDEN, n: HIDDEN, a: rows_of(h1, HIDDEN), b: &w[o.w2..o.b2] }.store(h2);
        rectify(h2, &w[o.b2..o.w3]);
        let out = &mut tape.out[part(&rows, OUT)];
        Product { m: n, k: HIDDEN, n: OUT, a: rows_of(h2, HIDDEN), b: &w[o.w3..o.b3] }.store(out);
        for (action, out) in actions.iter_mut().zip(out.chunks_exact_mut(OUT)) {
            for (i, a) in action.iter_mut().enumerate() {
                *a = (out[i] + w[o.b3 + i]).tanh();
                out[i] = *a;
            }
        }
    }

    /// Derivatives of `Σ d_actions · actions` in front of each layer, kept on the tape; `d_x[row, i]` becomes the
    /// derivative with respect to the observation's number `wanted_inputs[i]`.
    pub fn backward(
        &self,
        tape: &mut Tape,
        rows: Range<usize>,
        d_actions: &[[f32; 3]],
        wanted_inputs: &[usize],
        d_x: &mut [f32],
    ) {
        let n = rows.len();
        let d3 = &mut tape.d3[part(&rows, OUT)];
        let out = &tape.out[part(&rows, OUT)];
        for ((d3, out), d) in d3.chunks_exact_mut(OUT).zip(out.chunks_exact(OUT)).zip(d_actions) {
            for i in 0..3 {
                d3[i] = d[i] * (1.0 - out[i] * out[i]);
            }
        }
        let d2 = &mut tape.d2[part(&rows, HIDDEN)];
        Product { m: n, k: 3, n: HIDDEN, a: rows_of(d3, OUT), b: &self.third_transposed }.store(d2);
        gate(d2, &tape.h2[part(&rows, HIDDEN)]);
        let d1 = &mut tape.d1[part(&rows, HIDDEN)];
        Product { m: n, k: HIDDEN, n: HIDDEN, a: rows_of(d2, HIDDEN), b: &self.second_transposed }.store(d1);
        gate(d1, &tape.h1[part(&rows, HIDDEN)]);
        for (d1, d_x) in d1.chunks_exact(HIDDEN).zip(d_x.chunks_exact_mut(wanted_inputs.len().max(1))) {
            for (d, input) in d_x.iter_mut().zip(wanted_inputs) {
                *d = dot(d1, &self.weights[input * HIDDEN..(input + 1) * HIDDEN]);
            }
        }
    }

    /// Adds the weights' gradient of rows whose backward passes are done.
    pub fn add_gradient(&self, tape: &Tape, rows: Range<usize>, gradient: &mut [f32]) {
        let (o, n) = (offsets(self.inputs), rows.len());
        let [d1, d2] = [&tape.d1, &tape.d2].map(|d| &d[part(&rows, HIDDEN)]);
        let [h1, h2] = [&tape.h1, &tape.h2].map(|h| columns_of(&h[part(&rows, HIDDEN)], HIDDEN));
        let (x, d3) = (&tape.x[part(&rows, self.inputs)], &tape.d3[part(&rows, OUT)]);
        Product { m: self.inputs, k: n, n: HIDDEN, a: columns_of(x, self.inputs), b: d1 }.add_to(&mut gradient[..o.b1]);
        column_sums(d1, &mut gradient[o.b1..o.w2]);
        Product { m: HIDDEN, k: n, n: HIDDEN, a: h1, b: d2 }.add_to(&mut gradient[o.w2..o.b2]);
        column_sums(d2, &mut gradient[o.b2..o.w3]);
        Product { m: HIDDEN, k: n, n: OUT, a: h2, b: d3 }.add_to(&mut gradient[o.w3..o.b3]);
        column_sums(d3, &mut gradient[o.b3..o.end]);
    }

    /// Tensors in PyTorch's layout: name, shape, data.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let o = offsets(self.inputs);
        let w = &self.weights;
        let turned = |start: usize, inputs: usize, stride: usize, outputs: usize| -> Vec<f32> {
            (0..outputs)
                .flat_map(|j| (0..inputs).map(move |i| (i, j)))
                .map(|(i, j)| w[start + i * stride + j])
                .collect()
        };
        vec![
            ("l1.weight".into(), vec![HIDDEN, self.inputs], turned(0, self.inputs, HIDDEN, HIDDEN)),
            ("l1.bias".into(), vec![HIDDEN], w[o.b1..o.w2].to_vec()),
            ("l2.weight".into(), vec![HIDDEN, HIDDEN], turned(o.w2, HIDDEN, HIDDEN, HIDDEN)),
            ("l2.bias".into(), vec![HIDDEN], w[o.b2..o.w3].to_vec()),
            ("l3.weight".into(), vec![3, HIDDEN], turned(o.w3, HIDDEN, OUT, 3)),
            ("l3.bias".into(), vec![3], w[o.b3..o.b3 + 3].to_vec()),
        ]
    }
}

/// A matrix with rows of `width` numbers as a left factor.
const fn rows_of(data: &[f32], width: usize) -> Left<'_> {
    Left { data, row: width, column: 1 }
}

/// The transpose of a matrix with rows of `width` numbers as a left factor.
const fn columns_of(data: &[f32], width: usize) -> Left<'_> {
    Left { data, row: 1, column: width }
}

fn rectify(h: &mut [f32], bias: &[f32]) {
    for row in h.chunks_exact_mut(bias.len()) {
        for (x, b) in row.iter_mut().zip(bias) {
            *x = (*x + b).max(0.0);
        }
    }
}

/// Zero where the unit was off.
fn gate(d: &mut [f32], h: &[f32]) {
    for (d, h) in d.iter_mut().zip(h) {
        *d = if *h > 0.0 { *d } else { 0.0 };
    }
}

/// A scalar product in sixteen interleaved sums, which fit registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// The transpose of a square matrix, block by block: rows 1 kB apart would share a cache set.
fn transpose_blocks(from: &[f32], to: &mut [f32]) {
    const BLOCK: usize = 16;
    for i0 in (0..HIDDEN).step_by(BLOCK) {
        for j0 in (0..HIDDEN).step_by(BLOCK) {
            for i in i0..i0 + BLOCK {
                for j in j0..j0 + BLOCK {
                    to[j * HIDDEN + i] = from[i * HIDDEN + j];
                }
            }
        }
    }
}

fn column_sums(d: &[f32], sums: &mut [f32]) {
    for row in d.chunks_exact(sums.len()) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += x;
        }
    }
}

/// Adam's moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// First moments, as long as the parameters.
    pub m: Vec<f32>,
    /// Second moments, as long as the parameters.
    pub v: Vec<f32>,
    /// Steps so far.
    pub steps: i32,
}

impl Adam {
    /// Moments of zero for so many parameters.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self { m: vec![0.0; parameters], v: vec![0.0; parameters], steps: 0 }
    }

    /// One step down a gradient whose norm is limited to `norm_max`; returns the norm before that (Kingma and Ba 2015).
    pub fn step(&mut self, net: &mut Net, gradient: &[f32], rate: f32, norm_max: f32) -> f32 {
        self.steps = self.steps.saturating_add(1);
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt() as f32;
        let scale = if norm > norm_max { norm_max / norm } else { 1.0 };
        let (c1, c2) = (1.0 - 0.9_f32.powi(self.steps), 1.0 - 0.999_f32.powi(self.steps));
        for (((w, g), m), v) in net.weights.iter_mut().zip(gradient).zip(&mut self.m).zip(&mut self.v) {
            let g = g * scale;
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            *w -= rate * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
        }
        net.refresh();
        norm
    }
}
