//! A file that comes by a link that files are put in by, whatever protocol it comes over: what it is called, the room that it takes,
//! and what is told of a failure.

use std::sync::Arc;

use super::inbox_room::InboxRoom;
use super::op::Op;
use super::outcome::{Begun, Outcome};
use super::unfinished::{AtIt, GoneOn, ParkingPlace, Unfinished, UploadKey};
use super::{Desk, Earlier};
use crate::auth::{InboxBounds, LINK_IS_FULL, Link, LinkTo, Users};
use crate::error::{Error, Kind, Result};
use crate::files::{Partial, RelPath, Resume, UploadSpec, numbered};
use crate::limits;
use crate::machine::source::Source;

/// What may be done by such a link.
pub const NOTHING_ELSE: &str = "this link receives files, and does nothing else";

/// What is said of every bound, whoever's it is, where the link is not known to be full.
const NO_ROOM: &str = "this link takes no more, or not so much at once";

/// Where a file goes that comes by this link and is called so. What is hidden would be a trap for whoever looks into the folder.
///
/// # Errors
/// [`Kind::BadPath`] for what is no plain name.
pub fn path_in(users: &Users, link: &Link, name: &[u8]) -> Result<RelPath> {
    let bad = |why: &str| Error::new(Kind::BadPath, why);
    let name = RelPath::parse(name).ok().filter(|name| name.components().count() == 1);
    let name = name.ok_or_else(|| bad("no file can be called so"))?;
    if name.as_bytes().starts_with(b".") {
        return Err(bad("hidden files are not taken: the name begins with a dot"));
    }
    let path = link.path.join(name.as_bytes()).map_err(|_| bad("no file can be called so"))?;
    // The name of a folder that others share with the maker is taken, too, though nothing of it is on this disk.
    let mut numbers = (1..=limits::NUMBERED_MAX).filter_map(|number| numbered(&path, number).ok());
    numbers.find(|path| !users.covers(link, path)).ok_or_else(|| bad("no file can be called so"))
}

/// What failed, without a word of where, and of what is there.
pub fn hidden(error: Error) -> Error {
    let kind = error.told_by_server().0;
    let told = match kind {
        Kind::Quota | Kind::NoSpace if error.text() == LINK_IS_FULL => Error::new(Kind::NoSpace, LINK_IS_FULL),
        Kind::Quota | Kind::NoSpace => Error::new(Kind::NoSpace, NO_ROOM),
        kind @ (Kind::Aborted | Kind::Integrity) => {
            Error::new(kind, "not all of it came, or other bytes than were announced")
        }
        // Its folder is not there any more, or the link is over.
        Kind::NotFound | Kind::NotDirectory | Kind::LoginFailed => Error::new(Kind::NotFound, "no such link"),
        Kind::Denied => Error::new(Kind::Denied, NOTHING_ELSE),
        // About what the request says.
        Kind::BadCommand | Kind::BadSequence | Kind::UnknownVerb => return error,
        kind @ (Kind::BadPath | Kind::PathTooLong) => Error::new(kind, "no file can be called so"),
        // About the session.
        kind @ (Kind::Revoked | Kind::Kicked | Kind::Stopping | Kind::TimedOut) => {
            Error::new(kind, "this session has ended")
        }
        Kind::Busy | Kind::TooMany | Kind::Locked | Kind::Exists | Kind::Changed => {
            Error::new(Kind::TooMany, "it could not be taken now")
        }
        kind => Error::new(kind, "it could not be stored"),
    };
    told.in_place_of(&error)
}

impl Desk {
    /// The link that the session came by, and its bounds, if files are put in by it.
    pub fn inbox(&self) -> Option<(&Arc<Link>, InboxBounds)> {
        let link = self.principal.link()?;
        match link.to {
            LinkTo::Inbox(bounds) => Some((link, bounds)),
            LinkTo::File | LinkTo::Folder => None,
        }
    }

    /// Begins to store a file that is called so, and comes by the link that the session did, in room of that link.
    pub fn begin_in_inbox(&mut self, name: &[u8], spec: UploadSpec, verb: &'static str, earlier: Earlier<'_>) -> Begun {
        let Some((link, bounds)) = self.inbox() else {
            return Begun::Done(Err(self.refuse(Some(verb), Error::new(Kind::Denied, NOTHING_ELSE), earlier)));
        };
        let (path, link) = (path_in(&self.users.latest(), link, name), link.clone());
        let checked = path.and_then(|path| {
            let unknown = || Error::new(Kind::BadCommand, "say how long the file is, for there is a bound: size=");
            Ok((path, spec.size.ok_or_else(unknown)?))
        });
        let (path, size) = match checked {
            Ok(checked) => checked,
            Err(error) => return self.refuse_in_inbox(error, verb, earlier),
        };
        let (running, _under_way) =
            match self.let_through(&Op::Put { path: path.clone(), spec, resume: None }, verb, earlier) {
                Ok(passed) => passed,
                Err(error) => return Begun::Done(Err(error)),
            };
        match self.room_of(link, bounds, size) {
            Ok(room) => {
                let mut running = running.in_room(room);
                running.set_place(self.place_for(&path, size));
                self.begin_put(path, spec, None, running, earlier)
            }
            Err(error) => {
                // As with any other refusal.
                self.commit(earlier);
                self.over(running, Err(error))
            }
        }
    }

