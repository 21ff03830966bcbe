//! Sizes, times and names as people read them.

use std::time::Duration;

use sealift::files::{FileMode, Mtime};
pub use sealift::readable::rfc3339_of as rfc3339;
pub use sealift::readable::size;
use time::OffsetDateTime;
use unicode_width::UnicodeWidthStr as _;

/// `0.2 s`, `12 s`, `3 min 4 s`, `2 h 5 min`.
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3600 % 24),
    }
}

/// What is said of so many bytes that are kept until a lost connection is back; or that what was being sent `begins_anew`.
pub fn kept_meanwhile(kept: u64, begins_anew: bool) -> String {
    match kept {
        1.. => format!("; {} are kept", size(kept)),
        0 if begins_anew => "; this server keeps nothing of it where there is a quota: it begins anew".to_owned(),
        0 => String::new(),
    }
}

/// Bytes a second.
pub fn rate(bytes: u64, time: Duration) -> String {
    let per_second = bytes as f64 / time.as_secs_f64().max(0.000_001);
    format!("{}/s", size(per_second as u64))
}

/// `2024-05-01 12:34:56Z`; a time that no calendar holds as seconds since 1970.
pub fn utc(mtime: Mtime) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(mtime.secs) else { return format!("@{mtime}") };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

/// `1 file`, `2 files`.
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Lays names out in columns, down first and then across, as `ls` does; returns the rows. `painted` are the same names as
/// they are to be written, with colours that take no place. `width` is the terminal's.
pub fn columns(names: &[String], painted: &[String], width: usize) -> Vec<String> {
    const GAP: usize = 2;
    let widths: Vec<usize> = names.iter().map(|name| name.width()).collect();
    // The fewest rows that fit; one column always does.
    let fits = |rows: &usize| {
        let row: usize = widths.chunks(*rows).map(|column| column.iter().max().unwrap_or(&0) + GAP).sum();
        row <= width + GAP
    };
    let rows = (1..=names.len()).find(fits).unwrap_or(names.len()).max(1);
    let mut lines = vec![String::new(); rows.min(names.len())];
    let columns: Vec<(&[String], &[usize])> = painted.chunks(rows).zip(widths.chunks(rows)).collect();
    let last = columns.len().saturating_sub(1);
    for (at, (names, widths)) in columns.into_iter().enumerate() {
        let widest = widths.iter().max().copied().unwrap_or(0);
        for ((line, name), width) in lines.iter_mut().zip(names).zip(widths) {
            line.push_str(name);
            if at < last {
                line.extend(std::iter::repeat_n(' ', widest - width + GAP));
            }
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// A mode as `ls` writes it, without the letter of the kind: `rw-r-----`.
pub fn permissions(mode: FileMode) -> String {
    let letters = "rwxrwxrwx".chars().enumerate();
    letters.map(|(at, letter)| if mode.bits() & (0o400 >> at) != 0 { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_panic() {
        let at = |secs, nanos| Mtime { secs, nanos };
        assert_eq!(utc(at(0, 0)), "1970-01-01 00:00:00Z");
        assert_eq!(utc(at(-1, 999_999_999)), "1969-12-31 23:59:59Z");
        assert_eq!(rfc3339(at(1_714_567_890, 500_000_000)), "2024-05-01T12:51:30.5Z");
        assert_eq!(rfc3339(at(0, 0)), "1970-01-01T00:00:00Z");
        assert_eq!(utc(at(i64::MAX, 1)), "@9223372036854775807.000000001");
        assert_eq!(rfc3339(at(i64::MIN, 0)), "@-9223372036854775808");
    }

    #[test]
    fn durations_and_counts_read_well() {
        assert_eq!(duration(Duration::from_millis(240)), "0.2 s");
        assert_eq!(duration(Duration::from_secs(184)), "3 min 4 s");
        assert_eq!(duration(Duration::from_secs(7500)), "2 h 5 min");
        assert_eq!((count(1, "file"), count(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
        assert_eq!(rate(2048, Duration::from_secs(1)), "2.0 KiB/s");
    }

    #[test]
    fn columns_fill_downwards_and_fit_the_width() {
        let names: Vec<String> = ["a", "bb", "ccc", "文件", "e"].map(String::from).into();
        assert_eq!(columns(&names, &names, 80), ["a  bb  ccc  文件  e"]);
        assert_eq!(columns(&names, &names, 12), ["a   ccc   e", "bb  文件"]);
        assert_eq!(columns(&names, &names, 9), ["a    文件", "bb   e", "ccc"]);
        assert_eq!(columns(&names, &names, 1), ["a", "bb", "ccc", "文件", "e"]);
        assert!(columns(&[], &[], 80).is_empty());
        let painted: Vec<String> = names.iter().map(|name| format!("\x1b[1m{name}\x1b[0m")).collect();
        assert_eq!(columns(&names, &painted, 9)[1], "\x1b[1mbb\x1b[0m   \x1b[1me\x1b[0m");
        for width in 1..40 {
            assert!(columns(&names, &names, width).iter().all(|line| line.width() <= width.max(4)));
        }
    }
}
