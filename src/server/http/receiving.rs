//! A file's bytes, from a request's body to the desk: gathered into steps (`taking_in.rs`), appended, and put in their place once all
//! have come.
//!
//! Nobody waits on a thread: between two steps the upload lies in a slot. If its client goes away meanwhile, it is given up and
//! written down, unless it is one that can be gone on with.

use std::ops::ControlFlow::Break;
use std::sync::Arc;

use super::digests::Digests;
use super::hold::Held;
use super::request_body::{Pieces, RequestBody};
use super::web_session::{OpenFile, Waiting, WebSession, unexpected};
use super::work_to_end::{Ended, Reached, reached, start, work_to_end};
use crate::auth::Principal;
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Partial, RelPath, Resume, SeenAt, UploadSpec};
use crate::limits;
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::inbox_room::InboxRoom;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Outcome;
use crate::server::desk::uploads::Put;
use crate::sync::{Mutex, MutexGuard};

/// A file that is to be stored.
pub struct Wanted {
    /// Where.
    pub path: RelPath,
    /// What is known of it.
    pub spec: UploadSpec,
    /// What its bytes must be.
    pub digests: Digests,
    /// Where to go on with what an interrupted upload left.
    pub resume: Option<Resume>,
}

/// An upload between two steps.
struct Taken {
    put: Put,
    /// Of the whole file.
    digests: Digests,
    /// Of what one request brings: of no meaning once it is over.
    content: Digests,
}

impl Taken {
    /// One that begins, whose file is to be this.
    fn of(put: Put, digests: Digests) -> Taken {
        Taken { put, digests, content: Digests::default() }
    }
}

/// Where an upload lies between two steps: empty while a step has it, and once it is whole or has failed. Clones are the same.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Taken>>>);

/// An upload whose bytes are coming. Dropped before it is in its place it is given up, unless it was let go.
pub struct Receiving {
    stream: Stream,
    is_let_go: bool,
    /// What it has of a link that it came by.
    room: Option<InboxRoom>,
    _open: OpenFile,
}

/// The way of a request's body into an upload.
pub struct Stream {
    /// At whose desk.
    pub web_session: Arc<WebSession>,
    /// Into what.
    pub slot: Slot,
    /// So long nobody else is at it: a step that nobody waits for any more has it too.
    pub held: Option<Held>,
}

/// Stores what comes, and says what it has become: on the disk, under its name.
///
/// # Errors
/// Those of the gate and the store; [`Kind::Aborted`] for a body that breaks off; [`Kind::Integrity`] for bytes that are not
/// what was announced.
///
/// The room that it has of a link, if it came by one, is used up when it is in its place, and given back if it does not get there,
/// whether or not anybody waits.
pub async fn store(
    web_session: &Arc<WebSession>,
    wanted: Wanted,
    room: Option<InboxRoom>,
    body: &mut RequestBody,
) -> Result<Committed> {
    let small = body.announced().and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= limits::CHUNK);
    // Who waits to be told to go on is told so only when it is known that the file may come.
    if let Some(size) = small.filter(|_| !body.waits())
        && let Some(_claim) = web_session.account().claim(size)
    {
        let all = body.gather(limits::CHUNK + 1).await?;
        web_session.pay(all.len).await;
        return store_at_once(web_session.clone(), wanted, room, all).await;
    }
    let receiving = Receiving::begin(web_session, wanted, room).await?;
    receiving.stream.take_in(body).await?;
    conclude(receiving).await
}

