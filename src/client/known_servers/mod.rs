//! The servers a person trusts, and the pin of each one's key: what `known_hosts` is to SSH.
//!
//! One line a key, `host:port sha256//BASE64`, with `# a comment` after it if wanted. Lines that are empty or
//! begin with `#` are kept as they are. A server may have several lines, and then any of their keys is right: that is
//! how a key is changed without a moment in which nobody can connect. One that the server itself announced says which key
//! it comes `after=sha256//BASE64`.

use std::fmt;
mod succession;

use std::path::{Path, PathBuf};

pub use self::succession::Followed;
use super::options::Endpoint;
use super::private_file;
use super::target::DEFAULT_PORT;
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::limits;
use crate::tls::Pin;

/// Before the pin of the key that another one comes after.
const AFTER: &str = "after=";

/// One line: a server, its key, and what somebody noted about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The server.
    pub server: Endpoint,
    /// The pin of its key.
    pub pin: Pin,
    /// The server has announced it as the one that comes after the key of this pin.
    pub after: Option<Pin>,
    /// What follows the `#`, without spaces around it; never empty.
    pub comment: Option<String>,
}

impl Known {
    /// Reads one line that is neither empty nor a comment. Without a port it means [`DEFAULT_PORT`].
    ///
    /// # Errors
    /// What is wrong, as [`Kind::Usage`].
    pub fn parse(line: &str) -> Result<Known> {
        let (fields, comment) = match line.split_once(" #") {
            None => (line, ""),
            Some((fields, comment)) => (fields, comment.trim()),
        };
        let mut fields = fields.split_whitespace();
        let wrong = || Error::new(Kind::Usage, "a line is written: host:port sha256//BASE64 # comment");
        let (Some(server), Some(pin), after, None) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(wrong());
        };
        let after = after.map(|field| field.strip_prefix(AFTER).ok_or_else(wrong)?.parse()).transpose()?;
        let comment = (!comment.is_empty()).then(|| comment.to_owned());
        Ok(Known { server: Endpoint::parse(server, DEFAULT_PORT)?, pin: pin.parse()?, after, comment })
    }
}

/// The line, without its ending. [`Known::parse`] reads it back.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.server, self.pin)?;
        if let Some(after) = self.after {
            write!(f, " {AFTER}{after}")?;
        }
        match &self.comment {
            None => Ok(()),
            Some(comment) => write!(f, " # {}", for_people(comment.as_bytes())),
        }
    }
}

/// What [`KnownServers::add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Added {
    /// The line was written.
    New,
    /// It was there already.
    Already,
}

/// The file of known servers. Nothing is kept in memory: every call reads the file, so that two programs agree.
///
/// A change is made under a lock on `known_servers.lock` and put in place by a rename: whoever reads meanwhile sees
/// the old file or the new one. The file is for its owner alone (mode 0600).
#[derive(Debug, Clone)]
pub struct KnownServers {
    file: PathBuf,
}

impl KnownServers {
    /// The servers in this file, which need not exist yet.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        KnownServers { file: file.into() }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Every server, in the file's order. A missing file knows none.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] with file and line if any line makes no sense: skipping it could skip the very pin that
    /// would have shown an impostor. Otherwise as [`Error::file`].
    pub fn all(&self) -> Result<Vec<Known>> {
        Ok(self.read()?.into_iter().filter_map(|line| line.known).collect())
    }

    /// Whether a server could be added now.
    ///
    /// # Errors
    /// Those of the file.
    pub fn check_writable(&self) -> Result<()> {
        private_file::check_writable(&self.file)
    }

    /// The pins of one server; none if it is not known.
    ///
    /// # Errors
    /// As [`KnownServers::all`].
    pub fn pins(&self, server: &Endpoint) -> Result<Vec<Pin>> {
        Ok(self.all()?.into_iter().filter(|known| known.server == *server).map(|known| known.pin).collect())
    }

    /// Writes a server's line at the end, and makes file and folder if they are missing.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the server is known by another key, otherwise as [`KnownServers::all`].
    pub fn add(&self, known: &Known) -> Result<Added> {
        self.add_if(known, |pins| match pins.first() {
            None => Ok(()),
            Some(other) => {
                let text = format!("{} is known by another key, {other}", known.server);
                Err(Error::new(Kind::Exists, text))
            }
        })
    }

