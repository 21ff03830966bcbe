//! What was deleted or replaced, from a page: looked at, brought back, removed for good. What TRASH, RESTORE and PURGE are for
//! `sealift/1`, by the same operations, and all of it without a script.

use std::sync::Arc;

use hyper::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::answer::{Answer, redirect, status, text};
use super::form::Fields;
use super::offers::keeps;
use super::own_request::OwnRequest;
use super::target::{OWN, Place, Target, Whose, encode};
use super::trash_page::{self, Shown, View};
use super::web_session::{WebSession, begin, begin_change, unexpected};
use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::files::{RelPath, TrashId, TrashList, Trashed};
use crate::limits;
use crate::machine::turns::Class;
use crate::readable::rfc3339_of;
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};

/// Where it is, below the server's own folder.
pub const PATH: &str = "trash";

/// Where something is brought back.
pub const RESTORE: &str = "trash/restore";

/// Where something, or all of it, is removed for good.
pub const EMPTY: &str = "trash/empty";

/// In the query of its own page: what was just done.
const RESTORED: &str = "restored";

/// As [`RESTORED`].
const GONE: &str = "gone";

/// Where the trash of this folder is shown.
pub fn url(folder: &Place) -> String {
    format!("/{OWN}/{PATH}?path={}", encode(folder.url(true).as_bytes()))
}

/// Shows what was deleted or replaced in one's home, or in the folder of it that `?path=` names, to a person or a program.
///
/// # Errors
/// Those of the gate and of the store.
pub async fn list(own: &OwnRequest<'_>) -> Result<Answer> {
    let web_session = &own.web_session;
    let query = own.request.uri().query().unwrap_or_default();
    let is = |word: &str| query.split('&').any(|part| part == word);
    let path = query.split('&').find_map(|part| part.strip_prefix("path="));
    let folder = match path {
        Some(path) => named(web_session, &percent_decode_str(path).collect::<Vec<u8>>())?,
        None => place(web_session, RelPath::root()),
    };
    if !own.wants_json() {
        let told = match () {
            () if is(RESTORED) => Some("It is there again."),
            () if is(GONE) => Some("It is gone for good."),
            () => None,
        };
        return page(own, &folder, (StatusCode::OK, told, None)).await;
    }
    let (list, ..) = look(web_session, folder.path).await?;
    let all: Vec<Value> = list.entries.iter().map(|entry| object(entry, web_session)).collect();
    let told = json!({ "trash": all, "cut": list.is_cut });
    Ok(text(StatusCode::OK, "application/json", format!("{told}\n")))
}

/// Brings the thing of this `id` back that was at `path` (of a URL), as `to` (a path in the home) if that is said; or only the `part` of it
/// (a path in that folder).
///
/// # Errors
/// [`Kind::Exists`]; [`Kind::NotFound`]; those of the gate and the store.
pub async fn restore(own: &OwnRequest<'_>, fields: &Fields) -> Result<Answer> {
    let web_session = &own.web_session;
    let (path, id) = (named(web_session, &fields.get("path"))?.path, fields.get("id"));
    let id = id_of(&id)?.ok_or_else(|| Error::new(Kind::BadCommand, "the form names nothing in the trash"))?;
    let part = fields.get("part");
    let path = if trimmed(&part).is_empty() { path } else { path.join(trimmed(&part))? };
    let to = fields.get("to");
    // A name that a field of a page cannot hold stands there escaped: left as it is, it means itself.
    let is_same = to.is_empty() || *to == escape::for_people(path.as_bytes()).into_bytes();
    let to = if is_same { path.clone() } else { RelPath::parse(trimmed(&to))? };
    let restored = bring_back(web_session, Op::Restore { path, id, to }).await;
    answered(own, fields, restored.map(|()| (RESTORED, json!({ "restored": true })))).await
}

/// Brings something back, durably.
async fn bring_back(web_session: &Arc<WebSession>, op: Op) -> Result<()> {
    let restored =
        web_session.change(Class::Light, move |desk, waiting| match begin_change(desk, waiting, op, "RESTORE")? {
            Begun::Waits(operation) => Ok(waiting.join(operation)),
            _ => Err(unexpected()),
        });
    let restored = restored.await?;
    web_session.committed(restored).await.map(drop)
}

/// Removes for good the thing of this `id` that was at `path`, or with `all=yes` in its place all that was there and below it.
///
/// # Errors
/// [`Kind::NotFound`]; those of the gate and the store.
pub async fn empty(own: &OwnRequest<'_>, fields: &Fields) -> Result<Answer> {
    let web_session = &own.web_session;
    let (path, id) = (named(web_session, &fields.get("path"))?.path, id_of(&fields.get("id"))?);
    // A program whose id got lost does not mean all of it.
    if id.is_none() && *fields.get("all") != b"yes" {
        return Err(Error::new(Kind::BadCommand, "say which by id=, or all=yes"));
    }
    let purged = web_session.step(move |desk: &mut Desk| {
        let purged = match begin(desk, Op::Purge { path, id }, "PURGE") {
            Ok(Begun::Done(Ok(Outcome::Purged { gone, left, unreached, .. }))) => Ok((gone, left + unreached)),
            Ok(_) => Err(unexpected()),
            Err(error) => Err(error),
        };
        desk.rest();
        purged
    });
    let purged = purged.await.map(|(gone, left)| (GONE, json!({ "gone": gone, "left": left })));
    answered(own, fields, purged).await
}

