//! What this version of Sealift can do beyond the first one: the words of `features=` in a server's greeting.
//!
//! An unknown verb or key is an error, so a client must not send what came later unless the server has listed it.
//! [`super::Command::needs`] says which word a command needs; the client refuses to send one whose word is missing.

use std::fmt;

use crate::error::{Error, Kind};

macro_rules! features {
    ($($(#[$doc:meta])* $feature:ident = $word:literal, $what:literal;)*) => {
        /// Something that a server may be too old for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Feature { $($(#[$doc])* $feature,)* }

        impl Feature {
            /// Every feature of this version, in the order they came.
            pub const ALL: &'static [Feature] = &[$(Feature::$feature,)*];

            /// The word in the greeting.
            pub const fn word(self) -> &'static str {
                match self { $(Feature::$feature => $word,)* }
            }

            /// What an old server is too old for, to be put after "the server is too old to".
            pub const fn what(self) -> &'static str {
                match self { $(Feature::$feature => $what,)* }
            }

            /// That the server did not list it.
            pub fn missing(self) -> Error {
                Error::new(Kind::TooOld, format!("the server is too old to {}", self.what()))
            }
        }
    };
}

features! {
    /// The verb KICK.
    Kick = "kick", "end other sessions";
    /// HASH reads, and its `recorded=`; the `rotten=` of LIST; the verb ACCEPT.
    Record = "record", "compare files with what was recorded of them";
    /// The key `mode=` of UPLOAD and STAGE.
    Mode = "mode", "keep the modes of files";
    /// The key `perms=` of UPLOAD and STAGE.
    Perms = "perms", "keep all of the modes of files";
    /// The verb CHMOD, and the key `mode=` of LIST.
    Chmod = "chmod", "change the modes of files";
    /// The pause frame of UPLOAD.
    Pause = "pause", "wait for a file that pauses";
    /// The key `allocated=` of UPLOAD and STAGE.
    Sparse = "sparse", "keep the holes of sparse files";
    /// The verb PASSWD.
    Passwd = "passwd", "change passwords";
    /// The verb KEY, and the nonces that it needs.
    Keys = "keys", "let SSH keys log in";
    /// The key `growing=` of DOWNLOAD and HASH.
    Growing = "growing", "send a file that becomes longer meanwhile";
    /// The verb REDEEM.
    Redeem = "redeem", "take invitations";
    /// The verbs NONCE, KEYS, ENROL and REVOKE, and the key `proof=` of PASSWD.
    Enrol = "enrol", "let users enrol and revoke keys";
    /// The verb COPY.
    Copy = "copy", "copy files by itself";
    /// REDEEM without `password=`, which only looks.
    Invited = "invited", "look at an invitation before it is used";
    /// The verbs LINK, LINKS, UNLINK and VISIT.
    Link = "link", "make links";
    /// The keys `drop=`, `size=` and `files=` of LINK.
    Drop = "drop", "take files by links";
    /// The verbs PENALTIES, UNBAN and RELOAD.
    Admin = "admin", "show whom it holds back, or to read its files again";
    /// The key `marks=` of LIST.
    Marks = "marks", "tell which entries are links";
    /// The verbs TRASH, RESTORE and PURGE.
    Trash = "trash", "bring back what was deleted";
    /// The key `uploads=` of VISIT.
    Uploads = "uploads", "go on with what comes by a link";
    /// Signatures of RSA keys.
    Rsa = "rsa", "let RSA keys log in";
    /// The key `usage=` of STAT.
    Usage = "usage", "tell how much room a shared folder has";
    /// The key `progress=` of DELETE.
    Progress = "progress", "tell how far a removal is";
    /// The key `mtime=` of CHMOD.
    Folders = "folders", "keep the times and modes of folders";
}

/// A set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u32);

impl Features {
    /// No feature: what the first servers have.
    pub const NONE: Features = Features(0);

    /// All features of this version: what its server lists.
    pub fn all() -> Features {
        Feature::ALL.iter().copied().collect()
    }

    /// The features that these words name, separated by commas. Those of a newer server are left out.
    pub fn parse(words: &str) -> Features {
        words.split(',').filter_map(|word| Feature::ALL.iter().copied().find(|known| known.word() == word)).collect()
    }

    /// Whether this one is among them.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u8) != 0
    }

    /// The first of them that is not in `others`.
    pub fn first_missing_in(self, others: Features) -> Option<Feature> {
        Feature::ALL.iter().copied().find(|feature| self.has(*feature) && !others.has(*feature))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Features {
        Features(features.into_iter().fold(0, |bits, feature| bits | 1 << feature as u8))
    }
}

impl fmt::Display for Features {
    /// As in the greeting: the words with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = Feature::ALL.iter().filter(|feature| self.has(**feature)).map(|f| f.word()).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_as_it_was_written_and_newer_words_are_passed_over() {
        let all = Features::all();
        assert_eq!(Features::parse(&all.to_string()), all);
        assert_eq!(Features::parse(&format!("from-the-future,{all},")), all);
        assert_eq!(Features::parse(""), Features::NONE);
    }

    #[test]
    fn words_are_plain_and_differ() {
        for (at, feature) in Feature::ALL.iter().enumerate() {
            assert!(feature.word().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert_eq!(Feature::ALL.iter().position(|other| other.word() == feature.word()), Some(at));
        }
        assert!(Feature::ALL.len() <= 32);
    }

    #[test]
    fn what_is_missing_is_named() {
        for feature in Feature::ALL {
            let needs: Features = [*feature].into_iter().collect();
            assert_eq!(needs.first_missing_in(Features::NONE), Some(*feature));
            assert_eq!(needs.first_missing_in(Features::all()), None);
        }
    }
}
