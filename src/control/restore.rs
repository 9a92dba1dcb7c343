//! What a restart takes from the journal: last set-points and CHP timers. The mode always begins at Init.

use super::cycle::ControlState;
use super::journal::{Entry, JournalError, Reader};
use std::path::Path;

/// The memory at the end of the last intact record, if there is one. Time that passed while the gateway was down is not
/// added: the CHP's minimum times are then kept too long rather than too short.
///
/// # Errors
/// The file exists but cannot be opened.
pub fn restore(path: &Path, state: &mut ControlState) -> Result<bool, JournalError> {
    if !path.exists() {
        return Ok(false);
    }
    let mut found = false;
    for entry in Reader::open(path)? {
        match entry {
            Ok(Entry::Cycle(record, _)) => {
                state.memory = record.memory;
                found = true;
            }
            Ok(Entry::Header(_)) => {}
            Err(error) => {
                tracing::warn!(%error, "The journal is damaged; what stands before the damage is used.");
                break;
            }
        }
    }
    Ok(found)
}
