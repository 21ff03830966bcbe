//! What a look at the transfers is in words, as wide as there is room.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use sealift::escape::for_people;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Direction;
use super::state::{Look, Phase, Running};
use crate::format;

/// The least width at which a bar is worth its place, and the widest.
const BAR: std::ops::RangeInclusive<usize> = 10..=30;

/// Below this width words give way to figures.
const NARROW: usize = 60;

/// The least that is shown of a name.
const NAME_MIN: usize = 8;

/// A gap between two parts.
const GAP: usize = 2;

/// Where lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Whether only ASCII can be shown.
    pub is_ascii: bool,
}

/// A line for each file that moves, as far as there is room, and the last one for all. A single file has just that.
pub fn lines(look: &Look, direction: Direction, room: Room) -> Vec<String> {
    if look.is_single() {
        let name = look.running.first().map(|file| file.path.as_path());
        let parts = match (look.phase, look.running.first()) {
            (Phase::Proving, Some(file)) => proving(file),
            _ => whole(look, direction, room.width < NARROW),
        };
        return vec![line(name, &parts, look.total.map(|total| (look.done, total)), room)];
    }
    // Of a terminal the half stays for what is said beside it.
    let most = (room.height / 2).max(2) - 1;
    let mut lines: Vec<String> = look
        .running
        .iter()
        .take(most)
        .map(|file| line(Some(&file.path), &of_file(file, look.phase), file.size.map(|size| (file.at, size)), room))
        .collect();
    let total = look.total.map(|total| (look.done, total));
    lines.push(line(None, &whole(look, direction, room.width < NARROW), total, room));
    lines
}

/// What is going on as one line, for a log.
pub fn plain(look: &Look, direction: Direction, is_ascii: bool) -> String {
    let mut parts = whole(look, direction, false);
    parts.sort_by_key(|part| part.place);
    let mut words: Vec<String> = parts.into_iter().map(|part| part.text.trim_start().to_owned()).collect();
    if let Some(file) = look.running.first() {
        words.push(shown(&file.path, is_ascii));
    }
    words.join(", ")
}

/// A piece of a line.
struct Part {
    /// Where it stands.
    place: u8,
    /// Those of a higher rank go first when there is no room.
    rank: u8,
    text: String,
}

fn part(place: u8, rank: u8, text: String) -> Part {
    Part { place, rank, text }
}

/// The figures for all.
fn whole(look: &Look, direction: Direction, is_narrow: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let phase = match look.phase {
        Phase::Reading => Some("reading the tree"),
        Phase::Proving => Some("proving what is there"),
        Phase::Settling => Some(match direction {
            Direction::Send => "making durable",
            Direction::Fetch => "verifying",
        }),
        Phase::Moving if look.is_reading => Some("reading the tree"),
        Phase::Moving if is_narrow => None,
        Phase::Moving => Some(match direction {
            Direction::Send => "sending",
            Direction::Fetch => "fetching",
        }),
    };
    if let Some(phase) = phase {
        let rank = if look.phase == Phase::Moving && !look.is_reading { 9 } else { 0 };
        parts.push(part(6, rank, phase.to_owned()));
    }
    if let Some(total) = look.total {
        parts.push(part(1, 1, percent(look.done, total)));
        parts.push(part(2, 6, format!("{} of {}", format::size(look.done), format::size(total))));
    } else if look.done > 0 {
        parts.push(part(2, 6, format::size(look.done)));
    }
    if look.phase == Phase::Moving {
        parts.push(part(3, 2, format!("{}/s", format::size(look.rate))));
        if let Some(left) = look.left() {
            parts.push(part(4, 3, format!("{} left", whole_seconds(left))));
        }
    }
    if !look.is_single() && look.files_expected > 0 {
        let more = if look.is_reading { "+" } else { "" };
        let unit = if is_narrow { "" } else { " files" };
        parts.push(part(5, 4, format!("{}/{}{more}{unit}", look.files, look.files_expected)));
    }
    parts
}

fn whole_seconds(time: Duration) -> String {
    if time.as_secs() < 10 { format!("{} s", time.as_secs()) } else { format::duration(time) }
}

