//! Events to a socket of this machine, where no program is to be run: a connection for each, with its one line.

use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use sealift::limits;

/// Writes an event there, within this time.
///
/// # Errors
/// That nobody listens there, or reads in time.
pub fn tell(path: &Path, event: &[u8], timeout: Duration) -> io::Result<()> {
    let until = Instant::now().checked_add(timeout);
    let too_late = || io::Error::new(ErrorKind::TimedOut, "nobody took it in time");
    let wait = || {
        if until.is_some_and(|until| Instant::now() >= until) {
            return Err(too_late());
        }
        std::thread::sleep(limits::HOOK_LOOK);
        Ok(())
    };
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let mut stream = loop {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) => break UnixStream::from(socket),
            // As many wait there as may.
            Err(Errno::AGAIN | Errno::INTR) => wait()?,
            Err(err) => return Err(err.into()),
        }
    };
    let mut left = event;
    while !left.is_empty() {
        match stream.write(left) {
            Ok(written) => left = left.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait()?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_line_comes_whole_and_who_reads_nothing_is_given_up() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        tell(&path, b"x", Duration::from_secs(1)).unwrap_err();
        let listener = UnixListener::bind(&path).unwrap();
        let long = vec![b'x'; 1 << 20];
        let given_up = tell(&path, &long, Duration::from_millis(10)).unwrap_err();
        assert_eq!(given_up.kind(), ErrorKind::TimedOut);
        drop(listener.accept().unwrap());
        let reading = std::thread::spawn(move || {
            let mut came = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut came).unwrap();
            came
        });
        tell(&path, &long, Duration::from_secs(60)).unwrap();
        assert_eq!(reading.join().unwrap(), long);
    }
}