/// A small file takes one step, and holds none open meanwhile.
async fn store_at_once(
    web_session: Arc<WebSession>,
    wanted: Wanted,
    mut room: Option<InboxRoom>,
    all: Pieces,
) -> Result<Committed> {
    let is_alone = web_session.is_alone();
    let storing = async move {
        room = web_session.counted(room).await?;
        let all_of_it = move |desk: &mut Desk, waiting: &mut Waiting| {
            let Wanted { path, spec, digests, resume } = wanted;
            let op = (Op::Put { path, spec, resume }, SeenAt::ANYTHING);
            let Break(begun) = start(desk, waiting, op, "PUT")? else { return Err(unexpected()) };
            let taken = append(desk, waiting, Taken::of(begun.put()?, digests), &all)?;
            let reached = finish(desk, waiting, taken)?;
            if is_alone && matches!(reached, Break(Ended::Waits(_))) {
                // Nobody else's could share its commit.
                desk.commit(&mut |operation, outcome| waiting.tell(operation, outcome));
                desk.rest();
            }
            Ok(reached)
        };
        let pending = work_to_end(&web_session, limits::WEB_COPY_STEPS, all_of_it, Ended::pending).await?;
        used(&mut room, stored(web_session.committed(pending).await?)?)
    };
    // By itself: what is whole is put in its place, whether or not the client is still there.
    async_std::task::spawn(storing).await
}

/// All bytes have come.
///
/// # Errors
/// As [`store`].
pub async fn conclude(mut receiving: Receiving) -> Result<Committed> {
    let concluding = async move {
        let (web_session, slot) = (receiving.stream.web_session.clone(), receiving.stream.slot.clone());
        receiving.room = web_session.counted(receiving.room.take()).await?;
        let finish = move |desk: &mut Desk, waiting: &mut Waiting| finish(desk, waiting, slot.take()?);
        let pending = work_to_end(&web_session, limits::WEB_COPY_STEPS, finish, Ended::pending).await?;
        used(&mut receiving.room, stored(web_session.committed(pending).await?)?)
    };
    async_std::task::spawn(concluding).await
}

/// The room of a file that is in its place.
fn used(room: &mut Option<InboxRoom>, committed: Committed) -> Result<Committed> {
    if let Some(room) = room {
        room.used(committed.size);
    }
    Ok(committed)
}

fn stored(outcome: Outcome) -> Result<Committed> {
    match outcome {
        Outcome::Stored { committed, .. } => Ok(committed),
        _ => Err(unexpected()),
    }
}

impl Receiving {
    /// Begins an upload.
    ///
    /// # Errors
    /// Those of the gate and the store.
    pub async fn begin(web_session: &Arc<WebSession>, wanted: Wanted, room: Option<InboxRoom>) -> Result<Receiving> {
        let open = web_session.open_file().await;
        let stream = Stream { web_session: web_session.clone(), slot: Slot::default(), held: None };
        let receiving = Receiving { stream, is_let_go: false, room, _open: open };
        let slot = receiving.stream.slot.clone();
        let Wanted { path, spec, digests, resume } = wanted;
        let op = (Op::Put { path, spec, resume }, SeenAt::ANYTHING);
        let begin = move |desk: &mut Desk, waiting: &mut Waiting| start(desk, waiting, op, "PUT");
        // What an upload left that is gone on with is hashed first, if nobody knows what it is.
        work_to_end(web_session, 1, begin, move |ended| {
            slot.put_back(Taken::of(ended.put()?, digests));
            Ok(())
        })
        .await?;
        Ok(receiving)
    }

    /// What it has of a link that it came by.
    pub fn room(&mut self) -> Option<&mut InboxRoom> {
        self.room.as_mut()
    }

    /// The way into it.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Somebody will go on with it.
    pub fn let_go(mut self) -> Slot {
        self.is_let_go = true;
        self.stream.slot.clone()
    }
}

