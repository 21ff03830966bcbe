//! The socket in the server's state folder by which `sealiftd reload` talks to a supervisor: one line of a wish, one line of what comes
//! of it. Its mode lets nobody connect but the account that the supervisor runs under, and root.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Instant;

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, shutdown, socket_with,
};
use sealift::sync::Mutex;
use sealift::{Error, Kind, limits};
use serde_json::Value;
use tracing::{error, info, warn};

use super::args::ReloadArgs;
use super::{Event, Parent, words};
use crate::args::Places;
use crate::failure::Failure;
use crate::hang_up;
use crate::node_args::NodeArgs;
use crate::output::{complain, tell};

/// The wish to read files again, and the one to replace the server.
const FILES: &str = "files";
const PROGRAM: &str = "program";

/// Before the last line of an answer.
const DONE: &str = "done ";
const FAILED: &str = "failed ";

/// Where it is: several nodes have one state folder, and a socket each.
fn path(places: &Places, nodes: &NodeArgs) -> std::result::Result<PathBuf, Failure> {
    let name = nodes.name()?.map_or_else(|| "supervisor".to_owned(), |node| format!("supervisor-{node}"));
    Ok(places.state().join(name))
}

/// What somebody wants of a supervisor.
pub enum Wish {
    /// That the server reads its files again.
    Files,
    /// That another server takes the place of this one.
    Program,
}

/// Somebody who waits for what comes of a wish.
pub struct Asker(pub(super) Sender<std::result::Result<String, String>>);

impl Asker {
    /// Tells what came of it.
    pub fn answer(self, outcome: std::result::Result<String, String>) {
        // Who has gone needs no answer.
        let _ = self.0.send(outcome);
    }
}

/// What a supervisor is reached by. A thread of its own looks after it: the folder that it is in may be on a file system that does not
/// answer, and a supervisor has to relay and to start servers all the same.
pub struct Control {
    folder: PathBuf,
    /// Taken by that thread when it has nothing to do.
    looks: SyncSender<()>,
    /// Since when it has not come back.
    waits: Option<Instant>,
    /// That it does not was said, and when last.
    said: Option<Instant>,
    wishes: Arc<Wishes>,
}

/// The socket, for as long as somebody is to be heard there.
struct Place {
    path: PathBuf,
    words: Vec<OsString>,
    events: Sender<Event>,
    /// None as long as it could not be made; with what the file system tells it from all others by.
    open: Option<(Arc<UnixListener>, (u64, u64))>,
    /// That it is gone was said, and when last.
    missed: Option<Instant>,
    wishes: Arc<Wishes>,
}

/// What is being asked for.
#[derive(Default)]
struct Wishes {
    /// By how many.
    asking: AtomicUsize,
    /// Held by whoever wants another program to serve: until it does, or will not.
    replacing: Mutex<()>,
}

impl Control {
    /// Takes wishes from now on, each on a thread of its own.
    ///
    /// # Errors
    /// That there is no name to be reached by, or it is too long for a socket.
    pub fn begin(
        (places, nodes): (&Places, &NodeArgs),
        words: &[OsString],
        events: &Sender<Event>,
    ) -> std::result::Result<Control, Failure> {
        let path = path(places, nodes)?;
        let failed = |err| Error::file(format_args!("the supervisor's socket {}", path.display()), err);
        SocketAddrUnix::new(&path).map_err(|err| failed(err.into()))?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let wishes = Arc::<Wishes>::default();
        let mut place = Place {
            path: path.clone(),
            words: words.to_vec(),
            events: events.clone(),
            open: None,
            missed: None,
            wishes: Arc::clone(&wishes),
        };
        // Without room: nobody asks for a look while one is under way.
        let (looks, asked) = sync_channel(0);
        let (tell, looked) = channel();
        let looking = move || {
            place.look();
            // The supervisor may have gone on without it.
            let _ = tell.send(());
            while asked.recv().is_ok() {
                place.look();
            }
        };
        std::thread::Builder::new().name("state".to_owned()).spawn(looking).map_err(failed)?;
        let mut control = Control { folder, looks, waits: None, said: None, wishes };
        // Whoever hears that the server serves can ask for something; but for one folder nobody waits for ever.
        if looked.recv_timeout(limits::SUPERVISOR_LOOK).is_err() {
            control.waits = Some(Instant::now());
        }
        Ok(control)
    }

