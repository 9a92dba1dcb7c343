//! Whether the connection carries more than it may, as its own meter shows it.
//!
//! The filter counts with devices that follow. One that does not (a CHP that is derated, an inverter that ignores its cap)
//! shows at the connection at the latest: beyond a limit for longer than devices take to respond is a fault.

use super::cycle::ControlConfig;
use super::fault::Fault;
use memg_core::plant_state::PlantState;
use memg_core::units::Kilowatts;
use serde::{Deserialize, Serialize};

/// Share of a limit by which a meter and the time between two cycles may deceive.
const TOLERANCE: f64 = 0.02;

/// Since when the plant's own limits at the connection are exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exceeding {
    since_ms: Option<u64>,
}

impl Exceeding {
    /// The fault, once the excess has lasted for the response time. Limits from outside may be beyond what the plant can
    /// keep, so the plant's own count.
    pub fn observe(&mut self, config: &ControlConfig, state: &PlantState, now_ms: u64) -> Option<Fault> {
        let Some(excess) = state.grid.usable().and_then(|grid| excess(config, grid)) else {
            self.since_ms = None;
            return None;
        };
        let since = *self.since_ms.get_or_insert(now_ms);
        let lasting = now_ms.saturating_sub(since) >= config.response_ms;
        lasting.then(|| {
            Fault::soft(format!("{excess}: some device does not do what it is told")).named("connection.limit")
        })
    }
}

/// What is exceeded, in words.
fn excess(config: &ControlConfig, grid: Kilowatts) -> Option<String> {
    let plant = config.filter.plant();
    let beyond = |kw: f64, limit: f64| kw > limit * (1.0 + TOLERANCE) + 0.5 + plant.parameters().margins.power_kw;
    let (import, export) = (plant.import_max().kilowatts().get(), plant.export_max().kilowatts().get());
    let say = |word: &str, kw: f64, limit: f64| format!("{word} {kw:.1} kW where {limit:.1} kW are allowed");
    if beyond(grid.get(), import) {
        Some(say("import", grid.get(), import))
    } else {
        beyond(-grid.get(), export).then(|| say("export", -grid.get(), export))
    }
}
