//! A real browser without a screen: Chromium, spoken to through the pipes of its debugging protocol.
//!
//! To start it costs far more than most tests do with it. So all that need one at the same time use the same, as persons who share
//! nothing: each has a context of its own, which is to Chromium what a private window is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

use super::HANG;

/// Who hears what the browser says, by the session that it names. What names none is said of the browser itself.
type Listeners = Arc<Mutex<BTreeMap<Option<String>, Sender<Value>>>>;

/// A running browser. It ends with the last of those who have it.
pub struct Browser {
    child: Child,
    pipe: Mutex<File>,
    next: AtomicU64,
    listeners: Listeners,
    /// What it says of itself.
    heard: Mutex<Receiver<Value>>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// The one that runs, or else a new one.
    pub fn running() -> Arc<Browser> {
        static RUNNING: Mutex<Weak<Browser>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let browser = Arc::new(Browser::start());
            *running = Arc::downgrade(&browser);
            browser
        })
    }

    fn start() -> Browser {
        let is_there = Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(is_there, "chromium is needed for this test: apt-get install chromium");
        let profile = tempfile::tempdir().unwrap();
        let (to, from) = (profile.path().join("to"), profile.path().join("from"));
        for fifo in [&to, &from] {
            mkfifoat(CWD, fifo, Mode::RUSR | Mode::WUSR).unwrap();
        }
        let child = spawned(profile.path());
        // Opened for both ways, so that nobody waits for the other end.
        let open = |path| File::options().read(true).write(true).open(path).unwrap();
        let (tell, heard) = channel();
        let listeners = Arc::new(Mutex::new(BTreeMap::from([(None, tell)])));
        let (told, answers) = (listeners.clone(), open(&from));
        std::thread::spawn(move || tell_all(answers, &told));
        let (pipe, heard) = (Mutex::new(open(&to)), Mutex::new(heard));
        Browser { child, pipe, next: AtomicU64::new(1), listeners, heard, _profile: profile }
    }

    /// Asks the browser itself for something, and waits for the answer.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.send(None, method, params);
        loop {
            let answer = heard.recv_timeout(HANG).unwrap_or_else(|_| panic!("chromium does not answer to {method}"));
            // What else comes are events, and answers that nobody waits for.
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// What is said of this session from now on.
    pub fn listen(&self, session: &str) -> Receiver<Value> {
        let (tell, heard) = channel();
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.insert(Some(session.to_owned()), tell);
        heard
    }

    /// Asks for something, of this session or of the browser itself: the number that the answer will have.
    pub fn send(&self, session: Option<&str>, method: &str, params: Value) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes).unwrap();
        id
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The shell has become the browser; its helpers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it with its profile there. It takes any certificate, since that of a test is self-made, and no page is less to it than
/// another one. The list below its address bar is a page too, which takes longer than all else at its start.
fn spawned(profile: &Path) -> Child {
    // It reads descriptor 3 and writes descriptor 4.
    let line = r#"exec chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-component-update \
        --disable-background-networking --disable-sync --disable-dev-shm-usage --mute-audio \
        --disable-background-timer-throttling --disable-backgrounding-occluded-windows --disable-renderer-backgrounding \
        --disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup \
        --ignore-certificate-errors --user-data-dir="$1/data" --remote-debugging-pipe about:blank 3<"$1/to" 4>"$1/from""#;
    Command::new("sh")
        .args(["-c", line, "sh"])
        .arg(profile)
        .env("HOME", profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(profile.join("said")).unwrap())
        .spawn()
        .unwrap()
}

/// Tells everyone what is said to them, to the end.
fn tell_all(answers: File, listeners: &Listeners) {
    let mut answers = BufReader::new(answers);
    let mut bytes = Vec::new();
    while answers.read_until(0, &mut bytes).is_ok_and(|n| n > 0) {
        bytes.pop();
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else { break };
        bytes.clear();
        let session = value["sessionId"].as_str().map(str::to_owned);
        let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
        // Who hears no more is gone.
        if listeners.get(&session).is_some_and(|listener| listener.send(value).is_err()) {
            listeners.remove(&session);
        }
    }
    listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
