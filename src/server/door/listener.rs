//! The accept loop: a place first, then a connection, then a task. Nothing that takes time happens here.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_lock::SemaphoreGuardArc;
use async_std::channel::{Receiver, Sender, bounded};
use async_std::net::{TcpListener as AsyncListener, TcpStream};
use async_std::task::{sleep, spawn};
use futures::future::{Either, FutureExt as _, join_all, select};
use futures::pin_mut;
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tracing::{info, warn};

use super::admission::{Admitted, Exempt};
use super::liveness::Question;
use super::{connection, proxied};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::Source;
use crate::server::Shared;
use crate::server::tenure::{Tenure, Tenures};

/// Connections that may wait in the kernel to be accepted; the kernel lowers it to its own limit (4,096 on Linux).
const BACKLOG: i32 = 4096;

/// Listens on all these addresses; on [`limits::PORT`] of every address of the machine if there are none.
///
/// `[::]` takes IPv4 connections too, unless an IPv4 address with the same port is in the list.
///
/// # Errors
/// [`crate::Kind::AddressInUse`] and other failures of the network, naming the address.
pub fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>> {
    let failed = |address: SocketAddr, err: Errno| {
        Error::network(format_args!("cannot listen on {address}"), std::io::Error::from(err))
    };
    if addresses.is_empty() {
        let by_ipv6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, limits::PORT));
        let by_ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, limits::PORT));
        let listener = match open(by_ipv6, false) {
            // The machine has no IPv6.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => open(by_ipv4, false).map_err(|err| failed(by_ipv4, err)),
            opened => opened.map_err(|err| failed(by_ipv6, err)),
        }?;
        return Ok(vec![listener]);
    }
    let open = |address: &SocketAddr| {
        let ipv4_apart = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        open(*address, ipv4_apart).map_err(|err| failed(*address, err))
    };
    addresses.iter().map(open).collect()
}

/// What keeps [`listen`] from each of these addresses now. Nothing listens anywhere meanwhile: nobody who connects is let down by it.
pub fn obstacles(addresses: &[SocketAddr]) -> Vec<(SocketAddr, Error)> {
    let usual = [SocketAddr::from((Ipv6Addr::UNSPECIFIED, limits::PORT))];
    let addresses = if addresses.is_empty() { &usual[..] } else { addresses };
    let failed = |(at, address): (usize, &SocketAddr)| {
        let ipv4_apart = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        let bound = match bind(*address, ipv4_apart) {
            // The machine has no IPv6.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if addresses == usual => {
                bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, limits::PORT)), false)
            }
            bound => bound,
        };
        let what = format!("cannot listen on {address}");
        // Looked for first, since whatever else is in the way may go: two sockets may have one address until one of them listens.
        let before = addresses.iter().take(at).find(|other| are_one(other, address, ipv4_apart));
        let error = match (before, bound) {
            (Some(before), _) => {
                Error::new(Kind::Usage, format!("{what}: {before} is listened on too, and overlaps with it"))
            }
            (None, Err(err)) => Error::network(what, std::io::Error::from(err)),
            (None, Ok(_)) => return None,
        };
        Some((*address, error))
    };
    addresses.iter().enumerate().filter_map(failed).collect()
}

/// Whether nobody can listen on one of them while somebody does on the other. Where IPv4 is not apart, every address of IPv6 is every
/// address.
pub fn are_one(one: &SocketAddr, other: &SocketAddr, ipv4_apart: bool) -> bool {
    let is_every = |address: &SocketAddr| address.ip().is_unspecified();
    let is_all = |address: &SocketAddr| is_every(address) && address.is_ipv6() && !ipv4_apart;
    let is_one_family = one.is_ipv4() == other.is_ipv4();
    let meet =
        is_all(one) || is_all(other) || is_one_family && (one.ip() == other.ip() || is_every(one) || is_every(other));
    one.port() != 0 && one.port() == other.port() && meet
}

