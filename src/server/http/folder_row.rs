//! A row of a folder's page: one entry, and what can be done with it.

use maud::{Render as _, html};

use super::offers::with_entry;
use super::page::words;
use super::rows::{Scene, minutes};
use super::types::Type;
use crate::auth::Access;
use crate::files::{Entry, EntryKind, RelPath};
use crate::readable;

/// How a file can be shown within the page; none for what a browser would have to open, or must not.
fn shown(name: &[u8]) -> Option<&'static str> {
    let kind = Type::of(&RelPath::parse(name).ok()?);
    if !kind.is_harmless {
        return None;
    }
    match kind.name.split('/').next()? {
        "image" => Some("image"),
        "audio" => Some("audio"),
        "video" => Some("video"),
        "text" => Some("text"),
        _ if kind.name == "application/json" => Some("text"),
        _ => None,
    }
}

/// What may be done with an entry where it is not what is told of the whole folder.
fn own_rights(scene: &Scene, entry: &Entry) -> Option<Access> {
    let path = scene.place.path.join(&entry.path).ok();
    scene.offered.rules.as_ref().map(|grants| match &path {
        Some(path) => with_entry(grants, path, entry.kind),
        None => Access::NONE,
    })
}

/// Whether whoever looks may see this file or folder, and not open it.
pub fn is_closed(scene: &Scene, entry: &Entry) -> bool {
    match entry.kind {
        EntryKind::Directory => {
            let path = scene.place.path.join(&entry.path).ok();
            !scene.offered.opens(path.as_ref(), scene.is_writable)
        }
        EntryKind::File => !own_rights(scene, entry).unwrap_or(scene.offered.here).contains(Access::DOWNLOAD),
        EntryKind::Link | EntryKind::Other => false,
    }
}

/// Writes a folder's next row; `name` is for people, `href` where it is. Says whether it is of something that whoever looks may see
/// and not open: that has no link, which would only lead to a refusal.
pub fn folder_row(scene: &Scene, entry: &Entry, (name, href): (&str, &str), out: &mut String) -> bool {
    let time = minutes(entry.mtime);
    let own = own_rights(scene, entry);
    let may = own.unwrap_or(scene.offered.here);
    let is_closed = is_closed(scene, entry);
    let opens = !is_closed && matches!(entry.kind, EntryKind::Directory | EntryKind::File);
    // With a script it can be given another name, or removed: that goes by the link, which leads nowhere then.
    let changes = scene.is_writable && may.intersection(Access::RENAME.union(Access::DELETE)) != Access::NONE;
    let show = shown(&entry.path).filter(|_| entry.kind == EntryKind::File);
    // Where what a search has found is.
    let (above, name) = name.rsplit_once('/').map_or((None, name), |(above, name)| (Some(above), name));
    let above = html! { @if let Some(above) = above { small { (above) "/" } } };
    html! {
        tr .{ (entry.kind.word()) } data-may=[own.map(|own| words(scene, own))] {
            td .name {
                @if opens { a href=(href) data-show=[show] { (above) (name) } }
                @else if is_closed && changes { a .closed href=(href) { (above) (name) } }
                @else { span .closed[is_closed] { (above) (name) } }
            }
            td .size {
                @if entry.kind == EntryKind::File { (readable::size(entry.size)) }
                @else if scene.offered.is_shared(&scene.place.path, entry) { "Shared" }
            }
            td .time { time datetime=(format!("{}Z", time.replace(' ', "T"))) { (time) } }
        }
    }
    .render_to(out);
    out.push('\n');
    is_closed
}
