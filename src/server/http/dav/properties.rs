//! The properties that a file or folder has by itself (RFC 4918, section 15), and how an answer tells of them.

use std::fmt::Write as _;

use super::xml::{self, DAV, Name};
use crate::files::{EntryKind, FileIdentity, Hash, Mtime, Properties, RelPath, Usage};
use crate::server::http::conditions::Validators;
use crate::server::http::types::Type;

/// A property that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Whether it is a folder.
    ResourceType,
    /// Its name.
    DisplayName,
    /// Bytes of a file.
    ContentLength,
    /// What kind of file.
    ContentType,
    /// When it was last modified.
    LastModified,
    /// What tells one state of a file from another.
    Etag,
    /// Which locks it may have.
    SupportedLock,
    /// Which it has.
    LockDiscovery,
    /// Bytes that may be added to a bounded home (RFC 4331).
    QuotaAvailable,
    /// Bytes that are in it.
    QuotaUsed,
}

impl Live {
    /// All of them.
    pub const ALL: [Live; 10] = [
        Live::ResourceType,
        Live::DisplayName,
        Live::ContentLength,
        Live::ContentType,
        Live::LastModified,
        Live::Etag,
        Live::SupportedLock,
        Live::LockDiscovery,
        Live::QuotaAvailable,
        Live::QuotaUsed,
    ];

    /// Its name; all are WebDAV's own.
    pub const fn local(self) -> &'static str {
        match self {
            Live::ResourceType => "resourcetype",
            Live::DisplayName => "displayname",
            Live::ContentLength => "getcontentlength",
            Live::ContentType => "getcontenttype",
            Live::LastModified => "getlastmodified",
            Live::Etag => "getetag",
            Live::SupportedLock => "supportedlock",
            Live::LockDiscovery => "lockdiscovery",
            Live::QuotaAvailable => "quota-available-bytes",
            Live::QuotaUsed => "quota-used-bytes",
        }
    }

    /// Whether it is told only to who asks for it by name (RFC 4331, section 2).
    const fn is_extra(self) -> bool {
        matches!(self, Live::QuotaAvailable | Live::QuotaUsed)
    }

    /// The one of this name.
    pub fn named(name: &Name) -> Option<Live> {
        Live::ALL.into_iter().find(|live| name.is(live.local()))
    }
}

/// What somebody wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All that is there.
    All,
    /// What there is, without its values.
    Names,
    /// These.
    These(Vec<Name>),
}

impl Wanted {
    /// Whether it takes what clients keep with files.
    pub fn has_kept(&self) -> bool {
        match self {
            Wanted::All | Wanted::Names => true,
            Wanted::These(names) => names.iter().any(|name| Live::named(name).is_none()),
        }
    }

    /// Whether it takes how much there is, and may be.
    pub fn has_usage(&self) -> bool {
        matches!(self, Wanted::These(_)) && (self.has(Live::QuotaAvailable) || self.has(Live::QuotaUsed))
    }

    /// Whether it takes this.
    pub fn has(&self, live: Live) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Names => false,
            Wanted::These(names) => names.iter().any(|name| name.is(live.local())),
        }
    }
}

/// A file or folder, as far as answers tell of it.
#[derive(Debug)]
pub struct Resource {
    /// Where it is: the path of its URL.
    pub href: String,
    /// Its path.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file.
    pub size: u64,
    /// When it was last modified.
    pub mtime: Mtime,
    /// What is known of it beyond that.
    pub more: More,
}

/// What is looked up of a file or folder where it is wanted.
#[derive(Debug, Default)]
pub struct More {
    /// The BLAKE3 that is recorded of a file.
    pub recorded: Option<Hash>,
    /// What tells a file from those that had its name before it.
    pub identity: Option<FileIdentity>,
    /// Its locks, as answers tell of them.
    pub locks: String,
    /// What clients keep with it.
    pub kept: Properties,
    /// What the home holds, and may.
    pub usage: Option<Usage>,
}

