//! Local time stamps of profiles: ISO 8601 with a fixed offset, minutes of resolution. No clock.

use core::fmt;

/// A local time stamp with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LocalTime {
    /// Minutes since 1970-01-01T00:00 local time.
    pub minute: i64,
    /// Offset from UTC, minutes, east positive.
    pub offset_min: i64,
}

const DAY_MIN: i64 = 1440;

impl LocalTime {
    /// Parses `YYYY-MM-DDThh:mm[:ss](Z|±hh:mm)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |range: core::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
        let is = |at: usize, c: char| text.get(at..=at).is_some_and(|s| s.starts_with(c));
        if !(is(4, '-') && is(7, '-') && (is(10, 'T') || is(10, ' ')) && is(13, ':')) {
            return None;
        }
        let (month, day, hour, min) = (number(5..7)?, number(8..10)?, number(11..13)?, number(14..16)?);
        if !((1..=12).contains(&month) && (1..=31).contains(&day) && (0..24).contains(&hour) && (0..60).contains(&min))
        {
            return None;
        }
        let zone = if is(16, ':') { text.get(19..)? } else { text.get(16..)? };
        let minute = days_from_civil(number(0..4)?, month, day) * DAY_MIN + hour * 60 + min;
        Some(Self { minute, offset_min: parse_offset(zone)? })
    }

    /// Day number, minutes into it.
    #[must_use]
    pub const fn day_and_minute(&self) -> (i64, i64) {
        (self.minute.div_euclid(DAY_MIN), self.minute.rem_euclid(DAY_MIN))
    }

    /// Local time of day in hours, [0, 24).
    #[must_use]
    pub fn hour(&self) -> f64 {
        crate::units::to_float(self.minute.rem_euclid(DAY_MIN)) / 60.0
    }

    /// The same clock later.
    #[must_use]
    pub const fn plus_minutes(&self, minutes: i64) -> Self {
        Self { minute: self.minute + minutes, offset_min: self.offset_min }
    }

    /// Year, month, day.
    #[must_use]
    pub fn date(&self) -> (i64, i64, i64) {
        civil_from_days(self.minute.div_euclid(DAY_MIN))
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let minute = self.minute.rem_euclid(DAY_MIN);
        let (sign, offset) = if self.offset_min < 0 { ('-', -self.offset_min) } else { ('+', self.offset_min) };
        let (h, m, oh, om) = (minute / 60, minute % 60, offset / 60, offset % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:00{sign}{oh:02}:{om:02}")
    }
}

fn parse_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (h, m) = (zone.get(1..3)?.parse::<i64>().ok()?, zone.get(4..6)?.parse::<i64>().ok()?);
    Some(sign * (h * 60 + m))
}

/// Days since 1970-01-01 of a proleptic Gregorian date: years counted from March, 400-year eras of 146 097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_survive_a_round_trip() {
        for text in ["2016-02-29T23:45:00+01:00", "1999-12-31T00:00:00-05:30", "2024-03-01T12:15:00+00:00"] {
            assert_eq!(LocalTime::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        assert_eq!(LocalTime::parse("1970-01-02T00:00Z").map(|t| t.minute), Some(1440));
        for bad in ["", "yesterday", "2016-13-01T00:00:00Z", "2016-01-01T24:00:00Z", "2016-01-01T00:00:00"] {
            assert_eq!(LocalTime::parse(bad), None, "{bad}");
        }
    }
}
