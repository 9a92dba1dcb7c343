//! Judging actors on the validation days, and keeping the best.

use super::actor::{Tensors, policy};
use super::setup::Setup;
use crate::metrics::Figures;
use crate::{Stage, TrainError};
use memg_core::observation::Schema;
use memg_core::policy::Policy;
use memg_core::reward::value_at_risk;
use memg_evaluate::evaluate;

/// An actor with its place in the run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) tensors: Tensors,
    /// Updates of all stages behind it.
    pub(super) updates: u64,
    pub(super) stage: Stage,
}

/// The best actor so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Best {
    pub(super) actor: Candidate,
    /// See [`Judgement::score`].
    pub(super) score: f64,
}

/// What was found on the validation days so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Selection {
    pub(super) best: Option<Best>,
    pub(super) history: Vec<Figures>,
    /// Updates of all stages when the actor was judged last.
    pub(super) validated_at: u64,
}

impl Selection {
    /// Keeps an actor that violates nothing and scores better than the best so far.
    pub(super) fn take(&mut self, actor: Candidate, found: &Judgement) {
        self.validated_at = actor.updates;
        if found.violations == 0 && self.best.as_ref().is_none_or(|best| found.score < best.score) {
            self.best = Some(Best { actor, score: found.score });
        }
    }

    pub(super) fn latest_regret_to_rule(&self) -> Option<f64> {
        self.history.last().map(|figures| figures.validation_regret_to_rule)
    }

    pub(super) fn least_regret_to_rule(&self) -> Option<f64> {
        self.history.iter().map(|figures| figures.validation_regret_to_rule).min_by(f64::total_cmp)
    }
}

/// What the validation days say about an actor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub(super) cost_eur_per_day: f64,
    /// Cost above the bound, over the good rule's.
    pub(super) regret_to_rule: f64,
    /// CVaR95 of daily regret, EUR.
    pub(super) cvar95_regret_eur: f64,
    /// Hard limits violated by what was written.
    pub(super) violations: u64,
    /// What actors are selected by, less is better: cost of a day plus what risk adds, EUR.
    pub(super) score: f64,
    /// How much each training day counts from now on; only if risk counts.
    pub(super) emphasis: Option<Vec<f64>>,
}

/// Rolls an actor out over the validation days.
pub(super) fn judge(setup: &Setup<'_>, schema: Schema, tensors: &Tensors) -> Result<Judgement, TrainError> {
    let mut actor = policy("model", setup, schema, tensors)?;
    let found = evaluate(setup.options.plant, &setup.split.seen, &setup.judged, actor.as_mut(), |_| {})?;
    let regrets: Vec<f64> =
        found.daily_cost_eur.iter().zip(&setup.bound.daily_cost_eur).map(|(cost, best)| cost - best).collect();
    let risk = charge_for_risk(setup, &regrets, actor.as_mut())?;
    Ok(Judgement {
        cost_eur_per_day: found.cost_eur_per_day,
        regret_to_rule: setup.regret_to_rule(found.cost_eur_per_day),
        cvar95_regret_eur: cvar95(&regrets),
        violations: found.violations,
        score: found.cost_eur_per_day + risk.eur,
        emphasis: risk.emphasis,
    })
}

/// What risk adds to a score, and which training days count more for it.
#[derive(Default)]
struct RiskCharge {
    eur: f64,
    emphasis: Option<Vec<f64>>,
}

/// Validation days alone are too few for a tail: the training days' regrets count with theirs.
fn charge_for_risk(setup: &Setup<'_>, validation: &[f64], actor: &mut dyn Policy) -> Result<RiskCharge, TrainError> {
    let Some(days) = &setup.training_days else { return Ok(RiskCharge::default()) };
    let mut regrets = days.regrets(setup.options.plant, &setup.split.training, actor)?;
    let emphasis = Some(days.emphasis(&regrets));
    regrets.extend(validation);
    Ok(RiskCharge { eur: days.risk * cvar95(&regrets), emphasis })
}

/// Mean of the worst 5 %; NaN without any.
fn cvar95(regrets: &[f64]) -> f64 {
    value_at_risk(regrets, 0.95).map_or(f64::NAN, |(_, cvar)| cvar)
}
