//! The one place that turns a driver's event into a log line, a count and a fault of the cycle.

use memg_control::fault::Fault;
use memg_plant_io::event::{DriverEvent, EventKind};
use std::collections::BTreeMap;

/// What drivers have told so far.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Alarms by kind.
    pub counts: BTreeMap<String, u64>,
    /// Devices that did not do what they acknowledged, with the event's detail.
    unapplied: BTreeMap<String, String>,
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
        match event.kind {
            EventKind::NotApplied | EventKind::WriteRejected => {
                self.unapplied.insert(event.device.clone(), event.detail.clone());
            }
            EventKind::Applied | EventKind::Reconciled => {
                self.unapplied.remove(&event.device);
            }
            _ => {}
        }
    }

    /// A device that does not follow is a soft fault until it does.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let (device, detail) = self.unapplied.first_key_value()?;
        Some(Fault::unfollowed(format!("{device} does not apply set-points: {detail}")))
    }
}
