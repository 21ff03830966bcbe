//! Reads `authorized_keys` files of OpenSSH (sshd(8), AUTHORIZED_KEYS FILE FORMAT), so that who logs in there can log in here.

use std::time::SystemTime;

use super::{Access, Network, UserKey, parse_expiry};
use crate::error::{Error, Kind, Result};
use crate::keys::PublicKey;
use crate::limits;

/// What can be read of an `authorized_keys` file, or of a `.pub` file, which is one with one line.
///
/// A key comes with what bounds it there, as far as that can be said here (`from`, `expiry-time`, a `command` that reads files alone). One
/// with a bound that cannot is none of these keys, whatever other lines say of it: it would open more here than it does there.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct AuthorizedKeys {
    /// The keys, in the order of the file, each once.
    pub keys: Vec<UserKey>,
    /// Lines that give no key, counted from 1, each with the reason. No reason repeats the text.
    pub refused: Vec<(usize, Error)>,
    /// Keys of lines whose bounds are not known here. For sshd such a line is the last word on its key.
    barred: Vec<PublicKey>,
}

/// What one text gave.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Read {
    /// How many of its lines give keys, be they known already.
    pub usable: usize,
    /// As [`AuthorizedKeys::refused`].
    pub refused: Vec<(usize, Error)>,
}

impl AuthorizedKeys {
    /// Reads the text of such a file. Empty lines and comments say nothing.
    pub fn read(text: &str) -> AuthorizedKeys {
        let mut all = AuthorizedKeys::default();
        all.refused = all.read_more(text).refused;
        all
    }

    /// Reads one more text, as if it stood behind what was read before. What it does not give is in what is returned alone.
    pub fn read_more(&mut self, text: &str) -> Read {
        let mut read = Read::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match self.take(line) {
                Ok(()) => read.usable += 1,
                Err(err) => read.refused.push((number + 1, err)),
            }
        }
        read
    }

    /// Takes the key of a line. As for sshd the first line that has a key counts.
    fn take(&mut self, line: &str) -> Result<()> {
        let (unbounded, options) = parts(line)?;
        if self.barred.contains(&unbounded.public) {
            return Err(unusable("a line before it bounds this key in a way that is not known here"));
        }
        let known = self.keys.iter().find(|known| known.public == unbounded.public).cloned();
        let key = match bounded(unbounded.clone(), options) {
            Ok(key) => key,
            Err(err) => {
                if known.is_none() {
                    self.barred.push(unbounded.public);
                }
                return Err(err);
            }
        };
        match known {
            None => self.keys.push(key),
            Some(known) if known.is_bounded_as(&key) => {}
            Some(_) => return Err(unusable("a line before it has this key with other bounds, which count")),
        }
        Ok(())
    }
}

/// The key of a line, as if nothing bounded it, and its options.
fn parts(line: &str) -> Result<(UserKey, &str)> {
    let (options, behind) = if is_kind(line) { ("", line) } else { split(line, |byte| byte == b' ' || byte == b'\t') };
    let behind = behind.trim_start();
    // What is no key has no options either, and the reason is about all of the line.
    let (public, comment) = PublicKey::from_openssh(if is_kind(behind) { behind } else { line })?;
    let is_name = comment.len() <= limits::KEY_NAME_MAX && !comment.chars().any(char::is_control);
    Ok((UserKey::new(public, if is_name { &comment } else { "" }), options))
}

/// The key with what its options bound.
fn bounded(mut key: UserKey, mut options: &str) -> Result<UserKey> {
    let mut seen = Seen::default();
    while !options.is_empty() {
        let (option, others) = split(options, |byte| byte == b',');
        bound(&mut key, &mut seen, option)?;
        options = others;
    }
    Ok(key)
}

/// Whether a line begins with the kind of a key, whether that kind logs in or not.
fn is_kind(line: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| line.starts_with(kind))
}

/// What comes before the first of these bytes that is in no quotes, and what comes after it. As for sshd, a backslash says something
/// before a quote alone, whatever is before the backslash.
fn split(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            _ if !is_quoted && ends(byte) => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
        is_escaped = byte == b'\\' && bytes.get(at + 1) == Some(&b'"');
    }
    (text, "")
}

/// Options of a line that sshd takes once.
#[derive(Default)]
struct Seen {
    from: bool,
    command: bool,
}

