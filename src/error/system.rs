//! What the operating system and the standard library call errors, and what we call them.

use std::io;

use rustix::io::Errno;

use super::{Error, Kind};

/// What a failed call on files comes to.
pub(super) fn kind_of(err: &io::Error) -> Kind {
    if let Some(errno) = Errno::from_io_error(err) {
        return match errno {
            Errno::NOENT => Kind::NotFound,
            // XDEV: openat2 refused a path or link that leads out of the jail.
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => Kind::Denied,
            Errno::NOSPC => Kind::NoSpace,
            Errno::DQUOT => Kind::Quota,
            Errno::EXIST => Kind::Exists,
            Errno::ISDIR => Kind::IsDirectory,
            Errno::NOTDIR => Kind::NotDirectory,
            Errno::NOTEMPTY => Kind::NotEmpty,
            Errno::LOOP => Kind::NotRegular,
            Errno::NAMETOOLONG => Kind::PathTooLong,
            Errno::INVAL => Kind::BadPath,
            _ => Kind::Io,
        };
    }
    match err.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::AlreadyExists => Kind::Exists,
        // Said by a store whose directory is not there at the moment.
        io::ErrorKind::StaleNetworkFileHandle => Kind::Unavailable,
        _ => Kind::Io,
    }
}

/// What the system says about it, as the rest of a sentence: without the number, which is for programmers.
pub fn told(err: &io::Error) -> String {
    let text = err.to_string();
    let number = err.raw_os_error().map(|number| format!(" (os error {number})"));
    let text = number.and_then(|number| text.strip_suffix(&number).map(str::to_owned)).unwrap_or(text);
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        // Not a word in capitals.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            text.replacen(first, &first.to_lowercase().to_string(), 1)
        }
        _ => text,
    }
}

impl From<Error> for io::Error {
    /// With the kind of the standard library that comes closest, and this error within.
    fn from(error: Error) -> io::Error {
        let kind = match error.kind {
            Kind::NotFound => io::ErrorKind::NotFound,
            Kind::Denied | Kind::LoginFailed | Kind::LoginRequired | Kind::Revoked | Kind::Kicked => {
                io::ErrorKind::PermissionDenied
            }
            Kind::Exists | Kind::Changed => io::ErrorKind::AlreadyExists,
            Kind::IsDirectory => io::ErrorKind::IsADirectory,
            Kind::NotDirectory => io::ErrorKind::NotADirectory,
            Kind::NotEmpty => io::ErrorKind::DirectoryNotEmpty,
            Kind::NoSpace => io::ErrorKind::StorageFull,
            Kind::Quota => io::ErrorKind::QuotaExceeded,
            Kind::CrossDevice => io::ErrorKind::CrossesDevices,
            Kind::TimedOut => io::ErrorKind::TimedOut,
            Kind::AddressInUse => io::ErrorKind::AddrInUse,
            Kind::Network | Kind::Stopping => io::ErrorKind::ConnectionAborted,
            Kind::Busy | Kind::TooMany => io::ErrorKind::ResourceBusy,
            Kind::Integrity | Kind::Rotten | Kind::Torn | Kind::Protocol => io::ErrorKind::InvalidData,
            Kind::BadPath | Kind::PathTooLong | Kind::BadCommand | Kind::Usage | Kind::BadConfig => {
                io::ErrorKind::InvalidInput
            }
            Kind::UnknownVerb | Kind::TooOld => io::ErrorKind::Unsupported,
            // Not `Interrupted` for what a person stopped: whoever reads repeats that by itself.
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
