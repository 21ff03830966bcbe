//! PROPFIND: what is at a place, and what is in it, with properties. A folder is told of as it is read, so that its size is
//! no matter; nothing of a file is read but what is recorded of it.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::try_unfold;
use hyper::HeaderMap;

use super::active;
use super::answers::{self, Condition};
use super::headers::Depth;
use super::properties::{Live, More, Resource, Wanted};
use super::xml::Document;
use crate::budget::Claim;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, FileIdentity, Mtime, Properties, RelPath, Usage, UsageNow};
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::jobs::listing::ListJob;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::http::answer::{Answer, Body};
use crate::server::http::entries::{Batch, batch};
use crate::server::http::open_at_desk::OpenAtDesk;
use crate::server::http::target::{Place, Whose};
use crate::server::http::web_session::{OpenFile, WebSession, begin, unexpected};

const METHOD: &str = "PROPFIND";

/// What of a folder came in one turn.
struct Portion {
    rest: Option<OpenAtDesk<ListJob>>,
    /// Of which no more is known yet; the next one last.
    bare: Vec<Entry>,
    /// With what more is known of each; the next one last.
    entries: Vec<(More, Entry)>,
}

/// What is read, and what of it is told.
#[derive(Clone)]
struct Reading {
    place: Place,
    wanted: Wanted,
    usage: Option<Usage>,
}

/// Answers it.
///
/// # Errors
/// [`Kind::BadCommand`] for what is not understood; those of the gate and the store.
pub async fn serve(web_session: &Arc<WebSession>, place: Place, headers: &HeaderMap, asked: Bytes) -> Result<Answer> {
    let Some(depth) = Depth::of(headers)?.filter(|depth| *depth != Depth::Infinity) else {
        return Ok(answers::refused(Condition::FiniteDepth));
    };
    let wanted = wanted(&asked)?;
    let busy = || Error::new(Kind::Busy, "there is no room for a listing now");
    let claim = match depth {
        Depth::Zero => None,
        Depth::One | Depth::Infinity => Some(web_session.account().claim(limits::DAV_PORTION).ok_or_else(busy)?),
    };
    if wanted.has_usage() {
        count(web_session, place.path.clone(), depth).await?;
    }
    let gathering = web_session.gathering().await;
    let reading = Reading { place, wanted, usage: None };
    let holder = web_session.clone();
    let (itself, portion, reading) = web_session.step(move |desk| open(desk, &holder, reading, depth)).await?;
    // What goes on while the client reads keeps the folder open.
    let right = match portion.rest.is_some() || !portion.bare.is_empty() {
        true => Some(web_session.open_file().await),
        false => None,
    };
    drop(gathering);
    let mut head = String::from(answers::BEGIN);
    itself.respond(&reading.wanted, &mut head);
    let going = PropfindBody {
        web_session: web_session.clone(),
        reading,
        portion,
        head,
        is_over: false,
        _held: (claim, right),
    };
    let mut answer = answers::multistatus(Body::stream(try_unfold(going, PropfindBody::next)));
    if itself.kind == EntryKind::Directory {
        answers::located(&mut answer, &itself.href);
    }
    Ok(answer)
}

/// Answers it for what is above all homes: this user's is in it.
///
/// # Errors
/// [`Kind::BadCommand`] for what is not understood.
pub fn serve_root(user: &str, headers: &HeaderMap, asked: &[u8]) -> Result<Answer> {
    let Some(depth) = Depth::of(headers)?.filter(|depth| *depth != Depth::Infinity) else {
        return Ok(answers::refused(Condition::FiniteDepth));
    };
    let wanted = wanted(asked)?;
    let mut told = String::from(answers::BEGIN);
    let home = (depth == Depth::One).then(|| Whose::User(user.to_owned()));
    for whose in [Whose::Everybody].into_iter().chain(home) {
        let place = Place { whose, path: RelPath::root(), is_folder: true };
        let (kind, mtime) = (EntryKind::Directory, Mtime::default());
        let folder = Resource { href: place.url(true), path: place.path, kind, size: 0, mtime, more: More::default() };
        folder.respond(&wanted, &mut told);
    }
    told.push_str(answers::END);
    Ok(answers::multistatus(Body::whole(told)))
}

/// What a request wants to know; all, if it has no body.
pub fn wanted(asked: &[u8]) -> Result<Wanted> {
    if asked.is_empty() {
        return Ok(Wanted::All);
    }
    let document = Document::parse(asked)?;
    document.expect_root("propfind")?;
    let mut wanted = None;
    for (at, element) in document.children(0) {
        let now = match &*element.name.local {
            _ if element.name.space != super::xml::DAV => continue,
            "allprop" => Wanted::All,
            "propname" => Wanted::Names,
            "prop" => Wanted::These(document.children(at).map(|(_, element)| element.name.clone()).collect()),
            // What it includes is there by itself.
            _ => continue,
        };
        if wanted.replace(now).is_some() {
            return Err(Error::new(Kind::BadCommand, "a PROPFIND asks for one thing"));
        }
    }
    match wanted {
        Some(Wanted::These(names)) if names.len() > limits::DAV_PROPERTIES => {
            Err(Error::new(Kind::BadCommand, "a PROPFIND names too many properties"))
        }
        Some(wanted) => Ok(wanted),
        None => Err(Error::new(Kind::BadCommand, "a PROPFIND asks for nothing")),
    }
}

