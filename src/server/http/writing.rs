//! Requests that change something.

use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};

use super::web_session::WebSession;
use super::{change, put};
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::server::desk::op::Op;

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
    /// Decides on the conditions of what leaves the bytes alone that they are about. All else decides on them with what it does.
    ///
    /// # Errors
    /// [`Kind::Changed`] if they do not hold; those of the gate and the store.
    pub async fn decide(self, web_session: &Arc<WebSession>, path: &RelPath, headers: &HeaderMap) -> Result<()> {
        match self {
            // Whoever may make something there is told anyway whether there is something: no right to read it is asked for.
            Writing::MakeFolder if put::asks_for_nothing_there(headers) => {
                put::nothing_is_there(web_session, Op::MakeFolder { path: path.clone(), parents: false }, "MKCOL").await
            }
            // What takes a lock takes what one is renewed by.
            Writing::Lock if put::asks_for_nothing_there(headers) => {
                let op = Op::RenewLock { path: path.clone(), lasts: Duration::ZERO };
                put::nothing_is_there(web_session, op, "LOCK").await
            }
            Writing::MakeFolder | Writing::Lock | Writing::SetProperties => {
                put::decide(web_session, path, headers).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Whether it is about a second path, too.
    pub fn has_destination(self) -> bool {
        matches!(self, Writing::Move | Writing::Copy)
    }

    /// Why it failed at this path: what may make something there names the folder that is missing.
    pub fn explain(self, error: Error, at: &RelPath) -> Error {
        match self {
            Writing::Put | Writing::MakeFolder | Writing::Lock => change::no_place(error, at),
            _ => error,
        }
    }

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
