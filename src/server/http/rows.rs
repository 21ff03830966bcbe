//! A listing in its three forms: a page for people, plain text for terminals, JSON for programs.

use std::fmt::Write as _;

use super::answer::Ids;
use super::folder::bytes;
use super::folder_row::{folder_row, is_closed};
use super::offers::Offered;
use super::page;
use super::query::Query;
use super::target::{Place, encode};
use super::viewer::Viewer;
use crate::escape;
use crate::files::{Entry, EntryKind, Mtime, UsageNow};
use crate::readable::rfc3339_of;

/// How a listing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a browser.
    Page,
    /// For a terminal.
    Text,
    /// For a program.
    Json,
}

/// What is known before the first row.
pub struct Scene {
    /// The folder.
    pub place: Place,
    /// How it was asked for.
    pub query: Query,
    /// Who is logged in; none: nobody in particular.
    pub user: Option<Viewer>,
    /// What they may do in it.
    pub offered: Offered,
    /// Whether anything may be written by HTTP at all.
    pub is_writable: bool,
    /// Whether all of it is in order.
    pub is_sorted: bool,
    /// Whether a search found more, or did not look at all.
    pub is_cut: bool,
    /// Who answers.
    pub ids: Ids,
}

/// Writes a listing row by row.
pub struct Rows {
    form: Form,
    scene: Scene,
    entries: u64,
    bytes: u64,
    /// Something was shown that cannot be opened.
    is_closed: bool,
}

impl Form {
    /// As the header has it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Form::Page => "text/html; charset=utf-8",
            Form::Text => "text/plain; charset=utf-8",
            Form::Json => "application/json",
        }
    }
}

impl Rows {
    /// Of this listing.
    pub fn new(form: Form, scene: Scene) -> Rows {
        Rows { form, scene, entries: 0, bytes: 0, is_closed: false }
    }

    /// So much is used, as is known by now.
    pub fn used(&mut self, usage: UsageNow) {
        self.scene.offered.usage = usage;
    }

    /// What comes before the first row.
    pub fn head(&self, out: &mut String) {
        match self.form {
            Form::Page => page::folder_head(&self.scene, out),
            Form::Text => {}
            Form::Json => {
                let url = json(&self.scene.place.url(true));
                let cut = match self.scene.query.search {
                    Some(_) => format!("\"cut\":{},", self.scene.is_cut),
                    None => String::new(),
                };
                let _ = write!(out, "{{\"url\":{url},{cut}\"entries\":[");
            }
        }
    }

    /// One row.
    pub fn row(&mut self, entry: &Entry, out: &mut String) {
        let is_folder = entry.kind == EntryKind::Directory;
        let slash = if is_folder { "/" } else { "" };
        let name = escape::for_people(&entry.path);
        // Relative to the folder's own URL, and never read as one of another host or scheme.
        let names: Vec<_> = entry.path.split(|byte| *byte == b'/').map(encode).collect();
        let href = format!("./{}{slash}", names.join("/"));
        match self.form {
            Form::Page => self.is_closed |= folder_row(&self.scene, entry, (&name, &href), out),
            Form::Text => {
                let size = if entry.kind == EntryKind::File { entry.size.to_string() } else { String::from("-") };
                let _ = writeln!(out, "{size:>14}  {}  {name}{slash}", minutes(entry.mtime));
            }
            Form::Json => {
                let comma = if self.entries > 0 { "," } else { "" };
                let closed = if is_closed(&self.scene, entry) { ",\"closed\":true" } else { "" };
                let _ = write!(
                    out,
                    "{comma}\n{{\"name\":{},\"href\":{},\"type\":\"{}\",\"size\":{},\"mtime\":{}{closed}}}",
                    json(&String::from_utf8_lossy(&entry.path)),
                    json(&href),
                    entry.kind.word(),
                    bytes(entry),
                    json(&rfc3339_of(entry.mtime)),
                );
            }
        }
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes(entry));
    }

    /// What comes behind the last row; so many entries could not be read.
    pub fn tail(&self, unread: u64, out: &mut String) {
        match self.form {
            Form::Page => {
                page::folder_tail(&self.scene, (self.entries, self.bytes), (unread, self.is_closed), out);
            }
            Form::Text => {
                if unread > 0 {
                    let _ = writeln!(out, "({unread} could not be read)");
                }
                if self.scene.is_cut {
                    let _ = writeln!(out, "(there may be more: only the first of it is here)");
                }
            }
            Form::Json => {
                let Ids { pid, session } = self.scene.ids;
                let _ = writeln!(out, "\n],\"unread\":{unread},\"pid\":{pid},\"session\":\"{session}\"}}");
            }
        }
    }
}

