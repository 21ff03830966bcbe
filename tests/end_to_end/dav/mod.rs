//! WebDAV: file managers, mounts, and programs that synchronise.

mod clients;
mod conditions;
mod locks;
mod propfind;
mod proppatch;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD};

/// A request of this user's with this body.
fn ask(daemon: &Daemon, user: &str, method: &str, headers: &[&str], body: &str, path: &str) -> Got {
    let login = format!("{user}:{PASSWORD}");
    let mut args = vec!["-X", method, "--user", &login];
    if !body.is_empty() {
        args.extend(["--data-binary", body]);
    }
    headers.iter().for_each(|header| args.extend(["--header", header]));
    curl(daemon, &args, path)
}

/// What stands between these two, wherever it does.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    text.split(begin).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
}
