//! `gateway replay` and `gateway explain`

use super::log_to_stderr;
use anyhow::{Context, Result, bail};
use memg_control::differences::differences;
use memg_control::explain::{NothingThen, explain, explain_at};
use memg_control::replay::replay;
use memg_daemon::chain_of;
use std::path::PathBuf;
use std::process::ExitCode;

/// Decide every cycle of a journal again and compare bit for bit. The first difference ends with status 1.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// Journal file
    journal: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Decide with the program and the models of now, and print a line of JSON for each cycle that would have ended
    /// otherwise and one at the end; status 1 if there is any
    #[arg(long)]
    differences: bool,
}

pub(super) fn replay_main(args: &ReplayArgs) -> Result<ExitCode> {
    log_to_stderr("warn");
    if args.differences {
        return print_differences(args);
    }
    let found = replay(&args.journal, chain_of).context("the replay stopped")?;
    if args.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        println!("{} cycles in {} runs decided again: identical.", found.cycles, found.runs);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_differences(args: &ReplayArgs) -> Result<ExitCode> {
    let print = |value: serde_json::Result<String>| println!("{}", value.unwrap_or_default());
    let compared = differences(&args.journal, chain_of, |found| print(serde_json::to_string(found)))?;
    print(serde_json::to_string(&compared));
    Ok(if compared.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Say in plain words why the set-points of a cycle were sent.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// Journal file
    journal: PathBuf,
    /// Number of the cycle
    #[arg(required_unless_present = "at", conflicts_with = "at")]
    cycle: Option<u64>,
    /// The policy step in force at this local time of the plant, such as "2026-11-24 10:15"
    #[arg(long, value_name = "TIME", value_parser = local_time)]
    at: Option<i64>,
}

/// Local time of the plant, `2026-11-24 10:15` or with seconds or a T; ms since 1970.
fn local_time(text: &str) -> Result<i64, String> {
    let wrong = || format!("expected a local time of the plant such as \"2026-11-24 10:15\", found {text:?}");
    let civil: jiff::civil::DateTime = text.trim().replace(' ', "T").parse().map_err(|_| wrong())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_millisecond())
}

pub(super) fn explain_main(args: &ExplainArgs) -> Result<ExitCode> {
    log_to_stderr("warn");
    let name = args.journal.display();
    let text = match (args.at, args.cycle) {
        (Some(at), _) => explain_at(&args.journal, at).map_err(|error| match error {
            NothingThen::Unreadable(error) => anyhow::Error::from(error),
            uncovered => anyhow::anyhow!("{name}: {uncovered}"),
        })?,
        (None, Some(cycle)) => match explain(&args.journal, cycle)? {
            Some(text) => text,
            None => bail!("{name} has no cycle {cycle}"),
        },
        (None, None) => bail!("expected the number of a cycle or --at"),
    };
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}
