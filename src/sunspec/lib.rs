//! SunSpec information models: where each point of a model lies, how it is encoded, and what stands for "not implemented".
//!
//! The model files are those of the SunSpec Alliance (`models/NOTICE`). Of groups that repeat only the place is known; groups that do
//! not are part of the model.

#![forbid(unsafe_code)]

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The two registers that a chain of models begins with: "SunS".
pub const MARK: [u16; 2] = [0x5375, 0x6E53];
/// Where chains begin, in the order in which devices are asked.
pub const BASES: [u16; 3] = [40_000, 0, 50_000];
/// Number of the model that ends a chain.
pub const END: u16 = 0xFFFF;

/// How a point is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Signed.
    Signed,
    /// Unsigned: numbers, enumerations, bit fields.
    Unsigned,
    /// An accumulator: unsigned, 0 where it is not implemented.
    Accumulator,
    /// IEEE 754.
    Float,
    /// Text, two characters in a register.
    Text,
    /// A scale factor: a power of ten.
    Scale,
    /// Nothing.
    Pad,
}

/// A point of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, unique in the model.
    pub name: String,
    /// In words, if the model file has some.
    pub label: Option<String>,
    /// Registers from the model's number to it.
    pub offset: u16,
    /// Registers that it takes.
    pub size: u16,
    /// How it is encoded.
    pub encoding: Encoding,
    /// The type as the model file names it, such as `int16`.
    pub kind: String,
    /// Name of the point that holds its power of ten, or a fixed one.
    pub scale: Option<String>,
    /// It can be written.
    pub writable: bool,
    /// Its unit as the model file names it.
    pub unit: Option<String>,
    /// Names of values or bits.
    pub symbols: BTreeMap<String, i64>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its number.
    pub number: u16,
    /// What it is.
    pub label: String,
    /// Its points that do not repeat, in their order.
    pub fields: Vec<Field>,
    /// Registers with number and length, without what repeats.
    pub registers: u16,
    /// Something repeats behind them.
    pub repeats: bool,
}

impl Model {
    /// The point of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// What its registers hold where it is not implemented.
    #[must_use]
    pub fn not_implemented(&self) -> Vec<u16> {
        let size = usize::from(self.size);
        let first = match self.encoding {
            Encoding::Signed | Encoding::Scale | Encoding::Pad => 0x8000,
            Encoding::Unsigned => 0xFFFF,
            Encoding::Float => 0x7FC0,
            Encoding::Accumulator | Encoding::Text => 0,
        };
        let rest = if self.encoding == Encoding::Unsigned { 0xFFFF } else { 0 };
        std::iter::once(first).chain(std::iter::repeat(rest)).take(size).collect()
    }
}

#[derive(Deserialize)]
struct RawModel {
    id: u16,
    group: RawGroup,
}

#[derive(Deserialize)]
struct RawGroup {
    name: String,
    label: Option<String>,
    #[serde(default)]
    points: Vec<RawPoint>,
    #[serde(default)]
    groups: Vec<RawGroup>,
    count: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawPoint {
    name: String,
    label: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    size: u16,
    sf: Option<serde_json::Value>,
    access: Option<String>,
    units: Option<String>,
    #[serde(default)]
    symbols: BTreeMap<String, i64>,
}

/// Model files, by number.
const FILES: [(u16, &str); 25] = [
    (1, include_str!("models/model_1.json")),
    (101, include_str!("models/model_101.json")),
    (102, include_str!("models/model_102.json")),
    (103, include_str!("models/model_103.json")),
    (111, include_str!("models/model_111.json")),
    (112, include_str!("models/model_112.json")),
    (113, include_str!("models/model_113.json")),
    (120, include_str!("models/model_120.json")),
    (121, include_str!("models/model_121.json")),
    (122, include_str!("models/model_122.json")),
    (123, include_str!("models/model_123.json")),
    (124, include_str!("models/model_124.json")),
    (160, include_str!("models/model_160.json")),
    (201, include_str!("models/model_201.json")),
    (202, include_str!("models/model_202.json")),
    (203, include_str!("models/model_203.json")),
    (204, include_str!("models/model_204.json")),
    (701, include_str!("models/model_701.json")),
    (702, include_str!("models/model_702.json")),
    (703, include_str!("models/model_703.json")),
    (704, include_str!("models/model_704.json")),
    (713, include_str!("models/model_713.json")),
    (714, include_str!("models/model_714.json")),
    (715, include_str!("models/model_715.json")),
    (802, include_str!("models/model_802.json")),
];

/// The model of that number; `None`: it is not among those that are known here.
#[must_use]
pub fn model(number: u16) -> Option<&'static Model> {
    static MODELS: OnceLock<BTreeMap<u16, Model>> = OnceLock::new();
    MODELS
        .get_or_init(|| FILES.iter().filter_map(|(number, text)| Some((*number, parse(text)?))).collect())
        .get(&number)
}

