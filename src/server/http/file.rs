//! GET and HEAD of a file: conditions, ranges, and its bytes a chunk at a time.
//!
//! A chunk is read in a turn of its own when the connection can take it, so a reader that stalls holds a file and a buffer
//! and no thread. The last bytes go out only when it is known that the file stood still: an answer that looks whole is whole.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::try_unfold;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED,
};
use hyper::{HeaderMap, StatusCode};

use super::adapter::OnlySends;
use super::answer::{Answer, Body, answer, of_user, set};
use super::conditions::{Decision, Validators};
use super::counted;
use super::digesting;
use super::open_at_desk::OpenAtDesk;
use super::query::Query;
use super::ranges::Wanted;
use super::reader::{HandedOn, Piece, Reader};
use super::shared_desk::Errand;
use super::target::Place;
use super::types::{Type, disposition};
use super::viewer::Viewer;
use super::web_session::{OpenFile, WebSession, begin, unexpected};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::downloads::{self, Counted, Downloads};
use crate::server::desk::jobs::download::Download;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Begun;

/// What was found at the place.
enum Found {
    /// The client has it, or it is not what the client said.
    Decided(Decision, Validators),
    /// None of the bytes that are asked for; the size.
    NoSuchRange(u64),
    /// It takes more than one turn, and so the right to have it open. Its place among the downloads of a link that counts them it has.
    Large(Option<Counted>),
    /// It is to be sent.
    Sending(Box<Sending>),
}

/// A file on its way.
struct Sending {
    validators: Validators,
    part: Part,
    held: OpenReader,
    first: Option<Piece>,
    counted: Option<Counted>,
}

/// How much of a file is sent.
enum Part {
    /// All of it.
    Whole,
    /// A range, as `Content-Range` tells of it.
    Range(String),
    /// Several, each of which tells of itself.
    Ranges,
}

/// A reader, of which the log tells if it is dropped before its end: by whoever left, wherever it was at that moment. What it has open is
/// closed at the desk.
struct OpenReader {
    web_session: Arc<WebSession>,
    reader: Reader,
}

impl Drop for OpenReader {
    fn drop(&mut self) {
        drop(self.reader.leave().map(|left| OpenAtDesk::new(left, &self.web_session)));
    }
}

/// What is asked for.
pub struct Asked {
    /// GET or HEAD.
    pub method: &'static str,
    /// Where.
    pub place: Place,
    /// How.
    pub query: Query,
    /// Who is logged in, whosever place it is; none: nobody in particular.
    pub viewer: Option<Viewer>,
    /// Conditions and ranges.
    pub headers: HeaderMap,
}

/// Answers a request for what should be a file.
///
/// # Errors
/// [`Kind::IsDirectory`] for a folder; those of the gate and the store.
pub async fn serve(web_session: &Arc<WebSession>, asked: Asked) -> Result<Answer> {
    let digested = digesting::digest(web_session, &asked).await?;
    let mut answer = serve_bytes(web_session, asked).await?;
    if let Some(digested) = digested {
        digested.tell(&mut answer);
    }
    Ok(answer)
}

async fn serve_bytes(web_session: &Arc<WebSession>, asked: Asked) -> Result<Answer> {
    let (found, right) = match open(web_session, &asked, false, None).await? {
        Found::Large(counted) => {
            let right = web_session.open_file().await;
            (open(web_session, &asked, true, counted).await?, Some(right))
        }
        found => (found, None),
    };
    match found {
        Found::Decided(decision, validators) => {
            let failed = decision == Decision::Failed;
            let mut answer = answer(if failed { StatusCode::PRECONDITION_FAILED } else { StatusCode::NOT_MODIFIED });
            validate(&mut answer, &validators);
            Ok(answer)
        }
        Found::NoSuchRange(size) => {
            let mut answer = answer(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut answer, CONTENT_RANGE, format_args!("bytes */{size}"));
            Ok(answer)
        }
        // Asked for with the right.
        Found::Large(_) => Err(unexpected()),
        Found::Sending(sending) => Ok(send(web_session, &asked, *sending, right)),
    }
}

