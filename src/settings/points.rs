//! Which point of the process image means what.

use super::plant::SitePlant;
use super::units;
use memg_core::extended::PRICE_HOURS;
use memg_core::plant_state::Tag;
use memg_core::series::Quantity;
use memg_plant_io::device::Device;
use memg_plant_io::image::{ImageBuilder, PointId, SeriesId};
use memg_plant_io::mqtt::settings::{MqttSettings, Target};
use memg_plant_io::problem::Problem;
use memg_plant_io::{Output, OutputTag};
use std::collections::BTreeMap;

/// Prefix of named MQTT inputs that hold day-ahead prices: `import_price_ahead_0` is the hour that has begun.
pub const PRICE_AHEAD: &str = "import_price_ahead_";

/// Signals, day-ahead prices and MQTT inputs with their places in the image.
#[derive(Debug, Clone, Default)]
pub struct PointMap {
    /// Place and origin of each signal that is measured.
    pub signals: BTreeMap<Tag, (PointId, String)>,
    /// Places of the day-ahead import prices, EUR/kWh, by hour.
    pub price_ahead: Vec<Option<PointId>>,
    /// Places of MQTT inputs, in their order.
    pub mqtt: Vec<PointId>,
    /// Quantities that are forecast over MQTT, in the order of the entries.
    pub outlook: Vec<Quantity>,
    /// Their places.
    pub series: Vec<SeriesId>,
}

/// What the points are of.
pub(super) struct Around<'a> {
    pub devices: &'a [Device],
    pub mqtt: Option<&'a MqttSettings>,
    /// `None` if it is wrong: that has been told.
    pub site: Option<&'a SitePlant>,
    /// The devices come later (demonstration, lock-step).
    pub later: bool,
}

pub(super) fn map(around: &Around<'_>, image: &mut ImageBuilder, problems: &mut Vec<Problem>) -> PointMap {
    let Around { devices, mqtt, site, later } = *around;
    let mut map = PointMap { price_ahead: vec![None; PRICE_HOURS], ..PointMap::default() };
    for (index, device) in devices.iter().enumerate() {
        for (signal, id) in device.signals() {
            let origin = format!("device {}", device.name);
            insert(&mut map, signal, id, origin, &format!("device[{index}]"), problems);
        }
    }
    for (index, input) in mqtt.iter().flat_map(|mqtt| &mqtt.inputs).enumerate() {
        let id = image.add(input.age_max);
        input.frozen.into_iter().for_each(|limit| image.frozen_after(id, limit));
        map.mqtt.push(id);
        match &input.target {
            Target::Signal(signal) => {
                let origin = format!("mqtt {}", input.topic);
                insert(&mut map, *signal, id, origin, &format!("mqtt.inputs[{index}]"), problems);
            }
            Target::Named(name) => {
                let hour = name.strip_prefix(PRICE_AHEAD).and_then(|hour| hour.parse::<usize>().ok());
                if let Some(slot) = hour.and_then(|hour| map.price_ahead.get_mut(hour)) {
                    *slot = Some(id);
                }
            }
        }
    }
    for outlook in mqtt.iter().flat_map(|mqtt| &mqtt.outlook) {
        map.outlook.push(outlook.quantity);
        map.series.push(image.add_series(outlook.age_max));
    }
    one_place_each(devices, problems);
    // A demonstration gets its devices when it starts, a simulator in lock-step measures with every step.
    if !later || !devices.is_empty() {
        units::check(&map, devices, site, problems);
    }
    map
}

/// Two registers for one set-point would move the plant twice. A heartbeat may be stroked at every device.
fn one_place_each(devices: &[Device], problems: &mut Vec<Problem>) {
    let mut written: BTreeMap<OutputTag, String> = BTreeMap::new();
    for (index, device) in devices.iter().enumerate() {
        for output in device.outputs().filter(|tag| tag.output() != Output::Heartbeat) {
            if let Some(first) = written.insert(output, device.name.to_string()) {
                let message = format!("{output} is already written to device {first}");
                problems.push(Problem::new(format!("device[{index}].write"), message));
            }
        }
    }
}

fn insert(map: &mut PointMap, signal: Tag, id: PointId, origin: String, key: &str, problems: &mut Vec<Problem>) {
    if let Some((_, first)) = map.signals.get(&signal) {
        problems.push(Problem::new(key, format!("{signal} is already measured by {first}")));
        return;
    }
    map.signals.insert(signal, (id, origin));
}
