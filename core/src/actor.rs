//! An actor network as TD3 has it, in plain Rust: `tanh(W3 relu(W2 relu(W1 x + b1) + b2) + b3)`. For FMUs, for cross-checks, and wherever no
//! runtime is wanted.
//!
//! Weights come as safetensors with the names of the TD3 reference (`l1.weight` [256, n], `l1.bias`, `l2`, `l3`), f32.

use crate::action::Action;
use crate::elementary::hyperbolic_tangent;
use crate::observation::{OBSERVATION_MAX, Observation, Schema};
use crate::policy::{Actor, PolicyError};
use safetensors::{Dtype, SafeTensors};

/// Why weights were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// Not a safetensors file.
    #[error("not a readable safetensors file: {0}")]
    Format(String),
    /// A tensor is missing or has another shape or type.
    #[error("tensor {name}: expected f32 {expected:?}, found {found}")]
    Shape {
        /// As in the file, such as `l1.weight`.
        name: String,
        /// The shape that the schema asks for.
        expected: Vec<usize>,
        /// What the file has.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {name} contains a value that is not finite")]
    NotFinite {
        /// As in the file, such as `l1.weight`.
        name: String,
    },
}

/// A dense layer, weights stored input-major so that the inner loop runs over outputs.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    fn apply(&self, input: &[f32], output: &mut [f32]) {
        output.copy_from_slice(&self.bias);
        let rows = input.iter().zip(self.weights.chunks_exact(self.bias.len()));
        // Half of the inputs are zero after a relu. All weights are finite, so skipping them changes nothing.
        let mut rows = rows.filter(|(x, _)| **x != 0.0);
        loop {
            let eight: [Option<Row<'_>>; 8] = core::array::from_fn(|_| rows.next());
            match eight {
                [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), Some(h)] => {
                    add_eight(output, [a, b, c, d], [e, f, g, h]);
                }
                fewer => return fewer.into_iter().flatten().for_each(|row| add(output, row)),
            }
        }
    }
}

/// An input and its weights to all outputs.
type Row<'a> = (&'a f32, &'a [f32]);

fn add(output: &mut [f32], (x, row): Row<'_>) {
    for (y, w) in output.iter_mut().zip(row) {
        *y += x * w;
    }
}

/// Eight rows in one pass over the outputs: a fifth of the memory traffic, and the same sums in the same order.
fn add_eight(output: &mut [f32], [a, b, c, d]: [Row<'_>; 4], [e, f, g, h]: [Row<'_>; 4]) {
    let first = a.1.iter().zip(b.1).zip(c.1.iter().zip(d.1));
    let second = e.1.iter().zip(f.1).zip(g.1.iter().zip(h.1));
    for (y, (((wa, wb), (wc, wd)), ((we, wf), (wg, wh)))) in output.iter_mut().zip(first.zip(second)) {
        let half = *y + a.0 * wa + b.0 * wb + c.0 * wc + d.0 * wd;
        *y = half + e.0 * we + f.0 * wf + g.0 * wg + h.0 * wh;
    }
}

/// The network with its work space.
#[derive(Debug, Clone, PartialEq)]
pub struct RustActor {
    name: String,
    schema: Schema,
    layers: [Layer; 3],
    hidden: [Vec<f32>; 2],
}

impl RustActor {
    /// Reads weights from the bytes of a safetensors file.
    ///
    /// # Errors
    /// The file is damaged, or its tensors do not fit the schema.
    pub fn from_safetensors(name: &str, schema: Schema, bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(e.to_string()))?;
        let hidden = file.tensor("l1.bias").ok().and_then(|t| t.shape().first().copied()).unwrap_or(256);
        let hidden = hidden.clamp(1, 4096);
        let layers = [
            layer(&file, "l1", hidden, schema.len())?,
            layer(&file, "l2", hidden, hidden)?,
            layer(&file, "l3", 3, hidden)?,
        ];
        Ok(Self { name: name.to_owned(), schema, layers, hidden: [vec![0.0; hidden], vec![0.0; hidden]] })
    }

    /// The forward pass.
    #[must_use]
    pub fn forward(&mut self, observation: &Observation) -> Action {
        let [first, second, last] = &self.layers;
        let [h1, h2] = &mut self.hidden;
        first.apply(observation.values(), h1);
        relu(h1);
        second.apply(h1, h2);
        relu(h2);
        let mut out = [0.0; 3];
        last.apply(h2, &mut out);
        Action(out.map(hyperbolic_tangent))
    }
}

impl Actor for RustActor {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> Schema {
        self.schema
    }
    fn infer(&mut self, observation: &Observation) -> Result<Action, PolicyError> {
        Ok(self.forward(observation))
    }
}

fn relu(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

fn layer(file: &SafeTensors<'_>, name: &str, outputs: usize, inputs: usize) -> Result<Layer, WeightsError> {
    let rows = tensor(file, &format!("{name}.weight"), &[outputs, inputs])?;
    let bias = tensor(file, &format!("{name}.bias"), &[outputs])?;
    debug_assert!(inputs <= 4096.max(OBSERVATION_MAX));
    let mut weights = vec![0.0; rows.len()];
    for (output, row) in rows.chunks_exact(inputs).enumerate() {
        for (input, value) in row.iter().enumerate() {
            if let Some(slot) = weights.get_mut(input * outputs + output) {
                *slot = *value;
            }
        }
    }
    Ok(Layer { weights, bias })
}

fn tensor(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
    let wrong = |found: String| WeightsError::Shape { name: name.to_owned(), expected: shape.to_vec(), found };
    let view = file.tensor(name).map_err(|_| wrong("nothing".to_owned()))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(wrong(format!("{:?} {:?}", view.dtype(), view.shape())));
    }
    let bytes = view.data().chunks_exact(4);
    let values: Vec<f32> = bytes.filter_map(|b| b.try_into().ok()).map(f32::from_le_bytes).collect();
    if values.iter().all(|v| v.is_finite()) {
        Ok(values)
    } else {
        Err(WeightsError::NotFinite { name: name.to_owned() })
    }
}
