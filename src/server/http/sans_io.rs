//! What is made of a request before anybody is asked who it is from, without a connection: bytes in, what they ask for out. Whoever
//! fuzzes or tests it needs a way to it that no TLS and no server stands in.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Version};

use super::change::{Way, is_flat};
use super::conditions::{Expected, There, Validators};
use super::dav::{self, Xml};
use super::digests::{self, Digests};
use super::login;
use super::put;
use super::query::Query;
use super::ranges;
use super::resumable;
use super::same_site;
use super::singletons;
use super::target::{Place, Target, check_host, destination};
use super::types::{Type, disposition};
use super::visitors::Claimed;
use crate::error::Error;
use crate::files::{FileIdentity, Hash, Mtime, RelPath};

/// A place that a request names: whoever's folder it is in, it is this path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The path.
    pub path: RelPath,
    /// Its URL, spelt anew.
    pub url: String,
}

/// What was made of a request's head.
#[derive(Debug, Default)]
pub struct Read {
    /// What it is about, if that is a file or folder.
    pub place: Option<Named>,
    /// Where something is to go, if it says so.
    pub destination: Option<Named>,
    /// What a browser would be told to call the file.
    pub disposition: Option<String>,
    /// The ranges that would be sent of a file of [`FILE`] bytes.
    pub ranges: Vec<(u64, u64)>,
    /// Why not, of each part that cannot be used.
    pub refused: Vec<Error>,
}

/// Bytes of the file that ranges are asked of.
pub const FILE: u64 = 1000;

/// The most bytes of a head that are looked at, as on a connection.
pub const HEAD_MAX: usize = crate::limits::WEB_HEAD_MAX;

/// Reads the head of a request: `METHOD URL`, and a line for each header. None for what hyper lets nobody see: no method, no URL or
/// no header.
pub fn read(head: &[u8]) -> Option<Read> {
    let request = parse(head)?;
    let (uri, headers) = (request.uri(), request.headers());
    let mut read = Read::default();
    let mut note = |error: Option<Error>| read.refused.extend(error);
    note(check_host(uri, request.version(), headers, None).err());
    note(singletons::check(headers).err());
    note(same_site::check(uri, headers).err());
    note(Claimed::of(headers).err());
    note(put::mtime(headers).err());
    note(is_flat(headers).err());
    note(Digests::parse(headers, &[digests::REPR, digests::CONTENT]).err());
    dav::heads(headers).into_iter().for_each(|error| note(Some(error)));
    let place = Target::parse(uri).map_err(|error| note(Some(error))).ok();
    let to = destination(uri, headers).map_err(|error| note(Some(error))).ok();
    if let (Some(Target::Place(from)), Some(to)) = (&place, &to) {
        note(Way::between(from, to.clone(), headers).err());
    }
    let _whatever_it_wishes = (Query::parse(uri), resumable::is_complete(headers), resumable::length(headers));
    let _whoever_asks = (login::cookie(headers), login::is_script(headers), login::is_from_elsewhere(&request));
    let (hash, mtime) = (Hash::of(b"file"), Mtime { secs: 1_000_000_000, nanos: 7 });
    let identity = Some(FileIdentity::of(b"number"));
    for recorded in [Some(&hash), None] {
        let validators = Validators::of_state((FILE, mtime), identity, recorded);
        let _whatever_it_comes_to = (validators.decide(headers), validators.allow_range(headers));
    }
    if let Expected::Conditions(state) = Expected::of(headers) {
        let _whether_or_not = (state.holds(None), state.holds(Some(&There { hash, size: FILE, mtime, identity })));
    }
    if let ranges::Wanted::Parts(parts) = ranges::Wanted::of(headers, FILE) {
        read.ranges = parts;
    }
    if let Some(Target::Place(place)) = place {
        let is_shown = Type::of(&place.path).is_harmless;
        read.disposition = Some(disposition(&place.path, is_shown));
        read.place = Some(named(&place));
    }
    read.destination = to.as_ref().map(named);
    Some(read)
}

/// Reads the XML that comes with a request, as each method does that takes some.
pub fn xml(body: &[u8]) -> Xml {
    dav::xml_of_all(body)
}

fn named(place: &Place) -> Named {
    Named { path: place.path.clone(), url: place.url(place.is_folder) }
}

fn parse(head: &[u8]) -> Option<Request<()>> {
    let mut lines = head.get(..head.len().min(HEAD_MAX))?.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let (method, uri) = (words.next()?, words.next()?);
    let mut headers = HeaderMap::new();
    for line in lines.take(crate::limits::WEB_HEADERS_MAX) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next()?, parts.next()?);
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value.trim_ascii()).ok()?);
    }
    let request = Request::builder().method(method).uri(uri).version(Version::HTTP_11).body(());
    let mut request = request.ok()?;
    *request.headers_mut() = headers;
    Some(request)
}
