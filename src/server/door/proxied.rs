//! PROXY protocol, versions 1 and 2: a balancer in front of the server says, before anything else, whose connection it hands on.
//!
//! Only addresses that are listed are believed, and from those nothing else is taken: a connection without that header is
//! closed. From everybody else the header is no TLS handshake, and ends as any other garbage does.

use std::net::SocketAddr;
use std::sync::Arc;

use async_lock::{Semaphore, SemaphoreGuardArc};
use async_std::future::timeout;
use futures::io::{AsyncRead, AsyncReadExt as _};
use proxy_header::{ParseConfig, Protocol, ProxyHeader};

use crate::auth::Network;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// What stands before the addresses: a signature, a version with a command, a family and a length.
const FIXED: usize = 16;

/// What a header of version 1 begins with: it is a line.
const LINE: &[u8] = b"PROXY ";

/// What a header of version 2 begins with. The shortest line is no shorter.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What stands behind that in a header of a connection that is the balancer's own: version 2, and the command LOCAL.
const OWN: u8 = 0x20;

/// The balancers that are believed, and the connections of theirs that have not said yet whose they are.
#[derive(Debug)]
pub struct Balancers {
    listed: Vec<Network>,
    unknown: Arc<Semaphore>,
}

impl Balancers {
    /// Those in these networks.
    pub fn listed(listed: Vec<Network>) -> Balancers {
        Balancers { listed, unknown: Arc::new(Semaphore::new(limits::PROXIED_UNKNOWN_MAX)) }
    }

    /// Whether one of them connects from there.
    pub fn contain(&self, peer: SocketAddr) -> bool {
        self.listed.iter().any(|network| network.contains(peer.ip()))
    }

    /// A place for a connection of theirs until it is known whose it is; none if all are taken.
    pub fn place(&self) -> Option<SemaphoreGuardArc> {
        self.unknown.try_acquire_arc()
    }
}