    /// What came of a file that is called so, of whoever began it with the same secret.
    pub fn find_in_inbox(&mut self, name: &[u8], verb: &'static str, earlier: Earlier<'_>) -> Begun {
        match self.with_key(name, |unfinished, key, at| unfinished.find(key, at)) {
            Ok(part) => {
                self.commit(earlier);
                Begun::Done(Ok(Outcome::Partial(part)))
            }
            Err(error) => self.refuse_in_inbox(error, verb, earlier),
        }
    }

    /// Goes on with it behind what came; or says that all of it is stored.
    ///
    /// # Errors
    /// As [`Unfinished::go_on`].
    pub fn go_on_in_inbox(
        &mut self,
        name: &[u8],
        resume: Resume,
        verb: &'static str,
        earlier: Earlier<'_>,
    ) -> Result<Begun, Partial> {
        let record = self.ticket().record().clone();
        match self.with_key(name, |unfinished, key, at| Arc::clone(unfinished).go_on(key, at, resume)) {
            Ok(GoneOn::Stored(whole)) => {
                self.commit(earlier);
                Err(whole)
            }
            Ok(GoneOn::Put(put, place)) => {
                let put = (*put).goes_on(&record, place);
                Ok(match self.may_go_on(put.running()) {
                    Ok(()) => Begun::Put(put),
                    Err(error) => Begun::Done(Err(self.drop_put(put, error, earlier))),
                })
            }
            Err(error) => Ok(self.refuse_in_inbox(error, verb, earlier)),
        }
    }

    /// Nothing of it is about what is there.
    fn refuse_in_inbox(&mut self, error: Error, verb: &'static str, earlier: Earlier<'_>) -> Begun {
        let told = error.retold();
        self.refuse(Some(verb), error, earlier);
        Begun::Done(Err(told))
    }

    fn with_key<T>(
        &self,
        name: &[u8],
        work: impl FnOnce(&Arc<dyn Unfinished>, UploadKey, AtIt<'_>) -> Result<T>,
    ) -> Result<T> {
        let denied = || Error::new(Kind::Denied, NOTHING_ELSE);
        let (link, _) = self.inbox().ok_or_else(denied)?;
        let (sender, unfinished) = self.sender.as_ref().zip(self.resources.unfinished()).ok_or_else(denied)?;
        let path = path_in(&self.users.latest(), link, name)?;
        work(unfinished, UploadKey::new(sender, &path), self.at_it(&path))
    }

    /// Where what comes of this file is kept after a cut, if it is so.
    fn place_for(&self, path: &RelPath, size: u64) -> Option<Box<dyn ParkingPlace>> {
        let (sender, unfinished) = self.sender.as_ref().zip(self.resources.unfinished())?;
        let key = UploadKey::new(sender, path);
        let is_kept = size >= limits::LINK_UPLOAD_KEPT_MIN;
        is_kept.then(|| Arc::clone(unfinished).begin(key, self.at_it(path), size)).flatten()
    }

    fn at_it<'a>(&'a self, path: &'a RelPath) -> AtIt<'a> {
        let source = Source::of(&self.principal, self.ticket().peer().ip());
        AtIt { principal: &self.principal, source, record: self.ticket().record(), path }
    }

    /// Room for one file of so many bytes.
    fn room_of(&self, link: Arc<Link>, bounds: InboxBounds, size: u64) -> Result<InboxRoom> {
        let internal = || Error::new(Kind::Internal, "nobody counts what comes by this link");
        let threads = self.downloads.as_ref().ok_or_else(internal)?.threads().clone();
        let source = Source::of(&self.principal, self.ticket().peer().ip());
        let links = self.users.latest().links().clone();
        let room = InboxRoom::take((threads, source), (links, link), bounds, (1, size))?;
        Ok(room.within(self.resources.until_written()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_failure_names_nothing_that_is_there() {
        let of_the_request = [Kind::BadCommand, Kind::BadSequence, Kind::UnknownVerb];
        for kind in Kind::ALL.iter().copied().filter(|kind| !of_the_request.contains(kind)) {
            let told = hidden(Error::new(kind, "inbox/secret-name: 4096 of 5000 bytes"));
            assert!(!told.text().contains("secret") && !told.text().contains("4096"), "{kind:?}: {told}");
            let again = hidden(told.retold());
            assert_eq!((again.kind(), again.text()), (told.kind(), told.text()), "{kind:?}");
        }
        let told = hidden(Error::new(Kind::Quota, LINK_IS_FULL));
        assert_eq!((told.kind(), hidden(told.retold()).text()), (Kind::NoSpace, LINK_IS_FULL), "as its page says");
        for kind in [Kind::Exists, Kind::Locked, Kind::Changed, Kind::Busy] {
            assert_eq!(hidden(Error::new(kind, "x")).kind(), Kind::TooMany, "as if the server had no time");
        }
    }
}
