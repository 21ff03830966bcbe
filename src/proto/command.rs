//! Commands: what a line says, as a value.

use std::net::IpAddr;

use super::features::{Feature, Features};
use super::verb::Verb;
use crate::files::{Condition, Hash, Mtime, RelPath, Resume, SourceMode, StagedId, TrashId};
use crate::keys::{Evidence, Proof};
#[cfg(doc)]
use crate::limits;
use crate::secret::Secret;

pub use self::parse::BadLine;

/// What HASH is to hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashOf {
    /// The bytes of the file, as they are read now.
    #[default]
    Bytes,
    /// The same, or what was recorded of them: for whoever has bytes of the file to compare with.
    Record,
    /// The bytes of the file, which may become longer meanwhile, as long as it is at the beginning.
    Growing,
    /// What an interrupted upload of this path left.
    Partial,
}

/// The arguments of UPLOAD.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadArgs {
    /// Where the file goes.
    pub path: RelPath,
    /// Its whole size in bytes, if the sender knows it.
    pub size: Option<u64>,
    /// The modification time to give it.
    pub mtime: Option<Mtime>,
    /// The mode that the file has at the sender.
    pub mode: Option<SourceMode>,
    /// Bytes that it takes on the sender's disk, if it is sparse: its holes are to stay holes.
    pub allocated: Option<u64>,
    /// What must hold for the target.
    pub condition: Condition,
    /// Where to go on, if an earlier attempt left a part.
    pub resume: Option<Resume>,
}

/// The arguments of STAGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageArgs {
    /// Where the file goes.
    pub path: RelPath,
    /// Its whole size in bytes.
    pub size: u64,
    /// The modification time to give it.
    pub mtime: Option<Mtime>,
    /// The mode that the file has at the sender.
    pub mode: Option<SourceMode>,
    /// Bytes that it takes on the sender's disk, if it is sparse: its holes are to stay holes.
    pub allocated: Option<u64>,
    /// What must hold for the target.
    pub condition: Condition,
    /// Where to go on, if an earlier attempt left a part.
    pub resume: Option<Resume>,
}

/// The arguments of LINK.
#[derive(Debug, Clone, Default)]
pub struct LinkArgs {
    /// What it leads to; the root is the whole home.
    pub path: RelPath,
    /// It is for files to be put in, and shows nothing; bounded by these, if the maker says so.
    pub inbox: Option<InboxArgs>,
    /// What it is called.
    pub name: Option<String>,
    /// When it ends; none: when the server thinks fit.
    pub expires: Option<LinkEnd>,
    /// What whoever has it must know beside.
    pub password: Option<Secret>,
    /// How often it may be downloaded.
    pub downloads: Option<u64>,
}

/// What bounds a link that files are put in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxArgs {
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// Files.
    pub files: Option<u64>,
}

/// When a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// Never by itself.
    Never,
    /// So many seconds after 1970.
    At(u64),
}

