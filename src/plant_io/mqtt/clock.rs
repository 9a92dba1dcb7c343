//! Time as the MQTT side needs it: a monotonic instant for ages, and the wall clock to judge time stamps of others.
//!
//! Only [`Clock`] looks at a clock; everything below it takes [`Now`] as an argument. A step of the wall clock changes
//! how foreign time stamps are judged (too old, in the future), never how long a value that was accepted stays good.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// One instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic clock.
    pub mono: Instant,
    /// Wall clock, milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

/// Where [`Now`] comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Now + Send + Sync>);

impl Clock {
    /// The clocks of this machine. A wall clock before 1970 counts as 1970.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            Now { mono: Instant::now(), unix_ms: millis(since_epoch) }
        }))
    }

    /// A wall clock that reads `unix_ms` now and follows tokio's clock, which tests pause and advance.
    #[must_use]
    pub fn starting_at(unix_ms: u64) -> Self {
        let start = Instant::now();
        Self(Arc::new(move || {
            let mono = Instant::now();
            Now { mono, unix_ms: unix_ms.saturating_add(millis(mono.saturating_duration_since(start))) }
        }))
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Whole milliseconds, saturating after 584 million years.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
