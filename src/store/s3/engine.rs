//! Requests to the storage: signed, repeated where it put them off or nobody answered, and never without an end.
//!
//! Every request made here may be repeated: what changes something says in its metadata who made it, so that whoever finds that the
//! storage has done it already knows whether it was he.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::changers::Changers;
use super::health::{Health, Outcome};
use super::keyring::Keys;
use super::names::encode;
use super::sign::{self, Moment, Signed};
use super::xml;
use crate::error::{Error, Kind, Message, Result};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::outgoing::{Answer, Origin, Payload, Request};
use crate::sync::Mutex;

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Why {
    /// There is no such object.
    Missing,
    /// There is no such upload, or no longer.
    NoUpload,
    /// The condition does not hold, and nothing was changed.
    Condition,
    /// There are no such bytes.
    Range,
    /// Anything else.
    Failed(Error),
}

impl Why {
    /// An error of what is at this path.
    pub(super) fn at(self, path: impl Into<Message>) -> Error {
        let (kind, why) = match self {
            Why::Missing => (Kind::NotFound, "no such file or folder"),
            Why::NoUpload => (Kind::Aborted, "the storage has given the upload up"),
            Why::Condition => (Kind::Changed, "somebody changed it just now"),
            Why::Range => (Kind::Io, "the storage does not give its bytes"),
            Why::Failed(error) => return error.about(path),
        };
        Error::new(kind, path.into().words(": ").words(why))
    }

    /// Whether it may be done all the same, or may be yet.
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, Why::Failed(error) if error.kind() == Kind::Unavailable)
    }
}

impl From<Error> for Why {
    fn from(error: Error) -> Why {
        Why::Failed(error)
    }
}

/// What is asked.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    /// Of an object; none: the bucket.
    pub(super) key: Option<&'a str>,
    pub(super) query: Vec<(&'static str, String)>,
    /// In lower case.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Payload,
    /// The SHA-256 of the body, as digits.
    pub(super) sha256: String,
    /// Also when the storage has just failed somebody: what became of a change that it did not answer must be known.
    pub(super) in_any_case: bool,
    /// The storage begins its answer before it is done, and may take long to end it.
    pub(super) is_assembled: bool,
    /// An attempt was made that may have been carried out, or may be yet: no answer came, or that something has failed.
    pub(super) in_doubt: Cell<bool>,
}

impl<'a> Call<'a> {
    pub(super) fn of(method: &'static str, key: &'a str) -> Call<'a> {
        let body = Payload::Bytes(bytes::Bytes::new());
        Call {
            method,
            key: Some(key),
            query: vec![],
            headers: vec![],
            body,
            sha256: sign::OF_NOTHING.to_owned(),
            in_any_case: false,
            is_assembled: false,
            in_doubt: Cell::new(false),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Call<'a> {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn asking(mut self, name: &'static str, value: impl Into<String>) -> Call<'a> {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn sending(mut self, bytes: impl Into<bytes::Bytes>) -> Call<'a> {
        let bytes = bytes.into();
        self.sha256 = sign::sha256(&bytes);
        self.body = Payload::Bytes(bytes);
        self
    }

    /// Whether some attempt may have been carried out, or may be yet, whatever was said to the last one.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.get()
    }

    /// Whether the storage may be another one afterwards.
    fn changes(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }

    /// Why it was refused. A condition that does not hold may be what a first attempt, whose answer was lost, has made of it.
    fn refused(&self, why: Why) -> Why {
        match why {
            Why::Condition if self.is_in_doubt() && self.changes() => unknown(),
            why => why,
        }
    }
}

/// A bucket of a storage.
pub(super) struct Engine {
    pub(super) origin: Arc<Origin>,
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) keys: Keys,
    /// Seconds by which the storage's clock is ahead of ours.
    ahead: AtomicI64,
    /// Until then nobody asks: it has just failed somebody.
    resting: Mutex<Option<Instant>>,
    /// For how long a request is repeated.
    patience: Duration,
    /// How it answers.
    pub(super) health: Health,
    /// Requests that change something.
    pub(super) changers: Changers,
}