    /// Writes a line for one more key of a server that is known: from then on any of them is right.
    ///
    /// # Errors
    /// [`Kind::Exists`] if [`limits::KNOWN_KEYS_MAX`] are known of it, otherwise as [`KnownServers::all`].
    pub fn add_another(&self, known: &Known) -> Result<Added> {
        self.add_if(known, |pins| match pins.len() < limits::KNOWN_KEYS_MAX {
            true => Ok(()),
            false => {
                let text = format!("{} is known by {} keys already", known.server, pins.len());
                Err(Error::new(Kind::Exists, text))
            }
        })
    }

    fn add_if(&self, known: &Known, allows: impl FnOnce(&[Pin]) -> Result<()>) -> Result<Added> {
        self.change(|mut lines| {
            let of_this =
                lines.iter().filter_map(|line| line.known.as_ref()).filter(|seen| seen.server == known.server);
            let pins: Vec<Pin> = of_this.map(|seen| seen.pin).collect();
            if pins.contains(&known.pin) {
                return Ok((lines, Added::Already));
            }
            allows(&pins)?;
            lines.push(Line { text: known.to_string(), known: Some(known.clone()) });
            Ok((lines, Added::New))
        })
    }

    /// Removes every line of a server and says how many there were.
    ///
    /// # Errors
    /// As [`KnownServers::all`].
    pub fn remove(&self, server: &Endpoint) -> Result<usize> {
        self.remove_those(|known| known.server == *server)
    }

    /// Removes those lines of a server whose keys have one of these pins, and says how many there were.
    ///
    /// # Errors
    /// As [`KnownServers::all`].
    pub fn remove_pins(&self, server: &Endpoint, pins: &[Pin]) -> Result<usize> {
        self.remove_those(|known| known.server == *server && pins.contains(&known.pin))
    }

    fn remove_those(&self, goes: impl Fn(&Known) -> bool) -> Result<usize> {
        self.change(|mut lines| {
            let before = lines.len();
            lines.retain(|line| !line.known.as_ref().is_some_and(&goes));
            let removed = before - lines.len();
            Ok((lines, removed))
        })
    }

    fn read(&self) -> Result<Vec<Line>> {
        self.lines(&private_file::read(&self.file)?.unwrap_or_default())
    }

    fn lines(&self, bytes: &[u8]) -> Result<Vec<Line>> {
        let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        // After the last ending comes no line.
        lines.pop_if(|last| last.is_empty());
        lines.into_iter().enumerate().map(|(at, line)| self.line(at + 1, line)).collect()
    }

    fn line(&self, number: usize, line: &[u8]) -> Result<Line> {
        let wrong = |why: &str| {
            let text = format!("{}:{number}: {}", self.file.display(), for_people(why.as_bytes()));
            Error::new(Kind::BadConfig, text)
        };
        let text = std::str::from_utf8(line).map_err(|_| wrong("the line is not UTF-8"))?;
        let trimmed = text.trim();
        let known = match trimmed.is_empty() || trimmed.starts_with('#') {
            true => None,
            false => Some(Known::parse(trimmed).map_err(|err| wrong(err.text()))?),
        };
        Ok(Line { text: text.to_owned(), known })
    }

    fn change<T>(&self, change: impl FnOnce(Vec<Line>) -> Result<(Vec<Line>, T)>) -> Result<T> {
        private_file::change(&self.file, |before| {
            let before = before.unwrap_or_default();
            let lines = self.lines(&before)?;
            let texts: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
            let (after, done) = change(lines)?;
            if texts.iter().eq(after.iter().map(|line| &line.text)) {
                return Ok((before, done));
            }
            Ok((after.iter().flat_map(|line| line.text.bytes().chain([b'\n'])).collect(), done))
        })
    }
}

/// A line as it stands, and what it says if it is not a comment.
#[derive(Debug)]
struct Line {
    text: String,
    known: Option<Known>,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use proptest::prelude::*;

