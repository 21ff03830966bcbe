//! What the names on a command line stand for: themselves, or all that match their wildcards on the server.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use sealift::client::glob::{self, Word};
use sealift::client::{Expansion, Skip, Target};
use sealift::escape::for_people;
use sealift::files::{Entry, RelPath};
use sealift::{Client, Error, Kind};

use crate::commands::unread;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Which names a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Of what is there; a pattern that nothing matches is an error.
    Existing,
    /// Of what may be there.
    Possible,
    /// Of what is to be made: nothing is a wildcard in them.
    New,
    /// Of what was deleted or replaced and is kept.
    Kept,
}

/// One thing that a word stands for.
#[derive(Debug, Clone)]
pub struct Named {
    /// Where it is.
    pub target: Target,
    /// What it was when it was found by a pattern. Nothing is known of what was named.
    pub entry: Option<Entry>,
    /// What is in it is meant, without the name of its own: it was written with `/.` at its end.
    pub is_contents: bool,
}

impl Named {
    /// What was named as it stands.
    pub fn plainly(target: &Target) -> Self {
        Named { target: target.clone(), entry: None, is_contents: false }
    }
}

/// What one word stands for, and what kept more from being found.
#[derive(Debug)]
pub struct Meant {
    /// In the order typed, and what matches a pattern in the order of its bytes.
    pub names: Vec<Named>,
    /// To be shown and counted.
    pub failures: Vec<Failure>,
    /// There may be several of it, whatever their number is.
    pub is_pattern: bool,
}

impl Meant {
    /// What is meant by a folder that was written with `/.` at its end: what is in it.
    #[must_use]
    pub fn contents(mut self) -> Self {
        self.names.iter_mut().for_each(|named| named.is_contents = true);
        self
    }
}

/// Whether a word may stand for others than itself. In a URL everything stands for itself.
pub fn may_be_pattern(typed: &OsStr) -> bool {
    const SCHEME: &[u8] = b"sealift://";
    let is_url = typed.as_bytes().get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME));
    !is_url && glob::is_special(typed.as_bytes())
}

/// What this target stands for on its server. A file or folder that is called exactly as typed is meant before all that
/// match, and so is a name that whoever may not look cannot compare.
///
/// # Errors
/// What ends the connection, and what [`Client::expand`] says of the folder before the first wildcard.
pub async fn expand(out: Output, client: &mut Client, target: &Target) -> Outcome<Meant> {
    let typed = target.path.as_bytes();
    if glob::has_wildcards(typed) {
        match client.stat(&target.path).await {
            Ok(_) => return Ok(plain(target)),
            Err(err) if err.kind() == Kind::Denied => return Ok(plain(target)),
            Err(err) => {
                let failure = Failure::from(err);
                if failure.ends_connection() {
                    return Err(failure);
                }
            }
        }
    }
    expand_quoted(out, client, target).await
}

/// As [`expand`] for a word of a conversation, where everything that is to be taken as it stands was quoted.
///
/// # Errors
/// As [`expand`].
pub async fn expand_quoted(out: Output, client: &mut Client, target: &Target) -> Outcome<Meant> {
    let mut meant = Meant { names: Vec::new(), failures: Vec::new(), is_pattern: false };
    let words = glob::words(target.path.as_bytes())?;
    meant.is_pattern = words.len() > 1;
    for word in words {
        let glob = match word {
            Word::Plain(path) => {
                let path = RelPath::parse(&path)?;
                meant.names.push(Named::plainly(&Target { path, ..target.clone() }));
                continue;
            }
            Word::Glob(glob) => glob,
        };
        meant.is_pattern = true;
        let only_folders = target.is_folder;
        let Expansion { entries, unread, denied, .. } = client.expand(&glob, only_folders).await?;
        denied.iter().try_for_each(|folder| unread::skipped(out, folder, Skip::Unlistable))?;
        if entries.is_empty() {
            let text = format!("{target}: nothing matches");
            let hint = "`sealift ls` shows what is there. A name that begins with a dot matches only a pattern that does, and after a backslash a wildcard is an ordinary character.";
            meant.failures.push(Failure::new(Kind::NotFound, text, hint).at_server(&target.path));
        }
        // Not their own exit code: what was found is done in spite of them.
        meant.failures.extend(unread.into_iter().map(|(_, error)| Failure::from(error)));
        for entry in entries {
            match RelPath::parse(&entry.path) {
                Ok(path) => {
                    let target = Target { path, is_folder: false, ..target.clone() };
                    meant.names.push(Named { target, entry: Some(entry), is_contents: false });
                }
                Err(error) => meant.failures.push(error.about(for_people(&entry.path)).into()),
            }
        }
    }
    Ok(meant)
}

