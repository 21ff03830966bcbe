//! `ls`: what is in a folder.

use std::cell::Cell;
use std::io::{self, BufWriter, Write as _};

use console::{Style, Term};
use sealift::client::{Listing, Target};
use sealift::proto::escape::for_people;
use sealift::proto::{Entry, EntryKind, RelPath};
use sealift::{Client, Exit, Kind, Result};

use crate::args::Ls;
use crate::context::{Context, Repeat};
use crate::expand::Named;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Object, Output, stdout_failed, writes};

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Ls) -> Outcome {
    let several = args.targets.len() > 1;
    let first = Cell::new(true);
    let header = |target: &Target| match ctx.out.is_json() {
        true => Ok(()),
        false => ctx.out.line(format!("{}{target}:", if first.take() { "" } else { "\n" })),
    };
    ctx.for_each_word(&args.targets, Repeat::Asks, async |client, names| {
        if let [Named { target, entry: None }] = names {
            if several {
                header(target)?;
            }
            return list(ctx.out, client, target, args).await;
        }
        // As a shell's `ls` of what its wildcards stand for: files by themselves, then each folder with what is in it.
        let (folders, files): (Vec<_>, Vec<_>) = names.iter().partition(|named| named.is_folder());
        let entries: Vec<Entry> = files.iter().filter_map(|named| named.entry.clone()).collect();
        let mut printer = Printer::new(ctx.out, Look { long: args.long, bytes: args.bytes }, RelPath::root());
        printer.all(&entries)?;
        printer.finish()?;
        first.set(first.get() && entries.is_empty());
        for named in &folders {
            header(&named.target)?;
            list(ctx.out, client, &named.target, args).await?;
        }
        Ok(())
    })
    .await
}

/// How a listing is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Type, size and time too.
    pub long: bool,
    /// Sizes in bytes.
    pub bytes: bool,
}

/// Lists one target over its connection. A file is listed as itself.
///
/// # Errors
/// As [`Client::list`].
pub async fn list(out: Output, client: &mut Client, target: &Target, args: &Ls) -> Outcome {
    let look = Look { long: args.long, bytes: args.bytes };
    let mut printer = Printer::new(out, look, target.path.clone());
    // Nothing to sort: entries are shown as they come, however many there are.
    let outcome = if args.recursive || out.is_json() {
        let listed = client.list_each(&target.path, args.recursive, |entry| printer.entry(&entry)).await;
        listed.map(|unread| Listing { entries: Vec::new(), unread })
    } else {
        client.list(&target.path, false).await
    };
    let Listing { mut entries, unread } = match outcome {
        Ok(listing) => listing,
        Err(err) if err.kind() == Kind::NotDirectory && !target.is_folder => {
            printer.folder = target.path.parent().unwrap_or_default();
            Listing { entries: vec![itself(client, &target.path).await?], ..Listing::default() }
        }
        Err(err) => return Err(Failure::from(err).about(&target.path.to_string())),
    };
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    printer.all(&entries)?;
    let count = printer.finish()?;
    let failures = unread.errors(&target.path);
    if failures.is_empty() {
        if count == 0 {
            out.note("The folder is empty.");
        }
        return Ok(());
    }
    for (_, error) in failures {
        Failure::from(error).show(out);
    }
    Err(Failure::Shown(Exit::Partial))
}

async fn itself(client: &mut Client, path: &RelPath) -> Outcome<Entry> {
    let stat = client.stat(path).await?;
    let name = path.file_name().unwrap_or_default().to_vec();
    Ok(Entry { kind: stat.kind, size: stat.size, mtime: stat.mtime, rotten: stat.rotten, path: name })
}

/// Writes entries to stdout, and counts them.
struct Printer {
    out: Output,
    look: Look,
    folder: RelPath,
    stdout: BufWriter<io::Stdout>,
    count: u64,
    /// How many of them are rotten.
    rotten: u64,
}

