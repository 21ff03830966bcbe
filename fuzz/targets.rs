//! What each fuzz target does with its bytes. It must not panic; the assertions are what holds for any input at all.
#![allow(dead_code, reason = "each target uses its own")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a finding")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sealift::auth::{Principal, Users, hash_password};
use sealift::client::{Known, Target};
use sealift::escape::{for_people, is_deceptive};
use sealift::files::{Entry, Hash, RelPath};
use sealift::limits;
use sealift::proto::percent::{decode, encode};
use sealift::proto::{Command, FrameDecoder, LineDecoder, Piece, Reply, listing as list};
use sealift::secret::Secret;
use sealift::server::sans_io::SansIo;
use sealift::server::web_sans_io;

/// A command's line: what parses renders to one line, which means the same.
pub fn command_line(data: &[u8]) {
    match Command::parse(data) {
        Err(bad) => assert_harmless(bad.error.text()),
        Ok(command) => {
            let mut line = Vec::new();
            if command.render(&mut line).is_err() {
                assert!(line.is_empty());
                return;
            }
            assert!(line.len() <= limits::LINE_MAX);
            let body = line.strip_suffix(b"\r\n").unwrap();
            assert!(body.iter().all(|byte| (b' '..0x7f).contains(byte)));
            let again = Command::parse(body).unwrap();
            assert_eq!((again.verb(), again.path()), (command.verb(), command.path()));
            let mut twice = Vec::new();
            again.render(&mut twice).unwrap();
            assert_eq!(twice, line);
        }
    }
}

/// A server's reply: whatever it is, the error made of it is harmless to show.
pub fn reply_line(data: &[u8]) {
    match Reply::parse(data) {
        Err(error) => assert_harmless(error.text()),
        Ok(reply) => {
            assert!((100..600).contains(&reply.digits));
            assert_harmless(reply.to_error().text());
            for (key, value) in reply.fields() {
                assert!(reply.get(key).is_some());
                match reply.bytes(key) {
                    Ok(_) => {}
                    Err(error) => assert_harmless(error.text()),
                }
                let _ = (value.parse::<u64>(), value.parse::<Hash>(), reply.parsed::<sealift::files::Mtime>(key));
            }
        }
    }
}

/// A stream of frames: the first bytes say how it is cut, which must not matter.
pub fn frame_stream(data: &[u8]) {
    let (sizes, stream) = cuts(data);
    for with_trailer in [false, true] {
        let decoder = || if with_trailer { FrameDecoder::with_trailer() } else { FrameDecoder::without_trailer() };
        assert_eq!(frames(decoder(), [stream].into_iter()), frames(decoder(), portions(sizes, stream)));
    }
}

/// Data, ends and the failure of a stream; pieces of one run of data put together.
fn frames<'a>(mut decoder: FrameDecoder, portions: impl Iterator<Item = &'a [u8]>) -> Vec<(char, Vec<u8>)> {
    let mut seen: Vec<(char, Vec<u8>)> = Vec::new();
    for mut portion in portions {
        loop {
            match decoder.next(&mut portion) {
                Ok(None) => break,
                Ok(Some(Piece::Data(data))) => match seen.last_mut() {
                    Some(('d', before)) => before.extend_from_slice(data),
                    _ => seen.push(('d', data.to_vec())),
                },
                Ok(Some(Piece::End(trailer))) => seen.push(('e', trailer.map(Vec::from).unwrap_or_default())),
                Ok(Some(Piece::Pause)) => seen.push(('p', Vec::new())),
                Ok(Some(Piece::Abort)) => seen.push(('a', Vec::new())),
                Err(error) => {
                    seen.push(('x', error.text().into()));
                    return seen;
                }
            }
        }
        assert!(portion.is_empty());
    }
    seen
}

/// The lines of a listing, cut as the first bytes say.
pub fn listing(data: &[u8]) {
    let (sizes, stream) = cuts(data);
    let read = |portions: &mut dyn Iterator<Item = &[u8]>| {
        let mut lines = LineDecoder::new(list::LINE_MAX);
        let mut seen = Vec::new();
        for mut portion in portions {
            loop {
                match lines.next(&mut portion) {
                    Ok(None) => break,
                    Ok(Some(line)) => seen.push(Entry::parse(line).map_err(|error| error.text().to_owned())),
                    Err(_) => return (seen, false),
                }
            }
        }
        (seen, true)
    };
    let whole = read(&mut [stream].into_iter());
    assert_eq!(whole, read(&mut portions(sizes, stream)));
    for entry in whole.0 {
        match entry {
            Err(text) => assert_harmless(&text),
            Ok(entry) => {
                let mut line = Vec::new();
                entry.render(&mut line);
                assert_eq!(Entry::parse(line.strip_suffix(b"\n").unwrap()).unwrap(), entry);
            }
        }
    }
}

