//! Recognises the gateway's own kind of network in a foreign ONNX file, so that such a file needs no ONNX Runtime.
//!
//! Exactly one chain from the graph's only input to its only output is recognised: dense, Relu, dense, Relu, dense, Tanh,
//! where dense is `Gemm` (alpha = beta = 1, the input not transposed) or `MatMul` followed by `Add`, with float32
//! initializers inside the file. Everything else is no error: it is a graph for ONNX Runtime. Field numbers are those of
//! onnx.proto3.

use super::onnx_scan::{Fields, Value};
use super::weights::Dense;
use std::collections::BTreeMap;

const FLOAT: u64 = 1;

/// The three layers, input first; `None` if the graph is anything else.
#[must_use]
pub fn dense_layers(model: &[u8]) -> Option<[Dense; 3]> {
    let graph = Graph::read(only(model, 7)?)?;
    let mut chain = Chain { value: graph.input, layers: Vec::new(), activations: Vec::new(), product: None };
    for node in &graph.nodes {
        chain.follow(node, &graph.tensors)?;
    }
    let whole = chain.product.is_none() && chain.value == graph.output && chain.activations == ["Relu", "Relu", "Tanh"];
    chain.layers.try_into().ok().filter(|_| whole)
}

/// A float32 tensor.
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

struct Node<'a> {
    op: &'a str,
    inputs: Vec<&'a str>,
    output: &'a str,
    /// Attributes of a Gemm; nothing else may have any.
    attributes: Vec<Attribute<'a>>,
}

struct Attribute<'a> {
    name: &'a str,
    float: Option<f32>,
    integer: Option<u64>,
}

struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    tensors: BTreeMap<&'a str, Tensor>,
    input: &'a str,
    output: &'a str,
}

impl<'a> Graph<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (mut nodes, mut tensors) = (Vec::new(), BTreeMap::new());
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for field in Fields::new(bytes) {
            match field.ok()? {
                (1, Value::Bytes(node)) => nodes.push(Node::read(node)?),
                (5, Value::Bytes(tensor)) => {
                    drop(Tensor::read(tensor).map(|(name, tensor)| tensors.insert(name, tensor))?)
                }
                (11, Value::Bytes(info)) => inputs.push(text(only(info, 1)?)?),
                (12, Value::Bytes(info)) => outputs.push(text(only(info, 1)?)?),
                // Sparse initializers.
                (15, _) => return None,
                _ => {}
            }
        }
        // Older files list their initializers among the inputs.
        inputs.retain(|name| !tensors.contains_key(name));
        match (&inputs[..], &outputs[..]) {
            ([input], [output]) => Some(Self { input, output, nodes, tensors }),
            _ => None,
        }
    }
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut node = Self { op: "", inputs: Vec::new(), output: "", attributes: Vec::new() };
        let mut outputs = 0;
        for field in Fields::new(bytes) {
            match field.ok()? {
                (1, Value::Bytes(name)) => node.inputs.push(text(name)?),
                (2, Value::Bytes(name)) => (node.output, outputs) = (text(name)?, outputs + 1),
                (4, Value::Bytes(name)) => node.op = text(name)?,
                (5, Value::Bytes(attribute)) => node.attributes.push(Attribute::read(attribute)?),
                // An operator of another domain may mean anything.
                (7, Value::Bytes(domain)) if !domain.is_empty() => return None,
                _ => {}
            }
        }
        (outputs == 1).then_some(node)
    }
}

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut attribute = Self { name: "", float: None, integer: None };
        for field in Fields::new(bytes) {
            match field.ok()? {
                (1, Value::Bytes(name)) => attribute.name = text(name)?,
                (2, Value::Bytes(value)) => attribute.float = Some(f32::from_le_bytes(value.try_into().ok()?)),
                (3, Value::Number(value)) => attribute.integer = Some(value),
                _ => {}
            }
        }
        Some(attribute)
    }
}

impl Tensor {
    /// Its name and itself; `None` if it is not of float32.
    fn read(bytes: &[u8]) -> Option<(&str, Self)> {
        let (mut name, mut kind) = ("", 0);
        let mut tensor = Self { shape: Vec::new(), values: Vec::new() };
        for field in Fields::new(bytes) {
            match field.ok()? {
                (1, Value::Number(dimension)) => tensor.shape.push(usize::try_from(dimension).ok()?),
                (1, Value::Bytes(packed)) => tensor.shape = varints(packed)?,
                (2, Value::Number(found)) => kind = found,
                (4 | 9, Value::Bytes(raw)) => tensor.values.extend(floats(raw)?),
                (8, Value::Bytes(found)) => name = text(found)?,
                _ => {}
            }
        }
        let whole = kind == FLOAT && tensor.shape.iter().product::<usize>() == tensor.values.len();
        whole.then_some((name, tensor))
    }
}

