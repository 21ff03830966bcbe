//! What the real programs say to each other, through the functions of the fuzz targets: recorded anew in every run, with
//! each piece cut to what a target takes. `SEALIFT_BLESS=1 cargo test --test end_to_end recorded` also writes the pieces into
//! `fuzz/corpus/`, as `recorded-…`, where a fuzzer starts from them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail by panicking")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod cut;
mod proxy;
mod scenario;
mod seeds;
#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cut::{Conversation, Data};
use scenario::Recording;
use sealift::auth::Users;
use sealift::client::{Known, Target};
use sealift::files::{Entry, EntryKind, Hash, RelPath};
use sealift::proto::{Command, Reply, Verb};
use seeds::Seeds;

/// Sizes of portions, less one, as [`targets`] reads them: a byte alone, and a few that end anywhere.
const CUTS: &[u8] = &[4, 0, 2, 6, 40];

/// The programs talk once for all tests here.
static RECORDING: LazyLock<Recording> = LazyLock::new(scenario::record);

static CONVERSATIONS: LazyLock<Vec<Conversation<'static>>> =
    LazyLock::new(|| RECORDING.connections.iter().map(cut::cut).collect());

/// Bytes that a target takes in portions. Portions of a few bytes of what is large would take long.
fn in_portions(bytes: &[u8]) -> Vec<u8> {
    let sizes = if bytes.len() > seeds::LARGEST { &[0] } else { CUTS };
    [sizes, bytes].concat()
}

#[test]
fn every_command_that_was_sent_parses_and_every_verb_was_sent() {
    let mut seeds = Seeds::new("command_line", targets::command_line, 1);
    let mut verbs = BTreeSet::new();
    for sent in CONVERSATIONS.iter().flat_map(|conversation| &conversation.commands) {
        let command = Command::parse(&sent.line).unwrap();
        verbs.insert(command.verb().name());
        let line = String::from_utf8(sent.line.clone()).unwrap();
        let options = line.split(' ').filter_map(|word| word.split_once('=')).map(|(key, _)| key);
        let kind: Vec<_> = [command.verb().name()].into_iter().chain(options).collect();
        seeds.add(&kind.join("-").to_lowercase(), &sent.line);
    }
    assert_eq!(verbs, Verb::ALL.iter().map(|verb| verb.name()).collect());
    seeds.keep();
}

#[test]
fn every_reply_that_was_given_parses_and_every_command_got_one() {
    let mut seeds = Seeds::new("reply_line", targets::reply_line, 1);
    let mut words = BTreeSet::new();
    for given in CONVERSATIONS.iter().flat_map(|conversation| &conversation.replies) {
        let reply = Reply::parse(&given.line).unwrap();
        words.insert(reply.word.to_owned());
        let keys = reply.fields().map(|(key, _)| key).filter(|key| !matches!(*key, "pid" | "session"));
        let kind: Vec<_> = [reply.word].into_iter().chain(keys).collect();
        seeds.add(&format!("{}-{}", reply.digits, kind.join("-")), &given.line);
    }
    for conversation in CONVERSATIONS.iter() {
        let commands: Vec<_> = conversation.commands.iter().map(|sent| sent.line.escape_ascii().to_string()).collect();
        let finals = conversation.final_replies().count();
        // A server that ends need not answer what comes after SHUTDOWN.
        let has_ended = Reply::parse(&conversation.replies.last().unwrap().line).unwrap().digits == 421;
        assert!(finals == commands.len() || (has_ended && finals < commands.len()), "{finals} replies: {commands:?}");
    }
    for word in ["ready", "welcome", "login-failed", "staged", "quota", "denied", "not-found", "exists", "bye"] {
        assert!(words.contains(word), "{word} is not among {words:?}");
    }
    seeds.keep();
}

#[test]
fn every_stream_of_frames_ends_and_holds_the_file_that_was_announced() {
    let mut seeds = Seeds::new("frame_stream", targets::frame_stream, 8);
    for conversation in CONVERSATIONS.iter() {
        for (sent, reply) in conversation.answered() {
            let Some(data) = &sent.data else { continue };
            let command = Command::parse(&sent.line).unwrap();
            // Only of what was refused may the rest be left away.
            assert!(!data.is_aborted || reply.is_error(), "{command:?}");
            if let (Command::Upload(args), Some(trailer)) = (&command, data.trailer)
                && args.resume.is_none()
            {
                assert_eq!(Hash::of(&data.content), Hash::from_bytes(trailer), "{command:?}");
            }
            seeds.add(&command.verb().name().to_lowercase(), &in_portions(data.frames));
        }
        for (at, given) in conversation.replies.iter().enumerate() {
            let Some(data) = &given.data else { continue };
            assert!(!data.is_aborted);
            let last = Reply::parse(&conversation.replies[at + 1].line).unwrap();
            assert_eq!(last.word, "done");
            let is_listing = last.get("entries").is_some();
            if !is_listing {
                assert_eq!(last.parsed::<Hash>("hash").unwrap(), Hash::of(&data.content));
            }
            let kind = if is_listing { "list" } else { "download" };
            seeds.add(kind, &in_portions(data.frames));
        }
    }
    seeds.keep();
}

