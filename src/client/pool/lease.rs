//! A connection of a pool, as long as somebody has it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use async_lock::SemaphoreGuardArc;

use super::{Inner, State};
use crate::client::connection::Client;

/// Counts a connection that is out of the pool.
pub(super) struct Out {
    pool: Arc<Inner>,
}

impl Out {
    /// To be made with the pool's lock held.
    pub(super) fn new(pool: &Arc<Inner>, state: &mut State) -> Out {
        state.leased += 1;
        Out { pool: Arc::clone(pool) }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.pool.state.lock().leased -= 1;
    }
}

/// A [`Client`] out of a [`Pool`](super::Pool); goes back when dropped, unless it is of no more use.
pub struct PooledClient {
    client: Client,
    out: Out,
    /// Free again last: whoever gets the place finds the connection.
    _place: SemaphoreGuardArc,
}

impl PooledClient {
    pub(super) fn new(client: Client, out: Out, place: SemaphoreGuardArc) -> Self {
        PooledClient { client, out, _place: place }
    }
}

impl Drop for PooledClient {
    fn drop(&mut self) {
        self.out.pool.give(self.client.take_out());
    }
}

impl Deref for PooledClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for PooledClient {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl fmt::Debug for PooledClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PooledClient").field(&self.client).finish()
    }
}