/// Has what is not counted yet be counted in the background, of the folder and of those that show right in it, and waits a moment for
/// that. What takes longer is told the next time.
async fn count(web_session: &Arc<WebSession>, path: RelPath, depth: Depth) -> Result<()> {
    let counter = web_session.step(move |desk| {
        let uncounted = uncounted(desk, &path, depth);
        Ok((!uncounted.is_empty()).then(|| desk.counter(uncounted)))
    });
    if let Some(counting) = counter.await?.and_then(|counter| web_session.counting(counter)) {
        counting.awhile().await;
    }
    Ok(())
}

fn uncounted(desk: &Desk, path: &RelPath, depth: Depth) -> Vec<RelPath> {
    if desk.allows(&Op::Stat(path.clone()), METHOD).is_err() {
        return Vec::new();
    }
    let folders = desk.principal().grants().folders.iter().map(|folder| &folder.at);
    let inside = folders.filter(|at| depth == Depth::One && at.parent().as_ref() == Some(path));
    let all = std::iter::once(path).chain(inside);
    all.filter(|path| desk.usage_now(path) == UsageNow::Uncounted).cloned().collect()
}

/// What is counted by now.
fn usage_now(desk: &Desk, path: &RelPath) -> Option<Usage> {
    match desk.usage_now(path) {
        UsageNow::Known(usage) => usage,
        UsageNow::Uncounted => None,
    }
}

/// Looks at the place, and begins with what is in it.
fn open(
    desk: &mut Desk,
    web_session: &Arc<WebSession>,
    mut reading: Reading,
    depth: Depth,
) -> Result<(Resource, Portion, Reading)> {
    let place = reading.place.clone();
    let meta = match begin(desk, Op::Stat(place.path.clone()), METHOD)? {
        Begun::Done(Ok(Outcome::Found { meta, .. })) => meta,
        _ => return Err(unexpected()),
    };
    let is_folder = meta.kind == EntryKind::Directory;
    if is_folder && reading.wanted.has_usage() {
        reading.usage = usage_now(desk, &place.path);
    }
    let itself = Resource {
        href: place.url(is_folder),
        more: more(desk, &place, (meta.kind, meta.size, None), &reading)?,
        path: place.path.clone(),
        kind: meta.kind,
        size: meta.size,
        mtime: meta.mtime,
    };
    if !is_folder || depth == Depth::Zero {
        desk.rest();
        return Ok((itself, Portion { rest: None, bare: Vec::new(), entries: Vec::new() }, reading));
    }
    let op = Op::List { path: place.path.clone(), recursive: false, rotten: false, modes: false, marks: false };
    match begin(desk, op, METHOD)? {
        Begun::List(job) => Ok((itself, portion(desk, OpenAtDesk::new(job, web_session), &reading)?, reading)),
        _ => Err(unexpected()),
    }
}

/// What is known of a file or folder beyond its entry, as far as it is wanted.
fn more(
    desk: &Desk,
    place: &Place,
    (kind, size, told): (EntryKind, u64, Option<FileIdentity>),
    reading: &Reading,
) -> Result<More> {
    let wanted = &reading.wanted;
    let is_locked = wanted.has(Live::LockDiscovery);
    let has_tag = wanted.has(Live::Etag);
    let (recorded, identity) =
        if has_tag { desk.told_apart(&place.path, (kind, size), told) } else { Default::default() };
    Ok(More {
        recorded,
        identity,
        locks: if is_locked { active::all(desk, place, kind == EntryKind::Directory) } else { String::new() },
        kept: if wanted.has_kept() { desk.properties(&place.path)? } else { Properties::new() },
        usage: usage(desk, &place.path, kind, reading),
    })
}

/// What there is of the folder that this is in, the home or a shared one: one that shows in the folder that is read has a quota of its own.
fn usage(desk: &Desk, path: &RelPath, kind: EntryKind, reading: &Reading) -> Option<Usage> {
    let grants = desk.principal().grants();
    let of = |path: &RelPath| grants.folder_at(path).map(|folder| &folder.at);
    let is_other = kind == EntryKind::Directory && of(path) != of(&reading.place.path);
    if is_other && reading.wanted.has_usage() { usage_now(desk, path) } else { reading.usage }
}

