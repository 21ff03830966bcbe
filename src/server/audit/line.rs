//! An event as one line of JSON: plain ASCII whatever is in a name, so that it can be shown on any terminal, and exact.

use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use time::OffsetDateTime;

use crate::error::Kind;
use crate::files::{RelPath, Removed, Rot};
use crate::limits;
use crate::machine::source::Network;
use crate::proto::percent;
use crate::server::events::{Came, Event, Operation, Protocol, What};

/// Whether it belongs into an audit: all but what only looks and comes often, where nobody was refused.
pub fn is_wanted(event: &Event<'_>) -> bool {
    match &event.what {
        What::Operation(operation) => {
            !operation.action.is_minor() || matches!(operation.outcome, Err(Kind::Denied | Kind::Locked))
        }
        What::Started
        | What::Began { .. }
        | What::Refused { .. }
        | What::TurnedAway { .. }
        | What::Rotten { .. }
        | What::Ended { .. }
        | What::Stopped => true,
    }
}

/// Whether it counts in the share of whoever caused it, if that is no user: they can do it without end, and nothing comes of it.
pub fn is_bounded(event: &Event<'_>) -> bool {
    match &event.what {
        What::Operation(operation) => match &operation.outcome {
            Ok(came) => !operation.action.is_lasting() || matches!(came.word, "same" | "unable"),
            Err(_) => true,
        },
        What::Began { .. } | What::Refused { barred: None, .. } | What::TurnedAway { .. } | What::Ended { .. } => true,
        // Who is barred has shown the right password or key, which somebody may have stolen.
        What::Refused { barred: Some(_), .. } | What::Started | What::Rotten { .. } | What::Stopped => false,
    }
}

impl Event<'_> {
    /// The event as one JSON object in a line, with its ending, as the audit has it: plain ASCII whatever is in a name.
    pub fn to_json_line(&self) -> Vec<u8> {
        render(self)
    }

    /// The event as one JSON object in a line, as `to_json_line` has it, and of an operation also its [`Operation::file`], below this
    /// folder, as `file`.
    pub fn to_json_line_with_file(&self, data: &Path) -> Vec<u8> {
        let mut object = object_of(self);
        if let What::Operation(operation) = &self.what
            && let Some(file) = operation.file(data)
        {
            object.bytes("file", file.as_os_str().as_bytes());
        }
        object.end()
    }
}

/// Its line, with the ending.
pub fn render(event: &Event<'_>) -> Vec<u8> {
    object_of(event).end()
}

fn object_of(event: &Event<'_>) -> Object {
    let name = match &event.what {
        What::Started => "start",
        What::Began { .. } => "login",
        What::Refused { .. } => "refused",
        What::Operation(operation) => operation.action.kind().word(),
        What::TurnedAway { .. } => "request",
        What::Rotten { .. } => "rot",
        What::Ended { .. } => "logout",
        What::Stopped => "stop",
    };
    let mut object = Object::new(event.at, name);
    if let Some(user) = event.user {
        let end = user.char_indices().nth(limits::AUDIT_NAME).map_or(user.len(), |(at, _)| at);
        object.text("user", user.get(..end).unwrap_or_default());
    }
    object.display("peer", event.peer.as_ref().map(SocketAddr::to_string));
    object.display("session", event.session);
    object.display("protocol", event.protocol.map(Protocol::word));
    match &event.what {
        What::Started | What::Stopped => object.number("pid", u64::from(std::process::id())),
        What::Began { with, key } => {
            object.text("with", with.word());
            key.iter().for_each(|key| object.text("key", key));
        }
        What::Refused { with, why, barred } => {
            object.text("with", with.word());
            object.text("outcome", why.word());
            barred.iter().for_each(|why| object.text("why", why));
        }
        What::Operation(operation) => write_operation(&mut object, operation),
        What::TurnedAway { name, url, why } => {
            object.text("verb", name);
            let end = url.char_indices().nth(limits::AUDIT_URL).map_or(url.len(), |(at, _)| at);
            object.text("url", url.get(..end).unwrap_or_default());
            object.text("outcome", why.word());
        }
        What::Rotten { path, recorded, found } => {
            path.iter().for_each(|path| object.path("path", path));
            object.display("recorded", Some(recorded));
            object.display("found", Some(found));
        }
        What::Ended { bytes, lasted, why } => {
            object.number("bytes", *bytes);
            object.number("ms", u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX));
            why.iter().for_each(|why| object.text("outcome", why.word()));
        }
    }
    object
}

