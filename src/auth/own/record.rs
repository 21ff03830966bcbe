//! One user's file: text to a value and back.

use serde::{Deserialize, Serialize};

use super::EntryTag;
use super::key::{self, OwnKey};
use super::sealed;
use crate::auth::hash::StoredHash;
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::limits;

/// The version of the text. Another one is not guessed at.
const VERSION: u32 = 1;

const HEAD: &str = "# What this user of sealiftd did alone. Written by the server; edited, it is refused.\n";

/// What one user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auth) struct Record {
    /// The entry of the users file that it belongs to.
    pub(in crate::auth) entry: EntryTag,
    /// The password that was chosen in place of the entry's.
    pub(in crate::auth) password: Option<StoredHash>,
    /// The fingerprint of the administrator's key that the password stands on; none: it stands on the entry alone.
    pub(in crate::auth) password_by: Option<String>,
    /// The keys that were enrolled, oldest first; no two are the same.
    pub(in crate::auth) keys: Vec<OwnKey>,
    /// The invitations that were used, as long as their files are there.
    pub(in crate::auth) redeemed: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    user: String,
    entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password_by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    redeemed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<key::Text>,
}

impl Record {
    /// Nothing yet, for this entry.
    pub(in crate::auth) fn new(entry: EntryTag) -> Record {
        Record { entry, password: None, password_by: None, keys: Vec::new(), redeemed: Vec::new() }
    }

    /// The text of this user's file.
    pub(super) fn to_text(&self, user: &str) -> Result<String> {
        let password = self.password.as_ref().map(StoredHash::to_text).transpose()?;
        let (user, entry, redeemed) = (user.to_owned(), self.entry.to_string(), self.redeemed.clone());
        let (password_by, keys) = (self.password_by.clone(), self.keys.iter().map(OwnKey::to_text).collect());
        let text = Text { version: VERSION, user, entry, password, password_by, redeemed, keys };
        let body = toml::to_string(&text).map_err(|err| Error::new(Kind::Internal, format!("the state: {err}")))?;
        Ok(sealed::seal(&format!("{HEAD}{body}")))
    }

    /// Reads it. What is wrong is said without a word of what is there.
    pub(super) fn parse(text: &str, user: &str) -> Result<Record, &'static str> {
        let body = sealed::unseal(text).ok_or("is not whole, or was changed by hand")?;
        let text: Text = toml::from_str(body).map_err(|_| "is not of this version of Sealift")?;
        if text.version != VERSION {
            return Err("is not of this version of Sealift");
        }
        if text.user != user {
            return Err("is another user's");
        }
        let entry: Hash = text.entry.parse().map_err(|_| "does not say which entry of the users file it belongs to")?;
        let password = text.password.as_deref().map(StoredHash::parse).transpose();
        let password = password.map_err(|_| "has no usable password hash")?;
        let keys: Option<Vec<OwnKey>> = text.keys.into_iter().map(OwnKey::parse).collect();
        let keys = keys.filter(|keys| keys.len() <= limits::OWN_KEYS_MAX).ok_or("has a key that cannot be used")?;
        Ok(Record { entry: EntryTag(entry), password, password_by: text.password_by, keys, redeemed: text.redeemed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hash::tests::cheap_hash;

    fn public() -> crate::keys::PublicKey {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1rU0IB4wGyAeSKs+ZGkZw9YfIXPQNmRJ5ZCVUrJd0G";
        crate::keys::PublicKey::from_openssh(line).unwrap().0
    }

    fn record() -> Record {
        let hash = StoredHash::parse(&cheap_hash("own")).unwrap();
        Record {
            entry: EntryTag::of("alice", Some(&hash), None),
            password: Some(hash),
            password_by: Some("SHA256:x".to_owned()),
            keys: vec![OwnKey { public: public(), name: "alice@läp top".to_owned(), added: 1, by: None }],
            redeemed: vec!["0123".to_owned()],
        }
    }

    #[test]
    fn what_is_written_reads_back_for_its_user_alone() {
        let record = record();
        let text = record.to_text("alice").unwrap();
        assert_eq!(Record::parse(&text, "alice").unwrap(), record);
        assert_eq!(Record::parse(&text, "bob").unwrap_err(), "is another user's");
        let empty = Record::new(record.entry);
        assert_eq!(Record::parse(&empty.to_text("a\"b").unwrap(), "a\"b").unwrap(), empty);
    }

    #[test]
    fn other_versions_and_keys_are_refused() {
        let text = record().to_text("alice").unwrap();
        let body = sealed::unseal(&text).unwrap();
        for wrong in
            [body.replace("version = 1", "version = 2"), format!("{body}more = 1\n"), body.replace("entry", "e")]
        {
            assert_eq!(Record::parse(&sealed::seal(&wrong), "alice").unwrap_err(), "is not of this version of Sealift");
        }
        assert!(Record::parse(&sealed::seal(&body.replace("argon2id", "argon2i")), "alice").is_err());
    }
}