#[test]
fn every_line_of_every_listing_parses() {
    let mut seeds = Seeds::new("listing", targets::listing, 12);
    let mut kinds = BTreeSet::new();
    for (listing, last) in listings() {
        let lines: Vec<&[u8]> = listing.content.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(last.get("entries").unwrap().parse(), Ok(lines.len()));
        for line in lines {
            kinds.insert(Entry::parse(line.strip_suffix(b"\n").unwrap()).unwrap().kind);
        }
        seeds.add("listing", &in_portions(&listing.content));
    }
    assert_eq!(Vec::from_iter(kinds), [EntryKind::File, EntryKind::Directory, EntryKind::Link, EntryKind::Other]);
    seeds.keep();
}

#[test]
fn every_path_that_was_sent_or_listed_can_be_handled() {
    let mut seeds = Seeds::new("path", targets::path, 20);
    for sent in CONVERSATIONS.iter().flat_map(|conversation| &conversation.commands) {
        let command = Command::parse(&sent.line).unwrap();
        if let Some(path) = command.path() {
            seeds.add("sent", path.as_bytes());
        }
        if let Command::Rename { to, .. } | Command::Copy { to, .. } = &command {
            seeds.add("sent", to.as_bytes());
        }
    }
    let mut refused = BTreeSet::new();
    for (listing, _) in listings() {
        for line in listing.content.split_inclusive(|byte| *byte == b'\n') {
            let entry = Entry::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
            if RelPath::parse(&entry.path).is_err() {
                refused.insert(entry.path.clone());
            }
            seeds.add("listed", &entry.path);
        }
    }
    // What a disk may hold and the protocol cannot name: with a control character in it.
    assert_eq!(Vec::from_iter(refused), [b"line\nbreak".to_vec()]);
    seeds.keep();
}

#[test]
fn every_users_file_that_sealiftd_wrote_parses() {
    let mut seeds = Seeds::new("users_toml", targets::users_toml, 10);
    let mut counts = Vec::new();
    for file in &RECORDING.users {
        let users = Users::parse(std::str::from_utf8(file).unwrap(), "users.toml").unwrap();
        counts.push(users.iter().count());
        seeds.add("users", file);
    }
    assert_eq!(counts, [0, 1, 2, 3, 4, 4, 3], "each change is in its file");
    seeds.keep();
}

#[test]
fn the_file_of_known_servers_that_sealift_wrote_parses() {
    let mut seeds = Seeds::new("known_servers", targets::known_servers, 10);
    for file in &RECORDING.known {
        let known = std::str::from_utf8(file).unwrap().lines().map(|line| Known::parse(line).unwrap());
        assert!(known.count() > 0);
        seeds.add("known", file);
    }
    seeds.keep();
}

#[test]
fn every_target_that_was_typed_parses() {
    let mut seeds = Seeds::new("target_syntax", targets::target_syntax, 40);
    for typed in &RECORDING.typed {
        Target::parse(typed).unwrap();
        seeds.add("typed", typed);
    }
    seeds.keep();
}

#[test]
fn what_logged_in_clients_sent_means_the_same_in_any_portions() {
    let mut seeds = Seeds::new("session", targets::session, 30);
    // Those with the most commands are the best seeds.
    let mut conversations: Vec<_> = CONVERSATIONS.iter().collect();
    conversations.sort_by_key(|conversation| std::cmp::Reverse(conversation.commands.len()));
    for conversation in conversations {
        if let Some(session) = conversation.after_login() {
            seeds.add("session", &in_portions(session));
        }
    }
    seeds.keep();
}

/// The data of every listing, with the final reply after it.
fn listings() -> impl Iterator<Item = (&'static Data<'static>, Reply<'static>)> {
    CONVERSATIONS.iter().flat_map(|conversation| {
        conversation.replies.windows(2).filter_map(|pair| {
            let last = Reply::parse(&pair[1].line).unwrap();
            last.get("entries").and(pair[0].data.as_ref()).map(|data| (data, last))
        })
    })
}
