//! WebDAV (RFC 4918): what file managers, mounts and programs that synchronise ask of the web beside GET.
//!
//! The methods are written by hand over the desk, and their XML is read by a pull parser, quick-xml. The library that there is
//! for all of it, dav-server, was tried first. Of it, locks (no expiry, no owner, no bound), GET (any number of ranges,
//! padding of files that shrink), PUT (committed before its length is known), MOVE and COPY (what is there is deleted first), `Depth`, `Destination`
//! and the parser of XML (it calls itself for each level: a request of 21 KB ended the process) would all have had to be
//! replaced or guarded, and it takes an asynchronous call to a store for each property's file, where a listing here is read 512 entries in a
//! turn. What was left of it are the bodies of four methods. quick-xml is one crate without any beyond those that are
//! here already; dav-server comes with 41.

mod answers;
mod headers;
mod properties;
mod propfind;
pub mod xml;

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, Ids, answer, explained};
use super::coming::Coming;
use super::guest::Guest;
use super::target::Place;
use crate::error::{Kind, Result};
use crate::limits;

/// A method of WebDAV whose body is XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// What is there, with properties.
    Propfind,
}

impl Method {
    /// The one of this name.
    pub fn of(method: &hyper::Method) -> Option<Method> {
        match method.as_str() {
            "PROPFIND" => Some(Method::Propfind),
            _ => None,
        }
    }
}

/// Answers a request of one of these methods.
///
/// # Errors
/// [`Kind::BadCommand`] for what is not understood; those of the gate and the store.
pub async fn serve(
    guest: &Arc<Guest>,
    method: Method,
    place: Place,
    headers: &HeaderMap,
    body: &mut Coming,
    ids: Ids,
) -> Result<Answer> {
    let Some(asked) = read(body).await? else { return Ok(too_long(ids)) };
    match method {
        Method::Propfind => propfind::serve(guest, place, headers, asked).await,
    }
}

/// Answers a request for what is above all homes, where there is no folder for everybody: the one of this user is in it.
///
/// # Errors
/// As [`serve`].
pub async fn serve_root(
    user: &str,
    method: Method,
    headers: &HeaderMap,
    body: &mut Coming,
    ids: Ids,
) -> Result<Answer> {
    let Some(asked) = read(body).await? else { return Ok(too_long(ids)) };
    match method {
        Method::Propfind => propfind::serve_root(user, headers, &asked),
    }
}

fn too_long(ids: Ids) -> Answer {
    explained(StatusCode::PAYLOAD_TOO_LARGE, "the request's XML is too long", false, ids)
}

/// All of a body; none if it is longer than it may be, and then the rest of it is still there.
async fn read(body: &mut Coming) -> Result<Option<Bytes>> {
    if body.announced().is_some_and(|announced| announced > limits::DAV_BODY_MAX as u64) {
        return Ok(None);
    }
    match body.all(limits::DAV_BODY_MAX).await {
        Ok(whole) => Ok(Some(whole.into())),
        Err(error) if error.kind() == Kind::TooLong => Ok(None),
        Err(error) => Err(error),
    }
}

/// What may be asked for.
pub fn options(allowed: HeaderValue) -> Answer {
    let mut answer = answer(StatusCode::OK);
    let headers = answer.headers_mut();
    headers.insert(ALLOW, allowed);
    headers.insert(HeaderName::from_static("dav"), HeaderValue::from_static("1"));
    // Without it Windows looks for another protocol first.
    headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    answer
}
