//! Writing a listing: as it comes, or held until all of it is there, sorted, and perhaps in columns.

use std::io::{self, BufWriter, Write as _};

use console::Term;
use sealift::escape::for_people;
use sealift::files::{Entry, EntryKind, RelPath};
use sealift::{Result, limits};

use super::args::Look;
use super::order::{group, is_hidden, order};
use crate::colours::Colours;
use crate::format;
use crate::output::{Event, Object, Output, stdout_failed, tells, writes};
use crate::times::{Clock, TimeStyle};

/// Writes the entries of one folder, or of one tree, to standard output.
pub struct Printer<'a> {
    out: Output,
    look: &'a Look,
    /// What the entries' paths are relative to.
    folder: RelPath,
    clock: Clock,
    colours: Colours,
    stdout: BufWriter<io::Stdout>,
    /// A person is shown modes: the server tells them of what is shown next.
    has_modes: bool,
    /// Entries that wait to be sorted, unless they are written as they come.
    held: Option<Vec<Entry>>,
    held_bytes: usize,
    shown: u64,
    hidden: u64,
    rotten: u64,
}

/// How many entries there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Written.
    pub shown: u64,
    /// Left out, because their names begin with a dot.
    pub hidden: u64,
}

impl<'a> Printer<'a> {
    /// For entries whose paths are relative to this folder.
    pub fn new(out: Output, look: &'a Look, folder: RelPath) -> Self {
        Printer {
            out,
            look,
            folder,
            clock: look.times.clock(TimeStyle::LongIso, out.stdout_is_terminal()),
            colours: Colours::of_stdout(out.stdout_is_terminal()),
            stdout: BufWriter::new(io::stdout()),
            has_modes: false,
            held: (!look.unsorted).then(Vec::new),
            held_bytes: 0,
            shown: 0,
            hidden: 0,
            rotten: 0,
        }
    }

