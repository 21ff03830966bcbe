//! What blocking code on a connection hands on while it works, portion by portion and no faster than it is taken, and what
//! it comes to at its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_std::channel::Receiver;
use futures::future::BoxFuture;
use futures::stream::Stream as _;

use crate::error::{Error, Kind, Result};

/// The receiving end, and the future of the work, which may hold the connection.
pub(super) struct Flow<'a, P, D> {
    portions: Pin<Box<Receiver<P>>>,
    work: Option<BoxFuture<'a, Result<D>>>,
    /// What it came to, until that is taken.
    done: Option<Result<D>>,
}

impl<'a, P, D> Flow<'a, P, D> {
    pub(super) fn new(portions: Receiver<P>, work: BoxFuture<'a, Result<D>>) -> Self {
        Flow { portions: Box::pin(portions), work: Some(work), done: None }
    }

    /// The next portion; none when there are no more and it is known what the work came to.
    pub(super) fn poll_portion(&mut self, cx: &mut Context<'_>) -> Poll<Option<P>> {
        if let Some(work) = &mut self.work
            && let Poll::Ready(done) = work.as_mut().poll(cx)
        {
            self.work = None;
            self.done = Some(done);
        }
        match ready!(self.portions.as_mut().poll_next(cx)) {
            Some(portion) => Poll::Ready(Some(portion)),
            None if self.work.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    /// What the work came to: once, after the last portion.
    pub(super) fn done(&mut self) -> Option<Result<D>> {
        self.done.take()
    }

    /// Waits for the first portion. Fails as the work does if there is none.
    pub(super) async fn first(&mut self) -> Result<P> {
        if let Some(portion) = std::future::poll_fn(|cx| self.poll_portion(cx)).await {
            return Ok(portion);
        }
        let nothing = || Error::new(Kind::Internal, "the connection gave nothing");
        Err(self.done().and_then(Result::err).unwrap_or_else(nothing))
    }
}
