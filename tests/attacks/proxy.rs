//! A proxy that lets so much of the server's side through and then cuts the connection.

use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_std::net::TcpStream;
use async_std::task::block_on;
use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy};
use futures::pin_mut;

/// When the server's side is cut.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    Never,
    /// After so many TLS records.
    Records(usize),
    /// After so many bytes.
    Bytes(usize),
}

/// How it is cut.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// As if the server's program had ended: FIN.
    Fin,
    /// As if its machine had been restarted: RST.
    Reset,
}

/// A proxy for one connection.
pub struct Proxy {
    pub port: u16,
    serving: std::thread::JoinHandle<()>,
    records: Arc<Mutex<Vec<usize>>>,
}

impl Proxy {
    pub fn start(server: u16, cut: Cut, how: How) -> Proxy {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let records = Arc::new(Mutex::new(Vec::new()));
        let passed = records.clone();
        let serving = std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            block_on(serve(client, server, cut, how, &passed));
        });
        Proxy { port, serving, records }
    }

    /// The sizes of the server's records that passed whole, after the end.
    pub fn end(self) -> Vec<usize> {
        self.serving.join().unwrap();
        std::mem::take(&mut self.records.lock().unwrap())
    }
}

async fn serve(client: std::net::TcpStream, server: u16, cut: Cut, how: How, passed: &Mutex<Vec<usize>>) {
    let socket = client.try_clone().unwrap();
    let client = TcpStream::from(client);
    let server = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], server))).await.unwrap();
    {
        let mut upwards = &server;
        let up = copy(&client, &mut upwards);
        let down = pass(&server, &client, cut, passed);
        pin_mut!(up, down);
        // Who ends first, ends both: a client that has given up, or the cut.
        if let Either::Left(_) = select(up, down).await {
            return;
        }
    }
    match how {
        How::Fin => {
            let _the_client_may_be_gone = client.shutdown(Shutdown::Write);
            let mut rest = Vec::new();
            let _ended_as_it_likes = (&client).read_to_end(&mut rest).await;
        }
        // Both handles are closed at the end of this function, and that is the reset.
        How::Reset => rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap(),
    }
}

/// Passes the server's records on, up to the cut or the end.
async fn pass(mut server: &TcpStream, mut client: &TcpStream, cut: Cut, records: &Mutex<Vec<usize>>) {
    let mut bytes = 0;
    loop {
        let count = records.lock().unwrap().len();
        if matches!(cut, Cut::Records(most) if count >= most) {
            return;
        }
        let Some(record) = record(&mut server).await else { return };
        let let_through = match cut {
            Cut::Bytes(most) => record.len().min(most - bytes),
            Cut::Never | Cut::Records(_) => record.len(),
        };
        bytes += let_through;
        if client.write_all(&record[..let_through]).await.is_err() || let_through < record.len() {
            return;
        }
        records.lock().unwrap().push(record.len());
    }
}

/// The next whole record (RFC 8446, section 5.1).
async fn record(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    from.read_exact(&mut record).await.ok()?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..]).await.ok()?;
    Some(record)
}