fn parse(text: &str) -> Option<Model> {
    let raw: RawModel = serde_json::from_str(text).ok()?;
    let mut model = Model {
        number: raw.id,
        label: raw.group.label.clone().unwrap_or_else(|| raw.group.name.clone()),
        fields: Vec::new(),
        registers: 0,
        repeats: false,
    };
    add(&mut model, &raw.group, "");
    Some(model)
}

/// A group's points behind those that are there.
fn add(model: &mut Model, group: &RawGroup, prefix: &str) {
    for point in &group.points {
        let field = Field {
            name: format!("{prefix}{}", point.name),
            label: point.label.clone(),
            offset: model.registers,
            size: point.size,
            encoding: encoding(&point.kind),
            kind: point.kind.clone(),
            scale: point.sf.as_ref().map(|sf| sf.as_str().map_or_else(|| sf.to_string(), ToOwned::to_owned)),
            writable: point.access.as_deref() == Some("RW"),
            unit: point.units.clone(),
            symbols: point.symbols.clone(),
        };
        model.registers += field.size;
        model.fields.push(field);
    }
    for inner in &group.groups {
        if inner.count.as_ref().is_none_or(|count| *count == 1) {
            add(model, inner, &format!("{}.", inner.name));
        } else {
            model.repeats = true;
        }
    }
}

fn encoding(kind: &str) -> Encoding {
    match kind {
        "int16" | "int32" | "int64" | "raw16" => Encoding::Signed,
        "acc16" | "acc32" | "acc64" => Encoding::Accumulator,
        "float32" | "float64" => Encoding::Float,
        "string" => Encoding::Text,
        "sunssf" => Encoding::Scale,
        "pad" => Encoding::Pad,
        _ => Encoding::Unsigned,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn every_model_file_is_a_model_and_its_points_follow_each_other() {
        for (number, _) in FILES {
            let model = model(number).unwrap();
            assert_eq!(model.number, number);
            let mut end = 0;
            for field in &model.fields {
                assert_eq!(field.offset, end, "{number}.{}", field.name);
                end += field.size;
            }
            assert_eq!((&*model.fields[0].name, &*model.fields[1].name), ("ID", "L"), "{number}");
        }
        assert!(model(2).is_none());
    }

    #[test]
    fn points_lie_where_the_specification_has_them() {
        let places = |number: u16, name: &str| {
            let field = model(number).unwrap().field(name).unwrap();
            (field.offset, field.size, field.scale.clone())
        };
        assert_eq!(places(1, "Mn"), (2, 16, None));
        assert_eq!(places(701, "W"), (10, 1, Some("W_SF".into())));
        assert_eq!(places(704, "WSet"), (24, 2, Some("WSet_SF".into())));
        assert_eq!(places(713, "SoC"), (4, 1, Some("Pct_SF".into())));
        let registers = [1, 701, 702, 704, 713, 715].map(|number| model(number).unwrap().registers);
        assert_eq!(registers, [68, 155, 52, 67, 9, 9]);
    }

    #[test]
    fn what_is_not_implemented_has_its_own_registers() {
        let of = |number: u16, name: &str| model(number).unwrap().field(name).unwrap().not_implemented();
        assert_eq!(of(701, "W"), [0x8000]);
        assert_eq!(of(701, "Hz"), [0xFFFF, 0xFFFF]);
        assert_eq!(of(704, "WSet"), [0x8000, 0]);
        assert_eq!(of(1, "SN"), [0; 16]);
        assert_eq!(of(701, "W_SF"), [0x8000]);
    }
}
