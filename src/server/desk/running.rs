//! One operation on its way. Each is written down once: by whoever ends it ([`super::audit::Audit`]), or else, when it is dropped in
//! the middle, as broken off.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::action::Action;
use super::audit;
use super::gate::{self, Need};
use super::inbox_room::InboxRoom;
use super::located_path::LocatedPath;
use super::locks::LockToken;
use super::op::Op;
use super::registry::Record;
use super::session_request::SessionRequest;
use super::unfinished::ParkingPlace;
use crate::auth::{Access, Grants, Principal};
use crate::error::Result;
use crate::files::{Partial, RelPath, Removed, SeenAt, StagedId, numbered};

/// Which operation of this process: no two have the same, whatever desk they are asked for at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationId(u64);

impl OperationId {
    /// One that no other operation has.
    pub fn fresh() -> OperationId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        OperationId(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// An operation that has begun and is not written down yet. It goes through many hands on its way, so these hold a pointer.
#[derive(Debug)]
pub struct Running(Box<Parts>);

#[derive(Debug)]
struct Parts {
    id: OperationId,
    action: Action,
    /// What its protocol calls it.
    name: &'static str,
    path: Option<LocatedPath>,
    /// Where what it makes is, if that is another path.
    to: Option<LocatedPath>,
    /// The staged upload it is about.
    staged: Option<StagedId>,
    /// What it is about that is no path.
    about: Option<String>,
    /// The rights that it took at its path.
    rights: Access,
    /// Those that it took at the other one.
    rights_there: Access,
    /// It goes on whatever these are by then.
    is_unasked: bool,
    /// The locks that were presented for it.
    presented: Vec<LockToken>,
    /// What it is done to, and to nothing else, if that is said.
    seen: Option<Box<SeenAt>>,
    /// What the file that it brings has of the link that it comes by; given back with it if it does not get to its place.
    room: Option<InboxRoom>,
    /// Where what came of that is kept after a cut.
    place: Option<Box<dyn ParkingPlace>>,
    since: Instant,
    /// Bytes of files that it has moved.
    moved: Cell<u64>,
    /// What it has removed.
    removed: Cell<Removed>,
    /// What was there before is not told.
    is_untold: Cell<bool>,
    /// The session that it is of, if it is to be written down.
    record: Option<Arc<Record>>,
    is_over: Cell<bool>,
}

impl Running {
    /// Of what concerns no files.
    pub(super) fn of(session_request: SessionRequest, name: &'static str) -> Self {
        Running::bare(Action::of_session_request(session_request), name)
    }

    /// Of an operation that its protocol calls so.
    pub(super) fn new(op: &Op, name: &'static str, grants: &Grants) -> Self {
        let facts = op.facts();
        let mut running = Running::bare(facts.action, name);
        let located = |path: &RelPath| LocatedPath::new(path.clone(), grants);
        (running.0.path, running.0.to) = (facts.path.map(located), facts.other_path.map(located));
        if let Need::Rights(demands) = facts.need {
            running.0.rights = demands.at.rights;
            running.0.rights_there = demands.to.map_or(Access::NONE, |to| to.rights);
        }
        running
    }

    /// Has it go on whatever its user may do by then.
    pub(super) fn unasked(mut self) -> Self {
        self.0.is_unasked = true;
        self
    }

    /// Of what was not understood.
    pub(super) fn unknown(name: &'static str) -> Self {
        Running::bare(Action::Unknown, name)
    }

    fn bare(action: Action, name: &'static str) -> Self {
        Running(Box::new(Parts {
            id: OperationId::fresh(),
            action,
            name,
            path: None,
            to: None,
            staged: None,
            about: None,
            rights: Access::NONE,
            rights_there: Access::NONE,
            is_unasked: false,
            presented: Vec::new(),
            seen: None,
            room: None,
            place: None,
            since: Instant::now(),
            moved: Cell::new(0),
            removed: Cell::default(),
            is_untold: Cell::new(false),
            record: None,
            is_over: Cell::new(false),
        }))
    }

    /// It is of this session, which tells of it.
    pub(super) fn told_by(&mut self, record: &Arc<Record>) {
        self.0.record = Some(Arc::clone(record));
    }

    /// Which it is.
    pub(super) fn id(&self) -> OperationId {
        self.0.id
    }

    /// What it is.
    pub(super) fn action(&self) -> Action {
        self.0.action
    }

    /// What its protocol calls it.
    pub(super) fn name(&self) -> &'static str {
        self.0.name
    }

    /// Whether it may go on for this principal.
    ///
    /// # Errors
    /// As [`gate::check_spot`].
    pub(super) fn check(&self, principal: &Principal) -> Result<()> {
        if self.0.is_unasked {
            return Ok(());
        }
        for (rights, located) in [(self.0.rights, &self.0.path), (self.0.rights_there, &self.0.to)] {
            if let Some(located) = located {
                gate::check_spot(principal, rights, located, self.0.name)?;
            }
        }
        Ok(())
    }

    /// Its path.
    pub fn path(&self) -> Option<&RelPath> {
        self.0.path.as_ref().map(|located| &located.path)
    }

    /// Where what it makes is, if that is another path.
    pub(super) fn other_path(&self) -> Option<&RelPath> {
        self.0.to.as_ref().map(|located| &located.path)
    }

    /// Where these lie, in the folders of its path and of the other one, if those are shared ones.
    pub(super) fn places(&self, paths: [Option<&RelPath>; 2]) -> [Option<Vec<u8>>; 2] {
        let [path, to] = paths;
        let place = |located: &Option<LocatedPath>, path: Option<&RelPath>| located.as_ref()?.place_of(path?);
        [place(&self.0.path, path), place(&self.0.to, to)]
    }

    /// The staged upload it is about.
    pub(super) fn staged(&self) -> Option<&StagedId> {
        self.0.staged.as_ref()
    }

    /// What it is about that is no path.
    pub(super) fn subject(&self) -> Option<&str> {
        self.0.about.as_deref()
    }

    /// How long it has taken.
    pub(super) fn took(&self) -> Duration {
        self.0.since.elapsed()
    }

    /// The locks that were presented for it.
    pub(super) fn presented(&self) -> &[LockToken] {
        &self.0.presented
    }

    /// These locks are presented for it.
    pub(super) fn presenting(mut self, presented: Vec<LockToken>) -> Self {
        self.0.presented = presented;
        self
    }

    /// It is done to what was seen there, and to nothing else.
    pub(super) fn only_to(mut self, seen: SeenAt) -> Self {
        self.0.seen = seen.is_said().then(|| Box::new(seen));
        self
    }

    /// What it is done to, and to nothing else, if that is said.
    pub(super) fn seen(&self) -> Option<&SeenAt> {
        self.0.seen.as_deref()
    }

    /// What it brings has this room of a link.
    pub(super) fn in_room(mut self, room: InboxRoom) -> Self {
        self.0.room = Some(room);
        self
    }

    /// What came of what it brings is kept there after a cut.
    pub(super) fn set_place(&mut self, place: Option<Box<dyn ParkingPlace>>) {
        self.0.place = place;
    }

    /// Where what came is kept, if the session is over in the middle.
    pub(super) fn leaves_its_place(&mut self) -> Option<Box<dyn ParkingPlace>> {
        self.0.place.take()
    }

    /// The file that it brings is whole: what it has of a link counts as used. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// As [`InboxRoom::count`].
    pub(super) fn counts_its_room(&mut self) -> Result<()> {
        self.0.room.as_mut().map_or(Ok(()), InboxRoom::count_now)
    }

    /// Whether it has something of a link.
    pub(super) fn has_room(&self) -> bool {
        self.0.room.is_some()
    }

    /// The file that it brings is in its place, and is this: what it has of a link is used up.
    pub(super) fn fills_its_room(&mut self, whole: Partial) {
        if let Some(room) = &mut self.0.room {
            room.used(whole.len);
        }
        if let Some(place) = self.0.place.take() {
            place.done(whole);
        }
    }

    /// What it was to bring does not come.
    pub(super) fn leaves_its_room(&mut self) -> Option<InboxRoom> {
        self.0.room.take()
    }

    /// It is about the file at this spot.
    pub(super) fn at(mut self, located: LocatedPath) -> Self {
        self.0.path = Some(located);
        self
    }

    /// The file that it makes has got this number, since its name was taken.
    pub(super) fn numbered(mut self, number: u32) -> Self {
        let path = self.target().and_then(|path| numbered(path, number).ok());
        if let (Some(path), Some(located)) = (path, self.0.to.as_ref().or(self.0.path.as_ref())) {
            self.0.to = Some(located.called(path));
        }
        self
    }

    /// It is about this, which is no path.
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.0.about = Some(what.into());
        self
    }

