//! Requests that change something.

use hyper::StatusCode;

use crate::error::Kind;

/// What changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// MKCOL.
    MakeFolder,
    /// MOVE.
    Move,
    /// COPY.
    Copy,
    /// PATCH of an upload.
    Append,
    /// LOCK.
    Lock,
    /// UNLOCK.
    Unlock,
    /// PROPPATCH.
    SetProperties,
}

impl Writing {
    /// What a failure of it is, where that is not what it is of other requests.
    pub fn status(self, kind: Kind) -> Option<StatusCode> {
        match (self, kind) {
            // RFC 4918, section 9.7.1: the folder that it would be in is not there.
            (Writing::Put | Writing::MakeFolder | Writing::Lock, Kind::NotFound | Kind::NotDirectory) => {
                Some(StatusCode::CONFLICT)
            }
            (Writing::Lock | Writing::SetProperties, Kind::TooLong) => Some(StatusCode::PAYLOAD_TOO_LARGE),
            (Writing::Move | Writing::Copy, Kind::NotDirectory) => Some(StatusCode::CONFLICT),
            (Writing::Put, Kind::IsDirectory) => Some(StatusCode::METHOD_NOT_ALLOWED),
            (Writing::MakeFolder, Kind::Exists) => Some(StatusCode::METHOD_NOT_ALLOWED),
            // Only asked for with `If-None-Match: *`, and with `Overwrite: F`.
            (Writing::Put | Writing::Move | Writing::Copy, Kind::Exists) => Some(StatusCode::PRECONDITION_FAILED),
            _ => None,
        }
    }
}
