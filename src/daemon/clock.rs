//! Plant time. The one place below the command line that reads a clock for it.

use memg_settings::SiteClock;
use memg_virtual_plant::world::Snapshot;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;

/// Where plant time (local time of the site, ms since 1970) comes from.
#[derive(Debug)]
pub enum PlantClock {
    /// The wall clock in the site's time zone; accelerated for simulated plants.
    Live {
        /// The site's zone.
        site: SiteClock,
        /// Plant seconds per second.
        speed: f64,
        /// Both clocks at the start.
        start: (i64, Instant),
    },
    /// The built-in virtual plant.
    Virtual {
        /// Its state.
        snapshot: watch::Receiver<Snapshot>,
    },
}

impl PlantClock {
    /// A clock that starts now.
    #[must_use]
    pub fn live(site: SiteClock, speed: f64) -> Self {
        Self::Live { site, speed, start: (unix_ms(), Instant::now()) }
    }

    /// Plant time now, ms, and the same instant as messages from outside write it, ms since 1970 UTC. The virtual plant has
    /// no zone: its local time stands for UTC.
    #[must_use]
    pub fn now_ms(&self) -> (i64, i64) {
        match self {
            Self::Live { site, speed, start } => {
                let unix_ms = live_unix_ms(*speed, start);
                (site.local_ms(unix_ms), unix_ms)
            }
            Self::Virtual { snapshot } => {
                let local_ms = snapshot.borrow().local_ms;
                (local_ms, local_ms)
            }
        }
    }

    /// Plant time that has passed since the start. Unlike [`PlantClock::now_ms`] it never jumps (a profile may).
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::Live { speed, start, .. } => start.1.elapsed().mul_f64(*speed),
            Self::Virtual { snapshot } => Duration::from_secs_f64(snapshot.borrow().elapsed_s.max(0.0)),
        }
    }
}

/// At speed 1 the wall clock itself counts, so that its corrections are followed.
fn live_unix_ms(speed: f64, start: &(i64, Instant)) -> i64 {
    let passed_ms = || start.1.elapsed().as_secs_f64() * speed * 1000.0;
    if speed == 1.0 { unix_ms() } else { start.0 + passed_ms() as i64 }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
