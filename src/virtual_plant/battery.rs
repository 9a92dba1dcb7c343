//! One battery behind its inverter: power with lag and slope, and the energy inside. Pure; time is an argument.

use super::chp::lagged;
use super::physics::Dynamics;
use memg_core::equipment::Battery;

/// What a battery is told.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BatteryOrder {
    /// Set-point, kW, + = charging.
    pub setpoint_kw: f64,
    /// It is tripped: no power.
    pub trip: bool,
}

/// The battery's state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatteryUnit {
    /// State of charge, 0..1.
    pub soc: f64,
    /// Power, kW, + = charging.
    pub power_kw: f64,
    /// Energy that went in since the start, kWh.
    pub charged_kwh: f64,
    /// Energy that came out since the start, kWh.
    pub discharged_kwh: f64,
}

impl BatteryUnit {
    /// At rest.
    #[must_use]
    pub const fn at_rest(soc: f64) -> Self {
        Self { soc: soc.clamp(0.0, 1.0), power_kw: 0.0, charged_kwh: 0.0, discharged_kwh: 0.0 }
    }

    /// `soc' = soc + dt/E (eta_ch p⁺ - p⁻/eta_dch)`; the power is limited beforehand so that 0 <= soc' <= 1.
    pub fn advance(&mut self, b: &Battery, dynamics: &Dynamics, order: &BatteryOrder, dt_s: f64) {
        let ordered = if order.setpoint_kw.is_finite() { order.setpoint_kw } else { 0.0 };
        let target = ordered.clamp(-b.discharge_kw_max, b.charge_kw_max);
        let power = lagged(self.power_kw, target, dynamics.battery_lag_s, dynamics.battery_slew_kw_per_s, dt_s);
        let power = if order.trip { 0.0 } else { power };
        let dt_h = dt_s / 3600.0;
        let room = (1.0 - self.soc) * b.capacity_kwh / (b.efficiency_store * dt_h);
        let stock = self.soc * b.capacity_kwh * b.efficiency_dispatch / dt_h;
        self.power_kw = power.clamp(-stock, room);
        let (into, out) = (self.power_kw.max(0.0), (-self.power_kw).max(0.0));
        let stored_kw = b.efficiency_store * into - out / b.efficiency_dispatch;
        self.soc = (self.soc + stored_kw * dt_h / b.capacity_kwh).clamp(0.0, 1.0);
        self.charged_kwh += into * dt_h;
        self.discharged_kwh += out * dt_h;
    }
}
