//! A folder with all in it goes from a server: at a terminal how much is gone is counted meanwhile, and said at the end.

use sealift::Client;
use sealift::escape::for_people;
use sealift::files::{RelPath, Removed};

use crate::format;
use crate::output::Output;
use crate::progress::SoFar;

/// Removes a file, or a folder with all in it, and gives how much was removed if the server says that.
///
/// # Errors
/// As [`Client::remove_tree`].
pub async fn remove_tree(out: Output, client: &mut Client, path: &RelPath) -> sealift::Result<Option<Removed>> {
    let (mut so_far, mut took_long) = (SoFar::new(out), false);
    let shown = for_people(path.as_bytes());
    let told = |gone: Removed| {
        took_long = true;
        so_far.is(|| format!("{shown}: {} removed so far", words(gone)));
    };
    let removed = client.remove_tree(path, told).await;
    drop(so_far);
    // What goes at once goes without a word, as by every `rm`.
    if let (Ok(Some(removed)), true, true) = (&removed, took_long, out.stderr_is_terminal) {
        out.note(&format!("{shown}: {} removed.", words(*removed)));
    }
    removed
}

/// `1200 files and 3 folders`, or what there is of them.
pub fn words(Removed { files, folders, .. }: Removed) -> String {
    counted(files, folders)
}

/// The same of these numbers.
pub fn counted(files: u64, folders: u64) -> String {
    let parts = [(files, "file"), (folders, "folder")].into_iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, one)| format::count(number, one)).collect::<Vec<_>>().join(" and ")
}