/// A string in JSON.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A time to the minute, in UTC; `-` where no calendar has it.
pub fn minutes(mtime: Mtime) -> String {
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp(mtime.secs) else { return String::from("-") };
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", time.hour(), time.minute())
}

#[cfg(test)]
mod tests {
    use super::super::offers::Kept;
    use super::super::target::Whose;
    use super::*;
    use crate::auth::Access;
    use crate::files::{HomeTerms, RelPath};
    use crate::server::desk::registry::SessionId;

    fn listed(form: Form, names: &[&[u8]]) -> String {
        listed_as(form, Query::default(), false, names)
    }

    fn listed_as(form: Form, query: Query, is_cut: bool, names: &[&[u8]]) -> String {
        let place = Place { whose: Whose::Everybody, path: RelPath::root(), is_folder: true };
        let ids = Ids { pid: 1, session: SessionId::fresh().unwrap() };
        let mut rows = Rows::new(
            form,
            Scene {
                place,
                query,
                user: None,
                offered: Offered {
                    here: Access::READ,
                    rules: None,
                    trash: false,
                    kept: Kept(HomeTerms::none()),
                    kept_below: Vec::new(),
                    usage: UsageNow::Known(None),
                },
                is_writable: true,
                is_sorted: true,
                is_cut,
                ids,
            },
        );
        let mut out = String::new();
        rows.head(&mut out);
        for name in names {
            let mtime = Mtime { secs: 1_000_000_000, nanos: 5 };
            let entry = Entry {
                kind: EntryKind::File,
                size: 7,
                mtime,
                mode: None,
                rotten: false,
                mark: None,
                identity: None,
                path: name.to_vec(),
            };
            rows.row(&entry, &mut out);
        }
        rows.tail(2, &mut out);
        out
    }

    const ODD: &[&[u8]] = &[
        b"plain.txt",
        b"<script>alert(1)</script>",
        b"\"onmouseover=alert(1) x=\"",
        b"javascript:alert(1)",
        b"a&b;'c",
        b"\xff\xfe",
        b"\x1b[2J\nx",
        b"?q#f%41 .html",
    ];

    #[test]
    fn names_of_any_kind_are_names_in_a_page() {
        let page = listed(Form::Page, ODD);
        let own = "<script src=\"/.sealift-web/page.js\" type=\"module\"></script>";
        assert!(page.contains(own) && !page.replace(own, "").contains("<script"), "{page}");
        assert!(!page.contains("\"onmouseover"), "{page}");
        assert!(!page.contains("href=\"javascript:") && !page.contains('\x1b'), "{page}");
        assert!(page.contains("href=\"./%3Fq%23f%2541%20.html\"") && page.contains("href=\"./%FF%FE\""), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("a&amp;b;'c"), "{page}");
    }

    #[test]
    fn a_search_that_was_cut_says_so_in_each_form_and_nothing_else() {
        let found = |form, is_cut, names| {
            let query = Query { search: Some(String::from("x")), ..Query::default() };
            listed_as(form, query, is_cut, names)
        };
        let nothing = found(Form::Page, true, &[]);
        assert!(
            nothing.contains("There may be more") && nothing.contains("Nothing that was looked at has that"),
            "{nothing}"
        );
        assert!(!nothing.contains("Nothing here or below"), "{nothing}");
        assert!(found(Form::Page, false, &[]).contains("Nothing here or below has that in its name."));
        let [cut, whole] = [true, false].map(|is_cut| found(Form::Text, is_cut, &[b"x"]));
        assert!(cut.lines().count() == whole.lines().count() + 1 && cut.contains("there may be more"), "{cut}");
        assert!(found(Form::Json, true, &[b"x"]).contains("\"cut\":true"));
    }

    #[test]
    fn json_is_json_whatever_the_names_are() {
        let parsed: serde_json::Value = serde_json::from_str(&listed(Form::Json, ODD)).unwrap();
        let names = parsed["entries"].as_array().unwrap();
        assert_eq!(names.len(), ODD.len());
        assert_eq!(names[1]["name"], "<script>alert(1)</script>");
        assert_eq!(names[5]["href"], "./%FF%FE");
        assert_eq!((&names[0]["size"], &parsed["unread"]), (&7.into(), &2.into()));
    }

    #[test]
    fn a_terminal_gets_one_line_a_name_and_no_controls() {
        let text = listed(Form::Text, ODD);
        assert_eq!(text.lines().count(), ODD.len() + 1);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        assert!(text.starts_with("             7  2001-09-09 01:46  plain.txt\n"), "{text}");
    }
}
