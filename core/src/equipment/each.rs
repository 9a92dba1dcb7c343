//! Up to four units of a kind, as a site file states them: one table, or a list of tables.

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// Most batteries, and most CHPs, of a plant.
pub const UNITS_MAX: usize = 4;

/// Up to [`UNITS_MAX`] units, numbered from 1 in names (`battery_2_kw`); the first needs no number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Each<T> {
    units: [Option<T>; UNITS_MAX],
}

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self { units: [const { None }; UNITS_MAX] }
    }
}

impl<T: Copy> Each<T> {
    /// One unit.
    #[must_use]
    pub const fn one(unit: T) -> Self {
        Self { units: [Some(unit), None, None, None] }
    }

    /// As many units as there are; `None` if they are more than [`UNITS_MAX`].
    #[must_use]
    pub fn new(units: &[T]) -> Option<Self> {
        let mut each = Self::default();
        for (index, unit) in units.iter().enumerate() {
            *each.units.get_mut(index)? = Some(*unit);
        }
        Some(each)
    }

    /// The units in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.units.iter().map_while(Option::as_ref)
    }

    /// The units to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.units.iter_mut().map_while(Option::as_mut)
    }

    /// Changes every unit.
    pub fn edit(&mut self, change: impl FnMut(&mut T)) {
        self.iter_mut().for_each(change);
    }

    /// The unit of that number, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.units.get(index).and_then(Option::as_ref)
    }

    /// Something for each unit.
    #[must_use]
    pub fn map<U>(&self, make: impl Fn(T) -> U) -> Each<U> {
        Each { units: self.units.map(|unit| unit.map(&make)) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<T: Copy + Serialize> Serialize for Each<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [Some(unit), None, ..] = &self.units {
            return unit.serialize(serializer);
        }
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|unit| list.serialize_element(unit))?;
        list.end()
    }
}

impl<'de, T: Copy + Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TableOrList(PhantomData))
    }
}

struct TableOrList<T>(PhantomData<T>);

impl<'de, T: Copy + Deserialize<'de>> Visitor<'de> for TableOrList<T> {
    type Value = Each<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a table, or a list of up to {UNITS_MAX} tables")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Each<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Each::one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Each<T>, A::Error> {
        let mut units = Vec::new();
        while let Some(unit) = list.next_element()? {
            units.push(unit);
        }
        Each::new(&units).ok_or_else(|| de::Error::invalid_length(units.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Unit {
        kw: f64,
    }

    #[test]
    fn a_single_table_and_a_list_are_both_read_and_written_back() {
        for text in [r#"{"kw":1.5}"#, r#"[{"kw":1.5},{"kw":2.0}]"#, "[]"] {
            let each: Each<Unit> = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&each).unwrap(), text);
        }
    }

    #[test]
    fn a_wrong_table_or_too_many_are_refused_in_words() {
        let refusal = |text: &str| serde_json::from_str::<Each<Unit>>(text).unwrap_err().to_string();
        assert!(refusal(r#"{"kw":"lots"}"#).contains("expected f64"), "{}", refusal(r#"{"kw":"lots"}"#));
        assert!(refusal(r#"[{"kW":1}]"#).contains("unknown field `kW`"));
        assert!(refusal(&format!("[{}]", [r#"{"kw":1}"#; 5].join(","))).contains("up to 4 tables"));
        assert!(refusal("3").contains("a table, or a list"));
    }
}
