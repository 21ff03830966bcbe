//! What holds back the bytes of an answer where its user is limited.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::adapter::Progress;
use crate::machine::throttle::{Course, Throttle};

/// That of a user on a connection.
#[derive(Clone)]
pub struct Brake {
    /// Shared by all sessions of the user.
    pub throttle: Arc<Throttle>,
    /// That of the connection, which is told for how long it is held back.
    pub progress: Arc<Progress>,
}

/// Bytes that wait until it is their turn.
pub struct Braked {
    brake: Brake,
    rest: Bytes,
    /// Until what was given out last is paid for.
    paying: Option<BoxFuture<'static, ()>>,
}

impl Braked {
    /// None yet.
    pub fn new(brake: Brake) -> Braked {
        Braked { brake, rest: Bytes::new(), paying: None }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Takes these, of which all before them were given out; gives them back at once where there is no bound.
    pub fn take(&mut self, bytes: Bytes) -> Option<Bytes> {
        if !self.brake.throttle.is_bounded(Course::Down) {
            return Some(bytes);
        }
        self.rest = bytes;
        None
    }

    /// The next portion; none if nothing is left. It is ready when those before it are paid for.
    pub fn poll_portion(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(paying) = &mut self.paying {
            std::task::ready!(Pin::new(paying).poll(cx));
            self.paying = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let portion = self.brake.throttle.portion(Course::Down).min(self.rest.len());
        // Counted now, whether or not anybody waits for it: it may be the last.
        let debt = self.brake.throttle.charge(Course::Down, portion);
        let progress = self.brake.progress.clone();
        self.paying = Some(async move { debt.paid(progress.held()).await }.boxed());
        Poll::Ready(Some(self.rest.split_to(portion)))
    }
}
