//! The shipped actors on sites that they were not trained for: not worse than the good rule, without being trained again.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use memg_core::equipment::Plant;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_core::rules::GoodRule;
use memg_gateway::evaluate::sites::{Site, other_sites};
use memg_gateway::evaluate::{Evaluation, evaluate};
use memg_gateway::policy::{PolicySpec, Runtime, load_policy};
use std::path::Path;
use std::sync::Arc;

/// What an actor may cost more than the rule, as a share of the rule's cost. At hours when a fixed feed-in price lies as far
/// below the import price as at home, the guard of the ten-number actor cannot tell the two apart.
const SLACK: f64 = 0.01;

/// Three days of each month of site A.
fn home() -> Profile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles/site-a-2016.csv");
    let all = Profile::parse_csv(&std::fs::read_to_string(path).unwrap(), 0.25).unwrap();
    let chosen = all.rows().iter().filter(|row| (5..=7).contains(&row.time.date().2));
    Profile::from_rows(chosen.copied().collect())
}

fn judged(profile: &Arc<Profile>, policy: &mut dyn Policy) -> Evaluation {
    evaluate(Plant::reference(), profile, &profile.blocks(None), policy, |_| {}).unwrap()
}

fn not_worse_than_the_rule(model: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model);
    let mut actor = load_policy(&PolicySpec::Model { dir, runtime: Runtime::Rust }, &Plant::reference()).unwrap();
    let mut worse = Vec::new();
    for Site { name, profile } in other_sites(&home()) {
        let profile = Arc::new(profile);
        let (rule, own) = (judged(&profile, &mut GoodRule), judged(&profile, actor.as_mut()));
        let more = own.cost_eur_per_day - rule.cost_eur_per_day;
        eprintln!("{model} {name}: {more:+.2} EUR/day");
        if more > SLACK * rule.cost_eur_per_day || own.violations > 0 {
            worse.push(format!("{name}: {more:+.2} EUR/day, {} violations", own.violations));
        }
    }
    assert!(worse.is_empty(), "{model}:\n{}", worse.join("\n"));
}

#[test]
fn the_ten_number_actor_is_not_worse_than_the_rule_on_other_sites() {
    not_worse_than_the_rule("actor-10d");
}

#[test]
fn the_extended_actor_is_not_worse_than_the_rule_on_other_sites() {
    not_worse_than_the_rule("actor-extended");
}

#[test]
fn the_actor_that_sees_forecasts_is_not_worse_than_the_rule_on_other_sites() {
    not_worse_than_the_rule("actor-forecast");
}
