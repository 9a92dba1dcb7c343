//! The one place that turns a driver's event into a log line and a count. Faults are levels, read where they stand.

use memg_plant_io::event::DriverEvent;
use std::collections::BTreeMap;

/// What drivers have told so far.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Alarms by kind.
    pub counts: BTreeMap<String, u64>,
    /// The latest alarm, for the live view.
    pub latest: Option<String>,
}

impl Alarms {
    /// Takes an event in.
    pub fn take(&mut self, event: &DriverEvent) {
        let kind = serde_json::to_value(event.kind).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("unknown");
        if event.kind.is_alarm() {
            *self.counts.entry(kind.to_owned()).or_default() += 1;
            self.latest = Some(format!("{} {kind}: {}", event.device, event.detail));
            tracing::warn!(device = %event.device, kind, detail = %event.detail, "A device needs attention.");
        } else {
            tracing::debug!(device = %event.device, kind, detail = %event.detail, "A device reports.");
        }
    }
}
