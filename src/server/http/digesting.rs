//! `Want-Repr-Digest` and `Want-Content-Digest` (RFC 9530): the digests of a file, for who asks for them. They are not recorded, so the
//! file is read for them before it is sent: in steps that take their turns with other heavy work, and none that is very large.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{CONTENT_RANGE, ETAG, HeaderName};
use ring::digest::{Algorithm, Context};

use super::answer::{Answer, set};
use super::conditions::{Decision, Validators};
use super::digests::{CONTENT, REPR, algorithm};
use super::file::Asked;
use super::open_at_desk::{GiveUp, OpenAtDesk};
use super::ranges::Wanted;
use super::web_session::{Waiting, WebSession, begin, unexpected};
use crate::buffers::Buffer;
use crate::error::{Error, Result};
use crate::files::{Change, Source};
use crate::limits;
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Begun;

/// Of the file.
const WANT_REPR: HeaderName = HeaderName::from_static("want-repr-digest");

/// Of the bytes of the answer.
const WANT_CONTENT: HeaderName = HeaderName::from_static("want-content-digest");

/// The digests of a file in one state of it.
pub struct Digested {
    etag: String,
    /// Of all of it.
    repr: Option<String>,
    /// Of what is sent.
    content: Option<String>,
    /// Which part of it that is, as `Content-Range` has it; none: all.
    range: Option<String>,
}

/// The digests that are asked for of what is asked for; none if there are none, or the file is too large to be read for them.
///
/// # Errors
/// Those of opening the file, as of sending it.
pub async fn digest(web_session: &Arc<WebSession>, asked: &Asked) -> Result<Option<Digested>> {
    let (repr, content) = (wanted(&asked.headers, &WANT_REPR), wanted(&asked.headers, &WANT_CONTENT));
    if repr.is_none() && content.is_none() {
        return Ok(None);
    }
    let _right = web_session.open_file().await;
    let (path, headers, method) = (asked.place.path.clone(), asked.headers.clone(), asked.method);
    let holder = web_session.clone();
    let opened = web_session.step(move |desk: &mut Desk| {
        // What a link counts is read once it has a place, and then to be sent.
        if desk.principal().link().is_some_and(|link| link.downloads.is_some()) {
            return Ok(Step::Over(None));
        }
        let op = Op::Read { path, offset: 0, length: None, growing: false };
        let Begun::Download(job) = begin(desk, op, method)? else { return Err(unexpected()) };
        let validators = Validators::of(&job);
        let source = job.into_source();
        desk.rest();
        let is_sent = validators.decide(&headers) == Decision::Go && source.meta().size <= limits::WEB_DIGEST_MAX;
        match is_sent {
            true => Hashing::new(source, validators, &headers, (method, repr, content)).further(&holder),
            false => Ok(Step::Over(None)),
        }
    });
    let mut step = opened.await?;
    loop {
        let (hashing, left) = match step {
            Step::On(hashing, left) => (hashing, left),
            Step::Over(digested) => return Ok(digested),
        };
        let class = if left <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy };
        let read_on = move |_: &mut Desk, _: &mut Waiting| {
            let (hashing, holder) = hashing.take()?;
            hashing.step()?.further(&holder)
        };
        step = web_session.change(class, read_on).await?;
    }
}

/// How far it has come by the end of a turn.
enum Step {
    /// So many bytes are left.
    On(OpenAtDesk<Box<Hashing>>, u64),
    /// The file is closed again.
    Over(Option<Digested>),
}

/// A file that is read for its digests.
struct Hashing {
    source: Box<dyn Source>,
    etag: String,
    at: u64,
    size: u64,
    repr: Option<Named>,
    content: Option<Named>,
    /// What of the file is sent: its first byte, and the one behind its last.
    part: (u64, u64),
    range: Option<String>,
}

