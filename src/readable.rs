//! Figures and words as people read them, the same in both programs.

use std::time::SystemTime;

#[cfg(any(feature = "server", feature = "cli"))]
use time::OffsetDateTime;

#[cfg(any(feature = "server", feature = "cli"))]
use crate::byte_size::render_size;
use crate::files::Mtime;

/// `512 B`, `1.5 KiB`, `20 MiB`: three digits at most, in steps of 1024.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        // 1023.5 would be rounded up to four digits.
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    // The same for one decimal: 9.96 is 10.
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A bound, such as a quota, as [`size`] shows it, and before that as it was written where that was in decimal units: so errors have it.
#[cfg(any(feature = "server", feature = "cli"))]
pub fn bound(bytes: u64) -> String {
    let (written, shown) = (render_size(bytes), size(bytes));
    match written.rsplit_once(' ') {
        Some((_, "kB" | "MB" | "GB" | "TB")) => format!("{written} ({shown})"),
        _ => shown,
    }
}

/// `2024-05-01T12:34:56Z`, as RFC 3339 has it, to the second; a time past the year 9999 as `@` and seconds since 1970. Servers and
/// files may name any time.
#[cfg(any(feature = "server", feature = "cli"))]
pub fn rfc3339(time: SystemTime) -> String {
    seconds(Mtime::from(time).secs)
}

/// `2024-05-01T12:34:56.789Z`, as RFC 3339 has it, with the fraction of the second, if there is one.
#[cfg(any(feature = "server", feature = "cli"))]
pub fn rfc3339_of(mtime: Mtime) -> String {
    let whole = seconds(mtime.secs);
    match whole.strip_suffix('Z') {
        Some(start) if mtime.nanos > 0 => {
            format!("{start}.{}Z", format!("{:09}", mtime.nanos).trim_end_matches('0'))
        }
        Some(_) => whole,
        None => format!("@{mtime}"),
    }
}

#[cfg(any(feature = "server", feature = "cli"))]
fn seconds(seconds: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(seconds) else { return format!("@{seconds}") };
    let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

/// A word of a command line as a shell reads it back.
#[cfg(feature = "cli")]
pub fn shell_word(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_time_past_every_calendar_has_a_form_too() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_714_567_890, "2024-05-01T12:51:30Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "@253402300800"),
            (i64::MAX as u64, "@9223372036854775807"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_bound_in_decimal_units_is_shown_as_it_was_written_too() {
        assert_eq!(bound(800_000_000), "800 MB (763 MiB)");
        assert_eq!(bound(10 << 30), size(10 << 30));
        assert_eq!(bound(1234), size(1234));
    }

    #[test]
    fn sizes_have_at_most_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10_189, "10 KiB"),
            (1_048_064, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
