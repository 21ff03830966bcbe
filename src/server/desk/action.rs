//! What an operation is, whatever its protocol calls it: for the log, the audit and the metrics.

use super::session_request::SessionRequest;

/// One for each kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// What is at a path.
    Stat,
    /// What is in a folder.
    List,
    /// The bytes of a file, or of a range of it.
    Download,
    /// The hash of a file.
    Hash,
    /// What is left of an interrupted upload.
    FindPartial,
    /// A file is taken as it is.
    Accept,
    /// A file in one piece.
    Upload,
    /// A file that comes in parts is begun.
    Stage,
    /// One of its parts.
    Part,
    /// It is whole and goes to its place.
    Commit,
    /// It is given up.
    Discard,
    /// Another mode.
    SetMode,
    /// Properties that a client keeps, and another time.
    SetProperties,
    /// A file or folder goes.
    Delete,
    /// A new folder.
    MakeFolder,
    /// Another name.
    Rename,
    /// Something takes the place of a folder, or a folder that of anything.
    Supersede,
    /// A look at what was deleted or replaced.
    ListTrash,
    /// Something that was deleted or replaced comes back.
    Restore,
    /// What was deleted or replaced goes for good.
    Purge,
    /// A copy on the server.
    Copy,
    /// A lock is taken.
    Lock,
    /// A lock is kept.
    RenewLock,
    /// A lock is given up.
    Unlock,
    /// What changes nothing and concerns nobody else.
    Talk,
    /// A login of somebody who is logged in.
    LogIn,
    /// The logins of one's own browser, or of all of them, end.
    LogOut,
    /// Further connections of the same login.
    Connect,
    /// Another password of one's own.
    ChangePassword,
    /// A key of one's own is enrolled or revoked.
    ChangeKeys,
    /// A link of one's own is made.
    MakeLink,
    /// A link of one's own is withdrawn.
    EndLink,
    /// Who is connected.
    ListSessions,
    /// Sessions of others are ended.
    EndSessions,
    /// Who is held back.
    ListPenalties,
    /// Somebody is held back no more.
    LiftPenalty,
    /// The server reads its files again.
    Reload,
    /// The server is told to end.
    StopServer,
    /// What was not understood.
    Unknown,
}

