//! `gateway evaluate`

use super::{EXIT_CONFIGURATION, log_to_stderr};
use anyhow::{Context, Result};
use memg_core::equipment::Plant;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_evaluate::compare::{Bound, Comparison, bound_with_progress, compare_with};
use memg_evaluate::{Evaluation, evaluate, trace};
use memg_policy::{PolicySpec, Runtime, load_policy};
use memg_settings::read_site;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Step the environment over a profile's days and print what the policy costs.
///
/// Gaps between days start a new block; each block starts at SoC 0.5, CHP off and free to start, battery at 0, and is
/// corrected for the energy left in the battery.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A rule: idle, seed or rule
    #[arg(long, required_unless_present = "model", conflicts_with = "model")]
    policy: Option<String>,
    /// A model folder, with candle:, ort: or rust: before it to pick the runtime (default: rust)
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// Profile with the columns of config/profiles/site-a-2016.csv
    #[arg(long, value_name = "CSV")]
    profile: PathBuf,
    /// Site file (default: the reference plant)
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Write one row a step
    #[arg(long, value_name = "CSV")]
    trace: Option<PathBuf>,
    /// Longest block, days
    #[arg(long, value_name = "N")]
    block_days: Option<usize>,
    /// Only these days of each month, such as 20-24
    #[arg(long, value_name = "FROM-TO")]
    month_days: Option<String>,
    /// Compare a rule with the perfect-foresight bound too (always done for a model)
    #[arg(long)]
    compare: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("warn");
    let plant = match &args.site {
        None => Plant::reference(),
        Some(path) => match read_site(path) {
            Ok(site) => site.plant,
            Err(problems) => return Ok(super::refuse(&problems)),
        },
    };
    let profile = match read_profile(args, &plant)? {
        Ok(profile) => Arc::new(profile),
        Err(message) => {
            eprintln!("error: {message}");
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    let mut policy = load_policy(&spec(args))?;
    let comparison = match (&args.model, args.compare) {
        (None, false) => None,
        (Some(_), _) => Some(compared(args, plant, &profile, &mut [load_policy(&spec(args))?])?),
        (None, true) => Some(compared(args, plant, &profile, &mut [])?),
    };
    let mut out = args
        .trace
        .as_ref()
        .map(|path| File::create(path).with_context(|| path.display().to_string()))
        .transpose()?
        .map(BufWriter::new);
    if let Some(out) = &mut out {
        writeln!(out, "{}", trace::HEADER)?;
    }
    let mut failed = None;
    let found = evaluate(plant, &profile, args.block_days, policy.as_mut(), |step| {
        if let Some(out) = &mut out
            && let Err(error) = trace::write_row(out, &plant, step)
        {
            failed.get_or_insert(error);
        }
    })?;
    if let Some(error) = failed {
        return Err(error).context("the trace could not be written");
    }
    if let Some(mut out) = out {
        out.flush().context("the trace could not be written")?;
    }
    print(&found, comparison.as_ref(), args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// All policies beside the bound, which takes most of the time.
fn compared(args: &Args, plant: Plant, profile: &Arc<Profile>, policies: &mut [Box<dyn Policy>]) -> Result<Comparison> {
    let bound = bound_of(args, &plant, profile)?;
    Ok(compare_with(plant, profile, args.block_days, policies, bound)?)
}

/// The bound, with a line of progress for people.
fn bound_of(args: &Args, plant: &Plant, profile: &Profile) -> Result<Bound> {
    let wanted = std::io::stderr().is_terminal();
    let tell = |done: usize, of: usize| {
        if wanted {
            eprint!("\rperfect foresight: {done} of {of} parts \x1b[K");
        }
    };
    let found = bound_with_progress(plant, profile, args.block_days, &tell);
    if wanted {
        eprint!("\r\x1b[K");
    }
    Ok(found?)
}

fn spec(args: &Args) -> PolicySpec {
    match (&args.model, &args.policy) {
        // The fastest of the runtimes, which agree within 1e-5: a year is 35 040 decisions.
        (Some(model), _) => PolicySpec::model(model, Runtime::Rust),
        (None, name) => PolicySpec::Rule(name.clone().unwrap_or_default()),
    }
}

fn read_profile(args: &Args, plant: &Plant) -> Result<Result<Profile, String>> {
    let name = args.profile.display().to_string();
    let text = std::fs::read_to_string(&args.profile).with_context(|| name.clone())?;
    let profile = match Profile::parse_csv(&text, plant.step_h()) {
        Ok(profile) => profile.at(plant),
        Err(error) => return Ok(Err(format!("{name}: {error}"))),
    };
    let Some(days) = &args.month_days else { return Ok(Ok(profile)) };
    let Some((from, to)) =
        days.split_once('-').and_then(|(a, b)| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?)))
    else {
        return Ok(Err(format!("--month-days: expected FROM-TO such as 20-24, found {days:?}")));
    };
    let rows: Vec<_> = profile.rows().iter().filter(|row| (from..=to).contains(&row.time.date().2)).copied().collect();
    if rows.is_empty() {
        return Ok(Err(format!("--month-days: no day of {name} is among {days}")));
    }
    Ok(Ok(Profile::from_rows(rows)))
}

/// The evaluation with the judged policy's place in the comparison, and one entry per policy.
fn json(found: &Evaluation, comparison: Option<&Comparison>) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(found)?;
    if let (Some(comparison), Some(all)) = (comparison, value.as_object_mut()) {
        if let Some(own) = comparison.policies.iter().rev().find(|policy| policy.policy == found.policy) {
            all.insert("gap_to_optimum".into(), own.gap_to_optimum.into());
            all.insert("regret_to_rule".into(), own.regret_to_rule.into());
            all.insert("saving_share".into(), own.saving_share.into());
            all.insert("cvar95_regret".into(), own.cvar95_regret.into());
        }
        all.insert("optimum".into(), serde_json::to_value(&comparison.optimum)?);
        all.insert("policies".into(), serde_json::to_value(&comparison.policies)?);
    }
    Ok(value)
}