fn write_operation(object: &mut Object, operation: &Operation<'_>) {
    object.text("action", operation.action.word());
    object.text("verb", operation.name);
    // What is there has all of its name. What somebody only asked for can be anything.
    let most = if operation.outcome.is_ok() { usize::MAX } else { limits::AUDIT_PATH };
    operation.path.iter().for_each(|path| {
        object.text("home", operation.home);
        object.cut("path", path.as_bytes(), most);
    });
    operation.to.iter().for_each(|to| object.cut("to", to.as_bytes(), most));
    for (key, place) in [("place", operation.place), ("place_to", operation.place_to)] {
        place.iter().for_each(|place| object.cut(key, place, most));
    }
    operation.about.iter().for_each(|about| object.text("about", about));
    match &operation.outcome {
        Ok(Came { word, size, hash, entries, files, folders }) => {
            object.text("outcome", word);
            size.iter().for_each(|size| object.number("size", *size));
            object.display("hash", hash.as_ref());
            entries.iter().for_each(|entries| object.number("entries", *entries));
            files.iter().for_each(|files| object.number("files", *files));
            folders.iter().for_each(|folders| object.number("folders", *folders));
        }
        Err(kind) => {
            object.text("outcome", kind.word());
            if operation.gone != Removed::default() {
                object.number("files", operation.gone.files);
                object.number("folders", operation.gone.folders);
            }
        }
    }
    object.number("bytes", operation.bytes);
    object.number("ms", u64::try_from(operation.took.as_millis()).unwrap_or(u64::MAX));
}

/// The line that tells of a rotten file that nobody asked for.
pub fn of_rot(place: &[u8], rot: &Rot) -> Vec<u8> {
    let mut object = Object::new(SystemTime::now(), "rot");
    object.bytes("place", place);
    object.display("recorded", Some(&rot.recorded));
    object.display("found", Some(&rot.found));
    object.end()
}

/// The line that tells of a gap.
pub fn lost(lines: u64) -> Vec<u8> {
    let mut object = Object::new(SystemTime::now(), "lost");
    object.number("lines", lines);
    object.end()
}

/// The line that tells how many lines of those who are no users and come from there are left out.
pub fn left_out(from: Option<&Network>, lines: u64) -> Vec<u8> {
    let mut object = Object::new(SystemTime::now(), "left-out");
    object.display("from", from);
    object.number("lines", lines);
    object.end()
}

/// A JSON object that grows.
struct Object(String);

impl Object {
    fn new(at: SystemTime, event: &str) -> Object {
        let mut object = Object(String::with_capacity(limits::AUDIT_LINE));
        let at = OffsetDateTime::from(at);
        let date = (at.year(), u8::from(at.month()), at.day());
        let _ = write!(
            object.0,
            "{{\"time\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"event\":\"{event}\"",
            date.0,
            date.1,
            date.2,
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        );
        object
    }

