//! `gateway evaluate`

use super::evaluate_tables::{self as tables, Beside, Judged};
use super::{EXIT_CONFIGURATION, log_to_stderr};
use anyhow::{Context, Result};
use memg_core::builtin;
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::observation::{Divisors, Schema};
use memg_core::planner::{Foresight, PlanSettings};
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_core::rules;
use memg_evaluate::bound_cache::BoundCache;
use memg_evaluate::compare::{Bound, comparison, evaluate_all};
use memg_evaluate::observing::Observing;
use memg_evaluate::{Evaluation, Simulated, evaluate_settled, trace};
use memg_policy::{PolicySpec, Runtime, load_policy};
use memg_settings::read_site;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::ops::{Range, RangeInclusive};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Step the environment over a profile's days and print what policies cost.
///
/// Gaps between days start a new block; each block starts at SoC 0.5, CHP off and free to start, battery at 0, and is
/// corrected for the energy left in the battery. Several policies, models and sites give one table.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A policy as a configuration names it: idle, seed, rule (rules), plan (plans 36 hours ahead on persistence forecasts)
    /// or a model folder; may be repeated
    #[arg(long, value_name = "POLICY", required_unless_present = "model")]
    policy: Vec<String>,
    /// A model folder, with candle:, ort: or rust: before it to pick the runtime (default: rust); may be repeated
    #[arg(long, value_name = "DIR")]
    model: Vec<String>,
    /// Profile with the columns of config/profiles/site-a-2016.csv, see config/profiles/README.md
    #[arg(long, value_name = "CSV")]
    profile: PathBuf,
    /// Site file (default: the reference plant); may be repeated
    #[arg(long, value_name = "FILE")]
    site: Vec<PathBuf>,
    /// Site file of the plant as it really is: flows, costs and states of charge are its; policies and limits count with --site
    #[arg(long, value_name = "FILE")]
    plant_truth: Option<PathBuf>,
    /// Count with what `gateway learn` found of the plant of --site; without --plant-truth the simulated plant is that, too
    #[arg(long, value_name = "DIR")]
    plant_learned: Option<PathBuf>,
    /// Write one row a step (of one policy at one site)
    #[arg(long, value_name = "CSV")]
    trace: Option<PathBuf>,
    /// Let the trace hold what a network of this schema would see: 10d or extended
    #[arg(long, value_name = "SCHEMA", requires = "trace", value_parser = super::parse_schema)]
    observations: Option<Schema>,
    /// Longest block, days
    #[arg(long, value_name = "N")]
    block_days: Option<NonZeroUsize>,
    /// Judge these days of each month alone, such as 20-24; what the profile holds before them is known as history
    #[arg(long, value_name = "FROM-TO")]
    month_days: Option<String>,
    /// Compare rules alone with the perfect-foresight bound too (always done for a model and for plan)
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

/// The user's input is wrong; the status is then that of a wrong configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Wrong(String);

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("warn");
    match judge(args) {
        Ok(sites) => tables::print(&sites, args.json).map(|()| ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<Wrong>() {
            Some(wrong) => {
                eprintln!("error: {wrong}");
                Ok(ExitCode::from(EXIT_CONFIGURATION))
            }
            None => Err(error),
        },
    }
}

/// Every asked policy at every site.
fn judge(args: &Args) -> Result<Vec<Judged>> {
    let asked = asked(args)?;
    if args.trace.is_some() && (asked.len() > 1 || args.site.len() > 1) {
        return Err(Wrong("--trace: expected one policy and one site".to_owned()).into());
    }
    let sites: Vec<Option<&Path>> = match &args.site[..] {
        [] => vec![None],
        files => files.iter().map(|file| Some(file.as_path())).collect(),
    };
    let judged = sites.into_iter().map(|site| judge_at(args, &asked, simulated(args, site)?, site_name(site)));
    judged.collect()
}

/// What is asked for, in the order of the kinds of flags: `--policy`, then `--model`.
fn asked(args: &Args) -> Result<Vec<PolicySpec>> {
    // The fastest of the runtimes, which agree within 1e-5: a year is 35 040 decisions.
    let policy =
        |text: &String| PolicySpec::parse(text, Runtime::Rust).map_err(|error| Wrong(error.to_string()).into());
    let models = args.model.iter().map(|text| Ok(PolicySpec::model(text, Runtime::Rust)));
    args.policy.iter().map(policy).chain(models).collect()
}

fn plant(site: Option<&Path>) -> Result<Plant> {
    let Some(path) = site else { return Ok(Plant::reference()) };
    let problems = |problems: Vec<memg_plant_io::problem::Problem>| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Wrong(lines.join("\nerror: "))
    };
    Ok(read_site(path).map_err(problems)?.plant)
}

/// The plant as policies and limits believe it to be, and as it is.
fn simulated(args: &Args, site: Option<&Path>) -> Result<Simulated> {
    let believed = super::learn::believing(plant(site)?, args.plant_learned.as_deref()).map_err(Wrong)?;
    let Some(path) = &args.plant_truth else { return Ok(believed.into()) };
    let truth = plant(Some(path))?;
    let (own, true_ones) = (believed.stated(), truth.stated());
    let counts = |p: &PlantParameters| (p.battery.len(), p.chp.len(), p.step_h);
    if counts(own) != counts(true_ones) {
        let message = format!("--plant-truth: {} has other units or steps than the site", path.display());
        return Err(Wrong(message).into());
    }
    Ok(Simulated { believed, truth })
}