/// Back to where somebody came from, who is told what was done, or on the same page why not.
async fn answered(own: &OwnRequest<'_>, fields: &Fields, done: Result<(&'static str, Value)>) -> Result<Answer> {
    let web_session = &own.web_session;
    if !own.for_browser {
        return done.map(|(_, told)| text(StatusCode::OK, "application/json", format!("{told}\n")));
    }
    let folder = named(web_session, &fields.get("back")).unwrap_or_else(|_| place(web_session, RelPath::root()));
    match done {
        Ok((word, _)) => Ok(redirect(StatusCode::SEE_OTHER, &format!("{}&{word}", url(&folder)))),
        Err(error) => {
            let (kind, why) = error.told_by_server();
            page(own, &folder, (status(kind), None, Some(&why))).await
        }
    }
}

async fn page(
    own: &OwnRequest<'_>,
    folder: &Place,
    (status, told, why): (StatusCode, Option<&str>, Option<&str>),
) -> Result<Answer> {
    let web_session = &own.web_session;
    let (list, may, keeps) = look(web_session, folder.path.clone()).await?;
    let is_cut = list.is_cut || list.entries.len() > limits::WEB_TRASH_SHOWN;
    let shown: Vec<Shown> = list
        .entries
        .iter()
        .zip(may)
        .take(limits::WEB_TRASH_SHOWN)
        .map(|(entry, may)| Shown {
            entry,
            href: place(web_session, entry.path.clone()).url(false),
            may_restore: may.restore && web_session.may_write(),
            may_purge: may.purge && web_session.may_write(),
        })
        .collect();
    let view = View { viewer: &own.viewer(), folder, told, why, is_cut, keeps };
    Ok(text(status, "text/html; charset=utf-8", trash_page::trash(&view, &shown, own.ids)))
}

/// What may be done with one thing.
#[derive(Clone, Copy)]
struct May {
    restore: bool,
    purge: bool,
}

/// What was deleted or replaced in this folder, what may be done with each, and whether anything is kept there.
async fn look(web_session: &Arc<WebSession>, folder: RelPath) -> Result<(TrashList, Vec<May>, bool)> {
    let looking = web_session.step(move |desk: &mut Desk| {
        let keeps = keeps(desk.principal(), &folder);
        let listed = match begin(desk, Op::ListTrash(folder), "TRASH") {
            Ok(Begun::Done(Ok(Outcome::Trash(list, _)))) => Ok(list),
            Ok(_) => Err(unexpected()),
            Err(error) => Err(error),
        };
        desk.rest();
        let list = listed?;
        let may = list.entries.iter().map(|Trashed { path, id, .. }| May {
            restore: desk.allows(&Op::Restore { path: path.clone(), id: *id, to: path.clone() }, "RESTORE").is_ok(),
            purge: desk.allows(&Op::Purge { path: path.clone(), id: Some(*id) }, "PURGE").is_ok(),
        });
        let may = may.collect();
        Ok((list, may, keeps))
    });
    looking.await
}

/// A path of the user's home.
fn place(web_session: &WebSession, path: RelPath) -> Place {
    Place { whose: Whose::User(web_session.name().to_owned()), path, is_folder: true }
}

/// The place in the user's home that the path of a URL names.
fn named(web_session: &WebSession, path: &[u8]) -> Result<Place> {
    let uri = std::str::from_utf8(path).ok().and_then(|path| path.parse::<Uri>().ok());
    match Target::parse(&uri.ok_or_else(|| Error::new(Kind::BadCommand, "the form names no path"))?)? {
        Target::Place(place) if place.whose == Whose::User(web_session.name().to_owned()) => Ok(place),
        _ => Err(Error::new(Kind::Denied, "everybody has the trash of their own folder")),
    }
}

/// Without slashes around it: folders may be typed with them.
fn trimmed(path: &[u8]) -> &[u8] {
    let from = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    let to = path.iter().rposition(|byte| *byte != b'/').map_or(from, |last| last + 1);
    path.get(from..to).unwrap_or_default()
}

fn id_of(text: &[u8]) -> Result<Option<TrashId>> {
    let text = String::from_utf8_lossy(text);
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::parse).transpose()
}

fn object(Trashed { id, path, kind, size, files, mtime }: &Trashed, web_session: &WebSession) -> Value {
    let mut object = json!({
        "id": id.to_string(),
        "type": kind.word(),
        "path": escape::for_people(path.as_bytes()),
        "href": place(web_session, path.clone()).url(false),
        "size": size,
        "mtime": rfc3339_of(*mtime),
        "deleted": rfc3339_of(id.deleted()),
    });
    if let (Some(files), Some(object)) = (files, object.as_object_mut()) {
        object.insert("files".to_owned(), json!(files));
    }
    object
}
