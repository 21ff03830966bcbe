//! A command as whoever sends it needs it: what the server must know for it, whether it is secret, which path it is about, and its
//! line.

use super::{Command, HashOf, InboxArgs, LinkArgs, LinkEnd, StageArgs, UploadArgs};
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Mtime, RelPath, Resume, SourceMode};
use crate::keys::{Evidence, KeyKind, Proof};
use crate::limits;
use crate::proto::features::{Feature, Features};
use crate::proto::percent::encode;
use crate::secret::Secret;

impl Command {
    /// What is at a path, and no more.
    pub const fn stat(path: RelPath) -> Command {
        Command::Stat { path, usage: false }
    }

    /// What a server must have listed in its greeting to understand this command as it is written: what its verb came with, and what
    /// came to that verb later.
    pub fn needs(&self) -> Features {
        self.verb().row().since.into_iter().chain(self.later()).collect()
    }

    /// What came to its verb later, of all that is said in it.
    fn later(&self) -> impl Iterator<Item = Feature> {
        let (first, second, third) = match self {
            Command::List { rotten, mode, marks, .. } => {
                (rotten.then_some(Feature::Record), mode.then_some(Feature::Chmod), marks.then_some(Feature::Marks))
            }
            Command::Stat { usage: true, .. } => (Some(Feature::Usage), None, None),
            Command::Delete { progress: true, .. } => (Some(Feature::Progress), None, None),
            Command::Hash { of: HashOf::Record, .. } => (Some(Feature::Record), None, None),
            Command::Hash { of: HashOf::Growing, .. } | Command::Download { growing: true, .. } => {
                (Some(Feature::Growing), None, None)
            }
            Command::Chmod { mode, mtime, .. } => {
                (mode.perms.then_some(Feature::Perms), mtime.map(|_| Feature::Folders), None)
            }
            Command::Link(link) => (link.inbox.map(|_| Feature::Drop), None, None),
            Command::Visit { uploads: Some(_), .. } => (Some(Feature::Uploads), None, None),
            Command::Redeem { password: None, .. } => (Some(Feature::Invited), None, None),
            Command::Key { proofs, .. } => (of_proofs(proofs), None, None),
            Command::Passwd { evidence: Evidence::Keys(proofs), .. } => (Some(Feature::Enrol), of_proofs(proofs), None),
            Command::Enrol { key, evidence, .. } => (of_proofs(std::slice::from_ref(key)), of_evidence(evidence), None),
            Command::Revoke { evidence, .. } => (of_evidence(evidence), None, None),
            Command::Upload(UploadArgs { mode, allocated, .. }) | Command::Stage(StageArgs { mode, allocated, .. }) => {
                let perms = mode.filter(|mode| mode.perms).map(|_| Feature::Perms);
                (mode.map(|_| Feature::Mode), perms, allocated.map(|_| Feature::Sparse))
            }
            _ => (None, None, None),
        };
        [first, second, third].into_iter().flatten()
    }

