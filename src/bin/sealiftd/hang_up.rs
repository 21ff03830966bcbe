//! `sealiftd reload` where no supervisor is: SIGHUP to the process that serves these places, and to no other.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sealift::store::process_numbering;
use sealift::{Error, Kind};

use crate::args::Places;
use crate::failure::Failure;
use crate::in_force::InForce;
use crate::node_args::NodeArgs;
use crate::output::tell;
use crate::serving::{Named, RunningServer};

/// Has it read its files again.
///
/// # Errors
/// That none runs here, or that it is not to be signalled.
pub fn ask(places: &Places, nodes: &NodeArgs) -> Result<(), Failure> {
    let absent = || {
        Failure::from(Error::new(Kind::NotFound, "no server runs here")).hint(
            "Name its place as it was started: --state, and of several servers of one folder --shared and --node. `sealift admin reload \
             admin@HOST` reaches one elsewhere.",
        )
    };
    let held = RunningServer::of_process(places, nodes)?.ok_or_else(absent)?;
    let Some(Named { number, numbering, hangup_ends }) = held.process.clone() else {
        let text = "the server that runs here does not say which process it is: it is of an earlier version";
        return Err(Failure::from(Error::new(Kind::NotFound, text)).hint("Send it SIGHUP: kill -HUP PROCESS"));
    };
    if numbering != process_numbering() {
        let text = format!("the server runs on another machine or in a container, as process {number} there");
        return Err(Failure::from(Error::new(Kind::NotFound, text)).hint("Run `sealiftd reload` there."));
    }
    if hangup_ends {
        let text = format!("the server here (process {number}) was started at a terminal, where SIGHUP ends it");
        return Err(Failure::from(Error::new(Kind::Usage, text)).hint(
            "Users, settings and certificates are read by themselves when they change; `sealift admin reload admin@HOST` has all read at once.",
        ));
    }
    let pid = Pid::from_raw(number).ok_or_else(absent)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|err| refused(number, err))?;
    if !held.is_held() {
        return Err(absent());
    }
    // Whoever may write in the state folder could name any process to root.
    if account_of(number) != Some(held.owner) {
        let text = format!("process {number}, which {} names, is not of that file's account", held.path.display());
        return Err(Failure::from(Error::new(Kind::Denied, text)).hint("Look whose the state folder is."));
    }
    // It has the lock while the process is open that it is to be: a number that was another one's is nobody's who has it.
    match held.holder() {
        Some(holder) if holder == pid => {}
        Some(_) => {
            let text = format!("process {number}, which {} names, is not the one that holds it", held.path.display());
            return Err(Failure::from(Error::new(Kind::Denied, text)).hint("Look whose the state folder is."));
        }
        None => {
            let text = format!(
                "nothing proves that process {number} is the server that runs here: it is of an earlier version, or its state folder is where locks are not kept"
            );
            return Err(Failure::from(Error::new(Kind::NotFound, text)).hint("Send it SIGHUP: kill -HUP PROCESS"));
        }
    }
    pidfd_send_signal(&process, Signal::HUP).map_err(|err| refused(number, err))?;
    tell(&format!(
        "The server (process {number}) reads users, settings and certificates again; its log says what came of it.\n"
    ));
    InForce::look(places).warn();
    Ok(())
}

/// The account that a process runs under.
fn account_of(process: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    // A process that nobody may look into says it, too; where even that is hidden its folder is its account's.
    let said = status.ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:").map(str::to_owned))?;
        line.split_whitespace().nth(1)?.parse().ok()
    });
    said.or_else(|| fs::metadata(format!("/proc/{process}")).ok().map(|about| about.uid()))
}

fn refused(process: i32, err: Errno) -> Failure {
    match err {
        Errno::SRCH => Error::new(Kind::NotFound, format!("the server (process {process}) has just ended")).into(),
        Errno::PERM => {
            Failure::from(Error::new(Kind::Denied, format!("the server (process {process}) is another account's")))
                .hint("Run it as the account that started the server, or as root.")
        }
        err => Error::file(format_args!("process {process}"), err.into()).into(),
    }
}
