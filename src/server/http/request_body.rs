//! The body of a request, as it comes in. Whoever wants it takes it in pieces that are never copied; nothing of it is asked for
//! before that, so a client that waits to be told to go on is told so only by the first look.

use std::time::Duration;

use async_std::future::timeout;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use hyper::{HeaderMap, StatusCode, Version};

use super::digests::{CONTENT, REPR};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// The body of a request.
pub struct RequestBody {
    body: Incoming,
    /// What was read of it and not taken.
    left: Bytes,
    /// The client waits to be told to go on with it.
    waits: bool,
    /// Whether there is one was said.
    is_said: bool,
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

/// A buffer whose bytes nobody changes any more.
struct Filled(Buffer);

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.0.filled()
    }
}

impl Pieces {
    /// These come next.
    pub fn append(&mut self, mut next: Pieces) {
        self.pieces.append(&mut next.pieces);
        self.len += next.len;
        self.is_last = next.is_last;
    }
}

impl RequestBody {
    /// That of a request with these headers.
    pub fn new(body: Incoming, headers: &HeaderMap, version: Version) -> RequestBody {
        let is_said = version >= Version::HTTP_2
            || headers.contains_key(CONTENT_LENGTH)
            || headers.contains_key(TRANSFER_ENCODING);
        RequestBody { body, left: Bytes::new(), waits: headers.contains_key(EXPECT), is_said }
    }

    /// Why this is no file, if nobody has said that there is a body. By RFC 9112, section 6.3, it is empty, as HTTP/1 has it; but who means
    /// an empty file says so (RFC 9110, section 8.6), and who does not would lose what has its name.
    pub fn unsaid(&self) -> Option<(StatusCode, String)> {
        let why = "say how long the file is by Content-Length, which is 0 for an empty one, or send it in chunks";
        (!self.is_said).then(|| (StatusCode::LENGTH_REQUIRED, why.to_owned()))
    }

    /// Its length, if that was announced.
    pub fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Whether there is none, or none any more.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
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
        let mut some = Pieces::default();
        while some.len < least {
            let Some(piece) = self.piece().await? else {
                some.is_last = true;
                break;
            };
            some.len += piece.len();
            some.pieces.push(piece);
        }
        some.is_last = some.is_last || self.is_empty();
        Ok(some)
    }

    /// The next [`limits::CHUNK`], or what is left, in one piece: copied together, so that it is hashed and written in one go, and what
    /// the library read it into is free for what comes next. The caller has room for it.
    ///
    /// # Errors
    /// As [`RequestBody::gather`].
    pub async fn chunk(&mut self) -> Result<Pieces> {
        let mut chunk: Option<Buffer> = None;
        let mut len = 0;
        while len < limits::CHUNK {
            let Some(mut piece) = self.piece().await? else { break };
            let some = piece.split_to(piece.len().min(limits::CHUNK - len));
            // Taken when something has come: whoever sends nothing holds none.
            len += chunk.get_or_insert_with(Buffer::take).append(&some);
            self.left = piece;
        }
        let pieces = chunk.map(|chunk| Bytes::from_owner(Filled(chunk))).into_iter().collect();
        Ok(Pieces { pieces, len, is_last: self.is_empty() || len < limits::CHUNK })
    }

    /// What comes next, at its end nothing. What stands behind a body, its trailers, says nothing to us; but whoever has a digest there
    /// relies on its being compared.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.waits = false;
        if !self.left.is_empty() {
            return Ok(Some(std::mem::take(&mut self.left)));
        }
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    let trailers = match frame.into_data() {
                        Ok(piece) => return Ok(Some(piece)),
                        Err(frame) => frame.into_trailers().unwrap_or_default(),
                    };
                    if let Some(name) = [REPR, CONTENT].iter().find(|name| trailers.contains_key(*name)) {
                        let text = format!("{name} is compared where it is a header, and not behind the body");
                        return Err(Error::new(Kind::BadCommand, text));
                    }
                }
                Some(Err(error)) => {
                    return Err(Error::new(Kind::Aborted, format!("the body of the request broke off: {error}")));
                }
            }
        }
    }

    /// All of it, if it is no more than this.
    ///
    /// # Errors
    /// [`Kind::TooLong`]; as [`RequestBody::gather`].
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
