//! A connection of sealift/1 after its handshake: login, then a session in its lane.
//!
//! The login is boxed: a future is as large as its largest stage, and a connection that idles for hours must not carry the
//! memory of its login.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::future::timeout;
use futures::{AsyncWriteExt, FutureExt as _};
use tracing::error;

use super::login::{Login, login};
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::drive::{Ends, drive, lane};
use crate::machine::lane::Lane;
use crate::machine::source::{Origin, Source};
use crate::proto::ReplyWriter;
use crate::server::Shared;
use crate::server::desk::registry::Ending;
use crate::server::desk::session_resources::SessionResources;
use crate::server::door::admission::{Admitted, Offence};
use crate::server::door::authenticate::Proven;
use crate::server::door::connection::{Stream, while_welcome};
use crate::server::door::entry::{Entry, enter};
use crate::server::door::self_service::SelfService;
use crate::server::tenure::Tenure;
use crate::tls::Pin;

/// Serves it to its end; what closes the stream is the caller's.
///
/// # Errors
/// Why it ended, if it was not the client's own wish.
pub async fn serve(
    stream: &mut Stream,
    (peer, pin, next_pin): (SocketAddr, Option<Pin>, Option<Pin>),
    admitted: &mut Admitted,
    (shared, tenure): (&Arc<Shared>, Tenure),
) -> Result<()> {
    let pin = pin.ok_or_else(|| Error::new(Kind::Internal, "a handshake without a key"))?;
    let keys = Pins { pin, next: next_pin };
    let Some((lane, ending)) = log_in(stream, (peer, keys), admitted, (shared, tenure)).boxed().await? else {
        return Ok(());
    };
    let ends = Ends { one: ending.wait(), all: shared.registry.stopping() };
    let result = drive(stream, lane, ends, &shared.live().pace, ending.throttle()).await;
    // Only a panic ends a session so.
    if result.as_ref().is_err_and(|error| error.kind() == Kind::Internal) {
        let panics = shared.registry.count_panic();
        error!(panics, "a session panicked: a fault in Sealift, please report it");
    }
    result
}

/// Of the keys that a connection began with.
#[derive(Clone, Copy)]
struct Pins {
    /// That of the handshake.
    pin: Pin,
    /// That of the server's next key then.
    next: Option<Pin>,
}

/// A session in its lane; none if the client left.
async fn log_in(
    stream: &mut Stream,
    (peer, Pins { pin, next }): (SocketAddr, Pins),
    admitted: &mut Admitted,
    (shared, tenure): (&Arc<Shared>, Tenure),
) -> Result<Option<(Lane<Session>, Ending)>> {
    let logging_in = timeout(shared.live().timeouts.login, login(stream, shared, (peer, pin), admitted));
    let (proven, early, uploads) = match while_welcome(admitted, shared, Duration::ZERO, logging_in.boxed()).await {
        Ok(Ok(Ok(Login::Done { proven, early, uploads }))) => (proven, early, uploads),
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
    let of_session = tenure.another();
    match open(proven, (peer, pin), &source, (shared, &of_session)).await {
        Ok((session, ending)) => {
            let mut session = session.of_sender(uploads).with(of_session);
            // From here on it is the session that may change something, which may end on another thread later than its connection.
            tenure.give_up();
            // A named user has a share of their own.
            let account = shared.memory.account(&source);
            stream.charge(&account);
            let welcome = session.welcome(next);
            let lane = lane(session, &welcome, &early, shared.turns.clone(), source, account);
            Ok(Some((lane, ending)))
        }
        Err(error) => refuse(stream, error).await,
    }
}

/// The principal's session over its own home.
async fn open(
    Proven { principal, way }: Proven,
    (peer, pin): (SocketAddr, Pin),
    source: &Source,
    (shared, tenure): (&Arc<Shared>, &Tenure),
) -> Result<(Session, Ending)> {
    let Entry { principal, version, session_store, ticket, ending } =
        enter(principal, way, peer, source, shared).await?;
    let resources =
        SessionResources::new(shared.tokens.clone(), shared.staged.clone(), ticket.id(), Origin::from(peer.ip()));
    let resources = resources.going_on_with(shared.uploads.clone()).within(tenure.clone());
    let self_service = SelfService::new(shared.accounts.clone(), shared.admission.clone(), peer.ip(), pin);
    let (users, ticket) = ((shared.users.clone(), version), Arc::new(ticket));
    let session =
        Session::new(principal, users, (session_store, shared.live().max_mode), ticket, resources, self_service);
    Ok((session.counting(shared.downloads.clone()), ending))
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
