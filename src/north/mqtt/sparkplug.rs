//! Sparkplug B 3.0: the gateway as an edge node whose metrics are the points, with a device for each of its own.
//!
//! NBIRTH with `bdSeq` after the connection, NDEATH as last will, NDATA and DDATA on change, DDEATH when a device is lost and DBIRTH when it is
//! back, rebirth on command. Commands are metrics of NCMD with the names of the points that take them.

use crate::payload::{Held, Metric, Payload, kinds};
use crate::{Out, Speaker, Wish};
use memg_core::command::{Means, Role};
use memg_north::desk::Principal;
use memg_north::points::{Point, PointList, Shape, Use};
use memg_north::wires::{Reading, Snapshot, Wires};
use memg_plant_io::mqtt::settings::Connection;
use prost::Message as _;
use rumqttc::QoS;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

const REBIRTH: &str = "Node Control/Rebirth";

/// What it is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sparkplug's group.
    pub group: String,
    /// Name of the node in it.
    pub node: String,
    /// The role that the broker's permissions stand for; `None`: commands are ignored.
    pub commands: Option<Role>,
}

/// Speaks until `stop` is true.
pub async fn serve(settings: Settings, connection: Connection, wires: Wires, stop: watch::Receiver<bool>) {
    let speaker = Node::new(settings, Arc::clone(&wires.list), connection.broker.client_id.clone());
    crate::run(speaker, connection, wires, stop).await;
}

struct Node {
    settings: Settings,
    list: Arc<PointList>,
    principal: Option<Principal>,
    bd_seq: u64,
    seq: u64,
    /// What was told last, by place in the list.
    told: Vec<Reading>,
    /// Devices that were born and have not died.
    alive: BTreeMap<String, bool>,
}

impl Node {
    fn new(settings: Settings, list: Arc<PointList>, name: String) -> Self {
        let principal = settings.commands.map(|role| Principal {
            name: format!("{name}.sparkplug"),
            role,
            means: Means::Mqtt,
            authenticated: true,
        });
        let told = vec![Reading::default(); list.points().len()];
        Self { settings, list, principal, bd_seq: 255, seq: 0, told, alive: BTreeMap::new() }
    }

    fn topic(&self, kind: &str, device: Option<&str>) -> String {
        let Settings { group, node, .. } = &self.settings;
        let device = device.map(|device| format!("/{}", segment(device))).unwrap_or_default();
        format!("spBv1.0/{group}/{kind}/{node}{device}")
    }

    /// The next message's number.
    fn message_of(&mut self, kind: &str, device: Option<&str>, now: &Snapshot, metrics: Vec<Metric>) -> Out {
        if kind == "NBIRTH" {
            self.seq = 0;
        }
        let payload = Payload { timestamp: unix_ms(now), metrics, seq: Some(self.seq) };
        self.seq = (self.seq + 1) % 256;
        Out { topic: self.topic(kind, device), payload: payload.encode_to_vec(), retained: false, qos: QoS::AtMostOnce }
    }

    fn bd_seq(&self, now_ms: Option<u64>) -> Metric {
        Metric {
            name: Some("bdSeq".to_owned()),
            timestamp: now_ms,
            datatype: Some(kinds::INT64),
            is_null: None,
            value: Some(Held::Long(self.bd_seq)),
        }
    }

    fn death(&self) -> Out {
        let payload = Payload { timestamp: None, metrics: vec![self.bd_seq(None)], seq: None };
        Out {
            topic: self.topic("NDEATH", None),
            payload: payload.encode_to_vec(),
            retained: false,
            qos: QoS::AtLeastOnce,
        }
    }

    /// Which device measures a point.
    fn owner(now: &Snapshot, place: usize) -> Option<&str> {
        now.devices.iter().find(|device| device.points.contains(&place)).map(|device| device.name.as_str())
    }

    fn places(&self, now: &Snapshot, device: Option<&str>) -> Vec<usize> {
        (0..self.list.points().len()).filter(|place| Self::owner(now, *place) == device).collect()
    }

    fn metrics(&self, now: &Snapshot, places: &[usize]) -> Vec<Metric> {
        let of = |place: &usize| Some(metric(self.list.points().get(*place)?, now.readings.get(*place)?, unix_ms(now)));
        places.iter().filter_map(of).collect()
    }

    fn births(&mut self, now: &Snapshot) -> Vec<Out> {
        let rebirth = Metric {
            name: Some(REBIRTH.to_owned()),
            timestamp: unix_ms(now),
            datatype: Some(kinds::BOOLEAN),
            is_null: None,
            value: Some(Held::Boolean(false)),
        };
        let mut metrics = vec![self.bd_seq(unix_ms(now)), rebirth];
        metrics.extend(self.metrics(now, &self.places(now, None)));
        self.told.clone_from(&now.readings);
        self.alive.clear();
        let mut out = vec![self.message_of("NBIRTH", None, now, metrics)];
        out.extend(self.devices(now));
        out
    }