/// What kinds of operations there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionKind {
    /// Bytes of files move between client and server.
    Transfer,
    /// Something in a home is another one than before.
    Change,
    /// Somebody looks at what is there.
    Look,
    /// Somebody changes something about their own login.
    Account,
    /// An administrator does something about others.
    Admin,
    /// Neither.
    Talk,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 39] = [
        Action::Stat,
        Action::List,
        Action::Download,
        Action::Hash,
        Action::FindPartial,
        Action::Accept,
        Action::Upload,
        Action::Stage,
        Action::Part,
        Action::Commit,
        Action::Discard,
        Action::SetMode,
        Action::SetProperties,
        Action::Delete,
        Action::MakeFolder,
        Action::Rename,
        Action::Supersede,
        Action::ListTrash,
        Action::Restore,
        Action::Purge,
        Action::Copy,
        Action::Lock,
        Action::RenewLock,
        Action::Unlock,
        Action::Talk,
        Action::LogIn,
        Action::LogOut,
        Action::Connect,
        Action::ChangePassword,
        Action::ChangeKeys,
        Action::MakeLink,
        Action::EndLink,
        Action::ListSessions,
        Action::EndSessions,
        Action::ListPenalties,
        Action::LiftPenalty,
        Action::Reload,
        Action::StopServer,
        Action::Unknown,
    ];

    /// That of what concerns no files.
    pub(super) const fn of_session_request(session_request: SessionRequest) -> Action {
        match session_request {
            SessionRequest::Talk => Action::Talk,
            SessionRequest::LogIn => Action::LogIn,
            SessionRequest::LogOut => Action::LogOut,
            SessionRequest::Connect => Action::Connect,
            SessionRequest::ChangePassword => Action::ChangePassword,
            SessionRequest::ChangeKeys => Action::ChangeKeys,
            SessionRequest::MakeLink { .. } => Action::MakeLink,
            SessionRequest::EndLink => Action::EndLink,
            SessionRequest::ListSessions => Action::ListSessions,
            SessionRequest::EndSessions => Action::EndSessions,
            SessionRequest::ListPenalties => Action::ListPenalties,
            SessionRequest::LiftPenalty => Action::LiftPenalty,
            SessionRequest::Reload => Action::Reload,
            SessionRequest::StopServer => Action::StopServer,
        }
    }

    /// One word, the same in all versions.
    pub const fn word(self) -> &'static str {
        match self {
            Action::Stat => "stat",
            Action::List => "list",
            Action::Download => "download",
            Action::Hash => "hash",
            Action::FindPartial => "find-partial",
            Action::Accept => "accept",
            Action::Upload => "upload",
            Action::Stage => "stage",
            Action::Part => "part",
            Action::Commit => "commit",
            Action::Discard => "discard",
            Action::SetMode => "set-mode",
            Action::SetProperties => "set-properties",
            Action::Delete => "delete",
            Action::MakeFolder => "make-folder",
            Action::Rename => "rename",
            Action::Supersede => "supersede",
            Action::ListTrash => "list-trash",
            Action::Restore => "restore",
            Action::Purge => "purge",
            Action::Copy => "copy",
            Action::Lock => "lock",
            Action::RenewLock => "renew-lock",
            Action::Unlock => "unlock",
            Action::Talk => "talk",
            Action::LogIn => "log-in",
            Action::LogOut => "log-out",
            Action::Connect => "connect",
            Action::ChangePassword => "change-password",
            Action::ChangeKeys => "change-keys",
            Action::MakeLink => "make-link",
            Action::EndLink => "end-link",
            Action::ListSessions => "list-sessions",
            Action::EndSessions => "end-sessions",
            Action::ListPenalties => "list-penalties",
            Action::LiftPenalty => "lift-penalty",
            Action::Reload => "reload",
            Action::StopServer => "stop-server",
            Action::Unknown => "unknown",
        }
    }

    /// Of which kind it is.
    pub const fn kind(self) -> ActionKind {
        match self {
            Action::Download | Action::Upload | Action::Stage | Action::Part | Action::Commit | Action::Discard => {
                ActionKind::Transfer
            }
            Action::Accept
            | Action::SetMode
            | Action::SetProperties
            | Action::Delete
            | Action::MakeFolder
            | Action::Rename
            | Action::Supersede
            | Action::Restore
            | Action::Purge
            | Action::Copy
            | Action::Lock
            | Action::Unlock => ActionKind::Change,
            Action::Stat
            | Action::List
            | Action::ListTrash
            | Action::Hash
            | Action::FindPartial
            | Action::RenewLock => ActionKind::Look,
            Action::ChangePassword
            | Action::ChangeKeys
            | Action::MakeLink
            | Action::EndLink
            | Action::Connect
            | Action::LogIn
            | Action::LogOut => ActionKind::Account,
            Action::ListSessions
            | Action::EndSessions
            | Action::ListPenalties
            | Action::LiftPenalty
            | Action::Reload
            | Action::StopServer => ActionKind::Admin,
            Action::Talk | Action::Unknown => ActionKind::Talk,
        }
    }

    /// Whether it is one step of several that come to one thing, which is told of by itself: the log of every day leaves it out where it
    /// succeeds.
    pub(super) const fn is_step(self) -> bool {
        matches!(self, Action::Stage | Action::Part | Action::FindPartial)
    }

    /// Whether a home is another one after it has succeeded: what does that has bounds of its own, as a quota or the speed of the disk, and
    /// what only looks, reads, or is a step on the way has none.
    pub const fn is_lasting(self) -> bool {
        match self.kind() {
            ActionKind::Transfer => matches!(self, Action::Upload | Action::Commit),
            ActionKind::Change => !matches!(self, Action::Lock | Action::Unlock),
            ActionKind::Look | ActionKind::Account | ActionKind::Admin | ActionKind::Talk => false,
        }
    }

    /// Whether it neither changes a file nor gives its bytes, and comes often: the log of every day and the audit leave it out
    /// where it succeeds, as it would hide what does.
    pub const fn is_minor(self) -> bool {
        matches!(self, Action::Stat | Action::RenewLock | Action::Talk)
    }
}

impl ActionKind {
    /// One word, the same in all versions.
    pub const fn word(self) -> &'static str {
        match self {
            ActionKind::Transfer => "transfer",
            ActionKind::Change => "change",
            ActionKind::Look => "look",
            ActionKind::Account => "account",
            ActionKind::Admin => "admin",
            ActionKind::Talk => "talk",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_has_its_own_place_and_word() {
        for (at, action) in Action::ALL.iter().enumerate() {
            assert_eq!(*action as usize, at, "{action:?}");
        }
        let words: HashSet<_> = Action::ALL.iter().map(|action| action.word()).collect();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
