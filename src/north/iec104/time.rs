//! Time tags: CP56Time2a, in UTC.

use iec104::types::time::Cp56Time2a;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The tag of a moment, ms since 1970 UTC. Outside the years 2000 to 2099 it says that it is invalid.
pub(crate) fn tag(unix_ms: i64) -> Cp56Time2a {
    let invalid = Cp56Time2a { iv: true, day: 1, month: 1, ..Cp56Time2a::default() };
    let Ok(moment) = Timestamp::from_millisecond(unix_ms) else { return invalid };
    let at = moment.to_zoned(TimeZone::UTC);
    if !(2000..2100).contains(&at.year()) {
        return invalid;
    }
    let part = |number: i8| number.unsigned_abs();
    Cp56Time2a {
        ms: u16::from(part(at.second())) * 1000 + at.millisecond().unsigned_abs(),
        iv: false,
        min: part(at.minute()),
        summer_time: false,
        hour: part(at.hour()),
        weekday: part(at.weekday().to_monday_one_offset()),
        day: part(at.day()),
        month: part(at.month()),
        year: u8::try_from(at.year() - 2000).unwrap_or(0),
    }
}

/// The moment of a tag, ms since 1970 UTC; `None`: it says that it is invalid, or there is no such day.
pub(crate) fn unix_ms(tag: &Cp56Time2a) -> Option<i64> {
    let number = |part: u8| i8::try_from(part).ok();
    let (second, ms) = (i8::try_from(tag.ms / 1000).ok()?, tag.ms % 1000);
    let date = jiff::civil::Date::new(2000 + i16::from(tag.year), number(tag.month)?, number(tag.day)?).ok()?;
    let time = jiff::civil::Time::new(number(tag.hour)?, number(tag.min)?, second, i32::from(ms) * 1_000_000).ok()?;
    let moment = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp();
    (!tag.iv).then_some(moment.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_moment_in_utc_and_back() {
        // 2026-11-27, a Friday, 03:08:11.250 UTC.
        let moment = 1_795_748_891_250;
        let tag = tag(moment);
        assert_eq!((tag.year, tag.month, tag.day, tag.weekday), (26, 11, 27, 5));
        assert_eq!((tag.hour, tag.min, tag.ms, tag.iv), (3, 8, 11_250, false));
        assert_eq!(unix_ms(&tag), Some(moment));
    }

    #[test]
    fn what_no_tag_can_say_is_invalid() {
        assert!(tag(0).iv && tag(i64::MAX).iv);
        assert_eq!(unix_ms(&tag(0)), None);
        assert_eq!(unix_ms(&Cp56Time2a { day: 31, month: 2, ..Cp56Time2a::default() }), None);
        assert_eq!(unix_ms(&Cp56Time2a { day: 0, month: 0, ..Cp56Time2a::default() }), None);
    }
}