/// One command, parsed and in bounds.
#[derive(Debug, Clone)]
pub enum Command {
    /// HELP, of one verb or all.
    Help(Option<Verb>),
    /// USER name.
    User(String),
    /// PASS password.
    Pass(Secret),
    /// KEY: signatures of keys of this user, at least one.
    Key {
        /// Who says that they are.
        user: String,
        /// The signatures: at most [`limits::KEY_PROOFS_MAX`].
        proofs: Vec<Proof>,
    },
    /// TOKEN: so many, 1 to [`limits::STREAMS_MAX`] less one.
    Token {
        /// How many.
        count: u32,
    },
    /// JOIN with a token.
    Join(Secret),
    /// REDEEM an invitation.
    Redeem {
        /// Who is invited.
        user: String,
        /// The invitation's secret.
        secret: Secret,
        /// The password that is to be. None: only look whether the invitation can be used.
        password: Option<Secret>,
    },
    /// PASSWD: another password of one's own.
    Passwd {
        /// The one that is to be.
        new: Secret,
        /// Who says so.
        evidence: Evidence,
    },
    /// NONCE.
    Nonce,
    /// KEYS.
    Keys,
    /// ENROL a key of one's own.
    Enrol {
        /// What it is called: 1 to [`limits::KEY_NAME_MAX`] bytes.
        name: String,
        /// The signature of that key.
        key: Box<Proof>,
        /// Who says so.
        evidence: Evidence,
    },
    /// REVOKE a key of one's own.
    Revoke {
        /// Its fingerprint.
        fingerprint: String,
        /// Who says so.
        evidence: Evidence,
    },
    /// LINK.
    Link(Box<LinkArgs>),
    /// LINKS.
    Links,
    /// UNLINK the link of this name.
    Unlink(String),
    /// VISIT: log in by a link.
    Visit {
        /// Its secret.
        secret: Secret,
        /// Its password, if it has one.
        password: Option<Secret>,
        /// What tells one's uploads from those of others who have it.
        uploads: Option<Secret>,
    },
    /// LIST a folder.
    List {
        /// The folder.
        path: RelPath,
        /// With all below it.
        recursive: bool,
        /// Saying which files are rotten.
        rotten: bool,
        /// Saying the modes of all.
        mode: bool,
        /// Saying which are links, and which folders are shared ones.
        marks: bool,
    },
    /// STAT one path.
    Stat(RelPath),
    /// HASH a file, its first `length` bytes, or the part of an interrupted upload.
    Hash {
        /// The file.
        path: RelPath,
        /// Only so many bytes of it.
        length: Option<u64>,
        /// What of it.
        of: HashOf,
    },
    /// ACCEPT a file as it is now.
    Accept(RelPath),
    /// DOWNLOAD a file or a range of it.
    Download {
        /// The file.
        path: RelPath,
        /// The first byte to send.
        offset: u64,
        /// How many bytes to send; to the end if absent.
        length: Option<u64>,
        /// It may become longer meanwhile, and is sent as long as it is at the beginning.
        growing: bool,
    },
    /// UPLOAD a file; its frames follow the line.
    Upload(UploadArgs),
    /// STAGE a file whose parts come with PART.
    Stage(StageArgs),
    /// PART of a staged file; its frames follow.
    Part {
        /// The staged file.
        id: StagedId,
        /// Where the part begins.
        offset: u64,
        /// Its bytes.
        length: u64,
    },
    /// COMMIT a staged file.
    Commit {
        /// The staged file.
        id: StagedId,
        /// The BLAKE3 of all of it.
        hash: Hash,
    },
    /// DISCARD a staged file.
    Discard(StagedId),
    /// CHMOD a file.
    Chmod {
        /// The file.
        path: RelPath,
        /// The mode of its source.
        mode: SourceMode,
    },
    /// DELETE a file, an empty folder, or a tree.
    Delete {
        /// What to remove.
        path: RelPath,
        /// A folder with all in it.
        recursive: bool,
    },
    /// MKDIR.
    Mkdir {
        /// The folder to make.
        path: RelPath,
        /// Those above it too, and no error if it is there.
        parents: bool,
    },
    /// RENAME.
    Rename {
        /// What to move.
        from: RelPath,
        /// Where to.
        to: RelPath,
        /// A file that is there is replaced.
        replace: bool,
    },
    /// COPY a file.
    Copy {
        /// The file.
        from: RelPath,
        /// What the copy is called.
        to: RelPath,
        /// A file that is there is replaced.
        replace: bool,
    },
    /// TRASH: what was deleted or replaced at this path and below it.
    Trash(RelPath),
    /// RESTORE something that was deleted or replaced.
    Restore {
        /// What it was called.
        path: RelPath,
        /// Which.
        id: TrashId,
        /// What it is called from now on; none: as before.
        to: Option<RelPath>,
    },
    /// PURGE: it goes for good.
    Purge {
        /// What it was called; of all below it, too, if none is named.
        path: RelPath,
        /// Which.
        id: Option<TrashId>,
    },
    /// PING.
    Ping,
    /// STATUS.
    Status,
    /// WHO.
    Who,
    /// KICK a session, or all those of a user.
    Kick(String),
    /// PENALTIES.
    Penalties,
    /// UNBAN this address.
    Unban(IpAddr),
    /// RELOAD.
    Reload,
    /// SHUTDOWN.
    Shutdown,
    /// LOGOUT.
    Logout,
}

