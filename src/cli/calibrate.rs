//! `gateway calibrate`

use super::EXIT_CONFIGURATION;
use anyhow::{Context, Result, bail};
use memg_control::input::CycleInput;
use memg_control::journal::{Entry, JournalError, Reader};
use memg_core::measurement::{Measurement, Quality};
use memg_evaluate::feeder::{Feeder, Sample, fit};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Fit R and X of the grid connection, and the margin of its voltage, from a plant's own records; prints the lines for the
/// site file. Refuses records in which P or Q move too little.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Journal of a gateway that measures `grid_kw`, `grid_kvar` and `grid_voltage_pu` (shadow is enough)
    #[arg(required_unless_present = "csv", conflicts_with = "csv")]
    journal: Option<PathBuf>,
    /// Instead: a file with the columns p_kw, q_kvar, v_pu (+ = importing) and perhaps time_s (default: a row a second)
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Base of R and X, kVA (default: that of the journal's plant; needed with --csv)
    #[arg(long, value_name = "KVA", required_unless_present = "journal")]
    base_kva: Option<f64>,
    /// Time constant of the filter on the voltage, `plant.margins.filter_s` (default: that of the journal's plant, or 60)
    #[arg(long, value_name = "S")]
    filter_s: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Between two runs of a gateway nobody knows what happened, s.
const BETWEEN_RUNS_S: f64 = 1e6;
const FILTER_S: f64 = 60.0;

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let Records { samples, plant } = match (&args.journal, &args.csv) {
        (Some(journal), _) => from_journal(journal)?,
        (None, Some(csv)) => {
            let text = std::fs::read_to_string(csv).with_context(|| csv.display().to_string())?;
            Records { samples: from_csv(&text).with_context(|| csv.display().to_string())?, plant: None }
        }
        (None, None) => bail!("expected a journal or --csv FILE"),
    };
    let known = |given: Option<f64>, stated: Option<f64>| given.or(stated);
    let base_kva = known(args.base_kva, plant.map(|(base_kva, _)| base_kva)).context("--base-kva is missing")?;
    let filter_s = known(args.filter_s, plant.map(|(_, filter_s)| filter_s)).unwrap_or(FILTER_S);
    if !(base_kva > 0.0 && base_kva.is_finite() && filter_s >= 0.0 && filter_s.is_finite()) {
        bail!("expected --base-kva above 0 and --filter-s of at least 0, found {base_kva} and {filter_s}");
    }
    match fit(&samples, base_kva, filter_s) {
        Ok(feeder) if args.json => println!("{}", serde_json::to_string(&feeder)?),
        Ok(feeder) => print!("{}", told(&feeder, samples.len(), filter_s)),
        Err(refusal) => {
            eprintln!("error: {} samples: {refusal}.", samples.len());
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(feeder: &Feeder, samples: usize, filter_s: f64) -> String {
    // Never less than what was found.
    let margin = (feeder.margin_voltage_pu * 1e4).ceil() / 1e4;
    format!(
        "From {samples} samples, {} steps; ± is a standard error.\n\
         R = {:.4} ± {:.4} pu, X = {:.4} ± {:.4} pu on {} kVA.\n\
         Of all voltages 99.9 % are within {margin:.4} pu of what R, X and the voltage filtered over {filter_s} s say.\n\n\
         For the site file:\n\n\
         [plant.grid]\nresistance_pu = {:.4}\nreactance_pu = {:.4}\nbase_kva = {:.1}\n\n\
         [plant.margins]\nvoltage_pu = {margin:.4}\n",
        feeder.steps,
        feeder.resistance_pu,
        feeder.resistance_error_pu,
        feeder.reactance_pu,
        feeder.reactance_error_pu,
        feeder.base_kva,
        feeder.resistance_pu,
        feeder.reactance_pu,
        feeder.base_kva,
    )
}

/// What was recorded, and of which plant.
struct Records {
    samples: Vec<Sample>,
    /// Base (kVA) and filter time (s), where the records say them.
    plant: Option<(f64, f64)>,
}

/// A torn last line ends a journal, as in replay.
fn from_journal(path: &Path) -> Result<Records> {
    let (mut samples, mut plant, mut begun_s) = (Vec::<Sample>::new(), None, 0.0);
    let mut fresh_run = true;
    for entry in Reader::open(path)? {
        match entry {
            Err(JournalError::Torn { .. }) => break,
            Err(error) => return Err(error.into()),
            Ok(Entry::Header(header)) => {
                plant = Some((header.plant.grid.base_kva, header.plant.margins.filter_s));
                fresh_run |= !header.continued;
            }
            Ok(Entry::Cycle(record, _)) => {
                if std::mem::take(&mut fresh_run) {
                    begun_s = samples.last().map_or(0.0, |last| last.time_s + BETWEEN_RUNS_S);
                }
                samples.extend(measured(&record.input, begun_s).filter(|sample| is_news(&samples, sample)));
            }
        }
    }
    Ok(Records { samples, plant })
}

/// What was read, not what stands in for it.
fn measured(input: &CycleInput, begun_s: f64) -> Option<Sample> {
    let read = |m: Measurement<f64>| m.usable().filter(|_| m.quality == Quality::Good);
    let s = &input.state;
    Some(Sample {
        time_s: begun_s + input.uptime_ms as f64 / 1000.0,
        p_kw: read(s.grid.map(|kw| kw.get()))?,
        q_kvar: read(s.grid_reactive.map(|kvar| kvar.get()))?,
        v_pu: read(s.grid_voltage.map(|pu| pu.get()))?,
    })
}

/// The meter was read again since the last sample.
fn is_news(samples: &[Sample], sample: &Sample) -> bool {
    samples.last().is_none_or(|last| Sample { time_s: sample.time_s, ..*last } != *sample)
}

fn from_csv(text: &str) -> Result<Vec<Sample>> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().context("line 1: expected the columns p_kw, q_kvar, v_pu")?;
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let needed = |name: &str| {
        place(name).with_context(|| format!("line 1: column {name} is missing; found {}", names.join(", ")))
    };
    let (p, q, v) = (needed("p_kw")?, needed("q_kvar")?, needed("v_pu")?);
    let time = place("time_s");
    let row = |(row, (index, line)): (usize, (usize, &str))| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let number = |column: usize| {
            let cell = cells.get(column).copied().unwrap_or_default();
            let found = cell.parse::<f64>().ok().filter(|number| number.is_finite());
            let name = names.get(column).copied().unwrap_or_default();
            found.with_context(|| format!("line {}, {name}: expected a finite number, found {cell:?}", index + 1))
        };
        let time_s = time.map_or(Ok(row as f64), number)?;
        Ok(Sample { time_s, p_kw: number(p)?, q_kvar: number(q)?, v_pu: number(v)? })
    };
    lines.enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_a_wrong_cell_has_line_and_column() -> Result<()> {
        let samples = from_csv("v_pu, p_kw ,x,q_kvar\n1.01,5,a,2\n\n1.0,6,b,3\n")?;
        assert_eq!(samples[1], Sample { time_s: 1.0, p_kw: 6.0, q_kvar: 3.0, v_pu: 1.0 });
        let told = |text: &str| from_csv(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told("p_kw,v_pu\n1,1\n").contains("line 1: column q_kvar is missing; found p_kw, v_pu"));
        assert!(
            told("p_kw,q_kvar,v_pu\n1,2,1\n1,NaN,1\n")
                .contains("line 3, q_kvar: expected a finite number, found \"NaN\"")
        );
        assert!(told("p_kw,q_kvar,v_pu\n1,2\n").contains("line 2, v_pu: expected a finite number, found \"\""));
        Ok(())
    }
}
