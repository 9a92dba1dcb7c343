//! Looks into a foreign ONNX file before any runtime does: does it want other files, and which schema does it name?
//!
//! ONNX lets a tensor live in another file at a path that the model chooses (`data_location = EXTERNAL`). A gateway
//! checks hashes of the files it knows and reads no others, so such models are refused. The scan walks the protobuf wire
//! format through every message that can hold a tensor; it does not judge whether the graph makes sense.

/// What the scan found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OnnxFacts {
    /// `metadata_props`, in file order.
    pub metadata: Vec<(String, String)>,
    /// The first tensor with external data.
    pub external: Option<String>,
}

impl OnnxFacts {
    /// The value of a metadata key.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// Why a file could not be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The bytes are not protobuf or are cut short.
    #[error("not a readable protobuf file (byte {0})")]
    Broken(usize),
    /// Messages are nested deeper than any real model's.
    #[error("messages are nested too deeply")]
    TooDeep,
}

/// Nested graphs (If, Loop) multiply levels; real models stay below ten.
const DEPTH_MAX: u32 = 64;

/// Messages that can contain tensors, as of onnx.proto3.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
    TrainingInfo,
    Property,
}

impl Kind {
    /// The kind of the message in a field, if it is one of interest.
    const fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Model, 14) => Some(Self::Property),
            (Self::Model, 20) => Some(Self::TrainingInfo),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Some(Self::Tensor),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Attribute, 6 | 11) | (Self::TrainingInfo, 1 | 2) => Some(Self::Graph),
            _ => None,
        }
    }
}

/// One field of a message; eight and four bytes of fixed width are bytes.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Walks a model.
///
/// # Errors
/// The bytes are not protobuf.
pub fn scan(bytes: &[u8]) -> Result<OnnxFacts, ScanError> {
    let mut facts = OnnxFacts::default();
    walk(Kind::Model, bytes, 0, &mut facts)?;
    Ok(facts)
}

fn walk(kind: Kind, bytes: &[u8], depth: u32, facts: &mut OnnxFacts) -> Result<(), ScanError> {
    if depth > DEPTH_MAX {
        return Err(ScanError::TooDeep);
    }
    match kind {
        Kind::Tensor => look_at_tensor(bytes, facts),
        Kind::Property => look_at_property(bytes, facts),
        _ => {
            for field in Fields::new(bytes) {
                if let (number, Value::Bytes(inner)) = field?
                    && let Some(child) = kind.child(number)
                {
                    walk(child, inner, depth + 1, facts)?;
                }
            }
            Ok(())
        }
    }
}

/// TensorProto: 8 name, 13 external_data, 14 data_location (1 = external).
fn look_at_tensor(bytes: &[u8], facts: &mut OnnxFacts) -> Result<(), ScanError> {
    let (mut name, mut external) = (String::new(), false);
    for field in Fields::new(bytes) {
        match field? {
            (8, Value::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
            (13, _) => external = true,
            (14, Value::Number(location)) => external |= location != 0,
            _ => {}
        }
    }
    if external && facts.external.is_none() {
        facts.external = Some(name);
    }
    Ok(())
}

fn look_at_property(bytes: &[u8], facts: &mut OnnxFacts) -> Result<(), ScanError> {
    let mut pair = (String::new(), String::new());
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Bytes(text)) => pair.0 = String::from_utf8_lossy(text).into_owned(),
            (2, Value::Bytes(text)) => pair.1 = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    facts.metadata.push(pair);
    Ok(())
}

/// Fields of a message in file order; after an error there are no more.
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let field = self.field().ok_or(ScanError::Broken(start));
        if field.is_err() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::super::onnx::{SCHEMA_KEY, to_onnx};
    use super::super::weights::tests::random;
    use super::*;
    use memg_core::observation::Schema;

    /// A message field of type 2.
    fn nested(field: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![field << 3 | 2];
        if field > 15 {
            bytes = vec![(field << 3 | 2) | 0x80, field >> 4];
        }
        bytes.push(u8::try_from(inner.len()).unwrap());
        bytes.extend_from_slice(inner);
        bytes
    }

    #[test]
    fn our_own_files_name_their_schema_and_need_no_other_file() {
        let facts = scan(&to_onnx(&random(Schema::Extended, 16, 1))).unwrap();
        assert_eq!(facts.metadata(SCHEMA_KEY), Some("memg-extended/2"));
        assert_eq!(facts.external, None);
    }

    #[test]
    fn external_data_is_found_wherever_a_tensor_can_be() {
        let location = [14 << 3, 1];
        let entry = nested(13, &nested(1, b"location"));
        for tensor in [[nested(8, b"w"), location.to_vec()].concat(), [nested(8, b"w"), entry].concat()] {
            let initializer = nested(7, &nested(5, &tensor));
            let attribute = nested(7, &nested(1, &nested(5, &nested(5, &tensor))));
            let subgraph = nested(7, &nested(1, &nested(5, &nested(6, &nested(5, &tensor)))));
            let sparse = nested(7, &nested(15, &nested(1, &tensor)));
            let function = nested(25, &nested(7, &nested(5, &nested(10, &tensor))));
            for model in [initializer, attribute, subgraph, sparse, function] {
                assert_eq!(scan(&model).unwrap().external.as_deref(), Some("w"), "{model:?}");
            }
        }
    }

    #[test]
    fn broken_files_are_errors_and_never_panics() {
        let whole = to_onnx(&random(Schema::TenD, 8, 1));
        for length in 1..whole.len() {
            let _ = scan(&whole[..length]);
        }
        assert_eq!(scan(&[0xff; 12]), Err(ScanError::Broken(0)));
        let mut deep = Vec::new();
        for _ in 0..40 {
            deep = nested_any(1, &nested_any(5, &nested_any(6, &deep)));
        }
        assert_eq!(scan(&nested_any(7, &deep)), Err(ScanError::TooDeep));
    }

    fn nested_any(field: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![field << 3 | 2];
        let mut length = inner.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(inner);
        bytes
    }
}