    /// Births and deaths of devices since the last time.
    fn devices(&mut self, now: &Snapshot) -> Vec<Out> {
        let mut out = Vec::new();
        for device in &now.devices {
            let before = self.alive.insert(device.name.clone(), device.up).unwrap_or(false);
            if device.up && !before {
                let places = self.places(now, Some(&device.name));
                let metrics = self.metrics(now, &places);
                for place in places {
                    if let (Some(told), Some(reading)) = (self.told.get_mut(place), now.readings.get(place)) {
                        told.clone_from(reading);
                    }
                }
                out.push(self.message_of("DBIRTH", Some(&device.name), now, metrics));
            } else if before && !device.up {
                out.push(self.message_of("DDEATH", Some(&device.name), now, Vec::new()));
            }
        }
        out
    }

    fn changes(&mut self, now: &Snapshot) -> Vec<Out> {
        let owners = now.devices.iter().filter(|device| device.up).map(|device| Some(device.name.as_str()));
        let mut out = Vec::new();
        for owner in std::iter::once(None).chain(owners) {
            let differs = |place: &usize| match (self.told.get(*place), now.readings.get(*place)) {
                (Some(told), Some(reading)) => (&told.value, &told.text) != (&reading.value, &reading.text),
                _ => false,
            };
            let places: Vec<usize> = self.places(now, owner).into_iter().filter(differs).collect();
            if places.is_empty() {
                continue;
            }
            let metrics = self.metrics(now, &places);
            for place in places {
                if let (Some(told), Some(reading)) = (self.told.get_mut(place), now.readings.get(place)) {
                    told.clone_from(reading);
                }
            }
            out.push(self.message_of(if owner.is_some() { "DDATA" } else { "NDATA" }, owner, now, metrics));
        }
        out
    }
}

/// Names in topics have no separators and no wildcards.
fn segment(name: &str) -> String {
    name.replace(['/', '+', '#'], "_")
}

fn unix_ms(now: &Snapshot) -> Option<u64> {
    u64::try_from(now.unix_ms).ok()
}

/// A point as a metric; what is unknown is null, never 0.
fn metric(point: &Point, reading: &Reading, now_ms: Option<u64>) -> Metric {
    let (datatype, value) = match point.shape {
        Shape::Number => (kinds::DOUBLE, reading.value.map(Held::Double)),
        Shape::Count | Shape::State(_) => (kinds::UINT16, reading.value.map(|value| Held::Int(value as u32))),
        Shape::Flag => (kinds::BOOLEAN, reading.value.map(|value| Held::Boolean(value != 0.0))),
        Shape::Text(_) => (kinds::STRING, reading.text.as_ref().map(|text| Held::Text(text.to_string()))),
    };
    let age_ms = (1000.0 * reading.age_s) as u64;
    Metric {
        name: Some(point.name.clone()),
        timestamp: now_ms.map(|now| now.saturating_sub(age_ms)),
        datatype: Some(datatype),
        is_null: value.is_none().then_some(true),
        value,
    }
}

impl Speaker for Node {
    fn name(&self) -> &'static str {
        "sparkplug"
    }

    fn will(&mut self) -> Option<Out> {
        self.bd_seq = (self.bd_seq + 1) % 256;
        Some(self.death())
    }

    fn topics(&self) -> Vec<String> {
        vec![self.topic("NCMD", None)]
    }

    fn connected(&mut self, now: &Snapshot) -> Vec<Out> {
        self.births(now)
    }

    fn tick(&mut self, now: &Snapshot) -> Vec<Out> {
        let mut out = self.devices(now);
        out.extend(self.changes(now));
        out
    }

    fn message(&mut self, now: &Snapshot, _topic: &str, payload: &[u8], retained: bool) -> Wish {
        let Ok(payload) = Payload::decode(payload) else {
            tracing::info!("A Sparkplug command that cannot be read was ignored.");
            return Wish::default();
        };
        let mut wish = Wish::default();
        for metric in payload.metrics.into_iter().filter(|_| !retained) {
            let name = metric.name.unwrap_or_default();
            let number = metric.value.as_ref().and_then(number);
            if name == REBIRTH {
                wish.out = if number == Some(1.0) { self.births(now) } else { Vec::new() };
            } else if let Some(point) = self.list.named(&name).and_then(|place| self.list.points().get(place))
                && matches!(point.usage, Use::Command(_))
            {
                wish.writes.extend(number.map(|value| (name, value)));
            }
        }
        wish
    }

    fn goodbye(&mut self) -> Vec<Out> {
        vec![self.death()]
    }

    fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }
}