/// A path has one spelling, never leads out, and can be shown; any bytes can be encoded and shown.
pub fn path(data: &[u8]) {
    assert_eq!(*decode(encode(data).as_bytes()).unwrap(), *data);
    assert_harmless(&for_people(data));
    match RelPath::parse(data) {
        Err(error) => assert_harmless(error.text()),
        Ok(path) => {
            assert_eq!(path.as_bytes(), data);
            assert!(path.as_path().is_relative());
            assert!(path.components().all(|name| !matches!(name, b"." | b"..") && !name.contains(&0)));
            assert!(path.components().count() <= limits::DEPTH_MAX && data.len() <= limits::PATH_MAX);
            assert_harmless(&path.to_string());
            if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                assert_eq!(parent.join(name).unwrap(), path);
                assert_eq!(path.strip_prefix(&parent).unwrap().as_bytes(), name);
            }
        }
    }
}

/// A users file: what parses names homes that are paths, and hashes whose cost is bounded.
pub fn users_toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(users) = Users::parse(text, "users.toml") else { return };
    assert!(users.worst_case_memory_kib() <= limits::ARGON2_MEMORY_MAX_KIB);
    for user in users.iter() {
        assert_eq!(users.get(user.name()).unwrap().grants().home, user.grants().home);
        assert!(!RelPath::parse(user.grants().home.as_bytes()).unwrap().is_root());
    }
    let _ = (users.shared_homes(), users.anonymous_home());
}

/// A line of the known servers.
pub fn known_servers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for line in text.lines() {
        if let Ok(known) = Known::parse(line) {
            let shown = known.to_string();
            assert!(!shown.contains(['\n', '\r']));
            let again = Known::parse(&shown).unwrap();
            assert_eq!((again.server, again.pin), (known.server, known.pin));
        }
    }
}

/// What a person types to name something on a server.
pub fn target_syntax(data: &[u8]) {
    if let Ok(target) = Target::parse(data) {
        assert_eq!(Target::parse(&target.render()).unwrap(), target);
        assert_harmless(&target.to_string());
        assert!(target.user.as_ref().is_none_or(|user| !user.is_empty()));
    }
}

/// A logged-in session: the first bytes say how the others are cut, which must change neither the answers nor what is on
/// the disk afterwards; and nothing outside of the home is touched.
pub fn session(data: &[u8]) {
    let (sizes, stream) = cuts(data);
    assert_eq!(conversation([stream].into_iter()), conversation(portions(sizes, stream)));
}

type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn conversation<'a>(portions: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Tree) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir_all(data.join("alice/d")).unwrap();
    std::fs::create_dir(data.join("alice2")).unwrap();
    std::fs::write(data.join("alice/f"), "0123456789").unwrap();
    std::fs::write(data.join("alice2/canary"), "alive").unwrap();
    std::os::unix::fs::symlink(data.join("alice2"), data.join("alice/link")).unwrap();
    let mut session = SansIo::open(alice(), &data).unwrap();
    for portion in portions {
        if session.feed(portion) {
            break;
        }
    }
    session.hang_up();
    let said = session.take();
    let answers = answers(&said, session.ids());
    drop(session);
    let mut after = tree(&data);
    for (name, content) in [("alice2", None), ("alice2/canary", Some(b"alive".to_vec()))] {
        assert_eq!(after.remove(Path::new(name)), Some(content));
    }
    assert!(after.keys().all(|path| path.starts_with("alice")), "{after:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    (answers, after)
}

