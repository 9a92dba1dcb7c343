//! The prices of the hours ahead as variables: outputs of the plant, optional inputs of the controller.
//!
//! Numbers, because FMI 2.0 knows no arrays; one more says how many of them are known.

use crate::variable::{Causality, Store, Unit, Value, Variable};
use memg_core::extended::PRICE_HOURS;
use memg_core::plant_state::{Range, Signal};
use std::borrow::Cow;

const NAMES: [&str; PRICE_HOURS] = [
    "price_ahead_0",
    "price_ahead_1",
    "price_ahead_2",
    "price_ahead_3",
    "price_ahead_4",
    "price_ahead_5",
    "price_ahead_6",
    "price_ahead_7",
    "price_ahead_8",
    "price_ahead_9",
    "price_ahead_10",
    "price_ahead_11",
    "price_ahead_12",
    "price_ahead_13",
    "price_ahead_14",
    "price_ahead_15",
    "price_ahead_16",
    "price_ahead_17",
    "price_ahead_18",
    "price_ahead_19",
    "price_ahead_20",
    "price_ahead_21",
    "price_ahead_22",
    "price_ahead_23",
];

/// The rows: hours from the reference `first`, the number of known hours behind them.
#[must_use]
pub fn rows(causality: Causality, first: u32) -> Vec<Variable> {
    let row = |reference, name, unit, description| Variable {
        reference,
        name: Cow::Borrowed(name),
        causality,
        unit,
        start: Value::Real(0.0),
        description: Cow::Borrowed(description),
    };
    let price = "Mean import price of that hour ahead; 0 is the hour that begins now";
    let hours = NAMES.into_iter().zip(first..).map(|(name, at)| row(at, name, Some(Unit::EurPerKwh), price));
    let known = "How many of price_ahead_0, 1, … are known, 0 to 24";
    hours.chain([row(first + hours_later(), "price_ahead_hours", None, known)]).collect()
}

const fn hours_later() -> u32 {
    24
}

/// What is possible for the variable that is so many references behind the first one.
#[must_use]
pub fn possible(behind: u32) -> Option<Range> {
    match behind {
        hour if hour < hours_later() => Some(Signal::ImportPriceEurPerKwh.possible()),
        known if known == hours_later() => Some(Range::new(0.0, f64::from(hours_later()))),
        _ => None,
    }
}

/// The prices that are known.
pub fn read(store: &Store, first: u32) -> impl Iterator<Item = Option<f64>> {
    let known = store.real(first + hours_later()).round().clamp(0.0, 24.0);
    (0..hours_later()).take_while(move |hour| f64::from(*hour) < known).map(move |hour| Some(store.real(first + hour)))
}

/// Publishes prices up to the first one that is not known.
pub fn publish(store: &mut Store, first: u32, prices: &[Option<f64>]) {
    let mut known = 0;
    for (price, hour) in prices.iter().map_while(|price| *price).zip(0..hours_later()) {
        store.put(first + hour, Value::Real(price));
        known = hour + 1;
    }
    store.put(first + hours_later(), Value::Real(f64::from(known)));
}
