//! What says in whose name it connects: a balancer that is listed is believed, and nobody else.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::common::{Daemon, HANG, RawClient, eventually, socket_from};

/// Where the balancer of these tests is.
const BALANCER: [u8; 4] = [127, 0, 0, 9];

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of PROXY protocol version 2 for a client at this IPv4 address, with more behind the addresses.
fn header(client: [u8; 4], more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + more.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, 0x11], &length, &client, &[10, 0, 0, 1], &[0x13, 0x88], &[0x11, 0x68], more].concat()
}

fn daemon() -> Daemon {
    let daemon = Daemon::builder().args(["--proxy-from", "127.0.0.9", "--max-per-source", "2"]).start();
    daemon.add_user_with("alice", "correct-horse", &["--from", "192.0.2.0/24"]);
    daemon
}

/// A connection from there that begins with these bytes.
fn beginning(from: [u8; 4], daemon: &Daemon, bytes: &[u8]) -> TcpStream {
    let mut socket = socket_from(from, daemon.port());
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.write_all(bytes).unwrap();
    socket
}

/// A client that the balancer hands on; none if it is refused.
fn handed_on(daemon: &Daemon, client: [u8; 4]) -> Option<RawClient> {
    RawClient::over(beginning(BALANCER, daemon, &header(client, b"")))
}

/// Whether the server ends this connection without a byte.
fn is_closed(mut socket: TcpStream) -> bool {
    // A reset is an end, too.
    !matches!(socket.read(&mut [0; 64]), Ok(1..))
}

#[test]
fn balancer_s_client_is_whom_it_names() {
    let daemon = daemon();
    let mut alice = handed_on(&daemon, [192, 0, 2, 7]).unwrap();
    alice.login("alice", "correct-horse");
    eventually("it is in the log", || daemon.log().contains("peer=192.0.2.7:5000"));
    // Her network is asked of the real address, and so are the places of one.
    let mut elsewhere = handed_on(&daemon, [198, 51, 100, 7]).unwrap();
    assert_eq!(elsewhere.try_login("alice", "correct-horse").0, 530);
    let _second = handed_on(&daemon, [192, 0, 2, 7]).unwrap();
    assert!(handed_on(&daemon, [192, 0, 2, 7]).is_none(), "more than --max-per-source");
    assert!(handed_on(&daemon, [192, 0, 2, 8]).is_some());
    // Penalties are those of who earned them.
    eventually("the guesser is refused", || match handed_on(&daemon, [203, 0, 113, 5]) {
        Some(mut guesser) => {
            guesser.try_login("alice", "guessed");
            false
        }
        None => true,
    });
    assert!(handed_on(&daemon, [203, 0, 113, 6]).is_some());
    // With what balancers add, and in their own name, however often.
    let added = header([192, 0, 2, 20], &[0x20, 0, 5, 1, 0, 0, 0, 0]);
    assert!(RawClient::over(beginning(BALANCER, &daemon, &added)).is_some());
    let own = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    let own: Vec<_> = (0..5).map(|_| RawClient::over(beginning(BALANCER, &daemon, &own))).collect();
    assert!(own.iter().all(Option::is_some));
    // Whatever stands behind that: it is to be left aside, and some send the family and no addresses.
    let odd = [(0x11, 0), (0x41, 3), (0xff, 12)].map(|(family, length)| {
        let header = [SIGNATURE, &[0x20, family, 0, length], &vec![7; usize::from(length)]].concat();
        RawClient::over(beginning(BALANCER, &daemon, &header))
    });
    assert!(odd.iter().all(Option::is_some));
    // The same by a line, as nginx says it.
    let line =
        |client: &str| beginning(BALANCER, &daemon, format!("PROXY TCP4 {client} 10.0.0.1 5001 4456\r\n").as_bytes());
    let mut alice = RawClient::over(line("192.0.2.30")).unwrap();
    alice.login("alice", "correct-horse");
    eventually("it is in the log", || daemon.log().contains("peer=192.0.2.30:5001"));
    let _second = RawClient::over(line("192.0.2.30")).unwrap();
    assert!(RawClient::over(line("192.0.2.30")).is_none(), "more than --max-per-source");
    assert!(RawClient::over(line("203.0.113.5")).is_none(), "the guesser is refused by a line as well");
    assert!(RawClient::over(beginning(BALANCER, &daemon, b"PROXY UNKNOWN\r\n")).is_some());
}

