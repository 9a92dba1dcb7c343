//! What flows in the virtual plant at an instant, and sums since its start.

use serde::Serialize;

/// Flows at one instant, kW.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Flows {
    /// PV produced.
    pub pv_kw: f64,
    /// PV that could be produced.
    pub pv_available_kw: f64,
    /// Wind produced.
    pub wind_kw: f64,
    /// Wind that could be produced.
    pub wind_available_kw: f64,
    /// Electric load.
    pub electric_load_kw: f64,
    /// Battery, + = charging.
    pub battery_kw: f64,
    /// CHP.
    pub chp_kw: f64,
    /// Grid, + = importing.
    pub grid_kw: f64,
    /// Grid, reactive, + = importing, kvar.
    pub grid_kvar: f64,
    /// Heat demand, kW thermal.
    pub heat_load_kw: f64,
    /// Boiler heat, kW thermal.
    pub boiler_kw: f64,
    /// CHP heat, kW thermal.
    pub chp_heat_kw: f64,
    /// Heat demand not met, kW thermal.
    pub heat_unserved_kw: f64,
    /// Voltage at the connection, pu.
    pub voltage_pu: f64,
    /// Grid frequency, Hz.
    pub frequency_hz: f64,
    /// Fuel of CHP and boiler, kW.
    pub gas_kw: f64,
    /// Price of imports, EUR/kWh.
    pub import_price: f64,
    /// Price of exports, EUR/kWh.
    pub export_price: f64,
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Totals {
    /// Energy into the battery, kWh.
    pub charged_kwh: f64,
    /// Energy out of the battery, kWh.
    pub discharged_kwh: f64,
    /// Energy imported, kWh.
    pub import_kwh: f64,
    /// Energy exported, kWh.
    pub export_kwh: f64,
    /// PV energy, kWh.
    pub pv_kwh: f64,
    /// Wind energy, kWh.
    pub wind_kwh: f64,
    /// Renewable energy not produced because of a limit, kWh.
    pub curtailed_kwh: f64,
    /// Electric load, kWh.
    pub load_kwh: f64,
    /// Cost as in training: trade, gas, wear, unmet heat, starts; EUR.
    pub cost_eur: f64,
    /// Time in which any battery was outside its SoC band, h.
    pub soc_violation_h: f64,
    /// Time beyond the grid's import or export limit, h.
    pub grid_violation_h: f64,
    /// Time outside the voltage band, h.
    pub voltage_violation_h: f64,
}
