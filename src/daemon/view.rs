//! What a person sees of a running gateway: one value per cycle, latest only.

use memg_control::cycle::{CycleDecision, CycleInput};
use memg_control::mode::Mode;
use memg_core::forecast::ForecastMae;
use memg_plant_io::modbus::DeviceState;

/// One cycle for the eye.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Number of the cycle.
    pub cycle: u64,
    /// What came in and what was decided.
    pub last: Option<(CycleInput, CycleDecision)>,
    /// State of each device.
    pub devices: Vec<(String, DeviceState)>,
    /// The broker is there; `None` = no MQTT.
    pub broker: Option<bool>,
    /// Cost so far, EUR.
    pub cost_eur: f64,
    /// Latest alarm.
    pub alarm: Option<String>,
    /// What the policy's forecasts were worth.
    pub forecast_mae: ForecastMae,
    /// Cycles that began late.
    pub slips: u64,
}

impl View {
    /// The present mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.last.as_ref().map_or(Mode::Init, |(_, decision)| decision.mode)
    }
}
