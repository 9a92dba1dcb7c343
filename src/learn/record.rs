//! Journals as policy steps: reads them cycle by cycle, refuses what is broken or of another plant.

use super::folder::{JournalUsed, equipment_hash};
use super::steps::{Moment, OfUnits, Powers, Step, Summing};
use super::{DAYS_MIN, folder};
use memg_control::journal::{Entry, Header, JournalError, ReadRecord, Reader, older};
use memg_control::verify::{NotWhole, verify};
use memg_core::equipment::{PlantParameters, UNITS_MAX};
use memg_core::measurement::Measurement;
use memg_core::plant_state::{Signal, Tag};
use memg_core::units::Watts;
use std::path::{Path, PathBuf};

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A journal is not as it was written.
    #[error("{0}; a journal that is not whole teaches nothing (`gateway journal verify` says more)")]
    Broken(#[from] NotWhole),
    /// It cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It is of another plant.
    #[error("{path}:{line}: {why}: expected the journals of one plant")]
    OtherPlant {
        /// The journal's path.
        path: PathBuf,
        /// Line of the header.
        line: usize,
        /// What differs.
        why: String,
    },
    /// Too little was recorded.
    #[error(
        "{journals} journal{} hold {days:.1} days without gaps: expected at least {DAYS_MIN:.0}, a fortnight is better",
        if *.journals == 1 { "" } else { "s" }
    )]
    TooShort {
        /// Days.
        days: f64,
        /// Journals that were given.
        journals: usize,
    },
    /// There is no line in any of them.
    #[error("no cycle in any of these journals")]
    Empty,
    /// A folder of what was learned cannot be written or used.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
}

/// What journals hold.
#[derive(Debug)]
pub(crate) struct Record {
    pub site: String,
    pub plant: PlantParameters,
    pub steps: Vec<Step>,
    pub journals: Vec<JournalUsed>,
    /// Local time of the first and last cycle, ms since 1970.
    pub first_ms: i64,
    pub last_ms: i64,
}

impl Record {
    /// Days that steps cover.
    pub fn days(&self) -> f64 {
        self.steps.iter().map(|step| step.hours).sum::<f64>() / 24.0
    }
}

/// The plant that the first header states, and who names it.
struct Known {
    site: String,
    plant: PlantParameters,
    hash: String,
}

/// What is read so far.
#[derive(Default)]
struct Reading {
    known: Option<Known>,
    summing: Option<Summing>,
    span: Option<(i64, i64)>,
    cycles: u64,
}

pub(crate) fn read(journals: &[PathBuf]) -> Result<Record, LearnError> {
    let mut reading = Reading::default();
    let mut used = Vec::new();
    for path in with_older(journals) {
        let whole = verify(&path, None)?;
        reading.cycles = 0;
        reading.file(&path)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        used.push(JournalUsed { file, cycles: reading.cycles, last_line: whole.last.to_string() });
    }
    let (Some(known), Some(summing), Some((first_ms, last_ms))) = (reading.known, reading.summing, reading.span) else {
        return Err(LearnError::Empty);
    };
    let (site, plant, steps) = (known.site, known.plant, summing.steps);
    Ok(Record { site, plant, steps, journals: used, first_ms, last_ms })
}

/// Each journal behind the file that was rotated away from it, if that is there and not named itself.
fn with_older(journals: &[PathBuf]) -> Vec<PathBuf> {
    let each = |path: &PathBuf| {
        let before = older(path);
        let before = (before.exists() && !journals.contains(&before)).then_some(before);
        before.into_iter().chain([path.clone()])
    };
    journals.iter().flat_map(each).collect()
}

impl Reading {
    fn file(&mut self, path: &Path) -> Result<(), LearnError> {
        let mut reader = Reader::open(path)?;
        while let Some(entry) = reader.next() {
            match entry {
                // A gateway may be writing it.
                Err(JournalError::Torn { .. }) => break,
                Err(error) => return Err(error.into()),
                Ok(Entry::Header(header)) => self.header(path, reader.line(), &header)?,
                Ok(Entry::Cycle(record, _)) => self.cycle(&record),
            }
        }
        Ok(())
    }