impl Stream {
    /// Appends these bytes.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn append(&self, some: Pieces) -> Result<()> {
        if some.pieces.is_empty() {
            return Ok(());
        }
        self.step(move |desk, waiting, taken| append(desk, waiting, taken, &some)).await
    }

    /// More is about to come: what was announced is promised room again.
    ///
    /// # Errors
    /// Those of the store: it stays what it was.
    pub async fn claim_room(&self) -> Result<()> {
        let (slot, held) = (self.slot.clone(), self.held.clone());
        let claiming = self.web_session.change(Class::Light, move |_, _| {
            let _held = held;
            slot.claim_room()
        });
        claiming.await
    }

    /// What comes from here on must be this.
    ///
    /// # Errors
    /// Why the session has ended.
    pub async fn watch(&self, content: Digests) -> Result<()> {
        self.step(move |_, _, taken| Ok(Taken { content, ..taken })).await
    }

    /// Compares what came since then with what it must be. Bytes that are wrong cannot be taken back: the upload is given up.
    ///
    /// # Errors
    /// [`Kind::Integrity`].
    pub async fn check(&self) -> Result<()> {
        self.step(|desk, waiting, Taken { put, digests, content }| match content.check() {
            Ok(()) => Ok(Taken { put, digests, content: Digests::default() }),
            Err(error) => Err(desk.drop_put(put, error, &mut |operation, outcome| waiting.tell(operation, outcome))),
        })
        .await
    }

    /// All bytes have come, maybe by way of several sessions. `room` is what it has of a link; `done` is told when it is in its place. Both
    /// whether or not anybody waits.
    ///
    /// # Errors
    /// [`Kind::Integrity`] if they are not what they must be; those of the gate and the store.
    pub async fn finish(
        &self,
        room: Option<InboxRoom>,
        done: impl FnOnce(&Committed) + Send + 'static,
    ) -> Result<Committed> {
        let (slot, held, web_session) = (self.slot.clone(), self.held.clone(), self.web_session.clone());
        let finishing = async move {
            // Nobody else is at it before it is over, whoever waits for that.
            let _held = held;
            let is_by_link = room.is_some();
            let mut room = match web_session.counted(room).await {
                Ok(room) => room,
                Err(error) => {
                    drop_taken(&web_session, slot, &error).await;
                    return Err(error);
                }
            };
            let left = slot.clone();
            let finish = move |desk: &mut Desk, waiting: &mut Waiting| {
                let Taken { put, digests, .. } = slot.take()?;
                let tell = &mut |operation, outcome| waiting.tell(operation, outcome);
                match digests.check() {
                    Ok(()) => reached(desk.finish_at_once(put, tell), waiting),
                    Err(error) => Err(desk.drop_put(put, error, tell)),
                }
            };
            let outcome = match work_to_end(&web_session, 1, finish, Ended::outcome).await {
                // Its room goes back to the link now: it must not be finished without any later.
                Err(error) if is_by_link && left.len().is_some() => {
                    drop_taken(&web_session, left, &error).await;
                    return Err(error);
                }
                outcome => outcome?,
            };
            let committed = used(&mut room, stored(outcome)?)?;
            done(&committed);
            Ok(committed)
        };
        async_std::task::spawn(finishing).await
    }

    /// Gives it up.
    pub async fn give_up(&self, error: Error) {
        let _held = self.held.clone();
        drop_taken(&self.web_session, self.slot.clone(), &error).await;
    }

    async fn step(
        &self,
        work: impl FnOnce(&mut Desk, &mut Waiting, Taken) -> Result<Taken> + Send + 'static,
    ) -> Result<()> {
        let (slot, held) = (self.slot.clone(), self.held.clone());
        let stepping = self.web_session.change(Class::Light, move |desk, waiting| {
            let _held = held;
            slot.put_back(work(desk, waiting, slot.take()?)?);
            Ok(())
        });
        stepping.await
    }
}

impl Drop for Receiving {
    /// The client is gone, or has sent what is not wanted: that is written down when the desk is free.
    fn drop(&mut self) {
        let Stream { web_session, slot, .. } = &self.stream;
        // A step that still runs has the slot too; else what is empty is over.
        if self.is_let_go || (Arc::strong_count(&slot.0) == 1 && slot.len().is_none()) {
            return;
        }
        let stream = Stream { web_session: web_session.clone(), slot: slot.clone(), held: None };
        async_std::task::spawn(async move {
            stream.give_up(Error::new(Kind::Aborted, "the upload was broken off by its sender")).await;
        });
    }
}

