//! `gateway train`

use super::{EXIT_CONFIGURATION, log_to_stderr, parse_duration};
use anyhow::{Context, Result};
use memg_core::equipment::Plant;
use memg_core::observation::Schema;
use memg_policy::plan_folder::ForecastError;
use memg_settings::read_site;
use memg_train::config::TrainConfig;
use memg_train::forecast::PlanSummary;
use memg_train::stage_updates::StageUpdates;
use memg_train::{Begin, Stage, TrainError, TrainOptions, TrainingProgress, TrainingSummary, words};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Learn a policy offline. Ends with a model folder if the actor beats the good rule on validation days, with a planner's
/// folder, and with a report either way. Ctrl-C and SIGTERM save a checkpoint; --resume continues from it, bit for bit.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Training configuration (default: built in, see config/train/)
    config: Option<PathBuf>,
    /// Profile with the columns of config/profiles/site-a-2016.csv
    #[arg(long, value_name = "CSV", default_value = "config/profiles/site-a-2016.csv")]
    profile: PathBuf,
    /// Observation: 10d, extended or forecast
    #[arg(long, value_parser = super::parse_schema)]
    schema: Option<Schema>,
    /// Output folder: checkpoint, metrics, report, model, plan
    #[arg(long, value_name = "DIR", default_value = "train-out")]
    out: PathBuf,
    /// Site file (default: the reference plant)
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Count with what `gateway learn` found of this plant, in training and in judging
    #[arg(long, value_name = "DIR")]
    plant_learned: Option<PathBuf>,
    /// Seed of every random number
    #[arg(long)]
    seed: Option<u64>,
    /// Updates of all stages together; or of each (imitation, gradients, TD3 of the critics alone, TD3), without a time limit
    /// unless --minutes says one: so model.toml names those that were made
    #[arg(long, value_name = "N|I,G,C,T", value_parser = parse_updates)]
    updates: Option<Updates>,
    /// Longest time, minutes; updates that do not fit are cut, and the summary says so
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Continue from the checkpoint in the output folder: the same command, but for --minutes and --force
    #[arg(long)]
    resume: bool,
    /// Begin anew although there is a checkpoint in the output folder, and remove it
    #[arg(long, conflicts_with = "resume")]
    anew: bool,
    /// Fit the planner's forecaster alone: seconds
    #[arg(long, value_enum, conflicts_with_all = ["resume", "anew", "force", "updates", "minutes", "seed", "schema"])]
    only: Option<Only>,
    /// Export the actor even if it does not beat the good rule on the validation days
    #[arg(long)]
    force: bool,
    /// Show the run in this output folder beside this one in the report, such as another seed's; may be repeated
    #[arg(long, value_name = "DIR")]
    beside: Vec<PathBuf>,
    /// Print the summary as JSON, and no progress
    #[arg(long)]
    json: bool,
    /// Stop after this wall time as Ctrl-C would (for tests of resuming)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, hide = true)]
    interrupt_after: Option<Duration>,
}

/// What alone is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// The planner's folder.
    Plan,
}

/// Updates of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Updates {
    Total(u64),
    Stages(StageUpdates),
}

fn parse_updates(text: &str) -> Result<Updates, String> {
    match text.parse() {
        Ok(total) => Ok(Updates::Total(total)),
        Err(_) => text.parse().map(Updates::Stages).map_err(|error: String| format!("a number, or {error}")),
    }
}

/// Minutes of a run that ends with its updates.
const NO_TIME_LIMIT: f64 = 1e6;

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("warn");
    match train(args) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref() {
            Some(TrainError::Config(message)) => {
                eprintln!("error: {message}");
                Ok(ExitCode::from(EXIT_CONFIGURATION))
            }
            _ => Err(error),
        },
    }
}

fn train(args: &Args) -> Result<()> {
    let options = options(args)?;
    if args.only == Some(Only::Plan) {
        return print_plan(&memg_train::forecast::write(&options)?, args.json);
    }
    stop_on_signal(Arc::clone(&options.stop), args.interrupt_after)?;
    let mut bar = Bar::new(!args.json, options.config.clone());
    bar.say(&words::plan(&options.config));
    let summary = memg_train::run(&options, &mut |progress| bar.show(progress));
    bar.end();
    print(&summary?, args)
}