    fn header(&mut self, path: &Path, line: usize, header: &Header) -> Result<(), LearnError> {
        let hash = equipment_hash(&header.plant);
        let known = self.known.get_or_insert_with(|| Known {
            site: header.site.clone(),
            plant: header.plant,
            hash: hash.clone(),
        });
        let other = |why: String| Err(LearnError::OtherPlant { path: path.to_owned(), line, why });
        if known.hash != hash {
            return other("its batteries, CHPs or boiler are not those of the journals before".to_owned());
        }
        if known.site != header.site {
            return other(format!("it is of the site {:?}, those before are of {:?}", header.site, known.site));
        }
        let step_ms = (header.plant.step_h * 3_600_000.0).round() as i64;
        let summing = self.summing.get_or_insert_with(|| Summing::new(step_ms));
        // A header within a run only says where it stands.
        if !header.continued {
            summing.begin(header.cycle_ms);
        }
        Ok(())
    }

    fn cycle(&mut self, record: &ReadRecord) {
        let Some(summing) = &mut self.summing else { return };
        let moment = moment(record);
        let (first, last) = self.span.unwrap_or((moment.plant_ms, moment.plant_ms));
        self.span = Some((first.min(moment.plant_ms), last.max(moment.plant_ms)));
        self.cycles += 1;
        summing.add(&moment);
    }
}

/// A number that control could rely on.
fn known<T: Copy>(measured: Measurement<T>, number: impl Fn(T) -> f64) -> f64 {
    measured.usable().map_or(f64::NAN, number)
}

fn moment(record: &ReadRecord) -> Moment {
    let (input, state) = (&record.input, &record.input.state);
    let witness = |tag: Option<Tag>| {
        let found = input.witnesses.iter().find(|(known, _)| Some(*known) == tag);
        found.map_or(f64::NAN, |(_, measured)| known(*measured, |value| value))
    };
    let sum = |signal: Signal| {
        let of = input.witnesses.iter().filter(|(tag, _)| tag.signal() == signal);
        of.map(|(_, measured)| known(*measured, |value| value)).reduce(|a, b| a + b).unwrap_or(f64::NAN)
    };
    let of_unit =
        |signal: Signal, unit: usize| witness(u16::try_from(unit + 1).ok().and_then(|number| Tag::new(signal, number)));
    let battery: OfUnits = state.batteries.map(|battery| known(battery.power, |kw| kw.get()));
    let chp: OfUnits = state.chps.map(|chp| known(chp.power, |kw| kw.get()));
    let written = record.decision.get("written").and_then(serde_json::Value::as_bool) == Some(true);
    let told = |watts: Watts| if written { watts.kilowatts().get() } else { f64::NAN };
    let powers = Powers {
        charge: battery.map(positive),
        discharge: battery.map(|kw| positive(-kw)),
        battery,
        chp,
        chp_runs: chp.map(|kw| if kw.is_nan() { kw } else { f64::from(u8::from(kw > 0.0)) }),
        chp_heat: std::array::from_fn(|unit| of_unit(Signal::ChpHeatKw, unit)),
        boiler_heat: sum(Signal::BoilerHeatKw),
        gas: sum(Signal::GasKw),
        heat_load: known(state.heat_load, |kw| kw.get()),
        battery_told: record.memory.batteries.map(|battery| told(battery.now)),
        chp_told: record.memory.chps.map(|chp| told(chp.now)),
    };
    let socs: [f64; UNITS_MAX] = state.batteries.map(|battery| known(battery.soc, |soc| soc.get()));
    Moment { uptime_ms: input.uptime_ms, plant_ms: input.plant_ms, socs, powers }
}

/// What is above zero of a power; a power that is not known stays so.
fn positive(kw: f64) -> f64 {
    if kw.is_nan() { kw } else { kw.max(0.0) }
}