/// What becomes of an answer.
pub(super) enum Verdict {
    /// It was put off, and not done.
    Again(String),
    /// Something has failed there, and nobody knows what became of it.
    Failing(String),
    /// No answer came, and nobody knows what became of it.
    Unanswered(String),
    /// Our clock differs from the storage's by so much.
    Clock(i64),
    Over(Why),
}

impl Engine {
    pub(super) fn new(origin: Arc<Origin>, bucket: String, region: String, keys: Keys, patience: Duration) -> Engine {
        let (ahead, resting) = (AtomicI64::new(0), Mutex::default());
        let (health, changers) = (Health::new(), Changers::default());
        Engine { origin, bucket, region, keys, ahead, resting, patience, health, changers }
    }

    /// Asks, again and again if need be, and gives back an answer of success with its body to be read. Whoever reads that says whether the
    /// storage has answered.
    pub(super) fn ask(&self, call: &Call<'_>) -> Result<Answer, Why> {
        if !call.in_any_case && self.resting.lock().is_some_and(|until| Instant::now() < until) {
            return Err(Why::Failed(unavailable("the storage does not answer at the moment")));
        }
        let begun = Instant::now();
        let mut pause = limits::ENGINE_PAUSE;
        let mut is_clock_set = false;
        loop {
            let (why, set) = match self.counted(call) {
                Ok(answer) => {
                    *self.resting.lock() = None;
                    return Ok(answer);
                }
                Err(Verdict::Over(why)) => return Err(call.refused(why)),
                Err(Verdict::Clock(ahead)) => {
                    warn!(seconds = ahead, "the storage's clock differs from ours: its own is gone by");
                    (format!("the clocks differ by {ahead} s"), self.ahead.swap(ahead, Ordering::Relaxed) != ahead)
                }
                Err(Verdict::Again(why)) => (why, false),
                Err(Verdict::Failing(why) | Verdict::Unanswered(why)) => {
                    call.in_doubt.set(true);
                    (why, false)
                }
            };
            if set && !is_clock_set {
                is_clock_set = true;
                continue;
            }
            if begun.elapsed() + pause > self.patience {
                let error = unavailable(format!("the storage does not do what it is asked: {why}"));
                if crate::repeated_warnings::is_first("the storage cannot be used", &error) {
                    warn!(place = %self.origin.place(), error = why, "the storage cannot be used");
                }
                if self.health.given_up(begun) {
                    *self.resting.lock() = Some(Instant::now() + limits::ENGINE_REST);
                }
                return Err(Why::Failed(error));
            }
            // Not all at the same moment.
            let part = crate::random::number().map_or(500, |number| u32::try_from(number % 500).unwrap_or(0) + 500);
            block_in_place(|| thread::sleep(pause * part / 1000));
            pause = (pause * 2).min(limits::ENGINE_PAUSE_MAX);
        }
    }

    /// Asks this, and reads all of the answer's body.
    pub(super) fn ask_all(&self, call: &Call<'_>) -> Result<(Told, Vec<u8>), Why> {
        let begun = Instant::now();
        loop {
            let answer = self.ask(call)?;
            let head = Told { etag: answer.header("etag").map(str::to_owned) };
            let time = if call.is_assembled { self.patience * limits::ENGINE_ASSEMBLY } else { self.body_time() };
            match answer.read_all(limits::ENGINE_XML, time) {
                // A copy and a Complete begin their answer before they are done, and may end it with an error.
                Ok(body) => match xml::code_of(&body) {
                    None => {
                        self.health.answered();
                        return Ok((head, body));
                    }
                    Some(code) => match self.late(call, &code) {
                        Verdict::Over(why) => {
                            self.health.answered();
                            return Err(call.refused(why));
                        }
                        _ if begun.elapsed() < self.patience => {}
                        _ if code.is_empty() => return Err(self.broken(begun, "the storage failed")),
                        _ => return Err(self.broken(begun, &format!("the storage failed: {code}"))),
                    },
                },
                Err(broken) => {
                    call.in_doubt.set(true);
                    self.health.count(call, Outcome::Broken, None);
                    if begun.elapsed() >= self.patience {
                        return Err(self.broken(begun, &broken.0));
                    }
                }
            }
            block_in_place(|| thread::sleep(limits::ENGINE_PAUSE));
        }
    }

