//! `gateway learn`

use super::{EXIT_CONFIGURATION, log_to_stderr};
use anyhow::Result;
use memg_core::equipment::Plant;
use memg_learn::folder::{self, LearnedFile, Row, Unknown};
use memg_learn::{DAYS_GOOD, LearnError, Learnt, learn};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Find out from a gateway's own journals what its plant does: efficiencies, losses, heat ratio, how long devices take.
///
/// Each number comes with a 95 % interval; what the signals do not identify is told with its reason. The folder is what
/// --plant-learned takes in train, evaluate and run, and what `gateway check --learned` compares a site file with. Journals have to
/// be whole, of one plant, and hold at least three days; a fortnight is better.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Journals of one plant; those that were rotated away (FILE.1) are read with theirs
    #[arg(required = true, value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Site file that the journals have to be of
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("warn");
    match learn_from(args) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.is::<LearnError>() || error.is::<folder::FolderError>() || error.is::<Wrong>() => {
            eprintln!("error: {error}");
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
        Err(error) => Err(error),
    }
}

/// What was asked for is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Wrong(String);

fn learn_from(args: &Args) -> Result<()> {
    let learnt = learn(&args.journals)?;
    if let Some(site) = &args.site {
        suits(&learnt, site)?;
    }
    if learnt.file.days < DAYS_GOOD {
        let days = learnt.file.days;
        eprintln!(
            "warning: {days:.1} days without gaps: intervals are wide, and each weekday counts; a fortnight is better"
        );
    }
    let path = learnt.file.write(&args.out)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&learnt.file)?);
    } else {
        print(&learnt.file, &path);
    }
    Ok(())
}

/// The journals are of the plant of a site file.
fn suits(learnt: &Learnt, site: &Path) -> Result<()> {
    let plant = memg_settings::read_site(site)
        .map_err(|problems| Wrong(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: ")))?;
    if folder::equipment_hash(plant.plant.stated()) == learnt.file.equipment_sha256 {
        return Ok(());
    }
    let message = format!("the journals are of a plant with other batteries, CHPs or boiler than {}", site.display());
    Err(Wrong(message).into())
}

fn print(file: &LearnedFile, path: &Path) {
    println!("{:.1} days without gaps from {} to {}, site {}", file.days, file.from, file.to, file.site);
    println!("\n{:<32} {:>10} {:>22} {:>10}", "identified", "value", "95 % interval", "site file");
    for Row { name, unit, value, low, high, stated, used } in &file.parameters {
        let stated = stated.map_or("-".to_owned(), |stated| format!("{stated:.4}"));
        let interval = format!("{low:.4} .. {high:.4}");
        let note = if *used { "" } else { "  told alone" };
        println!("{:<32} {value:>10.4} {interval:>22} {stated:>10}{note}", called(name.name(), *unit));
    }
    if !file.not_identifiable.is_empty() {
        println!("\nnot identifiable");
    }
    for Unknown { name, unit, reason } in &file.not_identifiable {
        println!("{:<32} {reason}", called(name.name(), *unit));
    }
    println!("\n{}", path.display());
}

/// With the number of the unit where it is not the first.
fn called(name: &str, unit: usize) -> String {
    match name.split_once('.') {
        Some((kind, rest)) if unit > 1 => format!("{kind} {unit}, {rest}"),
        _ => name.to_owned(),
    }
}

/// A plant with what was learned of it, if a folder is given; the error is the user's.
pub(super) fn believing(plant: Plant, dir: Option<&Path>) -> Result<Plant, String> {
    let Some(dir) = dir else { return Ok(plant) };
    folder::believing(&plant, dir).map(|(plant, _)| plant).map_err(|error| error.to_string())
}
