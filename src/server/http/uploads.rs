//! The uploads that can be gone on with over HTTP: each has a URL that only its user can use and nobody can guess. One that
//! nobody goes on with is put away after a while, where the native client finds it.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_lock::Mutex as AsyncMutex;
use async_std::task::{sleep, spawn, spawn_blocking};
use futures::channel::oneshot;

use super::hold::{Held, Hold};
use super::parked_uploads;
use super::receiving::Slot;
use crate::auth::{Principal, Users};
use crate::error::{Error, Kind, Result};
use crate::files::{Partial, RelPath, Resume};
use crate::limits;
use crate::machine::source::Source;
use crate::random;
use crate::server::desk::inbox_room::InboxRoom;
use crate::server::desk::unfinished::{AtIt, GoneOn, ParkingPlace, Unfinished, UploadKey};
use crate::sync::{Mutex, MutexGuard};

/// All of them.
#[derive(Default)]
pub struct Uploads(Mutex<Table>);

#[derive(Default)]
struct Table {
    all: HashMap<Token, Arc<Upload>>,
    /// Somebody looks for those that are over.
    is_swept: bool,
}

/// What nobody can guess: 128 bits, as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

/// An upload that can be gone on with.
pub struct Upload {
    /// Who may.
    pub owner: Principal,
    /// With whom it is counted.
    source: Source,
    /// What has come.
    pub slot: Slot,
    /// One request at a time.
    busy: Arc<AsyncMutex<()>>,
    state: Mutex<State>,
}

struct State {
    /// Bytes of the whole file, once they were told.
    length: Option<u64>,
    /// What it is, in its place.
    whole: Option<Partial>,
    until: Instant,
    /// Of the request that is at it: it ends when this is dropped.
    at_it: Option<oneshot::Sender<()>>,
    /// What it holds of the link that it came by, until it gets to its place or is given up.
    room: Option<InboxRoom>,
}

/// Ends when another request has come for the same upload.
pub type Replaced = oneshot::Receiver<()>;

impl Upload {
    /// One that has just begun, of this user, whose whole length may be known.
    pub fn new(owner: Principal, source: Source, slot: Slot, length: Option<u64>) -> Upload {
        let until = Instant::now() + limits::WEB_UPLOAD_LIFETIME;
        let state = Mutex::new(State { length, whole: None, until, at_it: None, room: None });
        Upload { owner, source, slot, busy: Arc::default(), state }
    }

    /// Ends the request that is at it, waits until it has, and lets nobody else be at it before that is dropped.
    pub async fn take_over(&self) -> (Held, Replaced) {
        let (at_it, replaced) = oneshot::channel();
        {
            let mut state = self.state();
            state.until = Instant::now() + limits::WEB_UPLOAD_LIFETIME;
            state.at_it = Some(at_it);
        }
        (Hold::of(&self.slot, self.busy.lock_arc().await), replaced)
    }

    /// Lets nobody else be at it, as `take_over` does, if nobody is; whoever is at it is ended, and it may be tried again.
    pub fn sit_down(&self) -> Option<(Held, Replaced)> {
        self.stand_up();
        let held = Hold::of(&self.slot, self.busy.try_lock_arc()?);
        let (at_it, replaced) = oneshot::channel();
        self.state().at_it = Some(at_it);
        Some((held, replaced))
    }

    /// Whoever is at it is told to end.
    pub fn stand_up(&self) {
        let at_it = {
            let mut state = self.state();
            state.until = Instant::now() + limits::WEB_UPLOAD_LIFETIME;
            state.at_it.take()
        };
        drop(at_it);
    }

    /// Whether nobody is at it.
    pub fn is_idle(&self) -> bool {
        self.busy.try_lock().is_some()
    }

    /// It is in its place, and is this.
    pub fn stored(&self, whole: Partial) {
        let mut state = self.state();
        state.length = Some(whole.len);
        state.whole = Some(whole);
    }

    /// What it is, in its place.
    pub fn whole(&self) -> Option<Partial> {
        self.state().whole
    }

    /// Bytes of the whole file, if they were told.
    pub fn length(&self) -> Option<u64> {
        self.state().length
    }

    /// So long is the whole file.
    ///
    /// # Errors
    /// [`Kind::Integrity`] if something else was said before.
    pub fn learn_length(&self, length: u64) -> Result<()> {
        match self.state().length.get_or_insert(length) {
            known if *known == length => Ok(()),
            known => {
                let text = format!("the upload was said to be {known} bytes long, and now {length}");
                Err(Error::new(Kind::Integrity, text))
            }
        }
    }

