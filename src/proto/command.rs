//! Commands: a line to a value and back.

use super::arguments::Args;
use super::features::{Feature, Features};
use super::verb::Verb;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Hash, Mtime, RelPath, Resume, SourceMode, StagedId};
use crate::keys::Proof;
#[cfg(doc)]
use crate::limits;
use crate::secret::Secret;

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
    /// What it is called.
    pub name: Option<String>,
    /// When it ends; none: when the server thinks fit.
    pub expires: Option<LinkEnd>,
    /// What whoever has it must know beside.
    pub password: Option<Secret>,
    /// How often it may be downloaded.
    pub downloads: Option<u64>,
}

/// When a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// Never by itself.
    Never,
    /// So many seconds after 1970.
    At(u64),
}

/// What proves once more who somebody is that is logged in.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// The present password.
    Password(Secret),
    /// Signatures of keys that log in, at least one and at most [`limits::KEY_PROOFS_MAX`].
    Keys(Vec<Proof>),
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
    /// PING.
    Ping,
    /// STATUS.
    Status,
    /// WHO.
    Who,
    /// KICK a session, or all those of a user.
    Kick(String),
    /// SHUTDOWN.
    Shutdown,
    /// LOGOUT.
    Logout,
}

/// A line that is no command: which verb it had, if that much was clear, and why it is refused.
///
/// The verb matters even then: frames follow an UPLOAD or PART line, however wrong the rest of it is.
#[derive(Debug)]
pub struct BadLine {
    /// The verb.
    pub verb: Option<Verb>,
    /// Why.
    pub error: Error,
}

impl Command {
    /// Parses one line, its ending already cut off.
    ///
    /// # Errors
    /// [`Kind::UnknownVerb`], [`Kind::BadCommand`], [`Kind::BadPath`], [`Kind::NotFound`] for the reserved name.
    pub fn parse(line: &[u8]) -> Result<Command, BadLine> {
        let (word, rest) = match line.iter().position(|b| *b == b' ') {
            Some(at) => line.split_at(at),
            None => (line, &[][..]),
        };
        let Some(verb) = Verb::from_name(word) else {
            let shown = word.get(..word.len().min(32)).unwrap_or_default();
            let text = format!("`{}` is not a command", super::escape::for_people(shown));
            return Err(BadLine { verb: None, error: Error::new(Kind::UnknownVerb, text) });
        };
        Self::with_arguments(verb, rest).map_err(|error| BadLine { verb: Some(verb), error })
    }

    fn with_arguments(verb: Verb, rest: &[u8]) -> Result<Command> {
        let mut args = Args::new(verb, rest)?;
        let command = match verb {
            Verb::Help => Command::Help(match args.optional()? {
                None => None,
                Some(name) => Some(Verb::from_name(&name).ok_or_else(|| args.bad("there is no such command"))?),
            }),
            Verb::User => Command::User(args.user_name()?),
            Verb::Pass => Command::Pass(args.password()?),
            Verb::Key => Command::Key { user: args.user_name()?, proofs: args.proofs()? },
            Verb::Token => Command::Token { count: args.count()? },
            Verb::Join => Command::Join(args.token()?),
            Verb::Redeem => Command::Redeem {
                user: args.user_name()?,
                secret: args.invitation()?,
                password: args.new_password_option("password")?,
            },
            Verb::Passwd => Command::Passwd { new: args.new_password()?, evidence: args.evidence()? },
            Verb::Nonce => Command::Nonce,
            Verb::Keys => Command::Keys,
            Verb::Enrol => {
                Command::Enrol { name: args.key_name()?, key: Box::new(args.proof()?), evidence: args.evidence()? }
            }
            Verb::Revoke => Command::Revoke { fingerprint: args.fingerprint()?, evidence: args.evidence()? },
            Verb::Link => Command::Link(Box::new(args.link()?)),
            Verb::Links => Command::Links,
            Verb::Unlink => Command::Unlink(args.link_name()?),
            Verb::Visit => {
                Command::Visit { secret: args.link_secret()?, password: args.optional_password("password")? }
            }
            Verb::List => Command::List {
                path: args.path_or_root()?,
                recursive: args.flag("recursive")?,
                rotten: args.flag("rotten")?,
                mode: args.flag("mode")?,
            },
            Verb::Stat => Command::Stat(args.path_or_root()?),
            Verb::Hash => Command::Hash {
                path: args.path()?,
                length: args.number("length")?,
                of: match (args.flag("recorded")?, args.flag("growing")?, args.flag("partial")?) {
                    (false, false, false) => HashOf::Bytes,
                    (true, false, false) => HashOf::Record,
                    (false, true, false) => HashOf::Growing,
                    (false, false, true) => HashOf::Partial,
                    _ => return Err(args.bad("it is one of recorded, growing and partial")),
                },
            },
            Verb::Accept => Command::Accept(args.path()?),
            Verb::Download => Command::Download {
                path: args.path()?,
                offset: args.number("offset")?.unwrap_or(0),
                length: args.number("length")?,
                growing: args.flag("growing")?,
            },
            Verb::Upload => Command::Upload(UploadArgs {
                path: args.path()?,
                size: args.number("size")?,
                mtime: args.mtime()?,
                mode: args.mode()?,
                allocated: args.number("allocated")?,
                condition: args.condition()?,
                resume: args.resume()?,
            }),
            Verb::Stage => Command::Stage(StageArgs {
                path: args.path()?,
                size: args.needed("size")?,
                mtime: args.mtime()?,
                mode: args.mode()?,
                allocated: args.number("allocated")?,
                condition: args.condition()?,
                resume: args.resume()?,
            }),
            Verb::Part => {
                Command::Part { id: args.staged()?, offset: args.needed("offset")?, length: args.needed("length")? }
            }
            Verb::Commit => Command::Commit { id: args.staged()?, hash: args.hash()? },
            Verb::Discard => Command::Discard(args.staged()?),
            Verb::Chmod => Command::Chmod { path: args.path()?, mode: args.needed_mode()? },
            Verb::Delete => Command::Delete { path: args.path()?, recursive: args.flag("recursive")? },
            Verb::Mkdir => Command::Mkdir { path: args.path()?, parents: args.flag("parents")? },
            Verb::Rename => Command::Rename { from: args.path()?, to: args.path()?, replace: args.flag("replace")? },
            Verb::Copy => Command::Copy { from: args.path()?, to: args.path()?, replace: args.flag("replace")? },
            Verb::Ping => Command::Ping,
            Verb::Status => Command::Status,
            Verb::Who => Command::Who,
            Verb::Kick => Command::Kick(args.user_name()?),
            Verb::Shutdown => Command::Shutdown,
            Verb::Logout => Command::Logout,
        };
        args.finish()?;
        Ok(command)
    }

    /// What a server must have listed in its greeting to understand this command as it is written.
    pub fn needs(&self) -> Features {
        match self {
            Command::List { rotten, mode, .. } => {
                let all = [rotten.then_some(Feature::Record), mode.then_some(Feature::Chmod)];
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
            Command::Link(_) | Command::Links | Command::Unlink(_) | Command::Visit { .. } => {
                [Feature::Link].into_iter().collect()
            }
            Command::Kick(_) => [Feature::Kick].into_iter().collect(),
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
            Command::Ping => Verb::Ping,
            Command::Status => Verb::Status,
            Command::Who => Verb::Who,
            Command::Kick(_) => Verb::Kick,
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
            | Command::Copy { from: path, .. } => Some(path),
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
            | Command::Shutdown
            | Command::Logout => None,
        }
    }
}

mod render;
#[cfg(test)]
mod tests;
