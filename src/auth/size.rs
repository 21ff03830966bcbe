//! Sizes as people write them in a users file: `10 GiB`.

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

/// The bytes of a whole number with a unit; a space between them may be left out. None for anything else, and for
/// more than 2^64 - 1.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_any_unit() {
        for (text, bytes) in
            [("10 GiB", 10 << 30), ("500MB", 500_000_000), ("0 B", 0), ("1 tib", 1 << 40), ("64 KiB", 65536)]
        {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "10", "GiB", "-1 B", "1.5 GiB", "1  B", "1 GiB ", "10 G", "18446744073709551616 B", "20000000 TiB"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
