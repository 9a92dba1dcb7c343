//! Puts models on sites that they were not trained for, and the planner, which is trained for none, and prints what they
//! cost there beside the good rule. A program of its own (an example target of Cargo), not part of the gateway:
//!
//! ```text
//! cargo run --release --example second-site -- config/profiles/site-a-2016.csv plan models/actor-10d models/actor-extended
//! cargo run --release --example second-site -- config/profiles/site-a-2016.csv --write "household tariff" site.csv
//! ```
//!
//! The second form writes a site's days, for `gateway train --profile site.csv` and `gateway evaluate`. No actor is
//! selected by these figures.

use memg_core::builtin;
use memg_core::equipment::Plant;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_core::rules::GoodRule;
use memg_gateway::evaluate::sites::{Site, other_sites};
use memg_gateway::evaluate::{Evaluation, evaluate};
use memg_gateway::policy::{PolicySpec, Runtime, load_policy};
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((profile, rest)) = arguments.split_first() else { return Err("expected PROFILE.csv MODEL…".into()) };
    let home = Profile::parse_csv(&std::fs::read_to_string(profile)?, Plant::reference().step().get())?;
    let sites = other_sites(&home);
    match rest {
        [flag, name, file] if flag == "--write" => {
            let site = sites.iter().find(|site| site.name == name).ok_or("no such site")?;
            Ok(std::fs::write(file, site.to_csv())?)
        }
        models => compare(sites, models),
    }
}

/// One line a site: the rule's cost, and what each model costs more.
fn compare(sites: Vec<Site>, models: &[String]) -> Result<(), Box<dyn Error>> {
    println!("{:24} {:>14}  EUR a day more than the rule (violations)", "site", "rule, EUR/day");
    for Site { name, profile } in sites {
        let profile = Arc::new(profile);
        let rule = judged(&profile, &mut GoodRule)?;
        print!("{name:24} {:>14.2}", rule.cost_eur_per_day);
        for model in models {
            let spec = match model.as_str() {
                name if builtin::NAMES.contains(&name) => PolicySpec::Rule(name.to_owned()),
                folder => PolicySpec::model(folder, Runtime::Rust),
            };
            let found = judged(&profile, load_policy(&spec, &Plant::reference())?.as_mut())?;
            let more = found.cost_eur_per_day - rule.cost_eur_per_day;
            print!("  {} {more:+.2} ({})", found.policy, found.violations);
        }
        println!();
    }
    Ok(())
}

fn judged(profile: &Arc<Profile>, policy: &mut dyn Policy) -> Result<Evaluation, Box<dyn Error>> {
    Ok(evaluate(Plant::reference(), profile, &profile.blocks(None), policy, |_| {})?)
}
