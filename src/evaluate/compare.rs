//! Policies beside each other and beside the perfect-foresight bound, on the same days.

use super::{Evaluation, Simulated, evaluate};
use memg_core::builtin;
use memg_core::equipment::Plant;
use memg_core::policy::{Policy, PolicyError};
use memg_core::profile::Profile;
use memg_core::reward::value_at_risk;
use memg_core::rules;
use memg_optimum::OptimumError;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::panic::resume_unwind;
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
    /// Cost above the optimum, as a share of the optimum; as every share NaN of less than half a cent.
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
    /// See [`Evaluation::mean_soc_at_block_ends`].
    #[serde(default)]
    pub soc_at_block_ends: f64,
}

/// The bound of blocks of a profile (ranges of rows).
///
/// # Errors
/// The solver found none.
pub fn bound(plant: &Plant, profile: &Profile, blocks: &[Range<usize>]) -> Result<Bound, OptimumError> {
    bound_with_progress(plant, profile, blocks, &|_, _| {})
}

/// As [`bound`]; `progress` is told how many parts (weeks of long blocks) are done, and of how many.
///
/// # Errors
/// The solver found none.
pub fn bound_with_progress(
    plant: &Plant,
    profile: &Profile,
    blocks: &[Range<usize>],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Bound, OptimumError> {
    let found = memg_optimum::of_profile(plant, profile, blocks, progress)?;
    let daily_cost_eur: Vec<f64> = found.iter().flat_map(|block| block.daily_cost_eur.iter().copied()).collect();
    let total: f64 = found.iter().map(|block| block.cost_eur).sum();
    let cost_eur_per_day = total / daily_cost_eur.len().max(1) as f64;
    Ok(Bound { kind: "proven lower bound".to_owned(), cost_eur_per_day, daily_cost_eur })
}

/// Policies on the same blocks, each on a thread of its own; results in the order of the policies.
///
/// # Errors
/// A policy's own.
pub fn evaluate_all(
    plant: impl Into<Simulated>,
    profile: &Arc<Profile>,
    blocks: &[Range<usize>],
    policies: &mut [Box<dyn Policy>],
) -> Result<Vec<Evaluation>, PolicyError> {
    let plant = plant.into();
    std::thread::scope(|scope| {
        let on_a_thread = |policy: &mut Box<dyn Policy>| evaluate(plant, profile, blocks, policy.as_mut(), |_| {});
        let threads: Vec<_> = policies.iter_mut().map(|policy| scope.spawn(move || on_a_thread(policy))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.collect()
    })
}

/// Evaluations on the same blocks beside their bound. Idle and the good rule have to be among them.
#[must_use]
pub fn comparison(all: &[Evaluation], optimum: Bound) -> Comparison {
    let of = |name: &str| all.iter().find(|e| e.policy == name).map_or_else(Vec::new, |e| e.daily_cost_eur.clone());
    let days = Days { idle: of(BASELINE), rule: of(GOOD_RULE), optimum: optimum.daily_cost_eur.clone() };
    let policies = all.iter().map(|evaluation| days.compared(evaluation)).collect();
    let blocks = all.first().map_or(0, |evaluation| evaluation.blocks);
    Comparison { days: days.optimum.len(), blocks, optimum, policies }
}

/// Idle, the seed's rule, the good rule and then `policies` beside a bound made before.
///
/// # Errors
/// A policy's own.
pub fn compare_with(
    plant: Plant,
    profile: &Arc<Profile>,
    blocks: &[Range<usize>],
    policies: &mut [Box<dyn Policy>],
    optimum: Bound,
) -> Result<Comparison, PolicyError> {
    let mut rules: Vec<Box<dyn Policy>> = rules::NAMES.iter().filter_map(|name| builtin::by_name(name)).collect();
    let mut all = evaluate_all(plant, profile, blocks, &mut rules)?;
    all.extend(evaluate_all(plant, profile, blocks, policies)?);
    Ok(comparison(&all, optimum))
}

/// Idle, the seed's rule, the good rule and then `policies` beside the bound.
///
/// # Errors
/// The bound was not found, or a policy failed.
pub fn compare(
    plant: Plant,
    profile: &Arc<Profile>,
    blocks: &[Range<usize>],
    policies: &mut [Box<dyn Policy>],
) -> Result<Comparison, CompareError> {
    let optimum = bound(&plant, profile, blocks)?;
    Ok(compare_with(plant, profile, blocks, policies, optimum)?)
}

/// Half a cent a day.
const NOTHING_EUR: f64 = 0.005;

/// A part of a whole; NaN of a whole that is nothing, as where prices are zero: there nobody can save or regret.
fn share(part: f64, whole: f64) -> f64 {
    if whole > NOTHING_EUR { part / whole } else { f64::NAN }
}

/// A figure for people: a dash where there is none.
#[must_use]
pub fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "-".to_owned() }
}

