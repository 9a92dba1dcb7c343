//! What a restart takes from the journal: last set-points, CHP timers and limits from outside. The mode always begins at
//! Init.
//!
//! Only the journal's end is read, whatever its length, and the file before it if there is nothing in it yet (a process
//! that was killed between the two).

use super::cycle::{ControlState, ExchangeLimits};
use super::journal::{Entry, older, parse};
use memg_core::memory::ControlMemory;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end is looked at, one after the other, until it holds a whole line.
const WINDOWS: [u64; 3] = [64 << 10, 1 << 20, 16 << 20];

/// Takes over what the last intact line says, if there is one. Time that passed while the gateway was down is not added:
/// the CHP's minimum times are then kept too long rather than too short.
///
/// # Errors
/// A file exists but cannot be read.
pub fn restore(path: &Path, state: &mut ControlState) -> io::Result<bool> {
    for file in [path.to_owned(), older(path)] {
        if let Some(kept) = last_line(&file)? {
            (state.memory, state.limits) = (kept.memory, kept.limits);
            return Ok(true);
        }
    }
    Ok(false)
}

struct Kept {
    memory: ControlMemory,
    limits: ExchangeLimits,
}

#[derive(Deserialize)]
struct Limited {
    #[serde(default)]
    limits: ExchangeLimits,
}

fn last_line(path: &Path) -> io::Result<Option<Kept>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = file.seek(SeekFrom::End(0))?;
    for window in WINDOWS {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(window).read_to_end(&mut bytes)?;
        let found = bytes.split(|byte| *byte == b'\n').rev().find_map(kept);
        if found.is_some() || start == 0 {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What an intact line says; a header says what its run began with.
fn kept(line: &[u8]) -> Option<Kept> {
    match parse(str::from_utf8(line).ok()?).ok()? {
        Entry::Header(header) => Some(Kept { memory: header.state.memory, limits: header.state.limits }),
        Entry::Cycle(record, _) => {
            let Limited { limits } = serde_json::from_value(record.decision).ok()?;
            Some(Kept { memory: record.memory, limits })
        }
    }
}
