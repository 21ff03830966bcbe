//! GET and HEAD of a folder: what is in it, as a page, as plain text, or as JSON.
//!
//! What fits into this connection's share of memory is sorted; a larger folder goes on in the order of its disk, and the same
//! rows are written either way. Nothing is written before the connection can take it.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::try_unfold;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use unicode_normalization::UnicodeNormalization as _;

use super::answer::{Answer, Body, Ids, answer, redirect};
use super::entries::{Batch, batch};
use super::file::Asked;
use super::offers::Offered;
use super::open_at_desk::OpenAtDesk;
use super::query::{Query, Sort};
use super::rows::{Form, Rows, Scene};
use super::target::Place;
use super::used::Counting;
use super::web_session::{OpenFile, WebSession, begin, unexpected};
use crate::budget::Claim;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, UsageNow};
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::jobs::listing::ListJob;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};

/// Answers a request for a folder.
///
/// # Errors
/// Those of the gate and the store: [`Kind::NotDirectory`](crate::Kind::NotDirectory) where it is none.
pub async fn serve(web_session: &Arc<WebSession>, asked: Asked, form: Form, ids: Ids) -> Result<Answer> {
    let path = asked.place.path.clone();
    let (recursive, method) = (asked.query.search.is_some(), asked.method);
    let op = Op::List { path: path.clone(), recursive, rotten: false, modes: false, marks: false };
    // Of what is only a redirect, or a head, nobody sees anything.
    let shown = if asked.place.is_folder && method != "HEAD" { form } else { Form::Text };
    let gathering = web_session.gathering().await;
    let holder = web_session.clone();
    let (job, offered, counter) = web_session
        .step(move |desk| match begin(desk, op, method)? {
            Begun::List(job) => {
                let offered = Offered::now(desk, &path, shown);
                let counter = (offered.usage == UsageNow::Uncounted).then(|| desk.counter(vec![path]));
                Ok((OpenAtDesk::new(job, &holder), offered, counter))
            }
            _ => Err(unexpected()),
        })
        .await?;
    let counting = counter.and_then(|counter| web_session.counting(counter));
    if !asked.place.is_folder || asked.method == "HEAD" {
        let listed = move |desk: &mut Desk| {
            let listed = desk.listed(job.take()?.0);
            desk.rest();
            listed.map(drop)
        };
        web_session.step(listed).await?;
        if !asked.place.is_folder {
            // Links in it are relative to what ends with a slash.
            return Ok(redirect(StatusCode::MOVED_PERMANENTLY, &asked.place.url(true)));
        }
        return Ok(typed(form));
    }
    let gathered = gather(web_session, job, &asked).await?;
    drop(gathering);
    // What goes on while the client reads keeps the folder open.
    let right = gathered.rest.is_some().then(|| web_session.open_folder()).transpose()?;
    let place = asked.place.clone();
    let scene = Scene {
        place: asked.place,
        query: asked.query,
        user: asked.viewer,
        offered,
        is_writable: web_session.may_write(),
        is_sorted: gathered.rest.is_none(),
        is_cut: gathered.is_cut,
        ids,
    };
    let going = FolderBody {
        web_session: web_session.clone(),
        place,
        rows: Rows::new(form, scene),
        gathered,
        stage: Stage::Head,
        counting,
        _right: right,
    };
    let mut answer = typed(form);
    *answer.body_mut() = Body::stream(try_unfold(going, FolderBody::next));
    Ok(answer)
}

/// An answer of this form, without its body.
pub fn typed(form: Form) -> Answer {
    let mut answer = answer(StatusCode::OK);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    answer
}

/// What of a folder is in memory.
struct Gathered {
    /// The next one last.
    sorted: Vec<Entry>,
    _claims: Vec<Claim>,
    /// What had no room.
    rest: Option<OpenAtDesk<ListJob>>,
    unread: u64,
    /// A search has found more, or has not looked at all.
    is_cut: bool,
}

async fn gather(
    web_session: &Arc<WebSession>,
    job: OpenAtDesk<ListJob>,
    Asked { place, query, .. }: &Asked,
) -> Result<Gathered> {
    let mut gathered = Gathered { sorted: Vec::new(), _claims: Vec::new(), rest: Some(job), unread: 0, is_cut: false };
    let search = query.search.as_ref().map(|text| folded_text(text));
    let (mut bytes, mut looked) = (0, 0);
    while let Some(job) = gathered.rest.take() {
        let Batch { rest, mut entries, unread, .. } =
            web_session.step(move |desk| batch(desk, job, limits::WEB_ENTRIES_A_TURN)).await?;
        gathered.unread = unread;
        looked += entries.len();
        entries.retain(|entry| place.names(&entry.path) && search.as_ref().is_none_or(|text| has(entry, text)));
        let more = entries.iter().map(|entry| size_of::<Entry>() + entry.path.len()).sum::<usize>();
        gathered.sorted.append(&mut entries);
        bytes += more;
        let claim = if bytes < limits::WEB_FOLDER_BYTES { web_session.account().claim(more) } else { None };
        // What a search finds is shown when it is over.
        if claim.is_none() && (gathered._claims.is_empty() || search.is_some()) {
            if let Some(list) = rest {
                list.give_up(Error::new(Kind::Busy, "there is no room for a listing"));
            }
            return Err(Error::new(Kind::Busy, "there is no room for a listing now"));
        }
        let Some(rest) = rest else {
            gathered._claims.extend(claim);
            break;
        };
        let found = gathered.sorted.len();
        if search.is_some() && (looked >= limits::WEB_SEARCH_LOOKED || found > limits::WEB_SEARCH_FOUND) {
            let ended = move |desk: &mut Desk| {
                let listed = desk.listed(rest.take()?.0);
                desk.rest();
                listed
            };
            if let Outcome::Listed { unreadable, .. } = web_session.step(ended).await? {
                gathered.unread = unreadable;
            }
            gathered._claims.extend(claim);
            gathered.is_cut = true;
            break;
        }
        gathered.rest = Some(rest);
        match claim {
            Some(claim) => gathered._claims.push(claim),
            None => break,
        }
    }
    sort(&mut gathered.sorted, query);
    if search.is_some() && gathered.sorted.len() > limits::WEB_SEARCH_FOUND {
        gathered.sorted.truncate(limits::WEB_SEARCH_FOUND);
        gathered.is_cut = true;
    }
    gathered.sorted.reverse();
    Ok(gathered)
}

