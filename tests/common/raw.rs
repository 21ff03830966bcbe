//! The protocol over a real TLS connection, byte by byte and blocking: a client that can be as wrong as it likes.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use async_std::net::TcpStream;
use async_std::task::block_on;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use sealift::files::Hash;
use sealift::proto::frame::{ABORT, END, header};
use sealift::proto::{FrameDecoder, Piece, Reply};
use sealift::tls::{Connector, TlsStream, Trust};

use super::{Daemon, HANG};

/// A reply's keys and their values, still percent-encoded.
pub type Fields = BTreeMap<String, String>;

/// A reply: digits, word, fields.
pub type Answer = (u16, String, Fields);

/// Bytes of a frame that [`RawClient::upload`] sends.
const FRAME: usize = 128 * 1024;

/// A connection that sends any bytes and takes the answers apart. Every wait ends in a panic after [`HANG`].
/// Dropping it cuts the connection without a goodbye.
pub struct RawClient {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

impl RawClient {
    /// Connects, and reads the greeting.
    pub fn connect(daemon: &Daemon) -> RawClient {
        let mut client = RawClient::silent(daemon.port());
        let (digits, word, _) = client.reply();
        assert_eq!((digits, word.as_str()), (220, "ready"));
        client
    }

    /// Connects and logs in.
    pub fn logged_in(daemon: &Daemon, user: &str, password: &str) -> RawClient {
        let mut client = RawClient::connect(daemon);
        client.login(user, password);
        client
    }

    /// Connects to this port of 127.0.0.1, whatever its key is, and reads nothing yet.
    pub fn silent(port: u16) -> RawClient {
        RawClient::try_silent(port).unwrap()
    }

    /// Connects from this address of the machine, and reads the greeting.
    pub fn from(address: [u8; 4], daemon: &Daemon) -> RawClient {
        RawClient::try_from(address, daemon).expect("no greeting")
    }

    /// The same; none if the server refuses.
    pub fn try_from(address: [u8; 4], daemon: &Daemon) -> Option<RawClient> {
        RawClient::over(try_socket_from(address, daemon.port()).ok()?)
    }

    /// Shakes hands over a connection that there is, and reads the greeting; none if the server refuses.
    pub fn over(socket: std::net::TcpStream) -> Option<RawClient> {
        let socket = TcpStream::from(socket);
        let connected = within(async { Connector::new(Trust::Observe)?.connect(socket, "127.0.0.1").await });
        let mut client = RawClient { stream: connected.ok()?.0, unread: Vec::new() };
        let (_, word, _) = client.try_reply()?;
        (word == "ready").then_some(client)
    }

    /// The same, with the reason if TCP or TLS fails.
    pub fn try_silent(port: u16) -> sealift::Result<RawClient> {
        let failed = |err| sealift::Error::network("connecting", err);
        within(async {
            let socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.map_err(failed)?;
            socket.set_nodelay(true).map_err(failed)?;
            let (stream, _peer) = Connector::new(Trust::Observe)?.connect(socket, "127.0.0.1").await?;
            Ok(RawClient { stream, unread: Vec::new() })
        })
    }

    /// Logs in; anything but a welcome fails the test.
    pub fn login(&mut self, user: &str, password: &str) {
        let (digits, word, _) = self.try_login(user, password);
        assert_eq!((digits, word.as_str()), (230, "welcome"), "login of {user}");
    }

    /// USER and PASS, and the answer to the second.
    pub fn try_login(&mut self, user: &str, password: &str) -> Answer {
        let (digits, word, fields) = self.ask(format!("USER {user}"));
        if digits != 331 {
            return (digits, word, fields);
        }
        self.ask(format!("PASS {password}"))
    }

    /// Sends bytes. That the server has closed is no failure: it is judged by what it said.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _judged_by_the_answer = self.try_send(bytes);
    }

