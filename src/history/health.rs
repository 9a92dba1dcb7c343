//! What both halves know of how the history fares: what was lost, what is wrong.

use crate::block::{Block, PointId};
use crate::point::{Note, NoteKind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Losses are told for this long after the last one.
const TOLD: Duration = Duration::from_secs(600);

/// A note that waits for its commit.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub id: i64,
    pub kind: NoteKind,
    pub note: Note,
}

/// A chunk that is not complete.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open {
    pub block: Block,
    /// Rows that a power cut would leave.
    pub kept: usize,
}

/// What is in memory.
#[derive(Debug, Default)]
pub(crate) struct Present {
    pub slots: BTreeMap<i64, Open>,
    /// The chunk that the last sample went into; all others are complete.
    pub current: Option<i64>,
    pub notes: Vec<Waiting>,
}

impl Present {
    /// Chunks that are not in the file as such, some points of them.
    pub fn blocks(&self, ids: &[PointId]) -> BTreeMap<i64, Block> {
        self.slots.iter().map(|(slot, open)| (*slot, open.block.only(ids))).collect()
    }
}

#[derive(Debug, Default)]
struct State {
    /// Until the next start.
    lasting: Vec<String>,
    /// Until it is over.
    now: Option<String>,
    last_drop: Option<Instant>,
}

/// Shared by writer, its thread and readers.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    present: Mutex<Present>,
    state: Mutex<State>,
    /// Samples and notes that were lost.
    pub dropped: AtomicU64,
    /// Blobs that could not be read.
    pub damaged: AtomicU64,
    /// Another file stands at the path since.
    pub generation: AtomicU64,
    /// Time of the newest sample in the file, ms since 1970; [`NEVER`] if there is none.
    pub committed_ms: AtomicI64,
}

/// Stands for no time.
pub(crate) const NEVER: i64 = i64::MIN;

/// Nobody leaves the data half changed: what is behind a poisoned lock is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn present(&self) -> MutexGuard<'_, Present> {
        lock(&self.present)
    }

    /// Counts what is lost; the first loss after a while is logged.
    pub fn drop_some(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        let before = lock(&self.state).last_drop.replace(Instant::now());
        if before.is_none_or(|before| before.elapsed() > TOLD) {
            tracing::warn!("The history loses samples; control goes on.");
        }
    }

    /// Something that an operator should know until the next start.
    pub fn lasting(&self, trouble: String) {
        tracing::error!(trouble, "The history is in trouble; control goes on.");
        lock(&self.state).lasting.push(trouble);
    }

    /// What is wrong now, or that nothing is.
    pub fn now(&self, trouble: Option<String>) {
        let before = std::mem::replace(&mut lock(&self.state).now, trouble.clone());
        match trouble {
            Some(trouble) if before.is_none() => {
                tracing::error!(trouble, "The history cannot be written; control goes on.");
            }
            None if before.is_some() => tracing::info!("The history can be written again."),
            Some(_) | None => {}
        }
    }

    /// All that is wrong, in words.
    pub fn trouble(&self) -> Option<String> {
        let state = lock(&self.state);
        let (dropped, damaged) = (self.dropped.load(Ordering::Relaxed), self.damaged.load(Ordering::Relaxed));
        let losing = state.last_drop.is_some_and(|last| last.elapsed() < TOLD);
        let losses = losing.then(|| format!("{dropped} samples or notes were lost since the start"));
        let gaps = (damaged > 0).then(|| format!("{damaged} parts of the file could not be read and show as gaps"));
        let all: Vec<String> = state.now.iter().chain(&state.lasting).cloned().chain(losses).chain(gaps).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
