//! The controller's variables.

use crate::limits;
use crate::price_ahead;
use crate::units;
use crate::variable::{Causality, Unit, Value, Variable, variables};
use memg_core::equipment::PlantParameters;
use memg_core::guard::TariffRange;
use memg_core::observation::Divisors;
use memg_core::plant_state::{Range, Signal, Tag};
use serde::{Deserialize, Serialize};

/// The controller decides; otherwise its outputs follow the measurements.
pub const ENABLE: u32 = 20;
/// Measured battery power; as all that a battery or CHP has, that of the first ([`units`]).
pub const P_BATTERY: u32 = 10;
/// Measured CHP power.
pub const P_CHP: u32 = 11;
/// Measured CHP state.
pub const CHP_ON: u32 = 12;

/// Inputs that are measurements, and the signals they are: the one table between names of variables (`p_pv`) and of signals
/// (`pv_available_kw`). PV and wind are what could be produced.
pub const MEASUREMENTS: [(u32, Signal); 14] = [
    (0, Signal::PvAvailableKw),
    (1, Signal::WindAvailableKw),
    (2, Signal::ElectricLoadKw),
    (3, Signal::HeatLoadKw),
    (4, Signal::Soc),
    (5, Signal::ImportPriceEurPerKwh),
    (6, Signal::ExportPriceEurPerKwh),
    (7, Signal::GridVoltagePu),
    (8, Signal::FrequencyHz),
    (P_BATTERY, Signal::BatteryKw),
    (P_CHP, Signal::ChpKw),
    (CHP_ON, Signal::ChpOn),
    (13, Signal::GridKw),
    (14, Signal::GridKvar),
];

/// The signal that a variable is, and of which unit; `None` for what is no measurement.
#[must_use]
pub fn signal_of(reference: u32) -> Option<Tag> {
    let (first, index) = units::place(reference);
    let (_, signal) = MEASUREMENTS.into_iter().find(|(known, _)| *known == first)?;
    Tag::new(signal, u16::try_from(index.saturating_add(1)).ok()?)
}

/// Import prices of the hours ahead, and behind them how many are known.
pub const PRICE_AHEAD: u32 = 30;

/// What is physically possible for an input, in its unit; `None` for one that is no number or has no bounds.
#[must_use]
pub fn possible(reference: u32) -> Option<Range> {
    let measured = signal_of(reference).map(|tag| tag.signal().possible());
    measured.or_else(|| price_ahead::possible(reference.checked_sub(PRICE_AHEAD)?))
}

/// Prices and forecasts at step length, see [`crate::series_text`].
pub const OUTLOOK: u32 = 60;

/// Battery set-point.
pub const P_BATTERY_SET: u32 = 100;
/// CHP set-point.
pub const P_CHP_SET: u32 = 101;
/// CHP state wanted.
pub const CHP_ON_SET: u32 = 102;
/// Cap on PV plus wind.
pub const P_RENEWABLE_MAX: u32 = 103;
/// Part of the available PV and wind that the cap takes away, kW.
pub const P_CURTAILED: u32 = 104;
/// The filter changed the request.
pub const SAFETY_ACTIVE: u32 = 110;
/// Which rules did.
pub const SAFETY_REASONS: u32 = 111;
/// How far rules had to yield.
pub const RELAXATION: u32 = 112;
/// Who decided: 0 no step yet, 1 policy, 2 rule, 3 disabled, 4 safe stop.
pub const STATUS: u32 = 113;
/// The three raw actions.
pub const ACTION: [u32; 3] = [120, 121, 122];

/// Which policy decides.
pub const POLICY: u32 = 210;
/// File with the weights.
pub const MODEL_FILE: u32 = 211;
/// Local time at time 0.
pub const HOUR_START: u32 = 212;
/// Tariffs that the network may decide in: least and largest spread, its largest change, least swing.
pub const TARIFF: [u32; 4] = [213, 214, 216, 215];
/// What was before time 0, at step length.
pub const HISTORY: u32 = 217;
/// No tariff is further out than this, EUR/kWh: the network always decides.
const ANY_SPREAD: f64 = 1e6;

/// What its inputs are divided by, in the order of [`divisors`].
pub const DIVISORS: [u32; 7] = [220, 221, 222, 223, 224, 225, 226];

/// The parameter that names the file of a forecaster's coefficients.
pub const FORECAST_FILE: u32 = 227;

/// Name of the policy that plans on a fitted forecaster.
pub const PLAN_RIDGE: &str = "plan_ridge";

/// What a network was trained with, besides its weights, or a planner plans on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TrainedWith {
    tariff: TariffRange,
    divisors: Divisors,
    #[serde(default)]
    forecast_file: String,
}

