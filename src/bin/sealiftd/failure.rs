//! How a failed run ends: one sentence, the next step, and an exit code from the one error table.

use std::process::ExitCode;

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
        Error::new(Kind::Usage, text).into()
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
        self.hint.as_deref().unwrap_or_else(|| next_step(self.error.kind()))
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
        Kind::Tls => "`sealiftd cert new --force` makes a new pair; clients must then be told the new pin.",
        other => other.row().next_step(Side::Local),
    }
}
