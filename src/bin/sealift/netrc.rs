//! `~/.netrc`, where ftp, curl and others keep names and passwords of servers. Read only if that is asked for.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sealift::secret::Secret;
use sealift::{Error, Kind, Result, limits};

use super::failure::{Failure, Outcome};

/// What a netrc file says.
#[derive(Debug, Default)]
pub struct Netrc(Vec<Entry>);

/// Who logs in at one server.
#[derive(Debug, Default, Clone)]
pub struct Entry {
    /// The server; none stands for every one that has no entry above it.
    machine: Option<String>,
    /// The user.
    pub login: Option<String>,
    /// Their password.
    pub password: Option<Secret>,
}

impl Netrc {
    /// Reads the file that NETRC names, else `.netrc` in the person's own folder.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if others can read it, or with the line that makes no sense; those of the file.
    pub fn read() -> Outcome<Netrc> {
        let named = env::var_os("NETRC").filter(|file| !file.is_empty()).map(PathBuf::from);
        let own = || env::home_dir().map(|home| home.join(".netrc"));
        let nowhere = || Error::new(Kind::BadConfig, "there is no netrc file: neither NETRC nor HOME is set");
        let path = named.or_else(own).ok_or_else(nowhere)?;
        let bytes = private(&path)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(&path, "is not UTF-8 text"))?;
        Ok(parse(&text).map_err(|(line, why)| {
            let text = format!("{}:{line}: {why}", path.display());
            Error::new(Kind::BadConfig, text)
        })?)
    }

    /// The first entry for this host, and for this user if one is named.
    pub fn find(&self, host: &str, user: Option<&str>) -> Option<&Entry> {
        let is_of_host = |entry: &&Entry| entry.machine.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(host));
        let is_of_user = |entry: &&Entry| match (user, &entry.login) {
            (Some(user), Some(login)) => user == login,
            _ => true,
        };
        self.0.iter().filter(is_of_host).find(is_of_user)
    }
}

/// The bytes of a file that nobody else can read.
fn private(path: &Path) -> Outcome<Vec<u8>> {
    let failed = |err| Error::file(path.display(), err);
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        let hint = format!("Run: chmod 600 {}", path.display());
        return Err(Failure::new(
            Kind::BadConfig,
            wrong(path, "other users can read the passwords in it").text(),
            hint,
        ));
    }
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::CONFIG_FILE_MAX {
        return Err(wrong(path, "is larger than 1 MiB").into());
    }
    Ok(bytes)
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::new(Kind::BadConfig, format!("{}: {why}", path.display()))
}

/// What is wrong, and in which line. Values are never repeated.
type Wrong = (usize, &'static str);

fn parse(text: &str) -> Result<Netrc, Wrong> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    // A value may stand in the line after its word.
    let mut awaited: Option<(usize, &str)> = None;
    'lines: while let Some((number, line)) = lines.next() {
        let mut rest = line.trim_start();
        while let Some((word, after)) = token(rest).map_err(|why| (number, why))? {
            rest = after;
            match (awaited.take(), word.as_str()) {
                (Some((_, "machine")), _) => entries.push(Entry { machine: Some(word), ..Entry::default() }),
                (Some((_, "account")), _) => {}
                (Some((_, what)), _) => {
                    let entry = entries.last_mut().ok_or((number, "login and password come after a machine"))?;
                    match what {
                        "login" => entry.login = Some(word),
                        _ => entry.password = Some(Secret::new(word)),
                    }
                }
                (None, "default") => entries.push(Entry::default()),
                (None, "machine") => awaited = Some((number, "machine")),
                (None, "login" | "user") => awaited = Some((number, "login")),
                (None, "password" | "passwd") => awaited = Some((number, "password")),
                (None, "account") => awaited = Some((number, "account")),
                (None, "macdef") => {
                    // A macro lasts to the next empty line.
                    for (_, line) in lines.by_ref() {
                        if line.trim().is_empty() {
                            break;
                        }
                    }
                    continue 'lines;
                }
                (None, comment) if comment.starts_with('#') => continue 'lines,
                (None, _) => {
                    return Err((
                        number,
                        "there is a word that is none of machine, default, login, password, account, macdef",
                    ));
                }
            }
        }
    }
    match awaited {
        Some((number, _)) => Err((number, "the last word has no value")),
        None => Ok(Netrc(entries)),
    }
}

/// The first word and what follows it: up to a space, or in double quotes, in which a backslash takes the meaning of the
/// next character away.
fn token(text: &str) -> Result<Option<(String, &str)>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        return Ok(Some((word.to_owned(), rest.trim_start())));
    };
    let mut word = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next() {
            None => return Err("a quotation mark is not closed"),
            Some('"') => return Ok(Some((word, chars.as_str().trim_start()))),
            Some('\\') => word.extend(chars.next().map(|c| match c {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            })),
            Some(other) => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, host: &str, user: Option<&str>) -> Option<(Option<String>, Option<String>)> {
        let netrc = parse(text).unwrap();
        let password = |entry: &Entry| entry.password.as_ref().map(|s| String::from_utf8(s.expose().to_vec()).unwrap());
        netrc.find(host, user).map(|entry| (entry.login.clone(), password(entry)))
    }

    fn pair(login: &str, password: &str) -> Option<(Option<String>, Option<String>)> {
        Some((Some(login.into()), Some(password.into())))
    }

    #[test]
    fn entries_are_found_by_host_and_user_and_the_default_is_for_the_others() {
        let text = "# mine\nmachine h.example login a password one\nmachine\n  H.example\n  login b\n  password \"t w\\\"o\"\n\
                    macdef init\nmachine evil login x password y\n\nmachine i login c account z password # \n\
                    default login d password four\n";
        assert_eq!(found(text, "h.example", None), pair("a", "one"));
        assert_eq!(found(text, "h.EXAMPLE", Some("b")), pair("b", "t w\"o"));
        assert_eq!(found(text, "i", None), pair("c", "#"));
        assert_eq!(found(text, "evil", None), pair("d", "four"), "a macro is passed over");
        assert_eq!(found(text, "h.example", Some("e")), None);
        assert_eq!(found("", "h", None), None);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line_and_not_repeated() {
        for (text, line) in [("machine h\nlogin", 2), ("password canary", 1), ("\ncanary", 2), ("machine \"h", 1)] {
            let (at, why) = parse(text).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(!why.contains("canary"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(machine|login|password|macdef|default|[ \\n\"\\\\#a-c]){0,40}") {
            let _ = parse(&text);
        }
    }
}
