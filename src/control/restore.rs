//! What a restart takes from the journal: last set-points, CHP timers, limits from outside, the cap on renewables, a stop
//! that nobody has acknowledged, and the history of fifteen days. The mode always begins at Init.
//!
//! Only the journal's end is read, back to its last header (`super::recorder` says how often they come), whatever its
//! length, and the file before it if there is nothing in it yet (a process that was killed between the two).

use super::cycle::{ControlState, ExchangeLimits};
use super::grid_limit::{GridLimit, InForce};
use super::journal::{Entry, older, parse};
use memg_core::forecast::ForecastErrors;
use memg_core::history::{ClosedStep, History};
use memg_core::memory::ControlMemory;
use memg_core::units::Watts;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end is looked at, one after the other, until it holds a header.
const WINDOWS: [u64; 3] = [1 << 20, 16 << 20, 64 << 20];

/// Takes over what the last intact line says, if there is one, and the history up to it. Time that passed while the
/// gateway was down is not added: the CHP's minimum times are then kept too long rather than too short. To the history it
/// will be a gap.
///
/// # Errors
/// A file exists but cannot be read.
pub fn restore(path: &Path, state: &mut ControlState, steps_per_day: usize) -> io::Result<bool> {
    for file in [path.to_owned(), older(path)] {
        if let Some(end) = end_of(&file)? {
            let Kept { memory, limits, grid_limit, cap, latched, .. } = end.last;
            (state.memory, state.limits, state.grid_limit, state.cap) = (memory, limits, grid_limit, cap);
            state.grid_limit.restarted();
            state.mode.latched = latched;
            if let Some(errors) = end.forecast_errors {
                state.forecast_errors = errors;
            }
            if let Some(mut history) = end.history {
                end.closed.iter().rev().for_each(|step| history.restore_step(step, steps_per_day));
                state.history = history;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the end of a journal says.
struct End {
    last: Kept,
    /// As of the last header.
    history: Option<History>,
    /// As of the last header; what has arrived since then is not counted.
    forecast_errors: Option<ForecastErrors>,
    /// Steps closed since then, the latest first.
    closed: Vec<ClosedStep>,
}

/// What a line says.
struct Kept {
    memory: ControlMemory,
    limits: ExchangeLimits,
    grid_limit: GridLimit,
    cap: Option<Watts>,
    latched: bool,
    closed: Option<ClosedStep>,
    history: Option<History>,
    forecast_errors: Option<ForecastErrors>,
}

/// The parts of a decision that are read back.
#[derive(Deserialize)]
struct Decided {
    #[serde(default)]
    limits: ExchangeLimits,
    grid_limit: Option<InForce>,
    cap: Option<Watts>,
    #[serde(default)]
    latched: bool,
    closed: Option<ClosedStep>,
}

/// The end of a file back to its last header, if that lies within the largest window.
fn end_of(path: &Path) -> io::Result<Option<End>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = file.seek(SeekFrom::End(0))?;
    let mut found = None;
    for window in WINDOWS {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(window).read_to_end(&mut bytes)?;
        found = end_in(&bytes);
        if start == 0 || found.as_ref().is_some_and(|end| end.history.is_some()) {
            break;
        }
    }
    Ok(found)
}

/// The end that these bytes hold.
fn end_in(bytes: &[u8]) -> Option<End> {
    let mut lines = bytes.split(|byte| *byte == b'\n').rev().filter_map(kept);
    let mut last = lines.next()?;
    let (history, forecast_errors) = (last.history.take(), last.forecast_errors.take());
    let mut end = End { history, forecast_errors, closed: last.closed.into_iter().collect(), last };
    while end.history.is_none() {
        let Some(line) = lines.next() else { break };
        end.closed.extend(line.closed);
        (end.history, end.forecast_errors) = (line.history, line.forecast_errors);
    }
    Some(end)
}

/// What an intact line says; a header says what its run began with.
fn kept(line: &[u8]) -> Option<Kept> {
    match parse(str::from_utf8(line).ok()?).ok()? {
        Entry::Header(header) => {
            let ControlState { mode, memory, limits, grid_limit, cap, history, forecast_errors, .. } = header.state;
            let (history, forecast_errors) = (Some(history), Some(forecast_errors));
            Some(Kept {
                memory,
                limits,
                grid_limit,
                cap,
                latched: mode.latched,
                closed: None,
                history,
                forecast_errors,
            })
        }
        Entry::Cycle(record, _) => {
            let Decided { limits, grid_limit, cap, latched, closed } = serde_json::from_value(record.decision).ok()?;
            let grid_limit = grid_limit.map(|grid| grid.from).unwrap_or_default();
            Some(Kept {
                memory: record.memory,
                limits,
                grid_limit,
                cap,
                latched,
                closed,
                history: None,
                forecast_errors: None,
            })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#[path = "restore_tests.rs"]
mod tests;