/// The figures for one file of several.
fn of_file(file: &Running, phase: Phase) -> Vec<Part> {
    match (phase, file.size) {
        (Phase::Proving, _) => proving(file),
        (_, Some(size)) => {
            vec![part(1, 1, percent(file.at, size)), part(2, 2, format!("of {}", format::size(size)))]
        }
        (_, None) => vec![part(1, 1, format::size(file.at))],
    }
}

fn proving(file: &Running) -> Vec<Part> {
    let size = file.size.unwrap_or(0);
    let mut parts = vec![part(3, 0, "proving what is there".to_owned())];
    // How far a server is says nobody.
    if file.at > 0 {
        parts.push(part(1, 1, percent(file.at, size)));
    }
    parts.push(part(2, 2, format!("of {}", format::size(size))));
    parts
}

/// Rounded down: only what is done is a hundred.
fn percent(done: u64, total: u64) -> String {
    let percent = if total == 0 { 100 } else { u128::from(done.min(total)) * 100 / u128::from(total) };
    format!("{percent:3} %")
}

/// Puts a line together: the parts that fit, then a bar, and the name in what is left.
fn line(name: Option<&Path>, parts: &[Part], bar: Option<(u64, u64)>, room: Room) -> String {
    // The last column stays free: some terminals go to the next line when it is written.
    let width = room.width.saturating_sub(1);
    let mut by_rank: Vec<&Part> = parts.iter().collect();
    by_rank.sort_by_key(|part| part.rank);
    let least = name.map_or(0, |_| NAME_MIN + GAP);
    let (mut kept, mut used) = (Vec::new(), 0);
    for part in by_rank {
        let needs = part.text.width() + if used > 0 { GAP } else { 0 };
        if used + needs + least <= width {
            used += needs;
            kept.push(part);
        }
    }
    kept.sort_by_key(|part| part.place);
    let mut words: Vec<String> = Vec::new();
    let mut left = width.saturating_sub(used);
    if let Some(name) = name {
        // A third of the line, or all that the figures leave if there is no room for a bar.
        let third = (width / 3).max(NAME_MIN);
        let has_bar = bar.is_some() && left >= third + *BAR.start() + 2 * GAP;
        let most = left.saturating_sub(GAP).min(if has_bar { third } else { width });
        let cut = cut(&shown(name, room.is_ascii), most, room.is_ascii);
        left = left.saturating_sub(cut.width() + GAP);
        words.push(cut);
    }
    if let Some((done, total)) = bar {
        let length = left.saturating_sub(GAP).min(*BAR.end());
        if length >= *BAR.start() {
            words.push(drawn(done, total, length, room.is_ascii));
        }
    }
    words.extend(kept.into_iter().map(|part| part.text.clone()));
    words.join(&" ".repeat(GAP))
}

/// A bar. It is full only when all is done.
fn drawn(done: u64, total: u64, length: usize, is_ascii: bool) -> String {
    let cells = if is_ascii { length - 2 } else { length };
    let filled = match total {
        0 => cells,
        _ => usize::try_from(u128::from(done.min(total)) * cells as u128 / u128::from(total)).unwrap_or(cells),
    };
    let (full, tip, empty) = if is_ascii { ("#", ">", "-") } else { ("━", "╸", "─") };
    let rest = cells - filled;
    let mut bar = full.repeat(filled);
    if rest > 0 {
        bar += tip;
        bar += &empty.repeat(rest - 1);
    }
    if is_ascii { format!("[{bar}]") } else { bar }
}

/// A name as a terminal may show it.
fn shown(path: &Path, is_ascii: bool) -> String {
    let name = for_people(path.as_os_str().as_bytes());
    if is_ascii { name.chars().map(in_ascii).collect() } else { name }
}

fn in_ascii(c: char) -> String {
    if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }
}