/// The same of a share, in per cent.
#[must_use]
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1}%", 100.0 * share) } else { "-".to_owned() }
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
        let [to_rule, saving, above_rule] = self.intervals(&e.daily_cost_eur, |[cost, idle, rule, best]| {
            [share(cost - best, rule - best), share(idle - cost, idle - best), cost - rule]
        });
        Compared {
            policy: e.policy.clone(),
            cost_eur_per_day: cost,
            gap_to_optimum: share(cost - best, best.abs()),
            regret_eur_per_day: cost - best,
            regret_to_rule: share(cost - best, rule - best),
            regret_to_rule_interval: to_rule,
            saving_share: share(idle - cost, idle - best),
            saving_share_interval: saving,
            cost_above_rule_interval: above_rule,
            cvar95_cost: e.cvar95_cost,
            cvar95_regret: value_at_risk(&regrets, 0.95).map_or(f64::NAN, |(_, cvar)| cvar),
            violations: e.violations,
            starts: e.starts,
            daily_cost_eur: e.daily_cost_eur.clone(),
            soc_at_block_ends: e.mean_soc_at_block_ends(),
        }
    }

    /// Mean cost of the policy, idle, rule and optimum over some days.
    fn means(&self, costs: &[f64], days: &[usize]) -> [f64; 4] {
        let count = days.len().max(1) as f64;
        [costs, &self.idle, &self.rule, &self.optimum]
            .map(|of| days.iter().filter_map(|day| of.get(*day)).sum::<f64>() / count)
    }

    /// 95 % intervals of figures. The same days are drawn for all policies: what they have in common cancels.
    fn intervals<const N: usize>(&self, costs: &[f64], figures: impl Fn([f64; 4]) -> [f64; N]) -> [[f64; 2]; N] {
        let mut rng = Pcg64Mcg::seed_from_u64(95);
        let n = costs.len();
        if n == 0 {
            return [[f64::NAN; 2]; N];
        }
        let draw = |_| {
            let days: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
            figures(self.means(costs, &days))
        };
        let drawn: Vec<[f64; N]> = (0..RESAMPLES).map(draw).collect();
        std::array::from_fn(|figure| middle(drawn.iter().map(|figures| figures[figure]).collect()))
    }
}

