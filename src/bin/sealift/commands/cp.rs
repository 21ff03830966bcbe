//! `cp`: copies that the server makes by itself.

use std::ffi::OsString;

use clap::Args;
use sealift::client::Target;
use sealift::files::RelPath;
use sealift::{Client, Error, Kind};

use super::change::{self, Act, Moving};
use super::unread;
use crate::context::Context;
use crate::failure::{Failure, Outcome, Tally};
use crate::how_args::CpHow;
use crate::output::{Event, Object, Output};

/// Copy on the server, without sending anything
#[derive(Debug, Args)]
#[command(override_usage = "sealift cp [OPTIONS] <FROM>... <TO>")]
#[command(after_help = "\
Examples:
  sealift cp alice@files.example/report.pdf alice@files.example/report-old.pdf
  sealift cp -r alice@files.example/photos alice@files.example/backup/

The server reads and checks every file it copies; time and mode are kept. Where its disk can (XFS, Btrfs), a copy takes no \
room until one of the two is changed. Links are left out. The server says nothing while it copies a file: it has an hour for each.")]
pub struct Cp {
    /// What to copy, and last where to; all on one server
    #[arg(required = true, num_args = 2.., value_name = "NAME")]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: CpHow,
}

/// Copies.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn run(ctx: &Context, args: &Cp) -> Outcome {
    let act = Act::Copy { recursive: args.how.recursive };
    change::between(ctx, &args.names, Moving { force: args.how.force, several: false, act }).await
}

/// Copies one file, or a folder with all in it. What failed in it is shown and counted.
///
/// # Errors
/// Those of the file, or of the folder as a whole.
pub async fn copy_one(
    out: Output,
    client: &mut Client,
    from: &Target,
    to: &RelPath,
    (recursive, force): (bool, bool),
    tally: &mut Tally,
) -> Outcome {
    match client.copy(&from.path, to, force).await {
        Ok(_) => {
            tally.add_done(1);
            return told(out, client, &from.path, to);
        }
        Err(err) if err.kind() == Kind::IsDirectory && recursive => {}
        Err(err) => return Err(explained(err, (&from.path, to))),
    }
    let copied = client.copy_tree(&from.path, to, force).await.map_err(|err| explained(err, (&from.path, to)))?;
    copied.skipped.iter().try_for_each(|(path, why)| unread::skipped(out, path, *why))?;
    tally.add_tree(copied.files, 1, copied.failed.is_empty());
    for (path, err) in copied.failed {
        let none = RelPath::default();
        let failure = explained(err, (&none, &none)).about(&path.to_string_lossy());
        tally.show(failure, out)?;
    }
    told(out, client, &from.path, to)
}

fn explained(err: Error, (from, to): (&RelPath, &RelPath)) -> Failure {
    let is_same = err.kind() == Kind::IsDirectory;
    // Of one that may not be looked at it was not known.
    let is_there = is_same && err.text().starts_with(&format!("{to}:"));
    let failure = Failure::from(err);
    let failure = if from.is_root() { failure } else { failure.about(&from.to_string()) };
    let folders = || "Add -r to copy a folder with all in it.".to_owned();
    let into = || "A folder has that name: write a slash behind it to copy into that folder.".to_owned();
    let replace = || "Add --force to replace it.".to_owned();
    match is_same {
        true if is_there => failure.hinted(Kind::IsDirectory, into),
        true => failure.hinted(Kind::IsDirectory, folders),
        false => failure.hinted(Kind::Exists, replace),
    }
}

fn told(out: Output, client: &Client, from: &RelPath, to: &RelPath) -> Outcome {
    let copied = || Object::of(Event::Copied).name("from", from.as_bytes()).name("path", to.as_bytes());
    out.json(|| copied().ids(client.last_ids()))?;
    out.step(&format!("copied {from} to {to}"));
    Ok(())
}
