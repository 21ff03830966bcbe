//! `du`: how much is in folders.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{ArgAction, Args};
use sealift::client::Target;
use sealift::files::{EntryKind, RelPath};
use sealift::{Client, Error, Kind, limits};

use super::unread;
use crate::context::{Context, Repeat};
use crate::expand::Names;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object, Output};
use crate::progress::SoFar;
use crate::voice;

/// Show how much space folders take
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "\
Examples:
  sealift du -s alice@files.example/
  sealift du -d 1 alice@files.example/photos
  sealift du -s 'alice@files.example/photos/*'

What counts is the bytes of files, as for a quota. A folder comes after the folders in it, as with `du`; folders side by side are in the order of their names.")]
pub struct Du {
    /// Folders or files on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub how: How,
}

/// Which folders are shown, and how.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// Show only the sum of each target
    #[arg(short, long, conflicts_with = "max_depth")]
    pub summarize: bool,
    /// Show folders down to this many levels below the target
    #[arg(short = 'd', long, value_name = "N")]
    pub max_depth: Option<usize>,
    /// Show sizes in readable units, which is the default; for help use --help
    #[arg(short = 'h', long, overrides_with = "bytes")]
    pub human_readable: bool,
    /// Show sizes in bytes
    #[arg(short, long)]
    pub bytes: bool,
    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What is in one folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Bytes of the files.
    pub bytes: u64,
    /// How many there are.
    pub files: u64,
}

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Du) -> Outcome {
    let (mut all, mut targets) = (Sum::default(), 0);
    let work = async |client: &mut Client, target: &Target| {
        let sum = measure(ctx.out, client, target, &args.how).await?;
        (all.bytes, all.files, targets) = (all.bytes.saturating_add(sum.bytes), all.files + sum.files, targets + 1);
        Ok(())
    };
    let done = ctx.for_each(&args.targets, Names::Existing, Repeat::Asks, work).await;
    sum_up(ctx.out, all, targets)?;
    done
}

/// Shows the sizes below one target over its connection, and gives their sum.
///
/// # Errors
/// As [`Client::list`]; [`Kind::Usage`] for more folders than can be held.
pub async fn measure(out: Output, client: &mut Client, target: &Target, how: &How) -> Outcome<Sum> {
    let depth = if how.summarize { 0 } else { how.max_depth.unwrap_or(usize::MAX) };
    let mut sums = Sums::new(depth);
    let mut so_far = SoFar::new(out);
    let listed = client.list_each(&target.path, true, |entry| {
        sums.add(entry.kind, entry.size, &entry.path)?;
        let Sum { bytes, files } = sums.all();
        so_far.is(|| format!("{}, {} so far", format::count(files, "file"), format::size(bytes)));
        Ok(())
    });
    let listed = listed.await;
    drop(so_far);
    let missed = match listed {
        Ok(missed) => missed,
        Err(err) if err.kind() == Kind::NotDirectory && !target.is_folder => {
            let stat = client.stat(&target.path).await?;
            let sum = Sum { bytes: stat.size, files: 1 };
            show(out, &target.path, sum, how.bytes)?;
            return Ok(sum);
        }
        Err(err) => return Err(Failure::from(err).about(&target.path.to_string())),
    };
    let all = sums.all();
    let mut folders: Vec<_> = sums.sums.into_iter().collect();
    folders.sort_by(|(a, _), (b, _)| after_its_parts(a, b));
    for (folder, sum) in folders {
        let path = target.path.join(&folder).unwrap_or_default();
        show(out, &path, sum, how.bytes)?;
    }
    unread::tell(out, &missed, &target.path)?;
    Ok(all)
}

/// By name, and a folder behind those in it, as `du` shows them; the sum of all, whose path is empty, comes last.
fn after_its_parts(a: &[u8], b: &[u8]) -> Ordering {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let (a, b) = (names(a), names(b));
    match a.iter().zip(&b).map(|(a, b)| a.cmp(b)).find(|order| order.is_ne()) {
        Some(order) => order,
        None => b.len().cmp(&a.len()),
    }
}

