//! The end of a run: tables on validation and test days, the model folder, the report.

use super::{Best, Run, checkpoint, policy, weights};
use crate::{MODEL, REPORT, Summary, TrainError, report};
use memg_core::policy::Policy;
use memg_evaluate::compare::{Comparison, GOOD_RULE, bound, compare_with};
use memg_policy::model::{EvaluationRow, ModelRecord, TrainingRecord, plant_hash, write_model};

impl Run<'_> {
    /// Final tables, export, report.
    pub(super) fn finish(self) -> Result<Summary, TrainError> {
        let mut summary = self.summary(false);
        let Some(best) = &self.best else {
            summary.refused = Some("no actor kept all limits on the validation days".to_owned());
            return Ok(summary);
        };
        let plant = self.options.plant;
        let name = self.model_name();
        let policies = || -> Result<Vec<Box<dyn Policy>>, TrainError> {
            Ok(vec![policy(&name, self.config.schema, self.tariff, &best.tensors)?])
        };
        let validation = compare_with(plant, &self.split.validation, None, &mut policies()?, self.bound.clone())?;
        let test = if self.split.test.rows().is_empty() {
            None
        } else {
            let optimum = bound(&plant, &self.split.test, None)?;
            Some(compare_with(plant, &self.split.test, None, &mut policies()?, optimum)?)
        };
        let cost = |policy: &str| validation.policies.iter().find(|p| p.policy == policy).map(|p| p.cost_eur_per_day);
        let better = matches!((cost(&name), cost(GOOD_RULE)), (Some(own), Some(rule)) if own < rule);
        if better || self.options.force {
            let dir = self.options.model.clone().unwrap_or_else(|| self.options.out.join(MODEL));
            let record = self.record(&name, best, &summary, [Some(&validation), test.as_ref()]);
            write_model(&dir, &weights(self.config.schema, &best.tensors)?, &record)?;
            summary.model = Some(dir);
        } else {
            summary.refused =
                Some("it does not beat the good rule on the validation days (--force exports it)".to_owned());
        }
        (summary.validation, summary.test) = (Some(validation), test);
        let path = self.options.out.join(REPORT);
        let mut actor = policy(&name, self.config.schema, self.tariff, &best.tensors)?;
        let html = report::html(
            &report::Story {
                plant,
                summary: &summary,
                history: &self.history,
                config: &self.config,
                days: if self.split.test.rows().is_empty() { &self.split.validation } else { &self.split.test },
                name: &name,
            },
            actor.as_mut(),
        );
        checkpoint::save_atomically(&path, html.as_bytes())?;
        summary.report = Some(path);
        Ok(summary)
    }

    fn model_name(&self) -> String {
        let dir = self.options.model.as_deref().unwrap_or(&self.options.out);
        dir.file_name().map_or_else(|| "td3".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    fn record(&self, name: &str, best: &Best, summary: &Summary, tables: [Option<&Comparison>; 2]) -> ModelRecord {
        let data = &self.config.data;
        let [t0, t1] = data.test_days;
        let [v0, v1] = data.validation_days;
        let labels =
            [format!("validation, days {v0}..{v1} of each month"), format!("test, days {t0}..{t1} of each month")];
        let rows = |(comparison, label): (&Comparison, &String)| -> Vec<EvaluationRow> {
            comparison
                .policies
                .iter()
                .map(|p| EvaluationRow {
                    policy: p.policy.clone(),
                    data: label.clone(),
                    days: comparison.days,
                    cost_eur_per_day: p.cost_eur_per_day,
                    cvar95_eur_per_day: p.cvar95_cost,
                    violations: p.violations,
                    chp_starts: p.starts,
                })
                .collect()
        };
        let evaluation =
            tables.into_iter().zip(&labels).filter_map(|(t, l)| t.map(|t| (t, l))).flat_map(rows).collect();
        let training = TrainingRecord {
            description: format!(
                "imitation of the good rule, then gradients through the plant's equations, then TD3 with a cloning term; selected on the validation days at update {} ({:?})",
                best.updates, best.stage
            ),
            algorithm: "model-based policy gradient, TD3+BC".to_owned(),
            data: format!("{}; days {v0}..{v1} validate, days {t0}..{t1} test, all others train", self.options.data),
            seed: self.config.seed,
            steps: summary.steps,
            updates: summary.updates,
            command: self.options.command.clone(),
        };
        let plant_hash = plant_hash(&self.options.plant);
        ModelRecord { name: name.to_owned(), plant_hash, tariff: self.tariff, training, evaluation }
    }
}
