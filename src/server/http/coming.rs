//! The body of a request, as it comes in. Whoever wants it takes it in pieces that are never copied; nothing of it is asked for
//! before that, so a client that waits to be told to go on is told so only by the first look.

use std::time::Duration;

use async_std::future::timeout;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;

use crate::error::{Error, Kind, Result};
use crate::limits;

/// The body of a request.
pub struct Coming {
    body: Incoming,
    /// The client waits to be told to go on with it.
    waits: bool,
}

/// Some of a body.
#[derive(Default)]
pub struct Pieces {
    /// In order.
    pub pieces: Vec<Bytes>,
    /// Bytes in all of them.
    pub len: usize,
    /// The body has ended, and was whole.
    pub is_last: bool,
}

impl Coming {
    /// That of a request with these headers.
    pub fn new(body: Incoming, headers: &HeaderMap) -> Coming {
        Coming { body, waits: headers.contains_key(EXPECT) }
    }

    /// Its length, if that was announced.
    pub fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Whether there is none, or none any more.
    pub fn is_empty(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Whether the client waits to be told to go on.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// The next bytes: at least so many, if there are, and at most one piece more.
    ///
    /// # Errors
    /// [`Kind::Aborted`] if it breaks off.
    pub async fn gather(&mut self, least: usize) -> Result<Pieces> {
        self.waits = false;
        let mut some = Pieces::default();
        while some.len < least {
            match self.body.frame().await {
                None => {
                    some.is_last = true;
                    break;
                }
                Some(Ok(frame)) => {
                    // What stands behind a body, its trailers, says nothing to us.
                    if let Ok(piece) = frame.into_data() {
                        some.len += piece.len();
                        some.pieces.push(piece);
                    }
                }
                Some(Err(error)) => {
                    return Err(Error::new(Kind::Aborted, format!("the body of the request broke off: {error}")));
                }
            }
        }
        some.is_last = some.is_last || self.body.is_end_stream();
        Ok(some)
    }

    /// All of it, if it is no more than this.
    ///
    /// # Errors
    /// [`Kind::TooLong`]; as [`Coming::gather`].
    pub async fn all(&mut self, most: usize) -> Result<Vec<u8>> {
        let some = self.gather(most.saturating_add(1)).await?;
        if some.len > most {
            return Err(Error::new(Kind::TooLong, format!("the body of the request has more than {most} bytes")));
        }
        Ok(some.pieces.concat())
    }

    /// Reads on and drops what comes, for a while.
    pub async fn discard(&mut self, at_most: Duration) {
        let discarding = async {
            while let Ok(some) = self.gather(1).await {
                if some.is_last {
                    return;
                }
            }
        };
        let _whoever_sends_for_longer = timeout(at_most, discarding).await;
    }

    /// Reads what nobody wants of it, if that is little: some clients take no answer before they have sent theirs.
    pub async fn drain(&mut self) {
        // Who waits to be told to go on with it needs not send it.
        if !self.waits {
            let _whatever_it_is = self.gather(limits::WEB_DRAIN).await;
        }
    }
}
