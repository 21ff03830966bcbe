//! What a server or a file of this person tells when it is asked what could come next.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use clap_complete::engine::CompletionCandidate;
use sealift::escape::for_people;
use serde_json::Value;

use super::{VARIABLE, config, servers};
use crate::ask;
use crate::verify::known_servers;

/// How long a Tab waits for a server.
const PATIENCE: &str = "2s";

/// The options that say how a server is reached, with a value: a Tab reaches it as the command will.
const HANDED_ON: [&str; 9] =
    ["--pin", "--ca-file", "--port", "-P", "--port-file", "--config", "-i", "--identity", "--password-file"];

/// The options that say how a server is reached, without a value.
const FLAGS_HANDED_ON: [&str; 5] = ["-4", "--ipv4", "-6", "--ipv6", "--netrc"];

/// Other options with a value: what follows them is no target.
const WITH_VALUE: [&str; 5] = ["--trust", "--timeout", "--retry", "--id", "--to"];

/// What this command writes about this target, where the login needs nobody to type anything; else nothing.
pub(super) fn told(command: &[&str], target: &OsStr) -> Vec<u8> {
    // Without a terminal there is nothing to ask on.
    static IS_ALONE: OnceLock<bool> = OnceLock::new();
    if !IS_ALONE.get_or_init(|| rustix::process::setsid().is_ok() || !ask::is_possible()) {
        return Vec::new();
    }
    let answered = env::current_exe().and_then(|program| {
        let options = ["--quiet", "--trust", "strict", "--retry", "0", "--timeout", PATIENCE];
        let mut asked = Command::new(program);
        asked.args(options).args(handed_on(&before())).args(command).arg(target).env_remove(VARIABLE);
        asked.stdin(Stdio::null()).stderr(Stdio::null()).output()
    });
    answered.map(|answered| answered.stdout).unwrap_or_default()
}

/// The values of this field of all objects that tell of this event, and of which `is_meant` says so. What would do something to
/// a terminal cannot be typed either.
fn values(
    command: &[&str],
    target: &OsStr,
    (event, field): (&str, &str),
    is_meant: impl Fn(&Value) -> bool,
) -> BTreeSet<String> {
    let answer = told(&[&["--json"], command].concat(), target);
    let objects = answer.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let meant = objects.filter(|object| object["event"] == event && is_meant(object));
    let values = meant.filter_map(|object| object.get(field)?.as_str().map(str::to_owned));
    values.filter(|value| for_people(value.as_bytes()) == *value).collect()
}