/// Reads as much of the folder as one turn is for.
fn portion(desk: &mut Desk, job: OpenAtDesk<ListJob>, reading: &Reading) -> Result<Portion> {
    let Batch { rest, mut entries, missing, .. } = batch(desk, job, limits::WEB_ENTRIES_A_TURN)?;
    // No word of WebDAV's is understood for it by those that keep folders alike: they would remove their copies.
    if missing > 0 {
        let text =
            format!("{missing} of the files and folders in it cannot be read now, and none is left out of an answer");
        return Err(Error::new(Kind::Io, text));
    }
    entries.reverse();
    look_closer(desk, rest, entries, reading)
}

/// Finds out more of these entries, until that takes as much as a portion may.
fn look_closer(
    desk: &Desk,
    rest: Option<OpenAtDesk<ListJob>>,
    mut bare: Vec<Entry>,
    reading: &Reading,
) -> Result<Portion> {
    let (mut entries, mut taken) = (Vec::new(), 0);
    while taken < limits::DAV_MORE {
        let Some(entry) = bare.pop() else { break };
        // What no URL names, or is no file and no folder: nothing can be done with it.
        let is_usable =
            matches!(entry.kind, EntryKind::File | EntryKind::Directory) && reading.place.names(&entry.path);
        let Some(path) = reading.place.path.join(&entry.path).ok().filter(|_| is_usable) else { continue };
        let place = Place { path, ..reading.place.clone() };
        let more = more(desk, &place, (entry.kind, entry.size, entry.identity), reading)?;
        taken += more.locks.len() + more.kept.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        entries.push((more, entry));
    }
    entries.reverse();
    Ok(Portion { rest, bare, entries })
}

/// An entry of the folder.
fn resource(folder: &Place, (more, entry): (More, Entry)) -> Option<Resource> {
    let Entry { kind, size, mtime, path, .. } = entry;
    let place = Place { path: folder.path.join(&path).ok()?, ..folder.clone() };
    Some(Resource { href: place.url(kind == EntryKind::Directory), path: place.path, kind, size, mtime, more })
}

/// An answer on its way.
struct PropfindBody {
    web_session: Arc<WebSession>,
    reading: Reading,
    portion: Portion,
    /// What comes first.
    head: String,
    is_over: bool,
    /// The room for a portion, and the right to have the folder open.
    _held: (Option<Claim>, Option<OpenFile>),
}

impl PropfindBody {
    async fn next(mut self) -> Result<Option<(Bytes, PropfindBody)>> {
        if self.is_over {
            return Ok(None);
        }
        let mut piece = std::mem::take(&mut self.head);
        while piece.len() < limits::WEB_PAGE_PIECE {
            if let Some(entry) = self.portion.entries.pop() {
                if let Some(resource) = resource(&self.reading.place, entry) {
                    resource.respond(&self.reading.wanted, &mut piece);
                }
                continue;
            }
            let reading = self.reading.clone();
            let (rest, bare) = (self.portion.rest.take(), std::mem::take(&mut self.portion.bare));
            self.portion = match rest {
                rest if !bare.is_empty() => {
                    self.web_session.step(move |desk| look_closer(desk, rest, bare, &reading)).await?
                }
                Some(job) => self.web_session.step(move |desk| portion(desk, job, &reading)).await?,
                None => {
                    piece.push_str(answers::END);
                    self.is_over = true;
                    break;
                }
            };
        }
        Ok(Some((Bytes::from(piece), self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::dav::xml::{DAV, Name};

    fn asked(text: &str) -> Result<Wanted, Kind> {
        wanted(text.as_bytes()).map_err(|error| error.kind())
    }

    #[test]
    fn a_request_asks_for_all_for_names_or_for_some_properties() {
        assert_eq!(asked(""), Ok(Wanted::All));
        assert_eq!(asked("<propfind xmlns='DAV:'><allprop/><include><x/></include></propfind>"), Ok(Wanted::All));
        assert_eq!(asked("<a:propfind xmlns:a='DAV:'><a:propname/></a:propfind>"), Ok(Wanted::Names));
        let name = |space: &str, local: &str| Name { space: space.into(), local: local.into() };
        assert_eq!(
            asked("<propfind xmlns='DAV:'><x:unknown xmlns:x='x'/><prop><getetag/><b xmlns='u'/></prop></propfind>"),
            Ok(Wanted::These(vec![name(DAV, "getetag"), name("u", "b")]))
        );
        let many = format!("<propfind xmlns='DAV:'><prop>{}</prop></propfind>", "<a/>".repeat(65));
        for bad in [
            "<propfind/>",
            "<propfind xmlns='DAV:'/>",
            "<propfind xmlns='DAV:'><allprop/><propname/></propfind>",
            "<lockinfo xmlns='DAV:'/>",
            &many,
        ] {
            assert_eq!(asked(bad), Err(Kind::BadCommand), "{bad}");
        }
    }
}
