//! What a run knows before it trains, and never changes: days, bounds, the rule's cost.

use crate::config::TrainConfig;
use crate::forecast::{aheads, fit_coefficients};
use crate::gradient::risk::TrainingDays;
use crate::split::{Split, blocks_within};
use crate::tariff_range::tariff_range;
use crate::td3::fused::Bf16;
use crate::{TrainError, TrainOptions, td3};
use memg_core::equipment::Plant;
use memg_core::forecast::Ridge;
use memg_core::foreseen::Ahead;
use memg_core::guard::TariffRange;
use memg_core::observation::Schema;
use memg_core::profile::Profile;
use memg_core::rules::GoodRule;
use memg_evaluate::compare::{Bound, bound};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Seconds kept for the final table and the report at least.
const RESERVE_S_MIN: f64 = 45.0;

/// What a run knows before it trains.
pub(super) struct Setup<'a> {
    pub(super) options: &'a TrainOptions,
    pub(super) split: Split,
    /// Tariffs that the actor will be good for.
    pub(super) tariff: Option<TariffRange>,
    /// Validation days, as blocks of the days that may be seen.
    pub(super) judged: Vec<Range<usize>>,
    /// The forecaster of an actor that sees forecasts, and steps of the present that it was fitted to.
    pub(super) forecaster: Option<Ridge>,
    /// What is expected at every training row, see [`aheads`]; empty for actors that see no forecasts.
    pub(super) aheads: Arc<[Ahead]>,
    /// Perfect foresight on the validation days.
    pub(super) bound: Bound,
    /// The good rule on the validation days, EUR a day.
    pub(super) rule_cost: f64,
    /// Only if risk counts.
    pub(super) training_days: Option<TrainingDays>,
    /// Seconds kept for the final table and the report.
    pub(super) reserve_s: f64,
    /// Seconds that these will take, about.
    pub(super) tables_s: f64,
}

/// Bounds that an earlier part of the run has found: finding them again takes as long as hundreds of updates.
#[derive(Debug, Default)]
pub(super) struct KnownBounds {
    pub(super) validation: Option<Bound>,
    pub(super) training: Option<Bound>,
}

/// Refuses a configuration that is wrong whatever the profile.
pub(super) fn check(options: &TrainOptions) -> Result<(), TrainError> {
    let problems = options.config.problems_for(&options.plant);
    if problems.is_empty() { Ok(()) } else { Err(TrainError::Config(problems.join("\n"))) }
}

impl<'a> Setup<'a> {
    /// Splits the days, and finds the bounds that are not known from before.
    pub(super) fn new(options: &'a TrainOptions, config: &TrainConfig, known: KnownBounds) -> Result<Self, TrainError> {
        let plant = &options.plant;
        let split = Split::of(&options.profile, &config.data, plant.steps_per_day());
        enough_days(&split, config)?;
        td3::precision(config.td3.bf16, Bf16::detect()).map_err(TrainError::Config)?;
        let began = Instant::now();
        let bound = bound_of(plant, &split.validation, known.validation)?;
        // The final table needs the bound of the test days, and the report one more.
        let tables_s = 2.5 * began.elapsed().as_secs_f64();
        let reserve_s = RESERVE_S_MIN.max(20.0 + tables_s);
        let training_days = training_days(plant, &split.training, config.gradient.risk, known.training)?;
        let (tariff, rule_cost) =
            (tariff_range(config.schema, &split.training), cost_of_rule(*plant, &split.validation)?);
        let judged = blocks_within(&split.seen, &split.validation);
        let forecaster = forecaster(options, config.schema, &split)?;
        let aheads = forecaster.as_ref().map(|ridge| aheads(plant, &split, ridge)).unwrap_or_default();
        Ok(Self {
            options,
            split,
            tariff,
            judged,
            forecaster,
            aheads,
            bound,
            rule_cost,
            training_days,
            reserve_s,
            tables_s,
        })
    }

    /// A cost of a validation day above the bound, over the good rule's: 0 is perfect foresight, 1 the rule.
    pub(super) fn regret_to_rule(&self, cost_eur_per_day: f64) -> f64 {
        let best = self.bound.cost_eur_per_day;
        (cost_eur_per_day - best) / (self.rule_cost - best)
    }
}

/// The forecaster that an actor of this schema sees the hours ahead through.
fn forecaster(options: &TrainOptions, schema: Schema, split: &Split) -> Result<Option<Ridge>, TrainError> {
    match schema {
        Schema::TenD | Schema::Extended => Ok(None),
        Schema::Forecast => {
            let (coefficients, _) = fit_coefficients(&options.plant, &options.profile, split)?;
            Ok(Some(Ridge::new(coefficients, options.plant.step_ms())))
        }
    }
}

/// Refuses days without a run of consecutive ones as long as an episode, and a profile without days to select on.
fn enough_days(split: &Split, config: &TrainConfig) -> Result<(), TrainError> {
    if split.training.rows().is_empty() {
        let [first, last] = config.data.test_days;
        let days =
            format!("beside test days ({first}..{last} of each month) two days are needed, to train and to select on");
        return Err(TrainError::Data(days));
    }
    let longest = split.training.blocks(None).iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    let td3 = if config.td3.updates > 0 { config.td3.episode_steps } else { 0 };
    let needed = config.episodes.steps.max(td3);
    if longest < needed {
        let days = format!("the longest run of days to train on has {longest} steps, an episode {needed}");
        return Err(TrainError::Data(days));
    }
    Ok(())
}

/// The bound of some days; a known one if it is of as many days.
fn bound_of(plant: &Plant, days: &Profile, known: Option<Bound>) -> Result<Bound, TrainError> {
    let count = days.rows().len() / plant.steps_per_day();
    match known.filter(|bound| bound.daily_cost_eur.len() == count) {
        Some(bound) => Ok(bound),
        None => Ok(bound(plant, days, &days.blocks(None))?),
    }
}

/// The bounds of the training days, if risk counts.
fn training_days(
    plant: &Plant,
    days: &Profile,
    risk: f64,
    known: Option<Bound>,
) -> Result<Option<TrainingDays>, TrainError> {
    if risk <= 0.0 {
        return Ok(None);
    }
    Ok(Some(TrainingDays { risk, bound: bound_of(plant, days, known)? }))
}

/// EUR a day.
fn cost_of_rule(plant: Plant, days: &Arc<Profile>) -> Result<f64, TrainError> {
    Ok(memg_evaluate::evaluate(plant, days, &days.blocks(None), &mut GoodRule, |_| {})?.cost_eur_per_day)
}