    /// It holds this of a link from now on, which keeps no server from leaving its folders as long as nobody is at it.
    pub fn hold(&self, room: Option<InboxRoom>) {
        self.state().room = room.map(|room| room.within(None));
    }

    /// What it holds of a link, for whoever puts it in its place.
    pub fn release(&self) -> Option<InboxRoom> {
        self.state().room.take()
    }

    /// Whether it is in its place.
    pub fn is_done(&self) -> bool {
        self.state().whole.is_some()
    }

    /// Whether nothing more can come of it: it is in its place, or has failed. While a request is at it, its bytes may be away.
    fn is_over(&self) -> bool {
        self.is_done() || (self.busy.try_lock().is_some() && self.slot.len().is_none())
    }

    /// Gives back what it holds of a link if it has failed: nothing can come of it any more.
    pub fn settle(&self) {
        let room = match !self.is_done() && self.is_over() {
            true => self.state().room.take(),
            false => None,
        };
        // Not under the lock of the state.
        drop(room);
    }

    /// Bytes that have come; none if it has failed.
    pub fn offset(&self) -> Option<u64> {
        self.whole().map(|whole| whole.len).or_else(|| self.slot.len())
    }

    /// Those, and their BLAKE3.
    pub fn part(&self) -> Option<Partial> {
        self.whole().or_else(|| self.slot.part())
    }

