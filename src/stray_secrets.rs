//! Secrets among typed words where they do not belong. Whatever would be said of such a word would repeat it, on a terminal or in the
//! log of a job; so nothing is said of it, and nothing is done. Both programs ask here before they read a command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Whether a word is written as names of commands are. Any other one may be a password or a line of a key, and is not to be shown.
pub fn is_like_a_command(name: &str) -> bool {
    name.len() <= 16 && name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '?'))
}

/// A secret that was typed in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// A private key, or the beginning of one.
    PrivateKey,
    /// An invitation.
    Invitation,
    /// The password in a URL.
    Password,
    /// The URL of a link, which is all that it takes to use it.
    Link,
}

/// What the bytes of an OpenSSH private key begin with, `openssh-key-v1`, in base64: the first line of its body.
const OPENSSH_KEY: &[u8] = b"b3BlbnNzaC1rZXktdjE";

/// What stands before the secret in the URL of a link.
pub(crate) const LINK: &str = "/.sealift-web/l/";

/// What stands before a user's name, and the secret behind that, in an invitation for a browser.
pub(crate) const JOIN: &str = "/.sealift-web/join/";

impl Stray {
    /// The first kind of secret that is in these words. A key that a shell has taken apart at its blanks is one too.
    pub fn among<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Option<Stray> {
        let mut line = Vec::new();
        for word in words {
            line.extend_from_slice(word.as_ref().as_bytes());
            line.push(b' ');
        }
        Stray::within(&line)
    }

    /// The first kind of secret that is in a line that was not taken apart.
    pub fn within(line: &[u8]) -> Option<Stray> {
        if has(line, b"PRIVATE KEY-----") || has(line, OPENSSH_KEY) {
            return Some(Stray::PrivateKey);
        }
        let (mut password, mut link) = (None, None);
        for url in line.split(u8::is_ascii_whitespace).filter_map(after_scheme) {
            let is_to_join = url.is_of_sealift || url.is_of_web && has(url.rest, JOIN.as_bytes());
            if is_to_join && url.rest.contains(&b'#') {
                return Some(Stray::Invitation);
            }
            if url.is_of_web && has(url.rest, LINK.as_bytes()) {
                link = Some(Stray::Link);
            }
            let authority = url.rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            let user = match authority.iter().rposition(|byte| *byte == b'@') {
                Some(at) => authority.get(..at),
                // A password may have slashes in it, and a port may not be so.
                None if url.rest.contains(&b'@') && !has_port(authority) => Some(authority),
                None => None,
            };
            password = password.or(user.filter(|user| user.contains(&b':')).map(|_| Stray::Password));
        }
        password.or(link)
    }

    /// What is wrong, as a sentence without its full stop.
    pub const fn text(self) -> &'static str {
        match self {
            Stray::PrivateKey => "a private key stands where none belongs",
            Stray::Invitation => "an invitation stands where none belongs",
            Stray::Password => "a password stands in a URL",
            Stray::Link => "a link stands where none belongs",
        }
    }

    /// What to do, in full sentences.
    pub const fn next_step(self) -> &'static str {
        match self {
            Stray::PrivateKey => {
                "Give the name of its file instead, as in `-i ~/.ssh/id_ed25519`; a server is given the public key alone, the .pub file. \
                 Whoever saw this line may have read the key."
            }
            Stray::Invitation => {
                "Invitations are used by `sealift join`, and withdrawn by the id that `sealiftd invite --list` shows; in a URL of a file \
                 `#` is written %23."
            }
            Stray::Link => {
                "Outside of the shell, sealift get 'URL' fetches what it gives, and sealift put FILE 'URL' puts a file into one that takes \
                 some."
            }
            Stray::Password => {
                "Leave it out, with its colon: you are asked for it, or a file gives it (--password-file). Others on this machine can \
                 read a command line."
            }
        }
    }
}

fn has(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// Whether what stands behind the colon of a host, if there is one, can be its port.
fn has_port(authority: &[u8]) -> bool {
    let end = authority.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    let port = authority.get(end..).unwrap_or_default().splitn(2, |byte| *byte == b':').nth(1);
    port.is_none_or(|port| port.iter().all(u8::is_ascii_digit))
}

/// A value that is refused, as it can be shown: without what stands in front of its last `@`, which may be a secret; the name of a
/// scheme stays. None: there is no `@` in it.
pub fn without_user(value: &str) -> Option<String> {
    let (user, rest) = value.rsplit_once('@')?;
    let scheme = user.find("://").map_or("", |at| user.get(..at + 3).unwrap_or_default());
    Some(format!("{scheme}…@{rest}"))
}

struct Url<'a> {
    is_of_sealift: bool,
    is_of_web: bool,
    rest: &'a [u8],
}

/// What comes behind the first `://` in a word.
fn after_scheme(word: &[u8]) -> Option<Url<'_>> {
    let at = word.windows(3).position(|three| three == b"://")?;
    let scheme = word.get(..at)?.to_ascii_lowercase();
    let (is_of_sealift, is_of_web) = (scheme.ends_with(b"sealift"), scheme.ends_with(b"https"));
    Some(Url { is_of_sealift, is_of_web, rest: word.get(at + 3..)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_wherever_they_stand_and_nothing_else_is_taken_for_one() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----";
        for (typed, kind) in [
            (&["ls", key][..], Stray::PrivateKey),
            (&["-i", key], Stray::PrivateKey),
            (&["-----BEGIN", "RSA", "PRIVATE", "KEY-----", "canary"], Stray::PrivateKey),
            (&["b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"], Stray::PrivateKey),
            (&["sealift://alice@h:1/#canary.canary.canary"], Stray::Invitation),
            (&["ls", "'SEALIFT://alice@h:1/#canary"], Stray::Invitation),
            (&["get", "https://h:1/.sealift-web/join/alice#canary"], Stray::Invitation),
            (&["--host=sealift://alice@h:1/#canary"], Stray::Invitation),
            (&["get", "https://alice:canary@h/x"], Stray::Password),
            (&["get", "https://alice:can/ary@h/x"], Stray::Password),
            (&["get", "https://h:1/.sealift-web/l/canary/#sha256//x"], Stray::Link),
            (&["get", "'https://[::1]:1/.sealift-web/l/canary/"], Stray::Link),
        ] {
            assert_eq!(Stray::among(typed), Some(kind), "{typed:?}");
            assert!(!kind.text().contains("canary"));
        }
        for typed in [
            &["ls", "sealift://h/a"][..],
            &["put", "a#b", "h:"],
            &["get", "https://h/.sealift-web/links", "a/l/b"],
            &["ls", "alice@h:4456/a:b@c", "sealift://alice@h:1/x:y@z", "sealift://h:1/x:y@z", "https://[::1]:1/x:y@z"],
            &["user", "key", "add", "alice", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA alice@laptop"],
        ] {
            assert_eq!(Stray::among(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn what_stands_before_an_at_sign_is_not_shown() {
        for (value, shown) in [
            ("http://id:canary@host:1/p", Some("http://…@host:1/p")),
            ("id:can@ary@host", Some("…@host")),
            ("a@b://host", Some("…@b://host")),
            ("http://host", None),
        ] {
            assert_eq!(without_user(value).as_deref(), shown, "{value}");
        }
    }
}
