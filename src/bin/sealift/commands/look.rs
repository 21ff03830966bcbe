//! `stat`, `hash`: what a server says about files.

use console::Term;
use sealift::client::Target;
use sealift::escape::for_people;
use sealift::files::{EntryKind, RelPath};
use sealift::proto::Feature;
use sealift::{Client, Kind};

use crate::args::{Hash, Stat};
use crate::context::{Context, Repeat};
use crate::expand::Names;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object, Output};
use crate::times::{TimeArgs, TimeStyle};
use crate::voice;

/// Columns of a line with a time to the billionth of a second.
const FULL_TIME: usize = "modified: 2026-05-01 14:34:56.123456789 +0200".len();

/// Describes targets.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn stat(ctx: &Context, args: &Stat) -> Outcome {
    let work = async |client: &mut Client, target: &Target| describe(ctx.out, client, target, args.times).await;
    ctx.for_each(&args.targets, Names::Existing, Repeat::Asks, work).await
}

/// Describes one target over its connection.
///
/// # Errors
/// As [`Client::stat`].
pub async fn describe(out: Output, client: &mut Client, target: &Target, times: TimeArgs) -> Outcome {
    let path = &target.path;
    let stat = client.stat(path).await.map_err(|err| Failure::from(err).about(&path.to_string()))?;
    let object = || {
        let object = Object::of(Event::Stat).name("path", path.as_bytes()).text("type", stat.kind.word());
        let object = object.value("size", stat.size).text("mtime", format::rfc3339(stat.mtime));
        let object = match stat.mode {
            Some(mode) => object.text("mode", mode.to_string()),
            None => object,
        };
        if stat.rotten { object.value("rotten", true) } else { object }.ids(client.last_ids())
    };
    if out.json(object)? {
        return Ok(());
    }
    // The name as people read it: this output is for them, and --json is for programs.
    let shown = if path.is_root() { path.to_string() } else { for_people(&voice::path(path.as_bytes())) };
    out.line(format!("    path: {shown}"))?;
    out.line(format!("    type: {}", words(stat.kind)))?;
    if stat.kind == EntryKind::File {
        out.line(format!("    size: {} ({} bytes)", format::size(stat.size), stat.size))?;
    }
    // Where all that is known of a time does not fit into a line, the minute does.
    let is_narrow = usize::from(Term::stdout().size().1) <= FULL_TIME;
    let style = if is_narrow { TimeStyle::LongIso } else { TimeStyle::FullIso };
    let clock = times.clock(style, out.stdout_is_terminal());
    out.line(format!("modified: {}", clock.show(stat.mtime).trim()))?;
    if let Some(mode) = stat.mode {
        out.line(format!("    mode: {mode}"))?;
    }
    if stat.rotten {
        out.line("  rotten: its bytes are not those that were stored; see `sealift verify --help`")?;
    }
    Ok(())
}

fn words(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "folder",
        EntryKind::Link => "link",
        EntryKind::Other => "special",
    }
}

/// Hashes targets.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn hash(ctx: &Context, args: &Hash) -> Outcome {
    let mut warned = false;
    ctx.for_each(&args.targets, Names::Existing, Repeat::Asks, async |client, target| {
        if !std::mem::replace(&mut warned, true) {
            warn_of_records(ctx.out, client);
        }
        digest(ctx.out, client, &target.path).await
    })
    .await
}

/// Warns if this server tells a hash that it recorded, and cannot be asked to read the file for it.
pub fn warn_of_records(out: Output, client: &Client) {
    if !client.features().has(Feature::Record) {
        let what = Feature::Record.what();
        out.warn(&format!("the server is too old to {what}: its hashes may be those of files as they were stored"));
    }
}

/// Warns if this server can send only files that do not become longer meanwhile.
pub fn warn_of_growing(out: Output, client: &Client) {
    if !client.features().has(Feature::Growing) {
        out.warn(&format!("the server is too old to {}: such a one fails", Feature::Growing.what()));
    }
}

/// Has the server hash one file over its connection.
///
/// # Errors
/// As [`Client::hash`].
pub async fn digest(out: Output, client: &mut Client, path: &RelPath) -> Outcome {
    let hashed = client.hash(path, None).await.map_err(|err| {
        let names = || "Name the files in it; `sealift ls -r` shows them all.".to_owned();
        Failure::from(err).about(&path.to_string()).hinted(Kind::IsDirectory, names)
    })?;
    let object = || {
        let object =
            Object::of(Event::Hash).name("path", path.as_bytes()).value("size", hashed.size).text("hash", hashed.hash);
        object.text("mtime", format::rfc3339(hashed.mtime)).ids(client.last_ids())
    };
    if !out.json(object)? {
        out.line(b3sum_line(&hashed.hash.to_string(), &out.name(&voice::path(path.as_bytes()))))?;
    }
    Ok(())
}

/// A line as `b3sum` writes it and `b3sum --check` reads it: a name with a backslash is escaped, and the line then
/// begins with one. (A name with a line break cannot come from a server.)
fn b3sum_line(hash: &str, name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(hash.len() + 2 + name.len());
    if name.contains(&b'\\') {
        line.push(b'\\');
    }
    line.extend_from_slice(hash.as_bytes());
    line.extend_from_slice(b"  ");
    for byte in name {
        if *byte == b'\\' {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_as_b3sum_reads_them() {
        assert_eq!(b3sum_line("ab", b"a b.txt"), b"ab  a b.txt");
        assert_eq!(b3sum_line("ab", b"a\\b"), b"\\ab  a\\\\b");
    }
}