impl Slot {
    /// Bytes that have come, if something is in it.
    pub fn len(&self) -> Option<u64> {
        self.lock().as_ref().map(|taken| taken.put.len())
    }

    /// Whether what is in it goes to this path.
    pub fn is_for(&self, path: &RelPath) -> bool {
        self.lock().as_ref().is_some_and(|taken| taken.put.running().path() == Some(path))
    }

    /// What has come, and its BLAKE3, if something is in it.
    pub fn part(&self) -> Option<Partial> {
        self.lock().as_ref().map(|taken| taken.put.part())
    }

    /// Nobody brings bytes for now.
    pub fn rest(&self) {
        if let Some(taken) = &mut *self.lock() {
            taken.put.rest();
        }
    }

    /// Somebody is about to, and lets nobody else be at it. Blocks.
    ///
    /// # Errors
    /// Those of the store: it stays what it was.
    pub fn claim_room(&self) -> Result<()> {
        let mut taken = self.take()?;
        let claimed = taken.put.claim_room();
        self.put_back(taken);
        claimed
    }

    /// Whether it may not go on with the rights of this principal. While a step has it, that asks.
    pub fn is_refused(&self, principal: &Principal) -> bool {
        self.lock().as_ref().is_some_and(|taken| taken.put.may_go_on(principal).is_err())
    }

    /// Keeps an upload whose connection was lost.
    pub fn park(&self, put: Put) {
        self.put_back(Taken::of(put, Digests::default()));
    }

    /// The upload, for another way to go on with it; none: nothing is in it, or its bytes must be what only this way compares.
    pub fn take_put(&self) -> Option<Put> {
        self.lock().take_if(|taken| taken.digests.is_empty()).map(|taken| taken.put)
    }

    /// Puts away what nobody has gone on with, for the native client. Blocks.
    pub fn keep(&self) {
        // Not under the lock: what is kept is synced.
        let taken = self.lock().take();
        if let Some(Taken { put, .. }) = taken {
            put.keep();
        }
    }

    fn take(&self) -> Result<Taken> {
        // Its user may have been ended meanwhile, and what came was put away.
        self.lock().take().ok_or_else(|| Error::new(Kind::NotFound, "there is no such upload"))
    }

    fn put_back(&self, taken: Taken) {
        *self.lock() = Some(taken);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Taken>> {
        // What is in it is taken out and put back whole.
        self.0.lock()
    }
}

/// Gives up what has come, if something has, for this reason.
async fn drop_taken(web_session: &WebSession, slot: Slot, why: &Error) {
    let why = Error::new(why.kind(), why.text().to_owned());
    let giving_up = web_session.give_up(move |desk, waiting| {
        if let Ok(Taken { put, .. }) = slot.take() {
            desk.drop_put(put, why, &mut |operation, outcome| waiting.tell(operation, outcome));
        }
    });
    let _nobody_waits = giving_up.await;
}

fn append(desk: &mut Desk, waiting: &mut Waiting, taken: Taken, some: &Pieces) -> Result<Taken> {
    let Taken { mut put, mut digests, mut content } = taken;
    let tell = &mut |operation, outcome| waiting.tell(operation, outcome);
    if let Err(error) = desk.may_go_on(put.running()) {
        return Err(desk.drop_put(put, error, tell));
    }
    for piece in &some.pieces {
        put = desk.append(put, piece, tell)?;
        digests.update(piece);
        content.update(piece);
    }
    Ok(Taken { put, digests, content })
}

/// All bytes have come: what is left to do is work up to the commit, if anything.
fn finish(desk: &mut Desk, waiting: &mut Waiting, Taken { put, digests, .. }: Taken) -> Result<Reached> {
    let tell = &mut |operation, outcome| waiting.tell(operation, outcome);
    if let Err(error) = digests.check() {
        return Err(desk.drop_put(put, error, tell));
    }
    reached(desk.finish(put, None, tell), waiting)
}