/// `counted` is the place that it has already.
async fn open(
    web_session: &Arc<WebSession>,
    asked: &Asked,
    may_stay_open: bool,
    counted: Option<Counted>,
) -> Result<Found> {
    let (path, headers, method) = (asked.place.path.clone(), asked.headers.clone(), asked.method);
    let (account, holder) = (web_session.account().clone(), web_session.clone());
    let look = move |desk: &mut Desk| {
        let op = Op::Read { path: path.clone(), offset: 0, length: None, growing: false };
        let Begun::Download(job) = begin(desk, op, method)? else { return Err(unexpected()) };
        let meta = job.meta();
        let validators = Validators::of(&job);
        let decision = validators.decide(&headers);
        if decision != Decision::Go {
            desk.succeeded(job.running());
            desk.rest();
            return Ok(Found::Decided(decision, validators));
        }
        let is_head = method == "HEAD";
        let wanted = match !is_head && validators.allow_range(&headers) {
            true => Wanted::of(&headers, meta.size),
            false => Wanted::Whole,
        };
        let (job, counted) = match (counted, wanted.counts_as(meta.size).filter(|_| !is_head)) {
            (None, Some(counts)) => take_place(desk, holder.downloads(), job, counts)?,
            (counted, _) => (job, counted),
        };
        let (mut reader, part) = match wanted {
            Wanted::Nothing => {
                desk.succeeded(job.running());
                desk.rest();
                return Ok(Found::NoSuchRange(meta.size));
            }
            Wanted::Whole if is_head => {
                desk.succeeded(job.running());
                let mut reader = Reader::one(job);
                // It is only told of.
                if let Some(job) = reader.give_up() {
                    job.forget();
                }
                (reader, Part::Whole)
            }
            Wanted::Whole => (Reader::one(desk.hashing(job, (0, meta.size))), Part::Whole),
            Wanted::Parts(parts) => match parts[..] {
                [(first, length)] => {
                    let range = format!("bytes {first}-{}/{}", (first + length).saturating_sub(1), meta.size);
                    (Reader::one(desk.hashing(job, (first, length))), Part::Range(range))
                }
                _ => {
                    let file = (path.clone(), job.into_source());
                    (Reader::several(file, method, parts, Type::of(&path).name)?, Part::Ranges)
                }
            },
        };
        if !is_head && !reader.fits_in_one() && !may_stay_open {
            if let Some(job) = reader.give_up() {
                job.forget();
            }
            return Ok(Found::Large(counted));
        }
        let first = if is_head { None } else { reader.step_to_bytes(desk, &account)? };
        if !is_head && !reader.is_over() && !may_stay_open {
            // There was no room for all of it at once. It is opened again, and written down then.
            if let Some(job) = reader.give_up() {
                job.forget();
            }
            return Ok(Found::Large(counted));
        }
        if is_head || reader.is_over() {
            desk.rest();
        }
        let held = OpenReader { web_session: holder, reader };
        Ok(Found::Sending(Box::new(Sending { validators, part, held, first, counted })))
    };
    web_session.step(look).await
}

/// Takes the place of a download by a link that counts them, before anything of it is read.
///
/// # Errors
/// [`Kind::LoginFailed`] if none is left, as for a link that is not there; what is written down says why.
fn take_place(
    desk: &mut Desk,
    downloads: &Arc<Downloads>,
    job: Download,
    counts: downloads::Asked,
) -> Result<(Download, Option<Counted>)> {
    match desk.take_place(downloads, &job, counts) {
        Ok(counted) => Ok((job, counted)),
        Err(error) => {
            let is_used_up = error.kind() == Kind::LoginFailed;
            let told = if is_used_up { Error::new(Kind::Denied, downloads::USED_UP) } else { error };
            let told = desk.drop_download(job, told);
            desk.rest();
            Err(if is_used_up { Error::new(Kind::LoginFailed, downloads::USED_UP) } else { told })
        }
    }
}

fn validate(answer: &mut Answer, validators: &Validators) {
    set(answer, ETAG, &validators.etag);
    if let Some(modified) = validators.modified {
        set(answer, LAST_MODIFIED, httpdate::fmt_http_date(modified));
    }
}

