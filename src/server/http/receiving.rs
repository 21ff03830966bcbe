//! A file's bytes, from a request's body to the desk: gathered into steps, appended without being copied, and put in their place
//! once all have come. While a step is at the desk, the next one gathers.
//!
//! Nobody waits on a thread: between two steps the upload lies in a slot. If its client goes away meanwhile, it is given up and
//! written down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::try_join;

use super::coming::{Coming, Pieces};
use super::digests::Digests;
use super::guest::{Guest, OpenFile, Pending, Waiting, begin_change, unexpected};
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, RelPath, UploadSpec};
use crate::limits;
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::uploads::{Finished, Put};

/// A file that is to be stored.
pub struct Wanted {
    /// Where.
    pub path: RelPath,
    /// What is known of it.
    pub spec: UploadSpec,
    /// What its bytes must be.
    pub digests: Digests,
}

/// An upload between two steps.
struct Taken {
    put: Put,
    digests: Digests,
}

/// An upload whose bytes are coming. Dropped before it is in its place it is given up.
struct Receiving {
    guest: Arc<Guest>,
    /// Empty while a step has it, and once it is whole or has failed.
    slot: Arc<Mutex<Option<Taken>>>,
    _open: OpenFile,
}

/// Stores what comes, and says what it has become: on the disk, under its name.
///
/// # Errors
/// Those of the gate and the store; [`Kind::Aborted`] for a body that breaks off; [`Kind::Integrity`] for bytes that are not
/// what was announced.
pub async fn store(guest: &Arc<Guest>, wanted: Wanted, body: &mut Coming) -> Result<Committed> {
    let small = body.announced().and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= limits::CHUNK);
    // Who waits to be told to go on is told so only when it is known that the file may come.
    if let Some(size) = small.filter(|_| !body.waits())
        && let Some(_claim) = guest.account().claim(size)
    {
        let all = body.gather(limits::CHUNK + 1).await?;
        return store_at_once(guest.clone(), wanted, all).await;
    }
    let receiving = Receiving::begin(guest, wanted).await?;
    receiving.take_in(body).await?;
    conclude(receiving).await
}

/// A small file takes one step, and holds none open meanwhile.
async fn store_at_once(guest: Arc<Guest>, wanted: Wanted, all: Pieces) -> Result<Committed> {
    let is_alone = guest.is_alone();
    let storing = async move {
        let pending = guest.change(Class::Light, move |desk, waiting| {
            let taken = begin(desk, waiting, wanted)?;
            let taken = append(desk, waiting, taken, &all)?;
            let pending = finish(desk, waiting, taken)?;
            if is_alone {
                // Nobody else's could share its commit.
                desk.commit(&mut |outcome| waiting.tell(outcome));
                desk.rest();
            }
            Ok(pending)
        });
        let pending = pending.await?;
        guest.committed(pending).await
    };
    // By itself: what is whole is put in its place, whether or not the client is still there.
    stored(async_std::task::spawn(storing).await?)
}

/// All bytes have come.
async fn conclude(receiving: Receiving) -> Result<Committed> {
    let concluding = async move {
        let slot = receiving.slot.clone();
        let pending = receiving.guest.change(Class::Light, move |desk, waiting| {
            let taken = take(&slot)?;
            finish(desk, waiting, taken)
        });
        let pending = pending.await?;
        receiving.guest.committed(pending).await
    };
    stored(async_std::task::spawn(concluding).await?)
}

fn stored(outcome: Outcome) -> Result<Committed> {
    match outcome {
        Outcome::Stored { committed, .. } => Ok(committed),
        _ => Err(unexpected()),
    }
}

impl Receiving {
    async fn begin(guest: &Arc<Guest>, wanted: Wanted) -> Result<Receiving> {
        let open = guest.open_file().await;
        let receiving = Receiving { guest: guest.clone(), slot: Arc::default(), _open: open };
        let slot = receiving.slot.clone();
        let begun = guest.change(Class::Light, move |desk, waiting| {
            *lock(&slot) = Some(begin(desk, waiting, wanted)?);
            Ok(())
        });
        begun.await?;
        Ok(receiving)
    }

    /// Appends the body to its end.
    async fn take_in(&self, body: &mut Coming) -> Result<()> {
        // One chunk at the desk, one that gathers. Where memory is short, each piece goes as it comes.
        let claim = self.guest.account().claim(2 * limits::CHUNK);
        let least = if claim.is_some() { limits::CHUNK } else { 1 };
        let mut next = body.gather(least).await?;
        while !next.is_last {
            ((), next) = try_join(self.append(next), body.gather(least)).await?;
        }
        self.append(next).await
    }

    async fn append(&self, some: Pieces) -> Result<()> {
        if some.pieces.is_empty() {
            return Ok(());
        }
        let slot = self.slot.clone();
        let appending = self.guest.change(Class::Light, move |desk, waiting| {
            let taken = append(desk, waiting, take(&slot)?, &some)?;
            *lock(&slot) = Some(taken);
            Ok(())
        });
        appending.await
    }
}

impl Drop for Receiving {
    /// The client is gone, or has sent what is not wanted: that is written down when the desk is free.
    fn drop(&mut self) {
        let (guest, slot) = (self.guest.clone(), self.slot.clone());
        // It is a step that has it, or nobody: nothing to do for the latter.
        if Arc::strong_count(&self.slot) == 2 && lock(&slot).is_none() {
            return;
        }
        async_std::task::spawn(async move {
            let giving_up = guest.give_up(move |desk, waiting| {
                if let Ok(Taken { put, .. }) = take(&slot) {
                    let error = Error::new(Kind::Aborted, "the upload was broken off by its sender");
                    desk.drop_put(put, error, &mut |outcome| waiting.tell(outcome));
                }
            });
            let _nobody_waits = giving_up.await;
        });
    }
}

fn begin(desk: &mut Desk, waiting: &mut Waiting, wanted: Wanted) -> Result<Taken> {
    let Wanted { path, spec, digests } = wanted;
    match begin_change(desk, waiting, Op::Put { path, spec, resume: None }, "PUT")? {
        Begun::Put(put) => Ok(Taken { put, digests }),
        _ => Err(unexpected()),
    }
}

fn append(desk: &mut Desk, waiting: &mut Waiting, taken: Taken, some: &Pieces) -> Result<Taken> {
    let Taken { mut put, mut digests } = taken;
    let tell = &mut |outcome| waiting.tell(outcome);
    if let Err(error) = desk.may_go_on(put.running()) {
        return Err(desk.drop_put(put, error, tell));
    }
    for piece in &some.pieces {
        put = desk.append(put, piece, tell)?;
        digests.update(piece);
    }
    Ok(Taken { put, digests })
}

fn finish(desk: &mut Desk, waiting: &mut Waiting, Taken { put, digests }: Taken) -> Result<Pending> {
    let tell = &mut |outcome| waiting.tell(outcome);
    if let Err(error) = digests.check() {
        return Err(desk.drop_put(put, error, tell));
    }
    match desk.finish(put, None, tell) {
        Finished::Waits => Ok(waiting.join()),
        Finished::Refused(error) => Err(error),
    }
}

fn take(slot: &Mutex<Option<Taken>>) -> Result<Taken> {
    lock(slot).take().ok_or_else(unexpected)
}

fn lock(slot: &Mutex<Option<Taken>>) -> MutexGuard<'_, Option<Taken>> {
    // What is in it is taken out and put back whole.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
