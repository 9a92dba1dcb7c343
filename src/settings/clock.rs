//! The site's clock as people write it.

use super::SiteClock;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// What [`SiteClock::parse_time`] takes, for messages.
pub const TIME_FORMATS: &str = "a local time such as 2026-11-24, \"2026-11-24 10:15\" or 2026-11-24T10:15:30, or one with its offset, \
                                2026-11-24T09:15:00Z";

impl SiteClock {
    /// The clock of a zone: an IANA name such as "Europe/Berlin", or a fixed offset such as "+01:00".
    #[must_use]
    pub fn of_zone(name: &str) -> Option<Self> {
        Self::parse(name)
    }

    /// Its zone.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        self.zone.clone()
    }

    /// A moment as a person writes it, ms since 1970 UTC, see [`TIME_FORMATS`]. Of an hour that comes twice the first is meant,
    /// of one that does not exist the same time after it.
    #[must_use]
    pub fn parse_time(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Some(moment.as_millisecond());
        }
        let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0))).ok()?;
        Some(local.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }

    /// A moment as local time with its offset, `2026-11-24T10:15:00+01:00`; milliseconds only where there are any.
    #[must_use]
    pub fn format_time(&self, unix_ms: i64) -> String {
        let moment = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = Zoned::new(moment, self.zone.clone());
        let format = if unix_ms.rem_euclid(1000) == 0 { "%Y-%m-%dT%H:%M:%S%:z" } else { "%Y-%m-%dT%H:%M:%S%.3f%:z" };
        local.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_are_read_as_people_write_them_and_come_back_with_their_offset() {
        let clock = SiteClock::of_zone("Europe/Berlin").unwrap();
        for (text, back) in [
            ("2026-11-24", "2026-11-24T00:00:00+01:00"),
            ("2026-11-24 10:15", "2026-11-24T10:15:00+01:00"),
            ("2026-07-01T10:15:30", "2026-07-01T10:15:30+02:00"),
            ("2026-11-24T09:15:00Z", "2026-11-24T10:15:00+01:00"),
            ("2026-11-24T09:15:00.250Z", "2026-11-24T10:15:00.250+01:00"),
            // Comes twice: the first; does not exist: an hour later.
            ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00"),
            ("2026-03-29 02:30", "2026-03-29T03:30:00+02:00"),
        ] {
            assert_eq!(clock.parse_time(text).map(|ms| clock.format_time(ms)).as_deref(), Some(back), "{text}");
        }
        for wrong in ["", "yesterday", "2026-13-01", "24.11.2026", "10:15"] {
            assert_eq!(clock.parse_time(wrong), None, "{wrong}");
        }
        assert!(SiteClock::of_zone("Mars/Olympus").is_none());
    }
}
