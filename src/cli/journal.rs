//! `gateway replay`, `gateway explain` and `gateway journal`

use super::log_to_stderr;
use anyhow::{Context, Result, bail};
use memg_control::chain::Digest;
use memg_control::differences::differences;
use memg_control::explain::{NothingThen, explain, explain_at};
use memg_control::replay::replay;
use memg_control::verify::{Begins, HeadIs, Verified, verify};
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

/// What is done with a journal.
#[derive(Debug, clap::Subcommand)]
pub(super) enum JournalCommand {
    /// Look whether every line is as it was written, in its order, none missing; status 1 if not
    ///
    /// Every line names the digest of the one before it, and FILE.head says how far the journal has certainly come. Whoever could
    /// write both could write another journal: keep a printed digest elsewhere, and ask for it later with --holds.
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Journal file; the one before it (FILE.1) is looked at, too, if it is there
    journal: PathBuf,
    /// Digest of a line that has to be among them
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    holds: Option<Digest>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::read(text).ok_or_else(|| format!("expected the 32 hexadecimal digits of a digest, found {text:?}"))
}

pub(super) fn journal_main(command: &JournalCommand) -> Result<ExitCode> {
    log_to_stderr("warn");
    let JournalCommand::Verify(args) = command;
    let found = verify(&args.journal, args.holds)?;
    if args.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print!("{}", in_words(&found));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(found: &Verified) -> String {
    let Verified { lines, cycles, last, .. } = found;
    let mut text = format!("{lines} lines with {cycles} cycles: every one as it was written, none missing.\n");
    if found.unchained > 0 {
        text += &format!(
            "{} of them were written by an earlier version: changes are seen there, missing lines are not.\n",
            found.unchained
        );
    }
    if found.torn_bytes > 0 {
        text += &format!("{} bytes of a line behind them were never finished: power cut or kill.\n", found.torn_bytes);
    }
    text += &match found.begins {
        Begins::Anew => "It begins anew.\n".to_owned(),
        Begins::AfterTheOneBefore => "It goes on where the file before it ends.\n".to_owned(),
        Begins::AfterAnother(digest) => {
            format!("It goes on after a file that is not here, whose last line is {digest}.\n")
        }
        Begins::Unknown => "What was before it is not known.\n".to_owned(),
    };
    text += match found.head {
        HeadIs::Held => "It is as long as its head says.\n",
        HeadIs::HeldBefore => "Its head still speaks of the file before it, and holds.\n",
        HeadIs::Missing => "There is no head beside it: whether its end was cut off cannot be known.\n",
    };
    text + &format!("Last line: {last}\n")
}
