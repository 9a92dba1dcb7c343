//! The writing half: hands over to a thread of its own and never waits for it.

use crate::health::{NEVER, Shared};
use crate::keeper::Keeper;
use crate::point::{NoteKind, PointInfo, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Cycles that wait for the thread: more than an hour of them.
const QUEUE: usize = 4096;
/// Longest note, bytes.
const NOTE_BYTES_MAX: usize = 65_536;
/// The thread looks at least this often whether it shall end.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Message {
    Sample(i64, Box<[(usize, Option<f32>)]>),
    Note(i64, NoteKind, String),
}

/// Takes samples and notes; never blocks.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    closing: Arc<AtomicBool>,
    closed: watch::Receiver<bool>,
}

impl Writer {
    /// Begins the thread.
    pub(crate) fn begin(settings: &Settings, points: &[PointInfo], shared: &Arc<Shared>) -> Self {
        let (queue, messages) = sync_channel(QUEUE);
        let (done, closed) = watch::channel(false);
        let closing = Arc::new(AtomicBool::new(false));
        let keeper = Keeper::new(settings.clone(), points.to_vec(), Arc::clone(shared));
        let (commit, end) = (settings.commit, Arc::clone(&closing));
        let run = move || {
            keep(keeper, &messages, commit, &end);
            let _ = done.send(true);
        };
        if let Err(error) = std::thread::Builder::new().name("history".into()).spawn(run) {
            // Nobody receives: every sample is dropped, and counted.
            shared.lasting(format!("the history's thread does not start: {error}"));
        }
        Self { queue, shared: Arc::clone(shared), closing, closed }
    }

    /// Values of one cycle, by index into the points that the history was opened with. A point that is not named, and one
    /// that is `None` or not finite, was not known then.
    pub fn sample(&self, unix_ms: i64, values: &[(usize, Option<f32>)]) {
        self.send(Message::Sample(unix_ms, values.into()));
    }

    /// One note, as JSON, at most 64 KiB.
    pub fn note(&self, unix_ms: i64, kind: NoteKind, json: String) {
        if json.len() > NOTE_BYTES_MAX {
            return self.shared.drop_some(1);
        }
        self.send(Message::Note(unix_ms, kind, json));
    }

    fn send(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
            self.shared.drop_some(1);
        }
    }

    /// What is wrong, in words for an operator. A damaged file is told until the next start, losses until ten minutes after
    /// the last one, all else until it is over.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// Samples and notes that could not be kept since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Time of the newest sample that a power cut would leave, ms since 1970 UTC.
    #[must_use]
    pub fn committed_ms(&self) -> Option<i64> {
        Some(self.shared.committed_ms.load(Ordering::Relaxed)).filter(|ms| *ms != NEVER)
    }

    /// Writes what is left and ends the thread; other clones lose what they sample from then on.
    pub async fn close(mut self) {
        self.closing.store(true, Ordering::Release);
        // An error: the thread has ended before.
        let _ = self.closed.wait_for(|closed| *closed).await;
    }
}

/// Takes messages until nobody can send any, or it shall end; commits every `commit`.
fn keep(mut keeper: Keeper, messages: &Receiver<Message>, commit: Duration, closing: &AtomicBool) {
    let mut due = Instant::now() + commit;
    while !closing.load(Ordering::Acquire) {
        let wait = due.saturating_duration_since(Instant::now()).min(PATIENCE);
        match messages.recv_timeout(wait) {
            Ok(message) => take(&mut keeper, message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if Instant::now() >= due {
            keeper.commit();
            due = Instant::now() + commit;
        }
    }
    messages.try_iter().take(QUEUE).for_each(|message| take(&mut keeper, message));
    keeper.commit();
}

fn take(keeper: &mut Keeper, message: Message) {
    match message {
        Message::Sample(unix_ms, values) => keeper.sample(unix_ms, &values),
        Message::Note(unix_ms, kind, json) => keeper.note(unix_ms, kind, json),
    }
}