/// The locks that there are.
const SUPPORTED: &str = "<D:supportedlock><D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>\
     </D:lockentry><D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>\
     </D:supportedlock>";

/// What a property that a client keeps is called where it is kept.
pub fn key(name: &Name) -> String {
    format!("{{{}}}{}", name.space, name.local)
}

/// The name behind that.
fn named(key: &str) -> Option<Name> {
    let (space, local) = key.strip_prefix('{')?.rsplit_once('}')?;
    Some(Name { space: space.to_owned(), local: local.to_owned() })
}

impl Resource {
    fn is_folder(&self) -> bool {
        self.kind == EntryKind::Directory
    }

    /// Writes this property with its value, if there is one.
    fn write(&self, live: Live, validators: &Validators, out: &mut String) -> bool {
        let name = live.local();
        let mut element = |value: &str| {
            let _ = write!(out, "<D:{name}>");
            xml::escape(value, out);
            let _ = write!(out, "</D:{name}>");
        };
        match live {
            Live::ResourceType if self.is_folder() => out.push_str("<D:resourcetype><D:collection/></D:resourcetype>"),
            Live::ResourceType => out.push_str("<D:resourcetype/>"),
            Live::DisplayName => element(&String::from_utf8_lossy(self.path.file_name().unwrap_or_default())),
            Live::LastModified => match validators.modified {
                Some(modified) => element(&httpdate::fmt_http_date(modified)),
                None => return false,
            },
            Live::SupportedLock => out.push_str(SUPPORTED),
            Live::LockDiscovery => {
                let _ = write!(out, "<D:lockdiscovery>{}</D:lockdiscovery>", self.more.locks);
            }
            Live::QuotaAvailable | Live::QuotaUsed => match self.more.usage.filter(|_| self.is_folder()) {
                Some(usage) if live == Live::QuotaUsed => element(&usage.used.to_string()),
                Some(usage) => element(&usage.limit.saturating_sub(usage.used).to_string()),
                None => return false,
            },
            // What follows a folder has not.
            _ if self.is_folder() => return false,
            Live::ContentLength => element(&self.size.to_string()),
            Live::ContentType => element(Type::of(&self.path).name),
            Live::Etag => element(&validators.etag),
        }
        true
    }

    /// Writes what a client keeps under this name, if it does.
    fn write_kept(&self, name: &Name, out: &mut String) -> bool {
        // What was kept before it was looked at might be such that no client reads anything of an answer with it.
        let kept = self.more.kept.get(&key(name)).filter(|value| xml::can_be_told(name, value));
        let Some(value) = kept else { return false };
        xml::element(name, value, out);
        true
    }