    /// Sends bytes, and says whether the connection took them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
    }

    /// Sends a line and its ending.
    pub fn line(&mut self, line: impl AsRef<[u8]>) {
        self.send([line.as_ref(), b"\r\n"].concat());
    }

    /// Sends a line and reads one reply.
    pub fn ask(&mut self, line: impl AsRef<[u8]>) -> Answer {
        self.line(line);
        self.reply()
    }

    /// The next reply, preliminary ones too.
    pub fn reply(&mut self) -> Answer {
        self.try_reply().expect("the server closed instead of a reply")
    }

    /// The next reply; none if the connection ended, well or not.
    pub fn try_reply(&mut self) -> Option<Answer> {
        let line = self.raw_line()?;
        let shown = String::from_utf8_lossy(&line);
        let reply = Reply::parse(&line).unwrap_or_else(|err| panic!("{err}: {shown}"));
        let fields = reply.fields().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some((reply.digits, reply.word.to_owned(), fields))
    }

    /// The next line as it came, without its CRLF; none if the connection ended before it was whole.
    pub fn raw_line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.unread.drain(..=at).collect();
                assert!(line.ends_with(b"\r\n"), "a line that does not end with CRLF: {line:?}");
                line.truncate(line.len() - 2);
                return Some(line);
            }
            if self.read_more() == 0 {
                return None;
            }
        }
    }

    /// Data frames up to their end, put together; none if they were aborted.
    pub fn frames(&mut self) -> Option<Vec<u8>> {
        let mut decoder = FrameDecoder::without_trailer();
        let mut data = Vec::new();
        loop {
            let mut input = self.unread.as_slice();
            while let Some(piece) = decoder.next(&mut input).unwrap() {
                let aborted = match piece {
                    Piece::Data(bytes) => {
                        data.extend_from_slice(bytes);
                        continue;
                    }
                    Piece::Pause => continue,
                    Piece::End(_) => false,
                    Piece::Abort => true,
                };
                let used = self.unread.len() - input.len();
                self.unread.drain(..used);
                return (!aborted).then_some(data);
            }
            self.unread.clear();
            assert!(self.read_more() > 0, "the connection ended in the middle of the data");
        }
    }

    /// UPLOAD of these bytes, under a path as it is on the wire (with options after it, if wanted), and the answer.
    pub fn upload(&mut self, path: &str, data: &[u8]) -> Answer {
        self.start_upload(path, data);
        self.reply()
    }

    /// Sends a whole UPLOAD and waits for nothing.
    pub fn start_upload(&mut self, path: &str, data: &[u8]) {
        self.send(upload_bytes(path, data));
    }

    /// DOWNLOAD of a path as it is on the wire: the bytes if all is well and the hash is theirs, else the final reply.
    pub fn download(&mut self, path: &str) -> Result<Vec<u8>, Answer> {
        let (data, (_, _, fields)) = self.data(format!("DOWNLOAD {path}"))?;
        assert_eq!(fields.get("hash"), Some(&Hash::of(&data).to_string()), "the hash of {path}");
        Ok(data)
    }

    /// LIST of a path as it is on the wire (empty: the home), as lines of the listing, else the final reply.
    pub fn list(&mut self, path: &str) -> Result<Vec<String>, Answer> {
        let (data, _) = self.data(format!("LIST {path}").trim_end())?;
        Ok(String::from_utf8(data).unwrap().lines().map(str::to_owned).collect())
    }

    /// Sends a line that is answered with data: the data and the final reply if that is a good one.
    pub fn data(&mut self, line: impl AsRef<[u8]>) -> Result<(Vec<u8>, Answer), Answer> {
        let first = self.ask(line);
        if first.0 != 150 {
            return Err(first);
        }
        let data = self.frames();
        let last = self.reply();
        match data {
            Some(data) if last.0 == 226 => Ok((data, last)),
            _ => Err(last),
        }
    }

    /// All that is still coming, until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Reads all that is still coming, until the connection ends, and keeps nothing of it: how many bytes it was.
    pub fn drain(&mut self) -> u64 {
        let mut all = 0;
        loop {
            self.unread.clear();
            match self.read_more() {
                0 => return all,
                read => all += read as u64,
            }
        }
    }

    /// Says goodbye as TLS does, and closes.
    pub fn close(self) {
        block_on(self.stream.close());
    }

    /// The socket below TLS, to cut or stall it.
    pub fn socket(&self) -> TcpStream {
        self.stream.socket()
    }

    /// Reads what is there, at least a byte; 0 at the end of the connection, however it came.
    fn read_more(&mut self) -> usize {
        let mut bytes = vec![0; 64 * 1024];
        let read = within(async { self.stream.read(&mut bytes).await }).unwrap_or(0);
        self.unread.extend_from_slice(bytes.get(..read).unwrap_or_default());
        read
    }
}

/// A bare connection from this address of the machine to this port of 127.0.0.1.
pub fn socket_from(address: [u8; 4], port: u16) -> std::net::TcpStream {
    try_socket_from(address, port).unwrap()
}

fn try_socket_from(address: [u8; 4], port: u16) -> std::io::Result<std::net::TcpStream> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    // No server that is started meanwhile inherits it.
    let own = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&own, &SocketAddr::from((address, 0)))?;
    connect(&own, &SocketAddr::from(([127, 0, 0, 1], port)))?;
    Ok(own.into())
}

/// An UPLOAD line with its frames, end frame and trailer.
pub fn upload_bytes(path: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("UPLOAD {path}\r\n").into_bytes();
    bytes.extend(frames_of(data));
    bytes.extend(END);
    bytes.extend(Hash::of(data).as_bytes());
    bytes
}

/// A PART line with its frames and end frame.
pub fn part_bytes(arguments: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("PART {arguments}\r\n").into_bytes();
    bytes.extend(frames_of(data));
    bytes.extend(END);
    bytes
}

/// Data frames without an end.
pub fn frames_of(data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(data.len() + 64);
    for chunk in data.chunks(FRAME) {
        bytes.extend(header(chunk.len()));
        bytes.extend(chunk);
    }
    bytes
}

/// The frame that gives an upload up.
pub const GIVE_UP: [u8; 4] = ABORT;

/// Runs this to its end, or fails the test.
fn within<T>(work: impl Future<Output = T>) -> T {
    block_on(async_std::future::timeout(HANG, work)).expect("the server neither answers nor reads")
}
