//! The variables of a model: one table makes both model descriptions, get, set and reset.
//!
//! Responsible for: [`Variable`], a row of the table, and [`Store`], the table with its present values. It knows nothing
//! of the C interface. A *reference* is the number by which a host names a variable; it never changes once published.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Who sets the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Causality {
    /// The host, at every communication point.
    Input,
    /// The model, at every communication point.
    Output,
    /// The host, before the end of initialization.
    Parameter,
}

/// Units that the models use, with their base-unit factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Kilowatt, electric or thermal.
    Kilowatt,
    /// Kilovolt-ampere, apparent and reactive power.
    KilovoltAmpere,
    /// Kilowatt-hour.
    KilowattHour,
    /// Relative to a base, or a plain ratio.
    PerUnit,
    /// Hertz.
    Hertz,
    /// Second.
    Second,
    /// Hour.
    Hour,
    /// Money.
    Eur,
    /// Price of energy.
    EurPerKwh,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 9] = [
        Self::Kilowatt,
        Self::KilovoltAmpere,
        Self::KilowattHour,
        Self::PerUnit,
        Self::Hertz,
        Self::Second,
        Self::Hour,
        Self::Eur,
        Self::EurPerKwh,
    ];

    /// Its name in the model description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kilowatt => "kW",
            Self::KilovoltAmpere => "kVA",
            Self::KilowattHour => "kWh",
            Self::PerUnit => "1",
            Self::Hertz => "Hz",
            Self::Second => "s",
            Self::Hour => "h",
            Self::Eur => "EUR",
            Self::EurPerKwh => "EUR/kWh",
        }
    }

    /// Attributes of its base unit; money has none in the SI.
    #[must_use]
    pub const fn base_unit(self) -> Option<&'static str> {
        match self {
            Self::Kilowatt | Self::KilovoltAmpere => Some(r#"kg="1" m="2" s="-3" factor="1000""#),
            Self::KilowattHour => Some(r#"kg="1" m="2" s="-2" factor="3600000""#),
            Self::PerUnit => Some(""),
            Self::Hertz => Some(r#"s="-1""#),
            Self::Second => Some(r#"s="1""#),
            Self::Hour => Some(r#"s="1" factor="3600""#),
            Self::Eur | Self::EurPerKwh => None,
        }
    }
}

/// A value with its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// `fmi2Real`, `fmi3Float64`. Stored as bits, so that a serialized state restores NaN and -0 too.
    Real(#[serde(with = "bits")] f64),
    /// `fmi2Integer`, `fmi3Int32`.
    Integer(i32),
    /// `fmi2Boolean`, `fmi3Boolean`.
    Boolean(bool),
    /// `fmi2String`, `fmi3String`.
    Text(String),
}

impl Value {
    /// The type in words.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Real(_) => "Real",
            Self::Integer(_) => "Integer",
            Self::Boolean(_) => "Boolean",
            Self::Text(_) => "String",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The number by which a host names it.
    pub reference: u32,
    /// The name by which a user knows it.
    pub name: Cow<'static, str>,
    /// Who sets it.
    pub causality: Causality,
    /// Its unit, if it has one.
    pub unit: Option<Unit>,
    /// Value after instantiation and reset; it fixes the type.
    pub start: Value,
    /// What it means, with its sign.
    pub description: Cow<'static, str>,
}

impl Variable {
    /// A number or a boolean: what can be connected by a factor, plotted, and written into a column.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        !matches!(self.start, Value::Text(_))
    }
}

/// Declares inputs, outputs or parameters: `reference name unit start description`.
macro_rules! variables {
    ($causality:ident: $($reference:literal $name:literal $unit:expr, $start:expr, $description:literal;)*) => {
        [$($crate::variable::Variable {
            reference: $reference,
            name: ::std::borrow::Cow::Borrowed($name),
            causality: $crate::variable::Causality::$causality,
            unit: $unit,
            start: $start,
            description: ::std::borrow::Cow::Borrowed($description),
        }),*]
    };
}
pub(crate) use variables;

/// The table with its present values.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    rows: Vec<Variable>,
    values: Vec<Value>,
}

impl Store {
    /// A table at its start values. Rows are sorted by reference.
    #[must_use]
    pub fn new(mut rows: Vec<Variable>) -> Self {
        rows.sort_by_key(|row| row.reference);
        let values = rows.iter().map(|row| row.start.clone()).collect();
        Self { rows, values }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Variable] {
        &self.rows
    }

    /// All values in the order of the rows.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Replaces all values, as after loading a state; false (and nothing changed) if they do not fit the table.
    pub fn replace(&mut self, values: Vec<Value>) -> bool {
        let fits = values.len() == self.values.len()
            && values.iter().zip(&self.values).all(|(new, old)| new.type_name() == old.type_name());
        if fits {
            self.values = values;
        }
        fits
    }

    /// Back to the start values.
    pub fn reset(&mut self) {
        self.values = self.rows.iter().map(|row| row.start.clone()).collect();
    }

    /// The row and value of a reference.
    #[must_use]
    pub fn find(&self, reference: u32) -> Option<(&Variable, &Value)> {
        let index = self.index(reference)?;
        self.rows.get(index).zip(self.values.get(index))
    }

    /// The row of a reference and its value for writing.
    pub fn find_mut(&mut self, reference: u32) -> Option<(&Variable, &mut Value)> {
        let index = self.index(reference)?;
        self.rows.get(index).zip(self.values.get_mut(index))
    }

    fn index(&self, reference: u32) -> Option<usize> {
        self.rows.binary_search_by_key(&reference, |row| row.reference).ok()
    }

    /// A real of the model's own table; NaN if the table has no such real (a mistake that the table's test finds).
    #[must_use]
    pub fn real(&self, reference: u32) -> f64 {
        if let Some((_, Value::Real(value))) = self.find(reference) { *value } else { f64::NAN }
    }

    /// An integer of the model's own table; 0 if there is none.
    #[must_use]
    pub fn integer(&self, reference: u32) -> i32 {
        if let Some((_, Value::Integer(value))) = self.find(reference) { *value } else { 0 }
    }

    /// A boolean of the model's own table; false if there is none.
    #[must_use]
    pub fn boolean(&self, reference: u32) -> bool {
        matches!(self.find(reference), Some((_, Value::Boolean(true))))
    }

    /// A text of the model's own table; empty if there is none.
    #[must_use]
    pub fn text(&self, reference: u32) -> &str {
        if let Some((_, Value::Text(value))) = self.find(reference) { value } else { "" }
    }

    /// Writes a value of the model's own table.
    pub fn put(&mut self, reference: u32, value: Value) {
        if let Some((_, slot)) = self.find_mut(reference) {
            *slot = value;
        }
    }

    /// The first real among inputs or parameters that is not a finite number.
    #[must_use]
    pub fn not_finite(&self, causality: Causality) -> Option<(&Variable, f64)> {
        let pairs = self.rows.iter().zip(&self.values).filter(|(row, _)| row.causality == causality);
        pairs.into_iter().find_map(|(row, value)| match value {
            Value::Real(x) if !x.is_finite() => Some((row, *x)),
            _ => None,
        })
    }
}

/// f64 as its bit pattern.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, out: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
        u64::deserialize(input).map(f64::from_bits)
    }
}
