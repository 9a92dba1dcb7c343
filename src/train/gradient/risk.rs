//! The risk objective of the gradient stage: `mean of daily cost + risk x CVaR95 of daily regret`.
//!
//! Regret is what a day costs above perfect foresight. The optimum does not depend on the actor, so the gradient of the
//! CVaR is the mean gradient of the cost of the worst 5 % of days (Rockafellar and Uryasev 2000): those days count
//! `1 + risk / 0.05`, the others 1. Which days they are is found by rolling the actor out over all training days
//! whenever it is judged on the validation days.

use crate::TrainError;
use memg_core::equipment::Plant;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_core::reward::value_at_risk;
use memg_evaluate::compare::Bound;
use memg_evaluate::evaluate;
use std::sync::Arc;

/// Level of the value at risk.
const ALPHA: f64 = 0.95;

/// All training days with what they cost at best.
#[derive(Debug)]
pub struct TrainingDays {
    /// Weight of the CVaR beside the mean.
    pub risk: f64,
    /// Perfect foresight on the training days.
    pub bound: Bound,
}

impl TrainingDays {
    /// Regret of every training day, EUR.
    ///
    /// # Errors
    /// The actor fails.
    pub fn regrets(&self, plant: Plant, days: &Arc<Profile>, actor: &mut dyn Policy) -> Result<Vec<f64>, TrainError> {
        let found = evaluate(plant, days, &days.blocks(None), actor, |_| {})?;
        Ok(found.daily_cost_eur.iter().zip(&self.bound.daily_cost_eur).map(|(cost, best)| cost - best).collect())
    }

    /// How much each day counts, 1 in the mean.
    #[must_use]
    pub fn emphasis(&self, regrets: &[f64]) -> Vec<f64> {
        let var = value_at_risk(regrets, ALPHA).map_or(f64::INFINITY, |(var, _)| var);
        let count = |regret: &f64| if *regret > var { 1.0 + self.risk / (1.0 - ALPHA) } else { 1.0 };
        let mean = regrets.iter().map(count).sum::<f64>() / regrets.len().max(1) as f64;
        regrets.iter().map(|regret| count(regret) / mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_days_count_more_and_the_mean_stays() {
        let bound = Bound { kind: String::new(), cost_eur_per_day: 0.0, daily_cost_eur: Vec::new() };
        let days = TrainingDays { risk: 0.5, bound };
        let regrets: Vec<f64> = (0..100).map(f64::from).collect();
        let found = days.emphasis(&regrets);
        assert!((found.iter().sum::<f64>() - 100.0).abs() < 1e-9);
        assert!(found[95..].iter().all(|w| (w / found[0] - 11.0).abs() < 1e-9), "{found:?}");
        assert!(found[..95].iter().all(|w| *w == found[0]));
    }
}
