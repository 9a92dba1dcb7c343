//! What a configuration gives the list of points.

use crate::archive::unit;
use memg_alarms::TABLE;
use memg_core::plant_state::{Signal, Tag};
use memg_north::points::Extent;
use memg_settings::Settings;

/// Signals, units and alarms of a plant.
#[must_use]
pub fn extent(settings: &Settings) -> Extent {
    // A rule's text without what is only known when it stands.
    let plain = |text: &str| text.replace("{name}", "a device").replace("{detail}", "").trim().to_owned();
    let measured: Vec<Tag> = settings.points.signals.keys().copied().collect();
    // A demonstration has its devices only when it runs.
    let all = || Signal::ALL.map(Tag::first).to_vec();
    let signals = if measured.is_empty() { all() } else { measured };
    Extent {
        signals: signals.into_iter().map(|tag| (tag, unit(tag))).collect(),
        batteries: settings.plant.batteries().len(),
        chps: settings.plant.chps().len(),
        alarms: TABLE.iter().map(|row| (super::snapshot::alarm_name(row), plain(row.text))).collect(),
    }
}