impl Printer {
    fn new(out: Output, look: Look, folder: RelPath) -> Self {
        Printer { out, look, folder, stdout: BufWriter::new(io::stdout()), count: 0, rotten: 0 }
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.count += 1;
        self.rotten += u64::from(entry.rotten);
        let line = if self.out.is_json() {
            self.object(entry).render().into_bytes()
        } else if self.look.long {
            [details(entry, self.look.bytes).as_bytes(), &self.name(entry)].concat()
        } else {
            self.name(entry)
        };
        self.write(&line)?;
        // A person sees each line as it comes; a pipe is fed in large pieces.
        if self.out.stdout_is_terminal() { self.stdout.flush().map_err(stdout_failed) } else { Ok(()) }
    }

    fn all(&mut self, entries: &[Entry]) -> Result<()> {
        if self.out.stdout_is_terminal() && !self.look.long && !self.out.is_json() {
            let names: Vec<String> = entries.iter().map(plain_name).collect();
            let width = usize::from(Term::stdout().size().1);
            self.count += entries.len() as u64;
            self.rotten += entries.iter().filter(|entry| entry.rotten).count() as u64;
            return format::columns(&names, width).iter().try_for_each(|row| self.write(row.as_bytes()));
        }
        entries.iter().try_for_each(|entry| self.entry(entry))
    }

    fn finish(mut self) -> Result<u64> {
        self.stdout.flush().map_err(stdout_failed)?;
        if self.rotten > 0 {
            let files = if self.rotten == 1 { "1 file is" } else { &format!("{} files are", self.rotten) };
            self.out.warn(&format!("{files} rotten: not the bytes that were stored; `sealift ls -l` shows which"));
        }
        Ok(self.count)
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        writes();
        self.stdout.write_all(line).and_then(|()| self.stdout.write_all(b"\n")).map_err(stdout_failed)
    }

    /// The name as it goes to stdout, a folder's with a slash.
    fn name(&self, entry: &Entry) -> Vec<u8> {
        if !self.out.stdout_is_terminal() {
            let slash: &[u8] = if entry.kind == EntryKind::Directory { b"/" } else { b"" };
            return [&entry.path, slash].concat();
        }
        let name = plain_name(entry);
        match entry.kind {
            EntryKind::Directory => Style::new().blue().bold().apply_to(name).to_string().into_bytes(),
            EntryKind::Link => Style::new().cyan().apply_to(name).to_string().into_bytes(),
            EntryKind::File | EntryKind::Other => name.into_bytes(),
        }
    }

    fn object(&self, entry: &Entry) -> Object {
        // Checked by the client library, so only a path that is too deep or too long with its folder cannot be joined.
        let path = self.folder.join(&entry.path).unwrap_or_default();
        let object =
            Object::new().name("path", path.as_bytes()).name("name", &entry.path).text("type", entry.kind.word());
        let object = object.value("size", entry.size).text("mtime", format::rfc3339(entry.mtime));
        if entry.rotten { object.value("rotten", true) } else { object }
    }
}

fn plain_name(entry: &Entry) -> String {
    let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
    for_people(&entry.path) + slash
}

/// `file  1.5 KiB  2024-05-01 12:34:56Z  `, in fixed columns because the next line is not known yet.
fn details(entry: &Entry, in_bytes: bool) -> String {
    let size = match (entry.kind, in_bytes) {
        (EntryKind::File, true) => format!("{:>15}", entry.size),
        (EntryKind::File, false) => format!("{:>9}", format::size(entry.size)),
        (_, true) => format!("{:>15}", "-"),
        (_, false) => format!("{:>9}", "-"),
    };
    let time = format::utc(entry.mtime);
    if entry.rotten {
        // A letter longer than the others.
        return format!("rotten {}  {time}  ", size.strip_prefix(' ').unwrap_or(&size));
    }
    format!("{:<5} {size}  {time}  ", entry.kind.word())
}
