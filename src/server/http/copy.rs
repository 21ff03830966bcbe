//! COPY: a file, or a folder with all in it. Each file is whole under its name or not there, as everywhere; a folder that is
//! replaced is so by a copy that is whole, and stays if the copy fails or its client goes away.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, answer};
use super::change::{Way, apart, is_flat, look, make, missing, no_place, rename_at, supersede};
use super::entries::{Batch, batch};
use super::open_at_desk::OpenAtDesk;
use super::put::{self, Looks};
use super::web_session::{Pending, Waiting, WebSession, begin, unexpected};
use super::work_to_end::{Ended, go_on, reached, start, work_to_end};
use crate::error::{Error, Kind, Result};
use crate::files::aside::copy_path;
use crate::files::{Condition, Entry, EntryKind, RelPath, Seen, SeenAt};
use crate::limits;
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::kept_names::is_of_copy;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Begun;
use crate::server::desk::stand_in::{StandIn, Standing};
use crate::sync::Mutex;

/// Copies what is there.
///
/// # Errors
/// [`Kind::Exists`] if the name is taken and may not be replaced; [`Kind::NotDirectory`] if there is no folder for it;
/// [`Kind::NotRegular`] for a link that leads out, a pipe or the like; those of the gate and the store.
pub async fn copy(web_session: &Arc<WebSession>, way: Way, headers: &HeaderMap) -> Result<Answer> {
    let is_flat = is_flat(headers)?;
    let (what, there) = (look(web_session, &way.from, "COPY").await?, look(web_session, &way.to, "COPY").await?);
    let Some(what) = what else { return Err(missing(&way.from)) };
    way.check(there)?;
    let (from, to) = (way.from.clone(), way.to.clone());
    apart(web_session, &from, &to, true).await?;
    let mut looks = Looks::default();
    loop {
        let seen = put::decide(web_session, &way.from, headers).await?;
        let copied = copy_there(web_session, &way, (what, there), seen, is_flat).await;
        if !looks.again(headers, &copied) {
            copied?;
            break;
        }
    }
    Ok(answer(if there.is_some() { StatusCode::NO_CONTENT } else { StatusCode::CREATED }))
}

/// Copies a file or folder to where this is, or nothing is; a file only if it is what was seen, where that is said. Of a folder that
/// is there the conditions say nothing more than that.
async fn copy_there(
    web_session: &Arc<WebSession>,
    way: &Way,
    (what, there): (EntryKind, Option<EntryKind>),
    seen: Option<Seen>,
    is_flat: bool,
) -> Result<()> {
    let (from, to) = (way.from.clone(), way.to.clone());
    if what == EntryKind::Directory && !is_flat {
        let from = from.clone();
        web_session.step(move |desk| desk.allows_reading_all(&from, "COPY")).await?;
    }
    let _file = web_session.open_file().await;
    let _we_are_at_work = web_session.working();
    let trees = there.is_some() && [Some(what), there].contains(&Some(EntryKind::Directory));
    let built = match trees || what == EntryKind::Directory {
        true => Some(Built::beside(web_session, &from, &to).await),
        false => None,
    };
    let built = match built.transpose() {
        // Who may not rename or remove makes a new folder in its place, and sees it grow.
        Err(error) if !trees && error.kind() == Kind::Denied => None,
        built => built?,
    };
    let place = built.as_ref().map_or_else(|| to.clone(), |built| built.path.clone());
    let copied = match what {
        EntryKind::Directory => copy_folder(web_session, &from, &place, is_flat).await,
        _ => {
            let over = match &web_session.seen().other {
                Some(before) if built.is_none() => put::still(web_session, &to, before).await?,
                _ if there.is_some() && !trees => Condition::Any,
                _ => Condition::Absent,
            };
            copy_one(web_session, (from, seen), place, over).await
        }
    };
    let done = match (copied, &built) {
        (Ok(()), Some(built)) => built.put_in_place(to.clone(), trees).await,
        (copied, _) => copied,
    };
    match (done, &built) {
        (Err(error), Some(built)) => Err(no_place(built.or_taken(error, &to).await, &to)),
        (done, _) => done.map_err(|error| no_place(error, &to)),
    }
}

