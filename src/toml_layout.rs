//! Where the sections of a TOML file stand, and the comments between them, when a program adds or removes one.

use toml_edit::{DocumentMut, Table};

/// Makes this section the last of the document, into which it is yet to be inserted. What stood at the end of the file
/// stays before it.
pub(crate) fn place_last(document: &mut DocumentMut, section: &mut Table) {
    let position = header_positions(document.as_table()).into_iter().max().unwrap_or(0) + 1;
    let mut before = document.trailing().as_str().unwrap_or_default().to_owned();
    if !before.is_empty() && !before.ends_with('\n') {
        before.push('\n');
    }
    document.set_trailing("");
    section.decor_mut().set_prefix(format!("{before}\n"));
    section.set_position(Some(position));
}

/// Keeps the comments above a section that was removed, but for those right above it, which were about it: what an empty
/// line parts from it goes where the section was, above the next one or to the end of the file.
pub(crate) fn keep_comments_of(document: &mut DocumentMut, removed: &Table) {
    let above = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    keep_comments(document, detached(above), removed.position());
}

/// The part of the comments above a section that an empty line parts from it.
fn detached(above: &str) -> String {
    let mut lines: Vec<&str> = above.split_inclusive('\n').collect();
    while lines.last().is_some_and(|line| !line.trim().is_empty()) {
        lines.pop();
    }
    lines.pop();
    lines.concat()
}

/// Puts comments where the section at `position` was: above the next one, or at the end of the file.
fn keep_comments(document: &mut DocumentMut, comments: String, position: Option<isize>) {
    let next = header_positions(document.as_table()).into_iter().filter(|other| Some(*other) > position).min();
    let next = next.and_then(|next| header_at(document.as_table_mut(), next));
    let Some(next) = next else {
        let end = document.trailing().as_str().unwrap_or_default();
        document.set_trailing(format!("{comments}{end}"));
        return;
    };
    let above = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let all = format!("{comments}{above}");
    next.decor_mut().set_prefix(all);
}

/// The position, in the order of the text, of every section inside `table` that has a header of its own.
fn header_positions(table: &Table) -> Vec<isize> {
    let inner = table.iter().filter_map(|(_, item)| item.as_table());
    inner.flat_map(|inner| header_position(inner).into_iter().chain(header_positions(inner))).collect()
}

fn header_at(table: &mut Table, position: isize) -> Option<&mut Table> {
    table.iter_mut().filter_map(|(_, item)| item.as_table_mut()).find_map(|inner| {
        if header_position(inner) == Some(position) { Some(inner) } else { header_at(inner, position) }
    })
}

fn header_position(table: &Table) -> Option<isize> {
    if table.is_implicit() || table.is_dotted() { None } else { table.position() }
}
