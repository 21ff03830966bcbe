//! Stands between client and server with the server's own key, and writes down what each of them says.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{JoinHandle, block_on, sleep, spawn};
use futures::future::join;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sealift::tls::{Acceptor, Connector, Identity, Trust};

use crate::common::{Daemon, HANG};

/// What was said over one connection, below TLS.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// By the client.
    pub up: Vec<u8>,
    /// By the server.
    pub down: Vec<u8>,
    is_over: bool,
}

/// A running proxy. Dropping it stops it.
pub struct Proxy {
    port: u16,
    connections: Arc<Mutex<Vec<Connection>>>,
    task: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of this server, with the key in its folder: a client that knows the server's pin sees no difference.
    pub fn start(daemon: &Daemon, certs: &Path) -> Proxy {
        let identity = Identity::load(certs).unwrap();
        let connector = Connector::new(Trust::Pins(vec![identity.pin()])).unwrap();
        let acceptor = Acceptor::new(&identity).unwrap();
        let listener = block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = SocketAddr::from(([127, 0, 0, 1], daemon.port()));
        let connections: Arc<Mutex<Vec<Connection>>> = Arc::default();
        let notes = connections.clone();
        let task = spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = {
                    let mut notes = notes.lock().unwrap();
                    notes.push(Connection::default());
                    notes.len() - 1
                };
                let (acceptor, connector, notes) = (acceptor.clone(), connector.clone(), notes.clone());
                spawn(async move {
                    serve(client, server, &acceptor, &connector, number, &notes).await;
                    notes.lock().unwrap()[number].is_over = true;
                });
            }
        });
        Proxy { port, connections, task: Some(task) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What was said over all connections, when all are over.
    pub fn end(self) -> Vec<Connection> {
        within(async {
            while !self.connections.lock().unwrap().iter().all(|connection| connection.is_over) {
                sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        std::mem::take(&mut self.connections.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            block_on(task.cancel());
        }
    }
}

async fn serve(
    client: TcpStream,
    server: SocketAddr,
    acceptor: &Acceptor,
    connector: &Connector,
    number: usize,
    notes: &Mutex<Vec<Connection>>,
) {
    let server = TcpStream::connect(server).await.unwrap();
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    // A client that does not like the key has said nothing.
    let Ok((client, _)) = acceptor.accept(client).await else { return };
    let (server, _) = connector.connect(server, "127.0.0.1").await.unwrap();
    // Both directions of a stream in one task, as it must be.
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let up = pass(from_client, to_server, |bytes| notes.lock().unwrap()[number].up.extend_from_slice(bytes));
    let down = pass(from_server, to_client, |bytes| notes.lock().unwrap()[number].down.extend_from_slice(bytes));
    join(up, down).await;
}

/// Passes on what comes, up to the end, however that comes about, and passes the end on too.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut note: impl FnMut(&[u8])) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        note(&bytes[..count]);
        if to.write_all(&bytes[..count]).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _is_gone_already = to.close().await;
}

fn within<T>(work: impl Future<Output = T>) -> T {
    block_on(async_std::future::timeout(HANG, work)).expect("a connection does not end")
}