/// A copy of a folder, or one that is to replace a folder, under a name of its own until it is whole. Dropped before that it is
/// removed.
struct Built {
    web_session: Arc<WebSession>,
    path: RelPath,
    /// Nothing once it has its place, or is taken away. Given up at the desk, for it may wait for a disk.
    standing: Arc<Mutex<Option<OpenAtDesk<Standing>>>>,
}

impl Built {
    /// One that is to be at `to`.
    ///
    /// # Errors
    /// [`Kind::Denied`] if what is at `to` could not be replaced by it afterwards: nothing is copied then.
    async fn beside(web_session: &Arc<WebSession>, source: &RelPath, place: &RelPath) -> Result<Built> {
        let path = copy_path(place)?;
        let (from, to) = (path.clone(), place.clone());
        let holder = web_session.clone();
        let standing = web_session.step(move |desk| {
            desk.allows(&Op::Remove { path: from.clone(), recursive: true, for_good: true }, "COPY")?;
            desk.allows(&Op::Supersede { from: from.clone(), to }, "COPY")?;
            Ok(OpenAtDesk::new(desk.stands_beside(&from)?, &holder))
        });
        let standing = Arc::new(Mutex::new(Some(standing.await?)));
        let stand_in = StandIn { beside: path.clone(), from: source.clone(), to: place.clone() };
        web_session.ticket().record().stands_in(stand_in);
        Ok(Built { web_session: web_session.clone(), path, standing })
    }

    /// What failed because somebody else has renamed or removed what was built up: whoever may rename there may take it, and has it.
    async fn or_taken(&self, error: Error, to: &RelPath) -> Error {
        let path = self.path.clone();
        let is_about_a_name = matches!(error.kind(), Kind::NotFound | Kind::NotDirectory);
        if is_about_a_name && matches!(self.web_session.step(move |desk| Ok(desk.is_gone(&path))).await, Ok(true)) {
            let text = format!("{to}: somebody has renamed or removed what was to be this copy, before it was whole");
            return Error::new(Kind::Changed, text);
        }
        error
    }

    async fn put_in_place(&self, to: RelPath, replace: bool) -> Result<()> {
        let (path, standing) = (self.path.clone(), self.standing.clone());
        let seen = SeenAt { path: None, other: self.web_session.seen().other.clone() };
        let put = move |desk: &mut Desk| {
            match replace {
                true => supersede(desk, (&path, &to), seen, "COPY"),
                false => rename_at(desk, (&path, &to), false, seen, "COPY"),
            }?;
            // In this turn a disk may be waited for, and not by whoever asks meanwhile whether it has its place.
            let taken = standing.lock().take();
            drop(taken.map(OpenAtDesk::take));
            Ok(())
        };
        self.web_session.step(put).await
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        self.web_session.ticket().record().stands_in_no_more(&self.path);
        let (web_session, standing) = (self.web_session.clone(), self.standing.clone());
        if standing.lock().is_none() {
            return;
        }
        async_std::task::spawn(async move {
            // What fails is in the log, and nobody is left to be told. A copy that has its place by now is not taken away.
            let begin = move |desk: &mut Desk, waiting: &mut Waiting| {
                let (standing, web_session) = standing.lock().take()?.take().ok()?;
                match reached(desk.take_away(&standing, "COPY"), waiting) {
                    Ok(reached) => reached.continue_value().map(|work| OpenAtDesk::new(work, &web_session)),
                    Err(_) => {
                        standing.stays();
                        None
                    }
                }
            };
            let mut left = web_session.give_up(begin).await;
            while let Ok(Some(open)) = left {
                let step = move |desk: &mut Desk, waiting: &mut Waiting| {
                    let (work, web_session) = open.take().ok()?;
                    let left = go_on(desk, waiting, work, 1).ok()?.continue_value();
                    left.map(|work| OpenAtDesk::new(work, &web_session))
                };
                left = web_session.give_up(step).await;
            }
        });
    }
}

