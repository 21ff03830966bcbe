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
