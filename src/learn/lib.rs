//! What a gateway's own journals say of its plant.
//!
//! [`learn`] reads journals cycle by cycle ([`record`]), sums them into policy steps ([`steps`]) and asks of each parameter whether
//! what was measured identifies it: batteries ([`battery`]), CHPs and boiler ([`heat`]), how long devices take ([`lag`]). What is not
//! identified is told with its reason and stays as the site file states it. [`folder`] writes and reads what was found. It knows
//! no driver and moves nothing; whether what was found is believed is for those who run, train and evaluate.

#![forbid(unsafe_code)]

mod battery;
mod finding;
mod fit;
pub mod folder;
mod heat;
mod lag;
mod record;
mod steps;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
mod tests;

pub use finding::{Finding, Outcome, Parameter};
pub use memg_core::equipment::Identified;
pub use record::LearnError;

use folder::{JournalUsed, LearnedFile};
use memg_core::equipment::PlantParameters;
use std::path::PathBuf;

/// Fewer days say too little.
pub const DAYS_MIN: f64 = 3.0;
/// Fewer days give wide intervals and hold some weekdays once alone: a fortnight, of which gaps may take half a day.
pub const DAYS_GOOD: f64 = 13.5;

/// What was learned, and of what.
#[derive(Debug, Clone, PartialEq)]
pub struct Learnt {
    /// As it is written into a folder.
    pub file: LearnedFile,
    /// Everything that was asked, identified or not.
    pub findings: Vec<Finding>,
    /// The plant that the journals are of, as its site file stated it.
    pub plant: PlantParameters,
}

/// Reads journals of one plant and says what they identify. Files that were rotated away (`FILE.1`) are read with theirs.
///
/// # Errors
/// A journal is broken, of another plant than the others, or they hold less than [`DAYS_MIN`] days.
pub fn learn(journals: &[PathBuf]) -> Result<Learnt, LearnError> {
    let record = record::read(journals)?;
    let days = record.days();
    if days < DAYS_MIN {
        return Err(LearnError::TooShort { days, journals: journals.len() });
    }
    let plant = record.plant;
    let mut findings = battery::findings(&record);
    findings.extend(heat::findings(&record));
    findings.extend(lag::findings(&record));
    let journals: Vec<JournalUsed> = record.journals;
    let span = [record.first_ms, record.last_ms];
    let file = LearnedFile::of(&record.site, &plant, days, span, journals, &findings);
    Ok(Learnt { file, findings, plant })
}
