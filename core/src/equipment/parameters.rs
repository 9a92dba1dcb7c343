//! What a site file states about its plant. There are no defaults for limits.

use super::{Each, Plant};
use serde::{Deserialize, Serialize};

/// `[plant.battery]` of a site file: battery storage; a list `[[plant.battery]]` for up to four. Signs: + = charging.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// Usable energy between SoC 0 and 1, kWh.
    pub capacity_kwh: f64,
    /// Largest charging power, kW.
    pub charge_kw_max: f64,
    /// Largest discharging power, kW.
    pub discharge_kw_max: f64,
    /// Fraction of charged energy that is stored.
    pub efficiency_store: f64,
    /// Fraction of withdrawn energy that is delivered.
    pub efficiency_dispatch: f64,
    /// Lowest allowed state of charge.
    pub soc_min: f64,
    /// Highest allowed state of charge.
    pub soc_max: f64,
    /// Largest change of the set-point from one step to the next, kW.
    pub ramp_kw_per_step: f64,
    /// Wear, EUR per kWh moved (charged or discharged).
    pub wear_eur_per_kwh: f64,
}

/// `[plant.chp]` of a site file: combined heat and power unit; a list `[[plant.chp]]` for up to four.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chp {
    /// Lowest electric power while on, kW. A start lands here and a stop leaves from here.
    pub p_kw_min: f64,
    /// Rated electric power, kW.
    pub p_kw_max: f64,
    /// Largest change while on, kW per step.
    pub ramp_kw_per_step: f64,
    /// Steps that it stays on at least.
    pub min_up_steps: u32,
    /// Steps that it stays off at least.
    pub min_down_steps: u32,
    /// Electric output per fuel input.
    pub efficiency_electric: f64,
    /// Heat per electric output, kW thermal per kW.
    pub heat_per_power: f64,
    /// Cost of one start, EUR.
    pub start_cost_eur: f64,
}

/// `[plant.boiler]` of a site file: gas boiler; follows the heat demand that the CHP leaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boiler {
    /// Rated heat, kW thermal.
    pub q_kw_max: f64,
    /// Heat per fuel input.
    pub efficiency: f64,
}

/// `[plant.grid]` of a site file: grid connection. Signs: + = importing. Voltage model: `V = Vs - (R P + X Q)/Vs` in pu on `base_kva`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Largest import, kW.
    pub import_kw_max: f64,
    /// Largest export, kW.
    pub export_kw_max: f64,
    /// Lowest allowed voltage at the connection, pu.
    pub voltage_pu_min: f64,
    /// Highest allowed voltage at the connection, pu.
    pub voltage_pu_max: f64,
    /// Resistance of the connection, pu.
    pub resistance_pu: f64,
    /// Reactance of the connection, pu.
    pub reactance_pu: f64,
    /// Base of the per-unit system, kVA.
    pub base_kva: f64,
}

/// `[plant.frequency]` of a site file: frequency limits and the battery's droop response.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// Nominal frequency, Hz.
    pub hz_nominal: f64,
    /// Below this only moves that raise the frequency are allowed, Hz.
    pub hz_min: f64,
    /// Above this only moves that lower the frequency are allowed, Hz.
    pub hz_max: f64,
    /// Droop of the battery: relative frequency deviation at which it answers with full power (0.03..0.12). Default: no
    /// response.
    pub droop_pu: Option<f64>,
    /// No response within this deviation, Hz.
    pub dead_band_hz: f64,
    /// Full response from this deviation on, Hz.
    pub full_response_hz: f64,
}

/// `[plant.exogenous]` of a site file: ratings of what the plant cannot dispatch, and the bounds inside which the filter's
/// promise holds. Ratings of several PV or wind generators may be a list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exogenous {
    /// Rated PV power, kW. Default: no PV.
    pub pv_kw_nom: f64,
    /// Rated wind power, kW. Default: no wind.
    pub wind_kw_nom: f64,
    /// Smallest electric load, kW.
    pub electric_load_kw_min: f64,
    /// Largest electric load, kW.
    pub electric_load_kw_max: f64,
    /// Largest heat load, kW thermal. Default: no heat.
    pub heat_load_kw_max: f64,
}

/// `[plant.costs]` of a site file: prices that are not a series, EUR per kWh.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Gas, per kWh of fuel.
    pub gas_eur_per_kwh: f64,
    /// Electric load not served.
    pub unserved_eur_per_kwh: f64,
    /// Heat load not served.
    pub unserved_heat_eur_per_kwh: f64,
    /// What an imported kWh costs while its price is not known. Default: no substitute is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_import_eur_per_kwh: Option<f64>,
    /// What an exported kWh earns while its price is not known. Default: no substitute is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_export_eur_per_kwh: Option<f64>,
}

/// `[plant.margins]` of a site file: how far measurements may be off, and which moves are too small to be worth a write.
/// What is decided on exact numbers needs none (training, evaluation, a co-simulation).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Margins {
    /// Largest error of the net load as the power meters tell it, kW. Tightens the import and export limits.
    pub power_kw: f64,
    /// Largest error of the measured state of charge, 0..1. Tightens the SoC band.
    pub soc: f64,
    /// Largest error of the voltage at the connection, meter and impedance together, pu. Tightens the voltage band.
    pub voltage_pu: f64,
    /// A set-point that is still allowed stays where it is while the better one is nearer than this, kW; between policy
    /// steps while it is nearer than ten times this.
    pub dead_band_kw: f64,
    /// Time constant with which the voltage behind the connection and the state of charge are filtered, s.
    pub filter_s: f64,
}