/// Whose connection it is that a balancer hands on here; none if it is the balancer's own, to see whether the server is there,
/// or if it does not say. Takes the header's bytes and not one more.
///
/// # Errors
/// [`Kind::Protocol`]: it does not begin with such a header, or with a wrong or long one. [`Kind::TimedOut`]. Those of the network.
pub async fn whose(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>> {
    let late = |_| Error::new(Kind::TimedOut, "no PROXY header in time");
    timeout(limits::PROXY_HEADER_TIMEOUT, read(socket)).await.map_err(late)?
}

async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>> {
    let wrong = |what: &str| Error::new(Kind::Protocol, what);
    let network = |err| Error::network("reading a PROXY header", err);
    let mut fixed = [0; FIXED];
    let (signature, rest) = fixed.split_at_mut(SIGNATURE.len());
    socket.read_exact(signature).await.map_err(network)?;
    if signature.starts_with(LINE) {
        return read_line(socket, signature.to_vec()).await;
    }
    if signature != SIGNATURE {
        return Err(wrong("a listed balancer sent no PROXY header"));
    }
    socket.read_exact(rest).await.map_err(network)?;
    let [.., version_and_command, _, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > limits::PROXY_HEADER_MAX {
        return Err(wrong("a PROXY header is too long"));
    }
    let mut header = Vec::with_capacity(FIXED + length);
    header.extend_from_slice(&fixed);
    header.resize(FIXED + length, 0);
    let rest = header.get_mut(FIXED..).unwrap_or_default();
    socket.read_exact(rest).await.map_err(network)?;
    // Of a connection of the balancer's own nothing else counts, whatever stands there: family and addresses are to be left aside.
    if version_and_command == OWN {
        return Ok(None);
    }
    let config = ParseConfig { include_tlvs: false, allow_v1: false, allow_v2: true };
    let (header, _) = ProxyHeader::parse(&header, config).map_err(|_| wrong("a PROXY header is wrong"))?;
    told_by(&header)
}

/// Whose connection it is that a balancer hands on here by version 1, of which this much has come. The line says nowhere how long it is,
/// and what follows it is the client's: so it is taken byte by byte.
async fn read_line(socket: &mut (impl AsyncRead + Unpin), mut line: Vec<u8>) -> Result<Option<SocketAddr>> {
    let wrong = |what: &str| Error::new(Kind::Protocol, what);
    while !line.ends_with(b"\n") {
        if line.len() >= limits::PROXY_LINE_MAX {
            return Err(wrong("a PROXY header is too long"));
        }
        let mut byte = [0];
        socket.read_exact(&mut byte).await.map_err(|err| Error::network("reading a PROXY header", err))?;
        line.extend_from_slice(&byte);
    }
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: false };
    match ProxyHeader::parse(&line, config) {
        Ok((header, length)) if length == line.len() => told_by(&header),
        _ => Err(wrong("a PROXY header is wrong")),
    }
}

fn told_by(header: &ProxyHeader<'_>) -> Result<Option<SocketAddr>> {
    match header.proxied_address() {
        None => Ok(None),
        Some(proxied) if proxied.protocol != Protocol::Stream => {
            Err(Error::new(Kind::Protocol, "a PROXY header is of no TCP connection"))
        }
        Some(proxied) => Ok(Some(SocketAddr::new(proxied.source.ip().to_canonical(), proxied.source.port()))),
    }
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;
    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::*;

    /// A header with this command, family and rest.
    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
    }

    /// 192.0.2.7:1027 to 10.0.0.1:4456.
    const IPV4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 4, 3, 17, 104];

    /// Whose it is, and how much of what follows is left.
    fn told(bytes: &[u8]) -> Result<(Option<SocketAddr>, usize)> {
        let mut socket = Cursor::new([bytes, b"what follows"].concat());
        let whose = block_on(whose(&mut socket))?;
        Ok((whose, bytes.len() + 12 - usize::try_from(socket.position()).unwrap()))
    }

    #[test]
    fn the_source_is_told_and_what_follows_is_left() {
        let first = Some("192.0.2.7:1027".parse().unwrap());
        assert_eq!(told(&header(1, 0x11, &IPV4)).unwrap(), (first, 12));
        let tlvs = [&IPV4[..], &[0x04, 0, 3, 0, 0, 0, 0xE0, 0, 1, 7]].concat();
        assert_eq!(told(&header(1, 0x11, &tlvs)).unwrap(), (first, 12));
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 9;
        v6[33] = 80;
        assert_eq!(told(&header(1, 0x21, &v6)).unwrap(), (Some("[2001:db8::9]:80".parse().unwrap()), 12));
        // An IPv4 address in IPv6's clothes is itself.
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 7]);
        assert_eq!(told(&header(1, 0x21, &mapped)).unwrap().0.unwrap().ip().to_string(), "192.0.2.7");
    }

    #[test]
    fn a_balancer_s_own_connection_and_an_unknown_one_are_nobody_else_s() {
        for own in [
            header(0, 0, &[]),
            header(0, 0x11, &IPV4),
            header(0, 0x11, &[]),
            header(0, 0x11, &IPV4[..3]),
            header(0, 0x21, &IPV4),
            header(0, 0x12, &IPV4),
            header(0, 0x41, &[]),
            header(0, 0xff, &[7; 300]),
            header(1, 0, &[]),
            header(1, 0, &[1, 0, 0]),
            header(1, 0x31, &[0; 216]),
        ] {
            assert_eq!(told(&own).unwrap(), (None, 12), "{own:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let too_long = header(1, 0x11, &[&IPV4[..], &vec![0; limits::PROXY_HEADER_MAX]].concat());
        let mut version_3 = header(1, 0x11, &IPV4);
        version_3[12] = 0x31;
        for wrong in [
            header(1, 0x11, &IPV4[..11]),
            header(1, 0x21, &IPV4),
            header(1, 0x12, &IPV4),
            header(1, 0x41, &IPV4),
            header(2, 0x11, &IPV4),
            version_3,
            too_long,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a handshake".to_vec(),
        ] {
            assert_eq!(told(&wrong).unwrap_err().kind(), Kind::Protocol, "{wrong:?}");
        }
    }

    #[test]
    fn a_line_tells_the_source_and_what_follows_is_left() {
        let first = Some("192.0.2.7:1027".parse().unwrap());
        assert_eq!(told(b"PROXY TCP4 192.0.2.7 10.0.0.1 1027 4456\r\n").unwrap(), (first, 12));
        let sixth = Some("[2001:db8::9]:80".parse().unwrap());
        assert_eq!(told(b"PROXY TCP6 2001:db8::9 2001:db8::1 80 4456\r\n").unwrap(), (sixth, 12));
        let (ffff, port) = (["ffff"; 8].join(":"), 65_535);
        let longest = format!("PROXY TCP6 {ffff} {ffff} {port} {port}\r\n");
        assert_eq!(told(longest.as_bytes()).unwrap(), (Some(format!("[{ffff}]:{port}").parse().unwrap()), 12));
        let mapped = told(b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 80 4456\r\n").unwrap().0.unwrap();
        assert_eq!(mapped.ip().to_string(), "192.0.2.7");
        // A balancer that does not know, or does not say.
        let long = format!("PROXY UNKNOWN {ffff} {ffff} {port} {port}\r\n");
        assert_eq!(long.len(), limits::PROXY_LINE_MAX);
        for own in ["PROXY UNKNOWN\r\n", &long] {
            assert_eq!(told(own.as_bytes()).unwrap(), (None, 12), "{own:?}");
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(limits::PROXY_LINE_MAX));
        for wrong in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 1027 4456\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1027 4456\r \n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1027 4456 1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1027\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1027 65536\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 -1 4456\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 1027 4456\r\n",
            "PROXY TCP4 192.0.2.256 10.0.0.1 1027 4456\r\n",
            "PROXY TCP4 2001:db8::9 2001:db8::1 80 4456\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1027 4456\r\n",
            "PROXY TCP5 192.0.2.7 10.0.0.1 1027 4456\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1027 4456\r\n",
            "PROXY localhost:4456 and more\r\n",
            "proxy TCP4 192.0.2.7 10.0.0.1 1027 4456\r\n",
            "PROXYTCP4 192.0.2.7 10.0.0.1 1027 4456\r\n",
            "PROXY TCP4 192.0.2.ü 10.0.0.1 1027 4456\r\n",
            &long,
        ] {
            assert_eq!(told(wrong.as_bytes()).unwrap_err().kind(), Kind::Protocol, "{wrong:?}");
        }
    }

    #[test]
    fn a_header_that_is_cut_off_anywhere_is_no_header() {
        let binary = header(1, 0x11, &[&IPV4[..], &[0x04, 0, 1, 0]].concat());
        for whole in [&*binary, b"PROXY TCP4 192.0.2.7 10.0.0.1 1027 4456\r\n", b"PROXY UNKNOWN\r\n"] {
            for length in 0..whole.len() {
                let mut socket = Cursor::new(whole[..length].to_vec());
                assert_eq!(block_on(read(&mut socket)).unwrap_err().kind(), Kind::Network, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(command in 0u8..32, family: u8, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = header(command & 15, family, &rest);
            bytes[12] = command.wrapping_add(0x18);
            let _ = told(&bytes);
            let _ = told(&rest);
            let _ = told(&[LINE, &rest].concat());
            let _ = told(&[LINE, b"TCP4 ", &rest, b"\r\n"].concat());
        }
    }
}