/// The end of a name, which tells more than its beginning.
fn cut(name: &str, width: usize, is_ascii: bool) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let mark = if is_ascii { ".." } else { "…" };
    let mut room = width.saturating_sub(mark.width());
    let mut from = name.len();
    for (at, c) in name.char_indices().rev() {
        let needs = c.width().unwrap_or(0);
        if needs > room {
            break;
        }
        room -= needs;
        from = at;
    }
    format!("{mark}{}", name.get(from..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(width: usize, is_ascii: bool) -> Room {
        Room { width, height: 12, is_ascii }
    }

    fn file(path: &str, at: u64, size: u64) -> Running {
        Running { path: path.into(), size: Some(size), at, before: 0 }
    }

    fn moving() -> Look {
        Look {
            phase: Phase::Moving,
            done: 450 * MIB,
            total: Some(1000 * MIB),
            rate: 50 * MIB,
            files: 12,
            files_expected: 812,
            is_reading: false,
            running: vec![file("photos/2026/a long name of a boat.jpg", 3 * MIB, 12 * MIB)],
        }
    }

    fn bar(filled: usize, length: usize) -> String {
        "━".repeat(filled) + "╸" + &"─".repeat(length - filled - 1)
    }

    #[test]
    fn a_wide_terminal_has_a_line_for_each_file_and_one_for_all() {
        let of_file = format!("…s/2026/a long name of a boat.jpg  {}   25 %  of 12 MiB", bar(7, 30));
        let of_all = format!("{}   45 %  450 MiB of 1000 MiB  50 MiB/s  11 s left  12/812 files  sending", bar(12, 27));
        assert_eq!(lines(&moving(), Direction::Send, room(100, false)), [of_file, of_all]);
    }

    #[test]
    fn at_40_columns_figures_stay_and_names_are_cut() {
        assert_eq!(
            lines(&moving(), Direction::Fetch, room(40, true)),
            [".. name of a boat.jpg   25 %  of 12 MiB", " 45 %  50 MiB/s  11 s left  12/812"]
        );
        let mut reading = moving();
        (reading.total, reading.is_reading) = (None, true);
        assert_eq!(
            lines(&reading, Direction::Send, room(40, true)).last().unwrap(),
            "50 MiB/s  12/812+  reading the tree"
        );
    }

    #[test]
    fn a_single_file_has_one_line_with_its_name() {
        let mut single = moving();
        (single.files, single.files_expected) = (0, 1);
        (single.done, single.total) = (3 * MIB, Some(12 * MIB));
        single.running = vec![file("boat.jpg", 3 * MIB, 12 * MIB)];
        let expected = format!("boat.jpg  {}   25 %  3.0 MiB of 12 MiB  50 MiB/s  1 s left  sending", bar(7, 30));
        assert_eq!(lines(&single, Direction::Send, room(100, false)), [expected]);
        assert_eq!(
            plain(&single, Direction::Send, true),
            "25 %, 3.0 MiB of 12 MiB, 50 MiB/s, 1 s left, sending, boat.jpg"
        );
        (single.phase, single.running) = (Phase::Proving, vec![file("boat.jpg", 4 * MIB, 8 * MIB)]);
        let proving = lines(&single, Direction::Send, room(60, true)).remove(0);
        assert!(
            proving.contains("boat.jpg") && proving.contains("50 %  of 8.0 MiB  proving what is there"),
            "{proving}"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_none_taller_than_half_of_it() {
        let mut look = moving();
        look.running = (0..20).map(|n| file(&format!("folder/文件 {n} with a long name"), n, 20)).collect();
        for width in 1..140 {
            for is_ascii in [true, false] {
                for phase in [Phase::Reading, Phase::Proving, Phase::Moving, Phase::Settling] {
                    look.phase = phase;
                    let lines = lines(&look, Direction::Send, room(width, is_ascii));
                    assert!(lines.len() <= 6, "{lines:?}");
                    for line in lines {
                        assert!(line.width() < width.max(NAME_MIN + 2), "{width}: {line}");
                        assert!(!is_ascii || line.is_ascii(), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_do_nothing_to_a_terminal() {
        let mut look = moving();
        look.running = vec![file("a\x1b[2Jb\u{202e}ü", 1, 2)];
        let utf8 = lines(&look, Direction::Send, room(100, false)).remove(0);
        assert!(utf8.starts_with("a\\x1b[2Jb\\u{202e}ü  "), "{utf8}");
        let ascii = lines(&look, Direction::Send, room(100, true)).remove(0);
        assert!(ascii.starts_with("a\\x1b[2Jb\\u{202e}\\u{fc}  "), "{ascii}");
    }

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        assert_eq!(drawn(999, 1000, 10, false), "━".repeat(9) + "╸");
        assert_eq!(drawn(1000, 1000, 12, true), "[##########]");
        assert_eq!(drawn(0, 1000, 12, true), "[>---------]");
        assert_eq!((percent(999, 1000), percent(1000, 1000)), (" 99 %".to_owned(), "100 %".to_owned()));
    }
}
