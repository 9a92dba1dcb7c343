//! `gateway commission`

mod consent;
mod files;
mod release;
mod session;
mod silent;
mod steps;
mod trying;

use super::{EXIT_CONFIGURATION, log_to_stderr, refuse};
use anyhow::{Context, Result, bail};
use consent::{Consent, ask};
use memg_commission::protocol::{FallBack, Protocol, Tried, Verdict};
use memg_commission::trial::{Trial, trials};
use memg_settings::Settings;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::LocalSet;

/// Try what the gateway may write, one device at a time, by a small power: write, read back, release, time every fall-back.
///
/// Each device is moved by the gateway's own controller in manual mode, with filter and permissions narrowed to the band;
/// it asks before each device. Ends with a report, HTML and Markdown, for plant and grid operator to sign. Ctrl-C stops
/// safely, and so does a lost terminal. Status 0: everything was tried and right, 1: something was not, 64: the configuration
/// is wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file; no gateway may be running on its journal
    config: PathBuf,
    /// Try this device alone
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// By how much it may be moved, kW (default: a tenth of the rating, at least 1)
    #[arg(long, value_name = "X")]
    band_kw: Option<f64>,
    /// Folder for the report
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Consent to all devices, ask nothing
    #[arg(long)]
    yes: bool,
    /// Acknowledge a safe stop of before that still waits for it: its cause is known and gone
    #[arg(long)]
    acknowledge: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("error");
    let settings = match load(&args.config) {
        Ok(settings) => settings,
        Err(refused) => return Ok(refused),
    };
    if settings.demo.is_some() || settings.cosim.is_some() {
        eprintln!("error: {}: a demonstration or a simulator in lock-step is not commissioned", args.config.display());
        return Ok(ExitCode::from(EXIT_CONFIGURATION));
    }
    if settings.journal.path.is_none() {
        let path = args.config.display();
        eprintln!("error: {path}: journal.path: expected a file: it is what keeps a second gateway from these devices");
        return Ok(ExitCode::from(EXIT_CONFIGURATION));
    }
    let planned = match trials(&settings, args.device.as_deref(), args.band_kw) {
        Ok(planned) => planned,
        Err(message) => {
            eprintln!("error: {message}");
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    if !args.yes && !std::io::stdin().is_terminal() {
        bail!("nothing was written: it takes a terminal to consent to each device, or --yes");
    }
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?;
    let protocol = runtime.block_on(LocalSet::new().run_until(commission(args, &settings, &planned)))?;
    for (ending, path) in write(&protocol, &args.out)? {
        say(&format!("{}{}", if ending == "html" { "\nReport: " } else { "        " }, path.display()));
    }
    Ok(if protocol.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Progress for whoever still reads it: a terminal that is gone must not end what controls a plant.
fn say(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// A configuration that `check` accepts.
fn load(config: &Path) -> Result<Settings, ExitCode> {
    match memg_settings::load(config, "", &[]) {
        Ok(settings) if settings.mistakes.is_empty() => Ok(settings),
        Ok(settings) => Err(refuse(&settings.mistakes)),
        Err(problems) => Err(refuse(&problems)),
    }
}

async fn commission(args: &Args, settings: &Settings, planned: &[Trial]) -> Result<Protocol> {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        settings.clock.format_time(i64::try_from(since.as_secs()).unwrap_or(0) * 1000)
    };
    let (files, configuration) = files::hashes(&args.config, settings)?;
    let began = now();
    let (stop_in, stop) = watch::channel(false);
    tokio::spawn(async move {
        super::wait_for_signal().await;
        let _ = stop_in.send(true);
        let _ = writeln!(stderr(), "Stopping safely; Ctrl-C once more ends at once, and leaves the device as it is.");
        super::insisted().await;
        std::process::exit(130);
    });
    let report = |trials: &[Tried]| Protocol {
        site: settings.site.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        began: began.clone(),
        ended: now(),
        files: files.clone(),
        configuration: configuration.clone(),
        journal: settings.journal.path.as_ref().map(|path| path.display().to_string()),
        trials: trials.to_vec(),
        to_come: planned.len() - trials.len(),
    };
    let mut tried: Vec<Tried> = Vec::new();
    for trial in planned {
        // After a fault somebody has to look first.
        let over = *stop.borrow() || tried.iter().any(|tried| tried.verdict == Verdict::Failed);
        let consent = if over { Consent::Refused } else { ask(args.yes, trial, settings)? };
        tried.push(match consent {
            Consent::Refused => left_out(trial, settings),
            Consent::Given(how) => {
                say(&format!("\n{trial}"));
                let result = trying::try_device(args, trial, &stop, &configuration).await;
                let tried = Tried { consent: how.to_owned(), ..blank(trial, settings) };
                result.into_tried(tried)
            }
        });
        // Whatever becomes of the next, this one is told.
        if let Err(error) = write(&report(&tried), &args.out) {
            say(&format!("The report could not be written yet: {error:#}"));
        }
    }
    Ok(report(&tried))
}

fn blank(trial: &Trial, settings: &Settings) -> Tried {
    let device = trial.device_in(settings);
    Tried {
        name: trial.to_string(),
        place: device.map_or_else(String::new, |device| format!("{}, unit {}", device.transport, device.unit_id)),
        file: device.map_or_else(String::new, |device| device.file.to_string()),
        band_kw: trial.band_kw,
        rating_kw: trial.rating_kw,
        consent: "none".to_owned(),
        verdict: Verdict::LeftOut,
        steps: Vec::new(),
        fall_back: FallBack::NotTried { why: "the device was left out".to_owned() },
        findings: Vec::new(),
    }
}

fn left_out(trial: &Trial, settings: &Settings) -> Tried {
    say(&format!("\n{trial}: left out, nothing is written."));
    blank(trial, settings)
}

/// `commissioning-<site>-<date and time>.html` and `.md`.
fn write(protocol: &Protocol, out: &Path) -> Result<[(&'static str, PathBuf); 2]> {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
    };
    let moment = protocol.began.get(..19).unwrap_or(&protocol.began);
    let name = format!("commissioning-{}-{}", plain(&protocol.site), plain(moment));
    let paper = protocol.paper();
    let place = |ending| (ending, out.join(format!("{name}.{ending}")));
    let written = [place("html"), place("md")];
    for ((_, path), text) in written.iter().zip([paper.html(), paper.markdown()]) {
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(written)
}