/// What the middle 95 % of resampled figures lie between.
fn middle(mut figures: Vec<f64>) -> [f64; 2] {
    figures.sort_by(f64::total_cmp);
    [figures[RESAMPLES / 40], figures[RESAMPLES - 1 - RESAMPLES / 40]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::forecast::Persistence;
    use memg_core::planner::{Foresight, Plan, PlanSettings};
    use memg_core::profile::ProfileRow;

    #[test]
    fn the_good_rule_has_relative_regret_one_and_idle_saves_nothing() {
        let profile = Arc::new(memg_core::synthetic::profile(2, 1));
        let found = compare(Plant::reference(), &profile, &profile.blocks(Some(1)), &mut []);
        let Ok(found) = found else { panic!("{found:?}") };
        let of = |name: &str| found.policies.iter().find(|p| p.policy == name);
        assert!(of("rule").is_some_and(|p| (p.regret_to_rule - 1.0).abs() < 1e-12 && p.saving_share > 0.0));
        assert!(of("idle").is_some_and(|p| p.saving_share.abs() < 1e-12));
        assert!(found.policies.iter().all(|p| p.regret_eur_per_day > 0.0 && p.violations == 0));
        assert_eq!((found.days, found.blocks), (2, 2));
    }

    #[test]
    fn shares_of_nothing_are_not_numbers_and_costs_stay() {
        let free = |row: &ProfileRow| ProfileRow { import_price: 0.0, export_price: 0.0, heat_load_kw: 0.0, ..*row };
        let rows = memg_core::synthetic::profile(1, 1).rows().iter().map(free).collect();
        let profile = Arc::new(Profile::from_rows(rows));
        let Ok(found) = compare(Plant::reference(), &profile, &profile.blocks(None), &mut []) else {
            panic!("no bound")
        };
        let Some(idle) = found.policies.iter().find(|p| p.policy == "idle") else { panic!("no idle") };
        assert!(idle.cost_eur_per_day.abs() < 0.005 && idle.gap_to_optimum.is_nan() && idle.saving_share.is_nan());
        assert!(found.policies.iter().all(|p| p.cost_eur_per_day.is_finite() && p.cvar95_regret.is_finite()));
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
            let Some(mut policy) = builtin::by_name(name) else { panic!("{name}") };
            let Ok(found) = evaluate(plant, &profile, &blocks, policy.as_mut(), |_| {}) else { panic!("{name}") };
            assert!(found.cost_eur_per_day * 2.0 > bound, "{name}: {} a day, bound {bound}", found.cost_eur_per_day);
        }
    }

    /// Regret over the rule's of policies by name.
    fn regrets(found: &Comparison, names: [&str; 2]) -> [f64; 2] {
        names.map(|name| found.policies.iter().find(|p| p.policy == name).map_or(f64::NAN, |p| p.regret_to_rule))
    }

    #[test]
    fn foresight_on_the_planners_grid_comes_near_the_bound_and_persistence_far_below_the_rule() {
        let profile = Arc::new(memg_core::synthetic::profile(10, 3));
        let last_three_days = 7 * 96..10 * 96;
        let blocks = vec![last_three_days];
        let settings = PlanSettings { soc_levels: 41, ..PlanSettings::default() };
        let foresight = Foresight::new(Arc::clone(&profile), blocks.clone(), settings);
        let mut policies: [Box<dyn Policy>; 2] =
            [Box::new(foresight), Box::new(Plan::new(Persistence, PlanSettings::default()))];
        let found = compare(Plant::reference(), &profile, &blocks, &mut policies);
        let Ok(found) = found else { panic!("{found:?}") };
        let gap = found.policies.iter().find(|p| p.policy == "foresight").map_or(f64::NAN, |p| p.gap_to_optimum);
        assert!((0.0..0.006).contains(&gap), "foresight costs {gap} more than the bound");
        let [foresight, plan] = regrets(&found, ["foresight", "plan"]);
        assert!(foresight < 0.5 * plan && plan < 0.6, "{foresight} {plan}");
        assert!(found.policies.iter().all(|p| p.violations == 0));
    }

    #[test]
    fn rows_outside_the_blocks_are_history_and_are_not_judged() {
        let profile = Arc::new(memg_core::synthetic::profile(9, 5));
        let Some(rows) = profile.rows().get(8 * 96..) else { panic!("nine days") };
        let alone = Arc::new(Profile::from_rows(rows.to_vec()));
        let judged = |profile: &Arc<Profile>, blocks: &[Range<usize>], name: &str| {
            let Some(mut policy) = builtin::by_name(name) else { panic!("{name}") };
            evaluate(Plant::reference(), profile, blocks, policy.as_mut(), |_| {})
        };
        let last = 8 * 96..9 * 96;
        for (name, looks_back) in [("rule", false), ("plan", true)] {
            let with = judged(&profile, std::slice::from_ref(&last), name);
            let without = judged(&alone, &alone.blocks(None), name);
            let (Ok(with), Ok(without)) = (with, without) else { panic!("{name}") };
            assert_eq!((with.days, with.blocks, with.soc_at_block_ends.len()), (1, 1, 1));
            assert_eq!(with.daily_cost_eur != without.daily_cost_eur, looks_back, "{name}");
        }
    }
}
