//! Which point of the process image means what.

use super::Found;
use memg_core::extended::PRICE_HOURS;
use memg_core::plant_state::Tag;
use memg_core::series::Quantity;
use memg_plant_io::formula::Formula;
use memg_plant_io::image::{ImageBuilder, PointId, SeriesId};
use memg_plant_io::mqtt::settings::Target;
use memg_plant_io::problem::Problem;
use memg_plant_io::{Output, OutputTag};
use std::collections::BTreeMap;
use std::time::Duration;

/// Prefix of named MQTT inputs that hold day-ahead prices: `import_price_ahead_0` is the hour that has begun.
pub const PRICE_AHEAD: &str = "import_price_ahead_";

/// A signal that is known here.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What it is made of.
    pub formula: Formula,
    /// Who measures it, in words.
    pub origin: String,
    /// Key of the table that says so.
    pub key: String,
    /// Smallest and largest value that is believed, in the signal's unit; a formula has none of its own.
    pub range: Option<(f64, f64)>,
    /// How old it may become; a constant does not age.
    pub age_max: Option<Duration>,
}

/// Signals, day-ahead prices and MQTT inputs with their places in the image.
#[derive(Debug, Clone, Default)]
pub struct PointMap {
    /// Each signal that is measured, made of others, or declared.
    pub signals: BTreeMap<Tag, Known>,
    /// Places of the day-ahead import prices, EUR/kWh, by hour.
    pub price_ahead: Vec<Option<PointId>>,
    /// Places of MQTT inputs, in their order.
    pub mqtt: Vec<PointId>,
    /// Quantities that are forecast from outside: over MQTT in the order of the entries, then those that are written to registers.
    pub outlook: Vec<Quantity>,
    /// Their places.
    pub series: Vec<SeriesId>,
}

/// Places of all that devices and messages bring.
pub(super) fn map(found: &Found, image: &mut ImageBuilder, problems: &mut Vec<Problem>) -> PointMap {
    let mut map = PointMap { price_ahead: vec![None; PRICE_HOURS], ..PointMap::default() };
    for (device, key) in found.devices.iter().zip(&found.keys) {
        for (index, point) in device.points.iter().enumerate() {
            let Some(tag) = point.signal else { continue };
            let origin = format!("device {}", device.name);
            let (formula, range) = (Formula::point(device.id(index)), Some(point.range));
            let known = Known { formula, origin, key: key.clone(), range, age_max: Some(point.age_max) };
            insert(&mut map, tag, known, problems);
        }
    }
    for (index, input) in found.mqtt.iter().flat_map(|mqtt| &mqtt.inputs).enumerate() {
        let id = image.add(input.age_max);
        input.frozen.into_iter().for_each(|limit| image.frozen_after(id, limit));
        map.mqtt.push(id);
        match &input.target {
            Target::Signal(signal) => {
                let (origin, key) = (format!("mqtt {}", input.topic), format!("mqtt.inputs[{index}]"));
                let (formula, range) = (Formula::point(id), Some(input.range));
                let known = Known { formula, origin, key, range, age_max: Some(input.age_max) };
                insert(&mut map, *signal, known, problems);
            }
            Target::Named(name) => {
                let hour = name.strip_prefix(PRICE_AHEAD).and_then(|hour| hour.parse::<usize>().ok());
                if let Some(slot) = hour.and_then(|hour| map.price_ahead.get_mut(hour)) {
                    *slot = Some(id);
                }
            }
        }
    }
    for outlook in found.mqtt.iter().flat_map(|mqtt| &mqtt.outlook) {
        map.outlook.push(outlook.quantity);
        map.series.push(image.add_series(outlook.age_max));
    }
    for quantity in &found.told.quantities {
        if map.outlook.contains(quantity) {
            let message = format!("{} comes over MQTT already: [[mqtt.outlook]]", quantity.name());
            problems.push(Problem::new("north.modbus.forecasts", message));
        }
        map.outlook.push(*quantity);
        map.series.push(image.add_series(found.told.age_max));
    }
    one_place_each(found, problems);
    map
}

/// Two registers for one set-point would move the plant twice. A heartbeat may be stroked at every device.
fn one_place_each(found: &Found, problems: &mut Vec<Problem>) {
    let mut written: BTreeMap<OutputTag, String> = BTreeMap::new();
    for (device, key) in found.devices.iter().zip(&found.keys) {
        for output in device.outputs().filter(|tag| tag.output() != Output::Heartbeat) {
            if let Some(first) = written.insert(output, device.name.to_string()) {
                let message = format!("{output} is already written to device {first}; {NUMBER}");
                problems.push(Problem::new(format!("{key}.write"), message));
            }
        }
    }
}

/// What tells one of several of a kind.
const NUMBER: &str = "the second of a kind needs number = 2 in its [[device]]";

pub(super) fn insert(map: &mut PointMap, signal: Tag, known: Known, problems: &mut Vec<Problem>) {
    if let Some(first) = map.signals.get(&signal) {
        let hint = if signal.signal().numbers_max() > 1 { format!("; {NUMBER}") } else { String::new() };
        let message = format!("{signal} is already measured by {}{hint}", first.origin);
        problems.push(Problem::new(known.key, message));
        return;
    }
    map.signals.insert(signal, known);
}