async fn copy_one(
    web_session: &Arc<WebSession>,
    from: (RelPath, Option<Seen>),
    to: RelPath,
    over: Condition,
) -> Result<()> {
    let pending = copy_file(web_session, from, to, over).await?;
    web_session.committed(pending).await.map(drop)
}

/// A folder with all in it, unless only it itself is meant.
async fn copy_folder(web_session: &Arc<WebSession>, from: &RelPath, to: &RelPath, is_flat: bool) -> Result<()> {
    make_like(web_session, from.clone(), to.clone()).await?;
    if is_flat {
        return Ok(());
    }
    let op = Op::List { path: from.clone(), recursive: true, rotten: false, modes: false, marks: false };
    let holder = web_session.clone();
    let listed = web_session.step(move |desk| match begin(desk, op, "COPY")? {
        Begun::List(job) => Ok(OpenAtDesk::new(job, &holder)),
        _ => Err(unexpected()),
    });
    let mut rest = Some(listed.await?);
    while let Some(job) = rest.take() {
        let batch = web_session.step(move |desk| batch(desk, job, limits::COMMIT_BATCH)).await?;
        let Batch { rest: more, entries, unread, .. } = batch;
        if unread > 0 {
            let text = format!("{from}: {unread} of the folders in it could not be read, so it is not copied");
            return Err(Error::new(Kind::Io, text));
        }
        rest = more;
        let mut pending = Vec::with_capacity(entries.len());
        let begun = copy_entries(web_session, from, to, entries, &mut pending).await;
        // They share a sync. Also if others failed: nothing of a request happens after its answer.
        let mut done = Ok(());
        for pending in pending {
            done = done.and(web_session.committed(pending).await.map(drop));
        }
        begun.and(done)?;
    }
    Ok(())
}

/// Makes a folder that keeps what clients keep with this one, if whoever copies may say what a folder keeps there.
async fn make_like(web_session: &Arc<WebSession>, from: RelPath, to: RelPath) -> Result<()> {
    make(web_session, to.clone(), "COPY").await?;
    let kept = web_session.change(Class::Light, move |desk, _| desk.properties(&from)).await?;
    if kept.is_empty() {
        return Ok(());
    }
    let changes = kept.into_iter().map(|(name, value)| (name, Some(value))).collect();
    let keeping = web_session.step(move |desk| {
        let op = Op::SetProperties { path: to, changes, mtime: None };
        if desk.allows(&op, "COPY").is_ok() {
            begin(desk, op, "COPY")?;
        }
        desk.rest();
        Ok(())
    });
    match keeping.await {
        // The storage has no room for such things.
        Err(error) if error.kind() == Kind::NoSpace => Ok(()),
        kept => kept,
    }
}

/// Copies what is in a folder, but for copies that are not whole: another one may be at work there, or a killed server has left them.
async fn copy_entries(
    web_session: &Arc<WebSession>,
    from: &RelPath,
    to: &RelPath,
    entries: Vec<Entry>,
    pending: &mut Vec<Pending>,
) -> Result<()> {
    for entry in entries {
        if RelPath::parse(&entry.path).is_ok_and(|inside| is_of_copy(&inside)) {
            continue;
        }
        let (source, target) = (from.join(&entry.path)?, to.join(&entry.path)?);
        match entry.kind {
            EntryKind::Directory => make_like(web_session, source, target).await?,
            EntryKind::File => pending.push(copy_file(web_session, (source, None), target, Condition::Absent).await?),
            EntryKind::Link | EntryKind::Other => {
                return Err(Error::new(Kind::NotRegular, format!("{source}: neither a file nor a folder")));
            }
        }
    }
    Ok(())
}

async fn copy_file(
    web_session: &Arc<WebSession>,
    (from, seen): (RelPath, Option<Seen>),
    to: RelPath,
    over: Condition,
) -> Result<Pending> {
    let seen = seen.map_or(SeenAt::ANYTHING, SeenAt::from);
    let op = (Op::Copy { from, to, over }, seen);
    let begin = move |desk: &mut Desk, waiting: &mut Waiting| start(desk, waiting, op, "COPY");
    work_to_end(web_session, limits::WEB_COPY_STEPS, begin, Ended::pending).await
}
