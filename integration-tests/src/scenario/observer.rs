//! What the gateway did, cycle by cycle: from its journal, which it writes before anything leaves.

use serde_json::Value;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What a cycle came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Counts from 1 in every run.
    pub number: u64,
    /// Mode after it.
    pub mode: String,
    /// Its worst fault, in words; empty without.
    pub fault: String,
    /// Set-points went out.
    pub written: bool,
}

impl Cycle {
    /// From a line of the journal; `None` for a header.
    fn of_journal(line: &str) -> Option<Self> {
        let (_, json) = line.split_once(' ')?;
        let record: Value = serde_json::from_str(json).ok()?;
        Some(Self {
            number: record["input"]["cycle"].as_u64()?,
            mode: record["decision"]["mode"].as_str()?.to_owned(),
            fault: record["decision"]["fault"]["cause"].as_str().unwrap_or_default().to_owned(),
            written: record["decision"]["written"] == true,
        })
    }

    /// From the station's state; `None` before the first cycle.
    #[must_use]
    pub fn of_station(state: &Value) -> Option<Self> {
        Some(Self {
            number: state["cycle"].as_u64()?,
            mode: state["mode"]["now"].as_str()?.to_owned(),
            fault: state["mode"]["fault"]["cause"].as_str().unwrap_or_default().to_owned(),
            written: state["setpoints"]["sent"] == true,
        })
    }
}

/// Reads a journal as it grows.
#[derive(Debug)]
pub struct JournalTail {
    path: PathBuf,
    read: u64,
    rest: String,
}

impl JournalTail {
    /// From its beginning.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: 0, rest: String::new() }
    }

    /// From its present end: what an earlier run wrote does not count.
    pub fn skip(&mut self) {
        self.read = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        self.rest.clear();
    }

    /// Cycles since the last time.
    pub fn news(&mut self) -> Vec<Cycle> {
        self.fetch();
        let Some(end) = self.rest.rfind('\n') else { return Vec::new() };
        let tail = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, tail);
        whole.lines().filter_map(Cycle::of_journal).collect()
    }

    fn fetch(&mut self) {
        let Ok(mut file) = std::fs::File::open(&self.path) else { return };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.read)).is_ok() && file.read_to_end(&mut bytes).is_ok() {
            self.read += bytes.len() as u64;
            self.rest.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}
