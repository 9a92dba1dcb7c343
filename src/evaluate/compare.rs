//! Policies beside each other and beside the perfect-foresight bound, on the same days.

use super::{Evaluation, evaluate};
use memg_core::equipment::Plant;
use memg_core::policy::{Policy, PolicyError};
use memg_core::profile::Profile;
use memg_core::reward::value_at_risk;
use memg_core::rules;
use memg_optimum::OptimumError;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the share of possible savings and regret are measured against.
pub const BASELINE: &str = "idle";
/// The rule to beat.
pub const GOOD_RULE: &str = "rule";
/// Resamplings of the paired bootstrap.
const RESAMPLES: usize = 2000;

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The bound was not found.
    #[error(transparent)]
    Optimum(#[from] OptimumError),
    /// A policy failed.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// The bound of some days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// What kind of number it is.
    pub kind: String,
    /// Mean of a day, EUR.
    pub cost_eur_per_day: f64,
    /// Of each day (of the relaxed plan), EUR.
    pub daily_cost_eur: Vec<f64>,
}

/// All policies on the same days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Days compared.
    pub days: usize,
    /// Blocks of consecutive days.
    pub blocks: usize,
    /// Perfect foresight.
    pub optimum: Bound,
    /// One entry a policy.
    pub policies: Vec<Compared>,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Name of the rule or model.
    pub policy: String,
    /// Mean cost of a day, EUR, corrected for stored energy.
    pub cost_eur_per_day: f64,
    /// Cost above the optimum, as a share of the optimum.
    pub gap_to_optimum: f64,
    /// Cost above the optimum, EUR a day.
    pub regret_eur_per_day: f64,
    /// Regret over the good rule's regret.
    pub regret_to_rule: f64,
    /// 95 % interval of `regret_to_rule`, days resampled in pairs.
    pub regret_to_rule_interval: [f64; 2],
    /// `(idle - cost) / (idle - optimum)`.
    pub saving_share: f64,
    /// 95 % interval of the saving share.
    pub saving_share_interval: [f64; 2],
    /// 95 % interval of the difference to the good rule's cost, EUR a day.
    pub cost_above_rule_interval: [f64; 2],
    /// Mean of the worst 5 % of daily costs, EUR.
    pub cvar95_cost: f64,
    /// Mean of the worst 5 % of daily regrets, EUR.
    pub cvar95_regret: f64,
    /// Hard limits violated by what was written.
    pub violations: u64,
    /// CHP starts.
    pub starts: u64,
    /// Cost of each day, EUR.
    pub daily_cost_eur: Vec<f64>,
}

/// The bound of a profile in blocks of at most `block_days`.
///
/// # Errors
/// The solver found none.
pub fn bound(plant: &Plant, profile: &Profile, block_days: Option<usize>) -> Result<Bound, OptimumError> {
    bound_with_progress(plant, profile, block_days, &|_, _| {})
}

/// As [`bound`]; `progress` is told how many parts (weeks of long blocks) are done, and of how many.
///
/// # Errors
/// The solver found none.
pub fn bound_with_progress(
    plant: &Plant,
    profile: &Profile,
    block_days: Option<usize>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Bound, OptimumError> {
    let blocks = profile.blocks(block_days);
    let found = memg_optimum::of_profile(plant, profile, &blocks, progress)?;
    let daily_cost_eur: Vec<f64> = found.iter().flat_map(|block| block.daily_cost_eur.iter().copied()).collect();
    let total: f64 = found.iter().map(|block| block.cost_eur).sum();
    let cost_eur_per_day = total / daily_cost_eur.len().max(1) as f64;
    Ok(Bound { kind: kind(plant).to_owned(), cost_eur_per_day, daily_cost_eur })
}

/// Of several units the optimum knows only the one that stands for all, and that can do other things than they can.
fn kind(plant: &Plant) -> &'static str {
    let several = plant.batteries().len() > 1 || plant.chps().len() > 1;
    if several { "estimate: one battery and one CHP stand for all" } else { "proven lower bound" }
}

/// Idle, the seed's rule, the good rule and then `policies`, with a bound made before.
///
/// # Errors
/// A policy's own.
pub fn compare_with(
    plant: Plant,
    profile: &Arc<Profile>,
    block_days: Option<usize>,
    policies: &mut [Box<dyn Policy>],
    optimum: Bound,
) -> Result<Comparison, PolicyError> {
    let mut all: Vec<Evaluation> = Vec::new();
    for name in rules::NAMES {
        if let Some(mut rule) = rules::by_name(name) {
            all.push(evaluate(plant, profile, block_days, rule.as_mut(), |_| {})?);
        }
    }
    for policy in policies {
        all.push(evaluate(plant, profile, block_days, policy.as_mut(), |_| {})?);
    }
    let of = |name: &str| all.iter().find(|e| e.policy == name).map_or_else(Vec::new, |e| e.daily_cost_eur.clone());
    let days = Days { idle: of(BASELINE), rule: of(GOOD_RULE), optimum: optimum.daily_cost_eur.clone() };
    let policies = all.iter().map(|evaluation| days.compared(evaluation)).collect();
    let (count, blocks) = (days.optimum.len(), profile.blocks(block_days).len());
    Ok(Comparison { days: count, blocks, optimum, policies })
}