impl Command {
    /// What a server must have listed in its greeting to understand this command as it is written.
    pub fn needs(&self) -> Features {
        match self {
            Command::List { rotten, mode, marks, .. } => {
                let (rotten, mode) = (rotten.then_some(Feature::Record), mode.then_some(Feature::Chmod));
                let all = [rotten, mode, marks.then_some(Feature::Marks)];
                all.into_iter().flatten().collect()
            }
            Command::Hash { of: HashOf::Record, .. } | Command::Accept(_) => [Feature::Record].into_iter().collect(),
            Command::Chmod { mode, .. } => {
                let perms = mode.perms.then_some(Feature::Perms);
                perms.into_iter().chain([Feature::Chmod]).collect()
            }
            Command::Key { .. } => [Feature::Keys].into_iter().collect(),
            Command::Download { growing: true, .. } | Command::Hash { of: HashOf::Growing, .. } => {
                [Feature::Growing].into_iter().collect()
            }
            Command::Copy { .. } => [Feature::Copy].into_iter().collect(),
            Command::Link(link) if link.inbox.is_some() => [Feature::Link, Feature::Drop].into_iter().collect(),
            Command::Visit { uploads: Some(_), .. } => [Feature::Link, Feature::Uploads].into_iter().collect(),
            Command::Link(_) | Command::Links | Command::Unlink(_) | Command::Visit { .. } => {
                [Feature::Link].into_iter().collect()
            }
            Command::Trash(_) | Command::Restore { .. } | Command::Purge { .. } => {
                [Feature::Trash].into_iter().collect()
            }
            Command::Kick(_) => [Feature::Kick].into_iter().collect(),
            Command::Penalties | Command::Unban(_) | Command::Reload => [Feature::Admin].into_iter().collect(),
            Command::Redeem { password: Some(_), .. } => [Feature::Redeem].into_iter().collect(),
            Command::Redeem { password: None, .. } => [Feature::Redeem, Feature::Invited].into_iter().collect(),
            Command::Passwd { evidence: Evidence::Password(_), .. } => [Feature::Passwd].into_iter().collect(),
            Command::Passwd { evidence: Evidence::Keys(_), .. } => {
                [Feature::Passwd, Feature::Enrol].into_iter().collect()
            }
            Command::Nonce | Command::Keys | Command::Enrol { .. } | Command::Revoke { .. } => {
                [Feature::Enrol].into_iter().collect()
            }
            Command::Upload(UploadArgs { mode, allocated, .. }) | Command::Stage(StageArgs { mode, allocated, .. }) => {
                let perms = mode.filter(|mode| mode.perms).map(|_| Feature::Perms);
                let all = [mode.map(|_| Feature::Mode), perms, allocated.map(|_| Feature::Sparse)];
                all.into_iter().flatten().collect()
            }
            _ => Features::NONE,
        }
    }

