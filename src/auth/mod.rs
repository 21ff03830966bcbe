//! Who may do what: turns a user name and a password, or signatures of keys, into a [`Principal`].
//!
//! Blocking code without sockets; the only files it ever touches are the users file and those of the server's own state
//! folder, in which is what users do themselves. A [`Principal`] comes from
//! [`Users::verify`], [`Users::verify_keys`], [`Users::at_link`] and from nowhere else, so holding one is the proof of a login.
//!
//! ```toml
//! [anonymous]                # leave the section out to turn anonymous reading off
//! enabled = true
//! home = "public"            # default: "public"; the access is always "read"
//! limit_rate = "50 MiB"      # for all who read so together; default: no bound
//!
//! [users.alice]
//! password = "$argon2id$v=19$m=19456,t=2,p=1$…"   # may be left out where there are keys
//! keys = [                   # SSH keys that log in, each as in authorized_keys, or a table with what bounds it
//!     "ssh-ed25519 AAAA… alice@laptop",
//!     { key = "ssh-ed25519 AAAA…", name = "backup", access = "read", from = ["192.0.2.0/24"], expires = 2027-01-31 },
//! ]
//! home = "alice"             # default: the user's name
//! access = ["list", "download", "upload", "overwrite", "delete", "rename", "mkdir", "link"]   # or "full", "read"; default: "full"
//! admin = false              # default: false
//! quota = "10 GiB"           # the most bytes in the home; default: no bound
//! self_service = "none"      # what she may change about her own login; default: "all"
//! enabled = true             # false: logs in no more, and open sessions end
//! expires = 2027-01-31       # its last day (UTC), or a time with its zone; default: "never"
//! from = ["10.0.0.0/8"]      # from where alone; default: "anywhere"
//! max_sessions = 4           # open at once; default: "none", no bound
//! quota_files = 10000        # the most files in the home, folders not counted; default: no bound
//! trash = "30d"              # for how long what is deleted or replaced is kept; default: "none", not at all
//! umask = "027"              # what new files and folders are not open to; default: "none", files are 640 and folders 750
//! limit_rate = { down = "10 MiB", up = "2 MiB" }   # bytes a second, all sessions together; one size is for both ways
//! id = "5f0c3a9be1d27744"    # where there is no password: tells this entry from a later one of the same name
//!
//! [defaults]                 # of users whose own sections say nothing of it
//! access = "read"
//! quota = "10 GiB"           # a user's own "none", "never", "anywhere" lifts what stands here
//! expires = 2027-12-31
//! from = ["10.0.0.0/8"]
//! max_sessions = 4
//! limit_rate = "10 MiB"
//! trash = "30d"              # of shared folders too
//! umask = "027"
//! self_service = ["password", "keys"]
//! min_password = 8           # the least characters of passwords that are chosen from now on; default: 8
//! ```

mod access;
mod anonymous_editor;
mod authorized_keys;
mod credential;
mod directory;
mod editor;
mod expiry;
mod folders_editor;
mod folders_table;
mod grants;
mod grants_table;
mod groups_editor;
mod hash;
mod key_reader;
mod key_writer;
mod login_tag;
mod mistakes;
mod names;
mod network;
mod own;
mod password_rule;
mod path_rights;
mod path_rule;
mod principal;
mod rate_limit;
mod reader;
mod rule_order;
mod rules_table;
mod shared;
mod shares_file;
mod user_key;
mod users;
mod users_file;

#[cfg(test)]
mod key_tests;

pub use crate::secret::Secret;
pub use access::{Access, UnknownRight};
pub use anonymous_editor::AnonymousChange;
pub use authorized_keys::{AuthorizedKeys, Read as AuthorizedKeysRead};
pub use directory::{UserDirectory, UsersFrom};
pub use editor::NewUser;
pub use expiry::{parse_expiry, render_expiry};
pub use folders_editor::FolderChange;
pub use grants::{Barred, Grants, RateLimits};
pub use grants_table::{parse_trash_age, parse_umask, render_trash_age};
pub use groups_editor::GroupChange;
#[cfg(feature = "testing")]
pub(crate) use hash::cheap_hash;
pub use hash::{hash_password, unchosen_password};
pub use names::is_anonymous;
pub use network::Network;
pub use own::{
    AtLink, Clock, EnrolledKey, Followed, GivenOut, InboxBounds, Invitation, LINK_IS_FULL, Link, LinkFolder, LinkShown,
    LinkTag, LinkTerms, LinkTo, LinkUse, Links, OwnChange, SelfService, StateFolder, Turn, still_changing,
};
pub use password_rule::PasswordRule;
pub use path_rights::{GivenBy, Spread};
pub use path_rule::PathRule;
pub use principal::Principal;
pub use rate_limit::parse as parse_rate_limit;
pub use rule_order::{HiddenRule, Hiding};
pub use shared::{Definition, Group, SharedFolder, Shares};
pub use user_key::UserKey;
pub use users::{SharedHome, User, Users};
pub use users_file::{Checked, UsersFile, file_warnings};
