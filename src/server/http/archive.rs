//! GET and HEAD of a folder as an archive, made while it is sent: no more of it is in memory than a chunk, and of a zip the names.
//!
//! What is no file or folder is left out, and so is what cannot be opened; the last entry of the archive says which. A file that
//! changes or fails in the middle breaks the answer off, as it does when it is sent by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::try_unfold;
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use super::answer::{Answer, Body, answer, set};
use super::archive_writer::{ArchiveWriter, Format, LeftOut, MAY_NOT_BE_READ, UNNAMEABLE, why_not};
use super::entries::{Batch, batch};
use super::file::Asked;
use super::open_at_desk::{GiveUp, OpenAtDesk};
use super::reader::{Reader, Step};
use super::target::{Place, Whose};
use super::types::disposition;
use super::web_session::{OpenFile, Waiting, WebSession, begin, unexpected};
use crate::budget::{Account, Claim};
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Meta, RelPath};
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::jobs::listing::{ListJob, ListStep, NextEntry};
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};

/// Says what was left out.
const NOTE: &[u8] = b"LEFT-OUT-BY-SEALIFT.txt";

/// Answers a request for a folder as an archive.
///
/// # Errors
/// Those of the gate and the store; [`Kind::BadCommand`] for a zip of more than [`limits::WEB_ZIP_ENTRIES`].
pub async fn serve(session: &Arc<WebSession>, asked: Asked, format: Format) -> Result<Answer> {
    let (path, method) = (asked.place.path.clone(), asked.method);
    let name = match (path.file_name(), &asked.place.whose) {
        (Some(name), _) => name.to_vec(),
        (None, Whose::User(user)) => user.clone().into_bytes(),
        (None, Whose::Link(link)) => link.name.clone(),
        (None, Whose::Everybody) => b"public".to_vec(),
    };
    // Held as long as anything of it is open.
    let right = session.open_folder()?;
    // What is written and not sent yet.
    let room = session.account().claim(limits::WEB_PAGE_PIECE + limits::CHUNK);
    let room = room.ok_or_else(|| Error::new(Kind::Busy, "there is no room for an archive now"))?;
    let chosen = chosen(&asked.place, &asked.query.chosen)?;
    let is_to_be_counted = format == Format::Zip && method != "HEAD";
    let list = match (chosen.is_empty(), format) {
        (true, _) => list_of_all(session, &path, method, is_to_be_counted).await?,
        (false, Format::Zip) => {
            look_at_all(session, &path, &chosen, method).await?;
            None
        }
        (false, Format::Tar) => {
            find_one(session, &path, &chosen, method).await?;
            None
        }
    };
    if method == "HEAD" {
        if let Some(list) = list {
            end_list(session, list).await?;
        }
        return Ok(headed(format, &name));
    }
    let mut answer = headed(format, &name);
    let state = State {
        path,
        method,
        top: name,
        list: list.map(OpenAtDesk::take).transpose()?.map(|(list, _)| list),
        below: Vec::new(),
        chosen: chosen.into_iter().rev().collect(),
        entries: Vec::new(),
        now: None,
        pack: Some(ArchiveWriter::new(format)),
        claims: vec![room],
        packed: 0,
        left_out: Some(LeftOut::new(limits::UNREAD_NAMES)),
        is_counted: format == Format::Zip,
    };
    let state = Some(OpenAtDesk::new(Box::new(state), session));
    let going = ArchiveBody { session: session.clone(), state, _right: right };
    *answer.body_mut() = Body::stream(try_unfold(going, ArchiveBody::next));
    Ok(answer)
}

fn headed(format: Format, name: &[u8]) -> Answer {
    let mut answer = answer(StatusCode::OK);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    let file = RelPath::parse(&[name, b".", format.word().as_bytes()].concat()).unwrap_or_else(|_| RelPath::root());
    set(&mut answer, CONTENT_DISPOSITION, disposition(&file, false));
    answer
}

/// What of a folder is in the archive, in its order; empty: all of it. What is in something else that is chosen comes with that.
fn chosen(place: &Place, names: &[Vec<u8>]) -> Result<Vec<RelPath>> {
    let paths = names.iter().map(|name| match RelPath::parse(name) {
        Ok(path) if path.is_root() => Err(Error::new(Kind::BadCommand, "name= is what of the folder is wanted")),
        Ok(path) if !place.names(name) => Err(Error::new(Kind::NotFound, format!("{path}: no such file or folder"))),
        parsed => parsed,
    });
    let all = paths.collect::<Result<BTreeSet<RelPath>>>()?;
    let is_in_another = |path: &RelPath| {
        let mut above = path.parent();
        while let Some(folder) = above {
            if all.contains(&folder) {
                return true;
            }
            above = folder.parent();
        }
        false
    };
    Ok(all.iter().filter(|path| !is_in_another(path)).cloned().collect())
}

