//! The plant's variables. Measurements have the names of the controller's inputs and set-points those of its outputs, so
//! that hosts can connect the two by name.

use crate::limits;
use crate::price_ahead;
use crate::units;
use crate::variable::{Causality, Unit, Value, Variable, variables};
use memg_core::equipment::PlantParameters;

/// Battery set-point; as all that a battery or CHP has, that of the first ([`units`]).
pub const P_BATTERY_SET: u32 = 0;
/// CHP set-point.
pub const P_CHP_SET: u32 = 1;
/// CHP state wanted.
pub const CHP_ON_SET: u32 = 2;
/// Cap on PV plus wind.
pub const P_RENEWABLE_MAX: u32 = 3;

/// Real outputs of the whole plant, in the order of `reals`.
pub const REALS: [u32; 18] = [100, 101, 102, 103, 105, 106, 107, 108, 113, 114, 120, 121, 122, 123, 124, 125, 126, 127];
/// State of charge.
pub const SOC: u32 = 104;
/// Battery power.
pub const P_BATTERY: u32 = 110;
/// CHP power.
pub const P_CHP: u32 = 111;
/// CHP state.
pub const CHP_ON: u32 = 112;
/// The battery's own protection is at work.
pub const BATTERY_LIMITED: u32 = 109;

/// Import prices of the hours ahead, and behind them how many are known.
pub const PRICE_AHEAD: u32 = 130;

/// Import and export prices of the steps ahead, see [`crate::series_text`].
pub const OUTLOOK: u32 = 160;

/// State of charge at the start.
pub const SOC_START: u32 = 210;
/// First row of the profile.
pub const ROW_START: u32 = 211;
/// File with the profile.
pub const PROFILE_FILE: u32 = 212;

/// The table.
#[must_use]
pub fn rows(plant: &PlantParameters) -> Vec<Variable> {
    let mut rows = limits::variables(plant);
    rows.extend(units::of_each(plant, |_| set_points(plant)));
    rows.extend(units::of_each(plant, |_| measurements()));
    rows.extend(price_ahead::rows(Causality::Output, PRICE_AHEAD));
    rows.extend(variables! { Output:
        160 "outlook" None, Value::Text(String::new()), "Import and export prices of the next 24 hours as the controller's input outlook takes them";
    });
    rows.extend(accounts());
    rows.extend(units::of_each(plant, |_| starts()));
    rows
}

fn starts() -> Vec<Variable> {
    variables! { Parameter:
        210 "soc_start" Some(Unit::PerUnit), Value::Real(0.5), "State of charge at the start";
        211 "row_start" None, Value::Integer(0), "First row of the profile; after its last row the profile starts again";
        212 "profile_file" None, Value::Text("profile.csv".to_owned()), "Profile, a file in the resources or an absolute path";
    }
    .into()
}

fn set_points(plant: &PlantParameters) -> Vec<Variable> {
    let rated = plant.exogenous.pv_kw_nom + plant.exogenous.wind_kw_nom;
    variables! { Input:
        0 "p_battery_set" Some(Unit::Kilowatt), Value::Real(0.0), "Battery set-point, + = charging; the battery limits it to its ratings and its SoC band";
        1 "p_chp_set" Some(Unit::Kilowatt), Value::Real(0.0), "CHP set-point; limited to minimum and rated power while on";
        2 "chp_on_set" None, Value::Boolean(false), "CHP is to run";
        3 "p_renewable_max" Some(Unit::Kilowatt), Value::Real(rated), "Cap on PV plus wind";
    }
    .into()
}

fn measurements() -> Vec<Variable> {
    let real = || Value::Real(0.0);
    variables! { Output:
        100 "p_pv" Some(Unit::Kilowatt), real(), "PV power that could be produced";
        101 "p_wind" Some(Unit::Kilowatt), real(), "Wind power that could be produced";
        102 "p_load" Some(Unit::Kilowatt), real(), "Electric load";
        103 "q_heat" Some(Unit::Kilowatt), real(), "Heat demand, thermal";
        104 "soc" Some(Unit::PerUnit), real(), "State of charge";
        105 "price" Some(Unit::EurPerKwh), real(), "Import price";
        106 "price_export" Some(Unit::EurPerKwh), real(), "Export price";
        107 "v_pcc" Some(Unit::PerUnit), real(), "Voltage at the connection";
        108 "f_grid" Some(Unit::Hertz), real(), "Grid frequency";
        109 "battery_limited" None, Value::Boolean(false), "The battery's own protection (ratings, ends of its SoC band) gave less than the set-point in the last step";
        110 "p_battery" Some(Unit::Kilowatt), real(), "Battery power, + = charging";
        111 "p_chp" Some(Unit::Kilowatt), real(), "CHP electric power";
        112 "chp_on" None, Value::Boolean(false), "CHP is running";
        113 "p_grid" Some(Unit::Kilowatt), real(), "Power at the connection, + = importing";
        114 "q_grid" Some(Unit::KilovoltAmpere), real(), "Reactive power at the connection, + = importing";
        120 "q_boiler" Some(Unit::Kilowatt), real(), "Boiler heat";
        121 "p_curtailed" Some(Unit::Kilowatt), real(), "Part of the available PV and wind that is not produced";
        122 "hour" Some(Unit::Hour), real(), "Site's local time of day";
    }
    .into()
}

fn accounts() -> Vec<Variable> {
    let real = || Value::Real(0.0);
    variables! { Output:
        123 "cost" Some(Unit::Eur), real(), "Cost since the start";
        124 "energy_import" Some(Unit::KilowattHour), real(), "Energy imported since the start";
        125 "energy_export" Some(Unit::KilowattHour), real(), "Energy exported since the start";
        126 "energy_curtailed" Some(Unit::KilowattHour), real(), "Energy curtailed since the start";
        127 "energy_unserved" Some(Unit::KilowattHour), real(), "Load not served since the start";
    }
    .into()
}
