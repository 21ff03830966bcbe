//! The client library against servers that lie, stall, break off or talk nonsense, over real TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::net::Shutdown;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{JoinHandle, block_on, spawn};
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use sealift::client::{ConnectOptions, Destination, Download, Endpoint, Silent, Upload, Verification};
use sealift::files::{Condition, Hash};
use sealift::proto::frame;
use sealift::secret::Secret;
use sealift::tls::{Acceptor, Identity, Pin};
use sealift::{Client, Error, Kind};

use crate::common::running::{Running, bytes, p};

const IDS: &str = "pid=1 session=00000000000000ab";

/// What a server does on a line.
pub enum Act {
    Say(Vec<u8>),
    /// The same, and then break off without a goodbye.
    SayAndCut(Vec<u8>),
    /// Say it when so many more bytes have come.
    SayAfter(usize, Vec<u8>),
}

pub fn say(text: impl Into<Vec<u8>>) -> Act {
    Act::Say(text.into())
}

/// A server of one connection with this greeting, that lets everybody log in and otherwise does as told. It comes back
/// with all that it was sent.
pub struct Liar {
    endpoint: Endpoint,
    pin: Pin,
    received: JoinHandle<Vec<u8>>,
}

impl Liar {
    pub async fn start(greeting: &'static str, mut act: impl FnMut(&str) -> Act + Send + 'static) -> Liar {
        let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
        let acceptor = Acceptor::new(&identity).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port());
        let received = spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok((mut stream, _)) = acceptor.accept(socket).await else { return Vec::new() };
            stream.write_all(greeting.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let (mut all, mut at, mut buffer) = (Vec::new(), 0, vec![0; 65536]);
            loop {
                let Ok(count @ 1..) = stream.read(&mut buffer).await else { return all };
                all.extend_from_slice(&buffer[..count]);
                while let Some(end) = all[at..].iter().position(|b| *b == b'\n') {
                    let line = String::from_utf8_lossy(&all[at..at + end]).trim_end().to_owned();
                    at += end + 1;
                    let answer = match line.split(' ').next().unwrap() {
                        "USER" => say("331 password\r\n"),
                        "PASS" => say(format!("230 welcome user=u access=full {IDS}\r\n")),
                        _ => act(&line),
                    };
                    if let Act::SayAfter(more, _) = answer {
                        while all.len() < at + more {
                            let Ok(count @ 1..) = stream.read(&mut buffer).await else { return all };
                            all.extend_from_slice(&buffer[..count]);
                        }
                        at += more;
                    }
                    let (Act::Say(bytes) | Act::SayAndCut(bytes) | Act::SayAfter(_, bytes)) = &answer;
                    // A client that has had enough closes.
                    if stream.write_all(bytes).await.is_err() || stream.flush().await.is_err() {
                        return all;
                    }
                    if let Act::SayAndCut(_) = answer {
                        return all;
                    }
                }
            }
        });
        Liar { endpoint, pin: identity.pin(), received }
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions::new(Verification::Pins(vec![self.pin]))
    }

    /// With this much patience for a server that is silent.
    fn patience(&self, io_timeout: Duration) -> ConnectOptions {
        let mut options = self.options();
        options.io_timeout = io_timeout;
        options
    }

    pub async fn client(&self) -> Client {
        self.client_with(self.options()).await
    }

    async fn client_with(&self, options: ConnectOptions) -> Client {
        let mut client = Client::connect(&self.endpoint, options).await.unwrap();
        client.login("u", Secret::new("x")).await.unwrap();
        client
    }
}

pub const READY: &str = "220 ready proto=1\r\n";

fn framed(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for portion in data.chunks(100_000) {
        out.extend_from_slice(&frame::header(portion.len()));
        out.extend_from_slice(portion);
    }
    out.extend_from_slice(&frame::END);
    out
}

/// An honest answer to DOWNLOAD.
fn file(data: &[u8]) -> Vec<u8> {
    let mut out = format!("150 data size={} mtime=5\r\n", data.len()).into_bytes();
    out.extend(framed(data));
    out.extend(format!("226 done size={} hash={} {IDS}\r\n", data.len(), Hash::of(data)).into_bytes());
    out
}

