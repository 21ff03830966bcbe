//! What `admin top` shows, as lines that fit.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::format;

/// Somebody who is connected. The texts are escaped.
pub struct Row {
    pub user: String,
    pub peer: String,
    pub doing: String,
    /// Bytes a second, once that is known.
    pub rate: Option<u64>,
    /// Bytes so far.
    pub bytes: u64,
    pub age: Duration,
}

/// All that is shown at a moment.
pub struct Picture {
    pub server: String,
    pub uptime: Duration,
    pub connections: u64,
    /// In their order.
    pub rows: Vec<Row>,
}

/// A name above a column, what stands there of somebody, and how wide it is.
struct Column {
    name: &'static str,
    width: usize,
    /// Numbers end at the same place.
    is_number: bool,
    text: fn(&Row) -> String,
}

/// Below this width there is no room for all that the first line says.
const NARROW: usize = 72;

/// What people do gets so much of a screen before other columns are shown beside it.
const DOING_MIN: usize = 24;

/// Between two columns.
const GAP: &str = "  ";

/// The lines of it for a screen of so many columns and lines, or all of it without a bound.
pub fn lines(picture: &Picture, screen: Option<(usize, usize)>) -> Vec<String> {
    let (width, height) = screen.unwrap_or((usize::MAX, usize::MAX));
    let mut lines = head(picture, width < NARROW);
    lines.push(String::new());
    let columns = columns(picture, width);
    let titles = columns.iter().map(|column| placed(column, column.name));
    lines.push(titles.chain(["DOING".to_owned()]).collect::<Vec<_>>().join(GAP));
    // The last line is for whoever looks at a terminal.
    let room = height.saturating_sub(lines.len() + 1);
    let shown = if picture.rows.len() > room { room.saturating_sub(1) } else { picture.rows.len() };
    for row in picture.rows.iter().take(shown) {
        let cells = columns.iter().map(|column| placed(column, &(column.text)(row)));
        lines.push(cells.chain([row.doing.clone()]).collect::<Vec<_>>().join(GAP));
    }
    if shown < picture.rows.len() {
        lines.push(format!("and {} more", picture.rows.len() - shown));
    }
    if screen.is_some() {
        lines.push("q ends this".to_owned());
    }
    // The last column is left free: not every terminal waits there for what comes next.
    lines.iter().map(|line| fit(line, width.saturating_sub(1)).trim_end().to_owned()).collect()
}

/// What is so of all together.
fn head(picture: &Picture, is_narrow: bool) -> Vec<String> {
    let rates: Option<Vec<u64>> = picture.rows.iter().map(|row| row.rate).collect();
    let all = rates.map(|rates| rates.into_iter().fold(0, u64::saturating_add));
    let (rate, sessions) = (per_second(all), format::count(picture.rows.len() as u64, "session"));
    if is_narrow {
        return vec![picture.server.clone(), format!("{rate}  {sessions}")];
    }
    let connections = format::count(picture.connections, "connection");
    let uptime = format::duration(picture.uptime);
    vec![format!("{}  {rate}  {sessions}, {connections}  up {uptime}", picture.server)]
}

/// The columns before what people do: those for which there is room beside that, the most important ones first.
fn columns(picture: &Picture, width: usize) -> Vec<Column> {
    let longest = |text: fn(&Row) -> String, least: usize, most: usize| {
        picture.rows.iter().map(|row| text(row).width()).fold(least, usize::max).min(most)
    };
    let user: fn(&Row) -> String = |row| row.user.clone();
    let peer: fn(&Row) -> String = |row| row.peer.clone();
    let column = |name, width, is_number, text| Column { name, width, is_number, text };
    // In the order of their places, each with the order in which it is given room.
    let all = [
        (0, column("USER", longest(user, 4, 16), false, user)),
        (2, column("FROM", longest(peer, 4, 24), false, peer)),
        (1, column("NOW", 12, true, |row| per_second(row.rate))),
        (4, column("SO FAR", 10, true, |row| format::size(row.bytes))),
        (3, column("SINCE", 6, true, |row| age(row.age))),
    ];
    let mut by_rank: Vec<_> = all.iter().map(|(rank, column)| (*rank, column.width + GAP.len())).collect();
    by_rank.sort_unstable();
    let mut room = width.saturating_sub(DOING_MIN + 1);
    let fits = |(_, width): &&(usize, usize)| {
        let is_room = *width <= room;
        room = room.saturating_sub(*width);
        is_room
    };
    // Who it is, and how fast, is shown in any case.
    let shown = by_rank.iter().take_while(fits).count().max(2);
    all.into_iter().filter(|(rank, _)| *rank < shown).map(|(_, column)| column).collect()
}

