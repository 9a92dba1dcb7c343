//! `gateway history` and what `gateway ledger` shares with it: points and times on the command line.

use super::{EXIT_CONFIGURATION, log_to_stderr};
use anyhow::{Context, Result};
use clap::ValueEnum;
use memg_history::{Reader, Resolution, Series};
use memg_plant_io::problem::words;
use memg_settings::{SiteClock, TIME_FORMATS};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is done with a history.
#[derive(Debug, clap::Subcommand)]
pub(super) enum HistoryCommand {
    /// Write points over a time to standard output
    ///
    /// The file may be that of a running gateway. A row in which nothing is known is left out; a value that is not known is an
    /// empty cell, or no field.
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The history, such as gateway.history
    #[arg(long, value_name = "FILE")]
    history: PathBuf,
    /// Points, such as pv_kw,soc,setpoint.battery_kw (default: all)
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    points: Vec<String>,
    /// Begin: a local time such as 2026-11-24 or "2026-11-24 10:15", or one with its offset (default: the oldest)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End, not included (default: the newest)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Zone of local times, such as Europe/Berlin or +01:00; a virtual plant's is UTC
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// csv: a column a value; influx: line protocol, times in ns
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// raw: every sample; minute, quarter: least value, mean and greatest value
    #[arg(long, value_enum, default_value_t = Finely::Raw)]
    resolution: Finely,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Influx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Finely {
    Raw,
    Minute,
    Quarter,
}

impl Finely {
    const fn resolution(self) -> Resolution {
        match self {
            Self::Raw => Resolution::Raw,
            Self::Minute => Resolution::Minute,
            Self::Quarter => Resolution::Quarter,
        }
    }

    /// Days that are read at once: an export of years needs no more memory than this.
    const fn days(self) -> i64 {
        match self {
            Self::Raw => 1,
            Self::Minute => 7,
            Self::Quarter => 100,
        }
    }
}

/// The user's input is wrong; the status is then that of a wrong configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Wrong(pub String);

/// Ends with the status that an error deserves; a reader that has seen enough is none.
pub(super) fn ended(done: Result<()>) -> Result<ExitCode> {
    let Err(error) = done else { return Ok(ExitCode::SUCCESS) };
    let closed = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    match error.downcast_ref::<Wrong>() {
        Some(wrong) => {
            eprintln!("error: {wrong}");
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
        None if closed => Ok(ExitCode::SUCCESS),
        None => Err(error),
    }
}

pub(super) fn main(command: &HistoryCommand) -> Result<ExitCode> {
    log_to_stderr("warn");
    let HistoryCommand::Export(args) = command;
    ended(export(args))
}

/// A zone on the command line.
pub(super) fn zone(name: &str) -> Result<SiteClock> {
    let wrong =
        || Wrong(format!("--zone: expected a name like Europe/Berlin or an offset like +01:00, found {name:?}"));
    Ok(SiteClock::of_zone(name).ok_or_else(wrong)?)
}

fn time(clock: &SiteClock, flag: &str, text: &str) -> Result<i64> {
    Ok(clock.parse_time(text).ok_or_else(|| Wrong(format!("{flag}: expected {TIME_FORMATS}; found {text:?}")))?)
}

/// The file, opened for reading.
pub(super) fn open(path: &std::path::Path) -> Result<Reader> {
    Ok(Reader::of_file(path).map_err(|error| Wrong(format!("--history: {error}")))?)
}

fn export(args: &ExportArgs) -> Result<()> {
    let clock = zone(&args.zone)?;
    let reader = open(&args.history)?;
    let points = points(&reader, &args.points)?;
    let Some((oldest, newest)) = reader.recorded()? else { return Ok(()) };
    let stated = |flag: &str, text: &Option<String>| text.as_deref().map(|text| time(&clock, flag, text)).transpose();
    let (from, to) = (stated("--from", &args.from)?, stated("--to", &args.to)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Wrong("--to: expected a time after --from".to_owned()).into());
    }
    let (from, to) = (from.unwrap_or(oldest).max(oldest), to.unwrap_or(i64::MAX).min(newest + 1));
    let mut out = BufWriter::new(io::stdout().lock());
    let names: Vec<&str> = points.iter().map(String::as_str).collect();
    let mut writer = Rows { out: &mut out, clock: &clock, raw: args.resolution == Finely::Raw, format: args.format };
    writer.header(&names)?;
    let length_ms = args.resolution.days() * 86_400_000;
    let mut begin = from;
    while begin < to {
        // Parts begin where rows do.
        let end = (begin - begin.rem_euclid(length_ms) + length_ms).min(to);
        let table =
            reader.series_at(&names, begin, end, args.resolution.resolution()).context("reading the history")?;
        writer.rows(&table.series)?;
        begin = end;
    }
    Ok(out.flush()?)
}

fn points(reader: &Reader, asked: &[String]) -> Result<Vec<String>> {
    let known: Vec<String> = reader.points().into_iter().map(|point| point.name).collect();
    if let Some(name) = asked.iter().find(|name| !known.contains(name)) {
        let told = words::unknown(name, known.iter().map(String::as_str));
        return Err(Wrong(format!("--points: {told}")).into());
    }
    Ok(if asked.is_empty() { known } else { asked.to_vec() })
}

/// Writes rows that hold something.
struct Rows<'a, W> {
    out: &'a mut W,
    clock: &'a SiteClock,
    /// A value is one number, not three.
    raw: bool,
    format: Format,
}

