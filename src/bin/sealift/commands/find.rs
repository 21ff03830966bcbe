//! `find`: what is below a folder and fits.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use sealift::byte_size::parse_bytes;
use sealift::client::Target;
use sealift::client::glob::Name;
use sealift::escape::for_people;
use sealift::files::{Entry, EntryKind, Mtime, RelPath};
use sealift::readable::shell_word;
use sealift::{Client, Kind, limits};

use super::find_delete::Delete;
use super::{ls, unread};
use crate::context::{Context, Repeat};
use crate::expand::{Names, may_be_pattern};
use crate::failure::{Failure, Outcome};
use crate::filter_args::age;
use crate::output::{Output, stdout_failed, writes};
use crate::times::{Clock, TimeArgs, TimeStyle};
use crate::voice;

/// Find files and folders by name, size and age
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift find alice@files.example/ --name '*.{jpg,png}' --newer 7d
  sealift find alice@files.example/logs --type file --older 90d --size +10M
  sealift find alice@files.example/logs --older 90d --type file --delete
  sealift find -0 files.example/pub --name '*.iso' | xargs -0 -n1 echo

What matches all conditions is shown, one path a line, in the order of the paths, which start at the user's own folder. Names that begin \
with a dot are included. With -l each has its type, size and time before it, as in `ls -l`.")]
pub struct Find {
    /// Folders on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub wanted: Wanted,
}

/// What is looked for, and how it is written.
#[derive(Debug, Clone, Args)]
pub struct Wanted {
    /// Only names that match this, with `*`, `?`, `[…]` and `{a,b}`
    #[arg(long, value_name = "GLOB")]
    pub name: Option<OsString>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    pub kind: Option<Type>,
    /// Only files larger (+) or smaller (-) than this, or of exactly this size, like +10M
    #[arg(long, value_name = "[+-]SIZE", value_parser = Size::parse, allow_hyphen_values = true)]
    pub size: Option<Size>,
    /// Only what was last changed longer ago than this, like 90d
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub older: Option<Duration>,
    /// Only what was last changed more recently than this, like 12h
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub newer: Option<Duration>,
    /// Show type, size and time too
    #[arg(short, long, conflicts_with = "print0")]
    pub long: bool,
    #[command(flatten)]
    pub times: TimeArgs,
    /// End each path with a NUL byte instead of a newline
    #[arg(short = '0', long)]
    pub print0: bool,
    /// Remove what matches, after a question; a folder goes when nothing is left in it
    #[arg(long, conflicts_with_all = ["long", "print0"])]
    pub delete: bool,
    /// With --delete: do not ask
    #[arg(short, long, requires = "delete")]
    pub yes: bool,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// A file
    #[value(alias = "f")]
    File,
    /// A folder
    #[value(alias = "d", alias = "folder")]
    Dir,
    /// A link that leads nowhere that the server goes
    #[value(alias = "l")]
    Link,
}

/// A bound on a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// More bytes than these.
    Over(u64),
    /// Fewer.
    Under(u64),
    /// So many.
    Exactly(u64),
}

impl Size {
    fn parse(text: &str) -> Result<Size, String> {
        let wrong = || format!("`{text}` is not a size; write it like +10M, -512k or 0");
        let (bound, rest): (fn(u64) -> Size, &str) = match text.split_at_checked(1) {
            Some(("+", rest)) => (Size::Over, rest),
            Some(("-", rest)) => (Size::Under, rest),
            _ => (Size::Exactly, text),
        };
        parse_bytes(rest).map(bound).ok_or_else(wrong)
    }

