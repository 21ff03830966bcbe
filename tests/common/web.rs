//! HTTP as real clients speak it, and byte by byte: curl, and a TLS connection that sends anything.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::{ServerCertVerified, ServerCertVerifier};

use super::{Daemon, HANG};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The headers by their names in small letters; of several of one name the last.
    pub headers: BTreeMap<String, String>,
    /// What came behind them.
    pub body: Vec<u8>,
}

impl Got {
    /// Takes apart what came: a head, or several of which the last counts, and a body.
    pub fn parse(mut bytes: &[u8]) -> Got {
        loop {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let header =
                |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
            bytes = &bytes[end..];
            if status >= 200 {
                return Got { status, headers: lines.filter_map(header).collect(), body: bytes.to_vec() };
            }
        }
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// curl, which trusts this server's key and asks for the path as it stands.
pub fn curl_command(daemon: &Daemon, args: &[&str], path: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--path-as-is", "--include", "--disable"]);
    command.args(["--pinnedpubkey", daemon.pin(), "--max-time", &HANG.as_secs().to_string()]);
    command.args(args).arg(format!("https://127.0.0.1:{}{path}", daemon.port()));
    command
}

/// Runs it.
pub fn curl_output(daemon: &Daemon, args: &[&str], path: &str) -> Output {
    curl_command(daemon, args, path).output().expect("curl is installed")
}

/// Runs it to a whole answer.
pub fn curl(daemon: &Daemon, args: &[&str], path: &str) -> Got {
    let output = curl_output(daemon, args, path);
    assert!(output.status.success(), "{args:?} {path}: {}", String::from_utf8_lossy(&output.stderr));
    Got::parse(&output.stdout)
}

/// Asks for one path after the other, each with arguments of its own, to whole answers. One curl does it, over one connection where
/// the version of HTTP is the same: a curl for each of hundreds takes far longer to start than to ask.
pub fn curl_each(daemon: &Daemon, asked: &[(Vec<&str>, &str)]) -> Vec<Got> {
    const BEHIND_EACH: &str = "\n(behind each answer of curl_each)\n";
    let mut answers = Vec::new();
    // So that they are no more arguments than a program may have.
    for some in asked.chunks(200) {
        let mut command = Command::new("curl");
        // It stands before all others.
        command.args(["--disable", "--fail-early"]);
        for (at, (args, path)) in some.iter().enumerate() {
            let one = curl_command(daemon, args, path);
            command.args((at > 0).then_some("--next"));
            command.args(one.get_args().filter(|arg| *arg != "--disable")).args(["--write-out", BEHIND_EACH]);
        }
        let output = command.output().expect("curl is installed");
        assert!(output.status.success(), "{some:?}: {}", String::from_utf8_lossy(&output.stderr));
        let mut left = &output.stdout[..];
        for _ in some {
            let end = memchr::memmem::find(left, BEHIND_EACH.as_bytes()).expect("the end of an answer");
            answers.push(Got::parse(&left[..end]));
            left = &left[end + BEHIND_EACH.len()..];
        }
        assert_eq!(left, b"");
    }
    answers
}

/// A TLS connection that sends any bytes as HTTP/1.1.
pub struct RawWeb(rustls::StreamOwned<rustls::ClientConnection, TcpStream>);

impl RawWeb {
    /// Offers these protocols, names no server.
    pub fn connect(daemon: &Daemon, alpns: &[&str]) -> RawWeb {
        RawWeb::to("127.0.0.1", daemon, alpns)
    }

    /// Offers these protocols to a server that it calls so.
    pub fn to(name: &str, daemon: &Daemon, alpns: &[&str]) -> RawWeb {
        let socket = TcpStream::connect(("127.0.0.1", daemon.port())).unwrap();
        socket.set_read_timeout(Some(HANG)).unwrap();
        socket.set_nodelay(true).unwrap();
        RawWeb(rustls::StreamOwned::new(client(name, alpns), socket))
    }

    /// Offers HTTP/2 from this address, and has said what begins every connection of it.
    pub fn two_from(address: [u8; 4], daemon: &Daemon) -> RawWeb {
        let socket = super::socket_from(address, daemon.port());
        socket.set_read_timeout(Some(HANG)).unwrap();
        socket.set_write_timeout(Some(HANG)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut web = RawWeb(rustls::StreamOwned::new(client("127.0.0.1", &["h2"]), socket));
        web.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        web.send(frame(Frame::SETTINGS, 0, 0, &[]));
        web
    }

    /// Waits no longer than this for the server to take what is sent.
    pub fn patience(&mut self, longest: std::time::Duration) {
        self.0.sock.set_write_timeout(Some(longest)).unwrap();
    }

    /// Sends bytes, and says whether they could be.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).and_then(|()| self.0.flush()).is_ok()
    }

    /// The next frame of HTTP/2; none if the connection ended.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Sends bytes. That the server has closed is no failure: it is judged by what it said.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _judged_by_the_answer = self.0.write_all(bytes.as_ref()).and_then(|()| self.0.flush());
    }

    /// The next answer, whose body has a length; none if the connection ended.
    pub fn answer(&mut self) -> Option<Got> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.0.read(&mut byte).unwrap_or(0) == 0 {
                return None;
            }
            bytes.push(byte[0]);
        }
        let mut got = Got::parse(&bytes);
        let length = got.header("content-length").parse().unwrap_or(0);
        got.body.resize(length, 0);
        self.0.read_exact(&mut got.body).unwrap();
        Some(got)
    }

    /// Sends, and reads the next answer.
    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Option<Got> {
        self.send(bytes);
        self.answer()
    }

    /// So many bytes, if they come.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// All that is still coming, until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _however_it_ended = self.0.read_to_end(&mut bytes);
        bytes
    }

    /// Reads all that is still coming, until the connection ends, and keeps nothing of it: how many bytes it was.
    pub fn drain(&mut self) -> u64 {
        let (mut all, mut bytes) = (0, vec![0; 64 * 1024]);
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) | Err(_) => return all,
                Ok(read) => all += read as u64,
            }
        }
    }
}

/// A frame of HTTP/2 (RFC 9113, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    /// Of DATA and HEADERS: nothing comes behind it.
    pub const END_STREAM: u8 = 1;
    /// Of SETTINGS and PING: it is the answer to one.
    pub const ACK: u8 = 1;
    /// Of HEADERS and CONTINUATION: the head ends.
    pub const END_HEADERS: u8 = 4;
}

/// Such a frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The head of a request for this path, as HPACK has it without a table (RFC 7541): GET, https, host `x`, and `more` headers of 200
/// bytes each.
pub fn head_of(path: &str, more: u8) -> Vec<u8> {
    let mut bytes = b"\x82\x87\x41\x01x\x44".to_vec();
    bytes.push(u8::try_from(path.len()).unwrap());
    bytes.extend(path.as_bytes());
    for n in 0..more {
        bytes.extend(*b"\x00\x02a");
        bytes.push(b'a' + n);
        bytes.extend([0x7f, 200 - 127]);
        bytes.extend([b'z'; 200]);
    }
    bytes
}

/// A client's side of TLS that believes anybody.
pub fn client(name: &str, alpns: &[&str]) -> rustls::ClientConnection {
    let mut config = rustls::ClientConfig::builder()
        .with_safe_defaults()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    config.dangerous().set_certificate_verifier(Arc::new(Anybody));
    rustls::ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap()
}

struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls::Certificate,
        _: &[rustls::Certificate],
        _: &rustls::ServerName,
        _: &mut dyn Iterator<Item = &[u8]>,
        _: &[u8],
        _: SystemTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
}