    /// Writes what an answer says of it.
    pub fn respond(&self, wanted: &Wanted, out: &mut String) {
        out.push_str("<D:response><D:href>");
        xml::escape(&self.href, out);
        out.push_str("</D:href><D:propstat><D:prop>");
        let validators = Validators::of_state((self.size, self.mtime), self.more.identity, self.more.recorded.as_ref());
        let mut missing: Vec<&Name> = Vec::new();
        match wanted {
            Wanted::All => {
                for live in Live::ALL.into_iter().filter(|live| !live.is_extra()) {
                    let _what_is_not_there_is_left_out = self.write(live, &validators, out);
                }
                for name in self.more.kept.keys().filter_map(|key| named(key)) {
                    self.write_kept(&name, out);
                }
            }
            Wanted::Names => {
                for live in Live::ALL {
                    let begin = out.len();
                    if self.write(live, &validators, out) {
                        out.truncate(begin);
                        xml::empty(&Name { space: DAV.to_owned(), local: live.local().to_owned() }, out);
                    }
                }
                let kept = self.more.kept.iter().filter_map(|(key, value)| Some((named(key)?, value)));
                kept.filter(|(name, value)| xml::can_be_told(name, value)).for_each(|(name, _)| xml::empty(&name, out));
            }
            Wanted::These(names) => {
                for name in names {
                    let is_there = match Live::named(name) {
                        Some(live) => self.write(live, &validators, out),
                        None => self.write_kept(name, out),
                    };
                    if !is_there {
                        missing.push(name);
                    }
                }
            }
        }
        out.push_str("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
        if !missing.is_empty() {
            out.push_str("<D:propstat><D:prop>");
            missing.iter().for_each(|name| xml::empty(name, out));
            out.push_str("</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>");
        }
        out.push_str("</D:response>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str, kind: EntryKind) -> Resource {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let mtime = Mtime { secs: 1_000_000_000, nanos: 0 };
        Resource { href: "/x".into(), path, kind, size: 5, mtime, more: More::default() }
    }

    fn told(resource: &Resource, wanted: &Wanted) -> String {
        let mut out = String::new();
        resource.respond(wanted, &mut out);
        out
    }

    #[test]
    fn a_file_tells_its_length_and_a_folder_that_it_is_one() {
        let file = told(&resource("a&b.txt", EntryKind::File), &Wanted::All);
        for part in [
            "<D:resourcetype/>",
            "<D:displayname>a&amp;b.txt</D:displayname>",
            "<D:getcontentlength>5</D:getcontentlength>",
            "<D:getcontenttype>text/plain; charset=utf-8</D:getcontenttype>",
            "<D:getlastmodified>Sun, 09 Sep 2001 01:46:40 GMT</D:getlastmodified>",
            "<D:getetag>W/&quot;5-3b9aca00.0&quot;</D:getetag>",
        ] {
            assert!(file.contains(part), "{part}: {file}");
        }
        let folder = told(&resource("d", EntryKind::Directory), &Wanted::All);
        assert!(folder.contains("<D:collection/>") && !folder.contains("getcontentlength"), "{folder}");
        let names = told(&resource("d", EntryKind::Directory), &Wanted::Names);
        assert!(
            names.contains("<D:resourcetype/><D:displayname/><D:getlastmodified/><D:supportedlock/><D:lockdiscovery/>"),
            "{names}"
        );
    }

    #[test]
    fn what_a_client_keeps_is_told_as_it_was_said_and_a_quota_to_who_asks() {
        let kept = Name { space: "u{}".into(), local: "x".into() };
        let mut folder = resource("d", EntryKind::Directory);
        folder.more.kept.insert(key(&kept), "<v xmlns=\"w\">1</v>".into());
        folder.more.usage = Some(Usage { used: 7, limit: 10 });
        let told_kept = "<x xmlns=\"u{}\"><v xmlns=\"w\">1</v></x>";
        let all = told(&folder, &Wanted::All);
        assert!(all.contains(told_kept) && !all.contains("quota"), "{all}");
        assert!(told(&folder, &Wanted::Names).contains("<x xmlns=\"u{}\"/>"));
        let quota = |local: &str| Name { space: DAV.into(), local: local.into() };
        let these = Wanted::These(vec![kept, quota("quota-used-bytes"), quota("quota-available-bytes")]);
        let some = told(&folder, &these);
        assert!(
            some.contains(told_kept) && some.contains("used-bytes>7<") && some.contains("available-bytes>3<"),
            "{some}"
        );
    }

    #[test]
    fn what_is_not_there_is_said_and_never_left_out() {
        let name = |space: &str, local: &str| Name { space: space.into(), local: local.into() };
        let wanted = Wanted::These(vec![name(DAV, "getcontentlength"), name("u", "x"), name("", "getetag")]);
        let folder = told(&resource("d", EntryKind::Directory), &wanted);
        assert!(
            folder.contains(
                "<D:prop><D:getcontentlength/><x xmlns=\"u\"/><getetag xmlns=\"\"/></D:prop><D:status>HTTP/1.1 404"
            ),
            "{folder}"
        );
        let file = told(&resource("f", EntryKind::File), &wanted);
        assert!(file.contains("<D:getcontentlength>5</D:getcontentlength></D:prop><D:status>HTTP/1.1 200"), "{file}");
    }
}
