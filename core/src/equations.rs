//! The plant's equations, once, for every kind of number: plain ones (environment, account, optimum's judge) and those
//! that carry derivatives (training).
//!
//! Heat: `h p_chp + q_boiler + unserved - dumped = demand`, `0 <= q_boiler <= q_max`.
//! Gas: `p_chp / eta_e + q_boiler / eta_b`; of several CHPs each with its own numbers, where their powers are known one by one.
//! Cost of a step, EUR: `dt (import pi - export pe + gas c_gas + wear |p_bat| + c_u unserved + c_q unserved heat) + start`.

use crate::equipment::{Battery, Plant};
use core::ops::{Add, Mul, Neg, Sub};

/// A number that these equations can be computed with.
pub trait Scalar:
    Copy
    + From<f64>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    /// Its value.
    fn value(self) -> f64;
    /// The smaller of two.
    #[must_use]
    fn smaller(self, other: Self) -> Self;
    /// The larger of two.
    #[must_use]
    fn larger(self, other: Self) -> Self;
    /// Without its sign.
    #[must_use]
    fn magnitude(self) -> Self;
}

impl Scalar for f64 {
    fn value(self) -> f64 {
        self
    }
    fn smaller(self, other: Self) -> Self {
        self.min(other)
    }
    fn larger(self, other: Self) -> Self {
        self.max(other)
    }
    fn magnitude(self) -> Self {
        self.abs()
    }
}

/// Where heat comes from and goes to, kW thermal, all >= 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heat<S> {
    /// From the boiler.
    pub boiler: S,
    /// From the CHP, and needed by nobody.
    pub dumped: S,
    /// Demand that is not met.
    pub unserved: S,
}

/// The boiler gives what heat the CHP (kW electric) leaves of the demand (kW thermal), as far as it can.
pub fn heat<S: Scalar>(plant: &Plant, demand: f64, chp: S) -> Heat<S> {
    heat_beside(plant, demand, chp * plant.chp().heat_per_power)
}

/// The same beside the heat that CHPs give, kW thermal.
pub fn heat_beside<S: Scalar>(plant: &Plant, demand: f64, chp_heat: S) -> Heat<S> {
    let (zero, boiler_max) = (S::from(0.0), plant.parameters().boiler.q_kw_max);
    let missing = -chp_heat + demand;
    let boiler = missing.larger(zero).smaller(boiler_max.into());
    Heat { boiler, dumped: (-missing).larger(zero), unserved: (missing + -boiler_max).larger(zero) }
}

/// Fuel of CHP and boiler, kW.
pub fn gas<S: Scalar>(plant: &Plant, chp: S, boiler: S) -> S {
    gas_beside(plant, chp * (1.0 / plant.chp().efficiency_electric), boiler)
}

/// Fuel of the boiler beside that of CHPs, kW.
pub fn gas_beside<S: Scalar>(plant: &Plant, chp_gas: S, boiler: S) -> S {
    chp_gas + boiler * (1.0 / plant.parameters().boiler.efficiency)
}

/// Fuel and heat of CHPs, each with its own efficiencies, kW.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Burnt {
    /// `sum of p / eta_e`.
    pub gas: f64,
    /// `sum of h p`, thermal.
    pub heat: f64,
}

/// What the CHPs of a plant burn and give at these electric powers, kW.
pub fn burnt(plant: &Plant, powers: impl IntoIterator<Item = f64>) -> Burnt {
    let units = plant.chps().iter().map(|unit| unit.parameters);
    powers.into_iter().zip(units).fold(Burnt::default(), |sum, (power, unit)| Burnt {
        gas: sum.gas + power * (1.0 / unit.efficiency_electric),
        heat: sum.heat + power * unit.heat_per_power,
    })
}

/// What flows in a step and costs something, kW. Signs: battery + = charging, exchange + = importing, the rest >= 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flows<S> {
    /// What the connection would have to carry, load that is not served included.
    pub exchange: S,
    /// Load that is not served.
    pub unserved: S,
    /// Battery power.
    pub battery: S,
    /// Fuel of CHPs and boiler, see [`gas`] and [`burnt`].
    pub gas: S,
    /// Heat demand that is not met.
    pub heat_unserved: S,
}

/// Import and export price, EUR/kWh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tariff {
    /// Paid per kWh imported.
    pub import: f64,
    /// Earned per kWh exported.
    pub export: f64,
}

/// Cost of flows that last for `hours`, EUR.
pub fn cost<S: Scalar>(plant: &Plant, flows: &Flows<S>, tariff: Tariff, started: bool, hours: f64) -> S {
    let p = plant.parameters();
    let trade = flows.exchange * if flows.exchange.value() > 0.0 { tariff.import } else { tariff.export };
    // Unserved load was counted as imported.
    let trade = trade + flows.unserved * (p.costs.unserved_eur_per_kwh - tariff.import);
    (trade
        + flows.gas * p.costs.gas_eur_per_kwh
        + flows.battery.magnitude() * plant.battery().wear_eur_per_kwh
        + flows.heat_unserved * p.costs.unserved_heat_eur_per_kwh)
        * hours
        + if started { plant.chp().start_cost_eur } else { 0.0 }
}

/// `soc + (eta_ch p⁺ - p⁻ / eta_dch) hours / E`, never clipped: power is limited beforehand.
pub fn soc_after<S: Scalar>(b: &Battery, soc: S, battery_kw: S, hours: f64) -> S {
    let factor = if battery_kw.value() > 0.0 { b.efficiency_store } else { 1.0 / b.efficiency_dispatch };
    soc + battery_kw * (hours / b.capacity_kwh * factor)
}