    /// Has it looked whether the socket can be found, unless that is being done. Waits for nothing.
    pub fn look(&mut self) {
        if self.looks.try_send(()).is_ok() {
            if self.said.take().is_some() {
                info!(folder = %self.folder.display(), "the folder of the server's own state answers again");
            }
            self.waits = None;
            return;
        }
        let waits = self.waits.get_or_insert_with(Instant::now).elapsed();
        let was_said = self.said.is_some_and(|said| said.elapsed() < limits::SUPERVISOR_SAYS_AGAIN);
        if waits >= limits::SUPERVISOR_UNANSWERED && !was_said {
            self.said = Some(Instant::now());
            error!(
                folder = %self.folder.display(),
                "the folder of the server's own state does not answer: what users change themselves waits, and `sealiftd reload` may not reach this server"
            );
        }
    }

    /// Waits a moment for those who are being answered, before the supervisor ends.
    pub fn finish(&self) {
        let begun = Instant::now();
        while self.wishes.asking.load(Ordering::Acquire) > 0 && begun.elapsed() < limits::SUPERVISOR_ANSWERS {
            std::thread::sleep(limits::SUPERVISED_CHECK_LOOK);
        }
    }
}

impl Place {
    /// Looks whether the socket can be found, and makes it where its folder is there.
    fn look(&mut self) {
        let is_it = |known: (u64, u64)| number(&self.path).is_ok_and(|number| number == known);
        if self.open.as_ref().is_some_and(|(_, known)| is_it(*known)) {
            return;
        }
        let made = if somebody_listens(&self.path) {
            // Never taken away from whoever has a folder of this name by now.
            let text = format!("{}: another server is reached there", self.path.display());
            Err(Failure::from(Error::new(Kind::Busy, text)))
        } else {
            open(&self.path).and_then(|open| self.serve(&open.0).map(|()| open))
        };
        match made {
            Ok(open) => {
                if let Some((gone, _)) = self.open.replace(open) {
                    // Who listens there hears nobody any more, and ends.
                    let _it_ends = shutdown(&*gone, Shutdown::Both);
                    warn!(socket = %self.path.display(), "the socket of `sealiftd reload` was gone and is made anew");
                }
                self.missed = None;
            }
            Err(failure) => {
                if self.missed.is_some_and(|said| said.elapsed() < limits::SUPERVISOR_SAYS_AGAIN) {
                    return;
                }
                self.missed = Some(Instant::now());
                match self.path.parent().filter(|folder| !folder.is_dir()) {
                    Some(folder) => error!(
                        folder = %folder.display(),
                        "the folder of the server's own state is gone while it runs: what users change themselves is lost, and `sealiftd reload` cannot reach this server; put it back, then restart"
                    ),
                    None => warn!(error = failure.text(), "`sealiftd reload` cannot reach this server"),
                }
            }
        }
    }

    fn serve(&self, listener: &Arc<UnixListener>) -> std::result::Result<(), Failure> {
        let (listener, words) = (Arc::clone(listener), Arc::<[OsString]>::from(&*self.words));
        let (events, wishes) = (self.events.clone(), Arc::clone(&self.wishes));
        let serving = move || {
            loop {
                match listener.accept() {
                    Ok((stream, _)) => take(stream, Arc::clone(&words), events.clone(), Arc::clone(&wishes)),
                    // There is another one by now.
                    Err(err) if err.kind() == std::io::ErrorKind::InvalidInput => return,
                    // Too many files are open, say: the next one may find room.
                    Err(_) => std::thread::sleep(limits::SUPERVISED_CHECK_LOOK),
                }
            }
        };
        let failed = |err| Error::file(format_args!("the supervisor's socket {}", self.path.display()), err);
        std::thread::Builder::new().name("wishes".to_owned()).spawn(serving).map_err(failed)?;
        Ok(())
    }
}

/// Whether somebody listens there. It waits for nobody: the folder is the server's, whose account must not be able to keep the
/// supervisor from its work by a socket that takes no connection.
fn somebody_listens(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok(address) = SocketAddrUnix::new(path) else { return false };
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else { return false };
    // As many wait there as may.
    matches!(connect(&socket, &address), Ok(()) | Err(Errno::AGAIN))
}

/// Listens there, in place of what a supervisor has left that is gone.
fn open(path: &Path) -> std::result::Result<(Arc<UnixListener>, (u64, u64)), Failure> {
    let failed = |err| Error::file(format_args!("the supervisor's socket {}", path.display()), err);
    // The server holds the state folder, or its name in it, so whoever made this one has ended.
    if fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket()) {
        fs::remove_file(path).map_err(failed)?;
    }
    // Nobody else can connect to it, from its first moment on: it gets its name with the mode that it has.
    let flags = SocketFlags::CLOEXEC;
    let bound = SocketAddrUnix::new(path).and_then(|address| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &address)?;
        listen(&socket, limits::SUPERVISOR_BACKLOG)?;
        Ok(socket)
    });
    let listener = bound.map_err(|err| failed(err.into()))?.into();
    Ok((Arc::new(listener), number(path).map_err(failed)?))
}

