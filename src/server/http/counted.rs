//! An answer that counts as a download once its last byte has been sent.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::try_unfold;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName};

use super::answer::{Answer, Body};
use super::web_session::WebSession;
use crate::auth::Link;
use crate::error::Result;
use crate::server::desk::downloads::{Counted, Part, What};

/// The same answer, which has its place among the downloads that the link allows: it is taken here, and nothing was sent before.
/// `is_archive`: what is made anew each time.
///
/// # Errors
/// [`Kind::LoginFailed`](crate::Kind::LoginFailed) if there is none left, as for a link that is not there.
pub async fn counted(
    web_session: &Arc<WebSession>,
    link: &Arc<Link>,
    what: What,
    (is_archive, answer): (bool, Answer),
) -> Result<Answer> {
    let Some(Sent { part, state, to_its_end }) = Sent::by(&answer, is_archive) else { return Ok(answer) };
    let link = link.clone();
    let counted = web_session.count(link, What { state, ..what }, part).await?.reaching_its_end(to_its_end);
    let (head, body) = answer.into_parts();
    let left = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let going = CountedBody { body, counted, left };
    // Of a body without any bytes nobody asks for one.
    going.over(left == Some(0));
    Ok(Answer::from_parts(head, Body::stream(try_unfold(going, CountedBody::next))))
}

/// What an answer sends.
struct Sent {
    part: Part,
    /// Of which state of the file.
    state: String,
    /// The last byte of the file is in it.
    to_its_end: bool,
}

impl Sent {
    /// What this one does; none if it is no file.
    fn by(answer: &Answer, is_archive: bool) -> Option<Sent> {
        let text = |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let state = text(ETAG).unwrap_or_default().to_owned();
        let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(u64::MAX);
        match answer.status() {
            StatusCode::OK if is_archive => Some(Sent { part: Part::Whole, state: String::new(), to_its_end: true }),
            StatusCode::OK => Some(Sent { part: Part::Whole, state, to_its_end: true }),
            StatusCode::PARTIAL_CONTENT => Some(match text(CONTENT_RANGE).and_then(range_of) {
                Some((last, of)) => Sent { part: Part::Range { length, of }, state, to_its_end: last + 1 >= of },
                // Several at once: which they are is among the bytes. It counts as if the last one were there.
                None => Sent { part: Part::Range { length, of: length }, state, to_its_end: true },
            }),
            _ => None,
        }
    }
}

/// The last byte and the size, of `bytes 0-9/10`.
fn range_of(text: &str) -> Option<(u64, u64)> {
    let (range, of) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.1.parse().ok()?, of.parse().ok()?))
}

struct CountedBody {
    body: Body,
    counted: Counted,
    /// Bytes to come, where that is known.
    left: Option<u64>,
}

impl CountedBody {
    async fn next(mut self) -> Result<Option<(Bytes, CountedBody)>> {
        loop {
            let Some(frame) = self.body.frame().await.transpose()? else {
                // Of a body whose length was told nobody asks for more than that.
                self.over(self.left.is_none());
                return Ok(None);
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(bytes.len() as u64);
                let is_over = *left == 0;
                self.over(is_over);
            }
            return Ok(Some((bytes, self)));
        }
    }

    fn over(&self, is_over: bool) {
        if is_over {
            self.counted.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_where_it_ends() {
        assert_eq!(range_of("bytes 0-9/10"), Some((9, 10)));
        assert_eq!(range_of("bytes 5-6/10"), Some((6, 10)));
        assert_eq!(range_of("bytes */10"), None);
        assert_eq!(range_of("lines 0-9/10"), None);
    }
}
