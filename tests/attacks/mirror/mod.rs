//! What a mirror must not lose: it deletes only when nothing failed, and not everything because the source is not there.

mod aside;
mod empty_source;
mod failures;
mod replaced;
mod special;

use std::fs;
use std::path::Path;

use crate::common::program::{World, names};
use crate::common::trees::{counts, put};

/// Takes the right to rename from alice and changes her entry in the users file, as an editor that replaces it does.
/// Returns when the server goes by it.
fn edit_alice(world: &World, change: impl FnOnce(&mut toml_edit::Table)) {
    let users = world.remote("alice", "../../users.toml");
    let mut text: toml_edit::DocumentMut = fs::read_to_string(&users).unwrap().parse().unwrap();
    let alice = text["users"]["alice"].as_table_mut().unwrap();
    let rights: toml_edit::Array = ["list", "download", "upload", "overwrite", "delete", "mkdir"].into_iter().collect();
    alice["access"] = toml_edit::value(rights);
    change(alice);
    let new = users.with_extension("new");
    fs::write(&new, text.to_string()).unwrap();
    fs::set_permissions(&new, fs::metadata(&users).unwrap().permissions()).unwrap();
    fs::rename(new, users).unwrap();
    let server = world.alice("");
    crate::common::eventually("the server knows of the change", || {
        // A session of just then ends with the change.
        let seen = world.run(["status", "--json", server.trim_end_matches('/')]);
        seen.code == Some(0) && !seen.stdout().contains("\"full\"")
    });
}