fn beginning(typed: &OsStr, found: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    found.into_iter().filter(|value| value.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// The words before the one that is being typed.
fn before() -> Vec<OsString> {
    let mut words: Vec<OsString> = env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let at: Option<usize> = env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    words.truncate(at.unwrap_or(words.len().saturating_sub(1)));
    words
}

/// Those of these words that say how a server is reached.
fn handed_on(words: &[OsString]) -> Vec<OsString> {
    let is_one_word = |word: &OsString| {
        let name = word.to_str().and_then(|word| word.split_once('=')).map(|(name, _)| name);
        name.is_some_and(|name| HANDED_ON.contains(&name)) || FLAGS_HANDED_ON.iter().any(|flag| word == flag)
    };
    let (mut handed_on, mut words) = (Vec::new(), words.iter());
    while let Some(word) = words.next() {
        if HANDED_ON.iter().any(|option| word == option) {
            handed_on.extend([Some(word), words.next()].into_iter().flatten().cloned());
        } else if is_one_word(word) {
            handed_on.push(word.clone());
        }
    }
    handed_on
}

/// The target that stands before what is being typed, behind the names of its command.
fn target_before() -> Option<OsString> {
    target_among(&before())
}

/// The last of the words before that is neither an option nor what belongs to one: none if there is only a command.
fn target_among(before: &[OsString]) -> Option<OsString> {
    let mut plain = Vec::new();
    let mut words = before.iter();
    while let Some(word) = words.next() {
        if HANDED_ON.iter().chain(&WITH_VALUE).any(|option| word == option) {
            words.next();
        } else if !word.as_bytes().starts_with(b"-") {
            plain.push(word);
        }
    }
    // `sealift kick TARGET`, `sealift link remove TARGET`.
    plain.last().filter(|_| plain.len() >= 3).map(|word| (*word).clone())
}

/// What was deleted or replaced, by its path as the target of the person is written; and servers.
pub(super) fn trashed(typed: &OsStr) -> Vec<CompletionCandidate> {
    let bytes = typed.as_bytes();
    let Some(cut) = bytes.iter().rposition(|byte| matches!(byte, b'/' | b':')) else { return servers(typed) };
    let folder = bytes.get(..=cut).unwrap_or_default();
    // Paths are told from the user's own folder on, and typed from that of a bookmark on.
    let Ok(target) = config().target(folder) else { return Vec::new() };
    let above = match target.path.is_root() {
        true => String::new(),
        false => format!("{}/", String::from_utf8_lossy(target.path.as_bytes())),
    };
    let begin = String::from_utf8_lossy(folder).into_owned();
    let kept = values(&["trash", "list"], OsStr::from_bytes(folder), ("trashed", "path"), |_| true);
    let found = kept.iter().filter_map(|path| Some(format!("{begin}{}", path.strip_prefix(&above)?)));
    let mut found = beginning(typed, found);
    if found.is_empty() {
        found = servers(typed);
    }
    found
}

/// The names of this person's links on the server that is named before.
pub(super) fn links(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(target) = target_before() else { return Vec::new() };
    beginning(typed, values(&["link", "list"], &target, ("link", "name"), |_| true))
}

/// The names of the keys there that this person has enrolled.
pub(super) fn keys(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(target) = target_before() else { return Vec::new() };
    let is_enrolled = |key: &Value| key["added"].is_string();
    beginning(typed, values(&["key", "list"], &target, ("server-key", "name"), is_enrolled))
}

/// Who is connected there: users, and the ids of sessions once some of one is typed.
pub(super) fn sessions(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(target) = target_before() else { return Vec::new() };
    let of = |field| values(&["who"], &target, ("session", field), |_| true);
    let ids = if typed.is_empty() { BTreeSet::new() } else { of("session") };
    beginning(typed, of("user").into_iter().chain(ids))
}

/// The addresses that are held back there.
pub(super) fn held_back(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(target) = target_before() else { return Vec::new() };
    beginning(typed, values(&["admin", "penalties"], &target, ("penalty", "address"), |_| true))
}

/// The names that the configuration gives to servers.
pub(super) fn bookmarks(typed: &OsStr) -> Vec<CompletionCandidate> {
    beginning(typed, config().names().map(str::to_owned).collect::<BTreeSet<_>>())
}

/// The servers that this person trusts. What the machine's administrator vouches for stays.
pub(super) fn trusted(typed: &OsStr) -> Vec<CompletionCandidate> {
    let known = known_servers().and_then(|known| known.all()).unwrap_or_default();
    beginning(typed, known.iter().map(|known| known.server.to_string()).collect::<BTreeSet<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_last_word_that_is_no_option() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            target_among(&words).map(|word| word.into_string().unwrap())
        };
        assert_eq!(of("sealift link remove alice@h"), Some("alice@h".to_owned()));
        assert_eq!(of("sealift --json -i key link remove alice@h --timeout 2s"), Some("alice@h".to_owned()));
        assert_eq!(of("sealift kick -P 5000 admin@h"), Some("admin@h".to_owned()));
        assert_eq!(of("sealift kick"), None);
    }

    #[test]
    fn a_server_is_asked_as_the_command_will_reach_it() {
        let of = |line: &str| handed_on(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("sealift -P 5000 --json ls -l --pin=x -4"), ["-P", "5000", "--pin=x", "-4"]);
        assert!(of("sealift --retry 5 --trust accept-new --timeout 1h ls").is_empty());
    }
}