/// The text as it stands in this column.
fn placed(column: &Column, text: &str) -> String {
    let text = fit(text, column.width);
    match column.is_number {
        true => format!("{}{text}", " ".repeat(column.width.saturating_sub(text.width()))),
        false => pad(&text, column.width),
    }
}

fn per_second(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{}/s", format::size(bytes)))
}

/// A length of time in one number, as it stands in a column.
fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The text, cut where it takes more columns than that.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 0;
    let fits = |c: &char| {
        taken += c.width().unwrap_or(0);
        taken <= width.saturating_sub(1)
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('~');
    cut
}

/// The text with spaces behind it, up to this width.
fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: usize) -> Picture {
        let row = |n| Row {
            user: format!("user{n}"),
            peer: "[2001:db8:1:2:3:4:5:6]:65535".to_owned(),
            doing: "UPLOAD a/very/long/文件/name/that/does/not/fit/anywhere.tar.gz".to_owned(),
            rate: Some(12_345_678),
            bytes: 1 << 40,
            age: Duration::from_secs(7200),
        };
        Picture {
            server: "files.example:4456".to_owned(),
            uptime: Duration::from_secs(90_000),
            connections: 12,
            rows: (0..rows).map(row).collect(),
        }
    }

    #[test]
    fn it_fits_every_screen_and_says_what_is_left_out() {
        for (width, height) in [(100, 30), (40, 12), (80, 24), (20, 6), (1, 1)] {
            for rows in [0, 1, 5, 200] {
                let lines = lines(&picture(rows), Some((width, height)));
                assert!(lines.iter().all(|line| line.width() < width.max(2)), "{width}: {lines:#?}");
                assert!(lines.len() <= height.max(6), "{height}: {lines:#?}");
            }
        }
        let shown = lines(&picture(200), Some((100, 30)));
        assert_eq!((shown.len(), shown[28].as_str(), shown[29].as_str()), (30, "and 175 more", "q ends this"));
        assert!(
            shown[0].starts_with("files.example:4456  2.3 GiB/s  200 sessions, 12 connections  up 1 d 1 h"),
            "{shown:?}"
        );
    }

    #[test]
    fn what_people_do_is_shown_on_every_screen_that_people_have() {
        let mut picture = picture(1);
        picture.rows[0].doing = "UPLOAD photos/2026/a.jpg".to_owned();
        for width in 60..140 {
            let lines = lines(&picture, Some((width, 24)));
            let (titles, row) = (&lines[lines.len() - 3], &lines[lines.len() - 2]);
            assert!(titles.ends_with("  DOING") && row.ends_with("  UPLOAD photos/2026/a.jpg"), "{width}: {lines:#?}");
            assert!(titles.starts_with("USER") && titles.contains(" NOW"), "{width}: {lines:#?}");
        }
        let shown = |picture: &Picture, width| lines(picture, Some((width, 24)))[2].clone();
        assert!(!shown(&picture, 70).contains("FROM"));
        picture.rows[0].peer = "192.0.2.17:50123".to_owned();
        let titles = shown(&picture, 80);
        assert!(titles.contains("FROM") && !titles.contains("SO FAR"), "{titles}");
        for title in ["FROM", "SINCE", "SO FAR"] {
            assert!(shown(&picture, 120).contains(title), "{title}");
        }
    }

    #[test]
    fn what_is_not_measured_yet_is_no_rate() {
        let mut picture = picture(2);
        picture.rows.iter_mut().for_each(|row| row.rate = None);
        let lines = lines(&picture, Some((100, 30)));
        assert!(lines[0].starts_with("files.example:4456  -  2 sessions"), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("B/s")), "{lines:?}");
    }

    #[test]
    fn without_a_screen_all_of_it_is_there_and_nothing_is_cut() {
        let lines = lines(&picture(3), None);
        assert_eq!(lines.len(), 6);
        assert!(lines[5].contains("user2") && lines[5].ends_with("anywhere.tar.gz"), "{lines:?}");
    }
}