/// Has an option bound the key, or leaves it where it is about what there is not here: terminals, forwarding, the environment.
fn bound(key: &mut UserKey, seen: &mut Seen, option: &str) -> Result<()> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let value = dequoted(value).ok_or_else(|| unusable("its options are not written as sshd takes them"))?;
    let value = value.as_str();
    match name.to_ascii_lowercase().as_str() {
        "from" if std::mem::replace(&mut seen.from, true) => {
            return Err(unusable("it has several from=, which sshd does not take"));
        }
        "command" if std::mem::replace(&mut seen.command, true) => {
            return Err(unusable("it has several command=, which sshd does not take"));
        }
        "from" => {
            let networks: Option<Vec<Network>> = value.split(',').map(|part| part.trim().parse().ok()).collect();
            let unclear =
                || unusable("its from= has a name or a wildcard: write addresses and networks, as 192.0.2.0/24");
            key.from = networks.ok_or_else(unclear)?;
        }
        // The earliest counts.
        "expiry-time" => {
            let end = moment(value)?;
            key.expires = Some(key.expires.map_or(end, |known| known.min(end)));
        }
        "command" => match file_transfer(value) {
            Some(Transfer::Any) => {}
            Some(Transfer::Reading) => key.access = Some(Access::READ),
            None => return Err(unusable("its command= lets it do one thing alone, which is not known here")),
        },
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
                "it has an option that is not known here: remove it if the key may be used without it",
            ));
        }
    }
    Ok(())
}

/// The value of an option, which is in quotes as a whole or has none.
fn dequoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else { return (!value.contains('"')).then(|| value.to_owned()) };
    let (mut text, mut letters) = (String::new(), inner.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return letters.next().is_none().then_some(text),
            '\\' if letters.peek() == Some(&'"') => text.extend(letters.next()),
            _ => text.push(letter),
        }
    }
    None
}

/// What a command that moves files may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    Any,
    /// Read-only (`-R`).
    Reading,
}

/// What this command lets files be moved by, which is all that a key can do here; none for any other command, and for one that is
/// bounded in a way that is not known here (sftp-server(8): `-p` and `-P` name requests).
fn file_transfer(command: &str) -> Option<Transfer> {
    // A shell may see it. Of what means anything to one only quotes are known here.
    if command.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b" \t_./:,@+=-\"'".contains(&byte))) {
        return None;
    }
    let words = words(command)?;
    let mut words = words.iter().map(String::as_str);
    let program = words.next()?;
    if program != "internal-sftp" && program.rsplit('/').next() != Some("sftp-server") {
        return None;
    }
    let mut transfer = Transfer::Any;
    while let Some(word) = words.next() {
        let mut letters = word.strip_prefix('-').filter(|letters| !letters.is_empty())?.chars();
        while let Some(letter) = letters.next() {
            match letter {
                // Where its log goes.
                'e' => {}
                'R' => transfer = Transfer::Reading,
                // To whom and how loudly it logs, the umask, and where it begins: each with a word, beside it or the next one.
                'f' | 'l' | 'u' | 'd' => {
                    if letters.as_str().is_empty() {
                        words.next()?;
                    }
                    break;
                }
                _ => return None,
            }
        }
    }
    Some(transfer)
}

