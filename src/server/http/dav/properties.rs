//! The properties that a file or folder has by itself (RFC 4918, section 15), and how an answer tells of them.

use std::fmt::Write as _;

use super::xml::{self, DAV, Name};
use crate::files::{EntryKind, Hash, Mtime, RelPath};
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
}

impl Live {
    /// All of them.
    pub const ALL: [Live; 6] =
        [Live::ResourceType, Live::DisplayName, Live::ContentLength, Live::ContentType, Live::LastModified, Live::Etag];

    /// Its name; all are WebDAV's own.
    pub const fn local(self) -> &'static str {
        match self {
            Live::ResourceType => "resourcetype",
            Live::DisplayName => "displayname",
            Live::ContentLength => "getcontentlength",
            Live::ContentType => "getcontenttype",
            Live::LastModified => "getlastmodified",
            Live::Etag => "getetag",
        }
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
    /// The BLAKE3 that is recorded of a file.
    pub recorded: Option<Hash>,
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
            // What follows a folder has not.
            _ if self.is_folder() => return false,
            Live::ContentLength => element(&self.size.to_string()),
            Live::ContentType => element(Type::of(&self.path).name),
            Live::Etag => element(&validators.etag),
        }
        true
    }

    /// Writes what an answer says of it.
    pub fn respond(&self, wanted: &Wanted, out: &mut String) {
        out.push_str("<D:response><D:href>");
        xml::escape(&self.href, out);
        out.push_str("</D:href><D:propstat><D:prop>");
        let validators = Validators::of_state(self.size, self.mtime, self.recorded.as_ref());
        let mut missing: Vec<&Name> = Vec::new();
        match wanted {
            Wanted::All => {
                for live in Live::ALL {
                    let _what_is_not_there_is_left_out = self.write(live, &validators, out);
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
            }
            Wanted::These(names) => {
                for name in names {
                    if !Live::named(name).is_some_and(|live| self.write(live, &validators, out)) {
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
        Resource { href: "/x".into(), path, kind, size: 5, mtime, recorded: None }
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
        assert!(names.contains("<D:resourcetype/><D:displayname/><D:getlastmodified/></D:prop>"), "{names}");
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