    /// Of all answers since then none has come to its end.
    fn broken(&self, begun: Instant, why: &str) -> Why {
        self.health.given_up(begun);
        Why::Failed(unavailable(why))
    }

    /// Whether whoever asked last, each time again, has given up.
    pub(super) fn is_silent(&self) -> bool {
        !self.health.told().answers
    }

    /// How long a request is repeated.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// How long an answer may take from its head to its end.
    pub(super) fn body_time(&self) -> Duration {
        self.patience * limits::ENGINE_BODY
    }

    /// An answer that has begun ended with this error.
    fn late(&self, call: &Call<'_>, code: &str) -> Verdict {
        let verdict = self.verdict(500, code, None);
        if matches!(verdict, Verdict::Again(_) | Verdict::Failing(_) | Verdict::Over(Why::Failed(_))) {
            self.health.count(call, Outcome::Broken, None);
        }
        if matches!(verdict, Verdict::Failing(_)) {
            call.in_doubt.set(true);
        }
        verdict
    }

    fn counted(&self, call: &Call<'_>) -> Result<Answer, Verdict> {
        let _waited_for = match call.changes() {
            true => Some(self.changers.begin().map_err(|error| Verdict::Over(Why::Failed(error)))?),
            false => None,
        };
        let begun = Instant::now();
        let came = self.once(call);
        let outcome = match &came {
            Ok(_) | Err(Verdict::Over(Why::Missing | Why::NoUpload | Why::Condition | Why::Range)) => Outcome::Answered,
            Err(Verdict::Over(Why::Failed(_)) | Verdict::Clock(_)) => Outcome::Refused,
            Err(Verdict::Again(_) | Verdict::Failing(_)) => Outcome::PutOff,
            Err(Verdict::Unanswered(_)) => Outcome::Unanswered,
        };
        self.health.count(call, outcome, Some(begun.elapsed()));
        if matches!(came, Err(Verdict::Over(_) | Verdict::Clock(_))) {
            self.health.answered();
        }
        came
    }

    /// Asks once, and is counted nowhere.
    pub(super) fn once(&self, call: &Call<'_>) -> Result<Answer, Verdict> {
        let path = match call.key {
            Some(key) => format!("/{}/{}", encode(&self.bucket, false), encode(key, true)),
            None => format!("/{}", encode(&self.bucket, false)),
        };
        let mut headers: Vec<(String, String)> =
            call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let now = Moment::of(self.now());
        let (query, region) = (&call.query[..], &self.region);
        let signed = Signed { method: call.method, path: &path, query, body: &call.sha256, region };
        sign::sign(&signed, &self.origin.place().authority(), &self.keys, &now, &mut headers);
        let target = if query.is_empty() { path } else { format!("{path}?{}", sign::query(query)) };
        let request = Request { method: call.method, target, headers, body: call.body.clone() };
        let answer = self.origin.send(&request).map_err(|broken| Verdict::Unanswered(broken.0))?;
        if answer.is_sent_again {
            call.in_doubt.set(true);
        }
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let (status, date) =
            (answer.status, answer.header("date").and_then(|date| httpdate::parse_http_date(date).ok()));
        let body = answer.read_all(limits::ENGINE_HEAD, self.body_time()).unwrap_or_default();
        let code = xml::code_of(&body).unwrap_or_default();
        // An answer to a HEAD has no body that says why. To anything else it has one, unless it is not the storage's own.
        match status == 404 && code.is_empty() && call.method != "HEAD" {
            true => Err(Verdict::Failing("404, and not in the storage's words".to_owned())),
            false => Err(self.verdict(status, &code, date)),
        }
    }

