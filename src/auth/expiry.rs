//! When something of a user ends: a date, whose last moment it is, or a time with its zone.

use std::time::{Duration, SystemTime};

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};
use toml::value::{Datetime, Offset};

use crate::files::Mtime;
use crate::readable::rfc3339;

/// A day in seconds.
const DAY: i64 = 24 * 60 * 60;

/// The end of 9999-12-31, in seconds since 1970: no later day can be written, and what ends later ends then.
const LAST: i64 = 253_402_300_800;

/// The first moment after a date (UTC), or that of a time. None for one without a date or a zone.
pub(super) fn end_of(moment: &Datetime) -> Option<SystemTime> {
    let date = moment.date?;
    let month = Month::try_from(date.month).ok()?;
    let date = Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
    let end = match (moment.time, moment.offset) {
        (None, None) => date.midnight().assume_utc().unix_timestamp() + DAY,
        (Some(time), Some(offset)) => {
            let time = Time::from_hms(time.hour, time.minute, time.second.unwrap_or(0)).ok()?;
            let minutes = match offset {
                Offset::Z => 0,
                Offset::Custom { minutes } => minutes,
            };
            let offset = UtcOffset::from_whole_seconds(i32::from(minutes) * 60).ok()?;
            date.with_time(time).assume_offset(offset).unix_timestamp()
        }
        _ => return None,
    };
    let seconds = u64::try_from(end.min(LAST)).unwrap_or(0);
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The first moment after what a text says: a date (UTC), as `2027-01-31`, or a time with its zone, as
/// `2027-01-31T18:00:00Z`. None for anything else.
pub fn parse_expiry(text: &str) -> Option<SystemTime> {
    text.parse::<Datetime>().ok().as_ref().and_then(end_of)
}

/// What [`parse_expiry`] reads back: a date if it is the end of one, else a time.
pub fn render_expiry(end: SystemTime) -> String {
    let seconds = Mtime::from(end).secs;
    let last = (seconds % DAY == 0).then(|| OffsetDateTime::from_unix_timestamp(seconds - 1).ok());
    last.flatten().map_or_else(|| rfc3339(end), |last| last.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["2027-01-31", "2028-02-29", "2027-01-31T18:00:00Z", "2026-12-31"] {
            assert_eq!(render_expiry(parse_expiry(text).unwrap()), text);
        }
        for last in ["9999-12-31T23:59:59-12:00", "9999-12-31"] {
            assert_eq!(render_expiry(parse_expiry(last).unwrap()), "9999-12-31", "the calendar ends there");
        }
        assert_eq!(parse_expiry("0000-01-01T00:00:00+12:00"), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(parse_expiry("2027-01-31T02:00:00+02:00"), parse_expiry("2027-01-30"));
        for wrong in ["", "never", "tomorrow", "2027-02-30", "18:00:00", "2027-01-31T18:00:00", "2027-1-31"] {
            assert_eq!(parse_expiry(wrong), None, "{wrong}");
        }
    }
}
