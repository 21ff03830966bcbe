//! The body of an upload: gathered into steps that are worth a turn, the next of them while one is at the desk.

use std::pin::pin;

use futures::future::{FusedFuture as _, FutureExt as _};
use futures::select_biased;

use super::receiving::Stream;
use super::request_body::{Pieces, RequestBody};
use crate::buffers::Buffer;
use crate::error::Result;
use crate::limits;

impl Stream {
    /// Appends the body to its end.
    ///
    /// # Errors
    /// [`Kind::Aborted`] for a body that breaks off; those of the store.
    pub async fn take_in(&self, body: &mut RequestBody) -> Result<()> {
        // Some chunks at the desk, some that gather. Where memory is short, each piece goes as it comes.
        let account = self.web_session.account();
        let claims = [limits::WEB_CHUNKS, 1].map(|chunks| (chunks, 2 * chunks * Buffer::TAKES));
        let claims = claims.into_iter().filter(|(chunks, _)| *chunks == 1 || account.is_rich());
        let claim = claims.filter_map(|(chunks, bytes)| Some((chunks, account.claim(bytes)?))).next();
        let (most, is_plenty) = (claim.as_ref().map_or(1, |(chunks, _)| *chunks), claim.is_some());
        let mut next = self.gather(body, is_plenty).await?;
        while !next.is_last {
            let mut appending = pin!(self.append(next).fuse());
            next = Pieces::default();
            // Until the desk is free again, and at least one.
            for _ in 0..most {
                let mut gathering = pin!(self.gather(body, is_plenty).fuse());
                let some = loop {
                    select_biased! {
                        appended = appending => appended?,
                        some = gathering => break some,
                    }
                };
                let some = match some {
                    Ok(some) => some,
                    Err(error) => {
                        // What came before it broke off is there for whoever goes on with it.
                        if !appending.is_terminated() {
                            appending.await?;
                        }
                        self.append(next).await?;
                        return Err(error);
                    }
                };
                next.append(some);
                if next.is_last || appending.is_terminated() {
                    break;
                }
            }
            if !appending.is_terminated() {
                appending.await?;
            }
        }
        self.append(next).await
    }

    /// The next bytes, a chunk where memory is plenty, no sooner than its user may send more.
    async fn gather(&self, body: &mut RequestBody, is_plenty: bool) -> Result<Pieces> {
        let some = if is_plenty { body.chunk().await? } else { body.gather(1).await? };
        self.web_session.pay(some.len).await;
        Ok(some)
    }
}
