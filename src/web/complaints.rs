//! Log lines about what strangers do: the same kind once a minute, with its count, so that nobody can fill a disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// What somebody did that does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Complaint {
    /// More connections than there are places.
    TooMany,
    /// No TLS where TLS is spoken.
    Handshake,
    /// No HTTP, or too slow, or too much.
    Garbage,
    /// A foreign Host or Origin.
    Foreign,
    /// A log-in that failed.
    LogIn,
    /// The system gives no connections.
    System,
}

impl Complaint {
    const fn says(self) -> &'static str {
        match self {
            Self::TooMany => "More connections than the operator's station takes; the rest is refused.",
            Self::Handshake => "A TLS handshake with the operator's station failed.",
            Self::Garbage => "Something that is no request came to the operator's station.",
            Self::Foreign => "A request with a foreign Host or Origin was refused.",
            Self::LogIn => "A log-in failed.",
            Self::System => "The operator's station cannot take a connection.",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    held_back: u64,
}

/// What was said when. Clones share their memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Complaints {
    told: Arc<Mutex<BTreeMap<Complaint, Told>>>,
}

impl Complaints {
    /// Logs it, or counts it.
    pub(crate) fn about(&self, what: Complaint, detail: &str) {
        if let Some(times) = self.due(what, Instant::now()) {
            // A stranger's text: never more than a line of it.
            let detail: String = detail.chars().filter(|c| !c.is_control()).take(120).collect();
            tracing::warn!(times, detail, "{}", what.says());
        }
    }

    /// How often it happened since it was told, if it is to be told now.
    fn due(&self, what: Complaint, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.entry(what).or_insert(Told { at: now, held_back: 0 });
        known.held_back += 1;
        let first = known.at == now && known.held_back == 1;
        if !first && now.saturating_duration_since(known.at) < REPEAT_AFTER {
            return None;
        }
        known.at = now;
        Some(std::mem::take(&mut known.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_complaint_is_told_once_a_minute_with_its_count() {
        let complaints = Complaints::default();
        let mut said = Vec::new();
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            said.extend(complaints.due(Complaint::Garbage, Instant::now()));
        }
        assert_eq!(said, [1, 60]);
    }
}