    /// What time it is at the storage, in seconds since 1970, as far as it has said that this is another than ours: by its clock it tells
    /// how old things are, and whoever has a wrong one is not to take what others are at for old.
    pub(super) fn now(&self) -> i64 {
        seconds_now().saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    /// By how many seconds the storage's clock is ahead of ours, if that is another time than was taken for its.
    fn differs(&self, date: Option<SystemTime>) -> Option<i64> {
        let theirs = i64::try_from(date?.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
        let ahead = theirs - seconds_now();
        (ahead.abs_diff(self.ahead.load(Ordering::Relaxed)) > limits::ENGINE_CLOCK).then_some(ahead)
    }

    fn verdict(&self, status: u16, code: &str, date: Option<SystemTime>) -> Verdict {
        let failed = |kind, why: &str| {
            let said = if code.is_empty() { status.to_string() } else { format!("{status} {code}") };
            let error = Error::new(kind, format!("{why} ({said})"));
            if crate::repeated_warnings::is_first("the storage refuses", &error) {
                warn!(status, code, "the storage refuses: {why}");
            }
            Verdict::Over(Why::Failed(error))
        };
        match (status, code) {
            (_, "RequestTimeTooSkewed") => match date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) {
                Some(theirs) => Verdict::Clock(i64::try_from(theirs.as_secs()).unwrap_or(0) - seconds_now()),
                None => failed(Kind::Io, "the storage's clock and ours differ"),
            },
            // An answer to a HEAD has no body that says why.
            (403, "") if let Some(ahead) = self.differs(date) => Verdict::Clock(ahead),
            (_, "NoSuchUpload") => Verdict::Over(Why::NoUpload),
            (_, "NoSuchBucket") => failed(Kind::Io, "the storage has no such bucket"),
            (_, "NoSuchKey") | (404, "") => Verdict::Over(Why::Missing),
            (_, "PreconditionFailed") | (412, _) => Verdict::Over(Why::Condition),
            (416, _) => Verdict::Over(Why::Range),
            (_, "BadDigest" | "XAmzContentSHA256Mismatch") => {
                failed(Kind::Integrity, "the storage got other bytes than were sent")
            }
            (507, _)
            | (_, "InsufficientStorage" | "XMinioStorageFull" | "QuotaExceeded" | "XMinioAdminBucketQuotaExceeded") => {
                failed(Kind::NoSpace, "the storage is full")
            }
            (_, "SlowDown" | "ConditionalRequestConflict" | "OperationAborted") | (429, _) => {
                Verdict::Again(format!("{status} {code}").trim_end().to_owned())
            }
            (_, "RequestTimeout" | "InternalError" | "ServiceUnavailable") | (408 | 500 | 502 | 503 | 504, _) => {
                Verdict::Failing(format!("{status} {code}").trim_end().to_owned())
            }
            (401 | 403, _) => failed(Kind::Io, "the storage refuses the server's own keys"),
            (501, _) | (_, "NotImplemented") => failed(Kind::Unsupported, "the storage cannot do that"),
            _ => failed(Kind::Io, "the storage refuses"),
        }
    }
}

/// What stays of an answer whose body was read.
pub(super) struct Told {
    pub(super) etag: Option<String>,
}

/// Nobody knows what became of a change: an attempt at it was not answered, and another one is refused.
pub(super) fn unknown() -> Why {
    Why::Failed(unavailable("the storage did not say what became of it"))
}

pub(super) fn unavailable(message: impl Into<Message>) -> Error {
    Error::new(Kind::Unavailable, message)
}

fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
