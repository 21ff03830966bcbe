//! Single keys of whoever looks at a terminal, without waiting for them.

use std::io::{self, IsTerminal as _, Read as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal gives keys at once and shows none of them, until this is dropped.
pub struct Keys {
    before: Option<Termios>,
}

impl Keys {
    /// Begins. Without a terminal nobody presses anything.
    pub fn watch() -> Keys {
        let stdin = io::stdin();
        let before = if stdin.is_terminal() { tcgetattr(&stdin).ok() } else { None };
        if let Some(mut settings) = before.clone() {
            settings.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            let _ = tcsetattr(&stdin, OptionalActions::Now, &settings);
        }
        Keys { before }
    }

    /// The key that was pressed, if one was.
    pub fn pressed(&self) -> Option<u8> {
        self.before.as_ref()?;
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut fds, Some(&at_once)).unwrap_or(0) == 0 {
            return None;
        }
        let mut key = [0];
        // What is there is read without waiting; nothing there is the end of it.
        stdin.lock().read_exact(&mut key).ok()?;
        Some(key[0])
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
