//! Somebody who has logged in.

use std::net::IpAddr;
use std::sync::Arc;

use super::credential::{Credential, KeyLogin};
use super::hash::StoredHash;
use super::names::ANONYMOUS;
use super::own::Link;
use super::{Access, Grants, User, UserKey};
use crate::files::{HomeTerms, Owner};
use crate::keys::PublicKey;

/// Somebody who has logged in, and what they may do. Made by [`super::Users::verify`], [`super::Users::verify_keys`] and
/// [`super::Users::at_link`], and by nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    grants: Arc<Grants>,
    /// Where they are.
    from: IpAddr,
    /// What they logged in with.
    credential: Credential,
}

impl Principal {
    /// A named user whose password, of this hash, was right, at that address.
    pub(super) fn with_password(user: &User, hash: &StoredHash, from: IpAddr) -> Principal {
        let credential = Credential::Password(Arc::new(hash.clone()));
        Principal { name: user.name.clone(), grants: user.grants.clone(), from, credential }
    }

    /// A named user who has proven to hold this key of theirs, from that address. The key bounds the rights.
    pub(super) fn with_key(user: &User, key: &UserKey, from: IpAddr) -> Principal {
        let login = KeyLogin { public: key.public.clone(), name: key.name.clone() };
        let grants = Arc::new(user.grants.within(key));
        Principal { name: user.name.clone(), grants, from, credential: Credential::Key(Arc::new(login)) }
    }

    /// Anybody, where anonymous reading is on and grants this.
    pub(super) fn anonymous(grants: Arc<Grants>, from: IpAddr) -> Principal {
        Principal { name: ANONYMOUS.to_owned(), grants, from, credential: Credential::Nothing }
    }

    /// Somebody who came by this link, to whom so much is granted of its maker's rights. Called by both names, with a slash between
    /// them: no user has such a name, so nothing of the maker's is ever taken for theirs.
    pub(super) fn by_link(link: Arc<Link>, grants: Grants, from: IpAddr) -> Principal {
        let name = format!("{}/{}", link.maker(), link.name);
        Principal { name, grants: Arc::new(grants), from, credential: Credential::Link(link) }
    }

    /// The link that they came by.
    pub fn link(&self) -> Option<&Arc<Link>> {
        match &self.credential {
            Credential::Link(link) => Some(link),
            Credential::Nothing | Credential::Password(_) | Credential::Key(_) => None,
        }
    }

    /// Whether it is one of the users, and not anybody, or anybody who has a link: a user has a share of their own wherever they
    /// are, others share with all who are where they are.
    pub fn is_user(&self) -> bool {
        matches!(self.credential, Credential::Password(_) | Credential::Key(_))
    }

    /// Whether the other is the same user with the same folder, and has logged in with the same password or key; what each may do
    /// there may differ, and how it is kept. Whoever came by a link has what it leads to as their own, kept as it was then.
    pub fn is_same_user(&self, other: &Principal) -> bool {
        let is_same_link = || self.home_terms() == other.home_terms() && self.grants.has_same_folders(&other.grants);
        (&self.name, self.home()) == (&other.name, other.home())
            && self.has_same_credential(other)
            && (self.link().is_none() || is_same_link())
    }

    /// Whether the other has logged in with the same password or key, or both with none.
    pub(super) fn has_same_credential(&self, other: &Principal) -> bool {
        self.credential.is_same(&other.credential)
    }

    /// What they logged in with.
    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The address that they are at.
    pub(crate) fn from(&self) -> IpAddr {
        self.from
    }

    /// The name of the key that they logged in with; none if it was a password, or nobody in particular.
    pub fn key_name(&self) -> Option<&str> {
        match &self.credential {
            Credential::Key(login) => Some(&login.name),
            Credential::Nothing | Credential::Password(_) | Credential::Link(_) => None,
        }
    }

    /// The key that they logged in with.
    pub fn key(&self) -> Option<&PublicKey> {
        match &self.credential {
            Credential::Key(login) => Some(&login.public),
            Credential::Nothing | Credential::Password(_) | Credential::Link(_) => None,
        }
    }

    /// The user's name as the users file has it, or `anonymous`: no control characters, no slash. Of whoever came by a link its
    /// maker's and its own, with a slash between them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is allowed.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// [`Grants::home`].
    pub fn home(&self) -> &str {
        &self.grants.home
    }

    /// [`Grants::access`].
    pub fn access(&self) -> Access {
        self.grants.access
    }

    /// [`Grants::admin`].
    pub fn is_admin(&self) -> bool {
        self.grants.admin
    }

    /// The most bytes of the home.
    pub fn quota(&self) -> Option<u64> {
        self.home_terms().quota
    }

    /// How the home is kept: as is granted to its user, and to all where it is a shared folder ([`Grants::home_folder`]); of two
    /// bounds the smaller one, and of two times the longer one.
    pub fn home_terms(&self) -> HomeTerms {
        let (own, shared) = (self.grants.terms, self.grants.home_folder);
        let quota = [own.quota, shared.quota].into_iter().flatten().min();
        let files = [own.quota_files, shared.quota_files].into_iter().flatten().min();
        HomeTerms::none().bounded(quota).with_files(files).keeping(own.trash.max(shared.trash))
    }

    /// Whose what they store is, in folders that others share too: nobody's if they are nobody in particular.
    pub fn owner(&self) -> Option<Owner> {
        (!self.is_anonymous()).then(|| Owner::new(self.home(), self.home_terms()).sending_as(self.name()))
    }

    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.credential == Credential::Nothing
    }
}