fn number(held: &Held) -> Option<f64> {
    match held {
        Held::Int(value) => Some(f64::from(*value)),
        Held::Long(value) => Some(*value as f64),
        Held::Float(value) => Some(f64::from(*value)),
        Held::Double(value) => Some(*value),
        Held::Boolean(value) => Some(f64::from(u8::from(*value))),
        Held::Text(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use memg_core::plant_state::{Signal, Tag};
    use memg_north::points::Extent;
    use memg_north::wires::DeviceState;

    fn node() -> (Node, Snapshot) {
        let signals = vec![(Tag::first(Signal::PvKw), "kW"), (Tag::first(Signal::Soc), "")];
        let list = Arc::new(PointList::of(&Extent { signals, batteries: 1, chps: 0, alarms: Vec::new() }));
        let pv = list.named("pv_kw").unwrap();
        let devices = vec![DeviceState { name: "inverter".into(), up: true, points: vec![pv] }];
        let readings = vec![Reading::default(); list.points().len()];
        let settings = Settings { group: "memg".into(), node: "harbour".into(), commands: None };
        (
            Node::new(settings, list, "gateway".into()),
            Snapshot { unix_ms: 1_000, readings, devices, ..Snapshot::default() },
        )
    }

    fn said(out: &[Out]) -> Vec<(String, u64, usize)> {
        let of = |out: &Out| {
            let payload = Payload::decode(&*out.payload).unwrap();
            let kind = out.topic.trim_start_matches("spBv1.0/memg/").to_owned();
            (kind, payload.seq.unwrap_or(999), payload.metrics.len())
        };
        out.iter().map(of).collect()
    }

    #[test]
    fn births_data_and_deaths_are_numbered_in_one_row_and_the_will_names_the_birth() {
        let (mut node, mut now) = node();
        let will = node.will().unwrap();
        let bd = |out: &Out| Payload::decode(&*out.payload).unwrap().metrics[0].value.clone();
        let born = node.connected(&now);
        assert_eq!(bd(&will), bd(&born[0]), "the same bdSeq");
        assert_eq!((&*will.topic, will.qos), ("spBv1.0/memg/NDEATH/harbour", QoS::AtLeastOnce));
        let all = node.list.points().len();
        assert_eq!(said(&born), [("NBIRTH/harbour".to_owned(), 0, all + 1), ("DBIRTH/harbour/inverter".into(), 1, 1)]);
        assert!(node.tick(&now).is_empty(), "nothing has changed");
        let (pv, mode) = (node.list.named("pv_kw").unwrap(), node.list.named("mode").unwrap());
        now.readings[pv] = Reading::own(3.0);
        now.readings[mode] = Reading::own(2.0);
        assert_eq!(
            said(&node.tick(&now)),
            [("NDATA/harbour".to_owned(), 2, 1), ("DDATA/harbour/inverter".into(), 3, 1)]
        );
        now.devices[0].up = false;
        assert_eq!(said(&node.tick(&now)), [("DDEATH/harbour/inverter".to_owned(), 4, 0)]);
        now.devices[0].up = true;
        assert_eq!(said(&node.tick(&now)), [("DBIRTH/harbour/inverter".to_owned(), 5, 1)]);
        let first = node.bd_seq;
        assert!(node.will().is_some() && node.bd_seq == (first + 1) % 256, "the next connection has the next");
    }

    #[test]
    fn a_rebirth_begins_anew_and_what_is_unknown_is_null() {
        let (mut node, now) = node();
        node.connected(&now);
        let rebirth = Metric { name: Some(REBIRTH.into()), value: Some(Held::Boolean(true)), ..Metric::default() };
        let mode = Metric { name: Some("command.mode".into()), value: Some(Held::Int(9)), ..Metric::default() };
        let foreign = Metric { name: Some("pv_kw".into()), value: Some(Held::Double(1.0)), ..Metric::default() };
        let asked = Payload { timestamp: None, metrics: vec![rebirth, mode, foreign], seq: None }.encode_to_vec();
        let wish = node.message(&now, "", &asked, false);
        assert_eq!(said(&wish.out)[0].1, 0);
        assert_eq!(wish.writes, [("command.mode".to_owned(), 9.0)]);
        let metrics = Payload::decode(&*wish.out[0].payload).unwrap().metrics;
        let soc = metrics.iter().find(|metric| metric.name.as_deref() == Some("soc")).unwrap();
        assert_eq!((soc.is_null, &soc.value), (Some(true), &None));
        assert!(node.message(&now, "", &asked, true).writes.is_empty(), "the broker kept it");
        assert!(node.message(&now, "", &[0xFF; 20], false).writes.is_empty());
    }
}
