//! The accept loop: a permit first, then a connection, then a task. Nothing that takes time happens here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use async_lock::Semaphore;
use async_std::channel::{Receiver, Sender, bounded};
use async_std::net::TcpListener;
use async_std::task::{sleep, spawn};
use futures::future::{Either, FutureExt as _, join_all, select};
use futures::pin_mut;
use tracing::{info, warn};

use super::{Shared, connection};
use crate::error::{Error, Result};
use crate::limits;

/// Listens on an address.
///
/// # Errors
/// [`crate::Kind::AddressInUse`] and other failures of the network, naming the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|err| Error::network(format_args!("cannot listen on {address}"), err))
}

/// Accepts on all listeners until the server is told to stop. What comes back closes when the last connection that
/// is still open then is over.
pub async fn accept_all(listeners: Vec<TcpListener>, shared: &Arc<Shared>) -> Receiver<()> {
    let permits = Arc::new(Semaphore::new(shared.admission.connections()));
    let (open, over) = bounded(1);
    let accepting = listeners
        .into_iter()
        .map(|listener| accept_until_stopped(listener, permits.clone(), open.clone(), shared.clone()));
    join_all(accepting).await;
    info!("no longer listening");
    over
}

async fn accept_until_stopped(listener: TcpListener, permits: Arc<Semaphore>, open: Sender<()>, shared: Arc<Shared>) {
    let stopping = shared.registry.stopping();
    pin_mut!(stopping);
    loop {
        // Before accepting: beyond the limit, newcomers wait in the kernel's queue and cost us nothing.
        let next = async {
            let permit = permits.acquire_arc().await;
            (permit, listener.accept().await)
        }
        .boxed();
        match select(&mut stopping, next).await {
            Either::Left(_) => return,
            Either::Right(((permit, Ok((socket, peer))), _)) => {
                let admitted = match shared.admission.admit(peer.ip(), Instant::now(), dice()) {
                    Ok(admitted) => admitted,
                    Err(refusal) => {
                        info!(%peer, why = refusal.word(), "connection refused");
                        continue;
                    }
                };
                let (shared, open) = (shared.clone(), open.clone());
                spawn(async move {
                    // A fault while handling one connection ends that one only.
                    let serving =
                        std::panic::AssertUnwindSafe(connection::serve(socket, peer, admitted, shared.clone()));
                    if serving.catch_unwind().await.is_err() {
                        let panics = shared.registry.count_panic();
                        tracing::error!(%peer, panics, "a connection panicked: a fault in Sealift, please report it");
                    }
                    drop((permit, open));
                });
            }
            Either::Right(((_, Err(error)), _)) => {
                // Out of descriptors, mostly: trying again at once would only spin.
                warn!(%error, "cannot accept a connection");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// 0 to 99.
fn dice() -> u32 {
    // Without random numbers nobody is refused by chance; the caps still hold.
    getrandom::u32().map_or(99, |n| n % 100)
}
