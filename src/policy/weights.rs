//! Weights of an actor: three dense layers, as safetensors.
//!
//! Names are those of the TD3 reference: `l1.weight` (hidden x n), `l1.bias` (hidden), `l2`, `l3`; f32, a row per output.
//! [`Weights`] is always whole: the constructors check shapes and finiteness. It computes nothing; actors do.

use memg_core::observation::Schema;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

pub use memg_core::actor::WeightsError;

/// Layer names, in order.
pub const LAYERS: [&str; 3] = ["l1", "l2", "l3"];
/// How many numbers come out of an actor.
pub const ACTIONS: usize = 3;
/// Widest hidden layer that is accepted.
pub const HIDDEN_MAX: usize = 4096;

/// Shape and values of a tensor, the last index running fastest.
pub type Tensor = (Vec<usize>, Vec<f32>);

/// A dense layer: `y = W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Length of `x`.
    pub inputs: usize,
    /// Length of `y`.
    pub outputs: usize,
    /// `W`, a row per output.
    pub weight: Vec<f32>,
    /// `b`.
    pub bias: Vec<f32>,
}

/// Weights of `tanh(W3 relu(W2 relu(W1 x + b1) + b2) + b3)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    schema: Schema,
    layers: [Dense; 3],
}

impl Weights {
    /// Weights whose shapes fit the schema and each other and whose values are finite.
    ///
    /// # Errors
    /// Names the first tensor that does not fit.
    pub fn new(schema: Schema, layers: [Dense; 3]) -> Result<Self, WeightsError> {
        let hidden = layers[0].bias.len();
        if hidden == 0 || hidden > HIDDEN_MAX {
            return Err(shape_error("l1.bias", &[256], format!("[{hidden}], 1 to {HIDDEN_MAX} are possible")));
        }
        let shapes = [(hidden, schema.len()), (hidden, hidden), (ACTIONS, hidden)];
        for ((name, layer), (outputs, inputs)) in LAYERS.iter().zip(&layers).zip(shapes) {
            check_dense(name, layer, outputs, inputs)?;
        }
        Ok(Self { schema, layers })
    }

    /// Weights from tensors by name: `tensor("l1.weight")` gives shape and values, rows first.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or is not finite.
    pub fn from_tensors(
        schema: Schema,
        tensor: impl Fn(&str) -> Result<Tensor, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let dense = |name: &str| {
            let (shape, weight) = tensor(&format!("{name}.weight"))?;
            let (_, bias) = tensor(&format!("{name}.bias"))?;
            match shape[..] {
                [outputs, inputs] => Ok(Dense { inputs, outputs, weight, bias }),
                _ => Err(shape_error(&format!("{name}.weight"), &[bias.len(), 0], format!("{shape:?}"))),
            }
        };
        let [first, second, last] = LAYERS;
        Self::new(schema, [dense(first)?, dense(second)?, dense(last)?])
    }

    /// Reads the bytes of a safetensors file.
    ///
    /// # Errors
    /// The file is damaged, or a tensor is missing, is not f32, has another shape, or is not finite.
    pub fn from_safetensors(schema: Schema, bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(e.to_string()))?;
        Self::from_tensors(schema, |name| read_tensor(&file, name))
    }

    /// The bytes of a safetensors file; the same weights give the same bytes.
    ///
    /// # Errors
    /// The format's own; none is known for whole weights.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = self.tensors().collect();
        let format = |e: safetensors::SafeTensorError| WeightsError::Format(e.to_string());
        let mut views = Vec::new();
        for (name, shape, bytes) in &tensors {
            views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(format)?));
        }
        safetensors::serialize(views, None).map_err(format)
    }

    fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>, Vec<u8>)> + '_ {
        LAYERS.iter().zip(&self.layers).flat_map(|(name, layer)| {
            let weight = (format!("{name}.weight"), vec![layer.outputs, layer.inputs], little_endian(&layer.weight));
            [weight, (format!("{name}.bias"), vec![layer.outputs], little_endian(&layer.bias))]
        })
    }

    /// The observation that the weights were trained with.
    #[must_use]
    pub const fn schema(&self) -> Schema {
        self.schema
    }

    /// The layers, input first.
    #[must_use]
    pub const fn layers(&self) -> &[Dense; 3] {
        &self.layers
    }

    /// Width of the two hidden layers.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.layers[0].outputs
    }
}