/// Every tariff.
const ANY_TARIFF: TariffRange = TariffRange {
    spread_eur_per_kwh: [-ANY_SPREAD, ANY_SPREAD],
    spread_change_eur_per_kwh_max: ANY_SPREAD,
    swing_eur_per_kwh_min: 0.0,
};

/// A network's policy as it is packed: its name, and in a second line the tariffs that it was trained for, what its inputs are
/// divided by, and the file of the forecaster that it sees the hours ahead through (empty if none).
#[must_use]
pub fn packed_policy(name: &str, tariff: Option<&TariffRange>, divisors: Divisors, forecast_file: &str) -> String {
    let forecast_file = forecast_file.to_owned();
    packed(name, &TrainedWith { tariff: tariff.copied().unwrap_or(ANY_TARIFF), divisors, forecast_file })
}

/// A planner's policy as it is packed: its name, and in a second line its forecaster's file.
#[must_use]
pub fn packed_planner(forecast_file: &str) -> String {
    packed_policy(PLAN_RIDGE, None, Divisors::VERSION_1, forecast_file)
}

fn packed(name: &str, trained: &TrainedWith) -> String {
    // Finite numbers alone: JSON holds them all.
    format!("{name}\n{}", serde_json::to_string(trained).unwrap_or_default())
}

/// Name, tariffs and divisors of a packed policy; a mere name is any tariff's, with the divisors of version 1.
fn unpacked(policy: &str) -> (&str, TrainedWith) {
    let (name, trained) = policy.split_once('\n').unwrap_or((policy, ""));
    let plain = TrainedWith { tariff: ANY_TARIFF, divisors: Divisors::VERSION_1, forecast_file: String::new() };
    (name, serde_json::from_str(trained).unwrap_or(plain))
}

/// The parameters that say what the network's inputs are divided by.
fn divisors(d: &Divisors) -> Vec<Variable> {
    let real = Value::Real;
    variables! { Parameter:
        220 "divisor.pv_kw" Some(Unit::Kilowatt), real(d.pv_kw), "What the network's PV inputs are divided by, as in training; 0 = the input is 0";
        221 "divisor.wind_kw" Some(Unit::Kilowatt), real(d.wind_kw), "The same for wind";
        222 "divisor.electric_load_kw" Some(Unit::Kilowatt), real(d.electric_load_kw), "The same for electric load and net load";
        223 "divisor.heat_load_kw" Some(Unit::Kilowatt), real(d.heat_load_kw), "The same for heat, thermal";
        224 "divisor.price_eur_per_kwh" Some(Unit::EurPerKwh), real(d.price_eur_per_kwh), "The same for prices";
        225 "divisor.battery_kw" Some(Unit::Kilowatt), real(d.battery_kw), "The same for the battery's set-point";
        226 "divisor.chp_kw" Some(Unit::Kilowatt), real(d.chp_kw), "The same for the CHP's set-point";
    }
    .into()
}

/// The table. `policy` is the start value of the parameter of that name, or a [`packed_policy`].
#[must_use]
pub fn rows(plant: &PlantParameters, policy: &str) -> Vec<Variable> {
    let (policy, TrainedWith { tariff, divisors: divided_by, forecast_file }) = unpacked(policy);
    let TariffRange { spread_eur_per_kwh: [low, high], spread_change_eur_per_kwh_max, swing_eur_per_kwh_min } = tariff;
    let mut rows = limits::variables(plant);
    rows.extend(units::of_each(plant, |_| measurements(plant)));
    rows.extend(price_ahead::rows(Causality::Input, PRICE_AHEAD));
    rows.extend(variables! { Input:
        60 "outlook" None, Value::Text(String::new()), "Prices and forecasts as JSON, a list of one value a sample_time for each of pv_kw, wind_kw, electric_load_kw, heat_load_kw, import_price_eur_per_kwh, export_price_eur_per_kwh that is known, null for a gap, the first value for the step that begins now, up to 36 hours; empty = nothing";
    });
    rows.extend(units::of_each(plant, |_| set_points(plant)));
    rows.extend(explanations());
    rows.extend(variables! { Parameter:
        210 "policy" None, Value::Text(policy.to_owned()), "td3 = the network in model_file; plan = plans 36 h ahead on persistence, plan_ridge on the forecaster in forecast_file; rule, seed or idle = the rule of that name";
        211 "model_file" None, Value::Text("actor.safetensors".to_owned()), "Weights of the network, a file in the resources or an absolute path";
        212 "hour_start" Some(Unit::Hour), Value::Real(0.0), "Site's local time of day at time 0, in hours";
        213 "tariff.spread_low" Some(Unit::EurPerKwh), Value::Real(low), "Least distance of the export price below the import price at which the network decides; elsewhere the rule does";
        214 "tariff.spread_high" Some(Unit::EurPerKwh), Value::Real(high), "Largest such distance";
        215 "tariff.swing_min" Some(Unit::EurPerKwh), Value::Real(swing_eur_per_kwh_min), "Least difference of the prices ahead at which the network decides, if at least 12 hours are known";
        216 "tariff.spread_change_max" Some(Unit::EurPerKwh), Value::Real(spread_change_eur_per_kwh_max), "Largest change of that distance within a day";
        217 "history" None, Value::Text(String::new()), "What was before time 0, as outlook; the last value of every list is for the step before time 0, up to 15 days; empty = nothing";
    });
    rows.extend(divisors(&divided_by));
    rows.extend(variables! { Parameter:
        227 "forecast_file" None, Value::Text(forecast_file), "Coefficients of the forecaster of plan_ridge, or of a network that sees forecasts (empty = persistence), a file in the resources or an absolute path";
    });
    rows
}

