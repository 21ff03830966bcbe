//! One connection: handshake, the protocol that it chose, close. One task owns its TLS stream from the first to the last
//! byte.
//!
//! The stages before and after the protocol are boxed: a future is as large as its largest stage, and a connection that
//! idles for hours must not carry the memory of its handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::future::timeout;
use async_std::net::TcpStream;
use async_std::task::sleep;
use futures::future::{BoxFuture, Either, select};
use futures::{FutureExt as _, pin_mut};
use tracing::info;

use super::admission::{Admitted, Offence};
use crate::budget::Account;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::Source;
use crate::server::keys::Keys;
use crate::server::tenure::Tenure;
use crate::server::{Shared, http, line};
use crate::tls::{self, PeerInfo, TlsStream};

/// What a connection is after its handshake.
pub type Stream = TlsStream<TcpStream>;

/// Serves one connection to its end and logs how that came.
pub async fn serve(socket: TcpStream, peer: SocketAddr, admitted: Admitted, (shared, tenure): (Arc<Shared>, Tenure)) {
    let counted = shared.registry.connected();
    let may_log = || shared.registry.log_shares().allows(&Source::from(peer.ip()));
    if may_log() {
        info!(%peer, connections = shared.registry.connections(), "connected");
    }
    let outcome = converse(socket, peer, admitted, (&shared, tenure)).await;
    drop(counted);
    let connections = shared.registry.connections();
    match outcome {
        _ if !may_log() => {}
        Ok(()) => info!(%peer, connections, "disconnected"),
        Err(error) => info!(%peer, connections, word = error.kind().word(), %error, "disconnected"),
    }
}

async fn converse(
    socket: TcpStream,
    peer: SocketAddr,
    mut admitted: Admitted,
    (shared, tenure): (&Arc<Shared>, Tenure),
) -> Result<()> {
    // Small replies must not wait for more to send; failing to say so costs only speed.
    let _ = socket.set_nodelay(true);
    let account = shared.memory.account(&Source::from(peer.ip()));
    // One and the same for all of it: what is announced later goes with the key that was shown.
    let keys = shared.keys.now();
    let next_pin = keys.next_pin;
    let (mut stream, info) = shake_hands(socket, &account, (&admitted, &keys), shared).boxed().await?;
    drop(keys);
    match info.alpn.as_deref() {
        Some(tls::ALPN) => {
            let result = line::connection::serve(
                &mut stream,
                (peer, info.key_pin, next_pin),
                &mut admitted,
                (shared, tenure.clone()),
            )
            .await;
            // A panic is ours, but whoever can cause one may do it again.
            if result.as_ref().is_err_and(|error| error.kind() == Kind::Internal) {
                admitted.penalise(Offence::Panic, Instant::now());
            }
            // A goodbye may take its time.
            tenure.give_up();
            stream.close().boxed().await;
            result
        }
        Some(tls::HTTP_1 | tls::HTTP_2) => {
            http::connection::serve(stream, info, peer, admitted, (shared.clone(), tenure)).boxed().await
        }
        // The handshake lets nothing else through.
        _ => Err(Error::new(Kind::Internal, "a handshake without a protocol")),
    }
}

async fn shake_hands(
    socket: TcpStream,
    account: &Arc<Account>,
    (admitted, keys): (&Admitted, &Keys),
    shared: &Shared,
) -> Result<(Stream, PeerInfo)> {
    let handshake = timeout(shared.live().timeouts.handshake, keys.acceptor.accept_within(socket, account));
    let Ok(shaken) = while_welcome(admitted, shared, limits::NEWCOMER_AFTER_STOP, handshake.boxed()).await? else {
        admitted.penalise(Offence::TooSlow, Instant::now());
        return Err(Error::new(Kind::TimedOut, "no TLS handshake in time"));
    };
    shaken.inspect_err(|_| admitted.penalise(Offence::NoLogin, Instant::now()))
}

/// Does this unless the server is told to stop, and so long after that, or the place is given to somebody else: nobody who is not logged in
/// has anything to finish. It is boxed, as an argument that is waited for stands in a future twice: that of a login had 14 KiB so, and
/// what is free again of those lies between what idle connections keep.
pub async fn while_welcome<T>(
    admitted: &Admitted,
    shared: &Shared,
    after_stop: Duration,
    work: BoxFuture<'_, T>,
) -> Result<T> {
    let stopping = async {
        shared.registry.stopping().await;
        if !after_stop.is_zero() {
            sleep(after_stop).await;
        }
    };
    let pushed_out = admitted.pushed_out();
    pin_mut!(work, stopping, pushed_out);
    match select(work, select(stopping, pushed_out)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((Either::Left(_), _)) => Err(Error::new(Kind::Stopping, "the server is stopping")),
        Either::Right((Either::Right(_), _)) => Err(Error::new(
            Kind::Busy,
            "too many connections are not logged in, and most of them come from where you are",
        )),
    }
}
