//! A listing as a stream, without holding all of it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_std::channel::bounded;
use futures::future::BoxFuture;
use futures::stream::Stream;

use super::flow::Flow;
use super::listing::{self, Unread};
use super::requests::unwanted;
use super::session::Session;
use crate::error::{Error, Result};
use crate::files::{Entry, RelPath};
use crate::limits;

/// What is to be done over a connection.
pub(super) type Reading = Box<dyn FnOnce(&mut Session) -> Result<Unread> + Send>;

/// The entries of a folder, one by one as they come: a [`Stream`].
///
/// A folder that the server could not read, or that the user may not list ([`Kind::Denied`](crate::Kind::Denied)), is an error after the
/// last entry, one for each; anything else that goes wrong is the last item. Only a stream that has ended without one has told of all there is. An entry that is named twice is not noticed, as
/// [`Client::list`](super::Client::list) does, which holds all of them.
///
/// Dropped before its end it ends its connection, because the rest is on its way.
#[must_use = "nothing is listed before it is asked for the next entry"]
pub struct ListStream<'a> {
    flow: Flow<'a, Vec<Entry>, Unread>,
    folder: RelPath,
    entries: std::vec::IntoIter<Entry>,
    errors: VecDeque<Error>,
}

impl<'a> ListStream<'a> {
    /// Begins to list, over the connection that `run` has.
    pub(super) async fn begin(
        folder: RelPath,
        recursive: bool,
        run: impl FnOnce(Reading) -> BoxFuture<'a, Result<Unread>>,
    ) -> Result<ListStream<'a>> {
        let (hand_on, portions) = bounded(limits::WIRE_BUFFERS);
        let asked = folder.clone();
        let work = run(Box::new(move |session| {
            let each = |entries| hand_on.send_blocking(entries).map_err(|_| unwanted());
            listing::ask(session, &asked, recursive)?;
            session.expect(150)?;
            // The first portion says that there is a listing.
            each(Vec::new())?;
            listing::entries(session, recursive, each)
        }));
        let mut flow = Flow::new(portions, work);
        let entries = flow.first().await?.into_iter();
        Ok(ListStream { flow, folder, entries, errors: VecDeque::new() })
    }
}

impl Stream for ListStream<'_> {
    type Item = Result<Entry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Entry>>> {
        let this = &mut *self;
        loop {
            if let Some(entry) = this.entries.next() {
                return Poll::Ready(Some(Ok(entry)));
            }
            if let Some(error) = this.errors.pop_front() {
                return Poll::Ready(Some(Err(error)));
            }
            match ready!(this.flow.poll_portion(cx)) {
                Some(entries) => this.entries = entries.into_iter(),
                None => match this.flow.done() {
                    Some(Ok(unread)) => {
                        let failed = unread.errors(&this.folder).into_iter().map(|(_, error)| error);
                        this.errors = failed.chain(unread.denied_errors(&this.folder)).collect();
                    }
                    Some(Err(error)) => this.errors.push_back(error),
                    None => return Poll::Ready(None),
                },
            }
        }
    }
}

impl fmt::Debug for ListStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListStream").field("folder", &self.folder).finish_non_exhaustive()
    }
}
