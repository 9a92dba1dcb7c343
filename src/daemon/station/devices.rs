//! Devices and the broker with their points, as they stand now.

use super::source::{Input, Telling};
use super::state::{device_state, quality};
use crate::archive::unit;
use crate::standing::BROKER;
use crate::view::View;
use memg_alarms::Kind;
use memg_core::measurement::Measurement;
use memg_plant_io::device::Device;
use memg_plant_io::image::PointId;
use memg_web::wires::Source as _;
use serde_json::{Value, json};
use tokio::time::Instant;

/// All of them.
pub(super) fn devices(telling: &Telling) -> Value {
    let view = telling.views.borrow().clone();
    let own = telling.place.devices.iter().map(|device| modbus(telling, &view, device));
    let broker = telling.place.broker.as_ref().map(|(address, inputs)| mqtt(telling, &view, address, inputs));
    own.chain(broker).collect()
}

/// Text of what stands against a device.
fn error(view: &View, name: &str) -> Option<String> {
    let of = |kind: Kind| kind.id(name);
    let kinds = [Kind::Link, Kind::Broker, Kind::Device, Kind::Values, Kind::Write, Kind::Points, Kind::Unstable];
    let ids = kinds.map(of);
    let found = view.alarms.iter().find(|alarm| alarm.active && alarm.source == name && ids.contains(&alarm.id));
    found.map(|alarm| alarm.text.clone())
}

fn frozen(telling: &Telling, ids: &[PointId]) -> Vec<Measurement<f64>> {
    telling.place.image.freeze(Instant::now(), ids)
}

fn age_s(measured: &Measurement<f64>) -> Option<f64> {
    measured.value.map(|_| measured.age_ms as f64 / 1000.0)
}

fn modbus(telling: &Telling, view: &View, device: &Device) -> Value {
    let ids: Vec<PointId> = (0..device.points.len()).map(|index| device.id(index)).collect();
    let seen = telling.place.glimpses.get(&*device.name).map(|glimpses| glimpses.all()).unwrap_or_default();
    let now = Instant::now();
    let moment = telling.moment();
    let points = device.points.iter().enumerate().zip(frozen(telling, &ids)).map(|((index, point), measured)| {
        let seen = seen.get(&index);
        let raw = seen.map(|seen| &seen.raw).filter(|raw| !raw.is_empty());
        let last_write = seen.and_then(|seen| seen.last_write).map(|last| {
            let ago_ms = now.saturating_duration_since(last.at).as_secs_f64() * moment.speed * 1000.0;
            json!({ "value": last.value, "unix_ms": moment.unix_ms - ago_ms as i64, "read_back": last.read_back })
        });
        json!({
            "point": point.name, "signal": point.signal.map(|tag| tag.to_string()), "unit": point.unit,
            "value": measured.value, "raw": raw, "quality": quality(measured.quality), "age_s": age_s(&measured),
            "register": point.place(), "last_write": last_write,
        })
    });
    let points: Vec<Value> = points.collect();
    let state = view.devices.iter().find(|(name, _)| **name == *device.name).map(|(_, state)| *state);
    let counted = view.counters.get(&*device.name).copied().unwrap_or_default();
    json!({
        "name": &*device.name, "kind": "modbus", "address": format!("{}, unit {}", device.transport, device.unit_id),
        "state": state.map_or("connecting", device_state), "polls": counted.polls, "polls_missed": counted.polls_missed,
        "writes": counted.writes, "error": error(view, &device.name), "points": points,
    })
}

fn mqtt(telling: &Telling, view: &View, address: &str, inputs: &[Input]) -> Value {
    let ids: Vec<PointId> = inputs.iter().map(|input| input.id).collect();
    let points = inputs.iter().zip(frozen(telling, &ids)).map(|(input, measured)| {
        json!({
            "point": input.name, "signal": input.tag.map(|tag| tag.to_string()), "unit": input.tag.map_or("", unit),
            "value": measured.value, "raw": null, "quality": quality(measured.quality), "age_s": age_s(&measured),
            "register": input.topic, "last_write": null,
        })
    });
    let points: Vec<Value> = points.collect();
    let state = if view.broker == Some(true) { "up" } else { "down" };
    json!({
        "name": BROKER, "kind": "mqtt", "address": address, "state": state, "polls": view.messages, "polls_missed": 0,
        "writes": 0, "error": error(view, BROKER), "points": points,
    })
}
