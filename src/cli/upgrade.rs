//! `gateway upgrade-check`

use anyhow::{Context, Result, bail};
use memg_control::differences::{Compared, Difference};
use memg_core::calendar::LocalTime;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

/// Decide a journal again with the program of now and the next one, and show every set-point that would differ.
///
/// The old program has to find the journal identical: otherwise nothing is compared. Both programs read the models
/// that the journal names. Status 0: nothing would differ. 1: something would, or it cannot be compared.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The program that wrote the journal, such as /usr/bin/gateway
    old: PathBuf,
    /// The program that is to follow
    new: PathBuf,
    /// Journal of the last days
    journal: PathBuf,
    /// Print JSON, one line a difference and one at the end
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let kept = replay(&args.old, &args.journal, &["--json"])?;
    if !kept.status.success() {
        let (old, journal) = (args.old.display(), args.journal.display());
        bail!(
            "{old} does not decide {journal} as it is recorded, so there is nothing to compare with: {}",
            said(&kept)
        );
    }
    let decided = replay(&args.new, &args.journal, &["--differences"])?;
    let text = String::from_utf8_lossy(&decided.stdout);
    let mut lines: Vec<&str> = text.lines().collect();
    let compared = lines.pop().and_then(|line| serde_json::from_str::<Compared>(line).ok());
    let Some(compared) = compared else {
        bail!("{} cannot decide {}: {}", args.new.display(), args.journal.display(), said(&decided));
    };
    if args.json {
        print!("{text}");
    } else {
        let found: Result<Vec<Difference>, _> = lines.into_iter().map(serde_json::from_str).collect();
        show(&found.context("the new program's lines cannot be read")?, &compared);
    }
    Ok(if compared.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replay(program: &Path, journal: &Path, options: &[&str]) -> Result<Output> {
    let mut command = Command::new(program);
    command.arg("replay").arg(journal).args(options);
    command.output().with_context(|| format!("{} does not start", program.display()))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn show(found: &[Difference], compared: &Compared) {
    for difference in found {
        let time = LocalTime { minute: difference.plant_ms.div_euclid(60_000), offset_min: 0 }.to_string();
        let time = time.get(..16).unwrap_or(&time).replace('T', " ");
        let (was, now) = (words(&difference.recorded), words(&difference.decided));
        println!("{time}  cycle {}: {was}; the new program: {now}", difference.cycle);
    }
    for model in &compared.models {
        println!("note: {model}");
    }
    let Compared { runs, cycles, differing, .. } = compared;
    println!("{cycles} cycles in {runs} runs decided again: {differing} would have ended otherwise.");
}

/// Mode and set-points of a cycle in words; powers stand there in whole watts.
fn words(outcome: &Value) -> String {
    let mode = outcome["mode"].as_str().unwrap_or("unknown mode");
    if outcome["written"] != true {
        return format!("{mode}, nothing sent");
    }
    let kw = |key: &str| outcome["safe"][key].as_f64().map_or("-".to_owned(), |watts| format!("{:.3}", watts / 1000.0));
    let cap = if outcome["safe"]["renewable_limit"].is_null() { "none".to_owned() } else { kw("renewable_limit") };
    format!("{mode}, battery {} kW, CHP {} kW, renewable limit {cap}", kw("battery"), kw("chp"))
}
