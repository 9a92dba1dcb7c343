//! The command line: what each command is called, takes and returns. The work is done elsewhere.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage, 64 wrong configuration (nothing was opened, nothing written). Of
//! `gateway command` also: 1 rejected, 2 no answer.

#![forbid(unsafe_code)]

mod calibrate;
mod check;
mod check_policy;
mod check_probe;
mod check_signals;
mod command;
mod commission;
mod cosim;
mod devices;
mod doctor;
mod evaluate;
mod evaluate_tables;
mod history;
mod init;
mod journal;
mod learn;
mod ledger;
mod live;
mod model;
mod plant;
mod points;
mod prove;
mod run;
mod scan;
mod train;
mod upgrade;
mod web_password;

use anyhow::Context;
use clap::{Parser, Subcommand};
use memg_core::equipment::Plant;
use memg_core::observation::Schema;
use memg_core::profile::Profile;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Exit status for a wrong configuration (`EX_USAGE` of sysexits.h).
pub const EXIT_CONFIGURATION: u8 = 64;

/// Energy management of a microgrid: a learned policy behind a safety filter.
///
/// `gateway run` alone shows a virtual plant under control. At a real plant: write a configuration, `gateway check` it,
/// `gateway check --probe` reads every point once, `gateway run` it in shadow, then arm it.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Control a plant (without a configuration of its own: the demonstration in config/gateway.toml)
    Run(run::Args),
    /// Simulate a plant behind Modbus TCP servers on the loopback interface
    Plant(plant::Args),
    /// Check a configuration and show what it means; opens nothing unless --probe is given
    Check(check::Args),
    /// Write a first configuration: asks, or takes flags, and looks at given addresses
    Init(init::Args),
    /// List and explain the device files of the library
    Devices(devices::Args),
    /// Look for a SunSpec device and write a device file for it
    Scan(scan::Args),
    /// List every point that SCADA can read or command
    Points(points::Args),
    /// Look at a plant, live and read-only, and say what is wrong
    Doctor(doctor::Args),
    /// Try what may be written, one device at a time, and write the report to sign
    Commission(commission::Args),
    /// Fit R and X of the grid connection from records
    Calibrate(calibrate::Args),
    /// Give a running gateway a signed command over MQTT
    Command(command::Args),
    /// Make the hash of a password for the operator's station
    WebPassword(web_password::Args),
    /// Judge a policy on a profile
    Evaluate(evaluate::Args),
    /// Learn a policy offline
    Train(train::Args),
    /// Learn from journals what the plant really does
    Learn(learn::Args),
    /// Make a model folder from a network that was made elsewhere, or show one
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Take what was recorded over months and years out of a history
    #[command(subcommand)]
    History(history::HistoryCommand),
    /// Say what the gateway has earned, or would have: each recorded day beside the good rule and the plant at rest
    Ledger(ledger::Args),
    /// Decide every cycle of a journal again, bit for bit
    Replay(journal::ReplayArgs),
    /// Look whether a journal is whole
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Show what another version of this program would have sent on a journal, before it is installed
    UpgradeCheck(upgrade::Args),
    /// Say in plain words why a set-point was sent
    Explain(journal::ExplainArgs),
    /// Pack the controller and the plant as FMUs, or check an FMU
    #[command(subcommand)]
    Fmu(cosim::FmuCommand),
    /// Control a foreign plant FMU
    Cosim(cosim::CosimArgs),
    /// Be a simulator for mosaik
    Mosaik(cosim::MosaikArgs),
}