/// Idle, the seed's rule, the good rule and then `policies` beside the bound.
///
/// # Errors
/// The bound was not found, or a policy failed.
pub fn compare(
    plant: Plant,
    profile: &Arc<Profile>,
    block_days: Option<usize>,
    policies: &mut [Box<dyn Policy>],
) -> Result<Comparison, CompareError> {
    let optimum = bound(&plant, profile, block_days)?;
    Ok(compare_with(plant, profile, block_days, policies, optimum)?)
}

/// Daily costs that others are measured against.
struct Days {
    idle: Vec<f64>,
    rule: Vec<f64>,
    optimum: Vec<f64>,
}

impl Days {
    fn compared(&self, e: &Evaluation) -> Compared {
        let regrets: Vec<f64> = e.daily_cost_eur.iter().zip(&self.optimum).map(|(cost, best)| cost - best).collect();
        let all: Vec<usize> = (0..e.daily_cost_eur.len()).collect();
        let [cost, idle, rule, best] = self.means(&e.daily_cost_eur, &all);
        let interval = |figure: &dyn Fn([f64; 4]) -> f64| self.interval(&e.daily_cost_eur, figure);
        Compared {
            policy: e.policy.clone(),
            cost_eur_per_day: cost,
            gap_to_optimum: (cost - best) / best.abs().max(1e-9),
            regret_eur_per_day: cost - best,
            regret_to_rule: (cost - best) / (rule - best),
            regret_to_rule_interval: interval(&|[cost, _, rule, best]| (cost - best) / (rule - best)),
            saving_share: (idle - cost) / (idle - best),
            saving_share_interval: interval(&|[cost, idle, _, best]| (idle - cost) / (idle - best)),
            cost_above_rule_interval: interval(&|[cost, _, rule, _]| cost - rule),
            cvar95_cost: e.cvar95_cost,
            cvar95_regret: value_at_risk(&regrets, 0.95).map_or(f64::NAN, |(_, cvar)| cvar),
            violations: e.violations,
            starts: e.starts,
            daily_cost_eur: e.daily_cost_eur.clone(),
        }
    }

    /// Mean cost of the policy, idle, rule and optimum over some days.
    fn means(&self, costs: &[f64], days: &[usize]) -> [f64; 4] {
        let count = days.len().max(1) as f64;
        [costs, &self.idle, &self.rule, &self.optimum]
            .map(|of| days.iter().filter_map(|day| of.get(*day)).sum::<f64>() / count)
    }

    /// The same days are drawn for all policies: what they have in common cancels.
    fn interval(&self, costs: &[f64], figure: &dyn Fn([f64; 4]) -> f64) -> [f64; 2] {
        let mut rng = Pcg64Mcg::seed_from_u64(95);
        let n = costs.len();
        if n == 0 {
            return [f64::NAN; 2];
        }
        let draw = |_| {
            let days: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
            figure(self.means(costs, &days))
        };
        let mut figures: Vec<f64> = (0..RESAMPLES).map(draw).collect();
        figures.sort_by(f64::total_cmp);
        [figures[RESAMPLES / 40], figures[RESAMPLES - 1 - RESAMPLES / 40]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_good_rule_has_relative_regret_one_and_idle_saves_nothing() {
        let profile = Arc::new(memg_core::synthetic::profile(2, 1));
        let found = compare(Plant::reference(), &profile, Some(1), &mut []);
        let Ok(found) = found else { panic!("{found:?}") };
        let of = |name: &str| found.policies.iter().find(|p| p.policy == name);
        assert!(of("rule").is_some_and(|p| (p.regret_to_rule - 1.0).abs() < 1e-12 && p.saving_share > 0.0));
        assert!(of("idle").is_some_and(|p| p.saving_share.abs() < 1e-12));
        assert!(found.policies.iter().all(|p| p.regret_eur_per_day > 0.0 && p.violations == 0));
        assert_eq!((found.days, found.blocks), (2, 2));
    }

    #[test]
    fn no_rule_undercuts_the_bound_and_the_days_sum_to_it() {
        let plant = Plant::reference();
        let profile = Arc::new(memg_core::synthetic::profile(2, 3));
        let blocks = profile.blocks(None);
        let bounds = memg_optimum::of_profile(&plant, &profile, &blocks, &|_, _| {}).unwrap_or_default();
        let bound: f64 = bounds.iter().map(|block| block.cost_eur).sum();
        let daily: f64 = bounds.iter().flat_map(|block| &block.daily_cost_eur).sum();
        assert!((bound - daily).abs() < 1e-3, "{bound} {daily}");
        for name in rules::NAMES {
            let Some(mut policy) = rules::by_name(name) else { panic!("{name}") };
            let Ok(found) = evaluate(plant, &profile, None, policy.as_mut(), |_| {}) else { panic!("{name}") };
            assert!(found.cost_eur_per_day * 2.0 > bound, "{name}: {} a day, bound {bound}", found.cost_eur_per_day);
        }
    }
}