/// `[plant.filter_weights]` of a site file: weights of the norm in which the filter looks for the nearest point, per kW
/// squared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterWeights {
    /// Weight of a change of the battery's request.
    pub battery: f64,
    /// Weight of a change of the CHP's request.
    pub chp: f64,
    /// Weight of a deviation from the requested grid power; 0 makes the grid the slack.
    pub grid: f64,
}

/// `[plant]` of a site file: everything that describes a plant. The tables may also stand in the configuration itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantParameters {
    /// Length of a control step, hours.
    pub step_h: f64,
    /// Batteries; a single one may be a table of its own. Default: none.
    #[serde(default, skip_serializing_if = "Each::is_empty")]
    pub battery: Each<Battery>,
    /// Combined heat and power units; a single one may be a table of its own. Default: none.
    #[serde(default, skip_serializing_if = "Each::is_empty")]
    pub chp: Each<Chp>,
    /// Gas boiler. Default: none.
    pub boiler: Boiler,
    /// Grid connection.
    pub grid: Grid,
    /// Frequency limits and response.
    pub frequency: Frequency,
    /// Ratings and bounds of PV, wind and loads.
    pub exogenous: Exogenous,
    /// Gas price and penalties.
    pub costs: Costs,
    /// Weights of the filter's norm.
    pub filter_weights: FilterWeights,
    /// Errors of measurements, and dead bands. Default: numbers are taken as exact.
    #[serde(default, skip_serializing_if = "Margins::is_none")]
    pub margins: Margins,
}

impl Margins {
    /// Nothing is declared: numbers are taken as exact.
    pub const NONE: Self = Self { power_kw: 0.0, soc: 0.0, voltage_pu: 0.0, dead_band_kw: 0.0, filter_s: 0.0 };

    fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// One thing that is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key below `[plant]`, for example `battery.soc_min`.
    pub key: &'static str,
    /// Which of several batteries or CHPs it is, from 0.
    pub unit: Option<usize>,
    /// What was expected.
    pub expected: String,
}

impl Problem {
    /// The key with the place in the list: `battery[1].soc_min`.
    #[must_use]
    pub fn path(&self) -> String {
        match (self.unit, self.key.split_once('.')) {
            (Some(unit), Some((list, rest))) => format!("{list}[{unit}].{rest}"),
            _ => self.key.to_owned(),
        }
    }
}

impl PlantParameters {
    /// The plant of the published prototype with the tariff of `site-a`: 100 kWh / 50 kW battery, 80 kW CHP, 100/80 kW
    /// grid connection, 150 kW boiler. For tests, benches and `gateway evaluate` without a site file; a gateway at a real
    /// plant reads its own.
    #[must_use]
    pub const fn reference() -> Self {
        Self {
            step_h: 0.25,
            battery: Each::one(Battery {
                capacity_kwh: 100.0,
                charge_kw_max: 50.0,
                discharge_kw_max: 50.0,
                efficiency_store: 0.95,
                efficiency_dispatch: 0.95,
                soc_min: 0.1,
                soc_max: 0.9,
                ramp_kw_per_step: 10.0,
                wear_eur_per_kwh: 0.008,
            }),
            chp: Each::one(Chp {
                p_kw_min: 10.0,
                p_kw_max: 80.0,
                ramp_kw_per_step: 5.0,
                min_up_steps: 2,
                min_down_steps: 2,
                efficiency_electric: 0.33,
                heat_per_power: 1.2,
                start_cost_eur: 5.0,
            }),
            boiler: Boiler { q_kw_max: 150.0, efficiency: 0.9 },
            grid: Grid {
                import_kw_max: 100.0,
                export_kw_max: 80.0,
                voltage_pu_min: 0.95,
                voltage_pu_max: 1.05,
                resistance_pu: 0.025,
                reactance_pu: 0.024,
                base_kva: 100.0,
            },
            frequency: Frequency {
                hz_nominal: 50.0,
                hz_min: 49.5,
                hz_max: 50.5,
                droop_pu: None,
                dead_band_hz: 0.01,
                full_response_hz: 0.2,
            },
            exogenous: Exogenous {
                pv_kw_nom: 60.0,
                wind_kw_nom: 40.0,
                electric_load_kw_min: 5.0,
                electric_load_kw_max: 100.0,
                heat_load_kw_max: 150.0,
            },
            costs: Costs {
                gas_eur_per_kwh: 0.05,
                unserved_eur_per_kwh: 10.0,
                unserved_heat_eur_per_kwh: 1.0,
                fixed_import_eur_per_kwh: None,
                fixed_export_eur_per_kwh: None,
            },
            filter_weights: FilterWeights { battery: 1.0, chp: 4.0, grid: 0.1 },
            margins: Margins::NONE,
        }
    }

    /// The same plant with the prototype's start cost of 50 EUR (its prices were flat).
    #[must_use]
    pub fn seed() -> Self {
        let mut plant = Self::reference();
        plant.chp.edit(|chp| chp.start_cost_eur = 50.0);
        plant
    }

    /// The battery that stands for all of them.
    #[must_use]
    pub fn battery_of_all(&self) -> Battery {
        super::aggregate::battery(&self.battery)
    }

    /// The CHP that stands for all of them.
    #[must_use]
    pub fn chp_of_all(&self) -> Chp {
        super::aggregate::chp(&self.chp)
    }

    /// Checks everything and returns the plant in the filter's units.
    ///
    /// # Errors
    /// All problems at once, never just the first.
    pub fn validate(&self) -> Result<Plant, Vec<Problem>> {
        let problems = self.problems();
        if problems.is_empty() { Ok(Plant::new(*self)) } else { Err(problems) }
    }
}
