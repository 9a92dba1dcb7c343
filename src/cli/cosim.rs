//! `gateway fmu`, `gateway cosim`, `gateway mosaik`

use super::{EXIT_CONFIGURATION, log_to_stderr, parse_duration, refuse};
use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use memg_core::equipment::PlantParameters;
use memg_core::profile::Profile;
use memg_cosim::{BuildOptions, CosimError, CosimOptions, Direction, MosaikOptions, UnitOptions};
use memg_fmu::describe::Fmi;
use memg_fmu::model::Kind;
use memg_policy::{PolicySpec, Runtime};
use memg_settings::read_site;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Pack or check FMUs
#[derive(Debug, Subcommand)]
pub(super) enum FmuCommand {
    /// Pack the controller and the plant as FMUs
    Build(BuildArgs),
    /// Unpack, load, initialize and step an FMU once
    Check {
        /// The .fmu file
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    Ems,
    Plant,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FmiName {
    #[value(name = "2")]
    Two,
    #[value(name = "3")]
    Three,
    Both,
}

#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    /// The controller, the plant, or both
    #[arg(long, value_enum, default_value = "both")]
    kind: KindName,
    /// Version of the standard
    #[arg(long, value_enum, default_value = "both")]
    fmi: FmiName,
    /// Model folder whose weights travel along (default: the good rule decides)
    #[arg(long, value_name = "DIR", value_parser = rust_model)]
    model: Option<PathBuf>,
    /// Site file (default: the reference plant)
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Profile of the plant FMU (default: synthetic days)
    #[arg(long, value_name = "CSV")]
    profile: Option<PathBuf>,
    /// The FMU library (default: looked for beside the gateway; cargo build --profile fmu -p memg-fmu makes it)
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
    /// Folder for the files
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

pub(super) fn fmu_main(command: &FmuCommand) -> Result<ExitCode> {
    log_to_stderr("warn");
    match command {
        FmuCommand::Check { file } => {
            println!("{}", or_leave(memg_cosim::fmu_check(file, memg_cosim::PATIENCE), None)?);
            Ok(ExitCode::SUCCESS)
        }
        FmuCommand::Build(args) => build(args),
    }
}

fn build(args: &BuildArgs) -> Result<ExitCode> {
    let plant = match site(args.site.as_deref()) {
        Ok(plant) => plant,
        Err(refused) => return Ok(refused),
    };
    let options = BuildOptions {
        kinds: match args.kind {
            KindName::Ems => vec![Kind::Ems],
            KindName::Plant => vec![Kind::Plant],
            KindName::Both => vec![Kind::Ems, Kind::Plant],
        },
        versions: match args.fmi {
            FmiName::Two => vec![Fmi::Two],
            FmiName::Three => vec![Fmi::Three],
            FmiName::Both => vec![Fmi::Two, Fmi::Three],
        },
        profile: args.profile.as_deref().map(|path| profile(path, plant.step_h)).transpose()?,
        plant,
        model: args.model.clone(),
        library: args.library.clone(),
        out: args.out.clone(),
    };
    for file in memg_cosim::fmu_build(&options)? {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A model folder for units in this process and in FMUs: the plain-Rust actor runs it, no other runtime can.
fn rust_model(text: &str) -> Result<PathBuf, String> {
    match PolicySpec::model(text, Runtime::Rust) {
        PolicySpec::Model { dir, runtime: Runtime::Rust } => Ok(dir),
        other => Err(format!("FMUs run networks in plain Rust: expected DIR or rust:DIR, found {other}")),
    }
}

fn site(file: Option<&Path>) -> Result<PlantParameters, ExitCode> {
    let Some(file) = file else { return Ok(PlantParameters::reference()) };
    Ok(*read_site(file).map_err(|problems| refuse(&problems))?.plant.parameters())
}

fn profile(path: &Path, step_h: f64) -> Result<Profile> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
    Profile::parse_csv(&text, step_h).with_context(|| name)
}

/// Who decides in a co-simulation.
#[derive(Debug, clap::Args)]
struct Controller {
    /// Site file (default: the reference plant)
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Model folder; plain Rust runs it (default: the good rule decides)
    #[arg(long, value_name = "DIR", value_parser = rust_model)]
    model: Option<PathBuf>,
    /// Local time of day at simulated time 0, h
    #[arg(long, value_name = "H", default_value_t = 0.0)]
    hour_start: f64,
}

impl Controller {
    fn options(&self) -> Result<UnitOptions, ExitCode> {
        let model = self.model.as_deref().map(memg_cosim::checked_weights).transpose();
        let model = model.map_err(|error| {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_CONFIGURATION)
        })?;
        let (weights, policy) = model.unwrap_or_else(|| (None, "rule".to_owned()));
        Ok(UnitOptions { plant: site(self.site.as_deref())?, policy, weights, hour_start: self.hour_start })
    }
}

/// Control a foreign plant FMU (FMI 2.0 or 3.0 co-simulation)
#[derive(Debug, clap::Args)]
pub(super) struct CosimArgs {
    /// The plant's .fmu file; its code runs in this process
    #[arg(long, value_name = "FILE")]
    plant: PathBuf,
    /// Map of variable names (variables of equal name need none)
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Simulated time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Duration,
    /// Longest time that one call into the plant may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5m")]
    patience: Duration,
    /// Write one row a step
    #[arg(long, value_name = "CSV")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    controller: Controller,
}

pub(super) fn cosim_main(args: &CosimArgs) -> Result<ExitCode> {
    log_to_stderr("warn");
    let controller = match args.controller.options() {
        Ok(controller) => controller,
        Err(refused) => return Ok(refused),
    };
    let options = CosimOptions {
        fmu: args.plant.clone(),
        map: args.map.clone(),
        duration_s: args.duration.as_secs_f64(),
        trace: args.trace.clone(),
        controller,
        patience: args.patience,
    };
    let summary = or_leave(memg_cosim::cosim(&options), args.trace.as_deref())?;
    println!(
        "{}: {} steps, {} with interventions, {} of safe stop",
        summary.plant, summary.steps, summary.interventions, summary.safe_stops
    );
    Ok(ExitCode::SUCCESS)
}

/// Foreign code that hangs would also hang or crash an orderly exit: the process ends at once.
fn or_leave<T>(done: Result<T, CosimError>, trace: Option<&Path>) -> Result<T, CosimError> {
    if let Err(error @ CosimError::Hung { .. }) = &done {
        eprintln!("error: {error}");
        if let Some(trace) = trace {
            eprintln!("The trace up to that step is in {}.", trace.display());
        }
        memg_fmu_host::leave(1);
    }
    done
}

/// Be a simulator for mosaik
#[derive(Debug, clap::Args)]
pub(super) struct MosaikArgs {
    /// HOST:PORT of mosaik, or with --listen where to wait for it
    address: String,
    /// Wait for mosaik instead of connecting to it
    #[arg(long)]
    listen: bool,
    /// Longest silence of mosaik
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1h")]
    patience: Duration,
    /// Profile of Plant entities
    #[arg(long, value_name = "CSV")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    controller: Controller,
}

pub(super) fn mosaik_main(args: &MosaikArgs) -> Result<ExitCode> {
    log_to_stderr("info");
    let units = match args.controller.options() {
        Ok(units) => units,
        Err(refused) => return Ok(refused),
    };
    memg_cosim::mosaik(&MosaikOptions {
        address: args.address.clone(),
        direction: if args.listen { Direction::Listen } else { Direction::Connect },
        patience: args.patience,
        profile: args.profile.clone(),
        units,
    })?;
    Ok(ExitCode::SUCCESS)
}