/// What names are compared by in a search: letters are alike however they are put together, and large or small, wherever they stand.
fn folded_text(text: &str) -> String {
    text.nfkd().flat_map(char::to_lowercase).map(|letter| if letter == 'ς' { 'σ' } else { letter }).collect()
}

/// Whether this text, which is folded, is in the name of this, whatever it is in.
fn has(entry: &Entry, text: &str) -> bool {
    let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    folded_text(&String::from_utf8_lossy(name)).contains(text)
}

fn sort(entries: &mut [Entry], query: &Query) {
    let folders_first = |a: &Entry, b: &Entry| (a.kind != EntryKind::Directory).cmp(&(b.kind != EntryKind::Directory));
    let by_name = |a: &Entry, b: &Entry| folded(a).cmp(folded(b)).then_with(|| a.path.cmp(&b.path));
    let turned = |order: Ordering| if query.descending { order.reverse() } else { order };
    entries.sort_by(|a, b| match query.sort {
        Sort::Name => folders_first(a, b).then_with(|| turned(by_name(a, b))),
        Sort::Size => turned(bytes(a).cmp(&bytes(b))).then_with(|| by_name(a, b)),
        Sort::Time => turned(a.mtime.cmp(&b.mtime)).then_with(|| by_name(a, b)),
    });
}

/// Bytes of a file; nothing of anything else.
pub fn bytes(entry: &Entry) -> u64 {
    if entry.kind == EntryKind::File { entry.size } else { 0 }
}

/// As people look for it: `b` comes before `C`.
fn folded(entry: &Entry) -> impl Iterator<Item = u8> {
    entry.path.iter().map(u8::to_ascii_lowercase)
}

/// What is to be written next.
enum Stage {
    Head,
    Rows,
    Over,
}

/// A listing on its way.
struct FolderBody {
    web_session: Arc<WebSession>,
    place: Place,
    rows: Rows,
    gathered: Gathered,
    stage: Stage,
    /// What is used, if that is not known yet.
    counting: Option<Counting>,
    _right: Option<OpenFile>,
}

impl FolderBody {
    async fn next(mut self) -> Result<Option<(Bytes, FolderBody)>> {
        let mut piece = String::new();
        match self.stage {
            Stage::Over => return Ok(None),
            Stage::Head => {
                self.rows.head(&mut piece);
                self.stage = Stage::Rows;
            }
            Stage::Rows => {}
        }
        while piece.len() < limits::WEB_PAGE_PIECE {
            if let Some(entry) = self.gathered.sorted.pop() {
                self.rows.row(&entry, &mut piece);
                continue;
            }
            let Some(job) = self.gathered.rest.take() else {
                // The rows are there by then.
                if let Some(counting) = self.counting.take() {
                    let _we_are_at_work = self.web_session.working();
                    self.rows.used(counting.awhile().await);
                }
                self.rows.tail(self.gathered.unread, &mut piece);
                self.stage = Stage::Over;
                break;
            };
            let batch = self.web_session.step(move |desk| batch(desk, job, limits::WEB_ENTRIES_A_TURN)).await?;
            self.gathered.rest = batch.rest;
            self.gathered.unread = batch.unread;
            self.gathered.sorted = batch.entries;
            self.gathered.sorted.retain(|entry| self.place.names(&entry.path));
            self.gathered.sorted.reverse();
        }
        Ok(Some((Bytes::from(piece), self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Mtime;

    fn entry(name: &str, kind: EntryKind, size: u64, secs: i64) -> Entry {
        let mtime = Mtime { secs, nanos: 0 };
        Entry {
            kind,
            size,
            mtime,
            mode: None,
            rotten: false,
            mark: None,
            identity: None,
            path: name.as_bytes().to_vec(),
        }
    }

    #[test]
    fn folders_come_first_by_name_and_not_by_size_or_time() {
        let mut entries = vec![
            entry("b", EntryKind::File, 5, 3),
            entry("A", EntryKind::File, 9, 1),
            entry("z", EntryKind::Directory, 4096, 2),
            entry("C", EntryKind::File, 1, 4),
        ];
        let mut sorted = |sort_by, descending| {
            sort(&mut entries, &Query { sort: sort_by, descending, ..Query::default() });
            entries.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect::<String>()
        };
        assert_eq!(sorted(Sort::Name, false), "zAbC");
        assert_eq!(sorted(Sort::Name, true), "zCbA");
        assert_eq!(sorted(Sort::Size, false), "zCbA");
        assert_eq!(sorted(Sort::Time, true), "CbzA");
    }
}