fn open(address: SocketAddr, ipv4_apart: bool) -> Result<TcpListener, Errno> {
    let socket = bind(address, ipv4_apart)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn bind(address: SocketAddr, ipv4_apart: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // No program that is started inherits it.
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A restarted server must not wait for the old one's connections to be forgotten.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, ipv4_apart)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// When the connections come to an end that are open when no more are accepted.
pub struct Ends {
    /// Closes when nothing can be changed by any of them any more.
    pub changing: Receiver<()>,
    /// Closes when the last one is over.
    pub all: Receiver<()>,
}

/// Accepts on all listeners until the server is told to stop.
pub async fn accept_all(doors: Vec<Door>, shared: &Arc<Shared>) -> Ends {
    let (open, all) = bounded(1);
    let (tenures, changing) = Tenures::new();
    let counted = Arc::new(Counted { open, tenures });
    let accepting = doors.into_iter().map(|door| accept_until_stopped(door, counted.clone(), shared.clone()));
    join_all(accepting).await;
    info!("no longer listening");
    Ends { changing, all }
}

/// What each connection has a part of until it is over.
struct Counted {
    open: Sender<()>,
    tenures: Tenures,
}

impl Counted {
    fn connection(&self) -> Connected {
        Connected { tenure: self.tenures.one(), _open: self.open.clone() }
    }
}

/// A connection is there as long as this is.
struct Connected {
    tenure: Tenure,
    _open: Sender<()>,
}

/// Where newcomers come in.
pub struct Door {
    listener: TcpListener,
    /// Whoever asks whether anybody accepts there.
    asked: Receiver<Question>,
}

impl Door {
    /// One that is asked from now on, and answers once somebody accepts there.
    pub fn new(listener: TcpListener, shared: &Shared) -> Door {
        Door { listener, asked: shared.liveness.door() }
    }
}

async fn accept_until_stopped(Door { listener, asked }: Door, counted: Arc<Counted>, shared: Arc<Shared>) {
    let listener = AsyncListener::from(listener);
    let mut spare = spare_descriptor();
    let stopping = shared.registry.stopping();
    pin_mut!(stopping);
    loop {
        // Before accepting: when sessions have all places, newcomers wait in the kernel's queue and cost us nothing.
        let next = async {
            shared.admission.room().await;
            listener.accept().await
        }
        .boxed();
        let next = match select(&mut stopping, select(asked.recv().boxed(), next)).await {
            Either::Left(_) => return,
            Either::Right((Either::Left((question, _)), _)) => {
                if let Ok(question) = question {
                    // Nobody waits any more: fine.
                    let _ = question.try_send(());
                }
                continue;
            }
            Either::Right((Either::Right((next, _)), _)) => next,
        };
        match next {
            Ok((socket, peer)) => {
                // An IPv4 address that came in by IPv6 is still the same machine's.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let balancers = shared.live();
                let balancers = &balancers.balancers;
                if !balancers.contain(peer) {
                    let Some(admitted) = admit(peer, Exempt::Listed, &shared) else { continue };
                    // Boxed, because the executor would keep two copies of the future's room.
                    spawn(serve(socket, peer, admitted, shared.clone(), counted.connection()).boxed());
                } else if let Some(place) = balancers.place() {
                    spawn(serve_proxied(socket, peer, place, shared.clone(), counted.connection()).boxed());
                } else {
                    refused_unnamed(
                        peer,
                        "too many connections of this balancer have not said whose they are",
                        &shared,
                    );
                }
            }
            Err(error) => {
                if [Errno::MFILE, Errno::NFILE].iter().any(|full| error.raw_os_error() == Some(full.raw_os_error())) {
                    turn_away(&listener, &mut spare);
                }
                // Trying again at once would only spin.
                let error = Error::network("accepting", error);
                if crate::repeated_warnings::is_first("cannot accept a connection", &error) {
                    warn!(%error, "cannot accept a connection");
                }
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection's place, unless it is refused.
fn admit(peer: SocketAddr, exempt: Exempt, shared: &Shared) -> Option<Admitted> {
    let admitted = shared.admission.admit_as(peer.ip(), exempt, Instant::now(), dice());
    admitted.inspect_err(|refusal| refused(peer, refusal.word(), shared)).ok()
}

fn refused(peer: SocketAddr, why: &str, shared: &Shared) {
    if shared.registry.log_shares().allows(&Source::from(peer.ip())) {
        info!(%peer, why, "connection refused");
    }
}

/// One of a balancer that has not said whose it is.
fn refused_unnamed(balancer: SocketAddr, why: &str, shared: &Shared) {
    shared.admission.tally().unnamed();
    refused(balancer, why, shared);
}

/// A connection that a balancer hands on: it counts as that of whom the balancer names.
async fn serve_proxied(
    mut socket: TcpStream,
    balancer: SocketAddr,
    place: SemaphoreGuardArc,
    shared: Arc<Shared>,
    connected: Connected,
) {
    let told = {
        let (whose, stopping) = (proxied::whose(&mut socket), shared.registry.stopping());
        pin_mut!(whose, stopping);
        match select(whose, stopping).await {
            Either::Left((told, _)) => told,
            Either::Right(_) => return,
        }
    };
    drop(place);
    match told {
        Ok(peer) => {
            // What a balancer does for itself, such as seeing whether the server is there, is no misbehaviour. Whom it names is a
            // client like any other, also one in the balancers' own network.
            let (peer, exempt) = peer.map_or((balancer, Exempt::Always), |client| (client, Exempt::Listed));
            if let Some(admitted) = admit(peer, exempt, &shared) {
                serve(socket, peer, admitted, shared, connected).await;
            }
        }
        Err(error) => refused_unnamed(balancer, error.text(), &shared),
    }
}

async fn serve(socket: TcpStream, peer: SocketAddr, admitted: Admitted, shared: Arc<Shared>, connected: Connected) {
    // A fault while handling one connection ends that one only.
    let serving = connection::serve(socket, peer, admitted, (shared.clone(), connected.tenure.clone()));
    if AssertUnwindSafe(serving).catch_unwind().await.is_err() {
        let panics = shared.registry.count_panic();
        tracing::error!(%peer, panics, "a connection panicked: a fault in Sealift, please report it");
    }
    drop(connected);
}

/// A descriptor that can be given up when there are no more.
fn spare_descriptor() -> Option<OwnedFd> {
    fcntl_dupfd_cloexec(std::io::stderr(), 0).ok()
}

/// Without a descriptor for them newcomers would wait for a handshake that never comes: the spare one is given up, and
/// they are told that there is no place by the end of their connections.
fn turn_away(listener: &AsyncListener, spare: &mut Option<OwnedFd>) {
    drop(spare.take());
    for _ in 0..limits::TURNED_AWAY {
        if !matches!(listener.accept().now_or_never(), Some(Ok(_))) {
            break;
        }
    }
    *spare = spare_descriptor();
}

/// 0 to 99.
fn dice() -> u32 {
    // Without random numbers nobody is refused by chance; the caps still hold.
    getrandom::u32().map_or(99, |n| n % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_listener_takes_ipv4_unless_that_is_listened_on_apart() {
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        for apart in [false, true] {
            match open(everywhere, apart) {
                Ok(listener) => assert_eq!(sockopt::ipv6_v6only(&listener).unwrap(), apart),
                Err(err) => assert!(matches!(err, Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL), "{err}"),
            }
        }
    }

    #[test]
    fn an_address_in_use_is_named() {
        let first = listen(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let err = listen(&[taken]).unwrap_err();
        assert_eq!(err.kind(), crate::Kind::AddressInUse);
        assert!(err.text().contains(&taken.to_string()), "{err}");
    }
}
