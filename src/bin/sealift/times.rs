//! Times as a person at this place reads them.

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use sealift::files::Mtime;

use crate::format;

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimeStyle {
    /// 2026-05-01 14:34:56.123456789 +0200
    FullIso,
    /// 2026-05-01 14:34
    LongIso,
    /// 05-01 14:34, and 2024-05-01 of what is more than half a year away
    Iso,
    /// 3 days ago
    Relative,
}

/// How a command shows times.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct TimeArgs {
    /// Show times in UTC
    #[arg(long)]
    pub utc: bool,
    /// How to show times
    #[arg(long, value_enum, value_name = "STYLE")]
    pub time_style: Option<TimeStyle>,
}

impl TimeArgs {
    /// What writes them; at a terminal in this style unless another one is asked for.
    pub fn clock(self, at_terminal: TimeStyle, is_terminal: bool) -> Clock {
        Clock::new(self.time_style.or(is_terminal.then_some(at_terminal)), self.utc, is_terminal)
    }
}

/// Writes times in one style and one zone.
#[derive(Debug, Clone)]
pub struct Clock {
    /// `None` writes what programs read: `2026-05-01 12:34:56Z`.
    style: Option<TimeStyle>,
    zone: TimeZone,
    is_utc: bool,
    now: Timestamp,
}

/// Half a year.
const RECENT: i64 = 182 * 86_400;

impl Clock {
    /// A terminal gets local time, which `TZ` or the system says, without seconds; a pipe always the same, unless a style is
    /// asked for.
    pub fn new(style: Option<TimeStyle>, utc: bool, is_terminal: bool) -> Self {
        let style = style.or(is_terminal.then_some(TimeStyle::LongIso));
        // The zone is read from the environment once, and its data by this crate: no other thread is in danger.
        let zone = if utc || style.is_none() { TimeZone::UTC } else { TimeZone::system() };
        Clock { style, zone, is_utc: utc, now: Timestamp::now() }
    }

    /// The time; one that no calendar holds as seconds since 1970.
    pub fn show(&self, mtime: Mtime) -> String {
        let Some(style) = self.style else { return format::utc(mtime) };
        let at = i32::try_from(mtime.nanos).ok().and_then(|nanos| Timestamp::new(mtime.secs, nanos).ok());
        let Some(at) = at else { return format!("@{mtime}") };
        let zoned = at.to_zoned_datetime(self.zone.clone());
        let z = if self.is_utc { "Z" } else { "" };
        let write = |format: &str| written(&zoned, format);
        let age = self.now.as_second().saturating_sub(at.as_second());
        match style {
            TimeStyle::FullIso => write("%Y-%m-%d %H:%M:%S.%9f %z"),
            TimeStyle::LongIso => write("%Y-%m-%d %H:%M") + z,
            TimeStyle::Iso if age.abs() < RECENT => write("%m-%d %H:%M") + z,
            // As wide.
            TimeStyle::Iso => format!("{:<1$}", write("%Y-%m-%d"), 11 + z.len()),
            TimeStyle::Relative => format!("{:>13}", relative(age)),
        }
    }
}

fn written(zoned: &ZonedDateTime, format: &str) -> String {
    zoned.strftime(format).to_string()
}

/// `5 s ago`, `3 days ago`; of what is to come, `in 3 days`.
fn relative(age: i64) -> String {
    const DAY: u64 = 86_400;
    let seconds = age.unsigned_abs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..DAY => (seconds / 3600, "h"),
        _ if seconds < 60 * DAY => (seconds / DAY, "day"),
        _ if seconds < 730 * DAY => (seconds / (30 * DAY), "month"),
        _ => (seconds / (365 * DAY), "year"),
    };
    let plural = if number != 1 && matches!(unit, "day" | "month" | "year") { "s" } else { "" };
    if age < 0 { format!("in {number} {unit}{plural}") } else { format!("{number} {unit}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(style: TimeStyle, zone: &str, is_utc: bool) -> Clock {
        let now = Timestamp::new(1_767_225_600, 0).unwrap();
        Clock { style: Some(style), zone: TimeZone::posix(zone).unwrap(), is_utc, now }
    }

    #[test]
    fn a_time_is_written_in_the_zone_of_its_clock() {
        let at = Mtime { secs: 1_767_225_000, nanos: 5 };
        for (style, shown) in [
            (TimeStyle::FullIso, "2026-01-01 00:50:00.000000005 +0100"),
            (TimeStyle::LongIso, "2026-01-01 00:50"),
            (TimeStyle::Iso, "01-01 00:50"),
            (TimeStyle::Relative, "   10 min ago"),
        ] {
            assert_eq!(clock(style, "CET-1", false).show(at), shown);
        }
        assert_eq!(clock(TimeStyle::LongIso, "UTC0", true).show(at), "2025-12-31 23:50Z");
        let old = Mtime { secs: 0, nanos: 0 };
        assert_eq!(clock(TimeStyle::Iso, "UTC0", false).show(old), "1970-01-01 ");
        assert_eq!(clock(TimeStyle::Relative, "UTC0", false).show(old).trim(), "56 years ago");
    }

    #[test]
    fn no_time_panics() {
        for secs in [i64::MIN, i64::MAX, -400_000_000_000, 400_000_000_000] {
            for style in TimeStyle::value_variants() {
                assert!(clock(*style, "UTC0", false).show(Mtime { secs, nanos: 999_999_999 }).starts_with('@'));
            }
        }
    }

    #[test]
    fn ages_read_well() {
        for (age, shown) in [
            (0, "0 s ago"),
            (61, "1 min ago"),
            (7200, "2 h ago"),
            (86_400, "1 day ago"),
            (200_000, "2 days ago"),
            (-90_000, "in 1 day"),
            (70 * 86_400, "2 months ago"),
            (800 * 86_400, "2 years ago"),
        ] {
            assert_eq!(relative(age), shown);
        }
    }
}
