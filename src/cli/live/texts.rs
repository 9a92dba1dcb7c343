//! Words and numbers of the live view.

use memg_control::cycle::CycleInput;
use memg_core::calendar::LocalTime;
use memg_core::constraint::Rule;
use memg_core::measurement::Measurement;
use memg_core::plant_state::{BatteryState, PlantState};
use memg_core::safety::{Intervention, Quantity};
use memg_core::units::Soc;

/// Local time of the plant, to the minute.
pub(super) fn plant_time(input: &CycleInput) -> String {
    let text = LocalTime { minute: input.plant_ms.div_euclid(60_000), offset_min: 0 }.to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// Batteries of which anything is measured, with their numbers.
pub(super) fn batteries(s: &PlantState) -> impl Iterator<Item = (usize, BatteryState)> {
    (1..).zip(s.batteries).filter(|(_, battery)| *battery != BatteryState::default())
}

/// The first needs no number.
pub(super) fn numbered(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name} {number}") }
}

/// States of charge in a word.
pub(super) fn socs(s: &PlantState) -> String {
    let per_cent = |soc: Soc| format!("{:.0}%", soc.get() * 100.0);
    let socs: Vec<String> =
        batteries(s).map(|(_, battery)| battery.soc.usable().map_or("-".into(), per_cent)).collect();
    if socs.is_empty() { "-".into() } else { socs.join("/") }
}

/// A number that is known, else `?`.
pub(super) fn number(m: Measurement<f64>, digits: usize) -> String {
    m.usable().map_or("?".into(), |value| format!("{value:.digits$}"))
}

/// What a rule changed.
pub(super) fn because(i: &Intervention) -> String {
    let quantity = match i.quantity {
        Quantity::Battery => "battery",
        Quantity::Chp => "CHP",
        Quantity::Grid => "grid",
        Quantity::Renewables => "renewables",
    };
    format!("{quantity}: {}", Rule::describe(i.rule))
}

/// Breaks at spaces; a word that is longer than a row is cut.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = rows.last().map_or(0, |row| row.chars().count());
        if length > 0 && length + 1 + word.chars().count() > width {
            rows.push(String::new());
        }
        let Some(row) = rows.last_mut() else { continue };
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    rows.iter().map(|row| cut(row, width)).collect()
}

/// At most so many characters; what is cut is said by `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
