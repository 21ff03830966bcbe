//! Invitations: a file for each, written by `sealiftd invite` and read by the server, which removes it when it was used.
//! That it was used stands in the user's own file, written in one with what came of it: so it is used once, whenever the
//! server is killed, and never used for nothing.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::folder::{StateFolder, read_small};
use super::sealed;
use crate::auth::User;
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::fresh_file::{Fresh, sync_parent};
use crate::limits;
use crate::random;
use crate::secret::Secret;

const VERSION: u32 = 1;

const HEAD: &str = "# An invitation, made by `sealiftd invite`. Edited, it is refused; removed, it is revoked.\n";

/// Hexadecimal digits of an invitation's id: the beginning of its secret's hash.
const ID: usize = 16;

/// An invitation, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    version: u32,
    /// Who is invited.
    pub user: String,
    entry: String,
    secret: String,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
}

impl Invitation {
    /// What it is called by whoever lists or revokes it: 16 hexadecimal digits that tell nothing of the secret.
    pub fn id(&self) -> &str {
        self.secret.get(..ID).unwrap_or_default()
    }

    /// Whether it is over by now.
    pub fn is_over(&self) -> bool {
        now() >= self.expires
    }

    /// Whether it is for the entry that this user has. Of one who was removed, made again or given another entry it is not, and nobody
    /// can use it.
    pub fn is_for(&self, user: &User) -> bool {
        self.user == user.name() && self.entry == user.tag().to_string()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn refused() -> Error {
    Error::new(Kind::LoginFailed, "the invitation cannot be used: it may be used already, expired, or withdrawn")
}

impl StateFolder {
    /// Invites a user until then, in seconds from now: the secret, which is nowhere else. The file belongs to whom the folder
    /// belongs.
    ///
    /// # Errors
    /// [`Kind::TooMany`] if there are [`limits::INVITATIONS_MAX`]; [`Kind::Internal`] without random numbers; those of the
    /// file system.
    pub fn invite(&self, user: &User, lifetime: u64) -> Result<Secret> {
        let (over, open): (Vec<_>, Vec<_>) = self.invitations()?.into_iter().partition(Invitation::is_over);
        // By a clock that may be wrong none is removed. One that somebody else has removed meanwhile is gone as well.
        over.iter().filter(|_| self.clock().is_believed()).try_for_each(|invitation| {
            match self.revoke(invitation.id()) {
                Err(err) if err.kind() != Kind::NotFound => Err(err),
                _ => Ok(()),
            }
        })?;
        if open.len() >= limits::INVITATIONS_MAX {
            let text = "there are too many invitations; `sealiftd invite --list` shows them, --revoke withdraws one";
            return Err(Error::new(Kind::TooMany, text));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(&mut *bytes)?;
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(*bytes));
        let invitation = Invitation {
            version: VERSION,
            user: user.name().to_owned(),
            entry: user.tag().to_string(),
            secret: Hash::of(secret.expose()).to_string(),
            expires: now().saturating_add(lifetime),
        };
        let body =
            toml::to_string(&invitation).map_err(|err| Error::new(Kind::Internal, format!("the state: {err}")))?;
        let path = self.file_of_invitation(invitation.id());
        let fresh = Fresh::beside(&path, &sealed::seal(&format!("{HEAD}{body}")))?;
        fresh.give_to_owner_of(self.path())?;
        fresh.put_in_place()?;
        Ok(secret)
    }

    /// All invitations that can be read, by their ids.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn invitations(&self) -> Result<Vec<Invitation>> {
        let folder = self.folder_of_invitations();
        let failed = |err| Error::file(folder.display(), err);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let id = name.as_bytes().strip_suffix(b".toml").and_then(|id| std::str::from_utf8(id).ok());
            found.extend(id.and_then(|id| self.invitation(id).ok()));
        }
        found.sort_by(|one: &Invitation, other| one.id().cmp(other.id()));
        Ok(found)
    }

    /// What is wrong with those that cannot be read: nobody can use them.
    pub fn damaged_invitations(&self) -> Vec<Error> {
        let names = fs::read_dir(self.folder_of_invitations()).into_iter().flatten().flatten();
        let ids = names.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()));
        let ids = ids.filter(|id| !id.starts_with('.'));
        // One that is gone was used or withdrawn meanwhile.
        let damaged = ids.filter_map(|id| self.invitation(&id).err()).filter(|error| error.kind() != Kind::NotFound);
        damaged.collect()
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none of this id; those of the file system.
    pub fn revoke(&self, id: &str) -> Result<()> {
        let is_id = id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = self.file_of_invitation(id);
        match if is_id { fs::remove_file(&path) } else { Err(io::ErrorKind::NotFound.into()) } {
            Ok(()) => sync_parent(&path),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                Err(Error::new(Kind::NotFound, "there is no invitation of this id"))
            }
            Err(err) => Err(Error::file(path.display(), err)),
        }
    }

    /// Withdraws what this user could use beside the invitation of this id.
    ///
    /// # Errors
    /// Those of the file system.
    pub(in crate::auth) fn withdraw_others(&self, user: &User, used: &str) -> Result<()> {
        let others = self.invitations()?.into_iter().filter(|other| other.is_for(user) && other.id() != used);
        others.map(|other| self.revoke(other.id())).try_for_each(|withdrawn| match withdrawn {
            Err(err) if err.kind() != Kind::NotFound => Err(err),
            _ => Ok(()),
        })
    }

    /// The invitation with this secret that this user, as the users file has her now, can use.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], in the same words whatever is wrong, but for one that is over.
    pub(in crate::auth) fn invitation_of(&self, user: Option<&User>, secret: &Secret) -> Result<Invitation> {
        // By its hash: neither how it is looked up nor how it is compared tells anything of any secret.
        let hash = Hash::of(secret.expose()).to_string();
        let found = self.invitation(hash.get(..ID).unwrap_or_default()).map_err(|_| refused())?;
        let same = blake3::hash(found.secret.as_bytes()) == blake3::hash(hash.as_bytes());
        let fits = user.is_some_and(|user| found.is_for(user));
        match (same && fits, found.is_over()) {
            (true, false) => Ok(found),
            (true, true) => Err(Error::new(Kind::LoginFailed, "the invitation has expired: ask for another one")),
            (false, _) => Err(refused()),
        }
    }

    /// Whether there is a file of this invitation.
    pub(in crate::auth) fn has_invitation(&self, id: &str) -> bool {
        self.file_of_invitation(id).exists()
    }

    fn invitation(&self, id: &str) -> Result<Invitation> {
        let path = self.file_of_invitation(id);
        let wrong = || Error::new(Kind::BadConfig, format!("{}: is no invitation", path.display()));
        let text = read_small(&path, limits::OWN_RECORD_MAX)?;
        let invitation: Invitation = toml::from_str(sealed::unseal(&text).ok_or_else(wrong)?).map_err(|_| wrong())?;
        let sound = invitation.version == VERSION && invitation.id() == id;
        if sound { Ok(invitation) } else { Err(wrong()) }
    }

    pub(super) fn file_of_invitation(&self, id: &str) -> PathBuf {
        self.folder_of_invitations().join(format!("{id}.toml"))
    }
}

/// What the answer to an invitation that was used already is.
pub(in crate::auth) fn used() -> Error {
    refused()
}
