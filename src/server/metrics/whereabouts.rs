//! Where the figures are told: on an address of this machine, or on a socket in its file system.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Kind, Result};
use crate::server::door::listener;

/// Where to tell them: nowhere that others than this machine could ask.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricsAt {
    /// On this address, which is one of this machine alone; port 0 lets the system choose.
    Address(SocketAddr),
    /// On a socket, made at this path for the server's own account and its group.
    Socket(PathBuf),
}

/// In words.
const FORM: &str = "write an address that this machine alone can reach, such as 127.0.0.1:9456 or [::1]:9456, or a socket, such as \
                    unix:/run/sealiftd/metrics";

impl FromStr for MetricsAt {
    type Err = Error;

    /// `ADDR:PORT`, or `unix:PATH`.
    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::new(Kind::Usage, format!("{why}: {FORM}"));
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(bad("the socket has no path")),
                path => Ok(MetricsAt::Socket(path.into())),
            };
        }
        let address: SocketAddr = text.parse().map_err(|_| bad("this is neither"))?;
        // Mapped ones are what they are.
        match address.ip().to_canonical().is_loopback() {
            true => Ok(MetricsAt::Address(address)),
            false => Err(bad("others could ask there, and there is no login")),
        }
    }
}

impl fmt::Display for MetricsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetricsAt::Address(address) => address.fmt(f),
            MetricsAt::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl MetricsAt {
    /// Whether figures could be told there now, looked at without listening. Of a socket's folder nothing is said.
    ///
    /// # Errors
    /// [`Kind::AddressInUse`] and others of the network, naming the address.
    pub fn try_out(&self) -> Result<()> {
        let failed = |err| Error::network(format_args!("cannot tell figures on {self}"), err);
        match self {
            MetricsAt::Address(address) => match listener::obstacles(&[*address]).pop() {
                Some((_, error)) => Err(Error::new(error.kind(), format!("for figures: {}", error.text()))),
                None => Ok(()),
            },
            MetricsAt::Socket(path) => {
                unix::net::SocketAddr::from_pathname(path).map_err(failed)?;
                let is_there = fs::symlink_metadata(path).is_ok();
                if is_there && !is_stale(path) { Err(failed(io::ErrorKind::AddrInUse.into())) } else { Ok(()) }
            }
        }
    }
}

/// Listens already, and tells nothing yet.
pub enum OpenMetrics {
    Address(TcpListener),
    Socket(UnixListener),
}

impl OpenMetrics {
    /// Listens there.
    ///
    /// # Errors
    /// [`Kind::AddressInUse`] and others of the network, naming the address.
    pub fn open(at: &MetricsAt) -> Result<OpenMetrics> {
        let failed = |err| Error::network(format_args!("cannot tell figures on {at}"), err);
        match at {
            MetricsAt::Address(address) => TcpListener::bind(address).map(OpenMetrics::Address).map_err(failed),
            MetricsAt::Socket(path) => {
                remove_stale(path);
                let listener = UnixListener::bind(path).map_err(failed)?;
                fs::set_permissions(path, Permissions::from_mode(0o660)).map_err(failed)?;
                Ok(OpenMetrics::Socket(listener))
            }
        }
    }
}

/// What a server has left that is gone: a socket that nobody listens on.
fn remove_stale(path: &Path) {
    if is_stale(path) {
        // Listening says what is wrong if it is still there.
        let _ = fs::remove_file(path);
    }
}

fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|err| err.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_this_machine_alone_can_ask_is_taken() {
        let parse = |text: &str| text.parse::<MetricsAt>();
        for good in ["127.0.0.1:9456", "127.9.9.9:1", "[::1]:0", "[::ffff:127.0.0.1]:1", "unix:m.sock", "unix:/run/m"] {
            assert_eq!(parse(good).unwrap().to_string(), good);
        }
        for bad in ["0.0.0.0:9456", "192.0.2.1:1", "[::]:1", "localhost:1", "9456", "unix:", "", "127.0.0.1", ":9456"] {
            let error = parse(bad).unwrap_err();
            assert!(error.kind() == Kind::Usage && error.text().contains("127.0.0.1:9456"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_replaced_and_nothing_else_is() {
        let place = tempfile::tempdir().unwrap();
        let at = MetricsAt::Socket(place.path().join("m"));
        let first = OpenMetrics::open(&at).unwrap();
        assert_eq!(fs::metadata(place.path().join("m")).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(OpenMetrics::open(&at).map(drop).unwrap_err().kind(), Kind::AddressInUse);
        drop(first);
        drop(OpenMetrics::open(&at).unwrap());
        fs::remove_file(place.path().join("m")).unwrap();
        fs::write(place.path().join("m"), "somebody's").unwrap();
        assert!(OpenMetrics::open(&at).is_err());
        assert_eq!(fs::read(place.path().join("m")).unwrap(), b"somebody's");
    }
}