    const PIN: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn known(server: &str, pin: &str) -> Known {
        Known::parse(&format!("{server} {pin}")).unwrap()
    }

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text, DEFAULT_PORT).unwrap()
    }

    fn in_temp() -> (tempfile::TempDir, KnownServers) {
        let dir = tempfile::tempdir().unwrap();
        let servers = KnownServers::new(dir.path().join("config/known_servers"));
        (dir, servers)
    }

    #[test]
    fn a_missing_file_knows_nobody_and_the_first_server_makes_it_private() {
        let (_dir, servers) = in_temp();
        assert_eq!(servers.all().unwrap(), []);
        assert_eq!(servers.add(&known("[::1]:9", PIN)).unwrap(), Added::New);
        assert_eq!(servers.pins(&endpoint("[0::1]:9")).unwrap(), [PIN.parse().unwrap()]);
        assert_eq!(servers.pins(&endpoint("[::1]")).unwrap(), []);
        assert_eq!(fs::metadata(servers.file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(servers.file()).unwrap(), format!("[::1]:9 {PIN}\n"));
    }

    #[test]
    fn another_key_for_a_known_server_is_refused_and_the_same_is_no_change() {
        let (_dir, servers) = in_temp();
        servers.add(&known("host", PIN)).unwrap();
        assert_eq!(servers.add(&known("HOST:4456", PIN)).unwrap(), Added::Already);
        assert_eq!(servers.add(&known("host", OTHER)).unwrap_err().kind(), Kind::Exists);
        assert_eq!(servers.all().unwrap().len(), 1);
    }

    #[test]
    fn lines_of_others_comments_and_spacing_survive_every_change() {
        let (_dir, servers) = in_temp();
        fs::create_dir(servers.file().parent().unwrap()).unwrap();
        let before = format!("# mine\n\n  a:1   {PIN}  # the  attic \nb:2 {OTHER}");
        fs::write(servers.file(), &before).unwrap();
        assert_eq!(servers.all().unwrap()[0].comment.as_deref(), Some("the  attic"));
        servers.add(&known("c:3", PIN)).unwrap();
        assert_eq!(fs::read_to_string(servers.file()).unwrap(), format!("{before}\nc:3 {PIN}\n"));
        assert_eq!(servers.remove(&endpoint("c:3")).unwrap(), 1);
        assert_eq!(servers.remove(&endpoint("c:3")).unwrap(), 0);
        assert_eq!(fs::read_to_string(servers.file()).unwrap(), format!("{before}\n"));
    }

    #[test]
    fn several_keys_of_one_server_are_all_right() {
        let (_dir, servers) = in_temp();
        fs::create_dir(servers.file().parent().unwrap()).unwrap();
        fs::write(servers.file(), format!("a:1 {PIN}\na:1 {OTHER}\n")).unwrap();
        assert_eq!(servers.pins(&endpoint("a:1")).unwrap().len(), 2);
        assert_eq!(servers.remove(&endpoint("a:1")).unwrap(), 2);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_and_nothing_is_written() {
        let (_dir, servers) = in_temp();
        fs::create_dir(servers.file().parent().unwrap()).unwrap();
        for bad in [
            &b"host"[..],
            b"host sha256//x",
            b"host:x sha256//",
            b"\xff",
            b"a b c d",
            b"host sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= after=x",
            b"ho st sha256//x",
        ] {
            let text = [b"# fine\n", bad, b"\n"].concat();
            fs::write(servers.file(), &text).unwrap();
            for err in [servers.all().unwrap_err(), servers.add(&known("c:3", PIN)).unwrap_err()] {
                assert_eq!(err.kind(), Kind::BadConfig);
                assert!(err.text().contains("known_servers:2: "), "{err}");
            }
            assert_eq!(fs::read(servers.file()).unwrap(), text);
        }
    }

    #[test]
    fn a_link_to_the_file_stays_a_link() {
        let (dir, servers) = in_temp();
        let real = dir.path().join("real");
        fs::write(&real, "# real\n").unwrap();
        fs::create_dir(servers.file().parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&real, servers.file()).unwrap();
        servers.add(&known("a", PIN)).unwrap();
        assert!(fs::symlink_metadata(servers.file()).unwrap().is_symlink());
        assert!(fs::read_to_string(real).unwrap().contains("a:4456"));
    }

    #[test]
    fn many_writers_at_once_lose_no_line() {
        let (_dir, servers) = in_temp();
        std::thread::scope(|scope| {
            for at in 0..8 {
                let servers = &servers;
                scope.spawn(move || servers.add(&known(&format!("host{at}"), PIN)).unwrap());
            }
        });
        assert_eq!(servers.all().unwrap().len(), 8);
    }

    proptest! {
        #[test]
        fn parse_inverts_render(host in "[a-z0-9][a-z0-9.-]{0,20}", port in 1u16.., pin in prop_oneof![Just(PIN), Just(OTHER)], after: bool,
            comment in proptest::option::of("[a-zü#]([ -~]{0,20}[a-z#])?")) {
            let after = after.then(|| OTHER.parse().unwrap());
            let known = Known { server: Endpoint { host, port }, pin: pin.parse().unwrap(), after, comment };
            prop_assert_eq!(Known::parse(&known.to_string()).unwrap(), known);
        }

        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(line in ".{0,120}") {
            if let Ok(known) = Known::parse(&line) {
                prop_assert_eq!(Known::parse(&known.to_string()).unwrap().pin, known.pin);
            }
        }
    }
}