    /// The command's verb.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Help(_) => Verb::Help,
            Command::User(_) => Verb::User,
            Command::Pass(_) => Verb::Pass,
            Command::Key { .. } => Verb::Key,
            Command::Token { .. } => Verb::Token,
            Command::Join(_) => Verb::Join,
            Command::Redeem { .. } => Verb::Redeem,
            Command::Passwd { .. } => Verb::Passwd,
            Command::Nonce => Verb::Nonce,
            Command::Keys => Verb::Keys,
            Command::Enrol { .. } => Verb::Enrol,
            Command::Revoke { .. } => Verb::Revoke,
            Command::Link(_) => Verb::Link,
            Command::Links => Verb::Links,
            Command::Unlink(_) => Verb::Unlink,
            Command::Visit { .. } => Verb::Visit,
            Command::List { .. } => Verb::List,
            Command::Stat(_) => Verb::Stat,
            Command::Hash { .. } => Verb::Hash,
            Command::Accept(_) => Verb::Accept,
            Command::Download { .. } => Verb::Download,
            Command::Upload(_) => Verb::Upload,
            Command::Stage(_) => Verb::Stage,
            Command::Part { .. } => Verb::Part,
            Command::Commit { .. } => Verb::Commit,
            Command::Discard(_) => Verb::Discard,
            Command::Chmod { .. } => Verb::Chmod,
            Command::Delete { .. } => Verb::Delete,
            Command::Mkdir { .. } => Verb::Mkdir,
            Command::Rename { .. } => Verb::Rename,
            Command::Copy { .. } => Verb::Copy,
            Command::Trash(_) => Verb::Trash,
            Command::Restore { .. } => Verb::Restore,
            Command::Purge { .. } => Verb::Purge,
            Command::Ping => Verb::Ping,
            Command::Status => Verb::Status,
            Command::Who => Verb::Who,
            Command::Kick(_) => Verb::Kick,
            Command::Penalties => Verb::Penalties,
            Command::Unban(_) => Verb::Unban,
            Command::Reload => Verb::Reload,
            Command::Shutdown => Verb::Shutdown,
            Command::Logout => Verb::Logout,
        }
    }

    /// Whether its line holds a secret, to be wiped wherever it was.
    pub fn is_secret(&self) -> bool {
        match self {
            Command::Pass(_)
            | Command::Join(_)
            | Command::Redeem { .. }
            | Command::Passwd { .. }
            | Command::Visit { .. } => true,
            Command::Link(link) => link.password.is_some(),
            Command::Enrol { evidence, .. } | Command::Revoke { evidence, .. } => {
                matches!(evidence, Evidence::Password(_))
            }
            _ => false,
        }
    }

    /// The path the command works on, the first if it has two.
    pub fn path(&self) -> Option<&RelPath> {
        match self {
            Command::List { path, .. }
            | Command::Stat(path)
            | Command::Hash { path, .. }
            | Command::Accept(path)
            | Command::Download { path, .. }
            | Command::Upload(UploadArgs { path, .. })
            | Command::Stage(StageArgs { path, .. })
            | Command::Chmod { path, .. }
            | Command::Delete { path, .. }
            | Command::Mkdir { path, .. }
            | Command::Rename { from: path, .. }
            | Command::Copy { from: path, .. }
            | Command::Trash(path)
            | Command::Restore { path, .. }
            | Command::Purge { path, .. } => Some(path),
            Command::Link(link) => Some(&link.path),
            Command::Help(_)
            | Command::User(_)
            | Command::Pass(_)
            | Command::Key { .. }
            | Command::Token { .. }
            | Command::Join(_)
            | Command::Redeem { .. }
            | Command::Passwd { .. }
            | Command::Nonce
            | Command::Keys
            | Command::Enrol { .. }
            | Command::Revoke { .. }
            | Command::Links
            | Command::Unlink(_)
            | Command::Visit { .. }
            | Command::Part { .. }
            | Command::Commit { .. }
            | Command::Discard(_)
            | Command::Ping
            | Command::Status
            | Command::Who
            | Command::Kick(_)
            | Command::Penalties
            | Command::Unban(_)
            | Command::Reload
            | Command::Shutdown
            | Command::Logout => None,
        }
    }
}

mod parse;
mod render;
#[cfg(test)]
mod tests;
