//! Whether the places are on disks and mounts that answer. A command that waits for one would keep whoever runs it waiting for ever: a
//! script, a package that is upgraded, a timer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use sealift::{Error, Kind, limits};

use crate::args::{Command, Places};
use crate::failure::Failure;
use crate::output::shell_word;

/// What this command works on.
pub fn places_of(command: &Command, places: &Places) -> Vec<PathBuf> {
    let (data, users, certs, state) = (&places.data, &places.users, &places.certs, places.state());
    match command {
        // A server is waited for by whoever started it, who bounds that.
        Command::Serve(_) | Command::Config { .. } | Command::Audit(_) => Vec::new(),
        Command::Completion(_) | Command::Manual(_) => Vec::new(),
        Command::Reload(_) => vec![state],
        Command::Cert { .. } => vec![certs.clone()],
        Command::Scrub(_) => vec![users.clone(), data.clone()],
        Command::User { .. } | Command::Group { .. } | Command::Folder { .. } => {
            vec![users.clone(), state, data.clone()]
        }
        Command::Invite(_) | Command::Explain(_) => vec![users.clone(), state, data.clone()],
        Command::Check(_) => vec![users.clone(), certs.clone(), state, data.clone()],
    }
}

/// Waits until all of them have answered, whatever that is.
///
/// # Errors
/// [`Kind::Io`]: the one that has not for [`limits::PLACES_ANSWER`].
pub fn prove(places: Vec<PathBuf>) -> Result<(), Failure> {
    let (tell, told) = channel();
    let asking = move || {
        for place in places {
            // Whoever waits for it may have gone.
            let _ = tell.send(place.clone());
            ask(&place);
        }
    };
    let failed = |err| Error::file("a thread to look at the places", err);
    thread::Builder::new().name("places".to_owned()).spawn(asking).map_err(failed)?;
    let until = Instant::now() + limits::PLACES_ANSWER;
    let mut asked = PathBuf::new();
    loop {
        match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(place) => asked = place,
            // All have.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => return Err(silent(&asked)),
        }
    }
}

/// Has the disk itself answer, and not what the kernel remembers of it.
fn ask(place: &Path) {
    let _whatever_it_is = statx(CWD, place, AtFlags::STATX_FORCE_SYNC, StatxFlags::BASIC_STATS);
}

fn silent(place: &Path) -> Failure {
    let waited = limits::PLACES_ANSWER.as_secs();
    let text = format!("{}: its disk or mount has not answered for {waited} seconds", place.display());
    let place = shell_word(&place.to_string_lossy());
    Failure::from(Error::new(Kind::Io, text)).hint(format!(
        "Nothing was done. `findmnt -T {place}` says what is mounted there. A server that runs goes on with what it need not ask it for."
    ))
}