/// The words of a command, which may be in quotes as a whole or in part; none if a quote is not closed.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in command.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
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
        let dsa = "ssh-dss AAAAB3NzaC1kc3MAAACBAPGqvYkMBP0Lm0Jzn1n old";
        for text in [dsa.to_owned(), format!("no-pty {dsa}")] {
            let read = AuthorizedKeys::read(&text);
            assert!(
                read.keys.is_empty() && read.refused[0].1.text().contains("DSA keys do not log in"),
                "{:?}",
                read.refused
            );
        }
    }

    /// A key with these options before it.
    fn with(options: &str) -> Result<UserKey> {
        let mut read = AuthorizedKeys::read(&format!("{options} {}", line()));
        read.keys.pop().ok_or_else(|| read.refused.remove(0).1)
    }

    #[test]
    fn a_command_that_reads_alone_bounds_its_key_and_one_that_names_requests_is_not_known() {
        for (command, access) in [
            ("internal-sftp", None),
            ("internal-sftp -e -l INFO -f AUTH", None),
            ("/usr/lib/openssh/sftp-server -lVERBOSE -u 027 -d /srv", None),
            ("internal-sftp -d \\\"/a b\\\"", None),
            ("internal-sftp -R", Some(Access::READ)),
            ("/usr/lib/sftp-server -eR -l INFO", Some(Access::READ)),
            ("internal-sftp  -R -R ", Some(Access::READ)),
            // The word is of `-l`.
            ("internal-sftp -l -R", None),
        ] {
            let key = with(&format!("command=\"{command}\",restrict")).unwrap_or_else(|err| panic!("{command}: {err}"));
            assert_eq!(key.access(), access, "{command}");
        }
        for command in [
            "internal-sftp -P remove,rename",
            "internal-sftp -Premove",
            "internal-sftp -p open,read",
            "internal-sftp -Rp open",
            "internal-sftp -eP remove",
            "internal-sftp -x",
            "internal-sftp --",
            "internal-sftp -",
            "internal-sftp -l",
            "internal-sftp /srv",
            "internal-sftp; sh",
            "internal-sftp -d $HOME",
            "internal-sftp -d `id`",
            "internal-sftp | sh",
            "sftp-server 'open",
            "sftp-server\\ -R",
            "internal-sftp-of-mine",
            "",
            " ",
        ] {
            let err = with(&format!("command=\"{command}\"")).unwrap_err();
            assert!(err.text().contains("one thing alone"), "{command}: {err}");
        }
    }

    #[test]
    fn an_option_that_comes_twice_widens_nothing() {
        let (early, late) = ("20261201Z", "20301201Z");
        for options in [
            format!("expiry-time=\"{early}\",expiry-time=\"{late}\""),
            format!("expiry-time=\"{late}\",expiry-time=\"{early}\""),
        ] {
            assert_eq!(with(&options).unwrap().expires(), parse_expiry("2026-12-01T00:00:00Z"));
        }
        for (options, why) in [
            ("from=\"192.0.2.0/24\",from=\"0.0.0.0/0\"", "several from="),
            ("FROM=\"192.0.2.0/24\",from=\"192.0.2.0/24\"", "several from="),
            ("command=\"internal-sftp -R\",command=\"internal-sftp\"", "several command="),
        ] {
            assert!(with(options).unwrap_err().text().contains(why), "{options}");
        }
    }

    #[test]
    fn a_backslash_hides_a_quote_and_nothing_else_as_for_sshd() {
        assert!(with(r#"environment="A=\"b\",command=\"x\"""#).is_ok(), "one option");
        let shown = r#"environment="A=\x",command="x",environment="B""#;
        assert!(with(shown).unwrap_err().text().contains("one thing alone"));
        // The quote behind two backslashes is hidden, so the next one ends the text, in the middle of the option.
        for odd in [r#"environment="A=\\",command="x",environment="B=\\""#, r#"from="192.0.2.7"x"#, r#"no-pty=a"b,c""#]
        {
            assert!(with(odd).unwrap_err().text().contains("as sshd takes them"), "{odd}");
        }
    }

    #[test]
    fn a_key_that_was_refused_once_is_taken_from_no_later_line_and_the_first_bounds_count() {
        let (one, two) = (line(), line());
        let read =
            AuthorizedKeys::read(&format!("command=\"rrsync -ro /srv\" {one}\n{one}\nverify-required {two}\n{two}\n"));
        assert!(read.keys.is_empty(), "{:?}", read.keys);
        let why: Vec<(usize, bool)> =
            read.refused.iter().map(|(line, err)| (*line, err.text().starts_with("a line before it"))).collect();
        assert_eq!(why, [(1, false), (2, true), (3, false), (4, true)]);
        // The first line is what sshd looks at.
        let read = AuthorizedKeys::read(&format!("from=\"192.0.2.7\" {one}\n{one}\nfrom=\"192.0.2.7\" {one}\n"));
        assert_eq!((read.keys.len(), read.keys[0].from().len()), (1, 1));
        let [(2, err)] = read.refused.as_slice() else { panic!("{:?}", read.refused) };
        assert!(err.text().contains("other bounds"), "{err}");
        let mut read = AuthorizedKeys::read(&format!("{one}\ncommand=\"x\" {one}\n"));
        assert_eq!((read.keys.len(), read.refused.len()), (1, 1));
        // Also of the next file.
        let more = read.read_more(&format!("{one}\nfrom=\"192.0.2.7\" {one}\n{two}\n"));
        assert_eq!((more.usable, more.refused.len(), read.keys.len()), (2, 1, 2));
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
