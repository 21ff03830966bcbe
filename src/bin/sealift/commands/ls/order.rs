//! The order of a listing, and the folders that its entries are in.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use sealift::files::{Entry, EntryKind};

use super::args::Look;

/// What one folder of a tree holds, by that folder's path below the listed one.
pub type Groups = BTreeMap<Vec<Vec<u8>>, Vec<Entry>>;

/// The order asked for. Those alike are in the order of their names' bytes.
pub fn order(look: &Look) -> impl Fn(&Entry, &Entry) -> Ordering {
    let look = look.clone();
    move |a, b| {
        let by_name = a.path.cmp(&b.path);
        let order = match look {
            Look { by_time: true, .. } => b.mtime.cmp(&a.mtime).then(by_name),
            Look { by_size: true, .. } => size(b).cmp(&size(a)).then(by_name),
            Look { unsorted: true, .. } => Ordering::Equal,
            _ => by_name,
        };
        if look.reverse() { order.reverse() } else { order }
    }
}

/// What a disk says of a folder's own size is of no use to anybody.
fn size(entry: &Entry) -> u64 {
    if entry.kind == EntryKind::File { entry.size } else { 0 }
}

/// Sorts the entries of a tree into their folders: a folder before those in it, and each sorted.
pub fn group(entries: Vec<Entry>, order: impl Fn(&Entry, &Entry) -> Ordering) -> Groups {
    let mut groups = Groups::new();
    for mut entry in entries {
        let mut names: Vec<Vec<u8>> = entry.path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        if entry.kind == EntryKind::Directory {
            groups.entry(names.clone()).or_default();
        }
        entry.path = names.pop().unwrap_or_default();
        groups.entry(names).or_default().push(entry);
    }
    for entries in groups.values_mut() {
        entries.sort_by(&order);
    }
    groups
}

/// Whether a name on this path begins with a dot.
pub fn is_hidden(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| name.starts_with(b"."))
}
