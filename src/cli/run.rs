//! `gateway run`

use super::live::Screen;
use super::{live, log_to_stderr, parse_duration, refuse};
use anyhow::{Context, Result};
use memg_control::account::RunSummary;
use memg_daemon::view::View;
use memg_daemon::{Demo, North, RunOptions, Station};
use memg_plant_io::problem::Problem;
use memg_settings::{Override, Settings};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Control a plant until the time is over or Ctrl-C. Ends with a summary.
///
/// A real plant starts in shadow: set-points are computed and journaled, none is written before an operator arms the
/// gateway. A simulated plant is armed by itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file
    #[arg(default_value = "config/gateway.toml")]
    config: PathBuf,
    /// Run the demonstration with the plant of this site file: its batteries, CHPs, PV, wind and meters, several or none
    #[arg(long, value_name = "FILE")]
    site_demo: Option<PathBuf>,
    /// Count with what `gateway learn` found of this plant (site.plant_learned); limits become no wider by it
    #[arg(long, value_name = "DIR")]
    plant_learned: Option<PathBuf>,
    /// Plant time to run, such as 24h (default: until Ctrl-C)
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Plant seconds per second; simulated plants only
    #[arg(long, value_name = "X")]
    speed: Option<f64>,
    /// Journal file
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Faults of the demonstration's plant, such as battery:no_answer@60+30 (device:kind@from+length in seconds)
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
    /// Print the summary as JSON, and no live view
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let live = !args.json && std::io::stdout().is_terminal() && live::has_terminal();
    log_to_stderr(if live { "off" } else { "info" });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?;
    runtime.block_on(go(args, live))
}

async fn go(args: &Args, live: bool) -> Result<ExitCode> {
    let settings = match memg_settings::load(&args.config, "", &overrides(args)) {
        Ok(settings) => settings,
        Err(problems) => return Ok(refuse(&problems)),
    };
    if args.site_demo.is_some() && settings.demo.is_none() {
        let message = "--site-demo needs a configuration with [demo]: a real plant is never replaced by a virtual one";
        return Ok(refuse(&[Problem { file: args.config.display().to_string(), ..Problem::new("demo", message) }]));
    }
    let (settings, demo) = match with_demo(args, settings).await? {
        Ok(ready) => ready,
        Err(refused) => return Ok(refused),
    };
    let station = if settings.cosim.is_some() { None } else { Station::open(&settings).await? };
    let north = if settings.cosim.is_some() { North::default() } else { North::open(&settings).await? };
    for (protocol, address) in &north.addresses {
        eprintln!("SCADA over {protocol}: {address}");
    }
    let log_in = station.as_ref().and_then(say_where);
    let (stop_in, stop) = watch::channel(false);
    let (view_in, view) = watch::channel(View::default());
    let ending = Arc::new(stop_in);
    let from_outside = Arc::clone(&ending);
    tokio::spawn(async move {
        super::wait_for_signal().await;
        end(&from_outside);
        super::insisted().await;
        end(&from_outside);
    });
    let screen = live.then(|| Screen { site: settings.site.clone(), plant: settings.plant, log_in });
    let shown = tokio::spawn(live::show(view, screen, args.json, move || end(&ending)));
    let options = RunOptions { duration: args.duration, stop, view: view_in, station, north, terminal: None };
    let summary = memg_daemon::run(settings, demo, options).await;
    let _ = shown.await;
    print(&summary?, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The first time the run ends in order; a second time must not be swallowed if something hangs.
fn end(stop: &watch::Sender<bool>) {
    if stop.send_replace(true) {
        live::restore();
        std::process::exit(130);
    }
}

/// Says where the station is, before anything else; how to log in, where the demonstration made it up.
fn say_where(station: &Station) -> Option<String> {
    match &station.address {
        Ok(address) => {
            tracing::info!(address, "The operator's station is served.");
            eprintln!("Operator's station: {address}");
        }
        Err(error) => {
            tracing::error!(%error, "The operator's station is not served.");
            eprintln!("The operator's station is not served: {error}");
        }
    }
    let (name, password) = station.log_in.as_ref()?;
    eprintln!("Log in as {name} with the password {password} (made for this run).");
    Some(format!("log in as {name}, {password}"))
}

fn overrides(args: &Args) -> Vec<Override> {
    let speed = args.speed.map(|speed| Override { key: "control.speed", value: speed.to_string() });
    let journal = args.journal.as_ref().map(|path| Override { key: "journal.path", value: path.display().to_string() });
    let site = args.site_demo.as_ref().map(|path| placed("site.plant_file", path));
    let learned = args.plant_learned.as_ref().map(|path| placed("site.plant_learned", path));
    speed.into_iter().chain(journal).chain(site).chain(learned).collect()
}

/// A path in the place of a key: relative to where the command is given, not to the configuration's folder.
pub(super) fn placed(key: &'static str, path: &Path) -> Override {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Override { key, value: path.display().to_string() }
}

/// Starts the demonstration's plant, if there is one, and reads the configuration again with its addresses.
async fn with_demo(args: &Args, settings: Settings) -> Result<Result<(Settings, Option<Demo>), ExitCode>> {
    let Some(wanted) = &settings.demo else { return Ok(Ok((settings, None))) };
    let site = wanted.plant.clone().unwrap_or_else(|| settings.site_plant());
    let demo = Demo::start(wanted, site, settings.control.speed, &settings.site, &args.fault)
        .await
        .context("the demonstration's plant does not start")?;
    match memg_settings::load(&args.config, &demo.tables, &overrides(args)) {
        Ok(settings) => Ok(Ok((settings, Some(demo)))),
        Err(problems) => Ok(Err(refuse(&problems))),
    }
}

fn print(summary: &RunSummary, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(summary)?);
        return Ok(());
    }
    let s = summary;
    println!(
        "{:.2} h of plant time in {} cycles, {} policy steps, {} writes",
        s.plant_hours, s.cycles, s.policy_steps, s.writes
    );
    println!("cost           {:>10.2} EUR, {} CHP starts", s.cost_eur, s.chp_starts);
    println!("grid           {:>10.1} kWh in, {:.1} kWh out", s.energy.grid_import_kwh, s.energy.grid_export_kwh);
    println!(
        "battery        {:>10.1} kWh in, {:.1} kWh out",
        s.energy.battery_charge_kwh, s.energy.battery_discharge_kwh
    );
    println!("PV, wind, CHP  {:>10.1} kWh, {:.1} kWh, {:.1} kWh", s.energy.pv_kwh, s.energy.wind_kwh, s.energy.chp_kwh);
    println!("load, heat     {:>10.1} kWh, {:.1} kWh", s.energy.load_kwh, s.energy.heat_kwh);
    let rules: Vec<String> = s.interventions.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    println!("interventions  {}", if rules.is_empty() { "none".into() } else { rules.join(", ") });
    println!("relaxations    {}", serde_json::to_string(&s.relaxations)?);
    println!("mode changes   {}, at the end {}", s.mode_changes, s.mode.map_or("init", |mode| mode.name()));
    println!(
        "timing         {} slips, cycle lateness p99 {:.2} ms, oldest input {:.2} s",
        s.slips, s.tick_lateness_p99_ms, s.worst_input_age_s
    );
    Ok(())
}