/// f32 values as little-endian bytes, the order of safetensors and ONNX.
#[must_use]
pub fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn shape_error(name: &str, expected: &[usize], found: String) -> WeightsError {
    WeightsError::Shape { name: name.to_owned(), expected: expected.to_vec(), found }
}

fn check_dense(name: &str, layer: &Dense, outputs: usize, inputs: usize) -> Result<(), WeightsError> {
    let found = format!("[{}, {}] of {} values", layer.outputs, layer.inputs, layer.weight.len());
    let whole = layer.weight.len() == layer.outputs * layer.inputs && layer.bias.len() == layer.outputs;
    if !whole || (layer.outputs, layer.inputs) != (outputs, inputs) {
        return Err(shape_error(&format!("{name}.weight"), &[outputs, inputs], found));
    }
    for (part, values) in [("weight", &layer.weight), ("bias", &layer.bias)] {
        if !values.iter().all(|v| v.is_finite()) {
            return Err(WeightsError::NotFinite { name: format!("{name}.{part}") });
        }
    }
    Ok(())
}

/// The error for a tensor that is not there.
#[must_use]
pub fn missing(name: &str) -> WeightsError {
    shape_error(name, &[], "nothing of that name".to_owned())
}

fn read_tensor(file: &SafeTensors<'_>, name: &str) -> Result<Tensor, WeightsError> {
    let view = file.tensor(name).map_err(|_| missing(name))?;
    if view.dtype() != Dtype::F32 {
        return Err(shape_error(name, view.shape(), format!("{:?}", view.dtype())));
    }
    let (quads, _) = view.data().as_chunks::<4>();
    Ok((view.shape().to_vec(), quads.iter().map(|b| f32::from_le_bytes(*b)).collect()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand_free::Lcg;

    /// A small generator, so that tests need no random crate.
    pub(crate) mod rand_free {
        pub(crate) struct Lcg(pub u64);
        impl Lcg {
            /// Uniform in [-1, 1).
            pub(crate) fn next(&mut self) -> f32 {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            }
        }
    }

    /// Random weights of the usual size of a freshly initialised network.
    pub(crate) fn random(schema: Schema, hidden: usize, seed: u64) -> Weights {
        let mut rng = Lcg(seed);
        let mut dense = |outputs: usize, inputs: usize| {
            let scale = (inputs as f32).sqrt().recip() * 1.5;
            let weight = (0..outputs * inputs).map(|_| rng.next() * scale).collect();
            Dense { inputs, outputs, weight, bias: (0..outputs).map(|_| rng.next() * scale).collect() }
        };
        let layers = [dense(hidden, schema.len()), dense(hidden, hidden), dense(3, hidden)];
        Weights::new(schema, layers).unwrap()
    }

    #[test]
    fn weights_survive_the_file_bit_for_bit() {
        for schema in [Schema::TenD, Schema::Extended] {
            let weights = random(schema, 32, 7);
            let bytes = weights.to_safetensors().unwrap();
            assert_eq!(Weights::from_safetensors(schema, &bytes).unwrap(), weights);
            assert_eq!(weights.to_safetensors().unwrap(), bytes);
        }
    }

    #[test]
    fn weights_of_another_schema_or_with_nan_are_refused_by_tensor_name() {
        let weights = random(Schema::TenD, 16, 7);
        let bytes = weights.to_safetensors().unwrap();
        let error = Weights::from_safetensors(Schema::Extended, &bytes).unwrap_err();
        assert!(error.to_string().contains("l1.weight"), "{error}");
        let mut layers = weights.layers().clone();
        layers[1].bias[3] = f32::NAN;
        let expected = WeightsError::NotFinite { name: "l2.bias".to_owned() };
        assert_eq!(Weights::new(Schema::TenD, layers), Err(expected));
        assert!(matches!(Weights::from_safetensors(Schema::TenD, &bytes[..100]), Err(WeightsError::Format(_))));
    }
}
