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

/// Below this width there is room for the most important columns alone.
const NARROW: usize = 72;

/// The lines of it for a screen of so many columns and lines, or all of it without a bound.
pub fn lines(picture: &Picture, screen: Option<(usize, usize)>) -> Vec<String> {
    let (width, height) = screen.unwrap_or((usize::MAX, usize::MAX));
    let is_narrow = width < NARROW;
    let rates: Option<Vec<u64>> = picture.rows.iter().map(|row| row.rate).collect();
    let all = rates.map(|rates| rates.into_iter().fold(0, u64::saturating_add));
    let (rate, sessions) = (per_second(all), format::count(picture.rows.len() as u64, "session"));
    let mut lines = match is_narrow {
        true => vec![picture.server.clone(), format!("{rate}  {sessions}")],
        false => {
            let connections = format::count(picture.connections, "connection");
            vec![format!(
                "{}  {rate}  {sessions}, {connections}  up {}",
                picture.server,
                format::duration(picture.uptime)
            )]
        }
    };
    lines.push(String::new());
    lines.push(match is_narrow {
        true => format!("{:<12}  {:>10}  {}", "USER", "NOW", "DOING"),
        false => {
            format!("{:<16}  {:<24}  {:>12}  {:>10}  {:>10}  {}", "USER", "FROM", "NOW", "SO FAR", "SINCE", "DOING")
        }
    });
    // The last line is for whoever looks at a terminal.
    let room = height.saturating_sub(lines.len() + 1);
    let shown = if picture.rows.len() > room { room.saturating_sub(1) } else { picture.rows.len() };
    for row in picture.rows.iter().take(shown) {
        let (rate, user) = (per_second(row.rate), fit(&row.user, if is_narrow { 12 } else { 16 }));
        lines.push(match is_narrow {
            true => format!("{}  {rate:>10}  {}", pad(&user, 12), row.doing),
            false => format!(
                "{}  {}  {rate:>12}  {:>10}  {:>10}  {}",
                pad(&user, 16),
                pad(&fit(&row.peer, 24), 24),
                format::size(row.bytes),
                age(row.age),
                row.doing
            ),
        });
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
