//! How a failed run ends: one sentence, the next step, and an exit code from the one error table.

use std::error::Error as _;
use std::process::ExitCode;

use rustix::io::Errno;
use sealift::error::Side;
use sealift::{Error, Kind};

use crate::output;

/// An error with the next step that fits this program better than the table's, if there is one.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    hint: Option<String>,
}

impl Failure {
    /// A command line that cannot be carried out.
    pub fn usage(text: impl Into<String>) -> Failure {
        Error::new(Kind::Usage, Into::<String>::into(text)).into()
    }

    /// The same error with this next step, a full sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong, for a log.
    pub fn text(&self) -> &str {
        self.error.text()
    }

    /// What kind of error it is.
    pub fn kind(&self) -> Kind {
        self.error.kind()
    }

    /// Whether it has a next step of its own.
    pub fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    /// What to do next, a full sentence.
    pub fn next_step(&self) -> &str {
        self.hint.as_deref().or_else(|| of_cause(&self.error)).unwrap_or_else(|| next_step(self.error.kind()))
    }

    /// Tells the person, and gives the exit code.
    pub fn report(self) -> ExitCode {
        output::complain(&format!("sealiftd: {}", self.error));
        output::complain(&format!("  hint: {}", self.next_step()));
        ExitCode::from(self.error.exit() as u8)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, hint: None }
    }
}

/// What to do where the system says more than the kind of the error does: what a unit of systemd closes is said by these.
fn of_cause(error: &Error) -> Option<&'static str> {
    let mut cause = error.source();
    let errno = loop {
        let error = cause?;
        match error.downcast_ref().and_then(Errno::from_io_error) {
            Some(errno) => break errno,
            None => cause = error.source(),
        }
    };
    match errno {
        Errno::ROFS => Some(
            "If this runs under systemd, name the folder in ReadWritePaths= of the unit (systemctl edit sealiftd); else mount its disk so \
             that it can be written to.",
        ),
        Errno::AFNOSUPPORT => Some(
            "If this runs under systemd, RestrictAddressFamilies= of the unit must have AF_INET, AF_INET6 and AF_UNIX, as ours does.",
        ),
        _ => None,
    }
}

/// What to do next. The table speaks to the users of a server; here it is the administrator, at the machine itself.
fn next_step(kind: Kind) -> &'static str {
    match kind {
        Kind::Denied => {
            "Give the account that runs sealiftd the right to this file or folder, or choose another place."
        }
        Kind::NotFound => "Check the path, or choose another one.",
        Kind::NotDirectory | Kind::IsDirectory | Kind::NotRegular => {
            "Something else has this name: move it away, or choose another place."
        }
        Kind::Io => "Check the disk and the file's permissions.",
        Kind::Internal => "This is a fault in Sealift: please report it.",
        Kind::Network => "Check that this machine has the address.",
        Kind::AddressInUse => "Stop the other program, or choose another port with --listen.",
        Kind::Usage => "--help shows how the command is written.",
        Kind::Tls => {
            "Put the key and its certificate together again. If this key is the right one, remove cert.pem, and `sealiftd cert renew` makes \
             another certificate over it; `sealiftd cert new --force` makes another pair, whose pin clients must be told."
        }
        other => other.row().next_step(Side::Local),
    }
}
