//! The socket in the server's state folder by which `sealiftd reload` talks to a supervisor: one line of a wish, one line of what comes
//! of it. Its mode lets nobody connect but the account that the supervisor runs under, and root.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use rustix::fs::Mode;
use rustix::process::umask;
use sealift::{Error, Kind, limits};
use serde_json::Value;
use tracing::warn;

use super::args::ReloadArgs;
use super::{Event, words};
use crate::args::Places;
use crate::failure::Failure;
use crate::node_args::NodeArgs;
use crate::output::tell;

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
pub struct Asker(Sender<std::result::Result<String, String>>);

impl Asker {
    /// Tells what came of it.
    pub fn answer(self, outcome: std::result::Result<String, String>) {
        // Who has gone needs no answer.
        let _ = self.0.send(outcome);
    }
}

/// Takes wishes from now on, on threads of their own.
///
/// # Errors
/// That the socket cannot be made.
pub fn listen(
    (places, nodes): (&Places, &NodeArgs),
    words: &[OsString],
    events: &Sender<Event>,
) -> std::result::Result<(), Failure> {
    let path = path(places, nodes)?;
    let failed = |err| Error::file(format_args!("the supervisor's socket {}", path.display()), err);
    // The server holds the state folder, or its name in it, so whoever made this one has ended.
    if fs::symlink_metadata(&path).is_ok_and(|about| about.file_type().is_socket()) {
        fs::remove_file(&path).map_err(failed)?;
    }
    // Nobody else can connect to it, from its first moment on. It is the thread that starts servers which does this, so none of them
    // begins with this mask.
    let before = umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(&path);
    umask(before);
    let listener = bound.map_err(failed)?;
    let (words, events) = (words.to_vec(), events.clone());
    let serving = move || {
        // One after the other: two of them at once would want different things.
        for stream in listener.incoming().flatten() {
            if let Err(error) = serve(&stream, &words, &events) {
                warn!(%error, "a wish to the supervisor was not carried out to its end");
            }
        }
    };
    std::thread::Builder::new().name("wishes".to_owned()).spawn(serving).map_err(failed)?;
    Ok(())
}

fn serve(stream: &UnixStream, words: &[OsString], events: &Sender<Event>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(limits::SUPERVISOR_WISH))?;
    stream.set_write_timeout(Some(limits::SUPERVISOR_WISH))?;
    // Of one piece: whoever writes it bit by bit would keep others waiting.
    let mut line = [0; limits::SUPERVISOR_WISH_MAX];
    let count = (&mut &*stream).read(&mut line)?;
    let line = String::from_utf8_lossy(line.get(..count).unwrap_or_default());
    let outcome = match line.trim_end() {
        FILES => Ok(Wish::Files),
        PROGRAM => check(words).map(|()| Wish::Program),
        _ => Err("no such wish".to_owned()),
    }
    .and_then(|wish| {
        let (asker, answer) = channel();
        let gone = |_| "the supervisor is ending".to_owned();
        events.send(Event::Wish(wish, Asker(asker))).map_err(|_| "the supervisor is ending".to_owned())?;
        answer.recv().map_err(gone)?
    });
    match outcome {
        Ok(what) => writeln!(&mut &*stream, "{DONE}{what}"),
        Err(why) => writeln!(&mut &*stream, "{FAILED}{}", why.replace('\n', "; ")),
    }
}

/// Has the program that is there now look whether it could serve. Until it has, nothing is changed.
fn check(words: &[OsString]) -> std::result::Result<(), String> {
    let words = words::for_checking(words).ok_or("its command line cannot be checked")?;
    let (program, rest) = words.split_first().ok_or("there is no program")?;
    let failed = |err: std::io::Error| format!("{}: {err}", program.display());
    let mut command = Command::new(program);
    command.args(rest).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checking = command.spawn().map_err(failed)?;
    let until = Instant::now().checked_add(limits::SUPERVISED_START);
    while checking.try_wait().map_err(failed)?.is_none() {
        if until.is_some_and(|until| until <= Instant::now()) {
            let _has_ended_by_itself = checking.kill();
            let _is_gone = checking.wait();
            return Err("the new program does not end checking".to_owned());
        }
        std::thread::sleep(limits::SUPERVISED_CHECK_LOOK);
    }
    let checked = checking.wait_with_output().map_err(failed)?;
    let found = String::from_utf8_lossy(&checked.stdout);
    let findings: Option<Vec<Value>> = found.lines().map(|line| serde_json::from_str(line).ok()).collect();
    // What is a warning does not keep a server from starting.
    match (checked.status.code(), findings) {
        (Some(0 | 1), Some(findings)) if !findings.is_empty() || checked.status.success() => {
            let errors = findings.iter().filter(|finding| finding["severity"] == "error");
            let errors: Vec<&str> = errors.filter_map(|finding| finding["what"].as_str()).collect();
            if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
        }
        _ => {
            let said = String::from_utf8_lossy(&checked.stderr);
            let how = super::in_words(Some(checked.status));
            Err(format!("the new program cannot check the settings ({how}) {}", said.trim()).trim_end().to_owned())
        }
    }
}

/// `sealiftd reload`: tells a supervisor, and waits for what comes of it.
///
/// # Errors
/// That there is none, or what it says.
pub fn ask(places: &Places, args: &ReloadArgs) -> std::result::Result<(), Failure> {
    let path = path(places, &args.nodes)?;
    let stream = UnixStream::connect(&path).map_err(|err| explain(&path, err))?;
    let wish = if args.binary { PROGRAM } else { FILES };
    let failed = |err| Error::file("talking to the supervisor", err);
    // In one piece, as it is read.
    (&mut &stream).write_all(format!("{wish}\n").as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream.take(limits::SUPERVISOR_ANSWER_MAX)).read_line(&mut answer).map_err(failed)?;
    if let Some(done) = answer.strip_prefix(DONE) {
        tell(&format!("{}\n", sealift::escape::for_people(done.trim_end().as_bytes())));
        return Ok(());
    }
    let why = answer.strip_prefix(FAILED).unwrap_or("the supervisor has ended").trim_end();
    let next = "The server's log says more; `sealiftd check` looks for what would keep it from starting.";
    Err(Failure::from(Error::new(Kind::Aborted, why.to_owned())).hint(next))
}

fn explain(path: &Path, err: std::io::Error) -> Failure {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let is_absent = matches!(err.kind(), NotFound | ConnectionRefused);
    let error = Error::file(format_args!("the supervisor's socket {}", path.display()), err);
    match is_absent {
        false => error.into(),
        true => Failure::from(Error::new(Kind::NotFound, "no server runs here with --supervise")).hint(
            "Name its place as it was started: --state, and of several servers of one folder --shared and --node. Without --supervise SIGHUP or `sealift admin reload` \
             has it read its files again, and another program takes a restart.",
        ),
    }
}