fn options(args: &Args) -> Result<TrainOptions> {
    let stated = plant(args.site.as_deref())?;
    let plant = super::learn::believing(stated, args.plant_learned.as_deref()).map_err(TrainError::Config)?;
    let config = config(args)?;
    Ok(TrainOptions {
        config,
        plant,
        profile: Arc::new(super::read_profile(&args.profile, &plant)?.map_err(TrainError::Config)?),
        data: args.profile.display().to_string(),
        out: args.out.clone(),
        model: None,
        beside: args.beside.clone(),
        begin: match (args.resume, args.anew) {
            (true, _) => Begin::Resume,
            (false, true) => Begin::Anew,
            (false, false) => Begin::Fresh,
        },
        force: args.force,
        command: command_line(std::env::args().skip(1)),
        stop: Arc::new(AtomicBool::new(false)),
    })
}

/// The file's settings, or the built-in ones, with what the command line changes.
fn config(args: &Args) -> Result<TrainConfig> {
    let mut config = match &args.config {
        None => TrainConfig::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let wrong = |message| TrainError::Config(format!("{}: {message}", path.display()));
            TrainConfig::parse(&text).map_err(wrong)?
        }
    };
    config.schema = args.schema.unwrap_or(config.schema);
    config.seed = args.seed.unwrap_or(config.seed);
    match args.updates {
        None => {}
        Some(Updates::Total(updates)) => config.set_updates(updates),
        Some(Updates::Stages(updates)) => {
            config.set_stage_updates(updates);
            config.minutes = NO_TIME_LIMIT;
        }
    }
    config.minutes = args.minutes.unwrap_or(config.minutes);
    Ok(config)
}

fn plant(site: Option<&Path>) -> Result<Plant, TrainError> {
    let Some(site) = site else { return Ok(Plant::reference()) };
    read_site(site).map(|site| site.plant).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        TrainError::Config(lines.join("\n"))
    })
}

/// The command as typed, without the program's own path and without what does not say what is trained: a resumed run is the
/// same, bit for bit, as one that was never stopped, and how far time sufficed is told by the updates that were made.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let (mut kept, mut arguments) = (vec!["gateway".to_owned()], arguments);
    while let Some(argument) = arguments.next() {
        match argument.split_once('=').map_or(argument.as_str(), |(flag, _)| flag) {
            "--resume" | "--anew" => {}
            "--updates" | "--minutes" => {
                if !argument.contains('=') {
                    arguments.next();
                }
            }
            _ => kept.push(argument),
        }
    }
    kept.join(" ")
}

fn stop_on_signal(stop: Arc<AtomicBool>, after: Option<Duration>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            let timer = async {
                match after {
                    Some(after) => tokio::time::sleep(after).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = super::wait_for_signal() => {}
                () = timer => {}
            }
            stop.store(true, Ordering::Relaxed);
            // A second one ends at once; the checkpoint of before is intact.
            super::insisted().await;
            std::process::exit(130);
        });
    })?;
    Ok(())
}

/// A progress bar that redraws one line in a terminal, and a line every half minute elsewhere.
struct Bar {
    wanted: bool,
    terminal: bool,
    last: Option<Instant>,
    /// What is going on has been said in words.
    told: Option<Stage>,
    config: TrainConfig,
}

impl Bar {
    fn new(wanted: bool, config: TrainConfig) -> Self {
        Self { wanted, terminal: std::io::stderr().is_terminal(), last: None, told: None, config }
    }

    /// A line above the bar.
    fn say(&self, words: &str) {
        if self.wanted {
            eprintln!("{}{words}", if self.terminal { "\r\x1b[K" } else { "" });
        }
    }

