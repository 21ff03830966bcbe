//! Having a server read a whole folder and compare it with what it recorded.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use async_std::channel::bounded;
use futures::join;

use super::connection::Client;
use super::get::inside_skipped;
use super::listing::Listing;
use super::observer::Skip;
use super::session::Session;
use super::{listing, requests};
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Mark, RelPath};
use crate::limits;
use crate::proto::{Command, Feature, HashOf};
use crate::sync::Mutex;

/// What became of the files of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verified {
    /// Files that were read and are as recorded.
    pub confirmed: u64,
    /// Files that were read and have no record: below [`limits::RECORD_MIN`], or stored by other programs.
    pub unrecorded: u64,
    /// Files that are not what was stored.
    pub rotten: u64,
    /// Files and folders that could not be read.
    pub failed: u64,
    /// Folders in it that the user may not read: nothing in them was asked for.
    pub denied: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// A file that is not known to be right, by its path from the user's folder on, and why.
pub type Doubt = (Vec<u8>, Error);

impl Client {
    /// Has the server read the file `path`, or every file below that folder, and compare each with what it recorded
    /// when the file was stored. Tells of each that is rotten ([`Kind::Rotten`]) or cannot be read as it is found.
    ///
    /// # Errors
    /// As [`Inspection::attempt`].
    pub async fn verify(&mut self, path: &RelPath, each: impl FnMut(Doubt) -> Result<()> + Send) -> Result<Verified> {
        Inspection::new(path).attempt(self, each).await
    }
}

/// A [`Client::verify`] that outlives its connection: what was not answered on one is asked for again on the next.
#[derive(Debug, Clone)]
pub struct Inspection {
    top: RelPath,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    verified: Verified,
    /// The files, once they were listed.
    files: Option<Vec<RelPath>>,
    /// The folders that the user may not read.
    denied: Vec<(PathBuf, Skip)>,
    /// How many of them, from the first on, were answered.
    answered: usize,
}

impl Inspection {
    /// Of the file or folder at this path.
    pub fn new(path: &RelPath) -> Self {
        Inspection { top: path.clone(), state: Arc::default() }
    }

    /// Grows with everything that was answered.
    pub fn steps(&self) -> u64 {
        let state = self.state.lock();
        state.answered as u64 + u64::from(state.files.is_some())
    }

    /// The folders in it that the user may not read, and why, once they were listed.
    pub fn denied(&self) -> Vec<(PathBuf, Skip)> {
        self.state.lock().denied.clone()
    }

    /// Does what is left over this connection. `each` is told of every doubt once over all attempts.
    ///
    /// # Errors
    /// [`Kind::TooOld`]; what ends the connection or the listing, and those of `each`.
    pub async fn attempt(
        &self,
        client: &mut Client,
        mut each: impl FnMut(Doubt) -> Result<()> + Send,
    ) -> Result<Verified> {
        let (top, state) = (self.top.clone(), Arc::clone(&self.state));
        let (hand_on, doubts) = bounded(limits::WIRE_BUFFERS);
        let reading = client.run(move |session| {
            let gone = |_| Error::new(Kind::Aborted, "nobody takes what was found");
            verify(session, &top, &mut state.lock(), |doubt| hand_on.send_blocking(doubt).map_err(gone))
        });
        let taking = async {
            while let Ok(doubt) = doubts.recv().await {
                each(doubt)?;
            }
            drop(doubts);
            Ok(())
        };
        let (read, taken) = join!(reading, taking);
        taken.and(read)
    }
}

fn verify(
    session: &mut Session,
    top: &RelPath,
    state: &mut State,
    mut each: impl FnMut(Doubt) -> Result<()>,
) -> Result<Verified> {
    if !session.has(Feature::Record) {
        return Err(Feature::Record.missing());
    }
    let State { verified, files, denied, answered } = state;
    let files = match files {
        Some(files) => files,
        None => {
            let found = self::files(session, top, verified, denied, &mut each)?;
            verified.denied = denied.len() as u64;
            files.insert(found)
        }
    };
    // Those from here on have not been asked for over this connection.
    let mut next = *answered;
    while let Some(path) = files.get(*answered) {
        if next - *answered <= limits::PIPELINE_FILES / 2 {
            while next - *answered < limits::PIPELINE_FILES
                && session.out().filled().len() < limits::WIRE_HANDOVER
                && let Some(path) = files.get(next)
            {
                session.command(&ask(path))?;
                next += 1;
            }
        }
        session.try_flush();
        let reply = session.reply()?;
        if !reply.is_error() {
            if reply.digits != 213 {
                return Err(session.out_of_order());
            }
            let hashed = requests::hash(&reply)?;
            verified.bytes = verified.bytes.saturating_add(hashed.size);
            match hashed.confirmed {
                Some(true) => verified.confirmed += 1,
                Some(false) | None => verified.unrecorded += 1,
            }
            *answered += 1;
            continue;
        }
        let error = reply.to_error();
        if session.is_broken() {
            return Err(error);
        }
        *answered += 1;
        match error.kind() {
            // What somebody removed meanwhile is no file of the folder.
            Kind::NotFound if path != top => continue,
            Kind::Rotten => verified.rotten += 1,
            _ => verified.failed += 1,
        }
        each((path.as_bytes().to_vec(), error))?;
    }
    Ok(*verified)
}

fn ask(path: &RelPath) -> Command {
    Command::Hash { path: path.clone(), length: None, of: HashOf::Bytes }
}

/// The files at and below this path. What nobody can name is told.
fn files(
    session: &mut Session,
    top: &RelPath,
    verified: &mut Verified,
    denied: &mut Vec<(PathBuf, Skip)>,
    each: &mut impl FnMut(Doubt) -> Result<()>,
) -> Result<Vec<RelPath>> {
    listing::ask_marked(session, top, true)?;
    let Listing { entries, unread } = match listing::read_all(session, true) {
        Err(error) if error.kind() == Kind::NotDirectory && !session.is_broken() => return Ok(vec![top.clone()]),
        listed => listed?,
    };
    verified.failed = verified.failed.saturating_add(unread.count);
    for (path, error) in unread.errors(top) {
        each((path.into_os_string().into_vec(), error))?;
    }
    *denied = unread.denied(top).map(|path| (path, Skip::Unlistable)).collect();
    let mut files = Vec::new();
    let mut list_only = HashSet::new();
    for Entry { kind, path, mark, .. } in entries {
        if mark == Some(Mark::SharedListOnly) {
            denied.push((top.as_path().join(OsStr::from_bytes(&path)), Skip::ListOnly));
            list_only.insert(path.clone());
        }
        if kind != EntryKind::File || inside_skipped(&path, &list_only) {
            continue;
        }
        // What cannot be asked for is found now, so that what is left is always a number of files.
        match top.join(&path).and_then(|path| ask(&path).render(&mut Vec::new()).map(|()| path)) {
            Ok(path) => files.push(path),
            Err(error) => {
                verified.failed += 1;
                each((path, error))?;
            }
        }
    }
    Ok(files)
}