fn number(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()))
}

/// Has somebody heard without anybody else having to wait for that.
fn take(stream: UnixStream, words: Arc<[OsString]>, events: Sender<Event>, wishes: Arc<Wishes>) {
    let is_one_too_many = wishes.asking.fetch_add(1, Ordering::Relaxed) >= limits::SUPERVISOR_WISHES;
    let others = Arc::clone(&wishes);
    let serving = move || {
        let served = match is_one_too_many {
            true => hear(&stream)
                .and_then(|_| answer(&stream, Err("too many others ask for something just now".to_owned()))),
            false => serve(&stream, &words, &events, &wishes),
        };
        if let Err(error) = served {
            warn!(%error, "a wish to the supervisor was not carried out to its end");
        }
        wishes.asking.fetch_sub(1, Ordering::Release);
    };
    if let Err(error) = std::thread::Builder::new().name("wish".to_owned()).spawn(serving) {
        others.asking.fetch_sub(1, Ordering::Relaxed);
        warn!(%error, "a wish to the supervisor was not heard");
    }
}

fn hear(stream: &UnixStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(limits::SUPERVISOR_WISH))?;
    stream.set_write_timeout(Some(limits::SUPERVISOR_WISH))?;
    // Of one piece: whoever writes it bit by bit would keep a thread waiting.
    let mut line = [0; limits::SUPERVISOR_WISH_MAX];
    let count = (&mut &*stream).read(&mut line)?;
    Ok(String::from_utf8_lossy(line.get(..count).unwrap_or_default()).trim_end().to_owned())
}

fn serve(stream: &UnixStream, words: &[OsString], events: &Sender<Event>, wishes: &Wishes) -> std::io::Result<()> {
    let wish = hear(stream)?;
    let carry_out = |wish| {
        let (asker, answer) = channel();
        let gone = || "the supervisor is ending".to_owned();
        events.send(Event::Wish(wish, Asker(asker))).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    };
    let outcome = match wish.as_str() {
        FILES => carry_out(Wish::Files),
        PROGRAM => match wishes.replacing.try_lock() {
            Some(_alone) => match check(words) {
                Ok(()) => carry_out(Wish::Program),
                Err(why) => Err(format!("{why}; nothing was changed, and the server that is there goes on")),
            },
            None => Err("somebody else has the server replaced just now".to_owned()),
        },
        _ => Err("no such wish".to_owned()),
    };
    answer(stream, outcome)
}

fn answer(stream: &UnixStream, outcome: std::result::Result<String, String>) -> std::io::Result<()> {
    match outcome {
        Ok(what) => writeln!(&mut &*stream, "{DONE}{what}"),
        Err(why) => writeln!(&mut &*stream, "{FAILED}{}", why.replace('\n', "; ")),
    }
}

/// Has the program that is there now look whether it could serve. Until it has, nothing is changed.
fn check(words: &[OsString]) -> std::result::Result<(), String> {
    let words = words::for_checking(words).ok_or("its command line cannot be checked")?;
    let (program, rest) = words.split_first().ok_or("there is no program")?;
    let failed = |err: std::io::Error| format!("{} cannot be run: {}", program.display(), in_words_of(&err));
    let mut command = Command::new(program);
    // What the server that runs holds is no obstacle: it ends first.
    Parent::tell(&mut command);
    command.args(rest).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = command.spawn().map_err(failed)?;
    // Read from the start: one that has more to say than a pipe holds would wait for that, and never end.
    let (found, said) = (read(checking.stdout.take()), read(checking.stderr.take()));
    let until = Instant::now() + limits::SUPERVISED_START;
    let late = || "the new program does not end checking".to_owned();
    let status = loop {
        if let Some(status) = checking.try_wait().map_err(failed)? {
            break status;
        }
        if until <= Instant::now() {
            let _has_ended_by_itself = checking.kill();
            // Not here: in a disk that does not answer, it ends when that does.
            let _reaped = std::thread::Builder::new().name("check".to_owned()).spawn(move || checking.wait());
            return Err(late());
        }
        std::thread::sleep(limits::SUPERVISED_CHECK_LOOK);
    };
    // What it has started may hold its pipes, and is not waited for any longer.
    let all = |bytes: Receiver<String>| {
        bytes.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_| late())
    };
    let (found, said) = (all(found)?, all(said)?);
    let findings: Option<Vec<Value>> = found.lines().map(|line| serde_json::from_str(line).ok()).collect();
    // What is a warning does not keep a server from starting.
    match (status.code(), findings) {
        (Some(0 | 1), Some(findings)) if !findings.is_empty() || status.success() => {
            let errors = findings.iter().filter(|finding| finding["severity"] == "error");
            let errors: Vec<&str> = errors.filter_map(|finding| finding["what"].as_str()).collect();
            if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
        }
        _ => {
            let how = super::in_words(Some(status));
            Err(format!("the new program cannot check the settings ({how}) {}", said.trim()).trim_end().to_owned())
        }
    }
}

