//! `gateway doctor`

use super::{log_to_stderr, parse_duration, refuse};
use anyhow::Result;
use memg_commission::doctor::{Finding, Report, Severity, examine};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Look at a plant, live and read-only: every reading beside what would be plausible, other orders of words and addresses
/// that would be, the balance of powers and the sign that breaks it, ages, rates, clocks, remote and local, and what falls
/// back when the gateway dies. Status 0: nothing is wrong, 1: something is, 64: the configuration is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How long to look after every point was read once
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    watch: Duration,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("error");
    let settings = match memg_settings::load(&args.config, "", &[]) {
        Ok(settings) => settings,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(examine(&settings, args.watch));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    let faulty = report.findings.iter().any(|finding| finding.severity == Severity::Fault);
    Ok(if faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(report: &Report) {
    println!("Site {}: nothing was written.\n\nReadings", report.site);
    for reading in &report.readings {
        let value = match (reading.value, &reading.text) {
            (Some(value), _) => format!("{value} {}", reading.unit),
            (None, Some(text)) => format!("{text:?}"),
            (None, None) => "-".to_owned(),
        };
        let likely = reading.plausible.map_or_else(String::new, |(low, high)| format!("plausible {low} to {high}"));
        let name = format!("{}.{}", reading.device, reading.point);
        let order = reading.word_order.as_deref().unwrap_or_default();
        println!("  {name:<32} {value:<24} {order:<5} {likely}");
    }
    println!("\nSignals");
    for signal in &report.signals {
        let value = signal.value.map_or_else(|| "-".to_owned(), |value| format!("{value}"));
        println!(
            "  {:<28} {value:<22} {:<10} {:>6.1} s  {}",
            signal.signal, signal.quality, signal.age_s, signal.origin
        );
    }
    let balance = &report.balance;
    if balance.is_judged() {
        println!("\nBalance of powers: {:.2} kW left over, {:.2} may be", balance.residual_kw, balance.tolerance_kw);
    }
    println!("\nFindings");
    if report.findings.is_empty() {
        println!("  none");
    }
    report.findings.iter().for_each(tell);
}

fn tell(finding: &Finding) {
    let severity = match finding.severity {
        Severity::Fault => "FAULT",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    println!("  {severity:<8} {}: {}", finding.place, finding.message);
    if let Some(remedy) = &finding.remedy {
        println!("           -> {remedy}");
    }
}
