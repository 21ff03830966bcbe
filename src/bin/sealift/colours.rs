//! The colours of names: those of `LS_COLORS`, or what `ls` has without it, on a terminal that shows them.

use lscolors::{Indicator, LsColors};
use sealift::files::{Entry, EntryKind};

/// Paints names.
#[derive(Debug)]
pub struct Colours(Option<LsColors>);

impl Colours {
    /// None unless a terminal that shows colours reads standard output, and `NO_COLOR` is not set.
    pub fn of_stdout(is_terminal: bool) -> Self {
        let wanted = is_terminal && console::colors_enabled();
        Colours(wanted.then(|| LsColors::from_env().unwrap_or_default()))
    }

    /// This name of an entry, already escaped, in its colour.
    pub fn paint(&self, entry: &Entry, shown: &str) -> String {
        let Some(colours) = &self.0 else { return shown.to_owned() };
        let of_name = || std::str::from_utf8(&entry.path).ok().and_then(|name| colours.style_for_str(name));
        let style = match entry.kind {
            EntryKind::File => of_name().or_else(|| colours.style_for_indicator(Indicator::RegularFile)),
            EntryKind::Directory => colours.style_for_indicator(Indicator::Directory),
            EntryKind::Link => colours.style_for_indicator(Indicator::SymbolicLink),
            EntryKind::Other => None,
        };
        style.map_or_else(|| shown.to_owned(), |style| style.to_nu_ansi_term_style().paint(shown).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift::files::Mtime;

    fn paint(kind: EntryKind, name: &str) -> String {
        let colours = Colours(Some(LsColors::from_string("di=01;34:*.pdf=31:ln=36")));
        let entry = Entry {
            kind,
            size: 0,
            mtime: Mtime { secs: 0, nanos: 0 },
            mode: None,
            rotten: false,
            mark: None,
            identity: None,
            path: name.as_bytes().to_vec(),
        };
        colours.paint(&entry, name)
    }

    #[test]
    fn a_name_has_the_colour_of_its_type_or_its_ending() {
        assert_eq!(paint(EntryKind::Directory, "x.pdf"), "\x1b[1;34mx.pdf\x1b[0m");
        assert_eq!(paint(EntryKind::File, "x.pdf"), "\x1b[31mx.pdf\x1b[0m");
        assert_eq!(paint(EntryKind::Link, "x"), "\x1b[36mx\x1b[0m");
        assert_eq!(paint(EntryKind::File, "plain"), "plain");
        assert_eq!(paint(EntryKind::Other, "pipe"), "pipe");
    }
}
