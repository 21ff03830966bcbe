//! Sizes as people write them in a file or on a command line: `10 GiB`, or `10G` for short.

use std::cmp::Reverse;

/// Letters that stand for the binary units, as with `ls -h` and `dd`.
const SHORT: [(&str, u64); 4] = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// Units, binary and decimal, with their bytes.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Digits behind a point that are read: more say nothing about whole bytes that anybody could mean.
const FRACTION_DIGITS: usize = 9;

/// The bytes of a number with a unit, in any case; a space between them may be left out. K, M, G and T are KiB, MiB, GiB
/// and TiB. Of a fraction of a unit the whole bytes count; there is none of a byte. None for anything else, and for more than
/// 2^64 - 1.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits(text))?;
    let (fraction, unit) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(digits(rest)).filter(|(fraction, _)| !fraction.is_empty())?,
        None => ("", rest),
    };
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, bytes) = UNITS.iter().chain(&SHORT).find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    if fraction.len() > FRACTION_DIGITS || (!fraction.is_empty() && *bytes == 1) {
        return None;
    }
    let parts = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let number: u128 = format!("{number}{fraction}").parse::<u128>().ok().filter(|_| !number.is_empty())?;
    u64::try_from(number.checked_mul(u128::from(*bytes))? / parts).ok()
}

/// A size with its unit, or a number alone, which is so many bytes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    // `parse` would take a plus sign, too.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    parse_size(text).or_else(|| text.parse().ok().filter(|_| is_number))
}

/// The bytes with the largest unit of which they are a whole number: what [`parse_size`] reads back. The most digits that
/// this can take are those of a size that only fits in bytes.
pub fn render_size(bytes: u64) -> String {
    let whole = UNITS.iter().filter(|(_, unit)| bytes.is_multiple_of(*unit) && bytes >= *unit);
    // The fewest digits; of equals the first, which is binary.
    let (name, unit) = whole.min_by_key(|(_, unit)| Reverse(*unit)).unwrap_or(&("B", 1));
    format!("{} {name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_rendered_reads_back(bytes: u64, few in 0u64..5000, unit in 0usize..UNITS.len()) {
            for bytes in [bytes, few, few * UNITS[unit].1] {
                prop_assert_eq!(parse_size(&render_size(bytes)), Some(bytes));
            }
        }
    }

    #[test]
    fn sizes_are_rendered_with_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (10 << 30, "10 GiB"),
            (1536 << 20, "1536 MiB"),
            (500_000_000, "500 MB"),
            (1 << 40, "1 TiB"),
        ] {
            assert_eq!(render_size(bytes), text);
        }
    }

    #[test]
    fn sizes_are_read_with_any_unit() {
        for (text, bytes) in [
            ("10 GiB", 10 << 30),
            ("500MB", 500_000_000),
            ("0 B", 0),
            ("1 tib", 1 << 40),
            ("64 KiB", 65536),
            ("1G", 1 << 30),
            ("2 k", 2048),
            ("7M", 7 << 20),
            ("1.5M", 3 << 19),
            ("0.25 kB", 250),
            ("1.0005 MB", 1_000_500),
            ("0.999999999 K", 1023),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_of_bytes_only_where_that_is_asked_for() {
        assert_eq!((parse_bytes("10"), parse_bytes("10K"), parse_bytes("ten")), (Some(10), Some(10240), None));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "10",
            "GiB",
            "-1 B",
            "1.5 B",
            "1.5",
            "1. GiB",
            ".5 GiB",
            "1.5.5 GiB",
            "1.0000000001 GiB",
            "18446744073709551615.5 KiB",
            "1  B",
            "1 GiB ",
            "10 Gi",
            "10 E",
            "18446744073709551616 B",
            "20000000 TiB",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
