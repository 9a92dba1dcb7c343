//! The voltage of the grid behind the connection: filtered, and no single sample believed that is far from what was.
//!
//! Seen: one sample of 0.90 pu turned the battery round by 55 kW and started the CHP.

use super::cycle::{ControlConfig, ControlState, CycleInput};
use memg_core::measurement::Measurement;
use memg_core::situation::Situation;
use memg_core::units::PerUnit;
use serde::{Deserialize, Serialize};

/// Two readings of one voltage differ by at most twice the meter's declared error.
const ERRORS_APART: f64 = 2.0;

/// Time and age are whole milliseconds, each cut by itself: the same reading seems to be taken up to this much later, ms. No
/// device is asked again so soon.
const SAME_READING_MS: u64 = 5;

/// A voltage that was seen once, far from the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// As it was seen, pu.
    pub voltage_pu: f64,
    /// When the newer of the readings that it is made of was taken, ms as the cycle counts them.
    pub seen_ms: u64,
}

/// Puts the filtered voltage in the place of what was just measured. A sample far from the filtered voltage waits for the next
/// one: until then the voltage before stands, and what the sample may mean forbids to move further out, without forcing a move.
pub(super) fn filter(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    situation: &mut Situation,
    dt_ms: i64,
) {
    let now = situation.source_voltage;
    let suspect = suspect(config, state, input, now, dt_ms);
    state.voltage_suspect = suspect;
    situation.source_voltage = match (suspect, state.source_voltage) {
        (Some(_), Some(before)) => {
            let drift = situation.doubt.voltage_drift.get() + (now.get() - before).abs();
            situation.doubt.voltage_drift = PerUnit::new(drift);
            PerUnit::new(before)
        }
        (_, before) => filtered(config, before, now, dt_ms),
    };
    state.source_voltage = Some(situation.source_voltage.get());
}

/// First-order filter `vs' = vs + (x - vs) dt / (tau + dt)`, never further from the meter than its declared error; a pause
/// of ten time constants starts anew.
fn filtered(config: &ControlConfig, before: Option<f64>, now: PerUnit, dt_ms: i64) -> PerUnit {
    let (tau_ms, error) = meter(config);
    let dt_ms = dt_ms as f64;
    match before {
        Some(before) if dt_ms < 10.0 * tau_ms => {
            let filtered = before + (now.get() - before) * dt_ms / (tau_ms + dt_ms).max(1.0);
            PerUnit::new(filtered.clamp(now.get() - error, now.get() + error))
        }
        _ => now,
    }
}

/// The time constant, ms, and the declared error, pu.
fn meter(config: &ControlConfig) -> (f64, f64) {
    let margins = &config.filter.plant().parameters().margins;
    (margins.filter_s * 1000.0, margins.voltage_pu)
}

/// This sample, if it is not believed yet. One that newer readings on the same side follow is; so is every one where nothing
/// is filtered, or no error is declared: that is an exact meter.
fn suspect(
    config: &ControlConfig,
    state: &ControlState,
    input: &CycleInput,
    now: PerUnit,
    dt_ms: i64,
) -> Option<Suspect> {
    let (tau_ms, error) = meter(config);
    let before = state.source_voltage.filter(|_| (dt_ms as f64) < 10.0 * tau_ms && error > 0.0)?;
    let jump = now.get() - before;
    if jump.abs() <= ERRORS_APART * error {
        return None;
    }
    let taken = |age_ms: u64| input.now_ms.saturating_sub(age_ms);
    let readings = [age(&input.state.grid_voltage), age(&input.state.grid)];
    let ages = || readings.into_iter().flatten().map(taken);
    let (oldest, newest) = (ages().min()?, ages().max()?);
    let earlier = state.voltage_suspect.filter(|earlier| (earlier.voltage_pu - before) * jump > 0.0);
    match earlier {
        Some(earlier) if oldest > earlier.seen_ms + SAME_READING_MS => None,
        Some(earlier) => Some(earlier),
        None => Some(Suspect { voltage_pu: now.get(), seen_ms: newest }),
    }
}

fn age<T>(measurement: &Measurement<T>) -> Option<u64> {
    measurement.value.is_some().then_some(measurement.age_ms)
}
