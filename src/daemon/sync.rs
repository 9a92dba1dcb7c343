//! Syncs the journal to disk beside the cycle, and writes down how far it has come.

use memg_control::chain::Head;
use memg_control::recorder::Recorder;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

/// A power cut costs at most this much of the journal, and the time that the disk takes.
const EVERY: Duration = Duration::from_secs(5);

/// The last sync.
#[derive(Debug, Default)]
pub(super) struct DiskSync {
    at: Option<Instant>,
    task: Option<JoinHandle<()>>,
    /// That it fails was said.
    said: Arc<AtomicBool>,
}

impl DiskSync {
    /// Begins one every few seconds; a disk that takes its time is not asked twice.
    pub fn when_due(&mut self, journal: &mut Recorder) {
        let is_due = self.at.is_none_or(|at| at.elapsed() >= EVERY);
        let is_busy = self.task.as_ref().is_some_and(|task| !task.is_finished());
        if is_due && !is_busy {
            self.begin(journal);
        }
    }

    /// One more, of everything that was written.
    pub async fn finish(&mut self, journal: &mut Recorder) {
        self.ended().await;
        self.begin(journal);
        self.ended().await;
    }

    async fn ended(&mut self) {
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    fn begin(&mut self, journal: &mut Recorder) {
        self.at = Some(Instant::now());
        let head = journal.head();
        let said = Arc::clone(&self.said);
        match journal.handles() {
            Ok(files) => self.task = Some(spawn_blocking(move || synced(&files, head, &said))),
            Err(error) => tracing::warn!(%error, "The journal cannot be synced to disk."),
        }
    }
}

/// A disk that refuses is an error of the next write; it is said once, until it takes again.
fn synced(files: &[File], head: Option<(Head, PathBuf)>, said: &AtomicBool) {
    let written = files.iter().try_for_each(File::sync_data);
    let written = written.and_then(|()| head.map_or(Ok(()), |(head, path)| head.write(&path)));
    match written {
        Ok(()) => said.store(false, Ordering::Relaxed),
        Err(error) if !said.swap(true, Ordering::Relaxed) => {
            tracing::warn!(%error, "The journal or its head cannot be synced to disk.");
        }
        Err(_) => {}
    }
}