/// Ends the output for a program: what all targets hold together.
fn sum_up(out: Output, all: Sum, targets: u64) -> Outcome {
    let summary = || Object::of(Event::Summary).value("entries", targets).value("files", all.files);
    out.json(|| summary().value("bytes", all.bytes))?;
    Ok(())
}

fn show(out: Output, path: &RelPath, sum: Sum, in_bytes: bool) -> Outcome {
    let name = match voice::path(path.as_bytes()) {
        own if own.is_empty() => b".".into(),
        name => name,
    };
    let object =
        || Object::of(Event::Usage).name("path", path.as_bytes()).value("size", sum.bytes).value("files", sum.files);
    if !out.json(object)? {
        let size = if in_bytes { format!("{:>15}", sum.bytes) } else { format!("{:>9}", format::size(sum.bytes)) };
        out.line([size.as_bytes(), b"  ", &out.name(&name)].concat())?;
    }
    Ok(())
}

/// The sums of a folder and of those in it down to some depth, by their paths; that of the folder itself is empty.
struct Sums {
    depth: usize,
    sums: BTreeMap<Vec<u8>, Sum>,
    held: usize,
}

impl Sums {
    fn new(depth: usize) -> Self {
        Sums { depth, sums: BTreeMap::from([(Vec::new(), Sum::default())]), held: 0 }
    }

    /// That of the folder itself.
    fn all(&self) -> Sum {
        self.sums.get(&Vec::new()).copied().unwrap_or_default()
    }

    fn add(&mut self, kind: EntryKind, size: u64, path: &[u8]) -> sealift::Result<()> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        match kind {
            EntryKind::Directory if path.split(|byte| *byte == b'/').count() <= self.depth => {
                self.sums.entry(path.to_vec()).or_default();
                self.held += 2 * path.len() + 2 * size_of::<(Vec<u8>, Sum)>();
                if self.held > limits::SORTED_BYTES_MAX {
                    let text = "more folders than can be held: show fewer with -s or -d";
                    return Err(Error::new(Kind::Usage, text));
                }
            }
            EntryKind::File => {
                for end in std::iter::once(0).chain(ends) {
                    if let Some(sum) = path.get(..end).and_then(|folder| self.sums.get_mut(folder)) {
                        sum.bytes = sum.bytes.saturating_add(size);
                        sum.files += 1;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_in_all_folders_around_it_down_to_the_depth() {
        let sums = |depth| {
            let mut sums = Sums::new(depth);
            for (kind, size, path) in [
                (EntryKind::Directory, 4096, "a"),
                (EntryKind::File, 1, "a/x"),
                (EntryKind::Directory, 4096, "a/b"),
                (EntryKind::File, 2, "a/b/y"),
                (EntryKind::Link, 9, "l"),
                (EntryKind::File, 4, "z"),
            ] {
                sums.add(kind, size, path.as_bytes()).unwrap();
            }
            sums.sums.into_iter().map(|(path, sum)| (String::from_utf8(path).unwrap(), sum.bytes, sum.files)).collect()
        };
        let all: Vec<(String, u64, u64)> = sums(usize::MAX);
        assert_eq!(all, [(String::new(), 7, 3), ("a".into(), 3, 2), ("a/b".into(), 2, 1)]);
        let one: Vec<(String, u64, u64)> = sums(1);
        assert_eq!(one, all[..2]);
        let none: Vec<(String, u64, u64)> = sums(0);
        assert_eq!(none, all[..1]);
    }

    #[test]
    fn folders_are_in_the_order_of_their_names_and_each_comes_after_its_parts() {
        let mut folders = ["", "b", "a", "a/z", "a b", "a/b", "a/b/c"];
        folders.sort_by(|a, b| after_its_parts(a.as_bytes(), b.as_bytes()));
        assert_eq!(folders, ["a/b/c", "a/b", "a/z", "a", "a b", "b", ""]);
    }
}
