//! `tree`: all that is below a folder, drawn.

use std::ffi::OsString;

use clap::Args;
use sealift::client::Target;
use sealift::escape::for_people;
use sealift::files::{Entry, EntryKind};
use sealift::{Client, Error, Kind, limits};

use super::ls::{self, Groups};
use super::unread;
use crate::colours::Colours;
use crate::context::{Context, Repeat};
use crate::expand::Names;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::Output;

/// Show everything below a folder as a tree
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift tree alice@files.example/project
  sealift tree -L 2 files.example

Names that begin with a dot are left out, unless -a is given. With --json each is an `entry`, as with `ls --json`, in the order of the paths.")]
pub struct Tree {
    /// Folders on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub how: How,
}

/// What is drawn.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// Show names that begin with a dot too
    #[arg(short, long)]
    pub all: bool,
    /// Show folders only
    #[arg(short, long)]
    pub directories: bool,
    /// Go down at most this many levels
    #[arg(short = 'L', long, value_name = "N", value_parser = depth)]
    pub level: Option<usize>,
    /// Show the sizes of files
    #[arg(short, long)]
    pub size: bool,
}

fn depth(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|depth| *depth > 0).ok_or_else(|| "a number from 1 on is needed".to_owned())
}

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Tree) -> Outcome {
    let work = async |client: &mut Client, target: &Target| draw(ctx.out, client, target, &args.how).await;
    ctx.for_each(&args.targets, Names::Existing, Repeat::Asks, work).await
}

/// Draws what is below one target over its connection.
///
/// # Errors
/// As [`Client::list`]; [`Kind::Usage`] for more than can be held.
pub async fn draw(out: Output, client: &mut Client, target: &Target, how: &How) -> Outcome {
    let (mut entries, mut held) = (Vec::new(), 0);
    let take = |entry: Entry| {
        let is_deep = how.level.is_some_and(|most| entry.path.split(|byte| *byte == b'/').count() > most);
        let is_left_out = how.directories && entry.kind != EntryKind::Directory;
        if is_deep || is_left_out || !how.all && ls::is_hidden(&entry.path) {
            return Ok(());
        }
        held += size_of::<Entry>() + entry.path.len();
        entries.push(entry);
        match held > limits::SORTED_BYTES_MAX {
            true => {
                Err(Error::new(Kind::Usage, "more than can be drawn: go less deep with -L, or use `sealift ls -r`"))
            }
            false => Ok(()),
        }
    };
    // One level alone needs no more listed.
    let recursive = how.level != Some(1);
    let listed = client.list_each(&target.path, recursive, take).await;
    let missed = listed.map_err(|err| Failure::from(err).about(&target.path.to_string()))?;
    if out.is_json() {
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        for entry in &entries {
            out.json(|| ls::object(&target.path, entry))?;
        }
        return unread::tell(out, &missed, &target.path);
    }
    let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count() as u64;
    let (folders, files) = (count(EntryKind::Directory), entries.len() as u64 - count(EntryKind::Directory));
    let mut drawing = Drawing {
        out,
        lines: Lines::of_locale(),
        colours: Colours::of_stdout(out.stdout_is_terminal()),
        size: how.size,
    };
    out.line(target.path.to_string())?;
    drawing.folder(&ls::group(entries), &[], "")?;
    let folders = format::count(folders, "folder");
    out.line(if how.directories {
        format!("\n{folders}")
    } else {
        format!("\n{folders}, {}", format::count(files, "file"))
    })?;
    unread::tell(out, &missed, &target.path)
}

/// What the branches are drawn with.
struct Lines {
    branch: &'static str,
    last: &'static str,
    down: &'static str,
}

impl Lines {
    /// As the locale allows.
    fn of_locale() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        match locale.contains("utf-8") || locale.contains("utf8") {
            true => Lines { branch: "├── ", last: "└── ", down: "│   " },
            false => Lines { branch: "|-- ", last: "`-- ", down: "|   " },
        }
    }
}

struct Drawing {
    out: Output,
    lines: Lines,
    colours: Colours,
    size: bool,
}

impl Drawing {
    /// Draws what is in this folder behind these lines of the folders around it. No path has more names than
    /// [`limits::DEPTH_MAX`] and a few, so this goes no deeper.
    fn folder(&mut self, groups: &Groups, folder: &[Vec<u8>], before: &str) -> Outcome {
        let entries = groups.get(folder).map_or(&[][..], Vec::as_slice);
        for (at, entry) in entries.iter().enumerate() {
            let is_last = at + 1 == entries.len();
            let branch = if is_last { self.lines.last } else { self.lines.branch };
            let size = match entry.kind {
                EntryKind::File if self.size => format!("[{:>9}]  ", format::size(entry.size)),
                _ => String::new(),
            };
            let slash: &[u8] = if entry.kind == EntryKind::Directory { b"/" } else { b"" };
            let name = [&entry.path, slash].concat();
            let name = match self.out.stdout_is_terminal() {
                true => self.colours.paint(entry, &for_people(&name)).into_bytes(),
                false => name,
            };
            self.out.line([before.as_bytes(), branch.as_bytes(), size.as_bytes(), &name].concat())?;
            if entry.kind == EntryKind::Directory {
                let inside = [folder, std::slice::from_ref(&entry.path)].concat();
                let down = if is_last { "    " } else { self.lines.down };
                self.folder(groups, &inside, &format!("{before}{down}"))?;
            }
        }
        Ok(())
    }
}