fn measurements(plant: &PlantParameters) -> Vec<Variable> {
    let real = Value::Real;
    variables! { Input:
        0 "p_pv" Some(Unit::Kilowatt), real(0.0), "PV power that could be produced, >= 0";
        1 "p_wind" Some(Unit::Kilowatt), real(0.0), "Wind power that could be produced, >= 0";
        2 "p_load" Some(Unit::Kilowatt), real(plant.exogenous.electric_load_kw_min), "Electric load, >= 0";
        3 "q_heat" Some(Unit::Kilowatt), real(0.0), "Heat demand, thermal, >= 0";
        4 "soc" Some(Unit::PerUnit), real(0.5), "State of charge of the battery, 0 to 1";
        5 "price" Some(Unit::EurPerKwh), real(0.15), "Import price";
        6 "price_export" Some(Unit::EurPerKwh), real(0.08), "Export price";
        7 "v_pcc" Some(Unit::PerUnit), real(1.0), "Voltage at the connection";
        8 "f_grid" Some(Unit::Hertz), real(plant.frequency.hz_nominal), "Grid frequency";
        10 "p_battery" Some(Unit::Kilowatt), real(0.0), "Measured battery power, + = charging; where control starts from";
        11 "p_chp" Some(Unit::Kilowatt), real(0.0), "Measured CHP electric power; where control starts from";
        12 "chp_on" None, Value::Boolean(false), "Measured CHP state; where control starts from";
        13 "p_grid" Some(Unit::Kilowatt), real(0.0), "Measured power at the connection, + = importing; 0 if v_pcc is the voltage of the stiff grid";
        14 "q_grid" Some(Unit::KilovoltAmpere), real(0.0), "Measured reactive power at the connection, + = importing";
        20 "enable" None, Value::Boolean(true), "Control decides; otherwise set-points follow the measurements, battery at 0";
    }
    .into()
}

fn set_points(plant: &PlantParameters) -> Vec<Variable> {
    let rated = plant.exogenous.pv_kw_nom + plant.exogenous.wind_kw_nom;
    variables! { Output:
        100 "p_battery_set" Some(Unit::Kilowatt), Value::Real(0.0), "Battery set-point, + = charging";
        101 "p_chp_set" Some(Unit::Kilowatt), Value::Real(0.0), "CHP set-point; 0 when off";
        102 "chp_on_set" None, Value::Boolean(false), "CHP is to run";
        103 "p_renewable_max" Some(Unit::Kilowatt), Value::Real(rated), "Cap on PV plus wind; their rated power = no cap";
        104 "p_curtailed" Some(Unit::Kilowatt), Value::Real(0.0), "Part of the available PV and wind that is not to be produced";
    }
    .into()
}

fn explanations() -> Vec<Variable> {
    let real = || Value::Real(0.0);
    variables! { Output:
        110 "safety_active" None, Value::Boolean(false), "The safety filter changed the request";
        111 "safety_reasons" None, Value::Integer(0), "Rules that changed it, one bit each: 0 battery rating, 1 state-of-charge band, 2 import, 3 export, 4 voltage, 5 CHP rating, 6 CHP minimum time, 7 CHP start and stop, 8 CHP ramp, 9 battery ramp, 10 frequency band, 11 droop, 12 balance, 13 curtailment, 14 negative price, 15 not a number, 16 shedding, 17 safe stop";
        112 "relaxation" None, Value::Integer(0), "How far rules had to yield: 0 none, 1 curtailment, 2 battery ramp, 3 CHP ramp, 4 CHP times, 5 shedding, 6 safe stop";
        113 "status" None, Value::Integer(0), "0 no step yet, 1 the policy decides, 2 the rule stands in for a failed network, 3 disabled, 4 safe stop";
        120 "action_battery" Some(Unit::PerUnit), real(), "Raw action, battery, -1 to 1";
        121 "action_chp" Some(Unit::PerUnit), real(), "Raw action, CHP, -1 to 1";
        122 "action_grid" Some(Unit::PerUnit), real(), "Raw action, grid, -1 to 1";
    }
    .into()
}