/// The answer to LIST with these lines.
fn listing(lines: &[&str]) -> Vec<u8> {
    let mut out = b"150 data\r\n".to_vec();
    out.extend(framed(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes()));
    out.extend(format!("226 done entries={} {IDS}\r\n", lines.len()).into_bytes());
    out
}

/// A server that lists this and gives every file the same content.
fn lister(lines: &'static [&'static str]) -> impl FnMut(&str) -> Act + Send + 'static {
    move |line| match line.split(' ').next().unwrap() {
        "STAT" => say(format!("213 stat type=dir size=0 mtime=7 {IDS}\r\n")),
        "LIST" => say(listing(lines)),
        _ => say(file(b"evil")),
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn evil_names() {
    let evil: [&'static [&'static str]; 9] = [
        &["type=file size=4 mtime=1 ../x"],
        &["type=file size=4 mtime=1 good", "type=file size=4 mtime=1 a/../../x"],
        &["type=file size=4 mtime=1 /tmp/x"],
        &["type=dir size=0 mtime=1 ."],
        &["type=dir size=0 mtime=1 .."],
        &["type=file size=4 mtime=1 a//b"],
        &["type=file size=4 mtime=1 %2e%2e%2fx"],
        &["type=file size=4 mtime=1 .sealift/x"],
        &["type=file size=4 mtime=1 twice", "type=file size=4 mtime=1 twice"],
    ];
    for lines in evil {
        block_on(async {
            let liar = Liar::start(READY, lister(lines)).await;
            let outer = tempfile::tempdir().unwrap();
            fs::create_dir(outer.path().join("inner")).unwrap();
            let into = Destination::open(outer.path().join("inner")).unwrap();
            let mut client = liar.client().await;
            let got = client.get_tree(&p("d"), &into, &p(""), Condition::Any, Arc::new(Silent)).await;
            assert_eq!(got.unwrap_err().kind(), Kind::Integrity, "{lines:?}");
            assert!(is_empty(&outer.path().join("inner")), "{lines:?}");
            assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
        });
    }
}

#[test]
fn a_plain_listing_that_names_what_was_not_asked_for_is_refused() {
    block_on(async {
        let liar = Liar::start(READY, lister(&["type=file size=4 mtime=1 a/b"])).await;
        assert_eq!(liar.client().await.list(&p("d"), false).await.unwrap_err().kind(), Kind::Integrity);
    });
}

#[test]
fn names_that_cannot_be_asked_for_fail_alone() {
    block_on(async {
        let liar =
            Liar::start(READY, lister(&["type=file size=4 mtime=1 a%0Ab", "type=file size=4 mtime=1 good"])).await;
        let dir = tempfile::tempdir().unwrap();
        let into = Destination::open(dir.path()).unwrap();
        let mut client = liar.client().await;
        let got = client.get_tree(&p("d"), &into, &p("d"), Condition::Any, Arc::new(Silent)).await.unwrap();
        assert_eq!((got.files, got.failed.len(), got.failed[0].1.kind()), (1, 1, Kind::BadPath));
    });
}

#[test]
fn evil_symlink() {
    block_on(async {
        let liar =
            Liar::start(READY, lister(&["type=dir size=0 mtime=1 link", "type=file size=4 mtime=1 link/x"])).await;
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), dir.path().join("link")).unwrap();
        let into = Destination::open(dir.path()).unwrap();
        let mut client = liar.client().await;
        let got = client.get_tree(&p("d"), &into, &p(""), Condition::Any, Arc::new(Silent)).await.unwrap();
        assert_eq!((got.files, got.failed.len()), (0, 2));
        assert!(is_empty(outside.path()));
    });
}

