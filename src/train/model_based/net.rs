//! The actor with gradients by hand: `tanh(W3 relu(W2 relu(W1 x + b1) + b2) + b3)`.
//!
//! Weights lie input-major (`[inputs, outputs]`), biases behind them; the last layer's three outputs are padded to a
//! register. A [`Tape`] keeps the activations of one pass over some rows; gradients are added up in a vector as long as
//! the parameters.

use super::product::{LANES, Left, product};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

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
}

/// Activations of some rows.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    x: Vec<f32>,
    h1: Vec<f32>,
    h2: Vec<f32>,
    out: Vec<f32>,
}

/// Work space of a backward pass.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    d1: Vec<f32>,
    d2: Vec<f32>,
    d3: Vec<f32>,
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
        Self { inputs, weights: vec![0.0; offsets(inputs).end], second_transposed: vec![0.0; HIDDEN * HIDDEN] }
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

    /// Must follow every change of the weights.
    pub fn refresh(&mut self) {
        let w2 = &self.weights[offsets(self.inputs).w2..];
        for i in 0..HIDDEN {
            for j in 0..HIDDEN {
                self.second_transposed[j * HIDDEN + i] = w2[i * HIDDEN + j];
            }
        }
    }

    /// Actions `[rows, 3]` for observations `[rows, inputs]`.
    pub fn forward(&self, x: &[f32], tape: &mut Tape, actions: &mut [[f32; 3]]) {
        let (o, rows) = (offsets(self.inputs), actions.len());
        let w = &self.weights;
        tape.x.clear();
        tape.x.extend_from_slice(x);
        let left = |data, width| Left { data, row: width, column: 1 };
        tape.h1.resize(rows * HIDDEN, 0.0);
        product(rows, self.inputs, HIDDEN, left(x, self.inputs), &w[..o.b1], &mut tape.h1, false);
        rectify(&mut tape.h1, &w[o.b1..o.w2]);
        tape.h2.resize(rows * HIDDEN, 0.0);
        product(rows, HIDDEN, HIDDEN, left(&tape.h1, HIDDEN), &w[o.w2..o.b2], &mut tape.h2, false);
        rectify(&mut tape.h2, &w[o.b2..o.w3]);
        tape.out.resize(rows * OUT, 0.0);
        product(rows, HIDDEN, OUT, left(&tape.h2, HIDDEN), &w[o.w3..o.b3], &mut tape.out, false);
        for (action, out) in actions.iter_mut().zip(tape.out.chunks_exact_mut(OUT)) {
            for (i, a) in action.iter_mut().enumerate() {
                *a = (out[i] + w[o.b3 + i]).tanh();
                out[i] = *a;
            }
        }
    }

    /// Adds the gradient of `Σ d_actions · actions`; writes its derivative with respect to the observations if `d_x` is
    /// as long as them.
    pub fn backward(
        &self,
        tape: &Tape,
        d_actions: &[[f32; 3]],
        gradient: &mut [f32],
        s: &mut Scratch,
        wanted_inputs: &[usize],
        d_x: &mut [f32],
    ) {
        let (o, rows) = (offsets(self.inputs), d_actions.len());
        let w = &self.weights;
        s.d3.clear();
        s.d3.resize(rows * OUT, 0.0);
        s.d2.resize(rows * HIDDEN, 0.0);
        for (row, d) in d_actions.iter().enumerate() {
            let d3 = &mut s.d3[row * OUT..row * OUT + 3];
            for i in 0..3 {
                let a = tape.out[row * OUT + i];
                d3[i] = d[i] * (1.0 - a * a);
                gradient[o.b3 + i] += d3[i];
            }
            let d2 = &mut s.d2[row * HIDDEN..(row + 1) * HIDDEN];
            for ((d2, w), h) in d2.iter_mut().zip(w[o.w3..o.b3].chunks_exact(OUT)).zip(&tape.h2[row * HIDDEN..]) {
                *d2 = if *h > 0.0 { w[0] * d3[0] + w[1] * d3[1] + w[2] * d3[2] } else { 0.0 };
            }
        }
        let turned = |data, width| Left { data, row: 1, column: width };
        product(HIDDEN, rows, OUT, turned(&tape.h2, HIDDEN), &s.d3, &mut gradient[o.w3..o.b3], true);
        product(HIDDEN, rows, HIDDEN, turned(&tape.h1, HIDDEN), &s.d2, &mut gradient[o.w2..o.b2], true);
        column_sums(&s.d2, &mut gradient[o.b2..o.w3]);
        s.d1.resize(rows * HIDDEN, 0.0);
        let left = Left { data: &s.d2, row: HIDDEN, column: 1 };
        product(rows, HIDDEN, HIDDEN, left, &self.second_transposed, &mut s.d1, false);
        for (d, h) in s.d1.iter_mut().zip(&tape.h1) {
            *d = if *h > 0.0 { *d } else { 0.0 };
        }
        product(self.inputs, rows, HIDDEN, turned(&tape.x, self.inputs), &s.d1, &mut gradient[..o.b1], true);
        column_sums(&s.d1, &mut gradient[o.b1..o.w2]);
        for (d1, d_x) in s.d1.chunks_exact(HIDDEN).zip(d_x.chunks_exact_mut(wanted_inputs.len().max(1))) {
            for (d, input) in d_x.iter_mut().zip(wanted_inputs) {
                let w1 = &w[input * HIDDEN..(input + 1) * HIDDEN];
                *d = d1.iter().zip(w1).map(|(d, w)| d * w).sum();
            }
        }
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

fn rectify(h: &mut [f32], bias: &[f32]) {
    for row in h.chunks_exact_mut(bias.len()) {
        for (x, b) in row.iter_mut().zip(bias) {
            *x = (*x + b).max(0.0);
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
    /// First moments.
    pub m: Vec<f32>,
    /// Second moments.
    pub v: Vec<f32>,
    /// Steps so far.
    pub steps: i32,
}

impl Adam {
    /// Fresh moments.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self { m: vec![0.0; parameters], v: vec![0.0; parameters], steps: 0 }
    }

    /// One step along a gradient whose norm is limited to `norm_max`.
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
