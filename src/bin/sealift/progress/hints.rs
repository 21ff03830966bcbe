//! What to do about a file that could not be moved, where the table of errors does not know it as well.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::Ordering;

use sealift::error::Side;
use sealift::escape::for_people;
use sealift::readable::shell_word;
use sealift::{Error, Kind};

use super::{Direction, Progress};
use crate::failure::Failure;
use crate::login::Login;

/// What there is to do for somebody who has a link and nothing else.
const NO_ROOM_BY_LINK: &str =
    "Something smaller may still go in; otherwise ask whoever gave you the link for more room, or for another link.";

/// What a server says of a link that has all that it takes, and what there is to do then.
const LINK_IS_FULL: &str = "it is full";
const FULL_LINK: &str = "Nothing more goes in: ask whoever gave you the link for another one.";

impl Progress {
    /// Gives the failure that comes of this error the next step that there is.
    pub(super) fn hinted(&self, failure: Failure, error: &Error) -> Failure {
        let failure = match in_the_way(self.direction, error.side()) {
            Some(hint) => failure.hinted(Kind::IsDirectory, || hint.to_owned()),
            None => failure,
        };
        let failure = match self.by_link {
            true if error.text().ends_with(LINK_IS_FULL) => failure.hinted(Kind::NoSpace, || FULL_LINK.to_owned()),
            true => failure.hinted(Kind::NoSpace, || NO_ROOM_BY_LINK.to_owned()),
            false => failure,
        };
        let login = self.login.lock();
        let Some(login) = login.as_ref() else { return failure };
        let failure = failure.denied_by_server(|| self.denied(login, error.text()));
        // Only a folder can be missing where something is sent to.
        let folder = error.path().filter(|_| (self.direction, error.side()) == (Direction::Send, Side::Server));
        let Some(folder) = folder.map(|folder| for_people(folder.as_os_str().as_bytes())) else { return failure };
        if !error.text().starts_with(&format!("{folder}: no such folder")) {
            return failure;
        }
        failure.hinted(Kind::NotFound, || {
            if self.makes_no_folders.load(Ordering::Relaxed) {
                return "You may neither look there nor make folders: ask whoever sent you here what the folder is called, or the \
                        server's administrator to make it."
                    .to_owned();
            }
            let make = shell_word(&format!("{login}/{folder}"));
            format!(
                "`sealift mkdir -p {make}` makes it; a destination that ends with a slash is a folder, and is made if it is \
                 missing."
            )
        })
    }

    /// What to do where a right is missing, as the server says in this text.
    fn denied(&self, login: &Login, text: &str) -> String {
        let makes_folder = ["may not MKDIR", ", and you may not make it"].iter().any(|part| text.contains(part));
        if let (true, Some(folder)) = (login.user.is_some() && makes_folder, self.tree.lock().file_name()) {
            let folder = shell_word(&for_people(folder.as_bytes()));
            return format!(
                "You may not make folders there: send the files alone, or all as one file: `tar czf {folder}.tgz {folder}`, then \
                 `sealift put {folder}.tgz` there."
            );
        }
        let taken = text.split_once(": is there already, and the right").filter(|_| self.is_put);
        if let Some((taken, _)) = taken {
            let folder = taken.rsplit_once('/').map_or("", |(folder, _)| folder);
            let named = match folder {
                "" => format!("{login}/NAME"),
                folder => format!("{login}/{folder}/NAME"),
            };
            return format!(
                "Send it under another name, as in `sealift put FILE {}`; --if-exists skip leaves out what is there. To replace it, \
                 ask the server's administrator for the right.",
                shell_word(&named)
            );
        }
        login.denied_hint()
    }
}

/// What to do about a folder that has the name of a file that goes there.
fn in_the_way(direction: Direction, side: Side) -> Option<&'static str> {
    match (direction, side) {
        (Direction::Send, Side::Server) => Some(
            "A folder on the server has that name: choose another one, or write a slash behind it to put the file into the folder. \
             Without -T a file goes into the folder, if you may list what is there.",
        ),
        (Direction::Fetch, Side::Local) => {
            Some("A folder on this machine has that name: choose another one. A folder of the server comes with -r.")
        }
        _ => None,
    }
}
