//! The sockets that outlive a server: each one gets them as from a service manager (sd_listen_fds(3)), and behind them the one by which
//! it says how it is.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use sealift::server::Listeners;
use sealift::{Error, Kind, Result, limits};

/// Sockets that listen, under numbers that follow each other.
pub struct Sockets {
    held: Vec<OwnedFd>,
    first: RawFd,
}

fn failed(err: Errno) -> Error {
    Error::new(Kind::Internal, format!("the sockets cannot be kept: {err}"))
}

impl Sockets {
    /// Keeps these, which the program itself need not keep.
    ///
    /// # Errors
    /// What the system says, or that too many files were left open for this process.
    pub fn of(opened: &Listeners) -> Result<Sockets> {
        // The numbers from there on are free, unless somebody has left files open for this process.
        for place in 1..=limits::SUPERVISED_SOCKET_PLACES {
            let first = limits::SUPERVISED_SOCKETS_FROM * place;
            let numbered = opened.sockets().iter().zip(first..);
            let held = numbered.map(|(socket, number)| fcntl_dupfd_cloexec(socket.as_fd(), number));
            let held = held.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
            if held.iter().zip(first..).all(|(socket, number)| socket.as_raw_fd() == number) {
                return Ok(Sockets { held, first });
            }
        }
        Err(failed(Errno::MFILE))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.held.len()
    }

    /// Has a program inherit them, and `theirs` behind them. What is returned is to be kept until it was started: nothing else that
    /// is started then inherits them.
    ///
    /// # Errors
    /// What the system says.
    pub fn lend(&self, to: &mut Command, theirs: UnixDatagram) -> Result<Lent<'_>> {
        let behind = (self.first..).nth(self.held.len()).unwrap_or(RawFd::MAX);
        let theirs = fcntl_dupfd_cloexec(theirs.as_fd(), behind).map_err(failed)?;
        if theirs.as_raw_fd() != behind {
            return Err(failed(Errno::MFILE));
        }
        let lent = Lent { sockets: self, theirs };
        lent.each(FdFlags::empty()).map_err(failed)?;
        to.env("LISTEN_FDS", (self.held.len() + 1).to_string()).env("LISTEN_FDS_FIRST_FD", self.first.to_string());
        Ok(lent)
    }
}

/// Sockets that whatever is started inherits, until this is dropped.
pub struct Lent<'a> {
    sockets: &'a Sockets,
    theirs: OwnedFd,
}

impl Lent<'_> {
    fn each(&self, flags: FdFlags) -> std::result::Result<(), Errno> {
        self.sockets.held.iter().chain([&self.theirs]).try_for_each(|socket| fcntl_setfd(socket, flags))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // They are still open where this fails, and that is all that is to be made sure of.
        let _ = self.each(FdFlags::CLOEXEC);
    }
}
