//! Variables of several batteries and CHPs: which there are, their names and references, by one rule.
//!
//! What every battery and CHP has is written down once, for the first. In the name of another one's its number stands
//! behind the part that there may be several of, as in signals ([`memg_core::plant_state::Tag`]): `soc_2`, `p_battery_2`,
//! `p_battery_2_set`, `chp_2_on`, `battery_2.soc_max`. Its reference is the first one's and 10 000 for each unit before it.
//! A plant without a battery or without a CHP has none of these variables. PV, wind, load and heat are sums.

use crate::variable::Variable;
use memg_core::equipment::{PlantParameters, UNITS_MAX};

/// From a reference to that of the same variable of the next unit. The first ones', and that of time, are below it.
const REFERENCES: u32 = 10_000;

/// What a plant may have several of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Battery,
    Chp,
}

/// How names of what each unit has begin; a number stands behind it.
const HEADS: [(&str, Part); 5] = [
    ("p_battery", Part::Battery),
    ("battery", Part::Battery),
    ("soc", Part::Battery),
    ("p_chp", Part::Chp),
    ("chp", Part::Chp),
];

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Battery => "Battery",
            Self::Chp => "CHP",
        }
    }

    fn count(self, plant: &PlantParameters) -> usize {
        match self {
            Self::Battery => plant.battery.len(),
            Self::Chp => plant.chp.len(),
        }
    }
}

/// Head, rest and part of the name of what each unit has; `None` for what the plant has one of.
fn split(first: &str) -> Option<(&str, &str, Part)> {
    HEADS.into_iter().find_map(|(head, part)| Some((head, first.strip_prefix(head)?, part)))
}

/// The name at the unit of that place, from 0, of a variable that the first has under the name `first`.
#[must_use]
pub fn name(first: &str, index: usize) -> String {
    match split(first) {
        Some((head, rest, _)) if index > 0 => format!("{head}_{}{rest}", index + 1),
        _ => first.to_owned(),
    }
}

/// The reference at the unit of that place, from 0.
#[must_use]
pub fn reference(first: u32, index: usize) -> u32 {
    u32::try_from(index).unwrap_or(0) * REFERENCES + first
}

/// The first one's reference and the unit's place: [`reference`] turned around.
pub(crate) fn place(reference: u32) -> (u32, usize) {
    (reference % REFERENCES, usize::try_from(reference / REFERENCES).unwrap_or(usize::MAX))
}

/// A table for every unit: `rows` are those of the unit at a place, named as the first one's are.
pub(crate) fn of_each(plant: &PlantParameters, rows: impl Fn(usize) -> Vec<Variable>) -> Vec<Variable> {
    let at = |index| rows(index).into_iter().filter_map(move |row| of_unit(row, index, plant));
    (0..UNITS_MAX).flat_map(at).collect()
}

/// The variable of the unit at a place; `None` if the plant does not have it there.
fn of_unit(row: Variable, index: usize, plant: &PlantParameters) -> Option<Variable> {
    let part = split(&row.name).map(|(_, _, part)| part);
    if index >= part.map_or(1, |part| part.count(plant)) {
        return None;
    }
    let Some(part) = part.filter(|_| index > 0) else { return Some(row) };
    let description = format!("{} {}: {}", part.word(), index + 1, row.description).into();
    let name = name(&row.name, index).into();
    Some(Variable { reference: reference(row.reference, index), name, description, ..row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ems::{MEASUREMENTS, signal_of};
    use crate::model::Kind;

    #[test]
    fn the_number_stands_behind_the_part_and_the_first_has_none() {
        for (first, second) in [
            ("soc", "soc_2"),
            ("soc_start", "soc_2_start"),
            ("p_battery", "p_battery_2"),
            ("p_battery_set", "p_battery_2_set"),
            ("battery_limited", "battery_2_limited"),
            ("battery.soc_max", "battery_2.soc_max"),
            ("p_chp_set", "p_chp_2_set"),
            ("chp_on_set", "chp_2_on_set"),
            ("chp.p_kw_min", "chp_2.p_kw_min"),
            ("filter_weights.battery", "filter_weights.battery"),
            ("divisor.chp_kw", "divisor.chp_kw"),
            ("action_battery", "action_battery"),
            ("p_pv", "p_pv"),
        ] {
            assert_eq!((name(first, 0).as_str(), name(first, 1).as_str()), (first, second));
        }
    }

    /// Names that are the same in both worlds have the same number in both, and what is of a unit in one is in the other.
    #[test]
    fn variables_are_numbered_as_signals_are() {
        let rows = Kind::Ems.variables(&PlantParameters::reference(), "");
        for (first, signal) in MEASUREMENTS {
            let row = rows.iter().find(|row| row.reference == first).unwrap();
            assert_eq!(split(&row.name).is_some(), signal.is_of_battery() || signal.is_of_chp(), "{}", row.name);
            let tag = signal_of(reference(first, 1)).unwrap_or_else(|| signal.into());
            assert!(row.name != signal.name() || name(&row.name, 1) == tag.to_string() || split(&row.name).is_none());
        }
    }

    #[test]
    fn references_are_found_back() {
        for (first, index) in [(0, 0), (4, 1), (399, 3)] {
            assert_eq!(place(reference(first, index)), (first, index));
        }
    }
}
