//! A link: what somebody without an account may do who has its secret, and whose rights that stands on.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

use super::EntryTag;
use super::sealed;
use crate::auth::hash::StoredHash;
use crate::auth::{Access, Secret, SharedFolder};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Location, RelPath};
use crate::limits;

const VERSION: u32 = 1;

const HEAD: &str =
    "# A link that a user of sealiftd made. Written by the server; edited, it is refused; removed, it is over.\n";

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkTo {
    /// A file, to be read.
    File,
    /// A folder with all below it, to be read.
    Folder,
    /// A folder that files may be put into, of which nothing is shown.
    Inbox(InboxBounds),
}

impl LinkTo {
    /// As the wire and the state have it.
    pub const fn word(self) -> &'static str {
        match self {
            LinkTo::File => "file",
            LinkTo::Folder => "folder",
            LinkTo::Inbox(_) => "drop",
        }
    }

    /// What whoever has the link may do, of what its maker may do now; none: nothing that is of any use.
    fn access(self, makers: Access) -> Option<Access> {
        let access = match self {
            // Its name is no secret to whoever may read it.
            LinkTo::File if makers.contains(Access::DOWNLOAD) => Access::READ,
            LinkTo::Folder => makers.intersection(Access::READ),
            LinkTo::Inbox(_) => makers.intersection(Access::UPLOAD),
            LinkTo::File => Access::NONE,
        };
        (makers.contains(Access::LINK) && access != Access::NONE).then_some(access)
    }
}

/// What may come by a link that files are put in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxBounds {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files.
    pub files: u32,
}

/// The shared folder that a link leads into, as its maker had it when it was made. Where the path is in another one by now, or the folder
/// is in another place, the link leads to nothing: what is there is not what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFolder {
    /// Where it showed in the maker's home.
    pub at: RelPath,
    /// Where it was.
    pub location: Location,
}

impl LinkFolder {
    /// This one.
    pub fn of(folder: &SharedFolder) -> LinkFolder {
        LinkFolder { at: folder.at.clone(), location: folder.location.clone() }
    }

    /// Whether it is this one, in the same place.
    pub(super) fn is(&self, folder: &SharedFolder) -> bool {
        (&self.at, &self.location) == (&folder.at, &folder.location)
    }
}

/// What the maker of a link says of it.
#[derive(Debug, Clone)]
pub struct LinkTerms {
    /// What it leads to.
    pub to: LinkTo,
    /// Where that is in the maker's home.
    pub path: RelPath,
    /// The shared folder that this is in, if it is in one.
    pub folder: Option<LinkFolder>,
    /// What it is called; none: as its target, with a number if that is taken.
    pub name: Option<String>,
    /// When it ends, in seconds since 1970; none: never.
    pub expires: Option<u64>,
    /// The hash of its password, as [`crate::auth::hash_password`] returned it; none: the link is enough.
    pub password: Option<String>,
    /// How often it may be downloaded; none: as often as anybody likes.
    pub downloads: Option<u32>,
}

/// A link, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The BLAKE3 of its secret.
    pub(super) secret: Hash,
    /// Whose it is.
    pub(super) maker: String,
    /// The entry of the users file that it belongs to.
    pub(super) entry: EntryTag,
    /// The fingerprint of the administrator's key that it stands on; none: it stands on the entry alone.
    pub(super) by: Option<String>,
    pub(super) password: Option<StoredHash>,
    /// What its maker calls it, no other one of the maker's is called the same.
    pub name: String,
    /// What it leads to.
    pub to: LinkTo,
    /// Where that is in the maker's home.
    pub path: RelPath,
    /// The shared folder that this is in; none: the home itself.
    pub folder: Option<LinkFolder>,
    /// When it was made, in seconds since 1970.
    pub added: u64,
    /// When it ends.
    pub expires: Option<u64>,
    /// How often it may be downloaded.
    pub downloads: Option<u32>,
}

/// How much of a link's bounds is used up or reserved: what is on the disk is never less than what was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LinkUse {
    /// Downloads, finished or under way.
    pub downloads: u32,
    /// Files that were put in.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
}

