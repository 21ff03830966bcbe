//! What to do about an error, where this program has a command or an option for it.

use sealift::error::Side;
use sealift::{Error, Kind};

/// The next step: by this program, or else that of the table.
pub fn next_step(error: &Error) -> &'static str {
    match (error.kind(), error.side()) {
        (Kind::NotFound, Side::Server) => "`sealift ls` shows what is there.",
        (Kind::LoginFailed, Side::Server) => {
            "Check the user name and the password. If both are right, ask the administrator: a user may be disabled, have expired, or log in from other networks alone."
        }
        (Kind::IsDirectory, _) => "Add -r to work on a whole folder.",
        (Kind::NotEmpty, _) => "Add -r to remove a folder with everything in it.",
        (Kind::Rotten, _) => "Put a good copy in its place, or take the file as it is now with `sealift accept`.",
        (Kind::OtherFolder, _) => {
            "To the server these are two separate folders: copy it with `sealift cp`, then remove it with `sealift rm`."
        }
        (Kind::Torn, _) => {
            "Try again when nobody writes to it; get, put, mirror and cat take --growing for a file that only gets longer, like a log."
        }
        (Kind::PinMismatch, _) => {
            "If the key was changed on purpose, run `sealift trust remove` and then `sealift trust add` for this server; otherwise somebody may be intercepting the connection."
        }
        (Kind::Untrusted, _) => {
            "Compare the pin with the one the server printed, then use --pin or `sealift trust add`."
        }
        (Kind::BadPath, Side::Local) => {
            "Names with control characters do not travel: rename it, or leave out all such with --exclude '*[[:cntrl:]]*'."
        }
        (Kind::BadPath, Side::Server) => {
            "Name another place: nothing can be put into itself, and no name is `..`, empty, or has control characters."
        }
        (Kind::Usage, _) => "--help shows how the command is written.",
        (Kind::EmptySource, _) => {
            "Check that the source is complete: a disk may not be mounted. If it is intended, add --allow-empty-source."
        }
        (Kind::ManyDeletes, _) => {
            "Look at it with --dry-run. If it is intended, allow it with --max-delete, as in --max-delete 100%."
        }
        (Kind::CrossDevice, Side::Server) => {
            "Copy it with `sealift cp`, or get it and put it under its new name; then remove the old one."
        }
        (Kind::NoSpace, Side::Server) => {
            "Remove files on the server (`sealift df` says how much of it is in the trash, which `sealift trash empty` removes for good), or ask its administrator to make room."
        }
        (Kind::Quota, Side::Server) => {
            "Remove files (`sealift df` says what it is used by), or ask the server's administrator for a larger quota."
        }
        (Kind::SomeFailed, _) => "The failed files are named above; the others are done.",
        (Kind::Interrupted, _) => "What was finished stays; the command can be run again.",
        _ => error.next_step(),
    }
}