/// The file's name without its ending.
fn site_name(site: Option<&Path>) -> String {
    let stem = site.and_then(Path::file_stem);
    stem.map_or_else(|| "reference plant".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What is judged: blocks of rows, and the profile that they are taken from.
struct Days {
    profile: Arc<Profile>,
    blocks: Vec<Range<usize>>,
}

fn judge_at(args: &Args, asked: &[PolicySpec], plant: Simulated, site: String) -> Result<Judged> {
    let days = read_days(args, &plant.believed)?;
    let load = |spec: &PolicySpec| load_policy(spec, &plant.believed).with_context(|| spec.to_string());
    let mut policies = asked.iter().map(load).collect::<Result<Vec<_>>>()?;
    // A rule is among those that every comparison holds; any other policy comes after them.
    let is_rule = |spec: &PolicySpec| matches!(spec, PolicySpec::Rule(name) if rules::NAMES.contains(&name.as_str()));
    let alone = asked.len() == 1 && asked.iter().all(is_rule) && !args.compare && !args.foresight;
    if alone {
        let found = found(args, plant, &days, &mut policies)?;
        return Ok(Judged { site, found, beside: Beside::Nothing });
    }
    let wants_bound = !args.no_bound && (args.compare || args.foresight || !asked.iter().all(is_rule));
    let bound = wants_bound.then(|| bound_of(args, &plant.truth, &days)).transpose()?;
    let mut others = others(args, asked, &days);
    let (found, others) = std::thread::scope(|scope| {
        let others = scope.spawn(|| evaluate_all(plant, &days.profile, &days.blocks, &mut others));
        let found = found(args, plant, &days, &mut policies);
        (found, others.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let mut found = found?;
    tell_apart(asked, &mut found);
    let all = in_order(&found, others?);
    let beside = match bound {
        None => Beside::Rules(all),
        Some(bound) => Beside::Bound(comparison(&all, bound)),
    };
    Ok(Judged { site, found, beside })
}

/// Rules first, in their own order; then what else was asked for, then what is shown beside.
fn in_order(found: &[Evaluation], others: Vec<Evaluation>) -> Vec<Evaluation> {
    let place = |e: &Evaluation| rules::NAMES.iter().position(|name| *name == e.policy).unwrap_or(rules::NAMES.len());
    let mut all: Vec<Evaluation> = found.iter().cloned().chain(others).collect();
    all.sort_by_key(place);
    all
}

/// Policies of one name are called by what was asked for: two folders may hold a planner each.
fn tell_apart(asked: &[PolicySpec], found: &mut [Evaluation]) {
    let names: Vec<String> = found.iter().map(|e| e.policy.clone()).collect();
    for ((spec, evaluation), name) in asked.iter().zip(found).zip(&names) {
        let is_taken = names.iter().filter(|other| *other == name).count() > 1 || rules::NAMES.contains(&name.as_str());
        if let (PolicySpec::Model { dir, .. }, true) = (spec, is_taken) {
            evaluation.policy = dir.display().to_string();
        }
    }
}

/// What was asked for; with a trace if there shall be one.
fn found(args: &Args, plant: Simulated, days: &Days, policies: &mut [Box<dyn Policy>]) -> Result<Vec<Evaluation>> {
    match (&args.trace, policies) {
        (Some(path), [policy]) => Ok(vec![traced(args, path, plant, days, policy.as_mut())?]),
        (_, policies) => Ok(evaluate_all(plant, &days.profile, &days.blocks, policies)?),
    }
}

fn traced(args: &Args, path: &Path, plant: Simulated, days: &Days, policy: &mut dyn Policy) -> Result<Evaluation> {
    let unwritten = || format!("the trace {} could not be written", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(unwritten)?);
    let schema = args.observations;
    writeln!(out, "{}", trace::header(schema)).with_context(unwritten)?;
    let mut failed = None;
    let mut write = |step: &_, settled| {
        if let Err(error) = trace::write_row(&mut out, &plant.truth, step, settled, schema) {
            failed.get_or_insert(error);
        }
    };
    let Days { profile, blocks } = days;
    let found = match schema {
        None => evaluate_settled(plant, profile, blocks, policy, &mut write)?,
        Some(schema) => {
            let mut observing = Observing { policy, schema, divisors: Divisors::of(&plant.believed) };
            evaluate_settled(plant, profile, blocks, &mut observing, &mut write)?
        }
    };
    failed.map_or(Ok(()), Err).and_then(|()| out.flush()).with_context(unwritten)?;
    Ok(found)
}

/// Twice as fine as the online planner's, because nothing else blurs it.
const FORESIGHT_SOC_LEVELS: usize = 41;

/// What the judged policies are shown beside: the other rules, and the planner that knows all.
fn others(args: &Args, asked: &[PolicySpec], days: &Days) -> Vec<Box<dyn Policy>> {
    let is_asked = |name: &str| asked.iter().any(|spec| matches!(spec, PolicySpec::Rule(asked) if asked == name));
    let others = rules::NAMES.iter().filter(|name| !is_asked(name));
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

fn read_days(args: &Args, plant: &Plant) -> Result<Days> {
    let name = args.profile.display().to_string();
    let profile = super::read_profile(&args.profile, plant)?.map_err(Wrong)?;
    let wanted = args.month_days.as_deref().map(month_days).transpose().map_err(Wrong)?.unwrap_or(i64::MIN..=i64::MAX);
    let longest = args.block_days.map(NonZeroUsize::get);
    let blocks = profile.blocks_among(longest, |row| wanted.contains(&row.time.date().2));
    if blocks.is_empty() {
        let days = args.month_days.as_deref().unwrap_or_default();
        return Err(Wrong(format!("--month-days: no day of {name} is among {days}")).into());
    }
    Ok(Days { profile: Arc::new(profile), blocks })
}

/// First and last day of a month.
fn month_days(text: &str) -> Result<RangeInclusive<i64>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to) = ends.ok_or_else(|| format!("--month-days: expected FROM-TO such as 20-24, found {text:?}"))?;
    Ok(from..=to)
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
