//! `gateway model`: folders around networks that were made elsewhere.

use super::{EXIT_CONFIGURATION, log_to_stderr, parse_schema};
use anyhow::{Context, Result};
use memg_core::equipment::Plant;
use memg_core::guard::TariffRange;
use memg_core::observation::{Divisors, Schema};
use memg_policy::model::{Kind, Manifest, ModelRecord, TrainingRecord, kind, pack_onnx, plant_hash, write_model};
use memg_policy::weights::Weights;
use memg_policy::{ModelFolder, PlanFolder, Runtime, signature};
use memg_settings::read_site;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is done with a model folder.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ModelCommand {
    /// Make a model folder from an actor.onnx that was made elsewhere: hashes, golden outputs, manifest
    ///
    /// The graph has one float32 input [batch, n] with the numbers of the schema and one output [batch, 3] in [-1, 1]
    /// (battery, CHP, grid; core/src/action.rs); all its data inside. Three dense layers with Relu, Relu and Tanh run
    /// everywhere; any other graph needs ONNX Runtime (ort:DIR).
    Pack(PackArgs),
    /// Make a model folder from the actor of a PyTorch checkpoint (.pt) with layers l1, l2, l3 or net.0, net.2, net.4
    ImportPt(ImportArgs),
    /// Check a folder and show what it says of itself
    Show(ShowArgs),
    /// Make a key pair to sign models with: the private key in a file of its own, the public one printed
    ///
    /// The public key stands in the configuration: trusted_keys of [policy].
    Key {
        /// File of the private key to be made; keep it where models are made, not at the plant
        file: PathBuf,
    },
    /// Sign a folder: a gateway that trusts the key takes it, and takes no other
    Sign {
        /// Model folder
        dir: PathBuf,
        /// File of the private key, readable by its owner alone
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct PackArgs {
    /// The ONNX file
    onnx: PathBuf,
    /// What the network sees: 10d or extended
    #[arg(long, value_parser = parse_schema)]
    schema: Schema,
    #[command(flatten)]
    about: About,
}

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// The checkpoint; its actor sees ten numbers
    checkpoint: PathBuf,
    #[command(flatten)]
    about: About,
}

/// What the network's file does not say.
#[derive(Debug, clap::Args)]
struct About {
    /// Folder to be made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder if it is there
    #[arg(long)]
    replace: bool,
    /// Site that it was made for: powers and prices were divided by its ratings (default: the reference plant)
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Days that it was made from: ten numbers do not show the export price, so elsewhere the good rule decides (default:
    /// the network always decides)
    #[arg(long, value_name = "CSV")]
    profile: Option<PathBuf>,
    /// Short name, as in journals and tables (default: the folder's)
    #[arg(long)]
    name: Option<String>,
    /// How it was made, in plain words
    #[arg(long, value_name = "TEXT", default_value = "made elsewhere")]
    description: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Model folder
    dir: PathBuf,
    /// Say whether it is one for this site
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
}

pub(super) fn main(command: &ModelCommand) -> Result<ExitCode> {
    log_to_stderr("warn");
    let done = match command {
        ModelCommand::Pack(args) => pack(args),
        ModelCommand::ImportPt(args) => import_pt(args),
        ModelCommand::Show(args) => show(args),
        ModelCommand::Key { file } => make_key(file),
        ModelCommand::Sign { dir, key } => sign(dir, key),
    };
    let Err(error) = done else { return Ok(ExitCode::SUCCESS) };
    eprintln!("error: {error:#}");
    Ok(ExitCode::from(EXIT_CONFIGURATION))
}

fn pack(args: &PackArgs) -> Result<()> {
    let name = || args.onnx.display().to_string();
    let bytes = std::fs::read(&args.onnx).with_context(name)?;
    let record = args.about.record(args.schema, &args.onnx)?;
    pack_onnx(&args.about.out, &bytes, args.schema, &record).with_context(name)?;
    tell(&args.about.out)
}

fn import_pt(args: &ImportArgs) -> Result<()> {
    let weights = read_pt(&args.checkpoint).with_context(|| args.checkpoint.display().to_string())?;
    let record = args.about.record(weights.schema(), &args.checkpoint)?;
    write_model(&args.about.out, &weights, &record)?;
    tell(&args.about.out)
}

#[cfg(feature = "candle")]
fn read_pt(path: &Path) -> Result<Weights> {
    Ok(memg_policy::import_pt::import_pt(path)?)
}

#[cfg(not(feature = "candle"))]
fn read_pt(_: &Path) -> Result<Weights> {
    anyhow::bail!("this binary cannot read PyTorch checkpoints; build it with --features candle")
}

impl About {
    fn record(&self, schema: Schema, file: &Path) -> Result<ModelRecord> {
        if self.out.exists() && !self.replace {
            anyhow::bail!("{} is there: name another folder, or --replace it", self.out.display());
        }
        let plant = plant(self.site.as_deref())?;
        let folder =
            || self.out.file_name().map_or_else(|| "actor".to_owned(), |name| name.to_string_lossy().into_owned());
        let training = TrainingRecord {
            description: self.description.clone(),
            algorithm: "unknown".to_owned(),
            data: self.profile.as_ref().map_or_else(|| "unknown".to_owned(), |path| path.display().to_string()),
            command: format!("packed from {}", file.display()),
            ..TrainingRecord::default()
        };
        Ok(ModelRecord {
            forecaster: None,
            name: self.name.clone().unwrap_or_else(folder),
            plant_hash: plant_hash(&plant),
            divisors: Divisors::of(&plant),
            tariff: self.tariff(schema, &plant)?,
            training,
            evaluation: Vec::new(),
        })
    }

    /// Tariffs of the days that it was made from.
    fn tariff(&self, schema: Schema, plant: &Plant) -> Result<Option<TariffRange>> {
        let Some(path) = &self.profile else { return Ok(None) };
        let days = super::read_profile(path, plant)?.map_err(anyhow::Error::msg)?;
        Ok(memg_train::tariff_range::tariff_range(schema, &days))
    }
}

fn plant(site: Option<&Path>) -> Result<Plant> {
    let Some(path) = site else { return Ok(Plant::reference()) };
    let problems = |problems: Vec<memg_plant_io::problem::Problem>| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::Error::msg(lines.join("\nerror: "))
    };
    Ok(read_site(path).map_err(problems)?.plant)
}

/// What has been made, and how it is used.
fn tell(dir: &Path) -> Result<()> {
    let folder = ModelFolder::load(dir)?;
    let (shown, spec) = (dir.display(), spec(dir, &folder));
    println!("{shown}: {}, {}", folder.manifest().name, network(folder.manifest()));
    println!("Judge it:  gateway evaluate --model {spec} --profile CSV");
    println!("Run it:    decide_with = \"{spec}\" in the configuration");
    Ok(())
}

/// How the folder is named on the command line: one without weights needs ONNX Runtime.
fn spec(dir: &Path, folder: &ModelFolder) -> String {
    match folder.weights() {
        Ok(_) => dir.display().to_string(),
        Err(_) => format!("ort:{}", dir.display()),
    }
}

fn network(manifest: &Manifest) -> String {
    let widths = manifest.shapes.hidden.iter().map(|width| format!("-{width}")).collect::<String>();
    let hidden = if widths.is_empty() { "-?".to_owned() } else { widths };
    format!("{} network {}{hidden}-{}", manifest.schema.name(), manifest.shapes.input, manifest.shapes.output)
}

fn make_key(file: &Path) -> Result<()> {
    let key = signature::make_key(file).map_err(anyhow::Error::msg)?;
    println!("{}: the private key; who has it signs models for every gateway that trusts", file.display());
    println!("trusted_keys = [\"{key}\"]");
    Ok(())
}

fn sign(dir: &Path, file: &Path) -> Result<()> {
    let name = || file.display().to_string();
    memg_plant_io::secret_file::check(file).map_err(anyhow::Error::msg).with_context(name)?;
    let text = std::fs::read_to_string(file).with_context(name)?;
    // A signature says that somebody has looked: what does not prove itself gets none.
    match kind(dir)? {
        Kind::Actor => drop(ModelFolder::load(dir)?),
        Kind::Planner => drop(PlanFolder::load(dir)?),
    }
    let key = signature::sign(dir, &text).map_err(anyhow::Error::msg)?;
    println!("{}: signed by {key}", dir.display());
    Ok(())
}

fn show(args: &ShowArgs) -> Result<()> {
    let name = || args.dir.display().to_string();
    match signature::signer(&args.dir).with_context(name)? {
        Some(key) => println!("signed by     {key}"),
        None => println!("signed by     nobody"),
    }
    match kind(&args.dir).with_context(name)? {
        Kind::Actor => show_actor(args, &ModelFolder::load(&args.dir).with_context(name)?),
        Kind::Planner => show_planner(args, &PlanFolder::load(&args.dir).with_context(name)?),
    }
}

fn show_actor(args: &ShowArgs, folder: &ModelFolder) -> Result<()> {
    let manifest = folder.manifest();
    println!("name          {}", manifest.name);
    println!("network       {}", network(manifest));
    println!("made          {} ({})", manifest.training.description, manifest.training.algorithm);
    println!("data          {}", manifest.training.data);
    println!("command       {}", manifest.training.command);
    let plant = plant(args.site.as_deref())?;
    let site = args.site.as_ref().map_or_else(|| "the reference plant".to_owned(), |site| site.display().to_string());
    let fits = if manifest.is_for(&plant) { "made for" } else { "made for another plant than" };
    println!("plant         {fits} {site}");
    println!("inputs over   {}", serde_json::to_string(&manifest.divisors())?);
    match &manifest.tariff {
        Some(range) => println!("tariff        {}; elsewhere the good rule decides", serde_json::to_string(range)?),
        None => println!("tariff        any: the network always decides"),
    }
    for runtime in Runtime::ALL {
        match folder.actor(runtime).and_then(|mut actor| folder.golden().check(&mut actor)) {
            Ok(worst) => println!("runtime       {runtime}: golden outputs within {worst:.1e}"),
            Err(error) => println!("runtime       {runtime}: {}", error.to_string().lines().next().unwrap_or_default()),
        }
    }
    for row in &manifest.evaluation {
        println!(
            "evaluated     {:<16} {:>8.2} EUR a day, {} days, {}",
            row.policy, row.cost_eur_per_day, row.days, row.data
        );
    }
    Ok(())
}

fn show_planner(args: &ShowArgs, folder: &PlanFolder) -> Result<()> {
    let manifest = folder.manifest();
    let minutes = manifest.step_ms as f64 / 60_000.0;
    println!("name          {}", manifest.name);
    println!(
        "forecaster    ridge, {} steps of {minutes} minutes ahead: {}",
        manifest.steps,
        manifest.quantities.join(", ")
    );
    let own = plant(args.site.as_deref())?.step_ms();
    println!("step length   {}", if own == manifest.step_ms { "the site's" } else { "another one than the site's" });
    println!("data          {}", manifest.fit.data);
    println!("command       {}", manifest.fit.command);
    for row in &manifest.forecast_error {
        let (name, quantity) = (&row.forecaster, &row.quantity);
        println!(
            "error         {name:<12} {quantity:<18} {:>7.3} 1 h, {:>7.3} 24 h ahead, {}",
            row.mae_1h, row.mae_24h, row.data
        );
    }
    Ok(())
}