    fn takes(self, bytes: u64) -> bool {
        match self {
            Size::Over(bound) => bytes > bound,
            Size::Under(bound) => bytes < bound,
            Size::Exactly(bound) => bytes == bound,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Find) -> Outcome {
    refuse_pattern(ctx, args)?;
    let filter = Filter::new(&args.wanted, ctx.out)?;
    let work = async |client: &mut Client, target: &Target| search(ctx.out, client, target, &filter).await;
    // What has changed something is not done twice.
    let repeat = if args.wanted.delete { Repeat::Acts } else { Repeat::Asks };
    ctx.for_each(&args.targets, Names::Existing, repeat, work).await
}

/// Refuses a pattern behind the places to search, where other programs take it.
fn refuse_pattern(ctx: &Context, args: &Find) -> Outcome {
    let Some((first, others)) = args.targets.split_first() else { return Ok(()) };
    let is_pattern =
        |word: &&OsString| may_be_pattern(word) && !word.as_bytes().contains(&b'/') && ctx.target(word).is_err();
    let Some(pattern) = others.iter().find(is_pattern) else { return Ok(()) };
    let shown = |word: &OsString| shell_word(&for_people(word.as_bytes()));
    let text = format!(
        "{}: a place to search is needed here, and this looks like the name that you are looking for",
        shown(pattern)
    );
    let hint = format!("`sealift find {} --name {}` finds what has this name.", shown(first), shown(pattern));
    Err(Failure::new(Kind::Usage, text, hint))
}

/// What is looked for, ready to be compared.
#[derive(Debug)]
pub struct Filter {
    name: Option<Name>,
    kind: Option<EntryKind>,
    size: Option<Size>,
    /// Changed before this.
    before: Option<Mtime>,
    /// Changed after this.
    after: Option<Mtime>,
    print0: bool,
    /// What writes the times of a long listing.
    clock: Option<Clock>,
    /// What matches is removed.
    delete: Option<Delete>,
}

impl Filter {
    /// Ages count from now.
    ///
    /// # Errors
    /// If the name is no pattern.
    pub fn new(wanted: &Wanted, out: Output) -> Outcome<Self> {
        let ago = |age: Duration| SystemTime::now().checked_sub(age).map(Mtime::from);
        let kind = wanted.kind.map(|kind| match kind {
            Type::File => EntryKind::File,
            Type::Dir => EntryKind::Directory,
            Type::Link => EntryKind::Link,
        });
        Ok(Filter {
            name: wanted.name.as_ref().map(|name| Name::parse(name.as_bytes())).transpose()?,
            kind,
            size: wanted.size,
            before: wanted.older.and_then(ago),
            after: wanted.newer.and_then(ago),
            print0: wanted.print0,
            delete: wanted.delete.then_some(Delete { yes: wanted.yes }),
            clock: wanted.long.then(|| wanted.times.clock(TimeStyle::LongIso, out.stdout_is_terminal())),
        })
    }

    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        self.kind.is_none_or(|kind| kind == entry.kind)
            && self.size.is_none_or(|size| entry.kind == EntryKind::File && size.takes(entry.size))
            && self.before.is_none_or(|before| entry.mtime < before)
            && self.after.is_none_or(|after| entry.mtime > after)
            && self.name.as_ref().is_none_or(|wanted| wanted.matches(name))
    }
}

/// Searches below one target over its connection. What is found is shown by its path, a folder before what is in it, or removed.
///
/// # Errors
/// As [`Client::list`] and [`Delete::run`].
pub async fn search(out: Output, client: &mut Client, target: &Target, filter: &Filter) -> Outcome {
    let folder = &target.path;
    if let Some(delete) = filter.delete {
        return delete.run(out, client, target, filter).await;
    }
    let mut found = Found { out, folder, filter, held: Some(Vec::new()), held_bytes: 0 };
    let listed =
        client.list_each(folder, true, |entry| if filter.takes(&entry) { found.take(entry) } else { Ok(()) }).await;
    match listed {
        Ok(missed) => {
            found.finish()?;
            unread::tell(out, &missed, folder)
        }
        Err(err) if err.kind() == Kind::NotDirectory && !target.is_folder => {
            let entry = ls::itself(client, folder).await?;
            if filter.takes(&entry) { Ok(show(out, &RelPath::root(), &entry, filter)?) } else { Ok(()) }
        }
        Err(err) => Err(Failure::from(err).about(&folder.to_string())),
    }
}

/// What was found below a folder. It waits until all is there and can be sorted, as long as that can be held.
struct Found<'a> {
    out: Output,
    folder: &'a RelPath,
    filter: &'a Filter,
    held: Option<Vec<Entry>>,
    held_bytes: usize,
}

impl Found<'_> {
    fn take(&mut self, entry: Entry) -> sealift::Result<()> {
        let Some(held) = &mut self.held else { return self.show(&entry) };
        self.held_bytes += size_of::<Entry>() + entry.path.len();
        held.push(entry);
        if self.held_bytes <= limits::SORTED_BYTES_MAX {
            return Ok(());
        }
        let held = self.held.take().unwrap_or_default();
        self.out
            .warn(&format!("more than {} are found, too many to be sorted: they are shown as they come", held.len()));
        held.iter().try_for_each(|entry| self.show(entry))
    }

    fn finish(&mut self) -> sealift::Result<()> {
        let mut held = self.held.take().unwrap_or_default();
        held.sort_unstable_by(|a, b| names(&a.path).cmp(names(&b.path)));
        held.iter().try_for_each(|entry| self.show(entry))
    }

    fn show(&self, entry: &Entry) -> sealift::Result<()> {
        show(self.out, self.folder, entry, self.filter)
    }
}

/// The names on a path, by which paths are compared: so what is in a folder comes right behind it.
fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

fn show(out: Output, folder: &RelPath, entry: &Entry, filter: &Filter) -> sealift::Result<()> {
    use std::io::Write as _;
    if out.json(|| ls::object(folder, entry))? {
        return Ok(());
    }
    let slash: &[u8] = if folder.is_root() { b"" } else { b"/" };
    let path = [folder.as_bytes(), slash, &entry.path].concat();
    let path = voice::path(&path);
    if filter.print0 {
        writes();
        return std::io::stdout().lock().write_all(&[&path, b"\0".as_slice()].concat()).map_err(stdout_failed);
    }
    // A program reads the paths as they are.
    let slash: &[u8] = if entry.kind == EntryKind::Directory && out.stdout_is_terminal() { b"/" } else { b"" };
    let path = [&path, slash].concat();
    let details = filter.clock.as_ref().map(|clock| ls::details(entry, &ls::size(entry), ls::SIZE_WIDTH, clock));
    out.line([details.unwrap_or_default().as_bytes(), &out.name(&path)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_bound_with_a_unit() {
        assert_eq!(Size::parse("+1M"), Ok(Size::Over(1 << 20)));
        assert_eq!(Size::parse("-512k"), Ok(Size::Under(512 << 10)));
        assert_eq!(Size::parse("10 GiB"), Ok(Size::Exactly(10 << 30)));
        assert_eq!(Size::parse("0"), Ok(Size::Exactly(0)));
        assert_eq!(Size::parse("-1.5M"), Ok(Size::Under(1536 << 10)));
        for bad in ["", "+", "M", "1X", "++1", "99999999999999999999", "1.5.5M"] {
            assert!(Size::parse(bad).is_err(), "{bad}");
        }
        assert!(Size::Over(5).takes(6) && !Size::Over(5).takes(5) && Size::Under(5).takes(4));
    }
}