    /// Whether the server may read whole files for it, and says nothing before it has read the last byte.
    pub fn reads_files(&self) -> bool {
        matches!(self, Command::Hash { .. } | Command::Accept(_) | Command::Copy { .. })
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
            | Command::Stat { path, .. }
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

    /// Writes the command as a line, ending included.
    ///
    /// # Errors
    /// [`Kind::PathTooLong`] if the line would be longer than [`limits::LINE_MAX`]: a very long path of characters that
    /// each take three bytes when encoded.
    pub fn render(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(self.verb().name().as_bytes());
        match self {
            Command::Help(None) => {}
            Command::Help(Some(verb)) => argument(out, verb.name().as_bytes()),
            Command::User(name) | Command::Kick(name) => argument(out, name.as_bytes()),
            Command::Unban(address) => argument(out, address.to_string().as_bytes()),
            Command::Pass(secret) | Command::Join(secret) => argument(out, secret.expose()),
            Command::Key { user, proofs } => {
                argument(out, user.as_bytes());
                argument(out, listed(proofs).as_bytes());
            }
            Command::Token { count } => option(out, "count", (*count != 1).then_some(count)),
            Command::Redeem { user, secret, password } => {
                argument(out, user.as_bytes());
                argument(out, secret.expose());
                if let Some(password) = password {
                    out.extend_from_slice(b" password=");
                    out.extend(encode(password.expose()).bytes());
                }
            }
            Command::Passwd { new, evidence } => {
                argument(out, new.expose());
                self::evidence(out, evidence);
            }
            Command::Enrol { name, key, evidence } => {
                argument(out, name.as_bytes());
                argument(out, key.to_text().as_bytes());
                self::evidence(out, evidence);
            }
            Command::Revoke { fingerprint, evidence } => {
                argument(out, fingerprint.as_bytes());
                self::evidence(out, evidence);
            }
            Command::Link(link) => self::link(out, link),
            Command::Unlink(name) => argument(out, name.as_bytes()),
            Command::Visit { secret, password, uploads } => {
                argument(out, secret.expose());
                secret_option(out, "password", password.as_ref());
                secret_option(out, "uploads", uploads.as_ref());
            }
            Command::List { path, recursive, rotten, mode, marks } => {
                if !path.is_root() {
                    argument(out, path.as_bytes());
                }
                flag(out, "recursive", *recursive);
                flag(out, "rotten", *rotten);
                flag(out, "mode", *mode);
                flag(out, "marks", *marks);
            }
            Command::Stat { path, usage } => {
                if !path.is_root() {
                    argument(out, path.as_bytes());
                }
                flag(out, "usage", *usage);
            }
            Command::Hash { path, length, of } => {
                argument(out, path.as_bytes());
                option(out, "length", *length);
                flag(out, "recorded", *of == HashOf::Record);
                flag(out, "growing", *of == HashOf::Growing);
                flag(out, "partial", *of == HashOf::Partial);
            }
            Command::Accept(path) => argument(out, path.as_bytes()),
            Command::Download { path, offset, length, growing } => {
                argument(out, path.as_bytes());
                option(out, "offset", (*offset > 0).then_some(offset));
                option(out, "length", *length);
                flag(out, "growing", *growing);
            }
            Command::Upload(args) => {
                argument(out, args.path.as_bytes());
                of_the_file(out, args.size, (args.mtime, args.mode), args.allocated);
                on_the_way(out, args.condition, args.resume);
            }
            Command::Stage(args) => {
                argument(out, args.path.as_bytes());
                of_the_file(out, Some(args.size), (args.mtime, args.mode), args.allocated);
                on_the_way(out, args.condition, args.resume);
            }
            Command::Part { id, offset, length } => {
                argument(out, id.to_string().as_bytes());
                option(out, "offset", Some(offset));
                option(out, "length", Some(length));
            }
            Command::Commit { id, hash } => {
                argument(out, id.to_string().as_bytes());
                option(out, "hash", Some(hash));
            }
            Command::Discard(id) => argument(out, id.to_string().as_bytes()),
            Command::Chmod { path, mode, mtime } => {
                argument(out, path.as_bytes());
                option(out, "mode", Some(mode.mode));
                flag(out, "perms", mode.perms);
                option(out, "mtime", mtime.as_ref());
            }
            Command::Delete { path, recursive, progress } => {
                argument(out, path.as_bytes());
                flag(out, "recursive", *recursive);
                flag(out, "progress", *progress);
            }
            Command::Mkdir { path, parents } => {
                argument(out, path.as_bytes());
                flag(out, "parents", *parents);
            }
            Command::Rename { from, to, replace } | Command::Copy { from, to, replace } => {
                argument(out, from.as_bytes());
                argument(out, to.as_bytes());
                flag(out, "replace", *replace);
            }
            Command::Trash(path) => {
                if !path.is_root() {
                    argument(out, path.as_bytes());
                }
            }
            Command::Restore { path, id, to } => {
                argument(out, path.as_bytes());
                option(out, "id", Some(id));
                option(out, "to", to.as_ref().map(|to| encode(to.as_bytes())));
            }
            Command::Purge { path, id } => {
                if !path.is_root() {
                    argument(out, path.as_bytes());
                }
                option(out, "id", *id);
            }
            Command::Ping
            | Command::Nonce
            | Command::Keys
            | Command::Links
            | Command::Status
            | Command::Who
            | Command::Penalties
            | Command::Reload
            | Command::Shutdown
            | Command::Logout => {}
        }
        out.extend_from_slice(b"\r\n");
        if out.len() - start > limits::LINE_MAX {
            out.truncate(start);
            return Err(Error::new(Kind::PathTooLong, "the path is too long to send"));
        }
        Ok(())
    }
}

fn link(out: &mut Vec<u8>, link: &LinkArgs) {
    if !link.path.is_root() {
        argument(out, link.path.as_bytes());
    }
    flag(out, "drop", link.inbox.is_some());
    let InboxArgs { bytes, files } = link.inbox.unwrap_or_default();
    option(out, "size", bytes);
    option(out, "files", files);
    option(out, "name", link.name.as_ref().map(|name| encode(name.as_bytes())));
    option(
        out,
        "expires",
        link.expires.map(|end| match end {
            LinkEnd::Never => String::from("never"),
            LinkEnd::At(end) => end.to_string(),
        }),
    );
    secret_option(out, "password", link.password.as_ref());
    option(out, "downloads", link.downloads);
}

fn secret_option(out: &mut Vec<u8>, key: &str, secret: Option<&Secret>) {
    if let Some(secret) = secret {
        out.extend(format!(" {key}=").bytes());
        out.extend(encode(secret.expose()).bytes());
    }
}

fn evidence(out: &mut Vec<u8>, evidence: &Evidence) {
    match evidence {
        Evidence::Password(present) => {
            out.extend_from_slice(b" present=");
            out.extend(encode(present.expose()).bytes());
        }
        Evidence::Keys(proofs) => {
            out.extend_from_slice(b" proof=");
            out.extend(encode(listed(proofs).as_bytes()).bytes());
        }
    }
}

/// What came later than signatures themselves.
fn of_proofs(proofs: &[Proof]) -> Option<Feature> {
    proofs.iter().any(|proof| proof.key().kind() == KeyKind::Rsa).then_some(Feature::Rsa)
}

fn of_evidence(evidence: &Evidence) -> Option<Feature> {
    match evidence {
        Evidence::Password(_) => None,
        Evidence::Keys(proofs) => of_proofs(proofs),
    }
}

fn listed(proofs: &[Proof]) -> String {
    proofs.iter().map(Proof::to_text).collect::<Vec<_>>().join(",")
}

/// The options of UPLOAD and STAGE about the file as the sender has it.
fn of_the_file(
    out: &mut Vec<u8>,
    size: Option<u64>,
    (mtime, mode): (Option<Mtime>, Option<SourceMode>),
    allocated: Option<u64>,
) {
    option(out, "size", size);
    option(out, "mtime", mtime);
    option(out, "mode", mode.map(|mode| mode.mode));
    flag(out, "perms", mode.is_some_and(|mode| mode.perms));
    option(out, "allocated", allocated);
}

/// Those about what is there already.
fn on_the_way(out: &mut Vec<u8>, condition: Condition, resume: Option<Resume>) {
    match condition {
        Condition::Any => {}
        Condition::Absent => option(out, "if", Some("absent")),
        Condition::Hash(hash) => option(out, "if", Some(format_args!("hash:{hash}"))),
    }
    option(out, "offset", resume.map(|resume| resume.offset));
    option(out, "prefix", resume.map(|resume| resume.prefix));
}

fn argument(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b' ');
    out.extend(encode(bytes).bytes());
}

fn option(out: &mut Vec<u8>, key: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        out.extend(format!(" {key}={value}").bytes());
    }
}

fn flag(out: &mut Vec<u8>, key: &str, value: bool) {
    option(out, key, value.then_some("yes"));
}