#[test]
fn balancer_s_client_in_the_balancers_network() {
    let network = ["--proxy-from", "127.0.0.9,203.0.113.0/24", "--max-per-source", "2"];
    let daemon = Daemon::builder().args(network).start();
    daemon.add_user_with("alice", "correct-horse", &[]);
    let kept = [203, 0, 113, 6];
    let kept = [handed_on(&daemon, kept), handed_on(&daemon, kept), handed_on(&daemon, kept)];
    assert_eq!(kept.map(|one| one.is_some()), [true, true, false], "no more than --max-per-source");
    eventually("the guesser is refused", || match handed_on(&daemon, [203, 0, 113, 5]) {
        Some(mut guesser) => {
            guesser.try_login("alice", "guessed");
            false
        }
        None => true,
    });
    let own = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    assert!(RawClient::over(beginning(BALANCER, &daemon, &own)).is_some(), "the balancer itself");
}

#[test]
fn balancer_without_header() {
    let daemon = daemon();
    assert!(RawClient::try_from(BALANCER, &daemon).is_none(), "a handshake is no header");
    assert!(is_closed(beginning(BALANCER, &daemon, b"PROXY is a word of mine\r\n")));
    assert!(is_closed(beginning(BALANCER, &daemon, b"GET / HTTP/1.1\r\n\r\n")));
    // One that says nothing, for some seconds.
    assert!(is_closed(beginning(BALANCER, &daemon, b"")));
    assert!(handed_on(&daemon, [192, 0, 2, 7]).is_some());
}

#[test]
fn balancer_spoofed() {
    let daemon = daemon();
    let spoofed = header([192, 0, 2, 7], b"");
    let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 4456\r\n";
    for from in [[127, 0, 0, 1], [127, 0, 0, 8], [127, 0, 0, 10]] {
        for said in [&*spoofed, line] {
            assert!(RawClient::over(beginning(from, &daemon, said)).is_none(), "{from:?}");
        }
    }
    // Nor a line behind one.
    let twice = [&b"PROXY TCP4 198.51.100.1 10.0.0.1 5000 4456\r\n"[..], line].concat();
    assert!(RawClient::over(beginning(BALANCER, &daemon, &twice)).is_none());
    // A second header is no handshake either.
    assert!(
        RawClient::over(beginning(BALANCER, &daemon, &[header([198, 51, 100, 1], b""), spoofed].concat())).is_none()
    );
    assert!(!daemon.log().contains("192.0.2.7"), "{}", daemon.log());
}

/// The server may have closed its side, and with it the connection, already.
fn say_no_more(socket: &TcpStream) {
    let _it_is_closed = socket.shutdown(Shutdown::Write);
}

#[test]
fn balancer_cut_off_or_oversize() {
    let daemon = daemon();
    let whole = header([192, 0, 2, 7], &[0x04, 0, 2, 0, 0]);
    for length in 0..whole.len() {
        let socket = beginning(BALANCER, &daemon, &whole[..length]);
        say_no_more(&socket);
        assert!(is_closed(socket), "{length} bytes");
    }
    let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 4456\r\n";
    for length in 0..line.len() {
        let socket = beginning(BALANCER, &daemon, &line[..length]);
        say_no_more(&socket);
        assert!(is_closed(socket), "{length} bytes of a line");
    }
    // One without an end is not waited for longer than one may be.
    assert!(is_closed(beginning(BALANCER, &daemon, &[&b"PROXY UNKNOWN "[..], &[b'x'; 60_000]].concat())));
    assert!(is_closed(beginning(BALANCER, &daemon, &header([192, 0, 2, 7], &vec![0; 60_000]))));
    for (at, byte) in [(12, 0x11), (12, 0x31), (12, 0x22), (13, 0x12), (13, 0x41), (13, 0x21), (15, 11)] {
        let mut wrong = whole.clone();
        wrong[at] = byte;
        let socket = beginning(BALANCER, &daemon, &wrong);
        say_no_more(&socket);
        assert!(is_closed(socket), "{byte:#x} at {at}");
    }
    // Many that say nothing are not many more than may wait, and others come in meanwhile.
    let silent: Vec<_> = (0..300).map(|_| beginning(BALANCER, &daemon, b"")).collect();
    eventually("the last ones are refused", || daemon.log().contains("have not said whose they are"));
    assert!(RawClient::try_from([127, 0, 0, 1], &daemon).is_some());
    drop(silent);
    eventually("the balancer is served again", || handed_on(&daemon, [192, 0, 2, 9]).is_some());
}