fn send(web_session: &Arc<WebSession>, asked: &Asked, sending: Sending, right: Option<OpenFile>) -> Answer {
    let Sending { validators, part, held, first, counted } = sending;
    let (path, reader) = (&asked.place.path, &held.reader);
    let kind = Type::of(path);
    let mut answer = answer(match part {
        Part::Whole => StatusCode::OK,
        Part::Range(_) | Part::Ranges => StatusCode::PARTIAL_CONTENT,
    });
    validate(&mut answer, &validators);
    of_user(&mut answer);
    set(&mut answer, CONTENT_DISPOSITION, disposition(path, kind.is_harmless && !asked.query.download));
    answer.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match reader.boundary() {
        Some(boundary) => set(&mut answer, CONTENT_TYPE, format_args!("multipart/byteranges; boundary={boundary}")),
        None => drop(answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind.name))),
    }
    if let Part::Range(range) = part {
        set(&mut answer, CONTENT_RANGE, range);
    }
    set(&mut answer, CONTENT_LENGTH, reader.length());
    let is_counted = counted.is_some();
    if let Some(counted) = counted {
        counted::holding(&mut answer, counted);
    }
    if asked.method == "HEAD" {
        return answer;
    }
    *answer.body_mut() = match reader.is_over() {
        true => Body::whole(first.map_or_else(Bytes::new, |piece| piece.bytes)),
        false => {
            let (ready, handed_on) = (first.into_iter().collect(), reader.handed_on().clone());
            let then = Ok(Some(held));
            let sends = (!is_counted).then(|| web_session.only_sends());
            let web_session = web_session.clone();
            let going = FileBody { web_session, ready, then, ahead: None, handed_on, _right: right, _sends: sends };
            Body::stream(try_unfold(going, FileBody::next))
        }
    };
    answer
}

/// A body that takes more than one turn: the next of it is read while some is sent, where there is memory for both.
struct FileBody {
    web_session: Arc<WebSession>,
    /// What was read and is not given yet.
    ready: VecDeque<Piece>,
    /// What comes behind that: the rest of the file, nothing (while a turn has it, and at the end), or why there is no more.
    then: Result<Option<OpenReader>>,
    /// The turn that has the rest.
    ahead: Option<Errand<Result<Run>>>,
    handed_on: HandedOn,
    _right: Option<OpenFile>,
    /// None of a download that is counted when it is over.
    _sends: Option<OnlySends>,
}

/// What one turn has read.
struct Run {
    pieces: VecDeque<Piece>,
    then: Result<Option<OpenReader>>,
}

impl FileBody {
    async fn next(mut self) -> Result<Option<(Bytes, FileBody)>> {
        while self.ready.is_empty() {
            let Some(turn) = self.ahead.take() else {
                match self.read_on()? {
                    true => continue,
                    false => return Ok(None),
                }
            };
            let Run { pieces, then } = turn.done().await??;
            (self.ready, self.then) = (pieces, then);
        }
        let piece = self.ready.pop_front();
        Ok(piece.map(|piece| self.give(piece)))
    }

    /// This piece, and what is left.
    fn give(mut self, piece: Piece) -> (Bytes, FileBody) {
        self.handed_on.add(&piece);
        // Where memory is short, whoever is slow has the piece that they are at and no more. What failed is told behind what is ready.
        let is_low = self.ready.len() < limits::OUTBOX_LOW;
        if is_low && self.then.is_ok() && self.web_session.account().is_rich() {
            let _whether_there_is_more = self.read_on();
        }
        (piece.bytes, self)
    }

    /// Asks for the turn that reads the next pieces, if there are any and no turn has been asked for.
    ///
    /// # Errors
    /// Why there are no more.
    fn read_on(&mut self) -> Result<bool> {
        let Some(mut held) = std::mem::replace(&mut self.then, Ok(None))?.filter(|held| !held.reader.is_over()) else {
            return Ok(false);
        };
        let account = self.web_session.account().clone();
        self.ahead = Some(self.web_session.begin_step(move |desk: &mut Desk| {
            let mut pieces = VecDeque::new();
            let read = held.reader.read_ahead(desk, &account, &mut pieces);
            if read.is_err() || held.reader.is_over() {
                desk.rest();
            }
            Ok(Run { pieces, then: read.map(|()| Some(held)) })
        }));
        Ok(true)
    }
}