pub(super) fn print_comparison(comparison: &Comparison) {
    println!(
        "{:<22} {:>9} {:>7} {:>7} {:>11} {:>16} {:>11} {:>13} {:>5} {:>6}",
        "policy",
        "EUR/day",
        "gap",
        "saving",
        "regret/rule",
        "95 % interval",
        "CVaR95 cost",
        "CVaR95 regret",
        "viol.",
        "starts"
    );
    for p in &comparison.policies {
        let [low, high] = p.regret_to_rule_interval;
        println!(
            "{:<22} {:>9.2} {:>6.1}% {:>6.1}% {:>11.3} {:>16} {:>11.2} {:>13.2} {:>5} {:>6}",
            p.policy,
            p.cost_eur_per_day,
            p.gap_to_optimum * 100.0,
            p.saving_share * 100.0,
            p.regret_to_rule,
            format!("{low:.3} .. {high:.3}"),
            p.cvar95_cost,
            p.cvar95_regret,
            p.violations,
            p.starts
        );
    }
    println!(
        "{:<22} {:>9.2}   ({})",
        "perfect foresight", comparison.optimum.cost_eur_per_day, comparison.optimum.kind
    );
}

fn print(found: &Evaluation, comparison: Option<&Comparison>, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json(found, comparison)?)?);
        return Ok(());
    }
    println!("policy               {}", found.policy);
    println!("days, blocks         {}, {}", found.days, found.blocks);
    println!("cost                 {:.2} EUR a day", found.cost_eur_per_day);
    println!(
        "  of that            {:.2} EUR the sum of the trace's cost_eur, {:.2} EUR for stored energy, over all days",
        found.cost_eur_per_day * found.days as f64 - found.stored_energy_eur,
        found.stored_energy_eur
    );
    println!("CVaR95 of cost       {:.2} EUR a day", found.cvar95_cost);
    println!("violations           {} ({} requested, before the filter)", found.violations, found.violations_requested);
    println!("relaxations          {}", serde_json::to_string(&found.relaxations)?);
    println!("CHP starts           {}", found.starts);
    println!("curtailed, unserved  {:.1} kWh, {:.1} kWh", found.curtailed_kwh, found.unserved_kwh);
    if let Some(comparison) = comparison {
        println!();
        print_comparison(comparison);
    }
    Ok(())
}
