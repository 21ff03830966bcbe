//! Reads `authorized_keys` files of OpenSSH (sshd(8), AUTHORIZED_KEYS FILE FORMAT), so that who logs in there can log in here.

use std::time::SystemTime;

use super::{Network, UserKey, parse_expiry};
use crate::error::{Error, Kind, Result};
use crate::keys::PublicKey;
use crate::limits;

/// What can be read of an `authorized_keys` file, or of a `.pub` file, which is one with one line.
///
/// A key comes with what bounds it there, as far as that can be said here (`from`, `expiry-time`). One with a bound that cannot is
/// none of these keys: it would open more here than it does there.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct AuthorizedKeys {
    /// The keys, in the order of the file, each once.
    pub keys: Vec<UserKey>,
    /// Lines that give no key, counted from 1, each with the reason. No reason repeats the text.
    pub refused: Vec<(usize, Error)>,
}

impl AuthorizedKeys {
    /// Reads the text of such a file. Empty lines and comments say nothing.
    pub fn read(text: &str) -> AuthorizedKeys {
        let mut read = AuthorizedKeys::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match key_of(line) {
                Ok(key) if read.keys.iter().any(|known| known.public == key.public) => {}
                Ok(key) => read.keys.push(key),
                Err(err) => read.refused.push((number + 1, err)),
            }
        }
        read
    }
}

fn key_of(line: &str) -> Result<UserKey> {
    let (mut options, behind) =
        if is_kind(line) { ("", line) } else { split(line, |byte| byte == b' ' || byte == b'\t') };
    let behind = behind.trim_start();
    // What is no key has no options either, and the reason is about all of the line.
    let (public, comment) = PublicKey::from_openssh(if is_kind(behind) { behind } else { line })?;
    let is_name = comment.len() <= limits::KEY_NAME_MAX && !comment.chars().any(char::is_control);
    let mut key = UserKey::new(public, if is_name { &comment } else { "" });
    while !options.is_empty() {
        let (option, others) = split(options, |byte| byte == b',');
        bound(&mut key, option)?;
        options = others;
    }
    Ok(key)
}

/// Whether a line begins with the kind of a key, whether that kind logs in or not.
fn is_kind(line: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| line.starts_with(kind))
}

/// What comes before the first of these bytes that is in no quotes, and what comes after it.
fn split(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            _ if !is_quoted && ends(byte) => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    (text, "")
}

/// Has an option bound the key, or leaves it where it is about what there is not here: terminals, forwarding, the environment.
fn bound(key: &mut UserKey, option: &str) -> Result<()> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    match name.to_ascii_lowercase().as_str() {
        "from" => {
            let networks: Option<Vec<Network>> = value.split(',').map(|part| part.trim().parse().ok()).collect();
            let unclear =
                || unusable("its from= has a name or a wildcard: write addresses and networks, as 192.0.2.0/24");
            key.from = networks.ok_or_else(unclear)?;
        }
        "expiry-time" => key.expires = Some(moment(value)?),
        "command" if is_file_transfer(value) => {}
        "command" => return Err(unusable("its command= lets it do one thing alone, which is not known here")),
        "cert-authority" | "principals" => {
            return Err(unusable("it is an authority of certificates, which do not log in"));
        }
        "verify-required" => {
            return Err(unusable("it asks for a PIN with each use (verify-required), which is not known here"));
        }
        "restrict" | "environment" | "permitopen" | "permitlisten" | "tunnel" | "no-touch-required" => {}
        "pty" | "user-rc" | "agent-forwarding" | "port-forwarding" | "x11-forwarding" => {}
        "no-pty" | "no-user-rc" | "no-agent-forwarding" | "no-port-forwarding" | "no-x11-forwarding" => {}
        _ => {
            return Err(unusable(
                "it has an option that is not known here: take it away if the key may be used without it",
            ));
        }
    }
    Ok(())
}

/// Commands that move files, which is all that a key can do here.
fn is_file_transfer(command: &str) -> bool {
    let program = command.split_whitespace().next().unwrap_or_default();
    program == "internal-sftp" || program.rsplit('/').next() == Some("sftp-server")
}