/// Why a program cannot be run. A file that is missing need not be the program: it may be what a script says that runs it.
fn in_words_of(err: &std::io::Error) -> String {
    match Errno::from_io_error(err) {
        Some(Errno::NOEXEC) => "it is no program for this machine".to_owned(),
        Some(Errno::ACCESS) => {
            "it is no program that this account may run (its mode, or that of a folder on the way)".to_owned()
        }
        Some(Errno::NOENT) => "it is not there, or what it is run by is not".to_owned(),
        _ => err.to_string(),
    }
}

/// The whole lines of what comes from there, once it has all come, as far as they are kept.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (text, all) = channel();
    let reading = move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        // What cannot be read is as good as its end.
        let _read = pipe.by_ref().take(limits::SUPERVISED_CHECK_MAX).read_to_end(&mut bytes);
        if std::io::copy(&mut pipe, &mut std::io::sink()).is_ok_and(|more| more > 0) {
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        }
        // Whoever waited for it may have gone.
        let _ = text.send(String::from_utf8_lossy(&bytes).into_owned());
    };
    // Without a thread nothing comes, and that is said at once.
    let _made = std::thread::Builder::new().name("check".to_owned()).spawn(reading);
    all
}

/// `sealiftd reload`: tells a supervisor, and waits for what comes of it; where there is none, the server itself.
///
/// # Errors
/// That there is no such one, or what it says.
pub fn ask(places: &Places, args: &ReloadArgs) -> std::result::Result<(), Failure> {
    let path = path(places, &args.nodes)?;
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        // Whoever has no supervisor is asked directly.
        Err(err) if is_absent(&err) && !args.binary => return hang_up::ask(places, &args.nodes),
        Err(err) => return Err(explain(&path, err)),
    };
    let wish = if args.binary { PROGRAM } else { FILES };
    let failed = |err| Error::file("talking to the supervisor", err);
    // In one piece, as it is read.
    (&mut &stream).write_all(format!("{wish}\n").as_bytes()).map_err(failed)?;
    if args.binary {
        say_what_is_waited_for();
    } else {
        // One that replaces a server has it bounded, and is waited for.
        stream.set_read_timeout(Some(limits::SUPERVISOR_ANSWER)).map_err(failed)?;
    }
    let mut answer = String::new();
    let read = BufReader::new(stream.take(limits::SUPERVISOR_ANSWER_MAX)).read_line(&mut answer);
    read.map_err(|err| match err.kind() {
        std::io::ErrorKind::WouldBlock => Error::new(Kind::TimedOut, "the supervisor does not answer"),
        _ => failed(err),
    })?;
    if let Some(done) = answer.strip_prefix(DONE) {
        tell(&format!("{}\n", sealift::escape::for_people(done.trim_end().as_bytes())));
        return Ok(());
    }
    let why = answer.strip_prefix(FAILED).unwrap_or("the supervisor has ended").trim_end();
    let next = "The log says more of a server that did not stay; `sealiftd check` looks for what would keep one from starting.";
    Err(Failure::from(Error::new(Kind::Aborted, why.to_owned())).hint(next))
}

/// To a person, who sees nothing for as long as transfers run.
fn say_what_is_waited_for() {
    if std::io::stderr().is_terminal() {
        complain(
            "Waiting: the new program checks its settings, then uploads may finish (--grace at most), then it serves, and downloads go on beside it. \
             Ctrl-C ends the waiting alone.",
        );
    }
}

fn is_absent(err: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(err.kind(), NotFound | ConnectionRefused)
}

fn explain(path: &Path, err: std::io::Error) -> Failure {
    let is_absent = is_absent(&err);
    let error = Error::file(format_args!("the supervisor's socket {}", path.display()), err);
    match is_absent {
        false => error.into(),
        true => Failure::from(Error::new(Kind::NotFound, "no server runs here with --supervise")).hint(
            "Name its place as it was started: --state, and of several servers of one folder --shared and --node. Without --supervise another program takes a restart.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_connect_whatever_the_umask_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let _listens = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(somebody_listens(&path));
    }

    #[test]
    fn who_takes_no_connection_is_there_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        assert!(!somebody_listens(&path));
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        assert!(somebody_listens(&path));
        drop(listener);
        assert!(!somebody_listens(&path));
    }
}