impl LinkUse {
    /// Both together.
    pub(super) fn with(self, more: LinkUse) -> LinkUse {
        LinkUse {
            downloads: self.downloads.saturating_add(more.downloads),
            files: self.files.saturating_add(more.files),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    /// What is left without those.
    pub(super) fn without(self, less: LinkUse) -> LinkUse {
        LinkUse {
            downloads: self.downloads.saturating_sub(less.downloads),
            files: self.files.saturating_sub(less.files),
            bytes: self.bytes.saturating_sub(less.bytes),
        }
    }
}

/// A link as it is kept in memory.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) link: Arc<Link>,
    /// As the disk has it.
    pub(super) used: LinkUse,
    /// What is on its way, of which the disk has nothing.
    pub(super) coming: LinkUse,
    /// It gives nothing any more, and is here until its file is gone: another start would read that.
    pub(super) is_withdrawn: bool,
    /// The last sweep has not found the entry that it belongs to.
    pub(super) is_orphan: bool,
}

impl Kept {
    pub(super) fn new(link: Arc<Link>, used: LinkUse) -> Kept {
        Kept { link, used, coming: LinkUse::default(), is_withdrawn: false, is_orphan: false }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    secret: String,
    user: String,
    entry: String,
    name: String,
    kind: String,
    path: String,
    /// Where the shared folder is that the path is in: from the root of the machine, or below the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    /// Where that shows in the maker's home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder_at: Option<String>,
    added: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_downloads: Option<u32>,
    #[serde(default)]
    downloads: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_files: Option<u32>,
    #[serde(default)]
    files: u32,
    #[serde(default)]
    bytes: u64,
}

/// Whether a link may be called so. Names are logged, shown, and part of who somebody is called who comes by it.
pub(super) fn is_link_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::LINK_NAME_MAX
        && !name.chars().any(|c| c.is_control() || c == '/')
        && name.trim() == name
}

/// Any bytes as plain text.
fn written(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}

fn read(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// A place from the root of the machine begins with a slash, and one below the data folder does not.
fn written_location(location: &Location) -> String {
    match location {
        Location::Below(name) => written(name.as_bytes()),
        Location::Elsewhere(path) => written(path.as_os_str().as_bytes()),
    }
}

fn read_location(text: &str) -> Option<Location> {
    let bytes = read(text);
    Some(match bytes.first()? {
        b'/' => Location::Elsewhere(OsString::from_vec(bytes).into()),
        _ => Location::Below(String::from_utf8(bytes).ok()?),
    })
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What tells a link from all others, and gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTag(Hash);

impl Link {
    /// What tells it from all others.
    pub(crate) fn tag(&self) -> LinkTag {
        LinkTag(self.secret)
    }

    /// Whether both are the same one.
    pub(in crate::auth) fn is_same(&self, other: &Link) -> bool {
        self.secret == other.secret
    }

    /// Whose it is.
    pub(crate) fn maker(&self) -> &str {
        &self.maker
    }

    /// Whether it has come to its end.
    pub fn is_over(&self) -> bool {
        self.expires.is_some_and(|end| end <= now())
    }

    /// Whether it takes a password beside its secret.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether this is its password; blocks for an argon2. None has any that takes none.
    ///
    /// # Errors
    /// [`Kind::Busy`] without memory.
    pub(super) fn opens_with(&self, password: &Secret) -> Result<bool> {
        self.password.as_ref().map_or(Ok(true), |hash| hash.matches(password))
    }

    /// Where it leads in the shared folder or home that its path is in.
    pub fn inside(&self) -> Option<RelPath> {
        match &self.folder {
            None => Some(self.path.clone()),
            Some(folder) => self.path.strip_prefix(&folder.at),
        }
    }

    /// What whoever comes by it may do, of what its maker may do now.
    pub(super) fn access(&self, makers: Access) -> Option<Access> {
        self.to.access(makers)
    }

    /// Whether something is left of what it gives.
    pub(super) fn has_room(&self, used: LinkUse) -> bool {
        match self.to {
            LinkTo::File | LinkTo::Folder => self.downloads.is_none_or(|most| used.downloads < most),
            // What is full says so when something comes: what came, or is on its way, may be asked after.
            LinkTo::Inbox(_) => true,
        }
    }

    /// Whether as much has come as it takes.
    pub fn is_full(&self, used: &LinkUse) -> bool {
        matches!(self.to, LinkTo::Inbox(bounds) if used.files >= bounds.files || used.bytes >= bounds.bytes)
    }

    /// The text of its file.
    pub(super) fn to_text(&self, used: LinkUse) -> Result<String> {
        let bounds = match self.to {
            LinkTo::Inbox(bounds) => Some(bounds),
            LinkTo::File | LinkTo::Folder => None,
        };
        let text = Text {
            version: VERSION,
            secret: self.secret.to_string(),
            user: self.maker.clone(),
            entry: self.entry.to_string(),
            name: self.name.clone(),
            kind: self.to.word().to_owned(),
            path: written(self.path.as_bytes()),
            folder: self.folder.as_ref().map(|folder| written_location(&folder.location)),
            folder_at: self.folder.as_ref().map(|folder| written(folder.at.as_bytes())),
            added: self.added,
            expires: self.expires,
            by: self.by.clone(),
            password: self.password.as_ref().map(StoredHash::to_text).transpose()?,
            max_downloads: self.downloads,
            downloads: used.downloads,
            max_bytes: bounds.map(|bounds| bounds.bytes),
            max_files: bounds.map(|bounds| bounds.files),
            files: used.files,
            bytes: used.bytes,
        };
        let body = toml::to_string(&text).map_err(|err| Error::new(Kind::Internal, format!("the state: {err}")))?;
        Ok(sealed::seal(&format!("{HEAD}{body}")))
    }

    /// Reads it; none if anything is wrong with it.
    pub(super) fn parse(text: &str) -> Option<(Link, LinkUse)> {
        let text: Text = toml::from_str(sealed::unseal(text)?).ok()?;
        let to = match (text.kind.as_str(), text.max_bytes, text.max_files) {
            ("file", None, None) => LinkTo::File,
            ("folder", None, None) => LinkTo::Folder,
            ("drop", Some(bytes), Some(files)) => LinkTo::Inbox(InboxBounds { bytes, files }),
            _ => return None,
        };
        let path = RelPath::parse(&read(&text.path)).ok()?;
        let folder = match (text.folder, text.folder_at) {
            (None, None) => None,
            (Some(folder), Some(at)) => {
                Some(LinkFolder { at: RelPath::parse(&read(&at)).ok()?, location: read_location(&folder)? })
            }
            (None, Some(_)) | (Some(_), None) => return None,
        };
        if text.version != VERSION || !is_link_name(&text.name) {
            return None;
        }
        if folder.as_ref().is_some_and(|folder| !path.is_within(&folder.at)) {
            return None;
        }
        let link = Link {
            secret: text.secret.parse().ok()?,
            maker: text.user,
            entry: EntryTag(text.entry.parse().ok()?),
            by: text.by,
            password: text.password.as_deref().map(StoredHash::parse).transpose().ok()?,
            name: text.name,
            to,
            path,
            folder,
            added: text.added,
            expires: text.expires,
            downloads: text.max_downloads,
        };
        Some((link, LinkUse { downloads: text.downloads, files: text.files, bytes: text.bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hash::tests::cheap_hash;

    fn link(to: LinkTo) -> Link {
        Link {
            secret: Hash::of(b"secret"),
            maker: "alice".to_owned(),
            entry: EntryTag::of("alice", None, Some("x")),
            by: Some("SHA256:x".to_owned()),
            password: Some(StoredHash::parse(&cheap_hash("p")).unwrap()),
            name: "räp ort.pdf".to_owned(),
            to,
            path: RelPath::parse(b"a/\xff b").unwrap(),
            folder: None,
            added: 1,
            expires: Some(2),
            downloads: Some(3),
        }
    }

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let used = LinkUse { downloads: 1, files: 2, bytes: 3 };
        for to in [LinkTo::File, LinkTo::Folder, LinkTo::Inbox(InboxBounds { bytes: 9, files: 8 })] {
            let text = link(to).to_text(used).unwrap();
            assert_eq!(Link::parse(&text).unwrap(), (link(to), used));
            let body = sealed::unseal(&text).unwrap();
            for wrong in [body.replace("version = 1", "version = 2"), body.replace("kind = \"", "kind = \"x")] {
                assert!(Link::parse(&sealed::seal(&wrong)).is_none());
            }
            assert!(Link::parse(&text.replace("downloads = 1", "downloads = 0")).is_none(), "changed by hand");
        }
    }

    #[test]
    fn the_shared_folder_of_a_link_reads_back_wherever_it_is() {
        for location in [Location::Below("te\u{e4}m/x".to_owned()), Location::Elsewhere("/srv/te am".into())] {
            let folder = Some(LinkFolder { at: RelPath::parse(b"a").unwrap(), location });
            let link = Link { folder, ..link(LinkTo::Folder) };
            let text = link.to_text(LinkUse::default()).unwrap();
            assert_eq!(Link::parse(&text).unwrap().0, link);
            assert_eq!(link.inside().unwrap(), RelPath::parse(b"\xff b").unwrap());
            let body = sealed::unseal(&text).unwrap();
            let without: String =
                body.lines().filter(|line| !line.starts_with("folder =")).collect::<Vec<_>>().join("\n");
            for wrong in [without, body.replace("folder_at = \"a\"", "folder_at = \"b\"")] {
                assert!(Link::parse(&sealed::seal(&format!("{wrong}\n"))).is_none(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_link_gives_no_more_than_its_maker_has() {
        let inbox = LinkTo::Inbox(InboxBounds { bytes: 1, files: 1 });
        let with = |rights: &str| format!("{rights},link").parse::<Access>().unwrap();
        assert_eq!(LinkTo::Folder.access(Access::FULL), Some(Access::READ));
        assert_eq!(LinkTo::Folder.access(with("list")), Some(Access::LIST));
        assert_eq!(LinkTo::Folder.access(with("upload")), None);
        assert_eq!(LinkTo::File.access(with("download")), Some(Access::READ));
        assert_eq!(LinkTo::File.access(with("list")), None);
        assert_eq!(inbox.access(Access::FULL), Some(Access::UPLOAD));
        assert_eq!(inbox.access(with("list,download,overwrite")), None);
        for to in [LinkTo::File, LinkTo::Folder, inbox] {
            assert_eq!(to.access(Access::FULL.without(Access::LINK)), None, "the right to make one is gone");
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        for good in ["report.pdf", "a b", "ü"] {
            assert!(is_link_name(good), "{good}");
        }
        for bad in ["", "a/b", "a\nb", " a", "a ", &"x".repeat(limits::LINK_NAME_MAX + 1)] {
            assert!(!is_link_name(bad), "{bad:?}");
        }
    }
}