/// `YYYYMMDD[HHMM[SS]]Z`. Without the Z it is a time of the machine that the file is from, wherever that is.
fn moment(text: &str) -> Result<SystemTime> {
    let unclear = || unusable("its expiry-time= cannot be read: write it with its zone, as 202701311800Z");
    let digits = text.strip_suffix(['Z', 'z']).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = digits.ok_or_else(unclear)?;
    let (date, time) = digits.split_at_checked(8).ok_or_else(unclear)?;
    let (hour, minute, second) = match time.len() {
        0 => ("00", "00", "00"),
        4 => (&time[..2], &time[2..], "00"),
        6 => (&time[..2], &time[2..4], &time[4..]),
        _ => return Err(unclear()),
    };
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    parse_expiry(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok_or_else(unclear)
}

fn unusable(why: &str) -> Error {
    Error::new(Kind::BadCommand, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::keys::LoginKey;

    fn line() -> String {
        LoginKey::generate("ada@desk").unwrap().public().to_openssh("ada@desk")
    }

    #[test]
    fn every_key_of_a_file_is_read_with_what_bounds_it() {
        let lines: Vec<String> = (0..5).map(|_| line()).collect();
        let text = format!(
            "# laptop\n{}\n\n  # desk\nno-pty,no-port-forwarding {}\nfrom=\"192.0.2.0/24,2001:db8::7\",restrict\t{}\r\n\
             command=\"internal-sftp -d \\\"/a b\\\"\",expiry-time=\"20270131Z\" {}\nEXPIRY-TIME=202701311830Z {}\n{}\n",
            lines[0], lines[1], lines[2], lines[3], lines[4], lines[0]
        );
        let read = AuthorizedKeys::read(&text);
        assert!(read.refused.is_empty(), "{:?}", read.refused);
        assert_eq!(read.keys.len(), 5);
        assert!(read.keys.iter().all(|key| key.name() == "ada@desk"));
        assert!(!read.keys[0].is_bounded() && !read.keys[1].is_bounded());
        let from: Vec<String> = read.keys[2].from().iter().map(ToString::to_string).collect();
        assert_eq!(from, ["192.0.2.0/24", "2001:db8::7"]);
        // `2027-01-31` as the last day would be a day more.
        assert_eq!(read.keys[3].expires(), parse_expiry("2027-01-31T00:00:00Z"));
        assert_eq!(read.keys[4].expires(), parse_expiry("2027-01-31T18:30:00Z"));
    }

    #[test]
    fn a_key_whose_bounds_are_not_known_here_is_not_taken() {
        for (options, why) in [
            ("from=\"*.example.org\"", "a wildcard"),
            ("from=\"!192.0.2.7,192.0.2.0/24\"", "a wildcard"),
            ("from=\"\"", "a wildcard"),
            ("command=\"/usr/bin/backup sftp-server\"", "one thing alone"),
            ("command=\"echo 'a,b'\",no-pty", "one thing alone"),
            ("cert-authority", "authority"),
            ("verify-required", "PIN"),
            ("expiry-time=\"20270131\"", "its zone"),
            ("expiry-time=\"20270231Z\"", "its zone"),
            ("expiry-time=\"2027Z\"", "its zone"),
            ("no-pty,made-up", "not known here"),
            ("command=\"never closed", "begin with the kind"),
        ] {
            let read = AuthorizedKeys::read(&format!("\n{options} {}\n", line()));
            assert!(read.keys.is_empty(), "{options}");
            let [(2, err)] = read.refused.as_slice() else { panic!("{options}: {:?}", read.refused) };
            assert!(err.text().contains(why), "{options}: {err}");
        }
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDGqvYkMBP0Lm0Jzn1n old";
        for text in [rsa.to_owned(), format!("no-pty {rsa}")] {
            let read = AuthorizedKeys::read(&text);
            assert!(
                read.keys.is_empty() && read.refused[0].1.text().contains("RSA keys do not log in"),
                "{:?}",
                read.refused
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_or_is_repeated(text in "[ -~é\\n\\t\"\\\\,=]{0,200}") {
            for (_, err) in AuthorizedKeys::read(&text).refused {
                proptest::prop_assert!(err.text().len() < 200);
            }
        }
    }
}
