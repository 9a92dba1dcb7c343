//! The end of a run: tables on validation and test days, the model folder, the report.

use super::actor::{policy, weights};
use super::checkpoint::save_atomically;
use super::setup::Setup;
use super::validation::{Best, Selection};
use crate::config::TrainConfig;
use crate::forecast;
use crate::report::{self, Story};
use crate::split::{Part, blocks_within};
use crate::{MODEL, REPORT, Stage, TrainError, TrainOptions, TrainingSummary};
use memg_core::observation::Divisors;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_evaluate::compare::{Bound, Comparison, GOOD_RULE, bound, compare_with};
use memg_policy::model::{EvaluationRow, ModelRecord, TrainingRecord, plant_hash, write_model};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// What is exported: the best actor with its name and where it comes from.
struct Export<'a> {
    setup: &'a Setup<'a>,
    config: &'a TrainConfig,
    best: &'a Best,
    name: String,
}

/// Final tables, export, report.
///
/// # Errors
/// The bound of the test days was not found, the actor failed, or a file was not written.
pub(super) fn finish(
    setup: &Setup<'_>,
    config: &TrainConfig,
    selection: &Selection,
    mut summary: TrainingSummary,
) -> Result<TrainingSummary, TrainError> {
    let Some(best) = &selection.best else {
        summary.refused = Some("no actor kept all limits on the validation days".to_owned());
        return Ok(summary);
    };
    let export = Export { setup, config, best, name: model_name(setup.options) };
    let validation = export.table(&setup.split.seen, &setup.judged, setup.bound.clone())?;
    let test = if setup.split.test.rows().is_empty() {
        None
    } else {
        let all = &setup.options.profile;
        let blocks = blocks_within(all, &setup.split.test);
        let optimum = bound(&setup.options.plant, all, &blocks)?;
        Some(export.table(all, &blocks, optimum)?)
    };
    if setup.options.force || export.beats_the_rule(&validation) {
        summary.model = Some(export.write_model(&summary, &validation, test.as_ref())?);
    } else {
        summary.refused = Some("it does not beat the good rule on the validation days (--force exports it)".to_owned());
    }
    (summary.validation, summary.test) = (Some(validation), test);
    match forecast::write(setup.options) {
        Ok(plan) => summary.plan = Some(plan),
        Err(TrainError::Data(why)) => summary.plan_refused = Some(why),
        Err(error) => return Err(error),
    }
    summary.report = Some(export.write_report(selection, &summary)?);
    Ok(summary)
}

/// The name of the model's folder, or of the output folder.
fn model_name(options: &TrainOptions) -> String {
    let dir = options.model.as_deref().unwrap_or(&options.out);
    dir.file_name().map_or_else(|| "actor".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What an actor that was selected in a stage has learned from: a model is not called by a stage that it never saw.
fn went_through(config: &TrainConfig, stage: Stage) -> Vec<&'static str> {
    let stages = [
        (Stage::Imitation, config.imitation.updates, "imitation of the good rule"),
        (Stage::Gradient, config.gradient.updates, "gradients through the plant's equations"),
        (Stage::Td3, config.td3.updates, "TD3"),
    ];
    let until = stages.iter().filter(|(of, updates, _)| of.number() <= stage.number() && *updates > 0);
    until.map(|(.., name)| *name).collect()
}

/// The last of them in the field's words.
const fn algorithm(stage: Stage) -> &'static str {
    match stage {
        Stage::Imitation => "behavioural cloning",
        Stage::Gradient => "model-based policy gradient",
        Stage::Td3 | Stage::Done => "TD3",
    }
}

impl Export<'_> {
    fn policy(&self) -> Result<Box<dyn Policy>, TrainError> {
        policy(&self.name, self.setup, self.config.schema, &self.best.actor.tensors)
    }

    /// The actor beside the rules and the bound, on blocks of a profile whose rows before are known.
    fn table(&self, known: &Arc<Profile>, blocks: &[Range<usize>], optimum: Bound) -> Result<Comparison, TrainError> {
        Ok(compare_with(self.setup.options.plant, known, blocks, &mut [self.policy()?], optimum)?)
    }

    fn beats_the_rule(&self, validation: &Comparison) -> bool {
        let cost = |policy: &str| validation.policies.iter().find(|p| p.policy == policy).map(|p| p.cost_eur_per_day);
        matches!((cost(&self.name), cost(GOOD_RULE)), (Some(own), Some(rule)) if own < rule)
    }

    /// Writes the model's folder; returns where it is.
    fn write_model(
        &self,
        summary: &TrainingSummary,
        validation: &Comparison,
        test: Option<&Comparison>,
    ) -> Result<PathBuf, TrainError> {
        let options = self.setup.options;
        let dir = options.model.clone().unwrap_or_else(|| options.out.join(MODEL));
        let record = ModelRecord {
            name: self.name.clone(),
            plant_hash: plant_hash(&options.plant),
            divisors: Divisors::of(&options.plant),
            forecaster: self.setup.forecaster.clone(),
            tariff: self.setup.tariff,
            training: self.training_record(summary),
            evaluation: self.evaluation_rows(validation, test),
        };
        write_model(&dir, &weights(self.config.schema, &self.best.actor.tensors)?, &record)?;
        Ok(dir)
    }

    fn training_record(&self, summary: &TrainingSummary) -> TrainingRecord {
        let ([first, last], options) = (self.config.data.test_days, self.setup.options);
        TrainingRecord {
            description: format!(
                "{}; selected on the validation days at update {}{}",
                went_through(self.config, self.best.actor.stage).join(", then "),
                self.best.actor.updates,
                summary.cut.as_ref().map_or_else(String::new, |cut| format!("; {cut}"))
            ),
            algorithm: algorithm(self.best.actor.stage).to_owned(),
            data: format!(
                "{}; {} validate, days {first}..{last} test, all others train",
                options.data, self.setup.split.validation_days
            ),
            seed: self.config.seed,
            steps: summary.steps,
            updates: summary.updates,
            command: format!("{} --updates {}", options.command, summary.stage_updates),
        }
    }

    fn evaluation_rows(&self, validation: &Comparison, test: Option<&Comparison>) -> Vec<EvaluationRow> {
        let [first, last] = self.config.data.test_days;
        let mut rows = evaluation_rows(validation, &format!("validation, {}", self.setup.split.validation_days));
        let test = test.map(|test| evaluation_rows(test, &format!("test, days {first}..{last} of each month")));
        rows.extend(test.unwrap_or_default());
        rows
    }

    /// Writes the report; returns where it is.
    fn write_report(&self, selection: &Selection, summary: &TrainingSummary) -> Result<PathBuf, TrainError> {
        let Setup { options, split, .. } = self.setup;
        let shown = if split.test.rows().is_empty() { Part::Validation } else { Part::Test };
        let story = Story {
            options,
            summary,
            history: &selection.history,
            config: self.config,
            parts: &split.parts,
            shown,
            name: &self.name,
        };
        let path = options.out.join(REPORT);
        save_atomically(&path, report::html(&story, self.policy()?).as_bytes())?;
        Ok(path)
    }
}

/// One row for each policy of a comparison.
fn evaluation_rows(comparison: &Comparison, data: &str) -> Vec<EvaluationRow> {
    let row = |p: &memg_evaluate::compare::Compared| EvaluationRow {
        policy: p.policy.clone(),
        data: data.to_owned(),
        days: comparison.days,
        cost_eur_per_day: p.cost_eur_per_day,
        cvar95_eur_per_day: p.cvar95_cost,
        violations: p.violations,
        chp_starts: p.starts,
    };
    comparison.policies.iter().map(row).collect()
}
