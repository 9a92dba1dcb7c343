//! Makes the shipped model `rule-imitation`: an actor that imitates the good rule. A program of its own (an example
//! target of Cargo), not part of the gateway:
//!
//! ```text
//! cargo run --release --example imitate-rule -- config/profiles/site-a-2016.csv models/rule-imitation
//! ```
//!
//! Every fourth block of consecutive days is kept from training; the evaluation in model.toml shows both parts. The same
//! seed on the same instruction set gives the same file.

use memg_core::actor::RustActor;
use memg_core::builtin;
use memg_core::equipment::Plant;
use memg_core::observation::Divisors;
use memg_core::policy::{ActorPolicy, Policy};
use memg_core::profile::Profile;
use memg_core::rules::{self, GoodRule};
use memg_gateway::evaluate::evaluate;
use memg_gateway::policy::model::{EvaluationRow, ModelRecord, TrainingRecord, plant_hash, write_model};
use memg_gateway::policy::weights::Weights;
use memg_gateway::train::imitate::{Imitation, imitate};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// One block in so many is kept for validation.
const VALIDATION_EVERY: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, model] = &arguments[..] else { return Err("expected PROFILE.csv and MODEL_FOLDER".into()) };
    let plant = Plant::reference();
    let all = Profile::parse_csv(&std::fs::read_to_string(profile)?, plant.step().get())?;
    let parts = Parts::of(&all, &stem(profile));
    let imitation = Imitation::default();
    let report = |round, distance| println!("round {round}: mean squared distance {distance:.5}");
    let weights = imitate(plant, &parts.training, &mut GoodRule, &imitation, report)?;
    let name = stem(model);
    let record = ModelRecord {
        divisors: Divisors::of(&plant),
        plant_hash: plant_hash(&plant),
        training: training_record(&imitation, &parts),
        evaluation: evaluation(plant, &parts, &name, &weights)?,
        name,
        forecaster: None,
        tariff: None,
    };
    write_model(Path::new(model), &weights, &record)?;
    Ok(())
}

fn stem(path: &str) -> String {
    Path::new(path).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A profile in two.
struct Parts {
    training: Arc<Profile>,
    validation: Arc<Profile>,
    /// Names of the two, with the number of days.
    names: [String; 2],
}

impl Parts {
    fn of(all: &Profile, name: &str) -> Self {
        let part = |wanted: &dyn Fn(usize) -> bool| {
            let blocks = all.blocks(None).into_iter().enumerate().filter(|(index, _)| wanted(*index));
            let rows = blocks.flat_map(|(_, block)| all.rows()[block].to_vec());
            Arc::new(Profile::from_rows(rows.collect()))
        };
        let is_validation = |index: usize| index % VALIDATION_EVERY == VALIDATION_EVERY - 1;
        let (training, validation) = (part(&|index| !is_validation(index)), part(&is_validation));
        let days = |profile: &Profile| profile.rows().iter().filter(|row| row.time.day_and_minute().1 == 0).count();
        let names = [
            format!("{name}, {} training days", days(&training)),
            format!("{name}, {} validation days", days(&validation)),
        ];
        Self { training, validation, names }
    }
}

fn training_record(imitation: &Imitation, parts: &Parts) -> TrainingRecord {
    TrainingRecord {
        description: "imitation of the good rule".to_owned(),
        algorithm: "behaviour cloning, states of rule and actor (DAgger)".to_owned(),
        data: format!("{} (every fourth block of days is validation)", parts.names[0]),
        seed: imitation.seed,
        steps: imitation.rounds * imitation.episodes * imitation.steps as u64,
        updates: imitation.rounds * imitation.updates,
        command: "cargo run --release --example imitate-rule -- config/profiles/site-a-2016.csv models/rule-imitation"
            .to_owned(),
    }
}

/// The model and the rules, on both parts; printed as well.
fn evaluation(
    plant: Plant,
    parts: &Parts,
    name: &str,
    weights: &Weights,
) -> Result<Vec<EvaluationRow>, Box<dyn Error>> {
    let actor = RustActor::from_safetensors(name, weights.schema(), &weights.to_safetensors()?)?;
    let mut policies: Vec<Box<dyn Policy>> = vec![Box::new(ActorPolicy(actor))];
    policies.extend(rules::NAMES.iter().filter_map(|rule| builtin::by_name(rule)));
    let mut rows = Vec::new();
    for (profile, data) in [&parts.training, &parts.validation].into_iter().zip(&parts.names) {
        for policy in &mut policies {
            let row = evaluation_row(plant, profile, data, policy.as_mut())?;
            println!("{:16} {:40} {:8.3} EUR/day", row.policy, row.data, row.cost_eur_per_day);
            rows.push(row);
        }
    }
    Ok(rows)
}

fn evaluation_row(
    plant: Plant,
    profile: &Arc<Profile>,
    data: &str,
    policy: &mut dyn Policy,
) -> Result<EvaluationRow, Box<dyn Error>> {
    let result = evaluate(plant, profile, &profile.blocks(None), policy, |_| {})?;
    let cents = |eur: f64| (eur * 1000.0).round() / 1000.0;
    Ok(EvaluationRow {
        policy: result.policy,
        data: data.to_owned(),
        days: result.days,
        cost_eur_per_day: cents(result.cost_eur_per_day),
        cvar95_eur_per_day: cents(result.cvar95_cost),
        violations: result.violations,
        chp_starts: result.starts,
    })
}