/// Downloads `f` over an old file, which must stay; the error must be of this kind.
async fn refused_download(answer: Act, kind: Kind) {
    let mut answer = Some(answer);
    let liar = Liar::start(READY, move |_| answer.take().unwrap_or_else(|| say("500 protocol\r\n"))).await;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), b"old").unwrap();
    let into = Destination::open(dir.path()).unwrap();
    let mut client = liar.client().await;
    let error = match client.download(vec![Download::new(p("f"), p("f"))], &into, Arc::new(Silent)).await {
        Err(error) => error,
        Ok(summary) => {
            assert_eq!(summary.files, 0);
            summary.failed.into_iter().next().unwrap().1
        }
    };
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_download_that_is_not_what_was_promised_leaves_the_old_file() {
    block_on(async {
        let data = bytes(300_000);
        let honest = file(&data);
        let text = format!("hash={}", Hash::of(&data));
        let other = |from: &str, to: &str| {
            let at = honest.windows(from.len()).rposition(|window| window == from.as_bytes()).unwrap();
            [&honest[..at], to.as_bytes(), &honest[at + from.len()..]].concat()
        };
        refused_download(say(other(&text, &format!("hash={}", Hash::of(b"x")))), Kind::Integrity).await;
        refused_download(say(other("size=300000", "size=299999")), Kind::Integrity).await;
        refused_download(say(other("226 done size=300000", "226 done")), Kind::Protocol).await;
        refused_download(say(other("226 done", "250 done")), Kind::Protocol).await;
        // One byte of the data is another one.
        let mut flipped = honest.clone();
        flipped[150_000] ^= 1;
        refused_download(say(flipped), Kind::Integrity).await;
        // More, and less, than the first reply announced.
        let head = b"150 data size=300000";
        let announced = |size: u64| [format!("150 data size={size}").as_bytes(), &honest[head.len()..]].concat();
        refused_download(say(announced(299_999)), Kind::Integrity).await;
        refused_download(say(announced(300_001)), Kind::Integrity).await;
        // More than any disk has: refused before a byte is written.
        refused_download(say(announced(u64::MAX)), Kind::NoSpace).await;
    });
}

#[test]
fn data_that_is_broken_off_leaves_the_old_file() {
    block_on(async {
        let honest = file(&bytes(300_000));
        for cut in [0, 5, 40, 150_000, honest.len() - 120, honest.len() - 1] {
            refused_download(Act::SayAndCut(honest[..cut].to_vec()), Kind::Network).await;
        }
        let aborted =
            [&b"150 data size=9 mtime=1\r\n\0\0\0\x01x"[..], &frame::ABORT, b"426 aborted :shrank\r\n"].concat();
        refused_download(say(aborted), Kind::Aborted).await;
        // An abort that is then called a success.
        let mut lied = b"150 data size=0 mtime=1\r\n".to_vec();
        lied.extend_from_slice(&frame::ABORT);
        lied.extend(format!("226 done size=0 hash={}\r\n", Hash::of(b"")).into_bytes());
        refused_download(say(lied), Kind::Protocol).await;
    });
}

#[test]
fn nonsense_is_a_protocol_error_without_being_buffered() {
    block_on(async {
        refused_download(say("HTTP/1.1 400 Bad Request\r\n"), Kind::Protocol).await;
        refused_download(say(vec![b'a'; 1 << 20]), Kind::Protocol).await;
        refused_download(
            say([b"150 data size=9 mtime=1\r\n\x7f\xff\xff\xff".to_vec(), bytes(1 << 20)].concat()),
            Kind::Protocol,
        )
        .await;
        refused_download(say("250 done\r\n"), Kind::Protocol).await;
        refused_download(say("331 password\r\n"), Kind::Protocol).await;
        refused_download(say("150 data size=many mtime=1\r\n"), Kind::Protocol).await;
    });
}

#[test]
fn a_client_that_saw_nonsense_is_not_used_again() {
    block_on(async {
        let liar = Liar::start(READY, |_| say("250 done\r\n")).await;
        let mut client = liar.client().await;
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Protocol);
        let error = client.ping().await.unwrap_err();
        assert_eq!((error.kind(), error.text()), (Kind::Network, "the connection is broken"));
    });
}

