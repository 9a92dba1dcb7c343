//! What is written down for people: decisions, events, changes of alarms. To the history where there is one; the latest are
//! kept here, too, because the history commits only every so often.

use memg_history::{Note, NoteKind, Reader, Writer};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// So many of each kind are kept here: five days of policy steps.
const KEPT: usize = 512;

/// The notebook. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Notes {
    history: Option<(Writer, Reader)>,
    kept: Arc<Mutex<[VecDeque<Note>; 3]>>,
}

const fn place(kind: NoteKind) -> usize {
    match kind {
        NoteKind::Decision => 0,
        NoteKind::Event => 1,
        NoteKind::Alarm => 2,
    }
}

impl Notes {
    pub fn new(history: Option<(Writer, Reader)>) -> Self {
        Self { history, kept: Arc::default() }
    }

    /// Writes one. Never waits for a disk.
    pub fn write(&self, unix_ms: i64, kind: NoteKind, note: &serde_json::Value) {
        let json = note.to_string();
        if let Some((writer, _)) = &self.history {
            writer.note(unix_ms, kind, json.clone());
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = kept.get_mut(place(kind)) else { return };
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Note { unix_ms, json });
    }

    /// Those of a span (its end excluded), newest first.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn read(&self, kind: NoteKind, from_ms: i64, until_ms: i64, limit: usize) -> Result<Vec<Note>, String> {
        let (mut found, oldest) = self.recent(kind, from_ms, until_ms);
        if let Some((_, reader)) = &self.history {
            // What is kept here is there, too, or will be.
            let until_ms = oldest.map_or(until_ms, |oldest| until_ms.min(oldest));
            if found.len() < limit && until_ms > from_ms {
                let older = reader.notes(kind, from_ms, until_ms, limit - found.len());
                found.extend(older.map_err(|error| error.to_string())?);
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// From what is kept here: the notes of a span, newest first, and when the oldest of all was written.
    fn recent(&self, kind: NoteKind, from_ms: i64, until_ms: i64) -> (Vec<Note>, Option<i64>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = kept.get(place(kind)) else { return (Vec::new(), None) };
        let oldest = kept.iter().map(|note| note.unix_ms).min();
        let within = kept.iter().rev().filter(|note| (from_ms..until_ms).contains(&note.unix_ms));
        (within.cloned().collect(), oldest)
    }

    /// The reading half of the history.
    pub fn reader(&self) -> Option<&Reader> {
        self.history.as_ref().map(|(_, reader)| reader)
    }

    /// What is wrong with the history.
    pub fn trouble(&self) -> Option<String> {
        self.history.as_ref().and_then(|(writer, _)| writer.trouble())
    }
}