/// Parses the command line and carries it out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // What controls a plant goes on without a reader.
    if !matches!(cli.command, Verb::Run(_) | Verb::Plant(_)) {
        end_quietly_without_reader();
    }
    let done = match cli.command {
        Verb::Run(args) => run::main(&args),
        Verb::Plant(args) => plant::main(&args),
        Verb::Check(args) => check::main(&args),
        Verb::Init(args) => init::main(&args),
        Verb::Devices(args) => devices::main(&args),
        Verb::Points(args) => points::main(&args),
        Verb::Scan(args) => scan::main(&args),
        Verb::Doctor(args) => doctor::main(&args),
        Verb::Commission(args) => commission::main(&args),
        Verb::Calibrate(args) => calibrate::main(&args),
        Verb::Command(args) => command::main(&args),
        Verb::WebPassword(args) => web_password::main(&args),
        Verb::Evaluate(args) => evaluate::main(&args),
        Verb::Train(args) => train::main(&args),
        Verb::Learn(args) => learn::main(&args),
        Verb::Model(command) => model::main(&command),
        Verb::Fmu(command) => cosim::fmu_main(&command),
        Verb::Cosim(args) => cosim::cosim_main(&args),
        Verb::Mosaik(args) => cosim::mosaik_main(&args),
        Verb::History(command) => history::main(&command),
        Verb::Ledger(args) => ledger::main(&args),
        Verb::Replay(args) => journal::replay_main(&args),
        Verb::Journal(command) => journal::journal_main(&command),
        Verb::UpgradeCheck(args) => upgrade::main(&args),
        Verb::Explain(args) => journal::explain_main(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// `gateway check FILE | head` ends in silence: a reader that has seen enough is no error. `println!` panics then.
fn end_quietly_without_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.starts_with("failed printing to stdout") && text.contains("Broken pipe")) {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

/// A duration on the command line: `90s`, `15m`, `24h`, `7d`, or plain seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a duration such as 90s, 15m, 24h or 7d, found {text:?}");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86_400.0,
        _ if unit.is_ascii_digit() => 1.0,
        _ => return Err(wrong()),
    };
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let value: f64 = number.parse().map_err(|_| wrong())?;
    let total = value * seconds;
    if total.is_finite() && (0.0..=1e10).contains(&total) { Ok(Duration::from_secs_f64(total)) } else { Err(wrong()) }
}

/// A schema on the command line.
pub(crate) fn parse_schema(text: &str) -> Result<Schema, String> {
    match text {
        "10d" => Ok(Schema::TenD),
        "extended" => Ok(Schema::Extended),
        "forecast" => Ok(Schema::Forecast),
        _ => Err("expected 10d, extended or forecast".into()),
    }
}

/// Reads a profile for a plant; the inner error is the user's: file, line and column with what was expected.
pub(crate) fn read_profile(path: &Path, plant: &Plant) -> anyhow::Result<Result<Profile, String>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
    let profile = match Profile::parse_for(&text, plant) {
        Ok(profile) => profile,
        Err(error) => return Ok(Err(format!("{name}: {error}"))),
    };
    for exceeding in profile.exceeding(plant) {
        tracing::warn!(profile = name, "{exceeding}; the filter's promise holds up to there.");
    }
    Ok(Ok(profile))
}

/// Prints configuration problems, one a line.
pub(crate) fn refuse(problems: &[memg_plant_io::problem::Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("error: {problem}");
    }
    let count = problems.len();
    eprintln!("{count} problem{} in the configuration; nothing was opened.", if count == 1 { "" } else { "s" });
    ExitCode::from(EXIT_CONFIGURATION)
}

/// Log lines go to stderr; `RUST_LOG` chooses what is seen.
pub(crate) fn log_to_stderr(default: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let filter = without_libraries(filter);
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Their own complaint about a lost terminal would panic in the task that logs.
    let _ = log.with_target(false).with_ansi(ansi).log_internal_errors(false).try_init();
}

/// The OPC UA library tells every connection and every stranger's mistake: what matters of it the gateway tells itself, counted.
/// Whoever wants it names `opcua` in `RUST_LOG`.
fn without_libraries(filter: tracing_subscriber::EnvFilter) -> tracing_subscriber::EnvFilter {
    if std::env::var("RUST_LOG").is_ok_and(|chosen| chosen.contains("opcua")) {
        return filter;
    }
    let quiet = ["core", "crypto", "nodes", "server", "types"].map(|part| format!("opcua_{part}=off"));
    quiet
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, tracing_subscriber::EnvFilter::add_directive)
}

/// Ctrl-C, SIGTERM, or the terminal is gone (SIGHUP), unless somebody had that ignored (`nohup`).
async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = if is_hangup_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// After a first signal: somebody types Ctrl-C and means it. A terminal that goes tells it several times.
async fn insisted() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Whoever started this process wants it to outlive its terminal. A handler would take that away.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// The first bit of `SigIgn` (hexadecimal, signal 1 first) in proc(5).
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, seconds) in
            [("90s", 90.0), ("15m", 900.0), ("24h", 86_400.0), ("1.5h", 5400.0), ("7d", 604_800.0), ("30", 30.0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for bad in ["", "h", "-1h", "1y", "NaNh", "1e99d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_hangup_is_a_stop_unless_it_was_ignored_from_the_start() {
        for (status, ignored) in [
            ("Name:\tgateway\nSigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigCgt:\t0000000000000001\n", false),
        ] {
            assert_eq!(ignores_hangup(status), ignored, "{status:?}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
