//! Uploads that a protocol keeps open for whoever began them: who goes on by another way has them put away first, where the storage finds
//! them. Those that come by a link are kept open alone: the storage would not know whose they are.

use std::fmt;
use std::sync::Arc;

use super::registry::Record;
use super::uploads::Put;
use crate::auth::Principal;
use crate::error::Result;
use crate::files::{Hash, Partial, RelPath, Resume};
use crate::machine::source::Source;

/// What a protocol keeps open.
pub trait Unfinished: Send + Sync {
    /// Puts away what this user, by whatever login, has begun at this path and nobody is at. Blocks.
    fn put_away(&self, user: &Principal, path: &RelPath);

    /// Makes a place for an upload that this session begins, to be gone on with after a cut. None: nothing of it is kept, because too many
    /// have begun, or somebody is at one of the same key.
    fn begin(self: Arc<Self>, key: UploadKey, at: AtIt<'_>, size: u64) -> Option<Box<dyn ParkingPlace>>;

    /// What came of the upload of this key, if something did.
    ///
    /// # Errors
    /// As [`Unfinished::go_on`], but for what came.
    fn find(&self, key: UploadKey, at: AtIt<'_>) -> Result<Partial>;

    /// Goes on with it, behind what came.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is none of this principal; [`Kind::Changed`](crate::Kind::Changed) if other
    /// bytes came; [`Kind::Busy`](crate::Kind::Busy) while a session is at it, which is ended.
    fn go_on(self: Arc<Self>, key: UploadKey, at: AtIt<'_>, resume: Resume) -> Result<GoneOn>;
}

/// Tells an upload by a link from all others: it is made of what its sender alone knows, and of the file's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UploadKey(Hash);

impl UploadKey {
    /// That of the file of this path, whose sender chose this.
    pub fn new(sender: &Hash, path: &RelPath) -> UploadKey {
        UploadKey(Hash::of(&[b"sealift upload by a link 1", sender.as_bytes().as_slice(), path.as_bytes()].concat()))
    }

    /// Its bits.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// Who is at an upload.
pub struct AtIt<'a> {
    /// Who they are.
    pub principal: &'a Principal,
    /// With whom it is counted.
    pub source: Source,
    /// Their session.
    pub record: &'a Arc<Record>,
    /// Where the file goes.
    pub path: &'a RelPath,
}

/// How an upload is gone on with.
pub enum GoneOn {
    /// More is to come.
    Put(Box<Put>, Box<dyn ParkingPlace>),
    /// It is in its place: only the answer was lost.
    Stored(Partial),
}

/// A place for an upload that a session is at. Dropped before either, nothing of it is kept.
pub trait ParkingPlace: fmt::Debug + Send + Sync {
    /// The session is over: here is what came.
    fn leave(self: Box<Self>, put: Put);

    /// It is in its place.
    fn done(self: Box<Self>, whole: Partial);
}