    fn key(&mut self, key: &str) {
        let _ = write!(self.0, ",\"{key}\":");
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.0, "{value}");
    }

    /// What is plain text by what it is.
    fn display(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.key(key);
            let _ = write!(self.0, "\"{value}\"");
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                ' '..='~' => self.0.push(c),
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.0.push('"');
    }

    /// A name is bytes and JSON holds text: of one that is not UTF-8 the exact bytes stand beside it.
    fn path(&mut self, key: &str, path: &RelPath) {
        self.bytes(key, path.as_bytes());
    }

    /// Any bytes: of those that are not UTF-8 the exact ones stand beside the text.
    fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.text(key, &String::from_utf8_lossy(bytes));
        if std::str::from_utf8(bytes).is_err() {
            self.text(&format!("{key}_encoded"), &percent::encode(bytes));
        }
    }

    /// No more than so many of these bytes: of more of them the first, and how many they are.
    fn cut(&mut self, key: &str, bytes: &[u8], most: usize) {
        if bytes.len() <= most {
            return self.bytes(key, bytes);
        }
        // Not in the middle of a character: what follows the first byte of one begins with the bits 10.
        let begins = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80);
        let end = (most.saturating_sub(3)..=most).rev().find(begins).unwrap_or(most);
        let kept = bytes.get(..end).unwrap_or_default();
        // What ends with a slash would be no path.
        self.bytes(key, kept.strip_suffix(b"/").unwrap_or(kept));
        self.number(&format!("{key}_length"), bytes.len() as u64);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push_str("}\n");
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::server::desk::action::Action;
    use crate::server::events::Credential;

    fn told(user: &str, path: Option<&RelPath>) -> String {
        let operation = Operation {
            action: Action::Delete,
            name: "DELETE",
            path,
            to: None,
            home: "alice",
            place: None,
            place_to: None,
            about: None,
            outcome: Err(Kind::Denied),
            bytes: 0,
            gone: Removed::default(),
            took: Duration::from_millis(5),
        };
        let event = Event {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_007),
            peer: Some("[2001:db8::1]:9".parse().unwrap()),
            protocol: Some(Protocol::Sealift),
            session: None,
            user: Some(user),
            what: What::Operation(operation),
        };
        String::from_utf8(render(&event)).unwrap()
    }

    #[test]
    fn a_line_is_plain_ascii_whatever_is_in_a_name() {
        let path = RelPath::parse("caf\u{e9}/\u{9b}31m\u{202e}\u{1f99c}\"\\".as_bytes()).unwrap();
        let line = told("eve\n\u{1b}[2J", Some(&path));
        assert_eq!(
            line,
            "{\"time\":\"2001-09-09T01:46:40.007Z\",\"event\":\"change\",\"user\":\"eve\\u000a\\u001b[2J\",\
             \"peer\":\"[2001:db8::1]:9\",\"protocol\":\"sealift/1\",\"action\":\"delete\",\"verb\":\"DELETE\",\"home\":\"alice\",\
             \"path\":\"caf\\u00e9/\\u009b31m\\u202e\\ud83e\\udd9c\\\"\\\\\",\"outcome\":\"denied\",\"bytes\":0,\"ms\":5}\n"
        );
    }

    #[test]
    fn a_user_s_name_that_was_only_said_is_bounded() {
        let event = Event {
            at: SystemTime::now(),
            peer: None,
            protocol: None,
            session: None,
            user: Some(&"\u{1f99c}".repeat(100_000)),
            what: What::Refused { with: Credential::Password, why: Kind::LoginFailed, barred: None },
        };
        assert!(render(&event).len() < limits::LINE_MAX);
    }

    #[test]
    fn the_path_of_what_failed_is_cut_between_characters_and_its_length_is_told() {
        let value = |bytes: &[u8]| {
            let path = RelPath::parse(bytes).unwrap();
            serde_json::from_str::<Value>(&told("eve", Some(&path))).unwrap()
        };
        let line = value(&vec!["\u{e9}".repeat(100); 10].join("/").into_bytes());
        let kept = line["path"].as_str().unwrap();
        assert!((limits::AUDIT_PATH - 3..=limits::AUDIT_PATH).contains(&kept.len()), "{line}");
        assert!(kept.ends_with('\u{e9}') && line["path_encoded"].is_null(), "{line}");
        assert_eq!(line["path_length"], 2009);
        let line = value(&vec![[0xff; 200]; 10].join(&b'/'));
        let exact = percent::decode(line["path_encoded"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(exact.len(), limits::AUDIT_PATH);
        let line = value(&vec!["x".repeat(limits::AUDIT_PATH / 8 - 1); 8].join("/").into_bytes());
        assert_eq!(
            (line["path"].as_str().unwrap().len(), &line["path_length"]),
            (limits::AUDIT_PATH - 1, &Value::Null)
        );
    }

    proptest! {
        #[test]
        fn every_name_comes_back_from_its_line(user in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let path = RelPath::parse(&bytes).ok();
            let line = told(&user, path.as_ref());
            let is_one_line = line.is_ascii() && line.ends_with("}\n") && line.matches('\n').count() == 1;
            prop_assert!(is_one_line);
            let value: Value = serde_json::from_str(&line).unwrap();
            let kept: String = user.chars().take(limits::AUDIT_NAME).collect();
            prop_assert_eq!(value["user"].as_str(), Some(kept.as_str()));
            if let Some(path) = path {
                let exact = match value["path_encoded"].as_str() {
                    Some(encoded) => percent::decode(encoded.as_bytes()).unwrap().into_owned(),
                    None => value["path"].as_str().unwrap().as_bytes().to_vec(),
                };
                prop_assert_eq!(exact, path.as_bytes());
            }
        }
    }
}
