//! Connections to Sealift without its client: thousands in one process, each with nothing but its TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream as StdStream};

use async_std::net::TcpStream;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use sealift::proto::frame::{FrameDecoder, Piece};
use sealift::proto::reply::Reply;
use sealift::tls::{Connector, TlsStream, stream_error};

use crate::trouble::{Outcome, Trouble};

const READ: usize = 64 * 1024;

/// A connection that is logged in as anonymous.
pub struct Raw {
    stream: TlsStream<TcpStream>,
    /// What was read and not used yet.
    buffer: Vec<u8>,
}

/// What a download or listing brought.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Bytes of data.
    pub bytes: u64,
    /// What the server says it has listed.
    pub entries: Option<u64>,
}

impl Raw {
    /// Connects from an address of this machine, and logs in.
    ///
    /// # Errors
    /// When the connection is refused at any stage.
    pub async fn login(connector: &Connector, from: Ipv4Addr, port: u16) -> Outcome<Raw> {
        let socket = open(from, port).map_err(|err| Trouble::new(format!("no connection: {err}")))?;
        let (stream, _) = connector.connect(socket, "127.0.0.1").await?;
        let mut raw = Raw { stream, buffer: Vec::new() };
        raw.send("USER anonymous\r\nPASS\r\n").await?;
        for wanted in [220, 331, 230] {
            raw.expect(wanted).await?;
        }
        raw.buffer = Vec::new();
        Ok(raw)
    }

    /// Sends a command that is answered with data, and waits for the first of it. Nothing else is read.
    ///
    /// # Errors
    /// When the connection breaks or the command is refused.
    pub async fn begin(&mut self, command: &str) -> Outcome<()> {
        self.send(&format!("{command}\r\n")).await?;
        self.expect(150).await.map(drop)
    }

    /// Reads the data that [`begin`](Raw::begin) has asked for to its end.
    ///
    /// # Errors
    /// When the connection breaks or the transfer fails.
    pub async fn receive(&mut self) -> Outcome<Received> {
        let mut frames = FrameDecoder::without_trailer();
        let mut bytes = 0;
        loop {
            let mut input = self.buffer.as_slice();
            let mut ended = false;
            while let Some(piece) = frames.next(&mut input)? {
                match piece {
                    Piece::Data(data) => bytes += data.len() as u64,
                    Piece::Pause => {}
                    Piece::Abort => return Err(Trouble::new("the server gave the transfer up")),
                    Piece::End(_) => {
                        ended = true;
                        break;
                    }
                }
            }
            let used = self.buffer.len() - input.len();
            self.buffer.drain(..used);
            if ended {
                let entries = self.expect(226).await?;
                self.buffer = Vec::new();
                return Ok(Received { bytes, entries });
            }
            self.read().await?;
        }
    }

    async fn send(&mut self, lines: &str) -> Outcome<()> {
        self.stream.write_all(lines.as_bytes()).await.map_err(stream_error)?;
        Ok(self.stream.flush().await.map_err(stream_error)?)
    }

    /// Reads a reply, which must have these digits, and returns its `entries=`.
    async fn expect(&mut self, digits: u16) -> Outcome<Option<u64>> {
        let end = loop {
            match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => break end,
                None => self.read().await?,
            }
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let reply = Reply::parse(line.trim_ascii_end())?;
        if reply.digits == digits {
            Ok(reply.get("entries").and_then(|count| count.parse().ok()))
        } else {
            Err(Trouble::new(format!("the server says {} {}: {}", reply.digits, reply.word, reply.text)))
        }
    }

    /// Reads what is there, at least a byte.
    async fn read(&mut self) -> Outcome<()> {
        let have = self.buffer.len();
        self.buffer.resize(have + READ, 0);
        let room = self.buffer.get_mut(have..).unwrap_or_default();
        let count = self.stream.read(room).await.map_err(stream_error)?;
        self.buffer.truncate(have + count);
        if count == 0 { Err(Trouble::new("the server closed the connection")) } else { Ok(()) }
    }
}

/// Connects from this address: the server counts connections by where they come from.
fn open(from: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    let stream = StdStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream.into())
}
