//! Keys that users enrolled themselves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Own;
use crate::auth::{User, UserKey};
use crate::keys::PublicKey;
use crate::limits;

/// A key that a user enrolled, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auth) struct OwnKey {
    pub(in crate::auth) public: PublicKey,
    /// What the user calls it.
    pub(in crate::auth) name: String,
    /// When, in seconds since 1970.
    pub(in crate::auth) added: u64,
    /// The fingerprint of the administrator's key that it stands on; none: it stands on the entry alone.
    pub(in crate::auth) by: Option<String>,
}

/// A key of a user's own, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    key: String,
    name: String,
    added: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl OwnKey {
    pub(super) fn to_text(&self) -> Text {
        Text { key: self.public.to_openssh(""), name: self.name.clone(), added: self.added, by: self.by.clone() }
    }

    pub(super) fn parse(text: Text) -> Option<OwnKey> {
        let Text { key, name, added, by } = text;
        let (public, _) = PublicKey::from_openssh(&key).ok()?;
        is_name(&name).then_some(OwnKey { public, name, added, by })
    }
}

/// Whether a key may be called so. Names are logged and shown.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= limits::KEY_NAME_MAX && !name.chars().any(char::is_control)
}

/// A key that a user enrolled, with what bounds it now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnrolledKey {
    /// The key. It is bounded as the administrator's key that it stands on is.
    pub key: UserKey,
    /// When it was enrolled.
    pub added: SystemTime,
}

impl User {
    /// The keys that the user enrolled and that log in, as far as bounds let them.
    pub fn enrolled_keys(&self) -> Vec<EnrolledKey> {
        let enrolled = |own: &OwnKey| {
            let key = self.bounded(own)?;
            Some(EnrolledKey { key, added: UNIX_EPOCH + Duration::from_secs(own.added) })
        };
        self.own_keys().iter().filter_map(enrolled).collect()
    }

    /// This key of the user, whoever gave it, with what bounds it now.
    pub(in crate::auth) fn key_with(&self, public: &PublicKey) -> Option<UserKey> {
        let given = self.keys.iter().find(|key| key.public == *public).cloned();
        given.or_else(|| self.bounded(self.own_keys().iter().find(|own| own.public == *public)?))
    }

    pub(super) fn own_keys(&self) -> &[OwnKey] {
        match &self.own {
            Own::Is(record) if self.grants.self_service.keys => &record.keys,
            Own::Nothing | Own::Is(_) | Own::Damaged => &[],
        }
    }

    /// A key that the users file has too is what that says of it, and nothing besides.
    fn bounded(&self, own: &OwnKey) -> Option<UserKey> {
        if self.keys.iter().any(|key| key.public == own.public) {
            return None;
        }
        let (public, name) = (own.public.clone(), own.name.clone());
        let Some(by) = &own.by else { return Some(UserKey::new(public, &name)) };
        self.given_key(by).map(|given| UserKey { public, name, ..given.clone() })
    }

    /// The administrator's key of this fingerprint.
    pub(super) fn given_key(&self, fingerprint: &str) -> Option<&UserKey> {
        self.keys.iter().find(|key| key.public.fingerprint() == fingerprint)
    }
}
