//! A server of one connection that speaks the protocol and lies.

use async_std::net::TcpListener;
use async_std::task::{JoinHandle, block_on, spawn};
use futures::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use sealift::tls::{Acceptor, Identity};

/// What ends every final reply's keys.
pub const IDS: &str = "pid=1 session=00000000000000ab";

/// It lets everybody log in, and answers all other lines as it is told.
pub struct Liar {
    pub address: String,
    pub pin: String,
    received: JoinHandle<Vec<u8>>,
}

impl Liar {
    pub fn start(answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Liar {
        Liar::of("", "", answer)
    }

    /// The same with these features.
    pub fn with(features: &str, answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Liar {
        Liar::of(&format!(" features={features}"), "", answer)
    }

    /// It says this too when it welcomes, and answers PING.
    pub fn welcoming(keys: &str) -> Liar {
        Liar::of("", &format!(" {keys}"), |_| format!("200 pong {IDS}\r\n").into_bytes())
    }

    fn of(greets: &str, keys: &str, mut answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Liar {
        let welcome = format!("230 welcome user=u access=full{keys} {IDS}\r\n").into_bytes();
        let greeting = format!("220 ready proto=1{greets}\r\n").into_bytes();
        let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
        let acceptor = Acceptor::new(&identity).unwrap();
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = spawn(async move {
            let mut all = Vec::new();
            let (socket, _) = listener.accept().await.unwrap();
            let Ok((stream, _)) = acceptor.accept(socket).await else { return all };
            let mut stream = BufReader::new(stream);
            let mut reply = greeting;
            // Until the client has had enough.
            while stream.get_mut().write_all(&reply).await.is_ok() && stream.get_mut().flush().await.is_ok() {
                let start = all.len();
                let Ok(1..) = stream.read_until(b'\n', &mut all).await else { break };
                let line = String::from_utf8_lossy(&all[start..]).into_owned();
                reply = match line.split([' ', '\r']).next().unwrap() {
                    "USER" => b"331 password\r\n".to_vec(),
                    "PASS" => welcome.clone(),
                    "LOGOUT" => format!("221 bye {IDS}\r\n").into_bytes(),
                    _ => answer(&line),
                };
            }
            all
        });
        Liar { address, pin: identity.pin().to_string(), received }
    }

    /// All that it was sent, once the client is gone.
    pub fn received(self) -> Vec<u8> {
        block_on(self.received)
    }
}
