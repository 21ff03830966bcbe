//! Breaking long sentences where words end, at the width of the terminal.

use std::io::Write as _;

use console::{Term, measure_text_width, strip_ansi_codes};

/// The lines of a text at this width, those after the first indented. What stands in backquotes is typed as it is, and so is
/// kept on one line if it fits there; a longer word than a line is left to the terminal.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let begin = text.len() - text.trim_start_matches(' ').len();
    let (blanks, text) = text.split_at_checked(begin).unwrap_or(("", text));
    let (mut lines, mut used, mut is_first) = (blanks.to_owned(), begin, true);
    for word in words(text, width.saturating_sub(indent)) {
        let long = measure_text_width(word);
        if !std::mem::take(&mut is_first) {
            if used + 1 + long > width {
                lines += "\n";
                lines.extend(std::iter::repeat_n(' ', indent));
                used = indent;
            } else {
                lines.push(' ');
                used += 1;
            }
        }
        lines += word;
        used += long;
    }
    lines
}

/// The text in lines that fit: what does not goes on below where it began, or below the second column if the line has one.
pub fn fitted(text: &str, width: usize) -> String {
    let fit = |line: &str| {
        if measure_text_width(line) <= width {
            return line.to_owned();
        }
        let plain = strip_ansi_codes(line);
        let begin = plain.len() - plain.trim_start_matches(' ').len();
        let behind = plain.get(begin..).and_then(|rest| rest.find("  ").map(|at| rest.split_at(at)));
        let column = behind.map(|(first, rest)| begin + first.len() + (rest.len() - rest.trim_start().len()));
        let is_usage = plain.starts_with("Usage: ");
        let below = if is_usage {
            "Usage: ".len()
        } else if begin > 0 {
            begin + 2
        } else {
            0
        };
        wrap(line, width, column.filter(|column| *column <= width / 2).unwrap_or(below))
    };
    text.split('\n').map(fit).collect::<Vec<_>>().join("\n")
}

/// Writes a page of help to this terminal, or to what stands in its place: no line of it wider than the terminal or than this, and
/// with colours where they are to be shown.
///
/// # Errors
/// If it cannot be written.
pub fn page(text: &str, mut to: Term, most: usize) -> std::io::Result<()> {
    let text = fitted(text, width_of_page(&to, most));
    let is_coloured = to.is_term() && to.features().colors_supported() && console::colors_enabled();
    let text = if is_coloured { text } else { strip_ansi_codes(&text).into_owned() };
    to.write_all(text.as_bytes())
}

/// How wide a page is here: as the terminal is, and never wider than this.
pub fn width_of_page(terminal: &Term, most: usize) -> usize {
    if terminal.is_term() { usize::from(terminal.size().1).clamp(20, most) } else { most }
}

/// The words, with those in backquotes together as long as they fit.
fn words(text: &str, fits: usize) -> Vec<&str> {
    let (mut words, mut begin, mut quoted) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match c {
            '`' if quoted.is_some() => quoted = None,
            '`' => {
                let end = text.get(at + 1..).and_then(|rest| rest.find('`'));
                quoted = end.filter(|end| *end + 2 <= fits);
            }
            ' ' if quoted.is_none() => {
                words.extend(text.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    words.extend(text.get(begin..));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_words_do() {
        assert_eq!(wrap("one two three", 80, 2), "one two three");
        assert_eq!(wrap("one two three", 8, 2), "one two\n  three");
        assert_eq!(wrap("  hint: a bc def", 9, 4), "  hint: a\n    bc\n    def");
        assert_eq!(wrap("type `ls -l x` now", 13, 2), "type\n  `ls -l x`\n  now");
        assert_eq!(wrap("type `ls -l x y z` now", 12, 2), "type `ls -l\n  x y z` now");
        assert_eq!(wrap("aaaaaaaaaaaaaaaaaaaa b", 10, 2), "aaaaaaaaaaaaaaaaaaaa\n  b");
    }
}
