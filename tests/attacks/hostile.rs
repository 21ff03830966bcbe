//! A server that says whatever a test wants, over real TLS, and remembers every byte that the client gave it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{JoinHandle, block_on, spawn};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use sealift::files::Hash;
use sealift::proto::frame::{END, header};
use sealift::proto::percent::encode;
use sealift::tls::{Acceptor, Identity, Pin, TlsStream};

use crate::common::HANG;

/// The ids that its final replies carry.
pub const IDS: &str = "pid=7 session=00000000000000aa";

/// What to answer to a command line, ending excluded; `None` for `550 not-found`.
pub type Script = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// A running hostile server. Dropping it stops it.
pub struct Hostile {
    port: u16,
    pin: Pin,
    heard: Arc<Mutex<Heard>>,
    task: Option<JoinHandle<()>>,
}

/// What came.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// TCP connections.
    pub connections: usize,
    /// Handshakes that succeeded.
    pub handshakes: usize,
    /// Bytes after the handshake.
    pub bytes: usize,
    /// Whole command lines.
    pub lines: Vec<String>,
    /// Connections that are over.
    pub ended: usize,
}

impl Hostile {
    /// A server with a key of its own that greets, lets everybody in, and for the rest follows the script.
    pub fn start(script: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Hostile {
        Hostile::with_greeting("Ready.", script)
    }

    /// The same with other words of greeting.
    pub fn with_greeting(greeting: &str, script: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Hostile {
        Hostile::build(&format!(":{greeting}"), script, None)
    }

    /// One that says it knows these features.
    pub fn knowing(features: &str, script: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Hostile {
        Hostile::build(&format!("features={features}"), script, None)
    }

    /// One that after each answer which is not whole sends this piece again and again, with a pause before each.
    pub fn without_end(
        script: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
        piece: Vec<u8>,
        pause: Duration,
    ) -> Hostile {
        Hostile::build(":Ready.", script, Some((piece, pause)))
    }

    fn build(
        greeting: &str,
        script: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
        tail: Option<(Vec<u8>, Duration)>,
    ) -> Hostile {
        let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
        let acceptor = Acceptor::new(&identity).unwrap();
        let listener = block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let script: Arc<Script> = Arc::new(script);
        let greeting = format!("220 ready proto=1 {greeting}\r\n");
        let notes = heard.clone();
        let task = spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                notes.lock().unwrap().connections += 1;
                let (acceptor, notes) = (acceptor.clone(), notes.clone());
                let (greeting, script, tail) = (greeting.clone(), script.clone(), tail.clone());
                spawn(async move {
                    if let Ok((mut stream, _)) = acceptor.accept(socket).await {
                        notes.lock().unwrap().handshakes += 1;
                        serve(&mut stream, &greeting, &*script, tail, &notes).await;
                        stream.close().await;
                    }
                    notes.lock().unwrap().ended += 1;
                });
            }
        });
        Hostile { port, pin: identity.pin(), heard, task: Some(task) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pin(&self) -> String {
        self.pin.to_string()
    }

    /// A target on it: `127.0.0.1:PORT/path`.
    pub fn target(&self, path: &str) -> String {
        format!("127.0.0.1:{}/{path}", self.port)
    }

    /// What it heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }

    /// What it has heard when all its connections are over.
    pub fn heard_all(&self) -> Heard {
        within(async {
            loop {
                let heard = self.heard();
                if heard.ended == heard.connections {
                    return heard;
                }
                async_std::task::sleep(std::time::Duration::from_millis(1)).await;
            }
        })
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            block_on(task.cancel());
        }
    }
}

async fn serve(
    stream: &mut TlsStream<TcpStream>,
    greeting: &str,
    script: &Script,
    tail: Option<(Vec<u8>, Duration)>,
    heard: &Mutex<Heard>,
) {
    let mut unread = Vec::new();
    let mut answer = greeting.as_bytes().to_vec();
    loop {
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        let line = loop {
            if let Some(at) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=at).collect();
                break String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            let mut bytes = vec![0; 16 * 1024];
            let Ok(count @ 1..) = stream.read(&mut bytes).await else { return };
            heard.lock().unwrap().bytes += count;
            unread.extend_from_slice(&bytes[..count]);
        };
        heard.lock().unwrap().lines.push(line.clone());
        let begun = script(&line).filter(|answer| answer.starts_with(b"1") || !answer.ends_with(b"\r\n"));
        if let (Some((piece, pause)), Some(answer)) = (&tail, begun) {
            let mut sent = stream.write_all(&answer).await;
            while sent.is_ok() && stream.flush().await.is_ok() {
                async_std::task::sleep(*pause).await;
                sent = stream.write_all(piece).await;
            }
            return;
        }
        answer = match line.split(' ').next().unwrap() {
            "LOGOUT" => {
                let _the_client_may_be_gone = stream.write_all(format!("221 bye {IDS}\r\n").as_bytes()).await;
                return;
            }
            _ => {
                script(&line).or_else(|| login(&line)).unwrap_or_else(|| format!("550 not-found {IDS} :No.\r\n").into())
            }
        };
    }
}

fn login(line: &str) -> Option<Vec<u8>> {
    match line.split(' ').next()? {
        "USER" => Some(b"331 password :Go on.\r\n".to_vec()),
        "PASS" => Some(format!("230 welcome user=anonymous access=full {IDS} :Come in.\r\n").into_bytes()),
        _ => None,
    }
}

/// The whole answer to a LIST: these lines in one frame.
pub fn listing(lines: &[String]) -> Vec<u8> {
    let data: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut answer = b"150 data\r\n".to_vec();
    if !data.is_empty() {
        answer.extend(header(data.len()));
        answer.extend(data.as_bytes());
    }
    answer.extend(END);
    answer.extend(format!("226 done entries={} {IDS}\r\n", lines.len()).as_bytes());
    answer
}

/// A line of a listing.
pub fn entry(kind: &str, path: impl AsRef<[u8]>) -> String {
    format!("type={kind} size=4 mtime=1700000000 {}", encode(path.as_ref()))
}

/// The answer to a STAT of a folder.
pub fn folder() -> Vec<u8> {
    format!("213 stat type=dir size=0 mtime=1700000000 {IDS}\r\n").into_bytes()
}

/// The whole answer to a DOWNLOAD.
pub fn file(data: &[u8]) -> Vec<u8> {
    let mut answer = format!("150 data size={} mtime=1700000000\r\n", data.len()).into_bytes();
    if !data.is_empty() {
        answer.extend(header(data.len()));
        answer.extend(data);
    }
    answer.extend(END);
    answer.extend(format!("226 done size={} hash={} {IDS}\r\n", data.len(), Hash::of(data)).as_bytes());
    answer
}

/// A script for one tree: STAT says folder, LIST gives these lines, and every DOWNLOAD gives `evil`.
pub fn tree_of(lines: Vec<String>) -> impl Fn(&str) -> Option<Vec<u8>> + Send + Sync {
    move |line| match line.split(' ').next()? {
        "STAT" => Some(folder()),
        "LIST" => Some(listing(&lines)),
        "DOWNLOAD" => Some(file(b"evil")),
        _ => None,
    }
}

fn within<T>(work: impl Future<Output = T>) -> T {
    block_on(async_std::future::timeout(HANG, work)).expect("the client is still there")
}
