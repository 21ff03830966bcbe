//! Names for files whose own name is taken: the same with a number before its ending.

use super::RelPath;
use crate::error::Result;
use crate::limits;

/// The most letters of an ending, with its dot: what is longer behind a dot is part of the name.
const ENDING: usize = 10;

/// The path of this file with that number: `report-2.pdf` for `report.pdf`. With a number below two it is the path itself. A name that
/// would be too long loses of its middle, and never half a character.
///
/// # Errors
/// As [`RelPath::parse`].
pub fn numbered(path: &RelPath, number: u32) -> Result<RelPath> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.clone()) };
    folder.join(&numbered_name(name, number))
}

/// A name with this number in it, as in [`numbered`].
pub fn numbered_name(name: &[u8], number: u32) -> Vec<u8> {
    if number < 2 {
        return name.to_vec();
    }
    let (stem, ending) = parted(name);
    let number = format!("-{number}");
    let room = limits::NAME_MAX.saturating_sub(ending.len() + number.len());
    let is_inside = |at: usize| stem.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let cut = (0..=room.min(stem.len())).rev().find(|at| !is_inside(*at)).unwrap_or(0);
    [stem.get(..cut).unwrap_or(stem), number.as_bytes(), ending].concat()
}

/// A name in two: what stands before its ending, and that.
fn parted(name: &[u8]) -> (&[u8], &[u8]) {
    let at = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0 && name.len() - at <= ENDING);
    name.split_at(at.unwrap_or(name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_ending_and_names_stay_names() {
        let name = |name: &str, n| String::from_utf8(numbered_name(name.as_bytes(), n)).unwrap();
        assert_eq!((name("report.pdf", 1), name("report.pdf", 2)), ("report.pdf".into(), "report-2.pdf".into()));
        assert_eq!((name("a.tar.gz", 3), name(".profile", 2)), ("a.tar-3.gz".into(), ".profile-2".into()));
        assert_eq!((name("x", 2), name("a.sentence about it", 7)), ("x-2".into(), "a.sentence about it-7".into()));
        let long = format!("{}.txt", "ü".repeat(125));
        for n in [2, 99_999] {
            let name = name(&long, n);
            assert!(name.len() <= limits::NAME_MAX && name.ends_with(".txt"), "{name}");
        }
        let path = RelPath::parse(b"inbox/report.pdf").unwrap();
        assert_eq!(numbered(&path, 12).unwrap().as_bytes(), b"inbox/report-12.pdf");
        assert_eq!(numbered(&RelPath::root(), 12).unwrap(), RelPath::root());
    }
}
