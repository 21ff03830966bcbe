//! A connection typed by hand: `openssl s_client`, a client that knows nothing of Sealift.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::{Daemon, HANG};

/// A running `openssl s_client`. Dropping it cuts the connection.
pub struct Typed {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    unread: VecDeque<u8>,
}

impl Typed {
    /// Connects, and reads the greeting.
    pub fn connect(daemon: &Daemon) -> Typed {
        let mut typed = Typed::with(daemon.port(), &["-alpn", "sealift/1"]);
        assert!(typed.line().starts_with("220 ready proto=1 features="));
        typed
    }

    /// Connects with these options, and reads nothing yet.
    pub fn with(port: u16, options: &[&str]) -> Typed {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the openssl program");
        let mut stdout = child.stdout.take().unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut bytes) {
                if send.send(bytes.get(..n).unwrap_or_default().to_vec()).is_err() {
                    return;
                }
            }
        });
        Typed { input: child.stdin.take(), child, output, unread: VecDeque::new() }
    }

    /// Connects and logs in.
    pub fn login(daemon: &Daemon, user: &str, password: &str) -> Typed {
        let mut typed = Typed::connect(daemon);
        assert!(typed.ask(&format!("USER {user}")).starts_with("331 password "));
        let answer = typed.ask(&format!("PASS {password}"));
        assert!(answer.starts_with("230 welcome "), "{answer}");
        typed
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.input.as_mut().unwrap();
        // A connection that the server has closed is judged by what it said.
        let _ = input.write_all(bytes.as_ref()).and_then(|()| input.flush());
    }

    /// Sends a command line and reads the next line.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n"));
        self.line()
    }

    /// The next line, without its ending.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.byte().unwrap_or_else(|| panic!("closed after {:?}", String::from_utf8_lossy(&line))));
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }

    /// The next data frames up to their end, put together; none if they were aborted.
    pub fn frames(&mut self) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            match u32::from_be_bytes(self.bytes(4).try_into().unwrap()) {
                0 => return Some(data),
                u32::MAX => return None,
                length => data.extend(self.bytes(length as usize)),
            }
        }
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte().expect("closed in the middle")).collect()
    }

    /// All that is still coming, until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.byte()).collect()
    }

    fn byte(&mut self) -> Option<u8> {
        while self.unread.is_empty() {
            match self.output.recv_timeout(HANG) {
                Ok(bytes) => self.unread.extend(bytes),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the server says nothing"),
            }
        }
        self.unread.pop_front()
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        // Has ended already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
