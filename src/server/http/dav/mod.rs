//! WebDAV (RFC 4918): what file managers, mounts and programs that synchronise ask of the web beside GET.
//!
//! The methods are written by hand over the desk, and their XML is read by a pull parser, quick-xml. The library that there is
//! for all of it, dav-server, was tried first. Of it, locks (no expiry, no owner, no bound), GET (any number of ranges,
//! padding of files that shrink), PUT (committed before its length is known), MOVE and COPY (what is there is deleted first), `Depth`, `Destination`
//! and the parser of XML (it calls itself for each level: a request of 21 KB ended the process) would all have had to be
//! replaced or guarded, and it takes an asynchronous call to a store for each property's file, where a listing here is read 512 entries in a
//! turn. What was left of it are the bodies of four methods. quick-xml is one crate without any beyond those that are
//! here already; dav-server comes with 41.

mod active;
mod answers;
mod condition;
mod headers;
mod lock;
mod presented;
mod properties;
mod propfind;
mod proppatch;
mod tokens;
mod xml;

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};

pub use self::lock::unlock;
pub use self::presented::{Presented, presented};
use super::Web;
use super::answer::{Answer, answer, methods};
use super::request_body::RequestBody;
use super::target::Place;
use super::web_session::WebSession;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// Answers a PROPFIND.
///
/// # Errors
/// [`Kind::BadCommand`] for what is not understood; those of the gate and the store.
pub async fn find(
    web_session: &Arc<WebSession>,
    place: Place,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Answer> {
    let found = propfind::serve(web_session, place, headers, read(body).await?).await?;
    Ok(web_session.braking(found))
}

/// Answers a PROPFIND for what is above all homes, where there is no folder for everybody: the one of this user is in it.
///
/// # Errors
/// As [`find`].
pub async fn find_above(user: &str, headers: &HeaderMap, body: &mut RequestBody) -> Result<Answer> {
    propfind::serve_root(user, headers, &read(body).await?)
}

/// Answers a LOCK.
///
/// # Errors
/// As [`lock::lock`].
pub async fn lock(
    web_session: &Arc<WebSession>,
    place: Place,
    request: &Request<()>,
    body: &mut RequestBody,
) -> Result<Answer> {
    lock::lock(web_session, place, request, read(body).await?).await
}

/// Answers a PROPPATCH.
///
/// # Errors
/// As [`proppatch::serve`].
pub async fn set_properties(web_session: &Arc<WebSession>, place: Place, body: &mut RequestBody) -> Result<Answer> {
    proppatch::serve(web_session, place, read(body).await?).await
}

/// All of a body.
///
/// # Errors
/// [`Kind::TooLong`] if it is longer than it may be, and then the rest of it is still there.
async fn read(body: &mut RequestBody) -> Result<Bytes> {
    if body.announced().is_some_and(|announced| announced > limits::DAV_BODY_MAX as u64) {
        return Err(Error::new(Kind::TooLong, "the request's XML is too long"));
    }
    body.all(limits::DAV_BODY_MAX).await.map(Bytes::from)
}

/// What may be asked for.
pub fn options(web: Web) -> Answer {
    let mut answer = answer(StatusCode::OK);
    let headers = answer.headers_mut();
    headers.insert(ALLOW, methods(web));
    // Class 2 has locks, which are for writing.
    let classes = HeaderValue::from_static(if web == Web::On { "1, 2" } else { "1" });
    headers.insert(HeaderName::from_static("dav"), classes);
    // Without it Windows looks for another protocol first.
    headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    answer
}

/// What was made of the XML of a request, by each method that takes some.
#[derive(Debug, Default)]
pub struct Xml {
    /// Why not, of each method that cannot use it.
    pub refused: Vec<Error>,
    /// What a PROPPATCH would keep, and what is read again when that is told.
    pub kept: Vec<(String, Result<String>)>,
}

/// Reads it as each of them does.
pub fn xml_of_all(body: &[u8]) -> Xml {
    let mut xml = Xml::default();
    if body.len() > limits::DAV_BODY_MAX {
        return xml;
    }
    xml.refused.extend(propfind::wanted(body).err());
    xml.refused.extend(lock::asked_for(body).err());
    match proppatch::kept(body) {
        Ok(kept) => xml.kept = kept,
        Err(error) => xml.refused.push(error),
    }
    xml
}

/// Why not, of each header of WebDAV's own that cannot be used.
pub fn heads(headers: &HeaderMap) -> Vec<Error> {
    let errors = [
        headers::Depth::of(headers).err(),
        headers::lasts(headers).err(),
        headers::lock_token(headers).err(),
        condition::Lists::of(headers).err(),
    ];
    errors.into_iter().flatten().collect()
}
