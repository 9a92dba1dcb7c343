//! `gateway ledger`

use super::history::{Wrong, ended, open, zone};
use super::{log_to_stderr, refuse};
use anyhow::Result;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use memg_ledger::{Ledger, Site, ledger, recorded};
use memg_plant_io::problem::Problem;
use memg_settings::read_site;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Say what the gateway has earned, or would have: each recorded day beside the good rule and the plant at rest.
///
/// From the history alone, in Shadow as in Auto. docs/ledger.md says what the figures mean and what they cannot know.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The history, such as gateway.history; it may be that of a running gateway
    #[arg(long, value_name = "FILE")]
    history: PathBuf,
    /// Configuration with the site, whose plant and zone count
    #[arg(long, value_name = "FILE", required_unless_present = "site", conflicts_with_all = ["site", "zone"])]
    config: Option<PathBuf>,
    /// Site file with the plant, instead of a configuration
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Zone in which a day begins, with --site
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// A month, such as 2026-11 (default: all that is recorded)
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// Print the days as CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON as the API gives it
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("warn");
    let site = match &args.config {
        Some(file) => configured(file),
        None => stated(args),
    };
    match site {
        Ok(site) => ended(show(args, &site)),
        Err(problems) => Ok(refuse(&problems)),
    }
}

/// A virtual plant has no zone: its local time stands for UTC.
fn configured(file: &Path) -> Result<Site, Vec<Problem>> {
    let settings = memg_settings::load(file, "", &[])?;
    let zone = if settings.demo.is_some() { TimeZone::UTC } else { settings.clock.zone() };
    Ok(Site { plant: settings.plant, zone })
}

fn stated(args: &Args) -> Result<Site, Vec<Problem>> {
    let plant = read_site(args.site.as_deref().unwrap_or(Path::new("")))?.plant;
    let zone = zone(&args.zone).map_err(|error| vec![Problem::new("", error.to_string())])?;
    Ok(Site { plant, zone: zone.zone() })
}

fn show(args: &Args, site: &Site) -> Result<()> {
    let reader = open(&args.history)?;
    let all = recorded(&reader, site)?.unwrap_or((Date::default(), Date::default()));
    let (first, last) = args.month.as_deref().map(month).transpose()?.unwrap_or(all);
    let newest = reader.recorded()?.map_or(0, |(_, newest)| newest + 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, |since| since.as_millis() as i64);
    // A simulated plant may be ahead of us.
    let found = ledger(&reader, site, first, last, now.max(newest))?;
    let mut out = BufWriter::new(io::stdout().lock());
    match (args.csv, args.json) {
        (true, _) => csv(&mut out, &found)?,
        (_, true) => writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?,
        _ => table(&mut out, &found)?,
    }
    Ok(out.flush()?)
}

/// The first and the last day of a month.
fn month(text: &str) -> Result<(Date, Date)> {
    let wrong = || Wrong(format!("--month: expected a month such as 2026-11, found {text:?}"));
    let first: Date = format!("{text}-01").parse().map_err(|_| wrong())?;
    Ok((first, first.last_of_month()))
}

fn cell(eur: Option<f64>) -> String {
    eur.map_or_else(String::new, |eur| format!("{eur:.4}"))
}

fn csv(out: &mut impl Write, ledger: &Ledger) -> io::Result<()> {
    writeln!(out, "day,gateway_eur,rule_eur,idle_eur,error_eur,metered_eur,valid,why,hours_auto,hours_shadow")?;
    for day in &ledger.days {
        let costs = [day.gateway_eur, day.rule_eur, day.idle_eur, day.error_eur, day.metered_eur].map(cell).join(",");
        let why = day.why.as_deref().unwrap_or_default();
        writeln!(out, "{},{costs},{},\"{why}\",{:.2},{:.2}", day.day, day.valid, day.hours_auto, day.hours_shadow)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, ledger: &Ledger) -> io::Result<()> {
    writeln!(
        out,
        "{:<11}{:>9}{:>9}{:>9}{:>8}{:>9}  hours auto, shadow",
        "EUR", "gateway", "rule", "at rest", "+-", "metered"
    )?;
    let mut line = |name: &str, eur: [Option<f64>; 5], hours: [f64; 2], why: Option<&str>| {
        let [gateway, rule, idle, error, metered] =
            eur.map(|eur| eur.map_or("-".to_owned(), |eur| format!("{eur:.2}")));
        let why = why.map(|why| format!("  {why}")).unwrap_or_default();
        let [auto, shadow] = hours;
        writeln!(out, "{name:<11}{gateway:>9}{rule:>9}{idle:>9}{error:>8}{metered:>9}  {auto:.1}, {shadow:.1}{why}")
    };
    for d in &ledger.days {
        let eur = [d.gateway_eur, d.rule_eur, d.idle_eur, d.error_eur, d.metered_eur];
        line(&d.day, eur, [d.hours_auto, d.hours_shadow], d.why.as_deref())?;
    }
    for m in &ledger.months {
        let eur = [m.gateway_eur, m.rule_eur, m.idle_eur, m.error_eur, m.metered_eur];
        line(&m.month, eur, [m.hours_auto, m.hours_shadow], m.why.as_deref())?;
    }
    writeln!(out, "{}", ledger.text)
}