/// The answers, each of which must be one of the protocol; ids, tokens and times, which differ from run to run, left out, and
/// listings sorted.
fn answers(mut said: &[u8], ids: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let mut lines = LineDecoder::new(2 * limits::LINE_MAX);
    while let Some(line) = lines.next(&mut said).unwrap() {
        let reply = Reply::parse(line).unwrap();
        assert!(reply.is_preliminary() || reply.get("session").is_some());
        let text = String::from_utf8(line.to_vec()).unwrap().replace(ids, "");
        let differs = |word: &str| {
            ["mtime=", "uptime=", "free=", "id=", "tokens=", "nonce="].iter().any(|key| word.starts_with(key))
        };
        let words = text.split(' ').filter(|word| !differs(word));
        answers.push(words.collect::<Vec<_>>().join(" "));
        if reply.digits != 150 {
            continue;
        }
        let is_listing = reply.get("size").is_none();
        let mut frames = FrameDecoder::without_trailer();
        let mut data = Vec::new();
        loop {
            match frames.next(&mut said).unwrap().unwrap() {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                Piece::Pause => {}
                Piece::End(_) => break,
                Piece::Abort => {
                    answers.push("aborted".to_owned());
                    break;
                }
            }
        }
        if is_listing {
            let entries = data.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap());
            let entries = entries.map(|line| Entry::parse(line).unwrap());
            let mut entries: Vec<_> =
                entries.map(|entry| format!("{:?} {} {:?}", entry.kind, entry.size, entry.path)).collect();
            entries.sort();
            answers.extend(entries);
        } else {
            answers.push(data.escape_ascii().to_string());
        }
    }
    assert!(!lines.is_mid_line());
    answers
}

/// What is below a folder, the server's own folders left out.
fn tree(top: &Path) -> Tree {
    let mut found = Tree::new();
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == limits::RESERVED_NAME {
                continue;
            }
            let kind = std::fs::symlink_metadata(&path).unwrap();
            let content = match kind.is_file() {
                true => Some(std::fs::read(&path).unwrap()),
                false => None,
            };
            if kind.is_dir() {
                left.push(path.clone());
            }
            found.insert(path.strip_prefix(top).unwrap().to_owned(), content);
        }
    }
    found
}

/// The head of a request: what it names has one spelling, which leads nowhere else; nothing of it comes into a header as more
/// than one; and why it cannot be used is harmless to show.
pub fn web_request(data: &[u8]) {
    let Some(read) = web_sans_io::read(data) else { return };
    read.refused.iter().for_each(|error| assert_harmless(error.text()));
    for named in read.place.iter().chain(&read.destination) {
        path(named.path.as_bytes());
        assert!(named.url.starts_with('/') && !named.url.starts_with("//") && named.url.is_ascii(), "{}", named.url);
        assert!(!named.url.bytes().any(|byte| byte <= b' ' || b"\"'<>\\`".contains(&byte)), "{}", named.url);
        let again = web_sans_io::read(format!("GET {}", named.url).as_bytes()).unwrap().place;
        assert_eq!(again.as_ref(), Some(named));
    }
    if let Some(disposition) = read.disposition {
        assert!(disposition.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{disposition}");
    }
    let mut bytes = 0;
    for (first, length) in &read.ranges {
        assert!(*length > 0 && first + length <= web_sans_io::FILE);
        bytes += length;
    }
    assert!(bytes <= web_sans_io::FILE && read.ranges.len() <= limits::WEB_RANGES_MAX);
}

/// The XML of a request: whatever is kept of it is told as it was said, and stays within its element.
pub fn web_xml(data: &[u8]) {
    let xml = web_sans_io::xml(data);
    xml.refused.iter().for_each(|error| assert_harmless(error.text()));
    for (value, told) in xml.kept {
        assert_eq!(told.unwrap(), value);
    }
}

/// Really logged in, once: argon2 is slow on purpose.
fn alice() -> Principal {
    static ALICE: OnceLock<Principal> = OnceLock::new();
    let log_in = || {
        let secret = Secret::new("secret");
        let hash = hash_password(&secret).unwrap();
        let text = format!("[users.alice]\npassword = \"{hash}\"\naccess = \"full\"\n");
        Users::parse(&text, "users.toml")
            .unwrap()
            .verify("alice", &secret, std::net::Ipv4Addr::LOCALHOST.into())
            .unwrap()
    };
    ALICE.get_or_init(log_in).clone()
}

/// The sizes of portions, and what is cut into them: `N size*N stream`.
fn cuts(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((count, rest)) = data.split_first() else { return (&[], &[]) };
    rest.split_at(usize::from(count % 8).min(rest.len()))
}

fn portions<'a>(sizes: &'a [u8], mut stream: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = sizes.next().map_or(stream.len(), |size| usize::from(*size) + 1);
        let (now, later) = stream.split_at(size.min(stream.len()));
        stream = later;
        (!now.is_empty()).then_some(now)
    })
}

/// Nothing in it does anything to a terminal or a log.
fn assert_harmless(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() || is_deceptive(c)), "{text:?}");
}
