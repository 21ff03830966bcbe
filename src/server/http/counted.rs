//! An answer that counts as a download once its last byte has been sent.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::try_unfold;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::header::CONTENT_LENGTH;

use super::answer::{Answer, Body};
use super::web_session::WebSession;
use crate::auth::Link;
use crate::error::Result;
use crate::server::desk::downloads::{Counted, Part, What};

/// This answer has that place among the downloads that a link allows: for [`until_sent`].
pub fn holding(answer: &mut Answer, counted: Counted) {
    answer.extensions_mut().insert(Arc::new(counted));
}

/// The same answer. If it has a place it holds that until its last byte has been sent, whatever else its body goes through.
pub fn until_sent(mut answer: Answer) -> Answer {
    match answer.extensions_mut().remove::<Arc<Counted>>() {
        Some(counted) => counting(answer, counted),
        None => answer,
    }
}

/// The same archive, which has its place among the downloads that the link allows: it is taken here, and nothing was read before. It is made
/// anew each time, so none shares it.
///
/// # Errors
/// [`Kind::LoginFailed`](crate::Kind::LoginFailed) if there is none left, as for a link that is not there.
pub async fn archive(web_session: &WebSession, link: &Arc<Link>, what: What, answer: Answer) -> Result<Answer> {
    if answer.status() != StatusCode::OK {
        return Ok(answer);
    }
    let counted = web_session.count(link.clone(), what, Part::Whole).await?;
    Ok(counting(answer, Arc::new(counted)))
}

fn counting(answer: Answer, counted: Arc<Counted>) -> Answer {
    let (head, body) = answer.into_parts();
    let left = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let going = CountedBody { body, counted, left };
    // Of a body without any bytes nobody asks for one.
    going.over(left == Some(0));
    Answer::from_parts(head, Body::stream(try_unfold(going, CountedBody::next)))
}

struct CountedBody {
    body: Body,
    counted: Arc<Counted>,
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