#[test]
fn a_refusal_in_place_of_the_greeting_is_told() {
    block_on(async {
        let greetings = [
            ("421 busy :later\r\n", Kind::Busy),
            ("220 ready proto=2\r\n", Kind::Protocol),
            ("SSH-2.0\r\n", Kind::Protocol),
        ];
        for (greeting, kind) in greetings {
            let liar = Liar::start(greeting, |_| say("")).await;
            assert_eq!(Client::connect(&liar.endpoint, liar.options()).await.unwrap_err().kind(), kind);
        }
    });
}

#[test]
fn a_silent_server_is_left_after_the_time_out() {
    block_on(async {
        let liar = Liar::start(READY, |_| say("")).await;
        let mut client = liar.client_with(liar.patience(Duration::from_secs(5))).await;
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::TimedOut);
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Network);

        // One that does not even shake hands.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port());
        let mut options = liar.options();
        options.connect_timeout = Duration::from_millis(100);
        assert_eq!(Client::connect(&endpoint, options).await.unwrap_err().kind(), Kind::TimedOut);
    });
}

#[test]
fn an_idle_client_is_not_a_silent_server() {
    block_on(async {
        let liar = Liar::start(READY, |_| say(format!("200 pong {IDS}\r\n"))).await;
        let mut client = liar.client_with(liar.patience(Duration::from_secs(5))).await;
        async_std::task::sleep(Duration::from_secs(6)).await;
        client.ping().await.unwrap();
    });
}

#[test]
fn a_server_whose_key_is_refused_sees_no_byte() {
    block_on(async {
        let liar = Liar::start("", |_| say("")).await;
        let refuse = Verification::Ask(Box::new(|_| Err(Error::new(Kind::Untrusted, "no"))));
        let error = Client::connect(&liar.endpoint, ConnectOptions::new(refuse)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Untrusted);
        assert!(liar.received.await.is_empty());

        let other = Identity::generate(&["localhost".to_owned()]).unwrap().pin();
        let liar = Liar::start("", |_| say("")).await;
        let pinned = ConnectOptions::new(Verification::Pins(vec![other]));
        assert_eq!(Client::connect(&liar.endpoint, pinned).await.unwrap_err().kind(), Kind::PinMismatch);
        assert!(liar.received.await.is_empty());
    });
}

/// Uploads one small file to a server that answers this when all of it has come.
async fn refused_upload(answer: String) -> Kind {
    const DATA: usize = 2 * frame::HEADER + 4 + frame::TRAILER;
    let mut answer = Some(answer);
    let act = move |_: &str| match answer.take() {
        Some(answer) => Act::SayAfter(DATA, answer.into_bytes()),
        None => say(""),
    };
    let liar = Liar::start(READY, act).await;
    let mut client = liar.client().await;
    let jobs = vec![Upload::reader(&b"data"[..], p("f"))];
    match client.upload(jobs, Arc::new(Silent)).await {
        Err(error) => error.kind(),
        Ok(summary) => {
            assert_eq!(summary.files, 0);
            summary.failed[0].1.kind()
        }
    }
}

#[test]
fn an_upload_counts_only_when_the_server_names_its_hash() {
    block_on(async {
        let wrong = format!("226 done size=4 hash={} {IDS}\r\n", Hash::of(b"x"));
        assert_eq!(refused_upload(wrong).await, Kind::Integrity);
        let short = format!("226 done size=3 hash={} {IDS}\r\n", Hash::of(b"data"));
        assert_eq!(refused_upload(short).await, Kind::Integrity);
        assert_eq!(refused_upload("226 done\r\n".to_owned()).await, Kind::Protocol);
        assert_eq!(refused_upload("250 done\r\n".to_owned()).await, Kind::Protocol);
        assert_eq!(refused_upload("452 no-space\r\n".to_owned()).await, Kind::NoSpace);
        assert_eq!(refused_upload("421 stopping\r\n".to_owned()).await, Kind::Stopping);
        assert_eq!(refused_upload("550 brand-new-word\r\n".to_owned()).await, Kind::Protocol);
    });
}