/// The list of all that is in the folder. To be counted, it is read to its end first.
async fn list_of_all(
    session: &Arc<WebSession>,
    path: &RelPath,
    method: &'static str,
    is_to_be_counted: bool,
) -> Result<Option<OpenAtDesk<ListJob>>> {
    let job = begin_list(session, path, method).await?;
    if !is_to_be_counted {
        return Ok(Some(job));
    }
    count(session, job, 0).await?;
    begin_list(session, path, method).await.map(Some)
}

/// Whether all that was chosen is there, and is not too much for a zip; how much is in it nobody asks who asks for the head alone.
async fn look_at_all(
    session: &Arc<WebSession>,
    folder: &RelPath,
    chosen: &[RelPath],
    method: &'static str,
) -> Result<()> {
    let mut sum = 0;
    for name in chosen {
        sum += 1;
        match open_one(session, folder, name, method).await? {
            Some(job) if method == "HEAD" => end_list(session, job).await?,
            Some(job) => sum = count(session, job, sum).await?,
            None => {}
        }
    }
    Ok(())
}

/// Whether anything that was chosen is there: of the rest a tar says that it was left out.
async fn find_one(session: &Arc<WebSession>, folder: &RelPath, chosen: &[RelPath], method: &'static str) -> Result<()> {
    let mut why = None;
    for name in chosen {
        match open_one(session, folder, name, method).await {
            Ok(None) => return Ok(()),
            Ok(Some(job)) => return end_list(session, job).await,
            Err(error) if why_not(error.kind()).is_some() => why = why.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    why.map_or(Ok(()), Err)
}

/// How many there are with those of this list.
async fn count(session: &Arc<WebSession>, job: OpenAtDesk<ListJob>, before: usize) -> Result<usize> {
    let (mut list, mut count) = (Some(job), before);
    while let Some(job) = list.take() {
        let Batch { rest, entries, .. } =
            session.step(move |desk| batch(desk, job, limits::WEB_ENTRIES_A_TURN)).await?;
        (list, count) = (rest, count + entries.len());
        if count > limits::WEB_ZIP_ENTRIES {
            if let Some(job) = list {
                job.give_up(too_many());
            }
            return Err(too_many());
        }
    }
    Ok(count)
}

fn too_many() -> Error {
    Error::new(Kind::BadCommand, format!("more than {} files and folders: take ?tar", limits::WEB_ZIP_ENTRIES))
}

async fn end_list(session: &Arc<WebSession>, list: OpenAtDesk<ListJob>) -> Result<()> {
    let ended = move |desk: &mut Desk| {
        let listed = desk.listed(list.take()?.0);
        desk.rest();
        listed.map(drop)
    };
    session.step(ended).await
}

/// Whether something that was chosen is there, and the list of what is in it, if it is a folder.
async fn open_one(
    session: &Arc<WebSession>,
    folder: &RelPath,
    name: &RelPath,
    method: &'static str,
) -> Result<Option<OpenAtDesk<ListJob>>> {
    let (folder, name, holder) = (folder.clone(), name.clone(), session.clone());
    let opening = session.step(move |desk| {
        desk.allows_gathering(&folder, method)?;
        let (_, list) = open(desk, &folder, &name, method)?;
        if list.is_none() {
            desk.rest();
        }
        Ok(list.map(|list| OpenAtDesk::new(list, &holder)))
    });
    opening.await
}

fn open(desk: &mut Desk, folder: &RelPath, name: &RelPath, method: &'static str) -> Result<(Entry, Option<ListJob>)> {
    let path = folder.join(name.as_bytes())?;
    let meta = match begin(desk, Op::Stat(path.clone()), method)? {
        Begun::Done(Ok(Outcome::Found { meta, .. })) => meta,
        Begun::Done(Err(error)) => return Err(error),
        _ => return Err(unexpected()),
    };
    let Meta { kind, size, mtime, .. } = meta;
    let list = if kind == EntryKind::Directory { Some(list_now(desk, &path, method)?) } else { None };
    let entry = Entry {
        kind,
        size,
        mtime,
        mode: None,
        rotten: false,
        mark: None,
        identity: None,
        path: name.as_bytes().to_vec(),
    };
    Ok((entry, list))
}

async fn begin_list(session: &Arc<WebSession>, path: &RelPath, method: &'static str) -> Result<OpenAtDesk<ListJob>> {
    let (path, holder) = (path.clone(), session.clone());
    session.step(move |desk| list_now(desk, &path, method).map(|list| OpenAtDesk::new(list, &holder))).await
}

fn list_now(desk: &mut Desk, path: &RelPath, method: &'static str) -> Result<ListJob> {
    let op = Op::List { path: path.clone(), recursive: true, rotten: false, modes: false, marks: false };
    // Otherwise every file would be left out, one by one.
    desk.allows_gathering(path, method)?;
    match begin(desk, op, method)? {
        Begun::List(job) => Ok(job),
        _ => Err(unexpected()),
    }
}

/// An archive on its way.
struct State {
    path: RelPath,
    method: &'static str,
    /// The folder in the archive that everything is in.
    top: Vec<u8>,
    list: Option<ListJob>,
    /// Where in the folder that list is: nothing, or a path with a slash behind it.
    below: Vec<u8>,
    /// What of the folder was chosen and is still to come, the next one last.
    chosen: Vec<RelPath>,
    /// What was read of the list, the next one last.
    entries: Vec<Entry>,
    /// The file that is being read.
    now: Option<Reader>,
    /// None once it has ended.
    pack: Option<ArchiveWriter>,
    /// Room for what is written, and for the names of a zip.
    claims: Vec<Claim>,
    /// Files and folders whose names are among them.
    packed: usize,
    left_out: Option<LeftOut>,
    is_counted: bool,
}

impl State {
    /// Goes on until there is something to send, or nothing is left. Blocks.
    fn step(&mut self, desk: &mut Desk, account: &Arc<Account>) -> Result<Bytes> {
        // A turn is short: so many files are opened in it at most.
        for _ in 0..limits::WEB_FILES_A_TURN {
            let Some(pack) = &mut self.pack else { return Ok(Bytes::new()) };
            if pack.len() >= limits::WEB_PAGE_PIECE {
                return Ok(pack.take());
            }
            match self.now.take() {
                Some(mut reader) => {
                    if let Step::Piece(piece) = reader.step(desk, account)? {
                        pack.bytes(&piece.bytes)?;
                        reader.handed_on().add(&piece);
                    }
                    match reader.is_over() {
                        true => pack.end_of_file()?,
                        false => self.now = Some(reader),
                    }
                }
                None => match self.next_entry(desk, account)? {
                    NextEntry::Entry(entry) => self.begin(desk, &entry)?,
                    NextEntry::NotYet => break,
                    NextEntry::Over => return self.end(desk),
                },
            }
        }
        Ok(self.pack.as_mut().map(ArchiveWriter::take).unwrap_or_default())
    }

    fn next_entry(&mut self, desk: &mut Desk, account: &Arc<Account>) -> Result<NextEntry> {
        if self.entries.is_empty() {
            match self.list.take() {
                Some(job) => self.read(desk, job, account)?,
                None => match self.chosen.pop() {
                    Some(name) => self.open(desk, &name, account)?,
                    None => return Ok(NextEntry::Over),
                },
            }
        }
        // A list that is over, or had nothing to give, is a step as well.
        Ok(self.entries.pop().map_or(NextEntry::NotYet, NextEntry::Entry))
    }

    /// Begins with something that was chosen.
    fn open(&mut self, desk: &mut Desk, name: &RelPath, account: &Arc<Account>) -> Result<()> {
        match (open(desk, &self.path, name, self.method), &mut self.left_out) {
            (Ok((entry, list)), _) => {
                self.below = [name.as_bytes(), b"/"].concat();
                self.list = list;
                self.entries.push(entry);
                self.take_room(account)
            }
            (Err(error), Some(left)) => {
                left.add(name.as_bytes(), why_not(error.kind()).ok_or(error)?);
                Ok(())
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Takes room for the names of the entries that were just read, which a zip has in memory until its end: none of them is packed before.
    fn take_room(&mut self, account: &Arc<Account>) -> Result<()> {
        if !self.is_counted || self.entries.is_empty() {
            return Ok(());
        }
        // More may have come since they were counted.
        self.packed += self.entries.len();
        if self.packed > limits::WEB_ZIP_ENTRIES {
            return Err(too_many());
        }
        let of_one = |entry: &Entry| 2 * (self.top.len() + 1 + entry.path.len()) + limits::WEB_ZIP_ENTRY_BYTES;
        let full = || Error::new(Kind::Busy, "there is no room for the names of a zip now");
        self.claims.push(account.claim(self.entries.iter().map(of_one).sum()).ok_or_else(full)?);
        Ok(())
    }

    /// Reads some of a list.
    fn read(&mut self, desk: &mut Desk, mut job: ListJob, account: &Arc<Account>) -> Result<()> {
        if let Err(error) = desk.may_go_on(job.running()) {
            return Err(desk.drop_list(job, error));
        }
        let (mut is_over, mut step) = (false, ListStep::new());
        while self.entries.len() < limits::WEB_FILES_A_TURN && !is_over {
            match desk.next_entry(&mut job, &mut step) {
                NextEntry::Entry(entry) => {
                    self.entries.push(Entry { path: [&*self.below, &*entry.path].concat(), ..entry });
                }
                NextEntry::NotYet => break,
                NextEntry::Over => is_over = true,
            }
        }
        if let Err(error) = self.take_room(account) {
            return Err(desk.drop_list(job, error));
        }
        self.entries.reverse();
        if !is_over {
            self.list = Some(job);
            return Ok(());
        }
        if let (Outcome::Listed { unread, denied, unreadable, .. }, Some(left)) =
            (desk.listed(job)?, &mut self.left_out)
        {
            for (at, name) in unread.iter().enumerate() {
                let why = if at < denied { MAY_NOT_BE_READ } else { "it could not be read" };
                left.add(&[&*self.below, &**name].concat(), why);
            }
            left.add_unnamed(unreadable.saturating_sub(unread.len() as u64));
        }
        Ok(())
    }

    fn begin(&mut self, desk: &mut Desk, entry: &Entry) -> Result<()> {
        let name = self.name(&entry.path);
        let (Some(pack), Some(left)) = (&mut self.pack, &mut self.left_out) else { return Err(unexpected()) };
        match entry.kind {
            EntryKind::Link => left.add(&entry.path, "it is a link"),
            EntryKind::Other => left.add(&entry.path, "it is neither a file nor a folder"),
            EntryKind::Directory => {
                if pack.folder(&name, entry.mtime).is_err() {
                    left.add(&entry.path, UNNAMEABLE);
                }
            }
            EntryKind::File => {
                let Ok(path) = self.path.join(&entry.path) else {
                    left.add(&entry.path, UNNAMEABLE);
                    return Ok(());
                };
                let op = Op::Read { path: path.clone(), offset: 0, length: None, growing: false };
                let job = match begin(desk, op, self.method) {
                    Ok(Begun::Download(job)) => job,
                    Ok(_) => return Err(unexpected()),
                    Err(error) => {
                        let why = why_not(error.kind()).ok_or(error)?;
                        // It may have been listed before rules came by which it may not be.
                        match desk.may_list_beside(&path) {
                            true => left.add(&entry.path, why),
                            false => left.add_unnamed(1),
                        }
                        return Ok(());
                    }
                };
                let meta = job.meta();
                if pack.file(&name, meta.size, meta.mtime).is_err() {
                    desk.succeeded(job.running());
                    left.add(&entry.path, UNNAMEABLE);
                    return Ok(());
                }
                self.now = Some(Reader::one(desk.hashing(job, (0, meta.size))));
            }
        }
        Ok(())
    }

    fn end(&mut self, desk: &mut Desk) -> Result<Bytes> {
        let Some(mut pack) = self.pack.take() else { return Ok(Bytes::new()) };
        if let Some(text) = self.left_out.take().and_then(LeftOut::text) {
            let text = Bytes::from(text);
            // Where a file of the folder has that name, it is that of the file.
            if pack.file(&self.name(NOTE), text.len() as u64, SystemTime::now().into()).is_ok() {
                pack.bytes(&text)?;
                pack.end_of_file()?;
            }
        }
        desk.rest();
        pack.end()
    }

    fn name(&self, path: &[u8]) -> Vec<u8> {
        [&self.top, b"/".as_slice(), path].concat()
    }
}

struct ArchiveBody {
    session: Arc<WebSession>,
    /// None while a turn has it, and once that has failed or was the last one.
    state: Option<OpenAtDesk<Box<State>>>,
    _right: OpenFile,
}

impl ArchiveBody {
    async fn next(mut self) -> Result<Option<(Bytes, ArchiveBody)>> {
        loop {
            let Some(state) = self.state.take() else { return Ok(None) };
            let account = self.session.account().clone();
            let step = move |desk: &mut Desk| {
                let (mut state, session) = state.take()?;
                match state.step(desk, &account) {
                    Ok(bytes) => Ok((state.pack.is_some().then(|| OpenAtDesk::new(state, &session)), bytes)),
                    Err(error) => {
                        let why = Error::new(Kind::Aborted, "the archive was given up");
                        state.give_up(desk, &mut Waiting::default(), why);
                        Err(error)
                    }
                }
            };
            let (state, bytes) = self.session.step(step).await?;
            self.state = state;
            if !bytes.is_empty() {
                return Ok(Some((bytes, self)));
            }
        }
    }
}

impl GiveUp for Box<State> {
    fn give_up(mut self, desk: &mut Desk, _: &mut Waiting, why: Error) {
        if let Some(job) = self.list.take() {
            drop(desk.drop_list(job, Error::new(why.kind(), why.to_string())));
        }
        if let Some(job) = self.now.take().and_then(|mut reader| reader.give_up()) {
            drop(desk.drop_download(job, why));
        }
    }
}
