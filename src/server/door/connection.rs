//! One connection: handshake, login, session, close. One task owns its TLS stream from the first to the last byte.
//!
//! The stages before and after the session are boxed: a future is as large as its largest stage, and a connection that
//! idles for hours must not carry the memory of its login.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use async_std::future::timeout;
use async_std::net::TcpStream;
use futures::future::{Either, select};
use futures::{AsyncWriteExt, FutureExt as _, pin_mut};
use tracing::info;

use super::admission::{Admitted, Offence};
use super::self_service::SelfService;
use super::ties::Ties;
use crate::budget::Account;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::lane::Lane;
use crate::machine::source::{Origin, Source};
use crate::proto::ReplyWriter;
use crate::server::Shared;
use crate::server::desk::registry::Ending;
use crate::server::drive::{drive, lane};
use crate::server::line::login::{Login, Proven, login};
use crate::server::line::session::Session;
use crate::tls::{Pin, TlsStream};

type Stream = TlsStream<TcpStream>;

/// Serves one connection to its end and logs how that came.
pub async fn serve(socket: TcpStream, peer: SocketAddr, mut admitted: Admitted, shared: Arc<Shared>) {
    let counted = shared.registry.connected();
    let may_log = || shared.registry.log_shares().allows(&Source::from(peer.ip()));
    if may_log() {
        info!(%peer, connections = shared.registry.connections(), "connected");
    }
    let outcome = converse(socket, peer, &mut admitted, &shared).await;
    drop(counted);
    let connections = shared.registry.connections();
    match outcome {
        _ if !may_log() => {}
        Ok(()) => info!(%peer, connections, "disconnected"),
        Err(error) => info!(%peer, connections, word = error.kind().word(), %error, "disconnected"),
    }
}

async fn converse(socket: TcpStream, peer: SocketAddr, admitted: &mut Admitted, shared: &Arc<Shared>) -> Result<()> {
    // Small replies must not wait for more to send; failing to say so costs only speed.
    let _ = socket.set_nodelay(true);
    let account = shared.memory.account(&Source::from(peer.ip()));
    let (mut stream, pin) = shake_hands(socket, &account, admitted, shared).boxed().await?;
    let result = log_in_and_serve(&mut stream, (peer, pin), admitted, shared).await;
    stream.close().boxed().await;
    result
}

async fn shake_hands(
    socket: TcpStream,
    account: &Arc<Account>,
    admitted: &Admitted,
    shared: &Shared,
) -> Result<(Stream, Pin)> {
    let handshake = timeout(shared.timeouts.handshake, shared.acceptor.accept_within(socket, account));
    let Ok(shaken) = while_welcome(admitted, shared, handshake).await? else {
        admitted.penalise(Offence::TooSlow, Instant::now());
        return Err(Error::new(Kind::TimedOut, "no TLS handshake in time"));
    };
    let (stream, info) = shaken.inspect_err(|_| admitted.penalise(Offence::NoLogin, Instant::now()))?;
    let pin = info.key_pin.ok_or_else(|| Error::new(Kind::Internal, "a handshake without a key"))?;
    Ok((stream, pin))
}

async fn log_in_and_serve(
    stream: &mut Stream,
    (peer, pin): (SocketAddr, Pin),
    admitted: &mut Admitted,
    shared: &Arc<Shared>,
) -> Result<()> {
    let Some((lane, ending)) = log_in(stream, (peer, pin), admitted, shared).boxed().await? else { return Ok(()) };
    let result = drive(stream, lane, ending, shared).await;
    // Only a panic ends a session so.
    if result.as_ref().is_err_and(|error| error.kind() == Kind::Internal) {
        admitted.penalise(Offence::Panic, Instant::now());
    }
    result
}

