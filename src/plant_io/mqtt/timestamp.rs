//! Time stamps as others write them: Unix seconds, Unix milliseconds, RFC 3339.
//!
//! The notation is stated per input, never guessed: a guess between seconds and milliseconds is wrong by a factor of
//! 1000 and would make a value look 50 years old or 50,000 years young.

use serde::Deserialize;
use serde_json::Value;

/// How a time stamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TimeFormat {
    /// Seconds since 1970-01-01 UTC, a JSON number; fractions count.
    #[serde(rename = "unix_s")]
    UnixSeconds,
    /// Milliseconds since 1970-01-01 UTC, a JSON number.
    #[serde(rename = "unix_ms")]
    UnixMillis,
    /// RFC 3339 text with an offset, such as `2026-03-01T12:00:00.250+01:00`.
    #[serde(rename = "rfc3339")]
    Rfc3339,
}

/// 9999-12-31T23:59:59.999Z; anything later is an error of the sender.
const LATEST_MS: f64 = 253_402_300_799_999.0;

impl TimeFormat {
    /// Milliseconds since 1970-01-01 UTC; `None` if the value is not a time stamp in this notation.
    #[must_use]
    pub fn unix_ms(self, value: &Value) -> Option<u64> {
        match self {
            Self::UnixSeconds => in_range(value.as_f64()? * 1000.0),
            Self::UnixMillis => in_range(value.as_f64()?),
            Self::Rfc3339 => rfc3339_ms(value.as_str()?),
        }
    }
}

fn in_range(ms: f64) -> Option<u64> {
    // The bound makes the cast exact; NaN fails the comparison.
    (0.0..=LATEST_MS).contains(&ms).then_some(ms.round() as u64)
}

/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)`; leap seconds count as the second after.
fn rfc3339_ms(text: &str) -> Option<u64> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let separator = text.as_bytes().get(10)?;
    if !matches!(separator, b'T' | b't' | b' ') || text.len() > 40 {
        return None;
    }
    let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
    let (fraction_ms, zone) = split_fraction(rest)?;
    let seconds = days(date)? * 86_400 + seconds_of_day(clock)? - offset_seconds(zone)?;
    u64::try_from(seconds * 1000 + fraction_ms).ok()
}

fn two(text: &str, at: usize, max: i64) -> Option<i64> {
    let digits = text.get(at..at + 2)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    digits.parse().ok().filter(|number| *number <= max)
}

/// Days since 1970-01-01 of a proleptic Gregorian date, after Hinnant, "chrono-compatible low-level date algorithms".
fn days(date: &str) -> Option<i64> {
    let bytes = date.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let (year, month, day) = (two(date, 0, 99)? * 100 + two(date, 2, 99)?, two(date, 5, 12)?, two(date, 8, 31)?);
    if month < 1 || day < 1 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

fn seconds_of_day(clock: &str) -> Option<i64> {
    let bytes = clock.as_bytes();
    if bytes.get(2) != Some(&b':') || bytes.get(5) != Some(&b':') {
        return None;
    }
    Some(two(clock, 0, 23)? * 3600 + two(clock, 3, 59)? * 60 + two(clock, 6, 60)?)
}

/// Milliseconds of `.fraction`, and what follows it.
fn split_fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(tail) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = tail.bytes().position(|b| !b.is_ascii_digit())?;
    let (digits, zone) = tail.split_at(end);
    let millis: i64 = format!("{digits:0<3}").get(..3)?.parse().ok()?;
    (!digits.is_empty()).then_some((millis, zone))
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    (zone.len() == 6 && zone.get(3..4) == Some(":")).then_some(())?;
    Some(sign * (two(zone, 1, 23)? * 3600 + two(zone, 4, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_the_three_notations() {
        let rows = [
            (TimeFormat::UnixSeconds, json!(1_700_000_000.25), Some(1_700_000_000_250)),
            (TimeFormat::UnixMillis, json!(1_700_000_000_250_u64), Some(1_700_000_000_250)),
            (TimeFormat::Rfc3339, json!("1970-01-01T00:00:00Z"), Some(0)),
            (TimeFormat::Rfc3339, json!("2023-11-14T22:13:20Z"), Some(1_700_000_000_000)),
            (TimeFormat::Rfc3339, json!("2023-11-14T23:13:20.25+01:00"), Some(1_700_000_000_250)),
            (TimeFormat::Rfc3339, json!("2024-02-29 12:00:00.5-00:30"), Some(1_709_209_800_500)),
        ];
        for (format, value, expected) in rows {
            assert_eq!(format.unix_ms(&value), expected, "{format:?} {value}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_time_stamp_in_that_notation() {
        let rows = [
            (TimeFormat::UnixSeconds, json!("1700000000")),
            (TimeFormat::UnixSeconds, json!(-1)),
            (TimeFormat::UnixMillis, json!(1e300)),
            (TimeFormat::UnixMillis, json!(null)),
            (TimeFormat::Rfc3339, json!(1_700_000_000)),
            (TimeFormat::Rfc3339, json!("2023-11-14T22:13:20")),
            (TimeFormat::Rfc3339, json!("2023-13-14T22:13:20Z")),
            (TimeFormat::Rfc3339, json!("2023-11-14T22:13:20.Z")),
            (TimeFormat::Rfc3339, json!("2023-11-14T22:13:20.5")),
            (TimeFormat::Rfc3339, json!("2023-11-14T22:13:+1Z")),
            (TimeFormat::Rfc3339, json!("1969-12-31T23:59:59Z")),
            (TimeFormat::Rfc3339, json!("２０２３-11-14T22:13:20Z")),
        ];
        for (format, value) in rows {
            assert_eq!(format.unix_ms(&value), None, "{format:?} {value}");
        }
    }
}