/// A digest and what it is called.
struct Named(&'static str, Context);

impl Named {
    fn finish(self) -> String {
        format!("{}=:{}:", self.0, STANDARD.encode(self.1.finish().as_ref()))
    }
}

type Query = Option<(&'static str, &'static Algorithm)>;

impl GiveUp for Box<Hashing> {
    fn give_up(self, _: &mut Desk, _: &mut Waiting, _: Error) {}
}

impl Hashing {
    fn new(
        source: Box<dyn Source>,
        validators: Validators,
        headers: &HeaderMap,
        (method, repr, content): (&str, Query, Query),
    ) -> Hashing {
        let size = source.meta().size;
        let is_head = method == "HEAD";
        let wanted = match !is_head && validators.allow_range(headers) {
            true => Wanted::of(headers, size),
            false => Wanted::Whole,
        };
        let named = |(name, algorithm)| Named(name, Context::new(algorithm));
        let (part, range) = match &wanted {
            Wanted::Parts(parts) => match parts[..] {
                [(first, length)] => {
                    let end = first.saturating_add(length);
                    ((first, end), Some(format!("bytes {first}-{}/{size}", end.saturating_sub(1))))
                }
                _ => ((0, 0), None),
            },
            Wanted::Whole | Wanted::Nothing => ((0, size), None),
        };
        // Of several ranges what is sent is no part of the file, and of a head nothing is.
        let has_content = !is_head && (range.is_some() || matches!(wanted, Wanted::Whole));
        Hashing {
            source,
            etag: validators.etag,
            at: 0,
            size,
            repr: repr.map(named),
            content: content.filter(|_| has_content).map(named),
            part,
            range,
        }
    }

    fn left(&self) -> u64 {
        self.size - self.at
    }

    /// Reads on, as far as is done in one turn. Blocks.
    fn step(mut self) -> Result<Hashing> {
        let mut buffer = Buffer::take();
        let room = usize::try_from(self.left()).unwrap_or(usize::MAX).min(limits::CHUNK);
        let room = buffer.room().get_mut(..room).unwrap_or_default();
        let read = self.source.read_at(self.at, room)?;
        let bytes = room.get(..read).unwrap_or_default();
        if let Some(Named(_, context)) = &mut self.repr {
            context.update(bytes);
        }
        if let Some(Named(_, context)) = &mut self.content {
            let within = |at: u64| usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX).min(bytes.len());
            context.update(bytes.get(within(self.part.0)..within(self.part.1)).unwrap_or_default());
        }
        // One that is shorter by now has changed, which is seen at the end.
        self.at = if read == 0 { self.size } else { self.at.saturating_add(read as u64) };
        Ok(self)
    }

    /// What there is at the end of a turn. The file is closed in the last one.
    fn further(self, web_session: &Arc<WebSession>) -> Result<Step> {
        match self.left() {
            0 => self.over().map(Step::Over),
            left => Ok(Step::On(OpenAtDesk::new(Box::new(self), web_session), left)),
        }
    }

    fn over(self) -> Result<Option<Digested>> {
        if self.source.change()? == Change::Content {
            return Ok(None);
        }
        let (repr, content) = (self.repr.map(Named::finish), self.content.map(Named::finish));
        Ok(Some(Digested { etag: self.etag, repr, content, range: self.range }))
    }
}

impl Digested {
    /// Tells them with this answer, if it is of the same state of the file.
    pub fn tell(self, answer: &mut Answer) {
        let text = |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let is_sent = matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        if !is_sent || text(ETAG) != Some(self.etag.as_str()) {
            return;
        }
        let is_same_part = text(CONTENT_RANGE) == self.range.as_deref();
        if let Some(repr) = self.repr {
            set(answer, REPR, repr);
        }
        if let Some(content) = self.content.filter(|_| is_same_part) {
            set(answer, CONTENT, content);
        }
    }
}

/// Which digest is asked for: of those that are known the one that is liked most. Zero says that one is not to be sent.
fn wanted(headers: &HeaderMap, name: &HeaderName) -> Query {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let members = lists.flat_map(|list| list.split(',')).filter_map(|member| {
        let (key, preference) = member.trim().split_once('=')?;
        let preference: u8 = preference.split(';').next()?.trim().parse().ok()?;
        algorithm(key).filter(|_| (1..=10).contains(&preference)).map(|known| (preference, known))
    });
    // Of two that are liked alike the first.
    members.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_most_and_known_is_given() {
        let name = |text: &'static str| {
            let headers: HeaderMap = [(WANT_REPR, text.parse().unwrap())].into_iter().collect();
            wanted(&headers, &WANT_REPR).map(|(name, _)| name)
        };
        assert_eq!(name("sha-256=1"), Some("sha-256"));
        assert_eq!(name("sha-512=3, sha-256=10, unixsum=10"), Some("sha-256"));
        assert_eq!(name("sha-256=2,sha-512=5;x=y"), Some("sha-512"));
        for nothing in ["", "sha-256", "sha-256=0", "sha-256=11", "md5=10", "sha-256=-1", "sha-256=x"] {
            assert_eq!(name(nothing), None, "{nothing}");
        }
    }
}
