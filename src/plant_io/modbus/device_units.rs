//! Which devices share a connection, and the units behind it.

use super::backoff::{Jitter, seed};
use super::confirm::Confirmations;
use super::counters::{Counters, DeviceHealth};
use super::glimpse::Glimpses;
use super::unit::{Surroundings, Unit};
use crate::device::{Device, Timing, Transport};
use crate::event::{DriverEvent, EventSink};
use crate::image::ProcessImage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where a connection goes and its times: the longest any of its devices asks for, and the shortest pauses.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub transport: Transport,
    pub timing: Timing,
}

/// Devices by transport: those with the same one share a connection, because most devices and every serial line serve
/// only one master at a time.
pub(super) fn by_line(devices: Vec<Device>) -> Vec<(Line, Vec<Device>)> {
    let mut lines: BTreeMap<Transport, Vec<Device>> = BTreeMap::new();
    for device in devices {
        lines.entry(device.transport.clone()).or_default().push(device);
    }
    lines.into_iter().filter_map(|(transport, devices)| Some((line(transport, &devices)?, devices))).collect()
}

fn line(transport: Transport, devices: &[Device]) -> Option<Line> {
    let longest = |a: Timing, b: Timing| Timing {
        connect_timeout: a.connect_timeout.max(b.connect_timeout),
        response_timeout: a.response_timeout.max(b.response_timeout),
        pause: a.pause.max(b.pause),
        // What any of them needs soon is tried soon.
        reconnect_max: a.reconnect_max.min(b.reconnect_max),
        retry_max: a.retry_max.min(b.retry_max),
        order_ttl: a.order_ttl.max(b.order_ttl),
    };
    let timing = devices.iter().map(|device| device.timing).reduce(longest)?;
    Some(Line { transport, timing })
}

/// The units of these devices and the devices' counters.
pub(super) fn units(
    devices: &[Device],
    image: &ProcessImage,
    events: &mpsc::Sender<DriverEvent>,
) -> (Vec<Unit>, Vec<DeviceHealth>) {
    let mut units = Vec::new();
    let mut health = Vec::new();
    for device in devices {
        let counters = Arc::new(Counters::default());
        let confirmations = Arc::new(Confirmations::default());
        let glimpses = Arc::new(Glimpses::default());
        let sink = EventSink::new(&device.name, events.clone());
        let around = Surroundings {
            image: image.clone(),
            events: sink,
            counters: counters.clone(),
            confirmations: confirmations.clone(),
            glimpses: glimpses.clone(),
        };
        let ids: BTreeSet<u8> = (0..device.points.len()).map(|index| device.unit_of(index)).collect();
        let mut spread = Jitter::new(seed(&device.name));
        units.extend(ids.into_iter().map(|id| Unit::new(device, id, around.clone(), &mut spread)));
        health.push(DeviceHealth { name: device.name.clone(), counters, confirmations, glimpses });
    }
    (units, health)
}
