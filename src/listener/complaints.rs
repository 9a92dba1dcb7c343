//! Log lines about what strangers do: the same kind once a minute, with its count, so that nobody can fill a disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const REPEAT_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    held_back: u64,
}

/// What was said when. Clones share their memory.
#[derive(Debug, Clone)]
pub struct Complaints {
    server: &'static str,
    told: Arc<Mutex<BTreeMap<&'static str, Told>>>,
}

impl Complaints {
    /// Those of a server, by its name in log lines.
    #[must_use]
    pub fn of(server: &'static str) -> Self {
        Self { server, told: Arc::default() }
    }

    /// Logs it, or counts it. `detail` may be a stranger's text.
    pub fn about(&self, what: &'static str, detail: &str) {
        if let Some(times) = self.due(what, Instant::now()) {
            // Never more than a line of it.
            let detail: String = detail.chars().filter(|c| !c.is_control()).take(120).collect();
            tracing::warn!(server = self.server, times, detail, "Strangers: {what}.");
        }
    }

    /// How often it happened since it was told, if it is to be told now.
    fn due(&self, what: &'static str, now: Instant) -> Option<u64> {
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
        let complaints = Complaints::of("test");
        let mut said = Vec::new();
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            said.extend(complaints.due("garbage", Instant::now()));
        }
        assert_eq!(said, [1, 60]);
    }
}