#[test]
fn an_upload_without_end_stops_when_it_is_refused() {
    block_on(async {
        let liar = Liar::start(READY, |_| say(format!("552 quota {IDS} :full\r\n"))).await;
        let mut client = liar.client().await;
        let jobs = vec![Upload::reader(std::io::repeat(b'x'), p("f"))];
        let summary = client.upload(jobs, Arc::new(Silent)).await.unwrap();
        assert_eq!((summary.files, summary.failed[0].1.kind()), (0, Kind::Quota));
        // Whatever is answered: what was sent before it has arrived.
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Quota);
        drop(client);
        // Whole frames, then the abort frame, and no trailer.
        assert!(liar.received.await.ends_with(&[&frame::ABORT[..], b"PING\r\n"].concat()));

        // Called a success while it is still being sent.
        let answer = format!("226 done size=0 hash={} {IDS}\r\n", Hash::of(b""));
        let liar = Liar::start(READY, move |_| say(answer.clone())).await;
        let jobs = vec![Upload::reader(std::io::repeat(b'x'), p("f"))];
        let error = liar.client().await.upload(jobs, Arc::new(Silent)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol);
    });
}

#[test]
fn answers_without_end_are_ended() {
    block_on(async {
        let line = format!("112 session id=00000000000000ab user=u peer=p since=1 doing=x {IDS}\r\n");
        let liar = Liar::start(READY, move |_| say(line.repeat(30_000))).await;
        assert_eq!(liar.client().await.who().await.unwrap_err().kind(), Kind::Protocol);
    });
}

#[test]
fn a_password_is_sent_as_one_encoded_argument() {
    block_on(async {
        let liar = Liar::start(READY, |_| say(format!("221 bye {IDS}\r\n"))).await;
        let mut client = Client::connect(&liar.endpoint, liar.options()).await.unwrap();
        client.login("a b", Secret::new("x\r\nDELETE f")).await.unwrap();
        client.logout().await.unwrap();
        assert_eq!(liar.received.await, b"USER a%20b\r\nPASS x%0D%0ADELETE%20f\r\nLOGOUT\r\n");
    });
}

/// A proxy that cuts the connection after this many bytes from the server.
async fn cutting_proxy(to: &Endpoint, after: usize, reset: bool) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port());
    let server = TcpStream::connect((to.host.as_str(), to.port)).await.unwrap();
    spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (from, mut to) = (client.clone(), server.clone());
        let up = spawn(async move { copy(from, &mut to).await });
        let (mut left, mut buffer) = (after, vec![0; 4096]);
        while left > 0 {
            let size = left.min(buffer.len());
            let Ok(count @ 1..) = (&server).read(&mut buffer[..size]).await else { break };
            if (&client).write_all(&buffer[..count]).await.is_err() {
                break;
            }
            left -= count;
        }
        if !reset {
            let _ = client.shutdown(Shutdown::Write);
        }
        // Dropped with bytes unread, a socket sends a reset.
        up.cancel().await;
        let _ = server.shutdown(Shutdown::Both);
    });
    endpoint
}

#[test]
fn cut_everywhere() {
    block_on(async {
        let server = Running::start().await;
        fs::write(server.home("public").join("f"), bytes(150_000)).unwrap();
        // From inside the handshake to inside the last reply: greeting, login, data in records of 16 KiB.
        let cuts = (0..40).map(|i| 100 + i * i * 93 + i * 37);
        for (i, after) in cuts.enumerate() {
            let endpoint = cutting_proxy(&server.endpoint, after, i % 2 == 0).await;
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("f"), b"old").unwrap();
            let into = Destination::open(dir.path()).unwrap();
            let got = async {
                let mut client =
                    Client::connect(&endpoint, ConnectOptions::new(Verification::Pins(vec![server.pin]))).await?;
                client.login("anonymous", Secret::new("")).await?;
                client.download(vec![Download::new(p("f"), p("f"))], &into, Arc::new(Silent)).await
            };
            let error = got.await.expect_err("a connection that was cut");
            assert!(matches!(error.kind(), Kind::Network | Kind::Tls), "{after}: {error}");
            assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"old", "{after}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{after}");
        }
    });
}