    /// Takes an entry of a listing.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn take(&mut self, entry: Entry) -> Result<()> {
        // A program is told of everything.
        if !self.look.all && !self.out.is_json() && is_hidden(&entry.path) {
            self.hidden += 1;
            return Ok(());
        }
        self.keep(entry)
    }

    /// Takes an entry that was named, hidden or not.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn keep(&mut self, entry: Entry) -> Result<()> {
        self.shown += 1;
        self.rotten += u64::from(entry.rotten);
        let Some(held) = &mut self.held else { return self.line(&entry, SIZE_WIDTH) };
        self.held_bytes += size_of::<Entry>() + entry.path.len();
        held.push(entry);
        if self.held_bytes <= limits::SORTED_BYTES_MAX {
            return Ok(());
        }
        self.out
            .warn(&format!("more than {} entries, too many to be sorted: they are shown as they come", self.shown - 1));
        self.held.take().into_iter().flatten().try_for_each(|entry| self.line(&entry, SIZE_WIDTH))
    }

    /// The listing was refused because this is a file, in another folder: that is what is shown.
    pub fn set_folder(&mut self, folder: RelPath) {
        self.folder = folder;
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn finish(mut self) -> Result<Counts> {
        let mut entries = self.held.take().unwrap_or_default();
        if self.look.recursive() && !self.look.directory {
            self.tree(entries)?;
        } else {
            entries.sort_by(order(self.look));
            self.folder(&entries)?;
        }
        self.stdout.flush().map_err(stdout_failed)?;
        if self.rotten > 0 {
            let files = if self.rotten == 1 { "1 file is" } else { &format!("{} files are", self.rotten) };
            self.out.warn(&format!("{files} rotten: not the bytes that were stored; `sealift ls -l` shows which"));
        }
        Ok(Counts { shown: self.shown, hidden: self.hidden })
    }

    /// Folder by folder: on a terminal each under its name, in a pipe every line with its whole path.
    fn tree(&mut self, entries: Vec<Entry>) -> Result<()> {
        let with_headers = self.out.stdout_is_terminal() && !self.out.is_json();
        for (folder, mut entries) in group(entries, order(self.look)) {
            let folder = folder.join(&b'/');
            if with_headers {
                if !folder.is_empty() {
                    self.write(format!("\n{}:", for_people(&folder)).as_bytes())?;
                }
            } else if !folder.is_empty() {
                for entry in &mut entries {
                    entry.path = [&folder, b"/".as_slice(), &entry.path].concat();
                }
            }
            self.folder(&entries)?;
        }
        Ok(())
    }

    fn folder(&mut self, entries: &[Entry]) -> Result<()> {
        if self.out.stdout_is_terminal() && !self.look.long && !self.look.one && !self.out.is_json() {
            let names: Vec<String> = entries.iter().map(plain_name).collect();
            let painted: Vec<String> =
                entries.iter().zip(&names).map(|(entry, name)| self.colours.paint(entry, name)).collect();
            let width = usize::from(Term::stdout().size().1);
            return format::columns(&names, &painted, width).iter().try_for_each(|row| self.write(row.as_bytes()));
        }
        // On a terminal as narrow as they allow; a pipe always gets the same.
        // Where there is room: a name is what a listing is read for.
        let is_wide = self.out.stdout_is_terminal() && Term::stdout().size().1 >= MODES_FROM;
        self.has_modes = is_wide && entries.iter().any(|entry| entry.mode.is_some());
        let widths = entries.iter().map(|entry| self.size(entry).len());
        let width = if self.out.stdout_is_terminal() { widths.max().unwrap_or(0) } else { SIZE_WIDTH };
        entries.iter().try_for_each(|entry| self.line(entry, width))
    }

    fn line(&mut self, entry: &Entry, size_width: usize) -> Result<()> {
        let line = if self.out.is_json() {
            let object = object(&self.folder, entry);
            tells(&object);
            object.render().into_bytes()
        } else if self.look.long {
            [self.details(entry, size_width).as_bytes(), &self.name(entry)].concat()
        } else {
            self.name(entry)
        };
        self.write(&line)?;
        // A person sees each line as it comes; a pipe is fed in large pieces.
        if self.out.stdout_is_terminal() { self.stdout.flush().map_err(stdout_failed) } else { Ok(()) }
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
        self.colours.paint(entry, &plain_name(entry)).into_bytes()
    }

    fn size(&self, entry: &Entry) -> String {
        match (entry.kind, self.look.bytes) {
            (EntryKind::File, true) => entry.size.to_string(),
            _ => size(entry),
        }
    }

    fn details(&self, entry: &Entry, width: usize) -> String {
        let width = if self.look.bytes && width == SIZE_WIDTH { BYTES_WIDTH } else { width };
        let details = details(entry, &self.size(entry), width, &self.clock);
        match self.has_modes {
            true => format!("{:<9}  {details}", entry.mode.map_or_else(String::new, format::permissions)),
            false => details,
        }
    }
}

/// `file    1.5 KiB  2024-05-01 12:34:56Z  `.
pub fn details(entry: &Entry, size: &str, width: usize, clock: &Clock) -> String {
    let time = clock.show(entry.mtime);
    if entry.rotten {
        // A letter longer than the others.
        return format!("rotten {size:>0$}  {time}  ", width.saturating_sub(1));
    }
    format!("{:<5} {size:>width$}  {time}  ", entry.kind.word())
}

/// An entry of a listing of this folder, for programs.
pub fn object(folder: &RelPath, entry: &Entry) -> Object {
    // Byte by byte: what a disk has may be called as no path can.
    let path = match folder.is_root() {
        true => entry.path.clone(),
        false => [folder.as_bytes(), b"/", &entry.path].concat(),
    };
    let object = Object::of(Event::Entry).name("path", &path).name("name", &entry.path).text("type", entry.kind.word());
    let object = object.value("size", entry.size).text("mtime", format::rfc3339(entry.mtime));
    let object = entry.mode.iter().fold(object, |object, mode| object.text("mode", mode.to_string()));
    if entry.rotten { object.value("rotten", true) } else { object }
}

/// The width of a size where the next line is not known yet, or never is to be another.
pub const SIZE_WIDTH: usize = 9;

/// Columns of a terminal from which on modes are shown beside the rest.
const MODES_FROM: u16 = 60;

/// The width of a size in bytes, where the next line is not known yet.
const BYTES_WIDTH: usize = 15;

/// The size of a file as people read it.
pub fn size(entry: &Entry) -> String {
    if entry.kind == EntryKind::File { format::size(entry.size) } else { "-".to_owned() }
}

fn plain_name(entry: &Entry) -> String {
    let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
    for_people(&entry.path) + slash
}
