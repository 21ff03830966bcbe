//! What servers say of themselves by sd_notify(3): the supervisor is their service manager, and hands on what concerns its own.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixDatagram;

use rustix::cmsg_space;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, recvmsg};
use sealift::{Error, Kind, Result};

/// The socket that they talk to.
pub struct Notices {
    socket: UnixDatagram,
    name: String,
}

/// What one said.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    /// The process that said it, as the kernel knows it.
    pub pid: u32,
    /// Lines of `KEY=value`.
    pub text: String,
}

impl Notices {
    /// Opens it, under a name that the kernel chooses.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> Result<Notices> {
        let failed = |err: std::io::Error| Error::new(Kind::Internal, format!("servers cannot be heard: {err}"));
        let socket = UnixDatagram::unbound().map_err(failed)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new_unnamed()).map_err(|err| failed(err.into()))?;
        // Anybody on this machine can send to it: the kernel says who it was.
        set_socket_passcred(&socket, true).map_err(|err| failed(err.into()))?;
        let address = socket.local_addr().map_err(failed)?;
        let name = address.as_abstract_name().and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| failed(std::io::ErrorKind::AddrNotAvailable.into()))?.to_owned();
        Ok(Notices { socket, name })
    }

    /// As a program is told of it in its environment.
    pub fn told(&self) -> (&'static str, String) {
        ("NOTIFY_SOCKET", format!("@{}", self.name))
    }

    /// The next one; `None` for what is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn next(&self) -> std::io::Result<Option<Notice>> {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmCredentials(1))];
        let mut told = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut told, RecvFlags::empty())?;
        let pid = told.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(by) => u32::try_from(by.pid.as_raw_nonzero().get()).ok(),
            _ => None,
        });
        let text = bytes.get(..got.bytes).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(pid.zip(text).map(|(pid, text)| Notice { pid, text: text.to_owned() }))
    }
}
