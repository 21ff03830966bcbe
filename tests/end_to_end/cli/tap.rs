//! A line to the server that breaks at a word: it holds the server's own key, so it hears what the program says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{JoinHandle, block_on, spawn};
use futures::future::select;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures::pin_mut;
use sealift::tls::{Acceptor, Connector, Identity, Trust};

use crate::common::program::World;

/// Where a line breaks.
#[derive(Debug, Clone, Copy)]
pub enum Break {
    /// The server does not get the line with the word.
    Before,
    /// The server gets it, and its answer does not come.
    After,
}

/// What is common to all its connections.
struct Shared {
    word: &'static str,
    place: Break,
    /// How often the line is still to break.
    left: usize,
    /// What the server got over all connections.
    passed: Vec<u8>,
}

/// A running one. Dropping it stops it.
pub struct Tap {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: Option<JoinHandle<()>>,
}

impl Tap {
    /// The line breaks so often where the program says a command that begins so.
    pub fn start(world: &World, word: &'static str, place: Break, times: usize) -> Tap {
        let identity = Identity::load(&world.server.place().join("certs")).unwrap();
        let connector = Connector::new(Trust::Pins(vec![identity.pin()])).unwrap();
        let acceptor = Acceptor::new(&identity).unwrap();
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = world.server.address();
        let shared = Arc::new(Mutex::new(Shared { word, place, left: times, passed: Vec::new() }));
        let common = shared.clone();
        let task = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, connector, shared) = (acceptor.clone(), connector.clone(), common.clone());
                let server = server.clone();
                spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let Ok((client, _)) = acceptor.accept(client).await else { return };
                    let Ok((server, _)) = connector.connect(server, "127.0.0.1").await else { return };
                    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
                    let up = up(from_client, to_server, &shared);
                    let down = pass(from_server, to_client);
                    pin_mut!(up, down);
                    // Whoever ends first ends both; what is dropped is cut.
                    select(up, down).await;
                });
            }
        });
        world.trust(address);
        Tap { address, shared, task: Some(task) }
    }

    /// How many lines that begin with this the server got.
    pub fn passed(&self, word: &str) -> usize {
        let shared = self.shared.lock().unwrap();
        shared.passed.split(|b| *b == b'\n').filter(|line| line.starts_with(word.as_bytes())).count()
    }

    /// How often the line did not break though it was to.
    pub fn left(&self) -> usize {
        self.shared.lock().unwrap().left
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            block_on(task.cancel());
        }
    }
}

/// What the program says, up to the word or the end.
async fn up(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, shared: &Mutex<Shared>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let said = &bytes[..count];
        let breaks = {
            let mut shared = shared.lock().unwrap();
            let is_said = said.split(|b| *b == b'\n').any(|line| line.starts_with(shared.word.as_bytes()));
            let breaks = (is_said && shared.left > 0).then_some(shared.place);
            shared.left -= usize::from(breaks.is_some());
            if !matches!(breaks, Some(Break::Before)) {
                shared.passed.extend_from_slice(said);
            }
            breaks
        };
        if matches!(breaks, Some(Break::Before)) || to.write_all(said).await.is_err() || to.flush().await.is_err() {
            return;
        }
        if breaks.is_some() {
            // It answers when it has acted.
            return to.close().await.unwrap_or(());
        }
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..count]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