    /// The path of the file that it makes or changes.
    pub(super) fn target(&self) -> Option<&RelPath> {
        self.0.to.as_ref().or(self.0.path.as_ref()).map(|located| &located.path)
    }

    /// It is about this staged upload.
    pub(super) fn of_staged(mut self, id: StagedId) -> Self {
        self.0.staged = Some(id);
        self
    }

    /// It has moved so many more bytes of files. Whoever asks who is connected sees them now.
    pub(super) fn moves(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.0.moved.set(self.0.moved.get() + bytes);
        if let Some(record) = &self.0.record {
            record.count(bytes);
        }
    }

    /// Bytes of files that it has moved.
    pub(super) fn moved(&self) -> u64 {
        self.0.moved.get()
    }

    /// It has removed so much, all in all.
    pub(super) fn has_removed(&self, removed: Removed) {
        self.0.removed.set(removed);
    }

    /// What it has removed so far.
    pub(super) fn removed(&self) -> Removed {
        self.0.removed.get()
    }

    /// Its user may not be told what was there before.
    pub(super) fn leave_untold(&self) {
        self.0.is_untold.set(true);
    }

    /// Whether that is so.
    pub(super) fn is_untold(&self) -> bool {
        self.0.is_untold.get()
    }

    /// It is written down.
    pub(super) fn over(&self) {
        self.0.is_over.set(true);
    }

    /// It need not be written down: nothing of what it moved has left the server.
    pub(super) fn forget(&self) {
        self.over();
        if let Some(record) = &self.0.record {
            record.uncount(self.0.moved.take());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(record) = self.0.record.take()
            && !self.0.is_over.get()
        {
            audit::cut_off(&record, self);
        }
    }
}
