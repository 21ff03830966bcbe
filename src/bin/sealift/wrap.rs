//! Breaking long sentences where words end, at the width of the terminal.

use unicode_width::UnicodeWidthStr as _;

/// The lines of a text at this width, those after the first indented. What stands in backquotes is typed as it is, and so is
/// kept on one line if it fits there; a longer word than a line is left to the terminal.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let begin = text.len() - text.trim_start_matches(' ').len();
    let (blanks, text) = text.split_at_checked(begin).unwrap_or(("", text));
    let (mut lines, mut used, mut is_first) = (blanks.to_owned(), begin, true);
    for word in words(text, width.saturating_sub(indent)) {
        let long = word.width();
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