/// A session in its lane; none if the client left.
async fn log_in(
    stream: &mut Stream,
    (peer, pin): (SocketAddr, Pin),
    admitted: &mut Admitted,
    shared: &Arc<Shared>,
) -> Result<Option<(Lane<Session>, Ending)>> {
    let logging_in = timeout(shared.timeouts.login, login(stream, shared, (peer, pin), admitted));
    let (proven, early) = match while_welcome(admitted, shared, logging_in).await {
        Ok(Ok(Ok(Login::Done(proven, early)))) => (proven, early),
        Ok(Ok(Ok(Login::Over))) => return Ok(None),
        Ok(Ok(Err(error))) => return Err(error),
        Ok(Err(_)) => {
            admitted.penalise(Offence::TooSlow, Instant::now());
            return refuse(stream, Error::new(Kind::TimedOut, "no login in time")).await;
        }
        Err(unwelcome) => return refuse(stream, unwelcome).await,
    };
    if let Err(busy) = admitted.log_in(&proven.principal) {
        return refuse(stream, busy).await;
    }
    let source = Source::of(&proven.principal, peer.ip());
    match open(proven, peer, &source, shared).await {
        Ok((mut session, ending)) => {
            // A named user has a share of their own.
            let account = shared.memory.account(&source);
            stream.charge(&account);
            let welcome = session.welcome(shared.next_pin);
            let lane = lane(session, &welcome, &early, shared.turns.clone(), source, account);
            Ok(Some((lane, ending)))
        }
        Err(error) => refuse(stream, error).await,
    }
}

/// Does this unless the server is told to stop or the place is given to somebody else: nobody who is not logged in has
/// anything to finish.
async fn while_welcome<T>(admitted: &Admitted, shared: &Shared, work: impl Future<Output = T>) -> Result<T> {
    let (stopping, pushed_out) = (shared.registry.stopping(), admitted.pushed_out());
    pin_mut!(work, stopping, pushed_out);
    match select(work, select(stopping, pushed_out)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((Either::Left(_), _)) => Err(Error::new(Kind::Stopping, "the server is stopping")),
        Either::Right((Either::Right(_), _)) => {
            Err(Error::new(Kind::Busy, "too many who are not logged in, and most of them from where you are"))
        }
    }
}

/// The principal's session over its own home.
async fn open(
    Proven { principal, of }: Proven,
    peer: SocketAddr,
    source: &Source,
    shared: &Arc<Shared>,
) -> Result<(Session, Ending)> {
    let changed = || Error::new(Kind::Revoked, "your account has changed just now");
    // The password took a while to check; an account that was edited meanwhile is entered as it is now.
    let principal = shared.users.latest().admit(&principal).ok_or_else(changed)?;
    let ticket = match of {
        None => shared.registry.enter(&principal, peer)?,
        Some(of) => shared.registry.join(of, &principal, peer)?,
    };
    let ending = ticket.ending();
    if shared.registry.log_shares().allows(&Source::of(&principal, peer.ip())) {
        info!(%peer, session = %ticket.id(), user = principal.name(), key = principal.key_name(), "logged in");
    }
    let homes = shared.homes.clone();
    let ties = Ties::new(shared.tokens.clone(), shared.staged.clone(), ticket.id(), Origin::from(peer.ip()));
    let (users, most) = (shared.users.clone(), shared.max_mode);
    let self_service = SelfService::new(shared.accounts.clone(), shared.admission.clone(), peer.ip());
    let opening = shared.opening.run(source, move || {
        // Entered first: whatever changes from here on ends the session.
        let version = users.version();
        let principal = users.latest().renew(&principal).ok_or_else(changed)?;
        let store = homes.open_home(&principal)?;
        Ok((Session::new(principal, (users, version), (store, most), Arc::new(ticket), ties, self_service), ending))
    });
    opening.await?
}

/// Says why the connection ends here.
async fn refuse<T>(stream: &mut Stream, error: Error) -> Result<T> {
    let mut line = Vec::new();
    let (kind, text) = error.told_by_server();
    ReplyWriter::error(&mut line, kind).text(&text);
    // The client may have stopped reading long ago.
    let _ = timeout(limits::CLOSE_DRAIN, send(stream, &line)).await;
    Err(error)
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> Result<()> {
    let failed = |err| Error::network("writing", err);
    stream.write_all(bytes).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}