    fn show(&mut self, p: &TrainingProgress) {
        if self.told.replace(p.stage) != Some(p.stage) {
            self.say(&words::stage(p.stage, &self.config));
        }
        let pause = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(30) };
        let soon = self.last.is_some_and(|last| last.elapsed() < pause);
        if !self.wanted || (soon && p.stage != Stage::Done) {
            return;
        }
        self.last = Some(Instant::now());
        let (line, mut out) = (line(p), std::io::stderr().lock());
        let _ = if self.terminal { write!(out, "\r{line}\x1b[K") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    fn end(&self) {
        if self.wanted && self.terminal {
            eprintln!();
        }
    }
}

/// A progress bar by time, as far as the time that is left is known, and by updates before.
fn line(p: &TrainingProgress) -> String {
    let share = match p.remaining_s {
        Some(left_s) => p.seconds / (p.seconds + left_s).max(1e-9),
        None => p.updates as f64 / p.planned.max(1) as f64,
    };
    let filled = (share.min(1.0) * 24.0).round() as usize;
    let left = p.remaining_s.map_or_else(|| "time left unknown".to_owned(), |left_s| format!("{left_s:.0} s left"));
    let cut = if p.planned < p.asked { format!(" of {} (cut for time)", p.asked) } else { String::new() };
    let regret = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
    format!(
        "{}{} {:>3.0} %  {}  {:.0} updates/s, {} in all{cut}  {left}  regret/rule {} (best {})",
        "█".repeat(filled),
        "░".repeat(24 - filled.min(24)),
        share * 100.0,
        if p.stage == Stage::Done { "final tables".to_owned() } else { format!("{:?}", p.stage) },
        p.rate,
        p.planned,
        regret(p.validation_regret_to_rule),
        regret(p.best_regret_to_rule)
    )
}

fn print(summary: &TrainingSummary, args: &Args) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(summary)?);
        return Ok(());
    }
    if summary.interrupted {
        println!("Stopped after {} updates; saved {}.", summary.updates, summary.checkpoint.display());
        println!("Continue with the same command and --resume.");
        return Ok(());
    }
    if let Some(said) = words::result(summary.test.as_ref(), summary.validation.as_ref()) {
        println!("{said}\n");
    }
    println!("{} updates, {} environment steps in {:.0} s", summary.updates, summary.steps, summary.seconds);
    if let Some(cut) = &summary.cut {
        println!("Cut: {cut}; --updates {} makes the same model again", summary.stage_updates);
    }
    if let Some(comparison) = &summary.validation {
        println!("\nValidation days (used for selection)");
        super::evaluate_tables::print_comparison(comparison);
    }
    if let Some(comparison) = &summary.test {
        println!("\nTest days (never used before)");
        super::evaluate_tables::print_comparison(comparison);
    }
    match (&summary.model, &summary.refused) {
        (Some(model), _) => println!("\nModel: {}", model.display()),
        (None, Some(why)) => println!("\nNo model was exported: {why}"),
        (None, None) => println!("\nNo model was exported."),
    }
    match (&summary.plan, &summary.plan_refused) {
        (Some(plan), _) => print_plan(plan, false)?,
        (None, Some(why)) => println!("No planner was exported: {why}"),
        (None, None) => {}
    }
    if let Some(report) = &summary.report {
        println!("Report: {}", report.display());
    }
    Ok(())
}

fn print_plan(summary: &PlanSummary, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(summary)?);
        return Ok(());
    }
    println!("Mean absolute error of forecasts, kW   1 h ahead  24 h ahead");
    for row in &summary.errors {
        let ForecastError { forecaster, data, quantity, mae_1h, mae_24h, .. } = row;
        println!("  {forecaster:<12} {quantity:<22} {mae_1h:>9.3} {mae_24h:>11.3}   {data}");
    }
    println!("Planner: {}, {} rows fitted in {:.1} s", summary.plan.display(), summary.rows, summary.seconds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_command_is_free_of_how_fast_and_how_often_it_ran() {
        let typed =
            "train c.toml --minutes 9 --seed 2 --updates=7 --out x --resume --minutes=3 --updates 1,2,3,4 --force";
        let recorded = command_line(typed.split(' ').map(str::to_owned));
        assert_eq!(recorded, "gateway train c.toml --seed 2 --out x --force");
    }

    #[test]
    fn a_bar_is_full_only_when_nothing_is_left_to_wait_for() {
        let mut p = TrainingProgress {
            stage: Stage::Td3,
            updates: 990,
            planned: 1000,
            asked: 1300,
            rate: 10.0,
            seconds: 60.0,
            remaining_s: Some(60.0),
            validation_regret_to_rule: None,
            best_regret_to_rule: Some(0.5),
        };
        assert!(line(&p).contains(" 50 %") && line(&p).contains("1000 in all of 1300 (cut for time)"), "{}", line(&p));
        p.remaining_s = None;
        assert!(line(&p).contains("time left unknown"), "{}", line(&p));
        p.stage = Stage::Done;
        assert!(line(&p).contains("final tables"), "{}", line(&p));
    }
}
