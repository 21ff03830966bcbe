//! The sockets that outlive a server: each one gets them as from a service manager (sd_listen_fds(3)).

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use sealift::server::Listeners;
use sealift::{Error, Kind, Result, limits};

/// Sockets that listen, under numbers that follow each other.
pub struct Sockets {
    held: Vec<OwnedFd>,
    first: RawFd,
}

impl Sockets {
    /// Keeps these, which the program itself need not keep.
    ///
    /// # Errors
    /// What the system says, or that too many files were left open for this process.
    pub fn of(opened: &Listeners) -> Result<Sockets> {
        let failed = |err: rustix::io::Errno| Error::new(Kind::Internal, format!("the sockets cannot be kept: {err}"));
        // The numbers from there on are free, unless somebody has left files open for this process.
        for place in 1..=limits::SUPERVISED_SOCKET_PLACES {
            let first = limits::SUPERVISED_SOCKETS_FROM * place;
            let numbered = opened.sockets().iter().zip(first..);
            let held = numbered.map(|(socket, number)| fcntl_dupfd_cloexec(socket.as_fd(), number));
            let held = held.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
            if held.iter().zip(first..).all(|(socket, number)| socket.as_raw_fd() == number) {
                held.iter().try_for_each(|socket| fcntl_setfd(socket, FdFlags::empty())).map_err(failed)?;
                return Ok(Sockets { held, first });
            }
        }
        Err(Error::new(Kind::Internal, "the sockets cannot be kept: too many files were left open for this process"))
    }

    /// What a program is told of them in its environment. It inherits them.
    pub fn told(&self) -> [(&'static str, String); 2] {
        [("LISTEN_FDS", self.held.len().to_string()), ("LISTEN_FDS_FIRST_FD", self.first.to_string())]
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.held.iter().map(|socket| socket.as_fd())
    }
}
