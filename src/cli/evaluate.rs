//! `gateway evaluate`

use super::{EXIT_CONFIGURATION, log_to_stderr};
use anyhow::{Context, Result};
use memg_core::builtin;
use memg_core::equipment::Plant;
use memg_core::planner::{Foresight, PlanSettings};
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_core::rules;
use memg_evaluate::bound_cache::BoundCache;
use memg_evaluate::compare::{Bound, Comparison, comparison, evaluate_all};
use memg_evaluate::{Evaluation, evaluate, trace};
use memg_policy::{PolicySpec, Runtime, load_policy};
use memg_settings::read_site;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::ops::{Range, RangeInclusive};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Step the environment over a profile's days and print what the policy costs.
///
/// Gaps between days start a new block; each block starts at SoC 0.5, CHP off and free to start, battery at 0, and is
/// corrected for the energy left in the battery.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A policy that needs no file: idle, seed or rule (rules), or plan (plans 36 hours ahead on persistence forecasts)
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
    block_days: Option<NonZeroUsize>,
    /// Judge these days of each month alone, such as 20-24; what the profile holds before them is known as history
    #[arg(long, value_name = "FROM-TO")]
    month_days: Option<String>,
    /// Compare a rule with the perfect-foresight bound too (always done for a model and for plan)
    #[arg(long)]
    compare: bool,
    /// Compare with the rules alone: the bound takes most of the time
    #[arg(long, conflicts_with = "compare")]
    no_bound: bool,
    /// Find the bound anew, and do not keep it (in $XDG_CACHE_HOME/memg-gateway or ~/.cache/memg-gateway)
    #[arg(long)]
    no_cache: bool,
    /// Show plan with perfect foresight of each block too, which a policy could reach that knew everything
    #[arg(long)]
    foresight: bool,
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
    let days = match read_days(args, &plant)? {
        Ok(days) => days,
        Err(message) => {
            eprintln!("error: {message}");
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    let (found, beside) = judged_beside(args, plant, &days)?;
    print(&found, &beside, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Evaluates the policy, with a trace if there shall be one.
fn judged(args: &Args, plant: Plant, days: &Days, policy: &mut dyn Policy) -> Result<Evaluation> {
    let file = |path: &PathBuf| File::create(path).with_context(|| path.display().to_string());
    let mut out = args.trace.as_ref().map(file).transpose()?.map(BufWriter::new);
    if let Some(out) = &mut out {
        writeln!(out, "{}", trace::HEADER)?;
    }
    let mut failed = None;
    let found = evaluate(plant, &days.profile, &days.blocks, policy, |step| {
        if let Some(out) = &mut out
            && let Err(error) = trace::write_row(out, &plant, step)
        {
            failed.get_or_insert(error);
        }
    })?;
    failed.map_or(Ok(()), Err).context("the trace could not be written")?;
    out.map_or(Ok(()), |mut out| out.flush()).context("the trace could not be written")?;
    Ok(found)
}

/// Twice as fine as the online planner's, because nothing else blurs it.
const FORESIGHT_SOC_LEVELS: usize = 41;

/// What is judged: blocks of rows, and the profile that they are taken from.
struct Days {
    profile: Arc<Profile>,
    blocks: Vec<Range<usize>>,
}

/// What a policy is shown beside.
enum Beside {
    Nothing,
    Rules(Vec<Evaluation>),
    Bound(Comparison),
}

fn judged_beside(args: &Args, plant: Plant, days: &Days) -> Result<(Evaluation, Beside)> {
    let mut policy = load_policy(&spec(args))?;
    // A rule is among those that every comparison holds; any other policy comes after them.
    let rule = rules::NAMES.iter().position(|name| args.policy.as_deref() == Some(name));
    if rule.is_some() && !args.compare && !args.foresight {
        return Ok((judged(args, plant, days, policy.as_mut())?, Beside::Nothing));
    }
    let bound = if args.no_bound { None } else { Some(bound_of(args, &plant, days)?) };
    let mut others = others(args, days);
    let (found, others) = std::thread::scope(|scope| {
        let others = scope.spawn(|| evaluate_all(plant, &days.profile, &days.blocks, &mut others));
        let found = judged(args, plant, days, policy.as_mut());
        (found, others.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let (found, mut all) = (found?, others?);
    all.insert(rule.unwrap_or(rules::NAMES.len()), found.clone());
    Ok((found, bound.map_or_else(|| Beside::Rules(all.clone()), |bound| Beside::Bound(comparison(&all, bound)))))
}

/// What the judged policy is shown beside: the rules, and the planner that knows all.
fn others(args: &Args, days: &Days) -> Vec<Box<dyn Policy>> {
    let others = rules::NAMES.iter().filter(|name| args.policy.as_deref() != Some(name));
    let mut policies: Vec<Box<dyn Policy>> = others.filter_map(|name| builtin::by_name(name)).collect();
    if args.foresight {
        let settings = PlanSettings { soc_levels: FORESIGHT_SOC_LEVELS, ..PlanSettings::default() };
        policies.push(Box::new(Foresight::new(Arc::clone(&days.profile), days.blocks.clone(), settings)));
    }
    policies
}

/// The bound, with a line of progress for people.
fn bound_of(args: &Args, plant: &Plant, days: &Days) -> Result<Bound> {
    let wanted = std::io::stderr().is_terminal();
    let tell = |done: usize, of: usize| {
        if wanted {
            eprint!("\rperfect foresight: {done} of {of} parts \x1b[K");
        }
    };
    let home = cache_home(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")).filter(|_| !args.no_cache);
    let cache = home.map_or_else(BoundCache::off, |home| BoundCache::within(&home));
    let found = cache.bound(plant, &days.profile, &days.blocks, &tell);
    if wanted {
        eprint!("\r\x1b[K");
    }
    Ok(found?)
}

/// Where a user's programs keep what they can find anew: `$XDG_CACHE_HOME` if it is an absolute path, else `~/.cache`.
fn cache_home(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    xdg.and_then(absolute).or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))
}

fn spec(args: &Args) -> PolicySpec {
    match (&args.model, &args.policy) {
        // The fastest of the runtimes, which agree within 1e-5: a year is 35 040 decisions.
        (Some(model), _) => PolicySpec::model(model, Runtime::Rust),
        (None, name) => PolicySpec::Rule(name.clone().unwrap_or_default()),
    }
}

fn read_days(args: &Args, plant: &Plant) -> Result<Result<Days, String>> {
    let name = args.profile.display().to_string();
    let text = std::fs::read_to_string(&args.profile).with_context(|| name.clone())?;
    let profile = match Profile::parse_csv(&text, plant.step_h()) {
        Ok(profile) => profile.at(plant),
        Err(error) => return Ok(Err(format!("{name}: {error}"))),
    };
    let wanted = match args.month_days.as_deref().map(month_days).transpose() {
        Ok(wanted) => wanted.unwrap_or(i64::MIN..=i64::MAX),
        Err(message) => return Ok(Err(message)),
    };
    let longest = args.block_days.map(NonZeroUsize::get);
    let blocks = profile.blocks_among(longest, |row| wanted.contains(&row.time.date().2));
    if blocks.is_empty() {
        let days = args.month_days.as_deref().unwrap_or_default();
        return Ok(Err(format!("--month-days: no day of {name} is among {days}")));
    }
    Ok(Ok(Days { profile: Arc::new(profile), blocks }))
}

/// First and last day of a month.
fn month_days(text: &str) -> Result<RangeInclusive<i64>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to) = ends.ok_or_else(|| format!("--month-days: expected FROM-TO such as 20-24, found {text:?}"))?;
    Ok(from..=to)
}

/// The evaluation with the judged policy's place in the comparison, and one entry per policy.
fn json(found: &Evaluation, beside: &Beside) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(found)?;
    if let (Beside::Rules(policies), Some(all)) = (beside, value.as_object_mut()) {
        all.insert("policies".into(), serde_json::to_value(policies)?);
    }
    if let (Beside::Bound(comparison), Some(all)) = (beside, value.as_object_mut()) {
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
        "{:<22} {:>9} {:>7} {:>7} {:>11} {:>16} {:>11} {:>13} {:>5} {:>6} {:>7}",
        "policy",
        "EUR/day",
        "gap",
        "saving",
        "regret/rule",
        "95 % interval",
        "CVaR95 cost",
        "CVaR95 regret",
        "viol.",
        "starts",
        "end SoC"
    );
    for p in &comparison.policies {
        let [low, high] = p.regret_to_rule_interval;
        println!(
            "{:<22} {:>9.2} {:>6.1}% {:>6.1}% {:>11.3} {:>16} {:>11.2} {:>13.2} {:>5} {:>6} {:>7.2}",
            p.policy,
            p.cost_eur_per_day,
            p.gap_to_optimum * 100.0,
            p.saving_share * 100.0,
            p.regret_to_rule,
            format!("{low:.3} .. {high:.3}"),
            p.cvar95_cost,
            p.cvar95_regret,
            p.violations,
            p.starts,
            p.soc_at_block_ends
        );
    }
    println!(
        "{:<22} {:>9.2}   ({})",
        "perfect foresight", comparison.optimum.cost_eur_per_day, comparison.optimum.kind
    );
}

/// The table without a bound.
fn print_rules(policies: &[Evaluation]) {
    println!("{:<22} {:>9} {:>11} {:>5} {:>6} {:>7}", "policy", "EUR/day", "CVaR95 cost", "viol.", "starts", "end SoC");
    for p in policies {
        println!(
            "{:<22} {:>9.2} {:>11.2} {:>5} {:>6} {:>7.2}",
            p.policy,
            p.cost_eur_per_day,
            p.cvar95_cost,
            p.violations,
            p.starts,
            mean(&p.soc_at_block_ends)
        );
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn print(found: &Evaluation, beside: &Beside, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json(found, beside)?)?);
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
    println!("SoC at block ends    {:.2} on average, each block began at 0.50", mean(&found.soc_at_block_ends));
    match beside {
        Beside::Nothing => {}
        Beside::Rules(policies) => {
            println!();
            print_rules(policies);
        }
        Beside::Bound(comparison) => {
            println!();
            print_comparison(comparison);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_cache_folder_is_the_one_of_the_environment_or_in_the_home_folder() {
        let found = |xdg: Option<&str>, home: Option<&str>| cache_home(xdg.map(Into::into), home.map(Into::into));
        let is = |path: &str| Some(PathBuf::from(path));
        assert_eq!(found(Some("/var/cache/me"), Some("/home/me")), is("/var/cache/me"));
        for unusable in [None, Some(""), Some("relative")] {
            assert_eq!(found(unusable, Some("/home/me")), is("/home/me/.cache"), "{unusable:?}");
            assert_eq!(found(unusable, None), None, "{unusable:?}");
        }
    }
}
