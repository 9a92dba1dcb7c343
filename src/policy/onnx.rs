//! Writes an actor as an ONNX file: Gemm, Relu, Gemm, Relu, Gemm, Tanh; float32, dynamic batch.
//!
//! ONNX is protobuf, and the little of it that a dense network needs is written by hand here: a field is its number and
//! wire type as a varint, then a varint (type 0) or a length and bytes (type 2). Field numbers are those of onnx.proto3.
//! Reading and judging foreign files is [`super::onnx_scan`]'s work; running them is ONNX Runtime's.
//!
//! Opset 17 and IR 8 are old enough for every ONNX Runtime since 1.12. Input `observation` [batch, n] holds the numbers of the schema
//! as they are; output `action` [batch, 3] lies in [-1, 1]. The schema's name is in `metadata_props`.

use super::ACTION_MAP;
use super::weights::{ACTIONS, Dense, LAYERS, Weights, little_endian};

const IR_VERSION: u64 = 8;
const OPSET: u64 = 17;
const FLOAT: u64 = 1;
/// Name of the graph's input.
pub const INPUT: &str = "observation";
/// Name of the graph's output.
pub const OUTPUT: &str = "action";
/// Key in `metadata_props` that names the observation schema.
pub const SCHEMA_KEY: &str = "schema";

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

/// The bytes of `actor.onnx`; the same weights give the same bytes.
#[must_use]
pub fn to_onnx(weights: &Weights) -> Vec<u8> {
    let property = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
    let model = Message::default()
        .int(1, IR_VERSION)
        .text(2, "memg-gateway")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, &graph(weights))
        .message(8, &Message::default().text(1, "").int(2, OPSET))
        .message(14, &property(SCHEMA_KEY, weights.schema().name_with_divisors()))
        .message(14, &property("action_map", ACTION_MAP));
    model.0
}

fn graph(weights: &Weights) -> Message {
    let mut graph = Message::default();
    let mut value = INPUT.to_owned();
    for (index, name) in LAYERS.into_iter().enumerate() {
        let last = index + 1 == LAYERS.len();
        let (activation, out) = if last { ("Tanh", OUTPUT.to_owned()) } else { ("Relu", format!("{name}.out")) };
        let sum = format!("{name}.sum");
        graph = graph.message(1, &gemm(&value, name, &sum)).message(1, &node(activation, &[&sum], &out));
        value = out;
    }
    graph = graph.text(2, "actor");
    for (name, layer) in LAYERS.iter().zip(weights.layers()) {
        graph = graph.message(5, &weight(name, layer)).message(5, &bias(name, layer));
    }
    graph.message(11, &value_info(INPUT, weights.schema().len())).message(12, &value_info(OUTPUT, ACTIONS))
}

fn node(op: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
    node.text(2, output).text(3, &format!("{output}/{op}")).text(4, op)
}

/// `Y = A Bᵀ + C`: rows of the weight are outputs, hence `transB`.
fn gemm(input: &str, layer: &str, output: &str) -> Message {
    const INT: u64 = 2;
    let transposed = Message::default().text(1, "transB").int(3, 1).int(20, INT);
    node("Gemm", &[input, &format!("{layer}.weight"), &format!("{layer}.bias")], output).message(5, &transposed)
}

fn weight(name: &str, layer: &Dense) -> Message {
    tensor(&format!("{name}.weight"), &[layer.outputs, layer.inputs], &layer.weight)
}

fn bias(name: &str, layer: &Dense) -> Message {
    tensor(&format!("{name}.bias"), &[layer.outputs], &layer.bias)
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> Message {
    let tensor = shape.iter().fold(Message::default(), |tensor, n| tensor.int(1, *n as u64));
    tensor.int(2, FLOAT).text(8, name).bytes(9, &little_endian(values))
}

/// A float tensor [batch, `width`] with a named, free first dimension.
fn value_info(name: &str, width: usize) -> Message {
    let batch = Message::default().text(2, "batch");
    let shape = Message::default().message(1, &batch).message(1, &Message::default().int(1, width as u64));
    let tensor = Message::default().int(1, FLOAT).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

#[cfg(test)]
mod tests {
    use super::super::weights::tests::random;
    use super::*;
    use memg_core::observation::Schema;

    #[test]
    fn varints_are_little_endian_groups_of_seven_bits() {
        for (value, expected) in [(1, vec![1]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])] {
            let mut message = Message::default();
            message.varint(value);
            assert_eq!(message.0, expected);
        }
    }

    #[test]
    fn the_same_weights_give_the_same_file_with_every_weight_in_it() {
        let weights = random(Schema::TenD, 256, 3);
        let bytes = to_onnx(&weights);
        assert_eq!(bytes, to_onnx(&weights));
        let values: usize = weights.layers().iter().map(|l| l.weight.len() + l.bias.len()).sum();
        assert!(bytes.len() > 4 * values && bytes.len() < 4 * values + 1024, "{}", bytes.len());
    }
}