/// What one word stands for among what was deleted or replaced: all in the trash that matches, each name once. `quoted` says that what is to be
/// taken as it stands was.
///
/// # Errors
/// As [`Client::trash`].
pub async fn expand_kept(client: &mut Client, target: &Target, quoted: bool) -> Outcome<Meant> {
    let is_kept = async |client: &mut Client, path: &RelPath| -> Outcome<bool> {
        Ok(client.trash(path).await?.entries.iter().any(|thing| thing.path == *path))
    };
    if !quoted && glob::has_wildcards(target.path.as_bytes()) && is_kept(client, &target.path).await? {
        return Ok(plain(target));
    }
    let words = glob::words(target.path.as_bytes())?;
    let mut meant = Meant { names: Vec::new(), failures: Vec::new(), is_pattern: words.len() > 1 };
    for word in words {
        let glob = match word {
            Word::Plain(path) => {
                let path = RelPath::parse(&path)?;
                meant.names.push(Named::plainly(&Target { path, ..target.clone() }));
                continue;
            }
            Word::Glob(glob) => glob,
        };
        meant.is_pattern = true;
        let list = client.trash(glob.folder()).await?;
        let found: BTreeSet<RelPath> =
            list.entries.into_iter().map(|thing| thing.path).filter(|path| glob.matches(path)).collect();
        if found.is_empty() {
            let text = format!("{target}: nothing that is kept matches");
            let hint = "`sealift trash list` shows what can be brought back. A name that begins with a dot matches only a pattern that does, and after a backslash a wildcard is an ordinary character.";
            meant.failures.push(Failure::new(Kind::NotFound, text, hint).at_server(&target.path));
        }
        if list.is_cut {
            let text = format!("{target}: more is kept than the server tells of at once, and may match too");
            let failure = Failure::new(Kind::SomeFailed, text, "Name a folder before the first wildcard.");
            meant.failures.push(failure.at_server(&target.path));
        }
        let named = |path| Named::plainly(&Target { path, is_folder: false, ..target.clone() });
        meant.names.extend(found.into_iter().map(named));
    }
    Ok(meant)
}

fn plain(target: &Target) -> Meant {
    Meant { names: vec![Named::plainly(target)], failures: Vec::new(), is_pattern: false }
}

/// `folder/.` on a server as `folder/`, and whether it was written so: what is in the folder is meant.
pub fn without_dot(typed: &OsStr) -> (&OsStr, bool) {
    match typed.as_bytes().strip_suffix(b".") {
        Some(folder) if folder.ends_with(b"/") => (OsStr::from_bytes(folder), true),
        _ => (typed, false),
    }
}

/// How a word on the command line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// As the name of something.
    Plainly,
    /// As a folder whose contents are meant.
    Contents,
    /// As what may be a pattern.
    Pattern,
}

/// The word without what only says how it is read, and that.
pub fn reads(typed: &OsStr) -> (OsString, Reads) {
    match (may_be_pattern(typed), without_dot(typed)) {
        (true, _) => (typed.to_owned(), Reads::Pattern),
        (false, (folder, true)) => (folder.to_owned(), Reads::Contents),
        (false, (word, false)) => (word.to_owned(), Reads::Plainly),
    }
}

/// What a word stands for, if nothing in it is a wildcard or the command takes none.
pub fn as_it_stands(target: &Target) -> Meant {
    plain(target)
}

/// The failure of a destination that can only take one thing, for a pattern.
pub fn needs_folder(shown: &str) -> Failure {
    let text = format!("{shown}: not a folder, and wildcards may stand for several files");
    Failure::from(Error::new(Kind::NotDirectory, text))
        .hinted(Kind::NotDirectory, || "Name a folder; end it with a slash to have it made.".to_owned())
}
