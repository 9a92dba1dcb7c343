//! What a run says to people: what happens in each stage, and at the end what the result means in money.

use crate::Stage;
use crate::config::TrainConfig;
use memg_core::rules;
use memg_evaluate::compare::{Compared, Comparison, GOOD_RULE, percent};

/// Days of a year.
const YEAR: f64 = 365.0;

/// What a run is going to do.
#[must_use]
pub fn plan(config: &TrainConfig) -> String {
    let stages = [
        (config.imitation.updates, "imitation"),
        (config.gradient.updates, "gradients through the plant"),
        (config.td3.updates, "TD3"),
    ];
    let named = stages.into_iter().filter(|(updates, _)| *updates > 0);
    let named: Vec<String> = named.map(|(updates, name)| format!("{name} ({updates} updates)")).collect();
    format!(
        "Training: {}, at most {} minutes. Every {} updates the actor is judged on the validation days, and the best one is kept; \
         regret is its cost above perfect foresight over the good rule's: 1 is as good as the rule, 0 cannot be reached.",
        named.join(", then "),
        config.minutes,
        config.validate_every
    )
}

/// What happens in a stage.
#[must_use]
pub fn stage(stage: Stage, config: &TrainConfig) -> String {
    let hours = |steps: usize| steps as f64 / 4.0;
    match stage {
        Stage::Imitation => format!(
            "Imitation: the network learns to ask for what its teacher asks for ({} updates). It begins as good as a rule.",
            config.imitation.updates
        ),
        Stage::Gradient => format!(
            "Gradients through the plant: episodes of {:.0} h are lived through on the training days, and every weight moves to \
             where the plant's own equations say that a day costs less (up to {} updates). This stage does most of the work.",
            hours(config.episodes.steps),
            config.gradient.updates
        ),
        Stage::Td3 => format!(
            "TD3: the actor tries actions with noise, two critics learn what they cost in the long run, and the actor follows the \
             more pessimistic one (up to {} updates). The best actor of all stages is kept, so this cannot make it worse.",
            config.td3.updates
        ),
        Stage::Done => {
            "Final tables on the days that were kept aside, the planner's forecaster, the report.".to_owned()
        }
    }
}

/// The policy of a comparison that is none of the rules: what was trained.
#[must_use]
pub fn trained(comparison: &Comparison) -> Option<&Compared> {
    comparison.policies.iter().find(|policy| !rules::NAMES.contains(&policy.policy.as_str()))
}

/// What a run came to, in a sentence or two: EUR a year beside the good rule, with what chance does to that figure.
#[must_use]
pub fn result(test: Option<&Comparison>, validation: Option<&Comparison>) -> Option<String> {
    let (comparison, days) = match (test, validation) {
        (Some(test), _) => (test, "days that it has never seen"),
        (None, Some(validation)) => (validation, "validation days, which have also selected it"),
        (None, None) => return None,
    };
    let own = trained(comparison)?;
    let rule = comparison.policies.iter().find(|policy| policy.policy == GOOD_RULE)?;
    let [first, second] = own.cost_above_rule_interval;
    let saved = YEAR * (rule.cost_eur_per_day - own.cost_eur_per_day);
    let (least, most) = (-YEAR * first.max(second), -YEAR * first.min(second));
    let way =
        (rule.cost_eur_per_day - own.cost_eur_per_day) / (rule.cost_eur_per_day - comparison.optimum.cost_eur_per_day);
    let verdict = if saved >= 0.0 {
        format!("saves {saved:.0} EUR a year against the good rule (95 % of resampled days: {least:.0} to {most:.0})")
    } else {
        format!("costs {:.0} EUR a year more than the good rule; run the rule instead", -saved)
    };
    Some(format!(
        "{} {verdict}: {:.2} instead of {:.2} EUR a day on {} {days}, {} of the way to perfect foresight ({:.2}, {}), \
         {} limits violated.",
        own.policy,
        own.cost_eur_per_day,
        rule.cost_eur_per_day,
        comparison.days,
        percent(way),
        comparison.optimum.cost_eur_per_day,
        comparison.optimum.kind,
        if own.violations == 0 { "no".to_owned() } else { own.violations.to_string() }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::equipment::Plant;
    use memg_core::forecast::Persistence;
    use memg_core::planner::{Plan, PlanSettings};
    use memg_evaluate::compare::compare;
    use std::sync::Arc;

    #[test]
    fn a_result_is_said_in_euros_a_year_beside_the_rule() {
        let profile = Arc::new(memg_core::synthetic::profile(3, 1));
        let plan = Plan::new(Persistence, PlanSettings { hours: 12, soc_levels: 9 });
        let found = compare(Plant::reference(), &profile, &profile.blocks(Some(1)), &mut [Box::new(plan)]);
        let mut found = found.unwrap();
        let said = result(None, Some(&found)).unwrap();
        let cost = |name: &str| found.policies.iter().find(|p| p.policy == name).unwrap().cost_eur_per_day;
        let saved = format!("plan saves {:.0} EUR a year against the good rule", 365.0 * (cost("rule") - cost("plan")));
        assert!(said.starts_with(&saved) && said.contains("no limits violated"), "{said}");
        assert!(said.contains("on 3 validation days, which have also selected it"), "{said}");
        assert!(said.contains("of the way to perfect foresight") && said.contains("proven lower bound"), "{said}");
        assert!(result(Some(&found), None).unwrap().contains("on 3 days that it has never seen"));
        found.policies.last_mut().unwrap().cost_eur_per_day += 100.0;
        assert!(result(None, Some(&found)).unwrap().contains("more than the good rule; run the rule instead"));
        assert_eq!(result(None, None), None);
    }

    #[test]
    fn every_stage_is_told_with_its_number_of_updates() {
        let config = TrainConfig::default();
        for (of, updates) in [(Stage::Imitation, config.imitation.updates), (Stage::Gradient, config.gradient.updates)]
        {
            assert!(stage(of, &config).contains(&updates.to_string()), "{}", stage(of, &config));
        }
    }
}
