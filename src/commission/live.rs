//! A look at the running plant: the drivers that a gateway would run, without a single permission, and the broker as a
//! visitor.

use super::plausible;
use memg_core::measurement::Measurement;
use memg_core::plant_state::Tag;
use memg_plant_io::device::Device;
use memg_plant_io::event::{DriverEvent, EventKind};
use memg_plant_io::image::{PointId, ProcessImage};
use memg_plant_io::modbus::{self, CounterValues, Surroundings};
use memg_plant_io::mqtt::listener::{TopicReport, listen};
use memg_plant_io::mqtt::settings::{Input, Target};
use memg_plant_io::quantity::signal_dimension;
use memg_settings::Settings;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep};

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// Signals at the end, with quality and age.
    pub signals: BTreeMap<Tag, Measurement<f64>>,
    /// Means of what was usable, over the time.
    pub means: BTreeMap<Tag, f64>,
    /// Counters by device.
    pub devices: Vec<(String, CounterValues)>,
    /// What drivers told, each kind once by device.
    pub events: Vec<DriverEvent>,
    /// Topics; `Err` if the broker could not be reached, `None` where there is none.
    pub topics: Option<Result<BTreeMap<String, TopicReport>, String>>,
    /// How long it was looked at.
    pub duration: Duration,
}

/// Events waiting; more are dropped by the drivers.
const EVENTS: usize = 256;
/// Between two looks at the image.
const LOOK: Duration = Duration::from_millis(500);

/// Looks for a time. Nothing is written: the devices have lost every permission, and no order is ever given.
pub async fn look(settings: &Settings, duration: Duration) -> Seen {
    let image = settings.image.clone().build();
    let (stop, stopped) = watch::channel(false);
    let (_orders, none) = watch::channel(None);
    let (events_in, mut events) = mpsc::channel(EVENTS);
    let around = Surroundings { image: image.clone(), orders: none, events: events_in, shutdown: stopped };
    let running = modbus::spawn(settings.devices.iter().map(harmless).collect(), &around);
    let listening = async {
        let mqtt = settings.mqtt.as_ref()?;
        Some(listen(mqtt, &settings.points.mqtt, &image, duration).await)
    };
    let (topics, means) = tokio::join!(listening, watching(settings, &image, duration));
    let signals = freeze(settings, &image);
    let devices = running.devices.iter().map(|device| (device.name.to_string(), device.counters.values())).collect();
    let _ = stop.send(true);
    for (_, task) in running.tasks {
        let _ = task.await;
    }
    let mut told: BTreeMap<(String, EventKind), DriverEvent> = BTreeMap::new();
    while let Ok(event) = events.try_recv() {
        told.entry((event.device.clone(), event.kind)).or_insert(event);
    }
    Seen { signals, means, devices, events: told.into_values().collect(), topics, duration }
}

/// A device that cannot be written.
pub(crate) fn harmless(device: &Device) -> Device {
    let read_only = device.read_only(device.points.to_vec());
    Device { remote: device.remote, ..read_only }
}

/// Means of all that is usable.
async fn watching(settings: &Settings, image: &ProcessImage, duration: Duration) -> BTreeMap<Tag, f64> {
    let mut sums: BTreeMap<Tag, (f64, f64)> = BTreeMap::new();
    let mut ticks = interval(LOOK.min(duration));
    let looking = async {
        loop {
            ticks.tick().await;
            for (tag, measured) in freeze(settings, image) {
                if let Some(value) = measured.usable() {
                    let (sum, count) = sums.entry(tag).or_default();
                    (*sum, *count) = (*sum + value, *count + 1.0);
                }
            }
        }
    };
    tokio::select! {
        () = looking => {}
        () = sleep(duration) => {}
    }
    sums.into_iter().map(|(tag, (sum, count))| (tag, sum / count)).collect()
}

fn freeze(settings: &Settings, image: &ProcessImage) -> BTreeMap<Tag, Measurement<f64>> {
    let now = Instant::now();
    let of = |id: PointId| image.freeze(now, &[id]).first().copied().unwrap_or_else(Measurement::never);
    settings.points.signals.iter().map(|(tag, known)| (*tag, known.formula.of(of))).collect()
}

/// What was heard of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardInput {
    /// Topic.
    pub topic: String,
    /// Signal or name.
    pub name: String,
    /// Last value that was believed.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'static str,
    /// What is wrong or odd.
    pub trouble: Option<String>,
    /// Control cannot do without it.
    pub needed: bool,
}

/// Listens to the inputs for a time, without the devices.
///
/// # Errors
/// The broker cannot be reached; in words.
pub async fn listen_to_inputs(settings: &Settings, duration: Duration) -> Result<Vec<HeardInput>, String> {
    let Some(mqtt) = &settings.mqtt else { return Ok(Vec::new()) };
    let image = settings.image.clone().build();
    let reports = listen(mqtt, &settings.points.mqtt, &image, duration).await?;
    let now = Instant::now();
    let heard = |(input, id): (&Input, &PointId)| {
        let measured = image.freeze(now, &[*id]).first().copied().unwrap_or_else(Measurement::never);
        let report = reports.get(&input.topic).cloned().unwrap_or_default();
        let (unit, plausible, needed) = match &input.target {
            Target::Signal(tag) => (
                signal_dimension(tag.signal()).unit_name(),
                plausible::signal(*tag, settings),
                !settings.substitutes.contains_key(tag),
            ),
            Target::Named(_) => ("", None, false),
        };
        let odd = measured.usable().zip(plausible).filter(|(value, (low, high))| value < low || value > high);
        let trouble = match (report.refused, report.count, report.rejection) {
            (true, ..) => Some("the broker does not let it be read".to_owned()),
            (false, 0, _) => Some(format!("nothing came within {} s", duration.as_secs())),
            (false, _, Some(rejection)) => Some(rejection.to_string()),
            (false, _, None) => odd.map(|(_, (low, high))| format!("implausible: expected {low} to {high} {unit}")),
        };
        HeardInput {
            topic: input.topic.clone(),
            name: input.target.name().into_owned(),
            value: measured.usable(),
            unit,
            trouble,
            needed,
        }
    };
    Ok(mqtt.inputs.iter().zip(&settings.points.mqtt).map(heard).collect())
}
