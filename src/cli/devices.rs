//! `gateway devices`

use anyhow::{Context, Result, bail};
use memg_plant_io::device::{self, DeviceFile};
use memg_plant_io::library;
use memg_plant_io::point::{Point, letters};
use memg_plant_io::problem::words;
use std::path::PathBuf;
use std::process::ExitCode;

/// List the device files of the library, or explain one: what it reads, what it can write, where that comes from and in
/// what the sources differ. None was tried on hardware unless it says so.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file of the library, or the path of one of your own
    name: Option<String>,
    /// Print the file itself, for a copy in the folder `devices` beside a configuration
    #[arg(long, requires = "name")]
    text: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        list()?;
        return Ok(ExitCode::SUCCESS);
    };
    let text = text(name)?;
    if args.text {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    match device::load(&text, name) {
        Ok(file) => explain(name, &file, &text),
        Err(problems) => return Ok(super::refuse(&problems)),
    }
    Ok(ExitCode::SUCCESS)
}

/// A file of the library, with or without its ending, or one on disk.
fn text(name: &str) -> Result<String> {
    let shipped = library::text(name).or_else(|| library::text(&format!("{name}.toml")));
    if let Some(text) = shipped {
        return Ok(text.to_owned());
    }
    let path = PathBuf::from(name);
    if path.exists() {
        return std::fs::read_to_string(&path).with_context(|| name.to_owned());
    }
    bail!("the library has no such file: {}", words::unknown(name, library::FILES.map(|(name, _)| name)));
}

fn list() -> Result<()> {
    println!("{:<32} {:<13} {:<24} what", "file", "kind", "maker");
    for (name, text) in library::FILES.iter().filter(|(name, _)| !name.starts_with("virtual-")) {
        let file = device::load(text, name).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        println!("{name:<32} {:<13} {:<24} {}", file.about.kind, file.maker, file.model);
    }
    println!(
        "\nNone of them was tried on hardware unless `gateway devices FILE` says so: look with `gateway doctor` first."
    );
    Ok(())
}

fn explain(name: &str, file: &DeviceFile, text: &str) {
    println!("{name}: {} {}", file.maker, file.model);
    println!("{}\n", file.about.description);
    for line in text.lines().map_while(|line| line.strip_prefix('#')) {
        println!("{}", line.trim());
    }
    let tried = if file.about.tried_on_hardware { "tried on hardware" } else { "NOT TRIED ON HARDWARE" };
    println!("\n{tried}");
    for (head, list) in [("Sources", &file.about.sources), ("In what they differ", &file.about.differences)] {
        if !list.is_empty() {
            println!("{head}");
            list.iter().for_each(|line| println!("  - {line}"));
        }
    }
    println!("\nReads");
    for point in file.points.iter().filter(|point| point.readable) {
        println!("  {}", read(point));
    }
    let written: Vec<String> = file.points.iter().filter_map(written).collect();
    println!("\nCan be permitted to be written");
    match &written[..] {
        [] => println!("  nothing: this file only reads"),
        some => some.iter().for_each(|line| println!("  {line}")),
    }
}

fn read(point: &Point) -> String {
    let order = if point.encoding.cells() > 1 && point.encoding.width() > 0 {
        letters(point.word_order, point.byte_order)
    } else {
        ""
    };
    let signal = point.signal.map_or_else(String::new, |tag| format!(" = {tag}"));
    format!("{:<24} {:<16} {order:<5} {}{signal}", point.name, point.place(), point.unit)
}

fn written(point: &Point) -> Option<String> {
    let rule = point.write.as_ref()?;
    let (low, high) = rule.range;
    let watchdog = match (rule.watchdog, rule.non_volatile_per_day) {
        (Some(watchdog), _) => format!(", falls back {} s after the last write", watchdog.as_secs_f64()),
        (None, Some(budget)) => format!(", in flash memory: {budget} writes a day"),
        (None, None) => String::new(),
    };
    Some(format!("{:<24} {:<16} {} from {low} to {high}{watchdog}", point.name, point.place(), rule.output))
}