/// How far the chain has been followed.
struct Chain<'a> {
    /// The value at its end.
    value: &'a str,
    layers: Vec<Dense>,
    activations: Vec<&'a str>,
    /// A product whose sum has still to come: `W` with a row per input.
    product: Option<&'a Tensor>,
}

impl<'a> Chain<'a> {
    fn follow(&mut self, node: &Node<'a>, tensors: &'a BTreeMap<&'a str, Tensor>) -> Option<()> {
        let plain = node.attributes.is_empty();
        match (node.op, &node.inputs[..], self.product.take()) {
            ("Relu" | "Tanh", [value], None) if plain && *value == self.value => {
                // An activation follows each layer.
                (self.activations.len() + 1 == self.layers.len()).then(|| self.activations.push(node.op))?;
            }
            ("MatMul", [value, weight], None) if plain && *value == self.value => {
                self.product = Some(tensors.get(weight)?);
            }
            ("Add", [a, b], Some(weight)) if plain => {
                let bias = if *a == self.value { b } else { Some(a).filter(|_| *b == self.value)? };
                self.add(weight, tensors.get(bias)?, false)?;
            }
            ("Gemm", [value, weight, bias], None) if *value == self.value => {
                let transposed = gemm_is_transposed(&node.attributes)?;
                self.add(tensors.get(weight)?, tensors.get(bias)?, transposed)?;
            }
            _ => return None,
        }
        self.value = node.output;
        Some(())
    }

    /// A dense layer; `by_output` if its weight has a row per output.
    fn add(&mut self, weight: &Tensor, bias: &Tensor, by_output: bool) -> Option<()> {
        let [rows, columns] = weight.shape[..] else { return None };
        let (outputs, inputs) = if by_output { (rows, columns) } else { (columns, rows) };
        let fits = bias.values.len() == outputs && bias.shape.last() == Some(&outputs);
        let by_output = if by_output { weight.values.clone() } else { transposed(&weight.values, columns) };
        let layer = Dense { inputs, outputs, weight: by_output, bias: bias.values.clone() };
        (fits && self.activations.len() == self.layers.len()).then(|| self.layers.push(layer))
    }
}

/// Whether `B` of a Gemm is transposed; `None` if it does more than `A B + C`.
fn gemm_is_transposed(attributes: &[Attribute<'_>]) -> Option<bool> {
    let mut transposed = false;
    for attribute in attributes {
        match (attribute.name, attribute.float, attribute.integer) {
            ("alpha" | "beta", Some(1.0), _) | ("transA" | "transB", _, Some(0) | None) => {}
            ("transB", _, Some(1)) => transposed = true,
            _ => return None,
        }
    }
    Some(transposed)
}

/// Columns as rows.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).copied()).collect()
}

/// The bytes of the only field of that number.
fn only(message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found = None;
    for field in Fields::new(message) {
        match field.ok()? {
            (of, Value::Bytes(bytes)) if of == number && found.replace(bytes).is_some() => return None,
            _ => {}
        }
    }
    found
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn floats(raw: &[u8]) -> Option<impl Iterator<Item = f32>> {
    let (values, rest) = raw.as_chunks::<4>();
    rest.is_empty().then(|| values.iter().map(|bytes| f32::from_le_bytes(*bytes)))
}

fn varints(packed: &[u8]) -> Option<Vec<usize>> {
    let (mut values, mut value, mut shift) = (Vec::new(), 0u64, 0);
    for byte in packed {
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            values.push(usize::try_from(value).ok()?);
            (value, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::super::onnx::to_onnx;
    use super::super::weights::tests::random;
    use super::*;
    use memg_core::observation::Schema;

    #[test]
    fn our_own_files_are_read_back_bit_for_bit() {
        for schema in [Schema::TenD, Schema::Extended] {
            let weights = random(schema, 16, 3);
            assert_eq!(dense_layers(&to_onnx(&weights)).as_ref(), Some(weights.layers()));
        }
    }

    #[test]
    fn columns_become_rows() {
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!((varints(&[10, 0x80, 2]), varints(&[0x80])), (Some(vec![10, 256]), None));
    }

    /// The file with one text in it replaced by another of the same length.
    fn changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    }

    #[test]
    fn whatever_is_not_exactly_that_chain_is_left_to_onnx_runtime() {
        let bytes = to_onnx(&random(Schema::TenD, 16, 3));
        for (from, to) in [
            // An activation, an operator, a product of the transposed input.
            (&b"\x22\x04Tanh"[..], &b"\x22\x04Relu"[..]),
            (b"\x22\x04Relu", b"\x22\x04Selu"),
            (b"\x22\x04Gemm", b"\x22\x04Geem"),
            (b"transB", b"transA"),
        ] {
            assert_eq!(dense_layers(&changed(&bytes, from, to)), None, "{}", String::from_utf8_lossy(to));
        }
        for length in 1..bytes.len() {
            let _ = dense_layers(&bytes[..length]);
        }
    }
}