    /// How long it is kept if nothing comes.
    pub fn left(&self) -> Duration {
        self.state().until.saturating_duration_since(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Uploads {
    /// Whether this user may begin one more, which is counted with this source.
    ///
    /// # Errors
    /// [`Kind::TooMany`] beyond [`limits::WEB_UPLOADS_PER_SOURCE`], [`limits::WEB_UPLOADS_BY_LINK`], [`limits::WEB_UPLOADS_BY_LINKS`] and
    /// [`limits::WEB_UPLOADS_MAX`].
    pub fn check(&self, owner: &Principal, source: &Source) -> Result<()> {
        let (over, room) = self.lock().make_room(owner, source, None);
        drop(over);
        room
    }

    /// Takes one in.
    ///
    /// # Errors
    /// As [`Uploads::check`]; [`Kind::Internal`] without random numbers.
    pub fn add(self: &Arc<Self>, upload: Arc<Upload>) -> Result<Token> {
        let token = Token::new()?;
        self.put_in(token, upload).map(|()| token)
    }

    /// Takes one in with this token, in place of one that has it.
    ///
    /// # Errors
    /// As [`Uploads::check`].
    pub fn put_in(self: &Arc<Self>, token: Token, upload: Arc<Upload>) -> Result<()> {
        // Neither what goes nor what finds no room is dropped under the lock: what they had is removed then.
        let (over, put) = {
            let mut table = self.lock();
            let (over, room) = table.make_room(&upload.owner, &upload.source, Some(token));
            let put = match room {
                Ok(()) => Ok(table.all.insert(token, upload)),
                Err(error) => Err((error, upload)),
            };
            (over, put)
        };
        drop(over);
        drop(put.map_err(|(error, _)| error)?);
        if !std::mem::replace(&mut self.lock().is_swept, true) {
            spawn(sweep(Arc::downgrade(self)));
        }
        Ok(())
    }

    /// The one of this token.
    pub fn get(&self, token: Token) -> Option<Arc<Upload>> {
        self.lock().all.get(&token).cloned()
    }

    /// Puts away those of users who are not what they were, or may not put anything there any more. Of those that came by links
    /// nothing is kept.
    pub fn end_void(&self, users: &Users) {
        self.end_those(|upload| users.renew(&upload.owner).is_none_or(|now| upload.slot.is_refused(&now)));
    }

    /// Puts away those of this user, whose sessions somebody ends, and says how many they are.
    pub fn end_of(&self, user: &str) -> usize {
        self.end_those(|upload| upload.owner.name() == user && !upload.is_over())
    }

    fn end_those(&self, is_void: impl Fn(&Upload) -> bool) -> usize {
        let void: Vec<_> = self.lock().all.extract_if(|_, upload| is_void(upload)).map(|(_, upload)| upload).collect();
        let count = void.len();
        if count > 0 {
            // Where the disk may be waited for. One that a request is at fails there.
            spawn_blocking(move || void.iter().for_each(|upload| upload.slot.keep()));
        }
        count
    }

    /// Puts all away: the server ends.
    pub async fn put_away(&self) {
        let all: Vec<_> = std::mem::take(&mut self.lock().all).into_values().collect();
        keep(all).await;
    }

    /// It is over.
    pub fn forget(&self, token: Token) {
        let over = self.lock().all.remove(&token);
        // Not under the lock.
        drop(over);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }
}

impl Unfinished for Uploads {
    fn put_away(&self, user: &Principal, path: &RelPath) {
        // Whose a link's or everybody's are nobody can tell.
        if !user.is_user() {
            return;
        }
        let is_theirs =
            |owner: &Principal| owner.is_user() && (owner.name(), owner.home()) == (user.name(), user.home());
        // Less than a block is not kept.
        let has_some = |upload: &Upload| upload.slot.len().is_some_and(|len| len >= limits::HASH_BLOCK);
        let wanted = |upload: &Upload| is_theirs(&upload.owner) && upload.slot.is_for(path);
        // No request is at it, and none comes to it before it is kept: what that stored would be lost.
        let mut idle = Vec::new();
        self.lock().all.retain(|_, upload| {
            match upload.busy.try_lock_arc().filter(|_| wanted(upload) && has_some(upload)) {
                Some(held) => idle.push((Arc::clone(upload), held)),
                None => return true,
            }
            false
        });
        // Not under the lock: what is kept is synced.
        idle.iter().for_each(|(upload, _)| upload.slot.keep());
    }

    fn begin(self: Arc<Self>, key: UploadKey, at: AtIt<'_>, size: u64) -> Option<Box<dyn ParkingPlace>> {
        parked_uploads::begin(&self, key, at, size)
    }

    fn find(&self, key: UploadKey, at: AtIt<'_>) -> Result<Partial> {
        parked_uploads::find(self, key, &at)
    }

    fn go_on(self: Arc<Self>, key: UploadKey, at: AtIt<'_>, resume: Resume) -> Result<GoneOn> {
        parked_uploads::go_on(&self, key, at, resume)
    }
}

impl Table {
    /// Those that nobody has gone on with; and whether none is left, so that nobody looks for more.
    fn take_over(&mut self) -> (Vec<Arc<Upload>>, bool) {
        self.all.values().for_each(|upload| upload.settle());
        let over = self.all.extract_if(|_, upload| upload.left().is_zero()).map(|(_, upload)| upload).collect();
        self.is_swept = !self.all.is_empty();
        (over, !self.is_swept)
    }

    /// Room for one more, also where it takes the place of that of this token, which stays until it does. What failed or is in its place needs
    /// no file, and goes first: it is given to be dropped, not under the lock.
    fn make_room(
        &mut self,
        owner: &Principal,
        source: &Source,
        instead: Option<Token>,
    ) -> (Vec<Arc<Upload>>, Result<()>) {
        let mut over = Vec::new();
        if self.is_full_for(owner, source, instead) {
            over.extend(self.all.extract_if(|_, upload| upload.is_over()).map(|(_, upload)| upload));
        }
        let room = match self.is_full_for(owner, source, instead) {
            true => Err(Error::new(Kind::TooMany, "too many uploads are not finished")),
            false => Ok(()),
        };
        (over, room)
    }

    fn is_full_for(&self, owner: &Principal, source: &Source, instead: Option<Token>) -> bool {
        let others = || self.all.iter().filter(|(token, _)| instead != Some(**token)).map(|(_, upload)| upload);
        let count = |is_one: &dyn Fn(&Upload) -> bool| others().filter(|upload| is_one(upload)).count();
        // Who comes by a link has no name, and may have many addresses: a part is left to those who have one.
        let is_by_link = |upload: &Upload| upload.owner.link().is_some();
        let is_by_this = |upload: &Upload| owner.is_same_user(&upload.owner);
        let is_full_for_links =
            || count(&is_by_this) >= limits::WEB_UPLOADS_BY_LINK || count(&is_by_link) >= limits::WEB_UPLOADS_BY_LINKS;
        count(&|upload| upload.source == *source) >= limits::WEB_UPLOADS_PER_SOURCE
            || owner.link().is_some() && is_full_for_links()
            || others().count() >= limits::WEB_UPLOADS_MAX
    }
}

/// Puts away what nobody has gone on with, until nothing is left.
async fn sweep(uploads: Weak<Uploads>) {
    loop {
        sleep(limits::WEB_UPLOAD_LOOK).await;
        let Some(uploads) = uploads.upgrade() else { return };
        let (over, are_all) = uploads.lock().take_over();
        keep(over).await;
        if are_all {
            return;
        }
    }
}

async fn keep(over: Vec<Arc<Upload>>) {
    if !over.is_empty() {
        spawn_blocking(move || over.iter().for_each(|upload| upload.slot.keep())).await;
    }
}

impl Token {
    fn new() -> Result<Token> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes)?;
        Ok(Token(u128::from_be_bytes(bytes)))
    }

    /// That of an upload by sealift/1.
    pub fn of(key: UploadKey) -> Token {
        let [first, _] = key.as_bytes().as_chunks().0 else { return Token(0) };
        Token(u128::from_be_bytes(*first))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Token, ()> {
        let is_token = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_token { u128::from_str_radix(text, 16).map(Token).map_err(|_| ()) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Hash;
    use crate::secret::Secret;

    fn upload(source: u8) -> Arc<Upload> {
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        let anybody = users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let source = Source::of(&anybody, [127, 0, 0, source].into());
        Arc::new(Upload::new(anybody, source, Slot::default(), None))
    }

    #[test]
    fn a_token_is_32_digits_and_nothing_else() {
        let token = Token::new().unwrap();
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in ["", "0", "+0000000000000000000000000000000", &"A".repeat(32), &"0".repeat(33), &"g".repeat(32)] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_length_of_an_upload_is_said_once_and_stays() {
        let upload = upload(1);
        assert_eq!(upload.length(), None);
        assert!(upload.learn_length(7).is_ok() && upload.learn_length(7).is_ok());
        assert_eq!(upload.learn_length(8).map_err(|error| error.kind()), Err(Kind::Integrity));
        assert_eq!(upload.offset(), None, "there is nothing in it");
        let whole = Partial { len: 7, hash: Hash::of(b"x") };
        upload.stored(whole);
        assert_eq!((upload.offset(), upload.is_done(), upload.part()), (Some(7), true, Some(whole)));
    }

    #[test]
    fn room_is_made_by_what_is_over_and_by_nothing_that_somebody_is_at() {
        async_std::task::block_on(async {
            let uploads = Arc::new(Uploads::default());
            // A step has what came: the slot is empty meanwhile.
            let at_it = upload(1);
            let (_held, _replaced) = at_it.take_over().await;
            let kept = uploads.add(at_it).unwrap();
            let over = uploads.add(upload(1)).unwrap();
            for _ in 2..limits::WEB_UPLOADS_PER_SOURCE {
                uploads.add(upload(1)).unwrap();
            }
            uploads.add(upload(1)).unwrap();
            assert!(uploads.get(kept).is_some(), "it goes on");
            assert!(uploads.get(over).is_none(), "it has failed");
        });
    }

    #[test]
    fn an_upload_stays_until_another_one_has_its_place_and_needs_no_room_beside_it() {
        let uploads = Arc::new(Uploads::default());
        let mut held = Vec::new();
        let mut add = |source| {
            let upload = upload(source);
            held.push(async_std::task::block_on(upload.take_over()));
            uploads.add(upload)
        };
        let first = add(1).unwrap();
        for _ in 1..limits::WEB_UPLOADS_PER_SOURCE {
            add(1).unwrap();
        }
        let other = add(2).unwrap();
        let kept = uploads.get(other).unwrap();
        // All that this source may have is under way.
        let kind = |done: Result<()>| done.map_err(|error| error.kind());
        assert_eq!(kind(uploads.put_in(other, upload(1))), Err(Kind::TooMany));
        assert!(uploads.get(other).is_some_and(|there| Arc::ptr_eq(&there, &kept)), "it is still there");
        let instead = upload(1);
        assert_eq!(kind(uploads.put_in(first, instead.clone())), Ok(()), "one goes for it");
        assert!(uploads.get(first).is_some_and(|there| Arc::ptr_eq(&there, &instead)));
    }

    #[test]
    fn a_request_that_comes_later_ends_the_one_that_is_at_it() {
        async_std::task::block_on(async {
            let upload = upload(1);
            let (held, mut replaced) = upload.take_over().await;
            assert!(replaced.try_recv().is_ok());
            let next = spawn({
                let upload = upload.clone();
                async move { upload.take_over().await }
            });
            assert!((&mut replaced).await.is_err(), "told to end");
            drop(held);
            let _it_is_at_it_now = next.await;
        });
    }
}