impl<W: Write> Rows<'_, W> {
    fn header(&mut self, names: &[&str]) -> io::Result<()> {
        if self.format == Format::Influx {
            return Ok(());
        }
        write!(self.out, "time,unix_ms")?;
        for name in names {
            match self.raw {
                true => write!(self.out, ",{name}")?,
                false => write!(self.out, ",{name}_min,{name}_mean,{name}_max")?,
            }
        }
        writeln!(self.out)
    }

    fn rows(&mut self, series: &[Series]) -> io::Result<()> {
        let times = series.first().map(|series| series.t.as_slice()).unwrap_or_default();
        for (row, t) in times.iter().enumerate() {
            if series.iter().all(|series| series.mean.get(row).copied().flatten().is_none()) {
                continue;
            }
            match self.format {
                Format::Csv => self.csv(series, row, *t)?,
                Format::Influx => self.influx(series, row, *t)?,
            }
        }
        Ok(())
    }

    /// The numbers of a point in a row, with what is added to its name.
    fn values(&self, series: &Series, row: usize) -> Vec<(&'static str, Option<f32>)> {
        let at = |column: &[Option<f32>]| column.get(row).copied().flatten();
        let mean = at(&series.mean);
        if self.raw {
            vec![("", mean)]
        } else {
            vec![("_min", at(&series.min)), ("_mean", mean), ("_max", at(&series.max))]
        }
    }

    fn csv(&mut self, series: &[Series], row: usize, t: i64) -> io::Result<()> {
        write!(self.out, "{},{t}", self.clock.format_time(t))?;
        for (_, value) in series.iter().flat_map(|series| self.values(series, row)).collect::<Vec<_>>() {
            match value {
                Some(value) => write!(self.out, ",{value}")?,
                None => write!(self.out, ",")?,
            }
        }
        writeln!(self.out)
    }

    fn influx(&mut self, series: &[Series], row: usize, t: i64) -> io::Result<()> {
        let named = series.iter().flat_map(|series| {
            let name = series.name.replace(['\\', ',', '=', ' '], "_");
            self.values(series, row)
                .into_iter()
                .filter_map(move |(what, value)| Some(format!("{name}{what}={}", value?)))
        });
        let fields: Vec<String> = named.collect();
        writeln!(self.out, "memg {} {}", fields.join(","), t.saturating_mul(1_000_000))
    }
}
