//! Reward and risk.
//!
//! `r = -cost - w_constraint violations_requested - lambda risk`, EUR. The wear term of the prototype's reward
//! (`0.1 |p_bat| / 50`) is the wear inside the cost: `0.25 h x 0.008 EUR/kWh x |p_bat|` is the same number. Violations
//! count what the policy asked for, before the filter.
//!
//! Risk is CVaR: the mean of the worst `1 - alpha`. A penalty that depends on history alone has no gradient, so a step
//! is charged its own excess over the running value at risk.

use crate::constraint::{Anchor, Context, Limits, OnStates, Span, limits_and_hard_battery};
use crate::equipment::Plant;
use crate::setpoints::Setpoints;
use crate::situation::Situation;
use crate::units::{Kilowatts, Watts};
use serde::{Deserialize, Serialize};

/// Value at risk and conditional value at risk of costs at level `alpha` (0.95: the worst 5 %), by Rockafellar and
/// Uryasev (2000): `VaR` is the smallest value that at least `alpha` of the samples do not exceed and
/// `CVaR = VaR + mean((x - VaR)⁺) / (1 - alpha)`. On 1..=100: VaR 95, CVaR 98. `None` without samples.
#[must_use]
pub fn value_at_risk(costs: &[f64], alpha: f64) -> Option<(f64, f64)> {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = f64::from(u32::try_from(sorted.len()).ok()?);
    let rank = usize::try_from(crate::units::to_integer((alpha * n - 1e-9).ceil())).ok()?.max(1);
    let var = *sorted.get(rank - 1)?;
    let excess: f64 = sorted.iter().map(|cost| (cost - var).max(0.0)).sum();
    Some((var, var + excess / (n * (1.0 - alpha))))
}

/// Weights of the reward's terms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardWeights {
    /// EUR per requested violation.
    pub constraint: f64,
    /// EUR per EUR of risk.
    pub risk: f64,
    /// Level of the value at risk.
    pub alpha: f64,
}

impl Default for RewardWeights {
    fn default() -> Self {
        Self { constraint: 0.0, risk: 0.0, alpha: 0.95 }
    }
}

/// Running estimate of the value at risk of a step's cost, and the charge on what exceeds it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunningRisk {
    var: f64,
    rate: f64,
    alpha: f64,
}

impl RunningRisk {
    /// Starts at zero; `rate` is the step of the quantile's stochastic approximation, in EUR.
    #[must_use]
    pub const fn new(alpha: f64, rate: f64) -> Self {
        Self { var: 0.0, rate, alpha }
    }

    /// The present value at risk, EUR.
    #[must_use]
    pub const fn var(&self) -> f64 {
        self.var
    }

    /// Charge for a step: `(cost - VaR)⁺ / (1 - alpha)`; its mean plus VaR is the CVaR. Depends on this step's cost and
    /// so on its action.
    #[must_use]
    pub fn charge(&self, cost: f64) -> f64 {
        (cost - self.var).max(0.0) / (1.0 - self.alpha)
    }

    /// Moves the estimate: up by `rate alpha` if the cost exceeds it, down by `rate (1 - alpha)` if not.
    pub fn learn(&mut self, cost: f64) {
        self.var += self.rate * if cost > self.var { self.alpha } else { self.alpha - 1.0 };
    }
}

/// How many hard rules a request breaks before the filter: battery rating and SoC, battery ramp, CHP range and ramp,
/// grid limits with voltage. One each.
#[must_use]
pub fn requested_violations(plant: &Plant, situation: &Situation, anchor: &Anchor, request: &Setpoints) -> u32 {
    let context = Context { plant, situation, anchor };
    let (full, hard_battery) = limits_and_hard_battery(&context);
    broken(&context, &hard_battery, &full, request)
}

/// [`requested_violations`] of a context whose limits are known.
pub(crate) fn broken(context: &Context<'_>, hard_battery: &Span, full: &Limits, request: &Setpoints) -> u32 {
    let (battery, chp) = (Watts::nearest(request.battery), Watts::nearest(request.chp));
    let off = chp == Watts::ZERO;
    let present = OnStates::of(&context.anchor.memory);
    let state_refused = if off {
        present.any() && full.may_stop(present).is_err()
    } else {
        !present.any() && full.may_start(present).is_err()
    };
    let in_range = if present.any() {
        full.chp(present).contains(chp)
    } else {
        full.chps().iter().any(|unit| unit.power.contains(chp))
    };
    let exchange = context.situation.net_load() + request.battery - request.chp;
    let wish = request.grid.map_or(0.0, |grid| (grid - exchange).abs().get());
    let wrong = [
        request.battery.get().is_nan() || !hard_battery.contains(battery),
        hard_battery.contains(battery) && !full.battery().contains(battery),
        request.chp.get().is_nan() || state_refused || (!off && !in_range),
        !full.grid.contains(Watts::nearest(exchange)) || !wish.is_finite(),
    ];
    wrong.into_iter().map(u32::from).sum()
}

/// The prototype's battery check: how many rules a battery request at `soc` breaks (`discharge` >= 0 takes power out).
/// Kept because the seed's own test cases are stated in it: (0.5, 30, 0) none, (0.05, 30, 0) one.
#[must_use]
pub fn battery_violations(plant: &Plant, soc: f64, discharge: Kilowatts, charge: Kilowatts) -> u32 {
    let (low, high) = plant.soc_band();
    let wrong = [
        soc < low.get() && discharge.get() > 0.0,
        soc > high.get() && charge.get() > 0.0,
        discharge > plant.discharge_max().kilowatts() || charge > plant.charge_max().kilowatts(),
    ];
    wrong.into_iter().map(u32::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cvar_is_the_mean_of_the_worst_five_percent() {
        let costs: Vec<f64> = (1..=100).map(f64::from).collect();
        let (var, cvar) = value_at_risk(&costs, 0.95).unwrap_or_default();
        assert!((var - 95.0).abs() < 1e-12 && (cvar - 98.0).abs() < 1e-9, "{var} {cvar}");
        assert_eq!(value_at_risk(&[], 0.95), None);
        assert_eq!(value_at_risk(&[7.0], 0.95), Some((7.0, 7.0)));
    }

    #[test]
    fn running_risk_converges_to_the_quantile_and_charges_the_excess() {
        let mut risk = RunningRisk::new(0.95, 0.5);
        for i in 0..200_000u32 {
            risk.learn(f64::from(i.wrapping_mul(2_654_435_761) % 100 + 1));
        }
        assert!((risk.var() - 95.0).abs() < 2.0, "{}", risk.var());
        assert!(risk.charge(risk.var() + 1.0) > risk.charge(risk.var() + 0.5));
        assert_eq!(risk.charge(risk.var() - 1.0), 0.0);
    }

    #[test]
    fn battery_cases_of_the_prototype() {
        let plant = Plant::reference();
        for (soc, discharge, charge, expected) in
            [(0.5, 30.0, 0.0, 0), (0.05, 30.0, 0.0, 1), (0.95, 0.0, 30.0, 1), (0.5, 60.0, 0.0, 1)]
        {
            assert_eq!(battery_violations(&plant, soc, Kilowatts::new(discharge), Kilowatts::new(charge)), expected);
        }
    }
}
